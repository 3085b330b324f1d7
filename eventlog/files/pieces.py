"""What reading a segment yields: proven lines, the segment's own records, bytes that cannot be trusted.

Proven lines come as chunks of whole appends, without the segment's own lines among them.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from .. import line as lines
from .. import stored
from ..reports import ProblemKind
from ..segments import segment
from ..segments.segment import Closed, Opened, Sealed


class Bad(msgspec.Struct, frozen=True):
    """Bytes that cannot be trusted. Offsets count in the file as it is (compressed, if it is). ``harmless``: they hold no events.
    ``foreign``: the file is not what its name says; then it is the only piece, and nothing is taken from it."""

    offset: int
    length: int
    kind: ProblemKind  # "damaged", "torn_tail" or "foreign"
    detail: str
    lines: int = 0  # how many events it can have been, at most
    harmless: bool = False


class Own(msgspec.Struct, frozen=True):
    """One of the segment's own lines, proven. ``offset`` counts in the lines, also where they are compressed."""

    record: Opened | Sealed | Closed
    line: bytes
    offset: int


Piece = bytes | Own | Bad


def whole_appends(data: bytes) -> bytes:
    """The longest beginning of ``data`` that ends with a line that ends an append."""
    end = data.rfind(b"\n") + 1
    chunk = data if end == len(data) else data[:end]
    while chunk and lines.ends_within_batch(chunk):
        chunk = chunk[: chunk.rfind(b"\n", 0, -1) + 1]
    return chunk


def count_lines(chunk: bytes) -> int:
    """How many lines the chunk has. `bytes.count` looks at each byte by itself; to replace finds the next line break at once and takes an
    eighth, which is a quarter of verifying a session."""
    return len(chunk) - len(chunk.replace(b"\n", b""))


def last_seq_in(chunk: bytes) -> int:
    """The seq of the last line of a proven chunk of event lines."""
    return stored.position.decode(chunk[chunk.rfind(b"\n", 0, -1) + 1 :]).seq


def split_own(chunk: bytes, offset: int) -> Iterator[Piece]:
    """A proven chunk without the segment's own lines, which can be its first and its last."""
    start, end = 0, len(chunk)
    last: Piece | None = None
    if segment.is_own(chunk):
        start = chunk.find(b"\n") + 1
        yield own(chunk[:start], offset)
    if start < end:
        tail = chunk.rfind(b"\n", start, end - 1) + 1 or start
        if segment.is_own(chunk[tail : tail + 32]):
            last = own(chunk[tail:], offset + tail)
            end = tail
    if start < end:
        yield chunk if end - start == len(chunk) else chunk[start:end]
    if last is not None:
        yield last


def own(line: bytes, offset: int) -> Own | Bad:
    record = segment.decode_own(line)
    if record is None:
        return Bad(offset, len(line), "damaged", "a segment's own line that this version does not understand")
    return Own(record, line, offset)


def split_all_own(chunk: bytes, offset: int) -> Iterator[Piece]:
    """The same where own lines may stand anywhere, as in joined segments."""
    start = position = 0
    while position < len(chunk):
        end = chunk.find(b"\n", position) + 1
        if segment.is_own(chunk[position : position + 32]):
            if start < position:
                yield chunk[start:position]
            yield own(chunk[position:end], offset + position)
            start = end
        else:
            end = chunk.find(b'\n{"type":"segment.', position) + 1 or len(chunk)
        position = end
    if start < len(chunk):
        yield chunk[start:]
