"""Where the turns of a session begin: the seqs of its new messages, in the memory of a fold.

The rules of tool calls ask how many turns begin between two events, and only whether it is none, one or more.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from typing import Final

import msgspec

from eventlog.decoding import decoder

from ..projection import Memory
from .journal import held

_PAGE = 8  # bits: the seqs of a page
MOST: Final = 2


class Beginnings(msgspec.Struct, array_like=True):
    seqs: list[int]


decoder(Beginnings)  # which makes converting to it safe in every thread


class Latest(msgspec.Struct, array_like=True):
    """What goes into a checkpoint: where the last two turns began, 0 for nowhere. They answer nearly every question."""

    last: int = 0
    before: int = 0


class Turns:
    """Lives for one event."""

    __slots__ = ("_latest", "_memory")

    def __init__(self, latest: Latest, memory: Memory) -> None:
        self._latest = latest
        self._memory = memory

    def begin(self, seq: int) -> None:
        insort(self._page(seq >> _PAGE).seqs, seq)
        latest = self._latest
        if seq > latest.last:
            latest.last, latest.before = seq, latest.last
        elif seq > latest.before:
            latest.before = seq

    def end(self, seq: int) -> bool:
        """No message begins there any more; returns whether one did."""
        seqs = self._page(seq >> _PAGE).seqs
        index = bisect_left(seqs, seq)
        if index == len(seqs) or seqs[index] != seq:
            return False
        del seqs[index]
        latest = self._latest
        if seq == latest.last:
            latest.last, latest.before = latest.before, self._last_before(latest.before)
        elif seq == latest.before:
            latest.before = self._last_before(seq)
        return True

    def between(self, after: int, until: int) -> int:
        """How many turns begin after one seq, up to and with another, counted up to `MOST`."""
        latest = self._latest
        if latest.last <= after:
            return 0
        if latest.before <= after:
            return int(latest.last <= until)
        count = 0
        for page in range(until >> _PAGE, (after >> _PAGE) - 1, -1):
            found = held(self._memory, f"turns {page}", Beginnings)
            if found is not None:
                count += bisect_right(found.seqs, until) - bisect_right(found.seqs, after)
                if count >= MOST:
                    return MOST
        return count

    def _last_before(self, seq: int) -> int:
        for page in range((seq - 1) >> _PAGE, -1, -1):
            found = held(self._memory, f"turns {page}", Beginnings)
            if found is not None:
                index = bisect_left(found.seqs, seq)
                if index:
                    return found.seqs[index - 1]
        return 0

    def _page(self, page: int) -> Beginnings:
        found = held(self._memory, f"turns {page}", Beginnings)
        if found is None:
            found = Beginnings([])
            self._memory.keep(f"turns {page}", found)
        return found
