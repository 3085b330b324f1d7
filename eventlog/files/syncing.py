"""The descriptor of a session's last segment as one writer holds it: what was written through it, and what of that is on stable storage.

One sync answers for everything that was written before it began: whoever waits for it finds its own append done (group commit); a lone
appender syncs inline. A failed sync is final: nothing is synced through this writer again.

`SyncedSegment` is the lowest of five layers that together are a writer, each in a file of its own and each built on those below:
`ending` (how a segment is finished), `naming` (which file it is), `locking` (the lock, the true end), `writer` (appends).
"""

from __future__ import annotations

import errno
import os
import threading
from typing import Protocol

from ..backend import Watch
from ..errors import AppendFailed, OutcomeUnknown
from ..settings import Settings
from .disk import Disk
from .layout import Layout, SegmentName, last_name
from .opening import NotRegular
from .recovery import Tail


class Writer(Protocol):
    """What the backend asks of a writer."""

    recent: bool

    @property
    def has_descriptor(self) -> bool: ...

    def give_up_descriptor(self) -> bool: ...

    def let_go(self) -> None: ...

    def sync(self) -> None: ...


class Host(Protocol):
    """What a writer needs of the backend it belongs to."""

    disk: Disk
    layout: Layout
    settings: Settings
    suspects: set[SegmentName]  # segments that this process could not sync and could not close either
    watches: tuple[Watch, ...]  # who in this process waits for appends

    def opened(self, writer: Writer) -> None:
        """A descriptor was opened: the host may ask others to give up theirs."""
        ...

    def changing(self, session_id: str, position: int) -> None:
        """The session, now at ``position``, is about to be written to, for the first time since its descriptor was opened."""
        ...

    def changed(self, session_id: str) -> None:
        """The descriptor with which the session was written to is being closed."""
        ...

    def unsynced(self, writer: Writer) -> None:
        """Something was appended that is to be synced within the interval."""
        ...


class SyncedSegment:
    """``_mutex`` guards everything below; ``_sync_mutex`` is taken after it, never before: a sync is running, keep its descriptor open."""

    def __init__(self, host: Host, session_id: str) -> None:
        self.session_id = session_id
        self.is_gone = False  # its last handle is
        self.recent = True  # used since the host last looked for descriptors to close
        self._host = host
        self._disk = host.disk
        self._fd = -1
        self._forget()

    def _forget(self) -> None:
        self._mutex = threading.RLock()
        self._sync_mutex = threading.RLock()  # reentrant: a signal handler may append while its own thread is inside a sync
        self._syncing = 0  # the thread that is inside a sync
        self._held = False  # the lock is kept now
        self._noted = False  # the host knows that the session is being written to
        self._name = last_name(self.session_id, 1)
        self._path = self._host.layout.path(self._name)  # of the last segment, whichever that is
        self._identity = (-1, -1)  # device and inode
        self._tail: Tail | None = None
        self._ready: Tail | None = None  # `_tail`, while the lock is kept and nothing need be looked at
        self._size = -1
        self._name_durable = False
        self._written = 0  # bytes handed to the kernel by this writer, ever
        self._synced = 0  # of these, how many are known to be on stable storage
        self._promised = 0  # and how many have to be before their append returns
        self._failure: AppendFailed | None = None

    def after_fork(self) -> None:
        """In a child process: the descriptor shares the parent's lock, the mutexes may be held by threads that do not exist here."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)
        self._forget()

    @property
    def failed(self) -> bool:
        return self._failure is not None

    # --- syncing -------------------------------------------------------------------------------------------------------------

    def _sync_to(self, mark: int) -> None:
        """Return when the first ``mark`` bytes that this writer wrote are on stable storage. Whoever gets here while a sync is running
        waits for it, and the first of those who waited syncs for all of them."""
        if self._synced >= mark:
            return
        with self._sync_mutex:
            if self._synced >= mark:
                return
            if self._failure is not None:
                raise OutcomeUnknown(self.session_id, cause_of(self._failure))
            self._sync_now(self._written)

    def _sync_now(self, mark: int) -> None:
        """One sync for everything up to ``mark``; `_sync_mutex` is held. A failure is final: nothing here is ever synced again."""
        fd, given_up = self._fd, self._fd < 0
        before, self._syncing = self._syncing, threading.get_ident()
        try:
            if given_up:  # since the write; the bytes are the file's, not the descriptor's
                fd = self._disk.open(self._path)
            if identity_of(fd) == self._identity:  # else another process has finished the segment, and synced it before that
                self._disk.sync(fd)
                if not self._name_durable:
                    self._disk.sync_directory(self._host.layout.folder(self.session_id))
                    self._name_durable = True
        except (FileNotFoundError, NotRegular):
            pass  # the same, and compressed
        except OSError as error:
            failure = OutcomeUnknown(self.session_id, error)
            self._fail(failure)
            raise failure from error
        finally:
            self._syncing = before
            if given_up and fd >= 0:
                self._disk.close(fd)
        self._synced = max(self._synced, mark)

    def _fail(self, failure: AppendFailed) -> None:
        """This writer is finished. The next one must not build on this segment before it has copied it."""
        self._failure = self._failure or failure
        self._ready = None
        self._host.suspects.add(self._name)

    # --- the descriptor ------------------------------------------------------------------------------------------------------

    @property
    def has_descriptor(self) -> bool:
        return self._fd >= 0

    def give_up_descriptor(self) -> bool:
        """Close the file if nobody is using it; what is known of its tail stays, and is checked at the next append."""
        if self._held or not self._mutex.acquire(blocking=False):
            return False
        try:
            if (
                self._fd < 0
                or self._syncing == threading.get_ident()
                or self._synced < self._promised
                or not self._sync_mutex.acquire(blocking=False)
            ):
                return False
            try:
                self._drop_descriptor()
            finally:
                self._sync_mutex.release()
            return True
        finally:
            self._mutex.release()

    def _drop_descriptor(self) -> None:
        fd, self._fd, self._held, self._ready = self._fd, -1, False, None
        self._disk.close(fd)
        if self._noted:
            self._noted = False
            self._host.changed(self.session_id)


def identity_of(fd: int) -> tuple[int, int]:
    """What tells a file from every other, whatever its name."""
    found = os.fstat(fd)
    return found.st_dev, found.st_ino


def cause_of(failure: AppendFailed) -> Exception:
    return failure.cause or OSError(errno.EIO, os.strerror(errno.EIO))
