"""A database as a source file: one session after the other, each with the rows that are its records."""

from __future__ import annotations

import sqlite3
from datetime import datetime
from pathlib import Path

from .databases import is_database, opened, tables_of
from .declaration import Rows
from .document_file import take_conversations
from .intake import Intake
from .line_file import Refuse


class RowFile:
    """A `SourceFile` that waits for the end, and is then read through SQLite. ``refuse`` is told of one that is not of the format."""

    def __init__(self, path: Path, rows: Rows, intake: Intake, refuse: Refuse) -> None:
        self.goes_on = True
        self.waits = False
        self._path = path
        self._rows = rows
        self._intake = intake
        self._refuse = refuse

    def take(self, data: bytes, file_time: datetime, *, is_end: bool = False) -> dict[str, int]:
        self.waits = not is_end
        if not is_end:
            return {}
        self.goes_on = False
        return self.read(file_time)

    def read(self, file_time: datetime) -> dict[str, int]:
        """Take what is new in the database. Memory: a session's rows."""
        try:
            with opened(self._path) as connection:
                tables = tables_of(connection)
                if not self._rows.is_database(tables):
                    self._refuse(self._path)
                    return {}
                return take_conversations(self._intake, str(self._path), self._rows.read(connection, tables), file_time)
        except sqlite3.Error as error:
            with open(self._path, "rb") as file:
                head = file.read(16)
            if is_database(head):
                self._intake.skip(str(self._path), None, f"the database cannot be read: {error}")
            else:
                self._refuse(self._path)
            return {}
