"""How work of the synchronous classes is done in threads, and what must be over before a log is.

One log has a few threads; what waits for the disk or for a lock waits in one of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Protocol, TypeVar

from ..stored import StoredEvent

_THREADS: Final = 8  # sessions that wait for the disk at the same time
_ITEMS_AT_ONCE: Final = 64
_BYTES_AT_ONCE: Final = 1024 * 1024

T = TypeVar("T")


class _Closable(Protocol):
    def close(self) -> None: ...


H = TypeVar("H", bound=_Closable)


class Work:
    """The threads of one log."""

    def __init__(self) -> None:
        self.closed = False
        self.threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="eventlog-aio")
        self.busy: set[asyncio.Future[None]] = set()  # one for each session that has appends on their way

    def start(self, work: Callable[[], T]) -> asyncio.Future[T]:
        if self.closed:
            raise ValueError("this log is closed; open it again with EventLog.open()")
        return asyncio.get_running_loop().run_in_executor(self.threads, work)

    async def run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self.threads, work)

    async def each(self, items: Callable[[], Iterable[T]]) -> AsyncIterator[T]:
        """What an iterator gives that is made and asked in the threads."""
        found = await self.run(lambda: iter(items()))
        while some := await self.run(lambda: _some(found)):
            for item in some:
                yield item

    async def open(self, handle: Callable[[], H]) -> H:
        return await opened(self.threads, handle)

    async def close(self) -> None:
        await asyncio.to_thread(self.threads.shutdown)


async def opened(threads: ThreadPoolExecutor | None, handle: Callable[[], H]) -> H:
    """A handle that is opened in a thread. Where nobody waits for it any more, it is closed as soon as it is there: it may hold a lock."""
    opening = asyncio.get_running_loop().run_in_executor(threads, handle)
    try:
        return await asyncio.shield(opening)
    except asyncio.CancelledError:
        opening.add_done_callback(_close_unwanted)
        raise


def _close_unwanted(done: asyncio.Future[H]) -> None:
    if not done.cancelled() and done.exception() is None:
        done.result().close()


def _some(items: Iterable[T]) -> list[T]:
    """The next items, so many that a thread is not asked for each, and so few that they take little memory."""
    found: list[T] = []
    size = 0
    for item in items:
        found.append(item)
        size += len(item.raw) if isinstance(item, StoredEvent) else 0
        if len(found) == _ITEMS_AT_ONCE or size >= _BYTES_AT_ONCE:
            break
    return found
