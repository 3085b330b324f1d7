"""Reads every byte of a store and gives one verdict per problem. Writes nothing; memory is bounded by a chunk.

Beyond what a reader notices it checks what only the whole shows: that a footer counts and digests what stands before it, that the
seqs go on from line to line and from segment to segment, and that each header names the digest of the segment before
it. A finding at the end of an active segment is looked at again, as a writer may just have been there.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from datetime import datetime
from hashlib import sha256

import msgspec

from ..errors import SegmentTooNew, SessionNotFound
from ..ids import order
from ..ids import shard as shard_of
from ..meaning.ranges import Ranges
from ..reports import Lost, Problem, ProblemKind, Progress, Report, Rewrite
from ..segments.segment import Closed, Opened, Sealed, is_purged
from . import layout as layouts
from . import reader, scan
from .layout import Layout, SegmentName
from .opening import is_folder, kind_of, open_regular
from .pieces import Bad, Own

TOO_NEW = "it needs a reader of format"
NO_END = "it has no footer, but another segment follows: its end is not in the store"
_MOST_DOUBTS = 5  # that a segment is missing, while the session's files change all the time
_CUT = "it stops in the middle of an append, but another segment follows: what came after is not in the store"


def verify(layout: Layout, session_ids: Iterable[str] | None, max_append_bytes: int, progress: Progress | None = None) -> Report:
    """Check the given sessions, or all: then each folder is listed once. Raises `SessionNotFound` for one that is not there."""
    report = Report()
    digest = sha256()
    for session_id, names in _every_session(layout, report) if session_ids is None else _given_sessions(layout, session_ids, report):
        contents = _SessionCheck(layout, session_id, names, max_append_bytes, report, progress).run()
        digest.update(session_id.encode() + b"\n" + b"".join(contents))
        report.sessions += 1
        if progress is not None:
            progress(report)
    report.digest = digest.hexdigest()
    return report


def _given_sessions(layout: Layout, session_ids: Iterable[str], report: Report) -> Iterator[tuple[str, list[str] | None]]:
    session_ids = sorted(session_ids, key=order)
    for session_id in session_ids:
        if not reader.exists(layout, session_id):
            raise SessionNotFound(session_id)
    for session_id in session_ids:
        report.problems += [problem for problem in _out_of_place(layout, shard_of(session_id)) if problem.session_id == session_id]
        yield session_id, None


def _every_session(layout: Layout, report: Report) -> Iterator[tuple[str, list[str] | None]]:
    if not os.path.isdir(layout.sessions):
        detail = "the folder of all sessions is not there; `eventlog restore-backup` brings back what a backup has"
        report.problems.append(Problem(session_id="", segment=layouts.SESSIONS, offset=0, length=0, kind="missing", detail=detail))
    for shard in layouts.SHARDS:
        report.problems += _out_of_place(layout, shard)
        for session_id, names in layout.sessions_in(shard).items():
            if shard_of(session_id) == shard:
                yield session_id, names


def _out_of_place(layout: Layout, shard: str) -> Iterator[Problem]:
    """What has a segment's name and is none, or stands in another shard than its name asks for: nothing ever reads them there."""
    folder = os.path.join(layout.sessions, shard)
    if os.path.lexists(folder) and not is_folder(folder):
        detail = f"it is {kind_of(os.lstat(folder).st_mode)}, not a folder; what stood in it is not in the store"
        yield Problem(session_id="", segment=f"{shard}", offset=0, length=0, kind="foreign", detail=detail)
    for entry in layout.entries(shard):
        name = layouts.parse_segment_name(entry)
        if name is None:
            continue
        try:
            state = os.lstat(os.path.join(folder, entry))
        except FileNotFoundError:
            continue  # replaced since it was listed
        if shard_of(name.session_id) != shard:
            detail = f"it stands in {shard}/, its name belongs in {shard_of(name.session_id)}/"
        elif not stat.S_ISREG(state.st_mode):
            detail = f"it is {kind_of(state.st_mode)}, not a file"
        else:
            continue
        segment = f"{shard}/{entry}"
        yield Problem(session_id=name.session_id, segment=segment, offset=0, length=state.st_size, kind="foreign", detail=detail)


class _Shape(msgspec.Struct, gc=False):
    """What makes a line an event."""

    seq: int
    time: datetime
    type: str
    data: dict[str, msgspec.Raw]


_shape = msgspec.json.Decoder(_Shape)


class _SessionCheck:
    """One session: its segments in order, each against what the one before it said."""

    def __init__(
        self, layout: Layout, session_id: str, names: list[str] | None, max_append_bytes: int, report: Report, progress: Progress | None
    ) -> None:
        self._layout = layout
        self._names = names  # of its files, where they were listed already
        self._session_id = session_id
        self._max_append_bytes = max_append_bytes
        self._report = report
        self._progress = progress

    def run(self) -> list[bytes]:
        """Check them all; returns the digest of each segment's content, in order."""
        found: list[_SegmentCheck] = []
        doubts = 0
        while True:
            entries = self._layout.names(self._session_id) if self._names is None else self._names
            names, self._names = self._layout.segments(self._session_id, entries), None  # a second time it is listed by itself
            if found and not any(name.first_seq == found[-1].next_seq for name in names):
                found.clear()  # joined since they were listed: what was read does not go with what is there now
            try:
                self._check_all(names, found)
            except FileNotFoundError:
                continue  # compressed, or joined
            if doubts < _MOST_DOUBTS and _has_hole(found) and self._layout.segments(self._session_id) != names:
                doubts += 1  # a listing may have neither name of a file that got another one meanwhile
                found.clear()
                continue
            for segment in found:
                self._take(segment)
            self._report.problems += self._foreign_among(entries, {segment.name for segment in found})
            return [content for segment in found for content in segment.contents]

    def _foreign_among(self, entries: list[str], checked: set[SegmentName]) -> Iterator[Problem]:
        """Of the files that nothing reads, as another one has their events, those that are not what their name says."""
        for entry in entries:
            for name in self._layout.segments(self._session_id, [entry]):
                if name in checked:
                    continue
                try:
                    first = next(scan.scan_file(self._layout.path(name), name, max_append_bytes=self._max_append_bytes), None)
                    size = os.lstat(self._layout.path(name)).st_size
                except (FileNotFoundError, SegmentTooNew):
                    continue  # replaced meanwhile, or told already
                detail = first.detail if isinstance(first, Bad) and first.kind == "foreign" else None
                if name.unnumbered and size and not name.compressed and self._layout.is_older_copy(name):
                    detail = "it is an older copy of a segment that was finished since, and has the name of the session's last one"
                if detail is not None:
                    yield Problem(session_id=self._session_id, segment=str(name), offset=0, length=size, kind="foreign", detail=detail)

    def _check_all(self, names: list[SegmentName], found: list[_SegmentCheck]) -> None:
        """Check them, except those that ``found`` or a joined segment before them covers."""
        for index, name in enumerate(names):
            before = found[-1] if found else None
            if before is None or name.first_seq >= before.reaches:
                found.append(self._check(name, before, last=name.unnumbered or index == len(names) - 1))
                if self._progress is not None:
                    size = self._report.bytes + sum(segment.size for segment in found)
                    self._progress(msgspec.structs.replace(self._report, segments=self._report.segments + len(found), bytes=size))

    def _check(self, name: SegmentName, before: _SegmentCheck | None, *, last: bool) -> _SegmentCheck:
        segment = _SegmentCheck(name, before, last=last)
        segment.read(self._layout, self._max_append_bytes)
        if last and segment.problems:
            segment = _SegmentCheck(name, before, last=last)
            segment.read(self._layout, self._max_append_bytes)
        return segment

    def _take(self, segment: _SegmentCheck) -> None:
        report = self._report
        report.segments += 1
        report.events += segment.events
        report.bytes += segment.size
        report.rewrites += segment.rewrites
        report.lost += segment.lost
        report.problems += segment.problems


def _has_hole(found: list[_SegmentCheck]) -> bool:
    return any(problem.kind == "missing" for segment in found for problem in segment.problems)


class _SegmentCheck:
    """One segment file: what its pieces say together. A joined file holds several segments, each from its header to its footer."""

    def __init__(self, name: SegmentName, before: _SegmentCheck | None, *, last: bool) -> None:
        self.problems: list[Problem] = []
        self.rewrites: list[Rewrite] = []
        self.lost: list[Lost] = []
        self.contents: list[bytes] = []  # the digest of each whole segment in it
        self.events = 0
        self.size = 0
        self.ended: bool = before is None or before.ended  # whether what comes next can be held against the end of what comes before it
        self.digest: str | None = before.digest if before is not None else None
        self.reaches = name.first_seq  # what begins below it is covered by this one
        wanted = 1 if before is None else before.next_seq if before.ended else min(before.next_seq, name.first_seq)
        self.name = self._name = name
        self._last = last
        self._has_end = False
        self._sound = True
        self._begin(wanted)

    def _begin(self, first_seq: int) -> None:
        self._sha = sha256()
        self._count = 0
        self._skipped: list[tuple[int, int]] = []  # seqs that no line had, which the footer has to explain
        self._first_seq = self.next_seq = first_seq
        self._proven = first_seq - 1  # the last seq that a line had

    def read(self, layout: Layout, max_append_bytes: int) -> None:
        path = layout.path(self._name)
        wanted = self.next_seq
        try:
            self.size = os.lstat(path).st_size
            for piece in scan.scan_file(path, self._name, max_append_bytes=max_append_bytes):
                if isinstance(piece, bytes):
                    self._events(piece)
                elif isinstance(piece, Bad):
                    if piece.kind == "foreign":
                        self._problem("foreign", 0, self.size, piece.detail)
                        self._unread(wanted)
                        return
                    self._bad(piece)
                elif isinstance(piece.record, Opened):
                    self._opened(piece, piece.record)
                elif isinstance(piece.record, Sealed):
                    self._sealed(piece, piece.record)
                else:
                    self._closed(piece, piece.record, path)
        except FileNotFoundError:
            raise  # replaced meanwhile
        except SegmentTooNew as error:
            self._problem("foreign", 0, self.size, f"{TOO_NEW} {error.needs}, this version reads up to {error.supported}")
            self._unread(wanted)
            return
        except OSError as error:
            self._problem("damaged", 0, self.size, f"the operating system cannot read it: {error.strerror}")
            self._unread(wanted)
            return
        self.events += self._count
        if not self._has_end:
            if self._skipped and self._sound:
                first, last = self._skipped[0]
                self._problem("missing", 0, self.size, f"events {first} to {last} should stand in it, and nothing says why they do not")
            self.ended = False
            self.contents.append(self._sha.digest())
            if not self._last:
                self._problem("missing", self.size, 0, NO_END)

    def _events(self, chunk: bytes) -> None:
        """Proven lines. A right checksum proves what somebody wrote; whether that is an event, and which one, is looked at here."""
        self._sha.update(chunk)
        try:
            seqs = [line.seq for line in _shape.decode_lines(chunk)]
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            seqs = []
            for line in chunk.split(b"\n")[:-1]:
                try:
                    seqs.append(_shape.decode(line).seq)
                except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                    self._not_an_event(line, seqs[-1] + 1 if seqs else self.next_seq, str(error))
                    seqs.append(seqs[-1] + 1 if seqs else self.next_seq)
        self._count += len(seqs)
        expected = self._proven + 1
        for seq in seqs:
            if seq < expected:
                self._problem("damaged", 0, self.size, f"event {seq} stands where event {expected} or a later one should")
            elif seq > expected:
                self._skipped.append((expected, seq - 1))
            expected = max(expected, seq + 1)
        self._proven = expected - 1
        self.next_seq = self.reaches = expected

    def _not_an_event(self, line: bytes, seq: int, why: str) -> None:
        detail = f"the line where event {seq} should stand has a right checksum, but is no event ({why}); it was written by another program"
        self._problem("damaged", 0, len(line) + 1, detail)

    def _unread(self, wanted: int) -> None:
        """Nothing of it counts, and nothing is known of its end."""
        self.contents.append(self._sha.digest())
        self.next_seq = self.reaches = wanted
        self.ended = False

    def _bad(self, bad: Bad) -> None:
        if bad.kind == "torn_tail" and not self._last:
            self._problem("damaged", bad.offset, bad.length, _CUT)
        else:
            self._problem("torn_tail" if bad.kind == "torn_tail" else "damaged", bad.offset, bad.length, bad.detail)
        if bad.kind != "torn_tail" and not bad.harmless:
            self._sound = False
            self.next_seq += bad.lines

    def _opened(self, piece: Own, opened: Opened) -> None:
        first, wanted = opened.first_seq, self.next_seq
        if first > wanted and not reader.covers(opened.lost, wanted, first - 1):
            self._problem("missing", piece.offset, 0, f"events {wanted} to {first - 1} should stand before this segment")
        elif self.ended and opened.previous != self.digest and not is_purged(opened):
            detail = f"its header names {opened.previous} as the digest of the segment before it, which has {self.digest}"
            self._problem("damaged", piece.offset, len(piece.line), detail)
        if opened.lost is not None and not is_purged(opened):
            self.lost.append(Lost(session_id=self._name.session_id, segment=str(self._name), first=opened.lost[0], last=opened.lost[1]))
        self._begin(first)
        self._sha.update(piece.line)
        self.ended = self._has_end = False
        self._sound = True

    def _sealed(self, piece: Own, sealed: Sealed) -> None:
        content = self._sha.hexdigest()
        if self._sound:
            left_out = sum(last - first + 1 for first, last in sealed.left_out)
            if content != sealed.sha256:
                self._problem("damaged", 0, piece.offset, f"the footer gives the digest {sealed.sha256}, the bytes have {content}")
            elif not self._explained(sealed.left_out):
                self._problem("damaged", 0, piece.offset, "seqs are left out in it that its footer does not name")
            elif sealed.count != self._count or sealed.last_seq - self._first_seq + 1 - left_out != self._count:
                self._problem("damaged", 0, piece.offset, f"the footer counts {sealed.count} events, there are {self._count}")
        if sealed.was is not None:
            name = self._name
            reason = sealed.reason or "not stated"
            rewrite = Rewrite(session_id=name.session_id, segment=str(name), was=sealed.was, reason=reason, left_out=sealed.left_out)
            self.rewrites.append(rewrite)
        self.contents.append(self._sha.digest())
        self._end(sealed.next_seq, sealed.digest)

    def _explained(self, left_out: list[tuple[int, int]]) -> bool:
        """Whether every hole between the lines is one that was made on purpose."""
        named = Ranges(left_out)
        return not any(True for _ in Ranges(self._skipped).without(named))

    def _closed(self, piece: Own, closed: Closed, path: str) -> None:
        content = _digest_of_file(path, piece.offset)
        if content != closed.sha256:
            self._problem("damaged", 0, piece.offset, f"it had the digest {closed.sha256} when it was closed, now it has {content}")
        self.contents.append(bytes.fromhex(content))
        self._end(closed.next_seq, closed.sha256)

    def _end(self, next_seq: int, digest: str) -> None:
        self.events += self._count
        self._count = 0
        self.next_seq = self.reaches = next_seq
        self.digest = digest
        self.ended = self._has_end = True

    def _problem(self, kind: ProblemKind, offset: int, length: int, detail: str) -> None:
        name = self._name
        self.problems.append(Problem(session_id=name.session_id, segment=str(name), offset=offset, length=length, kind=kind, detail=detail))


def _digest_of_file(path: str, size: int) -> str:
    digest, position = sha256(), 0
    fd = open_regular(path)
    try:
        while position < size and (data := os.pread(fd, min(size - position, 1024 * 1024), position)):
            digest.update(data)
            position += len(data)
    finally:
        os.close(fd)
    return digest.hexdigest()
