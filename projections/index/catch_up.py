"""Catching up: from the log to the indexes, session by session, each in a transaction with its checkpoint.

A session is folded on from its checkpoint. The last event that was folded is read again and must still be there with the same
mark, else the session was rewritten, or lost its end with the power, and is folded from its beginning; so it is after an
event that says that earlier ones were changed or left out (unless it was there when the folding began: ``base``).

Everything that a transaction writes follows the checkpoint that it finds after its lock was taken, so any number of processes may catch up
at once: who comes second finds the work done.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import islice
from typing import Any, Final, Protocol

from eventlog import EventLog, Session, StoredEvent
from eventlog.backend import Changes
from eventlog.errors import Damaged, InvalidCursor, SegmentTooNew
from eventlog.events import EventRedacted, SessionCompacted

from ..projection import ProjectionFailed
from .database import Checkpoint, Index, Unreadable, mark_of
from .read_ahead import SESSIONS_AT_ONCE, ReadAhead

EVENTS_PER_TRANSACTION: Final = 20_000
BYTES_PER_TRANSACTION: Final = 16 * 1024 * 1024
SESSIONS_PER_TRANSACTION: Final = 1_000
_REWRITES: Final = (EventRedacted, SessionCompacted)


class Progress(Protocol):
    """Called now and then: how many sessions were looked at, of how many, and how many events were folded."""

    def __call__(self, sessions: int, total: int, events: int) -> None: ...


@contextmanager
def transaction(indexes: Sequence[Index]) -> Iterator[None]:
    """A transaction that holds the write locks of these indexes, and of no other that is attached."""
    connection = indexes[0].connection
    with ExitStack() as stack:
        for index in indexes:
            if index.gate is not None:
                stack.enter_context(index.gate.writing())
        connection.execute("BEGIN")
        try:
            for index in indexes:
                index.begin()
            yield
            for index in indexes:
                index.flush()
            connection.execute("COMMIT")
        except BaseException:
            for index in indexes:
                index.discard()
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def catch_up(log: EventLog, indexes: Sequence[Index], progress: Progress | None = None, *, full: bool = False) -> int:
    """Make the indexes tell of everything that is in the log now; returns how many events were folded.

    Looks at the sessions that may have changed since the oldest cursor of the indexes, at all of them with ``full``."""
    cursors = {index.meta("cursor") for index in indexes}
    known = cursors.pop() if len(cursors) == 1 and not full else None
    try:
        changes = log.changed_since(known if isinstance(known, str) and known else None)
    except InvalidCursor:  # nothing that this program wrote
        changes = log.changed_since(None)
    looking = _Looking(log, indexes, changes, progress)
    fold_sessions(log, indexes, looking.stale(), looking)
    if changes.full:
        _forget_vanished(log, indexes)
    if changes.full or changes.cursor != known:
        with transaction(indexes):
            for index in indexes:
                index.set_meta("cursor", changes.cursor)
    return looking.events


def catch_up_session(log: EventLog, index: Index, session_id: str, *, trusted: bool) -> None:
    """Make the index tell of everything that is in this session now, whatever it knows of others.

    Where it is at the session's end, that end is compared with the one that was folded, unless it is ``trusted``: what this process has
    seen to be so stays so until something is appended, as only a power loss takes an end back."""
    seq = index.seq(session_id)
    if seq:
        with log.session(session_id, create=True) as session:
            if session.last_seq == seq and (trusted or _ends_as_folded(session, index)):
                return
    fold_sessions(log, [index], [(session_id, "")])


def _ends_as_folded(session: Session, index: Index) -> bool:
    checkpoint = index.checkpoint(session.id)
    if checkpoint is None:
        return False
    known = next(session.read(after=checkpoint.seq - 1, on_damage="skip"), None)
    return known is not None and known.seq == checkpoint.seq and mark_of(known) == checkpoint.mark


class _Looking:
    """Finds the sessions that have to be folded, and tells the progress."""

    def __init__(self, log: EventLog, indexes: Sequence[Index], changes: Changes, progress: Progress | None) -> None:
        self.log = log
        self.indexes = indexes
        self.changes = changes
        self.progress = progress
        self.total = 0
        self.sessions = 0
        self.events = 0
        self.ahead: ReadAhead | None = None
        if progress is not None:
            self.total = sum(1 for _ in log.session_ids()) if changes.full else len(changes.sessions)

    def stale(self) -> Iterator[tuple[str, str]]:
        """The sessions to fold, with their stamps if those are known: of hinted ones those that are not where their checkpoint is, of all
        sessions those whose stamp is another one."""
        found = self._all() if self.changes.full else self._hinted()
        for session_id, stamp, stale in found:
            self.sessions += 1
            if stale:
                yield session_id, stamp
            elif self.sessions % 256 == 0:
                self.folded(0)

    def _hinted(self) -> Iterator[tuple[str, str, bool]]:
        """Read ahead, many in one request."""
        remaining = iter(self.changes.sessions)
        while some := list(islice(remaining, SESSIONS_AT_ONCE)):
            reached = {session_id: [index.reached(session_id) for index in self.indexes] for session_id in some}
            self.ahead = ReadAhead(self.log, {session_id: min(ends)[0] for session_id, ends in reached.items()})
            for session_id, ends in reached.items():
                end = self.ahead.end(session_id)
                if end is None:
                    position = _position(self.log, session_id)
                    yield session_id, "", any(seq != position for seq, _ in ends)
                else:
                    yield session_id, "", any(each != end for each in ends)

    def _all(self) -> Iterator[tuple[str, str, bool]]:
        """Also notes which were seen."""
        connection = self.indexes[0].connection
        connection.execute("CREATE TEMP TABLE IF NOT EXISTS seen (session_id TEXT PRIMARY KEY) WITHOUT ROWID")
        connection.execute("DELETE FROM temp.seen")
        for session_id, stamp in self.log.stamps():
            connection.execute("INSERT OR IGNORE INTO temp.seen VALUES (?)", (session_id,))
            yield session_id, stamp, any(index.stamp(session_id) != stamp for index in self.indexes)

    def folded(self, events: int) -> None:
        self.events += events
        if self.progress is not None:
            self.progress(self.sessions, self.total, self.events)


def _position(log: EventLog, session_id: str) -> int:
    try:
        with log.session(session_id, create=True) as session:
            return session.last_seq
    except (SegmentTooNew, Damaged):
        return -1  # reading it says what is the matter


def _forget_vanished(log: EventLog, indexes: Sequence[Index]) -> None:
    """Each is looked for by its name: a listing may have neither name of a file that got another one meanwhile."""
    gone = "FROM {0}.checkpoint WHERE session_id NOT IN (SELECT session_id FROM temp.seen)"
    for index in indexes:
        if index.connection.execute(f"SELECT 1 {gone.format(index.schema)} LIMIT 1").fetchone():
            with transaction([index]):
                for sid, session_id in index.connection.execute(f"SELECT sid, session_id {gone.format(index.schema)}").fetchall():
                    if not _position(log, session_id):
                        index.forget(sid)


def fold_sessions(log: EventLog, indexes: Sequence[Index], sessions: Iterable[tuple[str, str]], looking: _Looking | None = None) -> int:
    """Fold these sessions (ids and stamps) on from their checkpoints, many to a transaction; returns how many events were folded."""
    folding = _Folding(log, indexes, looking)
    remaining = iter(sessions)
    unfinished: tuple[str, str] | None = None
    while True:
        first = unfinished if unfinished is not None else next(remaining, None)
        if first is None:
            return folding.events
        before = folding.events
        with transaction(indexes):
            unfinished = folding.fold_some(first, islice(remaining, SESSIONS_PER_TRANSACTION))
        if looking is not None:
            looking.folded(folding.events - before)


class _Folding:
    """Folds sessions and counts what the transaction has taken up, so that it ends in time for the others who wait for the lock."""

    def __init__(self, log: EventLog, indexes: Sequence[Index], looking: _Looking | None) -> None:
        self.log = log
        self.indexes = indexes
        self.events = 0
        self._looking = looking
        self._events_left = 0
        self._bytes_left = 0

    def fold_some(self, first: tuple[str, str], others: Iterator[tuple[str, str]]) -> tuple[str, str] | None:
        """Fold sessions until the transaction is full; returns the session that may not be finished, if any."""
        self._events_left = EVENTS_PER_TRANSACTION
        self._bytes_left = BYTES_PER_TRANSACTION
        following: tuple[str, str] | None = first
        while following is not None:
            try:
                self._fold_session(*following)
            except (SegmentTooNew, Damaged):
                pass  # nothing of it can be told here: `verify` names it, and the other sessions are not kept from being told
            if self._full():
                return following
            following = next(others, None)
        return None

    def _full(self) -> bool:
        return self._events_left <= 0 or self._bytes_left <= 0

    def _fold_session(self, session_id: str, stamp: str) -> None:
        """Fold the session as far as there is room. Indexes that are equally far share one reading."""
        groups: dict[tuple[int, str], list[_Member]] = {}
        for index in self.indexes:
            member = _Member(index, index.checkpoint(session_id))
            checkpoint = member.checkpoint
            groups.setdefault((0, "") if checkpoint is None else (checkpoint.seq, checkpoint.mark), []).append(member)
        with self.log.session(session_id, create=True) as session:  # does not look whether it exists: there is none without events
            for (seq, mark), members in groups.items():
                if not self._fold_on(session, seq, mark, members):
                    for member in members:
                        member.start_afresh()
                    self._fold_afresh(session, members)
                for member in members:
                    member.finish(session_id, "" if self._full() else stamp)  # there may be more: it is not known by its stamp yet

    def _fold_on(self, session: Session, seq: int, mark: str, members: list[_Member]) -> bool:
        """Fold what follows ``seq``; False where what stands there is not what was folded, or no longer holds."""
        events = self._read_from(session, seq)
        if not seq:
            return self._fold(session, events, None, members)
        known = next(events, None)
        if known is None or known.seq != seq or mark_of(known) != mark:
            return False
        return self._fold(session, events, min(member.base for member in members), members)

    def _read_from(self, session: Session, seq: int) -> Iterator[StoredEvent]:
        """The event at ``seq`` and those that follow it, where they were not read ahead."""
        ahead = None if self._looking is None or self._looking.ahead is None else self._looking.ahead.take(session.id, seq)
        return session.read(after=max(seq - 1, 0), on_damage="skip") if ahead is None else iter(ahead)

    def _fold_afresh(self, session: Session, members: list[_Member]) -> None:
        """Fold from the beginning, with all the rewrites that the session tells of by now."""
        base = session.last_seq
        self._fold(session, session.read(on_damage="skip"), base, members)

    def _fold(self, session: Session, events: Iterator[StoredEvent], base: int | None, members: list[_Member]) -> bool:
        """Fold these events as far as there is room; False at a rewrite after ``base`` (None: at any)."""
        states = [member.state for member in members]
        folds = [member.index.projection.fold for member in members]
        last: StoredEvent | None = None
        for stored in events:
            if self._events_left <= 0 or self._bytes_left <= 0:
                break
            if type(stored.event) in _REWRITES and (base is None or stored.seq > base):
                return False
            for number, fold in enumerate(folds):
                try:
                    states[number] = fold(states[number], stored)
                except sqlite3.Error:
                    raise  # what it remembers could not be read
                except Exception as error:
                    raise ProjectionFailed(members[number].index.name, stored.session_id, stored.seq, error) from error
            self._events_left -= 1
            self._bytes_left -= stored.size_bytes
            self.events += 1
            last = stored
        for member, state in zip(members, states, strict=True):
            member.state = state
            if last is not None:
                member.folded(last, base)
        return True


class _Member:
    """One index and how far it is with the session at hand."""

    def __init__(self, index: Index, checkpoint: Checkpoint | None) -> None:
        self.index = index
        self.checkpoint = checkpoint
        self.state: Any
        self._last: StoredEvent | None = None
        self._base = 0
        if checkpoint is None:
            self.state = index.projection.initial()
            return
        try:
            self.state = index.restore(checkpoint)
        except Unreadable:  # as after a change of the state's shape without a new version
            self.start_afresh()

    @property
    def base(self) -> int:
        return 0 if self.checkpoint is None else self.checkpoint.base

    def start_afresh(self) -> None:
        if self.checkpoint is not None:
            self.index.forget(self.checkpoint.sid)
            self.checkpoint = None
        self.state = self.index.projection.initial()

    def folded(self, last: StoredEvent, base: int | None) -> None:
        """Note the event that the folding came to; ``base`` None: the session tells of no rewrite up to there."""
        self._last = last
        self._base = last.seq if base is None else base

    def finish(self, session_id: str, stamp: str) -> None:
        """Queue what is to be written."""
        checkpoint, last = self.checkpoint, self._last
        if last is not None:
            sid = None if checkpoint is None else checkpoint.sid
            self.index.write(session_id, sid, last.seq, mark_of(last), self._base, stamp, self.state)
        elif checkpoint is not None and stamp != checkpoint.stamp:
            self.index.set_stamp(checkpoint.sid, stamp)
