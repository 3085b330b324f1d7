"""Where a projection's database is at present: a file, or a name in the memory of this process."""

from __future__ import annotations

import os
import uuid

import msgspec

from .gate import Gate


class Place(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """``uri``: what SQLite opens. ``path`` is None for a database in memory, which lasts while a connection has it, and has a
    ``gate``. ``current`` is False for a file of another version, which serves while the right one is being built."""

    name: str
    uri: str
    path: str | None = None
    inode: int = 0
    current: bool = True
    gate: Gate | None = None

    def counts(self) -> bool:
        """Whether it is still the one to ask: not replaced by a rebuild, nor deleted, nor of another version."""
        if self.path is None:
            return True
        try:
            return self.current and os.stat(self.path).st_ino == self.inode
        except OSError:
            return False


def in_memory(name: str) -> Place:
    """A new, empty database that the connections of this process share."""
    return Place(name=name, uri=f"file:/{name}-{uuid.uuid4().hex}?vfs=memdb", gate=Gate())
