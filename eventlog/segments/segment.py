"""A segment's bytes: its own lines, and what the rest of them prove. No I/O (FORMAT.md, "Segments", "Torn or damaged").

A segment opens with `Opened`, holds event lines, and ends with `Sealed` once nothing will be added, or with `Closed` where it
had to be left (damage, a failed sync). All are lines with the running checksum; it starts afresh at an `Opened` and
at a `Closed`, so that a closing line proves nothing about what stands before it.

`Walker` decides line by line what is proven when a chunk as a whole is not. `judge_tail` tells a torn tail (never
acknowledged: it may be set aside) from damage (it stays where it is).
"""

from __future__ import annotations

import re
import sys
from array import array
from binascii import a2b_base64, b2a_base64
from collections.abc import Iterable, Iterator
from hashlib import sha256
from typing import Literal

import msgspec

from .. import line as lines
from ..checksum import crc32
from ..decoding import decoder
from ..line import TAIL_SIZE

FORMAT = 1
SECTOR = 512

OPENED = b'{"type":"segment.opened",'
SEALED = b'{"type":"segment.sealed",'
CLOSED = b'{"type":"segment.closed",'
_OWN = b'{"type":"segment.'
_BEGINNING = re.compile(rb'\{"seq":[0-9]+,"time":"')
_ANOTHER_LINE = re.compile(rb'\{"seq":[0-9]+,"time":"|\{"type":"segment\.')  # within a text, quotes are escaped


class Opened(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The first line. ``previous`` is the digest of the segment before; ``lost`` the inclusive range of seqs that damage took."""

    format: int
    min_reader: int
    session_id: str
    first_seq: int
    previous: str | None = None
    lost: tuple[int, int] | None = None


def is_purged(opened: Opened) -> bool:
    """Whether the header says that nothing before its segment is left, on purpose."""
    return opened.previous is None and opened.lost == (1, opened.first_seq - 1)


class Sealed(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The last line of a finished segment. ``sha256`` covers every byte before this line. After a rewrite ``was`` is the digest
    that the chain goes on using, and ``left_out`` the inclusive ranges of seqs that were taken out on purpose. ``ids`` says which
    idempotency keys are in it (`pack_ids`)."""

    count: int
    last_seq: int
    sha256: str
    was: str | None = None
    reason: str | None = None
    left_out: list[tuple[int, int]] = []
    ids: str = ""

    @property
    def next_seq(self) -> int:
        return self.last_seq + 1

    @property
    def digest(self) -> str:
        """What the next segment names as ``previous``."""
        return self.was or self.sha256


def id_hash(key: str) -> int:
    """The first four bytes of the SHA-256 of an idempotency key, as a number."""
    return int.from_bytes(sha256(key.encode("utf-8", "surrogatepass")).digest()[:4], "big")


def pack_ids(hashes: Iterable[int]) -> str:
    """Hashes of keys as a footer holds them: sorted, each once, four bytes each, in base64."""
    packed = array("I", sorted(set(hashes)))
    if sys.byteorder == "little":
        packed.byteswap()
    return b2a_base64(packed.tobytes(), newline=False).decode()


def id_hashes(packed: str) -> list[int]:
    """The hashes, sorted; none where the text is not of that shape."""
    try:
        hashes = array("I", a2b_base64(packed))
    except ValueError:
        return []
    if sys.byteorder == "little":
        hashes.byteswap()
    return hashes.tolist()


class Closed(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The last line of a segment that was left: ``reason`` is damaged or sync_failed. ``sha256`` covers every byte before it as
    found; ``last_seq`` is the last event that could be proven, ``next_seq`` the first seq that no event here can have had."""

    reason: Literal["damaged", "sync_failed"]
    last_seq: int
    next_seq: int
    sha256: str

    @property
    def digest(self) -> str:
        """What the next segment names as ``previous``."""
        return self.sha256

    @property
    def lost(self) -> tuple[int, int] | None:
        """The seqs that may have been given out and cannot be read any more."""
        return (self.last_seq + 1, self.next_seq - 1) if self.next_seq > self.last_seq + 1 else None


class _OwnLine(msgspec.Struct, frozen=True):
    type: str
    data: Opened | Sealed | Closed


class _OpenedLine(msgspec.Struct, tag_field="type", tag="segment.opened"):
    data: Opened


class _SealedLine(msgspec.Struct, tag_field="type", tag="segment.sealed"):
    data: Sealed


class _ClosedLine(msgspec.Struct, tag_field="type", tag="segment.closed"):
    data: Closed


def encode_own(record: Opened | Sealed | Closed, running: int) -> tuple[bytes, int]:
    """A segment's own line and the running checksum after it. ``running`` counts for `Sealed` only."""
    kind = type(record).__name__.lower()
    return lines.encode(_OwnLine(f"segment.{kind}", record), running if kind == "sealed" else 0)


def is_own(line: bytes) -> bool:
    return line.startswith(_OWN)


def decode_own(line: bytes) -> Opened | Sealed | Closed | None:
    """The record of a proven own line; None where it cannot be understood."""
    try:
        record: Opened | Sealed | Closed = decoder(_OpenedLine | _SealedLine | _ClosedLine).decode(line).data
        return record
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def starts_afresh(line: bytes) -> bool:
    return line.startswith((OPENED, CLOSED))


# --- line by line --------------------------------------------------------------------------------------------------------------


class Span(msgspec.Struct, frozen=True):
    """One line with its verdict. ``intact`` is False where a proven line's own checksum field or newline was hit: its payload is
    good, the bytes are not; ``line`` is then what was written, and ``length`` counts the bytes that stand there."""

    offset: int
    length: int
    line: bytes
    proven: bool
    intact: bool = True


class Walker:
    """Walks lines in order and says of each whether it is proven.

    A line is proven by the running checksum before it, or by the line after it: either because the checksum over its payload,
    put where its own damaged field stands, makes the next line right; or, for the next line, because this
    line's field is right although its payload is not. After a missing line the next one may be unprovable. An opening line is one only
    where a segment can begin: a copy of it further down must not vouch for what follows."""

    def __init__(self, running: int | None, offset: int) -> None:
        self.running = running
        self.offset = offset
        self._begins = offset == 0  # a segment can begin here
        self._held: tuple[bytes, int | None] | None = None  # an unproven line that the next may prove; its payload's checksum

    def walk(self, data: bytes) -> Iterator[Span]:
        """Verdicts for whole lines; the last unproven one is held back until `finish` or the next call."""
        for line in _split(data):
            yield from self._step(line)

    def finish(self) -> Iterator[Span]:
        if self._held is not None:
            held, _ = self._held
            self._held = None
            self.running = lines.after(held)
            yield self._damaged(held)

    def _step(self, line: bytes) -> Iterator[Span]:
        afresh = line.startswith(CLOSED) or (self._begins and line.startswith(OPENED))
        if afresh and (running := lines.prove(line, 0)) is not None:
            yield from self.finish()
            yield from self._proven(line, running)
            return
        if self._held is not None:
            held, computed = self._held
            if computed is not None and (running := lines.prove(line, crc32(lines.tail_of(computed), computed))) is not None:
                self._held = None
                yield self._restored(held, held[:-TAIL_SIZE] + lines.tail_of(computed))
                yield from self._proven(line, running)
                return
            base = lines.after(held)
            self._held = None
            yield self._damaged(held)
            if base is not None and (running := lines.prove(line, base)) is not None:
                yield from self._proven(line, running)
                return
            # The line before proves nothing here: a newline among the damage, or a second damaged line.
            yield from self._hold(line, base)
            return
        if self.running is not None and (running := lines.prove(line, self.running)) is not None:
            yield from self._proven(line, running)
            return
        yield from self._hold(line, self.running)

    def _hold(self, line: bytes, running: int | None) -> Iterator[Span]:
        """Keep an unproven line for the next to prove; first take off it any whole lines whose newline was hit."""
        if running is not None and line.startswith(b"{"):
            crc, done = running, 0
            for match in re.finditer(rb',"crc":"([0-9a-f]{8})"\}[^\n]', line):
                crc = crc32(line[done : match.start()], crc)
                if b"%08x" % crc == match[1]:
                    whole, rest = line[: match.end()], line[match.end() :]
                    running = crc32(lines.tail_of(crc), crc)
                    yield self._restored(whole, whole[:-1] + b"\n")
                    self.running = running
                    if rest:
                        yield from self._step(rest)
                    return
                done = match.start()
            crc = crc32(line[done:-TAIL_SIZE], crc) if done <= len(line) - TAIL_SIZE else crc32(line[:-TAIL_SIZE], running)
            self._held = (line, crc if len(line) >= TAIL_SIZE else None)
        else:
            self._held = (line, None)

    def _proven(self, line: bytes, running: int) -> Iterator[Span]:
        self.running = running
        self._begins = line.startswith((SEALED, CLOSED))
        yield self._span(line, line, proven=True)

    def _restored(self, found: bytes, line: bytes) -> Span:
        return self._span(found, line, proven=True)

    def _damaged(self, found: bytes) -> Span:
        return self._span(found, found, proven=False)

    def _span(self, found: bytes, line: bytes, *, proven: bool) -> Span:
        span = Span(self.offset, len(found), line, proven, intact=proven and found == line)
        self.offset += len(found)
        return span


# --- the end of an active segment ----------------------------------------------------------------------------------------------


def judge_tail(rest: bytes, offset: int, running: int, next_seq: int) -> Literal["torn_tail", "damaged"]:
    """Say what the bytes after the last whole proven append are, given that they are not nothing.

    ``rest`` begins at ``offset`` of the segment, where ``running`` is the checksum and ``next_seq`` would be written; an offset of 0 means
    that even the opening line is not whole. It may begin with proven lines of a batch that has no end.

    Torn is only what one append that was never acknowledged can leave: a prefix of its bytes, with NULs where the
    kernel had extended the file but not written it. Anything else is damage, and so is every doubt."""
    text = rest.rstrip(b"\0")
    zeros = len(rest) - len(text)
    proven = _proven_batch_lines(text, running, opens=offset == 0)
    body = text[proven:]
    if b"\n" not in body:
        if not body:
            return "torn_tail"
        if _ANOTHER_LINE.search(body, 1) or (zeros == 0 and _whole_line_but_newline(body, _running_after(text[:proven], running))):
            return "damaged"  # a line feed was hit: what stands before it was acknowledged
        expected = OPENED if offset + proven == 0 else b'{"seq":%d,' % (next_seq + text.count(b"\n", 0, proven))
        if body.startswith((expected, SEALED)) or expected.startswith(body) or SEALED.startswith(body):
            return "torn_tail"
        return "torn_tail" if _has_zero_sector(rest, offset) else "damaged"
    if _has_zero_sector(rest, offset) and not _a_later_append_follows(rest, offset):
        return "torn_tail"
    return "damaged"


def _proven_batch_lines(text: bytes, running: int, *, opens: bool) -> int:
    """How many bytes of whole proven lines, each saying that its batch goes on, ``text`` begins with; first the opening line, where the
    segment ``opens``."""
    start = 0
    while (end := text.find(b"\n", start) + 1) > 0:
        line = text[start:end]
        opening = opens and start == 0 and line.startswith(OPENED)
        proven = lines.prove(line, 0 if opening else running)
        if proven is None or not (opening or lines.ends_within_batch(line)):
            break
        running, start = proven, end
    return start


def _running_after(proven: bytes, running: int) -> int:
    return running if not proven else lines.after(proven) or 0


def _whole_line_but_newline(body: bytes, running: int) -> bool:
    return lines.prove(body[:-1] + b"\n", running) is not None or lines.prove(body[:-1] + b"\n", 0) is not None


def _zero_sectors(rest: bytes, offset: int) -> Iterator[tuple[int, int]]:
    """Where an aligned sector, as far as it lies within ``rest``, is all zero: (start, end) within ``rest``."""
    start = 0
    while start < len(rest):
        end = min(len(rest), ((offset + start) // SECTOR + 1) * SECTOR - offset)
        if not rest.count(b"\0", start, end) < end - start:
            yield start, end
        start = end


def _has_zero_sector(rest: bytes, offset: int) -> bool:
    return next(_zero_sectors(rest, offset), None) is not None


def _a_later_append_follows(rest: bytes, offset: int) -> bool:
    """Whether a whole line that begins an append stands after the last zero sector: then what is missing before it was
    not the last thing written, and may have been acknowledged. A footer is written with the append before it."""
    end = max((end for _, end in _zero_sectors(rest, offset)), default=0)
    previous: bytes | None = None
    for line in _split(rest[end:]):
        if previous is not None and not _can_only_end_within_batch(previous) and not is_own(line):
            base = lines.after(previous)
            if base is not None and lines.prove(line, base) is not None:
                return True
        previous = line
    return False


def _can_only_end_within_batch(rest_of_line: bytes) -> bool:
    """Whether what is left of a line shows that its batch goes on: the least part of ``"more":true`` does, as nothing else ends so."""
    visible = rest_of_line[:-TAIL_SIZE][-len(lines.MORE) :]
    return bool(visible) and lines.MORE.endswith(visible)


def most_lines_in(damage: bytes) -> int:
    """An upper bound for how many events adjoining damaged bytes can have been, so that no lost seq is given out again.

    What still looks like one line may hide several: a sector of plain text can have been written over their ends and beginnings."""
    bound = Bound()
    bound.add(damage)
    return bound.lines


class Bound:
    """`most_lines_in` of bytes that come piece by piece."""

    def __init__(self) -> None:
        self._size = self._pieces = self._beginnings = 0

    def add(self, damage: bytes) -> None:
        self._size += len(damage)
        self._pieces += damage.count(b"\n") + (1 if damage and not damage.endswith(b"\n") else 0)
        self._beginnings += len(_BEGINNING.findall(damage))

    @property
    def lines(self) -> int:
        return max(self._pieces, self._beginnings, self._size // lines.MIN_LINE_SIZE)


def _split(data: bytes) -> Iterator[bytes]:
    """Lines with their newlines; only ``\\n`` ends one."""
    start = 0
    while start < len(data):
        end = data.find(b"\n", start) + 1 or len(data)
        yield data[start:end]
        start = end
