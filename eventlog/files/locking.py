"""The lock on a session's last segment, and what is true under it: which file that is, and where its whole appends end.

A position is assigned under the lock, from the segment's true end. Two things are looked at before anything is written, as others may
have been there: the *size*, which shows their appends and their footers; and the *name* (`naming`).

A segment that ended gives up the session's name: it is renamed to its number under its lock, durably, when it is on stable storage, and
the next one is made under the name and gets its opening line under its own lock. A crash in between leaves a session without a last
segment, which the next writer makes from what the one before says.

What this process knows to have been given out is never given out again: a file that comes back shorter than it was, is left with a
closing line that records the hole.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from typing import Final

import msgspec

from ..errors import (
    AppendFailed,
    Damaged,
    EventLogError,
    InvalidSessionId,
    LocksUnsupported,
    NotStored,
    OutcomeUnknown,
    SegmentTooNew,
    SessionLocked,
    WriterPoisoned,
)
from ..segments.segment import FORMAT
from . import recovery
from .layout import NOT_YET, SegmentName, finished_name, last_name
from .naming import NamedSegment
from .opening import NotRegular, header, is_folder
from .recovery import Ended, Tail
from .syncing import Host, identity_of

_LOCK_NOW: Final = fcntl.LOCK_EX | fcntl.LOCK_NB


class LockedSegment(NamedSegment):
    """``_tail`` is what this writer knows of the segment's end, true while ``_size`` and the name are what they were."""

    def __init__(self, host: Host, session_id: str, *, exclusive: bool) -> None:
        super().__init__(host, session_id)
        self._exclusive = exclusive  # the lock, once taken, is kept

    def _forget(self) -> None:
        super()._forget()
        self._patience_s: float | None = None  # of the append that is being written, where it has its own

    # --- for those who hold the lock -----------------------------------------------------------------------------------------

    def hold(self) -> None:
        """Take the session's lock and keep it until `let_go`, so that nothing need be looked at before a write. A session that does
        not exist yet is held from its first append on. Raises `SessionLocked`."""
        with self._mutex:
            layout = self._host.layout
            if layout.has(self.session_id) or (not self.may_create and layout.segments(self.session_id)):
                try:
                    self._prepare(to_append=False)
                finally:
                    self._leave()

    def seal(self) -> bool:
        """End the last segment, if there is an event in it. For whoever holds the lock, which stays held. False where the disk has no room
        for the footer."""
        with self._mutex:
            state = self._prepare(to_append=False)
            if state.ended is not None or state.seq < self._name.first_seq:
                return True
            self._seal(state, written_ns=os.fstat(self._fd).st_mtime_ns)
            return state.ended is not None

    def claim(self) -> bool:
        """Take the lock of a session that is not there yet, by the name of its first segment. False where it is there."""
        with self._mutex:
            state = self._prepare()
            return state.seq == 0 and state.after is None and self._size == 0

    def give_up_claim(self) -> None:
        """The session has come to be there otherwise: remove the empty segment that only claimed it, unless another has its name."""
        if self._has_its_name():
            self._disk.unlink(self._path)

    def position(self) -> int | None:
        """The position, where this writer holds the lock and need not look; else None."""
        return self._tail.seq if self._held and self._tail is not None else None

    def let_go(self) -> None:
        """Give up lock and descriptor; the next append takes them again. A segment that was made to be locked and is still empty goes."""
        with self._mutex, self._sync_mutex:
            if self._fd >= 0:
                if self._held and self._size == 0:
                    self._remove_empty()
                self._drop_descriptor()

    def _remove_empty(self) -> None:
        """Remove a segment that was made only to be locked: what is before it says all there is to say."""
        try:
            if self._has_its_name():
                self._disk.unlink(self._path)
        except OSError:
            pass  # an empty segment says nothing, and the next writer begins in it

    # --- entering ------------------------------------------------------------------------------------------------------------

    def _prepare(self, *, durable: bool = True, to_append: bool = True) -> Tail:
        try:
            return self._enter(durable=durable, to_append=to_append)
        except NotRegular as error:
            raise Damaged(self.session_id, os.path.basename(self._path), 0, 0, "foreign", str(error.strerror)) from error
        except OSError as error:
            raise NotStored(self.session_id, error) from error

    def _enter(self, *, durable: bool, to_append: bool) -> Tail:
        """Return the true tail, with the lock held on the last segment: one that may be written to, where something is to be appended.

        The name is looked at before anything that is to be ``durable``, wherever the size has changed, and once in a sync interval."""
        if self._failure is not None:
            raise WriterPoisoned(self.session_id, self._failure)
        self.recent = True
        while True:
            if self._fd < 0:
                self._open_last()
            if not self._held or self._tail is None:
                self._lock(self._fd)
                size = os.lseek(self._fd, 0, os.SEEK_END)
                changed = size != self._size or self._tail is None
                if (durable or changed or self._name_is_old()) and not self._is_named():
                    continue
                if changed:
                    self._look(size)
            state = self._tail
            if state is None:
                continue
            self._position = max(self._position, state.seq)
            if to_append and state.ended is not None:
                self._move_on(state.ended)
                continue
            if self._exclusive:
                self._held = True
                self._ready = state if to_append else None
            return state

    def _leave(self) -> None:
        if not self._held and self._fd >= 0:
            fcntl.flock(self._fd, fcntl.LOCK_UN)
            if self.is_gone:  # nobody would close it any more
                self._drop_descriptor()

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
            limit = self._host.settings.lock_timeout_s if self._patience_s is None else self._patience_s
            moment = time.monotonic()
            deadline = deadline or moment + limit
            if moment >= deadline:
                raise SessionLocked(self.session_id, limit)
            time.sleep(pause)
            pause = min(0.005, pause + 0.00002)

    # --- the descriptor ----------------------------------------------------------------------------------------------------

    def _open_last(self) -> None:
        """Open the last segment, or make it; nothing is locked yet."""
        layout = self._host.layout
        folder = layout.folder(self.session_id)
        if os.path.lexists(folder) and not is_folder(folder):
            raise Damaged(self.session_id, os.path.basename(folder), 0, 0, "foreign", f"{folder} is no folder of the store")
        while True:
            name = None if self.is_new else layout.last(self.session_id)
            if name is None or name.compressed:
                name, create = self._name_of_next(name), True
            else:
                create = False
            try:
                if not create:
                    fd = self._disk.open(self._path)
                else:
                    fd = self._disk.open(self._path, create=True)
            except FileNotFoundError:
                if create:
                    self._make_folder()
                continue  # or it was finished by another writer since we looked
            self._use(last_name(self.session_id, NOT_YET) if self._is_another(name, fd) else name, fd)
            return

    def _use(self, name: SegmentName, fd: int) -> None:
        """From now on this is the segment. What is known of its tail stays if it is the same file as before."""
        identity = identity_of(fd)
        if name.first_seq != self._name.first_seq or identity != self._identity:
            self._name, self._identity = name, identity
            self._tail, self._size, self._name_durable = None, -1, False
        self._fd = fd
        self._host.opened(self)

    # --- the end -------------------------------------------------------------------------------------------------------------

    def _look(self, size: int) -> None:
        """Learn the true tail of the locked segment. A torn tail is set aside here, and damage closes the segment: both change the file."""
        known = self._tail
        layout = self._host.layout
        if known is None:
            self._check_header()
            looks_old = layout.is_older_copy if self._name.first_seq == 1 else layout.is_followed  # few sessions have a second segment
            if self._name.first_seq != NOT_YET and size and looks_old(self._name):
                self._put_away(self._path)  # it was finished once, and its number has all that was in it
                self._disk.unlink(self._path)
                self._disk.sync_directory(layout.folder(self.session_id))
                self._drop_descriptor()
                return
        state = recovery.look(self._fd, size, self._name, known if size > self._size else None, self._size, layout)
        if state.torn is not None:
            self._set_aside(state.torn, size)
            size, state.torn = state.torn, None
        self._tail, self._size = state, size
        if state.seq < self._position:
            self._record_the_hole(state)
        if self._name.first_seq == NOT_YET:
            self._name = last_name(self.session_id, state.seq + 1 if size == 0 else recovery.first_seq(layout, self._name))
        if state.ended is not None:
            return
        if state.damage_next_seq is not None:
            self._close_segment("damaged")
        elif self._name in self._host.suspects:
            self._leave_suspect(state)

    def _record_the_hole(self, state: Tail) -> None:
        """The file was longer, or another: what stood there is lost, its seqs stay given."""
        if state.ended is not None:
            state.ended = msgspec.structs.replace(state.ended, next_seq=self._position + 1)
        elif self._size == 0:
            state.seq = self._position
        else:
            state.damage_next_seq = self._position + 1

    def _check_header(self) -> None:
        """Once for each file: what is in it decides whose it is, and where it begins."""
        opened = header(self._fd)
        if opened is None:
            return
        name = os.path.basename(self._path)
        if opened.min_reader > FORMAT:
            raise SegmentTooNew(self.session_id, name, opened.min_reader, FORMAT)
        if opened.session_id != self.session_id:
            if opened.session_id.lower() == self.session_id.lower():
                raise InvalidSessionId(self.session_id, opened.session_id)
            detail = f"its header says that it belongs to session {opened.session_id!r}"
            raise Damaged(self.session_id, name, 0, os.fstat(self._fd).st_size, "foreign", detail)
        self._name = last_name(self.session_id, opened.first_seq)

    def _set_aside(self, torn: int, size: int) -> None:
        try:
            recovery.set_aside(self._disk, self._host.layout, self._name, self._fd, torn, size)
        except OSError:  # it may have been the sync: nothing is known any more of the bytes before the tail either
            self._tail, self._size = None, -1
            self._host.suspects.add(self._name)
            raise

    def _leave_suspect(self, state: Tail) -> None:
        """Close a segment that could not be synced. One without an event has nothing to be doubted, and no number for the next one: it is
        begun anew."""
        if state.seq >= self._name.first_seq:
            self._close_segment("sync_failed")
            return
        if self._size > 0:
            self._disk.truncate(self._fd, 0)
            self._tail, self._size = recovery.look(self._fd, 0, self._name, None, 0, self._host.layout), 0
        self._host.suspects.discard(self._name)

    # --- the next segment ----------------------------------------------------------------------------------------------------

    def _move_on(self, ended: Ended) -> None:
        """From a segment that has ended to the next one: the name changes hands under this one's lock. Where another writer, or anybody,
        has given it away already, this descriptor is only let go of."""
        if not self._check_name():
            return
        self._confirm(ended)
        self._give_number(self._path, finished_name(self.session_id, self._name.first_seq))
        self._host.suspects.discard(self._name)
        name = last_name(self.session_id, ended.next_seq)
        fd = self._disk.open(self._path, create=True)
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
        if self._is_named():
            self._look(os.lseek(fd, 0, os.SEEK_END))

    def _confirm(self, ended: Ended) -> None:
        """Make sure that a segment is on stable storage before anything is built on it: whoever ended it may have died before its sync."""
        if ended.suspect or self._name in self._host.suspects:
            recovery.copy_anew(self._disk, self._path)
        elif not ended.synced:
            try:
                self._disk.sync(self._fd)
            except OSError:
                self._host.suspects.add(self._name)
                raise

    # --- what was written -------------------------------------------------------------------------------------------------

    def sync(self) -> None:
        """Return when everything that was appended here is on stable storage. Raises `OutcomeUnknown`, `WriterPoisoned`."""
        if self._failure is not None:
            raise WriterPoisoned(self.session_id, self._failure)
        try:
            self._sync_to(self._written)
        except OutcomeUnknown as failure:
            self._tell_others(failure)
            raise

    def settle(self) -> None:
        """Return when what appends have promised to be on stable storage is, or when that has failed: then they say so themselves."""
        if self._synced < self._promised and self._failure is None:
            with self._mutex:  # one that has set the mark and not written yet is over
                mark = self._written
            try:
                self._sync_to(mark)
            except OutcomeUnknown as failure:
                self._tell_others(failure)

    def _tell_others(self, failure: AppendFailed) -> None:
        """After a failed sync: end the segment, so that no other writer goes on behind bytes that may not be on the disk."""
        with self._mutex:
            if self._failure is not failure or self._fd < 0 or self._tail is None:
                return
            try:
                if not self._held:
                    self._lock(self._fd)
                if not self._has_its_name():
                    return
                size = os.lseek(self._fd, 0, os.SEEK_END)
                if size != self._size:
                    self._look(size)
                if self._tail is not None and self._tail.ended is None:
                    self._close_segment("sync_failed")
            except (EventLogError, OSError):
                pass  # the caller is being told; this process remembers, others have the kernel's own report to go by
            finally:
                self._leave()
