"""What an error of the database says about its file: damaged, not to be written, or busy."""

from __future__ import annotations

import sqlite3
from typing import Final

import msgspec

from .database import Unreadable

_DAMAGED: Final = ("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_FORMAT")
UNWRITABLE: Final = (
    "SQLITE_FULL", "SQLITE_READONLY", "SQLITE_IOERR", "SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_NOLFS", "SQLITE_AUTH",
)  # fmt: skip
BUSY: Final = ("SQLITE_BUSY", "SQLITE_LOCKED")  # by a program that keeps everybody out, for longer than we wait


def is_of(error: sqlite3.Error, kinds: tuple[str, ...]) -> bool:
    return getattr(error, "sqlite_errorname", "").startswith(kinds)


def is_damage(error: sqlite3.Error | msgspec.DecodeError) -> bool:
    """Whether the file says so, or holds what no fold has written."""
    if isinstance(error, msgspec.DecodeError):
        return True
    return is_of(error, _DAMAGED) or isinstance(error, Unreadable) or str(error).startswith(("no such ", "Could not decode "))


def passes(connection: sqlite3.Connection, name: str, check: str) -> bool:
    try:
        return bool(connection.execute(f"PRAGMA {name}.{check}(1)").fetchone()[0] == "ok")
    except sqlite3.DatabaseError as error:
        if is_of(error, BUSY):
            raise
        return False
