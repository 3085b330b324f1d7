"""What sessions have behind their checkpoints, asked of the log in one request before any lock is taken.

Most of what is hinted at has nothing new, or little: one answer tells which, and has it. It counts only where the checkpoint is still the
one that it was read behind when the lock has been taken; what it does not hold whole is read by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from eventlog import EventLog, StoredEvent
from eventlog.errors import Damaged, SegmentTooNew

from .database import mark_of

SESSIONS_AT_ONCE: Final = 64
_MOST_BYTES: Final = 1024 * 1024


class ReadAhead:
    """``folded``: of each session up to where it is folded. The event there is read, too, so that its mark can be compared."""

    def __init__(self, log: EventLog, folded: Mapping[str, int]) -> None:
        self._after = {session_id: max(seq - 1, 0) for session_id, seq in folded.items()}
        self._events: dict[str, list[StoredEvent]] = {}
        size = 0
        session_id = ""
        try:
            for stored in log.read_many(self._after, on_damage="skip"):
                session_id = stored.session_id
                size += stored.size_bytes
                if size > _MOST_BYTES:
                    break
                self._events.setdefault(session_id, []).append(stored)
            else:
                return
        except (SegmentTooNew, Damaged):
            pass  # whose it is says reading each by itself
        for unknown in list(self._after)[list(self._after).index(session_id) if session_id else 0 :]:
            del self._after[unknown]

    def end(self, session_id: str) -> tuple[int, str] | None:
        """The seq and the mark of the session's last event, (0, "") where it has none; None where that is not known."""
        if session_id not in self._after:
            return None
        events = self._events.get(session_id)
        return (events[-1].seq, mark_of(events[-1])) if events else (0, "")

    def take(self, session_id: str, folded: int) -> list[StoredEvent] | None:
        """Everything from the event at ``folded`` on; None where that is not known."""
        if self._after.get(session_id) != max(folded - 1, 0):
            return None
        del self._after[session_id]
        return self._events.pop(session_id, [])
