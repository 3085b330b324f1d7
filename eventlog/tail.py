"""A live tail: everything that is there, then everything that comes, from one session or from all.

Positions decide what is read; being woken only decides when. A tail looks when it is woken and, should that be lost, once in every poll
interval. What it delivers is read from the store: a slow reader falls behind and loses nothing, and no writer waits for it. What is new is
read once for all tails of a log (`sharing`).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator
from types import TracebackType
from typing import Generic, Literal, TypeVar, cast

import msgspec

from . import stored
from .backend import Backend, Lines, OnDamage, Watch
from .settings import Settings
from .stored import StoredEvent
from .tails.following import After, AllSessions, OneSession, Where
from .tails.sharing import Chunk, Head, Key, SharedPlace, Tails


class CaughtUp(msgspec.Struct, frozen=True):
    """Everything that was there when the tail began has been delivered; what follows is new. ``cursor``: to go on from here."""

    cursor: str


Item = TypeVar("Item", bound=StoredEvent | CaughtUp, covariant=True)


class Tail(Generic[Item]):
    """Made by `EventLog.tail` and `Session.tail`: iterate over it, and close it or use it as a context manager.

    One thread at a time may iterate; `close` may be called from any. Of several sessions each comes in its own order. The items are
    `StoredEvent`, and `CaughtUp` only where marks were asked for."""

    def __init__(self, place: SharedPlace, watch: Watch, *, types: Collection[str] | None, marks: bool, poll_interval_s: float) -> None:
        self._place = place
        self._watch = watch
        self._types = None if types is None else frozenset((types,) if isinstance(types, str) else types)
        self._marks = marks
        self._poll_interval_s = poll_interval_s
        self._mutex = threading.RLock()  # held while it looks or waits
        self._events: list[StoredEvent] = []  # of one session, ready to be delivered from `_index` on
        self._index = 0
        self._session_id = ""
        self._reached = 0  # the position after all of them
        self._mark_due = False
        self._caught_up = False
        self._looking: Iterator[Lines] | None = place.look(None)
        self._look_at = time.monotonic() + poll_interval_s
        self._stopping = False
        self._interrupted = False
        self._end: Literal["", "asked for", "last look"] = ""
        self._released = False

    # --- iterating -----------------------------------------------------------------------------------------------------------

    def __iter__(self) -> Tail[Item]:
        return self

    def __next__(self) -> Item:
        """The next event, or the mark; waits for it. Ends when the tail is closed. Raises `Damaged` like `Session.read`, and
        `CursorExpired` where too much happened since it was read last."""
        while not self.is_ready:
            self.wait()
            if self.is_over:
                raise StopIteration
        if self._stopping:
            raise StopIteration
        if self._mark_due:
            self._mark_due = False
            return cast(Item, CaughtUp(self.cursor))  # only where marks were asked for
        event = self._events[self._index]
        self._index += 1
        self._place.positions[self._session_id] = event.seq if self._index < len(self._events) else self._reached
        return cast(Item, event)

    def wait(self, timeout_s: float | None = None) -> bool:
        """Whether the next item is ready; waits for it, at most ``timeout_s``. False also where it `is_over`, or was interrupted.

        Raises what iterating raises."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        slept = False
        with self._mutex:
            while not self._stopping:
                if self.is_ready or self._look():
                    return True
                if self._interrupted:
                    self._interrupted = False
                    return False
                if self._end == "asked for":
                    self._end = "last look"  # it comes after everything that is to be given out
                    self._looking = self._place.look(None)
                elif self._end == "last look" or (slept and deadline is not None and time.monotonic() >= deadline):
                    return False
                else:
                    self._sleep(deadline)
                    slept = True
            return False

    def take(self) -> bool:
        """Whether the next item is ready, or can be taken of what was read for others, too. Asks no disk and waits for nothing."""
        with self._mutex:
            while not self.is_ready and self._looking is None and (lines := self._place.peek()) is not None:
                self._take(lines)
                self._place.passed()
            return self.is_ready

    @property
    def has_looked(self) -> bool:
        """Whether it has looked at everything that there was when it looked last."""
        return self._looking is None

    @property
    def head(self) -> Head | None:
        """What reads for this tail and others; None where it has to look by itself."""
        return self._place.head if self._looking is None else None

    @property
    def is_ready(self) -> bool:
        """Whether the next item can be had without waiting."""
        return self._index < len(self._events) or self._mark_due

    @property
    def is_over(self) -> bool:
        """Whether no item will follow."""
        return self._stopping or (self._end == "last look" and self._looking is None and not self.is_ready)

    def _look(self) -> bool:
        """Go on with the look at hand; whether there is something to deliver now."""
        if self._looking is None:
            return False
        try:
            for lines in self._looking:
                if self._take(lines):
                    return True
                if self._stopping:
                    return False
        except BaseException:
            self._place.go_back()  # who goes on all the same, also after an interrupt, finds the same
            self._looking = self._place.look(None)
            raise
        self._looking = None
        if not self._caught_up:
            self._caught_up = True
            self._mark_due = self._marks
        return self._mark_due

    def _take(self, lines: Lines) -> bool:
        """Decode a chunk; whether any of it is to be delivered. What is not moves the position at once."""
        self._session_id = lines.session_id
        position = self._place.positions[lines.session_id]
        if isinstance(lines, Chunk):
            events, last_seq = lines.events(position, self._types)
        else:
            events, last_seq = stored.events(lines, position, None, self._types)
        self._reached = max(position, last_seq)
        self._events, self._index = events, 0
        if not events:
            self._place.positions[lines.session_id] = self._reached
        return bool(events)

    def _sleep(self, deadline: float | None) -> None:
        """Wait until there is something to look at, or ``deadline``."""
        due = self._look_at if deadline is None else min(self._look_at, deadline)
        changed = self._watch.wait(max(0.0, due - time.monotonic()))
        now = time.monotonic()
        if now >= self._look_at or (changed is None and now < due):  # its time has come, or the watch has lost count
            self._look_at = now + self._poll_interval_s
            self._looking = self._place.look(None)
        elif changed:
            self._looking = self._place.look(changed)

    # --- where it is, and its end --------------------------------------------------------------------------------------------

    @property
    def cursor(self) -> str:
        """Where to go on after the last item that was given out: ``log.tail(after=cursor)``. It stays true after `close`."""
        return self._place.cursor

    def stop(self) -> None:
        """End the iteration before its next item; returns at once, also in a signal handler. `close` is still to be called."""
        self._stopping = True
        self._watch.wake()

    def interrupt(self) -> None:
        """Make a `wait` in another thread return."""
        self._interrupted = True
        self._watch.wake()

    def finish(self) -> None:
        """End the iteration when everything that is there now has been given out. `close` is still to be called."""
        self._end = "asked for"
        self._watch.wake()

    def close(self) -> None:
        """End the iteration and let go of descriptors and threads. Closing twice is fine."""
        self.stop()
        with self._mutex:
            if not self._released:
                self._released = True
                self._looking = None
                self._watch.close()
                self._place.close()

    def __enter__(self) -> Tail[Item]:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Tail of {self._place.name} at {self.cursor}{' closed' if self._released else ''}>"

    def __del__(self) -> None:
        if not getattr(self, "_released", True):
            self.close()


AnyTail = Tail[StoredEvent | CaughtUp]


Place = Callable[[After | Where], OneSession | AllSessions]


def begin(
    place: Place,
    after: After,
    key: Key,
    watch: Watch,
    tails: Tails,
    *,
    types: Collection[str] | None,
    marks: bool,
    settings: Settings,
) -> AnyTail:
    """A tail that is among its log's ``tails``. It watches before it looks for its place, so that nothing happens in between unseen."""
    try:
        shared = SharedPlace(place, after, key, tails)
        tail: AnyTail = Tail(shared, watch, types=types, marks=marks, poll_interval_s=settings.poll_interval_ms / 1000)
    except BaseException:
        watch.close()
        raise
    tails.open.add(tail)
    return tail


def of_all(
    backend: Backend,
    after: After,
    on_damage: OnDamage,
    watch: Watch,
    tails: Tails,
    *,
    types: Collection[str] | None,
    marks: bool,
    settings: Settings,
) -> AnyTail:
    """`begin`, for all sessions of a backend."""

    def place(after: After | Where) -> AllSessions:
        return AllSessions(backend, after, on_damage)

    return begin(place, after, (None, on_damage), watch, tails, types=types, marks=marks, settings=settings)
