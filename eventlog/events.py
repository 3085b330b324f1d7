"""The vocabulary: what can happen in a session, in the field's words and in the past tense (DESIGN 4, FORMAT.md "Event types").

Content follows the OpenTelemetry GenAI message model. Every field but the obvious ones has a default, a default is not
written, and a field that this version does not know stays in the line for the ones that do.

What a field means stands behind it, after ``#:``, for readers of this file, of FORMAT.md and of the JSON Schema.
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

    type: str  #: which fields count
    content: Any | UnsetType = UNSET  #: the text, or of a blob its bytes in base64
    id: str | UnsetType | None = UNSET  #: of the call
    name: str | UnsetType = UNSET  #: of the tool
    arguments: Any | UnsetType = UNSET  #: what the tool is called with, an object as a rule
    response: Any | UnsetType = UNSET  #: what the tool gave
    is_error: bool | UnsetType = UNSET  #: of a response: that the tool failed
    mime_type: str | UnsetType | None = UNSET  #: of a blob, a file or what a link leads to
    modality: str | UnsetType = UNSET  #: image, audio, video and the like
    uri: str | UnsetType = UNSET  #: where it is
    file_id: str | UnsetType = UNSET  #: its id at the provider
    metadata: dict[str, Any] | UnsetType = UNSET  #: whatever else the source says of it


class Parent(Value, frozen=True):
    """Where a session comes from: a fork (``seq`` = the last event taken over), a subagent, a continuation."""

    session_id: str  #: the other session
    seq: int | None = None  #: its last event that was taken over
    relation: str = "fork"  #: fork, subagent, continuation, or the program's own word


class Cost(Value, frozen=True):
    """Money. ``amount`` in units of ``currency``; ``price_version`` names the price list that it was computed with."""

    amount: float  #: in units of the currency
    currency: str = "USD"  #: three letters of ISO 4217
    price_version: str | None = None  #: the price list that it was computed with; `provider` where that one said it


class Artifact(Value, frozen=True):
    """Something a tool left behind: a path or a link."""

    path: str | None = None  #: of a file
    uri: str | None = None  #: of anything else
    title: str | None = None  #: for people
    mime_type: str | None = None  #: of what is there


class Source(Value, frozen=True):
    """A range of another session that was taken over."""

    session_id: str  #: the other session
    first_seq: int  #: its first event that was taken over
    last_seq: int  #: its last one


# --- the session -------------------------------------------------------------------------------------------------------------


@event_type("session.started")
class SessionStarted(Event, frozen=True):
    """What the session is: the first counts, a later one (of a merge) fills what is empty. ``settings`` are the model's; ``parent``
    is where it comes from."""

    title: str | None = None  #: one line, for lists
    description: str | None = None  #: more of it
    purpose: str | None = None  #: what it is to achieve
    user_id: str | None = None  #: on whose behalf
    tags: list[str] = []  #: words to find it by
    kind: str | None = None  #: what sort of session, in the program's words
    model: str | None = None  #: the model that answers, as its provider names it
    provider: str | None = None  #: who runs the model, such as openai
    settings: dict[str, Any] = {}  #: of the model, such as its temperature
    metadata: dict[str, Any] = {}  #: the program's own
    parent: Parent | None = None  #: where it comes from


@event_type("session.updated")
class SessionUpdated(Event, frozen=True):
    """A merge patch (RFC 7386) on what `SessionStarted` carries: absent leaves as it is, None removes, a mapping is merged.

    ``tags`` replaces all tags; ``add_tags`` and ``remove_tags`` also hold when two writers change tags at once."""

    title: str | UnsetType | None = UNSET  #: as in `session.started`
    description: str | UnsetType | None = UNSET  #: as there
    purpose: str | UnsetType | None = UNSET  #: as there
    user_id: str | UnsetType | None = UNSET  #: as there
    tags: list[str] | UnsetType | None = UNSET  #: all of them
    add_tags: list[str] = []  #: that are added
    remove_tags: list[str] = []  #: that are taken away
    kind: str | UnsetType | None = UNSET  #: as there
    model: str | UnsetType | None = UNSET  #: as there
    provider: str | UnsetType | None = UNSET  #: as there
    settings: dict[str, Any] | UnsetType | None = UNSET  #: as there, merged
    metadata: dict[str, Any] | UnsetType | None = UNSET  #: as there, merged
    parent: Parent | UnsetType | None = UNSET  #: as there
    pinned: bool | UnsetType = UNSET  #: whether somebody wants it at hand


@event_type("session.resumed")
class SessionResumed(Event, frozen=True):
    """Work on the session goes on. Written only by `Session.resume`."""

    reason: str | None = None  #: why, for people


@event_type("session.ended")
class SessionEnded(Event, frozen=True):
    """``status``: completed, failed or abandoned. A later append makes the session active again."""

    status: str = "completed"  #: completed, failed or abandoned
    reason: str | None = None  #: why, for people


@event_type("session.deleted")
class SessionDeleted(Event, frozen=True):
    """A tombstone: hidden from lists, refuses every append but `SessionRestored`; the id stays burned."""

    reason: str | None = None  #: why, for people


@event_type("session.restored")
class SessionRestored(Event, frozen=True):
    """Lifts the tombstone: the session is what it was."""

    reason: str | None = None  #: why, for people


@event_type("session.merged")
class SessionMerged(Event, frozen=True):
    """Ends a merge: up to where each source was taken in, and where the sources say different things (name, values, what is kept)."""

    sources: list[Source]  #: the sessions that were taken in, and which part of each
    conflicts: list[dict[str, Any]] = []  #: for each detail that they disagree on: name, values, what is kept


@event_type("session.compacted")
class SessionCompacted(Event, frozen=True):
    """Which seqs a compaction left out, as inclusive ranges."""

    left_out: list[tuple[int, int]]  #: from which seq to which
    reason: str | None = None  #: why, for people


# --- what the model is and sees ----------------------------------------------------------------------------------------------


@event_type("model.changed")
class ModelChanged(Event, frozen=True):
    """The session goes on with another model; ``settings`` are a merge patch on those so far."""

    model: str  #: that answers from here on
    provider: str | None = None  #: who runs it
    settings: dict[str, Any] = {}  #: merged into those so far


@event_type("mode.changed")
class ModeChanged(Event, frozen=True):
    """The session goes on in another mode (such as plan, act); ``settings`` are a merge patch on those so far."""

    mode: str  #: such as plan or act
    settings: dict[str, Any] = {}  #: merged into those so far


@event_type("context.updated")
class ContextUpdated(Event, frozen=True):
    """What a resumed conversation must know again; a merge patch on the context so far."""

    preferences: dict[str, Any] | UnsetType | None = UNSET  #: how the user wants it, merged
    topics: list[str] | UnsetType | None = UNSET  #: what it is about, all of them
    project: Any | UnsetType = UNSET  #: what is worked on: a folder, or an object with its path
    intent: str | UnsetType | None = UNSET  #: what the user is after
    metadata: dict[str, Any] | UnsetType | None = UNSET  #: the program's own, merged


@event_type("context.compacted")
class ContextCompacted(Event, frozen=True):
    """The model's view shrinks to ``summary`` and what follows ``first_kept_seq``; the record does not."""

    summary: str | None = None  #: what stands for what the model no longer sees
    first_kept_seq: int | None = None  #: the first event that it still sees as it is
    tokens_before: int | None = None  #: in its context before
    tokens_after: int | None = None  #: in its context afterwards
    trigger: str | None = None  #: what set it off, such as auto or manual


# --- messages ----------------------------------------------------------------------------------------------------------------


@event_type("message.added")
class MessageAdded(Event, frozen=True):
    """A message, or more of one: a later event with the same ``message_id`` adds its parts. A str is one text part.

    Of a model's answer: ``finish_reason`` and ``response_id`` in the provider's own words; ``duration_ms`` from the request to the end,
    ``first_chunk_ms`` to the first piece of a stream; ``interrupted``: why it is partial, absent where it is whole; ``alternative_to``: the
    id of the message that counts in its place (the model does not see it, counts leave it out, its usage was spent)."""

    role: str  #: user, assistant, system or tool
    content: str | list[Part]  #: what is said
    message_id: str | None = None  #: what others name it by
    model: str | None = None  #: that wrote it
    reply_to: str | None = None  #: the message that it answers
    metadata: dict[str, Any] = {}  #: the program's own
    exclude_from_context: bool = False  #: that the model does not see it
    finish_reason: str | None = None  #: why the model stopped, in the provider's words
    response_id: str | None = None  #: of the response, at the provider
    duration_ms: float | None = None  #: from the request to the end
    first_chunk_ms: float | None = None  #: from the request to the first piece of a stream
    interrupted: str | None = None  #: why it is partial; absent where it is whole
    alternative_to: str | None = None  #: the message that counts in its place

    @property
    def text(self) -> str:
        """What it says in words: its text parts, a paragraph each."""
        if isinstance(self.content, str):
            return self.content
        return "\n\n".join(part.content for part in self.content if part.type == "text" and isinstance(part.content, str))


@event_type("message.delta")
class MessageDelta(Event, frozen=True):
    """One streamed piece of a message that `MessageAdded` later completes. ``kind``: text or reasoning. Written without a sync."""

    message_id: str  #: of the message that it is a piece of
    content: str  #: the piece
    role: str = "assistant"  #: as in `message.added`
    kind: str = "text"  #: text or reasoning


@event_type("message.amended")
class MessageAmended(Event, frozen=True):
    """Replaces what is given of the message: content, metadata (merged), whether the model sees it."""

    message_id: str  #: of the message that changes
    content: str | list[Part] | UnsetType = UNSET  #: in place of all of it
    metadata: dict[str, Any] | UnsetType = UNSET  #: merged
    exclude_from_context: bool | UnsetType = UNSET  #: whether the model sees it from here on
    reason: str | None = None  #: why, for people


@event_type("message.retracted")
class MessageRetracted(Event, frozen=True):
    """The message is no longer shown, and stays among those that were retracted. Its calls and its usage stay."""

    message_id: str  #: of the message that is no longer shown
    reason: str | None = None  #: why, for people


# --- tools, usage, errors ----------------------------------------------------------------------------------------------------


@event_type("tool.called")
class ToolCalled(Event, frozen=True):
    """A call, recorded once: here, or as a tool_call part of its message."""

    name: str  #: of the tool
    arguments: Any = None  #: what it is called with, an object as a rule
    call_id: str | None = None  #: what its result names
    message_id: str | None = None  #: the message that asked for it


@event_type("tool.returned")
class ToolReturned(Event, frozen=True):
    """The result of a call: ``output`` is what the model gets, ``display`` what a person is shown instead, ``artifacts`` are what it
    left behind."""

    call_id: str | None = None  #: of the call; without one, it is found by the name
    output: Any = None  #: what the model gets
    display: Any = None  #: what a person is shown in its place
    is_error: bool = False  #: that the tool failed
    duration_ms: float | None = None  #: how long it took
    artifacts: list[Artifact] = []  #: what it left behind
    name: str | None = None  #: of the tool


@event_type("usage.recorded")
class UsageRecorded(Event, frozen=True):
    """Tokens of one model response, counted in one way whoever made it. A later one for the same ``message_id`` replaces it.

    ``input_tokens``: what the model read without the cache: neither ``cache_read_tokens`` nor ``cache_write_tokens`` are in it, the three
    together are the prompt. ``output_tokens``: all that it wrote, ``reasoning_tokens`` included. Whoever records or imports converts.
    ``context``: what the model saw, as inclusive ranges of seqs of this session."""

    message_id: str | None = None  #: the message that the response became
    model: str | None = None  #: that was asked
    input_tokens: int = 0  #: read, without the cache
    output_tokens: int = 0  #: written, all of them
    cache_read_tokens: int = 0  #: read from the cache
    cache_write_tokens: int = 0  #: put into the cache
    reasoning_tokens: int = 0  #: of those written, what is no answer
    cost: Cost | None = None  #: what it cost, where that is known
    context: list[tuple[int, int]] = []  #: what the model saw: from which seq to which


@event_type("error.logged")
class ErrorLogged(Event, frozen=True):
    """Something went wrong; ``kind`` is its class in the program's words."""

    message: str  #: what went wrong, in a line
    kind: str | None = None  #: its class, in the program's words
    details: Any = None  #: whatever helps to find out more


# --- what was taken back -----------------------------------------------------------------------------------------------------


@event_type("history.retracted")
class HistoryRetracted(Event, frozen=True):
    """What a program took back: a view is that of the same session without these events. The record keeps them.

    ``ranges`` are inclusive, of seqs of this session before this event. Of what they name, messages, tools, context and the program's own
    events are taken back; `session.*`, `usage.recorded`, `error.logged`, `source.record` and `history.*` never are
    (`eventlog.meaning.history`)."""

    ranges: list[tuple[int, int]]  #: from which seq to which
    reason: str | None = None  #: why, for people


@event_type("history.cleared")
class HistoryCleared(Event, frozen=True):
    """Everything up to ``up_to`` (inclusive; absent: all before this event) is taken back, as by `HistoryRetracted`."""

    up_to: int | None = None  #: the last event that is taken back
    reason: str | None = None  #: why, for people


# --- the record itself -------------------------------------------------------------------------------------------------------


@event_type("event.redacted")
class EventRedacted(Event, frozen=True):
    """What was removed, where and why; never the text itself."""

    seqs: list[int]  #: of the events that are changed
    what: str  #: what was removed, without its text
    reason: str | None = None  #: why, for people


@event_type("source.record")
class SourceRecord(Event, frozen=True):
    """A record of another tool that has no meaning here (yet). The record itself is in ``origin.record``, verbatim."""

    kind: str | None = None  #: of the record, in the other tool's words
    note: str | None = None  #: why it is kept as it is
