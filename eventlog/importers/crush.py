"""Crush: ``<project>/.crush/crush.db``, SQLite: ``sessions`` and ``messages`` with ``parts`` as JSON.

A part is ``{type, data}``: text, reasoning, tool_call, tool_result, finish, images. Tokens and money are stated for the session only, and
its times in seconds or milliseconds. Sessions of agent tools have a parent.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from eventlog.events import Event, Parent, Part
from eventlog.ids import session_id_of
from eventlog.shapes import openai_chat
from eventlog.shapes.exchange import Said as Spoken

from .databases import record_of, rows
from .declaration import Conversation, Format, Found, Location, Rows, Tables
from .intake import Place, Source
from .listed import ListedMeaning
from .records import lenient_value
from .values import amount_of, arguments_of, count_of, list_of, mapping_of, text_of, time_of

if TYPE_CHECKING:
    import sqlite3

NAME = "crush"


def _is_database(tables: Tables) -> bool:
    return "prompt_tokens" in tables.get("sessions", ()) and {"session_id", "parts"} <= set(tables.get("messages", ()))


def _read(connection: sqlite3.Connection, tables: Tables) -> Iterator[Conversation]:
    for session in list(rows(connection, "select * from sessions order by created_at, id")):
        above = text_of(session.get("parent_session_id"))
        parent = Parent(session_id=session_id_of(NAME, above), relation="subagent") if above else None
        yield Conversation(Place(session_id_of(NAME, str(session["id"])), (str(session["id"]),), parent), _rows(connection, session))


def _rows(connection: sqlite3.Connection, session: dict[str, Any]) -> Iterator[Found]:
    yield Found(record_of("sessions", session), time_of(session.get("created_at")))
    for row in rows(connection, "select * from messages where session_id = ? order by created_at, rowid", session["id"]):
        yield Found(record_of("messages", row), time_of(row.get("created_at")))


def _databases(listed: Any) -> list[str]:
    """The databases of the projects that are listed."""
    projects = mapping_of(listed).get("projects", listed)
    entries = projects if isinstance(projects, list) else [{"path": each} for each in mapping_of(projects)]
    found = []
    for entry in entries:
        fields = mapping_of(entry) or {"path": entry}
        folder = text_of(fields.get("data_dir")) or (f"{fields['path']}/.crush" if text_of(fields.get("path")) else None)
        found += [f"{folder}/crush.db"] if folder and folder.startswith("/") else []
    return found


class CrushMeaning(ListedMeaning):
    NAME = NAME

    def events(self, source: Source) -> list[Event]:
        record = mapping_of(source.record)
        row = mapping_of(record.get("row"))
        if record.get("table") == "sessions":
            given, made, cost = count_of(row.get("prompt_tokens")), count_of(row.get("completion_tokens")), amount_of(row.get("cost"))
            return self.facts.update(title=row.get("title")) + self.total(input_tokens=given, output_tokens=made, cost=cost)
        stated = row.get("parts")
        items = list_of(lenient_value(stated.encode()) if isinstance(stated, str) else stated)
        parts = [part for item in items for part in _parts(mapping_of(item))]
        role, model = text_of(row.get("role")) or "user", text_of(row.get("model"))
        is_answer = role == "assistant"
        events = self.facts.uses(model, row.get("provider")) if is_answer else []
        name = text_of(row.get("id")) or source.name
        return events + self.tell(name, Spoken(role=role, parts=parts), model=model if is_answer else None)


def _parts(item: dict[str, Any]) -> list[Part]:
    kind, data = item.get("type"), mapping_of(item.get("data"))
    if kind == "text":
        return [Part(type="text", content=text_of(data.get("text")) or "")]
    if kind == "reasoning":
        return [Part(type="reasoning", content=text_of(data.get("thinking")) or text_of(data.get("text")) or "")]
    if kind == "tool_call":
        name = text_of(data.get("name")) or "unknown"
        return [Part(type="tool_call", id=text_of(data.get("id")), name=name, arguments=arguments_of(data.get("input")))]
    if kind == "tool_result":
        failed = True if data.get("is_error") is True else msgspec.UNSET
        return [Part(type="tool_call_response", id=text_of(data.get("tool_call_id")), response=data.get("content"), is_error=failed)]
    if kind == "shell_command" and isinstance(data.get("command"), str):
        return [Part(type="text", content=data["command"])]
    if kind == "binary" and isinstance(data.get("data", data.get("Data")), str):
        mime_type = text_of(data.get("mime_type")) or text_of(data.get("MIMEType"))
        modality = (mime_type or "file").partition("/")[0]
        return [Part(type="blob", modality=modality, mime_type=mime_type, content=data.get("data", data.get("Data")))]
    if kind == "image_url" and isinstance(data.get("url"), str):
        return [openai_chat.linked(data["url"], "image", {})]
    return [] if kind == "finish" else [Part(type="unknown", metadata={"part": item})]


FORMAT = Format(
    name=NAME,
    tool="Crush",
    meaning=CrushMeaning,
    names=("crush.db",),
    locations=(Location("$DATA/crush", "projects.json", "CRUSH_GLOBAL_DATA", lists=_databases),),
    rows=Rows(_is_database, _read),
    checked_on="its description",
)
