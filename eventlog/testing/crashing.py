"""A disk that fails on demand: any call with any errno, short writes, lost syncs, a killed process, a power loss at any step.

Every call is done on real files, so that readers and other processes see what they would see, and is recorded and
played to a `Medium`, which knows what would be left if the power went now. Only the syncs are not real.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from ..files.disk import Disk
from .faults import Call, Crash, Fault, Faults, When
from .medium import Medium

_Effect = tuple[str, tuple[Any, ...]]  # a method of `Medium` and its arguments


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """A call as it was made. ``path`` is relative to the root, ``size`` what was written or truncated to, ``failed`` the errno."""

    call: Call
    path: str
    size: int = 0
    failed: int | None = None
    effects: tuple[_Effect, ...] = ()


class _Turn:
    """One call under way."""

    def __init__(self, medium: Medium, *, halved: bool) -> None:
        self.halved = halved  # a write takes only half of its bytes
        self.size = 0
        self.effects: list[_Effect] = []
        self._medium = medium

    def did(self, method: str, *arguments: Any) -> None:
        self.effects.append((method, arguments))
        getattr(self._medium, method)(*arguments)


class CrashingDisk(Disk):
    """A `Disk` for everything below ``root`` (which exists; what is in it counts as durable). Closing never fails.

    Calls are counted from 0 over all methods; `operations` is the record. A fault strikes the first call from its number on that it
    applies to. Safe to use from several threads."""

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = os.path.abspath(os.fspath(root))
        self.operations: list[Operation] = []
        self.crashed = False
        self._lock = threading.RLock()
        self._faults = Faults()
        self._files: dict[int, tuple[int, str]] = {}  # descriptor -> node, path
        self._found: list[_Effect] = [("adopt", found) for found in _contents(self.root)]
        self._medium = Medium()
        _play(self._medium, self._found)

    # --- what goes wrong -----------------------------------------------------------------------------------------------------

    def fail(self, at: int, errno: int, *, lasting: bool = False, calls: Collection[Call] | None = None) -> None:
        """Call ``at`` does nothing and raises ``errno``, once or (``lasting``) from then on; ``calls`` limits it to some methods. A sync
        that fails loses what was unsynced, and the next one succeeds without it."""
        self._faults.add(Fault(kind="error", at=at, errno=errno, lasting=lasting, calls=calls))

    def short_write(self, at: int, *, lasting: bool = False) -> None:
        """The first write from call ``at`` on takes half of its bytes. ``lasting``: the disk is full then, and everything that needs space
        raises ENOSPC until `mend`."""
        self._faults.add(Fault(kind="short_write", at=at, lasting=lasting, when="within"))

    def crash(self, at: int, when: When = "before") -> None:
        """Kill the process before, after or in the middle of call ``at`` (a write has then written half of its bytes)."""
        self._faults.add(Fault(kind="crash", at=at, when=when))

    def mend(self) -> None:
        """From now on nothing fails any more."""
        with self._lock:
            self._faults.clear()

    def kill(self) -> None:
        """The process dies: its descriptors and locks are gone, and every further call raises `Crash`."""
        with self._lock:
            self.crashed = True
            for fd in self._files:
                with tempfile.TemporaryFile() as nothing:  # the number stays taken, so that nobody closes somebody else's file
                    os.dup2(nothing.fileno(), fd, inheritable=False)

    def restart(self) -> None:
        """After `kill`: the next process begins, with a disk that works. What the dead one did not sync is still not synced."""
        with self._lock:
            self.crashed = False
            self._faults.clear()
            self._files.clear()

    def lose_power(self, target: str | os.PathLike[str], *, seed: int | str, share: float) -> None:
        """Write a state that the root may be in after a power loss now into the new folder ``target`` (see `Medium.lose_power`)."""
        with self._lock:
            self._medium.lose_power(os.fspath(target), seed, share)

    def history(self) -> Iterator[tuple[int, Medium]]:
        """The medium as it was after each number of calls, 0 first. It is one medium, which changes as the iteration goes on."""
        medium = Medium()
        _play(medium, self._found)
        yield 0, medium
        for count, operation in enumerate(list(self.operations), start=1):
            _play(medium, operation.effects)
            yield count, medium

    # --- the disk ------------------------------------------------------------------------------------------------------------

    def open(self, path: str, *, create: bool = False) -> int:
        place = self._relative(path)
        there = os.path.exists(path)
        with self._call("open", place, grows=create and not there) as turn:
            fd = super().open(path, create=create)
            if not there:
                turn.did("create", place)
            elif not self._medium.knows(place):
                with open(path, "rb") as file:  # made by somebody else: what is in it counts as durable
                    turn.did("adopt", place, file.read())
            self._files[fd] = self._medium.node(place), place
            return fd

    def close(self, fd: int) -> None:
        with self._lock:
            if not self.crashed:
                with self._call("close", self._files.get(fd, (0, ""))[1]):
                    super().close(fd)
                    self._files.pop(fd, None)
            elif self._files.pop(fd, None):  # a dead process has nothing to close: what is left of it here is tidied up in silence
                super().close(fd)

    def write(self, fd: int, data: bytes | bytearray | memoryview) -> int:
        node, place = self._files[fd]
        with self._call("write", place, grows=True) as turn:
            given = bytes(data)
            turn.size = super().write(fd, given[: len(given) // 2] if turn.halved else given)
            turn.did("write", node, given[: turn.size])
            return turn.size

    def truncate(self, fd: int, size: int) -> None:
        node, place = self._files[fd]
        with self._call("truncate", place) as turn:
            super().truncate(fd, size)
            turn.size = size
            turn.did("truncate", node, size)

    def sync(self, fd: int) -> None:
        node, place = self._files[fd]
        with self._call("sync", place, if_it_fails=("lose_sync", (node,))) as turn:
            turn.did("sync", node)

    def sync_directory(self, path: str) -> None:
        place = self._relative(path)
        with self._call("sync_directory", place) as turn:
            os.stat(path)
            turn.did("sync_directory", place)

    def rename(self, source: str, target: str) -> None:
        old, new = self._relative(source), self._relative(target)
        with self._call("rename", old) as turn:
            super().rename(source, target)
            turn.did("rename", old, new)

    def unlink(self, path: str) -> None:
        place = self._relative(path)
        with self._call("unlink", place) as turn:
            super().unlink(path)
            turn.did("unlink", place)

    def make_folder(self, path: str) -> None:
        place = self._relative(path)
        with self._call("make_folder", place, grows=True) as turn:
            super().make_folder(path)
            turn.did("make_folder", place)

    # --- one call ------------------------------------------------------------------------------------------------------------

    @contextmanager
    def _call(self, call: Call, place: str, *, grows: bool = False, if_it_fails: _Effect | None = None) -> Iterator[_Turn]:
        """Do the body as one recorded call, unless a fault is due for it."""
        with self._lock:
            if self.crashed:
                raise Crash
            fault = self._faults.due(len(self.operations), call, grows=grows)
            halved = fault is not None and fault.when == "within" and call == "write"
            if fault is not None and not halved and fault.when != "after":
                self._strike(fault, call, place, if_it_fails)
            turn = _Turn(self._medium, halved=halved)
            try:
                yield turn
            except OSError as error:  # a real one, for instance a name that is not there
                self.operations.append(Operation(call=call, path=place, failed=error.errno))
                raise
            self.operations.append(Operation(call=call, path=place, size=turn.size, effects=tuple(turn.effects)))
            if fault is not None and fault.kind == "crash":
                self._strike(fault, call, place, None)

    def _strike(self, fault: Fault, call: Call, place: str, if_it_fails: _Effect | None) -> None:
        if fault.kind == "crash":
            self.kill()
            raise Crash
        effects = () if if_it_fails is None else (if_it_fails,)
        _play(self._medium, effects)
        self.operations.append(Operation(call=call, path=place, failed=fault.errno, effects=effects))
        raise OSError(fault.errno, os.strerror(fault.errno))

    def _relative(self, path: str) -> str:
        place = os.path.relpath(os.path.abspath(path), self.root)
        if place == ".." or place.startswith("../"):
            raise ValueError(f"{path} is not below {self.root}, the root of this disk")
        return "" if place == "." else place


def _play(medium: Medium, effects: Iterable[_Effect]) -> None:
    for method, arguments in effects:
        getattr(medium, method)(*arguments)


def _contents(root: str) -> Iterator[tuple[str, bytes | None]]:
    """Everything below a folder, folders before what is in them; None for a folder."""
    for folder, folders, files in os.walk(root):
        place = os.path.relpath(folder, root)
        prefix = "" if place == "." else f"{place}/"
        for name in sorted(folders):
            yield prefix + name, None
        for name in sorted(files):
            with open(os.path.join(folder, name), "rb") as file:
                yield prefix + name, file.read()
