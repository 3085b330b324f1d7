"""Hermes: ``~/.hermes/state.db``, SQLite: ``sessions`` and ``messages`` in OpenAI's shape; older ones a JSON file for each session.

``tool_calls`` and ``reasoning_details`` are JSON in a text. Tokens and money are stated for the session only. A session that goes on from
another one after a compaction, or that another one delegated, names it in ``parent_session_id``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eventlog.events import Event, Parent, Part, ToolReturned
from eventlog.ids import session_id_of
from eventlog.shapes import openai_chat
from eventlog.shapes.exchange import Said as Spoken

from .databases import record_of, rows
from .declaration import Conversation, Documents, Format, Found, Location, Rows, Tables
from .intake import Place, Source
from .listed import ListedMeaning, Message, join_list, split_list
from .records import lenient_value
from .values import amount_of, arguments_of, count_of, list_of, mapping_of, text_of, time_of

if TYPE_CHECKING:
    import sqlite3

NAME = "hermes"


def _is_database(tables: Tables) -> bool:
    return {"session_id", "role", "content", "tool_calls"} <= set(tables.get("messages", ())) and "started_at" in tables.get("sessions", ())


def _read(connection: sqlite3.Connection, tables: Tables) -> Iterator[Conversation]:
    order = "timestamp, id" if "timestamp" in tables["messages"] and "id" in tables["messages"] else "rowid"
    for session in list(rows(connection, "select * from sessions order by started_at, id")):
        yield Conversation(_place(str(session["id"]), session.get("parent_session_id")), _rows(connection, session, order))


def _rows(connection: sqlite3.Connection, session: dict[str, Any], order: str) -> Iterator[Found]:
    yield Found(record_of("sessions", session), time_of(session.get("started_at")))
    for row in rows(connection, f"select * from messages where session_id = ? order by {order}", session["id"]):
        yield Found(record_of("messages", row), time_of(row.get("timestamp")))


def _is_document(value: Any) -> bool:
    if not isinstance(value, dict) or not isinstance(value.get("messages"), list) or not isinstance(value.get("session_id"), str):
        return False
    return "session_start" in value and ("platform" in value or "model" in value)


def _split(path: Path, data: bytes, value: dict[str, Any]) -> Iterator[Conversation]:
    time = time_of(value.get("session_start"))
    place = _place(value["session_id"], value.get("parent_session_id"))
    yield split_list(place, data, value, "messages", time=time, time_of_message=lambda each: time_of(each.get("timestamp")))


def _place(name: str, caller: Any) -> Place:
    above = text_of(caller)
    parent = Parent(session_id=session_id_of(NAME, above), relation="continuation") if above and above != name else None
    return Place(session_id_of(NAME, name), (name,), parent)


class HermesMeaning(ListedMeaning):
    NAME = NAME

    def events(self, source: Source) -> list[Event]:
        record = mapping_of(source.record)
        row = mapping_of(record.get("row"))
        if record.get("table") == "sessions":
            return self.rest(row)
        if record.get("table") == "messages":
            name = f"message-{row['id']}" if row.get("id") is not None else source.name
            return self.message(row, name)
        return super().events(source)

    def rest(self, record: dict[str, Any]) -> list[Event]:
        model = text_of(record.get("model"))
        config = mapping_of(arguments_of(record.get("model_config")))
        cwd = text_of(record.get("cwd")) or text_of(config.get("cwd"))
        events = self.facts.update(
            title=record.get("title"), cwd=cwd, platform=text_of(record.get("platform")) or text_of(record.get("source"))
        )
        events += self.facts.uses(model, record.get("billing_provider"))
        prompt = text_of(record.get("system_prompt"))
        events += self.tell_text(f"{NAME}-instructions", "system", prompt) if prompt else []
        actual = amount_of(record.get("actual_cost_usd"))
        return events + self.total(
            cost=actual if actual is not None else amount_of(record.get("estimated_cost_usd")),
            input_tokens=count_of(record.get("input_tokens")),
            output_tokens=count_of(record.get("output_tokens")),
            cache_read_tokens=count_of(record.get("cache_read_tokens")),
            cache_write_tokens=count_of(record.get("cache_write_tokens")),
            reasoning_tokens=count_of(record.get("reasoning_tokens")),
        )

    def message(self, record: Message, name: str) -> list[Event]:
        role = text_of(record.get("role")) or "user"
        if role == "session_meta":
            return []
        if role == "tool":
            told = ToolReturned(
                call_id=text_of(record.get("tool_call_id")),
                name=text_of(record.get("tool_name")),
                output=record.get("content"),
                is_error=record.get("finish_reason") == "error",
            )
            return self.said.returned(told, name)
        calls = record.get("tool_calls")
        calls = lenient_value(calls.encode("utf-8", "replace")) if isinstance(calls, str) else calls
        content = record.get("content")
        parts = [openai_chat.part(item) for item in (content if isinstance(content, list) else [content]) if item not in (None, "")]
        thought = text_of(record.get("reasoning")) or text_of(record.get("reasoning_content"))
        parts = [*([Part(type="reasoning", content=thought)] if thought else []), *parts]
        parts += [openai_chat.call(mapping_of(call)) for call in list_of(calls)]
        return self.tell(name, Spoken(role=role, parts=parts), model=self.facts.model if role == "assistant" else None)


FORMAT = Format(
    name=NAME,
    tool="Hermes",
    meaning=HermesMeaning,
    names=("state.db", "*.json"),
    not_names=("sessions.json",),
    locations=tuple(Location("~/.hermes", within, "HERMES_HOME") for within in ("state.db", "profiles/*/state.db", "sessions")),
    documents=Documents(_is_document, _split, join=join_list("messages")),
    rows=Rows(_is_database, _read),
    checked_on="its description",
)
