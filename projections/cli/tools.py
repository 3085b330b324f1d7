"""``eventlog tools``: every use of a tool."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click
import msgspec

from eventlog.cli.amounts import age, local
from eventlog.cli.columns import Column, for_eyes
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
        wanted = context.terminal.is_there and not context.json
        short = catalog.short_ids(list({item.session_id for item in page.items})) if wanted else {}
    if context.json:
        context.emit(page)
        return
    if page.items:
        terminal = context.terminal
        columns = _fitted(short, context.now()) if terminal.is_there else _whole()
        for line in for_eyes(terminal, columns, page.items, terminal.width if terminal.is_there else None):
            click.echo(line, color=terminal.colors)
    say_next(context, len(page.items), page.total, page.next, "tool calls")


def _whole() -> list[Column[ToolItem]]:
    """In a pipe."""
    return [
        Column(name="session", value=lambda item: item.session_id),
        Column(name="seq", value=lambda item: item.called_seq, right=True),
        Column(name="tool", value=lambda item: item.name or "unknown"),
        Column(name="outcome", value=_outcome),
        Column(name="seconds", value=lambda item: "" if item.duration_ms is None else f"{item.duration_ms / 1000:,.2f}", right=True),
        Column(name="time", value=lambda item: local(item.called_at)),
        Column(name="arguments", value=lambda item: _line(item.arguments)),
        Column(name="output", value=lambda item: _line(item.output if item.display is None else item.display)),
    ]


def _fitted(short: dict[str, str], now: datetime) -> list[Column[ToolItem]]:
    """For eyes: one line a call, what it was given fills it."""
    return [
        Column(name="id", value=lambda item: short[item.session_id], style="yellow", rank=3),
        Column(name="seq", value=lambda item: item.called_seq, right=True, rank=2),
        Column(
            name="age", value=lambda item: "" if item.called_at is None else age(item.called_at, now), right=True, style="green", rank=5
        ),
        Column(name="tool", value=lambda item: item.name or "unknown", style="bold", rank=0, most=20),
        Column(
            name="outcome",
            value=lambda item: "" if _outcome(item) == "returned" else _outcome(item),
            style=lambda item: "red" if item.is_error else "yellow",
            rank=1,
        ),
        Column(name="secs", value=lambda item: "" if item.duration_ms is None else f"{item.duration_ms / 1000:,.1f}", right=True, rank=4),
        Column(name="arguments", value=lambda item: _line(item.arguments, 200), fills=True),
    ]


def _outcome(item: ToolItem) -> str:
    if item.returned_seq is None:
        return "open"
    return "failed" if item.is_error else "returned"


def _line(value: Any, most: int = _SHOWN) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    line = " ".join(text[: 4 * most].split())
    return line if len(line) <= most else line[: most - 1] + "…"
