"""The vocabulary: what can happen in a session, in the field's words and in the past tense (DESIGN 4, FORMAT.md "Event types").

Content follows the OpenTelemetry GenAI message model. Every field but the obvious ones has a default, a default is not
written, and a field that this version does not know stays in the line for the ones that do.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from .registry import Event, UnknownEvent, event_type

__all__ = [
    "Artifact",
    "ContextCompacted",
    "ContextUpdated",
    "Cost",
    "ErrorLogged",
    "Event",
    "EventRedacted",
    "HistoryCleared",
    "HistoryRetracted",
    "MessageAdded",
    "MessageAmended",
    "MessageDelta",
    "MessageRetracted",
    "ModeChanged",
    "ModelChanged",
    "Parent",
    "Part",
    "SessionCompacted",
    "SessionDeleted",
    "SessionEnded",
    "SessionMerged",
    "SessionRestored",
    "SessionResumed",
    "SessionStarted",
    "SessionUpdated",
    "Source",
    "SourceRecord",
    "ToolCalled",
    "ToolReturned",
    "UnknownEvent",
    "UsageRecorded",
    "event_type",
]


class Value(msgspec.Struct, frozen=True, omit_defaults=True, repr_omit_defaults=True, kw_only=True, gc=False):
    """A structured field of an event."""


class Part(Value, frozen=True, forbid_unknown_fields=True):  # so that a part with other fields is looked at (`shapes.parts`), not emptied
    """One part of a message. ``type`` says which fields count; a type that is not listed here is kept with its fields' names.

    text, reasoning: content. tool_call: id, name, arguments. tool_call_response: id, response, is_error.
    blob: mime_type, modality, content (base64). file: file_id, mime_type, modality. uri: uri, mime_type, modality.
    """

    type: str
    content: Any | UnsetType = UNSET
    id: str | UnsetType | None = UNSET
    name: str | UnsetType = UNSET
    arguments: Any | UnsetType = UNSET
    response: Any | UnsetType = UNSET
    is_error: bool | UnsetType = UNSET
    mime_type: str | UnsetType | None = UNSET
    modality: str | UnsetType = UNSET
    uri: str | UnsetType = UNSET
    file_id: str | UnsetType = UNSET
    metadata: dict[str, Any] | UnsetType = UNSET


class Parent(Value, frozen=True):
    """Where a session comes from: a fork (``seq`` = the last event taken over), a subagent, a continuation."""

    session_id: str
    seq: int | None = None
    relation: str = "fork"


class Cost(Value, frozen=True):
    """Money. ``amount`` in units of ``currency``; ``price_version`` names the price list that it was computed with."""

    amount: float
    currency: str = "USD"
    price_version: str | None = None


class Artifact(Value, frozen=True):
    """Something a tool left behind: a path or a link."""

    path: str | None = None
    uri: str | None = None
    title: str | None = None
    mime_type: str | None = None


class Source(Value, frozen=True):
    """A range of another session that was taken over."""

    session_id: str
    first_seq: int
    last_seq: int


# --- the session -------------------------------------------------------------------------------------------------------------


@event_type("session.started")
class SessionStarted(Event, frozen=True):
    """What the session is: the first counts, a later one (of a merge) fills what is empty. ``settings`` are the model's; ``parent``
    is where it comes from."""

    title: str | None = None
    description: str | None = None
    purpose: str | None = None
    user_id: str | None = None
    tags: list[str] = []
    kind: str | None = None
    model: str | None = None
    provider: str | None = None
    settings: dict[str, Any] = {}
    metadata: dict[str, Any] = {}
    parent: Parent | None = None


@event_type("session.updated")
class SessionUpdated(Event, frozen=True):
    """A merge patch (RFC 7386) on what `SessionStarted` carries: absent leaves as it is, None removes, a mapping is merged.

    ``tags`` replaces all tags; ``add_tags`` and ``remove_tags`` also hold when two writers change tags at once."""

    title: str | UnsetType | None = UNSET
    description: str | UnsetType | None = UNSET
    purpose: str | UnsetType | None = UNSET
    user_id: str | UnsetType | None = UNSET
    tags: list[str] | UnsetType | None = UNSET
    add_tags: list[str] = []
    remove_tags: list[str] = []
    kind: str | UnsetType | None = UNSET
    model: str | UnsetType | None = UNSET
    provider: str | UnsetType | None = UNSET
    settings: dict[str, Any] | UnsetType | None = UNSET
    metadata: dict[str, Any] | UnsetType | None = UNSET
    parent: Parent | UnsetType | None = UNSET
    pinned: bool | UnsetType = UNSET


@event_type("session.resumed")
class SessionResumed(Event, frozen=True):
    """Work on the session goes on. Written only by `Session.resume`."""

    reason: str | None = None


@event_type("session.ended")
class SessionEnded(Event, frozen=True):
    """``status``: completed, failed or abandoned. A later append makes the session active again."""

    status: str = "completed"
    reason: str | None = None


@event_type("session.deleted")
class SessionDeleted(Event, frozen=True):
    """A tombstone: hidden from lists, refuses every append but `SessionRestored`; the id stays burned."""

    reason: str | None = None


@event_type("session.restored")
class SessionRestored(Event, frozen=True):
    """Lifts the tombstone: the session is what it was."""

    reason: str | None = None


@event_type("session.merged")
class SessionMerged(Event, frozen=True):
    """Ends a merge: up to where each source was taken in, and where the sources say different things (name, values, what is kept)."""

    sources: list[Source]
    conflicts: list[dict[str, Any]] = []


@event_type("session.compacted")
class SessionCompacted(Event, frozen=True):
    """Which seqs a compaction left out, as inclusive ranges."""

    left_out: list[tuple[int, int]]
    reason: str | None = None


# --- what the model is and sees ----------------------------------------------------------------------------------------------


@event_type("model.changed")
class ModelChanged(Event, frozen=True):
    """The session goes on with another model; ``settings`` are a merge patch on those so far."""

    model: str
    provider: str | None = None
    settings: dict[str, Any] = {}


@event_type("mode.changed")
class ModeChanged(Event, frozen=True):
    """The session goes on in another mode (such as plan, act); ``settings`` are a merge patch on those so far."""

    mode: str
    settings: dict[str, Any] = {}


@event_type("context.updated")
class ContextUpdated(Event, frozen=True):
    """What a resumed conversation must know again; a merge patch on the context so far."""

    preferences: dict[str, Any] | UnsetType | None = UNSET
    topics: list[str] | UnsetType | None = UNSET
    project: Any | UnsetType = UNSET
    intent: str | UnsetType | None = UNSET
    metadata: dict[str, Any] | UnsetType | None = UNSET


@event_type("context.compacted")
class ContextCompacted(Event, frozen=True):
    """The model's view shrinks to ``summary`` and what follows ``first_kept_seq``; the record does not."""

    summary: str | None = None
    first_kept_seq: int | None = None
    tokens_before: int | None = None
    tokens_after: int | None = None
    trigger: str | None = None


# --- messages ----------------------------------------------------------------------------------------------------------------


@event_type("message.added")
class MessageAdded(Event, frozen=True):
    """A message, or more of one: a later event with the same ``message_id`` adds its parts. A str is one text part.

    Of a model's answer: ``finish_reason`` and ``response_id`` in the provider's own words; ``duration_ms`` from the request to the end,
    ``first_chunk_ms`` to the first piece of a stream; ``interrupted``: why it is partial, absent where it is whole; ``alternative_to``: the
    id of the message that counts in its place (the model does not see it, counts leave it out, its usage was spent)."""

    role: str
    content: str | list[Part]
    message_id: str | None = None
    model: str | None = None
    reply_to: str | None = None
    metadata: dict[str, Any] = {}
    exclude_from_context: bool = False
    finish_reason: str | None = None
    response_id: str | None = None
    duration_ms: float | None = None
    first_chunk_ms: float | None = None
    interrupted: str | None = None
    alternative_to: str | None = None

    @property
    def text(self) -> str:
        """What it says in words: its text parts, a paragraph each."""
        if isinstance(self.content, str):
            return self.content
        return "\n\n".join(part.content for part in self.content if part.type == "text" and isinstance(part.content, str))


@event_type("message.delta")
class MessageDelta(Event, frozen=True):
    """One streamed piece of a message that `MessageAdded` later completes. ``kind``: text or reasoning. Written without a sync."""

    message_id: str
    content: str
    role: str = "assistant"
    kind: str = "text"


@event_type("message.amended")
class MessageAmended(Event, frozen=True):
    """Replaces what is given of the message: content, metadata (merged), whether the model sees it."""

    message_id: str
    content: str | list[Part] | UnsetType = UNSET
    metadata: dict[str, Any] | UnsetType = UNSET
    exclude_from_context: bool | UnsetType = UNSET
    reason: str | None = None


@event_type("message.retracted")
class MessageRetracted(Event, frozen=True):
    """The message is no longer shown, and stays among those that were retracted. Its calls and its usage stay."""

    message_id: str
    reason: str | None = None


# --- tools, usage, errors ----------------------------------------------------------------------------------------------------


@event_type("tool.called")
class ToolCalled(Event, frozen=True):
    """A call, recorded once: here, or as a tool_call part of its message."""

    name: str
    arguments: Any = None
    call_id: str | None = None
    message_id: str | None = None


@event_type("tool.returned")
class ToolReturned(Event, frozen=True):
    """The result of a call: ``output`` is what the model gets, ``display`` what a person is shown instead, ``artifacts`` are what it
    left behind."""

    call_id: str | None = None
    output: Any = None
    display: Any = None
    is_error: bool = False
    duration_ms: float | None = None
    artifacts: list[Artifact] = []
    name: str | None = None


@event_type("usage.recorded")
class UsageRecorded(Event, frozen=True):
    """Tokens of one model response, counted in one way whoever made it. A later one for the same ``message_id`` replaces it.

    ``input_tokens``: what the model read without the cache: neither ``cache_read_tokens`` nor ``cache_write_tokens`` are in it, the three
    together are the prompt. ``output_tokens``: all that it wrote, ``reasoning_tokens`` included. Whoever records or imports converts.
    ``context``: what the model saw, as inclusive ranges of seqs of this session."""

    message_id: str | None = None
    model: str | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    cost: Cost | None = None
    context: list[tuple[int, int]] = []


@event_type("error.logged")
class ErrorLogged(Event, frozen=True):
    """Something went wrong; ``kind`` is its class in the program's words."""

    message: str
    kind: str | None = None
    details: Any = None


# --- what was taken back -----------------------------------------------------------------------------------------------------


@event_type("history.retracted")
class HistoryRetracted(Event, frozen=True):
    """What a program took back: a view is that of the same session without these events. The record keeps them.

    ``ranges`` are inclusive, of seqs of this session before this event. Of what they name, messages, tools, context and the program's own
    events are taken back; `session.*`, `usage.recorded`, `error.logged`, `source.record` and `history.*` never are
    (`eventlog.meaning.history`)."""

    ranges: list[tuple[int, int]]
    reason: str | None = None


@event_type("history.cleared")
class HistoryCleared(Event, frozen=True):
    """Everything up to ``up_to`` (inclusive; absent: all before this event) is taken back, as by `HistoryRetracted`."""

    up_to: int | None = None
    reason: str | None = None


# --- the record itself -------------------------------------------------------------------------------------------------------


@event_type("event.redacted")
class EventRedacted(Event, frozen=True):
    """What was removed, where and why; never the text itself."""

    seqs: list[int]
    what: str
    reason: str | None = None


@event_type("source.record")
class SourceRecord(Event, frozen=True):
    """A record of another tool that has no meaning here (yet). The record itself is in ``origin.record``, verbatim."""

    kind: str | None = None
    note: str | None = None
