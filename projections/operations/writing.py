"""Commands that add to one session: start it, append, say what is known of it, go on with it, end it."""

from __future__ import annotations

from datetime import datetime
from hashlib import sha256
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from eventlog import draft
from eventlog.errors import Conflict, InvalidEvent, SessionExists
from eventlog.events import (
    Artifact,
    MessageAdded,
    Parent,
    Part,
    SessionEnded,
    SessionStarted,
    SessionUpdated,
    ToolCalled,
    ToolReturned,
    UnknownEvent,
)
from eventlog.line import Envelope
from eventlog.registry import check_type_name, known_types
from eventlog.timestamps import now

from .context import Context
from .filters import SessionId
from .row import Arguments

Key = Annotated[
    str | None,
    Meta(
        description="Makes sending it again safe: what was done with the same key is not done again.", extra={"header": "Idempotency-Key"}
    ),
]
Expected = Annotated[
    Annotated[int, Meta(ge=0)] | None,
    Meta(description="The seq that the session must end with, else nothing is written.", extra={"header": "If-Match"}),
]
Metadata = Annotated[dict[str, Any], Meta(description="Anything that belongs to it.")]
Text = str | UnsetType | None


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """``seq``: the last event that was written."""

    session_id: str
    seq: int


class Start(Arguments, frozen=True, kw_only=True):
    id: Annotated[str | None, Meta(description="The id of the new session; default: a new one.", extra={"metavar": "ID"})] = None
    title: Annotated[str | None, Meta(description="Its title.")] = None
    description: Annotated[str | None, Meta(description="What it is about.")] = None
    purpose: Annotated[str | None, Meta(description="What it is for.")] = None
    user_id: Annotated[str | None, Meta(description="Whose it is.", extra={"option": "--user", "metavar": "ID"})] = None
    tags: Annotated[list[str], Meta(description="Its tags.", extra={"option": "--tag", "metavar": "TAG"})] = []
    kind: Annotated[str | None, Meta(description="chat, voice, agent, ...")] = None
    model: Annotated[str | None, Meta(description="The model that it begins with.")] = None
    provider: Annotated[str | None, Meta(description="Whose model that is.")] = None
    settings: Annotated[dict[str, Any], Meta(description="The model's settings.")] = {}
    metadata: Metadata = {}
    parent: Annotated[Parent | None, Meta(description="The session that it comes from.")] = None
    template: Annotated[str | None, Meta(description="The template that it begins with; what is given here wins.")] = None
    idempotency_key: Key = None


class GivenEvent(Arguments, frozen=True, kw_only=True):
    type: Annotated[str, Meta(description="The event type, such as message.added.")]
    data: Annotated[dict[str, Any], Meta(description="What the type carries.")]
    id: Annotated[str | None, Meta(description="Makes sending it again safe; of several events only the last may have one.")] = None
    time: Annotated[str | None, Meta(description="When it happened, ISO 8601; default: now.")] = None


class Append(Arguments, frozen=True, kw_only=True):
    session_id: SessionId
    events: Annotated[list[GivenEvent], Meta(min_length=1, max_length=10_000, description="The events: all are stored, or none.")]
    expected: Expected = None
    idempotency_key: Key = None


class AddMessage(Arguments, frozen=True, kw_only=True):
    session_id: SessionId
    role: Annotated[str, Meta(description="user, assistant, system or tool.", min_length=1)]
    content: Annotated[str | list[Part], Meta(description="The text, or a list of parts.")]
    message_id: Annotated[str | None, Meta(description="Its id; a later message with the same id adds its parts.")] = None
    model: Annotated[str | None, Meta(description="The model that wrote it.")] = None
    tool_name: Annotated[str | None, Meta(description="The tool that it is about.")] = None
    invocation_id: Annotated[str | None, Meta(description="The tool invocation that it is about.")] = None
    metadata: Metadata = {}
    idempotency_key: Key = None


class LinkInvocation(Arguments, frozen=True, kw_only=True):
    session_id: SessionId
    invocation_id: Annotated[
        str, Meta(description="The id of the invocation; it becomes the call_id. Linking it again adds nothing.", min_length=1)
    ]
    tool_name: Annotated[str, Meta(description="The tool.", min_length=1)]
    arguments: Annotated[Any, Meta(description="What it was called with.")] = None
    output: Annotated[Any, Meta(description="What it answered.")] = None
    is_error: Annotated[bool, Meta(description="Whether it failed.")] = False
    duration_ms: Annotated[Annotated[float, Meta(ge=0)] | None, Meta(description="How long it took, in milliseconds.")] = None
    artifacts: Annotated[list[Artifact], Meta(description="What it left behind: paths or links.")] = []


class Linked(msgspec.Struct, frozen=True, kw_only=True):
    session_id: str
    called_seq: int
    returned_seq: int


class Update(Arguments, frozen=True, kw_only=True):
    """A merge patch: what is absent stays, null removes."""

    session_id: SessionId
    title: Annotated[Text, Meta(description="Its title.")] = UNSET
    description: Annotated[Text, Meta(description="What it is about.")] = UNSET
    purpose: Annotated[Text, Meta(description="What it is for.")] = UNSET
    user_id: Annotated[Text, Meta(description="Whose it is.")] = UNSET
    tags: Annotated[list[str] | UnsetType | None, Meta(description="All of its tags, in place of those that it has.")] = UNSET
    add_tags: Annotated[list[str], Meta(description="Tags to add.")] = []
    remove_tags: Annotated[list[str], Meta(description="Tags to remove.")] = []
    kind: Annotated[Text, Meta(description="chat, voice, agent, ...")] = UNSET
    model: Annotated[Text, Meta(description="The model.")] = UNSET
    provider: Annotated[Text, Meta(description="Whose model that is.")] = UNSET
    settings: Annotated[dict[str, Any] | UnsetType | None, Meta(description="A merge patch on its settings.")] = UNSET
    metadata: Annotated[dict[str, Any] | UnsetType | None, Meta(description="A merge patch on its metadata.")] = UNSET
    pinned: Annotated[bool | UnsetType, Meta(description="Whether it stays on top of lists and out of clean-ups.")] = UNSET
    expected: Expected = None
    idempotency_key: Key = None


class End(Arguments, frozen=True, kw_only=True):
    session_id: SessionId
    status: Annotated[Literal["completed", "failed", "abandoned"], Meta(description="How it ended.")] = "completed"
    reason: Annotated[str | None, Meta(description="Why.")] = None
    idempotency_key: Key = None


def start(context: Context, asked: Start) -> Written:
    details = {name: getattr(asked, name) for name in SessionStarted.__struct_fields__}
    if details["user_id"] is None:
        details["user_id"] = context.user_id
    if asked.idempotency_key is None:
        given = {name: value for name, value in details.items() if value not in (None, [], {})}
        with context.log.start(id=asked.id, template=asked.template, **given) as session:
            return Written(session_id=session.id, seq=session.last_seq)
    # The id follows from the key, so that the same request finds what it has made, whoever answered the first time.
    session_id = asked.id or "r-" + sha256(asked.idempotency_key.encode()).hexdigest()[:32]
    with context.log.session(session_id, create=True) as session:
        try:
            seq = session.append(SessionStarted(**details), expected=0, id=asked.idempotency_key)
        except Conflict:
            raise SessionExists(session_id) from None
        return Written(session_id=session_id, seq=seq)


def append(context: Context, asked: Append) -> Written:
    last = asked.events[-1]
    if any(given.id is not None for given in asked.events[:-1]):
        raise InvalidEvent("of several events that are stored together only the last may have an id; send those with ids one by one")
    if last.id is not None and asked.idempotency_key is not None:
        raise InvalidEvent("give the last event's id or an idempotency key, not both: they are the same")
    key = last.id or asked.idempotency_key
    when = now()
    drafts = [
        drafted(given, number, when, key if given is last else None, given is not last) for number, given in enumerate(asked.events, 1)
    ]
    with context.log.session(asked.session_id) as session:
        seq = session.append_envelopes(drafts, expected=asked.expected, id=key)
    return Written(session_id=asked.session_id, seq=seq)


def drafted(given: GivenEvent, number: int, when: datetime | str, key: str | None, more: bool) -> Envelope:
    """The event as it is appended, checked by the rules by which it will be read. Raises `InvalidEvent`."""
    try:
        check_type_name(given.type)
        known = known_types().get(given.type)
        event = UnknownEvent(given.type, given.data, known.version if known else 1)
        return draft(event, id=key, time=given.time or when, more=more)
    except (InvalidEvent, ValueError) as error:
        raise InvalidEvent(f"event {number} of the request: {error}") from error


def add_message(context: Context, asked: AddMessage) -> Written:
    metadata = dict(asked.metadata)
    for name in ("tool_name", "invocation_id"):
        if getattr(asked, name) is not None:
            metadata[name] = getattr(asked, name)
    event = MessageAdded(role=asked.role, content=asked.content, message_id=asked.message_id, model=asked.model, metadata=metadata)
    with context.log.session(asked.session_id) as session:
        return Written(session_id=session.id, seq=session.append(event, id=asked.idempotency_key))


def link_invocation(context: Context, asked: LinkInvocation) -> Linked:
    called = ToolCalled(name=asked.tool_name, call_id=asked.invocation_id, arguments=asked.arguments)
    returned = ToolReturned(
        call_id=asked.invocation_id,
        output=asked.output,
        is_error=asked.is_error,
        duration_ms=asked.duration_ms,
        artifacts=asked.artifacts,
    )
    with context.log.session(asked.session_id) as session:
        seq = session.append(called, returned, id=asked.invocation_id)
        return Linked(session_id=session.id, called_seq=seq - 1, returned_seq=seq)


def update(context: Context, asked: Update) -> Written:
    changes = {name: getattr(asked, name) for name in SessionUpdated.__struct_fields__ if name != "parent"}
    event = SessionUpdated(**changes)
    if event == SessionUpdated():
        raise InvalidEvent("there is nothing to change in this; give a title, tags, metadata or another field")
    if both := set(asked.add_tags) & set(asked.remove_tags):
        raise InvalidEvent(f"the tag {min(both)!r} is to be added and removed at once; decide for one")
    with context.log.session(asked.session_id) as session:
        seq = session.append(event, expected=asked.expected, id=asked.idempotency_key)
        return Written(session_id=session.id, seq=seq)


def end(context: Context, asked: End) -> Written:
    with context.log.session(asked.session_id) as session:
        return Written(
            session_id=session.id, seq=session.append(SessionEnded(status=asked.status, reason=asked.reason), id=asked.idempotency_key)
        )
