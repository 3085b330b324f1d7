"""``eventlog list``: the sessions, the latest first."""

from __future__ import annotations

from typing import Any

import click

from eventlog.cli.context import Context, command

from ..catalog.summary import ORDERS
from .filters import filters, local, open_catalog, page_options, say_next, say_unknown


@command("list")
@filters
@click.option(
    "--sort", type=click.Choice(list(ORDERS)), default="updated", show_default=True, help="What comes first: the largest of these."
)
@page_options(50, "At most this many.")
def list_sessions(context: Context, sort: Any, limit: int, after: str | None, **filters: Any) -> None:
    """List sessions, those of the latest activity first.

    All filters must hold. Times are local."""
    with open_catalog(context) as catalog:
        page = catalog.list(sort=sort, limit=limit, after=after, **filters)
        if not page.total:
            say_unknown(context, catalog, filters)
    if context.json:
        context.emit(page)
        return
    if page.items:
        context.table(
            ["session", "title", "status", "user", "tags", "messages", "tools", "tokens", "cost", "last activity"],
            [
                (
                    item.session_id,
                    ("* " if item.pinned else "") + _shortened(item.title or item.preview or ""),
                    item.status,
                    item.user_id,
                    ", ".join(item.tags),
                    f"{item.messages:,}",
                    f"{item.tool_calls:,}",
                    f"{item.input_tokens + item.output_tokens + item.cache_read_tokens + item.cache_write_tokens:,}",
                    "" if item.cost is None else f"{item.cost.amount:,.2f} {item.cost.currency}",
                    local(item.updated_at),
                )
                for item in page.items
            ],
            right=["messages", "tools", "tokens", "cost"],
        )
    say_next(context, len(page.items), page.total, page.next, "sessions")


def _shortened(text: str, size: int = 60) -> str:
    line = " ".join(text.split())
    return line if len(line) <= size else line[: size - 1] + "…"
