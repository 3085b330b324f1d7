"""The catalog and the search without what was taken back, and what that costs."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from eventlog import EventLog
from eventlog.events import (
    ContextUpdated,
    Event,
    HistoryCleared,
    HistoryRetracted,
    MessageAdded,
    MessageAmended,
    MessageDelta,
    MessageRetracted,
    Part,
    SessionUpdated,
    ToolCalled,
    ToolReturned,
)
from projections import Catalog
from projections.catalog.cost import NO_PRICES
from projections.catalog.search import Search
from projections.catalog.tally import Tally
from projections.projection import Memory, Projection, State

NOON = datetime(2026, 3, 2, 12, tzinfo=timezone.utc)


def said(text: str, id: str | None = None, role: str = "user", **more: Any) -> MessageAdded:
    return MessageAdded(role=role, content=text, message_id=id, **more)


def gone(*seqs: int) -> HistoryRetracted:
    return HistoryRetracted(ranges=[(seq, seq) for seq in seqs])


def catalog_of(*events: Event) -> Catalog:
    log = EventLog.memory()
    session = log.session("s", create=True)
    for number, event in enumerate(events):
        session.append(event, time=NOON + timedelta(minutes=number))
    return Catalog.open(log, prices=NO_PRICES)


def found(catalog: Catalog, word: str) -> list[int]:
    return [hit.seq for hit in catalog.search(word).items]


def test_the_preview_is_the_first_thing_that_a_user_said_and_did_not_take_back() -> None:
    many = [said(f"text {number}") for number in range(20)]
    assert catalog_of(*many, gone(1)).list().items[0].preview == "text 1"
    assert catalog_of(*many, HistoryCleared(up_to=12)).list().items[0].preview == "text 12"
    assert catalog_of(*many, HistoryCleared()).list().items[0].preview is None
    assert catalog_of(*many, HistoryCleared(), said("new")).list().items[0].preview == "new"
    amended = [said("a", "m"), MessageAmended(message_id="m", content="b"), said("c")]
    assert catalog_of(*amended).list().items[0].preview == "b"
    assert catalog_of(*amended, gone(2)).list().items[0].preview == "a"
    assert catalog_of(said("a", alternative_to="x"), said("b")).list().items[0].preview == "b"


def test_the_project_is_the_one_before() -> None:
    contexts = [ContextUpdated(project="/a"), ContextUpdated(intent="x"), ContextUpdated(project="/b"), ContextUpdated(project="/c")]
    assert catalog_of(*contexts).list().items[0].project == "/c"
    assert catalog_of(*contexts, gone(4)).list().items[0].project == "/b"
    assert catalog_of(*contexts, gone(3), gone(4)).list().items[0].project == "/a"
    assert catalog_of(*contexts, HistoryCleared()).list().items[0].project is None


def test_what_is_said_of_the_record_makes_no_session_active_today() -> None:
    with catalog_of(said("a")) as catalog:
        today = NOON + timedelta(days=3)
        catalog.log.session("s").append(SessionUpdated(title="T", pinned=True), time=today)
        catalog.log.session("s").append(gone(1), time=today)
        item, numbers = catalog.list().items[0], catalog.statistics(zone=timezone.utc, now=today)
        assert (item.title, item.updated_at) == ("T", NOON)
        assert (numbers.sessions.today, numbers.sessions.this_week) == (0, 1)
        assert [day.day.isoformat() for day in numbers.by_day] == ["2026-03-02"]
        catalog.log.session("s").append(said("b"), time=today)
        assert catalog.statistics(zone=timezone.utc, now=today).sessions.today == 1


def test_a_text_that_was_taken_back_is_not_found_and_the_former_one_is_again() -> None:
    amended = [said("alpha", "m"), MessageAmended(message_id="m", content="beta")]
    assert found(catalog_of(*amended), "alpha") == []
    assert found(catalog_of(*amended, gone(2)), "alpha") == [1]
    assert found(catalog_of(*amended, gone(2)), "beta") == []
    assert found(catalog_of(*amended, gone(1)), "beta") == []  # it amended a message that is not there
    assert found(catalog_of(said("alpha", "m"), MessageRetracted(message_id="m"), gone(2)), "alpha") == [1]
    assert found(catalog_of(ToolCalled(name="git", arguments="alpha"), ToolReturned(output="beta"), gone(2)), "beta") == []


def test_the_pieces_of_a_message_that_are_left_are_found_with_their_text() -> None:
    pieces = [MessageDelta(message_id="m", content=text) for text in ("alpha ", "beta ", "gamma")]
    catalog = catalog_of(*pieces, gone(1))
    assert found(catalog, "alpha") == []
    assert [(hit.seq, hit.snippet) for hit in catalog.search("gamma").items] == [(2, "beta **gamma**")]
    assert found(catalog_of(*pieces, HistoryCleared()), "gamma") == []


# --- what it costs -----------------------------------------------------------------------------------------------------------


class Counting(dict[str, Any]):
    """A stored memory that counts what is looked up in it."""

    asked = 0

    def look_up(self, key: str) -> Any:
        self.asked += 1
        return self.get(key)


def asked_for(projection: Projection[Any], size: int, event: Event) -> int:
    """How many entries of its memory a fold asks for to take an event back, when it begins with none of them at hand."""
    with EventLog.memory() as log:
        session = log.session("s", create=True)
        for number in range(size):
            part = Part(type="tool_call", id=f"c{number}", name="git")
            session.append(
                said("a", f"m{number}", model="M"),
                MessageAdded(role="assistant", content=[part], model="N"),
                ToolReturned(call_id=f"c{number}", output="x"),
                ContextUpdated(project="/p"),
            )
        state: State[Any] = projection.initial()
        for stored in session.read():
            state = projection.fold(state, stored)
        stored_memory = Counting(state.memory)
        state.memory = Memory(stored_memory.look_up)
        state.aside = None
        session.append(event)
        for stored in session.read(after=4 * size):
            projection.fold(state, stored)
        return stored_memory.asked


@pytest.mark.parametrize("seqs", [[9], [10], [11], [12], [9, 10, 11, 12]], ids=["message", "call", "result", "context", "all"])
@pytest.mark.parametrize("make", [lambda: Tally(NO_PRICES), Search], ids=["catalog", "search"])
def test_taking_one_event_back_looks_up_the_same_in_a_session_of_any_length(make: Any, seqs: list[int]) -> None:
    assert 0 < asked_for(make(), 300, gone(*seqs)) <= asked_for(make(), 10, gone(*seqs)) < 20


def test_clearing_again_does_not_look_at_what_was_cleared_before() -> None:
    with EventLog.memory() as log:
        projection = Tally(NO_PRICES)
        session = log.session("s", create=True)
        session.append(*[said("a") for _ in range(1_000)])
        session.append(HistoryCleared())
        state: State[Any] = projection.initial()
        for stored in session.read():
            state = projection.fold(state, stored)
        stored_memory = Counting(state.memory)
        state.memory = Memory(stored_memory.look_up)
        state.aside = None
        session.append(said("b"), HistoryCleared())
        for stored in session.read(after=1_001):
            projection.fold(state, stored)
        assert stored_memory.asked < 10
