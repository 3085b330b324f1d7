"""What people and programs see of a session, whichever way they look."""

from __future__ import annotations

from typing import Any

import msgspec

from eventlog import EventLog
from projections import Catalog, SessionView, view_of

HARD: dict[str, Any] = {
    "nul": "a\u2028b\x00c",
    "half": "\ud83d and \udc00",
    "big": 2**70,
    "exact": 0.1 + 0.2,
    "infinite": float("inf"),
    "empty": "",
    "deep": [[[[{"a": None}]]]],
}


def session_ids(log: EventLog) -> list[str]:
    return sorted(log.session_ids())


def view(log: EventLog, session_id: str | None = None) -> SessionView:
    """The session's, or the only one's."""
    if session_id is None:
        (session_id,) = session_ids(log)
    with log.session(session_id) as session:
        return view_of(session)


def texts(found: SessionView) -> list[tuple[str, str]]:
    """Role and text of each message; what is no text by its type."""
    return [
        (message.role, "".join(part["content"] if part["type"] == "text" else f"[{part['type']}]" for part in message.parts))
        for message in found.messages
    ]


def search(log: EventLog, words: str) -> list[str]:
    with Catalog.open(log) as catalog:
        return [item.session_id for item in catalog.search(words).items]


def counts(log: EventLog) -> dict[str, Any]:
    with Catalog.open(log) as catalog:
        numbers = msgspec.to_builtins(catalog.statistics())
    return {name: numbers[name] for name in ("messages", "tool_calls", "usage")}
