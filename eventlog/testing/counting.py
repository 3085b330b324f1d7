"""A disk that counts its calls, so that a test can say: one append is one write and one sync."""

from __future__ import annotations

import os
import threading
from collections import Counter

from ..files.disk import Disk
from .faults import Call


class CountingDisk(Disk):
    """The real disk. `calls` counts by method and by the name of the folder it happened in; `written_bytes` is what writes took."""

    def __init__(self) -> None:
        self.calls: Counter[tuple[Call, str]] = Counter()
        self.written_bytes = 0
        self._folders: dict[int, str] = {}
        self._lock = threading.Lock()

    @property
    def counts(self) -> dict[Call, int]:
        """The calls by method, in all folders."""
        found: Counter[Call] = Counter()
        for (call, _), count in self.calls.items():
            found[call] += count
        return dict(found)

    def count(self, call: Call, folder: str | None = None) -> int:
        """How often ``call`` was made, in all folders or in those of this name."""
        return sum(count for (made, place), count in self.calls.items() if made == call and folder in (None, place))

    def total(self) -> int:
        return self.calls.total()

    def reset(self) -> None:
        with self._lock:
            self.calls.clear()
            self.written_bytes = 0

    def open(self, path: str, *, create: bool = False) -> int:
        folder = os.path.basename(os.path.dirname(path))
        self._count("open", folder)
        fd = super().open(path, create=create)
        self._folders[fd] = folder
        return fd

    def close(self, fd: int) -> None:
        self._count("close", self._folders.pop(fd))
        super().close(fd)

    def write(self, fd: int, data: bytes | bytearray | memoryview) -> int:
        self._count("write", self._folders[fd])
        taken = super().write(fd, data)
        with self._lock:
            self.written_bytes += taken
        return taken

    def truncate(self, fd: int, size: int) -> None:
        self._count("truncate", self._folders[fd])
        super().truncate(fd, size)

    def sync(self, fd: int) -> None:
        self._count("sync", self._folders[fd])
        super().sync(fd)

    def sync_directory(self, path: str) -> None:
        self._count("sync_directory", os.path.basename(path))
        super().sync_directory(path)

    def rename(self, source: str, target: str) -> None:
        self._count("rename", os.path.basename(os.path.dirname(target)))
        super().rename(source, target)

    def unlink(self, path: str) -> None:
        self._count("unlink", os.path.basename(os.path.dirname(path)))
        super().unlink(path)

    def make_folder(self, path: str) -> None:
        self._count("make_folder", os.path.basename(os.path.dirname(path)))
        super().make_folder(path)

    def _count(self, call: Call, folder: str) -> None:
        with self._lock:
            self.calls[call, folder] += 1
