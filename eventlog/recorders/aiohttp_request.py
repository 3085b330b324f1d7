"""The hook on ``_request`` of aiohttp's sessions: google-genai's async client calls a model with it where aiohttp is installed.

aiohttp has no public seam behind a response's body: what a program reads is noted where all its ways of reading meet, in the stream's
``_read_nowait_chunk``. Where that is missing (another version), responses are left alone and the call is recorded as one that nobody read.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

import msgspec

from . import calls
from .calls import Call
from .gate import ENDINGS, SESSION_HEADER, Gate

_CALL = "_eventlog_call"
_SEAM = "_read_nowait_chunk"
_reading: dict[int, Call] = {}  # by the identity of its stream, which has no place for more; its response removes it
_watching: dict[type, type] = {}


def hooks(module: ModuleType, gate: Gate) -> list[tuple[type, str, Callable[..., Any]]]:
    """What to put where: (class, attribute, function)."""
    session = module.ClientSession
    return [(session, "_request", _request(session._request, gate))]


def _request(original: Callable[..., Any], gate: Gate) -> Callable[..., Any]:
    @functools.wraps(original)
    async def _request(self: Any, *args: Any, **kwargs: Any) -> Any:
        call = _begin(gate, self, args, kwargs)
        if call is None:
            return await original(self, *args, **kwargs)
        try:
            response = await original(self, *args, **kwargs)
        except BaseException as error:
            call.failed(error)
            raise
        gate.guarded(_answered, call, response)
        return response

    return _request


def _begin(gate: Gate, session: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call | None:
    found: list[Call | None] = [None]

    def look() -> None:
        recorder = gate.of(session)
        method, address = (*args, kwargs.get("method"), kwargs.get("str_or_url"))[:2] if len(args) < 2 else args[:2]
        if recorder is None or str(method).upper() != "POST":
            return
        given = kwargs.get("headers")
        chosen = None
        if given and hasattr(given, "items") and any(str(name).lower() == SESSION_HEADER for name in given):
            chosen = next(str(value) for name, value in given.items() if str(name).lower() == SESSION_HEADER)
            kwargs["headers"] = {name: value for name, value in given.items() if str(name).lower() != SESSION_HEADER}
        url = urlsplit(str(address))
        if not url.path.endswith(ENDINGS):
            return
        body = kwargs.get("data")
        if body is None and kwargs.get("json") is not None:
            body = msgspec.json.encode(kwargs["json"])
        if isinstance(body, str):
            body = body.encode()
        if isinstance(body, bytes):
            found[0] = gate.begun(recorder, url.path, url.hostname or "", body, None, chosen)

    gate.guarded(look)
    return found[0]


def _answered(call: Call, response: Any) -> None:
    call.status = response.status
    call.headers = response.headers
    stream = response.content
    if not hasattr(type(stream), _SEAM) or stream.at_eof():
        call.end(calls.COMPLETE)
        return
    response.__dict__[_CALL] = call
    response.__class__ = _class(type(response), _Response)
    _reading[id(stream)] = call
    stream.__class__ = _class(type(stream), _Stream)
    stream.on_eof(functools.partial(_all_came, stream, call))


def _all_came(stream: Any, call: Call) -> None:
    if stream.at_eof():  # and all was read
        call.end(calls.COMPLETE)


def _class(cls: type, methods: type) -> type:
    found = _watching.get(cls)
    if found is None:
        own = {name: value for name, value in vars(methods).items() if callable(value)}
        names = {"__module__": cls.__module__, "__qualname__": cls.__qualname__, "__doc__": cls.__doc__, "__slots__": ()}
        found = _watching[cls] = type(cls.__name__, (cls,), {**own, **names, "_eventlog_parent": cls})
    return found


class _Stream:
    """The methods of the streams' subclasses."""

    def _read_nowait_chunk(self, n: int) -> bytes:
        piece: bytes = type(self)._eventlog_parent._read_nowait_chunk(self, n)  # type: ignore[attr-defined]
        call = _reading.get(id(self))
        if call is not None:
            call.take(piece)
            if self.at_eof():  # type: ignore[attr-defined]
                call.end(calls.COMPLETE)
        return piece

    def set_exception(self, exc: Any, *args: Any, **kwargs: Any) -> None:
        call = _reading.get(id(self))
        if call is not None and isinstance(exc, BaseException):
            call.failed(exc)
        type(self)._eventlog_parent.set_exception(self, exc, *args, **kwargs)  # type: ignore[attr-defined]


def _over(response: Any, outcome: str) -> None:
    call = response.__dict__.get(_CALL)
    if call is not None:
        _reading.pop(id(response.content), None)
        call.end(outcome)


class _Response:
    """The methods of the responses' subclasses."""

    def close(self) -> None:
        _over(self, calls.CLOSED)
        type(self)._eventlog_parent.close(self)  # type: ignore[attr-defined]

    def release(self) -> Any:
        content = self.content  # type: ignore[attr-defined]
        _over(self, calls.COMPLETE if content.at_eof() else calls.CLOSED)
        return type(self)._eventlog_parent.release(self)  # type: ignore[attr-defined]

    def __del__(self) -> None:
        _over(self, calls.DROPPED)
        type(self)._eventlog_parent.__del__(self)  # type: ignore[attr-defined]
