"""Building a projection's file from nothing, beside what is there: made complete, then installed under its name.

While a file is being built nobody else sees it, so it needs no journal: a kill leaves something that the next build removes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from eventlog import EventLog

from ..projection import Projection
from .catch_up import Progress, catch_up
from .database import Index
from .folder import Folder

BUSY_TIMEOUT_S = 10.0


def connect() -> sqlite3.Connection:
    """A connection with nothing in it; databases are attached to it under the names of their projections."""
    connection = sqlite3.connect(":memory:", timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False, uri=True)
    connection.execute("PRAGMA temp_store = MEMORY")
    return connection


def attach(connection: sqlite3.Connection, name: str, path: str) -> None:
    """Attach a database file, made if it is not there, or ``:memory:``."""
    connection.execute(f"ATTACH ? AS {name}", (path,))


def uri_of(path: str, mode: str) -> str:
    """The path as SQLite takes it where it has to be said that the file is there (``mode``: ro or rw)."""
    return f"file:{quote(path)}?mode={mode}"


def attach_existing(connection: sqlite3.Connection, name: str, path: str) -> None:
    """Attach a database file that is there; one that has gone is not made again. Raises `sqlite3.OperationalError`."""
    attach(connection, name, uri_of(path, "rw"))


def hurry(connection: sqlite3.Connection, schema: str) -> None:
    """Write without any care for a crash, which leaves a file that nobody takes for a complete one."""
    for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -32000"):
        connection.execute(f"PRAGMA {schema}.{pragma}").fetchall()


def begin_file(
    connection: sqlite3.Connection, projection: Projection[Any], path: str, *, schema: str | None = None, part: bool = False
) -> Index:
    """Attach an empty file that nobody else sees yet, and make the projection's tables in it. It is not made here: a process of a build
    that was killed must not bring its file back after it has been cleared away."""
    index = Index(connection, projection, schema)
    attach_existing(connection, index.schema, path)
    hurry(connection, index.schema)
    connection.execute(f"PRAGMA {index.schema}.locking_mode = EXCLUSIVE").fetchall()
    connection.execute("BEGIN")
    index.create(part=part)
    connection.execute("COMMIT")
    return index


def finish_file(index: Index) -> None:
    """Complete a file that was begun and let go of it: from now on it is safe to share."""
    connection, schema = index.connection, index.schema
    connection.execute("BEGIN")
    index.finish()
    connection.execute("COMMIT")
    connection.execute(f"PRAGMA {schema}.locking_mode = NORMAL").fetchall()
    connection.execute(f"PRAGMA {schema}.journal_mode = WAL").fetchall()
    connection.execute(f"DETACH {schema}")


def build(log: EventLog, folder: Folder, projections: Sequence[Projection[Any]], progress: Progress | None = None) -> None:
    """Build complete files of these projections in this process, ready to be installed. Their locks are held.

    Raises `OSError` and `sqlite3.Error` where that cannot be written; what was there before still is."""
    connection = connect()
    try:
        indexes = [begin_file(connection, projection, folder.begin(projection.name)) for projection in projections]
        catch_up(log, indexes, progress)
        for index in indexes:
            finish_file(index)
    finally:
        connection.close()
