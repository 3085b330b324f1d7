"""What a program took back: which events can be, and which ones a `history.retracted` or a `history.cleared` names.

A view is that of the same session without them; the record keeps them (FORMAT.md, "Taking back"). Two rules make that a function of
the events alone:

- An event names only what comes before it, and what was taken back stays so: nothing takes a `history.*` back.
- A copy names the events where they are now, which its origin says (``ranges``). One that was moved and does not say so names nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from . import copies
from .algebra.ranges import Ranges
from .events import (
    EventRedacted,
    HistoryCleared,
    HistoryRetracted,
    SessionCompacted,
    SessionDeleted,
    SessionMerged,
    SessionRestored,
    SessionUpdated,
)
from .stored import NO_ORIGIN, StoredEvent

TYPES: Final = (HistoryRetracted.type, HistoryCleared.type)
# These are about the record and not about the work: they do not move ``updated_at`` and do not make an ended session active again.
ABOUT_THE_RECORD: Final = frozenset(
    {
        SessionUpdated,
        SessionMerged,
        SessionCompacted,
        SessionDeleted,
        SessionRestored,
        EventRedacted,
        HistoryRetracted,
        HistoryCleared,
    }
)
_NEVER: Final = frozenset({"usage.recorded", "error.logged", "source.record", "model.changed", "mode.changed", "event.redacted"})


def can_be_taken_back(type: str) -> bool:
    """Whether an event of this type can be: messages, tools, context, and what programs define.

    >>> [name for name in ("message.added", "shop.rated", "usage.recorded", "session.ended") if can_be_taken_back(name)]
    ['message.added', 'shop.rated']
    """
    return type not in _NEVER and not type.startswith(("session.", "history."))


def is_about_the_record(event: Any) -> bool:
    """Whether the event says something about the record and nothing about the work."""
    return type(event) in ABOUT_THE_RECORD or event.type.startswith("history.")


def named(stored: StoredEvent) -> Ranges:
    """The seqs of this session that the event names, all before its own; not all of them need to be there, or be of a kind that can be
    taken back. Empty for an event of another type."""
    event = stored.event
    if isinstance(event, HistoryRetracted):
        stated: Iterable[tuple[int, int]] = event.ranges
    elif isinstance(event, HistoryCleared):
        stated = [(1, stored.seq if event.up_to is None else event.up_to)]
    else:
        return Ranges()
    return _before(stored.seq, copies.ranges(stored, stated))


def taken_back(events: Iterable[StoredEvent]) -> Ranges:
    """The seqs that the `history.*` events among these name. An event of them that can be taken back was."""
    found = Ranges()
    for stored in events:
        found.add_all(named(stored))
    return found


class TakenBack:
    """Which events of a session a compaction may leave out because they were taken back: no view shows them.

    Takes the events in order; memory is bounded by 16 bytes for each run of them. Stays: the session's first event and the one of the
    latest time (they say when it began and was last worked on), an event with an idempotency key (a retry of its append must find it), and
    one that was copied or imported (another merge or import would bring it again, and other records may name its own). What is left out
    of a session's own events a merge knows by their seqs."""

    def __init__(self) -> None:
        self._can_be = Ranges()
        self._named = Ranges()
        self._began = False
        self._latest: tuple[datetime, int] | None = None

    def observe(self, stored: StoredEvent) -> None:
        event, is_first = stored.event, not self._began
        self._began = True
        if is_about_the_record(event):
            self._named.add_all(named(stored))
            return
        if self._latest is None or stored.time > self._latest[0]:
            self._latest = stored.time, stored.seq
        if stored.id is None and stored.origin_raw is NO_ORIGIN and not is_first and can_be_taken_back(event.type):
            self._can_be.add(stored.seq, stored.seq)

    def seqs(self) -> Ranges:
        """The seqs of the events that can be left out."""
        kept = self._can_be.without(self._named)
        if self._latest is not None:
            kept.add(self._latest[1], self._latest[1])
        return self._can_be.without(kept)


def not_yet(ranges: Ranges, cleared_until: int) -> tuple[Ranges, int]:
    """What of the ranges is behind ``cleared_until``, up to where everything was named before, and up to where everything is named now.

    So a session that is cleared again and again is not looked through from its beginning each time."""
    fresh = ranges.without(Ranges([(0, cleared_until)]))
    for first, last in ranges:
        if first <= cleared_until + 1:
            cleared_until = max(cleared_until, last)
    return fresh, cleared_until


def _before(seq: int, ranges: Iterable[tuple[int, int]]) -> Ranges:
    found = Ranges()
    for first, last in ranges:
        first, last = max(first, 1), min(last, seq - 1)
        if first <= last:
            found.add(first, last)
    return found
