"""An existing session among few and among many: what every touch of it costs, and what walks over all sessions cost for each of them.

Nothing here waits for the disk, so it is CPU time of the process: what a machine with other work does between two clock ticks is not measured.
A million sessions are measured where ``BENCH_MILLION`` names a store of them, made by ``python -m bench.sessions FOLDER``: it takes 4 GB
and a quarter of an hour.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from itertools import count, islice
from pathlib import Path
from typing import Final

from eventlog import EventLog
from eventlog.events import MessageAdded
from projections import Catalog

from .measure import Area, Contender, Goal, Growth, Run, Timing
from .stores import many_sessions
from .workload import DESCRIPTION, endless, workload

_EVENTS: Final = 5
_GOAL: Final = Goal(at_most=1.5)
_HELLO: Final = MessageAdded(role="user", content="Hello")
_numbers = count()


def areas(run: Run) -> Iterator[Area]:
    area = Area(name="sessions", title="One session among many", workload=f"{DESCRIPTION}; {_EVENTS} events a session, CPU time", unit="us")
    stores = _stores(run)
    for name, touch in _TOUCHES.items():
        area.growth.append(_touch(run, name, touch, stores))
    walked = {size: path for size, path in stores.items() if size <= 100_000}
    for name, walk in _WALKS.items():
        area.growth.append(_walk(run, name, walk, walked))
    for growth in area.growth:
        area.value(f"{growth.name}: cost at {growth.points[-1][0]:,} {growth.size}, to {growth.points[0][0]:,}", growth.factor, "x", _GOAL)
    yield area


def _stores(run: Run) -> dict[int, Path]:
    sizes = [200, 2_000] if run.quick else [1_000, 10_000, 100_000]
    found = {size: many_sessions(run, size, _EVENTS) for size in sizes}
    million = os.environ.get("BENCH_MILLION")
    return {**found, 1_000_000: Path(million)} if million else found


def _touch(run: Run, name: str, touch: Callable[[EventLog, int], object], stores: dict[int, Path]) -> Growth:
    """Another session in every round, none of which this process has touched before."""
    logs = {size: EventLog.open(path, sync="never") for size, path in stores.items()}

    def timed(log: EventLog, size: int) -> float:
        chosen = (next(_numbers) * 7_919) % size
        begin = time.thread_time()
        touch(log, chosen)
        return time.thread_time() - begin

    contenders = [Contender(name=str(size), units=1, round=lambda log=log, size=size: timed(log, size)) for size, log in logs.items()]  # type: ignore[misc]
    timings = _measured(contenders, run.scale(60, 10))
    for log in logs.values():
        log.close()
    points = [(size, timing.lower_quartile) for size, timing in zip(stores, timings, strict=True)]
    return Growth(name=name, size="sessions in the store", expected="constant", points=points)


def _walk(run: Run, name: str, walk: Callable[[EventLog], object], stores: dict[int, Path]) -> Growth:
    """What the walk costs for each session."""

    def timed(path: Path) -> float:
        with EventLog.open(path, sync="never") as log:
            begin = time.process_time()
            walk(log)
            return time.process_time() - begin

    contenders = [Contender(name=str(size), units=size, round=lambda path=path: timed(path)) for size, path in stores.items()]  # type: ignore[misc]
    timings = _measured(contenders, run.scale(2, 1))
    points = [(size, timing.lower_quartile) for size, timing in zip(stores, timings, strict=True)]
    return Growth(name=f"{name}, per session", size="sessions in the store", expected="constant", points=points)


def _measured(contenders: list[Contender], rounds: int) -> list[Timing]:
    area = Area(name="", title="", workload="", unit="")
    area.measure(contenders, rounds)
    return area.timings


def _session(number: int) -> str:
    return f"session-{number:06}"


def _read_one(log: EventLog, number: int) -> None:
    (found,) = log.session(_session(number)).read(after=_EVENTS - 1, before=_EVENTS + 1)
    assert found.seq == _EVENTS


def _append(log: EventLog, number: int) -> None:
    with log.session(_session(number)) as session:
        session.append(_HELLO)


def _start(log: EventLog, number: int) -> None:
    log.start(id=f"given-{os.getpid()}-{next(_numbers)}").close()


def _catalog(log: EventLog) -> None:
    with Catalog.open(EventLog.open(log.path)) as catalog:
        catalog.rebuild("catalog")


def _tail_from_now(log: EventLog) -> None:
    log.tail(after="end").close()


_TOUCHES: Final[dict[str, Callable[[EventLog, int], object]]] = {
    "open a session": lambda log, number: log.session(_session(number)).close(),
    "position of a session": lambda log, number: log.session(_session(number)).last_seq,
    "read one event": _read_one,
    "first append of a handle": _append,
    "start with a given id": _start,
}
_WALKS: Final[dict[str, Callable[[EventLog], object]]] = {
    "ids": lambda log: sum(1 for _ in log.session_ids()),
    "verify": lambda log: log.verify(),
    "first catalog": _catalog,
    "tail of all from now": _tail_from_now,
}


def make(path: Path, sessions: int) -> None:
    """A store with so many sessions of five events each, one append a session."""
    source = endless(workload(20_000))
    begin = time.monotonic()
    with EventLog.open(path, sync="never") as log:
        for number in range(sessions):
            with log.session(_session(number), create=True) as session:
                session.append(*islice(source, _EVENTS))
            if number % 100_000 == 99_999:
                sys.stderr.write(f"{number + 1:,} sessions, {time.monotonic() - begin:.0f} s\n")


if __name__ == "__main__":
    make(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1_000_000)
