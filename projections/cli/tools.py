"""``eventlog tools``: every use of a tool."""

from __future__ import annotations

from typing import Any

import click
import msgspec

from eventlog.cli.amounts import local
from eventlog.cli.context import Context, command

from ..catalog.tool_history import ToolItem
from ..operations import questions
from .filters import asking, open_catalog, say_next, say_unknown
from .options import options

_SHOWN = 60


@command("tools")
@click.argument("session", required=False)
@options(questions.ToolCalls, leave_out=["session_id"])
def tools(context: Context, session: str | None, given: dict[str, Any]) -> None:
    """List tool calls with their results.

    Those of a session in its order, else those of all sessions, the latest first."""
    with open_catalog(context) as catalog:
        if session is not None:
            given["session_id"] = context.find_session(catalog.log, session)
        page = questions.tool_calls(asking(context, catalog), msgspec.convert(given, type=questions.ToolCalls))
        if not page.total:
            say_unknown(context, catalog, {"name": given.get("name")})
    if context.json:
        context.emit(page)
        return
    if page.items:
        context.table(
            ["session", "seq", "tool", "outcome", "seconds", "time", "arguments", "output"],
            [
                (
                    item.session_id,
                    item.called_seq,
                    item.name or "unknown",
                    _outcome(item),
                    "" if item.duration_ms is None else f"{item.duration_ms / 1000:,.2f}",
                    local(item.called_at),
                    _line(item.arguments),
                    _line(item.output if item.display is None else item.display),
                )
                for item in page.items
            ],
            right=["seq", "seconds"],
        )
    say_next(context, len(page.items), page.total, page.next, "tool calls")


def _outcome(item: ToolItem) -> str:
    if item.returned_seq is None:
        return "open"
    return "failed" if item.is_error else "returned"


def _line(value: Any) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    line = " ".join(text[: 4 * _SHOWN].split())
    return line if len(line) <= _SHOWN else line[: _SHOWN - 1] + "…"
