"""The stored projection ``outline``: for each message that is shown a row of a few bytes, which says where its events are.

A window of a long session, its scroll bar and its list of prompts are read from here and from the few events that are needed, without
folding the session. What a message is follows the rules of `messages`:

- A row stands at the seq at which the message stands in the view. ``sources`` are the seqs of the events that make the message, where that
  is more than the one at ``seq``. Errors and compactions have rows, too (``kind``).
- A correction (an amendment, a retraction, further parts) changes the row of the message, however long ago that was, and its flags say so.
- Retracted messages keep their rows, with a flag. ``count`` has how many messages there are of each role, shown and retracted.
- What was taken back (`eventlog.meaning.history`) has no row and no part in one. For each message with an id the memory keeps what each of
  its events said (`Piece`), and for each block of seqs which event belongs to which message, so that taking back events costs what they
  said, wherever they stand. Of a run of deltas it is kept as a whole how much text it brought: where only some of them are taken back, the
  length of what is left is an estimate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec
from msgspec import UNSET

from eventlog import StoredEvent
from eventlog import events as e
from eventlog.decoding import decoder
from eventlog.meaning.copies import as_meant
from eventlog.meaning.history import named, not_yet

from ..projection import State, Table

PARTIAL, AMENDED, EXCLUDED, RETRACTED, CALLS, RESULTS, FAILED, ALTERNATIVE = (1 << bit for bit in range(8))
FLAGS: Final = {
    "partial": PARTIAL,
    "amended": AMENDED,
    "excluded": EXCLUDED,
    "retracted": RETRACTED,
    "calls": CALLS,
    "results": RESULTS,
    "failed": FAILED,
    "alternative": ALTERNATIVE,
}
MESSAGE: Final = "message"
ERROR: Final = "error"
COMPACTION: Final = "compaction"

_BLOCK: Final = 256  # seqs
_ADDED, _DELTA, _AMENDED, _RETRACTED = range(4)
_OF_CONTENT: Final = CALLS | RESULTS | FAILED


class Piece(msgspec.Struct, array_like=True, gc=False):
    """What one event (or a run of deltas without a gap) said of a message. ``chars`` is None where it left the content as it was;
    ``excluded`` likewise."""

    kind: int
    first: int
    last: int
    role: str = ""
    chars: int | None = None
    flags: int = 0
    excluded: bool | None = None


class Shape(msgspec.Struct, array_like=True, gc=False):
    """What a message is, after some of its pieces. ``seq`` 0: there is none."""

    seq: int = 0
    role: str = ""
    chars: int = 0
    flags: int = 0
    amended_partial: bool = False  # what was said of it while there were only deltas still counts

    def take(self, piece: Piece) -> None:
        """The next event of the message, by the rules of `messages`."""
        if piece.kind == _ADDED:
            self._added(piece)
        elif piece.kind == _DELTA:
            self._delta(piece)
        elif self.seq and piece.kind == _AMENDED:
            if piece.chars is not None:
                self.chars = piece.chars
                self.flags = self.flags & ~_OF_CONTENT | piece.flags
            if piece.excluded is not None:
                self.flags = self.flags & ~EXCLUDED | (EXCLUDED if piece.excluded else 0)
            self.flags |= AMENDED
            self.amended_partial |= bool(self.flags & PARTIAL)
        elif self.seq and piece.kind == _RETRACTED:
            self.flags |= RETRACTED

    def _added(self, piece: Piece) -> None:
        chars = piece.chars or 0
        if not self.seq:
            self.seq, self.role, self.chars, self.flags = piece.first, piece.role, chars, piece.flags
        elif self.flags & PARTIAL:
            if not self.flags & RETRACTED:
                self.seq = piece.first
            self.role, self.chars = piece.role, chars
            self.flags = self.flags & ~PARTIAL & ~_OF_CONTENT | piece.flags
        else:
            self.chars += chars
            self.flags |= piece.flags
        if piece.excluded:
            self.flags |= EXCLUDED

    def _delta(self, piece: Piece) -> None:
        if not self.seq:
            self.seq, self.role, self.chars, self.flags = piece.first, piece.role, piece.chars or 0, PARTIAL
        elif self.flags & PARTIAL:
            self.chars += piece.chars or 0


class Known(msgspec.Struct, array_like=True, gc=False):
    """A message with an id: its pieces, its shape, and what was written of it: ``row_seq`` where its row is (0: it has none)."""

    pieces: list[Piece] = []
    shape: Shape = msgspec.field(default_factory=Shape)
    row_seq: int = 0
    counted: tuple[str, int] | None = None

    def add(self, piece: Piece) -> None:
        last = self.pieces[-1] if self.pieces else None
        if piece.kind == _DELTA and last is not None and last.kind == _DELTA and last.last + 1 == piece.first:
            last.last = piece.last
            last.chars = (last.chars or 0) + (piece.chars or 0)
        else:
            self.pieces.append(msgspec.structs.replace(piece))
        self.shape.take(piece)

    def without(self, first: int, last: int) -> None:
        """What it would be if the events from first to last had not been."""
        pieces: list[Piece] = []
        for piece in self.pieces:
            for begin, end in ((piece.first, min(piece.last, first - 1)), (max(piece.first, last + 1), piece.last)):
                if begin <= end:
                    chars = piece.chars
                    if chars is not None and end - begin != piece.last - piece.first:
                        chars = chars * (end - begin + 1) // (piece.last - piece.first + 1)
                    pieces.append(msgspec.structs.replace(piece, first=begin, last=end, chars=chars))
        self.pieces, self.shape = pieces, Shape()
        for piece in pieces:
            self.shape.take(piece)

    def sources(self) -> list[tuple[int, int]]:
        """The seqs that the message must be folded from, as ranges. Deltas that a whole message replaced are not among them."""
        whole = not self.shape.flags & PARTIAL
        ranges: list[tuple[int, int]] = []
        for piece in self.pieces:
            first, last = piece.first, piece.last
            if piece.kind == _RETRACTED or (piece.kind == _DELTA and whole and not self._begins_amended(piece)):
                continue
            if ranges and ranges[-1][1] + 1 == first:
                ranges[-1] = (ranges[-1][0], last)
            else:
                ranges.append((first, last))
        return ranges

    def _begins_amended(self, piece: Piece) -> bool:
        """Whether it is the deltas with which a message began that was amended before it was whole."""
        return self.shape.amended_partial and piece is self.pieces[0]


decoder(Known)  # which makes converting to it safe in every thread


class Kept(msgspec.Struct, omit_defaults=True):
    """``cleared``: up to here everything that can be taken back has been."""

    cleared: int = 0


class Outlined(State[Kept]):
    """The state: what every projection with a memory has, and which messages have changed since the last checkpoint."""

    __slots__ = ("changed",)

    def __init__(self) -> None:
        super().__init__(Kept())
        self.changed: dict[str, Known] = {}

    def known(self, message_id: str) -> Known:
        """The message, which is about to change."""
        found = self.changed.get(message_id)
        if found is None:
            kept = self.memory.find("message " + message_id)
            found = kept if isinstance(kept, Known) else Known() if kept is None else msgspec.convert(kept, Known)
            self.changed[message_id] = found
            self.memory.keep("message " + message_id, found)
        return found

    def own(self, seq: int, message_id: str | None, what: str) -> None:
        """Note whose event it is. A block is a list of [first, last, message id or None, role or kind]."""
        key = f"block {seq // _BLOCK}"
        block = self.memory.find(key)
        if block is None:
            block = []
            self.memory.keep(key, block)
        if block and block[-1][1] == seq - 1 and block[-1][2] == message_id and message_id is not None:
            block[-1][1] = seq
        else:
            block.append([seq, seq, message_id, what])

    def disown(self, first: int, last: int) -> Iterator[tuple[str | None, int, str]]:
        """The events from first to last belong to nothing any more: whose they were (the message's id, or where the row is that is theirs
        alone, and what that is of)."""
        for number in range(first // _BLOCK, last // _BLOCK + 1):
            block = self.memory.find(f"block {number}")
            if block is None:
                continue
            left: list[Any] = []
            for begin, end, message_id, what in block:
                parts = ((begin, min(end, first - 1)), (max(begin, last + 1), end))
                left += [[low, high, message_id, what] for low, high in parts if low <= high]
                if begin <= last and end >= first:
                    yield message_id, begin, what
            self.memory.keep(f"block {number}", left)


class OutlineProjection:
    name = "outline"
    version = 2
    tables = (
        Table(
            name="entry",
            columns={
                "seq": "INTEGER",
                "kind": "TEXT NOT NULL",
                "role": "TEXT",
                "chars": "INTEGER NOT NULL",
                "flags": "INTEGER NOT NULL",
                "sources": "TEXT",
            },
            key=("seq",),
        ),
        Table(
            name="count",
            columns={"role": "TEXT", "retracted": "INTEGER", "messages": "INTEGER NOT NULL DEFAULT 0"},
            key=("role", "retracted"),
        ),
    )

    def initial(self) -> Outlined:
        return Outlined()

    def fold(self, state: Outlined, stored: StoredEvent) -> Outlined:
        handler = _HANDLERS.get(type(stored.event))
        if handler is not None:
            stored = as_meant(stored)
            handler(state, stored, stored.event)
        return state

    def settle(self, state: Outlined) -> None:
        """Write the rows of the messages with an id that have changed."""
        for known in state.changed.values():
            shape = known.shape
            if known.row_seq and known.row_seq != shape.seq:
                _drop(state, known.row_seq)
            if shape.seq:
                sources = known.sources()
                alone = sources == [(shape.seq, shape.seq)]
                _put(state, shape, None if alone else msgspec.json.encode(sources).decode())
            known.row_seq = shape.seq
        state.changed.clear()


def _put(state: Outlined, shape: Shape, sources: str | None, kind: str = MESSAGE) -> None:
    row = {
        "seq": shape.seq,
        "kind": kind,
        "role": shape.role or None if kind != MESSAGE else shape.role,
        "chars": shape.chars,
        "flags": shape.flags,
        "sources": sources,
    }
    state.rows.put("entry", (shape.seq,), row)


def _count(state: Outlined, counted: tuple[str, int] | None, change: int) -> None:
    if counted is not None:
        state.rows.add("count", counted, {"messages": change})


def _say(state: Outlined, seq: int, message_id: str, what: str, piece: Piece) -> None:
    """Add a piece to a message with an id."""
    known = state.known(message_id)
    known.add(piece)
    _recount(state, known)
    state.own(seq, message_id, what)


def _recount(state: Outlined, known: Known) -> None:
    """Count the message as what it is now. (At each event, so that the rows of ``count`` do not depend on where checkpoints were.)"""
    shape = known.shape
    counted = (shape.role, int(bool(shape.flags & RETRACTED))) if shape.seq else None
    if counted != known.counted:
        _count(state, known.counted, -1)
        _count(state, counted, 1)
        known.counted = counted


def _added(state: Outlined, stored: StoredEvent, event: e.MessageAdded) -> None:
    seq = stored.seq
    chars, flags = _measure(event.content)
    flags |= 0 if event.alternative_to is None else ALTERNATIVE
    piece = Piece(_ADDED, seq, seq, event.role, chars, flags, event.exclude_from_context)
    if event.message_id is not None:
        _say(state, seq, event.message_id, event.role, piece)
        return
    shape = Shape()
    shape.take(piece)
    _put(state, shape, None)
    _count(state, (event.role, 0), 1)
    state.own(seq, None, event.role)


def _delta(state: Outlined, stored: StoredEvent, event: e.MessageDelta) -> None:
    seq = stored.seq
    _say(state, seq, event.message_id, event.role, Piece(_DELTA, seq, seq, event.role, len(event.content)))


def _amended(state: Outlined, stored: StoredEvent, event: e.MessageAmended) -> None:
    chars, flags = (None, 0) if event.content is UNSET else _measure(event.content)
    excluded = None if event.exclude_from_context is UNSET else bool(event.exclude_from_context)
    seq = stored.seq
    _say(state, seq, event.message_id, "", Piece(_AMENDED, seq, seq, "", chars, flags, excluded))


def _retracted(state: Outlined, stored: StoredEvent, event: e.MessageRetracted) -> None:
    _say(state, stored.seq, event.message_id, "", Piece(_RETRACTED, stored.seq, stored.seq))


def _error(state: Outlined, stored: StoredEvent, event: e.ErrorLogged) -> None:
    _put(state, Shape(stored.seq, "", len(event.message)), None, ERROR)


def _compacted(state: Outlined, stored: StoredEvent, event: e.ContextCompacted) -> None:
    _put(state, Shape(stored.seq, "", len(event.summary or "")), None, COMPACTION)
    state.own(stored.seq, None, COMPACTION)


def _taken_back(state: Outlined, stored: StoredEvent, event: e.HistoryRetracted | e.HistoryCleared) -> None:
    """Costs what the events said that it names: each message of which some were is put together from its other pieces."""
    ranges, state.kept.cleared = not_yet(named(stored), state.kept.cleared)
    touched: dict[str, None] = {}
    for first, last in ranges:
        for message_id, seq, what in state.disown(first, last):
            if message_id is not None:
                touched[message_id] = None
            else:
                _drop(state, seq)
                if what != COMPACTION:
                    _count(state, (what, 0), -1)
    for message_id in touched:
        known = state.known(message_id)
        for first, last in ranges:
            known.without(first, last)
        _recount(state, known)


def _drop(state: Outlined, seq: int) -> None:
    """There is no row at this seq. (`Rows.drop` looks through all that are to be written.)"""
    state.rows.put_rows.get("entry", {}).pop((seq,), None)
    state.rows.dropped.append(("entry", {"seq": seq}))


def _measure(content: str | list[e.Part]) -> tuple[int, int]:
    """How many characters a reader sees of it, and what is in it."""
    if isinstance(content, str):
        return len(content), 0
    chars = flags = 0
    for part in content:
        if part.type == "tool_call":
            flags |= CALLS
            chars += _length(part.name) + _length(part.arguments)
        elif part.type == "tool_call_response":
            flags |= RESULTS | (FAILED if part.is_error is True else 0)
            chars += _length(part.response)
        elif part.type != "blob":
            chars += _length(part.content)
    return chars, flags


def _length(value: Any) -> int:
    if value is UNSET or value is None:
        return 0
    return len(value) if isinstance(value, str) else len(msgspec.json.encode(value))


_HANDLERS: Final[dict[type, Callable[[Outlined, StoredEvent, Any], None]]] = {
    e.MessageAdded: _added,
    e.MessageDelta: _delta,
    e.MessageAmended: _amended,
    e.MessageRetracted: _retracted,
    e.ErrorLogged: _error,
    e.ContextCompacted: _compacted,
    e.HistoryRetracted: _taken_back,
    e.HistoryCleared: _taken_back,
}
