"""Appends to one session, safe against every other writer of it.

The order of things is the promise. A position is assigned under the lock of the last segment, from its true end (`locking`). The lines
of an append leave in one write. The lock is given back before the sync, so that others write while the disk works, and one
sync answers for everything that was written before it began (`syncing`). Acknowledged means that a sync which began after the write has
succeeded, in a file that had the session's name when it was written to.

A failure decides what may follow. A full disk: the file is cut back to where the append began, nothing is stored, the writer goes on. Any
other failed write, and every failed sync: this writer is finished, and the segment is closed where that can still be written,
so that the next writer copies what was not confirmed before it builds on it.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence

from ..backend import NewOnes, PendingAppend, Sync
from ..errors import Conflict, EventLogError, EventTooLarge, NotStored, OutcomeUnknown, SessionDeleted, SessionLocked
from ..events import SessionDeleted as DeletedEvent
from ..events import SessionEnded as EndedEvent
from ..events import SessionRestored as RestoredEvent
from ..line import Envelope, encode_into
from ..segments.segment import encode_own
from . import recovery
from .group_commit import GroupCommit
from .known_ids import KnownIds
from .locking import LockedSegment
from .recovery import Tail
from .syncing import Host, cause_of

_DELETED = DeletedEvent.type
_ENDED = EndedEvent.type
_RESTORED = RestoredEvent.type
_KEPT_BUFFER_SIZE = 64 * 1024  # many writers may be there, and each has had its largest event


class SessionWriter(LockedSegment):
    """One writer per session and process (an exclusive handle has its own)."""

    def __init__(self, host: Host, session_id: str, *, exclusive: bool = False) -> None:
        super().__init__(host, session_id, exclusive=exclusive)
        self._limit = host.settings.max_event_bytes
        self._seal_size = host.settings.segment_size_bytes

    def _forget(self) -> None:
        super()._forget()
        self._group = GroupCommit()
        self._busy = False  # an append of the thread that has `_mutex` is being written
        self._buffer = bytearray()
        self._known_ids: KnownIds | None = None

    def __del__(self) -> None:
        self.is_gone = True  # another thread may take this up again, through a weak reference, while this runs: see `append`
        if self._fd >= 0 and not self.give_up_descriptor() and self._held:
            self._drop_descriptor()

    # --- appending -----------------------------------------------------------------------------------------------------------

    def append(
        self,
        envelopes: Sequence[Envelope],
        expected: int | None,
        key: str | None,
        sync: Sync,
        seal: bool = False,
        timeout_s: float | None = None,
    ) -> int:
        try:
            if sync == "always" and timeout_s is None and not self._group.enter():
                seq = self._append_with_others(PendingAppend(envelopes, expected, key, sync, seal))
            else:
                seq = self._append_alone(envelopes, expected, key, sync, seal, timeout_s)
        except OutcomeUnknown as failure:
            self._tell_others(failure)
            raise
        finally:
            if sync == "always":
                self._group.leave()
        for watch in self._host.watches:
            watch.notify(self.session_id)
        return seq

    def _append_alone(
        self, envelopes: Sequence[Envelope], expected: int | None, key: str | None, sync: Sync, seal: bool, timeout_s: float | None
    ) -> int:
        if not self._mutex.acquire(timeout=-1 if timeout_s is None else timeout_s):
            raise SessionLocked(self.session_id, timeout_s or 0)
        try:
            self._begin(timeout_s)
            try:
                if sync == "always":
                    self._promised = self._written + 1  # whatever is written now; before anybody can read it
                seq = self._write(self._state(durable=sync == "always"), envelopes, expected, key, seal)
                mark = self._written
            except EventLogError:
                raise
            except BaseException:
                self._interrupted()
                raise
            finally:
                self._busy = False
                if not self._held:
                    self._leave()
        finally:
            self._mutex.release()
        if sync == "always":
            self._sync_to(mark)
        elif sync == "interval" and self._synced < mark:
            self._host.unsynced(self)
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

    def append_new(self, envelopes: Sequence[Envelope], sync: Sync) -> list[int]:
        with self._mutex:
            self._begin()
            try:
                if sync == "always":
                    self._promised = self._written + 1
                state = self._state(durable=sync == "always")
                new = NewOnes(envelopes, lambda key: self._seq_of(state, key))
                if len(new.fresh) < len(envelopes):
                    self._synced = min(self._synced, self._written - 1)  # whoever wrote the others may not have synced them
                if new.fresh:
                    self._write(state, new.fresh, None, None, new.fresh[-1].type == _ENDED)
                mark = self._written
            except EventLogError:
                raise
            except BaseException:
                self._interrupted()
                raise
            finally:
                self._busy = False
                self._leave()
        try:
            if sync == "always":
                self._sync_to(mark)
            elif sync == "interval" and self._synced < mark:
                self._host.unsynced(self)
        except OutcomeUnknown as failure:
            self._tell_others(failure)
            raise
        for watch in self._host.watches:
            watch.notify(self.session_id)
        return new.seqs

    def _store_all(self, appends: Sequence[PendingAppend]) -> None:
        """Write several appends under one lock, then sync once for those that are to be durable."""
        written: list[tuple[PendingAppend, int]] = []
        with self._mutex:
            self._begin()
            state: Tail | None = None
            try:
                for append in appends:
                    append.begun = True
                    if append.sync == "always":
                        self._promised = self._written + 1
                    try:
                        if state is None or state is not self._tail or state.ended is not None or self._failure is not None:
                            state = self._state(durable=append.sync == "always")
                        seq = self._write(state, append.envelopes, append.expected, append.key, append.seal)
                        written.append((append, seq))
                    except EventLogError as error:
                        append.outcome = error
                mark = self._written
            except BaseException:
                self._interrupted()
                raise
            finally:
                self._busy = False
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
                append.outcome = OutcomeUnknown(self.session_id, cause_of(failure))
            else:
                append.outcome = seq

    def _begin(self, timeout_s: float | None = None) -> None:
        """A signal handler may append, but not in the middle of an append to the same session by its own thread."""
        if self._busy:
            raise SessionLocked(self.session_id, 0)
        self._busy = True
        self._patience_s = timeout_s

    def _interrupted(self) -> None:
        """Anywhere: what is there now has to be looked at."""
        self._tail = self._ready = None

    def _state(self, *, durable: bool) -> Tail:
        """The true end, under the lock. Where the lock is kept only the name need be looked at, as nobody who knows of locks can change
        it."""
        ready = self._ready
        if ready is not None and (not (durable or self._name_is_old()) or self._check_name()):
            return ready
        return self._prepare(durable=durable)

    def _seq_of(self, state: Tail, key: str) -> int | None:
        """The seq of the event with the idempotency key, if the session has one."""
        try:
            if state.ids is None:
                state.ids = recovery.ids_of(self._host.layout, self._name, self._limit) if self._size else {}
            seq = state.ids.get(key)
            if seq is None and self._name.first_seq > 1:
                if self._known_ids is None:
                    self._known_ids = KnownIds(self._host.layout, self.session_id, self._limit)
                seq = self._known_ids.find(key, self._name.first_seq)
            return seq
        except OSError as error:
            raise NotStored(self.session_id, error) from error

    def _write(self, state: Tail, envelopes: Sequence[Envelope], expected: int | None, key: str | None, seal: bool) -> int:
        if key is not None and (known := self._seq_of(state, key)) is not None:
            self._synced = min(self._synced, self._written - 1)  # whoever wrote it may not have synced it
            return known
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
            if self._size == 0:
                self._number_the_one_before()
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
            self._position = seq
        except OSError as error:
            raise self._undo(error) from error
        if state.ids is not None:
            state.ids.update((envelope.id, envelope.seq) for envelope in envelopes if envelope.id is not None)
        if seal or self._size >= self._seal_size:
            self._seal(state)
        return seq

    def _encode(self, state: Tail, envelopes: Sequence[Envelope]) -> tuple[bytearray, int]:
        """The bytes of an append of several lines, and the running checksum after them; gives each envelope its seq."""
        running, limit = state.running, self._limit
        data, line = bytearray(), bytearray()
        if self._size == 0:
            opening, running = encode_own(state.opening(self.session_id), 0)
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
