"""Which texts of a session are live: what the search keeps of each message, and of what can be taken back, in the memory of its fold.

A text that was replaced, retracted or taken back stays in the index, as its words cannot be put there again without reading the log;
it is only no longer live.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from eventlog.algebra.ranges import Ranges
from eventlog.decoding import decoder

from ..projection import Memory, Rows
from .journal import held

_PAGE = 4  # bits: the seqs of a page
STREAMED, ADDED, AMENDED, RETRACTED = range(4)
Place = tuple[int, int]  # seq and part of a passage
Noted = tuple[int, str | None, list[int]]  # seq, message id, parts


class Entry(msgspec.Struct, array_like=True):
    """What one event, or several deltas from ``seq`` to ``last``, said of a message, and its parts that have a text."""

    seq: int
    last: int
    says: int
    parts: list[int] = []


class Said(msgspec.Struct, array_like=True):
    """All that was said of a message. ``left_at``: where the row of deltas stands that are no longer held, as many others began later."""

    entries: list[Entry]
    left_at: int = 0

    def streamed(self, seq: int) -> None:
        last = self.entries[-1] if self.entries else None
        if last is not None and last.says == STREAMED and last.last == seq - 1:
            last.last = seq
        else:
            self.entries.append(Entry(seq, seq, STREAMED))

    def live(self) -> set[Place]:
        """The texts that the message has: those that were added, or what an amendment put in their place and was added to it since."""
        found: set[Place] = set()
        is_whole = False
        for entry in self.entries:
            if entry.says == RETRACTED:
                return set()
            if entry.says == AMENDED or (entry.says == ADDED and not is_whole):
                found.clear()
            is_whole |= entry.says == ADDED
            found.update((entry.seq, part) for part in entry.parts)
        return found

    def without(self, ranges: Ranges) -> bool:
        """Forget what was said in these ranges; returns whether there are deltas among it."""
        before, self.entries = self.entries, []
        streamed = False
        for entry in before:
            left = Ranges([(entry.seq, entry.last)]).without(ranges)
            streamed |= entry.says == STREAMED and left != Ranges([(entry.seq, entry.last)])
            self.entries += [msgspec.structs.replace(entry, seq=first, last=last) for first, last in left]
        while self.entries and self.entries[0].says in (AMENDED, RETRACTED):
            del self.entries[0]  # of a message that is not there yet they say nothing
        return streamed


class Page(msgspec.Struct, array_like=True):
    noted: list[Noted]


for _kind in (Said, Page):
    decoder(_kind)  # which makes converting to them safe in every thread


def said_of(memory: Memory, message_id: str) -> Said:
    key = "message " + message_id
    found = held(memory, key, Said)
    if found is None:
        found = Said([])
        memory.keep(key, found)
    return found


def note_texts(memory: Memory, seq: int, message_id: str | None, parts: list[int]) -> None:
    """The event at ``seq`` can be taken back, and these of its parts have a text."""
    key = f"page {seq >> _PAGE}"
    found = held(memory, key, Page)
    if found is None:
        found = Page([])
        memory.keep(key, found)
    found.noted.append((seq, message_id, parts))


def texts_within(memory: Memory, ranges: Ranges) -> Iterator[Noted]:
    """What was noted in these ranges, which is forgotten."""
    for first, last in ranges:
        for number in range(first >> _PAGE, (last >> _PAGE) + 1):
            page = held(memory, f"page {number}", Page)
            if page is not None:
                yield from [noted for noted in page.noted if first <= noted[0] <= last]
                page.noted = [noted for noted in page.noted if not first <= noted[0] <= last]


def show(rows: Rows, before: set[Place], live: set[Place], *, but: int = 0) -> None:
    """Make live what is, and no longer what was; ``but`` is an event whose texts are right already."""
    for place in before ^ live:
        if place[0] != but:
            rows.change("passage", place, {"live": int(place in live)})
