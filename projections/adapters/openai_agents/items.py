"""What the items of a session mean here, and what a session is to the adapter: the fold over it. Imports no SDK.

An item (of OpenAI's Responses API) is one append's events, the item itself in the origin of the first. What the assistant's side says in
a row (reasoning, texts, calls) is one message, as it is one answer: each item adds its parts to it. A result of a tool is a message of
its own; what is no item of a conversation is a `SourceRecord`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from eventlog import StoredEvent
from eventlog.events import (
    ContextCompacted,
    Event,
    HistoryCleared,
    HistoryRetracted,
    MessageAdded,
    SessionUpdated,
    SourceRecord,
    UsageRecorded,
)
from eventlog.ids import new_session_id
from eventlog.line import Envelope
from eventlog.meaning import copies, history
from eventlog.shapes import openai_responses
from eventlog.shapes.exchange import Said
from eventlog.verbatim import Kept, keep

from ..records import drafts, has_record, item_of, whence
from ..sessions import Fold, State

FORMAT = "openai-agents"


class Item(NamedTuple):
    """An item that counts: its events' first and last seq, the item as it was given, who says it."""

    first: int
    last: int
    record: msgspec.Raw
    role: str | None

    @property
    def is_user(self) -> bool:
        return self.role == "user"


class History(State):
    """The items that count; the ids of all messages, and that of the last answer; what each turn used; the branches of the session."""

    def __init__(self) -> None:
        super().__init__()
        self.items: list[Item] = []
        self.ids: set[str] = set()
        self.last_answer: str | None = None
        self.usage: dict[int, msgspec.Raw] = {}
        self.branches: dict[str, dict[str, Any]] = {}
        self.times: dict[int, str] = {}  # of what users say, by seq

    @property
    def turns(self) -> list[Item]:
        """What users say, in order: each begins a turn."""
        return [item for item in self.items if item.is_user]


class HistoryFold(Fold[History]):
    name = "adapter_openai_agents"

    def initial(self) -> History:
        return History()

    def take(self, state: History, stored: StoredEvent) -> None:
        event = stored.event
        if isinstance(event, HistoryRetracted | HistoryCleared):
            gone = history.named(stored)
            state.items = [item for item in state.items if not gone.meets(item.first, item.last)]
            return
        if isinstance(event, SessionUpdated):
            _update_branches(state, event)
            return
        found = whence(stored, FORMAT)
        if found is None:
            return
        if isinstance(event, ContextCompacted):
            kept = copies.first_kept_seq(stored, event.first_kept_seq)
            state.items = [item for item in state.items if kept is None or item.first >= kept]
        elif isinstance(event, UsageRecorded):
            if isinstance(found.note, int):
                state.usage[found.note] = found.record.copy()
        elif has_record(found):
            _add(state, stored, event, found.record)
        elif state.items and state.items[-1].last == stored.seq - 1:
            state.items[-1] = state.items[-1]._replace(last=stored.seq)


def _add(state: History, stored: StoredEvent, event: Any, record: msgspec.Raw) -> None:
    role = event.role if isinstance(event, MessageAdded) else None
    state.items.append(Item(stored.seq, stored.seq, record.copy(), role))
    if role == "user":
        state.times[stored.seq] = stored.time.isoformat()
        state.last_answer = None
    if isinstance(event, MessageAdded) and event.message_id is not None:
        state.ids.add(event.message_id)
        if role == "assistant":
            state.last_answer = event.message_id


def _update_branches(state: History, event: SessionUpdated) -> None:
    metadata = event.metadata
    if not isinstance(metadata, Mapping) or "branches" not in metadata:
        return
    stated = metadata["branches"]
    state.branches = {} if not isinstance(stated, dict) else state.branches | {name: dict(value) for name, value in stated.items()}


# --- writing -------------------------------------------------------------------------------------------------------------------------


def events_of(items: Sequence[Any], known_ids: Iterable[str]) -> list[Envelope]:
    """The items as one append. Raises `InvalidEvent` for what is not JSON, before anything is written."""
    kept = [keep(item) for item in items]
    said = [_said(each.value) for each in kept]
    seen = set(known_ids)
    made: list[Envelope] = []
    answer: str | None = None
    for index, (each, messages) in enumerate(zip(kept, said, strict=True)):
        is_answer = _is_answer(messages)
        if not is_answer:
            answer = None
        elif answer is None:
            answer = _answer_id(said[index:], seen)
        made += drafts(FORMAT, each, _events(each, messages, answer, seen))
    return made


def _said(value: Any) -> list[Said]:
    return openai_responses.said([value]) if isinstance(value, dict) else []


def _is_answer(messages: list[Said]) -> bool:
    return bool(messages) and messages[0].role == "assistant"


def _answer_id(following: Sequence[list[Said]], seen: set[str]) -> str:
    """The id of the answer that begins here: the first id of its messages that no message has; SDKs and tests repeat theirs."""
    for messages in following:
        if not _is_answer(messages):
            break
        for message in messages:
            if message.id is not None and message.id not in seen:
                seen.add(message.id)
                return message.id
    return new_session_id()


def _events(kept: Kept, messages: list[Said], answer: str | None, seen: set[str]) -> list[Event]:
    if not messages:
        kind = kept.value.get("type") if isinstance(kept.value, dict) else None
        return [SourceRecord(kind=kind if isinstance(kind, str) else None)]
    events: list[Event] = []
    for message in messages:
        id = answer if message.role == "assistant" else message.id
        if message.role != "assistant" and id is not None:
            id = None if id in seen else id
            seen.update(() if id is None else (id,))
        events.append(message.event(message_id=id))
    return events


def values(items: Sequence[Item]) -> list[Any]:
    """The items as they were given; the caller's own to change."""
    return [item_of(item.record) for item in items]
