"""``eventlog search``: events by their words."""

from __future__ import annotations

from typing import Any

import click

from eventlog.cli.context import Context, command

from .filters import filters, local, open_catalog, page_options, say_next


@command("search")
@click.argument("query", nargs=-1, required=True)
@filters
@page_options(20, "At most this many.")
def search(context: Context, query: tuple[str, ...], limit: int, after: str | None, **filters: Any) -> None:
    """Find events by their words, the best hits first.

    Looks into messages, reasoning, tool arguments and outputs, titles. All words must be there; also "a phrase", prefix*, -without,
    this OR that. A query that begins with a dash goes after --."""
    with open_catalog(context) as catalog:
        page = catalog.search(" ".join(query), limit=limit, after=after, **filters)
    if context.json:
        context.emit(page)
        return
    for item in page.items:
        context.say(f"{item.session_id}  {item.seq}  {item.role or item.kind}  {local(item.time)}  {item.title or ''}".rstrip(), "bold")
        context.say(f"    {item.snippet}")
    say_next(context, len(page.items), page.total, page.next, "hits")
