"""Compressed segment files: read frame by frame, made beside the raw one and never before it is proven and durable.

A frame that does not hold takes only its own events with it. Without the table the frames are walked one after the other.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from hashlib import sha256

from . import frames, segment
from . import line as lines
from .disk import Disk, write_all
from .layout import TEMPORARY, Layout, SegmentName
from .pieces import Bad, Own, Piece, split_all_own, split_own
from .settings import Settings

_READ_SIZE = 1024 * 1024
_MOST_FRAME_BYTES = 1024 * 1024 * 1024  # an append of one line may be as large as the limit for events, a batch as well


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
    for found in frames.walk_frames(read_at, size, max_frame_bytes=_limit(max_append_bytes)):
        if found.is_table:
            detail = "the table of frames does not hold; all events can be read without it"
            yield Bad(found.offset, found.size, "damaged", detail, harmless=True)
            continue
        after = None if found.text is None else _prove(found.text, running)
        if found.text is None or after is None:
            yield Bad(found.offset, found.size, "damaged", "the compressed bytes do not hold, and there is no table to say what they held")
        else:
            yield from split_all_own(found.text, offset)
            offset += len(found.text)
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
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        for piece in scan(fd, after=1 << 62, max_append_bytes=_MOST_FRAME_BYTES):
            if not isinstance(piece, Bad) or not piece.harmless:
                record = piece if isinstance(piece, Own) else None
    finally:
        os.close(fd)
    return record


def last_seq(path: str) -> int | None:
    """The last seq in the segment by its table, which holds also where the last frame does not; None where the table does not either."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        size = os.fstat(fd).st_size
        table = frames.read_table(lambda offset, count: os.pread(fd, count, offset), size, max_frame_bytes=_MOST_FRAME_BYTES)
    finally:
        os.close(fd)
    return table.frames[-1].last_seq if table is not None and table.frames else None


def compress(disk: Disk, layout: Layout, name: SegmentName, settings: Settings) -> bool:
    """Replace a sealed raw segment by its compressed form. Returns whether it was done: not where the segment is not sealed whole, or where
    somebody else replaced it meanwhile.

    Takes no lock while it works. The events exist in a file that is synced and has its name at every moment: the compressed one is
    written under another name, synced, read back and compared, renamed, its folder synced; only then does the raw one go."""
    path = layout.path(name)
    target = layout.path(SegmentName(name.first_seq, True, name.session_id))
    temporary = f"{target}.{os.getpid()}{TEMPORARY}"
    try:
        raw = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        size = os.fstat(raw).st_size
        digest = _write_compressed(disk, raw, size, temporary, settings)
        if digest is None or not _holds(temporary, digest, settings.max_event_bytes):
            _remove(disk, temporary)
            return False
        fcntl.flock(raw, fcntl.LOCK_EX)  # whoever rewrites the segment holds this
        if os.fstat(raw).st_nlink == 0 or os.fstat(raw).st_size != size:
            _remove(disk, temporary)
            return False
        disk.rename(temporary, target)
        disk.sync_directory(os.path.dirname(target))
        disk.unlink(path)
        disk.sync_directory(os.path.dirname(target))
        return True
    except OSError:
        _remove(disk, temporary)
        raise
    finally:
        os.close(raw)


def _write_compressed(disk: Disk, raw: int, size: int, path: str, settings: Settings) -> bytes | None:
    """The digest of the lines that were written, None where they are not a whole sealed segment."""
    last = b""
    digest = sha256()

    def chunks() -> Iterator[bytes]:
        nonlocal last
        offset = 0
        while offset < size and (data := os.pread(raw, min(_READ_SIZE, size - offset), offset)):
            digest.update(data)
            offset += len(data)
            last = (last + data)[-4096:]
            yield data

    fd = disk.open(path, create=True)
    try:
        disk.truncate(fd, 0)
        for data in frames.compress(chunks(), level=settings.compression_level, frame_size_bytes=settings.frame_size_bytes):
            write_all(disk, fd, data)
        disk.sync(fd)
    except frames.Unproven:
        return None
    finally:
        disk.close(fd)
    end = last[last.rfind(b"\n", 0, -1) + 1 :]
    return digest.digest() if end.startswith(segment.SEALED) else None


def _holds(path: str, digest: bytes, max_append_bytes: int) -> bool:
    """Whether the file gives back the lines: everything is read again and compared with what went in."""
    found = sha256()
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        table = frames.read_table(
            lambda offset, count: os.pread(fd, count, offset), os.fstat(fd).st_size, max_frame_bytes=_limit(max_append_bytes)
        )
        if table is None:
            return False
        for frame in table.frames:
            text = frames.decompress(os.pread(fd, frame.size, frame.offset), frame)
            if text is None:
                return False
            found.update(text)
    finally:
        os.close(fd)
    return found.digest() == digest


def _remove(disk: Disk, path: str) -> None:
    try:
        disk.unlink(path)
    except OSError:
        pass  # a name that ends in .tmp means nothing; compaction removes what a crash leaves
