"""The one thread that writes what was captured: it takes calls from a queue, and looks after streams that are open and appends that wait.

The caller's side only puts something into a queue that takes no lock of ours (an answer may end inside the garbage collector). The thread
begins with the first call and ends with the recorder; a forked child gets a queue and a thread of its own.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..errors import EventLogError
from .bookkeeping import Books
from .calls import Call
from .options import Options
from .restart import Restart

if TYPE_CHECKING:
    from ..log import EventLog

_log = logging.getLogger("eventlog.recorders")
_LONGEST_S = 5.0
_AGAIN_S = 1.0  # until a store that could not be opened is tried again


class Writer:
    """``recorded`` and ``lost`` count calls. ``last_error``: why the last one was lost."""

    def __init__(self, open_log: Callable[[], EventLog], options: Options) -> None:
        self._open_log = open_log
        self._options = options
        self._interval_s = options.delta_interval_ms / 1000
        self.recorded = 0
        self.lost = 0
        self.last_error: str | None = None
        self.is_closed = False
        self._said: set[str] = set()
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._queue: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._starting = threading.Lock()
        self._busy = threading.Lock()  # held while the log is used, so that no child is forked in the middle of it
        self._thread: threading.Thread | None = None
        self._books: Books | None = None
        self._log: EventLog | None = None
        self._restart: Restart | None = None
        self._rebuilding: Any = None
        self._flushes: list[threading.Event] = []
        self._try_at = 0.0
        self._refused: Exception | None = None

    # --- from any thread ---------------------------------------------------------------------------------------------------------

    def put(self, call: Call, *, is_end: bool = False) -> None:
        self._queue.put((call, is_end))

    def start(self) -> None:
        """Make sure that the thread runs."""
        if self._thread is None:
            with self._starting:
                if self._thread is None and not self.is_closed:
                    thread = threading.Thread(target=self._run, name="eventlog-recorder", daemon=True)
                    thread.start()
                    self._thread = thread

    def flush(self, timeout_s: float) -> bool:
        """Wait until everything that has ended is written. False where that takes longer."""
        if self._thread is None or not self._thread.is_alive():
            return True
        done = threading.Event()
        self._queue.put(done)
        return done.wait(timeout_s)

    def close(self, timeout_s: float) -> None:
        self.is_closed = True
        thread = self._thread
        if thread is None or not thread.is_alive():
            return
        self.flush(timeout_s)
        self._queue.put(None)
        thread.join(max(timeout_s, 0.1))

    @property
    def is_rebuilding(self) -> bool:
        """Whether what outlives the process is being read from the log, because its file was not there."""
        return self._rebuilding is not None

    def lose(self, error: Exception, calls: int = 1) -> None:
        """So many calls are not in the log."""
        self.lost += calls
        self.last_error = f"{type(error).__name__}: {error}"
        kind = type(error).__name__
        if kind not in self._said:
            self._said.add(kind)
            _log.warning("a model call was not recorded (%s); the program is not affected. Said once for each kind.", self.last_error)
        if self._options.on_loss is not None:
            try:
                self._options.on_loss(error)
            except Exception:
                _log.exception("on_loss raised")

    # --- forks ---------------------------------------------------------------------------------------------------------------------

    def before_fork(self) -> None:
        self._busy.acquire(timeout=2.0)

    def after_fork_in_parent(self) -> None:
        if self._busy.locked():
            self._busy.release()

    def after_fork_in_child(self) -> None:
        """What was captured before is the parent's to write."""
        self.recorded = self.lost = 0
        self._begin_anew()

    # --- the thread ------------------------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        wait_s: float | None = None
        while True:
            try:
                item = self._queue.get(timeout=wait_s)
            except queue.Empty:
                item = self
            with self._busy:
                more = True
                while more and item is not None:
                    if item is not self:
                        self._take(item)
                    try:
                        item = self._queue.get_nowait()
                    except queue.Empty:
                        more = False
                if item is None:
                    self._finish()
                    return
                wait_s = self._look_after(time.monotonic())

    def _take(self, item: Any) -> None:
        if isinstance(item, threading.Event):
            self._flushes.append(item)
            return
        call, is_end = item
        try:
            books = self._opened()
            if books is None:
                self._refuse(call, is_end)
            elif is_end:
                self._end(books, call)
            else:
                call.is_forgotten = not books.begin(call)
        except Exception as error:
            self._failed(call, error, is_end)

    def _end(self, books: Books, call: Call) -> None:
        if call.told is not None:
            if not books.told(call, call.told):
                self._over(call)
            return
        if call not in books.open and not call.is_forgotten:
            call.is_forgotten = not books.begin(call)  # the store could not be opened when it began
        if call.is_forgotten:
            self._over(call)
        else:
            books.end(call)

    def _refuse(self, call: Call, is_end: bool) -> None:
        if is_end:
            self._over(call)
            self.lose(self._refused or RuntimeError("no store"))

    def _failed(self, call: Call, error: Exception, is_end: bool) -> None:
        """Ours, or the redactor's: nothing of the call is recorded (any more)."""
        call.is_forgotten = True
        self.lose(error)
        if self._books is not None:
            self._books.open.pop(call, None)
        if is_end:
            self._over(call)

    def _done(self, call: Call) -> None:
        self.recorded += 1
        self._over(call)

    def _lost(self, call: Call, error: Exception) -> None:
        self.lose(error)
        self._over(call)

    def _over(self, call: Call) -> None:
        if call.is_over:
            return
        call.is_over = True
        call.pieces = []
        call.headers = None
        call.room.leave(len(call.request.body) + call.granted)

    def _opened(self) -> Books | None:
        if self._books is None and time.monotonic() >= self._try_at:
            try:
                self._log = self._open_log()
                path = None if self._log.path is None else f"{self._log.path}/projections/recorder.sqlite"
                self._restart = Restart(path if self._log.settings.recording else None)
                self._rebuilding = self._restart.rebuild(self._log) if self._restart.is_new else None
                self._books = Books(self._log, self._restart, self._options, self._done, self._lost)
            except (EventLogError, OSError, ValueError) as error:
                self._refused = error
                self._try_at = time.monotonic() + _AGAIN_S
        return self._books

    def _look_after(self, now: float) -> float | None:
        """Everything that is due; returns how long nothing is."""
        books = self._books
        if books is None:
            self._answer_flushes()
            return None
        due = books.work(now)
        if self._options.deltas == "interval" and books.open:
            books.advance(now)
            next_look = now + self._interval_s
            due = next_look if due is None else min(due, next_look)
        if not books.is_waiting:
            self._answer_flushes()
            if self._rebuilding is not None and self._rebuild():
                return 0.0
        if due is None and self._flushes:
            due = now + 0.01
        return None if due is None else min(max(due - time.monotonic(), 0.001), _LONGEST_S)

    def _rebuild(self) -> bool:
        """One more session; whether there are more."""
        try:
            next(self._rebuilding)
        except StopIteration:
            self._rebuilding = None
        except Exception as error:
            self._rebuilding = None
            _log.debug("the recorder's index was not rebuilt: %s", error)
        return self._rebuilding is not None

    def _answer_flushes(self) -> None:
        for each in self._flushes:
            each.set()
        self._flushes.clear()

    def _finish(self) -> None:
        if self._books is not None:
            self._books.give_up(TimeoutError("the recorder was closed before its session could be written to"))
            self._books.close()
        if self._restart is not None:
            self._restart.close()
        self._answer_flushes()
        self._books = None
