"""Opens segment files, and nothing that only looks like one: a link, a FIFO, a folder or a device under a segment's name is never followed,
waited for or read.

Names say little: the last segment's does not say where it begins. `begins` asks the file, and a file is asked once, before anything is
taken from it.
"""

from __future__ import annotations

import errno
import os
import stat

from .. import line as lines
from ..segments import segment
from ..segments.segment import Closed, Opened, Sealed

_OPENING_SIZE = 1024  # a header is shorter
_LAST_SIZE = 4096
_KINDS = (
    (stat.S_ISLNK, "a symbolic link"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
_NO_FILE = frozenset({errno.ELOOP, errno.ENXIO, errno.ENODEV, errno.EISDIR, errno.EOPNOTSUPP, errno.EMLINK})
_NOWHERE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})
FLAGS = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class NotRegular(OSError):
    """What has the name is no regular file. ``kind`` says what it is."""

    def __init__(self, path: str, kind: str) -> None:
        self.kind = kind
        super().__init__(errno.EINVAL, f"it is {kind}, not a file", path)


def open_regular(path: str, flags: int = os.O_RDONLY, mode: int = 0o600) -> int:
    """A descriptor of the regular file ``path``. Raises `NotRegular`, `FileNotFoundError` (also where a folder on the way is none) and the
    system's other `OSError`."""
    try:
        fd = os.open(path, flags | FLAGS, mode)
    except OSError as error:
        if error.errno not in _NOWHERE | _NO_FILE:
            raise
        there = stat_of(path)
        if there is None or error.errno == errno.ENOENT:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path) from error
        raise NotRegular(path, kind_of(there.st_mode)) from None
    found = os.fstat(fd).st_mode
    if not stat.S_ISREG(found):
        os.close(fd)
        raise NotRegular(path, kind_of(found))
    return fd


def stat_of(path: str) -> os.stat_result | None:
    """What has the name, without following links at its end; None where nothing has, or where no folder of the way leads there."""
    try:
        return os.lstat(path)
    except OSError as error:
        if error.errno in _NOWHERE:
            return None
        raise


def kind_of(mode: int) -> str:
    return next((name for test, name in _KINDS if test(mode)), "no regular file")


def is_regular(path: str, *, with_content: bool = False) -> bool:
    """Whether a regular file has the name, without following links. False where nothing has."""
    found = stat_of(path)
    return found is not None and stat.S_ISREG(found.st_mode) and (found.st_size > 0 or not with_content)


def is_folder(path: str) -> bool:
    """Whether a folder has the name, without following links: what a link leads to is not in the store."""
    found = stat_of(path)
    return found is not None and stat.S_ISDIR(found.st_mode)


def is_empty(path: str) -> bool:
    """Whether there is nothing in the file, or no file."""
    found = stat_of(path)
    return found is None or found.st_size == 0


def has_end(path: str) -> bool:
    """Whether a finished segment's file, raw or compressed, ends as one does. A compressed one gets its name when all of it is there."""
    return path.endswith(".zst") or _last_line(path).startswith((segment.SEALED, segment.CLOSED))


def next_seq(path: str) -> int:
    """The seq that comes after a raw segment, as its last line says; 0 where that is no end."""
    line = _last_line(path)
    record = segment.decode_own(line) if line.startswith((segment.SEALED, segment.CLOSED)) and line.endswith(b"\n") else None
    return record.next_seq if isinstance(record, Sealed | Closed) else 0


def _last_line(path: str) -> bytes:
    """The last line of a raw segment, or what stands in its place; nothing where there is no such file."""
    try:
        fd = open_regular(path)
    except (FileNotFoundError, NotRegular):
        return b""
    try:
        size = os.fstat(fd).st_size
        window = _LAST_SIZE
        data = os.pread(fd, window, max(0, size - window))
        while (begin := data.rfind(b"\n", 0, -1) + 1) == 0 and window < size:
            window *= 4
            data = os.pread(fd, window, max(0, size - window))
        return data[begin:]
    finally:
        os.close(fd)


def header(fd: int) -> Opened | None:
    """The header of a raw segment; None where it is not written yet, or not proven."""
    data = os.pread(fd, _OPENING_SIZE, 0)
    line = data[: data.find(b"\n") + 1]
    if not line.startswith(segment.OPENED) or lines.prove(line, 0) is None:
        return None
    record = segment.decode_own(line)
    return record if isinstance(record, Opened) else None
