"""Search by words, over all sessions of a store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from eventlog import EventLog
from eventlog.events import MessageAdded
from projections import Catalog

from .measure import Area, Contender, Run
from .stores import many_sessions
from .workload import DESCRIPTION, workload

_EVENTS = 50


def areas(run: Run) -> Iterator[Area]:
    sessions = run.scale(2_000, 200)
    store = many_sessions(run, sessions, _EVENTS)
    words = Counter(word for event in workload(20_000).events if isinstance(event, MessageAdded) for word in str(event.content).split())
    ranked = [word for word, _ in words.most_common()]
    common, rare = ranked[20], ranked[len(ranked) // 4]
    area = Area(
        name="searching",
        title="Search",
        workload=f"{DESCRIPTION}; {sessions:,} sessions of {_EVENTS} events; a word in {words[common]} of 20,000 events, one in {words[rare]}",
        unit="us per query",
    )
    with EventLog.open(store) as log, Catalog.open(log) as catalog:
        catalog.search(rare)
        contenders = [
            Contender(name="a rare word, first 20", units=1, round=lambda: _ask(catalog, rare)),
            Contender(name="a common word, first 20", units=1, round=lambda: _ask(catalog, common)),
            Contender(name="two words, first 20", units=1, round=lambda: _ask(catalog, f"{common} {ranked[50]}")),
        ]
        area.measure(contenders, run.scale(40, 6))
    yield area


def _ask(catalog: Catalog, query: str) -> None:
    catalog.search(query, limit=20)
