"""Calls and results find each other by id and by position, and a call that is recorded twice is one call."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from eventlog import EventLog
from eventlog.events import Artifact, Event, MessageAdded, MessageAmended, MessageRetracted, Part, ToolCalled, ToolReturned
from projections import SessionView, replay

T0 = datetime(2026, 11, 21, tzinfo=timezone.utc)


def view_of(*events: Event) -> SessionView:
    with EventLog.memory() as log:
        session = log.session("s1", create=True)
        for index, event in enumerate(events):
            session.append(event, time=T0 + timedelta(milliseconds=250 * index))
        return replay(session.read(), SessionView)


def pairs(*events: Event) -> list[tuple[int | None, int | None, Any]]:
    """Each call as (called_seq, returned_seq, output), then each result that answers none."""
    view = view_of(*events)
    assert view.counts.tool_calls == len(view.tool_calls)
    view = view_of(*events)
    assert all(found.called_seq is None for found in view.orphan_results)
    assert view.counts.tool_calls == len([found for found in view.tool_calls if found.called_seq])
    assert all(call.called_seq is not None for call in view.tool_calls)
    return [(call.called_seq, call.returned_seq, call.output) for call in [*view.tool_calls, *view.orphan_results]]


def call(id: str | None, name: str = "bash", **more: Any) -> ToolCalled:
    return ToolCalled(call_id=id, name=name, **more)


def result(id: str | None, output: Any, name: str | None = None, **more: Any) -> ToolReturned:
    return ToolReturned(call_id=id, output=output, name=name, **more)


def asks(*ids: str | None, message_id: str | None = None, arguments: Any = None) -> MessageAdded:
    """A message that makes a call for each id."""
    parts = [Part(type="tool_call", id=id, name="bash", arguments=arguments) for id in ids]
    return MessageAdded(role="assistant", content=parts, message_id=message_id)


def tells(id: str | None, output: Any, message_id: str | None = None, **more: Any) -> MessageAdded:
    """A message that brings a result."""
    return MessageAdded(role="tool", content=[Part(type="tool_call_response", id=id, response=output, **more)], message_id=message_id)


SAYS = MessageAdded(role="user", content="go on")


def test_a_call_and_its_result_carry_all_that_was_recorded() -> None:
    [found] = view_of(
        call("c1", arguments={"command": "ls"}, message_id="m1"),
        result("c1", "a b", display="2 files", is_error=True, duration_ms=12.5, artifacts=[Artifact(path="out/report.txt")]),
    ).tool_calls
    assert (found.call_id, found.name, found.arguments, found.message_id) == ("c1", "bash", {"command": "ls"}, "m1")
    assert (found.output, found.display, found.is_error, found.duration_ms) == ("a b", "2 files", True, 12.5)
    assert (found.artifacts, found.called_seq, found.returned_seq) == ((Artifact(path="out/report.txt"),), 1, 2)
    assert (found.called_at, found.returned_at) == (T0, T0 + timedelta(milliseconds=250))


def test_a_call_without_a_result_is_open() -> None:
    [found] = view_of(call("c1")).tool_calls
    assert (found.output, found.is_error, found.duration_ms, found.returned_seq) == (None, False, None, None)


def test_a_duration_that_is_not_stated_is_the_time_between_the_events() -> None:
    assert [found.duration_ms for found in view_of(call("a"), call("b"), result("a", 1), result("b", 2)).tool_calls] == [500.0, 500.0]


def test_a_duration_that_would_be_negative_is_unknown() -> None:
    with EventLog.memory() as log:
        session = log.session("s1", create=True)
        session.append(call("a"), time=T0)
        session.append(result("a", 1), time=T0 - timedelta(seconds=1))
        assert replay(session.read(), SessionView).tool_calls[0].duration_ms is None


def test_calls_and_results_in_messages_pair_like_events() -> None:
    view = view_of(asks("a", "b", message_id="m", arguments={"x": 1}), tells("b", "B"), tells("a", "A", is_error=True))
    first, second = view.tool_calls
    assert (first.call_id, first.called_seq, first.returned_seq, first.output, first.is_error) == ("a", 1, 3, "A", True)
    assert (second.call_id, second.called_seq, second.returned_seq, second.output, second.is_error) == ("b", 1, 2, "B", False)
    assert (first.message_id, first.name, first.arguments) == ("m", "bash", {"x": 1})


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        # the same id again and again
        ([call("a"), result("a", 1), call("a"), result("a", 2)], [(1, 2, 1), (3, 4, 2)]),
        ([asks("a"), tells("a", 1), SAYS, asks("a"), tells("a", 2)], [(1, 2, 1), (4, 5, 2)]),
        # in parallel, results in another order
        ([call("a"), call("b"), result("b", 2), result("a", 1)], [(1, 4, 1), (2, 3, 2)]),
        # parallel calls that share an id get their results in order
        ([asks("a", "a"), tells("a", 1), tells("a", 2)], [(1, 2, 1), (1, 3, 2)]),
        ([call("a"), call("a"), result("a", 1), result("a", 2)], [(1, 3, 1), (2, 4, 2)]),
        ([call("a"), call("a"), call("a"), *(result("a", n) for n in (1, 2, 3))], [(1, 4, 1), (2, 5, 2), (3, 6, 3)]),
        # an abandoned call leaves the result to the call of the later turn
        ([asks("a"), SAYS, asks("a"), tells("a", 2)], [(1, None, None), (3, 4, 2)]),
        ([call("a"), SAYS, call("a"), result("a", 2)], [(1, None, None), (3, 4, 2)]),
        # and gets its own if one still comes
        ([call("a"), SAYS, call("a"), result("a", 2), result("a", 1)], [(1, 5, 1), (3, 4, 2)]),
        # a result that answers nothing is kept, apart from the calls
        ([result("a", 1)], [(None, 1, 1)]),
        ([call("a"), result("a", 1), result("a", 2)], [(1, 2, 1), (None, 3, 2)]),
        ([call("a"), result("b", 1)], [(1, None, None), (None, 2, 1)]),
        # without ids: the oldest of the name, or the last
        ([call(None, "x"), call(None, "y"), call(None, "x"), result(None, 1, "x")], [(1, 4, 1), (2, None, None), (3, None, None)]),
        ([call(None, "x"), call(None, "y"), result(None, 1)], [(1, None, None), (2, 3, 1)]),
        ([call(None, "x"), result(None, 1, "other")], [(1, None, None), (None, 2, 1)]),
        ([call(None, "x"), call("a", "x"), result(None, 1, "x"), result("a", 2)], [(1, 3, 1), (2, 4, 2)]),
        # only the result has no id
        ([call("a", "x"), call("b", "y"), result(None, 2, "y"), result(None, 1)], [(1, 4, 1), (2, 3, 2)]),
        ([call("a", "x"), call("b", "y"), result(None, 2)], [(1, None, None), (2, 3, 2)]),
        ([call("", "x"), call("", "y"), result("", 1, "x")], [(1, 3, 1), (2, None, None)]),
    ],
)
def test_results_pair_by_id_and_position(events: list[Event], expected: list[tuple[int | None, int | None, Any]]) -> None:
    assert pairs(*events) == expected


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([asks("a"), call("a"), result("a", 1)], [(1, 3, 1)]),
        ([call("a"), asks("a"), result("a", 1)], [(1, 3, 1)]),
        ([asks("a"), call("a"), result("a", 1), tells("a", 1)], [(1, 3, 1)]),
        ([asks("a"), call("a"), tells("a", 1), result("a", 1)], [(1, 3, 1)]),
        # the messages are written when the tools have run
        ([call("a"), result("a", 1), asks("a"), tells("a", 1)], [(1, 2, 1)]),
        # both kinds, ids that repeat
        (
            [asks("a"), call("a"), result("a", 1), tells("a", 1), asks("a"), call("a"), result("a", 2), tells("a", 2)],
            [(1, 3, 1), (5, 7, 2)],
        ),
        ([asks("a", "a"), call("a"), call("a"), result("a", 1), result("a", 2), tells("a", 1), tells("a", 2)], [(1, 4, 1), (1, 5, 2)]),
        ([asks("a", "a"), result("a", 1), tells("a", 1), result("a", 2), tells("a", 2)], [(1, 2, 1), (1, 4, 2)]),
        ([asks("a"), SAYS, asks("a"), call("a"), result("a", 2)], [(1, None, None), (3, 5, 2)]),
        # a third record is another call
        ([asks("a"), call("a"), call("a"), result("a", 1)], [(1, 4, 1), (3, None, None)]),
        # an answered call of a former turn is another one
        ([call("a"), result("a", 1), SAYS, asks("a"), tells("a", 2)], [(1, 2, 1), (4, 5, 2)]),
    ],
)
def test_a_call_that_is_recorded_as_event_and_as_part_is_one_call(
    events: list[Event], expected: list[tuple[int | None, int | None, Any]]
) -> None:
    assert pairs(*events) == expected


def test_the_second_record_fills_in_what_the_first_left_open() -> None:
    [found] = view_of(
        call("a"),
        asks("a", message_id="m", arguments={"x": 1}),
        tells("a", None),
        result("a", "out", duration_ms=7.0, display="shown", is_error=True),
    ).tool_calls
    assert (found.message_id, found.arguments, found.output, found.duration_ms) == ("m", {"x": 1}, "out", 7.0)
    assert (found.display, found.is_error, found.returned_seq) == ("shown", True, 3)


def test_a_second_record_belongs_to_the_latest_turn() -> None:
    first, second = view_of(asks("a"), SAYS, asks("a"), call("a", arguments={"x": 1})).tool_calls
    assert (first.arguments, second.arguments) == (None, {"x": 1})


def test_an_amended_message_corrects_its_calls_and_results_and_adds_new_ones() -> None:
    view = view_of(
        asks("a", "b", message_id="m"),
        tells("a", "wrong", message_id="r"),
        MessageAmended(
            message_id="m",
            content=[
                Part(type="tool_call", id="a", name="grep", arguments={"fixed": True}),
                Part(type="tool_call", id="c", name="ls"),
            ],
        ),
        MessageAmended(message_id="r", content=[Part(type="tool_call_response", id="a", response="right", is_error=True)]),
    )
    assert [(found.call_id, found.name, found.arguments, found.output, found.called_seq) for found in view.tool_calls] == [
        ("a", "grep", {"fixed": True}, "right", 1),
        ("b", "bash", None, None, 1),
        ("c", "ls", None, None, 3),
    ]
    assert view.tool_calls[0].is_error is True


def test_the_calls_of_a_retracted_message_have_still_happened() -> None:
    assert pairs(asks("a", message_id="m"), MessageRetracted(message_id="m"), result("a", 1)) == [(1, 3, 1)]
