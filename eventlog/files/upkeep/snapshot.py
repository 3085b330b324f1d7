"""The files of one session as they are at one moment, opened: what a backup and a bundle copy while writers run.

A finished segment never changes, and a descriptor outlives whatever takes the file's place; of the active one only what is whole
appends now counts. So the copy is the session as it was at that moment, to the byte.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

from ...segments.segment import Opened
from .. import reader, recovery, scan
from ..layout import Layout, SegmentName
from ..opening import open_regular

_READ_SIZE = 1024 * 1024


class OpenFile(NamedTuple):
    """A segment file. ``size``: how much of it counts; ``has_ended``: nothing will be added to it."""

    name: SegmentName
    fd: int
    size: int
    has_ended: bool

    def content(self) -> Iterator[bytes]:
        """Its bytes, in pieces. Raises `OSError` where they cannot be read any more."""
        offset = 0
        while offset < self.size:
            data = os.pread(self.fd, min(_READ_SIZE, self.size - offset), offset)
            if not data:
                raise OSError(f"{self.name} became shorter while it was read")
            offset += len(data)
            yield data


@contextmanager
def opened(layout: Layout, session_id: str) -> Iterator[list[OpenFile]]:
    """The session's files in order, those with something in them; none where there is no such session."""
    with ExitStack() as stack:
        files: list[OpenFile] | None = None
        while files is None:
            files = _open_all(layout, session_id, stack)
        yield files


def _open_all(layout: Layout, session_id: str, stack: ExitStack) -> list[OpenFile] | None:
    """None where a file has gone since it was listed, or another one has come to be the last. They are opened in order: of segments that
    are joined, the first is replaced before the others go."""
    files: list[OpenFile] = []
    try:
        names = reader.standing(layout, session_id)
        for name in names:
            fd = open_regular(layout.path(name))
            stack.callback(os.close, fd)
            if scan.is_another(fd, name):
                return None
            file = _look(layout, name, fd, is_last=name == names[-1])
            if file.size:
                files.append(file)
    except FileNotFoundError:
        return None
    return files


def _look(layout: Layout, name: SegmentName, fd: int, *, is_last: bool) -> OpenFile:
    size = os.fstat(fd).st_size
    if name.compressed or not is_last or size == 0:
        return OpenFile(name, fd, size, True)
    last = scan.last_record(layout.path(name), name)
    if last is not None and not isinstance(last.record, Opened):
        return OpenFile(name, fd, os.fstat(fd).st_size, True)
    tail = recovery.look(fd, size, name, None, 0, layout)
    return OpenFile(name, fd, size if tail.torn is None else tail.torn, tail.ended is not None)
