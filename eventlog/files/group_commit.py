"""Group commit: what several threads append while the disk is busy is written by one of them, and one sync answers for all.

To wake a thread costs more than an append. So whoever comes while others are at it only leaves its append in the queue, and sleeps until
that is done, or until it is its turn to lead: to write and sync everything that is in the queue by then. Those who were told
together mostly come back together, so a leader waits a moment for as many as there were last time. A thread that finds nobody does its
append by itself.

Who is at it and who waits is changed under one lock, which is held for moments. An interrupted thread gives up its place, whichever
it has; what it was to write for others they take up again.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from ..backend import PendingAppend

_PATIENCE: Final = 0.5  # how long a leader waits for others, as a share of the time that the last group took
_MOMENT_S: Final = 0.00002


class _Waiting:
    """An append that somebody else does, or that is to be done by its thread for others along with theirs."""

    __slots__ = ("append", "gate", "thread")

    def __init__(self, append: PendingAppend) -> None:
        self.append = append
        self.thread = threading.get_ident()
        self.gate = threading.Lock()
        self.gate.acquire()  # whoever releases it wakes the thread

    def wake(self) -> None:
        if self.gate.locked():
            self.gate.release()


class GroupCommit:
    """The durable appends of one session."""

    def __init__(self) -> None:
        self._turn = threading.Lock()  # for the next three
        self._alone = 0  # the thread that does its append by itself
        self._leader: _Waiting | None = None
        self._queue: deque[_Waiting] = deque()
        self._last_size = 1
        self._last_s = 0.0

    def enter(self) -> bool:
        """Whether nobody else is at it: then the thread may do its append by itself. It owes a `leave`, whatever happens.

        A thread that is still noted itself was interrupted before it could say that it is done, or appends in a signal handler: it must
        not wait for itself."""
        thread = threading.get_ident()
        leader = self._leader
        if leader is not None and leader.thread != thread != self._alone:
            return False  # the usual case of many, without the lock that all of them want
        with self._turn:
            if self._leader is not None and self._leader.thread == thread:
                self._leader = None
            if self._alone != thread and (self._alone or self._leader is not None or self._last_size > 1):
                return False
            self._alone = thread
            return True

    def leave(self) -> None:
        """The end of what `enter` began, if it did."""
        if self._alone == threading.get_ident():
            with self._turn:
                self._alone = 0
                self._choose()

    def append(self, append: PendingAppend, commit: Callable[[list[PendingAppend]], object]) -> int | Exception | None:
        """What became of the append. ``commit`` gives each of several an outcome, and raises only interruptions; None where another thread
        was interrupted while it was at this append."""
        while append.outcome is None and not append.begun:
            waiting = _Waiting(append)
            try:
                with self._turn:
                    self._queue.append(waiting)
                    self._choose()
                waiting.gate.acquire()
                if self._leader is waiting:
                    self._lead(waiting, commit)
            finally:
                if append.outcome is None or self._leader is waiting:  # else it has no place any more
                    self._step_down(waiting)
        return append.outcome

    def _choose(self) -> None:
        """Let the first of those who wait lead, if nobody is at it."""
        if self._queue and self._leader is None and not self._alone:
            self._leader = self._queue.popleft()
            self._leader.wake()

    def _lead(self, leader: _Waiting, commit: Callable[[list[PendingAppend]], object]) -> None:
        group = [leader]
        try:
            self._wait_for_others()
            with self._turn:
                group += self._queue
                self._queue.clear()
            begin = time.monotonic()
            commit([waiting.append for waiting in group])
            self._last_size, self._last_s = len(group), time.monotonic() - begin
        finally:
            for waiting in group:
                waiting.wake()

    def _wait_for_others(self) -> None:
        deadline = time.monotonic() + _PATIENCE * self._last_s
        while 1 + len(self._queue) < self._last_size and time.monotonic() < deadline:
            time.sleep(_MOMENT_S)

    def _step_down(self, waiting: _Waiting) -> None:
        with self._turn:
            if waiting in self._queue:
                self._queue.remove(waiting)
            if self._leader is waiting:
                self._leader = None
                self._choose()
