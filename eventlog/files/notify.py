"""What wakes a reader: appends of this process directly, those of others through the operating system.

Three watches, one behaviour. `InotifyWatch` is woken by the Linux kernel within a tenth of a millisecond; `FileWatch` by `watchfiles`
elsewhere, within a few; `InProcessWatch` only by this process. All are hints: whoever waits also looks by itself now and then, and what
is read is decided by positions alone.
"""

from __future__ import annotations

import os
import select
import struct
import sys
import threading
import time
from collections.abc import Sequence
from typing import Final

from ..backend import Watch
from ..tails.watch import Forget, InProcessWatch
from .layout import parse_segment_name

_IN_MODIFY: Final = 0x2
_IN_MOVED_TO: Final = 0x80
_IN_CREATE: Final = 0x100
_IN_Q_OVERFLOW: Final = 0x4000
_IN_CLOEXEC: Final = os.O_CLOEXEC
_IN_NONBLOCK: Final = os.O_NONBLOCK
_EVENT: Final = struct.Struct("iIII")  # watch, mask, cookie, length of the name that follows
_LARGEST_EVENT_SIZE: Final = _EVENT.size + 256
_READ_SIZE: Final = 64 * 1024


def watch_files(folders: Sequence[str], session_id: str | None, forget: Forget) -> Watch:
    """The best watch that this machine has for the segments in ``folders``, of one session or of all (None).

    ``forget`` is called with the watch when it is closed."""
    if sys.platform != "linux":
        return FileWatch(folders, session_id, forget)
    try:
        return InotifyWatch(folders, session_id, forget)
    except OSError:  # no more watches for this user: the slow look has to do
        return InProcessWatch(session_id, forget)


class InotifyWatch:
    """Woken by the kernel. The folders are watched, not the files, so that a new segment is no other case than a longer one.

    Raises `OSError` where the kernel has no watch to give."""

    def __init__(self, folders: Sequence[str], session_id: str | None, forget: Forget) -> None:
        self._session_id = session_id
        self._forget = forget
        self._changed: set[str] = set()
        self._signalled = False
        self._mutex = threading.RLock()  # reentrant: a signal handler may wake
        self._inotify = _inotify(folders)
        try:
            self._wakes = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        except OSError:
            os.close(self._inotify)
            raise
        self._poll = select.poll()
        self._poll.register(self._inotify, select.POLLIN)
        self._poll.register(self._wakes, select.POLLIN)

    def wait(self, timeout_s: float) -> set[str] | None:
        deadline = time.monotonic() + timeout_s
        while True:
            ready = self._poll.poll(max(0.0, deadline - time.monotonic()) * 1000)
            if not ready:
                return None
            changed: set[str] | None = set()
            for fd, _ in ready:
                if fd == self._inotify:
                    changed = self._read_events()
            with self._mutex:
                woken = self._signalled
                if woken:
                    os.eventfd_read(self._wakes)
                    self._signalled = False
                mine, self._changed = self._changed, set()
            if changed is None:
                return None
            if changed or mine or woken:
                return changed | mine

    def notify(self, session_id: str) -> None:
        if self._session_id in (None, session_id):
            with self._mutex:
                self._changed.add(session_id)
                self.wake()

    def wake(self) -> None:
        with self._mutex:
            if not self._signalled and self._wakes >= 0:
                self._signalled = True
                os.eventfd_write(self._wakes, 1)

    def close(self) -> None:
        self._forget(self)
        with self._mutex:
            if self._wakes >= 0:
                os.close(self._wakes)
                os.close(self._inotify)
                self._wakes = self._inotify = -1

    def _read_events(self) -> set[str] | None:
        """The sessions that the kernel names; None where it lost count."""
        changed: set[str] = set()
        while True:
            try:
                data = os.read(self._inotify, _READ_SIZE)
            except BlockingIOError:
                return changed
            offset = 0
            while offset < len(data):
                _, mask, _, length = _EVENT.unpack_from(data, offset)
                if mask & _IN_Q_OVERFLOW:
                    return None
                offset += _EVENT.size + length
                session_id = _session_of(os.fsdecode(data[offset - length : offset].rstrip(b"\0")))
                if session_id is not None and self._session_id in (None, session_id):
                    changed.add(session_id)
            if len(data) <= _READ_SIZE - _LARGEST_EVENT_SIZE:  # the kernel gives as many as have room: there were no more
                return changed


class FileWatch(InProcessWatch):
    """Woken through `watchfiles`, which has a way on every system; it needs a thread."""

    def __init__(self, folders: Sequence[str], session_id: str | None, forget: Forget) -> None:
        super().__init__(session_id, forget)
        self._folders = folders
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="eventlog-watch", daemon=True)
        self._thread.start()

    def close(self) -> None:
        super().close()
        self._stop.set()
        self._thread.join()

    def _listen(self) -> None:
        import watchfiles

        try:
            # step is how long it waits for more; rust_timeout, how often it looks whether it is to stop
            for changes in watchfiles.watch(
                *self._folders,
                watch_filter=None,
                step=1,
                rust_timeout=100,
                yield_on_timeout=True,
                stop_event=self._stop,
                raise_interrupt=False,
                recursive=False,
            ):
                for _, path in changes:
                    session_id = _session_of(os.path.basename(path))
                    if session_id is not None:
                        self.notify(session_id)
        except (OSError, RuntimeError):
            pass  # nothing here can be watched: the slow look has to do


def _session_of(name: str) -> str | None:
    segment = parse_segment_name(name)
    return None if segment is None else segment.session_id


def _inotify(folders: Sequence[str]) -> int:
    """A descriptor that gives out what happens in the folders. A folder that is not there is left out."""
    import ctypes
    import errno

    libc = ctypes.CDLL(None, use_errno=True)
    fd: int = libc.inotify_init1(_IN_NONBLOCK | _IN_CLOEXEC)
    if fd < 0:
        raise OSError(ctypes.get_errno(), "inotify_init1")
    for folder in folders:
        if libc.inotify_add_watch(fd, os.fsencode(folder), _IN_MODIFY | _IN_CREATE | _IN_MOVED_TO) < 0:
            error = ctypes.get_errno()
            if error != errno.ENOENT:
                os.close(fd)
                raise OSError(error, "inotify_add_watch", folder)
    return fd
