"""Where the events of other sessions are in this one: which seq each identity has, in runs, so that long sessions cost little."""

from __future__ import annotations

from array import array
from bisect import bisect_right, insort
from collections.abc import Iterable, Iterator

from .. import copies
from ..algebra.ranges import Ranges
from ..session import Session


class Places:
    """The identities that a session holds (`copies`), and at which seq."""

    __slots__ = ("_by_session",)

    def __init__(self) -> None:
        self._by_session: dict[str, list[_Run]] = {}

    def add(self, which: copies.Identity, seq: int) -> None:
        runs = self._by_session.setdefault(which.session_id, [])
        last = runs[-1] if runs else None
        if last is not None and (which.seq, seq) == (last[0] + last[2], last[1] + last[2]):
            runs[-1] = (last[0], last[1], last[2] + 1)
        elif last is None or which.seq > last[0]:
            runs.append((which.seq, seq, 1))
        else:
            insort(runs, (which.seq, seq, 1))

    def __contains__(self, which: copies.Identity) -> bool:
        return any(True for _ in self.of(which.session_id, which.seq, which.seq))

    def of(self, session_id: str, first: int, last: int) -> Iterator[tuple[int, int]]:
        """Where the events from ``first`` to ``last`` of that session are, as ranges of seqs."""
        runs = self._by_session.get(session_id, [])
        for index in range(max(0, bisect_right(runs, (first, 1 << 62, 0)) - 1), len(runs)):
            there, here, count = runs[index]
            if there > last:
                return
            begin, end = max(first, there), min(last, there + count - 1)
            if begin <= end:
                yield begin - there + here, end - there + here


_Run = tuple[int, int, int]  # the first seq there, the first seq here, how many


class Lineage:
    """Which identities the events of one session have, read as far as it was asked for. One that is not there any more (it was left out)
    was the session's own."""

    __slots__ = ("_events", "_firsts", "_id", "_read", "_runs")

    def __init__(self, source: Session) -> None:
        self._id = source.id
        self._events = iter(source.read(on_damage="skip"))
        self._firsts = array("Q")  # of the runs
        self._runs: list[tuple[str, int, int]] = []  # session, first seq there, how many
        self._read = 0

    def of(self, ranges: Iterable[tuple[int, int]], until: int) -> Iterator[tuple[str, int, int]]:
        """The identities of the events in these ranges, none of which is behind ``until``: session, first and last seq there."""
        self._read_until(until)
        for first, last in ranges:
            for index in range(max(0, bisect_right(self._firsts, first) - 1), len(self._runs)):
                begin = self._firsts[index]
                if begin > last:
                    break
                session_id, there, count = self._runs[index]
                low, high = max(first, begin), min(last, begin + count - 1)
                if low <= high:
                    yield session_id, there + low - begin, there + high - begin

    def _read_until(self, seq: int) -> None:
        while self._read < seq:
            stored = next(self._events, None)
            if stored is None:
                return
            if stored.seq > self._read + 1:
                self._add(self._read + 1, copies.Identity(self._id, self._read + 1), stored.seq - self._read - 1)
            self._read = stored.seq
            self._add(stored.seq, copies.identity(stored), 1)

    def _add(self, seq: int, which: copies.Identity, more: int) -> None:
        if self._runs:
            session_id, there, count = self._runs[-1]
            if session_id == which.session_id and (which.seq, seq) == (there + count, self._firsts[-1] + count):
                self._runs[-1] = (session_id, there, count + more)
                return
        self._firsts.append(seq)
        self._runs.append((which.session_id, which.seq, more))


def moved(ranges: Iterable[tuple[int, int]], until: int, lineage: Lineage, places: Places) -> Ranges:
    """Where the events are that a source's ranges name."""
    found = Ranges()
    for session_id, first, last in lineage.of(ranges, until):
        found.add_all(places.of(session_id, first, last))
    return found
