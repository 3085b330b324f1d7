"""Keeps the database of one projection at hand in one process: found or built, whole, and caught up with the log by one thread at a time.

Whatever is wrong with a file costs time and is told through ``notice``, and never the answer: a file that is not there, or is of another
version, is built; a damaged one is removed and built anew; where the store cannot be written, the work is done in memory, from
a copy of what is there.

A question is answered from a state that has everything that was in the log before it was asked, whoever appended it: by a catch-up
that began after it was asked. Of several that wait, one works for all. Only `soon` answers from what there is, and says so.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from typing import Any, Final

import msgspec

from eventlog import EventLog

from ..projection import Projection
from .building import connect
from .catch_up import Progress, catch_up, catch_up_session
from .database import Index
from .faults import BUSY, UNWRITABLE, is_damage, is_of, passes
from .finding import Finder
from .place import Place

Notice = Callable[[str], None]
_ATTEMPTS: Final = 4
_SEEN: Final = 10_000
_PAUSE_S: Final = 0.02


class Stopped(Exception):
    """Nobody needs the rest of this catch-up."""


class Keeper:
    """Safe to use from several threads; a child process makes its own."""

    def __init__(
        self, log: EventLog, projection: Projection[Any], finder: Finder, notice: Notice, progress: Callable[[], Progress | None]
    ) -> None:
        self.log = log
        self.projection = projection
        self.finder = finder
        self._notice = notice
        self._progress = progress
        self._mutex = threading.RLock()  # held by whoever catches up
        self._connection: sqlite3.Connection | None = None
        self._index: Index | None = None
        self._place: Place | None = None
        self._seen: dict[str, None] = {}  # sessions whose end was seen to be the one that was folded
        self._begun = 0  # catch-ups, numbered as they begin; what was appended before one began, it has seen
        self._news = threading.Condition()  # of the four below
        self._done = 0  # the latest that is complete
        self._wanted = 0
        self._thread: threading.Thread | None = None
        self._failure: Exception | None = None
        self._stopping = False

    # --- asked for -----------------------------------------------------------------------------------------------------------

    def fresh(self) -> Place:
        """The database, caught up with all that was in the log when this was called; waits for it."""
        begun = self._begun
        with self._mutex:
            if self._done > begun and self._place is not None and self._place.counts():
                return self._place  # somebody who began after us has finished while we waited
            return self._caught_up(self._progress())

    def fresh_of(self, session_id: str) -> Place:
        """The database, in which this session is caught up with all that was in the log when this was called. Of others there is what
        there is: one session is asked for long before all of them have been folded."""
        with self._mutex:
            for attempt in range(_ATTEMPTS):
                place = self._place
                try:
                    place = self._at_hand(gradually=True)
                    if place.current:
                        trusted = session_id in self._seen
                        self._or_say(lambda index, trusted=trusted: catch_up_session(self.log, index, session_id, trusted=trusted))  # type: ignore[misc]
                        self._seen[session_id] = None
                        if len(self._seen) > _SEEN:
                            del self._seen[next(iter(self._seen))]
                    return place
                except (sqlite3.DatabaseError, msgspec.DecodeError) as error:
                    if attempt == _ATTEMPTS - 1 or not self.cope(error, place):
                        raise
            raise AssertionError("the last attempt returns or raises")

    def soon(self, patience_s: float) -> tuple[Place | None, bool]:
        """The database as it is, if there is one, and whether it has all that was in the log when this was called. A thread of its own
        works on that; it is waited for no longer than this. Raises what that thread has met."""
        with self._news:
            wanted = self._begun + 1
            self._wanted = max(self._wanted, wanted)
            if self._thread is None and not self._stopping:
                self._thread = threading.Thread(target=self._work, name="eventlog-index")
                self._thread.start()
            self._news.wait_for(lambda: self._done >= wanted or self._thread is None, patience_s)
            failure, self._failure = self._failure, None
            if failure is not None:
                raise failure
            place = self._place
            return (place if place is not None and place.counts() else None), self._done >= wanted

    def cope(self, error: sqlite3.DatabaseError | msgspec.DecodeError, place: Place | None) -> bool:
        """Make the next attempt likely to succeed after this error of whoever used the place; False where that is not known how."""
        with self._mutex:
            connection = self._connection
            if connection is not None and connection.in_transaction:
                connection.execute("ROLLBACK")
            if self._place is not place or place is None or not place.counts():
                return True  # it has gone, or somebody has coped with it
            if isinstance(error, sqlite3.Error) and is_of(error, UNWRITABLE + BUSY):
                if place.path is not None:
                    self._let_go()
                    self._go_on_in_memory(error)
                return True
            if not is_damage(error) or place.path is None:
                return False
            self._let_go()
            if not self.finder.remove(place.path, error):
                self._take_memory(copied=False)
            return True

    def holds_together(self) -> bool:
        with self._mutex:
            connection = self._connection
            return connection is not None and self._place is not None and passes(connection, self.projection.name, "integrity_check")

    def distrust(self) -> None:
        """Forget up to where the log's hints were followed: the next catch-up looks at all sessions."""
        with self._mutex:
            self.fresh()
            assert self._index is not None
            self._index.set_meta("cursor", None)
            self._seen.clear()

    def forget(self) -> None:
        """Let go of the database, which is found or made anew when it is next asked for."""
        with self._mutex:
            self._let_go()

    def close(self) -> None:
        with self._news:
            self._stopping = True
            thread = self._thread
        if thread is not None:
            thread.join()
        with self._mutex:
            if self._connection is not None:
                self._connection.close()
            self._connection = self._index = self._place = None

    # --- caught up -----------------------------------------------------------------------------------------------------------

    def _caught_up(self, progress: Progress | None, *, gradually: bool = False) -> Place:
        """One catch-up. ``gradually``: a database that is not there yet can be asked while it is being filled."""
        for attempt in range(_ATTEMPTS):
            place = self._place
            try:
                place = self._at_hand(gradually=gradually)
                self._begun += 1
                number = self._begun
                if place.current:
                    self._or_say(lambda index: catch_up(self.log, [index], progress))
                with self._news:
                    self._done = number
                    self._news.notify_all()
                return place
            except (sqlite3.DatabaseError, msgspec.DecodeError) as error:
                if attempt == _ATTEMPTS - 1 or not self.cope(error, place):
                    raise
        raise AssertionError("the last attempt returns or raises")

    def _or_say(self, catching_up: Callable[[Index], object]) -> None:
        """Catch up, or say that somebody keeps everybody out."""
        assert self._index is not None
        try:
            catching_up(self._index)
        except sqlite3.OperationalError as error:
            if not is_of(error, BUSY):
                raise
            self._notice("another process has been writing the projections for too long; this answer may lack the latest events")

    def _work(self) -> None:
        """Catch up until nobody wants more."""
        while True:
            with self._news:
                if self._done >= self._wanted or self._stopping:
                    self._thread = None
                    self._news.notify_all()
                    return
            try:
                with self._mutex:
                    self._caught_up(self._go_on, gradually=True)
            except Exception as error:
                with self._news:
                    self._failure = None if isinstance(error, Stopped) or self._stopping else error
                    self._thread = None
                    self._news.notify_all()
                    return

    def _pause(self) -> None:
        """Between two looks whether somebody else has built the file."""
        self._go_on(0, 0, 0)
        time.sleep(_PAUSE_S)

    def _go_on(self, sessions: int, total: int, events: int) -> None:
        """A progress: what is half done is gone on with by whoever catches up next, so a program that ends does not wait for it."""
        if self._stopping or not threading.main_thread().is_alive():
            raise Stopped

    # --- at hand -------------------------------------------------------------------------------------------------------------

    def _at_hand(self, *, gradually: bool) -> Place:
        if self._place is not None:
            if self._place.counts():
                return self._place
            self._let_go()
        if self.finder.folder is None:
            return self._take_memory()
        try:
            place, self._index = self.finder.find(self._open(), self._pause if gradually else None)
        except (OSError, sqlite3.OperationalError) as error:
            if isinstance(error, sqlite3.Error) and not is_of(error, UNWRITABLE + BUSY):
                raise
            self._let_go()
            return self._go_on_in_memory(error)
        self._place = place
        return place

    def _go_on_in_memory(self, error: Exception) -> Place:
        self._notice(f"the projection {self.projection.name} cannot be written ({error}); this answer is made in memory")
        return self._take_memory(copied=not (isinstance(error, sqlite3.Error) and is_of(error, BUSY)))

    def _take_memory(self, *, copied: bool = True) -> Place:
        """Do the work in memory, from a copy of the newest file if that can be had (not ``copied``: somebody is writing to it)."""
        place, index = self.finder.in_memory(self._open(), copied=copied)
        self._place, self._index = place, index
        return place

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = connect()
        return self._connection

    def _let_go(self) -> None:
        """Of the connection, too: whatever state it was in ends with it."""
        connection, self._connection, self._index, self._place = self._connection, None, None, None
        self._seen.clear()
        if connection is not None:
            connection.close()
