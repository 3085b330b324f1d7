"""The list of sessions: filters, orders, pages. Asks the table ``session`` that `tally` keeps."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, Literal, TypedDict

import msgspec

from eventlog.errors import InvalidInput
from eventlog.events import Parent

from .cost import NANO
from .moments import microseconds_of, moment_of
from .page import Page, check_limit, from_cursor, to_cursor

Sort = Literal["updated", "started", "messages", "tokens", "cost", "size"]

ORDERS: Final[dict[str, str]] = {
    "updated": "updated_at",
    "started": "started_at",
    "messages": "messages",
    "tokens": "(input_tokens + output_tokens + cache_read_tokens + cache_write_tokens)",
    "cost": "cost_nano",
    "size": "size_bytes",
}


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


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Which sessions. What is None does not matter; ``tags`` must all be there, and all words of ``title``, in any case.

    ``since`` and ``until`` bound the time of the last event: since <= time < until. ``model`` is any that the session used;
    ``project`` is the folder or one above it. Deleted sessions are left out unless ``deleted`` is set or the status asked for."""

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
                values.append(_microseconds(moment))
        return " AND ".join(terms) or "1", values


class Totals:
    """How many sessions a filter lets through, counted once as long as nothing is written: the count takes longer than the page."""

    def __init__(self) -> None:
        self._state: tuple[int, int] | None = None
        self._known: dict[tuple[Any, ...], int] = {}

    def count(self, connection: sqlite3.Connection, condition: str, values: list[Any]) -> int:
        (others,) = connection.execute("PRAGMA catalog.data_version").fetchone()  # grows with what other connections write
        state = others, connection.total_changes
        if state != self._state or len(self._known) > _TOTALS_KEPT:
            self._state = state
            self._known.clear()
        key = condition, *values
        if key not in self._known:
            statement = f"SELECT count(*) FROM catalog.session AS session WHERE {condition}"
            (self._known[key],) = connection.execute(statement, values).fetchone()
        return self._known[key]


_TOTALS_KEPT = 100


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
    rows = connection.execute(
        f"SELECT {', '.join(_COLUMNS)}, {order} FROM catalog.session AS session WHERE {condition}{place}"
        f" ORDER BY {order} DESC, session_id DESC LIMIT ?",
        [*values, limit + 1],
    ).fetchall()
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


def _microseconds(moment: datetime) -> int:
    if moment.tzinfo is None:
        raise InvalidInput(f"the time {moment} has no time zone; give one, for example datetime.now(timezone.utc)")
    return microseconds_of(moment)
