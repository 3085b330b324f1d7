"""One call that comes through several doors (the wire, a span, a tracing processor, OTLP) is recorded once: by the first of them.

The wire comes first where it is watched: its call is open, or over, when whoever instruments the SDK tells of the same one. Response ids
decide where both sides have one. Where one has none: the same answer, or the same question, at the same time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

_SLACK_S = 1.0  # clocks differ, and so do opinions on when a stream is over
_MOST = 4096


class Seen(NamedTuple):
    """A call as far as it tells it from others. Times in seconds since 1970; digests of the question's last message and of the answer,
    None where there is none."""

    started_at: float
    ended_at: float
    question: bytes | None
    answer: bytes | None
    response_id: str | None
    model: str | None
    is_wire: bool = False

    def overlaps(self, other: Seen) -> bool:
        return self.started_at <= other.ended_at + _SLACK_S and other.started_at <= self.ended_at + _SLACK_S


class Doors:
    """The latest calls that were recorded."""

    def __init__(self) -> None:
        self._recent: deque[Seen] = deque(maxlen=_MOST)

    def saw(self, seen: Seen) -> None:
        self._recent.append(seen)

    def know(self, told: Seen, open_calls: Iterable[Seen]) -> bool:
        """Whether the call that another door tells of is one of these, or one that is still open on the wire."""
        return any(_are_one(each, told) for each in open_calls) or any(_are_one(each, told) for each in reversed(self._recent))


def _are_one(seen: Seen, told: Seen) -> bool:
    if seen.response_id is not None and told.response_id is not None:
        return seen.response_id == told.response_id
    if not seen.overlaps(told):
        return False
    if told.answer is not None and told.answer == seen.answer:
        return True
    if told.question is None:
        return seen.is_wire and told.model in (None, seen.model)  # it has no content: that it was is all it says
    return told.question == seen.question and (seen.is_wire or told.answer is None)
