"""Many tails for the price of one: what is new is read from disk and decoded once, for all tails of a log that have come to it.

A `Head` is one place that is read on, in one session or in all, with the last few steps that it made: chunks of lines, and what else moved
it. A tail reads by itself until it has caught up. Then it follows the head; where there is none, what it has read with becomes one. From
there on whoever is woken first makes the next step, and the others find it made.

Steps are kept for a second and within bounds. A tail that does not come for them in time goes on from its own place, on disk, and follows
again when it has caught up: nothing is kept for one that is slow, and nobody waits for it. A head that fails is left by all: each then
reads by itself, and meets what there is to meet.

When a tail joins, the head is first read to its end, then the tail reads to its own, later end. So of every session the tail has at least
what the head had, and drops the little that it has already from what the head reads from there on.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Final, Protocol
from weakref import WeakSet

from .. import stored
from ..backend import Backend, Changes, Lines, OnDamage, Watch
from ..line import seq_of

if TYPE_CHECKING:
    from ..stored import StoredEvent
    from .following import After, AllSessions, OneSession, Where

_KEPT_S: Final = 1.0  # so long is a step kept: what was taken out of a session is not given out for longer, either
_MOST_STEPS: Final = 1024
_MOST_BYTES: Final = 1024 * 1024
_STEPS_TO_THE_END: Final = 64  # that one who joins makes: a head that is further behind is joined later
_ATTEMPTS: Final = 3

Key = tuple[str | None, OnDamage]  # of which session, or of all


class Chunk(Lines):
    """Lines that are decoded once, whoever asks."""

    __slots__ = ("_decoded", "_mutex")

    def __init__(self, lines: Lines, mutex: AbstractContextManager[Any]) -> None:
        super().__init__(lines.session_id, lines.data)
        self._mutex = mutex
        self._decoded: list[StoredEvent] = []

    @property
    def last_seq(self) -> int:
        return seq_of(self.data, self.data.rfind(b"\n", 0, -1) + 1)

    def events(self, after: int, types: Collection[str] | None) -> tuple[list[StoredEvent], int]:
        """As `stored.events`."""
        with self._mutex:
            if not self._decoded:
                self._decoded = stored.decode(self)
        found = self._decoded
        if types is not None or found[0].seq <= after:
            found = [event for event in found if event.seq > after and (types is None or event.type in types)]
        return found, self._decoded[-1].seq


Step = Chunk | Changes | str  # lines; an answer of the feed; a session that was read to its end


class Head:
    """Safe to use from several threads."""

    def __init__(self, place: OneSession | AllSessions) -> None:
        self.followers = 0
        self._place = place
        self._mutex = threading.RLock()  # held by whoever makes a step
        self._decoding = threading.RLock()
        self._steps: dict[int, tuple[float, Step]] = {}  # by number, with the time; looked at without a lock
        self._size = 0
        self._looking: Iterator[Lines] | None = None
        self._hints: set[str] | None = None  # where to look next; None: everywhere. What became of the place before it was ours is unknown
        self.number = 0  # of the next step
        self.has_failed = False
        place.note = self._add

    @property
    def has_more(self) -> bool:
        """Whether there may be something to read."""
        return self._looking is not None or self._hints is None or bool(self._hints) or self.has_failed

    def hint(self, changed: set[str] | None) -> None:
        """Where there may be something new; None: anywhere."""
        with self._mutex:
            self._hints = None if changed is None or self._hints is None else self._hints | changed

    def go_on(self, number: int) -> bool:
        """Make a step, unless it is further than ``number`` already. False where there is nothing to read."""
        with self._mutex:
            if self.number > number or self.has_failed:
                return True
            if not self.has_more:
                return False
            try:
                if self._looking is None:
                    hints, self._hints = self._hints, set()
                    self._looking = self._place.look(hints)
                lines = next(self._looking, None)
                if lines is None:
                    self._looking = None
                else:
                    chunk = Chunk(lines, self._decoding)
                    self._place.where.positions[chunk.session_id] = chunk.last_seq
                    self._add(chunk)
            except Exception:
                self.has_failed = True
            except BaseException:
                self.has_failed = True
                raise
            return True

    def step(self, number: int) -> Step | None:
        """The step with this number, None where it has not been made. Raises `LookupError` where it is not kept any more."""
        if number == self.number and not self.has_failed:
            return None
        made_at, step = self._steps[number]
        if self.has_failed or made_at < time.monotonic() - _KEPT_S:
            raise LookupError
        return step

    def number_by_now(self) -> int:
        """How many steps have been made, also by whoever is at it."""
        with self._mutex:
            return self.number

    def at_its_end(self) -> tuple[Where, int] | None:
        """Its place, and the number of its next step, when it has read everything that is there. None where that is too much."""
        with self._mutex:
            self.hint(None)
            most = self.number + _STEPS_TO_THE_END
            while self.has_more:
                if self.has_failed or self.number > most:
                    return None
                self.go_on(self.number)
            return self._place.where.copy(), self.number

    def close(self) -> None:
        with self._mutex:
            self.has_failed = True
            self._looking = None
            self._place.close()

    def _add(self, step: Step) -> None:
        now = time.monotonic()
        self._steps[self.number] = now, step
        self.number += 1
        self._size += _size_of(step)
        for number, (made_at, old) in list(self._steps.items())[:-1]:
            if len(self._steps) <= _MOST_STEPS and self._size <= _MOST_BYTES and made_at >= now - _KEPT_S:
                break
            self._size -= _size_of(old)
            del self._steps[number]


def _size_of(step: Step) -> int:
    return len(step.data) if isinstance(step, Chunk) else 0


class _Closes(Protocol):
    def close(self) -> None: ...


class Tails:
    """The tails of one log, and the heads that they follow."""

    def __init__(self, backend: Backend) -> None:
        self.open: WeakSet[_Closes] = WeakSet()
        self._backend = backend
        self._mutex = threading.RLock()
        self._heads: dict[Key, Head] = {}

    def watch(self, session_id: str | None) -> Watch:
        """What wakes for the session, or for all."""
        return self._backend.watch() if session_id is None else self._backend.stream(session_id, create=False).watch()

    def head(self, key: Key) -> Head | None:
        return self._heads.get(key)

    def hint(self, changed: set[str] | None) -> None:
        """Tell all heads that these sessions (None: any) may have something new."""
        for (session_id, _), head in list(self._heads.items()):
            if changed is None or session_id is None or session_id in changed:
                head.hint(changed)

    def lead(self, key: Key, place: OneSession | AllSessions) -> Head | None:
        """Follow a head that is made of this place; None where there is another one."""
        with self._mutex:
            if key in self._heads:
                return None
            head = self._heads[key] = Head(place)
            head.followers = 1
            return head

    def follow(self, key: Key, head: Head) -> bool:
        with self._mutex:
            if self._heads.get(key) is not head:
                return False
            head.followers += 1
            return True

    def leave(self, key: Key, head: Head) -> None:
        with self._mutex:
            head.followers -= 1
            if not head.followers:
                self._discard(key, head)
                head.close()

    def discard(self, key: Key, head: Head) -> None:
        """A head that has failed: nobody follows it any more."""
        with self._mutex:
            self._discard(key, head)

    def _discard(self, key: Key, head: Head) -> None:
        if self._heads.get(key) is head:
            del self._heads[key]


class SharedPlace:
    """The place of one tail, and who reads for it: it itself, or a head. For one thread at a time."""

    def __init__(self, begin: Callable[[After | Where], OneSession | AllSessions], after: After, key: Key, tails: Tails) -> None:
        own = begin(after)
        self.name = own.name
        self._begin = begin
        self._key = key
        self._tails = tails
        self._own: OneSession | AllSessions | None = own
        self._where = own.where
        self._head: Head | None = None
        self._number = 0  # of the next step of the head
        self._stay: set[str] = set()  # sessions that it read beyond the head,
        self._stay_until = 0  # which stay in the place until the head asks the feed after that: only then does it know of them

    @property
    def positions(self) -> dict[str, int]:
        return self._where.positions

    @property
    def cursor(self) -> str:
        return self._where.cursor

    @property
    def head(self) -> Head | None:
        """The head that reads for it, if any."""
        return self._head

    def look(self, changed: set[str] | None) -> Iterator[Lines]:
        """Everything that there is to read, in whole appends; the first ones of a session may hold more. ``changed``: a hint where to
        look; None: everywhere."""
        if self._head is not None:
            self._head.hint(changed)
        while self._head is not None:
            lines = self.peek()
            if lines is not None:
                yield lines
                self.passed()
            elif self._head is not None and not self._head.go_on(self._number):
                return
        own = self._own = self._own or self._begin(self._where)
        self._where = own.where
        if own.where.done is not None:  # while it reads all from the start, it forgets what it has read of those that are done
            yield from own.look(None)
        for _ in range(_ATTEMPTS):
            head = self._tails.head(self._key)
            joint = None if head is None else head.at_its_end()
            yield from own.look(None)
            if self._join(own, head, joint):
                return

    def _join(self, own: OneSession | AllSessions, head: Head | None, joint: tuple[Where, int] | None) -> bool:
        """Follow the head from where it was before the own look that has ended; where there is none, lead."""
        if head is None:
            where = own.where.copy()  # before others may go on with it
            self._head = self._tails.lead(self._key, own)
            if self._head is not None:
                self._where, self._number, self._own = where, 0, None
                self._stay_until = 0
            return self._head is not None
        if joint is None:
            if head.has_failed:
                self._tails.discard(self._key, head)
            return False
        if not self._tails.follow(self._key, head):
            return False
        where, number = joint
        where.positions.update(own.where.positions)
        self._stay, self._stay_until = set(own.where.positions), head.number_by_now()
        self._where, self._number, self._head, self._own = where, number, head, None
        own.close()
        return True

    def peek(self) -> Lines | None:
        """What the head has read for this place and was not taken yet; None where there is nothing, or no head is followed any more. Asks
        no disk."""
        while self._head is not None:
            try:
                step = self._head.step(self._number)
            except LookupError:
                self._leave()
                return None
            if step is None or isinstance(step, Chunk):
                return step
            if isinstance(step, Changes):
                self._where.take_in(step, self._stay if self._number < self._stay_until else frozenset())
            else:
                self._where.behind.discard(step)
            self.passed()
        return None

    def passed(self) -> None:
        """What was peeked at has been taken."""
        self._number += 1

    def go_back(self) -> None:
        """Read again what was not delivered. What a head has read is there until it is passed."""
        if self._own is not None:
            self._own.go_back()

    def close(self) -> None:
        self._leave()
        if self._own is not None:
            self._own.close()
            self._own = None

    def _leave(self) -> None:
        head, self._head = self._head, None
        if head is not None:
            self._tails.leave(self._key, head)
