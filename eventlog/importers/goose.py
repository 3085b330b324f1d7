"""goose: ``sessions.db``, SQLite: ``sessions`` and ``messages`` with ``content_json``; a session exported alone is JSON with
``conversation``. Older versions wrote a file of lines for each session, whose first one describes it.

Results are in messages of role user. A compaction deletes all messages and inserts them again, with other row ids and times: a message is
known by its content. Tokens are totals of the session, in columns or (newer) in JSON.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from eventlog.events import Event, Part
from eventlog.ids import session_id_of
from eventlog.shapes import anthropic
from eventlog.shapes.exchange import Said as Spoken

from .databases import record_of, rows
from .declaration import Conversation, Documents, Format, Found, Lines, Location, Rows, Tables
from .intake import Place, Source
from .listed import ListedMeaning, Message, join_list, split_list
from .records import Record, lenient_value
from .values import amount_of, arguments_of, count_of, list_of, mapping_of, text_of, time_of

if TYPE_CHECKING:
    import sqlite3

NAME = "goose"
_MESSAGE = frozenset(("id", "role", "created", "content", "metadata"))
_MOVES = ("id", "timestamp", "message_id")  # what is new when the same message is inserted again


def _is_database(tables: Tables) -> bool:
    return "content_json" in tables.get("messages", ()) and "working_dir" in tables.get("sessions", ())


def _read(connection: sqlite3.Connection, tables: Tables) -> Iterator[Conversation]:
    for session in list(rows(connection, "select * from sessions order by created_at, id")):
        yield Conversation(_place(str(session["id"])), _rows(connection, session))


def _rows(connection: sqlite3.Connection, session: dict[str, Any]) -> Iterator[Found]:
    yield Found(record_of("sessions", session), time_of(session.get("created_at")))
    for row in rows(connection, "select * from messages where session_id = ? order by timestamp, id", session["id"]):
        kept = {name: value for name, value in row.items() if name not in _MOVES}
        yield Found(record_of("messages", kept), time_of(row.get("created_timestamp")) or time_of(row.get("timestamp")))


def _is_document(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("conversation"), list) and "working_dir" in value and "id" in value


def _split(path: Path, data: bytes, value: dict[str, Any]) -> Iterator[Conversation]:
    place = _place(str(value["id"]))
    yield split_list(
        place, data, value, "conversation", time=time_of(value.get("created_at")), time_of_message=lambda each: time_of(each.get("created"))
    )


class Head(msgspec.Struct, gc=False):
    """The field of an older file's line that dates it."""

    created: Any = None


def _is_record(record: dict[str, Any]) -> bool:
    """A line of an older file: the first one describes the session, the others are messages."""
    if "working_dir" in record:
        return "message_count" in record or "description" in record
    content = record.get("content")
    return set(record) <= _MESSAGE and isinstance(record.get("created"), int) and isinstance(content, list) and "role" in record


def _session(path: Path, records: list[Record[Head]], last: bool) -> Place | None:
    return _place(path.stem)


def _place(name: str) -> Place:
    return Place(session_id_of(NAME, name), (name,))


class GooseMeaning(ListedMeaning):
    NAME = NAME
    LIST = "conversation"

    def events(self, source: Source) -> list[Event]:
        record = mapping_of(source.record)
        row = mapping_of(record.get("row"))
        if record.get("table") == "sessions":
            return self.rest(row)
        if record.get("table") == "messages":
            stated = row.get("content_json")
            return self.message({**row, "content": lenient_value(stated.encode()) if isinstance(stated, str) else None}, source.name)
        if "working_dir" in record and "conversation" not in record:
            return self.rest(record)
        if "role" not in record and "conversation" not in record:
            return []
        return super().events(source)

    def rest(self, record: dict[str, Any]) -> list[Event]:
        given = count_of(record.get("accumulated_input_tokens")) or count_of(record.get("input_tokens"))
        made = count_of(record.get("accumulated_output_tokens")) or count_of(record.get("output_tokens"))
        stated = mapping_of(arguments_of(record.get("accumulated_usage"))) or mapping_of(arguments_of(record.get("usage")))
        given, made = given or count_of(stated.get("input_tokens")), made or count_of(stated.get("output_tokens"))
        events = self.facts.update(title=record.get("name", record.get("description")), cwd=text_of(record.get("working_dir")))
        return events + self.total(input_tokens=given, output_tokens=made, cost=amount_of(record.get("cost")))

    def message(self, record: Message, name: str) -> list[Event]:
        role = text_of(record.get("role")) or "user"
        parts = [_part(item) for item in list_of(record.get("content"))]
        results = [part for part in parts if part.type == "tool_call_response"]
        others = [part for part in parts if part.type != "tool_call_response"]
        spoken = [Spoken(role="tool", parts=results)] if results else []
        return self.tell(name, [*spoken, Spoken(role=role, parts=others)] if others or not spoken else spoken)


def _part(item: Any) -> Part:
    fields = mapping_of(item)
    if fields.get("type") == "toolRequest":
        call = mapping_of(fields.get("toolCall"))
        made = mapping_of(call.get("value")) or call
        name = text_of(made.get("name")) or "unknown"
        return Part(type="tool_call", id=text_of(fields.get("id")), name=name, arguments=made.get("arguments"))
    if fields.get("type") == "toolResponse":
        result = mapping_of(fields.get("toolResult"))
        value = result.get("value")
        failed = True if result.get("status") == "error" or mapping_of(value).get("isError") is True else msgspec.UNSET
        content = mapping_of(value).get("content", value) if value is not None else result.get("error")
        return Part(type="tool_call_response", id=text_of(fields.get("id")), response=anthropic.output(content), is_error=failed)
    return anthropic.part(item)


FORMAT = Format(
    name=NAME,
    tool="goose",
    meaning=GooseMeaning,
    names=("sessions.db", "*.json", "*.jsonl"),
    locations=(
        Location("$DATA/goose/sessions", "sessions.db"),
        Location("$DATA/goose/sessions", "*.jsonl"),
        Location("", "data/sessions", "GOOSE_PATH_ROOT"),
    ),
    lines=Lines(msgspec.json.Decoder(Head), _is_record, _session, lambda head: time_of(head.created)),
    documents=Documents(_is_document, _split, join=join_list("conversation")),
    rows=Rows(_is_database, _read),
    checked_on="its description",
)
