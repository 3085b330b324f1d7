"""The rows of a database as they were last, of all their states that a session holds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .records import lenient_value
from .values import mapping_of

_KEYS = ("id", "key", "hash")
_TWO_KEYS = ("message_hash", "position")


def last_rows(records: list[bytes]) -> Iterator[bytes]:
    """Each row once, as a line, where the first state of it stood. A row without a key is known by its content."""
    last: dict[Any, bytes] = {}
    for record in records:
        fields = mapping_of(lenient_value(record))
        row = mapping_of(fields.get("row"))
        keys = next(([row[key]] for key in _KEYS if row.get(key) is not None), [row[key] for key in _TWO_KEYS if key in row])
        last[(fields.get("table"), *map(str, keys)) if keys else record] = record
    return (record + b"\n" for record in last.values())
