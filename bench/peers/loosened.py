"""Turns off the syncs of peers that sync every commit and have no switch for it: so that they can stand in the column "not durable"."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any

OFF = "synchronous = OFF, forced; its own default syncs every commit"
DEFAULT = "its default: every commit is synced"


class _Loose(sqlite3.Connection):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.execute("PRAGMA synchronous = OFF")


@contextmanager
def _loose() -> Iterator[None]:
    connect = sqlite3.connect
    sqlite3.connect = partial(connect, factory=_Loose)  # type: ignore[assignment]
    try:
        yield
    finally:
        sqlite3.connect = connect


def connections(*, durable: bool) -> Any:
    """A context in which new connections sync, or do not."""
    return nullcontext() if durable else _loose()
