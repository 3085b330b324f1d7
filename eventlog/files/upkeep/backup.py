"""A copy of a store in another folder, brought up to date by copying what it does not have yet; and the way back.

The copy is a store itself: it can be listed, read and verified with ``--store``. Each session in it is the session as it was at one
moment, whatever writers and compactions do meanwhile. A copy never loses what it has because the store has lost it: a session that has
gone stays, and neither a shorter one nor damaged bytes replace what is whole. But what was redacted, dropped or purged on
purpose goes from the copy as well, the next time that it is brought up to date.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ...errors import InvalidInput, SessionNotFound
from ...reports import BackupReport, Kept
from ...settings import Settings
from .. import reader, scan
from ..backend import FilesBackend
from ..disk import Disk, copy_file
from ..layout import Layout, SegmentName
from ..opening import is_regular, open_regular
from ..pieces import Bad
from ..store import make_same, open_store
from ..verify import verify
from . import leftovers, snapshot
from .incoming import Incoming
from .snapshot import OpenFile

_COMPARED = 64 * 1024


def backup(backend: FilesBackend, target: Path) -> BackupReport:
    """See `EventLog.backup`."""
    _check_apart(Path(backend.layout.root), target)
    layout = make_same(target, backend.disk, backend.store)
    report = BackupReport()
    changed: list[str] = []
    with _alone(layout):
        for session_id in backend.session_ids():
            report.sessions += 1
            if _back_up(backend, session_id, layout, report):
                changed.append(session_id)
        _mirror_quarantine(backend, layout)
        report.changed = len(changed)
        report.problems = verify(layout, changed, backend.settings.max_event_bytes).problems
    return report


def restore_backup(source: Path, settings: Settings, disk: Disk | None = None, session_ids: Iterable[str] | None = None) -> BackupReport:
    """See `EventLog.restore_backup`."""
    disk = disk or Disk()
    _check_apart(source, settings.store)
    layout, store = open_store(source, disk, create=False)
    make_same(settings.store, disk, store)
    backend = FilesBackend.open(settings, create=False, disk=disk)
    report = BackupReport()
    try:
        restored: list[str] = []
        for session_id in _chosen(layout, session_ids):
            report.sessions += 1
            if _restore(backend, session_id, layout, report):
                restored.append(session_id)
        report.changed = len(restored)
        report.problems = verify(backend.layout, restored, settings.max_event_bytes).problems
    finally:
        backend.close()
    return report


def _chosen(layout: Layout, session_ids: Iterable[str] | None) -> Iterator[str]:
    if session_ids is None:
        yield from layout.session_ids()
        return
    for session_id in session_ids:
        if not reader.exists(layout, session_id):
            raise SessionNotFound(session_id)
        yield session_id


def _check_apart(store: Path, other: Path) -> None:
    one, two = os.path.realpath(store), os.path.realpath(other)
    if os.path.commonpath([one, two]) in (one, two):
        raise InvalidInput(f"{other} and the store {store} lie within each other; name a folder outside")


@contextmanager
def _alone(layout: Layout) -> Iterator[None]:
    """One backup at a time into a folder."""
    fd = os.open(layout.store_file, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise InvalidInput(f"another backup into {layout.root} is running; wait for it, or name another folder") from None
    finally:
        os.close(fd)


# --- into the backup -----------------------------------------------------------------------------------------------------------


def _back_up(backend: FilesBackend, session_id: str, layout: Layout, report: BackupReport) -> bool:
    """Bring one session of the backup up to date; returns whether anything was done."""
    there, here = reader.last_seq(layout, session_id), reader.last_seq(backend.layout, session_id)
    if there > here:
        reason = f"the backup has {there} events, the store only {here}; `eventlog restore-backup` brings back what the store has lost"
        report.kept.append(Kept(session_id=session_id, reason=reason))
        return False
    changed = False
    limit = backend.settings.max_event_bytes
    with snapshot.opened(backend.layout, session_id) as files, Incoming(layout.root, backend.disk) as incoming:
        for file in files:
            if _has(layout, file):
                continue
            incoming.add(file.name, file.content())
            is_there = there >= file.name.first_seq or os.path.exists(layout.path(file.name))
            if is_there and not _is_sound(incoming, file.name, limit) and _has_whole(layout, file.name, limit):
                report.kept.append(Kept(session_id=session_id, reason=f"{file.name} is damaged in the store; the backup keeps its own"))
                return changed
            incoming.place(file.name)
            report.files += 1
            report.bytes += file.size
            changed = True
        removed = _remove_others(backend, layout, session_id, {file.name for file in files})
        report.removed += removed
    return changed or removed > 0


def _has(layout: Layout, file: OpenFile) -> bool:
    """Whether the backup has the file: as large, with the same last bytes. A segment that was written again has another footer."""
    try:
        fd = open_regular(layout.path(file.name))
    except FileNotFoundError:
        return False
    try:
        start = max(0, file.size - _COMPARED)
        same_end = os.pread(fd, _COMPARED, start) == os.pread(file.fd, file.size - start, start)
        return os.fstat(fd).st_size == file.size and same_end
    finally:
        os.close(fd)


def _is_sound(layout: Layout, name: SegmentName, max_append_bytes: int) -> bool:
    return not any(isinstance(piece, Bad) for piece in scan.scan_file(layout.path(name), name, max_append_bytes=max_append_bytes))


def _has_whole(layout: Layout, name: SegmentName, max_append_bytes: int) -> bool:
    """Whether the backup has everything from where the segment begins, whole, whatever the names of its files: the store may have
    compressed and joined them since."""
    names = reader.standing(layout, name.session_id)
    before = [other for other in names if other.first_seq <= name.first_seq]
    return bool(before) and all(_is_sound(layout, other, max_append_bytes) for other in names[len(before) - 1 :])


def _remove_others(backend: FilesBackend, layout: Layout, session_id: str, names: set[SegmentName]) -> int:
    """Remove what the store has replaced, the newest first, each durably before the next."""
    others = sorted(set(leftovers.segments_of(layout, session_id)) - names, reverse=True) if names else []
    for name in others:
        backend.disk.unlink(layout.path(name))
        backend.disk.sync_directory(layout.folder(session_id))
    return len(others)


def _mirror_quarantine(backend: FilesBackend, layout: Layout) -> None:
    """The same files as in the store's quarantine: their names tell their content."""
    here, there = _listed(backend.layout.quarantine), _listed(layout.quarantine)
    for name in sorted(here - there):
        fd = open_regular(os.path.join(backend.layout.quarantine, name))
        try:
            copy_file(backend.disk, fd, 0, os.fstat(fd).st_size, os.path.join(layout.quarantine, name))
        finally:
            os.close(fd)
    for name in there - here:
        backend.disk.unlink(os.path.join(layout.quarantine, name))


def _listed(folder: str) -> set[str]:
    """The files in a folder; what is none (a link, a FIFO) is nobody's."""
    try:
        return {name for name in os.listdir(folder) if not name.endswith(".tmp") and is_regular(os.path.join(folder, name))}
    except (FileNotFoundError, NotADirectoryError):
        return set()


# --- and back ------------------------------------------------------------------------------------------------------------------


def _restore(backend: FilesBackend, session_id: str, layout: Layout, report: BackupReport) -> bool:
    with snapshot.opened(layout, session_id) as files, Incoming(backend.layout.root, backend.disk) as incoming:
        if not reader.exists(backend.layout, session_id):
            for file in files:
                incoming.add(file.name, file.content())
            if incoming.install(backend, session_id):
                report.files += len(files)
                report.bytes += sum(file.size for file in files)
                return True
    report.kept.append(Kept(session_id=session_id, reason="the store has it; it stays as it is there"))
    return False
