"""What a row says, as an answer: JSON, a stream, or that nothing has changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor
from contextlib import suppress
from hashlib import sha256
from threading import Event
from typing import Any, Final
from urllib.parse import quote

import msgspec
from starlette.responses import Response, StreamingResponse

from ..operations.row import Operation, Stream

JSON: Final = "application/json"
_PIECES: Final = 4  # of a stream: how many may wait for the client
_LOOK_S: Final = 0.5  # how often a thread that waits for the client looks whether it is still there
_CACHED: Final = {"cache-control": "private, no-cache"}


def json(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(value), status, {**_CACHED, **(headers or {})}, JSON)


def status_of(row: Operation) -> int:
    """201 where events or sessions are made."""
    return 201 if row.creates or row.name in ("append", "add_message", "link_invocation") else 200


def tag_of(*parts: object) -> str:
    """An entity tag: the same as long as what the answer depends on is the same."""
    return f'W/"{sha256(repr(parts).encode()).hexdigest()[:24]}"'


def is_known(tag: str, given: str | None) -> bool:
    """Whether the client has this version, by its ``If-None-Match``. Compared weakly, as for reading it should be."""
    if given is None:
        return False
    mine = tag.removeprefix("W/")
    return given.strip() == "*" or any(each.strip().removeprefix("W/") == mine for each in given.split(","))


def unchanged(tag: str) -> Response:
    return Response(status_code=304, headers={"etag": tag, **_CACHED})


class _GoneAway(Exception):
    """Nobody reads the stream any more."""


async def stream(found: Stream, threads: Executor) -> Response:
    """The stream as an answer, a few pieces ahead of the client and no more. What fails before the first piece is raised."""
    pieces = _pieces(found.write_to, threads)
    try:
        first = await anext(pieces)
    except StopAsyncIteration:
        first = b""

    async def all_of_them() -> AsyncIterator[bytes]:
        try:
            yield first
            async for piece in pieces:
                yield piece
        finally:
            await pieces.aclose()  # type: ignore[attr-defined]

    name = quote(found.file_name, safe="")
    headers = {"content-disposition": f"attachment; filename*=UTF-8''{name}", **_CACHED}
    if found.media_type == "text/html":
        headers["content-security-policy"] = "sandbox"
    return StreamingResponse(all_of_them(), 200, headers, found.media_type)


async def _pieces(write_to: Callable[[Callable[[bytes], object]], object], threads: Executor) -> AsyncIterator[bytes]:
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[bytes | None] = asyncio.Queue(_PIECES)
    gone = Event()

    def put(piece: bytes | None) -> None:
        putting = asyncio.run_coroutine_threadsafe(queue.put(piece), loop)
        while not gone.is_set():
            try:
                putting.result(_LOOK_S)
                return
            except TimeoutError:
                continue
        putting.cancel()
        raise _GoneAway

    def work() -> None:
        try:
            write_to(put)
        except _GoneAway:
            return
        finally:
            with suppress(_GoneAway):
                put(None)

    working = loop.run_in_executor(threads, work)
    working.add_done_callback(lambda future: future.cancelled() or future.exception())  # it is told below, or nobody is there to be told
    try:
        while (piece := await queue.get()) is not None:
            yield piece
        await working  # whose error is raised here
    finally:
        gone.set()
