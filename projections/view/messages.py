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
from datetime import datetime
from operator import attrgetter
from typing import Any

import msgspec
from msgspec import UNSET

from eventlog.events import MessageAdded, MessageAmended, MessageDelta, MessageRetracted, Part
from eventlog.merge_patch import merge_patch
from eventlog.stored import StoredEvent

from .tool_calls import BY_PART, ToolCall, ToolCalls

Shown = dict[str, Any]


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


class Retracted(msgspec.Struct, gc=False):
    """A message that was taken back: where it stood, and where that was said."""

    message_id: str
    seq: int
    retracted_seq: int
    reason: str | None = None


class Messages:
    """The messages of one session, in the order in which they first appeared."""

    __slots__ = ("_answered_in", "_by_id", "_called_in", "_hidden", "_models", "_tools", "by_assistant", "by_user", "messages", "retracted")

    def __init__(self, messages: list[Message], retracted: list[Retracted], models: list[str], tools: ToolCalls) -> None:
        self.messages = messages
        self.retracted = retracted
        self.by_user = 0
        self.by_assistant = 0
        self._models = models
        self._tools = tools
        self._by_id: dict[str | None, Message] = {}  # None, which names no message, is never in it
        self._hidden: set[str] = set()
        self._called_in: dict[str, list[ToolCall]] = {}
        self._answered_in: dict[str, list[ToolCall]] = {}

    def added(self, stored: StoredEvent, event: MessageAdded) -> None:
        message_id, content, model = event.message_id, event.content, event.model
        parts: list[Shown] = [{"type": "text", "content": content}] if isinstance(content, str) else []
        if model is not None and model not in self._models:
            self._models.append(model)
        message = None if message_id is None else self._by_id.get(message_id)
        if message is None:
            role = event.role
            message = Message(
                stored.seq,
                message_id,
                role,
                parts,
                model,
                stored.time,
                event.exclude_from_context,
                event.reply_to,
                event.metadata,
                False,
            )
            self.messages.append(message)
            if message_id is not None:
                self._by_id[message_id] = message
            if role == "assistant":
                self.by_assistant += 1
            elif role == "user":
                self.by_user += 1
        else:
            if message.partial:
                self._complete(message, stored)
            self._more(message, parts, event)
        if not isinstance(content, str):
            self._add_parts(message, stored, content)

    def delta(self, stored: StoredEvent, event: MessageDelta) -> None:
        message = self._by_id.get(event.message_id)
        if message is None:
            message = Message(stored.seq, event.message_id, event.role, [], None, stored.time, partial=True)
            self.messages.append(message)
            self._by_id[event.message_id] = message
            self._tools.partial += 1
            self._count(event.role, 1)
        elif not message.partial:
            return
        parts = message.parts
        if not parts or parts[-1]["type"] != event.kind:
            parts.append({"type": event.kind, "content": event.content})
            return
        # Taken out of the part, the text belongs to this function alone, and CPython appends to it in place: otherwise
        # a message of n deltas would cost n copies of what is already there.
        text = parts[-1].pop("content")
        text += event.content
        parts[-1]["content"] = text

    def amended(self, stored: StoredEvent, event: MessageAmended) -> None:
        message = self._by_id.get(event.message_id)
        if message is None:
            return
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

    def retract(self, stored: StoredEvent, event: MessageRetracted) -> None:
        message = self._by_id.get(event.message_id)
        if message is None or event.message_id in self._hidden:
            return
        self._hidden.add(event.message_id)
        self.retracted.append(Retracted(event.message_id, message.seq, stored.seq, event.reason))
        del self.messages[self._index(message)]
        self._count(message.role, -1)

    def _complete(self, message: Message, stored: StoredEvent) -> None:
        """The partial message stands where it is added, unless it was taken back."""
        if message.message_id not in self._hidden:
            del self.messages[self._index(message)]
            self.messages.append(message)
            message.seq, message.time = stored.seq, stored.time

    def _index(self, message: Message) -> int:
        return bisect_left(self.messages, message.seq, key=attrgetter("seq"))

    def _more(self, message: Message, parts: list[Shown], event: MessageAdded) -> None:
        """A further event of a message that is there: it completes a partial one, or adds its parts."""
        if message.partial:
            message.partial = False
            self._tools.partial -= 1
            message.parts = parts
            if message.message_id not in self._hidden:
                self._count(message.role, -1)
                self._count(event.role, 1)
            message.role = event.role
        else:
            message.parts += parts
        if message.model is None:
            message.model = event.model
        if message.reply_to is None:
            message.reply_to = event.reply_to
        if event.metadata:
            message.metadata = merge_patch(message.metadata, event.metadata)
        message.exclude_from_context |= event.exclude_from_context

    def _count(self, role: str, change: int) -> None:
        if role == "assistant":
            self.by_assistant += change
        elif role == "user":
            self.by_user += change

    def _add_parts(self, message: Message, stored: StoredEvent, content: list[Part]) -> None:
        for index, part in enumerate(content):
            message.parts.append(_shown(part, stored, index))
            if part.type == "tool_call":
                self._call(message, stored, part)
            elif part.type == "tool_call_response":
                self._answer(message, stored, part)

    def _replace_parts(self, message: Message, stored: StoredEvent, content: list[Part]) -> None:
        called = list(self._called_in.get(message.message_id or "", ()))
        answered = list(self._answered_in.get(message.message_id or "", ()))
        for index, part in enumerate(content):
            message.parts.append(_shown(part, stored, index))
            if part.type == "tool_call":
                call = _take(called, part)
                if call is None:
                    self._call(message, stored, part)
                else:
                    call.name = part.name or call.name
                    call.arguments = _set(part.arguments)
            elif part.type == "tool_call_response":
                call = _take(answered, part)
                if call is None:
                    self._answer(message, stored, part)
                else:
                    call.output = _set(part.response)
                    call.is_error = part.is_error is True

    def _call(self, message: Message, stored: StoredEvent, part: Part) -> None:
        call = self._tools.call(stored, _set(part.id), part.name or None, _set(part.arguments), message.message_id, BY_PART)
        if message.message_id is not None:
            self._called_in.setdefault(message.message_id, []).append(call)

    def _answer(self, message: Message, stored: StoredEvent, part: Part) -> None:
        call = self._tools.answer(stored, _set(part.id), part.name or None, _set(part.response), part.is_error is True, None, BY_PART)
        if message.message_id is not None:
            self._answered_in.setdefault(message.message_id, []).append(call)


def _take(calls: list[ToolCall], part: Part) -> ToolCall | None:
    """The first of the calls that has the part's id, which is then no longer among them."""
    for index, call in enumerate(calls):
        if call.call_id == _set(part.id):
            return calls.pop(index)
    return None


def _set(value: Any) -> Any:
    return None if value is UNSET else value


def _shown(part: Part, stored: StoredEvent, index: int) -> Shown:
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
    elif kind in ("blob", "file", "uri"):
        return msgspec.to_builtins(part)  # type: ignore[no-any-return]
    else:
        return _verbatim(part, stored, index)
    if part.metadata is not UNSET:
        shown["metadata"] = part.metadata
    return shown


def _verbatim(part: Part, stored: StoredEvent, index: int) -> Shown:
    """A part of a type that is not known here, with all its fields: they are in the stored line, not in the struct."""
    fields: Shown = msgspec.to_builtins(part)
    try:
        written = msgspec.json.decode(stored.raw)["data"]["content"][index]
    except (IndexError, KeyError, TypeError):
        return fields  # not read from a log, or of a shape that was upcast
    return written if isinstance(written, dict) and written.get("type") == part.type else fields
