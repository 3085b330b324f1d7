"""Reads every byte of a store and gives one verdict per problem. Writes nothing; memory is bounded by a chunk.

Beyond what a reader notices it checks what only the whole shows: that a footer counts and digests what stands before it, that the
seqs go on from line to line and from segment to segment, and that each header names the digest of the segment before
it. A finding at the end of an active segment is looked at again, as a writer may just have been there.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from hashlib import sha256

import msgspec

from ..errors import SessionNotFound
from ..ids import shard as shard_of
from ..reports import Lost, Problem, ProblemKind, Progress, Report, Rewrite
from ..segments.segment import Closed, Opened, Sealed, is_purged
from . import layout as layouts
from . import reader, scan
from .layout import Layout, SegmentName
from .pieces import Bad, Own, count_lines, last_seq_in

NO_END = "it has no footer, but another segment follows: its end is not in the store"
_CUT = "it stops in the middle of an append, but another segment follows: what came after is not in the store"


def verify(layout: Layout, session_ids: Iterable[str] | None, max_append_bytes: int, progress: Progress | None = None) -> Report:
    """Check the given sessions, or all. Raises `SessionNotFound` for one that is not there."""
    report = Report()
    digest = sha256()
    if session_ids is None:
        if not os.path.isdir(layout.sessions):
            detail = "the folder of all sessions is not there; `eventlog restore-backup` brings back what a backup has"
            report.problems.append(Problem(session_id="", segment=layouts.SESSIONS, offset=0, length=0, kind="missing", detail=detail))
        report.problems += _in_the_wrong_place(layout)
    else:
        session_ids = list(session_ids)
        for session_id in session_ids:
            if not reader.exists(layout, session_id):
                raise SessionNotFound(session_id)
    for session_id in sorted(set(layout.session_ids()) if session_ids is None else session_ids):
        contents = _SessionCheck(layout, session_id, max_append_bytes, report, progress).run()
        digest.update(session_id.encode() + b"\n" + b"".join(contents))
        report.sessions += 1
        if progress is not None:
            progress(report)
    report.digest = digest.hexdigest()
    return report


def _in_the_wrong_place(layout: Layout) -> Iterator[Problem]:
    """Segments that stand in another shard than their name asks for: nothing ever reads them there."""
    for shard in layouts.SHARDS:
        folder = os.path.join(layout.sessions, shard)
        for entry in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
            name = layouts.parse_segment_name(entry)
            if name is not None and shard_of(name.session_id) != shard:
                detail = f"it stands in {shard}/, its name belongs in {shard_of(name.session_id)}/"
                size = os.stat(os.path.join(folder, entry)).st_size
                yield Problem(session_id=name.session_id, segment=f"{shard}/{entry}", offset=0, length=size, kind="foreign", detail=detail)


class _SessionCheck:
    """One session: its segments in order, each against what the one before it said."""

    def __init__(self, layout: Layout, session_id: str, max_append_bytes: int, report: Report, progress: Progress | None) -> None:
        self._layout = layout
        self._session_id = session_id
        self._max_append_bytes = max_append_bytes
        self._report = report
        self._progress = progress

    def run(self) -> list[bytes]:
        """Check them all; returns the digest of each segment's content, in order."""
        found: list[_SegmentCheck] = []
        while True:
            names = self._layout.segments(self._session_id)
            if found and not any(name.first_seq == found[-1].next_seq for name in names):
                found.clear()  # joined since they were listed: what was read does not go with what is there now
            try:
                self._check_all(names, found)
            except FileNotFoundError:
                continue  # compressed, or joined
            for segment in found:
                self._take(segment)
            return [content for segment in found for content in segment.contents]

    def _check_all(self, names: list[SegmentName], found: list[_SegmentCheck]) -> None:
        """Check them, except those that ``found`` or a joined segment before them covers."""
        for index, name in enumerate(names):
            before = found[-1] if found else None
            if before is None or name.first_seq >= before.reaches:
                found.append(self._check(name, before, last=index == len(names) - 1))
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
        self._name = name
        self._last = last
        self._has_end = False
        self._sound = True
        self._begin(wanted)

    def _begin(self, first_seq: int) -> None:
        self._sha = sha256()
        self._count = 0
        self._first_seq = self.next_seq = first_seq

    def read(self, layout: Layout, max_append_bytes: int) -> None:
        path = layout.path(self._name)
        self.size = os.stat(path).st_size
        wanted = self.next_seq
        try:
            for piece in scan.scan_file(path, self._name, max_append_bytes=max_append_bytes):
                if isinstance(piece, bytes):
                    self._sha.update(piece)
                    self._count += count_lines(piece)
                    self.next_seq = self.reaches = last_seq_in(piece) + 1
                elif isinstance(piece, Bad):
                    self._bad(piece)
                elif isinstance(piece.record, Opened):
                    if piece.offset == 0 and (foreign := reader.foreign_to(self._name, piece.record)):
                        self._problem("foreign", 0, self.size, foreign)
                        self._unread(wanted)
                        return
                    self._opened(piece, piece.record)
                elif isinstance(piece.record, Sealed):
                    self._sealed(piece, piece.record)
                else:
                    self._closed(piece, piece.record, path)
        except FileNotFoundError:
            raise  # replaced meanwhile
        except OSError as error:
            self._problem("damaged", 0, self.size, f"the operating system cannot read it: {error.strerror}")
            self._unread(wanted)
            return
        self.events += self._count
        if not self._has_end:
            self.ended = False
            self.contents.append(self._sha.digest())
            if not self._last:
                self._problem("missing", self.size, 0, NO_END)

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
            elif sealed.count != self._count or sealed.last_seq - self._first_seq + 1 - left_out != self._count:
                self._problem("damaged", 0, piece.offset, f"the footer counts {sealed.count} events, there are {self._count}")
        if sealed.was is not None:
            name = self._name
            reason = sealed.reason or "not stated"
            rewrite = Rewrite(session_id=name.session_id, segment=str(name), was=sealed.was, reason=reason, left_out=sealed.left_out)
            self.rewrites.append(rewrite)
        self.contents.append(self._sha.digest())
        self._end(sealed.next_seq, sealed.digest)

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
    digest = sha256()
    with open(path, "rb") as file:
        while size > 0 and (data := file.read(min(size, 1024 * 1024))):
            digest.update(data)
            size -= len(data)
    return digest.hexdigest()
