"""A table in SQLite in WAL mode, one transaction per record: the usual advice for an embedded log."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from . import Record


class SqliteWal:
    def __init__(self, folder: Path, *, durable: bool) -> None:
        self.durability = "synchronous = FULL" if durable else "synchronous = NORMAL: may lose the latest with the power"
        self._connection = sqlite3.connect(folder / "session.db", isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
        self._connection.execute(
            "CREATE TABLE event (session TEXT, seq INTEGER, type TEXT, data TEXT, PRIMARY KEY (session, seq)) WITHOUT ROWID"
        )
        self._seq = 0

    def append(self, records: Sequence[Record]) -> None:
        for record in records:
            self._seq += 1
            self._connection.execute("INSERT INTO event VALUES ('s', ?, ?, ?)", (self._seq, record["type"], json.dumps(record)))

    def load(self) -> int:
        rows = self._connection.execute("SELECT seq, type, data FROM event WHERE session = 's' ORDER BY seq")
        return len([(seq, type, json.loads(data)) for seq, type, data in rows])

    def close(self) -> None:
        self._connection.close()


def open_peer(folder: Path, *, durable: bool) -> SqliteWal:
    return SqliteWal(folder, durable=durable)
