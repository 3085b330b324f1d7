"""OTLP at ``/v1/traces`` of the server (`--otlp`): spans of other processes and languages, behind the same guards; they only append."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.types import Receive, Scope, Send

from eventlog import EventLog
from eventlog.recorders.otlp import PATH, Receiver
from eventlog.recorders.recorder import Recorder

from .problems import problem

__all__ = ["PATH", "Spans"]


class Spans:
    """A mount of the application. What is recorded is the caller's whose token came with it."""

    def __init__(self, log: EventLog, most_bytes: int) -> None:
        self._recorder = Recorder(log)
        self._receiver = Receiver(self._recorder, max_body_bytes=most_bytes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        context = scope["eventlog.context"]
        if not context.may_write:
            detail = "spans are appended to the log, and this server or this token only reads; use a token that may write"
            await problem(403, "ReadOnly", detail)(scope, receive, send)
            return
        await self._receiver({**scope, "eventlog.user_id": context.user_id}, receive, send)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await asyncio.to_thread(self._recorder.close)

    def end(self) -> None:
        """No request stays open here."""
