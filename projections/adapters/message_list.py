"""Histories that are a list of messages under a key: read, added to, taken from, replaced. For the adapters that are no more than that."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec

from eventlog import StoredEvent, draft
from eventlog.backend import Sync
from eventlog.errors import InvalidEvent
from eventlog.events import Event, HistoryCleared, HistoryRetracted, SourceRecord
from eventlog.ids import new_session_id
from eventlog.line import Envelope
from eventlog.meaning import history
from eventlog.verbatim import Kept, keep

from .records import drafts, has_record, item_of, whence
from .sessions import Fold, Key, Sessions, State

Meaning = Callable[[Any, str], Sequence[Event]]  # of a record (what an event can hold of it), with an id for the message


class Message(NamedTuple):
    first: int
    last: int
    record: msgspec.Raw


class Messages(State):
    def __init__(self) -> None:
        super().__init__()
        self.messages: list[Message] = []


class MessagesFold(Fold[Messages]):
    def __init__(self, format: str) -> None:
        self._format = format
        self.name = "adapter_" + format.replace("-", "_")  # type: ignore[misc]

    def initial(self) -> Messages:
        return Messages()

    def take(self, state: Messages, stored: StoredEvent) -> None:
        if isinstance(stored.event, HistoryRetracted | HistoryCleared):
            gone = history.named(stored)
            state.messages = [each for each in state.messages if not gone.meets(each.first, each.last)]
            return
        said = whence(stored, self._format)
        if said is None:
            return
        if has_record(said):
            state.messages.append(Message(stored.seq, stored.seq, said.record.copy()))
        elif state.messages and state.messages[-1].last == stored.seq - 1:
            state.messages[-1] = state.messages[-1]._replace(last=stored.seq)


class MessageList:
    """The lists of one SDK, whose name (``format``) is the keys' namespace. ``meaning`` says what a record means."""

    def __init__(self, sessions: Sessions, format: str, meaning: Meaning, sync: Sync | None) -> None:
        self._sessions = sessions
        self._format = format
        self._meaning = meaning
        self._sync = sync
        self._fold = MessagesFold(format)

    def read(self, *key: str) -> list[Any]:
        """The records, the caller's own to change."""
        found: list[Message] = self._sessions.ask(self._fold, self._key(key), lambda state: list(state.messages), [])
        return [item_of(each.record) for each in found]

    def add(self, records: Sequence[Any], *key: str) -> None:
        """Add to the end, all or none. Raises `InvalidEvent` for what is not JSON."""
        kept = [keep(record) for record in records]
        if kept:
            self._append(key, lambda state: self._drafts(kept), exact=False)

    def replace(self, records: Sequence[Any], *key: str) -> None:
        """Make the list these: what it has at its beginning already stays where it is, the rest is taken back."""
        kept = [keep(record) for record in records]

        def decide(state: Messages) -> list[Envelope]:
            same = 0
            for each, wanted in zip(state.messages, kept, strict=False):
                if bytes(each.record) != bytes(wanted.record):
                    break
                same += 1
            return [*_taken_back(state.messages[same:], "replaced"), *self._drafts(kept[same:])]

        self._append(key, decide, exact=True)

    def take(self, index: int, *key: str) -> Any | None:
        """Take a message back and return it; None where there is none at this index (negative: from the end)."""
        taken: list[Any] = []

        def decide(state: Messages) -> list[Envelope]:
            taken.clear()
            if not -len(state.messages) <= index < len(state.messages):
                return []
            taken.append(item_of(state.messages[index].record))
            return _taken_back([state.messages[index]], "deleted")

        self._append(key, decide, exact=True)
        return taken[0] if taken else None

    def clear(self, *key: str) -> list[Any]:
        """Take everything back; returns what it was."""
        before: list[Any] = []

        def decide(state: Messages) -> list[Envelope]:
            before[:] = [item_of(each.record) for each in state.messages]
            return [draft(HistoryCleared())] if before else []

        self._append(key, decide, exact=True)
        return before

    def _key(self, key: tuple[str, ...]) -> Key:
        return (self._format, *key)

    def _append(self, key: tuple[str, ...], decide: Callable[[Messages], list[Envelope]], *, exact: bool) -> None:
        self._sessions.append(self._fold, self._key(key), decide, exact=exact, sync=self._sync, details=lambda: {"kind": "chat"})

    def _drafts(self, kept: Sequence[Kept]) -> list[Envelope]:
        made: list[Envelope] = []
        for each in kept:
            try:
                events = self._meaning(each.value, new_session_id()) or [SourceRecord(kind="message")]
                made += drafts(self._format, each, events)
            except InvalidEvent:  # content of a shape that nobody has seen
                made += drafts(self._format, each, [SourceRecord(kind="message")])
        return made


def _taken_back(messages: Sequence[Message], reason: str) -> list[Envelope]:
    return [draft(HistoryRetracted(ranges=[(each.first, each.last) for each in messages], reason=reason))] if messages else []
