"""One thread for all async tails of a log: it waits for what happens, reads it once for all who follow, and wakes them on the event loop.

A tail opens and catches up in one of the log's threads. From there on it has no thread: it is handed to this one while somebody waits for
its next item, and comes back with one. Everything that came at once is handed over in one call of the event loop.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable

from ..backend import Watch
from ..tail import AnyTail
from ..tails.sharing import Head, Tails

Outcome = tuple[asyncio.Future[bool], bool | BaseException]


class Waker:
    """Of one log. It has a thread while there are tails."""

    def __init__(self, tails: Tails, poll_interval_s: float) -> None:
        self._tails = tails
        self._poll_interval_s = poll_interval_s
        self._mutex = threading.Lock()  # never held while something is read
        self._users = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: dict[AnyTail, asyncio.Future[bool]] = {}
        self._at_work: dict[AnyTail, asyncio.Future[bool]] = {}  # taken out of those that wait, while they are looked after
        self._watching = threading.Lock()  # held by who opens a watch, which takes a while
        self._watch: Watch | None = None
        self._watched: str | None = None  # the session; None: all
        self._replaced: list[Watch] = []  # to be closed by the thread, which may be waiting for one
        self._thread: threading.Thread | None = None  # the last one
        self._is_working = False

    # --- those who open and close tails, in any thread ---

    def enter(self, session_id: str | None) -> Watch:
        """Watch the session (None: all) from now on, until what this returns is closed: it is what a tail has as its watch."""
        with self._watching:
            with self._mutex:
                self._users += 1  # from now on the thread does not end
                before, watched = self._watch, self._watched
            try:
                if before is None or watched not in (None, session_id):
                    watched = session_id if before is None else None
                    watch = self._tails.watch(watched)
                    with self._mutex:
                        self._watch, self._watched = watch, watched
                        if before is not None:
                            self._replaced.append(before)
                            before.wake()  # the thread closes it, and goes on with the other
            except BaseException:
                self.leave()
                raise
            with self._mutex:
                if not self._is_working:
                    self._is_working = True
                    self._thread = threading.Thread(target=self._work, name="eventlog-aio-tails", daemon=True)
                    self._thread.start()
        return _Quiet(self)

    def leave(self) -> None:
        with self._mutex:
            self._users -= 1
            self._wake()

    def close(self) -> None:
        """Wait for the end of the thread, when all tails have been closed."""
        if self._thread is not None:
            self._thread.join()

    def wake(self) -> None:
        """Have the thread look after those that wait."""
        with self._mutex:
            self._wake()

    def _wake(self) -> None:
        if self._watch is not None:
            self._watch.wake()

    # --- those who wait, on the event loop ---

    def next_of(self, tail: AnyTail) -> asyncio.Future[bool]:
        """Done when the tail is ready, or over. Until then it must not be touched but by `AnyTail.stop`."""
        self._loop = asyncio.get_running_loop()
        future: asyncio.Future[bool] = self._loop.create_future()
        if tail.take():
            future.set_result(True)
            return future
        with self._mutex:
            self._waiting[tail] = future
            head = tail.head
            if head is None or head.has_more or tail.is_over:
                self._wake()
        return future

    def take_back(self, tail: AnyTail) -> asyncio.Future[bool] | None:
        """Whoever waited has been cancelled. Returns what to wait for before the tail may be touched, if anything."""
        with self._mutex:
            if self._waiting.pop(tail, None) is not None or tail not in self._at_work:
                return None
            future = self._at_work[tail] = asyncio.get_running_loop().create_future()
            return future

    # --- the thread ---

    def _work(self) -> None:
        while True:
            with self._mutex:
                watch, replaced, self._replaced = self._watch, self._replaced, []
                ends = not self._users
                if ends:
                    self._watch, self._is_working = None, False
            for old in replaced:
                old.close()
            if ends or watch is None:
                break
            self._look_after(None if replaced else watch.wait(self._poll_interval_s))
        if watch is not None:
            watch.close()

    def _look_after(self, changed: set[str] | None) -> None:
        if changed is None or changed:
            self._tails.hint(changed)
        with self._mutex:
            tails = self._at_work = self._waiting
            self._waiting = {}
        following: dict[Head, list[AnyTail]] = {}
        alone: list[AnyTail] = []
        outcomes: list[Outcome] = []
        for tail in list(tails):
            head = tail.head
            if head is None or tail.is_over:
                alone.append(tail)
            else:
                following.setdefault(head, []).append(tail)
        for head, followers in following.items():
            alone += self._read_for(head, followers, outcomes)
        for tail in alone:
            self._try(tail, lambda tail=tail: tail.wait(0.0) or tail.is_over, outcomes)  # type: ignore[misc]
        with self._mutex:
            self._waiting.update(self._at_work)
            self._at_work = {}
            self._tell(outcomes)

    def _read_for(self, head: Head, followers: list[AnyTail], outcomes: list[Outcome]) -> list[AnyTail]:
        """Read on until each of these has something; returns those that do not follow any more. What is behind that is found out, too, so
        that those who come back find that there is nothing."""
        while head.go_on(head.number) and followers:
            followers = [tail for tail in followers if not self._try(tail, tail.take, outcomes)]
            if any(tail.head is not head for tail in followers):
                break
        return [tail for tail in followers if tail.head is not head]

    def _try(self, tail: AnyTail, take: Callable[[], bool], outcomes: list[Outcome]) -> bool:
        """Whether there is an outcome for this tail."""
        outcome: bool | BaseException
        try:
            outcome = take()
        except Exception as error:
            outcome = error
        if outcome is False:
            return False
        with self._mutex:
            outcomes.append((self._at_work.pop(tail), outcome))
        return True

    def _tell(self, outcomes: list[Outcome]) -> None:
        if outcomes and self._loop is not None:
            try:
                self._loop.call_soon_threadsafe(_settle, outcomes)
            except RuntimeError:
                pass  # the loop is closed, and with it whoever waited


def _settle(outcomes: Iterable[Outcome]) -> None:
    for future, outcome in outcomes:
        if future.done():
            continue
        if isinstance(outcome, BaseException):
            future.set_exception(outcome)
            future.exception()  # told: whoever waited may not wait any more
        else:
            future.set_result(outcome)


class _Quiet:
    """The watch of a tail that another one watches for: it never waits, and whoever asks has to look everywhere."""

    def __init__(self, waker: Waker) -> None:
        self._waker = waker
        self._is_closed = False

    def wait(self, timeout_s: float) -> set[str] | None:
        return None

    def notify(self, session_id: str) -> None:
        """The other one is told."""

    def wake(self) -> None:
        self._waker.wake()

    def close(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            self._waker.leave()
