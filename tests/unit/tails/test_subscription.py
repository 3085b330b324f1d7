from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from eventlog import EventLog, Settings, StoredEvent
from eventlog.errors import Damaged, SessionNotFound
from eventlog.files.backend import FilesBackend
from eventlog.files.disk import Disk
from eventlog.files.layout import Layout, last_name
from tests.tails import PATIENCE_S, leaving_nothing_open, note


@pytest.fixture(autouse=True)
def _nothing_stays_open() -> Iterator[None]:
    with leaving_nothing_open():
        yield


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(store=tmp_path / "store", poll_interval_ms=60_000)


@pytest.fixture(params=["files", "memory"])
def log(request: pytest.FixtureRequest, settings: Settings) -> Iterator[EventLog]:
    with EventLog.memory(settings) if request.param == "memory" else EventLog.open(settings=settings) as log:
        yield log


def test_a_subscriber_is_told_of_the_start_the_events_and_the_end(log: EventLog) -> None:
    log.start(id="before")
    told: list[StoredEvent] = []
    unsubscribe = log.subscribe(told.append)
    session = log.start(id="a")
    session.append(note("1"), note("2"))
    session.end()
    unsubscribe()
    assert [(stored.session_id, stored.seq, stored.type) for stored in told] == [
        ("a", 1, "session.started"),
        ("a", 2, "message.added"),
        ("a", 3, "message.added"),
        ("a", 4, "session.ended"),
    ]


def test_a_subscriber_hears_of_one_session_and_of_some_types_alone(log: EventLog) -> None:
    one = log.start(id="one")
    told: list[StoredEvent] = []
    unsubscribe = log.subscribe(told.append, types=["message.added"], session="one")
    one.append(note())
    log.start(id="two").append(note())
    one.end()
    unsubscribe()
    assert [(stored.session_id, stored.seq) for stored in told] == [("one", 2)]


def test_after_unsubscribing_nothing_is_told(log: EventLog) -> None:
    told: list[StoredEvent] = []
    unsubscribe = log.subscribe(told.append)
    unsubscribe()
    unsubscribe()
    log.start()
    assert told == []


def test_a_subscriber_that_raises_is_reported_and_harms_nobody(log: EventLog, caplog: pytest.LogCaptureFixture) -> None:
    told: list[StoredEvent] = []

    def broken(stored: StoredEvent) -> None:
        raise LookupError("I am broken")

    ends = [log.subscribe(broken), log.subscribe(told.append)]
    session = log.start(id="a")
    assert session.append(note()) == 2
    for unsubscribe in ends:
        unsubscribe()
    assert [stored.seq for stored in told] == [1, 2]
    assert [record.getMessage() for record in caplog.records] == [
        "a subscriber failed at event 1 of session a",
        "a subscriber failed at event 2 of session a",
    ]
    assert all(record.levelno == logging.ERROR and record.exc_info for record in caplog.records)


def test_whoever_asks_for_the_errors_gets_them(log: EventLog, caplog: pytest.LogCaptureFixture) -> None:
    errors: list[tuple[str, StoredEvent | None]] = []

    def broken(stored: StoredEvent) -> None:
        raise LookupError(f"broken at {stored.seq}")

    unsubscribe = log.subscribe(broken, on_error=lambda error, stored: errors.append((str(error), stored)))
    log.start(id="a")
    unsubscribe()
    assert [(message, stored.seq) for message, stored in errors if stored is not None] == [("broken at 1", 1)]
    assert caplog.records == []


def test_a_subscriber_may_end_itself(log: EventLog) -> None:
    told: list[int] = []
    ended = threading.Event()

    def once(stored: StoredEvent) -> None:
        told.append(stored.seq)
        unsubscribe()
        ended.set()

    unsubscribe = log.subscribe(once)
    log.start(id="a")
    assert ended.wait(PATIENCE_S)
    unsubscribe._thread.join(PATIENCE_S)
    log.session("a").append(note())
    assert told == [1]


def test_a_subscriber_may_append(log: EventLog) -> None:
    told: list[tuple[str, int]] = []
    both = threading.Event()

    def answer(stored: StoredEvent) -> None:
        told.append((stored.type, stored.seq))
        if stored.seq == 2:
            log.session(stored.session_id).append(note("an answer"))
        elif stored.seq == 3:
            both.set()

    unsubscribe = log.subscribe(answer, types=["message.added"])
    log.start(id="a").append(note("a question"))
    assert both.wait(PATIENCE_S)
    unsubscribe()
    assert told == [("message.added", 2), ("message.added", 3)]


def test_a_subscriber_may_close_the_log_and_the_others_still_get_what_was_acknowledged(log: EventLog) -> None:
    told: list[int] = []
    closed = threading.Event()

    def last(stored: StoredEvent) -> None:
        log.close()
        closed.set()

    log.subscribe(lambda stored: told.append(stored.seq))
    closing = log.subscribe(last)
    log.start(id="a")
    assert closed.wait(PATIENCE_S)
    closing._thread.join(PATIENCE_S)
    assert told == [1]
    with pytest.raises(ValueError, match="closed"):
        log.start()


def test_closing_the_log_delivers_what_is_left(settings: Settings) -> None:
    told: list[int] = []
    with EventLog.open(settings=settings) as log:
        log.subscribe(lambda stored: told.append(stored.seq))
        session = log.start(id="a")
        for _ in range(50):
            session.append(note(), sync="never")
    assert told == list(range(1, 52))


def test_a_subscriber_is_told_of_what_another_process_would_append_too(settings: Settings) -> None:
    told: list[tuple[str, int]] = []
    with EventLog.open(settings=settings) as log, EventLog.open(settings=settings) as other:
        unsubscribe = log.subscribe(lambda stored: told.append((stored.session_id, stored.seq)))
        other.start(id="theirs")
        unsubscribe()
    assert told == [("theirs", 1)]


class HeldDisk(Disk):
    """Syncs when it is let."""

    def __init__(self) -> None:
        self.free = threading.Event()
        self.asked = threading.Event()

    def sync(self, fd: int) -> None:
        self.asked.set()
        assert self.free.wait(PATIENCE_S)
        super().sync(fd)


@pytest.mark.parametrize("exclusive", [False, True])
def test_nothing_is_told_before_it_is_acknowledged(settings: Settings, exclusive: bool) -> None:
    disk = HeldDisk()
    disk.free.set()
    told = threading.Event()
    with EventLog(FilesBackend.open(settings, disk=disk), settings) as log:
        log.start(id="a").close()
        session = log.session("a", exclusive=exclusive)
        with session.tail(after="end") as tail:
            unsubscribe = log.subscribe(lambda stored: told.set())
            disk.free.clear()
            appending = threading.Thread(target=session.append, args=[note()])
            appending.start()
            assert tail.wait(PATIENCE_S)  # a tail does not wait for the disk
            assert not told.wait(0.2)
            disk.free.set()
            assert told.wait(PATIENCE_S)
            appending.join()
            unsubscribe()
        session.close()


def test_damage_ends_a_subscription_and_is_reported(settings: Settings) -> None:
    errors: list[tuple[Exception, object]] = []
    with EventLog.open(settings=settings) as log:
        session = log.session("a", create=True)
        session.append(note())
        unsubscribe = log.subscribe(lambda stored: None, on_error=lambda error, stored: errors.append((error, stored)))
        path = Path(Layout(settings.store).path(last_name("a", 1)))
        path.write_bytes(path.read_bytes() + b"this is no event\n" * 50)
        unsubscribe()
    (error, stored) = errors[0]
    assert isinstance(error, Damaged)
    assert stored is None


def test_a_session_that_is_not_there_cannot_be_subscribed_to(log: EventLog) -> None:
    with pytest.raises(SessionNotFound):
        log.subscribe(print, session="nobody")
