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

**What was taken back** costs what it touches. Every record of a call or a result is known by its *place* (its seq, and its part's index)
and noted under its id. Where records go, or come to be others, the calls of these ids are paired anew from what is left, and so are those
of which the order of turns decided something, where a turn is gone. What a result without an id answers depends on all that
came before it: where a session has one, everything is paired anew.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import msgspec
from msgspec import UNSET

from eventlog.events import Artifact, Part, ToolCalled, ToolReturned
from eventlog.stored import StoredEvent

from .pairing import BY_EVENT, BY_PART, answered, other_record

_MILLISECOND = timedelta(milliseconds=1)
_PARTS = 32  # bits of a place that hold the part's index, plus one; 0 is an event of its own


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


class Record(msgspec.Struct, gc=False):
    """What one event or part says of a call or of its result."""

    place: int
    time: datetime
    said: ToolCalled | ToolReturned | Part
    message_id: str | None
    counts: bool = True  # False in a message that is an alternative to another one
    corrects: int | None = None  # the place of the record that it is the amended form of


class _Track(msgspec.Struct, gc=False):
    """A call for as long as a result or a second record may come. ``older``: former calls of the same id, oldest first;
    ``result_place``: of the record with its id that told of its result first."""

    call: ToolCall
    place: int
    called_by: int
    returned_by: int = 0
    older: list[_Track] | None = None
    result_place: int = 0

    @property
    def seq(self) -> int:
        return self.place >> _PARTS

    def newest_first(self) -> Iterator[_Track]:
        yield self
        if self.older is not None:
            yield from reversed(self.older)


def place_of(seq: int, part: int = -1) -> int:
    return seq << _PARTS | (part + 1)


class ToolCalls:
    """The tool calls of one session, in the order in which they first appeared. ``turns`` holds the seqs with which a turn begins."""

    __slots__ = (
        "_answers_without_id", "_by_id", "_event_at", "_orphan_places", "_places", "_records", "_tangled", "_touched", "_turns_changed",
        "_without_id", "calls", "orphans", "turns", "uncounted",
    )  # fmt: skip

    def __init__(self, calls: list[ToolCall], orphans: list[ToolCall], event_at: Callable[[int], Any]) -> None:
        self._event_at = event_at
        self.calls = calls
        self.orphans = orphans
        self.turns: list[int] = []
        self.uncounted: set[int] = set()  # the places of calls that only messages told of that do not count
        self._places: list[int] = []  # of the calls, in their order; so are those of the orphans
        self._orphan_places: list[int] = []
        self._records: dict[str | None, list[Record]] = {}
        self._by_id: dict[str, _Track] = {}
        self._without_id: list[_Track] = []
        self._answers_without_id = 0
        self._tangled: set[str] = set()  # ids of whose calls the order of turns decided something
        self._touched: set[str | None] | None = None  # while records change: the ids to pair anew
        self._turns_changed = False

    def called(self, stored: StoredEvent, event: ToolCalled) -> None:
        call_id = event.call_id
        if not call_id or call_id in self._by_id or call_id in self._records:
            self.record(call_id or None, Record(stored.seq << _PARTS, stored.time, event, event.message_id))
            return
        seq, time = stored.seq, stored.time
        call = ToolCall(call_id, event.name, event.arguments, None, False, None, seq, None, event.message_id, None, (), time)
        place = seq << _PARTS
        self.calls.append(call)
        self._places.append(place)
        self._by_id[call_id] = _Track(call, place, BY_EVENT)

    def returned(self, stored: StoredEvent, event: ToolReturned) -> None:
        call_id = event.call_id
        track = self._by_id.get(call_id) if call_id else None
        if track is None or track.returned_by or call_id in self._records:
            self.record(call_id or None, Record(stored.seq << _PARTS, stored.time, event, None))
            return
        call, seq, time = track.call, stored.seq, stored.time
        track.returned_by = BY_EVENT
        track.result_place = seq << _PARTS
        _result(call, seq, time, event.name, event.output, event.is_error, event.duration_ms)
        if event.display is not None:
            call.display = event.display
        if event.artifacts:
            call.artifacts = tuple(event.artifacts)

    def _only_call(self, call_id: str) -> _Track | None:
        """The call of the id, where one record told of it and none of a result. Most calls are never more than that and one result: then
        nothing needs to be noted, as the track says where both are."""
        track = self._by_id.get(call_id)
        return None if track is None or track.returned_by or call_id in self._records else track

    def record(self, call_id: str | None, record: Record) -> None:
        """Take in what an event or a part says."""
        kind = type(record.said)
        is_result = kind is ToolReturned or (kind is Part and record.said.type != "tool_call")
        if self._touched is not None:
            self._touch(call_id)
            insort(self._records.setdefault(None, []) if call_id is None else self._noted(call_id), record, key=_place)
        elif call_id is None:
            self._records.setdefault(None, []).append(record)
        elif self._only_call(call_id) is None if is_result else call_id in self._by_id or call_id in self._records:
            self._noted(call_id).append(record)
        if call_id is None and is_result:
            self._answers_without_id += 1
        if self._touched is None:
            self._pair(call_id, record)

    def _noted(self, call_id: str) -> list[Record]:
        """The records of the id, noted from now on."""
        records = self._records.get(call_id)
        if records is None:
            records = self._records[call_id] = []
            track = self._by_id.get(call_id)
            if track is not None:
                call = track.call
                records.append(self._made_again(track.place, call.called_at, track.place not in self.uncounted))
                if track.result_place:
                    records.append(self._made_again(track.result_place, call.returned_at, True))
        return records

    def _made_again(self, place: int, time: datetime | None, counts: bool) -> Record:
        event = self._event_at(place >> _PARTS)
        part = (place & (1 << _PARTS) - 1) - 1
        assert time is not None
        return Record(place, time, event if part < 0 else event.content[part], getattr(event, "message_id", None), counts)

    # --- pairing -------------------------------------------------------------------------------------------------------------

    def _pair(self, call_id: str | None, record: Record) -> ToolCall:
        said: Any = record.said
        kind = type(said)
        if kind is ToolCalled:
            return self._call(record, call_id, said.name, said.arguments, BY_EVENT)
        if kind is ToolReturned:
            call = self._answer(record, call_id, said.name, said.output, said.is_error, said.duration_ms, BY_EVENT)
            if said.display is not None:
                call.display = said.display
            if said.artifacts:
                call.artifacts = tuple(said.artifacts)
            return call
        if said.type == "tool_call":
            return self._call(record, call_id, said.name or None, _set(said.arguments), BY_PART)
        return self._answer(record, call_id, said.name or None, _set(said.response), said.is_error is True, None, BY_PART)

    def _call(self, record: Record, call_id: str | None, name: str | None, arguments: Any, by: int) -> ToolCall:
        """Record a call, or join it to its other record; return what stands for it."""
        place = record.place
        older: list[_Track] | None = None
        if call_id is not None and call_id in self._by_id:
            known = self._by_id[call_id]
            if known.older is not None or known.returned_by:
                self._tangled.add(call_id)
            twin = other_record(known.newest_first(), place >> _PARTS, by, self._between)
            if twin is not None:
                twin.called_by |= by
                if record.counts:
                    self.uncounted.discard(twin.place)
                return _fill(twin.call, name, arguments, record.message_id)
            older = _still_open(known)
            if older is not None:
                self._tangled.add(call_id)
        seq = place >> _PARTS
        call = ToolCall(call_id, name, arguments, None, False, None, seq, None, record.message_id, None, (), record.time)
        _insert(self.calls, self._places, call, place)
        if not record.counts:
            self.uncounted.add(place)
        track = _Track(call, place, by, 0, older)
        if call_id is not None:
            self._by_id[call_id] = track
        else:
            self._without_id.append(track)
        return call

    def _answer(
        self, record: Record, call_id: str | None, name: str | None, output: Any, is_error: bool, duration_ms: float | None, by: int
    ) -> ToolCall:
        """Record a result with the call that it answers, or join it to its other record; return the call."""
        if call_id is not None:
            track = self._by_id.get(call_id)
            if track is not None and (track.older is not None or track.returned_by & by):
                track = answered(track.newest_first(), by, self._between)
        else:
            track = self._answered_by_position(name)
        seq, time = record.place >> _PARTS, record.time
        if track is None:
            call = ToolCall(call_id, name, None, output, is_error, duration_ms, None, seq, returned_at=time)
            _insert(self.orphans, self._orphan_places, call, record.place)
            return call
        call = track.call
        if track.returned_by:
            _fill_result(call, output, is_error, duration_ms)
        else:
            _result(call, seq, time, name, output, is_error, duration_ms)
            track.result_place = 0 if call_id is None else record.place
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
            return max(with_id, key=_place, default=None)
        return min((track for track in with_id if track.call.name == name), key=_place, default=None)

    def _between(self, after: int, until: int) -> int:
        return bisect_right(self.turns, until) - bisect_right(self.turns, after)

    # --- taking back ---------------------------------------------------------------------------------------------------------

    @property
    def is_changing(self) -> bool:
        return self._touched is not None

    def change(self) -> None:
        """What comes until `settle` may come at any place."""
        self._touched = set()

    def begin_turn(self, seq: int) -> None:
        """A new message begins, between others only while records change."""
        if self._touched is None:
            self.turns.append(seq)
        else:
            insort(self.turns, seq)
            self._turns_changed = True

    def end_turn(self, seq: int) -> None:
        """No message begins there any more."""
        index = bisect_left(self.turns, seq)
        if index < len(self.turns) and self.turns[index] == seq:
            del self.turns[index]
            self._turns_changed = True

    def drop(self, call_id: str | None, place: int) -> None:
        """What the record at the place said is taken back."""
        records = self._records.get(call_id, []) if call_id is None else self._noted(call_id)
        index = bisect_left(records, place, key=_place)
        if index == len(records) or records[index].place != place:
            return
        self._touch(call_id)
        said = records.pop(index).said
        if call_id is None and not (isinstance(said, ToolCalled) or said.type == "tool_call"):
            self._answers_without_id -= 1

    def settle(self) -> None:
        """Pair anew what was touched."""
        touched, self._touched = self._touched or set(), None
        if self._turns_changed and not (self._answers_without_id or None in touched):
            self._touched = touched
            for call_id in list(self._tangled):
                self._touch(call_id)
            self._touched = None
        everything = None in touched or (self._answers_without_id and (touched or self._turns_changed))
        self._turns_changed = False
        if everything:
            for call_id in self._by_id:
                self._noted(call_id)
            touched = set(self._records)
            for emptied in (self.calls, self.orphans, self._places, self._orphan_places, self._by_id, self._without_id, self._tangled):
                emptied.clear()
            self.uncounted.clear()
        again = [(record.place, call_id, record) for call_id in touched for record in self._records.get(call_id, ())]
        again.sort(key=_first)
        self._pair_all([(call_id, record) for _, call_id, record in again])

    def _touch(self, call_id: str | None) -> None:
        """The calls of the id will be paired anew: what stands for them goes."""
        assert self._touched is not None
        if call_id in self._touched:
            return
        self._touched.add(call_id)
        if call_id is None or self._answers_without_id:
            return  # everything will be
        for record in self._noted(call_id):
            _remove(self.calls, self._places, record.place)
            _remove(self.orphans, self._orphan_places, record.place)
            self.uncounted.discard(record.place)
        self._by_id.pop(call_id, None)
        self._tangled.discard(call_id)

    def _pair_all(self, records: list[tuple[str | None, Record]]) -> None:
        corrected = {record.corrects for _, record in records} - {None}
        made: dict[int | None, ToolCall] = {}
        for call_id, record in records:
            if record.corrects is None:
                call = self._pair(call_id, record)
                if record.place in corrected:
                    made[record.place] = call
            else:
                _correct(made[record.corrects], record.said)
                made[record.place] = made[record.corrects]


def _place(found: Record | _Track) -> int:
    return found.place


def _first(found: tuple[int, Any, Any]) -> int:
    return found[0]


def _insert(calls: list[ToolCall], places: list[int], call: ToolCall, place: int) -> None:
    if not places or places[-1] < place:
        calls.append(call)
        places.append(place)
    else:
        index = bisect_left(places, place)
        calls.insert(index, call)
        places.insert(index, place)


def _remove(calls: list[ToolCall], places: list[int], place: int) -> None:
    index = bisect_left(places, place)
    if index < len(places) and places[index] == place:
        del calls[index], places[index]


def _set(value: Any) -> Any:
    return None if value is UNSET else value


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


def _result(call: ToolCall, seq: int, time: datetime, name: str | None, output: Any, is_error: bool, duration_ms: float | None) -> None:
    """The first record of the call's result."""
    call.output = output
    call.returned_seq = seq
    call.returned_at = time
    if is_error:
        call.is_error = True
    if duration_ms is not None:
        call.duration_ms = duration_ms
    elif call.called_at is not None and time >= call.called_at:
        call.duration_ms = (time - call.called_at) / _MILLISECOND
    if call.name is None:
        call.name = name


def _fill_result(call: ToolCall, output: Any, is_error: bool, duration_ms: float | None) -> None:
    if call.output is None:
        call.output = output
    if is_error:
        call.is_error = True
    if duration_ms is not None:
        call.duration_ms = duration_ms


def _correct(call: ToolCall, part: Any) -> None:
    """What an amended message says of a call, or of a result, that it had already."""
    if part.type == "tool_call":
        call.name = part.name or call.name
        call.arguments = _set(part.arguments)
    else:
        call.output = _set(part.response)
        call.is_error = part.is_error is True
