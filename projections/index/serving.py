"""Answers questions over the projections of one log, each caught up with it. What `Catalog` asks goes through here."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeVar

import msgspec

from eventlog import EventLog

from ..projection import Projection
from .catch_up import Progress
from .dump import Difference
from .finding import Finder
from .folder import Folder
from .keeping import Keeper, Notice
from .place import Place
from .readers import Readers
from .rebuild import RebuildFailed, check, rebuild
from .worker import said_of

T = TypeVar("T")

_ATTEMPTS: Final = 4
PATIENCE_S: Final = 0.2  # with what is being caught up while an answer may be incomplete: little that is new is there by then


class Serving:
    """Safe to use from several threads and in child processes: a question waits for its projections to be caught up, never for another
    question, and never for a projection that it does not ask."""

    def __init__(self, log: EventLog, folder: Folder | None, projections: Mapping[str, Projection[Any]], notice: Notice) -> None:
        self.log = log
        self.folder = folder
        self.projections = projections
        self.notice = notice
        self.progress: Progress | None = None
        self._lives: dict[int, _Life] = {}

    def ask(self, names: tuple[str, ...], question: Callable[[sqlite3.Connection], T]) -> T:
        """The answer of ``question`` over these projections, in which is all that was in the log when it was asked."""
        return self._ask(names, lambda connection, complete: question(connection))

    def ask_about(self, session_id: str, names: tuple[str, ...], one: str, question: Callable[[sqlite3.Connection], T]) -> T:
        """The same, but of the projection ``one`` only this session has to be caught up."""
        return self._ask(names, lambda connection, complete: question(connection), about=(one, session_id))

    def ask_soon(self, names: tuple[str, ...], lagging: str, question: Callable[[sqlite3.Connection, bool | None], T]) -> T:
        """The same, but without waiting for the projection ``lagging``. The question is told whether that one is complete, or None where
        there is nothing of it to be asked."""
        return self._ask(names, question, lagging=lagging)

    def _ask(
        self,
        names: tuple[str, ...],
        question: Callable[[sqlite3.Connection, bool | None], T],
        *,
        lagging: str | None = None,
        about: tuple[str, str] | None = None,
    ) -> T:
        life = self._life()
        for attempt in range(_ATTEMPTS):
            places: list[Place] = [life.keeper(name).fresh() for name in names]
            if about is not None:
                places.append(life.keeper(about[0]).fresh_of(about[1]))
            complete: bool | None = True
            if lagging is not None:
                place, complete = life.keeper(lagging).soon(PATIENCE_S)
                if place is None:
                    complete = None
                else:
                    places.append(place)
            try:
                return life.readers.ask(places, lambda connection, complete=complete: question(connection, complete))  # type: ignore[misc]
            except (sqlite3.DatabaseError, msgspec.DecodeError) as error:
                if attempt == _ATTEMPTS - 1 or not life.cope(error, places):
                    raise
        raise AssertionError("the last attempt returns or raises")

    def catch_up(self, names: Sequence[str], *, wait: bool) -> None:
        """Have these projections caught up; without ``wait`` each by a thread of its own."""
        for name in names:
            if wait:
                self._life().keeper(name).fresh()
            else:
                self._life().keeper(name).soon(0)

    def close(self) -> None:
        life = self._lives.pop(os.getpid(), None)
        if life is not None:
            life.close()

    def rebuild(self, projections: Sequence[Projection[Any]], jobs: int, progress: Progress | None) -> None:
        """Make these projections anew, see `rebuild.rebuild`. In memory they are simply forgotten and folded again."""
        if self.folder is None:
            for projection in projections:
                self._life().keeper(projection.name).forget()
            return
        try:
            rebuild(self.log, self.folder, projections, jobs, progress)
        except sqlite3.Error as error:
            raise RebuildFailed(said_of(error)) from error

    def check(self, projection: Projection[Any], jobs: int, progress: Progress | None) -> Iterator[Difference]:
        """Compare a stored projection, caught up, with a rebuild of it, see `rebuild.check`. In memory there is nothing to compare."""
        keeper = self._life().keeper(projection.name)
        keeper.fresh()
        file = None if self.folder is None else keeper.finder.newest()
        if self.folder is not None and file is not None:
            try:
                yield from check(self.log, self.folder, projection, file, jobs, progress)
            except sqlite3.Error as error:
                raise RebuildFailed(said_of(error)) from error

    def distrust(self) -> None:
        """Forget up to where the log's hints were followed: the next catch-up looks at all sessions."""
        for name in self.projections:
            self._life().keeper(name).distrust()

    def _life(self) -> _Life:
        """What this process has open: a child process must not use what is its parent's."""
        pid = os.getpid()
        return self._lives.get(pid) or self._lives.setdefault(pid, _Life(self))


class _Life:
    """The connections of one process."""

    def __init__(self, serving: Serving) -> None:
        self.readers = Readers()
        self._keepers: dict[str, Keeper] = {}
        for name, projection in serving.projections.items():

            def progress() -> Progress | None:
                return serving.progress

            finder = Finder(serving.log, serving.folder, projection, serving.notice, progress)
            self._keepers[name] = Keeper(serving.log, projection, finder, serving.notice, progress)

    def keeper(self, name: str) -> Keeper:
        return self._keepers[name]

    def cope(self, error: sqlite3.DatabaseError | msgspec.DecodeError, places: Sequence[Place]) -> bool:
        """Of several databases that were asked at once it is the damaged one, if one is, that is to blame."""
        gone = [place for place in places if not place.counts()]
        blamed = gone or [place for place in places if not self._keepers[place.name].holds_together()] or places
        coped = [self._keepers[place.name].cope(error, place) for place in blamed]  # all of them, also after one that cannot
        return all(coped)

    def close(self) -> None:
        for keeper in self._keepers.values():
            keeper.close()
        self.readers.close()
