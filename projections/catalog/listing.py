"""The list of sessions: filters, orders, pages. Asks the table ``session`` that `tally` keeps."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal, TypedDict

import msgspec

from eventlog.errors import InvalidInput
from eventlog.events import Parent

from ..projection import short_key
from .cost import NANO
from .metadata import comparable
from .moments import microseconds_of, moment_of
from .page import Page, check_limit, from_cursor, to_cursor
from .summary import ORDERS as ORDERS

STATUSES: Final = ("active", "completed", "failed", "abandoned", "deleted")
Sort = Literal["updated", "started", "messages", "tokens", "cost", "size"]


class Money(msgspec.Struct, frozen=True, omit_defaults=True):
    """An amount in units of ``currency``. ``price_version`` names the price list that all of it was computed with."""

    amount: float
    currency: str
    price_version: str | None = None


class SessionItem(msgspec.Struct, frozen=True, kw_only=True):
    """One session in the list. ``updated_at`` is the latest time of an event about the work (as in `SessionView`), ``events`` are those
    that were not taken back; ``size_bytes`` counts all lines, uncompressed."""

    session_id: str
    title: str | None
    preview: str | None
    status: str
    user_id: str | None
    tags: list[str]
    kind: str | None
    model: str | None
    models: list[str]
    provider: str | None
    project: str | None
    parent: Parent | None
    pinned: bool
    started_at: datetime
    updated_at: datetime
    events: int
    messages: int
    user_messages: int
    assistant_messages: int
    tool_calls: int
    errors: int
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int
    cost: Money | None
    size_bytes: int


class Filters(TypedDict, total=False):
    """The filters as keyword arguments; see `Filter`."""

    user_id: str | None
    status: str | None
    tags: Sequence[str]
    model: str | None
    kind: str | None
    project: str | None
    title: str | None
    since: datetime | None
    until: datetime | None
    deleted: bool
    parent: str | None
    metadata: Mapping[str, Any]
    namespace: str | None


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Which sessions. What is None does not matter; ``tags`` must all be there, and all words of ``title``, in any case.

    ``since`` and ``until`` bound the time of the last event: since <= time < until. ``model`` is any that the session used;
    ``project`` is the folder or one above it, ``parent`` the session that they come from. ``metadata``: these names have these JSON values;
    ``namespace``: that of its foreign key. Deleted sessions are left out unless ``deleted`` is set or the status asked for. Raises
    `InvalidInput` for a status that is none."""

    user_id: str | None = None
    status: str | None = None
    tags: Sequence[str] = ()
    model: str | None = None
    kind: str | None = None
    project: str | None = None
    title: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    deleted: bool = False
    parent: str | None = None
    metadata: Mapping[str, Any] = {}
    namespace: str | None = None

    def __post_init__(self) -> None:
        if self.status is not None and self.status not in STATUSES:
            raise InvalidInput(f"no session has the status {self.status!r}: give one of {', '.join(STATUSES)}")

        if not isinstance(self.metadata, Mapping):
            raise TypeError("metadata is a mapping of names to values")

    @property
    def halves(self) -> tuple[int, ...]:
        """What ``deleted`` can be: each is listed by an index of its own."""
        return (0, 1) if self.deleted and self.status is None else (int(self.status == "deleted"),)

    def condition(self) -> tuple[str, list[Any]]:
        """The SQL condition on ``catalog.session AS session``, and its values."""
        terms: list[str] = []
        values: list[Any] = []
        if not self.deleted and self.status != "deleted":
            terms.append("session.deleted = 0")
        for column, wanted in (("user_id", self.user_id), ("status", self.status), ("kind", self.kind)):
            if wanted is not None:
                terms.append(f"session.{column} = ?")
                values.append(wanted)
        labels = [("tag", tag) for tag in _texts("tags", self.tags)] + ([("model", self.model)] if self.model is not None else [])
        for label in labels:
            terms.append("session.sid IN (SELECT sid FROM catalog.label WHERE kind = ? AND value = ?)")
            values += label
        if self.parent is not None:
            terms.append("json_extract(session.parent, '$.session_id') = ?")
            values.append(self.parent)
        for name, value in self.metadata.items():
            terms.append("session.sid IN (SELECT sid FROM catalog.metadata WHERE name = ? AND value = ?)")
            values += short_key(name), comparable(value)
        if self.namespace is not None:
            terms.append("session.namespace = ?")
            values.append(self.namespace)
        if self.project is not None:
            folder = self.project.rstrip("/") or "/"
            terms.append("(session.project IN (?, ?) OR substr(session.project, 1, ?) = ?)")
            inside = folder if folder.endswith("/") else folder + "/"
            values += [folder, inside, len(inside), inside]
        for word in (self.title or "").casefold().split():
            terms.append("instr(session.title_folded, ?)")
            values.append(word)
        for comparison, moment in (("updated_at >= ?", self.since), ("updated_at < ?", self.until)):
            if moment is not None:
                terms.append(f"session.{comparison}")
                values.append(microseconds(moment))
        return " AND ".join(terms) or "1", values


class Totals:
    """How many sessions a filter lets through. Of all sessions that is kept; of a part it is counted once as long as nothing is folded: the
    count takes longer than the page. Safe to use from several threads."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._token = ""
        self._known: dict[tuple[Any, ...], int] = {}

    def count(self, connection: sqlite3.Connection, condition: str, values: list[Any]) -> int:
        if condition in _KEPT:
            statement = f"SELECT coalesce(sum(n), 0) FROM catalog.listings AS session WHERE {condition}"
            return int(connection.execute(statement).fetchone()[0])
        token = token_of(connection)
        key = condition, *values
        with self._mutex:
            if token == self._token and key in self._known:
                return self._known[key]
        (found,) = connection.execute(f"SELECT count(*) FROM catalog.session AS session WHERE {condition}", values).fetchone()
        with self._mutex:
            if token != self._token or len(self._known) >= _TOTALS_KEPT:
                self._token = token
                self._known.clear()
            self._known[key] = found
        return int(found)


_KEPT: Final = ("session.deleted = 0", "1")  # the conditions of the filters that filter nothing
_TOTALS_KEPT: Final = 100


def token_of(connection: sqlite3.Connection) -> str:
    """What is another text whenever the catalog may tell something else."""
    found = dict(connection.execute("SELECT name, value FROM catalog.meta WHERE name IN ('identity', 'folded')"))
    return f"{found.get('identity', '')}-{found.get('folded', 0)}"


def list_sessions(
    connection: sqlite3.Connection, totals: Totals, filter: Filter, sort: Sort, limit: int, after: str | None
) -> Page[SessionItem]:
    """One page of the sessions that the filter lets through, largest (latest) first. Raises `InvalidInput`, `InvalidCursor`."""
    if sort not in ORDERS:
        raise InvalidInput(f"cannot sort by {sort!r}: give one of {', '.join(ORDERS)}")
    check_limit(limit)
    order = ORDERS[sort]
    condition, values = filter.condition()
    total = totals.count(connection, condition, values)
    place = ""
    if after is not None:
        value, session_id = from_cursor(after, sort, tuple[int, str])
        place, values = f" AND ({order}, session_id) < (?, ?)", [*values, value, session_id]
    rows: list[tuple[Any, ...]] = []
    for deleted in filter.halves:
        rows += connection.execute(
            f"SELECT {', '.join(_COLUMNS)}, {order} FROM catalog.session AS session"
            f" WHERE session.deleted = {deleted} AND {condition}{place} ORDER BY {order} DESC, session_id DESC LIMIT ?",
            [*values, limit + 1],
        ).fetchall()
    if len(filter.halves) > 1:
        rows.sort(key=lambda row: (row[-1], row[0]), reverse=True)
        del rows[limit + 1 :]
    following = to_cursor(sort, rows[limit - 1][-1], rows[limit - 1][0]) if len(rows) > limit else None
    return Page([_item(row) for row in rows[:limit]], total, following)


_COLUMNS: Final = (
    "session_id",
    "title",
    "preview",
    "status",
    "user_id",
    "tags",
    "kind",
    "model",
    "models",
    "provider",
    "project",
    "parent",
    "pinned",
    "started_at",
    "updated_at",
    "events",
    "messages",
    "user_messages",
    "assistant_messages",
    "tool_calls",
    "errors",
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "size_bytes",
    "cost_nano",
    "price_version",
    "costs",
)


def items_where(connection: sqlite3.Connection, condition: str, values: Sequence[object], then: str) -> list[SessionItem]:
    """The sessions for which the condition on ``catalog.session AS session`` holds, in the order of ``then``."""
    found = connection.execute(f"SELECT {', '.join(_COLUMNS)} FROM catalog.session AS session WHERE {condition} {then}", values)
    return [_item(row) for row in found.fetchall()]


_texts_decoder = msgspec.json.Decoder(list[str])
_parent_decoder = msgspec.json.Decoder(Parent)


def _item(row: tuple[Any, ...]) -> SessionItem:
    found = dict(zip(_COLUMNS, row, strict=False))
    costs = found.pop("costs")
    nano, price_version = found.pop("cost_nano"), found.pop("price_version")
    found["cost"] = Money(nano / NANO, "USD", price_version) if costs else None
    found["tags"] = _texts_decoder.decode(found["tags"])
    found["models"] = _texts_decoder.decode(found["models"])
    found["parent"] = None if found["parent"] is None else _parent_decoder.decode(found["parent"])
    found["pinned"] = bool(found["pinned"])
    for name in ("started_at", "updated_at"):
        found[name] = moment_of(found[name])
    return SessionItem(**found)


def _texts(name: str, texts: Sequence[str]) -> Sequence[str]:
    if isinstance(texts, str):
        raise TypeError(f"{name} is a list of texts, not one text")
    return texts


def folder_condition(column: str) -> str:
    """Whether the column is a folder or below it, which are the parameters ``folder`` and ``inside`` (with a slash at its end)."""
    return f"({column} IN (:folder, :inside) OR substr({column}, 1, length(:inside)) = :inside)"


def microseconds(moment: datetime) -> int:
    """The moment as the tables hold it. Raises `InvalidInput` for one without a zone."""
    if moment.tzinfo is None:
        raise InvalidInput(f"the time {moment} has no time zone; give one, for example datetime.now(timezone.utc)")
    return microseconds_of(moment)
