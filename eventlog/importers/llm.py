"""llm: ``logs.db`` in its folder, SQLite. Until 0.32 ``conversations`` and ``responses``; since then ``threads``, ``turns``, ``messages``
and ``parts``, in a database that may hold both: one id is one session.

- Messages are named by their content and shared between threads that begin alike: a thread is walked up from its tip.
- In the old tables a tool's result is a response with an empty prompt. Older databases lack columns.
- ``input_tokens`` are what the provider states. A thread's name is its title.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from eventlog.events import Event, Part, UsageRecorded
from eventlog.ids import session_id_of
from eventlog.shapes.exchange import Said as Spoken

from .databases import record_of, rows
from .declaration import Conversation, Format, Found, Location, Rows, Tables
from .intake import Place, Source
from .listed import ListedMeaning
from .values import arguments_of, count_of, mapping_of, text_of, time_of

if TYPE_CHECKING:
    import sqlite3

NAME = "llm"
_MOST_MESSAGES = 100_000  # of one thread; what goes round in circles ends here


def _is_database(tables: Tables) -> bool:
    return "prompt" in tables.get("responses", ()) or ("tip_message_hash" in tables.get("threads", ()) and "parts" in tables)


def _read(connection: sqlite3.Connection, tables: Tables) -> Iterator[Conversation]:
    new: set[Any] = set()
    if "tip_message_hash" in tables.get("threads", ()):
        for thread in list(rows(connection, "select * from threads order by id")):
            new.add(thread["id"])
            yield Conversation(_place(thread["id"]), _thread(connection, thread))
    if "responses" in tables:
        for row in list(rows(connection, "select distinct conversation_id as id from responses order by conversation_id")):
            if row["id"] is not None and row["id"] not in new:
                yield Conversation(_place(row["id"]), _conversation(connection, tables, row["id"]))


def _place(id: Any) -> Place:
    return Place(session_id_of(NAME, str(id)), (str(id),))


def _thread(connection: sqlite3.Connection, thread: dict[str, Any]) -> Iterator[Found]:
    yield Found(record_of("threads", {**thread, "tip_message_hash": None}), time_of(thread.get("datetime_utc")))
    turns = {row["tip_message_hash"]: row for row in rows(connection, "select * from turns where thread_id = ? order by id", thread["id"])}
    chain: list[dict[str, Any]] = []
    at = thread.get("tip_message_hash")
    while at is not None and len(chain) < _MOST_MESSAGES:
        message = next(rows(connection, "select * from messages where hash = ?", at), None)
        if message is None:
            break
        chain.append(message)
        at = message.get("parent_hash")
    for message in reversed(chain):
        turn = turns.get(message["hash"])
        for part in rows(connection, "select * from parts where message_hash = ? order by position", message["hash"]):
            yield Found(record_of("parts", part), time_of((turn or {}).get("datetime_utc")))
        yield Found(record_of("messages", message), time_of((turn or {}).get("datetime_utc")))
        if turn is not None:
            yield Found(record_of("turns", turn), time_of(turn.get("datetime_utc")))


def _conversation(connection: sqlite3.Connection, tables: Tables, id: Any) -> Iterator[Found]:
    if "conversations" in tables:
        for row in rows(connection, "select * from conversations where id = ?", id):
            yield Found(record_of("conversations", row))
    for row in rows(connection, "select * from responses where conversation_id = ? order by datetime_utc, id", id):
        time = time_of(row.get("datetime_utc"))
        for table in ("tool_results", "tool_calls"):
            if "response_id" in tables.get(table, ()):
                for each in rows(connection, f"select * from {table} where response_id = ? order by rowid", row["id"]):
                    yield Found(record_of(table, each), time)
        yield Found(record_of("responses", row), time)


class LlmMeaning(ListedMeaning):
    NAME = NAME
    KIND = "chat"

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self._calls: dict[str, list[Part]] = {}
        self._results: dict[str, list[Part]] = {}
        self._parts: dict[str, list[Part]] = {}
        self._system: str | None = None

    def events(self, source: Source) -> list[Event]:
        record = mapping_of(source.record)
        table, row = text_of(record.get("table")), mapping_of(record.get("row"))
        id = text_of(row.get("id")) or source.name
        if table in ("threads", "conversations"):
            return self.facts.update(title=row.get("name")) + self.facts.uses(row.get("model"))
        if table in ("tool_calls", "tool_results"):
            kept = self._calls if table == "tool_calls" else self._results
            kept.setdefault(text_of(row.get("response_id")) or "", []).append(_called(row) if table == "tool_calls" else _result(row))
            return []
        if table == "parts":
            self._parts.setdefault(text_of(row.get("message_hash")) or "", []).append(_part(row))
            return []
        if table == "messages":
            hash = text_of(row.get("hash")) or source.name
            role = text_of(row.get("role")) or "user"
            return self.tell(
                hash, Spoken(role=role, parts=self._parts.get(hash, [])), model=self.facts.model if role == "assistant" else None
            )
        if table == "turns":
            return self._used(row, text_of(row.get("tip_message_hash")) or id)
        return self._response(row, id) if table == "responses" else []

    def _response(self, row: dict[str, Any], id: str) -> list[Event]:
        events: list[Event] = []
        system, prompt = text_of(row.get("system")), text_of(row.get("prompt"))
        if system and system != self._system:
            self._system = system
            events += self.tell_text(f"{id}-system", "system", system)
        if self._results.get(id):
            events += self.tell(f"{id}-results", Spoken(role="tool", parts=self._results[id]))
        if prompt:
            events += self.tell_text(f"{id}-prompt", "user", prompt)
        thought, said = text_of(row.get("reasoning")), text_of(row.get("response"))
        parts = [Part(type="reasoning", content=thought)] if thought else []
        parts += [Part(type="text", content=said)] if said else []
        model = text_of(row.get("resolved_model")) or text_of(row.get("model"))
        events += self.facts.uses(model)
        return events + self.tell(id, Spoken(role="assistant", parts=[*parts, *self._calls.get(id, [])]), model=model) + self._used(row, id)

    def _used(self, row: dict[str, Any], message_id: str) -> list[Event]:
        model = text_of(row.get("resolved_model")) or text_of(row.get("model"))
        given, made = count_of(row.get("input_tokens")), count_of(row.get("output_tokens"))
        usage = UsageRecorded(message_id=message_id, model=model, input_tokens=given, output_tokens=made)
        return self.facts.uses(model) + self.said.usage(usage)


def _called(row: dict[str, Any]) -> Part:
    arguments = arguments_of(row.get("arguments"))
    return Part(type="tool_call", id=text_of(row.get("tool_call_id")), name=text_of(row.get("name")) or "unknown", arguments=arguments)


def _result(row: dict[str, Any]) -> Part:
    failed = True if row.get("exception") else msgspec.UNSET
    return Part(type="tool_call_response", id=text_of(row.get("tool_call_id")), response=row.get("output"), is_error=failed)


def _part(row: dict[str, Any]) -> Part:
    payload = mapping_of(arguments_of(row.get("payload")))
    kind = row.get("type")
    if kind == "tool_call":
        return _called({"name": row.get("tool_name"), **payload})
    if kind == "tool_result":
        return _result(payload)
    if kind in ("text", "reasoning"):
        return Part(type=kind, content=text_of(row.get("text")) or "")
    return Part(type="unknown", metadata={"part": row})


FORMAT = Format(
    name=NAME,
    tool="llm",
    meaning=LlmMeaning,
    names=("logs.db",),
    locations=(Location("$CONFIG/io.datasette.llm", "logs.db", "LLM_USER_PATH"),),
    rows=Rows(_is_database, _read),
    checked_on="its description",
)
