from __future__ import annotations

from typing import Any

import pytest

from eventlog import EventLog
from eventlog.backend import Lines
from eventlog.errors import InvalidEvent
from eventlog.events import Event, UnknownEvent, event_type
from eventlog.line import Envelope, encode
from eventlog.stored import decode


def in_celsius(data: dict[str, Any]) -> dict[str, Any]:
    """Version 1 carried ``fahrenheit``."""
    return {"celsius": round((data["fahrenheit"] - 32) / 1.8, 1)}


def with_unit_named(data: dict[str, Any]) -> dict[str, Any]:
    """Version 2 had no field for where it was measured."""
    return {**data, "place": "unknown"}


@event_type("test.measured", version=3, upcasts={1: in_celsius, 2: with_unit_named})
class Measured(Event, frozen=True):
    celsius: float
    place: str


@event_type("registry.rated")
class Rated(Event, frozen=True):
    stars: int
    words: list[str] = []


def events_of(*events: Event | UnknownEvent) -> list[Event | UnknownEvent]:
    with EventLog.memory() as log, log.session("s", create=True) as session:
        for event in events:
            session.append(event)
        return [stored.event for stored in session.read()]


def test_a_type_of_one_s_own_comes_back_as_its_struct() -> None:
    assert events_of(Rated(stars=5, words=["fine"])) == [Rated(stars=5, words=["fine"])]


def test_an_event_of_an_older_version_is_brought_up_step_by_step_when_it_is_read() -> None:
    found = events_of(
        UnknownEvent("test.measured", {"fahrenheit": 212}),
        UnknownEvent("test.measured", {"celsius": 20.0}, 2),
        Measured(celsius=1.5, place="roof"),
    )
    assert found == [Measured(celsius=100.0, place="unknown"), Measured(celsius=20.0, place="unknown"), Measured(celsius=1.5, place="roof")]


def test_what_is_stored_stays_as_it_was_written() -> None:
    with EventLog.memory() as log, log.session("s", create=True) as session:
        session.append(UnknownEvent("test.measured", {"fahrenheit": 212}), Measured(celsius=1.5, place="roof"))
        old, new = session.read()
    assert b'"data":{"fahrenheit":212},"more":true,' in old.raw
    assert b'"data":{"celsius":1.5,"place":"roof"},"v":3,' in new.raw


def test_a_newer_version_than_this_program_knows_is_an_unknown_event() -> None:
    event = UnknownEvent("test.measured", {"kelvin": 3}, 4)
    assert events_of(event) == [event]


def test_a_known_type_whose_data_does_not_fit_is_refused_and_where_it_is_stored_an_unknown_event() -> None:
    event = UnknownEvent("message.added", {"role": 5})
    with pytest.raises(InvalidEvent, match="role: expected `str`, got `int`") as caught:
        events_of(event)
    assert caught.value.field == "role"
    line, _ = encode(Envelope(1, "2026-01-02T03:04:05.000000Z", event.type, event.data), 0)
    assert [stored.event for stored in decode(Lines("s", line))] == [event]


def test_a_field_that_the_struct_does_not_have_stays_in_the_line() -> None:
    with EventLog.memory() as log, log.session("s", create=True) as session:
        session.append(UnknownEvent("registry.rated", {"stars": 1, "colour": "red"}))
        (stored,) = session.read()
    assert stored.event == Rated(stars=1)
    assert b'"colour":"red"' in stored.raw


def test_a_type_that_is_registered_later_is_known_from_then_on() -> None:
    with EventLog.memory() as log, log.session("s", create=True) as session:
        session.append(UnknownEvent("test.late", {"n": 1}))
        assert [stored.event for stored in session.read()] == [UnknownEvent("test.late", {"n": 1})]

        @event_type("test.late")
        class Late(Event, frozen=True):
            n: int

        assert [stored.event for stored in session.read()] == [Late(n=1)]


@pytest.mark.parametrize("name", ["segment.opened", "segment.mine", "", "1a", "a b", "a" * 129])
def test_a_name_that_is_not_allowed_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="invalid event type"):
        event_type(name)
    with EventLog.memory() as log, log.session("s", create=True) as session, pytest.raises(InvalidEvent, match="invalid event type"):
        session.append(UnknownEvent(name, {}))


def test_a_name_is_taken_once() -> None:
    with pytest.raises(ValueError, match=r"is taken by eventlog\.events\.MessageAdded"):

        @event_type("message.added")
        class Mine(Event, frozen=True):
            pass


def test_every_older_version_needs_an_upcast() -> None:
    with pytest.raises(ValueError, match="exactly the versions 1 to 2"):
        event_type("test.gap", version=3, upcasts={2: in_celsius})
