"""Finds the file that holds a projection, builds it where there is none, or makes a database in memory in its place."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from typing import Any, Final

from eventlog import EventLog

from ..projection import Projection
from .building import attach, begin_file, build, connect, finish_file, uri_of
from .catch_up import Progress
from .database import Index, schema_digest
from .faults import is_damage, passes
from .folder import Folder, IndexFile, slug
from .place import Place, in_memory

_QUICK_CHECK_SIZE: Final = 4 * 1024 * 1024  # a file up to this size is checked whole when it is opened, a larger one as it is read
_COPIED_SIZE: Final = 512 * 1024 * 1024
_ATTEMPTS: Final = 4


class Finder:
    """For one projection, and one thread at a time. ``folder`` None: there is no place for files."""

    def __init__(
        self,
        log: EventLog,
        folder: Folder | None,
        projection: Projection[Any],
        notice: Callable[[str], None],
        progress: Callable[[], Progress | None],
    ) -> None:
        self.log = log
        self.folder = folder
        self.projection = projection
        self._notice = notice
        self._progress = progress

    def find(self, connection: sqlite3.Connection, pause: Callable[[], None] | None = None) -> tuple[Place, Index]:
        """Attach the file that counts, built if need be. Raises `OSError`, `sqlite3.OperationalError`.

        With ``pause`` it is only begun, empty; and while somebody else builds it, ``pause`` is called, and may end that by raising."""
        assert self.folder is not None
        for attempt in range(_ATTEMPTS):
            try:
                file = self.newest() or self._build(pause)
            except FileNotFoundError:  # somebody deleted the folder meanwhile, which anybody may
                if attempt == _ATTEMPTS - 1:
                    raise
                continue
            found = self._attach(connection, file)
            if found is not None:
                return found
        raise FileNotFoundError(self.folder.path)

    def newest(self) -> IndexFile | None:
        assert self.folder is not None
        version = slug(self.projection.version)
        return max((file for file in self.folder.files(self.projection.name) if file.version == version), default=None)

    def in_memory(self, connection: sqlite3.Connection, *, copied: bool) -> tuple[Place, Index]:
        """A database in memory, filled from the newest file if that can be had, else empty."""
        place = in_memory(self.projection.name)
        attach(connection, place.name, place.uri)
        index = Index(connection, self.projection)
        index.gate = place.gate
        file = self.newest() if self.folder is not None and copied else None
        if self.folder is None or file is None or not _copy(self.folder.where(file), place, connection):
            connection.execute("BEGIN")
            index.create()
            index.finish()
            connection.execute("COMMIT")
        return place, index

    def remove(self, path: str, why: object) -> bool:
        """Remove a damaged file; False where that cannot be."""
        assert self.folder is not None
        self._notice(f"{os.path.basename(path)} is damaged ({why}); it is removed and built again from the log")
        try:
            self.folder.remove(path)
        except OSError:
            return False
        return True

    # --- built ---------------------------------------------------------------------------------------------------------------

    def _build(self, pause: Callable[[], None] | None) -> IndexFile:
        """Build the projection's file. Where another process is at it, take an older file that can answer, or wait."""
        assert self.folder is not None
        self.folder.make()
        with self.folder.lock(self.projection.name, wait=False) as locked:
            if locked:
                return self.newest() or self._build_now(empty=pause is not None)
        for file in reversed(self.folder.files(self.projection.name)):
            if self._can_answer(file):
                return file
        while pause is not None:
            pause()
            with self.folder.lock(self.projection.name, wait=False) as locked:
                if locked:
                    return self.newest() or self._build_now(empty=True)
        with self.folder.lock(self.projection.name, wait=True):
            return self.newest() or self._build_now(empty=False)

    def _build_now(self, *, empty: bool) -> IndexFile:
        assert self.folder is not None
        self.folder.clear(self.projection.name)
        if empty:
            connection = connect()
            try:
                finish_file(begin_file(connection, self.projection, self.folder.begin(self.projection.name)))
            finally:
                connection.close()
        else:
            build(self.log, self.folder, [self.projection], self._progress())
        return self.folder.install(self.projection.name, self.projection.version)

    def _can_answer(self, file: IndexFile) -> bool:
        assert self.folder is not None
        try:
            other = sqlite3.connect(uri_of(self.folder.where(file), "ro"), uri=True)
            try:
                found = other.execute("SELECT value FROM meta WHERE name = 'schema'").fetchone()
            finally:
                other.close()
        except sqlite3.Error:
            return False
        return found is not None and found[0] == schema_digest(self.projection)

    # --- attached ------------------------------------------------------------------------------------------------------------

    def _attach(self, connection: sqlite3.Connection, file: IndexFile) -> tuple[Place, Index] | None:
        """Attach a complete file; None where it went away meanwhile, or is damaged, which removes it."""
        assert self.folder is not None
        path, name = self.folder.where(file), self.projection.name
        try:
            state = os.stat(path)
        except FileNotFoundError:
            return None
        if not os.access(path, os.W_OK):
            raise PermissionError(f"{path} is read-only")
        place = Place(
            name=name, uri=uri_of(path, "rw"), path=path, inode=state.st_ino, current=file.version == slug(self.projection.version)
        )
        attached = False
        why: object = "it does not hold together"
        try:
            attach(connection, name, place.uri)
            attached = True
            connection.execute(f"PRAGMA {name}.synchronous = NORMAL")
            connection.execute(f"PRAGMA {name}.cache_size = -16000")
            index = Index(connection, self.projection)
            whole = state.st_size > _QUICK_CHECK_SIZE or passes(connection, name, "quick_check")
            if whole and index.meta("complete") == "1":
                return place, index
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            why = error
        if attached:
            connection.execute(f"DETACH {name}")
        if not self.remove(path, why):
            raise PermissionError(f"{path} is damaged and cannot be removed")
        return None


def _copy(path: str, place: Place, connection: sqlite3.Connection) -> bool:
    """Fill the database in memory with a complete file's content. Nobody can be writing to it, or we could as well."""
    try:
        if os.path.getsize(path) > _COPIED_SIZE or (os.path.exists(path + "-wal") and os.path.getsize(path + "-wal")):
            return False
        with open(path, "rb") as file:
            data = bytearray(file.read())
    except OSError:
        return False
    data[18:20] = b"\x01\x01"  # not in WAL mode, which needs files beside it
    source, target = sqlite3.connect(":memory:"), sqlite3.connect(place.uri, uri=True)
    try:
        source.deserialize(bytes(data))
        if not passes(source, "main", "quick_check"):
            return False
        source.backup(target)
        return passes(connection, place.name, "quick_check")
    except sqlite3.DatabaseError:
        return False
    finally:
        source.close()
        target.close()
