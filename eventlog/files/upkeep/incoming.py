"""Whole sessions that come from elsewhere (a bundle, a backup): written beside the segments under names that mean nothing, proven
there, then put in their place.

A session is put in its place segment by segment from the first on, under its lock, each name durable before the next: a crash leaves
nothing of it, or a beginning of it that is whole.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator
from hashlib import sha256
from types import TracebackType
from typing import TYPE_CHECKING

from ..disk import Disk, write_all
from ..layout import TEMPORARY, Layout, SegmentName

if TYPE_CHECKING:
    from ..backend import FilesBackend

_numbers = itertools.count()
_NOWHERE = f".nowhere{TEMPORARY}"


class Incoming(Layout):
    """The layout of the sessions that have come, so that they can be read and verified like any other. A context manager: what was not
    put in its place goes."""

    def __init__(self, root: str | os.PathLike[str], disk: Disk) -> None:
        super().__init__(root)
        self._disk = disk
        self._paths: dict[str, dict[str, str]] = {}  # of each session: the names of its segments, and where they are for now

    def __enter__(self) -> Incoming:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for paths in self._paths.values():
            for path in paths.values():
                try:
                    self._disk.unlink(path)
                except OSError:
                    pass  # a name that ends in .tmp means nothing
        self._paths.clear()

    def add(self, name: SegmentName, chunks: Iterable[bytes]) -> str:
        """Write a segment file and sync it; returns the SHA-256 of its bytes."""
        path = f"{super().path(name)}-{next(_numbers)}.{os.getpid()}{TEMPORARY}"
        self._paths.setdefault(name.session_id, {})[str(name)] = path
        digest = sha256()
        fd = self._disk.open(path, create=True)
        try:
            for data in chunks:
                digest.update(data)
                write_all(self._disk, fd, data)
            self._disk.sync(fd)
        finally:
            self._disk.close(fd)
        return digest.hexdigest()

    def path(self, name: SegmentName) -> str:
        """Where the file is for now; a path where nothing is, for one that has not come."""
        return self._paths.get(name.session_id, {}).get(str(name), super().path(name) + _NOWHERE)

    def names(self, session_id: str) -> list[str]:
        return list(self._paths.get(session_id, ()))

    def session_ids(self, after: str | None = None) -> Iterator[str]:
        return iter(sorted(self._paths))

    def place(self, name: SegmentName) -> None:
        """Give one file its name, durably, in the place of what had it."""
        path = self._paths[name.session_id].pop(str(name))
        self._disk.rename(path, super().path(name))
        self._disk.sync_directory(self.folder(name.session_id))

    def install(self, backend: FilesBackend, session_id: str) -> bool:
        """Put a session in its place; False where the store has one of that id already. Raises `InvalidSessionId`, `SessionLocked`."""
        stream = backend.stream(session_id, create=True, exclusive=True)
        try:
            if not stream.claim():
                return False
            backend.changing(session_id, 0)  # whoever waits for what is new finds it, as with any other writer
            try:
                for name in self.segments(session_id):
                    self.place(name)
            finally:
                backend.changed(session_id)
            stream.give_up_claim()
            return True
        finally:
            stream.close()
