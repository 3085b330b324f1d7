"""The rules of which result belongs to which call of the same id, and when two records tell of the same thing; see `tool_calls`.

They ask a call only where it was made and who has told of it, so that a view and the catalog can keep their calls as they like.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, Protocol, TypeVar

BY_EVENT: Final = 1
BY_PART: Final = 2

Between = Callable[[int, int], int]  # how many turns begin after one seq, up to and with another


class Tracked(Protocol):
    """What the rules ask of a call: where it was made, and which kinds of record have told of it and of its result."""

    called_by: int
    returned_by: int

    @property
    def seq(self) -> int: ...


T = TypeVar("T", bound=Tracked)


def answered(newest_first: Iterable[T], by: int, between: Between) -> T | None:
    """The call that a result told of by ``by`` answers, of those with its id; None where it only repeats."""
    open_call: T | None = None
    told_otherwise: T | None = None
    latest: T | None = None
    for track in newest_first:
        if latest is None:
            latest = track
        if open_call is not None and between(track.seq, open_call.seq):
            break
        if not track.returned_by:
            open_call = track
        elif not track.returned_by & by and not between(track.seq, latest.seq):
            told_otherwise = track
    return told_otherwise or open_call


def other_record(newest_first: Iterable[T], seq: int, by: int, between: Between) -> T | None:
    """The call that a new record of kind ``by``, at ``seq``, tells of once more: the oldest in the latest turn that has one."""
    found: T | None = None
    for track in newest_first:
        if found is not None and between(track.seq, found.seq):
            break
        if track.called_by & by:
            continue
        if not track.returned_by or (by == BY_PART and between(track.seq, seq) <= 1):
            found = track
    return found
