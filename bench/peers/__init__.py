"""What people use instead: one file per peer, each used as its own documentation recommends.

A peer keeps one session. `open_peer` makes one, durable (as it syncs by default, or as its documentation says that one should) or not; one that
is not installed raises `Missing`, and is left out by name.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Final, Protocol

Record = dict[str, Any]


class Missing(Exception):
    """The peer's package is not installed."""


class Peer(Protocol):
    durability: str  # what holds when `append` returns

    def append(self, records: Sequence[Record]) -> None:
        """Store each record by itself, in a call of its own."""
        ...

    def load(self) -> int:
        """Read the whole session as the peer's own objects; returns how many there were."""
        ...

    def close(self) -> None: ...


_HOMES: Final = {
    "file rewritten per message": "rewritten_file",
    "open('a') + json.dumps": "json_lines",
    "sqlite3 WAL": "sqlite_wal",
    "eventsourcing": "eventsourcing_sqlite",
    "openai-agents SQLiteSession": "openai_agents",
    "langgraph-checkpoint-sqlite": "langgraph_sqlite",
    "google-adk": "google_adk",
}
NAMES: Final = tuple(_HOMES)


def open_peer(name: str, folder: Path, *, durable: bool) -> Peer:
    """A fresh session in ``folder``, which is empty. Raises `Missing`."""
    try:
        module = import_module(f".{_HOMES[name]}", __package__)
    except ImportError as error:
        raise Missing(f"not installed: {error.name or error}") from error
    made: Peer = module.open_peer(folder, durable=durable)
    return made
