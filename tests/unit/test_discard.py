"""Recording switched off: the program runs on, nothing is written, what was recorded stays readable."""

from __future__ import annotations

from pathlib import Path

import pytest

from eventlog import EventLog, Settings
from eventlog.errors import EventTooLarge, InvalidEvent, InvalidSessionId, SessionExists, SessionNotFound
from eventlog.events import MessageAdded, UnknownEvent


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(store=tmp_path / "store", recording=False, max_event_bytes=1000)


def test_a_program_runs_on_and_nothing_is_written(settings: Settings) -> None:
    with EventLog.open(settings=settings) as log:
        session = log.start(title="Debug login")
        assert session.append(MessageAdded(role="user", content="What changed?")) == 2
        assert session.append(MessageAdded(role="user", content="a"), MessageAdded(role="user", content="b"), expected=2, id="x") == 4
        assert session.last_seq == 4
        again = log.session(session.id)
        assert again.append(MessageAdded(role="user", content="c"), expected=4) == 5
        again.resume()
        again.end()
        assert list(again.read()) == []
        assert list(log.session_ids()) == []
        assert log.verify().ok
        with pytest.raises(SessionNotFound):
            log.verify(["s"])
    assert not settings.store.exists()


def test_a_session_can_be_named_and_named_again(settings: Settings) -> None:
    with EventLog.open(settings=settings) as log:
        log.start(id="a")
        assert log.start(id="a").last_seq == 1
        log.session("b", create=True).append(MessageAdded(role="user", content="c"))


def test_what_a_real_log_would_refuse_is_refused(settings: Settings) -> None:
    with EventLog.open(settings=settings) as log:
        session = log.start()
        with pytest.raises(InvalidEvent):
            session.append(MessageAdded(role="user", content="\ud800"))
        with pytest.raises(InvalidEvent):
            session.append(UnknownEvent("segment.sealed", {}))
        with pytest.raises(EventTooLarge):
            session.append(MessageAdded(role="user", content="x" * 1000))
        with pytest.raises(InvalidSessionId):
            log.session("../x", create=True)
        assert session.last_seq == 1


def test_what_was_recorded_before_stays_readable_and_unchanged(settings: Settings) -> None:
    with EventLog.open(settings=settings.replace(recording=True)) as log, log.start(id="a", title="before") as session:
        session.append(MessageAdded(role="user", content="What changed?"))
    before = {path: path.read_bytes() for path in settings.store.rglob("*") if path.is_file()}
    with EventLog.open(settings=settings) as log:
        session = log.session("a")
        assert session.append(MessageAdded(role="user", content="lost")) == 3
        assert [stored.type for stored in session.read()] == ["session.started", "message.added"]
        assert list(log.session_ids()) == ["a"]
        assert log.verify().events == 2
        with pytest.raises(SessionExists):
            log.start(id="a")
    assert {path: path.read_bytes() for path in settings.store.rglob("*") if path.is_file()} == before
