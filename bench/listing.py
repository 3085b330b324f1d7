"""The list of sessions: the first page of a hundred thousand, as a library and as a process; and how it grows."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from eventlog import EventLog
from eventlog.cli.commands import COMMANDS
from projections import Catalog

from .measure import Area, Contender, Goal, Growth, Run
from .start_up import Process
from .stores import many_sessions

_EVENTS = 5
FIRST_PAGE = "first page of 50, warm"
PROCESS = "eventlog list, as a process"


def areas(run: Run) -> Iterator[Area]:
    sizes = (1_000, 10_000, 100_000) if not run.quick else (200, 1_000)
    area = Area(
        name="listing",
        title="List sessions",
        workload=f"{', '.join(f'{size:,}' for size in sizes)} sessions of {_EVENTS} events; the catalog is caught up",
        unit="us per page",
    )
    growth = Growth(name=FIRST_PAGE, size="sessions in the store", expected="constant", points=[])
    for size in sizes:
        store = many_sessions(run, size, _EVENTS)
        with EventLog.open(store) as log, Catalog.open(log) as catalog:
            contenders = [_page(catalog, size), *_peers(run, size)]
            if size == sizes[-1]:
                contenders += [_page_of(catalog), *_process(run, area, store)]
            else:
                contenders = contenders[:1]
            catalog.list(limit=1)
            part = Area(name="", title="", workload="", unit="")
            part.measure(contenders, run.scale(40, 6))
        found = part.timing(FIRST_PAGE)
        assert found is not None
        growth.points.append((size, found.lower_quartile))
        if size == sizes[-1]:
            area.timings = part.timings
    area.growth.append(growth)
    area.absolute(f"first page of {sizes[-1]:,} sessions, warm", FIRST_PAGE, Goal(at_most=3, stretch=1.5), "ms", 1000)
    area.absolute(f"eventlog list of {sizes[-1]:,} sessions, as a process", PROCESS, Goal(at_most=250), "ms", 1000)
    area.ratio("a folder of JSON files, to the first page", "a folder of JSON files", FIRST_PAGE)
    yield area


def _page(catalog: Catalog, sessions: int) -> Contender:
    def page() -> None:
        found = catalog.list(limit=50)
        assert len(found.items) == 50
        assert found.total == sessions

    return Contender(name=FIRST_PAGE, units=1, round=page)


def _page_of(catalog: Catalog) -> Contender:
    def page() -> None:
        catalog.list(limit=50, status="active", title="ka")

    return Contender(name="a page of those whose title has a word, active ones", units=1, round=page)


def _process(run: Run, area: Area, store: Path) -> list[Contender]:
    if "list" not in COMMANDS:
        area.left_out[PROCESS] = "this version has no such command"
        return []
    process = Process(run, ["-m", "eventlog", "list", "--store", str(store)])
    return [Contender(name=PROCESS, units=1, round=process.round)]


def _peers(run: Run, sessions: int) -> Iterator[Contender]:
    folder = run.scratch(f"listing-peers-{sessions}")
    kept = min(sessions, 10_000)  # all that a folder of files is asked for, so that a run does not take hours
    for number in range(kept):
        header = {"id": f"session-{number:06}", "title": "What was asked", "updated": number, "messages": ["x" * 300] * 5}
        (folder / f"{number}.json").write_text(json.dumps(header))

    def files() -> float | None:
        found: list[dict[str, Any]] = []
        for entry in os.scandir(folder):
            if entry.name.endswith(".json"):
                with open(entry.path) as file:
                    found.append(json.load(file))
        found.sort(key=lambda header: header["updated"], reverse=True)
        del found[50:]
        return None

    yield Contender(name="a folder of JSON files", role="peer", units=1, round=files, durability=f"{kept:,} files")
    connection = sqlite3.connect(folder / "list.db", isolation_level=None)
    connection.execute("CREATE TABLE session (id TEXT PRIMARY KEY, title TEXT, updated INTEGER)")
    connection.execute("CREATE INDEX by_time ON session (updated)")
    rows = ((f"session-{number:06}", "What was asked", number) for number in range(sessions))
    connection.execute("BEGIN")
    connection.executemany("INSERT INTO session VALUES (?, ?, ?)", rows)
    connection.execute("COMMIT")

    def table() -> None:
        connection.execute("SELECT id, title, updated FROM session ORDER BY updated DESC LIMIT 50").fetchall()
        connection.execute("SELECT count(*) FROM session").fetchone()

    yield Contender(
        name="a table that is updated with each append", role="peer", units=1, round=table, durability="costs each append 21 us"
    )
