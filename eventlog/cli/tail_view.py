"""One event on one line, for a person who watches: who, what, and the color of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from ..events import (
    ErrorLogged,
    MessageAdded,
    ModeChanged,
    ModelChanged,
    Part,
    SessionEnded,
    SessionStarted,
    ToolCalled,
    ToolReturned,
    UsageRecorded,
)
from ..stored import StoredEvent
from .failures import one_line

_TEXT_SHOWN = 160
_SHORT_ID_SIZE = 13  # of a UUIDv7: its time, which tells most sessions apart and is enough of the id for every command


def short_id(session_id: str) -> str:
    return session_id[:_SHORT_ID_SIZE]


def describe(stored: StoredEvent) -> tuple[str, str, str]:
    """Who did it, what happened, and the style to show it in."""
    match stored.event:
        case MessageAdded(role=role, content=content):
            return one_line(role), _short(_content(content)), "cyan" if role == "user" else ""
        case ToolCalled(name=name, arguments=arguments):
            return "tool", f"{one_line(name)} {_short(_json(arguments))}", "yellow"
        case ToolReturned() as returned:
            shown = returned.output if returned.display is None else returned.display
            took = "" if returned.duration_ms is None else f" in {returned.duration_ms / 1000:,.2f} s"
            failed = "failed" if returned.is_error else "returned"
            return "tool", f"{failed}{took}: {_short(_json(shown))}", "red" if returned.is_error else "dim"
        case UsageRecorded() as usage:
            return "usage", f"{usage.input_tokens:,} tokens in, {usage.output_tokens:,} out", "dim"
        case ErrorLogged(message=message, kind=kind):
            return "error", _short(f"{kind}: {message}" if kind else message), "bold red"
        case SessionStarted(title=title, kind=kind):
            return "session", _short(f"started{f' ({kind})' if kind else ''}{f': {title}' if title else ''}"), "bold"
        case SessionEnded(status=status, reason=reason):
            return "session", _short(f"ended, {status}{f': {reason}' if reason else ''}"), "bold"
        case ModelChanged(model=model):
            return "model", _short(model), "dim"
        case ModeChanged(mode=mode):
            return "mode", _short(mode), "dim"
        case event:
            who, _, what = stored.type.partition(".")
            data = getattr(event, "data", event)
            return one_line(who), _short(f"{what} {_json(data)}"), "dim"


def _content(content: str | list[Part]) -> str:
    return content if isinstance(content, str) else " ".join(_parts(content))


def _parts(parts: Iterable[Part]) -> Iterable[str]:
    for part in parts:
        if part.type == "text" and isinstance(part.content, str):
            yield part.content
        elif part.type == "reasoning":
            yield f"[reasoning] {part.content if isinstance(part.content, str) else ''}"
        elif part.type == "tool_call":
            yield f"[calls {part.name}] {_json(part.arguments)}"
        elif part.type == "tool_call_response":
            yield f"[tool result] {_json(part.response)}"
        else:
            yield f"[{part.type}]"


def _json(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None or value is msgspec.UNSET else msgspec.json.encode(value).decode()


def _short(text: str) -> str:
    text = one_line(text[: 8 * _TEXT_SHOWN])
    return text if len(text) <= _TEXT_SHOWN else f"{text[: _TEXT_SHOWN - 3]}..."
