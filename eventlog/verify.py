"""Reads every byte of a store and gives one verdict per problem. Writes nothing; memory is bounded by a chunk.

Beyond what a reader notices it checks what only the whole shows: that a footer counts and digests what stands before it, that the
seqs go on from line to line and from segment to segment, and that each header names the digest of the segment before
it. A finding at the end of an active segment is looked at again, as a writer may just have been there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256

from . import line as lines
from . import reader, scan
from .backend import Problem, ProblemKind, Report, Rewrite
from .errors import SessionNotFound
from .layout import Layout, SegmentName
from .scan import Bad
from .segment import Closed, Opened, Sealed

Progress = Callable[[Report], None]


def verify(
    layout: Layout, session_ids: Iterable[str] | None, max_append_bytes: int, progress: Progress | None = None
) -> Report:
    """Check the given sessions, or all. Raises `SessionNotFound` for one that is not there."""
    report = Report()
    if session_ids is not None:
        session_ids = list(session_ids)
        for session_id in session_ids:
            if not reader.exists(layout, session_id):
                raise SessionNotFound(session_id)
    for session_id in layout.session_ids() if session_ids is None else session_ids:
        _SessionCheck(layout, session_id, max_append_bytes, report).run()
        report.sessions += 1
        if progress is not None:
            progress(report)
    return report


class _SessionCheck:
    """One session: its segments in order, each against what the one before it said."""

    def __init__(self, layout: Layout, session_id: str, max_append_bytes: int, report: Report) -> None:
        self._layout = layout
        self._session_id = session_id
        self._max_append_bytes = max_append_bytes
        self._report = report
        self._next_seq = 1
        self._digest: str | None = None

    def run(self) -> None:
        names = self._layout.segments(self._session_id)
        for index, name in enumerate(names):
            if name.first_seq < self._next_seq:
                continue  # a joined segment before it covers it
            try:
                problems = self._check(name, last=index == len(names) - 1)
            except FileNotFoundError:  # compressed or joined meanwhile: once more from the present names
                self._next_seq, self._digest = 1, None
                return self.run()
            self._report.problems += problems
        return None

    def _check(self, name: SegmentName, *, last: bool) -> list[Problem]:
        segment = _SegmentCheck(name, self._next_seq, self._digest, last=last)
        segment.read(self._layout, self._max_append_bytes)
        if last and segment.problems:
            again = _SegmentCheck(name, self._next_seq, self._digest, last=last)
            again.read(self._layout, self._max_append_bytes)
            segment = again
        report = self._report
        report.segments += 1
        report.events += segment.events
        report.bytes += segment.size
        report.rewrites += segment.rewrites
        self._next_seq, self._digest = segment.next_seq, segment.digest
        return segment.problems


class _SegmentCheck:
    def __init__(self, name: SegmentName, wanted: int, previous: str | None, *, last: bool) -> None:
        self.problems: list[Problem] = []
        self.rewrites: list[Rewrite] = []
        self.events = 0
        self.size = 0
        self.next_seq = wanted
        self.digest: str | None = None
        self._name = name
        self._wanted = wanted
        self._previous = previous
        self._last = last
        self._sha = sha256()
        self._count = 0
        self._left_out = 0
        self._ended = False

    def read(self, layout: Layout, max_append_bytes: int) -> None:
        path = layout.path(self._name)
        for piece in scan.scan_file(path, self._name, max_append_bytes=max_append_bytes):
            if isinstance(piece, bytes):
                self._events(piece)
            elif isinstance(piece, Bad):
                kind: ProblemKind = "torn_tail" if piece.kind == "torn_tail" else "damaged"
                self._problem(kind, piece.offset, piece.length, piece.detail)
                self.next_seq += piece.lines
            elif isinstance(piece, Opened):
                self._opened(piece)
            else:
                self._end(piece)
        if not self._ended and not self._last:
            detail = "the segment has no footer, but another segment follows: its end is not in the store"
            self._problem("missing", self.size, 0, detail)

    def _events(self, chunk: bytes) -> None:
        self._count += chunk.count(b"\n")
        self.next_seq = scan.last_seq_in(chunk) + 1

    def _opened(self, opened: Opened) -> None:
        foreign = reader.foreign_to(self._name, opened)
        if foreign:
            self._problem("foreign", 0, 0, foreign)
            return
        first = opened.first_seq
        if first > self._wanted and not reader.covers(opened.lost, self._wanted, first - 1):
            self._problem("missing", 0, 0, f"events {self._wanted} to {first - 1} should stand before this segment")
        elif opened.previous != self._previous and self._previous is not None:
            self._problem("damaged", 0, 0, f"the segment before it has the digest {self._previous}, the header says {opened.previous}")
        self.next_seq = first

    def _end(self, record: Sealed | Closed) -> None:
        self._ended = True

    def _problem(self, kind: ProblemKind, offset: int, length: int, detail: str) -> None:
        self.problems.append(
            Problem(
                session_id=self._name.session_id, segment=str(self._name), offset=offset, length=length, kind=kind, detail=detail
            )
        )
