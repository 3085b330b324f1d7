"""Finished segments written again with some of their lines changed or left out (redaction, dropped deltas).

A rewritten segment keeps its header, its seqs and its place in the chain: its footer says what its digest was, why it is another one
now, and which seqs were taken out. Lines that nothing was done to keep their payload to the byte; only their checksum
is a new one where it runs on from something that changed. A segment of a joined file in which nothing changes keeps every byte.

Damaged bytes cannot be carried over into a segment that is proven. They are left out, and counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import sha256
from typing import Protocol

from ... import line as lines
from ...checksum import crc32
from ...errors import EventTooLarge
from ...line import TAIL_SIZE, seq_of
from ...meaning.ranges import Ranges
from ...segments.segment import Closed, Opened, Sealed, encode_own, id_hash, pack_ids
from ..pieces import Bad, Piece, count_lines
from ..recovery import ids_in


class Change(Protocol):
    """What to do with the lines. ``reason`` stands in the footer of a segment that it changes."""

    reason: str

    def touches(self, chunk: bytes) -> bool:
        """Whether it may change any of these whole lines. Called with every chunk: the cheaper the better."""
        ...

    def apply(self, line: bytes) -> bytes | None:
        """The line without its last `TAIL_SIZE` bytes as it is to be, None to leave it out. The line is given as it is stored."""
        ...


class Rewriting:
    """One pass over the pieces of one file, from its first header to its last footer."""

    def __init__(self, change: Change, max_append_bytes: int, *, afresh: bool = False) -> None:
        """``afresh``: every segment gets a footer of its own, also where nothing in it changes."""
        self.changed = 0  # lines that are not what they were
        self.left_out = Ranges()  # seqs that were there before
        self.damaged_bytes = 0  # not carried over
        self._change = change
        self._limit = max_append_bytes
        self._afresh = afresh
        self._begin(0)

    def _begin(self, first_seq: int) -> None:
        self._sha = sha256()
        self._running = 0
        self._count = 0
        self._next_seq = first_seq
        self._gaps = Ranges()
        self._ids: set[int] = set()  # of the keys that are in it
        self._same = not self._afresh  # every byte so far is as it was

    def lines(self, pieces: Iterable[Piece]) -> Iterator[bytes]:
        """The lines as they are to be, in pieces. Raises `EventTooLarge` where an append grows above the limit."""
        for piece in pieces:
            if isinstance(piece, bytes):
                yield from self._events(piece)
            elif isinstance(piece, Bad):
                self.damaged_bytes += piece.length
                self._same = False
            elif isinstance(piece.record, Opened):
                self._begin(piece.record.first_seq)
                yield self._take(piece.line)
            elif isinstance(piece.record, Sealed) and self._same:
                yield self._take(piece.line)
            else:
                yield self._footer(piece.record)

    def _take(self, text: bytes) -> bytes:
        self._sha.update(text)
        self._running = lines.after(text) or 0
        return text

    def _footer(self, record: Sealed | Closed) -> bytes:
        if record.last_seq >= self._next_seq:
            self._gaps.add(self._next_seq, record.last_seq)
        former = record.reason if isinstance(record, Sealed) else None
        reasons = [former] if former and former != self._change.reason else []
        if isinstance(record, Closed):
            reasons.append("it was damaged")
        rewritten = Sealed(
            count=self._count,
            last_seq=record.last_seq,
            sha256=self._sha.hexdigest(),
            was=record.digest,
            reason="; ".join([*reasons, self._change.reason]),
            left_out=list(self._gaps),
            ids=pack_ids(self._ids),
        )
        line, self._running = encode_own(rewritten, self._running)
        return line

    def _events(self, chunk: bytes) -> Iterator[bytes]:
        self._ids.update(id_hash(key) for key, _ in ids_in(chunk))
        is_touched = self._change.touches(chunk)  # asked of every chunk: what it becomes may be worked out there
        if self._same and not is_touched:
            self._count_in(chunk)
            yield self._take(chunk)
            return
        append: list[bytes] = []
        for line in chunk.split(b"\n")[:-1]:
            append.append(line + b"\n")
            if not lines.ends_within_batch(append[-1]):
                yield self._append(append)
                append = []
        if append:  # the rest of its batch is damaged: what can be proven of it is an append of its own from now on
            self._same = False
            yield self._append(append)

    def _count_in(self, chunk: bytes) -> None:
        count = count_lines(chunk)
        first, last = seq_of(chunk), seq_of(chunk, chunk.rfind(b"\n", 0, -1) + 1)
        if last - first + 1 == count:
            self._note(first, last)
        else:
            start = 0
            while start < len(chunk):
                self._note(seq := seq_of(chunk, start), seq)
                start = chunk.find(b"\n", start) + 1
        self._count += count

    def _note(self, first: int, last: int) -> None:
        if first > self._next_seq:
            self._gaps.add(self._next_seq, first - 1)
        self._next_seq = last + 1

    def _append(self, append: list[bytes]) -> bytes:
        """One append, all or none as before: the line that is the last now says so."""
        kept: list[tuple[int, bytes]] = []
        for line in append:
            seq, payload = seq_of(line), self._change.apply(line)
            if payload is None:
                self.left_out.add(seq, seq)
                self._same = False
                continue
            if payload != line[:-TAIL_SIZE]:
                self.changed += 1
                self._same = False
            kept.append((seq, payload))
        if kept and kept[-1][1].endswith(lines.MORE):
            kept[-1] = kept[-1][0], kept[-1][1][: -len(lines.MORE)]
        if self._same:
            whole = b"".join(append)
            self._count_in(whole)
            return self._take(whole)
        written: list[bytes] = []
        for seq, payload in kept:
            self._note(seq, seq)
            crc = crc32(payload, self._running)
            tail = lines.tail_of(crc)
            self._running = crc32(tail, crc)
            written.append(payload + tail)
        self._count += len(written)
        text = b"".join(written)
        if len(text) > max(self._limit, sum(map(len, append))):
            raise EventTooLarge(len(text), self._limit, "rewritten append")
        self._sha.update(text)
        return text
