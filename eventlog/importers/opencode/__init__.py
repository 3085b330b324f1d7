"""opencode: one SQLite file, ``~/.local/share/opencode/opencode*.db`` (the name varies by channel); before 1.2 a folder of JSON files.

A database may hold two generations of tables: ``session``, ``message``, ``part`` (1.x) and ``session_v2``, ``session_message`` (2.x). A
migrated one keeps the old rows as they were, so that of these only the sessions count that the new tables lack. 1.16 has an empty
``session_message`` already: the table alone proves nothing. A part's row comes before its message's, so that a message is told whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from eventlog.events import Parent
from eventlog.ids import session_id_of

from ..databases import record_of, rows
from ..declaration import Conversation, Documents, Format, Found, Location, Rows, Tables
from ..intake import Place
from ..values import text_of, time_of
from .meaning import NAME, OpencodeMeaning
from .storage import files, is_document, join, split, unit

if TYPE_CHECKING:
    import sqlite3


def place_of(name: str, parent: Any) -> Place:
    caller = text_of(parent)
    above = Parent(session_id=session_id_of(NAME, caller), relation="subagent") if caller else None
    return Place(session_id_of(NAME, name), (name,), above)


def _is_database(tables: Tables) -> bool:
    old = "session" in tables and "data" in tables.get("message", ()) and "message_id" in tables.get("part", ())
    new = "session_v2" in tables and "data" in tables.get("session_message", ())
    return old or new


def _read(connection: sqlite3.Connection, tables: Tables) -> Iterator[Conversation]:
    new: set[Any] = set()
    if "session_v2" in tables and "session_message" in tables:
        for session in list(rows(connection, "select * from session_v2 order by time_created, id")):
            new.add(session["id"])
            yield Conversation(place_of(str(session["id"]), session.get("parent_id")), _second(connection, session))
    if "session" in tables and "message" in tables and "part" in tables:
        for session in list(rows(connection, "select * from session order by time_created, id")):
            if session["id"] not in new:
                yield Conversation(place_of(str(session["id"]), session.get("parent_id")), _first(connection, session))


def _first(connection: sqlite3.Connection, session: dict[str, Any]) -> Iterator[Found]:
    yield Found(record_of("session", session), time_of(session.get("time_created")))
    for message in rows(connection, "select * from message where session_id = ? order by time_created, id", session["id"]):
        time = time_of(message.get("time_created"))
        for part in rows(connection, "select * from part where message_id = ? order by id", message["id"]):
            yield Found(record_of("part", part), time)
        yield Found(record_of("message", message), time)


def _second(connection: sqlite3.Connection, session: dict[str, Any]) -> Iterator[Found]:
    yield Found(record_of("session_v2", session), time_of(session.get("time_created")))
    statement = "select * from session_message where session_id = ? order by seq, time_created, id"
    for message in rows(connection, statement, session["id"]):
        yield Found(record_of("session_message", message), time_of(message.get("time_created")))


FORMAT = Format(
    name=NAME,
    tool="opencode",
    meaning=OpencodeMeaning,
    names=("opencode*.db", "*.json"),
    locations=(
        Location("$DATA/opencode", "opencode*.db"),
        Location("$DATA/opencode", "storage"),
        Location("$DATA/opencode", "project/*/storage"),
        Location("", variable="OPENCODE_DB"),
    ),
    documents=Documents(is_document, split, unit, join=join),
    files=files,
    rows=Rows(_is_database, _read),
)
