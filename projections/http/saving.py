"""A whole chat saved again and again: what is new is appended, what has changed is amended, and nothing is ever lost.

It is compared with the session's view, message by message, not with ids: what was appended by others counts as well."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from eventlog import EventLog, StoredEvent, draft
from eventlog.errors import Conflict, EventLogError, InvalidInput
from eventlog.events import MessageAdded, MessageAmended, SessionStarted, SessionUpdated
from eventlog.line import Envelope

from ..operations.transcripts import said_in
from ..view.messages import Message
from ..view.session import SessionView

_ATTEMPTS: Final = 10


class Given(msgspec.Struct, frozen=True):
    """A message as the client has it."""

    role: str
    content: str
    timestamp: str | None = None
    metadata: dict[str, Any] = {}


class GivenSession(msgspec.Struct, frozen=True):
    session_id: str
    messages: list[Given] = []
    user_name: str | None = None
    metadata: dict[str, Any] = {}


class NotTheSame(EventLogError):
    """What is to be saved has fewer messages than the session, or others. Nothing was written."""

    def __init__(self, session_id: str, detail: str) -> None:
        self.session_id = session_id
        super().__init__(f"session {session_id!r} {detail}; load it again and add to what it has")


def save(log: EventLog, given: GivenSession) -> tuple[int, int]:
    """How many messages were added, and how many amended. All or nothing, in one append. Raises `NotTheSame` and what appending raises."""
    with log.session(given.session_id, create=True) as session:
        for _ in range(_ATTEMPTS):
            before = session.last_seq
            view = _folded(list(session.read(before=before + 1)) if before else [])
            drafts, added, amended = _changes(given, view, started=before > 0)
            if not drafts:
                return 0, 0
            for each in drafts[:-1]:
                each.more = True
            try:
                session.append_envelopes(drafts, expected=before)
                return added, amended
            except Conflict:
                continue  # somebody appended meanwhile: compare again
    raise NotTheSame(given.session_id, "is being written to by others all the time")


def _folded(events: list[StoredEvent]) -> SessionView:
    return SessionView.fold_all(SessionView.initial(), iter(events))


def _changes(given: GivenSession, view: SessionView, *, started: bool) -> tuple[list[Envelope], int, int]:
    drafts: list[Envelope] = []
    if not started:
        drafts.append(draft(SessionStarted(user_id=given.user_name, metadata=given.metadata, kind=kind_of(given.metadata))))
    elif changed := {name: value for name, value in given.metadata.items() if view.metadata.get(name) != value}:
        drafts.append(draft(SessionUpdated(metadata=changed)))
    if len(given.messages) < len(view.messages):
        raise NotTheSame(given.session_id, f"has {len(view.messages)} messages, and only {len(given.messages)} were sent")
    amendments = [
        change for held, new in zip(view.messages, given.messages, strict=False) if (change := _amended(given.session_id, held, new))
    ]
    new = given.messages[len(view.messages) :]
    drafts += [draft(change) for change in amendments]
    drafts += [_added(each, number) for number, each in enumerate(new, len(view.messages) + 1)]
    return drafts, len(new), len(amendments)


def _amended(session_id: str, held: Message, new: Given) -> MessageAmended | None:
    metadata = {name: value for name, value in new.metadata.items() if held.metadata.get(name) != value}
    text_changed = said_in(held.parts) != new.content
    if held.role != new.role:
        raise NotTheSame(session_id, f"has a message of {held.role!r} where one of {new.role!r} was sent")
    if not text_changed and not metadata:
        return None
    if held.message_id is None:
        raise NotTheSame(session_id, f"has another message at {held.seq}, which has no id by which it could be amended")
    return MessageAmended(
        message_id=held.message_id,
        content=new.content if text_changed else msgspec.UNSET,
        metadata=metadata or msgspec.UNSET,
    )


def _added(given: Given, number: int) -> Envelope:
    message = MessageAdded(role=given.role, content=given.content, message_id=f"save-{number}", metadata=given.metadata)
    if given.timestamp is None:
        return draft(message)
    try:
        moment = datetime.fromisoformat(given.timestamp)
    except ValueError:
        raise InvalidInput(f"the timestamp {given.timestamp[:80]!r} of message {number} is no ISO 8601 time") from None
    return draft(message, time=moment if moment.tzinfo is not None else moment.astimezone())


def kind_of(metadata: dict[str, Any]) -> str | None:
    """``metadata.type``, as that API has it: chat, voice, ..."""
    kind = metadata.get("type")
    return kind if isinstance(kind, str) and kind else None


def texts_of(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """Messages in that API's shape."""
    return [{"role": each.role, "content": said_in(each.parts), "timestamp": each.time, "metadata": each.metadata} for each in messages]
