"""What a compaction may leave out because it was taken back, and that no view tells the difference."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import msgspec

from eventlog import EventLog, Session
from eventlog.events import (
    Event,
    HistoryCleared,
    HistoryRetracted,
    MessageAdded,
    MessageDelta,
    SessionCompacted,
    SessionStarted,
    ToolCalled,
    UsageRecorded,
)
from eventlog.meaning.history import TakenBack
from projections import Catalog, SessionView, replay
from projections.catalog.cost import NO_PRICES

NOON = datetime(2026, 3, 2, 12, tzinfo=timezone.utc)


def said(text: str, id: str | None = None) -> MessageAdded:
    return MessageAdded(role="user", content=text, message_id=id)


def record(log: EventLog, *events: Event, minutes: list[int] | None = None) -> Session:
    session = log.session("s", create=True)
    session.append(SessionStarted(title="T"), time=NOON - timedelta(minutes=1))
    for number, event in enumerate(events):
        offset = number if minutes is None else minutes[number]
        session.append(event, time=NOON + timedelta(minutes=offset))
    return session


def can_go(session: Session) -> list[tuple[int, int]]:
    found = TakenBack()
    for stored in session.read():
        found.observe(stored)
    return list(found.seqs())


def in_memory(*events: Event, minutes: list[int] | None = None) -> list[tuple[int, int]]:
    with EventLog.memory() as log:
        return can_go(record(log, *events, minutes=minutes))


def test_what_was_taken_back_can_go_and_what_says_so_stays() -> None:
    assert in_memory(said("a"), said("b"), HistoryRetracted(ranges=[(2, 2)]), said("c")) == [(2, 2)]
    assert in_memory(said("a"), said("b"), HistoryCleared(), said("c")) == [(2, 3)]


def test_what_is_never_taken_back_stays() -> None:
    assert in_memory(said("a"), UsageRecorded(input_tokens=1), ToolCalled(name="git"), HistoryCleared(), said("c")) == [(2, 2), (4, 4)]


def test_the_event_of_the_latest_time_stays_because_the_session_was_last_worked_on_then() -> None:
    assert in_memory(said("a"), said("b"), said("c"), HistoryCleared(), minutes=[1, 9, 2, 3]) == [(2, 2), (4, 4)]


def test_the_first_event_stays_because_the_session_began_then() -> None:
    with EventLog.memory() as log:
        session = log.session("s", create=True)
        session.append(said("a"), said("b"), HistoryCleared(), said("c"))
        assert can_go(session) == [(2, 2)]


def test_an_event_with_a_key_stays_for_the_retry_of_its_append() -> None:
    with EventLog.memory() as log:
        session = log.start(id="s")
        session.append(said("a"), said("b"), id="k")
        session.append(HistoryCleared(), said("c"))
        assert can_go(session) == [(2, 2)]


def everything(log: EventLog) -> list[Any]:
    """The view but for what a compaction adds to it, and what can be found."""
    view = msgspec.to_builtins(replay(log.session("s").read(), SessionView))
    del view["counts"]["events"]
    with Catalog.open(log, prices=NO_PRICES) as catalog:
        item = msgspec.to_builtins(catalog.list().items[0])
        hits = [hit.seq for word in ("alpha", "beta", "gamma", "delta") for hit in catalog.search(word).items]
        del item["events"], item["size_bytes"]
        return [view, item, hits]


def test_no_view_changes_when_it_is_left_out_and_the_bytes_are_gone(tmp_path: Path) -> None:
    with EventLog.open(tmp_path / "store") as log:
        session = record(log, said("alpha"), said("beta", "m1"), HistoryRetracted(ranges=[(2, 3)]), said("gamma"), said("delta"))
        session.append(HistoryRetracted(ranges=[(6, 6)]), time=NOON)
        before = everything(log)
        session.close()
        foreseen = log.compact(drop_retracted=True, idle_s=0, dry_run=True)
        report = log.compact(drop_retracted=True, idle_s=0)
        assert (foreseen.left_out, report.left_out, report.skipped) == (2, 2, [])
        assert everything(log) == before
        assert before[2] == [5]
        seqs = [stored.seq for stored in log.session("s").read()]
        assert seqs == [1, 4, 5, 6, 7, 8]  # 6 was worked on last, 8 says what was left out
        last = list(log.session("s").read())[-1].event
        assert last == SessionCompacted(left_out=[(2, 3)], reason="what was taken back was left out")
        assert log.verify().ok
        assert log.compact(drop_retracted=True, idle_s=0).left_out == 0


def test_the_deltas_of_a_message_whose_whole_was_taken_back_stay(tmp_path: Path) -> None:
    delta = MessageDelta(message_id="m1", content="so ")
    with EventLog.open(tmp_path / "store") as log:
        record(log, delta, delta, said("so far", "m1"), HistoryRetracted(ranges=[(4, 4)]), said("x")).close()
        before = everything(log)
        assert before[0]["messages"][0]["parts"] == [{"type": "text", "content": "so so "}]
        report = log.compact(drop_deltas=True, drop_retracted=True, idle_s=0)
        assert report.left_out == 1
        assert everything(log) == before


def test_what_was_copied_or_imported_stays_because_it_would_be_brought_again() -> None:
    with EventLog.memory() as log:
        session = log.session("s", create=True)
        session.append(said("a"), said("b"))
        session.append(said("c"), origin={"format": "codex", "record": {}})
        session.append(said("d"), origin={"session_id": "other", "seq": 4})
        session.append(HistoryCleared(), said("e"))
        assert can_go(session) == [(2, 2)]


def test_what_was_left_out_does_not_come_back_with_a_fork(tmp_path: Path) -> None:
    with EventLog.open(tmp_path / "store") as log:
        session = record(log, said("alpha"), said("beta"), said("gamma"))
        log.fork("s", id="fork").close()
        session.append(HistoryRetracted(ranges=[(2, 3)]), said("delta"))
        session.close()
        log.compact(["s"], drop_retracted=True, idle_s=0)
        assert [stored.seq for stored in log.session("s").read()][:3] == [1, 4, 5]
        both = replay(log.merge(["s", "fork"]).read(), SessionView)
        assert [message.parts[0]["content"] for message in both.messages] == ["gamma", "delta"]
        again = replay(log.merge(["fork"], into="s").read(), SessionView)
        assert [message.parts[0]["content"] for message in again.messages] == ["gamma", "delta"]
