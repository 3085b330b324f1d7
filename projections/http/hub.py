"""One tail of all sessions for the whole process, given out to any number of streams; each has a queue that is bounded.

- A thread reads the tail. A subscriber is added, or a mark put into its queue, at a moment when everything that had been stored before
  it asked has been given out: the tail is opened anew where it is, and the tail's own mark says when that is so.
- Another thread asks the catalog for the rows of the sessions that were written to, together and at most once in `ROWS_EVERY_S`.
- A subscriber that does not keep up loses its queue and is told so (`Subscriber.overflowed`); nobody else waits for it.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Awaitable
from typing import Final

import msgspec

from eventlog import EventLog, StoredEvent
from eventlog.errors import EventLogError
from eventlog.tail import AnyTail, CaughtUp

from ..catalog.facade import Catalog

MOST_QUEUED: Final = 1_000
MOST_QUEUED_BYTES: Final = 8 * 1024 * 1024
ROWS_EVERY_S: Final = 0.05
CATCHING_UP: Final = 8  # streams that read by a tail of their own at once: each has a thread and descriptors
_BATCH: Final = 200
_POLL_S: Final = 1.0
_AFTER_TROUBLE_S: Final = 1.0


class Told(msgspec.Struct, frozen=True):
    """An event as `tail --json` prints it. ``cursor``: of all sessions, behind it."""

    cursor: str
    session_id: str
    seq: int
    type: str
    line: bytes


class Rows(msgspec.Struct, frozen=True):
    """Items of the list as JSON, by their sessions, as they are now; None for one that is gone. ``cursor``: all up to it is in them."""

    cursor: str
    items: dict[str, bytes | None]
    size: int


class Mark(msgspec.Struct, frozen=True):
    """Everything that was stored when the mark was asked for stands before it."""

    cursor: str


class Ended(msgspec.Struct, frozen=True):
    """The server ends, or (``reset``) lost its place and goes on from now."""

    reset: bool = False


Item = Told | Rows | Mark | Ended


class Subscriber:
    """A queue between the hub's threads and one stream on an event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.overflowed = False
        self.gone = False
        self._loop = loop
        self._items: deque[Item] = deque()
        self._size = 0
        self._filled = asyncio.Event()

    def put(self, items: list[Item]) -> None:
        """From any thread."""
        try:
            self._loop.call_soon_threadsafe(self._take, items)
        except RuntimeError:
            pass  # its loop has been closed, and with it whoever reads

    def _take(self, items: list[Item]) -> None:
        if not self.overflowed:
            self._items.extend(items)
            self._size += sum(map(_size_of, items))
            if len(self._items) > MOST_QUEUED or self._size > MOST_QUEUED_BYTES:
                ends = [item for item in self._items if isinstance(item, Ended)]
                self._items.clear()
                self._items.extend(ends)
                self.overflowed = True
        else:
            self._items.extend(item for item in items if isinstance(item, Ended))
        self._filled.set()

    async def get(self, timeout_s: float) -> list[Item]:
        """Everything that is there; waits for it, at most so long. Empty where nothing came, or where it has overflowed."""
        if not self._items and not self.overflowed:
            try:
                async with asyncio.timeout(timeout_s):
                    await self._filled.wait()
            except TimeoutError:
                return []
        self._filled.clear()
        found = list(self._items)
        self._items.clear()
        self._size = 0
        return found


def _size_of(item: Item) -> int:
    if isinstance(item, Told):
        return len(item.line) + 200
    return item.size if isinstance(item, Rows) else 0


class Hub:
    """Begins with the first subscriber; `close` ends it and every stream."""

    def __init__(self, log: EventLog, catalog: Catalog) -> None:
        self.log = log
        self.catalog = catalog
        self.closing = False
        self.streams = 0  # that are open
        self.catching_up = asyncio.Semaphore(CATCHING_UP)
        self._background: set[asyncio.Future[object]] = set()
        self._mutex = threading.Lock()
        self._subscribers: set[Subscriber] = set()
        self._asked: list[tuple[Subscriber, asyncio.Future[str]]] = []
        self._tail: AnyTail | None = None
        self._threads: list[threading.Thread] = []
        self._touched: dict[str, None] = {}
        self._cursor = ""
        self._changed = threading.Condition()

    # --- for streams, on their event loops ---

    async def subscribe(self) -> tuple[Subscriber, str]:
        """A subscriber that gets everything stored from now on, and the cursor of now."""
        subscriber = Subscriber(asyncio.get_running_loop())
        try:
            return subscriber, await self.mark(subscriber)
        except BaseException:
            self.unsubscribe(subscriber)
            raise

    async def mark(self, subscriber: Subscriber) -> str:
        """The cursor at a moment from which on everything that was stored before this call has been given out; a `Mark` stands there in
        the subscriber's queue."""
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        with self._mutex:
            if self.closing:
                raise asyncio.CancelledError
            self._asked.append((subscriber, future))
            if not self._threads:
                self._threads = [
                    threading.Thread(target=self._follow, name="eventlog-hub", daemon=True),
                    threading.Thread(target=self._tell_rows, name="eventlog-rows", daemon=True),
                ]
                for thread in self._threads:
                    thread.start()
            if self._tail is not None:
                self._tail.interrupt()
        return await future

    def unsubscribe(self, subscriber: Subscriber) -> None:
        with self._mutex:
            subscriber.gone = True
            self._subscribers.discard(subscriber)

    def in_background(self, work: Awaitable[object]) -> None:
        """Have it done without waiting for it."""
        task: asyncio.Future[object] = asyncio.ensure_future(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    def end(self) -> None:
        """Tell every stream that it ends. Returns at once, also in a signal handler's thread."""
        self.closing = True
        self._publish([Ended()])
        for _, future in self._asked:
            future.get_loop().call_soon_threadsafe(future.cancel)

    def close(self) -> None:
        self.end()
        with self._mutex:
            if self._tail is not None:
                self._tail.stop()
        with self._changed:
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()
        self._threads = []

    # --- the thread that reads ---

    def _follow(self) -> None:
        after = "end"
        while not self.closing:
            answering: list[tuple[Subscriber, asyncio.Future[str]]] = []
            try:
                with self._opened(after) as tail:
                    with self._mutex:
                        answering, self._asked = self._asked, []
                    self._read(tail, answering)
                    after = tail.cursor
            except (EventLogError, OSError):
                with self._mutex:
                    self._asked += answering
                self._publish([Ended(reset=True)])  # it goes on from now; whoever listens fetches anew
                after = "end"
                with self._changed:
                    self._changed.wait(_AFTER_TROUBLE_S)
            finally:
                self._tail = None

    def _opened(self, after: str) -> AnyTail:
        tail = self.log.tail(after=after, marks=True, on_damage="skip")
        with self._mutex:
            self._tail = tail
        return tail

    def _read(self, tail: AnyTail, answering: list[tuple[Subscriber, asyncio.Future[str]]]) -> None:
        """Until somebody asks for a mark, which a tail that is opened anew gives. Those who have asked before it was opened get theirs."""
        while not self.closing:
            if not tail.wait(_POLL_S):
                if self._asked and not answering:
                    return
                continue
            batch: list[Item] = []
            while tail.is_ready and len(batch) < _BATCH:
                item = next(tail)
                if isinstance(item, CaughtUp):
                    self._publish(batch)
                    batch = []
                    self._answer(answering, item.cursor)
                    answering.clear()
                else:
                    batch.append(_told(item, tail.cursor))
            self._publish(batch)
            if self._asked and not answering:
                return

    def _answer(self, answering: list[tuple[Subscriber, asyncio.Future[str]]], cursor: str) -> None:
        self._cursor = self._cursor or cursor
        with self._mutex:
            for subscriber, future in answering:
                if subscriber.gone:
                    continue
                self._subscribers.add(subscriber)
                subscriber.put([Mark(cursor)])
                future.get_loop().call_soon_threadsafe(_set, future, cursor)

    def _publish(self, items: list[Item]) -> None:
        if not items:
            return
        with self._mutex:
            subscribers = list(self._subscribers)
        for subscriber in subscribers:
            subscriber.put(items)
        told = [item for item in items if isinstance(item, Told)]
        if told:
            with self._changed:
                self._touched.update(dict.fromkeys(item.session_id for item in told))
                self._cursor = told[-1].cursor
                self._changed.notify_all()

    # --- the thread that asks for rows ---

    def _tell_rows(self) -> None:
        while not self.closing:
            with self._changed:
                if not self._touched:
                    self._changed.wait(_POLL_S)
                    continue
                touched, self._touched = self._touched, {}
                cursor = self._cursor
            items = rows_of(self.catalog, touched)
            self._publish([Rows(cursor, items, sum(len(item or b"") + 100 for item in items.values()))])
            with self._changed:
                if not self.closing:
                    self._changed.wait_for(lambda: self.closing, ROWS_EVERY_S)


def _set(future: asyncio.Future[str], cursor: str) -> None:
    if not future.done():
        future.set_result(cursor)


def _told(stored: StoredEvent, cursor: str) -> Told:
    return Told(cursor, stored.session_id, stored.seq, stored.type, line_of(stored))


def line_of(stored: StoredEvent) -> bytes:
    """The stored line with its session in front, as `tail --json` prints it."""
    return b'{"session_id":' + msgspec.json.encode(stored.session_id) + b"," + bytes(stored.raw)[1:]


def rows_of(catalog: Catalog, session_ids: dict[str, None]) -> dict[str, bytes | None]:
    """The list's items of these sessions as JSON; None for one that is not listed any more: deleted, or nothing of it is left."""
    found: dict[str, bytes | None] = {}
    for session_id in session_ids:
        try:
            item = catalog.find(session_id)
            listed = item.session_id == session_id and item.status != "deleted"
            found[session_id] = msgspec.json.encode(item) if listed else None
        except (EventLogError, OSError):
            found[session_id] = None
    return found
