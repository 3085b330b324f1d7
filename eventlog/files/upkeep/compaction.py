"""Fewer and smaller files with the same events in them: what has become cold is sealed, compressed and joined; what crashes left goes.

Cold is a session to which nothing happened for `compress_after`, by the time of its last event. What people still grep stays plain text.

Nothing that is read changes, unless deltas are to be dropped (those whose message is complete), or what was taken back: their seqs stand in
the footer of their segment, and a ``session.compacted`` event says so. Writers, readers and tails go on meanwhile: the session's
lock is held for the moments in which files change places. Memory is bounded by a frame and by 16 bytes per run of what is left out.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from ...errors import Damaged, EventLogError, SessionNotFound
from ...events import SessionCompacted
from ...ids import shard as shard_of
from ...line import Envelope
from ...meaning.ranges import Ranges
from ...reports import CompactionReport, Skipped
from ...segments.frames import Unproven
from ...segments.segment import Opened
from .. import layout as layouts
from .. import reader, replacing, scan
from ..layout import SegmentName
from ..replacing import Finished, Replacing, finished
from . import leftovers
from .deltas import CompleteDeltas
from .retracted import RetractedEvents
from .rewriting import Rewriting

if TYPE_CHECKING:
    from ..backend import FilesBackend

Drop = type[CompleteDeltas] | type[RetractedEvents]
_RANGES_PER_EVENT = 10_000


def compact(
    backend: FilesBackend,
    session_ids: Iterable[str] | None,
    *,
    drop_deltas: bool,
    drop_retracted: bool = False,
    idle_s: float | None = None,
    dry_run: bool = False,
) -> CompactionReport:
    """See `EventLog.compact`."""
    report = CompactionReport(dry_run=dry_run)
    drop: list[Drop] = [kind for kind, wanted in ((CompleteDeltas, drop_deltas), (RetractedEvents, drop_retracted)) if wanted]
    idle_s = backend.settings.compress_after_s if idle_s is None else idle_s
    for session_id, entries in _every_session(backend) if session_ids is None else _given_sessions(backend, session_ids):
        size = _size(backend, session_id, entries)
        report.sessions += 1
        report.bytes_before += size
        if drop or len(entries) > 1 or not entries[0].endswith(".zst"):
            try:
                compaction = _Compaction(backend, session_id, report)
                (compaction.foresee if dry_run else compaction.run)(drop, idle_s)
            except (EventLogError, OSError) as error:
                report.skipped.append(Skipped(session_id=session_id, reason=str(error)))
            size = _size(backend, session_id, leftovers.entries_of(backend.layout, session_id))
        report.bytes_after += size
    return report


def _given_sessions(backend: FilesBackend, session_ids: Iterable[str]) -> list[tuple[str, list[str]]]:
    found = [(session_id, leftovers.entries_of(backend.layout, session_id)) for session_id in dict.fromkeys(session_ids)]
    for session_id, entries in found:
        if not entries:
            raise SessionNotFound(session_id)
    return found


def _every_session(backend: FilesBackend) -> Iterator[tuple[str, list[str]]]:
    """Every session with the names of its files. Costs one listing per shard, however many sessions there are."""
    for shard in layouts.SHARDS:
        sessions: dict[str, list[str]] = {}
        for entry in backend.layout.entries(shard):
            session_id = leftovers.session_of(entry)
            if session_id is not None and shard_of(session_id) == shard:
                sessions.setdefault(session_id, []).append(entry)
        yield from sessions.items()


def _size(backend: FilesBackend, session_id: str, entries: list[str]) -> int:
    total = 0
    for entry in entries:
        try:
            total += os.lstat(os.path.join(backend.layout.folder(session_id), entry)).st_size
        except FileNotFoundError:
            continue  # replaced since it was listed
    return total


class _Compaction:
    """Everything that is done for one session."""

    def __init__(self, backend: FilesBackend, session_id: str, report: CompactionReport) -> None:
        self._backend = backend
        self._session_id = session_id
        self._report = report
        self._limit = backend.settings.max_event_bytes

    def run(self, drop: list[Drop], idle_s: float | None) -> None:
        is_cold = self._is_cold(idle_s)
        if is_cold:
            self._seal()
        for kind in drop:
            self._leave_out(kind)
        if is_cold:
            self._until_done(self._join)
            self._until_done(self._compress)
        elif any(not name.compressed for name in self._backend.layout.segments(self._session_id)):
            self._report.too_young += 1
        self._report.removed += leftovers.clear_up(self._backend, self._session_id)

    def foresee(self, drop: list[Drop], idle_s: float | None) -> None:
        """Count what `run` would do, as far as that can be said without doing it."""
        layout, report = self._backend.layout, self._report
        segments = finished(layout, self._session_id)
        if not self._is_cold(idle_s):
            report.too_young += any(not name.compressed for name in layout.segments(self._session_id))
        else:
            active = self._active()
            if active is not None:
                report.sealed += 1
                next_seq = reader.last_seq(layout, self._session_id) + 1
                segments.append(Finished(active, True, next_seq, os.lstat(layout.path(active)).st_size))
            report.compressed += sum(each.is_sealed and not each.name.compressed for each in segments)
            report.joined += sum(len(group) - 1 for group in _neighbours(segments, self._backend.settings.segment_size_bytes))
        left_out = Ranges()
        for kind in drop:
            dropped = kind(layout, self._session_id, self._limit)
            if not dropped.is_deleted and segments:
                left_out.add_all(dropped.seqs.without(Ranges([(segments[-1].next_seq, 1 << 62)])))
        report.left_out += left_out.count

    def _is_cold(self, idle_s: float | None) -> bool:
        """Whether nothing happened to the session for so long: what was written long ago happened no later, what was written just now may
        have happened long ago (an import)."""
        if idle_s is None:
            return False
        last = self._backend.layout.last(self._session_id)
        try:
            if last is not None and time.time() - os.lstat(self._backend.layout.path(last)).st_mtime >= idle_s:
                return True
        except FileNotFoundError:
            pass  # it is being replaced: the event says it as well
        line = reader.last_line(self._backend.layout, self._session_id, self._limit)
        return line is not None and time.time() - datetime.fromisoformat(line.time).timestamp() >= idle_s

    def _until_done(self, step: Callable[[], bool]) -> None:
        """Begin again where a segment was replaced by somebody else meanwhile."""
        for _ in replacing.attempts(self._session_id, self._backend.settings):
            try:
                if step():
                    return
            except FileNotFoundError:
                continue

    def _skip(self, error: EventLogError) -> None:
        """A segment that is not whole stays as it is."""
        self._report.skipped.append(Skipped(session_id=self._session_id, reason=str(error)))

    # --- sealing, joining, compressing ---------------------------------------------------------------------------------------

    def _seal(self) -> None:
        if self._active() is not None:
            with self._backend.holding(self._session_id) as stream:
                name = self._active()  # somebody may have ended it while we waited for the lock
                if name is not None and stream.seal() and self._active() is None:
                    self._report.sealed += 1

    def _active(self) -> SegmentName | None:
        """The last segment, where there is something in it and it has not ended."""
        name = self._backend.layout.last(self._session_id)
        if name is None or name.compressed:
            return None
        path = self._backend.layout.path(name)
        try:
            last = scan.last_record(path, name)
            return name if os.lstat(path).st_size > 0 and (last is None or isinstance(last.record, Opened)) else None
        except FileNotFoundError:
            return None  # it has ended: it was compressed meanwhile

    def _join(self) -> bool:
        for group in _neighbours(finished(self._backend.layout, self._session_id), self._backend.settings.segment_size_bytes):
            try:
                with self._replacing(group) as work:
                    if not (work.write(work.lines()) and replacing.put_in_place(self._backend, work)):
                        return False
            except Unproven as error:
                self._skip(error)
                continue
            self._report.joined += len(group) - 1
            self._report.compressed += sum(not each.name.compressed for each in group)
        return True

    def _compress(self) -> bool:
        for each in finished(self._backend.layout, self._session_id):
            if each.is_sealed and not each.name.compressed:
                done = replacing.compress(self._backend, self._backend.disk, self._backend.layout, each.name)
                self._report.compressed += done
        return True

    def _replacing(self, segments: list[Finished]) -> Replacing:
        return Replacing(self._backend.disk, self._backend.layout, [each.name for each in segments], self._backend.settings)

    # --- leaving out events --------------------------------------------------------------------------------------------------

    def _leave_out(self, kind: Drop) -> None:
        """Leave them out, file by file, and then say so: whoever keeps a projection makes it anew when it comes to that event."""

        def step() -> bool:
            dropped = kind(self._backend.layout, self._session_id, self._limit)
            return dropped.is_deleted or (self._rewrite(dropped) and self._announce(dropped))

        self._until_done(step)

    def _rewrite(self, dropped: CompleteDeltas | RetractedEvents) -> bool:
        for each in finished(self._backend.layout, self._session_id):
            if not each.is_sealed or not dropped.seqs.meets(each.name.first_seq, each.next_seq - 1):
                continue
            path = self._backend.layout.path(each.name)
            rewriting = Rewriting(dropped, self._limit)
            try:
                with self._replacing([each]) as work:
                    pieces = scan.sound(scan.scan_file(path, each.name, max_append_bytes=self._limit), each.name)
                    if not (work.write(rewriting.lines(pieces)) and replacing.put_in_place(self._backend, work)):
                        return False
            except (Unproven, Damaged) as error:
                self._skip(error)
                continue
            dropped.recorded.add_all(rewriting.left_out)
            self._report.left_out += rewriting.left_out.count
            self._report.compressed += not each.name.compressed
        return True

    def _announce(self, dropped: CompleteDeltas | RetractedEvents) -> bool:
        """Append what was left out and not yet announced, by this compaction or by one that a crash ended.

        The time is that of the last event: nothing has happened in the session since."""
        last = reader.last_line(self._backend.layout, self._session_id, self._limit)
        if last is None:
            return True  # nothing of the session can be proven any more
        left_out = list(dropped.recorded.without(dropped.announced))
        envelopes = []
        for start in range(0, len(left_out), _RANGES_PER_EVENT):
            event = SessionCompacted(left_out=left_out[start : start + _RANGES_PER_EVENT], reason=dropped.reason)
            envelopes.append(Envelope(0, last.time, event.type, event))
        for envelope in envelopes[:-1]:
            envelope.more = True
        if envelopes:
            stream = self._backend.stream(self._session_id, create=False)
            stream.append(envelopes, expected=None, key=None, sync="always")
        return True


def _neighbours(segments: list[Finished], target_size: int) -> Iterator[list[Finished]]:
    """Groups of two or more sealed segments that follow each other and are together no larger than the target."""
    group: list[Finished] = []
    size = 0
    for each in segments:
        follows = bool(group) and each.is_sealed and each.name.first_seq == group[-1].next_seq
        if follows and size + each.lines_size <= target_size:
            group.append(each)
            size += each.lines_size
            continue
        if len(group) > 1:
            yield group
        group, size = ([each], each.lines_size) if each.is_sealed else ([], 0)
    if len(group) > 1:
        yield group
