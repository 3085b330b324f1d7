"""The hook on ``send`` of httpx's clients (and httpx2's, which are the same): what nearly every SDK calls a model with.

The real call stands outside every guard, once, and gets what the caller gave. What comes back is the very response. One that is streamed
becomes an instance of a subclass of its own class, with the same name, that notes what is read through ``iter_bytes`` (which all other ways
of reading decoded content use), and how the reading ended; it is pickled, copied and printed as what it was.

A close is the caller's only while nothing is being read: httpx itself closes from inside the reading, when it ends and when it breaks.
"""

from __future__ import annotations

import copyreg
import functools
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from time import perf_counter
from types import ModuleType
from typing import Any

from . import calls
from .calls import Call
from .context import is_sending
from .gate import Gate

_CALL = "_eventlog_call"  # in the response's own attributes: it goes when the response goes
_watching: dict[type, type] = {}


def hooks(module: ModuleType, gate: Gate) -> list[tuple[type, str, Callable[..., Any]]]:
    """What to put where: (class, attribute, function)."""
    found: list[tuple[type, str, Callable[..., Any]]] = []
    for client, wrapped in (("Client", _send), ("AsyncClient", _asend)):
        cls = getattr(module, client)
        found.append((cls, "send", wrapped(cls.send, gate)))
    return found


def _send(original: Callable[..., Any], gate: Gate) -> Callable[..., Any]:
    @functools.wraps(original)
    def send(self: Any, *args: Any, **kwargs: Any) -> Any:
        call = gate.begin(self, args, kwargs)
        if call is None:
            return original(self, *args, **kwargs)
        token = is_sending.set(True)
        try:
            response = original(self, *args, **kwargs)
        except BaseException as error:
            call.failed(error)
            raise
        finally:
            is_sending.reset(token)
        gate.guarded(_answered, call, response)
        return response

    return send


def _asend(original: Callable[..., Any], gate: Gate) -> Callable[..., Any]:
    @functools.wraps(original)
    async def send(self: Any, *args: Any, **kwargs: Any) -> Any:
        call = gate.begin(self, args, kwargs)
        if call is None:
            return await original(self, *args, **kwargs)
        token = is_sending.set(True)
        try:
            response = await original(self, *args, **kwargs)
        except BaseException as error:
            call.failed(error)
            raise
        finally:
            is_sending.reset(token)
        gate.guarded(_answered, call, response)
        return response

    return send


def _answered(call: Call, response: Any) -> None:
    call.status = response.status_code
    call.headers = response.headers
    if hasattr(response, "_content"):  # it was read before it was given to the caller
        call.take(response.content)
        call.end(calls.COMPLETE)
    else:
        call.is_stream = True
        response.__dict__[_CALL] = call
        response.__class__ = _watching_class(type(response))


def _watching_class(cls: type) -> type:
    found = _watching.get(cls)
    if found is None:
        methods = {name: value for name, value in vars(_Watching).items() if callable(value)}
        names = {"__module__": cls.__module__, "__qualname__": cls.__qualname__, "__doc__": cls.__doc__, "__slots__": ()}
        found = _watching[cls] = type(cls.__name__, (cls,), {**methods, **names})
        found._eventlog_parent = cls  # type: ignore[attr-defined]
    return found


def _parent(response: Any) -> Any:
    return type(response)._eventlog_parent


class _Watching:
    """The methods of the subclasses. ``super()`` is the response's own class."""

    def iter_bytes(self, chunk_size: int | None = None) -> Iterator[bytes]:
        pieces: Iterator[bytes] = _parent(self).iter_bytes(self, chunk_size)
        call = self.__dict__.get(_CALL)
        return pieces if call is None or call.outcome is not None else _read(pieces, call)

    def aiter_bytes(self, chunk_size: int | None = None) -> AsyncIterator[bytes]:
        pieces: AsyncIterator[bytes] = _parent(self).aiter_bytes(self, chunk_size)
        call = self.__dict__.get(_CALL)
        return pieces if call is None or call.outcome is not None else _aread(pieces, call)

    def close(self) -> None:
        try:
            _parent(self).close(self)
        finally:
            call = self.__dict__.get(_CALL)
            if call is not None and not call.inside:
                call.end(calls.CLOSED)

    async def aclose(self) -> None:
        try:
            await _parent(self).aclose(self)
        finally:
            call = self.__dict__.get(_CALL)
            if call is not None and not call.inside:
                call.end(calls.CLOSED)

    def __del__(self) -> None:
        call = self.__dict__.get(_CALL)
        if call is not None:
            call.end(calls.DROPPED)

    def __reduce_ex__(self, protocol: Any) -> Any:
        made = _parent(self).__reduce_ex__(self, protocol)
        if not isinstance(made, tuple):
            return made
        arguments = tuple(_parent(self) if each is type(self) else each for each in made[1])
        # pickle insists that what copyreg's function makes is of the object's class, which is ours
        maker = object.__new__ if made[0] is copyreg.__newobj__ else made[0]  # type: ignore[attr-defined]
        return (_parent(self) if maker is type(self) else maker, arguments, *(_without(each) for each in made[2:]))

    def __getstate__(self) -> Any:
        state = _parent(self).__getstate__(self)
        return _without(state)


def _without(state: Any) -> Any:
    return {name: value for name, value in state.items() if name != _CALL} if isinstance(state, dict) and _CALL in state else state


def _nothing(piece: bytes) -> None:
    """What comes after the most that may be kept."""


def _read(pieces: Iterator[bytes], call: Call) -> Iterator[bytes]:
    keep: Callable[[bytes], None] = call.pieces.append
    size, granted = 0, call.granted
    call.inside = True
    try:
        for piece in pieces:
            if not size:
                call.first = perf_counter()
            size += len(piece)
            if size > granted and not (granted := call.grown(size)):
                keep, granted = _nothing, sys.maxsize
            keep(piece)
            call.inside = False
            yield piece
            call.inside = True
    except BaseException as error:
        call.failed(error)
        raise
    finally:
        call.inside = False
    call.end(calls.COMPLETE)


async def _aread(pieces: AsyncIterator[bytes], call: Call) -> AsyncIterator[bytes]:
    keep: Callable[[bytes], None] = call.pieces.append
    size, granted = 0, call.granted
    call.inside = True
    try:
        async for piece in pieces:
            if not size:
                call.first = perf_counter()
            size += len(piece)
            if size > granted and not (granted := call.grown(size)):
                keep, granted = _nothing, sys.maxsize
            keep(piece)
            call.inside = False
            yield piece
            call.inside = True
    except BaseException as error:
        call.failed(error)
        raise
    finally:
        call.inside = False
    call.end(calls.COMPLETE)
