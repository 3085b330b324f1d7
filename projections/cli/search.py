"""``eventlog search``: events by their words."""

from __future__ import annotations

from typing import Any

import click

from eventlog.cli.context import Context, command

from .filters import filters, local, open_catalog, page_options, say_next, say_unknown


@command("search")
@click.argument("query", nargs=-1, required=True)
@click.option("--session", metavar="SESSION", help="Within this session.")
@click.option("--role", "roles", multiple=True, metavar="ROLE", help="In messages of this role; may be given several times.")
@filters
@page_options(20, "At most this many.")
def search(
    context: Context,
    query: tuple[str, ...],
    session: str | None,
    roles: tuple[str, ...],
    limit: int,
    after: str | None,
    **filters: Any,
) -> None:
    """Find events by their words, the best hits first.

    Looks into messages, reasoning, tool arguments and outputs, titles. All words must be there; also "a phrase", prefix*, -without,
    this OR that; C++ and C# are words. A query that begins with a dash goes after --."""
    with open_catalog(context) as catalog:
        session_id = None if session is None else context.find_session(catalog.log, session)
        page = catalog.search(" ".join(query), session_id=session_id, roles=roles, limit=limit, after=after, **filters)
        if not page.total:
            say_unknown(context, catalog, {**filters, "roles": roles})
    if context.json:
        context.emit(page)
        return
    for item in page.items:
        context.say(f"{item.session_id}  {item.seq}  {item.role or item.kind}  {local(item.time)}  {item.title or ''}".rstrip(), "bold")
        context.say(f"    {item.snippet}")
    say_next(context, len(page.items), page.total, page.next, "hits")
