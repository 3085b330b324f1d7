"""The log for async programs: thin wrappers, so that no disk is waited for on the event loop.

The work is done by the synchronous classes in a few threads. What several tasks append to one session while the disk is busy goes out
together: written one after the other, then one sync for all of them (group commit). Each session has its own queue, so that one
whose lock is held elsewhere holds up no other.

    async with await aio.EventLog.open("my-store") as log:
        session = await log.start(title="Debug login")
        await session.append(MessageAdded(role="user", content="What changed?"))
        async for stored in log.tail(after="end"): ...
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from itertools import islice
from types import TracebackType
from typing import Any, Final, NamedTuple, TypeVar
from weakref import WeakSet

from . import log as sync_log
from . import session as sync_session
from . import tail as sync_tail
from .backend import OnDamage, PendingAppend, Sync
from .entry import Origin
from .following import After
from .registry import Event, UnknownEvent
from .settings import Settings
from .stored import StoredEvent
from .tail import CaughtUp

_THREADS: Final = 8  # sessions that wait for the disk at the same time
_EVENTS_AT_ONCE: Final = 64
_BYTES_AT_ONCE: Final = 1024 * 1024

T = TypeVar("T")


class EventLog:
    """`eventlog.EventLog` for one event loop. ``sync_log`` is the log behind it, for everything that is not wrapped."""

    def __init__(self, log: sync_log.EventLog) -> None:
        self.sync_log = log
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="eventlog-aio")
        self._tails: WeakSet[Tail] = WeakSet()
        self._busy: set[asyncio.Future[None]] = set()  # one for each session that has appends on their way

    @classmethod
    async def open(
        cls,
        path: str | os.PathLike[str] | None = None,
        *,
        create: bool = True,
        sync: Sync | None = None,
        settings: Settings | None = None,
    ) -> EventLog:
        """See `eventlog.EventLog.open`."""
        return cls(await asyncio.to_thread(sync_log.EventLog.open, path, create=create, sync=sync, settings=settings))

    @classmethod
    def memory(cls, settings: Settings | None = None) -> EventLog:
        return cls(sync_log.EventLog.memory(settings))

    async def start(self, *, id: str | None = None, **details: Any) -> Session:
        """A new session. See `eventlog.EventLog.start`."""
        return Session(self, await self._run(lambda: self.sync_log.start(id=id, **details)))

    async def session(self, session_id: str, *, create: bool = False, exclusive: bool = False) -> Session:
        """A handle on a session. See `eventlog.EventLog.session`."""
        return Session(self, await self._run(lambda: self.sync_log.session(session_id, create=create, exclusive=exclusive)))

    def tail(
        self,
        session: Session | str | None = None,
        after: After = 0,
        types: Collection[str] | None = None,
        marks: bool = False,
        on_damage: OnDamage = "raise",
    ) -> Tail:
        """``async for stored in log.tail(...)``; it opens at its first item, or with ``async with``, which closes it, too.

        See `eventlog.EventLog.tail`."""
        given = session.sync_session if isinstance(session, Session) else session
        tail = Tail(lambda: self.sync_log.tail(given, after, types, marks, on_damage), str(after))
        self._tails.add(tail)
        return tail

    async def close(self) -> None:
        """Finish the appends that are waiting, end tails, then everything else. See `eventlog.EventLog.close`."""
        while self._busy:
            await asyncio.wait(list(self._busy))
        for tail in list(self._tails):
            await tail.close()
        await asyncio.to_thread(self.sync_log.close)
        self._threads.shutdown()

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    async def __aenter__(self) -> EventLog:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()


class _Append(NamedTuple):
    pending: PendingAppend
    outcome: asyncio.Future[int]


class Session:
    """`eventlog.Session` for one event loop. ``sync_session`` is the handle behind it."""

    def __init__(self, log: EventLog, session: sync_session.Session) -> None:
        self.id = session.id
        self.sync_session = session
        self._log = log
        self._waiting: list[_Append] = []
        self._idle: asyncio.Future[None] | None = None  # done when everything is stored; None where there is nothing to store

    async def append(
        self,
        *events: Event | UnknownEvent,
        expected: int | None = None,
        id: str | None = None,
        sync: Sync | None = None,
        time: datetime | str | None = None,
        origin: Origin | None = None,
    ) -> int:
        """Append the events, all or none; see `eventlog.Session.append`. What is appended while another append waits for the disk shares
        its next sync. Appends of this handle are stored in the order in which they were called. Cancelled, it may still be stored."""
        if self._log.sync_log.closed:
            raise ValueError("this log is closed; open it again with EventLog.open()")
        pending = self.sync_session.pending(events, expected, id, sync, time, origin)
        loop = asyncio.get_running_loop()
        append = _Append(pending, loop.create_future())
        self._waiting.append(append)
        if self._idle is None:
            self._idle = loop.create_future()
            self._log._busy.add(self._idle)
            loop.call_soon(self._store_waiting, loop)  # behind the tasks that are about to append, too
        return await append.outcome

    def _store_waiting(self, loop: asyncio.AbstractEventLoop) -> None:
        appends, self._waiting = self._waiting, []
        storing = loop.run_in_executor(self._log._threads, self.sync_session.append_all, [append.pending for append in appends])
        storing.add_done_callback(lambda done: self._tell(loop, appends, done))

    def _tell(self, loop: asyncio.AbstractEventLoop, appends: list[_Append], done: asyncio.Future[None]) -> None:
        failure = done.exception()
        for pending, outcome in appends:
            found = pending.outcome
            if outcome.done():
                pass  # cancelled
            elif isinstance(found, int):
                outcome.set_result(found)
            else:
                outcome.set_exception(found or failure or RuntimeError("the append has no outcome"))
        if self._waiting:
            self._store_waiting(loop)
        elif self._idle is not None:
            self._log._busy.discard(self._idle)
            self._idle.set_result(None)
            self._idle = None

    async def read(
        self, after: int = 0, before: int | None = None, types: Collection[str] | None = None, on_damage: OnDamage = "raise"
    ) -> AsyncIterator[StoredEvent]:
        """The events with after < seq < before, oldest first. See `eventlog.Session.read`."""
        events = self.sync_session.read(after, before, types, on_damage)
        while found := await self._log._run(lambda: _some(events)):
            for event in found:
                yield event

    def tail(self, after: After = 0, types: Collection[str] | None = None, marks: bool = False, on_damage: OnDamage = "raise") -> Tail:
        """See `EventLog.tail`."""
        return self._log.tail(self, after, types, marks, on_damage)

    async def last_seq(self) -> int:
        """The position of the session now."""
        return await self._log._run(lambda: self.sync_session.last_seq)

    async def end(self, status: str = "completed", reason: str | None = None) -> int:
        """Say that the session is over. See `eventlog.Session.end`."""
        return await self._log._run(lambda: self.sync_session.end(status, reason))

    async def sync(self) -> None:
        """Return when everything appended through this handle is on stable storage."""
        await self._log._run(self.sync_session.sync)

    async def close(self) -> None:
        """Give up the handle. See `eventlog.Session.close`."""
        await self._log._run(self.sync_session.close)

    async def __aenter__(self) -> Session:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()


def _some(events: Iterator[StoredEvent]) -> list[StoredEvent]:
    found = []
    size = 0
    for event in islice(events, _EVENTS_AT_ONCE):
        found.append(event)
        size += len(event.raw)
        if size >= _BYTES_AT_ONCE:
            break
    return found


class Tail:
    """`eventlog.tail.Tail` as an async iterator. It waits in a thread of its own."""

    def __init__(self, open: Callable[[], sync_tail.Tail], after: str) -> None:
        self._open = open
        self._after = after
        self._tail: sync_tail.Tail | None = None
        self._thread: ThreadPoolExecutor | None = None
        self._waiting: asyncio.Future[bool] | None = None
        self._is_closed = False
        self._is_cancelled = False  # nobody waits for the thread any more

    def __aiter__(self) -> Tail:
        return self

    async def __anext__(self) -> StoredEvent | CaughtUp:
        tail = self._tail
        while tail is None or not tail.is_ready:
            if self._is_closed or (tail is not None and tail.is_over):
                raise StopAsyncIteration
            if self._waiting is None:
                self._is_cancelled = False
                self._thread = self._thread or ThreadPoolExecutor(1, thread_name_prefix="eventlog-aio-tail")
                self._waiting = asyncio.get_running_loop().run_in_executor(self._thread, self._open_and_wait)
            try:
                await asyncio.shield(self._waiting)
            except asyncio.CancelledError:
                self._is_cancelled = True
                if self._tail is not None:
                    self._tail.interrupt()  # nothing is lost: what is ready stays for the next call
                raise
            finally:
                if self._waiting is not None and self._waiting.done():
                    self._waiting = None
            tail = self._tail
        return next(tail)

    def _open_and_wait(self, timeout_s: float | None = None) -> bool:
        if self._tail is None:
            self._tail = self._open()
        if self._is_closed or self._is_cancelled:
            return False
        return self._tail.wait(timeout_s)

    @property
    def cursor(self) -> str:
        """Where to go on after the last item that was given out."""
        return self._after if self._tail is None else self._tail.cursor

    async def close(self) -> None:
        """End the iteration and the thread. Closing twice is fine."""
        self._is_closed = True
        if self._tail is not None:
            self._tail.stop()
        if self._waiting is not None:
            await asyncio.wait([self._waiting])
        if self._tail is not None:
            self._tail.close()
        if self._thread is not None:
            self._thread.shutdown()

    async def __aenter__(self) -> Tail:
        loop = asyncio.get_running_loop()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="eventlog-aio-tail")
        try:
            await loop.run_in_executor(self._thread, self._open_and_wait, 0.0)
        except BaseException:
            self._thread.shutdown(wait=False)
            raise
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()
