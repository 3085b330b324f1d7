"""Puts one compressed file in the place of finished segments: at every step the old files are there, or the new one.

The new file is written under another name, synced, read back and compared with what went in; then renamed, its folder synced; only then
do the old files go. While it is being made nobody is kept waiting: the old files are open, so that no other file can pass for
them, and before the new one takes their place they must still be what stands under their names. That is decided under the lock
of each raw one (which a compression in the background holds at that moment, too) and, where several files become one or what
they hold changes, under the session's lock.
"""

from __future__ import annotations

import errno
import fcntl
import itertools
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from hashlib import sha256
from types import TracebackType
from typing import NamedTuple, Protocol

from ..errors import SessionLocked
from ..segments import frames, segment
from ..segments.segment import Closed, Sealed
from ..settings import Settings
from . import compressed, scan
from .disk import Disk, write_all
from .layout import TEMPORARY, Layout, SegmentName
from .opening import open_regular

_ATTEMPTS = 5
_READ_SIZE = 1024 * 1024
_BEGINNING = 64  # enough of a line to see whether it is a footer

_numbers = itertools.count()


class Replacing:
    """The segments that one file is to replace. A context manager: raises `FileNotFoundError` where one of them has gone."""

    def __init__(
        self, disk: Disk, layout: Layout, names: Sequence[SegmentName], settings: Settings, target: SegmentName | None = None
    ) -> None:
        self.names = list(names)
        self.target = target or SegmentName(names[0].first_seq, names[-1].unnumbered, True, names[0].session_id)
        self.even_hidden = False  # also those that a compressed one hides are meant
        self._disk = disk
        self._layout = layout
        self._settings = settings
        self._files: dict[SegmentName, int] = {}
        self._temporary = f"{layout.path(self.target)}-{next(_numbers)}.{os.getpid()}{TEMPORARY}"
        self._written = False

    def __enter__(self) -> Replacing:
        try:
            for name in self.names:
                self._files[name] = open_regular(self._layout.path(name))
        except OSError:
            self._close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if self._written:
                self._disk.unlink(self._temporary)
        except OSError:
            pass  # a name that ends in .tmp means nothing; compaction removes what a crash leaves
        finally:
            self._close()

    def _close(self) -> None:
        for fd in self._files.values():
            fcntl.flock(fd, fcntl.LOCK_UN)  # closing alone would leave a lock with a child that was forked meanwhile
            os.close(fd)
        self._files.clear()

    # --- reading -------------------------------------------------------------------------------------------------------------

    def lines(self) -> Iterator[bytes]:
        """The bytes of all lines, from the first segment's header to the last one's footer, in pieces. Raises `frames.Unproven` where a
        compressed one does not hold."""
        for name, fd in self._files.items():
            if name.compressed:
                yield from compressed.texts(fd, scan.ANY_SIZE)
                continue
            offset = 0
            while data := os.pread(fd, _READ_SIZE, offset):
                offset += len(data)
                yield data

    def is_current(self) -> bool:
        """Whether these still are the session's segments."""
        listed = set(self._layout.segments(self.target.session_id))
        return (self.even_hidden or listed.issuperset(self.names)) and all(map(self._stands, self.names))

    def _stands(self, name: SegmentName) -> bool:
        try:
            return os.path.samestat(os.lstat(self._layout.path(name)), os.fstat(self._files[name]))
        except (FileNotFoundError, NotADirectoryError):
            return False

    # --- writing -------------------------------------------------------------------------------------------------------------

    def write(self, chunks: Iterable[bytes], *, keep_time: bool = True) -> bool:
        """Make the new file of these lines, not yet in its place. False where a segment was replaced meanwhile. Raises `frames.Unproven`
        where the lines do not hold or do not end with a footer, and `OSError`.

        ``keep_time``: the file says that it was last written to when the newest of the old ones was."""
        digest = sha256()
        last, ended = b"", True  # how the last line begins, and whether it is whole

        def noted() -> Iterator[bytes]:
            nonlocal last, ended
            for data in chunks:
                digest.update(data)
                start = data.rfind(b"\n", 0, -1) + 1
                last = data[start : start + _BEGINNING] if start or ended else (last + data[:_BEGINNING])[:_BEGINNING]
                ended = data.endswith(b"\n")
                yield data

        fd = self._disk.open(self._temporary, create=True)
        self._written = True
        try:
            if not self.is_current():  # looked at after the name was made: whoever removes what was must find it
                return False
            frames_ = frames.compress(noted(), level=self._settings.compression_level, frame_size_bytes=self._settings.frame_size_bytes)
            for data in frames_:
                write_all(self._disk, fd, data)
            self._disk.sync(fd)
        finally:
            self._disk.close(fd)
        if not (ended and last.startswith(segment.SEALED)):
            raise frames.Unproven(0, 0)
        if keep_time:
            newest = max(os.fstat(old).st_mtime_ns for old in self._files.values())
            os.utime(self._temporary, ns=(newest, newest))
        if not _holds(self._temporary, digest.digest()):
            raise OSError(errno.EIO, "what was written cannot be read back", self._temporary)
        return True

    def lock(self, *, wait: bool) -> bool:
        """Lock the raw ones; False where somebody else has one. Whoever holds the session's lock, which is that of its last segment, must
        not ``wait``: a writer goes from a finished segment to the next with both locked."""
        try:
            for name, fd in self._files.items():
                if not name.compressed and (wait or not name.unnumbered):
                    fcntl.flock(fd, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            self.unlock()
            return False
        return True

    def unlock(self) -> None:
        for fd in self._files.values():
            fcntl.flock(fd, fcntl.LOCK_UN)

    def put_in_place(self) -> bool:
        """Give the new file its name and remove the old ones, the newest first. They are locked. False where one of them was replaced
        meanwhile."""
        if not self.is_current():
            return False
        target = self._layout.path(self.target)
        folder = os.path.dirname(target)
        self._disk.rename(self._temporary, target)
        self._written = False
        self._disk.sync_directory(folder)
        for name in reversed(self.names):
            if str(name) != str(self.target):  # the last segment has the same name whichever it is
                self._disk.unlink(self._layout.path(name))
                if self.target.first_seq > name.first_seq:  # it does not cover this one: none may seem to be missing in the middle
                    self._disk.sync_directory(folder)
        self._disk.sync_directory(folder)
        return True


class Locks(Protocol):
    """Who hands out the locks of sessions: the backend."""

    settings: Settings

    def holding(self, session_id: str) -> AbstractContextManager[object]: ...


def put_in_place(backend: Locks, work: Replacing) -> bool:
    """Put the new file in its place under the session's lock. False where a segment was replaced meanwhile. Raises `SessionLocked`."""
    deadline = time.monotonic() + backend.settings.lock_timeout_s
    while True:
        with backend.holding(work.target.session_id):
            if work.lock(wait=False):
                return work.put_in_place()
        if time.monotonic() > deadline:
            raise SessionLocked(work.target.session_id, backend.settings.lock_timeout_s)
        time.sleep(0.005)  # a writer is on its way from a finished segment to the next


def attempts(session_id: str, settings: Settings) -> Iterator[None]:
    """One after the other, where a segment was replaced by somebody else in between: a few, and more for as long as one waits for a lock.
    Then raises `SessionLocked`."""
    deadline = time.monotonic() + settings.lock_timeout_s
    for number in itertools.count(1):
        yield
        if number >= _ATTEMPTS and time.monotonic() > deadline:
            raise SessionLocked(session_id, settings.lock_timeout_s)


class Finished(NamedTuple):
    """A segment that has ended: sealed or closed, what comes after it, the size of its lines."""

    name: SegmentName
    is_sealed: bool
    next_seq: int
    lines_size: int


def finished(layout: Layout, session_id: str) -> list[Finished]:
    """The session's segments that have ended, in order, without those that a joined one covers. A compressed one that has no end (any
    more) is left out as well."""
    found: list[Finished] = []
    for name in layout.segments(session_id):
        path = layout.path(name)
        if found and name.first_seq < found[-1].next_seq:
            continue
        own = scan.last_record(path, name)
        if own is not None and isinstance(own.record, Sealed | Closed):
            size = compressed.lines_size(path) if name.compressed else os.lstat(path).st_size
            found.append(Finished(name, isinstance(own.record, Sealed), own.record.next_seq, size))
    return found


def compress(backend: Locks, disk: Disk, layout: Layout, name: SegmentName) -> bool:
    """Replace a sealed raw segment by its compressed form. Returns whether it was done: not where the segment is not sealed whole, or where
    somebody else replaced it meanwhile. Takes no lock while it works. Raises `SessionLocked`."""
    try:
        with Replacing(disk, layout, [name], backend.settings) as replacing:
            return replacing.write(replacing.lines()) and put_in_place(backend, replacing)
    except (FileNotFoundError, frames.Unproven):
        return False


def _holds(path: str, digest: bytes) -> bool:
    """Whether the file gives back the lines: everything is read again and compared with what went in."""
    found = sha256()
    fd = open_regular(path)
    try:
        for text in compressed.texts(fd, scan.ANY_SIZE):
            found.update(text)
    except frames.Unproven:
        return False
    finally:
        os.close(fd)
    return found.digest() == digest
