"""The canonical dump: everything that a projection's database says, independent of how it came to say it.

One entry per row: the table, the session, the key, the values; tables by name, rows by session and key; the rows of a rollup belong to
no session. Numbers that a database gives to sessions and passages on its own are left out. Of full text there is, for each row, how many
words of it were indexed; the row has a digest of the text itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from ..projection import Rollup, Unpacker
from .database import Index

_STORED = Unpacker()
Place = tuple[str, str, tuple[Any, ...]]  # table, session id, key


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """A row that is not the same; None where there is no such row."""

    projection: str
    table: str
    session_id: str
    key: list[Any]
    stored: Any
    rebuilt: Any


def dump(index: Index) -> Iterator[tuple[Place, tuple[Any, ...]]]:
    """All rows in canonical order, those of rollups last. Streams: the database sorts."""
    yield from _session_rows(index)
    yield from _rollup_rows(index)


def _session_rows(index: Index) -> Iterator[tuple[Place, tuple[Any, ...]]]:
    schema = index.schema
    tables: dict[str, tuple[tuple[str, ...], str, str]] = {
        "checkpoint": ((), "seq, mark, state", f"{schema}.checkpoint AS row"),
        "memory": (("key",), "value", f"{schema}.memory AS row"),
    }
    for table in index.tables:
        values = ", ".join(f"row.{column}" for column in table.columns if column not in table.words and column not in table.key)
        source = f"{schema}.{table.name} AS row"
        if table.words:
            values += ", size.sz"
            source += f" LEFT JOIN {schema}.{table.name}_words_docsize AS size USING (id)"
        tables[table.name] = (table.key, values or "1", source)
    for name, (key, values, source) in sorted(tables.items()):
        keys = "".join(f"row.{column}, " for column in key)
        join = "" if name == "checkpoint" else f" JOIN {schema}.checkpoint AS known USING (sid)"
        session = "row.session_id" if name == "checkpoint" else "known.session_id"
        order = ", ".join((session, *(f"row.{column}" for column in key)))
        for row in index.connection.execute(f"SELECT {session}, {keys}{values} FROM {source}{join} ORDER BY {order}"):
            yield (name, row[0], tuple(row[1 : 1 + len(key)])), tuple(row[1 + len(key) :])


def _rollup_rows(index: Index) -> Iterator[tuple[Place, tuple[Any, ...]]]:
    """As they are kept."""
    for rollup in sorted(index.rollups, key=lambda rollup: rollup.name):
        order = ", ".join(rollup.key)
        for row in index.connection.execute(f"SELECT {', '.join(rollup.columns)} FROM {index.schema}.{rollup.name} ORDER BY {order}"):
            yield (rollup.name, "", tuple(row[: len(rollup.key)])), tuple(row[len(rollup.key) :])


def wrong_rollups(index: Index) -> Iterator[Difference]:
    """The rows of rollups that are not what the rows say that they are made of. In a transaction of their reader's: nothing may move."""
    for rollup in index.rollups:
        kept = f"SELECT {', '.join(rollup.columns)} FROM {index.schema}.{rollup.name}"
        anew = index.made_anew(rollup)
        found = _by_key(index, rollup, f"SELECT * FROM ({kept} EXCEPT SELECT * FROM ({anew}))")
        expected = _by_key(index, rollup, f"SELECT * FROM ({anew}) EXCEPT {kept}")
        for key in sorted(found.keys() | expected.keys(), key=lambda key: _order(("", "", key))):
            yield Difference(
                projection=index.name,
                table=rollup.name,
                session_id="",
                key=list(key),
                stored=_shown(found.get(key)),
                rebuilt=_shown(expected.get(key)),
            )


def _by_key(index: Index, rollup: Rollup, statement: str) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    size = len(rollup.key)
    return {tuple(row[:size]): tuple(row[size:]) for row in index.connection.execute(statement)}


def compare(stored: Index, rebuilt: Index) -> Iterator[Difference]:
    """The rows in which two databases of one projection differ, of sessions that both have folded equally far; and what the rollups of the
    first are not, by its own rows."""
    stored.connection.execute("BEGIN")
    try:
        yield from _compare_rows(stored, rebuilt)
        yield from wrong_rollups(stored)
    finally:
        stored.connection.execute("COMMIT")


def _compare_rows(stored: Index, rebuilt: Index) -> Iterator[Difference]:
    moving = {
        session_id
        for (session_id,) in stored.connection.execute(
            f"SELECT a.session_id FROM {stored.schema}.checkpoint AS a JOIN {rebuilt.schema}.checkpoint AS b USING (session_id)"
            " WHERE a.seq <> b.seq"
        )
    }
    left, right = _session_rows(stored), _session_rows(rebuilt)
    one, other = next(left, None), next(right, None)
    while one is not None or other is not None:
        if one is not None and (other is None or _order(one[0]) < _order(other[0])):
            place, found, expected = one[0], one[1], None
            one = next(left, None)
        elif other is not None and (one is None or _order(other[0]) < _order(one[0])):
            place, found, expected = other[0], None, other[1]
            other = next(right, None)
        else:
            assert one is not None
            assert other is not None
            place, found, expected = one[0], one[1], other[1]
            one, other = next(left, None), next(right, None)
        if found != expected and place[1] not in moving:
            table, session_id, key = place
            yield Difference(
                projection=stored.name,
                table=table,
                session_id=session_id,
                key=list(key),
                stored=_shown(found),
                rebuilt=_shown(expected),
            )


def _order(place: Place) -> tuple[Any, ...]:
    """As the database sorts: nothing, numbers, texts."""
    table, session_id, key = place
    return table, session_id, tuple((_KINDS.get(type(part), 1), part if part is not None else 0) for part in key)


_KINDS = {type(None): 0, int: 1, float: 1, str: 2, bytes: 3}


def _shown(row: tuple[Any, ...] | None) -> Any:
    """A row as JSON can say it: a state or a word count is spelt out."""
    if row is None:
        return None
    shown = []
    for value in row:
        if isinstance(value, bytes):
            try:
                value = _STORED.decode(value)
            except (msgspec.DecodeError, UnicodeDecodeError):
                value = value.hex()
        shown.append(value)
    return shown
