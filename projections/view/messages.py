"""The messages of a session as a reader sees them: put together from pieces, corrected, without what was taken back.

- A message stands where it was added first (``seq``, ``time``).
- Deltas make a partial message, whose text and reasoning grow in order. The ``message.added`` that completes it replaces them
  and brings its role and its place, so that nothing is left of them: a compaction may drop them. Deltas that come after it say
  nothing new and are ignored.
- A later ``message.added`` with the same message id adds its parts. The role of the first stays, so do its model and reply_to
  where it had them; metadata is merged (RFC 7386); ``exclude_from_context`` holds once it was said.
- ``message.amended`` replaces what it gives. A tool call that happened stays one: calls and results of the amended
  content that the message already had are corrected, others are new, none goes away.
- ``message.retracted`` takes the message out of ``messages`` for good and notes it in ``retracted``. Its tool calls stay.
- An amendment or retraction of a message that is not there (the events may be a part of a session) changes nothing.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Container, Iterator
from datetime import datetime
from operator import attrgetter
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import UNSET

from eventlog.events import MessageAdded, MessageAmended, MessageDelta, MessageRetracted, Part
from eventlog.meaning.merge_patch import merge_patch
from eventlog.stored import StoredEvent

from .tool_calls import Record, ToolCalls, place_of

Shown = dict[str, Any]
Told = tuple[int, datetime, MessageAdded | MessageDelta | MessageAmended | MessageRetracted]
Place = tuple[str | None, int]  # of the record of a call or a result, with its call id

_KNOWN_PARTS: Final = frozenset({"text", "reasoning", "tool_call", "tool_call_response", "blob", "file", "uri"})
_OF_AN_ANSWER: Final = ("finish_reason", "response_id", "duration_ms", "first_chunk_ms", "interrupted", "alternative_to")
_FIRST_COUNTS: Final = ("response_id", "first_chunk_ms", "alternative_to")


class Where(NamedTuple):
    """The place of an event that is folded once more; a `StoredEvent` the first time."""

    seq: int
    time: datetime


class Message(msgspec.Struct, gc=False):
    """One message. ``parts`` are mappings with a ``type``; ``partial`` is set while only deltas of it are there."""

    seq: int
    message_id: str | None
    role: str
    parts: list[Shown]
    model: str | None
    time: datetime
    exclude_from_context: bool = False
    reply_to: str | None = None
    metadata: dict[str, Any] = {}
    partial: bool = False
    finish_reason: str | None = None
    response_id: str | None = None
    duration_ms: float | None = None
    first_chunk_ms: float | None = None
    interrupted: str | None = None
    alternative_to: str | None = None

    @property
    def text(self) -> str:
        """What it says in words: its text parts, a paragraph each."""
        return "\n\n".join(str(part["content"]) for part in self.parts if part["type"] == "text" and part.get("content"))


class Retracted(msgspec.Struct, gc=False):
    """A message that was taken back: where it stood, and where that was said."""

    message_id: str
    seq: int
    retracted_seq: int
    reason: str | None = None


class Messages:
    """The messages of one session, in the order in which they first appeared. ``alternatives``: how many of them do not count."""

    __slots__ = (
        "_answered_in",
        "_begin_turn",
        "_by_id",
        "_called_in",
        "_calls_count",
        "_event_at",
        "_hidden",
        "_told",
        "_tools",
        "_verbatim",
        "alternatives",
        "by_assistant",
        "by_user",
        "messages",
        "retracted",
    )

    def __init__(
        self, messages: list[Message], retracted: list[Retracted], tools: ToolCalls, event_at: Callable[[int], Any], *, again: bool = False
    ) -> None:
        self._event_at = event_at
        self._begin_turn = tools.begin_turn if again else tools.turns.append
        self.messages = messages
        self.retracted = retracted
        self.by_user = 0
        self.by_assistant = 0
        self.alternatives = 0
        self._tools = tools
        self._calls_count = True  # False while an alternative is made anew: its first event need not have said that it is one
        self._by_id: dict[str | None, Message] = {}  # None, which names no message, is never in it
        self._hidden: set[str] = set()
        self._told: dict[str, list[Told]] = {}  # by message id: the events that made the message what it is
        self._called_in: dict[str, list[Place]] = {}
        self._answered_in: dict[str, list[Place]] = {}
        self._verbatim: dict[tuple[int, int], Shown] = {}  # parts of a type that is not known here, by seq and index

    def added(self, stored: StoredEvent | Where, event: MessageAdded) -> None:
        message_id, content = event.message_id, event.content
        parts: list[Shown] = [{"type": "text", "content": content}] if isinstance(content, str) else []
        message = None if message_id is None else self._by_id.get(message_id)
        if message is None:
            role = event.role
            message = Message(
                stored.seq,
                message_id,
                role,
                parts,
                event.model,
                stored.time,
                event.exclude_from_context,
                event.reply_to,
                event.metadata,
                False,
                event.finish_reason,
                event.response_id,
                event.duration_ms,
                event.first_chunk_ms,
                event.interrupted,
                event.alternative_to,
            )
            self.messages.append(message)
            self._begin_turn(stored.seq)
            if message_id is not None:
                self._by_id[message_id] = message
            if event.alternative_to is not None:
                self.alternatives += 1
            elif role == "assistant":
                self.by_assistant += 1
            elif role == "user":
                self.by_user += 1
        else:
            self._tell(message, stored, event)
            counted = message.alternative_to is None
            if message.partial:
                self._complete(message, stored)
            self._more(message, parts, event)
            if counted and event.alternative_to is not None and not self._tools.is_changing:
                self.take_back(message.message_id, ())  # its calls do not count any more, those that were made before neither
                return
        if not isinstance(content, str):
            self._add_parts(message, stored, content)

    def delta(self, stored: StoredEvent | Where, event: MessageDelta) -> None:
        message_id = event.message_id
        message = self._by_id.get(message_id)
        if message is None:
            message = Message(stored.seq, message_id, event.role, [], None, stored.time, partial=True)
            self.messages.append(message)
            self._by_id[message_id] = message
            self._count(message, 1)
        else:
            self._tell(message, stored, event)
            if not message.partial:
                return
        parts = message.parts
        if not parts or parts[-1]["type"] != event.kind or not isinstance(parts[-1].get("content"), str):
            parts.append({"type": event.kind, "content": event.content})
            return
        # Taken out of the part, the text belongs to this function alone, and CPython appends to it in place: otherwise
        # a message of n deltas would cost n copies of what is already there.
        text = parts[-1].pop("content")
        text += event.content
        parts[-1]["content"] = text

    def amended(self, stored: StoredEvent | Where, event: MessageAmended) -> None:
        message = self._by_id.get(event.message_id)
        if message is None:
            return
        self._tell(message, stored, event)
        content = event.content
        if isinstance(content, str):
            message.parts = [{"type": "text", "content": content}]
        elif content is not UNSET:
            message.parts = []
            self._replace_parts(message, stored, content)
        if event.metadata is not UNSET:
            message.metadata = merge_patch(message.metadata, event.metadata)
        if event.exclude_from_context is not UNSET:
            message.exclude_from_context = event.exclude_from_context

    def retract(self, stored: StoredEvent | Where, event: MessageRetracted) -> None:
        message = self._by_id.get(event.message_id)
        if message is None:
            return
        self._tell(message, stored, event)
        if event.message_id in self._hidden:
            return
        self._hidden.add(event.message_id)
        self.retracted.append(Retracted(event.message_id, message.seq, stored.seq, event.reason))
        del self.messages[self._index(message.seq)]
        self._count(message, -1)

    # --- taking back ---------------------------------------------------------------------------------------------------------

    def take_back(self, message_id: str | None, seqs: Container[int]) -> None:
        """The message without what the events at these seqs said of it. Costs what was said of this message."""
        if message_id is None or message_id not in self._by_id:
            return
        inner = not self._tools.is_changing
        if inner:
            self._tools.change()
        told = self._told_of(self._by_id[message_id])
        self._told.pop(message_id, None)
        self._forget(message_id, told)
        again = Messages([], [], self._tools, self._event_at, again=True)  # what is made anew comes into its place at once
        again._verbatim = self._verbatim
        left = [each for each in told if each[0] not in seqs]
        again._calls_count = all(event.alternative_to is None for _, _, event in left if isinstance(event, MessageAdded))
        for seq, time, event in left:
            where = Where(seq, time)
            if isinstance(event, MessageAdded):
                again.added(where, event)
            elif isinstance(event, MessageDelta):
                again.delta(where, event)
            elif isinstance(event, MessageAmended):
                again.amended(where, event)
            else:
                again.retract(where, event)
        self._take_over(again)
        if inner:
            self._tools.settle()

    def take_back_nameless(self, seq: int, event: MessageAdded) -> None:
        """A message without an id goes, and its calls and results with it."""
        index = self._index(seq)
        self._count(self.messages.pop(index), -1)
        self._tools.end_turn(seq)
        self._drop_records(seq, event.content)

    def _forget(self, message_id: str, told: list[Told]) -> None:
        """Nothing is left of the message but what was told of it."""
        message = self._by_id.pop(message_id)
        if message_id in self._hidden:
            self._hidden.remove(message_id)
            seq = next(gone.retracted_seq for gone in self._of_retracted(told) if gone.message_id == message_id)
            del self.retracted[bisect_left(self.retracted, seq, key=attrgetter("retracted_seq"))]
        else:
            del self.messages[self._index(message.seq)]
            self._count(message, -1)
        self._called_in.pop(message_id, None)
        self._answered_in.pop(message_id, None)
        for seq, _, event in told:
            self._tools.end_turn(seq)
            if isinstance(event, (MessageAdded, MessageAmended)):
                self._drop_records(seq, event.content)

    def _of_retracted(self, told: list[Told]) -> Iterator[Retracted]:
        """Those of the retracted that the events of one message can have made."""
        for seq, _, event in told:
            if isinstance(event, MessageRetracted):
                index = bisect_left(self.retracted, seq, key=attrgetter("retracted_seq"))
                if index < len(self.retracted) and self.retracted[index].retracted_seq == seq:
                    yield self.retracted[index]

    def _drop_records(self, seq: int, content: Any) -> None:
        if isinstance(content, list):
            for index, part in enumerate(content):
                if part.type in ("tool_call", "tool_call_response"):
                    self._tools.drop(part.id or None, place_of(seq, index))

    def _take_over(self, other: Messages) -> None:
        """What another one was told of a message that is not here."""
        for message in other.messages:
            self.messages.insert(self._index(message.seq), message)
        for gone in other.retracted:
            self.retracted.insert(bisect_left(self.retracted, gone.retracted_seq, key=attrgetter("retracted_seq")), gone)
        self.by_user += other.by_user
        self.by_assistant += other.by_assistant
        self.alternatives += other.alternatives
        self._by_id.update(other._by_id)
        self._hidden.update(other._hidden)
        self._told.update(other._told)
        self._called_in.update(other._called_in)
        self._answered_in.update(other._answered_in)

    def _tell(self, message: Message, stored: StoredEvent | Where, event: Any) -> None:
        """Note a further event of a message. That of the first one is in the journal: most messages have no other."""
        told = self._told.get(message.message_id)  # type: ignore[arg-type]
        if told is None:
            told = self._told[message.message_id] = self._told_of(message)  # type: ignore[index]
        told.append((stored.seq, stored.time, event))

    def _told_of(self, message: Message) -> list[Told]:
        known = self._told.get(message.message_id)  # type: ignore[arg-type]
        return [(message.seq, message.time, self._event_at(message.seq))] if known is None else known

    # --- one message ---------------------------------------------------------------------------------------------------------

    def _complete(self, message: Message, stored: StoredEvent | Where) -> None:
        """The partial message stands where it is added, unless it was taken back."""
        self._begin_turn(stored.seq)
        if message.message_id not in self._hidden:
            del self.messages[self._index(message.seq)]
            self.messages.append(message)
            message.seq, message.time = stored.seq, stored.time

    def _index(self, seq: int) -> int:
        return bisect_left(self.messages, seq, key=attrgetter("seq"))

    def _more(self, message: Message, parts: list[Shown], event: MessageAdded) -> None:
        """A further event of a message that is there: it completes a partial one, or adds its parts."""
        shown = message.message_id not in self._hidden
        if shown:
            self._count(message, -1)
        if message.partial:
            message.partial = False
            message.parts = parts
            message.role = event.role
        else:
            message.parts += parts
        if message.model is None:
            message.model = event.model
        if message.reply_to is None:
            message.reply_to = event.reply_to
        for name in _OF_AN_ANSWER:
            value = getattr(event, name)
            if value is not None and (name not in _FIRST_COUNTS or getattr(message, name) is None):
                setattr(message, name, value)
        if event.metadata:
            message.metadata = merge_patch(message.metadata, event.metadata)
        message.exclude_from_context |= event.exclude_from_context
        if shown:
            self._count(message, 1)

    def _count(self, message: Message, change: int) -> None:
        if message.alternative_to is not None:
            self.alternatives += change
        elif message.role == "assistant":
            self.by_assistant += change
        elif message.role == "user":
            self.by_user += change

    def _add_parts(self, message: Message, stored: StoredEvent | Where, content: list[Part]) -> None:
        for index, part in enumerate(content):
            message.parts.append(_shown(part) if part.type in _KNOWN_PARTS else self._unknown(part, stored, index))
            if part.type == "tool_call":
                self._record(message, stored, part, index, self._called_in)
            elif part.type == "tool_call_response":
                self._record(message, stored, part, index, self._answered_in)

    def _replace_parts(self, message: Message, stored: StoredEvent | Where, content: list[Part]) -> None:
        """What the amended content says of calls and results that the message had already corrects these."""
        tools = self._tools
        inner = not tools.is_changing
        if inner:
            tools.change()
        known = {
            "tool_call": list(self._called_in.get(message.message_id or "", ())),
            "tool_call_response": list(self._answered_in.get(message.message_id or "", ())),
        }
        for index, part in enumerate(content):
            message.parts.append(_shown(part) if part.type in _KNOWN_PARTS else self._unknown(part, stored, index))
            if part.type in known:
                kept = self._called_in if part.type == "tool_call" else self._answered_in
                self._record(message, stored, part, index, kept, _take(known[part.type], part))
        if inner:
            tools.settle()

    def _record(
        self,
        message: Message,
        stored: StoredEvent | Where,
        part: Part,
        index: int,
        kept: dict[str, list[Place]],
        corrects: int | None = None,
    ) -> None:
        call_id = part.id or None
        place = place_of(stored.seq, index)
        record = Record(place, stored.time, part, message.message_id, self._calls_count and message.alternative_to is None, corrects)
        self._tools.record(call_id, record)
        if message.message_id is not None and corrects is None:
            kept.setdefault(message.message_id, []).append((call_id, place))

    def _unknown(self, part: Part, stored: StoredEvent | Where, index: int) -> Shown:
        place = stored.seq, index
        if place not in self._verbatim:
            self._verbatim[place] = _verbatim(part, stored, index)
        return dict(self._verbatim[place])


def _take(places: list[Place], part: Part) -> int | None:
    """Where the first of these is that has the part's id; it is then no longer among them."""
    for index, (call_id, place) in enumerate(places):
        if call_id == (part.id or None):
            del places[index]
            return place
    return None


def _set(value: Any) -> Any:
    return None if value is UNSET else value


def _shown(part: Part) -> Shown:
    """A part as a mapping: the fields of its type are always there, others where they are given."""
    kind = part.type
    if kind == "text" or kind == "reasoning":
        shown = {"type": kind, "content": "" if part.content is UNSET else part.content}
    elif kind == "tool_call":
        shown = {"type": kind, "id": _set(part.id), "name": _set(part.name), "arguments": _set(part.arguments)}
    elif kind == "tool_call_response":
        shown = {"type": kind, "id": _set(part.id), "response": _set(part.response)}
        if part.is_error is not UNSET:
            shown["is_error"] = part.is_error
    else:
        return msgspec.to_builtins(part)  # type: ignore[no-any-return]
    if part.metadata is not UNSET:
        shown["metadata"] = part.metadata
    return shown


def _verbatim(part: Part, stored: StoredEvent | Where, index: int) -> Shown:
    """A part of a type that is not known here, with all its fields: they are in the stored line, not in the struct."""
    fields: Shown = msgspec.to_builtins(part)
    if not isinstance(stored, StoredEvent):
        return fields
    try:
        written = msgspec.json.decode(stored.raw)["data"]["content"][index]
    except (IndexError, KeyError, TypeError):
        return fields  # not read from a log, or of a shape that was upcast
    return written if isinstance(written, dict) and written.get("type") == part.type else fields
