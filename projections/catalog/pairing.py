"""Which result belongs to which tool call, in a session of any length: the rules of `tool_calls`, on a memory instead of a list.

A call that waits for its result is found by its id in the state's memory. Calls without an id wait in a list that is part of every
checkpoint, so it is bounded: of more than `MOST_WAITING` that never got a result, the oldest stay open for good.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from eventlog import StoredEvent
from eventlog.decoding import decoder

from ..projection import Memory, Rows, Table
from ..view.tool_calls import BY_EVENT, BY_PART, answered, other_record

EVENT: Final = -1  # in place of a part's index: the record is an event of its own
MOST_WAITING: Final = 1_000
_MOST_OPEN_IDS: Final = 100

TOOL_CALLS: Final = Table(
    name="tool_call",
    columns={
        "seq": "INTEGER",
        "part": "INTEGER",
        "call_id": "TEXT",
        "tool": "TEXT",
        "message_id": "TEXT",
        "source": "TEXT NOT NULL",
        "called_seq": "INTEGER",
        "returned_seq": "INTEGER",
        "called_at": "INTEGER",
        "returned_at": "INTEGER",
        "is_error": "INTEGER NOT NULL",
        "duration_ms": "REAL",
        "arguments_seq": "INTEGER",
        "arguments_part": "INTEGER",
        "output_seq": "INTEGER",
        "output_part": "INTEGER",
    },
    key=("seq", "part"),
    indexes=("tool, called_at", "tool, duration_ms", "call_id"),
)


class Track(msgspec.Struct, array_like=True):
    """A call for as long as a result or a second record may come. ``seq`` and ``part`` say where it was first told of."""

    seq: int
    part: int
    turn: int
    called_by: int
    called_at: int | None
    tool: str | None = None
    message_id: str | None = None
    has_arguments: bool = False
    returned_by: int = 0
    has_output: bool = False

    @property
    def key(self) -> tuple[int, int]:
        return self.seq, self.part


decoder(list[Track])  # which makes converting to it safe in every thread


class Waiting(msgspec.Struct, omit_defaults=True):
    """What goes into a checkpoint: calls without an id, and the ids of the latest calls that have one and no result."""

    turn: int = 0
    without_id: list[Track] = []
    open_ids: list[str] = []


class Record(msgspec.Struct, frozen=True):
    """One record of a call or of its result, wherever it stands."""

    seq: int
    part: int
    moment: int
    source: str
    call_id: str | None
    tool: str | None
    message_id: str | None
    has_content: bool
    is_error: bool = False

    @property
    def by(self) -> int:
        return BY_EVENT if self.part == EVENT else BY_PART


class Pairing:
    """Finds what a record belongs to and keeps the rows of the table `TOOL_CALLS`. Lives for one event."""

    __slots__ = ("memory", "rows", "waiting")

    def __init__(self, waiting: Waiting, memory: Memory, rows: Rows) -> None:
        self.waiting = waiting
        self.memory = memory
        self.rows = rows

    def call(self, record: Record) -> bool:
        """Note a call; returns whether it is a new one, not the other record of a known one."""
        tracks = self._tracks(record.call_id)
        twin = other_record(reversed(tracks), self.waiting.turn, record.by)
        if twin is not None:
            twin.called_by |= record.by
            self._fill(twin, record)
            self._keep(record.call_id, tracks)
            return False
        track = Track(
            record.seq, record.part, self.waiting.turn, record.by, record.moment, record.tool, record.message_id, record.has_content
        )
        self.rows.put(TOOL_CALLS.name, track.key, _row(record))
        if record.call_id is None:
            self.waiting.without_id.append(track)
            del self.waiting.without_id[:-MOST_WAITING]
        else:
            self._keep(record.call_id, [*_still_open(tracks), track])
            self.waiting.open_ids.append(record.call_id)
            del self.waiting.open_ids[:-_MOST_OPEN_IDS]
        return True

    def answer(self, record: Record) -> tuple[int, int]:
        """Note a result; returns the key of the call that it answers, or of its own row where it answers none: that is no call."""
        call_id, tracks = record.call_id, self._tracks(record.call_id)
        if call_id is None:
            call_id, tracks, track = self._by_position(record.tool)
        else:
            track = answered(reversed(tracks), record.by)
        if track is None:
            row = _row(record) | {"called_seq": None, "called_at": None, "arguments_seq": None, "arguments_part": None}
            self.rows.put(TOOL_CALLS.name, (record.seq, record.part), row | _result(record))
            return (record.seq, record.part)
        changes: dict[str, Any] = {}
        if track.returned_by:
            if not track.has_output:
                changes = {"output_seq": record.seq, "output_part": record.part}
            if record.is_error:
                changes["is_error"] = 1
        else:
            changes = _result(record)
            if track.called_at is not None and record.moment >= track.called_at:
                changes["duration_ms"] = (record.moment - track.called_at) / 1000
            if track.tool is None and record.tool is not None:
                track.tool = changes["tool"] = record.tool
        track.returned_by |= record.by
        track.has_output |= record.has_content
        if changes:
            self.rows.change(TOOL_CALLS.name, track.key, changes)
        if call_id is not None:
            self._keep(call_id, tracks)
            if call_id in self.waiting.open_ids and all(track.returned_by for track in tracks):
                self.waiting.open_ids = [other for other in self.waiting.open_ids if other != call_id]
        return track.key

    def _fill(self, track: Track, record: Record) -> None:
        changes: dict[str, Any] = {}
        if track.tool is None and record.tool is not None:
            track.tool = changes["tool"] = record.tool
        if not track.has_arguments and record.has_content:
            track.has_arguments = True
            changes |= {"arguments_seq": record.seq, "arguments_part": record.part}
        if track.message_id is None and record.message_id is not None:
            track.message_id = changes["message_id"] = record.message_id
        if changes:
            self.rows.change(TOOL_CALLS.name, track.key, changes)

    def _tracks(self, call_id: str | None) -> list[Track]:
        """The calls of this id that still matter, oldest first."""
        found = None if call_id is None else self.memory.find("call " + call_id)
        return [] if found is None else msgspec.convert(found, list[Track])

    def _keep(self, call_id: str | None, tracks: list[Track]) -> None:
        if call_id is not None:
            self.memory.keep("call " + call_id, tracks)

    def _by_position(self, tool: str | None) -> tuple[str | None, list[Track], Track | None]:
        """For a result without an id: the call's id if it has one, the calls of that id, and the call."""
        waiting = self.waiting.without_id
        if waiting:
            index = len(waiting) - 1 if tool is None else next((i for i, track in enumerate(waiting) if track.tool == tool), None)
            return None, [], None if index is None else waiting.pop(index)
        best: tuple[str | None, list[Track], Track | None] = (None, [], None)
        for call_id in dict.fromkeys(self.waiting.open_ids):
            tracks = self._tracks(call_id)
            for track in tracks:
                if track.returned_by or tool not in (None, track.tool):
                    continue
                chosen = best[2]
                if chosen is None or (track.seq > chosen.seq if tool is None else track.seq < chosen.seq):
                    best = call_id, tracks, track
        return best


def _still_open(tracks: list[Track]) -> list[Track]:
    """What a new call of the same id must remember of the former ones."""
    kept = list(tracks)
    while kept and kept[-1].returned_by:
        kept.pop()
    return kept


def _row(record: Record) -> dict[str, Any]:
    return {
        "seq": record.seq,
        "part": record.part,
        "call_id": record.call_id,
        "tool": record.tool,
        "message_id": record.message_id,
        "source": record.source,
        "called_seq": record.seq,
        "returned_seq": None,
        "called_at": record.moment,
        "returned_at": None,
        "is_error": 0,
        "duration_ms": None,
        "arguments_seq": record.seq,
        "arguments_part": record.part,
        "output_seq": None,
        "output_part": None,
    }


def _result(record: Record) -> dict[str, Any]:
    return {
        "returned_seq": record.seq,
        "returned_at": record.moment,
        "is_error": int(record.is_error),
        "output_seq": record.seq,
        "output_part": record.part,
    }


def content_at(stored: StoredEvent, part: int, *, of_result: bool) -> Any:
    """The arguments or the output that a row points at, out of its event; None where there is nothing."""
    event = stored.event
    if part == EVENT:
        return getattr(event, "output" if of_result else "arguments", None)
    content = getattr(event, "content", None)
    if not isinstance(content, list) or part >= len(content):
        return None
    found = content[part].response if of_result else content[part].arguments
    return None if found is msgspec.UNSET else found
