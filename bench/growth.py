"""What grows: each cost that could depend on a size, at several sizes. Nothing that should be constant may grow."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from itertools import cycle, islice

from eventlog import EventLog, Settings
from eventlog.events import MessageAdded
from projections import replay

from .append import append_each
from .measure import Area, Contender, Goal, Growth, Run, Timing
from .reading import STATISTICS, Statistics
from .stores import many_sessions, session_of
from .workload import DESCRIPTION, workload

HELLO = MessageAdded(role="user", content="Hello")
_GOAL = Goal(at_most=1.5)


def areas(run: Run) -> Iterator[Area]:
    area = Area(name="growth", title="How costs grow", workload=DESCRIPTION, unit="us")
    area.growth += [
        _append_by_length(run),
        _append_by_segments(run),
        _append_by_readers(run),
        _first_append_by_sessions(run),
        _last_event_by_length(run),
        _replay_by_length(run),
    ]
    for growth in area.growth:
        area.value(f"{growth.name}: cost at {growth.points[-1][0]:,} {growth.size}, to {growth.points[0][0]:,}", growth.factor, "x", _GOAL)
    yield area


def _measured(contenders: list[Contender], rounds: int) -> list[Timing]:
    """Contenders of one quantity at several sizes, interleaved."""
    area = Area(name="", title="", workload="", unit="")
    area.measure(contenders, rounds)
    return area.timings


def _points(sizes: list[int], timings: list[Timing]) -> list[tuple[int, float]]:
    return [(size, timing.lower_quartile) for size, timing in zip(sizes, timings, strict=True)]


def _append_by_length(run: Run) -> Growth:
    sizes = [1_000, 20_000, 200_000, 2_000_000] if not run.quick else [1_000, 20_000]
    logs = [EventLog.open(session_of(run, size), sync="never") for size in sizes]
    sessions = [log.session("s", exclusive=True) for log in logs]
    events = list(islice(cycle(workload(2_000).events), 1_000))
    contenders = [
        Contender(name=str(size), units=len(events), round=partial(append_each, session, events))
        for size, session in zip(sizes, sessions, strict=True)
    ]
    timings = _measured(contenders, run.scale(25, 5))
    for log in logs:
        log.close()
    return Growth(name="append, not durable", size="events in the session", expected="constant", points=_points(sizes, timings))


def _append_by_segments(run: Run) -> Growth:
    sizes = [1, 20, 400] if not run.quick else [1, 20]
    settings = Settings(segment_size_bytes=16_384, compress_after="0")
    logs = []
    for size in sizes:
        path = run.scratch(f"growth-segments-{size}")
        log = EventLog.open(path, sync="never", settings=settings)
        logs.append(log)
        with log.session("s", create=True, exclusive=True) as session:
            while len(list(path.rglob("s*.jsonl"))) < size:
                session.append(*workload(2_000).events[:50])

    def first_append(log: EventLog) -> float:
        with log.session("s", exclusive=True) as session:  # a descriptor of its own: it has to look for the last segment
            begin = time.perf_counter()
            session.append(HELLO)
            return time.perf_counter() - begin

    contenders = [Contender(name=str(size), units=1, round=partial(first_append, log)) for size, log in zip(sizes, logs, strict=True)]
    timings = _measured(contenders, run.scale(40, 8))
    for log in logs:
        log.close()
    return Growth(name="first append of a handle", size="segments of the session", expected="constant", points=_points(sizes, timings))


def _append_by_readers(run: Run) -> Growth:
    sizes = [0, 4, 32]
    contenders = []
    kept = []
    logs = []
    for size in sizes:
        log = EventLog.open(run.scratch(f"growth-readers-{size}"), sync="never")
        logs.append(log)
        session = log.session("s", create=True)
        session.append(*workload(2_000).events)
        readers = [session.read() for _ in range(size)]
        for reader in readers:
            next(reader)  # in the middle of reading, its file open

        kept.append(readers)
        contenders.append(Contender(name=str(size), units=2_000, round=partial(append_each, session, workload(2_000).events)))
    timings = _measured(contenders, run.scale(15, 4))
    kept.clear()
    for log in logs:
        log.close()
    return Growth(name="append, not durable", size="readers in the middle of it", expected="constant", points=_points(sizes, timings))


def _first_append_by_sessions(run: Run) -> Growth:
    sizes = [1_000, 10_000, 100_000] if not run.quick else [200, 1_000]
    logs = [EventLog.open(many_sessions(run, size, 5), sync="never") for size in sizes]

    def start(log: EventLog) -> None:
        with log.start():
            pass

    contenders = [Contender(name=str(size), units=1, round=partial(start, log)) for size, log in zip(sizes, logs, strict=True)]
    timings = _measured(contenders, run.scale(60, 8))
    for log in logs:
        log.close()
    return Growth(name="start of a session", size="sessions in the store", expected="constant", points=_points(sizes, timings))


def _last_event_by_length(run: Run) -> Growth:
    sizes = [20_000, 200_000, 2_000_000] if not run.quick else [2_000, 20_000]
    logs = [EventLog.open(session_of(run, size)) for size in sizes]

    def last(log: EventLog) -> None:
        session = log.session("s")
        (found,) = session.read(after=session.last_seq - 1)
        assert found.seq == session.last_seq

    contenders = [Contender(name=str(size), units=1, round=partial(last, log)) for size, log in zip(sizes, logs, strict=True)]
    timings = _measured(contenders, run.scale(40, 8))
    for log in logs:
        log.close()
    return Growth(
        name="the last event, found by halving", size="events in one segment", expected="constant", points=_points(sizes, timings)
    )


def _replay_by_length(run: Run) -> Growth:
    sizes = [2_000, 20_000, 200_000] if not run.quick else [2_000, 20_000]
    logs = [EventLog.open(session_of(run, size)) for size in sizes]
    contenders = [Contender(name=str(size), units=size, round=partial(_replay, log)) for size, log in zip(sizes, logs, strict=True)]
    timings = _measured(contenders, run.scale(11, 3))
    for log in logs:
        log.close()
    return Growth(name=f"{STATISTICS}, per event", size="events in the session", expected="constant", points=_points(sizes, timings))


def _replay(log: EventLog) -> None:
    replay(log.session("s").read(), Statistics)
