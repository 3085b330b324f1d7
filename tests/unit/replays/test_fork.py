"""A fork is its source up to a seq, copied as it stands."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from eventlog import EventLog, Session, Settings
from eventlog.errors import Damaged, InvalidInput, SessionDeleted, SessionExists, SessionNotFound
from eventlog.events import MessageAdded, MessageDelta, Part, SessionStarted, ToolCalled, ToolReturned, UnknownEvent, UsageRecorded
from eventlog.events import SessionDeleted as Deleted
from eventlog.meaning.copies import innermost
from projections import SessionView, replay


def conversation(log: EventLog, id: str = "s") -> Session:
    session = log.start(id=id, title="Debug login")
    session.append(MessageAdded(role="user", content="What changed?", message_id="m1"))  # 2
    session.append(MessageAdded(role="assistant", content="Looking.", message_id="m2"))  # 3
    session.append(ToolCalled(name="git", call_id="c1"))  # 4
    session.append(UsageRecorded(message_id="m2", output_tokens=3), ToolReturned(call_id="c1", output="the cookie"))  # 5, 6
    session.append(MessageAdded(role="assistant", content="The cookie.", message_id="m3"))  # 7
    results = [Part(type="tool_call_response", id="c1", response="again")]
    session.append(MessageAdded(role="user", content=results, message_id="m4"))  # 8: nothing but a result begins no turn
    session.append(MessageAdded(role="user", content="Fix it", message_id="m5"))  # 9
    return session


def raw_data(session: Session, seq: int) -> str:
    [stored] = session.read(after=seq - 1, before=seq + 1)
    return bytes(msgspec.json.decode(stored.raw, type=dict[str, msgspec.Raw])["data"]).decode()


@pytest.mark.parametrize(
    ("where", "seq"),
    [
        ({}, 9),
        ({"at": 4}, 4),
        ({"message": "m2"}, 5),
        ({"message": "m5"}, 9),
        ({"call": "c1"}, 8),
        ({"turn": 1}, 8),
        ({"turn": "m1"}, 8),
        ({"turn": 2}, 9),
        ({"turn": "m5"}, 9),
    ],
)
def test_a_fork_ends_where_it_was_asked_to(where: dict[str, int | str], seq: int) -> None:
    with EventLog.memory() as log:
        conversation(log)
        fork = log.fork("s", **where)  # type: ignore[arg-type]
        assert fork.last_seq == seq
        assert replay(fork.read(), SessionView).parent == {"session_id": "s", "seq": seq, "relation": "fork"}


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ({"at": 10}, "session 's' has the events 1 to 9, not 10; fork it at one of these"),
        ({"at": 0}, "session 's' has the events 1 to 9, not 0; fork it at one of these"),
        ({"message": "m9"}, "session 's' has no message 'm9'; `eventlog cat s` shows what it has"),
        ({"call": "c9"}, "session 's' has no tool call 'c9'; `eventlog cat s` shows what it has"),
        ({"turn": 3}, "session 's' has no turn 3; `eventlog cat s` shows what it has"),
        ({"turn": "m4"}, "session 's' has no turn 'm4'; `eventlog cat s` shows what it has"),
    ],
)
def test_a_place_that_is_not_there_is_refused_before_anything_is_written(where: dict[str, int | str], message: str) -> None:
    with EventLog.memory() as log:
        conversation(log)
        with pytest.raises(InvalidInput) as caught:
            log.fork("s", **where)  # type: ignore[arg-type]
        assert str(caught.value) == message
        assert list(log.session_ids()) == ["s"]


def test_two_places_at_once_are_a_mistake_of_the_program() -> None:
    with EventLog.memory() as log:
        conversation(log)
        with pytest.raises(TypeError, match="one of at, message, turn and call"):
            log.fork("s", 3, message="m1")


def test_what_this_version_does_not_know_goes_along() -> None:
    with EventLog.memory() as log:
        session = log.session("s", create=True)
        session.append(UnknownEvent("session.started", {"title": "T", "mood": {"a": 1.50}}))
        session.append(UnknownEvent("message.added", msgspec.Raw(b'{"role":"user","content":"x","tone":[1e400]}'), 3))
        fork = log.fork("s")
        first, second = fork.read()
        assert raw_data(fork, 1) == '{"title":"T","mood":{"a":1.5},"parent":{"session_id":"s","seq":2,"relation":"fork"}}'
        assert raw_data(fork, 2) == '{"role":"user","content":"x","tone":[1e400]}'
        assert b',"v":3,' in second.raw
        assert isinstance(first.event, SessionStarted)


def test_origins_nest_and_keys_stay_where_they_were_used() -> None:
    with EventLog.memory() as log:
        session = log.start(id="s")
        session.append(MessageAdded(role="user", content="x"), id="retry-1", origin={"format": "f", "record": {"a": 1}})
        log.fork("s", id="f")
        fork = log.fork("f", id="g")
        stored = list(fork.read())[1]
        assert stored.origin == {
            "session_id": "f",
            "seq": 2,
            "origin": {"session_id": "s", "seq": 2, "origin": {"format": "f", "record": {"a": 1}}},
        }
        assert bytes(innermost(stored.origin_raw) or b"") == b'{"format":"f","record":{"a":1}}'
        assert stored.id is None


def test_a_fork_starts_at_the_time_of_its_last_copied_event() -> None:
    with EventLog.memory() as log:
        session = log.session("s", create=True)
        for second, event in [(5, SessionStarted(title="T")), (3, MessageAdded(role="user", content="x")), (9, MessageDelta("m", "y"))]:
            session.append(event, time=f"2026-01-02T00:00:0{second}Z")
        assert [stored.time.second for stored in log.fork("s", 3).read()] == [9, 3, 9]
        assert [stored.time.second for stored in log.fork("s", 2).read()] == [5, 3]


def test_a_fork_within_an_append_ends_it_there() -> None:
    with EventLog.memory() as log:
        conversation(log)
        assert [stored.more for stored in log.fork("s", 6).read()] == [False, False, False, False, True, False]
        assert [stored.more for stored in log.fork("s", 5).read()] == [False] * 5


def test_a_fork_that_is_there_is_returned_and_another_session_is_not_touched() -> None:
    with EventLog.memory() as log:
        conversation(log)
        fork = log.fork("s", 4, id="f")
        fork.append(MessageAdded(role="user", content="on its own way"))
        assert log.fork("s", 4, id="f").last_seq == 5
        for at in (3, 5):
            with pytest.raises(SessionExists):
                log.fork("s", at, id="f")
        with pytest.raises(SessionExists):
            log.fork("f", 4, id="s")
        assert (log.session("f").last_seq, log.session("s").last_seq) == (5, 9)


def test_a_deleted_session_is_forked_only_where_that_is_said() -> None:
    with EventLog.memory() as log:
        session = conversation(log)
        session.append(Deleted())
        with pytest.raises(SessionDeleted):
            log.fork("s")
        assert log.fork("s", 9).last_seq == 9
        with pytest.raises(SessionNotFound):
            log.fork("nobody")


def test_the_seqs_that_compaction_left_out_stay_taken(tmp_path: Path) -> None:
    with EventLog.open(tmp_path / "store", sync="never") as log:
        session = log.start(id="s")
        session.append(MessageAdded(role="user", content="x", message_id="m1"))
        for piece in "abc":
            session.append(MessageDelta(message_id="m2", content=piece))
        session.append(MessageAdded(role="assistant", content="abc", message_id="m2"))
        session.end()
        log.compact(drop_deltas=True)
        here = {stored.seq: stored.type for stored in session.read()}
        assert 4 not in here
        fork = log.fork("s", 6)
        there = list(fork.read())
        assert [stored.seq for stored in there] == [1, 2, 3, 4, 5, 6]
        assert {stored.seq: stored.type for stored in there if stored.seq in here} == {seq: here[seq] for seq in here if seq <= 6}
        assert {stored.type for stored in there if stored.seq not in here} == {"session.compacted"}
        shown = [(message.seq, message.parts) for message in replay(fork.read(), SessionView).messages]
        assert shown == [(message.seq, message.parts) for message in replay(session.read(), SessionView).messages]


def test_damage_is_not_copied_unless_it_is_to_be_left_out(tmp_path: Path) -> None:
    settings = Settings(store=tmp_path / "store", sync="never")
    with EventLog.open(settings=settings) as log:
        session = log.start(id="s")
        for number in range(5):
            session.append(MessageAdded(role="user", content=f"text {number}"))
    [file] = (tmp_path / "store" / "sessions").rglob("s.jsonl")
    data = file.read_bytes()
    file.write_bytes(data.replace(b"text 1", b"text X"))
    with EventLog.open(settings=settings) as log:
        with pytest.raises(Damaged):
            log.fork("s", 5, id="f")
        fork = log.fork("s", 5, id="f", on_damage="skip")  # what was begun is finished
        assert [stored.type for stored in fork.read()][2] == "session.compacted"
        assert [stored.seq for stored in fork.read()] == [1, 2, 3, 4, 5]


def test_a_session_whose_beginning_is_damaged_is_forked_with_a_new_one(tmp_path: Path) -> None:
    settings = Settings(store=tmp_path / "store", sync="never")
    with EventLog.open(settings=settings) as log:
        session = log.start(id="s", title="lost")
        for number in range(3):
            session.append(MessageAdded(role="user", content=f"text {number}"))
    [file] = (tmp_path / "store" / "sessions").rglob("s.jsonl")
    file.write_bytes(file.read_bytes().replace(b"lost", b"LOST"))
    with EventLog.open(settings=settings) as log:
        view = replay(log.fork("s", 4, on_damage="skip").read(), SessionView)
        assert view.title is None
        assert [message.seq for message in view.messages] == [2, 3, 4]


def test_of_a_purged_session_there_is_nothing_to_fork(tmp_path: Path) -> None:
    with EventLog.open(tmp_path / "store") as log:
        conversation(log)
        log.purge("s", now=True)
        with pytest.raises(InvalidInput, match="session 's' has nothing left up to event 1; `eventlog cat s`"):
            log.fork("s", at=1)
        assert list(log.session_ids()) == ["s"]
