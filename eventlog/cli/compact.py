"""``eventlog compact``: fewer and smaller files with the same events in them."""

from __future__ import annotations

import click

from .context import Context, command
from .duration import duration, in_words


@command("compact")
@click.argument("sessions", nargs=-1, metavar="[SESSION]...")
@click.option("--drop-deltas", is_flag=True, help="Also leave out streamed pieces whose message is complete; this is recorded.")
@click.option("--drop-retracted", is_flag=True, help="Also leave out what was taken back (history.*); this is recorded.")
@click.option("--idle", type=duration, default=None, help="Compress what nothing happened to for so long (default: compress_after).")
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
def compact(
    context: Context, sessions: tuple[str, ...], drop_deltas: bool, drop_retracted: bool, idle: float | None, dry_run: bool
) -> None:
    """Make fewer and smaller files with the same events in them.

    Seals and compresses what nothing happened to for a while (the setting compress_after), joins small segments, and removes what crashes
    have left. Programs may write and read meanwhile.
    Exit code 1 when something could not be done."""
    with context.open_log(write=True) as log:
        chosen = [context.session_to_change(log, session) for session in dict.fromkeys(sessions)] or None
        report = log.compact(chosen, drop_deltas=drop_deltas, drop_retracted=drop_retracted, idle_s=idle, dry_run=dry_run)
    if report.skipped:
        context.bad_news()
    if context.json:
        context.emit(report)
        return
    would = "would be " if dry_run else ""
    context.say(
        f"{report.sessions:,} sessions: {report.sealed:,} segments {would}sealed, {report.compressed:,} compressed, {report.joined:,}"
        f" joined to others, {report.removed:,} leftovers removed"
    )
    if report.too_young:
        age = context.loaded().settings.compress_after if idle is None else in_words(idle)
        context.say(f"{report.too_young:,} not compressed: something happened to them within {age}; --idle 0s compresses them now")
    left_out = " and ".join(
        what for what, wanted in (("deltas of complete messages", drop_deltas), ("events that were taken back", drop_retracted)) if wanted
    )
    if left_out:
        context.say(f"{report.left_out:,} {left_out} {would or 'were '}left out")
    if not dry_run:
        context.say(f"{report.bytes_before:,} bytes before, {report.bytes_after:,} after")
    for skipped in report.skipped:
        context.warn(f"{skipped.session_id}: {skipped.reason}")
