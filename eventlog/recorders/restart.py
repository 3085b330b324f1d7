"""What a recorder needs after a restart beyond the log: in which session an answer is. One disposable SQLite file, rebuilt from the log.

An answer is found by its digest or by the id that its provider gave it. The file is the recorders' alone (`projections/recorder.sqlite`
in the store); nothing depends on it but that a conversation goes on in its session: where it is missing, a new session takes the history
from the request.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..errors import EventLogError
from ..events import MessageAdded, SessionStarted
from . import digests

if TYPE_CHECKING:
    import sqlite3

    from ..log import EventLog

VERSION = 1
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS answers (key BLOB NOT NULL, session TEXT NOT NULL, PRIMARY KEY (key, session)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS catalogues (key TEXT PRIMARY KEY, session TEXT NOT NULL) WITHOUT ROWID",
)


class Restart:
    """Of one thread. An error of SQLite's ends its use: everything then answers that nothing is known."""

    def __init__(self, path: str | None) -> None:
        self._path = path
        self._database: sqlite3.Connection | None = None
        self.is_new = False
        if path is not None:
            self._guarded(self._open)

    def _open(self) -> None:
        import sqlite3

        assert self._path is not None
        os.makedirs(os.path.dirname(self._path), mode=0o700, exist_ok=True)
        self._database = sqlite3.connect(self._path, timeout=0.2, isolation_level=None, check_same_thread=False)
        os.chmod(self._path, 0o600)
        for pragma in ("journal_mode = WAL", "synchronous = OFF"):
            self._database.execute(f"PRAGMA {pragma}")
        (version,) = self._database.execute("PRAGMA user_version").fetchone()
        if version != VERSION:
            for name in ("answers", "catalogues"):
                self._database.execute(f"DROP TABLE IF EXISTS {name}")
            self.is_new = True
        for statement in _SCHEMA:
            self._database.execute(statement)
        if self.is_new:
            self._database.execute(f"PRAGMA user_version = {VERSION}")

    def note(self, session_id: str, digest: bytes, response_id: str | None) -> None:
        """An answer is in the session."""
        keys = [digest] if response_id is None else [digest, response_id.encode("utf-8", "replace")]
        self._guarded(lambda: self._many("INSERT OR IGNORE INTO answers VALUES (?, ?)", [(key, session_id) for key in keys]))

    def sessions_of(self, key: bytes | str, limit: int = 8) -> list[str]:
        """The sessions that hold the answer, by its digest or its response's id."""
        name = key.encode("utf-8", "replace") if isinstance(key, str) else key
        found = self._guarded(lambda: self._rows("SELECT session FROM answers WHERE key = ? LIMIT ?", (name, limit)))
        return [row[0] for row in found or ()]

    def catalogue(self, digest: str, session_id: str) -> str | None:
        """The session that has this catalogue of tools in full; None where none has, and this one then does."""
        found = self._guarded(lambda: self._rows("SELECT session FROM catalogues WHERE key = ?", (digest,)))
        if found:
            return str(found[0][0])
        self._guarded(lambda: self._many("INSERT OR IGNORE INTO catalogues VALUES (?, ?)", [(digest, session_id)]))
        return None

    def rebuild(self, log: EventLog) -> Iterator[None]:
        """Note every answer that the log's recorded sessions hold; gives way after each session."""
        for session_id in log.session_ids():
            try:
                with log.session(session_id) as session:
                    first = next(iter(session.read(before=2, on_damage="skip")), None)
                    event = None if first is None else first.event
                    if isinstance(event, SessionStarted) and event.metadata.get("source") == "recorder":
                        self._note_tools(session_id, event.settings.get("tools"))
                        for stored in session.read(types=(MessageAdded.type,), on_damage="skip"):
                            if isinstance(said := stored.event, MessageAdded) and said.role == "assistant":
                                self.note(session_id, digests.of_event(said), said.response_id)
            except (EventLogError, OSError):
                continue  # what cannot be read cannot be gone on with
            yield

    def _note_tools(self, session_id: str, tools: Any) -> None:
        if isinstance(tools, list):
            self.catalogue(digests.of_value(tools), session_id)

    def close(self) -> None:
        database, self._database = self._database, None
        if database is not None:
            database.close()

    def _rows(self, statement: str, values: tuple[Any, ...]) -> list[Any]:
        return [] if self._database is None else self._database.execute(statement, values).fetchall()

    def _many(self, statement: str, rows: list[tuple[Any, ...]]) -> None:
        if self._database is not None:
            self._database.executemany(statement, rows)

    def _guarded(self, function: Any) -> Any:
        import sqlite3

        try:
            return function()
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                self.close()
        except (sqlite3.Error, OSError):
            self.close()
        return None
