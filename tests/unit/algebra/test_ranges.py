from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from eventlog.algebra.ranges import Ranges

pairs = st.lists(st.tuples(st.integers(1, 60), st.integers(0, 6)).map(lambda pair: (pair[0], pair[0] + pair[1])), max_size=12)


def seqs_of(ranges: Ranges) -> set[int]:
    return {seq for first, last in ranges for seq in range(first, last + 1)}


def test_ranges_that_adjoin_or_overlap_become_one() -> None:
    ranges = Ranges([(5, 6), (1, 2), (9, 9), (3, 3)])
    assert list(ranges) == [(1, 3), (5, 6), (9, 9)]
    ranges.add(4, 8)
    assert list(ranges) == [(1, 9)]
    assert (len(ranges), ranges.count) == (1, 9)


@given(pairs, pairs)
def test_ranges_are_the_set_of_their_seqs(some: list[tuple[int, int]], others: list[tuple[int, int]]) -> None:
    ranges, without = Ranges(some), Ranges(others)
    expected = {seq for first, last in some for seq in range(first, last + 1)}
    taken = {seq for first, last in others for seq in range(first, last + 1)}
    assert seqs_of(ranges) == expected
    assert ranges.count == len(expected)
    assert all(after[0] > before[1] + 1 for before, after in zip(ranges, list(ranges)[1:], strict=False))
    assert {seq for seq in range(80) if seq in ranges} == expected
    assert all(ranges.meets(seq, seq + 3) == bool(expected & set(range(seq, seq + 4))) for seq in range(70))
    assert seqs_of(ranges.without(without)) == expected - taken
