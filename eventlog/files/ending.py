"""How a writer finishes the last segment: with a footer where it is whole, with a closing line where it has to be left.

Both stand in the file under the session's name, and the next segment begins only with the next append. A footer that finds no room
leaves the segment as it was: it grows, and the next append tries again.
"""

from __future__ import annotations

import errno
import os
from typing import Literal

from ..errors import NotStored
from ..segments.segment import encode_own
from . import recovery
from .disk import write_all
from .recovery import Ended, Tail
from .syncing import SyncedSegment

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class EndingSegment(SyncedSegment):
    """The lock is held wherever something is written here."""

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
