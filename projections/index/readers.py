"""Connections that questions are asked through: each question has one of its own, in a transaction that sees one state of each database.

None of them writes to a projection, so no question waits for another, nor, where the databases are files, for whoever catches up.
A connection goes back to the pool when its question is answered, and away when it failed.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import TypeVar

from eventlog.errors import InvalidInput

from .building import attach, connect
from .place import Place

T = TypeVar("T")
_MOST_IDLE = 4


class Readers:
    """The connections of one process. Safe to use from several threads."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._idle: list[_Reader] = []
        self._closed = False

    def ask(self, places: Sequence[Place], question: Callable[[sqlite3.Connection], T]) -> T:
        """The answer of the question over these databases. Raises what it raises, and `InvalidInput` for what no database can hold."""
        reader = self._take([place.name for place in places])
        try:
            answer = reader.ask(places, question)
        except BaseException:
            reader.connection.close()
            raise
        self._give_back(reader)
        return answer

    def close(self) -> None:
        """Those that are being used are closed when they come back."""
        with self._mutex:
            self._closed = True
            idle, self._idle = self._idle, []
        for reader in idle:
            reader.connection.close()

    def _take(self, names: Sequence[str]) -> _Reader:
        """The one of the idle that has most of these at hand."""
        with self._mutex:
            if not self._idle:
                return _Reader()
            best = max(self._idle, key=lambda reader: (len(reader.attached.keys() & set(names)), -len(reader.attached)))
            self._idle.remove(best)
            return best

    def _give_back(self, reader: _Reader) -> None:
        with self._mutex:
            if not self._closed and len(self._idle) < _MOST_IDLE:
                self._idle.append(reader)
                return
        reader.connection.close()


class _Reader:
    def __init__(self) -> None:
        self.connection = connect()
        self.attached: dict[str, Place] = {}

    def ask(self, places: Sequence[Place], question: Callable[[sqlite3.Connection], T]) -> T:
        with ExitStack() as stack:
            for place in sorted(places, key=lambda place: place.name):  # in one order, or two questions could wait for one another
                if place.gate is not None:
                    stack.enter_context(place.gate.reading())
            self._attach(places)
            self.connection.execute("BEGIN")
            try:
                return question(self.connection)
            except UnicodeEncodeError as error:
                raise InvalidInput(
                    f"half of a character (a lone surrogate, {error.object[error.start]!a}) is in no stored text; leave it out"
                ) from error
            except OverflowError as error:
                raise InvalidInput(f"a number is too large to be looked for ({error}); pass on what an earlier answer gave") from error
            finally:
                self.connection.execute("COMMIT")

    def _attach(self, places: Sequence[Place]) -> None:
        for place in places:
            name = place.name
            if self.attached.get(name) is not place:
                if self.attached.pop(name, None) is not None:
                    self.connection.execute(f"DETACH {name}")
                attach(self.connection, name, place.uri)
                self.attached[name] = place
