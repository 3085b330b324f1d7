"""``eventlog tools``: every use of a tool."""

from __future__ import annotations

from typing import Any

import click
import msgspec

from eventlog.cli.context import Context, command

from ..catalog.tool_history import ToolItem
from .filters import local, open_catalog, page_options, say_next, say_unknown

_SHOWN = 60


@command("tools")
@click.argument("session", required=False)
@click.option("--name", metavar="TOOL", help="Only this tool.")
@click.option("--call", "call_id", metavar="ID", help="Only the call with this id, of whichever session.")
@click.option("--open", "open_only", is_flag=True, help="Only calls that have no result yet.")
@click.option("--failed", is_flag=True, help="Only calls that failed.")
@page_options(1_000, "At most this many.")
def tools(
    context: Context,
    session: str | None,
    name: str | None,
    call_id: str | None,
    open_only: bool,
    failed: bool,
    limit: int,
    after: str | None,
) -> None:
    """List tool calls with their results.

    Those of a session in its order, else those of all sessions, the latest first."""
    with open_catalog(context) as catalog:
        session_id = None if session is None else context.find_session(catalog.log, session)
        page = catalog.tools(
            session_id=session_id,
            call_id=call_id,
            name=name,
            open=True if open_only else None,
            failed=True if failed else None,
            limit=limit,
            after=after,
        )
        if not page.total:
            say_unknown(context, catalog, {"name": name})
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
