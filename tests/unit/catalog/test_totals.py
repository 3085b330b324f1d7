"""What is kept of all sessions: that asking for it costs the same however many there are, and that a wrong sum is noticed."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from eventlog import EventLog
from eventlog.events import MessageAdded, SessionStarted, SessionUpdated, ToolCalled, ToolReturned, UsageRecorded
from projections import Catalog
from projections.catalog import listing, statistics
from projections.catalog.cost import NO_PRICES
from projections.catalog.listing import Filter, Totals
from projections.catalog.statistics import Scope
from projections.catalog.summary import ORDERS

NOON = datetime(2026, 3, 2, 12, tzinfo=timezone.utc)


def fill(log: EventLog, first: int, count: int) -> None:
    for number in range(first, first + count):
        session = log.session(f"s{number:05}", create=True)
        events = (
            SessionStarted(user_id=f"u{number % 3}", title=f"t{number}"),
            MessageAdded(role="user", content="x"),
            UsageRecorded(model="m", input_tokens=number),
            ToolCalled(name="Bash", call_id="1"),
            ToolReturned(call_id="1", output="", duration_ms=100 + number % 10),
        )
        session.append(*events, time=NOON + timedelta(seconds=number % 3))
        session.close()


def steps(catalog: Catalog, ask: Callable[[sqlite3.Connection], Any]) -> int:
    """How many instructions the database takes for the answer: what is counted or sorted takes more of them the more there is."""

    def question(connection: sqlite3.Connection) -> int:
        count = 0

        def tick() -> int:
            nonlocal count
            count += 1
            return 0

        ask(connection)  # what is only done once
        connection.set_progress_handler(tick, 1)
        try:
            ask(connection)
        finally:
            connection.set_progress_handler(None, 0)
        return count

    return catalog._serving.ask(("catalog",), question)


ASKED: dict[str, Callable[[sqlite3.Connection], Any]] = {
    **{
        f"the first page by {sort}": lambda connection, sort=sort: listing.list_sessions(connection, Totals(), Filter(), sort, 50, None)
        for sort in ORDERS
    },
    "the first page of all, also the deleted": lambda connection: listing.list_sessions(
        connection, Totals(), Filter(deleted=True), "updated", 50, None
    ),
    "statistics": lambda connection: statistics.compute(connection, Scope(), timezone.utc, NOON),
}


@pytest.mark.parametrize("what", ASKED)
def test_of_ten_times_the_sessions_it_takes_the_same_number_of_steps(what: str) -> None:
    with EventLog.memory() as log, Catalog.open(log, prices=NO_PRICES) as catalog:
        fill(log, 0, 100)
        few = steps(catalog, ASKED[what])
        fill(log, 100, 900)
        assert steps(catalog, ASKED[what]) <= 1.5 * few


def test_what_changes_one_session_costs_no_more_where_there_are_many() -> None:
    def changes(connection: sqlite3.Connection) -> int:
        return connection.total_changes

    with EventLog.memory() as log, Catalog.open(log, prices=NO_PRICES) as catalog:
        costs = []
        for first in (0, 100, 1000):
            fill(log, first, max(100, first))
            catalog.list()
            keeper = catalog._serving._life().keeper("catalog")
            assert keeper._connection is not None
            before = changes(keeper._connection)
            log.session("s00007").append(MessageAdded(role="user", content="x"), time=NOON)
            catalog.list()
            costs.append(changes(keeper._connection) - before)
        assert costs[0] == costs[1] == costs[2] < 60


@pytest.mark.parametrize(
    ("statement", "table"),
    [
        ("UPDATE by_user SET input_tokens = input_tokens + 1 WHERE user_id = 'u1'", "by_user"),
        ("DELETE FROM durations", "durations"),
        ("INSERT INTO visits VALUES (1, 0, 1)", "visits"),
        ("UPDATE listings SET n = 7", "listings"),
    ],
)
def test_a_check_notices_a_sum_that_is_not_that_of_its_rows(tmp_path: Path, statement: str, table: str) -> None:
    with EventLog.open(tmp_path, sync="never") as log:
        fill(log, 0, 5)
        with Catalog.open(log, prices=NO_PRICES) as catalog:
            catalog.list()
            [file] = (tmp_path / "projections").glob("catalog.*.sqlite")
            damaging = sqlite3.connect(file)
            with damaging:
                damaging.execute(statement)
            damaging.close()
            found = list(catalog.check("catalog", jobs=1))
            assert {(difference.table, difference.session_id) for difference in found} == {(table, "")}
            catalog.rebuild("catalog", jobs=1)
            assert list(catalog.check("catalog", jobs=1)) == []


def test_who_and_where_a_session_is_takes_its_numbers_along() -> None:
    with EventLog.memory() as log, Catalog.open(log, prices=NO_PRICES) as catalog:
        fill(log, 0, 3)
        assert [(share.user_id, share.input_tokens, share.sessions) for share in catalog.statistics().by_user] == [
            ("u0", 0, 1),
            ("u1", 1, 1),
            ("u2", 2, 1),
        ]
        log.session("s00002").append(SessionUpdated(user_id="u1"))
        log.session("s00000").append(SessionUpdated(user_id=None, metadata={"cwd": "/p"}))
        found = catalog.statistics()
        assert [(share.user_id, share.input_tokens, share.sessions) for share in found.by_user] == [(None, 0, 1), ("u1", 3, 2)]
        assert [(share.project, share.sessions) for share in found.by_project] == [(None, 2), ("/p", 1)]
        log.delete("s00002")
        assert [(share.user_id, share.input_tokens) for share in catalog.statistics().by_user] == [(None, 0), ("u1", 1)]
        log.restore("s00002")
        assert catalog.statistics().by_user == found.by_user


@pytest.mark.parametrize(
    "durations", [[5], [1, 2], [7] * 9, [1000 + n for n in range(50)], [0, 0.001, 1e9, 3.3, 3.31], [10**n for n in range(9)]]
)
def test_the_median_and_the_95th_percentile_are_exact(durations: list[float]) -> None:
    with EventLog.memory() as log, Catalog.open(log, prices=NO_PRICES) as catalog:
        for number, duration_ms in enumerate(durations):
            log.session(f"s{number % 7}", create=True).append(
                ToolCalled(name="Bash", call_id=str(number)), ToolReturned(call_id=str(number), output="", duration_ms=duration_ms)
            )
        [tool] = catalog.statistics().by_tool
        ordered = sorted(durations)
        middle = len(ordered) // 2
        assert tool.median_duration_ms == (ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2)
        assert tool.p95_duration_ms == ordered[-(-95 * len(ordered) // 100) - 1]
        assert catalog.statistics(since=datetime(2000, 1, 1, tzinfo=timezone.utc)).by_tool == [tool]


def test_the_filters_of_statistics(tmp_path: Path) -> None:
    def tokens(**scope: Any) -> int:
        return catalog.statistics(zone=timezone.utc, **scope).usage.input_tokens

    with EventLog.memory() as log, Catalog.open(log, prices=NO_PRICES) as catalog:
        for number, (user, project) in enumerate([("a", "/p"), ("a", "/p/q"), ("b", "/pq"), (None, None)]):
            session = log.session(f"s{number}", create=True)
            session.append(SessionStarted(user_id=user, metadata={"cwd": project} if project else {}), time=NOON)
            session.append(UsageRecorded(input_tokens=10**number), time=NOON + timedelta(hours=number))
        assert tokens() == 1111
        assert tokens(user="a") == 11
        assert tokens(user="nobody") == 0
        assert tokens(project="/p") == tokens(project="/p/") == 11
        assert tokens(project="/p/q") == 10
        assert tokens(project="/") == 111
        assert tokens(since=NOON + timedelta(hours=1)) == 1110
        assert tokens(until=NOON + timedelta(hours=2)) == 11
        assert tokens(since=NOON + timedelta(hours=1), until=NOON + timedelta(hours=2)) == 10
        assert tokens(session_id="s1", since=NOON + timedelta(hours=2)) == 0
        found = catalog.statistics(since=NOON + timedelta(hours=1, minutes=14), until=NOON + timedelta(hours=2, minutes=1))
        assert (found.sessions.total, found.usage.input_tokens, found.events) == (2, 110, 2)  # to the quarter of an hour
