"""One process of a parallel rebuild: folds the sessions that it is told to into files of its own.

``python -m projections.worker`` reads one JSON document per line from standard input: first a `Job`, then lists of session ids with
their stamps; it answers each with the number of events that it folded. It ends with its input, also where whoever started it was killed.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

import msgspec

from eventlog import EventLog

from .building import begin_file, connect
from .catch_up import fold_sessions
from .cost import installed_prices
from .projection import Projection
from .search import Search
from .tally import Tally


class Task(msgspec.Struct, frozen=True):
    """A projection as another process can make it, and the empty file to fold into."""

    home: str  # "module:class"
    version: str
    path: str


class Job(msgspec.Struct, frozen=True):
    store: str
    tasks: list[Task]


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
    if home == f"{Tally.__module__}:{Tally.__qualname__}":
        return Tally(installed_prices())
    if home == f"{Search.__module__}:{Search.__qualname__}":
        return Search()
    module, name = home.split(":")
    made: Projection[Any] = getattr(import_module(module), name)()
    return made


def main() -> None:
    lines = iter(sys.stdin.buffer.readline, b"")
    job = msgspec.json.decode(next(lines), type=Job)
    connection = connect()
    with EventLog.open(job.store, create=False) as log:
        indexes = []
        for task in job.tasks:
            projection = make(task.home)
            if str(projection.version) != task.version:
                raise SystemExit(f"the projection {projection.name} is of version {projection.version} here, not {task.version}")
            indexes.append(begin_file(connection, projection, task.path, part=True))
        for line in lines:
            events = fold_sessions(log, indexes, msgspec.json.decode(line, type=list[tuple[str, str]]))
            sys.stdout.buffer.write(b"%d\n" % events)
            sys.stdout.buffer.flush()
    connection.close()


if __name__ == "__main__":
    main()
