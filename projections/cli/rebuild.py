"""``eventlog rebuild``: the projections anew from the log, or a look whether they are right."""

from __future__ import annotations

import click

from eventlog.cli.context import Context, command

from .bar import Bar
from .filters import open_catalog

_DIFFERENCES_SHOWN = 20


@command("rebuild")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--check", is_flag=True, help="Only compare what is stored with a rebuild; exit 1 where they differ.")
@click.option("--jobs", type=click.IntRange(1, 256), help="Processes to use.  [default: one per processor]")
@click.option("--full", is_flag=True, help="Also let those that are not rebuilt look at every session again.")
def rebuild(context: Context, names: tuple[str, ...], check: bool, jobs: int | None, full: bool) -> None:
    """Make the projections anew from the log, or check them.

    The projections are catalog and search. What is there serves until the new ones are done."""
    with open_catalog(context) as catalog, Bar(context, "rebuilding") as bar:
        if check:
            differences = []
            for difference in catalog.check(*names, jobs=jobs, progress=bar):
                differences.append(difference)
                if len(differences) == _DIFFERENCES_SHOWN:
                    break
            rebuilt: tuple[str, ...] = ()
        else:
            rebuilt = catalog.rebuild(*names, jobs=jobs, progress=bar)
            differences = []
        if full:
            catalog.look_at_everything()
    if differences:
        context.bad_news()
    did = f"{bar.sessions:,} sessions, {bar.events:,} events in {bar.took_s:,.1f} s ({bar.events / bar.took_s:,.0f} events/s)"
    if context.json:
        context.emit(
            {
                "rebuilt": rebuilt,
                "checked": check,
                "ok": not differences,
                "differences": differences,
                "sessions": bar.sessions,
                "events": bar.events,
            }
        )
    elif not check:
        context.say(f"rebuilt {', '.join(rebuilt)}: {did}")
    elif not differences:
        context.say(f"the projections are what the log says: {did}")
    else:
        for found in differences:
            context.say(f"{found.projection}: {found.table} of {found.session_id}, key {found.key}")
            context.say(f"    stored   {found.stored}")
            context.say(f"    rebuilt  {found.rebuilt}")
        more = " or more" if len(differences) == _DIFFERENCES_SHOWN else ""
        context.say(f"{len(differences)}{more} differences; `eventlog rebuild` puts them right")
