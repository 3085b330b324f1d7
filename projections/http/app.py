"""The whole as one ASGI application: the API of the table, the chat API, the live stream, the page, with the guards around them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import datetime
from functools import partial
from socket import socket
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import parse_qsl

import msgspec
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from eventlog import EventLog
from eventlog.errors import InvalidInput

from ..catalog.facade import Catalog
from ..operations import TABLE, Context, Operation, Stream
from . import answering, chat_api, openapi, streaming
from .asking import Translation
from .files import Files
from .guards.access_log import LOGGER, AccessLog
from .guards.around import is_shell, path_of
from .guards.base_path import BasePath
from .guards.bodies import MOST_BYTES, Bodies
from .guards.hosts import Hosts
from .guards.origins import Origins
from .guards.safe_headers import SafeHeaders
from .guards.tokens import Caller, Tokens
from .hub import Hub
from .problems import of_error, problem
from .routes import NotFound, Routes, WrongMethod

if TYPE_CHECKING:
    from .server import Server

PREFIX: Final = "/api/v1"
_THREADS: Final = 16  # that answer questions
_STREAMING_THREADS: Final = 8  # that write exports and events
_NEVER_TAGGED: Final = frozenset(("health", "version", "verify"))
Handler = Callable[[Request, Mapping[str, str], Context], Awaitable[Response]]


class Access(msgspec.Struct, frozen=True, kw_only=True):
    """Who may ask, and how. ``hosts`` with their ports; ``any_port``: names that may have any. ``tokens`` None: nobody needs one."""

    hosts: Collection[str]
    any_port: Collection[str] = ()
    origins: Collection[str] = ()
    tokens: Mapping[str, Caller] | None = None
    read_only: bool = False
    base_path: str = ""
    most_bytes: int = MOST_BYTES


class Mount(Protocol):
    """An application beside this one. It answers inside ``running``; ``end`` ends its streams. The context of whoever asks stands in the
    scope as ``eventlog.context``."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send, /) -> None: ...
    def running(self) -> AbstractAsyncContextManager[None]: ...
    def end(self) -> None: ...


class Application:
    """ASGI, without guards. ``mounts`` are further applications by the beginning of their paths. `close` ends its threads and streams."""

    def __init__(
        self, context: Context, *, read_only: bool = False, base_path: str = "", mounts: Mapping[str, Mount] | None = None
    ) -> None:
        self.context = msgspec.structs.replace(context, waits=False)
        self.read_only = read_only
        self.base_path = base_path.rstrip("/")
        self.hub = Hub(context.log, context.catalog)
        self.mounts = dict(mounts or {})
        self.files = Files(self.base_path)
        self._threads = ThreadPoolExecutor(_THREADS, "eventlog-http")
        self._streaming_threads = ThreadPoolExecutor(_STREAMING_THREADS, "eventlog-http-stream")
        self._routes: Routes[Handler] = Routes()
        for row in TABLE:
            self._routes.add(row.method, PREFIX + row.path, partial(self._ask, Translation(row)))
        self._routes.add("GET", PREFIX + "/stream", self._stream)
        self._routes.add("GET", PREFIX + "/openapi.json", self._openapi)
        for name, command in chat_api.COMMANDS.items():
            self._routes.add("POST", f"/api/sessions/{name}", partial(self._chat, command))
        self._document: bytes | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise RuntimeError(f"this application speaks HTTP, not {scope['type']}")
        path = path_of(scope)
        for prefix, app in self.mounts.items():
            if path == prefix or path.startswith(prefix + "/"):
                context = self._context_of(scope)
                await app({**scope, "path": path, "raw_path": path.encode("latin-1"), "eventlog.context": context}, receive, send)
                return
        answer = self.files.answer(scope) if is_shell(scope) else await self._answer(Request(scope, receive))
        await answer(scope, receive, send)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The mounts answer inside."""
        async with AsyncExitStack() as stack:
            for app in self.mounts.values():
                await stack.enter_async_context(app.running())
            yield

    def end(self) -> None:
        """End all streams."""
        self.hub.end()
        for app in self.mounts.values():
            app.end()

    def close(self) -> None:
        self.hub.close()
        self._threads.shutdown(wait=True, cancel_futures=True)
        self._streaming_threads.shutdown(wait=True, cancel_futures=True)

    async def _answer(self, request: Request) -> Response:
        path = path_of(request.scope)
        try:
            handler, values = self._routes.find(request.method, path.encode("latin-1"))
        except NotFound:
            return problem(404, "NotFound", f"there is nothing at this address; {self.base_path}{PREFIX}/openapi.json lists what there is")
        except WrongMethod as error:
            allowed = ", ".join(error.allowed)
            return problem(405, "WrongMethod", f"this address takes {allowed}, not {request.method[:20]}", headers={"allow": allowed})
        return await handler(request, values, self._context_of(request.scope))

    def _context_of(self, scope: Scope) -> Context:
        """What whoever asks may do, and as whom."""
        caller: Caller = scope.get("eventlog.caller") or Caller()
        writes = caller.may_write and not self.read_only
        return msgspec.structs.replace(self.context, user_id=caller.name or self.context.user_id, may_write=writes)

    async def _in_thread(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)

    # --- rows ---

    async def _ask(self, translation: Translation, request: Request, values: Mapping[str, str], context: Context) -> Response:
        body = await request.body() if translation.takes_body else b""
        found = await self._in_thread(self._answered, translation, request, values, body, context)
        if not isinstance(found, Stream):
            response: Response = found
            return response
        try:
            return await answering.stream(found, self._streaming_threads)
        except Exception as error:
            return of_error(error)

    def _answered(
        self, translation: Translation, request: Request, values: Mapping[str, str], body: bytes, context: Context
    ) -> Response | Stream:
        """In a thread: everything from the arguments to the bytes."""
        row, by_header = translation.row, False
        try:
            query = _query_of(request)
            asked, by_header = translation.arguments(values, query, request.headers, body)
            tag = self._tag(row, asked, request, context)
            if tag is not None and answering.is_known(tag, request.headers.get("if-none-match")):
                return answering.unchanged(tag)
            answer = row(context, asked)
            if isinstance(answer, Stream):
                return answer
            headers = {} if tag is None or getattr(answer, "complete", None) is False else {"etag": tag}
            if row.creates:
                headers["location"] = f"{self.base_path}{PREFIX}/sessions/{answer.session_id}"
            return answering.json(answer, answering.status_of(row), headers)
        except Exception as error:
            return self._refused(error, by_header)

    def _refused(self, error: Exception, by_header: bool = False) -> Response:
        answer = of_error(error, by_header=by_header)
        if answer.status_code == 500:
            LOGGER.error("an operation failed", exc_info=error)
        return answer

    def _tag(self, row: Operation, asked: Any, request: Request, context: Context) -> str | None:
        """The version of the answer: for one session whole the seq that it is at, else what the index is at, and the day."""
        if row.method != "GET" or row.streams or row.name in _NEVER_TAGGED:
            return None
        if row.name == "show":
            with context.log.session(asked.session_id) as session:
                return f'"{session.last_seq}{"-header" if asked.parts == "header" else ""}"'
        if any(str(getattr(asked, name, None) or "")[-1:].isalpha() for name in ("since", "until")):
            return None  # "30d" ago is another moment each time
        today = datetime.now(context.zone).date()
        return answering.tag_of(context.catalog.token, today, path_of(request.scope), sorted(_query_of(request)))

    # --- what is no row ---

    async def _stream(self, request: Request, values: Mapping[str, str], context: Context) -> Response:
        try:
            asked = streaming.arguments(_query_of(request), request.headers)
            return await streaming.answer(self.hub, asked, self._in_thread)
        except Exception as error:
            return self._refused(error)

    async def _chat(self, command: chat_api.Command, request: Request, values: Mapping[str, str], context: Context) -> Response:
        body = await request.body()
        found = await self._in_thread(chat_api.run, command, context, body)
        if isinstance(found, Stream):
            try:
                return await answering.stream(found, self._streaming_threads)
            except Exception as error:
                return chat_api.refused(error)
        response: Response = found
        return response

    async def _openapi(self, request: Request, values: Mapping[str, str], context: Context) -> Response:
        if self._document is None:
            made = openapi.document(TABLE, PREFIX, {PREFIX + "/stream": streaming.PATH_ITEM, **chat_api.PATH_ITEMS})
            self._document = msgspec.json.encode({**made, "servers": [{"url": self.base_path or "/"}]})
        return Response(self._document, media_type="application/json")


def _query_of(request: Request) -> list[tuple[str, str]]:
    """Raises `InvalidInput`."""
    try:
        raw = request.scope["query_string"].decode("ascii")
        return parse_qsl(raw, keep_blank_values=True, strict_parsing=bool(raw), errors="strict", max_num_fields=1000)
    except (ValueError, UnicodeError):
        raise InvalidInput("the query of the address cannot be read; write name=value&name=value, percent-encoded UTF-8") from None


def guarded(application: ASGIApp, access: Access) -> ASGIApp:
    """The application with all guards around it."""
    app: ASGIApp = GZipMiddleware(application, minimum_size=1024, compresslevel=5)
    app = Bodies(app, access.most_bytes)
    app = Tokens(app, access.tokens)
    hosts = Hosts(application, access.hosts, access.any_port)
    app = Origins(app, hosts, access.origins)
    hosts.app = app
    return BasePath(AccessLog(SafeHeaders(hosts)), access.base_path)


def serve(
    log: EventLog, access: Access, listening: Sequence[socket], begun: Callable[[], None], mounts: Mapping[str, Mount] | None = None
) -> None:
    """Serve the log on the sockets until SIGINT or SIGTERM. ``begun`` is called when requests are answered."""
    from .server import Server

    with Catalog.open(log, notice=LOGGER.warning) as catalog:
        context = Context(log=log, catalog=catalog, may_write=not access.read_only)
        application = Application(context, read_only=access.read_only, base_path=access.base_path, mounts=mounts)
        server = Server(guarded(application, access), application.end)
        try:
            asyncio.run(_serve(application, server, listening, begun))
        finally:
            application.close()


async def _serve(application: Application, server: Server, listening: Sequence[socket], begun: Callable[[], None]) -> None:
    async with application.running():
        serving = asyncio.ensure_future(server.serve(list(listening)))
        while not server.started and not serving.done():
            await asyncio.sleep(0.005)
        if not serving.done():
            begun()
        await serving
