"""SQLite files of other programs, opened for reading only: beside their WAL, never locked for long, never migrated, never written.

A row is a record: ``{"table":"message","row":{...}}``. Text and numbers stay what they are, a blob is ``{"base64":"..."}``.
"""

from __future__ import annotations

import base64
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from .declaration import Tables

_MAGIC = b"SQLite format 3\0"
_BUSY_S = 5.0
_ROWS_AT_ONCE = 200


def is_database(head: bytes) -> bool:
    """Whether a file that begins so is a SQLite database."""
    return head.startswith(_MAGIC)


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """The database, as it is at one moment. Raises `sqlite3.Error`.

    Where its folder cannot be written, and so no reader can join its writers, it is read as a file that nobody writes."""
    connection = _connect(path)
    try:
        connection.row_factory = sqlite3.Row
        connection.text_factory = _text
        connection.execute("begin")
        yield connection
    finally:
        connection.close()


def _connect(path: Path) -> sqlite3.Connection:
    address = "file:" + quote(os.path.abspath(path)) + "?mode=ro"
    connection = sqlite3.connect(address, uri=True, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("select count(*) from sqlite_master").fetchone()
        return connection
    except sqlite3.OperationalError:
        connection.close()
        connection = sqlite3.connect(address + "&immutable=1", uri=True, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("select count(*) from sqlite_master").fetchone()
        except sqlite3.Error:
            connection.close()
            raise
        return connection


def tables_of(connection: sqlite3.Connection) -> Tables:
    """The tables and views, with their columns."""
    names = [row[0] for row in connection.execute("select name from sqlite_master where type in ('table', 'view')")]
    return {name: [row[1] for row in connection.execute(f"pragma table_info({quoted(name)})")] for name in names}


def rows(connection: sqlite3.Connection, statement: str, *values: Any) -> Iterator[dict[str, Any]]:
    """The rows of a query, each as name -> value. Memory: some rows at once."""
    cursor = connection.execute(statement, values)
    while some := cursor.fetchmany(_ROWS_AT_ONCE):
        for row in some:
            yield dict(zip(row.keys(), row, strict=True))


def record_of(table: str, row: dict[str, Any]) -> bytes:
    """The row as a source record."""
    return msgspec.json.encode({"table": table, "row": {name: _storable(value) for name, value in row.items()}})


def quoted(name: str) -> str:
    """A name as it stands in a statement."""
    return '"' + name.replace('"', '""') + '"'


def _storable(value: Any) -> Any:
    data = value
    if isinstance(value, str) and not value.isascii():
        data = value.encode("utf-8", "surrogateescape")
        try:
            data.decode()
            return value
        except UnicodeDecodeError:
            pass  # text that is not UTF-8 is bytes
    return {"base64": base64.b64encode(data).decode()} if isinstance(data, bytes) else value


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")
