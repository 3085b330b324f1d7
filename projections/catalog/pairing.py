"""Which result belongs to which tool call, in a session of any length: the rules of `tool_calls`, on a memory instead of a list.

Under each call id the memory holds the calls that still matter, and every record of them (in chunks, as some sources use an id again and
again), from which the calls of the id are paired anew when one of them is taken back. Calls without an id wait in a list that is part of
every checkpoint, so it is bounded: of more than `MOST_WAITING` that never got a result, the oldest stay open for good.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Iterable, Iterator
from operator import itemgetter
from typing import Any, Final

from ..projection import Memory, Rows
from ..view.pairing import Between, answered, other_record
from .call_records import COUNTED, NOTHING, ORPHAN, TOOL_CALLS, UNCOUNTED, Chunk, Group, Ids, Key, Record, Track, Waiting, result_of, row_of
from .journal import Cell, held

MOST_WAITING: Final = 1_000
_MOST_OPEN_IDS: Final = 100
_CHUNK: Final = 16  # records, or ids


class Pairing:
    """Finds what a record belongs to and keeps the rows of the table `TOOL_CALLS`. Lives for one event.

    ``count`` is told where a call begins to count, or no longer does."""

    __slots__ = ("_between", "_count", "_memory", "_rows", "_touched", "_waiting")

    def __init__(self, waiting: Waiting, memory: Memory, rows: Rows, between: Between, count: Callable[[Cell, int], None]) -> None:
        self._waiting = waiting
        self._memory = memory
        self._rows = rows
        self._between = between
        self._count = count
        self._touched: dict[str | None, list[Record]] | None = None  # while records change: all records of the ids to pair anew

    def add(self, call_id: str | None, record: Record) -> None:
        """Take in a record: the last one, or any while records change."""
        if self._touched is not None:
            insort(self._touch(call_id), record, key=_key)
        else:
            self._append(call_id, record)
            self._pair(call_id, record)
        if call_id is None and not record.is_call:
            self._waiting.results_without_id += 1

    def _append(self, call_id: str | None, record: Record) -> None:
        group = self._group(call_id)
        if len(group.records) >= _CHUNK:
            self._memory.keep(_chunk_name(group.chunks, call_id), Chunk(group.records))
            group.records = []
            group.chunks += 1
        group.records.append(record)

    # --- pairing -------------------------------------------------------------------------------------------------------------

    def _pair(self, call_id: str | None, record: Record) -> Key:
        """Returns the key of the row that the record is about."""
        return self._call(call_id, record) if record.is_call else self._answer(call_id, record)

    def _call(self, call_id: str | None, record: Record) -> Key:
        group = self._group(call_id)
        tracks = group.tracks if call_id is not None else []
        if tracks:
            if len(tracks) > 1 or tracks[-1].returned_by:
                self._tangle(call_id, group)
            twin = other_record(reversed(tracks), record.seq, record.by, self._between)
            if twin is not None:
                twin.called_by |= record.by
                if record.counts:
                    self._count_after_all(call_id, twin.key)
                self._fill(twin, record)
                return twin.key
            tracks = _still_open(tracks)
            if tracks:
                self._tangle(call_id, group)
        track = Track(record.seq, record.part, record.by, record.moment, record.tool, record.message_id, record.has_content)
        self._rows.put(TOOL_CALLS.name, track.key, row_of(call_id, record))
        record.made = COUNTED if record.counts else UNCOUNTED
        if record.counts:
            self._count(record.cell, 1)
        if call_id is None:
            self._waiting.without_id.append(track)
            del self._waiting.without_id[:-MOST_WAITING]
        else:
            group.tracks = [*tracks, track]
            self._waiting.open_ids.append(call_id)
            del self._waiting.open_ids[:-_MOST_OPEN_IDS]
        return track.key

    def _answer(self, call_id: str | None, record: Record) -> Key:
        """Returns the key of its own row where it answers no call."""
        answered_id = call_id
        if call_id is None:
            answered_id, tracks, track = self._by_position(record.tool)
        else:
            tracks = self._group(call_id).tracks
            track = answered(reversed(tracks), record.by, self._between)
        changes: dict[str, Any] = {}
        if track is None:
            record.made = ORPHAN
            row = row_of(call_id, record) | {"called_seq": None, "called_at": None, "arguments_seq": None, "arguments_part": None}
            self._rows.put(TOOL_CALLS.name, record.key, row | result_of(record) | {"duration_ms": record.duration_ms})
            return record.key
        if track.returned_by:
            if not track.has_output:
                changes = {"output_seq": record.seq, "output_part": record.part}
            if record.is_error:
                changes["is_error"] = 1
        else:
            changes = result_of(record)
            if track.called_at is not None and record.moment >= track.called_at:
                changes["duration_ms"] = (record.moment - track.called_at) / 1000
            if track.tool is None and record.tool is not None:
                track.tool = changes["tool"] = record.tool
        if record.duration_ms is not None:
            changes["duration_ms"] = record.duration_ms
        track.returned_by |= record.by
        track.has_output |= record.has_content
        if changes:
            self._rows.change(TOOL_CALLS.name, track.key, changes)
        if answered_id in self._waiting.open_ids and all(track.returned_by for track in tracks):
            self._waiting.open_ids = [other for other in self._waiting.open_ids if other != answered_id]
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
            self._rows.change(TOOL_CALLS.name, track.key, changes)

    def _by_position(self, tool: str | None) -> tuple[str | None, list[Track], Track | None]:
        """For a result without an id: the call's id if it has one, the calls of that id, and the call."""
        waiting = self._waiting.without_id
        if waiting:
            index = len(waiting) - 1 if tool is None else next((i for i, track in enumerate(waiting) if track.tool == tool), None)
            return None, [], None if index is None else waiting.pop(index)
        best: tuple[str | None, list[Track], Track | None] = (None, [], None)
        for call_id in dict.fromkeys(self._waiting.open_ids):
            tracks = self._group(call_id).tracks
            for track in tracks:
                if track.returned_by or tool not in (None, track.tool):
                    continue
                chosen = best[2]
                if chosen is None or (track.key > chosen.key if tool is None else track.key < chosen.key):
                    best = call_id, tracks, track
        return best

    def _count_after_all(self, call_id: str | None, key: Key) -> None:
        """Another record of the call counts, and so does the call."""
        first = next((record for record in self._records_backwards(call_id) if record.key == key), None)
        if first is not None and first.made == UNCOUNTED:
            first.made = COUNTED
            self._count(first.cell, 1)

    # --- taking back ---------------------------------------------------------------------------------------------------------

    def change(self) -> None:
        """What comes until `settle` may come at any place."""
        self._touched = {}

    def drop(self, call_id: str | None, key: Key) -> Record:
        """The record is no longer there; it is returned."""
        records = self._touch(call_id)
        index = next(index for index, record in enumerate(records) if record.key == key)
        if call_id is None and not records[index].is_call:
            self._waiting.results_without_id -= 1
        return records.pop(index)

    def settle(self, every_id: Callable[[], Iterable[str]], *, turns_changed: bool) -> None:
        """Pair anew what was touched, also those of which the order of turns decided something, where that has changed."""
        assert self._touched is not None
        by_position = self._waiting.results_without_id > 0 and (self._touched or turns_changed)
        if by_position or None in self._touched:
            for used in (None, *every_id()):
                self._touch(used)
            self._waiting.without_id.clear()
            self._waiting.open_ids.clear()
        elif turns_changed:
            for number in range((self._waiting.tangled + _CHUNK - 1) // _CHUNK):
                found = held(self._memory, f"tangled {number}", Ids)
                for used in [] if found is None else found.ids:
                    self._touch(used)
        touched, self._touched = self._touched, None
        for call_id, records in touched.items():
            self._write(call_id, records)
        made: dict[Key, Key] = {}
        for key, call_id, record in sorted(
            ((record.key, id, record) for id, found in touched.items() for record in found), key=itemgetter(0)
        ):
            record.made = NOTHING
            if record.corrects is None:
                made[key] = self._pair(call_id, record)
            else:
                made[key] = made[record.corrects]
                self._correct(call_id, made[key], record)

    def _touch(self, call_id: str | None) -> list[Record]:
        """All records of the id, whose rows go."""
        assert self._touched is not None
        records = self._touched.get(call_id)
        if records is not None:
            return records
        records = self._touched[call_id] = list(self._records_backwards(call_id))
        records.reverse()
        for record in records:
            if record.made:
                self._rows.remove(TOOL_CALLS.name, record.key, {"seq": record.seq, "part": record.part})
            if record.made == COUNTED:
                self._count(record.cell, -1)
        self._waiting.open_ids = [other for other in self._waiting.open_ids if other != call_id]
        return records

    def _records_backwards(self, call_id: str | None) -> Iterator[Record]:
        group = self._group(call_id)
        yield from reversed(group.records)
        for number in reversed(range(group.chunks)):
            chunk = held(self._memory, _chunk_name(number, call_id), Chunk)
            yield from reversed(chunk.records if chunk is not None else [])

    def _write(self, call_id: str | None, records: list[Record]) -> None:
        """Keep these as the records of the id, which has no calls until they are paired."""
        group = self._group(call_id)
        group.tracks, group.records, group.chunks = [], [], 0
        for record in records:
            self._append(call_id, record)

    def _correct(self, call_id: str | None, key: Key, record: Record) -> None:
        """What an amended message says of a call, or of a result, that it had already."""
        tracks = self._waiting.without_id if call_id is None else self._group(call_id).tracks
        track = next((track for track in tracks if track.key == key), None)
        if record.is_call:
            changes: dict[str, Any] = {"arguments_seq": record.seq, "arguments_part": record.part}
            if record.tool:
                changes["tool"] = record.tool
            if track is not None:
                track.has_arguments, track.tool = record.has_content, record.tool or track.tool
        else:
            changes = {"output_seq": record.seq, "output_part": record.part, "is_error": int(record.is_error)}
            if track is not None:
                track.has_output = record.has_content
        self._rows.change(TOOL_CALLS.name, key, changes)

    # --- the memory ----------------------------------------------------------------------------------------------------------

    def _group(self, call_id: str | None) -> Group:
        found = held(self._memory, _name(call_id), Group)
        if found is None:
            found = Group([], [])
            self._memory.keep(_name(call_id), found)
        return found

    def _tangle(self, call_id: str | None, group: Group) -> None:
        if group.is_tangled or call_id is None:
            return
        group.is_tangled = True
        number, place = divmod(self._waiting.tangled, _CHUNK)
        self._waiting.tangled += 1
        found = held(self._memory, f"tangled {number}", Ids) if place else None
        if found is None:
            found = Ids([])
            self._memory.keep(f"tangled {number}", found)
        found.ids.append(call_id)


def _name(call_id: str | None) -> str:
    return "calls without an id" if call_id is None else "call " + call_id


def _chunk_name(number: int, call_id: str | None) -> str:
    return f"records {number} of {_name(call_id)}"


def _key(record: Record) -> Key:
    return record.key


def _still_open(tracks: list[Track]) -> list[Track]:
    """What a new call of the same id must remember of the former ones."""
    kept = list(tracks)
    while kept and kept[-1].returned_by:
        kept.pop()
    return kept
