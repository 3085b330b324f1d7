"""What a disk holds while the kernel caches writes for it, and what may be left of that after a power loss.

Two pictures are kept: what programs see (cached) and what is on the medium (stored). Between them the kernel is free:
each 512-byte sector that was written and not synced may be there in its last version, in an earlier one or not at all,
in any order; a file may have its old size, its new size or one in between; a name that was made, moved or removed may
be so or not until its folder is synced (a rename happens whole or not at all); a folder whose own name is lost takes
what is in it along. A failed sync drops what was unsynced and calls it clean, as Linux does. This is the model of the
ALICE study, weaker than what ext4 promises.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from random import Random

SECTOR = 512
ROOT = 0


class _File:
    __slots__ = ("_changed", "_sizes", "_stored", "_stored_size", "content")

    def __init__(self, stored: bytes = b"") -> None:
        self.content = bytearray(stored)
        self._stored = bytearray(stored)
        self._stored_size = len(stored)
        self._changed: dict[int, list[bytes]] = {}  # sector number -> its versions since the last sync
        self._sizes: list[int] = []  # the sizes since the last sync

    def write(self, data: bytes) -> None:
        start = len(self.content)
        self.content += data
        self._note(start, len(self.content))

    def truncate(self, size: int) -> None:
        before = len(self.content)
        del self.content[size:]
        self.content.extend(bytes(size - len(self.content)))
        self._note(min(before, size), max(before, size))

    def sync(self) -> None:
        for sector, versions in self._changed.items():
            self._put(self._stored, sector, versions[-1])
        self._stored_size = len(self.content)
        self._changed.clear()
        self._sizes.clear()

    def lose_sync(self) -> None:
        """The unsynced sectors are clean now, and not stored; the size is still to be settled."""
        self._changed.clear()

    def survivor(self, random: Random, share: float) -> bytes:
        left = bytearray(self._stored)
        for sector in sorted(self._changed):
            versions = self._changed[sector]
            if random.random() < share:
                self._put(left, sector, versions[-1])
            elif len(versions) > 1 and random.random() < share:
                self._put(left, sector, random.choice(versions[:-1]))
        size = self._surviving_size(random, share)
        return bytes(left[:size].ljust(size, b"\0"))

    def _surviving_size(self, random: Random, share: float) -> int:
        if not self._sizes:
            return self._stored_size
        if random.random() < max(share, 1 / 3):
            return self._sizes[-1]
        reached = [self._stored_size, *self._sizes]
        return random.choice((self._stored_size, random.choice(reached), random.randint(min(reached), max(reached))))

    def _note(self, start: int, end: int) -> None:
        for sector in range(start // SECTOR, -(-end // SECTOR)):
            version = bytes(self.content[sector * SECTOR : (sector + 1) * SECTOR]).ljust(SECTOR, b"\0")
            self._changed.setdefault(sector, []).append(version)
        self._sizes.append(len(self.content))

    @staticmethod
    def _put(image: bytearray, sector: int, version: bytes) -> None:
        image.extend(bytes(max(0, (sector + 1) * SECTOR - len(image))))
        image[sector * SECTOR : (sector + 1) * SECTOR] = version


_Change = tuple[tuple[int, str, int | None], ...]  # (folder, name, what the name stands for from now on), taking effect as one


class Medium:
    """Files and folders below one root. Nodes are numbers, given out in order, so that replaying the same calls gives the same ones."""

    def __init__(self) -> None:
        self._files: dict[int, _File] = {}
        self._cached: dict[int, dict[str, int]] = {ROOT: {}}
        self._stored: dict[int, dict[str, int]] = {ROOT: {}}
        self._pending: list[_Change] = []
        self._next = ROOT + 1

    def adopt(self, path: str, data: bytes | None) -> None:
        """A file (or a folder, where ``data`` is None) that has always been there."""
        folder, name = self._place(path)
        node = self._new(data)
        self._cached[folder][name] = node
        self._stored[folder][name] = node

    def create(self, path: str) -> None:
        folder, name = self._place(path)
        self._change((folder, name, self._new(b"")))

    def make_folder(self, path: str) -> None:
        folder, name = self._place(path)
        self._change((folder, name, self._new(None)))

    def rename(self, source: str, target: str) -> None:
        from_folder, from_name = self._place(source)
        to_folder, to_name = self._place(target)
        node = self._cached[from_folder][from_name]
        self._change((from_folder, from_name, None), (to_folder, to_name, node))

    def unlink(self, path: str) -> None:
        folder, name = self._place(path)
        self._change((folder, name, None))

    def sync_directory(self, path: str) -> None:
        folder = self.node(path)
        waiting = []
        for change in self._pending:
            if any(place == folder for place, _, _ in change):
                _take_effect(self._stored, change)
            else:
                waiting.append(change)
        self._pending = waiting

    def write(self, node: int, data: bytes) -> None:
        self._files[node].write(data)

    def truncate(self, node: int, size: int) -> None:
        self._files[node].truncate(size)

    def sync(self, node: int) -> None:
        self._files[node].sync()

    def lose_sync(self, node: int) -> None:
        self._files[node].lose_sync()

    def node(self, path: str) -> int:
        node = ROOT
        for name in _names(path):
            node = self._cached[node][name]
        return node

    def knows(self, path: str) -> bool:
        try:
            self.node(path)
        except KeyError:
            return False
        return True

    def lose_power(self, target: str, seed: int | str, share: float) -> None:
        """Write one of the states that the medium may be in after losing power now into the new folder ``target``.

        ``share`` (0 to 1): how likely an unsynced sector, size or name is to have made it; the same seed gives the same state."""
        random = Random(f"{seed} {share}")
        entries = {folder: dict(names) for folder, names in self._stored.items()}
        for change in self._pending:
            if random.random() < share:
                _take_effect(entries, change)
        os.makedirs(target, mode=0o700)
        for path, node in _walk(entries, ROOT, target):
            if node in self._files:
                with open(path, "xb") as file:
                    file.write(self._files[node].survivor(random, share))
                os.chmod(path, 0o600)
            else:
                os.mkdir(path, 0o700)

    def _new(self, data: bytes | None) -> int:
        node = self._next
        self._next += 1
        if data is None:
            self._cached[node] = {}
            self._stored[node] = {}
        else:
            self._files[node] = _File(data)
        return node

    def _place(self, path: str) -> tuple[int, str]:
        folder, _, name = path.rpartition("/")
        return self.node(folder), name

    def _change(self, *change: tuple[int, str, int | None]) -> None:
        _take_effect(self._cached, change)
        self._pending.append(change)


def _take_effect(entries: dict[int, dict[str, int]], change: _Change) -> None:
    for folder, name, node in change:
        if node is None:
            entries[folder].pop(name, None)
        else:
            entries[folder][name] = node


def _walk(entries: dict[int, dict[str, int]], folder: int, path: str) -> Iterator[tuple[str, int]]:
    """Folders before what is in them."""
    for name, node in sorted(entries[folder].items()):
        yield f"{path}/{name}", node
        if node in entries:
            yield from _walk(entries, node, f"{path}/{name}")


def _names(path: str) -> list[str]:
    return [name for name in path.split("/") if name]
