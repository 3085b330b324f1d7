"""Keeps the projections of a store at hand: attached, caught up, whole. What `Catalog` asks goes through here.

Whatever is wrong with a file costs time and is told through ``notice``, and never the answer: a file that is not there, or is of another
version, is built; a damaged one is removed and built anew; where the store cannot be written, the work is done in memory, from
a copy of what is there.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from eventlog import EventLog

from ..projection import Projection
from .building import attach, attach_existing, build, connect, uri_of
from .catch_up import Progress, catch_up
from .database import Index, Unreadable, schema_digest
from .dump import Difference
from .folder import Folder, IndexFile, slug
from .rebuild import check, rebuild

T = TypeVar("T")
Notice = Callable[[str], None]

_DAMAGED = ("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_FORMAT")
_UNWRITABLE = ("SQLITE_FULL", "SQLITE_READONLY", "SQLITE_IOERR", "SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_NOLFS", "SQLITE_AUTH")
_BUSY = ("SQLITE_BUSY", "SQLITE_LOCKED")  # by a program that keeps everybody out, for longer than we wait
_QUICK_CHECK_SIZE = 4 * 1024 * 1024  # a file up to this size is checked whole when it is opened, a larger one as it is read
_COPIED_SIZE = 512 * 1024 * 1024
_ATTEMPTS = 4


class _Attached(msgspec.Struct):
    """A database that is attached. ``path`` is None for one in memory; ``current`` is False for one of another version."""

    index: Index
    path: str | None
    inode: int = 0
    current: bool = True


class Serving:
    """One connection to the projections of one log. Safe to use from several threads, one at a time."""

    def __init__(self, log: EventLog, folder: Folder | None, projections: Mapping[str, Projection[Any]], notice: Notice) -> None:
        self.log = log
        self.folder = folder
        self.projections = projections
        self.notice = notice
        self.progress: Progress | None = None
        self._mutex = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._pid = os.getpid()
        self._attached: dict[str, _Attached] = {}

    def ask(self, names: tuple[str, ...], question: Callable[[sqlite3.Connection], T]) -> T:
        """The answer of ``question`` over these projections, caught up with the log."""
        with self._mutex:
            for attempt in range(_ATTEMPTS):
                try:
                    return question(self._ready(names))
                except (sqlite3.DatabaseError, msgspec.DecodeError) as error:
                    if attempt == _ATTEMPTS - 1 or not self._cope(error, names):
                        raise
            raise AssertionError("the last attempt returns or raises")

    def close(self) -> None:
        with self._mutex:
            if self._connection is not None and self._pid == os.getpid():
                self._connection.close()
            self._connection = None
            self._attached.clear()

    def rebuild(self, projections: Sequence[Projection[Any]], jobs: int, progress: Progress | None) -> None:
        """Make these projections anew, see `rebuild.rebuild`. In memory they are simply forgotten and folded again."""
        with self._mutex:
            if self.folder is not None:
                rebuild(self.log, self.folder, projections, jobs, progress)
            elif self._connection is not None:
                for projection in projections:
                    self._detach(projection.name)

    def check(self, projection: Projection[Any], jobs: int, progress: Progress | None) -> Iterator[Difference]:
        """Compare a stored projection, caught up, with a rebuild of it, see `rebuild.check`. In memory there is nothing to compare."""
        with self._mutex:
            self.ask((projection.name,), lambda connection: None)
            file = None if self.folder is None else self._newest(projection)
            if self.folder is not None and file is not None:
                yield from check(self.log, self.folder, projection, file, jobs, progress)

    def distrust(self) -> None:
        """Forget up to where the log's hints were followed: the next catch-up looks at all sessions."""
        for name in self.projections:
            self.ask((name,), _Distrust(self, name))

    # --- attached and caught up ----------------------------------------------------------------------------------------------

    def _ready(self, names: tuple[str, ...]) -> sqlite3.Connection:
        if self._pid != os.getpid():  # a child process: the connection is the parent's
            self._pid = os.getpid()
            self._connection = None
            self._attached.clear()
        if self._connection is None:
            self._connection = connect()
        for name in names:
            if not self._is_attached(name):
                self._attach(self._connection, self.projections[name])
        indexes = [self._attached[name].index for name in sorted(names) if self._attached[name].current]
        if indexes:
            try:
                catch_up(self.log, indexes, self.progress)
            except sqlite3.OperationalError as error:
                if not _is(error, _BUSY):
                    raise
                self.notice("another process has been writing the projections for too long; this answer may lack the latest events")
        return self._connection

    def _is_attached(self, name: str) -> bool:
        """Whether what is attached is still the file that counts. One of another version only serves for once."""
        attached = self._attached.get(name)
        if attached is None:
            return False
        if attached.path is None:
            return True
        if attached.current:
            try:
                if os.stat(attached.path).st_ino == attached.inode:
                    return True
            except OSError:
                pass  # replaced by a rebuild, or somebody deleted it
        self._detach(name)
        return False

    def _detach(self, name: str) -> None:
        assert self._connection is not None
        if self._attached.pop(name, None) is not None:
            self._connection.execute(f"DETACH {name}")

    def _attach(self, connection: sqlite3.Connection, projection: Projection[Any]) -> None:
        if self.folder is None:
            self._attach_memory(connection, projection)
            return
        try:
            for attempt in range(_ATTEMPTS):
                try:
                    file = self._newest(projection) or self._build(projection)
                except FileNotFoundError:  # somebody deleted the folder meanwhile, which anybody may
                    if attempt == _ATTEMPTS - 1:
                        raise
                    continue
                if self._attach_file(connection, projection, file):
                    return
            raise FileNotFoundError(self.folder.path)
        except (OSError, sqlite3.OperationalError) as error:
            if isinstance(error, sqlite3.Error) and not _is(error, _UNWRITABLE + _BUSY):
                raise
            if projection.name in self._attached:
                self._detach(projection.name)
            self._in_memory(connection, projection, error)

    def _newest(self, projection: Projection[Any]) -> IndexFile | None:
        assert self.folder is not None
        version = slug(projection.version)
        return max((file for file in self.folder.files(projection.name) if file.version == version), default=None)

    def _build(self, projection: Projection[Any]) -> IndexFile:
        """Build the projection's file. Where another process is at it, take an older file that can answer, or wait."""
        assert self.folder is not None
        self.folder.make()
        with self.folder.lock(projection.name, wait=False) as locked:
            if locked:
                return self._newest(projection) or self._build_now(projection)
        for file in reversed(self.folder.files(projection.name)):
            if self._can_answer(file, projection):
                return file
        with self.folder.lock(projection.name, wait=True):
            return self._newest(projection) or self._build_now(projection)

    def _build_now(self, projection: Projection[Any]) -> IndexFile:
        assert self.folder is not None
        self.folder.clear(projection.name)
        build(self.log, self.folder, [projection], self.progress)
        return self.folder.install(projection.name, projection.version)

    def _can_answer(self, file: IndexFile, projection: Projection[Any]) -> bool:
        assert self.folder is not None
        try:
            other = sqlite3.connect(uri_of(self.folder.where(file), "ro"), uri=True)
            try:
                found = other.execute("SELECT value FROM meta WHERE name = 'schema'").fetchone()
            finally:
                other.close()
        except sqlite3.Error:
            return False
        return found is not None and found[0] == schema_digest(projection)

    def _attach_file(self, connection: sqlite3.Connection, projection: Projection[Any], file: IndexFile) -> bool:
        """Attach a complete file; False where it went away meanwhile, or is damaged, which removes it."""
        assert self.folder is not None
        path, name = self.folder.where(file), projection.name
        try:
            state = os.stat(path)
        except FileNotFoundError:
            return False
        if not os.access(path, os.W_OK):
            raise PermissionError(f"{path} is read-only")
        attached = _Attached(Index(connection, projection), path, state.st_ino, file.version == slug(projection.version))
        try:
            attach_existing(connection, name, path)
            self._attached[name] = attached
            connection.execute(f"PRAGMA {name}.synchronous = NORMAL")
            connection.execute(f"PRAGMA {name}.cache_size = -16000")
            whole = state.st_size > _QUICK_CHECK_SIZE or _passes(connection, name, "quick_check")
            if whole and attached.index.meta("complete") == "1":
                return True
            self._remove(name, path, "it does not hold together")
        except sqlite3.DatabaseError as error:
            if not _is_damage(error):
                raise
            self._remove(name, path, error)
        return False

    def _in_memory(self, connection: sqlite3.Connection, projection: Projection[Any], error: Exception) -> None:
        self.notice(f"the projection {projection.name} cannot be written ({error}); this answer is made in memory")
        self._attach_memory(connection, projection, copied=not (isinstance(error, sqlite3.Error) and _is(error, _BUSY)))

    def _attach_memory(self, connection: sqlite3.Connection, projection: Projection[Any], *, copied: bool = True) -> None:
        """Do the work in memory, from a copy of the newest file if that can be had (not ``copied``: somebody is writing to it)."""
        name = projection.name
        attach(connection, name, ":memory:")
        index = Index(connection, projection)
        self._attached[name] = _Attached(index, None)
        if self.folder is not None and copied:
            file = self._newest(projection)
            if file is not None and _copy(self.folder.where(file), connection, name):
                return
        connection.execute("BEGIN")
        index.create()
        index.finish()
        connection.execute("COMMIT")

    # --- what can go wrong ---------------------------------------------------------------------------------------------------

    def _cope(self, error: sqlite3.DatabaseError | msgspec.DecodeError, names: tuple[str, ...]) -> bool:
        """Make the next attempt likely to succeed; False where that is not known how."""
        connection = self._connection
        assert connection is not None
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        if isinstance(error, sqlite3.Error) and _is(error, _UNWRITABLE + _BUSY):
            for name in names:
                if name in self._attached and self._attached[name].path is not None:
                    self._detach(name)
                    self._in_memory(connection, self.projections[name], error)
            return True
        if not _is_damage(error):
            return False
        paths = {name: self._attached[name].path for name in names if name in self._attached}
        suspects = {name: path for name, path in paths.items() if path is not None}
        damaged = {name: path for name, path in suspects.items() if not _passes(connection, name, "integrity_check")} or suspects
        for name, path in damaged.items():
            try:
                self._remove(name, path, error)
            except OSError:
                self._attach_memory(connection, self.projections[name])
        return bool(damaged)

    def _remove(self, name: str, path: str, why: object) -> None:
        assert self.folder is not None
        self.notice(f"{os.path.basename(path)} is damaged ({why}); it is removed and built again from the log")
        self._detach(name)
        self.folder.remove(path)


class _Distrust:
    def __init__(self, serving: Serving, name: str) -> None:
        self.serving = serving
        self.name = name

    def __call__(self, connection: sqlite3.Connection) -> None:
        connection.execute(f"DELETE FROM {self.name}.meta WHERE name = 'cursor'")


def _is(error: sqlite3.Error, kinds: tuple[str, ...]) -> bool:
    return getattr(error, "sqlite_errorname", "").startswith(kinds)


def _is_damage(error: sqlite3.Error | msgspec.DecodeError) -> bool:
    """Whether the file says so, or holds what no fold has written."""
    if isinstance(error, msgspec.DecodeError):
        return True
    return _is(error, _DAMAGED) or isinstance(error, Unreadable) or str(error).startswith(("no such ", "Could not decode "))


def _passes(connection: sqlite3.Connection, name: str, check: str) -> bool:
    try:
        return bool(connection.execute(f"PRAGMA {name}.{check}(1)").fetchone()[0] == "ok")
    except sqlite3.DatabaseError as error:
        if _is(error, _BUSY):
            raise
        return False


def _copy(path: str, connection: sqlite3.Connection, name: str) -> bool:
    """Fill the attached database in memory with a complete file's content. Nobody can be writing to it, or we could as well."""
    try:
        if os.path.getsize(path) > _COPIED_SIZE or (os.path.exists(path + "-wal") and os.path.getsize(path + "-wal")):
            return False
        with open(path, "rb") as file:
            data = bytearray(file.read())
        data[18:20] = b"\x01\x01"  # not in WAL mode, which needs files beside it
        connection.deserialize(bytes(data), name=name)
        return _passes(connection, name, "quick_check")
    except (OSError, sqlite3.DatabaseError):
        return False
