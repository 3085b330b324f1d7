"""One process of a parallel rebuild: folds the sessions that it is told to into files of its own.

``python -m projections.index.worker`` reads one JSON document per line from standard input: a `Job`, then lists of session ids with their
stamps, which are folded into the job's files until the next `Job`; it gives an `Answer` to each. The answer to a job says that the
files of the one before it are finished. It ends with its input, also where whoever started it was killed.
"""

from __future__ import annotations

import errno
import sqlite3
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import msgspec

from eventlog import EventLog
from eventlog.errors import EventLogError

from ..projection import Projection, ProjectionFailed
from .building import begin_file, connect
from .catch_up import fold_sessions
from .database import Index


class Task(msgspec.Struct, frozen=True):
    """A projection as another process can make it, and the empty file to fold into."""

    home: str  # "module:class"
    version: str
    path: str


class Job(msgspec.Struct, frozen=True):
    store: str
    tasks: list[Task]


class Answer(msgspec.Struct, frozen=True):
    """How many events were folded, or what a `ProjectionFailed` says, or why no more can be done (``broken``)."""

    events: int = 0
    failed: tuple[str, str, int, str] | None = None
    broken: str | None = None


def home_of(projection: Projection[Any]) -> str | None:
    """Where another process finds the projection, None where it cannot make the same: the class needs arguments, or is not importable."""
    cls = type(projection)
    home = f"{cls.__module__}:{cls.__qualname__}"
    try:
        same = str(make(home).version) == str(projection.version)
    except (ImportError, AttributeError, TypeError):
        return None
    return home if same and cls.__module__ != "__main__" else None


def make(home: str) -> Projection[Any]:
    """The projection whose class is there: by its ``elsewhere()``, where the class has arguments and says how it is made without."""
    module, name = home.split(":")
    cls = getattr(import_module(module), name)
    made: Projection[Any] = getattr(cls, "elsewhere", cls)()
    return made


def _fold_into(log: EventLog, job: Job, lines: Iterator[bytes], answer: Callable[[Answer], None]) -> Job | None:
    """Fold into the job's files until another one comes, which is returned, or nothing more."""
    connection = connect()
    try:
        indexes: list[Index] = []
        for task in job.tasks:
            projection = make(task.home)
            if str(projection.version) != task.version:
                raise SystemExit(f"the projection {projection.name} is of version {projection.version} here, not {task.version}")
            indexes.append(begin_file(connection, projection, task.path, part=True))
        answer(Answer())
        for line in lines:
            given = msgspec.json.decode(line, type=Job | list[tuple[str, str]])
            if isinstance(given, Job):
                return given
            try:
                answer(Answer(events=fold_sessions(log, indexes, given)))
            except ProjectionFailed as error:
                answer(Answer(failed=(error.projection, error.session_id, error.seq, error.reason)))
        return None
    finally:
        connection.close()


def main() -> None:
    lines, answers = iter(sys.stdin.buffer.readline, b""), sys.stdout.buffer
    sys.stdout = sys.stderr  # where a fold that prints does not garble the answers

    def answer(what: Answer) -> None:
        answers.write(msgspec.json.encode(what) + b"\n")
        answers.flush()

    job: Job | None = msgspec.json.decode(next(lines), type=Job)
    assert job is not None
    try:
        with EventLog.open(job.store, create=False) as log:
            while job is not None:
                job = _fold_into(log, job, lines, answer)
    except (OSError, sqlite3.Error, EventLogError) as error:  # a full disk, a file that cannot be read: no bug, so no traceback
        answer(Answer(broken=said_of(error)))


def said_of(error: Exception) -> str:
    """One line on what the database or the system refused, with the next step."""
    name = getattr(error, "sqlite_errorname", "")
    if name.startswith("SQLITE_FULL") or getattr(error, "errno", None) == errno.ENOSPC:
        return f"{error}; free space on the disk of the store, then run it again"
    return f"{error}; mend that, then run it again" if not isinstance(error, EventLogError) else str(error)


if __name__ == "__main__":
    main()
