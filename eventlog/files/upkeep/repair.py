"""What can be made whole again after damage: a plan first, then what the plan says and nothing else.

Every byte that is taken out of its place is in ``quarantine/`` before, durably. A damaged segment is written again with every event that
can be proven, and its footer says which seqs are not there; the header after a segment that has gone says which seqs went with it.
So afterwards nothing is unexplained: verify is clean, lists the rewrites, and what is lost for ever stands in them.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from ...errors import EventLogError
from ...line import TAIL_SIZE
from ...reports import Action, NotRepaired, Problem, Progress, RepairKind, RepairReport
from ...segments.segment import FORMAT, Closed, Opened, encode_own
from .. import opening, reader, recovery, replacing, scan
from ..disk import make_folder
from ..layout import NOT_YET, SegmentName
from ..pieces import Bad, Own, Piece
from ..recovery import Ended
from ..replacing import Replacing
from ..verify import NO_END, TOO_NEW, verify
from .rewriting import Rewriting

if TYPE_CHECKING:
    from ..backend import FilesBackend


_WORDS: dict[RepairKind, str] = {
    "set_aside": "the torn bytes are copied to quarantine/ and cut off, as the next append would do",
    "write_again": "the file is copied to quarantine/, then written again with every event that can be proven",
    "take_out": "it is moved to quarantine/: it is not this session's, or no file",
    "record_the_gap": "the segment is written again with a header that names the events which are lost before it",
}


class _Nothing:
    """A change that changes nothing: what cannot be carried over goes all the same."""

    reason = "repaired"

    def touches(self, chunk: bytes) -> bool:
        return False

    def apply(self, line: bytes) -> bytes | None:
        return line[:-TAIL_SIZE]


def repair(backend: FilesBackend, session_ids: Iterable[str] | None, *, apply: bool, progress: Progress | None = None) -> RepairReport:
    """See `EventLog.repair`."""
    limit = backend.settings.max_event_bytes
    chosen = None if session_ids is None else list(session_ids)
    found = verify(backend.layout, chosen, limit, progress)
    report = RepairReport(applied=apply, actions=list(_plan(found.problems)))
    if apply:
        by_session: dict[str, list[Action]] = {}
        for action in report.actions:
            by_session.setdefault(action.session_id, []).append(action)
        for session_id, actions in by_session.items():
            try:
                _repair_session(backend, session_id, actions)
            except (EventLogError, OSError) as error:  # one that cannot be mended keeps no other from it
                report.failed.append(NotRepaired(session_id=session_id, reason=str(error)))
        report.verify = verify(backend.layout, chosen, limit, progress)
    return report


def _plan(problems: Iterable[Problem]) -> Iterator[Action]:
    """Each file once for each kind of action."""
    seen: set[tuple[str, str, RepairKind]] = set()
    for problem in problems:
        if not problem.session_id:
            continue  # nothing is there that could be mended
        kind: RepairKind
        if problem.kind == "torn_tail":
            kind = "set_aside"
        elif problem.kind == "foreign":
            if problem.detail.startswith(TOO_NEW):
                continue  # a later version has to mend it
            kind = "take_out"
        else:
            kind = "record_the_gap" if problem.kind == "missing" and problem.detail != NO_END else "write_again"
        if (problem.session_id, problem.segment, kind) not in seen:
            seen.add((problem.session_id, problem.segment, kind))
            yield Action(session_id=problem.session_id, segment=problem.segment, action=kind, detail=_WORDS[kind], problem=problem.detail)


def _repair_session(backend: FilesBackend, session_id: str, actions: list[Action]) -> None:
    for action in actions:
        if action.action == "take_out":
            _take_out(backend, action)
    names = backend.layout.segments(session_id)
    if not names:
        return
    again = [_first_seq(names, action) for action in actions if action.action == "write_again"]
    with backend.holding(session_id) as stream:  # taking the lock sets a torn tail aside and leaves a segment whose end is damaged
        if any(action.action != "set_aside" for action in actions):
            stream.seal()  # so that every segment that may have to be written again has ended
    for name in backend.layout.segments(session_id):
        _write_again(backend, session_id, name.first_seq, wanted=name.first_seq in again)


def _first_seq(names: list[SegmentName], action: Action) -> int | None:
    segment = os.path.basename(action.segment)
    return next((name.first_seq for name in names if str(name) == segment), None)


def _take_out(backend: FilesBackend, action: Action) -> None:
    """Move what does not belong where it stands; the segment's name may name its shard, where that is the wrong one."""
    layout = backend.layout
    within = os.path.dirname(action.segment)
    folder = os.path.join(layout.sessions, within) if within else layout.folder(action.session_id)
    path = os.path.join(folder, os.path.basename(action.segment))
    if opening.is_regular(path):
        _keep(backend, path, "foreign")
        backend.disk.unlink(path)
    else:  # a link, a FIFO, a folder has no bytes to copy: it is itself what is kept
        if not os.path.isdir(layout.quarantine):
            make_folder(backend.disk, layout.quarantine)
        backend.disk.rename(path, os.path.join(layout.quarantine, f"{os.path.basename(path)}.{uuid.uuid4().hex[:16]}.foreign"))
    backend.disk.sync_directory(folder)


def _keep(backend: FilesBackend, path: str, why: str) -> None:
    """Copy a file to ``quarantine/``, durably. Doing it again makes the same copy."""
    fd = opening.open_regular(path)
    try:
        recovery.keep(backend.disk, backend.layout, os.path.basename(path), fd, 0, os.fstat(fd).st_size, why)
    finally:
        os.close(fd)


class _Place(NamedTuple):
    """A segment among its neighbours: how it has to begin and to end, so that nothing is unexplained."""

    name: SegmentName
    header: Opened | None  # the one that it needs in place of what it has
    end: Closed | None  # the end that it needs, as it has none


def _place(backend: FilesBackend, session_id: str, first_seq: int) -> _Place | None:
    """None where there is no such segment (any more), or where it is the active one."""
    layout = backend.layout
    names = layout.segments(session_id)
    index = next((index for index, name in enumerate(names) if name.first_seq == first_seq), None)
    if index is None:
        return None
    name, end = names[index], None
    last = scan.last_record(layout.path(name), name)
    if last is None or isinstance(last.record, Opened):
        if index + 1 < len(names) and names[index + 1].first_seq != NOT_YET:
            next_seq = names[index + 1].first_seq
        elif name.compressed:
            next_seq = recovery.end_of(layout, name).next_seq
        else:
            return None
        end = Closed(reason="damaged", last_seq=next_seq - 1, next_seq=next_seq, sha256="")
    return _Place(name, _header_needed(backend, names[index - 1] if index else None, name), end)


def _header_needed(backend: FilesBackend, before: SegmentName | None, name: SegmentName) -> Opened | None:
    """The header with which the segment goes on from the one before it; None where it has that."""
    first_seq = name.first_seq if name.first_seq != NOT_YET else recovery.first_seq(backend.layout, name)
    next_seq, digest = 1, None
    if before is not None:
        ended = recovery.end_of(backend.layout, before)
        next_seq, digest = ended.next_seq, ended.digest
    gap = (next_seq, first_seq - 1) if first_seq > next_seq else None
    pieces = scan.scan_file(backend.layout.path(name), name, max_append_bytes=backend.settings.max_event_bytes)
    first = next(iter(pieces), None)
    opened = first.record if isinstance(first, Own) and isinstance(first.record, Opened) else None
    if opened is not None and opened.previous == digest and (gap is None or reader.covers(opened.lost, *gap)):
        return None
    lost = gap or (opened.lost if opened is not None else None)
    return Opened(format=FORMAT, min_reader=FORMAT, session_id=name.session_id, first_seq=first_seq, previous=digest, lost=lost)


def _write_again(backend: FilesBackend, session_id: str, first_seq: int, *, wanted: bool) -> None:
    """Write a segment again if it is ``wanted``, or if it does not go on from the one before it, or has no end."""
    limit = backend.settings.max_event_bytes
    for _ in replacing.attempts(session_id, backend.settings):
        try:
            place = _place(backend, session_id, first_seq)
            if place is None or not (wanted or place.header or place.end):
                return
            path = backend.layout.path(place.name)
            _keep(backend, path, "damaged")
            with Replacing(backend.disk, backend.layout, [place.name], backend.settings) as work:
                pieces = _mended(scan.scan_file(path, place.name, max_append_bytes=limit), place)
                lines = Rewriting(_Nothing(), limit, afresh=True).lines(pieces)
                if work.write(lines, keep_time=False) and replacing.put_in_place(backend, work):
                    return
        except FileNotFoundError:
            continue  # replaced since it was listed


def _mended(pieces: Iterable[Piece], place: _Place) -> Iterator[Piece]:
    """The pieces with the headers and the ends that they need; without what is harmless (a damaged table is made anew anyway).

    Of joined segments, one may have lost its header or its end, or be gone altogether: what the next one says of it takes their place."""
    ended: Ended | None = None
    is_open = False
    if place.header is not None:
        yield _own(place.header)
        is_open = True
    for index, piece in enumerate(pieces):
        if isinstance(piece, Bad):
            if not piece.harmless:
                yield piece
        elif isinstance(piece, Own) and isinstance(piece.record, Opened):
            if index == 0 and place.header is not None:
                continue
            if index > 0:
                yield from _between(ended, is_open, piece.record, place.name)
            yield piece
            is_open = True
        else:
            if ended is not None and not is_open:
                yield _after(ended, place.name)
            yield piece
            is_open = isinstance(piece, bytes)
            if isinstance(piece, Own) and not isinstance(piece.record, Opened):
                ended = Ended(piece.record.next_seq, piece.record.digest)
    if place.end is not None:
        yield Own(place.end, b"", 0)


def _between(ended: Ended | None, is_open: bool, opened: Opened, name: SegmentName) -> Iterator[Own]:
    """What is missing in a joined file before the segment that ``opened`` begins, so that it goes on from what stands before."""
    first_seq = opened.first_seq
    if not is_open:
        if ended is None or ended.next_seq >= first_seq or reader.covers(opened.lost, ended.next_seq, first_seq - 1):
            return
        yield _after(ended, name)
    yield Own(Closed(reason="damaged", last_seq=first_seq - 1, next_seq=first_seq, sha256=opened.previous or ""), b"", 0)


def _after(ended: Ended, name: SegmentName) -> Own:
    """The header of the segment after one that ended so."""
    return _own(Opened(format=FORMAT, min_reader=FORMAT, session_id=name.session_id, first_seq=ended.next_seq, previous=ended.digest))


def _own(header: Opened) -> Own:
    return Own(header, encode_own(header, 0)[0], 0)
