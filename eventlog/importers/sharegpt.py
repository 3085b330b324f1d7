"""ShareGPT's shape: ``{"conversations":[{"from","value"}]}``, in a JSON array or one a line; no times, no models.

``from`` is human, gpt, system, function_call, observation (and what others call them). ``tools`` is JSON in a string. Ids number a
conversation within its file, or a part of a longer one, so that the session's follows from its content.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from eventlog.events import Event, Part, SessionStarted, SourceRecord
from eventlog.shapes.exchange import Said as Spoken
from eventlog.stored import StoredEvent

from .conversation_rows import rows_of, split_rows
from .declaration import Conversation, Documents, Format
from .intake import Place, Source
from .records import Record
from .values import arguments_of, list_of, mapping_of, text_of

NAME = "sharegpt"
_ROLES = {
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "assistant": "assistant",
    "chatgpt": "assistant",
    "bard": "assistant",
    "bing": "assistant",
}


class Head(msgspec.Struct, gc=False):
    """What makes an object a conversation, and what it is called."""

    conversations: Any = None
    conversation: Any = None
    id: Any = None


_heads = msgspec.json.Decoder(Head)


def _is_conversation(value: Any) -> bool:
    turns = mapping_of(value).get("conversations", mapping_of(value).get("conversation"))
    return isinstance(turns, list) and all("from" in mapping_of(turn) for turn in turns) and bool(turns)


def _is_document(value: Any) -> bool:
    return any(map(_is_conversation, value[:100])) if isinstance(value, list) else _is_conversation(value)


def _split(path: Path, data: bytes, value: Any) -> Iterator[Conversation]:
    return split_rows(NAME, rows_of(data, _heads, lambda records: False), _problem_with, name_of=lambda head: text_of(head.id))


def _problem_with(record: Record[Head]) -> str | None:
    if record.head is None:
        return record.problem
    turns = record.head.conversations if record.head.conversations is not None else record.head.conversation
    is_one = isinstance(turns, list) and any(isinstance(turn, dict) for turn in turns)
    return None if is_one else "no conversation: it has no list of turns"


class ShareGptMeaning:
    """What one conversation means: each is a session of its own."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._settings: dict[str, Any] = {}

    def observe(self, stored: StoredEvent) -> None:
        """Nothing that is recorded later changes what the conversation means."""

    def start(self) -> SessionStarted:
        named = {"source_session_id": self._place.source_names[0]} if self._place.source_names[0] != self._place.session_id else {}
        return SessionStarted(kind="chat", settings=self._settings, metadata={"source": NAME} | named)

    def events(self, source: Source) -> list[Event]:
        record = mapping_of(source.record)
        if source.occurrence > 1:
            return [SourceRecord(kind="conversation", note="repeats an earlier one")]
        if text_of(record.get("tools")):
            self._settings = {"tools": arguments_of(record["tools"])}
        turns = [turn for turn in list_of(record.get("conversations", record.get("conversation"))) if isinstance(turn, dict)]
        system = text_of(record.get("system"))
        events: list[Event] = [Spoken(role="system", parts=[Part(type="text", content=system)]).event()] if system else []
        call: str | None = None
        for number, turn in enumerate(turns):
            said, by = turn.get("value"), text_of(turn.get("from")) or "human"
            if by == "function_call":
                call = f"call-{number}"
                fields = mapping_of(arguments_of(said))
                name, arguments = text_of(fields.get("name")) or "unknown", fields.get("arguments", said)
                events.append(Spoken(role="assistant", parts=[Part(type="tool_call", id=call, name=name, arguments=arguments)]).event())
            elif by in ("observation", "tool", "function_response"):
                events.append(Spoken(role="tool", parts=[Part(type="tool_call_response", id=call, response=said)]).event())
            else:
                text = said if isinstance(said, str) else msgspec.json.encode(said).decode()
                events.append(Spoken(role=_ROLES.get(by, by), parts=[Part(type="text", content=text)]).event())
        return events


FORMAT = Format(
    name=NAME,
    tool="ShareGPT (training files)",
    meaning=ShareGptMeaning,
    names=("*.json", "*.jsonl"),
    documents=Documents(_is_document, _split, each_line=True),
)
