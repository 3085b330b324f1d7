"""Streamable HTTP as the wire: what `eventlog serve` has at ``/mcp``.

- Who may ask is decided before a request comes here: token, Host and Origin are the guards' of the whole server.
- What an asker may do is decided request by request: the context of whoever asks stands in the scope.
- The package of the protocol is loaded by the first request, so that a server whom nobody asks this starts without it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import anyio
import anyio.to_thread
import msgspec
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from ..operations import Context

if TYPE_CHECKING:
    from anyio.abc import TaskGroup, TaskStatus
    from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

    from .server import Asked

MOST_CLIENTS: Final = 1_000  # of the era in which the server keeps something for each; further ones are told to come later
_HERE: Final = ("/mcp", "/mcp/")


class Endpoint:
    """ASGI. ``may_write``: tools that write are offered to those who may. ``most_bytes``: of a request's body."""

    def __init__(self, *, may_write: bool, most_bytes: int) -> None:
        self._may_write = may_write
        self._most_bytes = most_bytes
        self._beginning = asyncio.Lock()
        self._ended = asyncio.Event()
        self._group: TaskGroup | None = None
        self._manager: StreamableHTTPSessionManager | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Requests are answered inside."""
        async with anyio.create_task_group() as self._group:
            yield
            self.end()

    def end(self) -> None:
        """End all streams; what is asked later is refused."""
        self._ended.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = await self._answering(scope["path"])
        await app(scope, receive, send)

    async def _answering(self, path: str) -> ASGIApp:
        if path not in _HERE:
            return PlainTextResponse(f"there is nothing at {path[:80]}; the Model Context Protocol is spoken at /mcp", 404)
        try:
            manager = await self._begun()
        except ModuleNotFoundError as error:
            return PlainTextResponse(f"this needs {error.name!r}; install it with: pip install 'session-eventlog[mcp]'", 501)
        if self._ended.is_set():
            return PlainTextResponse("the server is ending; ask again later", 503)
        handle: ASGIApp = manager.handle_request
        return handle

    async def _begun(self) -> StreamableHTTPSessionManager:
        async with self._beginning:
            if self._manager is None:
                manager = await anyio.to_thread.run_sync(self._made)
                assert self._group is not None
                await self._group.start(self._serve, manager)
                self._manager = manager
            return self._manager

    def _made(self) -> StreamableHTTPSessionManager:
        from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

        from .server import server_for

        return StreamableHTTPSessionManager(server_for(self._context_of), max_request_body_size=self._most_bytes, max_sessions=MOST_CLIENTS)

    async def _serve(self, manager: StreamableHTTPSessionManager, *, task_status: TaskStatus[None]) -> None:
        async with manager.run():
            task_status.started()
            await self._ended.wait()

    def _context_of(self, asked: Asked) -> Context:
        request: Any = asked.request
        context: Context = request.scope["eventlog.context"]
        return msgspec.structs.replace(context, may_write=context.may_write and self._may_write)
