"""OpenAI Agents SDK: the SQLite file of its sessions: ``agent_sessions``, ``agent_messages`` (the tables may have other names).

A row is an item of the Responses API: a user's is ``{role, content}`` without a type, an answer an output item. Times are UTC and name no
zone. Encrypted items (``__enc__``) stay as they are. An item that is taken back is deleted.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from eventlog.events import Event, Part
from eventlog.ids import session_id_of
from eventlog.shapes import openai_responses
from eventlog.shapes.exchange import Said as Spoken

from .databases import quoted, record_of, rows
from .declaration import Conversation, Format, Found, Rows, Tables
from .intake import Place, Source
from .listed import ListedMeaning
from .values import arguments_of, mapping_of, text_of, time_of

if TYPE_CHECKING:
    import sqlite3

NAME = "openai-agents"


def _messages(tables: Tables) -> str | None:
    return next((name for name, columns in sorted(tables.items()) if {"session_id", "message_data", "created_at"} <= set(columns)), None)


def _read(connection: sqlite3.Connection, tables: Tables) -> Iterator[Conversation]:
    messages = quoted(_messages(tables) or "")
    named = "session_id", "created_at", "updated_at"
    sessions = [name for name, columns in tables.items() if set(named) <= set(columns) and "message_data" not in columns]
    about = {row["session_id"]: row for name in sessions[:1] for row in rows(connection, f"select * from {quoted(name)}")}
    ids = [row["session_id"] for row in rows(connection, f"select distinct session_id from {messages} order by session_id")]
    for id in dict.fromkeys([*about, *ids]):
        yield Conversation(Place(session_id_of(NAME, str(id)), (str(id),)), _rows(connection, messages, id, about.get(id)))


def _rows(connection: sqlite3.Connection, messages: str, id: Any, session: dict[str, Any] | None) -> Iterator[Found]:
    if session is not None:
        # without what changes with every message, so that growth is what was added
        kept = {name: value for name, value in session.items() if name != "updated_at"}
        yield Found(record_of("agent_sessions", kept), time_of(session.get("created_at")))
    for row in rows(connection, f"select * from {messages} where session_id = ? order by id", id):
        yield Found(record_of("agent_messages", row), time_of(row.get("created_at")))


class OpenaiAgentsMeaning(ListedMeaning):
    NAME = NAME
    PROVIDER = "openai"

    def events(self, source: Source) -> list[Event]:
        row = mapping_of(mapping_of(source.record).get("row"))
        item = arguments_of(row.get("message_data"))
        if not isinstance(item, dict):
            return []
        name = f"row-{row['id']}" if isinstance(row.get("id"), int) else source.name
        name = text_of(item.get("id")) or name
        return [
            event
            for spoken in openai_responses.said([item])
            for event in self.tell(name, spoken, role=_role(spoken), hidden=_role(spoken) == "reasoning")
        ]


def _role(spoken: Spoken) -> str | None:
    """A call or a thought that is a row of its own is no message of the assistant's."""
    kinds = {part.type for part in spoken.parts if isinstance(part, Part)}
    if spoken.role != "assistant" or not kinds or not kinds <= {"tool_call", "reasoning"}:
        return None
    return "tool" if "tool_call" in kinds else "reasoning"


FORMAT = Format(
    name=NAME,
    tool="OpenAI Agents SDK",
    meaning=OpenaiAgentsMeaning,
    names=("*.db", "*.sqlite", "*.sqlite3"),
    rows=Rows(lambda tables: _messages(tables) is not None, _read),
    checked_on="its description",
)
