"""The importer of conversations in OpenAI's shape: an object with ``messages``, or the bare array of them.

A file has one per line (fine-tuning files), one alone, or an array of objects. Each is a session, whose id follows from its content, so
that the same one is the same session wherever it is found. What ``eventlog export --to openai`` wrote comes back as it was.

- What a message means is said by `shapes.openai_chat`: calls and results are parts, what else it says (``weight``, ``name``) its metadata.
- ``tools`` and ``parallel_tool_calls`` are settings of the session.
- An object without ``messages`` (a preference pair, say), or with messages none of which has a role, is reported and not taken.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from eventlog.events import Event, SessionStarted, SourceRecord
from eventlog.ids import session_id_for
from eventlog.shapes import openai_chat
from eventlog.stored import StoredEvent

from . import mini_swe_agent
from .declaration import Conversation, Documents, Format, Found
from .intake import Place, Source
from .provenance import fingerprint
from .records import Record, document, read

NAME = "openai"
_LOOKED_AT = 100
_SETTINGS = ("tools", "parallel_tool_calls", "functions", "response_format")

_OTHERS = ("trajectory_format", "history", "session_id", "sessionId")  # of formats whose messages have this shape, too


class Head(msgspec.Struct, gc=False):
    """The fields that make an object a conversation, or a message of one."""

    messages: Any = None
    role: Any = None


_heads = msgspec.json.Decoder(Head)


def _is_document(value: Any) -> bool:
    if isinstance(value, dict) and any(name in value for name in _OTHERS):
        return False
    if isinstance(value, list):
        if mini_swe_agent.is_bare(value):
            return False
        return _has_roles(value) or any(isinstance(item, dict) and _is_document(item) for item in value[:_LOOKED_AT])
    return isinstance(value, dict) and isinstance(value.get("messages"), list) and (not value["messages"] or _has_roles(value["messages"]))


def _split(path: Path, data: bytes, value: Any) -> Iterator[Conversation]:
    for record in _records(data):
        problem = _problem_with(record)
        if problem is not None:
            yield Conversation(None, [Found(record.text, line=record.line, problem=problem)])
            continue
        session_id = session_id_for(NAME, fingerprint(record.text).hex())
        yield Conversation(Place(session_id, (session_id,)), [Found(record.text, line=record.line)])


def _records(data: bytes) -> list[Record[Head]]:
    """The conversations of the file: an array of objects, one value that takes several lines, or one per line."""
    objects = document(data, _heads, ()) if data.lstrip()[:1] == b"[" else None
    is_bare = objects is not None and all(found.head is not None and isinstance(found.head.role, str) for found in objects)
    if objects is not None and not is_bare:
        return objects
    try:
        whole = msgspec.json.format(data, indent=-1) if b"\n" in data.strip() else data
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        whole = data
    return list(read(whole, _heads))


def _problem_with(record: Record[Head]) -> str | None:
    """Why the record is no conversation; None where it is one."""
    if record.head is None:
        return None if record.text[:1] == b"[" and _has_roles(_array_in(record.text)) else record.problem
    if not isinstance(record.head.messages, list):
        return "no conversation: it has no list of messages"
    if record.head.messages and not _has_roles(record.head.messages):
        return "no conversation: none of its messages has a role"
    return None


def _has_roles(messages: list[Any]) -> bool:
    return any(isinstance(message, dict) and isinstance(message.get("role"), str) for message in messages)


def _array_in(text: bytes) -> list[Any]:
    """The array that the text is; an empty one where it is none."""
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return []
    return value if isinstance(value, list) else []


class OpenaiMeaning:
    """What one conversation means. Each is a session of its own, so that nothing need be remembered."""

    def __init__(self, place: Place) -> None:
        self._settings: dict[str, Any] = {}
        self._model: str | None = None

    def events(self, source: Source) -> list[Event]:
        record = source.record if isinstance(source.record, dict) else {"messages": source.record}
        if source.occurrence > 1:
            return [SourceRecord(kind="conversation", note="repeats an earlier one")]
        self._settings = {name: record[name] for name in _SETTINGS if record.get(name) is not None}
        model = record.get("model")
        self._model = model if isinstance(model, str) else None
        messages = [message for message in record["messages"] if isinstance(message, dict)]
        return [openai_chat.message(message).event() for message in messages] or [SourceRecord(kind="conversation")]

    def observe(self, stored: StoredEvent) -> None:
        """Nothing that is recorded later changes what the conversation means."""

    def start(self) -> SessionStarted:
        return SessionStarted(kind="chat", model=self._model, settings=self._settings, metadata={"source": NAME})


FORMAT = Format(
    name=NAME,
    tool="OpenAI's message lists (fine-tuning files, exports)",
    meaning=OpenaiMeaning,
    names=("*.jsonl", "*.json"),
    not_names=("*.provenance.jsonl",),
    documents=Documents(_is_document, _split, each_line=True),
    writes_back=True,
)
