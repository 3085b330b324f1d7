"""Taking events back out of a view: what a `history.retracted` names goes, and what it had changed is as it was without it.

The fold keeps what can be taken back by its seq, in a journal. What the events were about is then made anew from what is left: a message
from what else was told of it, the calls of an id from their other records, the context from its other patches. So it costs what was
said of these, not a fold of the session; see `tool_calls` for the calls of which more than their own records decide.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import Any

from eventlog.algebra.ranges import Ranges
from eventlog.events import (
    ContextCompacted,
    MessageAdded,
    MessageAmended,
    MessageDelta,
    MessageRetracted,
    ToolCalled,
    ToolReturned,
)
from eventlog.history import can_be_taken_back, is_about_the_record, not_yet

from .messages import Messages
from .models import Seen
from .tool_calls import ToolCalls, place_of

_OF_A_MESSAGE = (MessageAdded, MessageDelta, MessageAmended, MessageRetracted)


class Journal:
    """The events so far that have not been taken back, in order."""

    __slots__ = ("cleared_until", "events", "seqs")

    def __init__(self) -> None:
        self.cleared_until = 0  # up to here everything is gone that can be
        self.seqs: list[int] = []
        self.events: list[Any] = []

    @property
    def worked_until(self) -> int:
        """The seq of the last event about the work, 0 where there is none."""
        index = len(self.seqs) - 1
        while index >= 0 and is_about_the_record(self.events[index]):
            index -= 1
        return self.seqs[index] if index >= 0 else 0

    def at(self, seq: int) -> Any:
        return self.events[bisect_left(self.seqs, seq)]

    def within(self, ranges: Ranges) -> list[tuple[int, Any]]:
        """The events of these ranges that can be taken back, with their seqs."""
        found: list[tuple[int, Any]] = []
        for first, last in ranges:
            indexes = range(bisect_left(self.seqs, first), bisect_right(self.seqs, last))
            found += [(self.seqs[index], self.events[index]) for index in indexes if can_be_taken_back(self.events[index].type)]
        return found

    def cut(self, seqs: list[int]) -> None:
        """Take out the events at these seqs. Costs what they are, for each run of them."""
        begin = end = len(self.seqs)
        for seq in reversed(seqs):
            index = bisect_left(self.seqs, seq, 0, begin)
            if index < begin - 1 or begin == end:
                del self.seqs[begin:end], self.events[begin:end]
                end = index + 1
            begin = index
        del self.seqs[begin:end], self.events[begin:end]

    def next_of_model(self, model: str, seq: int) -> int | None:
        """The seq of the next message of the model after ``seq``."""
        for index in range(bisect_right(self.seqs, seq), len(self.seqs)):
            event = self.events[index]
            if type(event) is MessageAdded and event.model == model:
                return self.seqs[index]
        return None


def take_back(ranges: Ranges, journal: Journal, messages: Messages, tools: ToolCalls, models: Seen, compactions: list[Any]) -> list[int]:
    """Take the events of these ranges out of the journal, and out of what they had changed but for the context; returns their seqs."""
    ranges, journal.cleared_until = not_yet(ranges, journal.cleared_until)
    cut = journal.within(ranges)
    gone = [seq for seq, _ in cut]
    where = frozenset(gone)
    touched: dict[str, None] = {}
    of_model: dict[str, int] = {}
    tools.change()
    for seq, event in cut:
        if isinstance(event, MessageAdded) and event.model is not None:
            of_model.setdefault(event.model, seq)
        if isinstance(event, MessageAdded) and event.message_id is None:
            messages.take_back_nameless(seq, event)
        elif isinstance(event, _OF_A_MESSAGE):
            touched[event.message_id] = None  # type: ignore[index]
        elif isinstance(event, (ToolCalled, ToolReturned)):
            tools.drop(event.call_id or None, place_of(seq))
        elif isinstance(event, ContextCompacted):
            del compactions[bisect_left(compactions, seq, key=lambda compaction: compaction.seq)]
    for message_id in touched:
        messages.take_back(message_id, where)
    tools.settle()
    journal.cut(gone)
    models.take_back(of_model, journal.next_of_model)
    return gone
