"""Putting together what the processes of a rebuild have folded: part after part as they are finished, while others are being folded.

Full text cannot be copied from one file to another, so a part only holds the words of its sessions. To index them is a fifth of the
whole rebuild, and has to be done by one thread: at the end, it would leave the other processors without work.
"""

from __future__ import annotations

from typing import Any

from ..projection import Projection
from .building import attach, begin_file, connect, finish_file, hurry
from .database import Index
from .folder import Folder


class Whole:
    """The file of one projection that is put together. For one thread at a time; `close` it."""

    def __init__(self, folder: Folder, projection: Projection[Any]) -> None:
        self._folder = folder
        self._projection = projection
        self._connection = connect()
        self._index: Index | None = None

    def join(self, path: str) -> None:
        """Take over a finished part, which is removed. The first one is gone on with, where that saves copying it."""
        if self._index is None:
            if not any(table.words for table in getattr(self._projection, "tables", ())):
                self._index = self._go_on_with(path)
                return
            self._index = begin_file(self._connection, self._projection, self._folder.begin(self._projection.name))
        attach(self._connection, "part", path)
        self._connection.execute("BEGIN")
        self._index.join("part")
        self._connection.execute("COMMIT")
        self._connection.execute("DETACH part")
        self._folder.remove(path)

    def finish(self, cursor: str) -> None:
        """Complete the file: all parts are in it, which hold what there was at this cursor."""
        assert self._index is not None
        self._connection.execute("BEGIN")
        self._index.set_meta("cursor", cursor)
        self._connection.execute("COMMIT")
        finish_file(self._index)

    def close(self) -> None:
        self._connection.close()

    def _go_on_with(self, path: str) -> Index:
        whole = self._folder.building(self._projection.name)
        self._folder.disk.rename(path, whole)
        index = Index(self._connection, self._projection)
        attach(self._connection, index.schema, whole)
        hurry(self._connection, index.schema)
        return index
