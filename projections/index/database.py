"""One projection's state in SQLite: checkpoints, memory and rows of every session, attached to a connection under its name.

A checkpoint says how far a session is folded: the seq of the last event, the *mark* (the checksum that ends its line, which covers
everything before it in the segment, so that a session that was rewritten or lost its end is noticed) and the state.
It is written in one transaction with the rows that belong to it. Nothing in here is worth keeping: it can all be made again.

Every database has an identity, and counts the transactions that folded something: the two tell whether an answer can be another one.
"""

from __future__ import annotations

import re
import sqlite3
import uuid
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import msgspec

from eventlog import StoredEvent

from ..projection import (
    Memory,
    Projection,
    ProjectionFailed,
    Rollup,
    Rows,
    State,
    Table,
    Tabular,
    Unpacker,
    check_name,
    decoder_of,
    kept,
    packed,
    rollups_of,
)
from .gate import Gate

_MEMORY = Unpacker()
LAYOUT = 2  # of the tables that every database has


class Checkpoint(msgspec.Struct, frozen=True):
    """``base`` is where the session ended when it was last folded from its beginning; ``stamp`` what the log said of its files before
    it was last read, empty where nobody asked."""

    sid: int
    seq: int
    mark: str
    base: int
    stamp: str
    state: bytes


class Unreadable(sqlite3.DatabaseError):
    """What a fold has kept is not there in a shape that it could have written."""


class Index:
    """Reads and writes one projection's database. Not safe for several threads; transactions are the caller's."""

    def __init__(self, connection: sqlite3.Connection, projection: Projection[Any], schema: str | None = None) -> None:
        self.projection = projection
        self.name = check_name(projection)
        self.schema = schema or self.name  # what the database is attached as
        self._tabular = projection if isinstance(projection, Tabular) else None
        self.tables: tuple[Table, ...] = self._tabular.tables if self._tabular else ()
        self.rollups: tuple[Rollup, ...] = rollups_of(projection)
        self.connection = connection
        self.gate: Gate | None = None  # of a database in memory
        self._decoder = decoder_of(projection)
        self._drops: list[tuple[str, tuple[Any, ...]]] = []
        self._writes: dict[str, list[tuple[Any, ...]]] = {}
        self._puts = {table.name: self._put_statements(table) for table in self.tables}
        self._adds: dict[tuple[str, tuple[str, ...]], str] = {}
        self._next_sid = 0
        self._next_id = 0
        self._folded = False  # whether the transaction at hand changes what the database tells

    # --- the database as a whole ---------------------------------------------------------------------------------------------

    def create(self, *, part: bool = False) -> None:
        """Make the tables in the attached, empty database. The projection's own indexes come with `finish`.

        ``part``: it is one of several that will be joined, so words are only collected, as full text cannot be copied."""
        for statement in self._statements(part):
            self.connection.execute(statement)
        self.set_meta("version", str(self.projection.version))
        self.set_meta("schema", schema_digest(self.projection))
        self.set_meta("identity", uuid.uuid4().hex[:16])

    def finish(self) -> None:
        """Add the indexes and rollups, which are cheaper to make at once than row by row."""
        execute = self.connection.execute
        for table in self.tables:
            for number, columns in enumerate(table.indexes):
                execute(f"CREATE INDEX {self.schema}.{table.name}_{number} ON {table.name} ({columns})")
        for rollup in self.rollups:
            columns = ", ".join(f"{column} {kind}" for column, kind in rollup.columns.items())
            execute(f"CREATE TABLE {self.schema}.{rollup.name} ({columns}, PRIMARY KEY ({', '.join(rollup.key)})) WITHOUT ROWID")
            execute(f"INSERT INTO {self.schema}.{rollup.name} {self.made_anew(rollup)}")
            for number, trigger in enumerate(rollup.triggers):
                execute(f"CREATE TRIGGER {self.schema}.{rollup.name}_{number} {trigger}")
        self.set_meta("complete", "1")

    def made_anew(self, rollup: Rollup) -> str:
        """The statement that selects the rollup's rows from the rows that it is made of."""
        names = "|".join(re.escape(table.name) for table in self.tables)
        return re.sub(rf"\b(FROM|JOIN) ({names})\b", rf"\1 {self.schema}.\2", rollup.select)

    def _statements(self, part: bool) -> Iterator[str]:
        name = self.schema
        yield f"CREATE TABLE {name}.meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID"
        yield (
            f"CREATE TABLE {name}.checkpoint (sid INTEGER PRIMARY KEY, session_id TEXT NOT NULL UNIQUE,"
            " seq INTEGER NOT NULL, mark TEXT NOT NULL, base INTEGER NOT NULL,"
            " stamp TEXT NOT NULL, state BLOB NOT NULL)"
        )
        yield f"CREATE TABLE {name}.memory (sid INTEGER, key TEXT, value BLOB NOT NULL, PRIMARY KEY (sid, key)) WITHOUT ROWID"
        for table in self.tables:
            columns = ", ".join(f"{column} {kind}" for column, kind in table.columns.items() if column not in table.words)
            key = ", ".join(("sid", *table.key))
            if table.words:
                yield f"CREATE TABLE {name}.{table.name} (id INTEGER PRIMARY KEY, sid INTEGER NOT NULL, {columns}, UNIQUE ({key}))"
                if part:
                    yield f"CREATE TABLE {name}.{table.name}_words (id INTEGER PRIMARY KEY, {', '.join(table.words)})"
                    continue
                yield (
                    f"CREATE VIRTUAL TABLE {name}.{table.name}_words USING fts5({', '.join(table.words)}, content='',"
                    " tokenize=\"unicode61 remove_diacritics 2 categories 'L* N* Co So'\")"
                )
            else:
                yield f"CREATE TABLE {name}.{table.name} (sid INTEGER NOT NULL, {columns}, PRIMARY KEY ({key})) WITHOUT ROWID"

    def meta(self, name: str) -> Any:
        row = self.connection.execute(f"SELECT value FROM {self.schema}.meta WHERE name = ?", (name,)).fetchone()
        return None if row is None else row[0]

    def set_meta(self, name: str, value: Any) -> None:
        self.connection.execute(f"INSERT OR REPLACE INTO {self.schema}.meta VALUES (?, ?)", (name, value))

    def join(self, part: str) -> None:
        """Take over everything from a part (the name that it is attached as); it holds other sessions."""
        sids = self._one(f"SELECT coalesce(max(sid), 0) FROM {self.schema}.checkpoint")
        ids = int(self.meta("next_id") or 1) - 1
        execute = self.connection.execute
        execute(
            f"INSERT INTO {self.schema}.checkpoint"
            f" SELECT sid + ?, session_id, seq, mark, base, stamp, state FROM {part}.checkpoint ORDER BY sid",
            (sids,),
        )
        execute(f"INSERT INTO {self.schema}.memory SELECT sid + ?, key, value FROM {part}.memory ORDER BY sid, key", (sids,))
        for table in self.tables:
            columns = ", ".join(column for column in table.columns if column not in table.words)
            order = ", ".join(("sid", *table.key))
            if not table.words:
                execute(
                    f"INSERT INTO {self.schema}.{table.name} (sid, {columns})"
                    f" SELECT sid + ?, {columns} FROM {part}.{table.name} ORDER BY {order}",
                    (sids,),
                )
                continue
            words = ", ".join(table.words)
            execute(
                f"INSERT INTO {self.schema}.{table.name} (id, sid, {columns})"
                f" SELECT id + ?, sid + ?, {columns} FROM {part}.{table.name} ORDER BY id",
                (ids, sids),
            )
            execute(
                f"INSERT INTO {self.schema}.{table.name}_words (rowid, {words})"
                f" SELECT id + ?, {words} FROM {part}.{table.name}_words AS words"
                f" WHERE EXISTS (SELECT 1 FROM {part}.{table.name} AS row WHERE row.id = words.id) ORDER BY id",
                (ids,),
            )
        (last,) = execute(f"SELECT coalesce((SELECT value FROM {part}.meta WHERE name = 'next_id'), 1)").fetchone()
        self.set_meta("next_id", ids + last)

    # --- one session ---------------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Take the database's write lock, alone of all that are attached, and see what others wrote."""
        self.set_meta("writing", None)
        self._next_sid = self._one(f"SELECT coalesce(max(sid), 0) + 1 FROM {self.schema}.checkpoint")
        self._next_id = int(self.meta("next_id") or 1)

    def checkpoint(self, session_id: str) -> Checkpoint | None:
        row = self.connection.execute(
            f"SELECT sid, seq, mark, base, stamp, state FROM {self.schema}.checkpoint WHERE session_id = ?", (session_id,)
        ).fetchone()
        return None if row is None else Checkpoint(*row)

    def seq(self, session_id: str) -> int:
        """How far the session is folded, 0 for not at all."""
        row = self.connection.execute(f"SELECT seq FROM {self.schema}.checkpoint WHERE session_id = ?", (session_id,)).fetchone()
        return 0 if row is None else int(row[0])

    def reached(self, session_id: str) -> tuple[int, str]:
        """The seq and the mark of the event that was folded last; (0, "") where none was."""
        row = self.connection.execute(f"SELECT seq, mark FROM {self.schema}.checkpoint WHERE session_id = ?", (session_id,)).fetchone()
        return (0, "") if row is None else (int(row[0]), str(row[1]))

    def stamp(self, session_id: str) -> str:
        """What the session's files were like when it was last folded, as far as that is known."""
        row = self.connection.execute(f"SELECT stamp FROM {self.schema}.checkpoint WHERE session_id = ?", (session_id,)).fetchone()
        return "" if row is None else str(row[0])

    def set_stamp(self, sid: int, stamp: str) -> None:
        self._queue(f"UPDATE {self.schema}.checkpoint SET stamp = ? WHERE sid = ?", (stamp, sid))

    def restore(self, checkpoint: Checkpoint) -> Any:
        """The state as it was at the checkpoint. Raises `Unreadable`."""
        try:
            found = self._decoder.decode(checkpoint.state)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Unreadable(f"the state of session {checkpoint.sid}: {error}") from error
        state = self.projection.initial()
        if not isinstance(state, State):
            return found
        state.kept = found
        sid, find = checkpoint.sid, f"SELECT value FROM {self.schema}.memory WHERE sid = ? AND key = ?"

        def look_up(key: str) -> Any:
            row = self.connection.execute(find, (sid, key)).fetchone()
            try:
                return None if row is None else _MEMORY.decode(row[0])
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise Unreadable(f"the memory of session {sid}: {error}") from error

        state.memory = Memory(look_up)
        return state

    def write(self, session_id: str, sid: int | None, seq: int, mark: str, base: int, stamp: str, state: Any) -> None:
        """Queue a checkpoint and its rows; ``sid`` is None for a session that has none yet. `flush` writes what is queued."""
        fresh = sid is None
        if sid is None:
            sid = self._next_sid
            self._next_sid += 1
        if isinstance(state, State):
            if self._tabular is not None:
                self._tabular.settle(state)
            self._queue_rows(sid, state.rows, fresh)
            for key, value in state.memory.items():
                self._queue(f"INSERT OR REPLACE INTO {self.schema}.memory VALUES (?, ?, ?)", (sid, key, packed(value)))
            state.rows.clear()
        try:
            encoded = packed(kept(state))
        except Exception as error:
            raise ProjectionFailed(self.name, session_id, seq, error) from error
        self._folded = True
        self._queue(
            f"INSERT OR REPLACE INTO {self.schema}.checkpoint VALUES (?, ?, ?, ?, ?, ?, ?)",
            (sid, session_id, seq, mark, base, stamp, encoded),
        )

    def forget(self, sid: int) -> None:
        """Remove everything about a session. What full text knew of it stays in its index and is never found again."""
        self._folded = True
        for table in ("memory", *(table.name for table in self.tables), "checkpoint"):
            self.connection.execute(f"DELETE FROM {self.schema}.{table} WHERE sid = ?", (sid,))

    def flush(self) -> None:
        """Write what is queued: what goes first, then whole rows, then changes and additions to them."""
        for statement, values in self._drops:
            self.connection.execute(statement, values)
        for statement, rows in self._writes.items():
            self.connection.executemany(statement, rows)
        self.set_meta("next_id", self._next_id)
        if self._folded:
            self.set_meta("folded", int(self.meta("folded") or 0) + 1)
        self.discard()

    def discard(self) -> None:
        self._drops.clear()
        self._writes.clear()
        self._folded = False

    def _queue(self, statement: str, values: tuple[Any, ...]) -> None:
        self._writes.setdefault(statement, []).append(values)

    def _queue_rows(self, sid: int, rows: Rows, fresh: bool) -> None:
        if not fresh:
            for name, where in rows.dropped:
                condition = " AND ".join(("sid = ?", *(f"{column} IS ?" for column in where)))
                self._drops.append((f"DELETE FROM {self.schema}.{name} WHERE {condition}", (sid, *where.values())))
        for table in self.tables:
            for values in rows.put_rows.get(table.name, {}).values():
                self._queue_put(table, sid, values)
        for (name, key), values in rows.changed.items():
            table = next(table for table in self.tables if table.name == name)
            condition = " AND ".join(f"{column} = ?" for column in ("sid", *table.key))
            changes = ", ".join(f"{column} = ?" for column in values)
            self._queue(f"UPDATE {self.schema}.{name} SET {changes} WHERE {condition}", (*values.values(), sid, *key))
        for name, added in rows.added.items():
            table = next(table for table in self.tables if table.name == name)
            for key, amounts in added.items():
                self._queue(self._add_statement(table, tuple(amounts)), (sid, *key, *amounts.values()))

    def _queue_put(self, table: Table, sid: int, values: dict[str, Any]) -> None:
        columns, put, put_words = self._puts[table.name]
        row = [sid, *[values[column] for column in columns]]
        if table.words:
            number, self._next_id = self._next_id, self._next_id + 1
            row.insert(0, number)
            self._queue(put_words, (number, *[values[column] for column in table.words]))
        self._queue(put, tuple(row))

    def _put_statements(self, table: Table) -> tuple[list[str], str, str]:
        """The columns of a row that are kept, the statement that puts it there, and the one for its words."""
        columns = [column for column in table.columns if column not in table.words]
        named = ["id", "sid", *columns] if table.words else ["sid", *columns]
        put = f"INTO {self.schema}.{table.name} ({', '.join(named)}) VALUES ({', '.join('?' * len(named))})"
        if table.words:
            put = f"INSERT OR REPLACE {put}"  # the row gets a new number, as its words do
        else:  # a row that is replaced is a row that changes, for the triggers of a rollup
            changes = ", ".join(f"{column} = excluded.{column}" for column in columns if column not in table.key)
            put = f"INSERT {put} ON CONFLICT ({', '.join(('sid', *table.key))}) DO {f'UPDATE SET {changes}' if changes else 'NOTHING'}"
        holes = ", ".join("?" * len(table.words))
        return columns, put, f"INSERT INTO {self.schema}.{table.name}_words (rowid, {', '.join(table.words)}) VALUES (?, {holes})"

    def _add_statement(self, table: Table, columns: tuple[str, ...]) -> str:
        known = self._adds.get((table.name, columns))
        if known is not None:
            return known
        names = ", ".join(("sid", *table.key, *columns))
        holes = ", ".join("?" * (1 + len(table.key) + len(columns)))
        sums = ", ".join(f"{column} = {column} + excluded.{column}" for column in columns)
        conflict = f"DO UPDATE SET {sums}" if columns else "DO NOTHING"
        key = ", ".join(("sid", *table.key))
        made = f"INSERT INTO {self.schema}.{table.name} ({names}) VALUES ({holes}) ON CONFLICT ({key}) {conflict}"
        self._adds[table.name, columns] = made
        return made

    def _one(self, statement: str) -> int:
        return int(self.connection.execute(statement).fetchone()[0])


def schema_digest(projection: Projection[Any]) -> str:
    """Tells whether a database of another version can answer the queries of this one: the tables are the same."""
    tables = projection.tables if isinstance(projection, Tabular) else ()
    return sha256(msgspec.json.encode((LAYOUT, tables, rollups_of(projection)))).hexdigest()[:16]


def mark_of(stored: StoredEvent) -> str:
    """The checksum that ends the event's line (FORMAT.md, "Lines")."""
    return stored.raw[-10:-2].decode()
