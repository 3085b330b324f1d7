"""Appends to one session, safe against every other writer of it.

The order of things is the promise. A position is assigned under a lock on the active segment, from its true tail. The lines
of an append leave in one write. The lock is given back before the sync, so that others write while the disk works, and one
sync answers for everything that was written before it began: whoever waits for it finds its own append done (group
commit); a lone appender syncs inline. Acknowledged means that a sync which began after the write has succeeded.

A segment that ended (sealed, or closed after damage) is noticed under the lock, before anything is written: its size has
changed. The next one is made under the lock of the one before, which is made durable first, and gets its opening line under its own.

A failure decides what may follow. A full disk: the file is cut back to where the append began, nothing is stored, the writer goes on. Any
other failed write, and every failed sync: this writer is finished, and the segment is closed where that can still be written,
so that the next writer copies what was not confirmed before it builds on it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import threading
import time
from collections.abc import Sequence
from typing import Literal, Protocol

from ..backend import PendingAppend, Sync, Watch
from ..errors import (
    AppendFailed,
    Conflict,
    EventLogError,
    EventTooLarge,
    InvalidSessionId,
    LocksUnsupported,
    NotStored,
    OutcomeUnknown,
    SessionDeleted,
    SessionLocked,
    SessionNotFound,
    WriterPoisoned,
)
from ..events import SessionDeleted as DeletedEvent
from ..events import SessionRestored as RestoredEvent
from ..line import Envelope, encode_into
from ..segments.segment import encode_own
from ..settings import Settings
from . import recovery
from .disk import Disk, write_all
from .group_commit import GroupCommit
from .layout import Layout, SegmentName
from .recovery import Ended, Tail

_DELETED = DeletedEvent.type
_RESTORED = RestoredEvent.type
_LOCK_NOW = fcntl.LOCK_EX | fcntl.LOCK_NB
_KEPT_BUFFER_SIZE = 64 * 1024  # many writers may be there, and each has had its largest event
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class Host(Protocol):
    """What a writer needs of the backend it belongs to."""

    disk: Disk
    layout: Layout
    settings: Settings
    suspects: set[SegmentName]  # segments that this process could not sync and could not close either
    watches: tuple[Watch, ...]  # who in this process waits for appends

    def opened(self, writer: SessionWriter) -> None:
        """A descriptor was opened: the host may ask others to give up theirs."""
        ...

    def changing(self, session_id: str, position: int) -> None:
        """The session, now at ``position``, is about to be written to, for the first time since its descriptor was opened."""
        ...

    def changed(self, session_id: str) -> None:
        """The descriptor with which the session was written to is being closed."""
        ...

    def sealed(self, name: SegmentName) -> None:
        """A segment is sealed: it may be compressed when there is time."""
        ...

    def unsynced(self, writer: SessionWriter) -> None:
        """Something was appended that is to be synced within the interval."""
        ...


class SessionWriter:
    """One writer per session and process (an exclusive handle has its own). ``tail`` is what it knows of the active segment's end."""

    def __init__(self, host: Host, session_id: str, *, exclusive: bool = False) -> None:
        self.session_id = session_id
        self.is_gone = False  # its last handle is
        self.recent = True  # used since the host last looked for descriptors to close
        self._host = host
        self._disk = host.disk
        self._limit = host.settings.max_event_bytes
        self._seal_size = host.settings.segment_size_bytes
        self.may_create = False  # a handle asked for the session whether it exists or not
        self.is_new = False  # its id was made just now: until its first segment is there, nobody else has it and no folder need be listed
        self._exclusive = exclusive  # the lock, once taken, is kept
        self._fd = -1
        self._forget()

    def _forget(self) -> None:
        self._mutex = threading.RLock()  # the state below
        self._sync_mutex = threading.Lock()  # taken after _mutex, never before it: a sync is running, keep its descriptor open
        self._group = GroupCommit()
        self._held = False  # the lock is kept now
        self._noted = False  # the host knows that the session is being written to
        self._name = SegmentName(1, False, self.session_id)
        self._inode = -1
        self._tail: Tail | None = None
        self._ready: Tail | None = None  # `_tail`, while the lock is kept and nothing need be looked at
        self._size = -1
        self._buffer = bytearray()
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

    def __del__(self) -> None:
        self.is_gone = True  # another thread may take this up again, through a weak reference, while this runs: see `append`
        if self._fd >= 0 and not self.give_up_descriptor() and self._held:
            self._drop_descriptor()

    # --- appending -----------------------------------------------------------------------------------------------------------

    def append(self, envelopes: Sequence[Envelope], expected: int | None, key: str | None, sync: Sync, seal: bool = False) -> int:
        try:
            if sync == "always" and not self._group.enter():
                seq = self._append_with_others(PendingAppend(envelopes, expected, key, sync, seal))
            else:
                with self._mutex:
                    try:
                        if sync == "always":
                            self._promised = self._written + 1  # whatever is written now; before anybody can read it
                        seq = self._write(self._ready or self._prepare(), envelopes, expected, key, seal)
                        mark = self._written
                    except EventLogError:
                        raise
                    except BaseException:
                        self._interrupted()
                        raise
                    finally:
                        if not self._held:
                            self._leave()
                if sync == "always":
                    self._sync_to(mark)
                elif sync == "interval" and self._synced < mark:
                    self._host.unsynced(self)
        except OutcomeUnknown as failure:
            self._tell_others(failure)
            raise
        finally:
            if sync == "always":
                self._group.leave()
        for watch in self._host.watches:
            watch.notify(self.session_id)
        return seq

    def _append_with_others(self, append: PendingAppend) -> int:
        outcome = self._group.append(append, self._store_all)
        if outcome is None:
            outcome = OutcomeUnknown(self.session_id, InterruptedError(errno.EINTR, os.strerror(errno.EINTR)))
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def append_all(self, appends: Sequence[PendingAppend]) -> None:
        self._store_all(appends)
        for watch in self._host.watches:
            watch.notify(self.session_id)

    def _store_all(self, appends: Sequence[PendingAppend]) -> None:
        """Write several appends under one lock, then sync once for those that are to be durable."""
        written: list[tuple[PendingAppend, int]] = []
        with self._mutex:
            state: Tail | None = None
            try:
                for append in appends:
                    append.begun = True
                    if append.sync == "always":
                        self._promised = self._written + 1
                    try:
                        if state is None or state is not self._tail or state.ended is not None or self._failure is not None:
                            state = self._ready or self._prepare()
                        seq = self._write(state, append.envelopes, append.expected, append.key, append.seal)
                        written.append((append, seq))
                    except EventLogError as error:
                        append.outcome = error
                mark = self._written
            except BaseException:
                self._interrupted()
                raise
            finally:
                self._leave()
        durable = any(append.sync == "always" for append, _ in written)
        if not durable and any(append.sync == "interval" for append, _ in written) and self._synced < mark:
            self._host.unsynced(self)
        failure: OutcomeUnknown | None = None
        try:
            if durable:
                self._sync_to(mark)
        except OutcomeUnknown as error:
            failure = error
            self._tell_others(error)
        for append, seq in written:
            if failure is not None and append.sync == "always":
                append.outcome = OutcomeUnknown(self.session_id, _cause_of(failure))
            else:
                append.outcome = seq

    def _interrupted(self) -> None:
        """Anywhere: what is there now has to be looked at."""
        self._tail = self._ready = None

    def settle(self) -> None:
        """Return when what appends have promised to be on stable storage is, or when that has failed: then they say so themselves."""
        if self._synced < self._promised and self._failure is None:
            with self._mutex:  # one that has set the mark and not written yet is over
                mark = self._written
            try:
                self._sync_to(mark)
            except OutcomeUnknown as failure:
                self._tell_others(failure)

    def _prepare(self) -> Tail:
        try:
            return self._enter()
        except OSError as error:
            raise NotStored(self.session_id, error) from error

    def _remembered(self, state: Tail) -> dict[str, int]:
        if state.ids is None:
            try:
                state.ids = recovery.remembered_ids(self._host.layout, self._name, self._limit)
            except OSError as error:
                raise NotStored(self.session_id, error) from error
        return state.ids

    def _write(self, state: Tail, envelopes: Sequence[Envelope], expected: int | None, key: str | None, seal: bool) -> int:
        if key is not None and key in self._remembered(state):
            self._synced = min(self._synced, self._written - 1)  # whoever wrote it may not have synced it
            return self._remembered(state)[key]
        if expected is not None and expected != state.seq:
            raise Conflict(self.session_id, expected, state.seq)
        if state.last_type == _DELETED and envelopes[0].type != _RESTORED:
            raise SessionDeleted(self.session_id)
        last = envelopes[-1]
        if len(envelopes) == 1 and self._size > 0:  # the usual case, in a buffer that the next append uses again
            data = self._buffer
            last.seq = seq = state.seq + 1
            running = encode_into(last, data, state.running)
            if len(data) > self._limit:
                raise EventTooLarge(len(data), self._limit)
        else:
            data, running = self._encode(state, envelopes)
            seq = last.seq
        if not self._noted:
            self._host.changing(self.session_id, state.seq)
            self._noted = True  # not before: whoever is interrupted in between notes it again
        try:
            size = self._disk.write(self._fd, data)
            if size != len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # a short write is how a full disk begins
            self._size += size
            self._written += size
            if size > _KEPT_BUFFER_SIZE:
                self._buffer = bytearray()
            state.seq, state.running, state.last_type = seq, running, last.type
        except OSError as error:
            raise self._undo(error) from error
        if key is not None and state.ids is not None:
            state.ids[key] = seq
        if seal or self._size >= self._seal_size:
            self._seal(state)
        return seq

    def _encode(self, state: Tail, envelopes: Sequence[Envelope]) -> tuple[bytearray, int]:
        """The bytes of an append of several lines, and the running checksum after them; gives each envelope its seq."""
        running, limit = state.running, self._limit
        data, line = bytearray(), bytearray()
        if self._size == 0:
            opening, running = encode_own(state.opening(self._name), 0)
            data += opening
        size_before = len(data)
        for seq, envelope in enumerate(envelopes, state.seq + 1):
            envelope.seq = seq
            running = encode_into(envelope, line, running)
            if len(line) > limit:
                raise EventTooLarge(len(line), limit)
            data += line
        if len(data) - size_before > limit and len(envelopes) > 1:
            raise EventTooLarge(len(data) - size_before, limit, "batch")
        return data, running

    def _undo(self, error: OSError) -> NotStored:
        """Cut back what a failed write left; returns what to raise. After a full disk the writer goes on, after anything else not."""
        failure = NotStored(self.session_id, error)
        if not self._cut_back() or error.errno not in _FULL:
            self._fail(failure)
        return failure

    def _cut_back(self) -> bool:
        """Give the file the size it had before a failed write. Where that fails too, a torn tail is left, which is set aside later."""
        try:
            self._disk.truncate(self._fd, self._size)
            self._disk.sync(self._fd)
        except OSError:
            return False
        return True

    def _fail(self, failure: AppendFailed) -> None:
        """This writer is finished. The next one must not build on this segment before it has copied it."""
        self._failure = self._failure or failure
        self._ready = None
        self._host.suspects.add(self._name)

    # --- the lock and the tail -----------------------------------------------------------------------------------------------

    def hold(self) -> None:
        """Take the session's lock and keep it until `close`, so that nothing need be looked at before a write. A session that does
        not exist yet is held from its first append on. Raises `SessionLocked`."""
        with self._mutex:
            if self._host.layout.segments(self.session_id):
                try:
                    self._prepare()
                finally:
                    self._leave()

    def seal(self) -> bool:
        """End the active segment, if there is an event in it, and hold the lock on the next, which is empty. For whoever holds the lock.
        False where the disk has no room for the footer."""
        with self._mutex:
            state = self._prepare()
            if state.seq < self._name.first_seq:
                return True
            self._seal(state, written_ns=os.fstat(self._fd).st_mtime_ns)
            return state.ended is not None and self._prepare() is not None

    def claim(self) -> bool:
        """Take the lock of a session that is not there yet, by the name of its first segment. False where it is there."""
        with self._mutex:
            state = self._prepare()
            return state.seq == 0 and state.after is None and self._size == 0

    def give_up_claim(self) -> None:
        """The session has come to be there otherwise: remove the empty segment that only claimed it, unless another has its name."""
        path = self._host.layout.path(self._name)
        if os.path.exists(path) and os.path.samestat(os.stat(path), os.fstat(self._fd)):
            self._disk.unlink(path)

    def position(self) -> int | None:
        """The position, where this writer holds the lock and need not look; else None."""
        return self._tail.seq if self._held and self._tail is not None else None

    def _enter(self) -> Tail:
        """Return the true tail, with the lock held on a segment that may be written to."""
        if self._failure is not None:
            raise WriterPoisoned(self.session_id, self._failure)
        self.recent = True
        while True:
            if self._fd < 0:
                self._open_last()
            if not self._held or self._tail is None:
                self._lock(self._fd)
                size = os.lseek(self._fd, 0, os.SEEK_END)
                if (size != self._size or self._tail is None) and not self._look(size):
                    continue
            state = self._tail
            if state is None:
                continue
            if state.ended is None:
                if self._exclusive:
                    self._held, self._ready = True, state
                return state
            self._move_on(state.ended)

    def _leave(self) -> None:
        if not self._held and self._fd >= 0:
            fcntl.flock(self._fd, fcntl.LOCK_UN)
            if self.is_gone:  # nobody would close it any more
                self._drop_descriptor()

    def _open_last(self) -> None:
        """Open the last segment, or the one that follows it where it is compressed; nothing is locked yet."""
        layout = self._host.layout
        while True:
            names = [] if self.is_new else layout.names(self.session_id)
            segments = layout.segments(self.session_id, names)
            if not segments:
                if not self.may_create:
                    raise SessionNotFound(self.session_id)
                other = layout.session_id_like(self.session_id, names)
                if other is not None:
                    raise InvalidSessionId(self.session_id, other)
                name = SegmentName(1, False, self.session_id)
            elif segments[-1].compressed:
                name = SegmentName(recovery.end_of(layout, segments[-1]).next_seq, False, self.session_id)
            else:
                name = segments[-1]
            try:
                fd = self._disk.open(layout.path(name), create=name not in segments)
            except FileNotFoundError:
                if name not in segments:
                    self._make_folder()
                continue  # or it was compressed or joined since we looked
            self._use(name, fd)
            return

    def _make_folder(self) -> None:
        """Make the session's folder, which is gone where a store was copied without its empty folders. Raises `OSError`, also where that is
        not what was missing."""
        folder = self._host.layout.folder(self.session_id)
        if os.path.isdir(folder):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), folder)
        try:
            self._disk.make_folder(folder)
        except FileExistsError:
            pass  # another writer has made it
        self._disk.sync_directory(os.path.dirname(folder))

    def _use(self, name: SegmentName, fd: int) -> None:
        """From now on this is the segment. What is known of its tail stays if it is the same file as before."""
        inode = os.fstat(fd).st_ino
        if name != self._name or inode != self._inode:
            self._name, self._inode = name, inode
            self._tail, self._size, self._name_durable = None, -1, False
        self._fd = fd
        self._host.opened(self)

    def _lock(self, fd: int) -> None:
        """Take the file's lock, within the time limit: polling, as a blocking flock cannot be given one."""
        deadline, pause = 0.0, 0.0
        while True:
            try:
                fcntl.flock(fd, _LOCK_NOW)
                return
            except OSError as error:
                if error.errno in (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS):
                    raise LocksUnsupported(self._host.settings.store) from error
                if error.errno not in (errno.EWOULDBLOCK, errno.EACCES, errno.EINTR):
                    raise
            limit = self._host.settings.lock_timeout_s
            moment = time.monotonic()
            deadline = deadline or moment + limit
            if moment >= deadline:
                raise SessionLocked(self.session_id, limit)
            time.sleep(pause)
            pause = min(0.005, pause + 0.00002)

    def _look(self, size: int) -> bool:
        """Learn the true tail of the locked segment; False where it is not the session's last any more and was let go.

        A torn tail is set aside here, and damage closes the segment: both change the file, under the lock."""
        known = self._tail
        if known is None and not self._is_the_last(size):
            self._drop_descriptor()
            return False
        layout = self._host.layout
        state = recovery.look(self._fd, size, self._name, known if size > self._size else None, self._size, layout)
        if known is not None and state.seq < known.seq and state.ended is None:
            state.damage_next_seq = known.seq + 1  # somebody cut the file: what stood there is lost, its seqs stay given
        if state.torn is not None:
            self._set_aside(state.torn, size)
            size, state.torn = state.torn, None
        self._tail, self._size = state, size
        if state.ended is not None:
            return True
        if state.damage_next_seq is not None:
            self._close_segment("damaged")
        elif self._name in self._host.suspects:
            self._leave_suspect(state)
        return True

    def _set_aside(self, torn: int, size: int) -> None:
        try:
            recovery.set_aside(self._disk, self._host.layout, self._name, self._fd, torn, size)
        except OSError:  # it may have been the sync: nothing is known any more of the bytes before the tail either
            self._tail, self._size = None, -1
            self._host.suspects.add(self._name)
            raise

    def _leave_suspect(self, state: Tail) -> None:
        """Close a segment that could not be synced. One without an event has nothing to be doubted, and no name for the next one: it is
        begun anew."""
        if state.seq >= self._name.first_seq:
            self._close_segment("sync_failed")
            return
        if self._size > 0:
            self._disk.truncate(self._fd, 0)
            self._tail, self._size = recovery.look(self._fd, 0, self._name, None, 0, self._host.layout), 0
        self._host.suspects.discard(self._name)

    def _is_the_last(self, size: int) -> bool:
        """Whether the file just opened and locked is still the session's last segment under this name."""
        if os.fstat(self._fd).st_nlink == 0:
            return False
        was_new, self.is_new = self.is_new, False
        if was_new and size == 0:
            return True
        if self._host.layout.segments(self.session_id)[-1:] == [self._name]:
            before = recovery.end_before(self._host.layout, self._name) if size == 0 else None
            if before is None or before.next_seq <= self._name.first_seq:
                return True  # else it is within a joined segment
        if size == 0:  # made on a view that was out of date already; it holds nothing
            self._disk.unlink(self._host.layout.path(self._name))
        return False

    def _move_on(self, ended: Ended) -> None:
        """From a segment that has ended to the next one, which is made under this one's lock."""
        name = SegmentName(ended.next_seq, False, self.session_id)
        path = self._host.layout.path(name)
        if not os.path.exists(path):
            self._confirm(ended)
        self._host.suspects.discard(self._name)
        fd = self._disk.open(path, create=True)
        try:
            self._lock(fd)
            with self._sync_mutex:
                if self._synced < self._written:
                    self._sync_now(self._written)  # others may be waiting for bytes of this segment
                self._disk.close(self._fd)
                self._use(name, fd)
        except BaseException:
            if self._fd != fd:
                self._disk.close(fd)
            raise
        self._look(os.lseek(fd, 0, os.SEEK_END))

    def _confirm(self, ended: Ended) -> None:
        """Make sure that a segment is on stable storage before anything is built on it: whoever ended it may have died before its sync."""
        if ended.suspect or self._name in self._host.suspects:
            recovery.copy_anew(self._disk, self._host.layout.path(self._name))
        elif not ended.synced:
            try:
                self._disk.sync(self._fd)
            except OSError:
                self._host.suspects.add(self._name)
                raise

    # --- the end of a segment ------------------------------------------------------------------------------------------------

    def _seal(self, state: Tail, written_ns: int | None = None) -> None:
        """Write the footer and sync: everything in the segment is durable then. Where there is no room for it, the segment stays
        active and grows; the next append tries again."""
        try:
            record = recovery.footer(self._fd, state)
        except OSError:
            return  # what cannot be read now is not sealed now
        if record is None:
            state.damage_next_seq = state.seq + 1
            try:
                self._close_segment("damaged")
            except NotStored:
                pass  # the append is written; the next one to cross the size tries again
            return
        data, _ = encode_own(record, state.running)
        try:
            write_all(self._disk, self._fd, data)
        except OSError as error:
            self._undo(error)
            return
        self._size += len(data)
        with self._sync_mutex:
            self._sync_now(self._written)
        state.ended, self._ready = Ended(record.next_seq, record.digest, synced=True), None
        if written_ns is not None:
            os.utime(self._fd, ns=(written_ns, written_ns))  # the file's age is that of its last event
        self._host.sealed(self._name)

    def _close_segment(self, reason: Literal["damaged", "sync_failed"]) -> None:
        """Leave the segment for good with a last line whose checksum starts afresh. What stands before it stays as it is."""
        state = self._tail
        assert state is not None
        record, data = recovery.closing(self._fd, state, reason)
        try:
            write_all(self._disk, self._fd, data)
            if reason == "damaged":
                self._disk.sync(self._fd)
        except OSError as error:
            if not self._cut_back():
                self._fail(NotStored(self.session_id, error))
            self._tail, self._size, self._ready = None, -1, None  # nobody goes on here before he has looked again
            raise NotStored(self.session_id, error) from error
        self._size += len(data)
        self._host.suspects.discard(self._name)
        state.seq, state.damage_next_seq, self._ready = record.next_seq - 1, None, None
        state.ended = Ended(record.next_seq, record.sha256, record.lost, suspect=reason == "sync_failed", synced=reason == "damaged")

    # --- syncing -------------------------------------------------------------------------------------------------------------

    def sync(self) -> None:
        """Return when everything that was appended here is on stable storage. Raises `OutcomeUnknown`, `WriterPoisoned`."""
        if self._failure is not None:
            raise WriterPoisoned(self.session_id, self._failure)
        try:
            self._sync_to(self._written)
        except OutcomeUnknown as failure:
            self._tell_others(failure)
            raise

    def _sync_to(self, mark: int) -> None:
        """Return when the first ``mark`` bytes that this writer wrote are on stable storage. Whoever gets here while a sync is running
        waits for it, and the first of those who waited syncs for all of them."""
        if self._synced >= mark:
            return
        with self._sync_mutex:
            if self._synced >= mark:
                return
            if self._failure is not None:
                raise OutcomeUnknown(self.session_id, _cause_of(self._failure))
            self._sync_now(self._written)

    def _sync_now(self, mark: int) -> None:
        """One sync for everything up to ``mark``; `_sync_mutex` is held. A failure is final: nothing here is ever synced again."""
        fd = self._fd
        try:
            if fd < 0:  # given up since the write; the bytes are the file's, not the descriptor's
                fd = self._disk.open(self._host.layout.path(self._name))
            self._disk.sync(fd)
            if not self._name_durable:
                self._disk.sync_directory(self._host.layout.folder(self.session_id))
                self._name_durable = True
        except FileNotFoundError:
            pass  # another process has sealed and compressed the segment, and synced it before that
        except OSError as error:
            failure = OutcomeUnknown(self.session_id, error)
            self._fail(failure)
            raise failure from error
        finally:
            if fd >= 0 and fd != self._fd:
                self._disk.close(fd)
        self._synced = max(self._synced, mark)

    def _tell_others(self, failure: OutcomeUnknown) -> None:
        """After a failed sync: end the segment, so that no other writer goes on behind bytes that may not be on the disk."""
        with self._mutex:
            if self._failure is not failure or self._fd < 0 or self._tail is None:
                return
            try:
                if not self._held:
                    self._lock(self._fd)
                size = os.lseek(self._fd, 0, os.SEEK_END)
                if (size == self._size or self._look(size)) and self._tail.ended is None:
                    self._close_segment("sync_failed")
            except (EventLogError, OSError):
                pass  # the caller is being told; this process remembers, others have the kernel's own report to go by
            finally:
                self._leave()

    # --- descriptors ---------------------------------------------------------------------------------------------------------

    @property
    def failed(self) -> bool:
        return self._failure is not None

    @property
    def has_descriptor(self) -> bool:
        return self._fd >= 0

    def give_up_descriptor(self) -> bool:
        """Close the file if nobody is using it; what is known of its tail stays, and is checked at the next append."""
        if self._held or not self._mutex.acquire(blocking=False):
            return False
        try:
            if self._fd < 0 or not self._sync_mutex.acquire(blocking=False):
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

    def _remove_empty(self) -> None:
        """Remove a segment that was made only to be locked. It stays where a joined segment covers the one before it in the
        folder: that one must never seem to be the last."""
        layout = self._host.layout
        try:
            before = [name for name in layout.segments(self.session_id) if name.first_seq < self._name.first_seq]
            if os.fstat(self._fd).st_nlink and before and recovery.end_of(layout, before[-1]).next_seq == self._name.first_seq:
                self._disk.unlink(layout.path(self._name))
        except (OSError, EventLogError):
            pass  # an empty segment says nothing, and the next writer begins in it

    def let_go(self) -> None:
        """Give up lock and descriptor; the next append takes them again. A segment that was made to be locked and is still empty goes."""
        with self._mutex, self._sync_mutex:
            if self._fd >= 0:
                if self._held and self._size == 0:
                    self._remove_empty()
                self._drop_descriptor()


def _cause_of(failure: AppendFailed) -> Exception:
    return failure.cause or OSError(errno.EIO, os.strerror(errno.EIO))
