"""The tool history: every call with its result, from both directions."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from eventlog import EventLog
from eventlog.errors import SessionNotFound
from eventlog.events import Artifact, MessageAdded, MessageAmended, Part, SessionDeleted, ToolCalled, ToolReturned
from projections import Catalog
from projections.catalog.cost import NO_PRICES

NOON = datetime(2026, 3, 2, 12, tzinfo=timezone.utc)


@pytest.fixture
def log() -> Iterator[EventLog]:
    with EventLog.memory() as log:
        yield log


@pytest.fixture
def catalog(log: EventLog) -> Iterator[Catalog]:
    with Catalog.open(log, prices=NO_PRICES) as catalog:
        yield catalog


def record(log: EventLog, session_id: str, *events: Any, seconds: int = 0) -> None:
    for number, event in enumerate(events):
        log.session(session_id, create=True).append(event, time=NOON + timedelta(seconds=seconds + number))


def test_a_call_has_its_arguments_result_and_duration(log: EventLog, catalog: Catalog) -> None:
    record(
        log,
        "s",
        ToolCalled(name="Bash", arguments={"command": "ls"}, call_id="1", message_id="m"),
        ToolReturned(call_id="1", output="a\nb", display="two files", is_error=True, artifacts=[Artifact(path="/x")]),
    )
    [item] = catalog.tools().items
    assert (item.session_id, item.called_seq, item.returned_seq, item.call_id, item.message_id) == ("s", 1, 2, "1", "m")
    assert (item.name, item.arguments, item.output, item.display) == ("Bash", {"command": "ls"}, "a\nb", "two files")
    assert (item.is_error, item.duration_ms, item.called_at, item.returned_at) == (True, 1000.0, NOON, NOON + timedelta(seconds=1))
    assert [artifact.path for artifact in item.artifacts] == ["/x"]


def test_calls_in_messages_are_calls_too_and_an_amendment_corrects_them(log: EventLog, catalog: Catalog) -> None:
    calls = [Part(type="tool_call", id=str(number), name="Read", arguments=number) for number in range(3)]
    record(log, "s", MessageAdded(role="assistant", content=calls, message_id="m"))
    record(log, "s", MessageAdded(role="tool", content=[Part(type="tool_call_response", id="1", response="one")]))
    record(log, "s", MessageAmended(message_id="m", content=[Part(type="tool_call", id="0", name="Write", arguments="new")]))
    assert [(item.name, item.arguments, item.output) for item in catalog.tools(session_id="s").items] == [
        ("Write", "new", None),
        ("Read", 1, "one"),
        ("Read", 2, None),
    ]


def test_both_directions_are_one_question(log: EventLog, catalog: Catalog) -> None:
    record(log, "a", ToolCalled(name="Bash", call_id="1"), ToolReturned(call_id="1", output="x"), seconds=0)
    record(log, "b", ToolCalled(name="Read", call_id="1"), ToolCalled(name="Bash", call_id="2"), seconds=10)
    record(log, "gone", ToolCalled(name="Bash"), SessionDeleted(), seconds=20)
    assert [(item.session_id, item.name) for item in catalog.tools().items] == [("b", "Bash"), ("b", "Read"), ("a", "Bash")]
    assert [item.name for item in catalog.tools(session_id="b").items] == ["Read", "Bash"]
    assert [item.session_id for item in catalog.tools(name="Bash").items] == ["b", "a"]
    assert [item.session_id for item in catalog.tools(name="Bash", open=True).items] == ["b"]
    assert [item.session_id for item in catalog.tools(open=False).items] == ["a"]
    assert catalog.tools(failed=True).total == 0
    assert catalog.tools(session_id="gone").total == 1
    with pytest.raises(SessionNotFound):
        catalog.tools(session_id="z")


def test_a_result_may_come_long_after_and_in_another_catch_up(log: EventLog, catalog: Catalog) -> None:
    record(log, "s", ToolCalled(name="Slow", call_id="1"))
    assert catalog.tools(open=True).total == 1
    record(log, "s", *[MessageAdded(role="user", content="x")] * 500)
    assert catalog.tools(open=True).total == 1
    record(log, "s", ToolReturned(call_id="1", output="at last", duration_ms=7))
    [item] = catalog.tools().items
    assert (item.output, item.duration_ms, item.returned_seq) == ("at last", 7.0, 502)


def test_a_result_without_a_call_is_no_call(log: EventLog, catalog: Catalog) -> None:
    record(log, "s", ToolReturned(call_id="9", output="lost"))
    assert catalog.tools().total == 0
    assert catalog.list().items[0].tool_calls == 0


def test_a_result_answers_the_latest_turn_and_there_the_oldest_call_of_its_id(log: EventLog, catalog: Catalog) -> None:
    def results() -> list[Any]:
        return [item.output for item in catalog.tools(session_id="s").items]

    record(log, "s", ToolCalled(name="T", call_id="x"))  # abandoned
    record(log, "s", MessageAdded(role="user", content="again"))
    record(log, "s", ToolCalled(name="T", call_id="x"), ToolCalled(name="T", call_id="x"))
    assert results() == [None, None, None]
    record(log, "s", ToolReturned(call_id="x", output="first"))
    assert results() == [None, "first", None]
    record(log, "s", ToolReturned(call_id="x", output="second"))
    assert results() == [None, "first", "second"]
    record(log, "s", ToolReturned(call_id="x", output="late"))
    assert results() == ["late", "first", "second"]


def test_results_without_an_id_are_paired_by_name_and_position(log: EventLog, catalog: Catalog) -> None:
    record(log, "s", ToolCalled(name="A", arguments=1), ToolCalled(name="B", arguments=2), ToolCalled(name="A", arguments=3))
    catalog.tools()
    record(log, "s", ToolReturned(name="A", output="first A"), ToolReturned(output="the last"), ToolReturned(output="the one left"))
    assert [(item.arguments, item.output) for item in catalog.tools(session_id="s").items] == [
        (1, "first A"),
        (2, "the one left"),
        (3, "the last"),
    ]


def test_a_call_that_is_told_of_by_an_event_and_by_its_message_is_one(log: EventLog, catalog: Catalog) -> None:
    record(log, "s", ToolCalled(name="T", call_id="x"))
    catalog.tools()
    record(log, "s", MessageAdded(role="assistant", content=[Part(type="tool_call", id="x", name="T", arguments="given")], message_id="m"))
    record(log, "s", ToolReturned(call_id="x", output="y"))
    record(log, "s", MessageAdded(role="tool", content=[Part(type="tool_call_response", id="x", response="y")]))
    [item] = catalog.tools().items
    assert (item.called_seq, item.arguments, item.message_id, item.output) == (1, "given", "m", "y")
    assert catalog.list().items[0].tool_calls == 1


def test_a_message_tells_of_the_call_of_the_latest_turn(log: EventLog, catalog: Catalog) -> None:
    for _ in range(2):
        record(log, "s", ToolCalled(name="T", call_id="x"), MessageAdded(role="user", content="turn"))
    record(log, "s", MessageAdded(role="assistant", content=[Part(type="tool_call", id="x", name="T", arguments="given")]))
    assert [item.arguments for item in catalog.tools(session_id="s").items] == [None, "given"]


@pytest.mark.parametrize("session_id", [None, "s"])
def test_pages_hold_every_call_once(log: EventLog, catalog: Catalog, session_id: str | None) -> None:
    parts = [Part(type="tool_call", id=str(number), name="T", arguments=number) for number in range(5)]
    record(log, "s", MessageAdded(role="assistant", content=parts))
    found, cursor = [], None
    for _ in range(3):
        page = catalog.tools(session_id=session_id, limit=2, after=cursor)
        found += [item.arguments for item in page.items]
        cursor = page.next
        assert page.total == 5
    assert (sorted(found), cursor) == ([0, 1, 2, 3, 4], None)


def test_a_call_is_found_by_its_id_whatever_its_session(log: EventLog, catalog: Catalog) -> None:
    for session_id in ("a", "b"):
        log.session(session_id, create=True).append(*(ToolCalled(name="Bash", call_id=call_id) for call_id in (f"call-{session_id}", "x")))
    [call] = catalog.tools(call_id="call-b").items
    assert (call.session_id, call.called_seq) == ("b", 1)
    assert sorted(call.session_id for call in catalog.tools(call_id="x").items) == ["a", "b"]
    assert [call.session_id for call in catalog.tools(call_id="x", session_id="a").items] == ["a"]
    assert catalog.tools(call_id="nothing").total == 0
