"""Rebuilding the catalog and the search index from the logs, in one process and in two."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from eventlog import EventLog
from projections import Catalog

from .measure import Area, Contender, Goal, Growth, Run
from .stores import many_sessions
from .workload import DESCRIPTION

_EVENTS = 100


def areas(run: Run) -> Iterator[Area]:
    sessions = run.scale(2_000, 200)
    area = Area(
        name="rebuild",
        title="Rebuild",
        workload=f"{DESCRIPTION}; {sessions:,} sessions of {_EVENTS} events; catalog and search",
        unit="us per event",
    )
    events = sessions * _EVENTS
    with EventLog.open(many_sessions(run, sessions, _EVENTS)) as log, Catalog.open(log) as catalog:
        contenders = [
            Contender(name="one process", units=events, round=lambda: _rebuild(catalog, 1)),
            Contender(name="two processes", units=events, round=lambda: _rebuild(catalog, 2)),
            Contender(name="one process, catalog only", units=events, round=lambda: _rebuild(catalog, 1, "catalog")),
            Contender(name="two processes, catalog only", units=events, round=lambda: _rebuild(catalog, 2, "catalog")),
        ]
        area.measure(contenders, run.scale(5, 2))
    area.ratio("rebuild by one process, to two", "one process", "two processes", Goal(at_least=1.6), by="median")
    area.ratio("rebuild by one process, to two, catalog only", "one process, catalog only", "two processes, catalog only", by="median")
    growth = Growth(name="rebuild of the catalog, per event", size="sessions", expected="constant", points=[])
    for size in (sessions // 10, sessions):
        with EventLog.open(many_sessions(run, size, _EVENTS)) as log, Catalog.open(log) as catalog:
            part = Area(name="", title="", workload="", unit="")
            part.measure([Contender(name="rebuild", units=size * _EVENTS, round=partial(_rebuild, catalog, 1, "catalog"))], 3)
        growth.points.append((size, part.timings[0].lower_quartile))
    area.growth.append(growth)
    yield area


def _rebuild(catalog: Catalog, jobs: int, *names: str) -> None:
    catalog.rebuild(*names, jobs=jobs)
