"""Fork: a session taken up to a seq, as the beginning of a new one.

- **Seq k of the fork is the source's seq k**, with its data, time and type as they stand, in the same appends, and an origin that names
  it (`copies`). Only the first event is the fork's own: the source's `SessionStarted` with the fork's parent in it. Where the source
  does not begin with one, its first event stays, and a `SessionUpdated` behind all the copies names the parent.
- **The fork starts when the source had come that far**: at the time of its last copied event, or of the first if that was later.
  So its views are the source's at that point, but for session_id, parent and start time.
- **A seq that the source does not have** (damage that is skipped, dropped deltas) is taken by an event that says so (`copies.missing`),
  because other events name seqs, a compaction its first kept one.
- **Interrupted, it is finished by forking again with its id.** A fork that is not finished has fewer events than its parent's seq says.
  Everything is on stable storage when a fork returns, but not before: a power loss may leave damage in it (the copies are not synced
  one by one). Such a fork is not gone on with, which raises `Damaged`; fork again under another id.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from .. import timestamps
from ..backend import OnDamage
from ..errors import InvalidInput, SessionDeleted, SessionExists
from ..events import (
    HistoryCleared,
    HistoryRetracted,
    MessageAdded,
    MessageDelta,
    Parent,
    SessionStarted,
    SessionUpdated,
    ToolCalled,
    ToolReturned,
    UsageRecorded,
)
from ..events import SessionDeleted as DeletedEvent
from ..ids import new_session_id
from ..line import Envelope
from ..meaning import copies, history
from ..session import Session
from ..stored import StoredEvent

if TYPE_CHECKING:
    from ..log import EventLog

_RESULTS_ONLY = frozenset({"tool_call_response"})


class Point(NamedTuple):
    """Where to fork: at a seq, or at what was there; at most one of them. See `EventLog.fork`."""

    at: int | None
    message: str | None
    turn: int | str | None
    call: str | None


def fork(log: EventLog, source_id: str, point: Point, *, id: str | None, on_damage: OnDamage) -> str:
    """Write the fork; returns its id. See `EventLog.fork`."""
    if sum(way is not None for way in point) > 1:
        raise TypeError("fork takes one of at, message, turn and call")
    with log.session(source_id) as source:
        at = _position(source, point.at) if point[1:] == (None, None, None) else _position_of(source, point)
        target_id = new_session_id() if id is None else id
        with log.session(target_id, create=True, exclusive=True) as target:
            if target.last_seq > 0 and not _is_this_fork(target, source_id, at):
                raise SessionExists(target_id)
            if target.last_seq < at:
                _copy(source, target, at, on_damage)
            if target.last_seq == at and not _begins_with_its_parent(target):
                target.append(SessionUpdated(parent=Parent(session_id=source_id, seq=at)), time=_time_of(target, at), sync="never")
            target.sync()
    return target_id


def _position(source: Session, at: int | None) -> int:
    last_seq = source.last_seq
    if at is None:
        if any(stored.type == DeletedEvent.type for stored in source.read(after=last_seq - 1, on_damage="skip")):
            raise SessionDeleted(source.id)
        return last_seq
    if not 1 <= at <= last_seq:
        raise InvalidInput(f"session {source.id!r} has the events 1 to {last_seq}, not {at}; fork it at one of these")
    return at


def _copy(source: Session, target: Session, at: int, on_damage: OnDamage) -> None:
    """Append what the target does not have yet of the source's events up to ``at``."""
    last_seq = target.last_seq
    moment: datetime | None = None
    for append in copies.appends(source.read(after=last_seq, before=at + 1, on_damage=on_damage)):
        first = append[0]
        if first.seq > last_seq + 1:
            last_seq = _fill(source, target, last_seq, first.seq - 1, moment or first.time, at)
        batch = [copies.copy(stored, more=stored is not append[-1], said=_ranges(stored)) for stored in append]
        if first.seq == 1 and first.type == SessionStarted.type:
            batch[0] = _started(source, batch[0], copies.data_of(first), at)
        last_seq = target.append_envelopes(batch, expected=last_seq, sync="never")
        moment = append[-1].time
    if last_seq == 0:
        raise InvalidInput(f"session {source.id!r} has nothing left up to event {at}; `eventlog cat {source.id}` shows what it has")
    if last_seq < at:
        _fill(source, target, last_seq, at, moment or _time_of(target, last_seq), at)


def _ranges(stored: StoredEvent) -> bytes:
    """What the origin says of where the events are that the copy names: where they are in the source, as every seq stays."""
    event = stored.event
    if isinstance(event, (HistoryRetracted, HistoryCleared)):
        return copies.saying_ranges(history.named(stored))
    if isinstance(event, UsageRecorded) and event.context:
        return copies.saying_ranges(copies.ranges(stored, event.context))
    return b""


def _fill(source: Session, target: Session, last_seq: int, until: int, when: datetime, at: int) -> int:
    """Take the seqs up to ``until``, which the source does not have."""
    if last_seq == 0:
        first = Envelope(0, timestamps.to_text(when), SessionStarted.type, None, origin={"session_id": source.id, "seq": 1})
        last_seq = target.append_envelopes([_started(source, first, msgspec.Raw(b"{}"), at)], expected=0, sync="never")
    for batch in copies.missing(source.id, last_seq + 1, until, when):
        last_seq = target.append_envelopes(batch, expected=last_seq, sync="never")
    return last_seq


def _started(source: Session, envelope: Envelope, data: msgspec.Raw, at: int) -> Envelope:
    """The fork's own beginning: what the source's said, and where the fork comes from."""
    fields = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
    fields["parent"] = msgspec.Raw(msgspec.json.encode({"session_id": source.id, "seq": at, "relation": "fork"}))
    envelope.data = fields
    for last in source.read(after=at - 1, before=at + 1, on_damage="skip"):
        envelope.time = max(timestamps.normalise(envelope.time), timestamps.to_text(last.time))
    return envelope


def _time_of(session: Session, seq: int) -> datetime:
    return next(stored.time for stored in session.read(after=seq - 1, before=seq + 1))


def _is_this_fork(target: Session, source_id: str, at: int) -> bool:
    """Whether what is there is this fork, finished or not: its copies say so, all of them. Raises `Damaged`."""
    copied = 0
    for stored in target.read(before=at + 2):
        if copies.taken_from(stored) != (source_id, copied + 1) or stored.seq != copied + 1:
            break
        copied += 1
        if copied == 1 and stored.type == SessionStarted.type:
            parent = getattr(stored.event, "parent", None)
            if not isinstance(parent, Parent) or (parent.session_id, parent.seq) != (source_id, at):
                return False  # a fork at another seq
    return copied == min(target.last_seq, at)


def _begins_with_its_parent(target: Session) -> bool:
    return any(stored.type == SessionStarted.type for stored in target.read(before=2))


# --- where to fork -----------------------------------------------------------------------------------------------------------


def _position_of(source: Session, point: Point) -> int:
    """The seq up to which the session holds a message, a turn or a tool call. Raises `InvalidInput` where there is no such thing."""
    if point.message is not None:
        found, what = _end_of_message(source, point.message), f"message {point.message!r}"
    elif point.call is not None:
        found, what = _end_of_call(source, point.call), f"tool call {point.call!r}"
    else:
        found, what = _end_of_turn(source, point.turn), f"turn {point.turn!r}"
    if found is None:
        raise InvalidInput(f"session {source.id!r} has no {what}; `eventlog cat {source.id}` shows what it has")
    return found


def _end_of_message(source: Session, message_id: str) -> int | None:
    found = None
    for stored in source.read(types=(MessageAdded.type, MessageDelta.type, UsageRecorded.type), on_damage="skip"):
        if getattr(stored.event, "message_id", None) == message_id:
            found = stored.seq
    return found


def _end_of_call(source: Session, call_id: str) -> int | None:
    """Its result; the call itself where it has none. Of calls that share an id, the last."""
    found = None
    for stored in source.read(types=(ToolCalled.type, ToolReturned.type, MessageAdded.type), on_damage="skip"):
        if call_id in _call_ids(stored.event):
            found = stored.seq
    return found


def _call_ids(event: Any) -> Iterator[Any]:
    if isinstance(event, (ToolCalled, ToolReturned)):
        yield event.call_id
    elif isinstance(event, MessageAdded) and not isinstance(event.content, str):
        yield from (part.id for part in event.content if part.type in ("tool_call", "tool_call_response"))


def _end_of_turn(source: Session, turn: int | str | None) -> int | None:
    """The event before the next turn begins. A turn begins with what a user says; it is named by that message's id, or its number."""
    known: set[str] = set()
    number, began = 0, False
    gone = history.taken_back(source.read(types=history.TYPES, on_damage="skip"))
    for stored in source.read(types=(MessageAdded.type,), on_damage="skip"):
        if stored.seq in gone or not _begins_turn(stored, known):
            continue
        if began:
            return stored.seq - 1
        number += 1
        began = turn == (number if isinstance(turn, int) else stored.event.message_id)
    return source.last_seq if began else None


def _begins_turn(stored: StoredEvent, known: set[str]) -> bool:
    event = stored.event
    if not isinstance(event, MessageAdded) or event.role != "user" or event.message_id in known:
        return False
    if event.message_id is not None:
        known.add(event.message_id)
    return isinstance(event.content, str) or not {part.type for part in event.content} <= _RESULTS_ONLY
