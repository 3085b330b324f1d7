"""Takes content out of every file of the store: a redaction out of the segments that hold it, a purge a whole session.

Both are announced by an event first. Then the segments are replaced, and what else may hold the content goes: unfinished files,
segments that a crash had left, what was set aside of the session in ``quarantine/``, everything in ``projections/`` (which is made anew
from the log when it is asked for). ``changes/`` holds ids and positions only. After a crash the same call goes on where it was.
"""

from __future__ import annotations

import errno
import os
import re
import time
from bisect import bisect_left
from hashlib import sha256
from typing import TYPE_CHECKING

import msgspec

from ... import line as lines
from ... import stored, timestamps
from ...backend import Redaction
from ...errors import InvalidInput, NotStored, SessionLocked
from ...events import EventRedacted, SessionDeleted, SessionRestored
from ...line import Envelope, seq_of
from ...reports import PurgeReport, RedactionReport
from ...segments.segment import FORMAT, Opened, Sealed, encode_own
from .. import compressed, reader, recovery, replacing, scan
from ..disk import Disk
from ..layout import Layout, SegmentName, last_name
from ..opening import is_regular, open_regular
from ..pieces import Bad
from ..reader import LastLine
from ..replacing import Finished, Replacing, finished
from . import leftovers
from .rewriting import Rewriting

if TYPE_CHECKING:
    from ..backend import FilesBackend, FileStream

PURGED = "purged"
_ATTEMPTS = 5
# A torn tail (its segment, offset, digest) or a copy of a whole segment file, also unfinished.
_QUARANTINED = re.compile(
    r"(?P<id>[^+]+?)(?:\+[0-9]+)?\.jsonl(?P<compressed>\.zst)?(?:\.[0-9]+)?\.[0-9a-f]{16}\.[a-z]+(?:\.[0-9]+\.tmp)?",
)


# --- redaction -----------------------------------------------------------------------------------------------------------------


class _Found(msgspec.Struct):
    """Where the content is: events, damaged bytes (by the first seq of their segment), files in quarantine; up to where was looked."""

    seqs: list[int] = []
    damaged: set[int] = set()
    quarantined: list[str] = []
    position: int = 0
    last_type: str = ""
    redacted_before: bool = False

    @property
    def anything(self) -> bool:
        return bool(self.seqs or self.damaged or self.quarantined)


def redact(backend: FilesBackend, session_id: str, redaction: Redaction, *, reason: str | None, dry_run: bool) -> RedactionReport:
    """See `EventLog.redact`."""
    report = RedactionReport(session_id=session_id)
    if redaction.found_in(redaction.what) or (reason is not None and redaction.found_in(reason)):
        raise InvalidInput("the reason holds what is to be removed, and it will stay; give one without it")
    found = _look(backend, session_id, redaction, 0)
    found.damaged |= _damaged_around(backend, session_id, redaction, found)
    swept = found.redacted_before and not dry_run  # an earlier call may not have come to the end of it
    while found.anything:
        report.seqs += found.seqs
        if dry_run:
            report.quarantine = len(found.quarantined)
            return report
        swept = True
        report.announced_seq = _announce(backend, session_id, found, redaction.what, reason)
        _rewrite(backend, session_id, redaction, found, report)
        report.quarantine += _empty_quarantine(backend, session_id)
        found = _look(backend, session_id, redaction, found.position)  # what came in before the segment was sealed
    if swept:
        leftovers.clear_up(backend, session_id, everything=True)
        _empty_quarantine(backend, session_id)
        empty_projections(backend.disk, backend.layout)
    return report


def _look(backend: FilesBackend, session_id: str, redaction: Redaction, after: int) -> _Found:
    """Find what is meant, in the events behind ``after`` and in everything that is not an event.

    Where a segment was replaced since it was listed, it goes on from where it was: a fast writer has segments compressed all the time."""
    found = _Found()
    attempts = 0
    while attempts < _ATTEMPTS:
        reached = found.position
        try:
            found.quarantined = [path for path in _quarantined(backend.layout, session_id) if _is_held_by(path, redaction)]
            for name in backend.layout.all_segments(session_id):
                _look_into(backend, name, redaction, max(after, reached), found)
        except FileNotFoundError:
            attempts = 0 if found.position > reached else attempts + 1
            continue
        found.seqs = sorted({*found.seqs, *redaction.found_across()})
        return found
    raise SessionLocked(session_id, 0)


def _look_into(backend: FilesBackend, name: SegmentName, redaction: Redaction, after: int, found: _Found) -> None:
    path = backend.layout.path(name)
    for piece in scan.scan_file(path, name, after=after, max_append_bytes=backend.settings.max_event_bytes):
        if isinstance(piece, bytes):
            last_seq = seq_of(piece, piece.rfind(b"\n", 0, -1) + 1)
            if last_seq <= max(found.position, after):
                continue  # of a segment that another one covers
            last = stored.position.decode(piece[piece.rfind(b"\n", 0, -1) + 1 :])
            found.redacted_before |= EventRedacted.type.encode() in piece
            redaction.observe(piece)
            if redaction.touches(piece):
                text = (line + b"\n" for line in piece.split(b"\n")[:-1])
                found.seqs += [seq_of(line) for line in text if seq_of(line) > max(found.position, after) and redaction.matches(line)]
            found.position, found.last_type = last.seq, last.type
        elif isinstance(piece, Bad) and not name.compressed and redaction.found_in_bytes(_content(path, piece.offset, piece.length)):
            found.damaged.add(name.first_seq)


def _announce(backend: FilesBackend, session_id: str, found: _Found, what: str, reason: str | None) -> int:
    """Append the event and end the segment that it stands in, so that everything that is meant stands in finished segments."""
    event = EventRedacted(seqs=found.seqs, what=what, reason=reason)
    envelopes = [Envelope(0, timestamps.now(), event.type, event)]
    with backend.holding(session_id) as stream:
        if found.last_type == SessionDeleted.type:
            envelopes = around_tombstone(backend, stream, envelopes)
        seq = stream.append(envelopes, expected=None, key=None, sync="always")
        if not stream.seal():
            raise NotStored(session_id, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    return seq


def _rewrite(backend: FilesBackend, session_id: str, redaction: Redaction, found: _Found, report: RedactionReport) -> None:
    limit = backend.settings.max_event_bytes
    done: set[int] = set()
    attempts = 0
    while attempts < _ATTEMPTS:
        reached = len(done)
        try:
            for each in finished(backend.layout, session_id):
                if each.name.first_seq in done or not _is_meant(each, found):
                    continue
                rewriting = Rewriting(redaction, limit)
                with Replacing(backend.disk, backend.layout, [each.name], backend.settings) as work:
                    pieces = scan.scan_file(backend.layout.path(each.name), each.name, max_append_bytes=limit)
                    if not (work.write(rewriting.lines(pieces), keep_time=False) and replacing.put_in_place(backend, work)):
                        raise FileNotFoundError(each.name)
                report.damaged_bytes += rewriting.damaged_bytes
                report.segments += 1
                done.add(each.name.first_seq)
        except FileNotFoundError:
            attempts = 0 if len(done) > reached else attempts + 1
            continue
        return
    raise SessionLocked(session_id, 0)


def _is_meant(segment: Finished, found: _Found) -> bool:
    index = bisect_left(found.seqs, segment.name.first_seq)
    return segment.name.first_seq in found.damaged or (index < len(found.seqs) and found.seqs[index] < segment.next_seq)


def _damaged_around(backend: FilesBackend, session_id: str, redaction: Redaction, found: _Found) -> set[int]:
    """The segments whose damaged bytes are what is left of the events that are meant. Raises `InvalidInput` where there never was one."""
    missing = redaction.without(found.seqs)
    segments = finished(backend.layout, session_id) if missing else []
    damaged: set[int] = set()
    for seq in missing:
        home = next((each for each in segments if each.name.first_seq <= seq < each.next_seq), None)
        if home is None or not _has_damage(backend, home.name):
            raise InvalidInput(f"there is no event {seq} in session {session_id!r}; `eventlog cat {session_id}` shows what there is")
        damaged.add(home.name.first_seq)
    return damaged


def _has_damage(backend: FilesBackend, name: SegmentName) -> bool:
    pieces = scan.scan_file(backend.layout.path(name), name, max_append_bytes=backend.settings.max_event_bytes)
    return any(isinstance(piece, Bad) for piece in pieces)


def around_tombstone(backend: FilesBackend, stream: FileStream, envelopes: list[Envelope]) -> list[Envelope]:
    """An append to a deleted session that stays deleted: brought back, told, deleted as it was, all or none."""
    tombstone = reader.last_line(backend.layout, stream.session_id, backend.settings.max_event_bytes)
    assert tombstone is not None
    restored = SessionRestored()
    again = Envelope(0, tombstone.time, tombstone.type, tombstone.data)
    whole = [Envelope(0, timestamps.now(), restored.type, restored), *envelopes, again]
    for envelope in whole[:-1]:
        envelope.more = True
    return whole


# --- purging -------------------------------------------------------------------------------------------------------------------


def purge(backend: FilesBackend, session_id: str, *, reason: str | None) -> PurgeReport:
    """Leave nothing of the session but a tombstone. See `EventLog.purge`, which has looked whether that may be.

    One segment stays: its header says that nothing before it is left. The tombstone gets a position of its own, so that whoever keeps a
    projection notices."""
    deadline = time.monotonic() + backend.settings.lock_timeout_s
    tombstone: LastLine | None = None
    report: PurgeReport | None = None
    while report is None:
        if time.monotonic() > deadline:
            raise SessionLocked(session_id, backend.settings.lock_timeout_s)
        with backend.holding(session_id) as stream:
            last = reader.last_line(backend.layout, session_id, backend.settings.max_event_bytes)
            if tombstone is None or last is None or last.seq != tombstone.seq:
                if not is_purged(backend, session_id):
                    _entomb(backend, stream, reason)
                tombstone = reader.last_line(backend.layout, session_id, backend.settings.max_event_bytes)
                assert tombstone is not None
            report = _replace_all(backend, tombstone)
    leftovers.clear_up(backend, session_id, everything=True)
    _empty_quarantine(backend, session_id)
    empty_projections(backend.disk, backend.layout)
    return report


def is_purged(backend: FilesBackend, session_id: str) -> bool:
    """Whether nothing but a tombstone is left, and nothing was written since."""
    names = [name for name in backend.layout.segments(session_id) if name.compressed]
    if not names or not leftovers.says_purged(backend.layout, names[-1]):
        return False
    last = reader.last_line(backend.layout, session_id, backend.settings.max_event_bytes)
    return last is not None and last.seq == names[-1].first_seq


def _entomb(backend: FilesBackend, stream: FileStream, reason: str | None) -> None:
    """Append a tombstone and seal: it is the last event then."""
    event = SessionDeleted(reason=reason)
    envelopes = [Envelope(0, timestamps.now(), event.type, event)]
    last = reader.last_line(backend.layout, stream.session_id, backend.settings.max_event_bytes)
    if last is not None and last.type == event.type:
        envelopes = around_tombstone(backend, stream, [])
    stream.append(envelopes, expected=None, key=None, sync="always")
    if not stream.seal():
        raise NotStored(stream.session_id, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))


def _replace_all(backend: FilesBackend, tombstone: LastLine) -> PurgeReport | None:
    """Put the one segment in the place of all; None where a compression is about to do so with one of them."""
    layout, session_id = backend.layout, tombstone.session_id
    target = last_name(session_id, tombstone.seq, compressed=True)
    names = sorted(name for name in leftovers.segments_of(layout, session_id) if name.first_seq <= tombstone.seq)
    folder = layout.folder(session_id)
    freed = sum(os.lstat(os.path.join(folder, str(name))).st_size for name in names)
    if names == [target]:
        return PurgeReport(session_id=session_id, seq=tombstone.seq, files=0, freed_bytes=0)
    with Replacing(backend.disk, layout, names, backend.settings, target) as work:
        work.even_hidden = True
        digest = recovery.end_of(layout, names[-1]).digest
        if not (work.lock(wait=False) and work.write([_tomb(tombstone, digest)], keep_time=False) and work.put_in_place()):
            return None
    left = os.lstat(layout.path(target)).st_size
    return PurgeReport(session_id=session_id, seq=tombstone.seq, files=len(names), freed_bytes=freed - left)


def _tomb(tombstone: LastLine, digest: str | None) -> bytes:
    """The lines of the segment that stays."""
    lost = (1, tombstone.seq - 1) if tombstone.seq > 1 else None
    opened = Opened(format=FORMAT, min_reader=FORMAT, session_id=tombstone.session_id, first_seq=tombstone.seq, lost=lost)
    header, running = encode_own(opened, 0)
    line, running = lines.encode(Envelope(tombstone.seq, tombstone.time, tombstone.type, tombstone.data), running)
    sealed = Sealed(count=1, last_seq=tombstone.seq, sha256=sha256(header + line).hexdigest(), was=digest, reason=PURGED)
    return header + line + encode_own(sealed, running)[0]


# --- what is not a segment -----------------------------------------------------------------------------------------------------


def _quarantined(layout: Layout, session_id: str) -> list[str]:
    """What was set aside of the session: torn tails, copies of damaged segments, unfinished ones too."""
    try:
        entries = os.listdir(layout.quarantine)
    except FileNotFoundError:
        return []
    matches = [match for match in map(_QUARANTINED.fullmatch, sorted(entries)) if match is not None]
    return [os.path.join(layout.quarantine, match[0]) for match in matches if match["id"] == session_id]


def _is_held_by(path: str, redaction: Redaction) -> bool:
    if not is_regular(path):
        return False  # a FIFO that was set aside holds nothing, and would be waited for
    match = _QUARANTINED.fullmatch(os.path.basename(path))
    if match is None or match["compressed"] is None:
        return redaction.found_in_bytes(_content(path))
    return any(redaction.found_in_bytes(text) for text in compressed.whatever_holds(path))


def _empty_quarantine(backend: FilesBackend, session_id: str) -> int:
    paths = _quarantined(backend.layout, session_id)
    for path in paths:
        backend.disk.unlink(path)
    if paths:
        backend.disk.sync_directory(backend.layout.quarantine)
    return len(paths)


def empty_projections(disk: Disk, layout: Layout) -> None:
    """Remove everything that was derived. Empty files stay: they are locks. What stands beside a database goes before it does, so that
    nobody takes it for another one's."""
    for folder, _, entries in os.walk(layout.projections):
        removed = False
        for entry in sorted(entries, key=lambda entry: not entry.endswith(("-wal", "-shm", "-journal"))):
            path = os.path.join(folder, entry)
            try:
                if os.lstat(path).st_size > 0:
                    disk.unlink(path)
                    removed = True
            except FileNotFoundError:
                continue  # its program has finished with it
        if removed:
            disk.sync_directory(folder)


def _content(path: str, offset: int = 0, size: int = -1) -> bytes:
    with os.fdopen(open_regular(path), "rb") as file:
        file.seek(offset)
        return file.read(size)
