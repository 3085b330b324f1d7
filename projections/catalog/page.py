"""Pages of an answer: items, how many there are in all, and an opaque cursor to the next page.

A cursor holds where the page ended (the last item's place in the order), not a number of items to skip, so that what is
written meanwhile neither doubles nor hides an item that stays where it is. (Hits of a search have no place that stays: its cursor
leaves out what was written after the first page.)
"""

from __future__ import annotations

import base64
import binascii
from typing import Any, Generic, TypeVar

import msgspec

from eventlog.errors import InvalidCursor, InvalidInput

from .. import tables

T = TypeVar("T")
MOST_ITEMS = 10_000


class Page(msgspec.Struct, Generic[T], frozen=True):
    """``total`` counts all that match, on every page; ``next`` is what to pass as ``after`` for the next page, None on the last."""

    items: list[T]
    total: int
    next: str | None = None

    def to_dicts(self) -> list[dict[str, Any]]:
        """The items as flat rows, for `pandas.DataFrame` and its like: a column for each field, those of a struct within an item under
        both names (``parent_relation``); ``cost`` is a number, and ``cost_currency`` says of what."""
        columns: dict[str, None] = {}
        rows = [tables.flat(item) for item in self.items if isinstance(item, msgspec.Struct)]
        for row in rows:
            columns.update(dict.fromkeys(row))
        return [{name: row.get(name) for name in columns} for row in rows]

    def __repr__(self) -> str:
        kind = type(self.items[0]).__name__ if self.items else "item"
        return f"<{type(self).__name__}: {len(self.items):,} of {self.total:,}, {kind}{', more behind next' if self.next else ''}>"

    def _repr_html_(self) -> str:
        return tables.html(self.to_dicts(), f"{len(self.items):,} of {self.total:,}", _SHOWN if _is_of_sessions(self.items) else None)


_SHOWN = ("session_id", "title", "preview", "status", "tags", "project", "model", "updated_at", "messages", "tool_calls", "cost")


def _is_of_sessions(items: list[Any]) -> bool:
    return bool(items) and hasattr(items[0], "preview")


def check_limit(limit: int) -> int:
    if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= MOST_ITEMS:
        raise InvalidInput(f"limit = {limit!r} is not usable: give a number from 1 to {MOST_ITEMS:,}")
    return limit


def to_cursor(order: str, *place: Any) -> str:
    return base64.urlsafe_b64encode(msgspec.msgpack.encode((order, place))).rstrip(b"=").decode()


def from_cursor(text: str, order: str, types: type[T]) -> T:
    """The place that `to_cursor` was given. Raises `InvalidCursor` for any other text, also for a cursor of another order."""
    try:
        data = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
        found_order, place = msgspec.msgpack.decode(data, type=tuple[str, msgspec.Raw])
        if found_order == order:
            return msgspec.msgpack.decode(place, type=types)
    except (UnicodeError, binascii.Error, msgspec.DecodeError):
        pass
    raise InvalidCursor(f"{text[:80]!r} is no cursor of a page in this order; pass `next` of the page before, or leave it out")
