"""The importer of conversations in OpenAI's shape: an object with ``messages``, or the bare array of them.

A file has one per line (fine-tuning files), one alone, or an array of objects. Each is a session, whose id follows from its content, so
that the same one is the same session wherever it is found. What ``eventlog export --to openai`` wrote comes back as it was.

- What a message means is said by `shapes.openai_chat`: calls and results are parts, what else it says (``weight``, ``name``) its metadata.
- ``tools`` and ``parallel_tool_calls`` are settings of the session.
- The log of a request has its ``response``, ``cost`` and ``timestamp`` beside the messages; a run may call them ``traj``.
- An object without ``messages`` (a preference pair, say), or with messages none of which has a role, is reported and not taken.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from eventlog.events import Cost, Event, SessionStarted, SourceRecord, UsageRecorded
from eventlog.shapes import openai_chat
from eventlog.stored import StoredEvent

from . import mini_swe_agent, session_json
from .cline.tasks import is_history
from .conversation_rows import rows_of, split_rows
from .declaration import Conversation, Documents, Format
from .intake import Place, Source
from .records import Record
from .values import amount_of, list_of, mapping_of, text_of, time_of

NAME = "openai"
_LOOKED_AT = 100
_RUN = ("task_id", "trial", "reward", "instance_id")
_SETTINGS = ("tools", "parallel_tool_calls", "functions", "response_format")

_OTHERS = ("trajectory_format", "history", "session_id", "sessionId", "epoch", "v")  # of formats whose messages have this shape, too


class Head(msgspec.Struct, gc=False):
    """The fields that make an object a conversation, or a message of one."""

    messages: Any = None
    traj: Any = None
    role: Any = None
    timestamp: Any = None

    @property
    def conversation(self) -> Any:
        return self.messages if self.messages is not None else self.traj


_heads = msgspec.json.Decoder(Head)


def _is_document(value: Any) -> bool:
    if session_json.is_session(value) or (isinstance(value, dict) and any(name in value for name in _OTHERS)):
        return False
    if isinstance(value, list):
        if mini_swe_agent.is_bare(value) or is_history(value):
            return False
        return _has_roles(value) or any(isinstance(item, dict) and _is_document(item) for item in value[:_LOOKED_AT])
    if not isinstance(value, dict):
        return False
    if isinstance(value.get("traj"), list) and "messages" not in value:
        return _has_roles(value["traj"])
    return isinstance(value.get("messages"), list) and (not value["messages"] or _has_roles(value["messages"]))


def _split(path: Path, data: bytes, value: Any) -> Iterator[Conversation]:
    return split_rows(NAME, rows_of(data, _heads, _is_bare), _problem_with, time_of=lambda head: time_of(head.timestamp))


def _is_bare(records: list[Record[Head]]) -> bool:
    return all(found.head is not None and isinstance(found.head.role, str) for found in records)


def _problem_with(record: Record[Head]) -> str | None:
    """Why the record is no conversation; None where it is one."""
    if record.head is None:
        return None if record.text[:1] == b"[" and _has_roles(_array_in(record.text)) else record.problem
    messages = record.head.conversation
    if not isinstance(messages, list):
        return "no conversation: it has no list of messages"
    if messages and not _has_roles(messages):
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
        self._metadata: dict[str, Any] = {}

    def events(self, source: Source) -> list[Event]:
        record = source.record if isinstance(source.record, dict) else {"messages": source.record}
        if source.occurrence > 1:
            return [SourceRecord(kind="conversation", note="repeats an earlier one")]
        self._settings = {name: record[name] for name in _SETTINGS if record.get(name) is not None}
        response = mapping_of(record.get("response"))
        self._model = text_of(record.get("model")) or text_of(response.get("model"))
        self._metadata = {name: record[name] for name in _RUN if isinstance(record.get(name), (str, int, float))}
        messages = [message for message in list_of(record.get("messages", record.get("traj"))) if isinstance(message, dict)]
        events: list[Event] = [openai_chat.message(message).event() for message in messages]
        return events + self._answered(response, record) or [SourceRecord(kind="conversation")]

    def _answered(self, response: dict[str, Any], record: dict[str, Any]) -> list[Event]:
        """What the model answered, and what that cost, where this is the log of a request; the cost alone, where it is that of a run."""
        amount = amount_of(record.get("cost", mapping_of(record.get("info")).get("cost")))
        cost = Cost(amount=amount) if amount else None
        if not response:
            return [UsageRecorded(model=self._model, cost=cost)] if cost else []
        answer = openai_chat.answer(response)
        latency = amount_of(record.get("latency_sec"))
        duration = None if latency is None else latency * 1000
        events: list[Event] = [
            each.event(message_id=answer.response_id, model=self._model, duration_ms=duration) for each in answer.choices[:1]
        ]
        usage = answer.usage or (UsageRecorded() if cost else None)
        if usage is not None:
            usage = msgspec.structs.replace(usage, message_id=answer.response_id, model=self._model, cost=cost or usage.cost)
        return events + ([] if usage is None else [usage])

    def observe(self, stored: StoredEvent) -> None:
        """Nothing that is recorded later changes what the conversation means."""

    def start(self) -> SessionStarted:
        return SessionStarted(kind="chat", model=self._model, settings=self._settings, metadata={"source": NAME} | self._metadata)


FORMAT = Format(
    name=NAME,
    tool="OpenAI's message lists (fine-tuning files, exports)",
    meaning=OpenaiMeaning,
    names=("*.jsonl", "*.json"),
    not_names=("*.provenance.jsonl",),
    documents=Documents(_is_document, _split, each_line=True),
)
