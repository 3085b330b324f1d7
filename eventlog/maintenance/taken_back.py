"""Which events a compaction may leave out because a program took them back: no view shows them.

Stays: the session's first event and the one of the latest time (they say when the session began and was last worked on), an event with an
idempotency key (a retry of its append must find it), and one that was copied or imported (another merge or import would bring it again, and
other records may name its own). What is left out of the session's own events a merge knows by their seqs.
"""

from __future__ import annotations

from datetime import datetime

from .. import history
from ..ranges import Ranges
from ..stored import NO_ORIGIN, StoredEvent


class TakenBack:
    """Takes the events of a session in order, and says which can go. Memory is bounded by 16 bytes for each run of them."""

    def __init__(self) -> None:
        self._can_be = Ranges()
        self._named = Ranges()
        self._began = False
        self._latest: tuple[datetime, int] | None = None

    def observe(self, stored: StoredEvent) -> None:
        event, is_first = stored.event, not self._began
        self._began = True
        if history.is_about_the_record(event):
            self._named.add_all(history.named(stored))
            return
        if self._latest is None or stored.time > self._latest[0]:
            self._latest = stored.time, stored.seq
        if stored.id is None and stored.origin_raw is NO_ORIGIN and not is_first and history.can_be_taken_back(event.type):
            self._can_be.add(stored.seq, stored.seq)

    def seqs(self) -> Ranges:
        """The seqs of the events that can be left out."""
        kept = self._can_be.without(self._named)
        if self._latest is not None:
            kept.add(self._latest[1], self._latest[1])
        return self._can_be.without(kept)
