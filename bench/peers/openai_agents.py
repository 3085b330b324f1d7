"""`SQLiteSession` of ``openai-agents``: ``add_items`` per item, ``get_items`` for all."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENAI_AGENTS_DISABLE_TRACING", "1")

from agents.memory import SQLiteSession

from . import Record
from .loosened import DEFAULT, OFF, connections


class OpenAIAgents:
    def __init__(self, folder: Path, *, durable: bool) -> None:
        self.durability = DEFAULT if durable else OFF
        self._durable = durable
        self._loop = asyncio.new_event_loop()
        with connections(durable=durable):
            self._session: Any = SQLiteSession("s", folder / "session.db")

    def append(self, records: Sequence[Record]) -> None:
        async def add_each() -> None:
            for record in records:
                await self._session.add_items([record])

        with connections(durable=self._durable):
            self._loop.run_until_complete(add_each())

    def load(self) -> int:
        return len(self._loop.run_until_complete(self._session.get_items()))

    def close(self) -> None:
        self._session.close()
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()


def open_peer(folder: Path, *, durable: bool) -> OpenAIAgents:
    return OpenAIAgents(folder, durable=durable)
