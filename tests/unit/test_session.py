from __future__ import annotations

import os
import resource
from datetime import datetime, timedelta, timezone
from pathlib import Path

import msgspec
import pytest

import eventlog
from eventlog import EventLog, Settings
from eventlog.errors import InvalidEvent, SessionNotFound
from eventlog.events import Event, MessageAdded, MessageDelta, SessionEnded, SessionResumed, UnknownEvent
from eventlog.files.backend import FilesBackend
from eventlog.session import draft
from eventlog.testing import CountingDisk

HELLO = MessageAdded(role="user", content="Hello")


def counted(folder: Path) -> tuple[EventLog, CountingDisk]:
    disk = CountingDisk()
    settings = Settings(store=folder / "store")
    return EventLog(FilesBackend.open(settings, disk=disk), settings), disk


def test_a_stored_event_carries_everything() -> None:
    when = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=timezone(timedelta(hours=2)))
    with EventLog.memory() as log:
        session = log.start(id="s")
        session.append(HELLO, time=when, id="k", origin={"from": "x"})
        stored = list(session.read())[1]
    assert (stored.session_id, stored.seq, stored.type, stored.event, stored.id) == ("s", 2, "message.added", HELLO, "k")
    assert stored.time == when
    assert stored.origin == {"from": "x"}
    line = b'{"seq":2,"time":"2026-01-02T01:04:05.000678Z","type":"message.added","data":{"role":"user","content":"Hello"},"id":"k",'
    assert stored.raw.startswith(line + b'"origin":{"from":"x"},"crc":"')


def test_times_have_six_digits_also_when_they_are_zero() -> None:
    with EventLog.memory() as log, log.session("s", create=True) as session:
        session.append(HELLO, time=datetime(2026, 1, 2, tzinfo=timezone.utc))
        session.append(HELLO, time="2026-01-02T03:04:05+01:00")
        assert [stored.raw[9:45] for stored in session.read()] == [
            b'"time":"2026-01-02T00:00:00.000000Z"',
            b'"time":"2026-01-02T02:04:05.000000Z"',
        ]


@pytest.mark.parametrize("when", ["yesterday", "2026-01-02T03:04:05", datetime(2026, 1, 2), "0001-01-01T00:00:00+10:00"])
def test_a_time_that_is_none_is_refused_before_anything_is_written(when: datetime | str) -> None:
    with EventLog.memory() as log, log.session("s", create=True) as session:
        with pytest.raises(InvalidEvent, match=r"give (UTC|ISO 8601)"):
            session.append(HELLO, time=when)
        assert session.last_seq == 0


@pytest.mark.parametrize(
    "event",
    [
        MessageAdded(role="user", content="\ud800"),
        UnknownEvent("x.y", {"x": object()}),
        UnknownEvent("x.y", [1]),
        UnknownEvent("x.y", msgspec.Raw(b"[1]")),
    ],
)
def test_what_is_no_json_object_is_refused_before_anything_is_written(event: UnknownEvent) -> None:
    with EventLog.memory() as log, log.session("s", create=True) as session:
        with pytest.raises(InvalidEvent):
            session.append(HELLO, event)
        assert session.last_seq == 0


def test_raw_json_with_line_breaks_stays_one_line() -> None:
    with EventLog.memory() as log, log.session("s", create=True) as session:
        session.append(UnknownEvent("x.y", msgspec.Raw(b'{"a" : 1e400,\r\n "b":"\\n"}')))
        (stored,) = session.read()
    assert b'"data":{"a":1e400,"b":"\\n"}' in stored.raw
    assert stored.event.data == msgspec.Raw(b'{"a":1e400,"b":"\\n"}')  # there is no such number in Python


def test_only_events_are_taken() -> None:
    with EventLog.memory() as log, log.session("s", create=True) as session:
        with pytest.raises(TypeError, match="append takes events"):
            session.append({"role": "user"})  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="at least one event"):
            session.append()


class Unregistered(Event, frozen=True):
    text: str = ""


@pytest.mark.parametrize("events", [(Unregistered(),), (HELLO, Unregistered())])
def test_an_event_whose_type_has_no_name_is_refused_with_the_remedy(events: tuple[Event, ...]) -> None:
    with EventLog.memory() as log, log.session("s", create=True) as session:
        with pytest.raises(TypeError, match=r'Unregistered is not registered as an event type; put @event_type\("..."\)'):
            session.append(*events)
        assert session.last_seq == 0


def test_a_closed_handle_says_so() -> None:
    with EventLog.memory() as log:
        session = log.start()
        session.close()
        with pytest.raises(ValueError, match="is closed; open it again"):
            session.append(HELLO)
    with pytest.raises(ValueError, match="this log is closed"):
        log.session("s")


def test_end_and_resume_are_events() -> None:
    with EventLog.memory() as log, log.session("s", create=True) as session:
        session.append(HELLO)
        session.end("failed", "no answer")
        session.resume("again")
        with pytest.raises(InvalidEvent, match="completed, failed or abandoned"):
            session.end("done")
        assert [stored.event for stored in session.read(after=1)] == [
            SessionEnded(status="failed", reason="no answer"),
            SessionResumed(reason="again"),
        ]


def test_a_batch_of_drafts_keeps_each_event_s_own_time_and_origin() -> None:
    with EventLog.memory() as log, log.session("s", create=True) as session:
        session.append_envelopes(
            [draft(HELLO, time="2026-01-01T00:00:00Z", origin={"n": 1}, more=True), draft(HELLO, time="2026-01-02T00:00:00Z", id="k")]
        )
        assert [(stored.time.day, stored.origin, stored.id, stored.more) for stored in session.read()] == [
            (1, {"n": 1}, None, True),
            (2, None, "k", False),
        ]


def test_a_draft_happens_now_where_nothing_else_is_said() -> None:
    before = datetime.now(timezone.utc)
    with EventLog.memory() as log, log.session("s", create=True) as session:
        session.append_envelopes([eventlog.draft(HELLO, id="k", origin={"n": 1})])
        session.append_envelopes([eventlog.draft(HELLO, time=before)])
        first, second = session.read()
    assert before <= first.time <= datetime.now(timezone.utc)
    assert (first.id, first.origin, second.time, second.id) == ("k", {"n": 1}, before, None)
    for wrong, error in (({"time": "yesterday"}, InvalidEvent), ({"time": datetime(2026, 1, 1)}, InvalidEvent)):
        with pytest.raises(error):
            eventlog.draft(HELLO, **wrong)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        eventlog.draft("no event")  # type: ignore[arg-type]


def test_what_a_program_holds_says_what_it_is(tmp_path: Path) -> None:
    with EventLog.open(tmp_path / "store") as log, log.start(id="s") as session:
        session.append(HELLO, time="2026-01-02T03:04:05Z")
        assert repr(log) == f"<EventLog {tmp_path / 'store'}>"
        assert repr(session) == "<Session s>"
        with session.tail(1) as one, log.tail(after="end") as everything:
            assert repr(one) == "<Tail of session s at 1>"
            assert repr(everything).startswith("<Tail of all sessions at all.")
        assert repr(one) == "<Tail of session s at 1 closed>"
        assert repr(log.subscribe(print, session="s")) == "<Subscription <Tail of session s at 2>>"
        size = sum(len(stored.raw) + 1 for stored in session.read())
        report = log.verify()
        assert repr(report) == f"<Report ok; 1 sessions, 2 events, {report.bytes:,} bytes>"
        assert report.bytes > size
        (path,) = (tmp_path / "store" / "sessions").rglob("s*.jsonl")
        path.write_bytes(path.read_bytes().replace(b"Hello", b"Hallo"))
        assert repr(log.verify()).startswith("<Report not ok, 1 problems, the first: Problem(session_id='s', segment='")
    assert (repr(log), repr(session)) == (f"<EventLog {tmp_path / 'store'} closed>", "<Session s closed>")
    assert repr(EventLog.memory()) == "<EventLog in memory>"
    assert repr(EventLog.open(settings=Settings(store=tmp_path / "none", recording=False))) == "<EventLog recording is off>"


def test_reading_a_session_that_has_gone_says_so(tmp_path: Path) -> None:
    with EventLog.open(tmp_path / "store") as log, pytest.raises(SessionNotFound, match="no session 'nobody'"):
        log.session("nobody")


# --- what it costs -------------------------------------------------------------------------------------------------------------


def test_an_append_costs_one_write_and_one_sync(tmp_path: Path) -> None:
    log, disk = counted(tmp_path)
    with log, log.start() as session:
        session.append(HELLO)
        disk.reset()
        for _ in range(10):
            session.append(HELLO, HELLO, HELLO)
        assert disk.counts == {"write": 10, "sync": 10}


def test_a_handle_s_first_append_makes_the_name_durable_and_notes_the_session(tmp_path: Path) -> None:
    log, disk = counted(tmp_path)
    with log:
        log.start().close()
        disk.reset()
        session = log.session("s", create=True)
        assert disk.counts == {}
        session.append(HELLO)
        assert disk.counts == {"open": 1, "write": 2, "sync": 1, "sync_directory": 1}


def test_weaker_levels_and_deltas_do_not_sync(tmp_path: Path) -> None:
    log, disk = counted(tmp_path)
    with log, log.start() as session:
        disk.reset()
        session.append(HELLO, sync="never")
        session.append(MessageDelta(message_id="m", content="He"))
        assert disk.counts == {"write": 2}
        session.sync()
        assert disk.counts == {"write": 2, "sync": 1}


def test_opening_a_store_and_reading_it_write_nothing(tmp_path: Path) -> None:
    log, disk = counted(tmp_path)
    with log:
        log.start(id="s")
    log, disk = counted(tmp_path)
    with log:
        assert len(list(log.session("s").read())) == 1
        assert log.session("t", create=True).last_seq == 0
        assert list(log.session_ids()) == ["s"]
        assert log.verify().ok
        assert disk.counts == {}


def test_many_more_handles_than_descriptors_can_be_open(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(map(int, os.listdir("/dev/fd"))) + 64, hard))
    try:
        settings = Settings(max_open_files=32)
        with EventLog.open(tmp_path / "store", sync="never", settings=settings) as log:
            sessions = [log.session(f"s{number}", create=True) for number in range(600)]
            for round_number in range(2):
                assert {session.append(HELLO) for session in sessions} == {round_number + 1}
            assert log.verify().events == 1200
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
