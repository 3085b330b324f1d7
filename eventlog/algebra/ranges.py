"""Inclusive ranges of seqs in 16 bytes each: what was left out of a session can be half of a very long one."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator


class Ranges:
    """Ranges in order. Those that adjoin or overlap become one."""

    __slots__ = ("_firsts", "_lasts")

    def __init__(self, ranges: Iterable[tuple[int, int]] = ()) -> None:
        self._firsts = array("Q")
        self._lasts = array("Q")
        for first, last in ranges:
            self.add(first, last)

    def add(self, first: int, last: int) -> None:
        """Add a range; cheap where it is behind the others, or nearly so."""
        begin = bisect_left(self._lasts, first - 1)
        end = bisect_right(self._firsts, last + 1)
        if begin < end:
            first, last = min(first, self._firsts[begin]), max(last, self._lasts[end - 1])
        self._firsts[begin:end] = array("Q", (first,))
        self._lasts[begin:end] = array("Q", (last,))

    def add_all(self, others: Iterable[tuple[int, int]]) -> None:
        for first, last in others:
            self.add(first, last)

    def __contains__(self, seq: int) -> bool:
        index = bisect_right(self._firsts, seq) - 1
        return index >= 0 and seq <= self._lasts[index]

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return zip(self._firsts, self._lasts, strict=True)

    def __len__(self) -> int:
        return len(self._firsts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ranges) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    @property
    def count(self) -> int:
        """How many seqs there are in them."""
        return sum(self._lasts) - sum(self._firsts) + len(self._firsts)

    def meets(self, first: int, last: int) -> bool:
        """Whether any of the seqs from ``first`` to ``last`` is in them."""
        index = bisect_right(self._firsts, last) - 1
        return index >= 0 and self._lasts[index] >= first

    def without(self, other: Ranges) -> Ranges:
        """What is in these and not in the others."""
        left = Ranges()
        for first, last in self:
            index = max(0, bisect_right(other._firsts, first) - 1)
            while first <= last and index < len(other) and other._firsts[index] <= last:
                if other._firsts[index] > first:
                    left.add(first, other._firsts[index] - 1)
                first = max(first, other._lasts[index] + 1)
                index += 1
            if first <= last:
                left.add(first, last)
        return left
