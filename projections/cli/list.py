"""``eventlog list``: the sessions, the latest first."""

from __future__ import annotations

from typing import Any

import msgspec

from eventlog.cli.context import Context, command

from ..operations import questions
from .filters import asking, local, open_catalog, say_next, say_unknown
from .options import options


@command("list")
@options(questions.List)
def list_sessions(context: Context, given: dict[str, Any]) -> None:
    """List sessions, those of the latest activity first.

    All filters must hold. Times are local, or of --zone."""
    asked = msgspec.convert(given, type=questions.List)
    with open_catalog(context) as catalog:
        page = questions.list_sessions(asking(catalog), asked)
        if not page.total:
            say_unknown(context, catalog, given)
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
