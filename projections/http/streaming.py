"""What happens, live, as server-sent events: ``row`` (an item of the list), ``gone``, ``event`` (a stored line), ``caught_up``, ``reset``.

An ``id`` is a cursor, and ``Last-Event-ID`` goes on behind it without a gap or a duplicate. Of all sessions it is that of a tail of all;
of one session it is the seq.

A stream that goes on from a cursor first joins the hub, then reads by a tail of its own until that has caught up, then drops what the hub
gave meanwhile and it has told already. Until the hub has given out all that the stream has told, an id is the own tail's last cursor
with what was told beyond it (``CURSOR~...``); from then on it is the hub's.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta
from starlette.responses import Response, StreamingResponse

from eventlog.decoding import decoder
from eventlog.errors import CursorExpired, InvalidCursor, InvalidInput
from eventlog.tail import AnyTail, CaughtUp

from ..operations.row import Arguments
from .hub import Ended, Hub, Item, Mark, Rows, Subscriber, Told, line_of, rows_of
from .problems import problem

MOST_STREAMS: Final = 64
_STILL_HERE_S: Final = 15.0
_BLOCK: Final = 200
_BLOCK_BYTES: Final = 256 * 1024
_MOST_ROWS: Final = 1_000  # that a stream which goes on is told; one that missed more is told to fetch anew
_HEADERS: Final = {"cache-control": "no-store", "x-accel-buffering": "no"}
InThread = Callable[..., Awaitable[Any]]

PATH_ITEM: Final[dict[str, Any]] = {
    "get": {
        "operationId": "stream",
        "summary": "What is there behind a cursor, then what happens, live, as server-sent events.",
        "parameters": [
            {"name": "session_id", "in": "query", "description": "Only this session; ids are then its seqs.", "schema": {"type": "string"}},
            {
                "name": "after",
                "in": "query",
                "description": "start, end or the id of an event.",
                "schema": {"type": "string", "default": "end"},
            },
            {
                "name": "types",
                "in": "query",
                "description": "Only events of these types, with commas between.",
                "schema": {"type": "string"},
            },
            {"name": "shape", "in": "query", "description": "event, row or event,row.", "schema": {"type": "string", "default": "event"}},
            {"name": "Last-Event-ID", "in": "header", "description": "Go on behind this event.", "schema": {"type": "string"}},
        ],
        "responses": {
            "200": {"description": "The stream.", "content": {"text/event-stream": {"schema": {"type": "string"}}}},
            "default": {
                "description": "What went wrong, with the next step.",
                "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}},
            },
        },
    }
}


class Asked(Arguments, frozen=True, kw_only=True):
    session_id: str | None = None
    after: str = "end"
    types: str | None = None
    shape: Annotated[str, Meta(pattern="^(event|row)(,(event|row))?$")] = "event"

    def tells(self, what: Literal["event", "row"]) -> bool:
        return what in self.shape.split(",")

    def wants(self, session_id: str, type: str) -> bool:
        return self.session_id in (None, session_id) and (self.types is None or type in self.types.split(","))


def arguments(query: Iterable[tuple[str, str]], headers: Mapping[str, str]) -> Asked:
    """Raises `InvalidInput`."""
    given = dict(query)
    if "last-event-id" in headers:
        given["after"] = headers["last-event-id"]
    try:
        return msgspec.convert(given, type=Asked)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"{error}; the stream takes session_id, after, types and shape (event, row or event,row)") from error


class _Place:
    """Where a stream of all sessions is: a tail's ``cursor``, and what was told ``beyond`` it: up to which seq, by session."""

    def __init__(self, text: str) -> None:
        self.cursor, tilde, beyond = text.partition("~")
        self.beyond: dict[str, int] = {}
        if tilde:
            try:
                padded = beyond + "=" * (-len(beyond) % 4)
                self.beyond = decoder(dict[str, int]).decode(base64.b64decode(padded, b"-_", validate=True))
            except (binascii.Error, msgspec.DecodeError, ValueError):
                raise InvalidCursor(f"{text[:80]!r} is no id of an event of this stream; leave it out, and fetch anew") from None

    def __str__(self) -> str:
        if not self.beyond:
            return self.cursor
        return f"{self.cursor}~{base64.urlsafe_b64encode(msgspec.json.encode(self.beyond)).rstrip(b'=').decode()}"


def _frame(event: str, data: bytes, id: str | None = None) -> bytes:
    named = b"" if id is None else f"id: {id}\n".encode()
    return named + f"event: {event}\ndata: ".encode() + data + b"\n\n"


async def answer(hub: Hub, asked: Asked, in_thread: InThread) -> Response:
    """The stream. What can be refused is refused before it begins. Raises what `EventLog.tail` raises."""
    if hub.streams >= MOST_STREAMS:
        return problem(
            503, "TooManyStreams", f"there are {MOST_STREAMS} streams already; close one, then try again", headers={"retry-after": "5"}
        )
    stream = _OfOne(hub, asked, in_thread) if asked.session_id is not None else _OfAll(hub, asked, in_thread)
    hub.streams += 1
    try:
        await stream.begin()
    except BaseException:
        stream.end()
        raise
    return StreamingResponse(_told(stream), 200, dict(_HEADERS), "text/event-stream")


async def _told(stream: _Stream) -> AsyncIterator[bytes]:
    try:
        yield b"retry: 1000\n\n"
        async for block in stream.blocks():
            yield block
    finally:
        stream.end()


class _Stream:
    """What a stream of one session and one of all have in common: joining the hub, waiting, rows, the end."""

    def __init__(self, hub: Hub, asked: Asked, in_thread: InThread) -> None:
        self.hub = hub
        self.asked = asked
        self.in_thread = in_thread
        self.subscriber: Subscriber | None = None
        self.joined_at = ""
        self._ended = False

    async def begin(self) -> None:
        await self.join()

    async def join(self) -> None:
        """Get everything from the hub that is stored from now on."""
        self.leave()
        self.subscriber, self.joined_at = await self.hub.subscribe()

    def leave(self) -> None:
        if self.subscriber is not None:
            self.hub.unsubscribe(self.subscriber)
            self.subscriber = None

    def end(self) -> None:
        if not self._ended:
            self._ended = True
            self.hub.streams -= 1
            self.leave()

    async def blocks(self) -> AsyncIterator[bytes]:
        async for block in self.catch_up():
            yield block
        while not self.hub.closing:
            subscriber = self.subscriber
            assert subscriber is not None
            items = await subscriber.get(_STILL_HERE_S)
            if any(isinstance(item, Ended) and not item.reset for item in items):
                return
            if subscriber.overflowed or any(isinstance(item, Ended) for item in items):
                await self.join()
                yield self.reset()
                continue
            block = b"".join(self.live(items))
            if block or not items:
                yield block or b": still here\n\n"

    def catch_up(self) -> AsyncIterator[bytes]:
        raise NotImplementedError

    def live(self, items: list[Item]) -> Iterator[bytes]:
        raise NotImplementedError

    def reset(self) -> bytes:
        raise NotImplementedError

    def rows(self, items: Mapping[str, bytes | None], id: str | None) -> Iterator[bytes]:
        """Only the last has the id, which stands for all of them."""
        wanted = [each for each in items.items() if self.asked.session_id in (None, each[0])]
        for number, (session_id, item) in enumerate(wanted, 1):
            last = id if number == len(wanted) else None
            yield _frame("gone", msgspec.json.encode({"session_id": session_id}), last) if item is None else _frame("row", item, last)


class _OfOne(_Stream):
    """Of one session: an id is a seq, so that what was told already is what is not behind the last one."""

    async def begin(self) -> None:
        after, session_id = self.asked.after, str(self.asked.session_id)
        session = self.hub.log.session(session_id)
        self.seq = session.last_seq if after == "end" else 0
        if after not in ("start", "end"):
            if not (after.isascii() and after.isdigit() and len(after) <= 19 and int(after) <= session.last_seq):
                session.close()
                raise InvalidCursor(f"{after[:80]!r} is no place in session {session_id!r}; give the id of one of its events, start or end")
            self.seq = int(after)
        session.close()
        await self.join()

    async def catch_up(self) -> AsyncIterator[bytes]:
        with self.hub.log.session(str(self.asked.session_id)) as session:
            events = session.read(after=self.seq, on_damage="skip")
            while not self.hub.closing:
                found = await self.in_thread(_some, events)
                if not found:
                    break
                told = []
                for stored in found:
                    self.seq = stored.seq
                    if self.asked.tells("event") and self.asked.wants(stored.session_id, stored.type):
                        told.append(_frame("event", line_of(stored), str(stored.seq)))
                if told:
                    yield b"".join(told)
        if self.asked.tells("row"):
            rows = await self.in_thread(rows_of, self.hub.catalog, {str(self.asked.session_id): None})
            yield b"".join(self.rows(rows, None))
        yield _frame("caught_up", msgspec.json.encode({"caught_up": True, "cursor": str(self.seq)}), str(self.seq))

    def live(self, items: list[Item]) -> Iterator[bytes]:
        for item in items:
            if isinstance(item, Rows) and self.asked.tells("row"):
                yield from self.rows(item.items, None)
            elif isinstance(item, Told) and item.session_id == self.asked.session_id and item.seq > self.seq:
                self.seq = item.seq
                if self.asked.tells("event") and self.asked.wants(item.session_id, item.type):
                    yield _frame("event", item.line, str(item.seq))

    def reset(self) -> bytes:
        with self.hub.log.session(str(self.asked.session_id)) as session:
            self.seq = session.last_seq
        return _frame("reset", b"{}", str(self.seq))


class _OfAll(_Stream):
    """Of all sessions: an id is the place of a tail of all."""

    tail: AnyTail | None = None
    expired = False

    async def begin(self) -> None:
        self.place = _Place(self.asked.after)
        await self.join()
        if self.place.cursor == "end":
            self.place = _Place(self.joined_at)
            return
        try:
            self.tail = await self.in_thread(self._open)
        except CursorExpired:
            self.expired = True
            self.place = _Place(self.joined_at)

    def _open(self) -> AnyTail:
        return self.hub.log.tail(after=self.place.cursor, marks=True, on_damage="skip")

    def end(self) -> None:
        super().end()
        self._close_tail()

    def _close_tail(self) -> None:
        """In a thread, and without waiting for it: a thread may be reading, and whoever ends may have been cancelled."""
        if self.tail is not None:
            tail, self.tail = self.tail, None
            self.hub.in_background(self.in_thread(tail.close))

    async def catch_up(self) -> AsyncIterator[bytes]:
        if self.expired:
            yield _frame("reset", b"{}", str(self.place))
        touched: dict[str, None] = {}
        while self.tail is not None and not self.hub.closing:
            async with self.hub.catching_up:
                async for block in self._by_own_tail(touched):
                    yield block
            assert self.subscriber is not None
            if self.subscriber.overflowed:
                await self.join()
                self.tail = await self.in_thread(self._open)
                continue
            async for block in self._hand_over(touched):
                yield block
        if len(touched) > _MOST_ROWS:
            yield _frame("reset", b"{}", str(self.place))
        elif touched and self.asked.tells("row"):
            rows = await self.in_thread(rows_of, self.hub.catalog, touched)
            yield b"".join(self.rows(rows, str(self.place)))
        yield _frame("caught_up", msgspec.json.encode({"caught_up": True, "cursor": str(self.place)}), str(self.place))

    async def _by_own_tail(self, touched: dict[str, None]) -> AsyncIterator[bytes]:
        """Everything behind the place, to the tail's mark."""
        self.read: dict[str, int] = {}
        tail = self.tail
        assert tail is not None
        done = False
        while not done and not self.hub.closing:
            told = []
            for cursor, item in await self.in_thread(_some_of_tail, tail):
                self.place.cursor = cursor
                if isinstance(item, CaughtUp):
                    done = True
                    self.place.beyond = {}
                    continue
                self.read[item.session_id] = item.seq
                beyond = self.place.beyond.get(item.session_id, 0)
                if item.seq >= beyond:
                    self.place.beyond.pop(item.session_id, None)
                if item.seq <= beyond:
                    continue
                if self.asked.tells("row"):
                    touched[item.session_id] = None
                if self.asked.tells("event") and self.asked.wants(item.session_id, item.type):
                    told.append(_frame("event", line_of(item), str(self.place)))
            if told:
                yield b"".join(told)
        self._close_tail()

    async def _hand_over(self, touched: dict[str, None]) -> AsyncIterator[bytes]:
        """From the own tail to the hub: what the hub gives until it has given out all that this stream has told."""
        subscriber = self.subscriber
        assert subscriber is not None
        marked = asyncio.ensure_future(self.hub.mark(subscriber))
        marks = 0  # the first stands where it joined, the second where the hub has given out all that was told
        try:
            while not self.hub.closing:
                items = await subscriber.get(_STILL_HERE_S)
                if subscriber.overflowed or any(isinstance(item, Ended) and item.reset for item in items):
                    await self.join()
                    self.tail = await self.in_thread(self._open)
                    return
                told: list[bytes] = []
                for item in items:
                    if marks == 2:
                        told += self.live([item])
                    elif isinstance(item, Mark):
                        marks += 1
                        if marks == 2:
                            self.place = _Place(item.cursor)
                    elif isinstance(item, Rows):
                        touched.update(dict.fromkeys(item.items))
                    elif isinstance(item, Told) and item.seq > self.read.get(item.session_id, 0):
                        self.read[item.session_id] = self.place.beyond[item.session_id] = item.seq
                        touched[item.session_id] = None
                        if self.asked.tells("event") and self.asked.wants(item.session_id, item.type):
                            told.append(_frame("event", item.line, str(self.place)))
                if told:
                    yield b"".join(told)
                if marks == 2:
                    return
        finally:
            marked.cancel()

    def live(self, items: list[Item]) -> Iterator[bytes]:
        for item in items:
            if isinstance(item, Told):
                self.place = _Place(item.cursor)
                if self.asked.tells("event") and self.asked.wants(item.session_id, item.type):
                    yield _frame("event", item.line, item.cursor)
            elif isinstance(item, Rows) and self.asked.tells("row"):
                yield from self.rows(item.items, None if self.asked.tells("event") else item.cursor)

    def reset(self) -> bytes:
        self.place = _Place(self.joined_at)
        return _frame("reset", b"{}", str(self.place))


def _some(events: Iterator[Any]) -> list[Any]:
    found, size = [], 0
    for stored in events:
        found.append(stored)
        size += stored.size_bytes
        if len(found) >= _BLOCK or size >= _BLOCK_BYTES:
            break
    return found


def _some_of_tail(tail: AnyTail) -> list[tuple[str, Any]]:
    """The next items with the cursor behind each, to the mark at most."""
    found: list[tuple[str, Any]] = []
    size = 0
    for item in tail:
        found.append((tail.cursor, item))
        size += 0 if isinstance(item, CaughtUp) else item.size_bytes
        if isinstance(item, CaughtUp) or len(found) >= _BLOCK or size >= _BLOCK_BYTES or not tail.is_ready:
            break
    return found
