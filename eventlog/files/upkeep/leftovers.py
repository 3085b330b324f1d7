"""What crashes leave beside the segments: unfinished files, segments that another one covers or that a purge did not get to.

All of it is ignored by readers and writers, so it only takes space. A covered segment goes only where the one that covers it can be
read whole and says that it holds it.
"""

from __future__ import annotations

import fcntl
import os
import re
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ...errors import SessionLocked
from ...ids import shard as shard_of
from ...segments.segment import Closed, Opened, Sealed, is_purged
from .. import layout as layouts
from .. import recovery, scan
from ..layout import Layout, SegmentName
from ..opening import open_regular
from ..pieces import Bad, Own

if TYPE_CHECKING:
    from ..backend import FilesBackend

_OLD_S = 24 * 3600.0  # an unfinished file that is older is nobody's any more, whatever process has its number now
_UNFINISHED = re.compile(r"(?P<segment>.+\.jsonl(?:\.zst)?)(?:-[0-9]+)?\.(?P<pid>[0-9]{1,10})\.tmp")


def session_of(entry: str) -> str | None:
    """The session that a file among the segments belongs to, finished or not; None for a foreign one."""
    unfinished = _UNFINISHED.fullmatch(entry)
    name = layouts.parse_segment_name(unfinished["segment"] if unfinished else entry)
    return None if name is None else name.session_id


def entries_of(layout: Layout, session_id: str) -> list[str]:
    """The names of all files of a session in its folder."""
    return [entry for entry in layout.entries(shard_of(session_id)) if session_of(entry) == session_id]


def segments_of(layout: Layout, session_id: str) -> list[SegmentName]:
    """All segment files of a session, also those that are ignored."""
    return [name for entry in entries_of(layout, session_id) for name in layout.segments(session_id, [entry])]


def clear_up(backend: FilesBackend, session_id: str, *, everything: bool = False) -> int:
    """Remove what can go; returns how many files went. ``everything``: also the unfinished files of processes that are alive, which then
    have to begin again. Raises `SessionLocked` and `OSError`."""
    layout, folder = backend.layout, backend.layout.folder(session_id)
    removed = 0
    for entry in entries_of(layout, session_id):
        if entry.endswith(layouts.TEMPORARY) and (everything or _is_abandoned(os.path.join(folder, entry))):
            removed += _unlink(backend, os.path.join(folder, entry))
    if removed:
        backend.disk.sync_directory(folder)
    deadline = time.monotonic() + backend.settings.lock_timeout_s
    while _are_superseded(backend, session_id):
        if time.monotonic() > deadline:
            raise SessionLocked(session_id, backend.settings.lock_timeout_s)
        try:
            with backend.holding(session_id):
                backend.disk.sync_directory(folder)  # what covers them is to be there after a power loss
                for name in list(_superseded(layout, session_id, backend.settings.max_event_bytes)):
                    removed += _remove(backend, name)
        except FileNotFoundError:
            continue  # compressed since it was listed
    return removed


def _are_superseded(backend: FilesBackend, session_id: str) -> bool:
    """Whether there may be segments to remove: so too where one was compressed while we looked."""
    try:
        return next(_superseded(backend.layout, session_id, backend.settings.max_event_bytes), None) is not None
    except FileNotFoundError:
        return True


def _unlink(backend: FilesBackend, path: str) -> int:
    try:
        backend.disk.unlink(path)
    except FileNotFoundError:
        return 0  # its process has finished with it
    return 1


def _is_abandoned(path: str) -> bool:
    match = _UNFINISHED.fullmatch(os.path.basename(path))
    assert match is not None
    try:
        if time.time() - os.lstat(path).st_mtime > _OLD_S:
            return True
        os.kill(int(match["pid"]), 0)
    except (ProcessLookupError, FileNotFoundError, OverflowError):
        return True
    except PermissionError:
        pass  # somebody else's, and alive
    return False


def _superseded(layout: Layout, session_id: str, max_append_bytes: int) -> Iterator[SegmentName]:
    """The segments that are ignored because another file holds what they hold, or says that they are purged. Newest first."""
    names = layout.segments(session_id)
    by_first_seq = {name.first_seq: name for name in names}
    hidden = [each for each in segments_of(layout, session_id) if each not in names]
    covers = {each: by_first_seq[each.first_seq] for each in hidden if each.first_seq in by_first_seq}
    before: SegmentName | None = None
    next_seq = 0
    for name in names:
        if before is not None and name.first_seq < next_seq:
            covers[name] = before
        elif scan.last_record(layout.path(name), name) is not None:
            before, next_seq = name, recovery.end_of(layout, name).next_seq
    held: dict[SegmentName, set[str]] = {}
    for name, by in sorted(covers.items(), reverse=True):
        if by not in held:
            held[by] = _digests_in(layout, by, max_append_bytes)
        digest = recovery.end_of(layout, name).digest
        if digest is not None and digest in held[by]:
            yield name
    purged = next((name for name in reversed(names) if name.compressed and says_purged(layout, name)), None)
    if purged is not None:
        yield from (name for name in reversed(names) if name.first_seq < purged.first_seq and name not in covers)


def _digests_in(layout: Layout, name: SegmentName, max_append_bytes: int) -> set[str]:
    """The digests of the segments in a file that can be read whole; nothing where it cannot."""
    found: set[str] = set()
    for piece in scan.scan_file(layout.path(name), name, max_append_bytes=max_append_bytes):
        if isinstance(piece, Bad):
            return set()
        if isinstance(piece, Own) and isinstance(piece.record, Sealed | Closed):
            found.add(piece.record.digest)
    return found


def says_purged(layout: Layout, name: SegmentName) -> bool:
    """Whether a segment is what a purge left."""
    first = next(scan.scan_file(layout.path(name), name, max_append_bytes=scan.ANY_SIZE), None)
    return isinstance(first, Own) and isinstance(first.record, Opened) and name.first_seq > 1 and is_purged(first.record)


def _remove(backend: FilesBackend, name: SegmentName) -> bool:
    """Remove a segment, durably before the next one goes: of what is left, none may seem to be missing in the middle."""
    path = backend.layout.path(name)
    fd = open_regular(path)
    try:
        if not name.compressed and not name.unnumbered:  # else the session's lock is its own
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)  # a compression may be about to replace it
        backend.disk.unlink(path)
        backend.disk.sync_directory(os.path.dirname(path))
    except BlockingIOError:
        time.sleep(0.005)
        return False
    finally:
        os.close(fd)
    return True
