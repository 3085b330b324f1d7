"""How sessions end for good: deleted (a tombstone: hidden, the id burned), restored, cleaned up by age, purged after a grace period.

Nothing here runs by itself, and nothing but a purge removes a byte. It asks the log like any program would, but for what only
the backend knows: what a session takes, and when it was last written to (an import writes old events today).
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from heapq import nlargest
from typing import TYPE_CHECKING

import msgspec

from .. import history, timestamps
from ..algebra.ranges import Ranges
from ..backend import erasing
from ..errors import Conflict, InvalidInput, NotDeleted, SessionDeleted, SessionPurged, StillRestorable
from ..events import SessionDeleted as DeletedEvent
from ..events import SessionEnded, SessionRestored, SessionUpdated
from ..reports import CleanupReport, Deleted, Expired, PurgeReport
from ..stored import StoredEvent

if TYPE_CHECKING:
    from ..backend import Backend
    from ..log import EventLog
    from ..session import Session

STATUSES = ("active", "completed", "failed", "abandoned")


def delete(session: Session, reason: str | None, expected: int | None = None) -> int:
    """See `EventLog.delete`."""
    try:
        return session.append(DeletedEvent(reason=reason), expected=expected)
    except SessionDeleted:
        return session.last_seq


def restore(log: EventLog, session_id: str, reason: str | None) -> int:
    """See `EventLog.restore`."""
    with log.session(session_id) as session:
        while True:
            position = session.last_seq
            last = last_event(session)
            if last is None or not isinstance(last.event, DeletedEvent):
                raise NotDeleted(session_id)
            first = next(session.read(on_damage="skip"), None)
            if first is not None and first.seq == last.seq:
                raise SessionPurged(session_id)
            try:
                return session.append(SessionRestored(reason=reason), expected=position)
            except Conflict:
                continue


def purge(log: EventLog, backend: Backend, session_id: str, *, now: bool, reason: str | None, dry_run: bool) -> PurgeReport:
    """See `EventLog.purge`."""
    eraser = erasing(backend, "purge")
    found = _deleted(log, backend, session_id)
    if not now:
        if found is None:
            raise NotDeleted(session_id)
        if not found.is_due and not found.is_purged:
            raise StillRestorable(session_id, timestamps.to_text(found.until))
    if not dry_run:
        return eraser.purge(session_id, reason=reason)
    footprint = backend.footprint(session_id)
    freed = 0 if found is not None and found.is_purged else footprint.size_bytes
    with log.session(session_id) as session:
        return PurgeReport(session_id=session_id, seq=session.last_seq, files=footprint.parts, freed_bytes=freed)


def deleted(log: EventLog, backend: Backend) -> Iterator[Deleted]:
    """See `EventLog.deleted`."""
    for session_id in log.session_ids():
        found = _deleted(log, backend, session_id)
        if found is not None:
            yield found


def _deleted(log: EventLog, backend: Backend, session_id: str) -> Deleted | None:
    with log.session(session_id) as session:
        last = last_event(session)
        if last is None or not isinstance(last.event, DeletedEvent):
            return None
        first = next(session.read(on_damage="skip"))
    until = last.time + timedelta(seconds=log.settings.grace_period_s)
    is_purged = first.seq == last.seq
    return Deleted(
        session_id=session_id,
        deleted_at=last.time,
        until=until,
        is_purged=is_purged,
        is_due=not is_purged and datetime.now(UTC) >= until,
        size_bytes=backend.footprint(session_id).size_bytes,
    )


def cleanup(log: EventLog, backend: Backend, *, older_than_s: float, keep: int, status: str | None, dry_run: bool) -> CleanupReport:
    """See `EventLog.cleanup`."""
    if older_than_s < 0 or keep < 0:
        raise InvalidInput("an age and a number to keep are not below 0; give for example older_than_s=30 * 86400, keep=100")
    if status is not None and status not in STATUSES:
        raise InvalidInput(f"a session is {', '.join(STATUSES[:-1])} or {STATUSES[-1]}, not {status!r}")
    report = CleanupReport(dry_run=dry_run)
    before = datetime.fromtimestamp(time.time() - older_than_s, UTC)
    alive = list(_alive(log, backend))
    newest = {session_id for _, session_id in nlargest(keep, alive)}
    for written, session_id in sorted(alive):
        if written >= before or session_id in newest:
            continue
        with log.session(session_id) as session:
            position = session.last_seq
            state = _State().fold(session)
            if status is not None and state.status != status:
                continue
            if state.pinned:
                report.pinned += 1
                continue
            size = backend.footprint(session_id).size_bytes
            if not dry_run:
                try:
                    delete(session, f"clean-up: last written to at {timestamps.to_text(written)}", expected=position)
                except Conflict:
                    continue  # it is written to just now
        report.sessions.append(Expired(session_id=session_id, status=state.status, last_written=written, size_bytes=size))
        report.bytes += size
    return report


def last_event(session: Session) -> StoredEvent | None:
    """The session's last event that can be proven."""
    for after in (session.last_seq - 1, 0):  # the last position may be one that damage took
        last = deque(session.read(after=after, on_damage="skip"), 1)
        if last:
            return last[0]
    return None


def _alive(log: EventLog, backend: Backend) -> Iterator[tuple[datetime, str]]:
    """Every session that is not deleted, with the time when it was last written to."""
    for session_id in log.session_ids():
        with log.session(session_id, create=True) as session:
            last = last_event(session)
        if last is not None and not isinstance(last.event, DeletedEvent):
            yield max(last.time, backend.footprint(session_id).written_at or last.time), session_id


class _State:
    """The little of a session's state that decides whether it may go."""

    def __init__(self) -> None:
        self.pinned = False
        self.status = "active"

    def fold(self, session: Session) -> _State:
        ended = "active"
        work = Ranges()  # since it ended, as far as it can be taken back
        gone = Ranges()
        for stored in session.read(on_damage="skip"):
            event = stored.event
            if isinstance(event, SessionEnded):
                ended, work = event.status, Ranges()
            elif isinstance(event, SessionUpdated):
                self.pinned = self.pinned if event.pinned is msgspec.UNSET else bool(event.pinned)
            elif history.can_be_taken_back(event.type):
                work.add(stored.seq, stored.seq)
            elif history.is_about_the_record(event):
                gone.add_all(history.named(stored))
            else:
                ended = "active"
        self.status = "active" if work.without(gone) else ended
        return self
