"""Zed: ``zed/threads/threads.db``, SQLite: a row of ``threads`` is a conversation, whose ``data`` is JSON, mostly compressed (zstd). A row
is written whole at every change; each of its states is a record.

- Since 0.3.0 messages are ``{"User":...}``, ``{"Agent":...}`` or ``"Resume"``; an agent's holds the results of its calls. Before that they
  had ``segments``, ``tool_uses`` and ``tool_results``.
- No message has a time. What requests state does not add up to the cumulative figure, which counts.
- Conversations with external agents are not kept here.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from eventlog.events import Event, Parent, Part, SessionStarted, ToolReturned, UsageRecorded
from eventlog.ids import session_id_of
from eventlog.stored import StoredEvent

from .databases import record_of, rows
from .declaration import Conversation, Documents, Format, Found, Location, Rows, Tables
from .facts import Facts
from .intake import Place, Source
from .records import lenient_value, on_one_line
from .said import Said
from .values import count_of, list_of, mapping_of, text_of, time_of

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

NAME = "zed"


def _is_database(tables: Tables) -> bool:
    return {"id", "summary", "data_type", "data"} <= set(tables.get("threads", ()))


def _read(connection: sqlite3.Connection, tables: Tables) -> Iterator[Conversation]:
    for row in rows(connection, "select * from threads order by updated_at, id"):
        name, above = str(row["id"]), text_of(row.get("parent_id"))
        parent = Parent(session_id=session_id_of(NAME, above), relation="subagent") if above and above != name else None
        time = time_of(row.get("created_at")) or time_of(row.get("updated_at"))
        yield Conversation(Place(session_id_of(NAME, name), (name,), parent), [Found(record_of("threads", row), time)])


def _is_document(value: Any) -> bool:
    """One conversation alone, as its row's data has it."""
    if not isinstance(value, dict) or not isinstance(value.get("messages"), list) or "updated_at" not in value:
        return False
    return "cumulative_token_usage" in value or "request_token_usage" in value


def _split(path: Path, data: bytes, value: dict[str, Any]) -> Iterator[Conversation]:
    name = text_of(value.get("id")) or path.stem
    yield Conversation(Place(session_id_of(NAME, name), (name,)), [Found(on_one_line(data.strip()), time_of(value["updated_at"]))])


def _join(records: list[bytes]) -> bytes | None:
    """The last state of a conversation that stood alone; None where the records are rows."""
    return next((record for record in reversed(records) if "row" not in mapping_of(lenient_value(record))), None)


class ZedMeaning:
    def __init__(self, place: Place) -> None:
        self._facts = Facts(NAME, place, kind="agent")
        self._said = Said()
        self._updated: Any = None

    def observe(self, stored: StoredEvent) -> None:
        self._facts.observe(stored)

    def start(self) -> SessionStarted:
        return self._facts.start()

    def events(self, source: Source) -> list[Event]:
        record = mapping_of(source.record)
        row = mapping_of(record.get("row"))
        thread = mapping_of(_data_of(row)) if row else record
        updated = time_of(row.get("updated_at")) or time_of(thread.get("updated_at"))
        if self._updated is not None and updated is not None and updated < self._updated:
            return []  # a state from before
        self._updated = updated or self._updated
        title = text_of(row.get("summary")) or text_of(thread.get("title")) or text_of(thread.get("summary"))
        model = mapping_of(thread.get("model"))
        folders = text_of(row.get("folder_paths"))
        events = self._facts.update(title=title, cwd=folders.split("\n")[0] if folders else None, version=text_of(thread.get("version")))
        events += self._facts.uses(model.get("model"), model.get("provider"))
        there: set[str] = set()
        for number, message in enumerate(list_of(thread.get("messages"))):
            name, told = self._message(message, number)
            events += told
            there.add(name)
        events += self._said.retract([each for each in self._said.ids if each not in there], "the tool has it no longer")
        return events + self._tokens(thread)

    def _message(self, message: Any, number: int) -> tuple[str, list[Event]]:
        fields = mapping_of(message)
        if "User" in fields:
            user = mapping_of(fields["User"])
            name = f"message-{user.get('id') or number}"
            return name, self._said.message(name, "user", [_part(item) for item in list_of(user.get("content"))])
        name = f"message-{number}"
        if "Agent" in fields:
            agent = mapping_of(fields["Agent"])
            events = self._said.message(name, "assistant", [_part(item) for item in list_of(agent.get("content"))], model=self._facts.model)
            for call_id, result in mapping_of(agent.get("tool_results")).items():
                events += self._returned(call_id, mapping_of(result), name)
            return name, events
        if "role" in fields:
            return self._older(fields, number)
        return name, []

    def _older(self, message: dict[str, Any], number: int) -> tuple[str, list[Event]]:
        name = f"message-{message.get('id', number)}"
        parts = [_segment(mapping_of(segment)) for segment in list_of(message.get("segments"))]
        parts += [_call(mapping_of(call)) for call in list_of(message.get("tool_uses"))]
        role = text_of(message.get("role")) or "user"
        results = [mapping_of(result) for result in list_of(message.get("tool_results"))]
        events = []
        if parts or not results:
            events += self._said.message(name, role, parts, model=self._facts.model if role == "assistant" else None)
        for result in results:
            events += self._returned(text_of(result.get("tool_use_id")), result, name)
        return name, events

    def _returned(self, call_id: str | None, result: dict[str, Any], name: str) -> list[Event]:
        content = result.get("content")
        content = mapping_of(content).get("Text", content)
        told = ToolReturned(call_id=call_id, name=text_of(result.get("tool_name")), output=content, is_error=result.get("is_error") is True)
        return self._said.returned(told, f"{name} {call_id}")

    def _tokens(self, thread: dict[str, Any]) -> list[Event]:
        usage = mapping_of(thread.get("cumulative_token_usage"))
        return self._said.usage(
            UsageRecorded(
                message_id=f"{NAME}-total",
                model=self._facts.model,
                input_tokens=count_of(usage.get("input_tokens")),
                output_tokens=count_of(usage.get("output_tokens")),
                cache_read_tokens=count_of(usage.get("cache_read_input_tokens")),
                cache_write_tokens=count_of(usage.get("cache_creation_input_tokens")),
            )
        )


def _data_of(row: dict[str, Any]) -> Any:
    """The conversation in a row: its bytes are in Base64 there, where they are no text."""
    data = row.get("data")
    encoded = mapping_of(data).get("base64")
    stored = base64.b64decode(encoded) if isinstance(encoded, str) else data.encode("utf-8", "replace") if isinstance(data, str) else b""
    if row.get("data_type") == "zstd" or stored.startswith(b"\x28\xb5\x2f\xfd"):
        import zstandard

        try:
            stored = zstandard.ZstdDecompressor(max_window_size=1 << 27).decompressobj().decompress(stored)
        except zstandard.ZstdError as error:
            raise ValueError(f"the compressed row cannot be read: {error}") from None
    return lenient_value(stored)


def _part(item: Any) -> Part:
    """A piece of content: ``{"Text": ...}`` and the like."""
    fields = mapping_of(item)
    if isinstance(fields.get("Text"), str):
        return Part(type="text", content=fields["Text"])
    if "Thinking" in fields:
        return _segment({"type": "thinking", **mapping_of(fields["Thinking"])})
    if "RedactedThinking" in fields:
        return Part(type="reasoning", content="")
    if "ToolUse" in fields:
        return _call(mapping_of(fields["ToolUse"]))
    mention = mapping_of(fields.get("Mention"))
    if isinstance(mention.get("content"), str):
        return Part(type="text", content=mention["content"], metadata={"uri": mention.get("uri")})
    image = mapping_of(fields.get("Image"))
    if isinstance(image.get("source"), str):
        return Part(type="blob", modality="image", mime_type="image/png", content=image["source"])
    return Part(type=next(iter(fields), "unknown"), metadata={"block": item})


def _segment(segment: dict[str, Any]) -> Part:
    kind = segment.get("type")
    text = text_of(segment.get("text")) or ""
    if kind == "thinking":
        signature = segment.get("signature")
        return Part(type="reasoning", content=text, metadata={"signature": signature} if signature else msgspec.UNSET)
    return Part(type="reasoning" if kind == "redacted_thinking" else "text", content=text)


def _call(call: dict[str, Any]) -> Part:
    name = text_of(call.get("name")) or "unknown"
    return Part(type="tool_call", id=text_of(call.get("id")), name=name, arguments=call.get("input"))


FORMAT = Format(
    name=NAME,
    tool="Zed",
    meaning=ZedMeaning,
    names=("threads.db", "*.json"),
    locations=(Location("$DATA/zed/threads", "threads.db"), Location("$CONFIG/Zed/threads", "threads.db")),
    documents=Documents(_is_document, _split, join=_join),
    rows=Rows(_is_database, _read),
    checked_on="its description",
)
