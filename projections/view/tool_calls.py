"""Tool calls as they happened: each call with its result, paired by id and by position.

Three things make an id alone too weak, all of them seen in real sessions:

- **Ids repeat** within a session. A result answers the latest turn that has an open call of its id, and within that turn the oldest
  of them; a turn is what lies between two new messages. So an abandoned call does not take the result of a later one with the same
  id, and parallel calls that share an id get their results in order.
- **Ids are missing.** A result without one answers an open call without one (any open call where there is none): the oldest of its
  name, or, where it has no name either, the last. A result that answers nothing is no call: it is kept apart, in ``orphans``.
- **Both records are there**: the event (``tool.called``, ``tool.returned``) and the part of a message. The second record joins the
  first and fills in what that left open. That is so for a call of the same id that is still open, for one that has been
  answered if the message with it comes right after (a message that is written when its tools have run), and for a result of
  the same id that only the other kind has told of. Records of the same kind are never joined.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sized
from datetime import datetime, timedelta
from typing import Any, Final, Protocol, TypeVar

import msgspec

from eventlog.events import Artifact, ToolCalled, ToolReturned
from eventlog.stored import StoredEvent

BY_EVENT: Final = 1
BY_PART: Final = 2

_MILLISECOND = timedelta(milliseconds=1)


class Tracked(Protocol):
    """What the rules ask of a call: in which turn it was made, and which kinds of record have told of it and of its result."""

    turn: int
    called_by: int
    returned_by: int


T = TypeVar("T", bound=Tracked)


class ToolCall(msgspec.Struct, gc=False):
    """One use of a tool. ``returned_seq`` is None while there is no result, ``called_seq`` where there is nothing else.

    ``duration_ms`` is the stated one, else the time between the two events (None where that ran backwards); the latter
    also holds any wait for permission. ``message_id`` names the message that made the call."""

    call_id: str | None
    name: str | None
    arguments: Any
    output: Any = None
    is_error: bool = False
    duration_ms: float | None = None
    called_seq: int | None = None
    returned_seq: int | None = None
    message_id: str | None = None
    display: Any = None
    artifacts: tuple[Artifact, ...] = ()
    called_at: datetime | None = None
    returned_at: datetime | None = None


class _Track(msgspec.Struct, gc=False):
    """A call for as long as a result or a second record may come. ``older``: former calls of the same id, oldest first."""

    call: ToolCall
    turn: int
    called_by: int
    returned_by: int = 0
    older: list[_Track] | None = None

    def newest_first(self) -> Iterator[_Track]:
        yield self
        if self.older is not None:
            yield from reversed(self.older)


class ToolCalls:
    """The tool calls of one session, in the order in which they first appeared."""

    __slots__ = ("_by_id", "_messages", "_retracted", "_without_id", "calls", "orphans", "partial")

    def __init__(self, calls: list[ToolCall], orphans: list[ToolCall], messages: Sized, retracted: Sized) -> None:
        self.calls = calls
        self.orphans = orphans
        self._messages = messages
        self._retracted = retracted
        self.partial = 0  # messages of which only deltas are there: they begin no turn yet
        self._by_id: dict[str, _Track] = {}
        self._without_id: list[_Track] = []

    def called(self, stored: StoredEvent, event: ToolCalled) -> None:
        self.call(stored, event.call_id, event.name, event.arguments, event.message_id, BY_EVENT)

    def returned(self, stored: StoredEvent, event: ToolReturned) -> None:
        call = self.answer(stored, event.call_id, event.name, event.output, event.is_error, event.duration_ms, BY_EVENT)
        if event.display is not None:
            call.display = event.display
        if event.artifacts:
            call.artifacts = tuple(event.artifacts)

    def call(self, stored: StoredEvent, call_id: str | None, name: str | None, arguments: Any, message_id: str | None, by: int) -> ToolCall:
        """Record a call, or join it to its other record; return what stands for it."""
        turn = len(self._messages) + len(self._retracted) - self.partial
        older: list[_Track] | None = None
        if call_id and call_id in self._by_id:
            known = self._by_id[call_id]
            twin = other_record(known.newest_first(), turn, by)
            if twin is not None:
                twin.called_by |= by
                return _fill(twin.call, name, arguments, message_id)
            older = _still_open(known)
        seq = stored.seq
        call = ToolCall(call_id, name, arguments, None, False, None, seq, None, message_id, None, (), stored.time)
        self.calls.append(call)
        track = _Track(call, turn, by, 0, older)
        if call_id:
            self._by_id[call_id] = track
        else:
            self._without_id.append(track)
        return call

    def answer(
        self,
        stored: StoredEvent,
        call_id: str | None,
        name: str | None,
        output: Any,
        is_error: bool,
        duration_ms: float | None,
        by: int,
    ) -> ToolCall:
        """Record a result with the call that it answers, or join it to its other record; return the call."""
        if call_id:
            track = self._by_id.get(call_id)
            if track is not None and (track.older is not None or track.returned_by & by):
                track = answered(track.newest_first(), by)
        else:
            track = self._answered_by_position(name)
        if track is None:
            call = ToolCall(call_id, name, None, output, is_error, duration_ms, None, stored.seq, returned_at=stored.time)
            self.orphans.append(call)
            return call
        call = track.call
        if track.returned_by:
            _fill_result(call, output, is_error, duration_ms)
        else:
            call.output = output
            call.returned_seq = stored.seq
            call.returned_at = returned_at = stored.time
            if is_error:
                call.is_error = True
            if duration_ms is not None:
                call.duration_ms = duration_ms
            elif call.called_at is not None and returned_at >= call.called_at:
                call.duration_ms = (returned_at - call.called_at) / _MILLISECOND
            if call.name is None:
                call.name = name
        track.returned_by |= by
        return call

    def _answered_by_position(self, name: str | None) -> _Track | None:
        waiting = self._without_id
        if waiting:
            if name is None:
                return waiting.pop()
            for index, track in enumerate(waiting):
                if track.call.name == name:
                    del waiting[index]
                    return track
            return None
        with_id = [track for newest in self._by_id.values() for track in newest.newest_first() if not track.returned_by]
        if name is None:
            return max(with_id, key=_called_seq, default=None)
        return min((track for track in with_id if track.call.name == name), key=_called_seq, default=None)


def answered(newest_first: Iterable[T], by: int) -> T | None:
    """The call that a result told of by ``by`` answers, of those with its id; None where it only repeats."""
    open_call: T | None = None
    told_otherwise: T | None = None
    latest_turn: int | None = None
    for track in newest_first:
        if latest_turn is None:
            latest_turn = track.turn
        if open_call is not None and track.turn != open_call.turn:
            break
        if not track.returned_by:
            open_call = track
        elif track.turn == latest_turn and not track.returned_by & by:
            told_otherwise = track
    return told_otherwise or open_call


def other_record(newest_first: Iterable[T], turn: int, by: int) -> T | None:
    """The call that a new record of kind ``by`` tells of once more: the oldest in the latest turn that has one."""
    found: T | None = None
    for track in newest_first:
        if found is not None and track.turn != found.turn:
            break
        if track.called_by & by:
            continue
        if not track.returned_by or (by == BY_PART and turn - track.turn <= 1):
            found = track
    return found


def _called_seq(track: _Track) -> int:
    return track.call.called_seq or 0


def _still_open(newest: _Track) -> list[_Track] | None:
    """What a new call of the same id must remember of the former ones."""
    older = newest.older
    newest.older = None
    if not newest.returned_by:
        if older is None:
            return [newest]
        older.append(newest)
        return older
    while older and older[-1].returned_by:
        older.pop()
    return older or None


def _fill(call: ToolCall, name: str | None, arguments: Any, message_id: str | None) -> ToolCall:
    if call.name is None:
        call.name = name
    if call.arguments is None:
        call.arguments = arguments
    if call.message_id is None:
        call.message_id = message_id
    return call


def _fill_result(call: ToolCall, output: Any, is_error: bool, duration_ms: float | None) -> None:
    if call.output is None:
        call.output = output
    if is_error:
        call.is_error = True
    if duration_ms is not None:
        call.duration_ms = duration_ms
