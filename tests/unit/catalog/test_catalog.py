"""The catalog as a program asks it: the list, its filters, orders and pages, and a program's own projections."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest

from eventlog import EventLog, StoredEvent
from eventlog.errors import InvalidCursor, InvalidInput, SessionNotFound
from eventlog.events import (
    ContextUpdated,
    Cost,
    ErrorLogged,
    Event,
    MessageAdded,
    MessageRetracted,
    ModelChanged,
    Parent,
    SessionDeleted,
    SessionEnded,
    SessionRestored,
    SessionStarted,
    SessionUpdated,
    ToolCalled,
    ToolReturned,
    UsageRecorded,
    event_type,
)
from projections import Catalog
from projections.catalog.cost import NO_PRICES
from projections.catalog.listing import Money, SessionItem
from projections.projection import ProjectionFailed

NOON = datetime(2026, 3, 2, 12, 0, 0, tzinfo=timezone.utc)


def at(minutes: int) -> datetime:
    return NOON + timedelta(minutes=minutes)


def record(log: EventLog, session_id: str, *events: Event, minutes: int = 0) -> None:
    for number, event in enumerate(events):
        log.session(session_id, create=True).append(event, time=at(minutes + number))


@pytest.fixture
def log() -> Iterator[EventLog]:
    with EventLog.memory() as log:
        yield log


@pytest.fixture
def catalog(log: EventLog) -> Iterator[Catalog]:
    with Catalog.open(log, prices=NO_PRICES) as catalog:
        yield catalog


def ids(catalog: Catalog, **filters: Any) -> list[str]:
    page = catalog.list(**filters)
    assert page.total == len(page.items)
    return [item.session_id for item in page.items]


def test_an_item_says_what_the_session_is_and_how_much_is_in_it(log: EventLog, catalog: Catalog) -> None:
    record(
        log,
        "s",
        SessionStarted(
            title="Debug login", user_id="u1", tags=["bug"], kind="agent", model="m1", provider="p", parent=Parent(session_id="o", seq=3)
        ),
        MessageAdded(role="user", content="What changed?"),
        MessageAdded(role="assistant", content="This.", message_id="a"),
        MessageAdded(role="assistant", content="And that.", message_id="a"),
        ToolCalled(name="Bash", call_id="1"),
        ToolReturned(call_id="1", output="ok"),
        UsageRecorded(message_id="a", model="m1", input_tokens=1, output_tokens=2, cost=Cost(amount=0.1)),
        UsageRecorded(
            message_id="a", model="m1", input_tokens=10, output_tokens=20, cache_read_tokens=30, cost=Cost(amount=0.2, price_version="x")
        ),
        UsageRecorded(model="m2", reasoning_tokens=5, cache_write_tokens=7, cost=Cost(amount=0.1, price_version="x")),
        ErrorLogged(message="no"),
    )
    [item] = catalog.list().items
    assert item == SessionItem(
        session_id="s",
        title="Debug login",
        preview="What changed?",
        status="active",
        user_id="u1",
        tags=["bug"],
        kind="agent",
        model="m1",
        models=["m1", "m2"],
        provider="p",
        project=None,
        parent=Parent(session_id="o", seq=3),
        pinned=False,
        started_at=at(0),
        updated_at=at(9),
        events=10,
        messages=2,
        user_messages=1,
        assistant_messages=1,
        tool_calls=1,
        errors=1,
        input_tokens=10,
        output_tokens=20,
        cache_read_tokens=30,
        cache_write_tokens=7,
        reasoning_tokens=5,
        cost=Money(0.3, "USD", "x"),
        size_bytes=sum(len(stored.raw) + 1 for stored in log.session("s").read()),
    )


def test_the_preview_is_the_first_text_of_the_user_that_the_model_sees_and_that_was_not_taken_back(log: EventLog, catalog: Catalog) -> None:
    record(
        log,
        "s",
        MessageAdded(role="user", content="(meta)", exclude_from_context=True),
        MessageAdded(role="assistant", content="Hi"),
        MessageAdded(role="user", content="oops", message_id="1"),
        MessageAdded(role="user", content="x" * 500, message_id="2"),
    )
    assert catalog.list().items[0].preview == "oops"
    record(log, "s", MessageRetracted(message_id="1"))
    assert catalog.list().items[0].preview == "x" * 300


def test_what_was_retracted_or_replaced_no_longer_counts(log: EventLog, catalog: Catalog) -> None:
    record(log, "s", MessageAdded(role="user", content="a", message_id="1"), MessageAdded(role="user", content="b"))
    assert catalog.list().items[0].user_messages == 2
    record(log, "s", MessageRetracted(message_id="1"), MessageRetracted(message_id="1"))
    assert catalog.list().items[0].user_messages == 1


def test_each_filter_lets_through_what_it_names(log: EventLog, catalog: Catalog) -> None:
    record(log, "a", SessionStarted(title="Debug the Login", user_id="u1", tags=["bug", "web"], kind="chat", model="m1"), minutes=0)
    record(log, "b", SessionStarted(title="Straße", user_id="u2", tags=["bug"], kind="agent", metadata={"cwd": "/home/x/app"}), minutes=10)
    record(log, "c", ContextUpdated(project="/home/x/app/sub"), ModelChanged(model="m1"), SessionEnded(status="failed"), minutes=20)
    assert ids(catalog) == ["c", "b", "a"]
    assert ids(catalog, user_id="u1") == ["a"]
    assert ids(catalog, status="failed") == ["c"]
    assert ids(catalog, tags=["bug"]) == ["b", "a"]
    assert ids(catalog, tags=["web", "bug"]) == ["a"]
    assert ids(catalog, model="m1") == ["c", "a"]
    assert ids(catalog, kind="agent") == ["b"]
    assert ids(catalog, project="/home/x/app") == ["c", "b"]
    assert ids(catalog, project="/home/x/app/sub/") == ["c"]
    assert ids(catalog, project="/home/x/ap") == []
    assert ids(catalog, project="/") == ["c", "b"]
    assert ids(catalog, title="login DEBUG") == ["a"]
    assert ids(catalog, title="STRASSE") == ["b"]
    assert ids(catalog, since=at(10)) == ["c", "b"]
    assert ids(catalog, until=at(10)) == ["a"]
    assert ids(catalog, since=at(5), until=at(15)) == ["b"]
    assert ids(catalog, user_id="u1", kind="agent") == []


def test_deleted_sessions_are_hidden_unless_asked_for(log: EventLog, catalog: Catalog) -> None:
    record(log, "a", SessionStarted())
    record(log, "b", SessionStarted(), SessionEnded(), SessionDeleted(), minutes=1)
    assert ids(catalog) == ["a"]
    assert ids(catalog, deleted=True) == ["b", "a"]
    assert ids(catalog, status="deleted") == ["b"]
    record(log, "b", SessionRestored(), minutes=9)
    assert [(item.session_id, item.status) for item in catalog.list().items] == [("b", "completed"), ("a", "active")]


def test_pages_of_deleted_and_other_sessions_together_are_in_one_order(log: EventLog, catalog: Catalog) -> None:
    for number in range(6):
        record(log, f"s{number}", SessionStarted(), *([SessionDeleted()] if number % 2 else []), minutes=10 * number)
    first = catalog.list(deleted=True, limit=4)
    second = catalog.list(deleted=True, limit=4, after=first.next)
    assert [item.session_id for item in (*first.items, *second.items)] == ["s5", "s4", "s3", "s2", "s1", "s0"]
    assert (first.total, second.next) == (6, None)
    assert [item.session_id for item in catalog.list(deleted=True, status="active").items] == ["s4", "s2", "s0"]


def test_tags_change_by_events_and_the_filter_follows(log: EventLog, catalog: Catalog) -> None:
    record(log, "a", SessionStarted(tags=["x", "y"]))
    assert ids(catalog, tags=["x"]) == ["a"]
    record(log, "a", SessionUpdated(remove_tags=["x"], add_tags=["z"]))
    assert ids(catalog, tags=["x"]) == []
    assert catalog.list(tags=["z"]).items[0].tags == ["y", "z"]


def test_each_order_puts_the_largest_first(log: EventLog, catalog: Catalog) -> None:
    record(log, "a", MessageAdded(role="user", content="1"), MessageAdded(role="user", content="2"), minutes=0)
    record(log, "b", UsageRecorded(input_tokens=9, cost=Cost(amount=1)), minutes=-30)
    record(log, "c", UsageRecorded(cache_read_tokens=5, cost=Cost(amount=2)), ErrorLogged(message="x" * 999), minutes=-10)
    orders = {"updated": "acb", "started": "acb", "messages": "acb", "tokens": "bca", "cost": "cba", "size": "cab"}
    for sort, order in orders.items():
        assert ids(catalog, sort=sort) == list(order), sort
    record(log, "b", SessionUpdated(title="now"), minutes=60)  # is no work on the session
    assert ids(catalog, sort="updated") == ["a", "c", "b"]
    record(log, "b", MessageAdded(role="user", content="3"), minutes=60)
    assert ids(catalog, sort="updated") == ["b", "a", "c"]
    assert ids(catalog, sort="started") == ["a", "c", "b"]


def test_an_old_event_that_comes_late_does_not_make_a_session_older(log: EventLog, catalog: Catalog) -> None:
    record(log, "a", SessionStarted(), minutes=10)
    record(log, "b", SessionStarted(), minutes=5)
    record(log, "a", MessageAdded(role="user", content="from an import"), minutes=-600)
    assert ids(catalog) == ["a", "b"]


def test_pages_hold_every_session_once_while_others_are_written(log: EventLog, catalog: Catalog) -> None:
    for number in range(10):
        record(log, f"s{number}", SessionStarted(), minutes=number // 2)  # two of each time: ids break the tie
    first = catalog.list(limit=4)
    assert ([item.session_id for item in first.items], first.total) == (["s9", "s8", "s7", "s6"], 10)
    record(log, "new", SessionStarted(), minutes=100)
    record(log, "s8", SessionUpdated(title="again"), minutes=101)
    second = catalog.list(limit=4, after=first.next)
    assert ([item.session_id for item in second.items], second.total) == (["s5", "s4", "s3", "s2"], 11)
    third = catalog.list(limit=4, after=second.next)
    assert ([item.session_id for item in third.items], third.next) == (["s1", "s0"], None)
    assert catalog.list(limit=11).next is None


@pytest.mark.parametrize("text", ["", "x", "ä", "AAAA", "!!!!", "kqd1cGRhdGVk", "9" * 100])
def test_what_is_no_cursor_is_refused(log: EventLog, catalog: Catalog, text: str) -> None:
    with pytest.raises(InvalidCursor):
        catalog.list(after=text)
    with pytest.raises(InvalidCursor):
        catalog.search("x", after=text)
    with pytest.raises(InvalidCursor):
        catalog.tools(after=text)


def test_a_cursor_belongs_to_its_order(log: EventLog, catalog: Catalog) -> None:
    record(log, "a", SessionStarted())
    record(log, "b", SessionStarted())
    cursor = catalog.list(limit=1).next
    with pytest.raises(InvalidCursor, match="in this order"):
        catalog.list(limit=1, sort="cost", after=cursor)


@pytest.mark.parametrize("limit", [0, -1, 10_001, True, 1.5])
def test_a_limit_that_is_none_is_refused(catalog: Catalog, limit: Any) -> None:
    with pytest.raises(InvalidInput, match=r"from 1 to 10,000"):
        catalog.list(limit=limit)


def test_wrong_use_is_told(catalog: Catalog) -> None:
    with pytest.raises(InvalidInput, match="cannot sort by 'age': give one of updated, started"):
        catalog.list(sort="age")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="tags is a list of texts"):
        catalog.list(tags="bug")
    with pytest.raises(InvalidInput, match="has no time zone"):
        catalog.list(since=datetime(2026, 1, 1))
    with pytest.raises(TypeError):
        catalog.list(color="red")  # type: ignore[call-arg]


def test_a_log_without_sessions_gives_an_empty_page(catalog: Catalog) -> None:
    assert msgspec.json.encode(catalog.list()) == b'{"items":[],"total":0,"next":null}'
    assert catalog.search("x").total == 0
    assert catalog.tools().items == []
    assert catalog.statistics().sessions.total == 0


def test_json_names_are_the_fixed_ones(log: EventLog, catalog: Catalog) -> None:
    record(log, "s", SessionStarted(), MessageAdded(role="user", content="hello"))
    fixed = (
        "session_id title preview status user_id tags kind model parent started_at updated_at events messages user_messages"
        " assistant_messages tool_calls errors input_tokens output_tokens cost size_bytes"
    )
    page = msgspec.json.decode(msgspec.json.encode(catalog.list()))
    assert set(fixed.split()) <= set(page["items"][0])
    found = msgspec.json.decode(msgspec.json.encode(catalog.statistics()))
    fixed = "sessions messages tool_calls tools_used total_duration_ms errors usage by_day by_model by_tool by_user"
    assert set(fixed.split()) <= set(found)
    assert set(found["sessions"]) == {"total", "today", "this_week"}
    [hit] = msgspec.json.decode(msgspec.json.encode(catalog.search("hello")))["items"]
    assert {"session_id", "seq", "snippet"} <= set(hit)


# --- a program's own projections ---------------------------------------------------------------------------------------------


@event_type("test.rated")
class Rated(Event, frozen=True):
    stars: int


class Ratings:
    """The stars of a session."""

    name = "ratings"
    version = 1

    def initial(self) -> dict[str, int]:
        return {"count": 0, "stars": 0}

    def fold(self, state: dict[str, int], stored: StoredEvent) -> dict[str, int]:
        if isinstance(stored.event, Rated):
            return {"count": state["count"] + 1, "stars": state["stars"] + stored.event.stars}
        return state


def test_a_program_s_own_projection_is_caught_up_like_the_others(log: EventLog) -> None:
    with Catalog.open(log, projections=[Ratings()]) as catalog:
        record(log, "a", Rated(stars=4), Rated(stars=5))
        record(log, "b", SessionStarted())
        assert list(catalog.states("ratings")) == [("a", {"count": 2, "stars": 9}), ("b", {"count": 0, "stars": 0})]
        record(log, "a", Rated(stars=1))
        assert catalog.state("ratings", "a") == {"count": 3, "stars": 10}
        with pytest.raises(SessionNotFound):
            catalog.state("ratings", "z")


class Last(Ratings):
    """A state that is nothing at first."""

    name = "last"

    def initial(self) -> Any:
        return None

    def fold(self, state: Any, stored: StoredEvent) -> Any:
        return stored.event.stars if isinstance(stored.event, Rated) else state


def test_a_state_may_be_nothing_at_first(log: EventLog) -> None:
    with Catalog.open(log, projections=[Last()]) as catalog:
        record(log, "a", SessionStarted())
        assert catalog.state("last", "a") is None
        record(log, "a", SessionStarted())
        assert list(catalog.states("last")) == [("a", None)]
        record(log, "a", Rated(stars=4))
        assert catalog.state("last", "a") == 4
        record(log, "a", SessionStarted())
        assert catalog.state("last", "a") == 4


class Strict(Ratings):
    """Fails at what it does not expect."""

    name = "strict"

    def fold(self, state: dict[str, int], stored: StoredEvent) -> dict[str, int]:
        return {"stars": 10 // stored.event.stars, "odd": object()} if stored.event.stars > 5 else {"stars": 10 // stored.event.stars}  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (Rated(stars=0), "ZeroDivisionError: integer division or modulo by zero"),
        (ErrorLogged(message="no"), "AttributeError: 'ErrorLogged' object has no attribute 'stars'"),
        (Rated(stars=6), "TypeError: Encoding objects of type object is unsupported"),
    ],
)
def test_a_fold_that_fails_says_where_and_spoils_nothing_else(log: EventLog, event: Event, reason: str) -> None:
    with Catalog.open(log, projections=[Strict(), Ratings()]) as catalog:
        record(log, "a", Rated(stars=5))
        assert catalog.state("strict", "a") == {"stars": 2}
        record(log, "a", event)
        for ask in (catalog.state, lambda *arguments: list(catalog.states("strict"))):
            with pytest.raises(ProjectionFailed) as failed:
                ask("strict", "a")
            found = failed.value
            assert (found.projection, found.session_id, found.seq, found.reason) == ("strict", "a", 2, reason)
            assert str(found) == (
                f"the projection 'strict' failed at event 2 of session 'a' ({reason}); mend its fold and raise its version;"
                " the other projections are not touched"
            )
        assert (catalog.list().items[0].events, catalog.search("x").total, catalog.state("ratings", "a")["stars"] >= 5) == (2, 0, True)


def test_a_state_that_cannot_be_stored_is_refused_at_once(log: EventLog) -> None:
    class Odd(Ratings):
        def initial(self) -> Any:
            return object()

    with pytest.raises(ValueError, match=r"a state of the projection 'ratings' cannot be stored \(.*\); use a dict or a msgspec.Struct"):
        Catalog.open(log, projections=[Odd()])


def test_names_of_projections_are_checked(log: EventLog) -> None:
    class Bad(Ratings):
        name = "Ratings; DROP"

    class Taken(Ratings):
        name = "catalog"

    with pytest.raises(ValueError, match="invalid projection name"):
        Catalog.open(log, projections=[Bad()])
    with pytest.raises(ValueError, match="is taken"):
        Catalog.open(log, projections=[Taken()])
