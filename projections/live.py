"""One session's state under a projection, kept in memory and caught up whenever it is asked for.

`replay` folds a session from its beginning each time; a `Live` goes on from where it was. What it folds belongs to it alone: each state
that it gives out is a copy, made once for whatever was new, and never changes again. So it is "as it was at some moment during the call"
also while others append and ask, and whoever changes the one that was given out cannot break what comes next.

A session that was rewritten (content was redacted, events were left out) is folded anew: the event that says so is noticed like any
other news, and the last event that was folded must still be there with the same checksum. A redaction is announced before it is done; so
for a while after it was, the first and the last event that it names are looked at again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Final, Generic, TypeVar

from eventlog import Session, StoredEvent
from eventlog.backend import OnDamage
from eventlog.events import EventRedacted, SessionCompacted

from .projection import Projection
from .snapshots import Snapshots

S = TypeVar("S")
_REWRITES: Final = (EventRedacted, SessionCompacted)
_REDACTING: Final = timedelta(minutes=5)  # how long after its announcement a redaction may still be under way


class Live(Generic[S]):
    """Made of a session and a projection; the session's handle stays the caller's, who closes it. Safe to use from several threads.

    >>> from eventlog import EventLog
    >>> from eventlog.events import MessageAdded
    >>> from projections import Live, SessionView
    >>> session = EventLog.memory().start()
    >>> live = Live(session, SessionView)
    >>> before = live.state
    >>> session.append(MessageAdded(role="user", content="What changed?"))
    2
    >>> before.counts.messages, live.state.counts.messages
    (0, 1)
    """

    def __init__(self, session: Session, projection: Projection[S], *, on_damage: OnDamage = "raise") -> None:
        self._session = session
        self._projection = projection
        self._on_damage: OnDamage = on_damage
        self._lock = threading.Lock()
        self._kept: _Kept[S] | None = None
        self._snapshots = Snapshots()

    @property
    def state(self) -> S:
        """What `replay` gives of the session's events, as it was at some moment during the call. For reading only: it is shared with
        whoever asks before something is new.

        Costs a look where nothing is new, else the new events, a look over the state, and a copy of what has changed in it. Raises what
        reading and folding raise (`SessionNotFound`, `Damaged`); the next call then begins afresh."""
        with self._lock:
            kept, self._kept = self._kept, None  # so that a fold that raises leaves nothing half done behind
            if kept is None or self._is_redacted(kept):
                kept = self._afresh()
            elif self._session.last_seq != kept.seq:
                kept = self._caught_up(kept) or self._afresh()
            self._kept = kept
            return kept.given

    def _caught_up(self, kept: _Kept[S]) -> _Kept[S] | None:
        """With what is new; None where the session is no longer what was folded."""
        events = self._session.read(after=max(kept.seq - 1, 0), on_damage=self._on_damage)
        if kept.seq:
            known = next(events, None)
            if known is None or known.seq != kept.seq or _mark_of(known) != kept.mark:
                return None
        noting = _Noting(events, kept.seq, kept.mark, stops=True)
        folded = _fold(self._projection, kept.folded, noting)
        return (
            None
            if noting.rewritten
            else _Kept(folded, self._snapshots.of(folded), noting.seq, noting.mark, kept.watched, kept.watched_until)
        )

    def _afresh(self) -> _Kept[S]:
        self._snapshots = Snapshots()
        noting = _Noting(self._session.read(on_damage=self._on_damage), 0, b"", stops=False)
        folded = _fold(self._projection, self._projection.initial(), noting)
        until = noting.announced + _REDACTING
        watched = self._marks_of(noting.redacted) if _now() < until else {}
        return _Kept(folded, self._snapshots.of(folded), noting.seq, noting.mark, watched, until)

    def _is_redacted(self, kept: _Kept[S]) -> bool:
        """Whether a redaction that had only been announced has been done."""
        if not kept.watched:
            return False
        if _now() > kept.watched_until:
            kept.watched = {}
            return False
        return self._marks_of(kept.watched) != kept.watched

    def _marks_of(self, seqs: Iterable[int]) -> dict[int, bytes]:
        return {
            stored.seq: _mark_of(stored) for seq in seqs for stored in self._session.read(after=seq - 1, before=seq + 1, on_damage="skip")
        }

    def __repr__(self) -> str:
        return f"<Live {self._projection.name} of {self._session.id}>"


class _Kept(Generic[S]):
    """``folded`` is folded on, ``given`` its copy; ``seq`` and ``mark`` say which event came last. ``watched``: events that are about to be
    redacted, with the marks that they had."""

    __slots__ = ("folded", "given", "mark", "seq", "watched", "watched_until")

    def __init__(self, folded: S, given: S, seq: int, mark: bytes, watched: dict[int, bytes], watched_until: datetime) -> None:
        self.folded = folded
        self.given = given
        self.seq = seq
        self.mark = mark
        self.watched = watched
        self.watched_until = watched_until


class _Noting:
    """Passes events on and notes which came last, and what the last redaction named; ``stops`` before one that rewrites."""

    def __init__(self, events: Iterator[StoredEvent], seq: int, mark: bytes, *, stops: bool) -> None:
        self._events = events
        self._stops = stops
        self.seq = seq
        self.mark = mark
        self.rewritten = False
        self.redacted: set[int] = set()
        self.announced = datetime.min.replace(tzinfo=timezone.utc)

    def __iter__(self) -> Iterator[StoredEvent]:
        stored: StoredEvent | None = None
        try:
            for each in self._events:
                event = each.event
                if isinstance(event, _REWRITES):
                    if self._stops:
                        self.rewritten = True
                        return
                    if isinstance(event, EventRedacted) and event.seqs:
                        self.redacted = {event.seqs[0], event.seqs[-1]}
                        self.announced = each.time
                stored = each
                yield each
        finally:
            if stored is not None:
                self.seq, self.mark = stored.seq, _mark_of(stored)


def _fold(projection: Projection[S], state: S, events: Iterable[StoredEvent]) -> S:
    fold_all: Callable[[S, Iterable[StoredEvent]], S] | None = getattr(projection, "fold_all", None)
    if fold_all is not None:
        return fold_all(state, events)
    for stored in events:
        state = projection.fold(state, stored)
    return state


def _mark_of(stored: StoredEvent) -> bytes:
    """The checksum that ends the event's line (FORMAT.md, "Lines")."""
    return stored.raw[-10:-2]


def _now() -> datetime:
    return datetime.now(timezone.utc)
