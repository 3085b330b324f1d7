"""Deleted, restored, cleaned up."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from eventlog import EventLog, Settings, errors
from eventlog.events import MessageAdded, SessionDeleted, SessionUpdated
from eventlog.session import Session

DAY = 86400.0


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def log(store: Path) -> EventLog:
    return EventLog.open(store, settings=Settings(compress_after="0", sync="never"))


def start(log: EventLog, name: str, days_old: float, *, file_days_old: float | None = None) -> Session:
    """A session whose last event happened so long ago, in a file that was written so long ago."""
    session = log.session(name, create=True)
    session.append(MessageAdded(role="user", content="x"), time=datetime.now(UTC) - timedelta(days=days_old))
    touch(log, name, days_old if file_days_old is None else file_days_old)
    return session


def touch(log: EventLog, name: str, days_old: float) -> None:
    if log.settings.store.is_dir():
        for path in log.settings.store.rglob(f"{name}*.jsonl"):
            os.utime(path, (time.time() - days_old * DAY,) * 2)


def gone(log: EventLog, older_than_days: float, **options: object) -> list[str]:
    report = log.cleanup(older_than_days * DAY, **options)  # type: ignore[arg-type]
    return [each.session_id for each in report.sessions]


def test_a_deleted_session_takes_no_events_until_it_is_restored(log: EventLog) -> None:
    session = log.start(id="s")
    assert log.delete("s", "why") == 2
    assert log.delete("s", "again") == 2
    assert [stored.event for stored in session.read(after=1)] == [SessionDeleted(reason="why")]
    with pytest.raises(errors.SessionDeleted):
        session.append(MessageAdded(role="user", content="x"))
    with pytest.raises(errors.SessionExists):
        log.start(id="s")
    assert log.restore("s") == 3
    assert session.append(MessageAdded(role="user", content="x")) == 4


def test_only_what_is_deleted_can_be_restored(log: EventLog) -> None:
    log.start(id="s")
    with pytest.raises(errors.NotDeleted, match="eventlog delete s"):
        log.restore("s")
    for call in (log.delete, log.restore):
        with pytest.raises(errors.SessionNotFound):
            call("nobody")


def test_the_same_in_memory() -> None:
    with EventLog.memory() as log:
        log.start(id="s")
        log.delete("s")
        assert [each.session_id for each in log.deleted()] == ["s"]
        log.restore("s")
        assert list(log.deleted()) == []
        assert gone(log, 0) == ["s"]


def test_age_counts_from_the_last_event_or_from_the_import(log: EventLog) -> None:
    start(log, "old", 40)
    start(log, "older", 50)
    start(log, "young", 20)
    start(log, "imported", 40, file_days_old=1)
    assert gone(log, 30, dry_run=True) == ["older", "old"]
    assert list(log.deleted()) == []
    assert gone(log, 30) == ["older", "old"]
    assert sorted(each.session_id for each in log.deleted()) == ["old", "older"]
    assert gone(log, 30) == []


def test_compaction_does_not_make_a_session_younger(log: EventLog) -> None:
    start(log, "old", 40)
    log.compact()
    assert gone(log, 30) == ["old"]


def test_the_newest_are_kept_whatever_their_age(log: EventLog) -> None:
    for days in range(1, 7):
        start(log, f"s{days}", days)
    log.delete("s1")
    assert gone(log, 3.5, keep=3, dry_run=True) == ["s6", "s5"]  # 2, 3 and 4 are the newest that are there
    assert gone(log, 0, keep=100) == []


def test_pinned_sessions_never_go(log: EventLog) -> None:
    for name, pins in (("a", [True]), ("b", [True, False]), ("c", [])):
        session = start(log, name, 40)
        for pin in pins:
            session.append(SessionUpdated(pinned=pin), time=datetime.now(UTC) - timedelta(days=40))
        touch(log, name, 40)
    report = log.cleanup(30 * DAY)
    assert sorted(each.session_id for each in report.sessions) == ["b", "c"]
    assert report.pinned == 1


def test_a_status_chooses_what_goes(log: EventLog) -> None:
    for name, status in (("a", "completed"), ("f", "failed"), ("n", None), ("again", "completed")):
        session = start(log, name, 40)
        if status:
            session.end(status)
        if name == "again":
            session.append(MessageAdded(role="user", content="goes on"))
        session.append(SessionUpdated(title="about the record: changes no status"))
    assert sorted(gone(log, 0, status="completed", dry_run=True)) == ["a"]
    assert sorted(gone(log, 0, status="failed", dry_run=True)) == ["f"]
    assert sorted(gone(log, 0, status="active", dry_run=True)) == ["again", "n"]
    with pytest.raises(errors.InvalidInput, match="active, completed, failed or abandoned"):
        log.cleanup(0, status="deleted")
    with pytest.raises(errors.InvalidInput):
        log.cleanup(-1)


def test_the_report_says_how_much_space_a_purge_frees(log: EventLog, store: Path) -> None:
    start(log, "s", 40)
    size = sum(path.stat().st_size for path in store.rglob("s*.jsonl"))
    report = log.cleanup(30 * DAY, dry_run=True)
    assert (report.bytes, report.sessions[0].size_bytes, report.sessions[0].status, report.dry_run) == (size, size, "active", True)
    assert (datetime.now(UTC) - report.sessions[0].last_written).days == 40
