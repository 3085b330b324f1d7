"""The calls of somebody's MCP server, each linked to the session that its caller names. The tools know nothing of it.

`record_calls` puts one middleware into the server, which sees what goes over the wire: of a list of tools the answer, to which it adds an
optional argument (clients send only what a schema allows); of a call the arguments, from which it takes that one out again, and the answer.
What is recorded is written when the tool has answered, in a thread, and nothing that fails there reaches the tool or its caller.
"""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any, Final, Protocol, TypeVar

import msgspec

from ..errors import Conflict, EventTooLarge
from ..events import Artifact, SessionStarted, ToolCalled, ToolReturned
from ..ids import new_session_id
from ..log import EventLog
from . import context

_log: Final = logging.getLogger(__name__)
ARGUMENT: Final = "session_id"
_SCHEMA: Final = {"type": "string", "description": "The session that this call belongs to; it is recorded there. May be left out."}
_MOST_PAGES: Final = 100  # of a list of tools
_MOST_KEPT: Final = 100_000  # characters of what is too large for an event
_invocation: ContextVar[str | None] = ContextVar("eventlog_mcp_invocation", default=None)


class HasMiddleware(Protocol):
    """A low-level ``Server`` or an ``MCPServer`` of the package ``mcp`` (2.3 or later)."""

    @property
    def middleware(self) -> list[Any]: ...


Server = TypeVar("Server", bound=HasMiddleware)


def record_calls(server: Server, log: EventLog | None = None, *, folder_of: Callable[[str, str], str | None] | None = None) -> Server:
    """Record each call of a tool that names a session (by an argument ``session_id``, which every listed tool then has, or by
    `recording` around the server) into that session; returns the server.

    The tool runs as it would: it does not get the argument. A tool that has a ``session_id`` of its own keeps it, and is recorded only
    inside `recording`. A session that is not there begins with the call; a text that is no id stands for a session of its own. Recorded are
    name, arguments, result, duration, failure and, where ``folder_of`` (of the tool's name and the id of the invocation) gives one, the
    folder in which the tool keeps more about the call. Model calls that the tool makes go into the same session, where a recorder is
    installed. ``log`` None: the configured store, opened by the first call. Raises `TypeError` for what has no middleware."""
    if not isinstance(getattr(server, "middleware", None), list):
        raise TypeError(
            f"{type(server).__name__} has no list of middleware; give a Server or an MCPServer of the package mcp, 2.3 or later"
        )
    server.middleware.append(_Recording(log, folder_of))
    return server


def invocation_id() -> str | None:
    """Inside a tool whose call is being recorded: the id under which it is."""
    return _invocation.get()


class _Call(msgspec.Struct, frozen=True):
    """One call to be recorded."""

    session: context.Context
    id: str
    name: str
    arguments: Any
    output: Any
    is_error: bool
    duration_ms: float


class _Recording:
    def __init__(self, log: EventLog | None, folder_of: Callable[[str, str], str | None] | None) -> None:
        self._log = log
        self._folder_of = folder_of
        self._own: dict[str, bool] = {}  # the tools that are known, and whether the argument is theirs

    async def __call__(self, ctx: Any, call_next: Callable[[Any], Awaitable[Any]]) -> Any:
        if ctx.method == "tools/list":
            return self._with_argument(await call_next(ctx))
        if ctx.method != "tools/call" or not isinstance(ctx.params, Mapping):
            return await call_next(ctx)
        arguments = ctx.params.get("arguments")
        session = None
        if isinstance(arguments, Mapping) and ARGUMENT in arguments and not await self._is_own(ctx, call_next):
            arguments = dict(arguments)
            given = arguments.pop(ARGUMENT)
            ctx = dataclasses.replace(ctx, params={**ctx.params, "arguments": arguments})
            session = context.named(given) if isinstance(given, str) and given else None
        if session is None and context.current().session_id is not None:
            session = context.current()
        return await (call_next(ctx) if session is None else self._recorded(ctx, call_next, session, arguments))

    # --- the argument ---

    def _with_argument(self, result: Any) -> Any:
        if not isinstance(result, Mapping) or not isinstance(result.get("tools"), list):
            return result
        return {**result, "tools": [self._described(tool) for tool in result["tools"]]}

    def _described(self, tool: Any) -> Any:
        schema = tool.get("inputSchema") if isinstance(tool, Mapping) else None
        if not isinstance(schema, Mapping):
            return tool
        properties = schema.get("properties") or {}
        self._own[str(tool.get("name"))] = ARGUMENT in properties
        return tool if ARGUMENT in properties else {**tool, "inputSchema": {**schema, "properties": {**properties, ARGUMENT: _SCHEMA}}}

    async def _is_own(self, ctx: Any, call_next: Callable[[Any], Awaitable[Any]]) -> bool:
        """Whether the tool that is called has the argument itself: as the server lists it, if need be for us alone."""
        name = str(ctx.params.get("name"))
        params: dict[str, Any] = {key: value for key, value in ctx.params.items() if key == "_meta"}
        try:
            for _ in range(_MOST_PAGES):
                if name in self._own:
                    break
                listed = await call_next(dataclasses.replace(ctx, method="tools/list", params=params))
                self._with_argument(listed)
                if not isinstance(listed, Mapping) or listed.get("nextCursor") is None:
                    break
                params["cursor"] = listed["nextCursor"]
        except Exception:
            _log.debug("the tools could not be listed", exc_info=True)
        return self._own.get(name, False)

    # --- the call ---

    async def _recorded(self, ctx: Any, call_next: Callable[[Any], Awaitable[Any]], session: context.Context, arguments: Any) -> Any:
        id, name = new_session_id(), str(ctx.params.get("name"))
        begun = time.perf_counter()
        output: Any = {"error": "cancelled"}
        is_error = True
        try:
            with _inside(session, id):
                result = await call_next(ctx)
            output, is_error = _said(result)
            return result
        except Exception as error:
            output = {"error": f"{type(error).__name__}: {error}"}
            raise
        finally:
            duration_ms = (time.perf_counter() - begun) * 1_000
            await self._write(_Call(session, id, name, arguments, output, is_error, round(duration_ms, 3)))

    async def _write(self, call: _Call) -> None:
        import anyio
        import anyio.to_thread

        try:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(self._append, call)
        except Exception:
            _log.exception("a call of the tool %s was not recorded", call.name[:80])

    def _append(self, call: _Call) -> None:
        log = self._log = self._log or EventLog.open()
        folder = None if self._folder_of is None else self._folder_of(call.name, call.id)
        called = ToolCalled(name=call.name, call_id=call.id, arguments=call.arguments)
        returned = ToolReturned(
            call_id=call.id,
            output=call.output,
            is_error=call.is_error,
            duration_ms=call.duration_ms,
            artifacts=[] if folder is None else [Artifact(path=str(folder))],
        )
        with log.session(str(call.session.session_id), create=True) as session:
            if not session.last_seq:
                details: dict[str, Any] = {"kind": "agent", **call.session.details}
                if call.session.key is not None:
                    key = {"namespace": "recording", "key": [call.session.key], "generation": 1}
                    details["metadata"] = {**details.get("metadata", {}), "key": key}
                try:
                    session.append(SessionStarted(**details), expected=0)
                except Conflict:
                    pass  # somebody else began it
            try:
                session.append(called, returned, id=call.id)
            except EventTooLarge:
                called = msgspec.structs.replace(called, arguments=_beginning(call.arguments))
                session.append(called, msgspec.structs.replace(returned, output=_beginning(call.output)), id=call.id)


@contextmanager
def _inside(session: context.Context, id: str) -> Iterator[None]:
    """Where the tool runs: model calls that it makes go into the same session."""
    token = _invocation.set(id)
    same = context.current().session_id == session.session_id
    try:
        with nullcontext() if same else context.recording(str(session.key or session.session_id)):
            yield
    finally:
        _invocation.reset(token)


def _said(result: Any) -> tuple[Any, bool]:
    """What a tool's result says, and whether that is a failure."""
    if not isinstance(result, Mapping):
        return result, False
    is_error = bool(result.get("isError"))
    if result.get("structuredContent") is not None:
        return result["structuredContent"], is_error
    content = result.get("content")
    if isinstance(content, list) and content and all(isinstance(part, Mapping) and part.get("type") == "text" for part in content):
        return "\n".join(str(part.get("text", "")) for part in content), is_error
    return content, is_error


def _beginning(value: Any) -> Any:
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return value if len(text) <= _MOST_KEPT else text[:_MOST_KEPT] + "…"
