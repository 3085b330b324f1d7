"""A file that somebody else writes to: which bytes are new since it was last read, and whether it is still the same file.

Its size, time and inode say whether to read it at all; before what was added is trusted to be an addition, the last bytes that were
read are compared. So an appended line costs what it is long. A change further up in a file that grows at the same moment is not seen.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Literal

import msgspec

from .provenance import fingerprint

_COMPARED_BYTES = 4096


class News(msgspec.Struct, frozen=True):
    """What was read: the bytes that were added, or (``from_start``) all that the file has."""

    data: bytes
    from_start: bool
    change: Literal["grown", "truncated", "replaced"]
    size_before_bytes: int


class GrowingFile:
    """``size_bytes`` of it have been read; ``changed_at`` is its own time, as Unix time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size_bytes = 0
        self.changed_at = 0.0
        self._seen: tuple[int, int, int, int] | None = None
        self._end = b""  # fingerprint of the last bytes that were read

    def news(self, *, from_start: bool) -> News | None:
        """What is new; None where nothing is, or it is no regular file. ``from_start``: where anything is new, read all of it.

        Memory: what is read. Raises `OSError` where the file cannot be read, or is not there."""
        found = os.stat(self.path)
        if _identity(found, found.st_size) == self._seen or not stat.S_ISREG(found.st_mode):
            return None
        with open(self.path, "rb", buffering=0) as file:
            fd = file.fileno()
            found = os.fstat(fd)
            change = self._change(fd, found)
            before = self.size_bytes
            # where only its time has changed, anything in it may have
            from_start = from_start or change != "grown" or found.st_size == before
            start = 0 if from_start else before
            file.seek(start)
            data = file.read()
            self._remember(fd, found, start + len(data))
        return News(data, from_start, change, before)

    def _change(self, fd: int, found: os.stat_result) -> Literal["grown", "truncated", "replaced"]:
        if self._seen is None:
            return "grown"
        if self._seen[:2] != (found.st_dev, found.st_ino):
            return "replaced"
        if found.st_size < self.size_bytes:
            return "truncated"
        return "grown" if _end_of(fd, self.size_bytes) == self._end else "replaced"

    def _remember(self, fd: int, found: os.stat_result, size_bytes: int) -> None:
        self.size_bytes = size_bytes
        self._end = _end_of(fd, size_bytes)
        now = os.fstat(fd)
        if now.st_size == size_bytes:  # else it has grown meanwhile, which its size will show
            found = now
        self.changed_at = found.st_mtime
        self._seen = _identity(found, size_bytes)


def _identity(found: os.stat_result, size_bytes: int) -> tuple[int, int, int, int]:
    return found.st_dev, found.st_ino, size_bytes, found.st_mtime_ns


def _end_of(fd: int, size_bytes: int) -> bytes:
    count = min(size_bytes, _COMPARED_BYTES)
    return fingerprint(os.pread(fd, count, size_bytes - count))
