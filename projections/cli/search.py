"""``eventlog search``: events by their words."""

from __future__ import annotations

from typing import Any

import click
import msgspec

from eventlog.cli.context import Context, command

from ..operations import questions
from .filters import asking, local, open_catalog, say_next, say_unknown
from .options import options


@command("search")
@click.argument("query", nargs=-1, required=True)
@options(questions.Search, leave_out=["query"])
def search(context: Context, query: tuple[str, ...], given: dict[str, Any]) -> None:
    """Find events by their words, the best hits first.

    Looks into messages, reasoning, tool arguments and outputs, titles. All words must be there; also "a phrase", prefix*, -without,
    this OR that; C++ and C# are words. A query that begins with a dash goes after --."""
    with open_catalog(context) as catalog:
        if "session_id" in given:
            given["session_id"] = context.find_session(catalog.log, given["session_id"])
        page = questions.search(asking(catalog), msgspec.convert({**given, "query": " ".join(query)}, type=questions.Search))
        if not page.total:
            say_unknown(context, catalog, given)
    if context.json:
        context.emit(page)
        return
    for item in page.items:
        context.say(f"{item.session_id}  {item.seq}  {item.role or item.kind}  {local(item.time)}  {item.title or ''}".rstrip(), "bold")
        context.say(f"    {item.snippet}")
    say_next(context, len(page.items), page.total, page.next, "hits")
