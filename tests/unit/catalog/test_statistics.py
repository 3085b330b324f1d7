"""Statistics: what they add up, when something happened for the asker, and what counts once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timezone
from zoneinfo import ZoneInfo

import msgspec
import pytest

from eventlog import EventLog
from eventlog.errors import SessionNotFound
from eventlog.events import (
    Cost,
    ErrorLogged,
    MessageAdded,
    SessionDeleted,
    SessionStarted,
    ToolCalled,
    ToolReturned,
    UsageRecorded,
)
from projections import Catalog
from projections.catalog.cost import NO_PRICES
from projections.catalog.listing import Money
from projections.catalog.statistics import Sessions

UTC = timezone.utc


@pytest.fixture
def log() -> Iterator[EventLog]:
    with EventLog.memory() as log:
        yield log


@pytest.fixture
def catalog(log: EventLog) -> Iterator[Catalog]:
    with Catalog.open(log, prices=NO_PRICES) as catalog:
        yield catalog


def time(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def fill(log: EventLog) -> None:
    with log.session("a", create=True) as a:
        a.append(SessionStarted(user_id="u1", metadata={"cwd": "/p"}), time=time("2026-03-01T23:00"))
        a.append(MessageAdded(role="user", content="x"), time=time("2026-03-01T23:50"))
        a.append(MessageAdded(role="assistant", content="y", model="m1"), time=time("2026-03-02T00:10"))
        a.append(UsageRecorded(model="m1", input_tokens=5, output_tokens=6, cost=Cost(amount=0.5)), time=time("2026-03-02T00:10"))
        a.append(ErrorLogged(message="no"), time=time("2026-03-02T00:10"))
    with log.session("b", create=True) as b:
        b.append(SessionStarted(user_id="u2"), time=time("2026-03-04T12:00"))
        b.append(MessageAdded(role="system", content="z"), time=time("2026-03-04T12:00"))
        b.append(UsageRecorded(model="m2", input_tokens=7, cost=Cost(amount=1, currency="EUR")), time=time("2026-03-04T12:20"))
        b.append(UsageRecorded(model="m3", output_tokens=8), time=time("2026-03-04T12:20"))


def test_totals_and_shares_add_up(log: EventLog, catalog: Catalog) -> None:
    fill(log)
    found = catalog.statistics(zone=UTC, now=time("2026-03-04T20:00"))
    assert found.sessions == Sessions(2, 1, 2)
    assert found.events == 9
    assert found.messages == {"assistant": 1, "system": 1, "user": 1}
    assert found.errors == 1
    assert msgspec.structs.asdict(found.usage) == {
        "input_tokens": 12,
        "output_tokens": 14,
        "cache_read_tokens": 0,
        "cache_write_tokens": 0,
        "reasoning_tokens": 0,
        "cost": Money(0.5, "USD"),
    }
    assert found.other_costs == [Money(1.0, "EUR")]
    assert found.unknown_models == ["m3"]
    assert [(share.model, share.messages, share.input_tokens, share.unpriced_tokens) for share in found.by_model] == [
        ("m1", 1, 5, 0),
        ("m2", 0, 7, 0),
        ("m3", 0, 0, 8),
    ]
    assert [(share.user_id, share.sessions, share.messages) for share in found.by_user] == [("u1", 1, 2), ("u2", 1, 1)]
    assert [(share.project, share.sessions) for share in found.by_project] == [(None, 1), ("/p", 1)]


def test_days_hours_and_weeks_are_the_asker_s(log: EventLog, catalog: Catalog) -> None:
    fill(log)
    utc = catalog.statistics(zone=UTC, now=time("2026-03-04T20:00"))
    assert [(day.day, day.sessions, day.messages) for day in utc.by_day] == [
        (date(2026, 3, 1), 1, 1),
        (date(2026, 3, 2), 1, 1),
        (date(2026, 3, 4), 1, 1),
    ]
    assert (utc.by_hour[23], utc.by_hour[0], utc.by_hour[12]) == (1, 1, 1)
    assert utc.by_weekday == [1, 0, 1, 0, 0, 0, 1]
    nepal = catalog.statistics(zone=ZoneInfo("Asia/Kathmandu"), now=time("2026-03-01T18:00"))  # 45 minutes off; a Sunday, 23:45
    assert [(day.day, day.messages) for day in nepal.by_day] == [(date(2026, 3, 2), 2), (date(2026, 3, 4), 1)]
    assert nepal.sessions == Sessions(2, 0, 0)
    later = catalog.statistics(zone=ZoneInfo("Asia/Kathmandu"), now=time("2026-03-01T19:00"))  # the Monday after
    assert later.sessions == Sessions(2, 1, 2)


def test_a_tool_s_durations_and_failures(log: EventLog, catalog: Catalog) -> None:
    with log.session("a", create=True) as session:
        for number, duration_ms in enumerate([10, 30, 20, 1000]):
            session.append(ToolCalled(name="Bash", call_id=str(number)), time=time("2026-03-01T00:00"))
            session.append(
                ToolReturned(call_id=str(number), output="", duration_ms=duration_ms, is_error=number == 0), time=time("2026-03-01T00:00")
            )
        session.append(ToolCalled(name="Bash", call_id="x"), time=time("2026-03-01T00:00"))
        session.append(ToolCalled(name="Read", call_id="y"), time=time("2026-03-01T00:00"))
        session.append(ToolReturned(call_id="unknown", output="lost", duration_ms=5))
    found = catalog.statistics()
    assert (found.tool_calls, found.tools_used, found.total_duration_ms) == (6, ["Bash", "Read"], 1060.0)
    bash, read = found.by_tool
    assert (bash.calls, bash.open, bash.failures, bash.failure_rate) == (5, 1, 1, 0.25)
    assert (bash.median_duration_ms, bash.p95_duration_ms) == (25.0, 1000.0)
    assert (read.calls, read.open, read.median_duration_ms, read.failure_rate) == (1, 1, None, 0.0)


def copy(log: EventLog, source: str, target: str, first: int, last: int) -> None:
    """What a fork does: the events with their times, and where they come from."""
    with log.session(target, create=True) as session:
        for stored in log.session(source).read(after=first - 1, before=last + 1):
            session.append(stored.event, time=stored.time, origin={"session_id": source, "seq": stored.seq})


def test_events_that_a_fork_or_merge_copied_count_once(log: EventLog, catalog: Catalog) -> None:
    fill(log)
    before = catalog.statistics(zone=UTC, now=time("2026-03-04T20:00"))
    log.session("fork", create=True).append(SessionStarted(user_id="u1"), time=time("2026-03-04T21:00"))
    copy(log, "a", "fork", 2, 5)
    copy(log, "fork", "fork-of-fork", 2, 5)
    log.session("fork").append(MessageAdded(role="user", content="its own"), time=time("2026-03-04T21:00"))
    after = catalog.statistics(zone=UTC, now=time("2026-03-04T20:00"))
    assert after.sessions.total == 4
    assert after.messages == {"assistant": 1, "system": 1, "user": 2}
    assert after.usage == before.usage
    assert (after.errors, after.events) == (1, 11)
    assert catalog.statistics(session_id="fork").messages == {"assistant": 1, "user": 2}
    assert [(share.user_id, share.messages) for share in after.by_user] == [("u1", 3), ("u2", 1)]


def test_of_a_source_that_is_not_listed_the_fullest_copy_counts(log: EventLog, catalog: Catalog) -> None:
    fill(log)
    copy(log, "a", "fork1", 2, 3)
    copy(log, "a", "fork2", 2, 5)
    log.session("a").append(SessionDeleted())
    found = catalog.statistics()
    assert found.messages == {"assistant": 1, "system": 1, "user": 1}
    assert (found.errors, found.sessions.total) == (1, 3)


def test_a_copy_of_a_copy_belongs_to_where_the_event_was_first(log: EventLog, catalog: Catalog) -> None:
    log.session("a", create=True).append(MessageAdded(role="user", content="x"), UsageRecorded(input_tokens=5), ToolCalled(name="Bash"))
    log.fork("a", id="b").append(MessageAdded(role="user", content="b's own"))
    log.fork("b", id="c").append(MessageAdded(role="user", content="c's own"))
    log.merge(["b", "c"], into="a")
    listed = []
    for gone in (None, "b", "a", "c"):
        if gone is not None:
            log.delete(gone)
        found = catalog.statistics()
        listed.append((found.sessions.total, found.messages.get("user", 0), found.usage.input_tokens, found.tool_calls))
    assert listed == [(3, 3, 5, 1), (2, 3, 5, 1), (1, 3, 5, 1), (0, 0, 0, 0)]


def test_an_imported_event_is_the_session_s_own(log: EventLog, catalog: Catalog) -> None:
    log.session("a", create=True).append(
        MessageAdded(role="user", content="x"), origin={"format": "claude-code", "record": {"session_id": "z", "seq": 1}}
    )
    assert catalog.statistics().messages == {"user": 1}


def test_deleted_sessions_do_not_count(log: EventLog, catalog: Catalog) -> None:
    fill(log)
    log.session("b").append(SessionDeleted())
    found = catalog.statistics()
    assert (found.sessions.total, found.messages) == (1, {"assistant": 1, "user": 1})


def test_of_one_session_everything_in_it_counts(log: EventLog, catalog: Catalog) -> None:
    fill(log)
    found = catalog.statistics(session_id="b", zone=UTC, now=time("2026-03-04T20:00"))
    assert (found.sessions, found.messages, found.events) == (Sessions(1, 1, 1), {"system": 1}, 4)
    with pytest.raises(SessionNotFound):
        catalog.statistics(session_id="z")


def test_numbers_beyond_reason_do_not_break_the_sums(log: EventLog, catalog: Catalog) -> None:
    with log.session("a", create=True) as session:
        for _ in range(3):
            session.append(UsageRecorded(model="m", input_tokens=2**63 - 1, output_tokens=-5, cost=Cost(amount=1e300)))
    found = catalog.statistics().usage
    assert (found.input_tokens, found.output_tokens, found.cost) == (3 * 2**40, 0, Money(0.0, "USD"))
