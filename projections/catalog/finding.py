"""Which session a person means: its id, the beginning of it, ``last``, a row of a list, its foreign key, words of its title.

The first of these that anything fits decides; where several sessions fit it, none is chosen: the error carries them.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence
from typing import Final

from eventlog.errors import SessionError, SessionNotFound

from ..projection import short_key
from .listing import SessionItem, items_where

MOST_CANDIDATES: Final = 20
_ROW: Final = re.compile(r"@([1-9][0-9]{0,8})")
_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_SUBAGENT: Final = "subagent"
_NEWEST_FIRST: Final = "ORDER BY updated_at DESC, session_id DESC"


class AmbiguousSession(SessionError):
    """Several sessions fit: ``candidates`` (the latest first, at most 20) of ``count``."""

    def __init__(self, given: str, candidates: Sequence[SessionItem], count: int) -> None:
        self.given = given
        self.candidates = list(candidates)
        self.count = count
        some = ", ".join(f"{item.session_id} ({_called(item)})" for item in candidates[:3])
        more = ", ..." if count > 3 else ""
        super().__init__(given, f"{count} sessions fit {given!r}: {some}{more}; give the id of one of them, or more of what you gave")


def find(connection: sqlite3.Connection, given: str, rows: Sequence[str] | None) -> SessionItem:
    """The session; see `Catalog.find`. Raises `SessionNotFound`, `AmbiguousSession`."""
    found = _by_id(connection, given)
    if found is None and given == "last":
        found = _last(connection)
    if found is None and (row := _ROW.fullmatch(given)) is not None:
        found = _row(connection, int(row[1]), rows)
    if found is None:
        found = _by_prefix(connection, given) or _by_key(connection, given) or _by_title(connection, given)
    if found is None:
        raise SessionNotFound(given)
    return found


def starting(connection: sqlite3.Connection, beginning: str, limit: int) -> list[SessionItem]:
    """See `Catalog.starting`."""
    if beginning and _ID.fullmatch(beginning) is None:
        return []
    values = [beginning, beginning + "\x7f"]
    order = f"ORDER BY json_extract(parent, '$.relation') IS 'subagent', {_NEWEST_FIRST.removeprefix('ORDER BY ')} LIMIT {limit}"
    return items_where(connection, "deleted = 0 AND session_id >= ? AND session_id < ?", values, order)


def shortest(connection: sqlite3.Connection, ids: Sequence[str], least: int) -> dict[str, str]:
    """For each id the beginning of it, not shorter than ``least``, by which `find` finds it."""
    found = {}
    for session_id in ids:
        (is_subagent,) = connection.execute(
            f"SELECT coalesce(max({_BEGINS_LIKE_ITS_PARENT}), 0) FROM catalog.session AS session WHERE session_id = ?", (session_id,)
        ).fetchone()
        others = "1" if is_subagent else f"NOT {_BEGINS_LIKE_ITS_PARENT}"
        needed = least
        for comparison, direction in (("<", "DESC"), (">", "ASC")):
            row = connection.execute(
                f"SELECT session_id FROM catalog.session AS session WHERE session_id {comparison} ? AND {others}"
                f" ORDER BY session_id {direction} LIMIT 1",
                (session_id,),
            ).fetchone()
            if row is not None:
                shared = next((at for at, (a, b) in enumerate(zip(row[0], session_id, strict=False)) if a != b), None)
                needed = max(needed, 1 + (min(len(row[0]), len(session_id)) if shared is None else shared))
        found[session_id] = session_id[:needed] if needed < len(session_id) - 2 else session_id
    return found


_BEGINS_LIKE_ITS_PARENT: Final = (  # a subagent that its parent wins over, whatever beginning of both is given
    "(parent IS NOT NULL AND json_extract(parent, '$.relation') = 'subagent' AND"
    " substr(session_id, 1, length(json_extract(parent, '$.session_id'))) = json_extract(parent, '$.session_id'))"
)


def _by_id(connection: sqlite3.Connection, given: str) -> SessionItem | None:
    return next(iter(items_where(connection, "session_id = ?", [given], "")), None)


def _last(connection: sqlite3.Connection) -> SessionItem | None:
    """The latest activity that is no subagent's."""
    condition = "deleted = 0 AND (parent IS NULL OR json_extract(parent, '$.relation') IS NOT ?)"
    return next(iter(items_where(connection, condition, [_SUBAGENT], f"{_NEWEST_FIRST} LIMIT 1")), None)


def _row(connection: sqlite3.Connection, number: int, rows: Sequence[str] | None) -> SessionItem | None:
    if rows is not None:
        return _by_id(connection, rows[number - 1]) if number <= len(rows) else None
    return next(iter(items_where(connection, "deleted = 0", [], f"{_NEWEST_FIRST} LIMIT 1 OFFSET {number - 1}")), None)


def _by_prefix(connection: sqlite3.Connection, given: str) -> SessionItem | None:
    if _ID.fullmatch(given) is None:
        return None
    condition, values = "session_id >= ? AND session_id < ?", [given, given + "\x7f"]
    found = items_where(connection, condition, values, f"{_NEWEST_FIRST} LIMIT {MOST_CANDIDATES + 1}")
    if len(found) > 1:
        families = items_where(connection, f"{condition} AND NOT {_HAS_PARENT_AMONG}", [*values, *values], "LIMIT 2")
        if len(families) == 1:
            return families[0]
    return _only(connection, given, found, condition, values)


_HAS_PARENT_AMONG: Final = (  # a parent wins over its subagents
    "(parent IS NOT NULL AND json_extract(parent, '$.relation') = 'subagent'"
    " AND EXISTS (SELECT 1 FROM catalog.session AS other WHERE other.session_id = json_extract(session.parent, '$.session_id')"
    " AND other.session_id >= ? AND other.session_id < ?))"
)


def _by_key(connection: sqlite3.Connection, given: str) -> SessionItem | None:
    """The last generation of the key, with or without its namespace, that is not deleted. Of a fork the key is that of its source."""
    namespace, slash, rest = given.partition("/")
    condition = (
        "deleted = 0 AND (foreign_key = ? OR (foreign_key = ? AND namespace = ?))"
        " AND substr(session_id, 1, length(namespace) + 1) = namespace || '-'"
    )
    values = [short_key(given), short_key(rest) if slash else None, namespace]
    newest = f"{condition} AND generation = (SELECT max(generation) FROM catalog.session AS other WHERE {_SAME_KEY})"
    found = items_where(connection, newest, values, f"{_NEWEST_FIRST} LIMIT {MOST_CANDIDATES + 1}")
    return _only(connection, given, found, newest, values)


_SAME_KEY: Final = "other.deleted = 0 AND other.foreign_key = session.foreign_key AND other.namespace = session.namespace"


def _by_title(connection: sqlite3.Connection, given: str) -> SessionItem | None:
    words = given.casefold().split()
    if not words:
        return None
    condition = "deleted = 0 AND " + " AND ".join("instr(title_folded, ?)" for _ in words)
    found = items_where(connection, condition, words, f"{_NEWEST_FIRST} LIMIT {MOST_CANDIDATES + 1}")
    return _only(connection, given, found, condition, words)


def _only(
    connection: sqlite3.Connection, given: str, found: Sequence[SessionItem], condition: str, values: Sequence[object]
) -> SessionItem | None:
    if len(found) <= 1:
        return found[0] if found else None
    (count,) = connection.execute(f"SELECT count(*) FROM catalog.session AS session WHERE {condition}", values).fetchone()
    raise AmbiguousSession(given, found[:MOST_CANDIDATES], count)


def _called(item: SessionItem) -> str:
    text = " ".join((item.title or item.preview or "no title").split())
    return text if len(text) <= 40 else text[:39] + "…"
