"""`SqliteSessionService` of ``google-adk``: ``append_event`` per event, ``get_session`` for all."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from google.adk.events import Event
from google.adk.sessions.sqlite_session_service import SqliteSessionService
from google.genai import types

from . import Record
from .loosened import DEFAULT, OFF, connections

_NAMES = {"app_name": "bench", "user_id": "u"}


class GoogleAdk:
    def __init__(self, folder: Path, *, durable: bool) -> None:
        self.durability = DEFAULT if durable else OFF
        self._durable = durable
        self._loop = asyncio.new_event_loop()
        with connections(durable=durable):
            self._service: Any = SqliteSessionService(str(folder / "session.db"))
            self._session: Any = self._loop.run_until_complete(self._service.create_session(**_NAMES, session_id="s"))

    def append(self, records: Sequence[Record]) -> None:
        async def append_each() -> None:
            for record in records:
                text = record["content"] if "content" in record else json.dumps(record)
                content = types.Content(role="user", parts=[types.Part(text=text)])
                await self._service.append_event(self._session, Event(author="user", content=content))

        with connections(durable=self._durable):
            self._loop.run_until_complete(append_each())

    def load(self) -> int:
        session = self._loop.run_until_complete(self._service.get_session(**_NAMES, session_id="s"))
        return len(session.events)

    def close(self) -> None:
        self._loop.run_until_complete(self._service.close())
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()


def open_peer(folder: Path, *, durable: bool) -> GoogleAdk:
    return GoogleAdk(folder, durable=durable)
