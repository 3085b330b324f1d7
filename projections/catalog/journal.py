"""What can be taken back of a session, by seq: as little of each event as it takes to make anew what it had changed.

A projection keeps no events and does not read them again, so this is all that it has of them. It lies in the state's memory in pages of
a few events each, so that a session that grew by one event writes one page.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

import msgspec

from eventlog.algebra.ranges import Ranges
from eventlog.decoding import decoder

from ..projection import Memory

Cell = tuple[int, str, str]  # quarter of an hour, source, model: what is counted together
CallRef = tuple[int, str | None]  # a part's index, or `pairing.EVENT`, and the id of the call that it tells of

_PAGE = 4  # bits: the events of a page; what is above about 1,000 bytes takes the database a page of its own


class Other(msgspec.Struct, array_like=True, tag=0):
    """Events from ``seq`` to ``last`` of which nothing matters but that they were there."""

    seq: int
    last: int
    cell: int


class Streamed(msgspec.Struct, array_like=True, tag=1):
    """Deltas of one message, from ``seq`` to ``last``."""

    seq: int
    last: int
    message_id: str
    role: str
    cell: int  # of its page's cells


class Added(msgspec.Struct, array_like=True, tag=2):
    """``text`` is the beginning of what a user said, in case that it is the first thing that was said."""

    seq: int
    message_id: str | None
    role: str
    cell: int
    model: str | bool | None  # that the event names; True for that of its cell
    is_excluded: bool
    is_alternative: bool
    text: str
    calls: list[CallRef]


class Amended(msgspec.Struct, array_like=True, tag=3):
    """``text`` is None where the content stays, ``is_excluded`` where that does."""

    seq: int
    cell: int
    message_id: str
    text: str | None
    is_excluded: bool | None
    calls: list[CallRef]


class Retracted(msgspec.Struct, array_like=True, tag=4):
    seq: int
    cell: int
    message_id: str


class Told(msgspec.Struct, array_like=True, tag=5):
    """A `tool.called` or a `tool.returned`."""

    seq: int
    cell: int
    call_id: str | None


class Project(msgspec.Struct, array_like=True, tag=6):
    """A `context.updated` that names the project; ``before`` is the seq of the one before it. One that is gone stays as a link."""

    seq: int
    cell: int
    value: Any
    before: int
    is_gone: bool = False


OfAMessage = Streamed | Added | Amended | Retracted
Entry = Other | Streamed | Added | Amended | Retracted | Told | Project


class Page(msgspec.Struct, array_like=True):
    entries: list[Entry]
    cells: list[Cell]


decoder(Page)  # which makes converting to it safe in every thread
K = TypeVar("K")


def held(memory: Memory, key: str, kind: type[K]) -> K | None:
    """What the memory holds under the key, as the struct that it was; what is changed in it is kept."""
    found = memory.find(key)
    if found is None or isinstance(found, kind):
        return found
    converted = msgspec.convert(found, kind)
    memory.keep(key, converted)
    return converted


class Journal:
    """Lives for one event; everything is in the memory."""

    __slots__ = ("_memory",)

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def cell(self, seq: int, cell: Cell) -> int:
        """What an entry at ``seq`` says instead of the cell: few are different within a page."""
        cells = self._page(seq >> _PAGE).cells
        if cell not in cells:
            cells.append(cell)
        return cells.index(cell)

    def cell_of(self, entry: Entry) -> Cell:
        return self._page(entry.seq >> _PAGE).cells[entry.cell]

    def model_of(self, entry: Added) -> str | None:
        if entry.model is True:
            return self.cell_of(entry)[2]
        return entry.model or None

    def note(self, entry: Entry) -> None:
        self._page(entry.seq >> _PAGE).entries.append(entry)

    def other(self, seq: int, cell: Cell) -> None:
        number = self.cell(seq, cell)
        entries = self._page(seq >> _PAGE).entries
        last = entries[-1] if entries else None
        if isinstance(last, Other) and (last.last, last.cell) == (seq - 1, number):
            last.last = seq
        else:
            entries.append(Other(seq, seq, number))

    def streamed(self, seq: int, message_id: str, role: str, cell: Cell) -> Streamed | None:
        """Note a delta; returns its entry, None where it lengthened the one before."""
        number = self.cell(seq, cell)
        entries = self._page(seq >> _PAGE).entries
        last = entries[-1] if entries else None
        if isinstance(last, Streamed) and (last.last, last.message_id, last.role, last.cell) == (seq - 1, message_id, role, number):
            last.last = seq
            return None
        entry = Streamed(seq, seq, message_id, role, number)
        entries.append(entry)
        return entry

    def at(self, seq: int) -> Entry | None:
        return next((entry for entry in self._entries(seq >> _PAGE) if entry.seq == seq), None)

    def within(self, ranges: Ranges) -> list[Entry]:
        """The entries that have a part in these ranges."""
        found: list[Entry] = []
        for first, last in ranges:
            for page in range(first >> _PAGE, (last >> _PAGE) + 1):
                for entry in self._entries(page):
                    if entry.seq <= last and last_of(entry) >= first and (not found or found[-1] is not entry):
                        found.append(entry)
        return found

    def after(self, seq: int, until: int) -> Iterator[Entry]:
        """The entries behind ``seq``, up to ``until``."""
        for page in range(seq >> _PAGE, (until >> _PAGE) + 1):
            yield from (entry for entry in self._entries(page) if entry.seq > seq)

    def cut(self, entries: Iterable[Entry], ranges: Ranges) -> None:
        """Take out what of these entries lies in the ranges."""
        for entry in entries:
            if isinstance(entry, Project):
                entry.is_gone = True
                continue
            page = self._page(entry.seq >> _PAGE).entries
            index = next(index for index, other in enumerate(page) if other is entry)
            page[index : index + 1] = left_of(entry, ranges)

    def _entries(self, page: int) -> list[Entry]:
        found = held(self._memory, f"page {page}", Page)
        return [] if found is None else found.entries

    def _page(self, page: int) -> Page:
        found = held(self._memory, f"page {page}", Page)
        if found is None:
            found = Page([], [])
            self._memory.keep(f"page {page}", found)
        return found


def last_of(entry: Entry) -> int:
    return entry.last if isinstance(entry, (Other, Streamed)) else entry.seq


def left_of(entry: Entry, ranges: Ranges) -> list[Entry]:
    """What of the entry lies outside of the ranges."""
    if isinstance(entry, (Other, Streamed)):
        left = Ranges([(entry.seq, entry.last)]).without(ranges)
        return [msgspec.structs.replace(entry, seq=first, last=last) for first, last in left]
    return [] if entry.seq in ranges else [entry]
