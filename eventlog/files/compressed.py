"""Compressed segment files, read frame by frame (`replacing` makes them).

A frame that does not hold takes only its own events with it. Without the table the frames are walked one after the other.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from .. import line as lines
from ..segments import frames, segment
from .opening import open_regular
from .pieces import Bad, Own, Piece, split_all_own, split_own

_READ_SIZE = 1024 * 1024
MOST_FRAME_BYTES = 1024 * 1024 * 1024  # an append of one line may be as large as the limit for events, a batch as well


def scan(fd: int, *, after: int, max_append_bytes: int) -> Iterator[Piece]:
    """The pieces from the frame that holds the first event with seq > ``after``; the last frame, which holds the end, always."""
    size = os.fstat(fd).st_size

    def read_at(offset: int, count: int) -> bytes:
        return os.pread(fd, count, offset)

    table = frames.read_table(read_at, size, max_frame_bytes=_limit(max_append_bytes))
    if table is None:
        yield from _scan_without_table(fd, size, max_append_bytes)
        return
    first = min(table.index_for(after + 1), len(table.frames) - 1) if after else 0
    offset = sum(frame.lines_size for frame in table.frames[:first])
    for frame in table.frames[first:]:
        text = frames.decompress(read_at(frame.offset, frame.size), frame)
        if text is None:
            held = f"events {frame.first_seq} to {frame.last_seq}" if frame.last_seq >= frame.first_seq else "no events"
            count = max(0, frame.last_seq - frame.first_seq + 1)
            yield Bad(frame.offset, frame.size, "damaged", f"the compressed frame does not hold ({held})", count)
        elif frame.joined:
            yield from split_all_own(text, offset)
        else:
            yield from split_own(text, offset)
        offset += frame.lines_size


def _limit(max_append_bytes: int) -> int:
    return max(max_append_bytes, _READ_SIZE) + _READ_SIZE


def _scan_without_table(fd: int, size: int, max_append_bytes: int) -> Iterator[Piece]:
    """Every frame in order. Each is proven by its own checksum and by the running one, where the frame before it is known."""

    def read_at(offset: int, count: int) -> bytes:
        return os.pread(fd, count, offset)

    running: int | None = 0
    offset = 0
    explained = False  # the last piece is a footer, or damage that has been told
    for found in frames.walk_frames(read_at, size, max_frame_bytes=_limit(max_append_bytes)):
        if found.is_table:
            detail = "the table of frames does not hold; all events can be read without it"
            is_whole = explained and found.size > 0  # a file gets its name when all of it is there, the table last
            if not is_whole:
                detail = "the table of frames is not there, and perhaps frames before it; nobody knows how many events they held"
            yield Bad(found.offset, found.size, "damaged", detail, harmless=is_whole)
            continue
        after = None if found.text is None else _prove(found.text, running)
        if found.text is None or after is None:
            yield Bad(found.offset, found.size, "damaged", "the compressed bytes do not hold, and there is no table to say what they held")
            explained = True
        else:
            yield from split_all_own(found.text, offset)
            offset += len(found.text)
            explained = found.text.startswith(segment.SEALED, found.text.rfind(b"\n", 0, -1) + 1)
        running = after


def _prove(text: bytes, running: int | None) -> int | None:
    if running is None and not segment.starts_afresh(text):
        first = text.find(b"\n") + 1
        base = lines.after(text[:first])
        return None if base is None else frames.prove(text[first:], base)
    return frames.prove(text, running or 0)


def last_record(path: str) -> Own | None:
    """The segment's own line at its end, if it can be read."""
    record: Own | None = None
    fd = open_regular(path)
    try:
        for piece in scan(fd, after=1 << 62, max_append_bytes=MOST_FRAME_BYTES):
            if not isinstance(piece, Bad) or not piece.harmless:
                record = piece if isinstance(piece, Own) else None
    finally:
        os.close(fd)
    return record


def last_seq(path: str) -> int | None:
    """The last seq in the segment by its table, which holds also where the last frame does not; None where the table does not either."""
    fd = open_regular(path)
    try:
        table = _table(fd, MOST_FRAME_BYTES)
    finally:
        os.close(fd)
    return table.frames[-1].last_seq if table is not None and table.frames else None


def first_seq(path: str) -> int | None:
    """The first seq of the segment, by its table or else by its header; None where neither can be read."""
    fd = open_regular(path)
    try:
        table = _table(fd, MOST_FRAME_BYTES)
        if table is not None and table.first_seq:
            return table.first_seq
        first = next(scan(fd, after=0, max_append_bytes=MOST_FRAME_BYTES), None)
        return first.record.first_seq if isinstance(first, Own) and isinstance(first.record, segment.Opened) else None
    finally:
        os.close(fd)


def owner(fd: int) -> tuple[str, int] | None:
    """The session and the first seq that the table names; None where it does not hold, or does not say."""
    table = _table(fd, MOST_FRAME_BYTES)
    return (table.session_id, table.first_seq) if table is not None and table.session_id else None


def ids(path: str) -> str | None:
    """What the table says of the idempotency keys in the file; None where it does not hold, or does not say."""
    fd = open_regular(path)
    try:
        table = _table(fd, MOST_FRAME_BYTES)
        return None if table is None else table.ids
    finally:
        os.close(fd)


def lines_size(path: str) -> int:
    """The size of the lines in the file, that of the file itself where there is no table."""
    fd = open_regular(path)
    try:
        table = _table(fd, MOST_FRAME_BYTES)
        return os.fstat(fd).st_size if table is None else table.lines_size
    finally:
        os.close(fd)


def texts(fd: int, max_append_bytes: int) -> Iterator[bytes]:
    """The lines, frame by frame, as they went in. Raises `frames.Unproven` where the table or a frame does not hold."""
    table = _table(fd, max_append_bytes)
    if table is None:
        raise frames.Unproven(0, 0)
    offset = 0
    for frame in table.frames:
        text = frames.decompress(os.pread(fd, frame.size, frame.offset), frame)
        if text is None:
            raise frames.Unproven(offset, frame.lines_size)
        yield text
        offset += frame.lines_size


def whatever_holds(path: str) -> Iterator[bytes]:
    """The text of every frame whose own checksum holds, of a file that may be damaged anywhere. None of it is proven."""
    fd = open_regular(path)
    try:
        size = os.fstat(fd).st_size
        for found in frames.walk_frames(lambda offset, count: os.pread(fd, count, offset), size, max_frame_bytes=MOST_FRAME_BYTES):
            if found.text is not None:
                yield found.text
    finally:
        os.close(fd)


def _table(fd: int, max_append_bytes: int) -> frames.Table | None:
    return frames.read_table(
        lambda offset, count: os.pread(fd, count, offset), os.fstat(fd).st_size, max_frame_bytes=_limit(max_append_bytes)
    )
