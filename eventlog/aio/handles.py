"""What the async log hands out: a handle on its way, a tail, a subscription, a bundle. Each stands for a synchronous one behind it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Generator
from inspect import isawaitable
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, Protocol, Self, TypeVar

from .. import backend as port
from .. import tail as sync_tail
from ..backend import Lines
from ..stored import StoredEvent
from ..tail import CaughtUp, Item
from ..tails import subscription as sync_subscription
from ..tails.subscription import Callback, OnError
from .waking import Waker
from .work import Work

T = TypeVar("T")


class _Closes(Protocol):
    async def __aenter__(self) -> Self: ...

    async def close(self) -> None: ...


Handle = TypeVar("Handle", bound=_Closes)


class Opening(Coroutine[Any, Any, Handle]):
    """A handle on its way: await it, or enter it with ``async with``, which closes the handle at its end. Whatever takes a coroutine
    (`asyncio.run`, `create_task`) takes it, too."""

    def __init__(self, opening: Coroutine[Any, Any, Handle]) -> None:
        self._opening = opening
        self._handle: Handle | None = None

    def __await__(self) -> Generator[Any, Any, Handle]:
        return self._opening.__await__()

    def send(self, value: Any, /) -> Any:
        return self._opening.send(value)

    def throw(self, *error: Any) -> Any:
        return self._opening.throw(*error)

    def close(self) -> None:
        self._opening.close()

    async def __aenter__(self) -> Handle:
        self._handle = await self._opening
        return await self._handle.__aenter__()

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._handle is not None:
            await self._handle.close()


class Later(Generic[T]):
    """A value that is asked for when it is awaited, each time anew."""

    def __init__(self, ask: Callable[[], Awaitable[T]]) -> None:
        self._ask = ask

    def __await__(self) -> Generator[Any, Any, T]:
        return self._ask().__await__()


class Tail(Generic[Item]):
    """`eventlog.tail.Tail` as an async iterator. It opens at its first item or with ``async with``, and catches up in the log's threads;
    then it waits without one (`waking`)."""

    def __init__(self, open: Callable[[], sync_tail.Tail[Item]], after: str, work: Work, waker: Waker) -> None:
        self._open = open
        self._after = after
        self._work = work
        self._waker = waker
        self._tail: sync_tail.Tail[Item] | None = None
        self._waiting: asyncio.Future[bool] | None = None  # until it is done, the tail belongs to a thread
        self._is_closed = False
        self._is_cancelled = False  # nobody waits for the opening any more

    def __aiter__(self) -> Tail[Item]:
        return self

    def __anext__(self) -> Coroutine[Any, Any, Item]:
        return self._next()

    async def _next(self) -> Item:
        """The next item; waits for it. Ends when the tail is closed. Raises what the synchronous one raises."""
        while self._waiting is not None or self._tail is None or not self._tail.is_ready:
            tail = self._tail
            if self._is_closed or (tail is not None and tail.is_over):
                _expect_the_end()
                raise StopAsyncIteration
            if self._waiting is not None or tail is None or not tail.has_looked:
                await self._in_thread()
            else:
                await self._by_waker(tail)
        try:
            return next(self._tail)
        except StopIteration:  # closed by the log, from another thread
            _expect_the_end()
            raise StopAsyncIteration from None

    async def _by_waker(self, tail: sync_tail.Tail[Item]) -> None:
        waiting = self._waiting = self._waker.next_of(tail)
        try:
            await waiting
        except asyncio.CancelledError:
            self._waiting = self._waker.take_back(tail)  # nothing is lost: what is ready stays for the next call
            raise
        finally:
            if self._waiting is waiting:
                self._waiting = None

    async def _in_thread(self) -> None:
        """Open it, or go on looking, in a thread; or wait for what a thread does with it."""
        if self._waiting is None:
            self._is_cancelled = False
            self._waiting = self._work.start(self._open_and_look)
        waiting = self._waiting
        try:
            await asyncio.shield(waiting)
        except asyncio.CancelledError:
            self._is_cancelled = True
            raise
        finally:
            if waiting.done() and self._waiting is waiting:
                self._waiting = None

    def _open_and_look(self) -> bool:
        if self._is_closed or self._is_cancelled:
            return False
        if self._tail is None:
            self._tail = self._open()
        if self._is_closed or self._is_cancelled:
            return False
        return self._tail.wait(0.0)

    @property
    def cursor(self) -> str:
        """Where to go on after the last item that was given out."""
        return self._after if self._tail is None else self._tail.cursor

    async def close(self) -> None:
        """End the iteration. Closing twice is fine."""
        self._is_closed = True
        while self._waiting is not None and not self._waiting.done():
            if self._tail is not None:
                self._tail.stop()
            await asyncio.wait([self._waiting])
        self._let_go()

    async def __aenter__(self) -> Tail[Item]:
        try:
            await self._in_thread()
        except BaseException:
            self._is_closed = True
            if self._waiting is None:
                self._let_go()
            else:
                self._waiting.add_done_callback(lambda _: self._let_go())  # nobody waits for it any more
            raise
        return self

    def _let_go(self) -> None:
        if self._tail is not None:
            self._tail.close()

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<aio.Tail at {self.cursor}{' closed' if self._is_closed else ''}>"


def _expect_the_end() -> None:
    """A task that is nothing but the wait for a tail's next item (``ensure_future(anext(tail))``) may end with the tail, unasked."""
    task = asyncio.current_task()
    if task is not None and getattr(task.get_coro(), "cr_code", None) is Tail._next.__code__:
        task.add_done_callback(lambda done: done.cancelled() or done.exception())


class Subscription:
    """`eventlog.tails.subscription.Subscription`: awaiting its call ends it. The callbacks run on the event loop, one at a time."""

    def __init__(self, callback: Callback, on_error: OnError | None) -> None:
        self._callback = callback
        self._on_error = on_error
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[Any] | None = None  # the callback that runs
        self.sync_subscription: sync_subscription.Subscription | None = None

    def deliver(self, event: StoredEvent) -> None:
        """Call back on the event loop and wait for it; called by the thread of the synchronous one."""
        self._on_loop(self._callback, event)

    @property
    def report(self) -> OnError | None:
        """``on_error`` for the synchronous one."""
        on_error = self._on_error
        return None if on_error is None else lambda error, event: self._on_loop(on_error, error, event)

    def _on_loop(self, function: Callable[..., object], *arguments: object) -> None:
        call = self._call(function, *arguments)
        try:
            running = asyncio.run_coroutine_threadsafe(call, self._loop)
        except RuntimeError:  # the loop is closed
            call.close()
            raise
        running.result()

    async def _call(self, function: Callable[..., object], *arguments: object) -> None:
        self._task = asyncio.current_task()
        try:
            found = function(*arguments)
            if isawaitable(found):
                await found
        finally:
            self._task = None

    async def __call__(self) -> None:
        """End it when everything that was acknowledged before is delivered, and wait for that (but not in its own callback)."""
        if self.sync_subscription is None:
            return
        self.sync_subscription.finish()
        if asyncio.current_task() is not self._task:
            await asyncio.to_thread(self.sync_subscription)


class Bundle:
    """`eventlog.backend.Bundle`: the sessions of a file that has come."""

    def __init__(self, bundle: port.Bundle, work: Work) -> None:
        self.sync_bundle = bundle
        self._work = work

    @property
    def path(self) -> Path:
        return self.sync_bundle.path

    @property
    def session_ids(self) -> list[str]:
        return self.sync_bundle.session_ids

    async def install(self, session_id: str) -> bool:
        """Put a session into the log as it is; False where there is one of that id."""
        return await self._work.run(lambda: self.sync_bundle.install(session_id))

    def read(self, session_id: str) -> AsyncIterator[Lines]:
        """The stored lines of a session that was not installed."""
        return self._work.each(lambda: self.sync_bundle.read(session_id))


AnyTail = Tail[StoredEvent | CaughtUp]
