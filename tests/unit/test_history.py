"""What a program took back: which events can be, and which ones an event names."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from eventlog import EventLog, StoredEvent
from eventlog.events import Event, HistoryCleared, HistoryRetracted, MessageAdded, SessionUpdated, UnknownEvent
from eventlog.meaning import history
from eventlog.meaning.history import can_be_taken_back, is_about_the_record, named, taken_back
from eventlog.registry import known_types


def said(text: str) -> MessageAdded:
    return MessageAdded(role="user", content=text)


def last(*events: Event | UnknownEvent, before: int = 9, origin: dict[str, Any] | None = None) -> StoredEvent:
    """The last event of a session in which others come before it."""
    with EventLog.memory() as log:
        session = log.session("s", create=True)
        for number in range(before):
            session.append(said(str(number)))
        session.append(*events, origin=origin)
        return list(session.read())[-1]


@pytest.mark.parametrize(
    ("type", "can"),
    [
        *[(name, True) for name in ("message.added", "message.delta", "message.amended", "message.retracted", "message.pinned")],
        *[(name, True) for name in ("tool.called", "tool.returned", "context.updated", "context.compacted", "shop.rated", "error.shown")],
        *[(name, False) for name in ("session.started", "session.ended", "session.later", "history.retracted", "history.later")],
        *[(name, False) for name in ("usage.recorded", "error.logged", "source.record", "model.changed", "mode.changed", "event.redacted")],
    ],
)
def test_messages_tools_context_and_what_programs_define_can_be_taken_back(type: str, can: bool) -> None:
    assert can_be_taken_back(type) is can


def test_every_type_of_the_vocabulary_is_one_or_the_other_on_purpose() -> None:
    can = {name for name in known_types() if not name.startswith("test") and can_be_taken_back(name) and name.split(".")[0] != "shop"}
    families = {name.split(".")[0] for name in can if known_types()[name].__module__ == "eventlog.events"}
    assert families == {"message", "tool", "context"}


def test_ranges_name_what_is_before_the_event_and_nothing_else() -> None:
    assert list(named(last(HistoryRetracted(ranges=[(2, 3), (8, 99)])))) == [(2, 3), (8, 9)]
    assert list(named(last(HistoryRetracted(ranges=[(3, 2), (-5, 1), (0, 0), (11, 12)])))) == [(1, 1)]
    assert list(named(last(HistoryRetracted(ranges=[])))) == []


def test_clearing_names_all_before_it_or_up_to_a_seq() -> None:
    assert list(named(last(HistoryCleared()))) == [(1, 9)]
    assert list(named(last(HistoryCleared(up_to=4)))) == [(1, 4)]
    assert list(named(last(HistoryCleared(up_to=99)))) == [(1, 9)]
    assert list(named(last(HistoryCleared(up_to=0)))) == []


def test_the_first_event_of_a_session_names_nothing() -> None:
    assert list(named(last(HistoryCleared(), before=0))) == []


def test_no_other_event_names_anything() -> None:
    assert list(named(last(said("x")))) == []
    assert list(named(last(UnknownEvent("history.later", {"ranges": [[1, 2]]})))) == []


def test_a_copy_names_what_its_origin_says() -> None:
    origin = {"session_id": "other", "seq": 3, "ranges": [[5, 6]]}
    assert list(named(last(HistoryCleared(), origin=origin))) == [(5, 6)]
    assert list(named(last(HistoryRetracted(ranges=[(1, 2)]), origin=origin))) == [(5, 6)]
    assert list(named(last(HistoryCleared(), origin=origin | {"ranges": []}))) == []


def test_a_copy_that_was_moved_and_does_not_say_where_to_names_nothing() -> None:
    assert list(named(last(HistoryCleared(), origin={"session_id": "other", "seq": 3}))) == []
    assert list(named(last(HistoryRetracted(ranges=[(1, 2)]), origin={"session_id": "other", "seq": 3}))) == []


def test_a_copy_at_the_place_that_it_had_names_what_its_data_says() -> None:
    assert list(named(last(HistoryRetracted(ranges=[(1, 2)]), origin={"session_id": "other", "seq": 10}))) == [(1, 2)]


def test_an_import_s_origin_is_none_of_a_copy() -> None:
    assert list(named(last(HistoryRetracted(ranges=[(1, 2)]), origin={"format": "codex", "record": {"seq": 1}}))) == [(1, 2)]


@pytest.mark.parametrize("ranges", ["all", {"1": 2}, [[1]], [[1, 2, 3]], [["1", "2"]], [[True, False]], [1, 2], None])
def test_an_origin_of_another_shape_takes_nothing_back(ranges: Any) -> None:
    origin = {"session_id": "other", "seq": 3, "ranges": ranges}
    assert list(named(last(HistoryCleared(), origin=origin))) == []


def test_the_sum_of_several() -> None:
    with EventLog.memory() as log:
        session = log.session("s", create=True)
        session.append(said("1"), said("2"), said("3"), HistoryRetracted(ranges=[(2, 2)]), said("5"), HistoryRetracted(ranges=[(3, 5)]))
        assert list(taken_back(session.read(types=history.TYPES))) == [(2, 5)]


def test_what_is_said_of_the_record_is_no_work() -> None:
    assert is_about_the_record(HistoryCleared())
    assert is_about_the_record(SessionUpdated(title="x"))
    assert is_about_the_record(UnknownEvent("history.later"))
    assert not is_about_the_record(said("x"))
    assert not is_about_the_record(UnknownEvent("shop.rated"))


def test_ranges_are_checked_when_they_are_appended_as_lines() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"ranges":[[1]]}', type=HistoryRetracted)
