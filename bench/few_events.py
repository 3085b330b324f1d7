"""A few events out of a long session: one by its position, the last, those of a rare type; beside a table of JSON rows in SQLite."""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from eventlog import EventLog, Session
from eventlog.events import UnknownEvent

from .measure import Area, Contender, Goal, Run
from .reading import CHUNK_SIZE, segment_of
from .workload import DESCRIPTION, endless, workload

_RARE = "bench.rare"
_RARE_EVERY = 1_000
_AT_ONCE = 50
ONE, LAST, RARE = "one event by its position", "the last 10", "a rare type"
LIMIT = "read, checksum and find in the same bytes"
TABLE = "SQLite: a table of JSON rows, "
GOALS = {ONE: Goal(at_most=100), LAST: Goal(at_most=100)}


def areas(run: Run) -> Iterator[Area]:
    events = run.scale(20_000, 2_000)
    area = Area(
        name="few-events",
        title="A few events out of a long session",
        workload=f"{DESCRIPTION}; one session of {events:,} events, every {_RARE_EVERY:,}th of a type of its own, one segment",
        unit="us per question",
    )
    path = run.scratch("few-events")
    with EventLog.open(path, sync="never") as log, log.session("s", create=True, exclusive=True) as session:
        for number, event in enumerate(islice(endless(workload(events)), events), 1):
            session.append(UnknownEvent(_RARE, {"number": number}) if number % _RARE_EVERY == 0 else event)
    with EventLog.open(path, sync="never") as log, log.session("s") as session:
        table = _table(run.scratch("few-events-table"), session)
        ours, theirs = _questions(session, events), _rows(table, events)
        contenders = [
            each
            for name in (ONE, LAST, RARE)
            for each in (
                Contender(name=name, units=_AT_ONCE, round=_often(ours[name])),
                Contender(name=TABLE + name, units=_AT_ONCE, round=_often(theirs[name]), role="peer"),
            )
        ]
        contenders.append(Contender(name=LIMIT, units=_AT_ONCE, round=_often(_limit(segment_of(path))), role="limit"))
        area.measure(contenders, run.scale(15, 3))
        table.close()
    for name in (ONE, LAST):
        area.absolute(name, name, GOALS[name], "us", 1)
    area.ratio(f"{RARE}, to the limit", RARE, LIMIT, Goal(at_most=1.5))
    for name in (ONE, LAST, RARE):
        area.ratio(f"{name}, to the table", name, TABLE + name)
    yield area


def _often(question: Callable[[], object]) -> Callable[[], None]:
    def often() -> None:
        for _ in range(_AT_ONCE):
            question()

    return often


def _places(events: int) -> Iterator[int]:
    """Positions all over the session, one after the other."""
    number = 0
    while True:
        number += 1
        yield number * 7919 % events + 1


def _questions(session: Session, events: int) -> dict[str, Callable[[], object]]:
    places = _places(events)

    def one() -> None:
        seq = next(places)
        (found,) = session.read(after=seq - 1, before=seq + 1)
        assert found.seq == seq

    def last() -> None:
        assert len(list(session.read(last=10))) == 10

    def rare() -> None:
        assert len(list(session.read(types=[_RARE]))) == events // _RARE_EVERY

    return {ONE: one, LAST: last, RARE: rare}


def _table(folder: Path, session: Session) -> sqlite3.Connection:
    folder.mkdir(parents=True, exist_ok=True)
    table = sqlite3.connect(folder / "events.db")
    table.execute("CREATE TABLE event (session TEXT, seq INTEGER, type TEXT, body TEXT, PRIMARY KEY (session, seq)) WITHOUT ROWID")
    table.execute("CREATE INDEX event_type ON event (session, type, seq)")
    rows = ((stored.session_id, stored.seq, stored.type, stored.raw.decode()) for stored in session.read())
    table.executemany("INSERT INTO event VALUES (?, ?, ?, ?)", rows)
    table.execute("ANALYZE")
    table.commit()
    return table


def _rows(table: sqlite3.Connection, events: int) -> dict[str, Callable[[], object]]:
    places = _places(events)

    def asked(condition: str, *values: Any) -> list[Any]:
        return [json.loads(body) for (body,) in table.execute(f"SELECT body FROM event WHERE session = 's' AND {condition}", values)]

    return {
        ONE: lambda: asked("seq = ?", next(places)),
        LAST: lambda: asked("seq > 0 ORDER BY seq DESC LIMIT 10"),
        RARE: lambda: asked("type = ? ORDER BY seq", _RARE),
    }


def _limit(path: Path) -> Callable[[], object]:
    text = b'"type":"%s"' % _RARE.encode()

    def limit() -> None:
        running = 0
        with path.open("rb", buffering=0) as file:
            while chunk := file.read(CHUNK_SIZE):
                running = zlib.crc32(chunk, running)
                chunk.find(text)

    return limit
