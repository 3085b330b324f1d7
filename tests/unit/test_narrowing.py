"""What is not asked for is not decoded; what is asked for is found, whatever stands in the lines."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventlog import line, stored
from eventlog.backend import Lines
from eventlog.events import ErrorLogged, MessageAdded, UnknownEvent
from eventlog.line import Envelope
from eventlog.narrowing import narrowed

TIME = "2026-01-02T03:04:05.678901Z"
ODD = '"type":"error.logged"'
EVENTS: list[Any] = [
    MessageAdded(role="user", content="x"),
    MessageAdded(role="user", content=ODD),
    ErrorLogged(message="m"),
    UnknownEvent("shop.rated", {"type": "error.logged"}),
    UnknownEvent("unknown", {}),
]


def chunk(events: list[tuple[int, Any]]) -> Lines:
    written, running, seq = b"", 0, 0
    for step, event in events:
        seq += step
        data = event.data if isinstance(event, UnknownEvent) else event
        one, running = line.encode(
            Envelope(seq, TIME, event.type, data, origin={"record": {"type": "error.logged"}} if step > 1 else None), running
        )
        written += one
    return Lines("s", written)


@given(
    st.lists(st.tuples(st.sampled_from([1, 1, 1, 2, 90]), st.sampled_from(EVENTS)), min_size=1, max_size=40),
    st.integers(-2, 200),
    st.none() | st.integers(-1, 220),
    st.none() | st.sets(st.sampled_from(["error.logged", "message.added", "shop.rated", "unknown", "no.such", 'a"b', "\ud800"])),
)
def test_it_gives_what_decoding_everything_and_looking_would_give(
    given_events: list[tuple[int, Any]], after: int, before: int | None, types: set[str] | None
) -> None:
    lines = chunk(given_events)
    everything = stored.decode(lines)
    wanted = [
        event
        for event in everything
        if event.seq > after and (before is None or event.seq < before) and (types is None or event.type in types)
    ]
    found, last_seq = stored.events(lines, after, before, types)
    assert found == wanted
    assert [event.raw for event in found] == [event.raw for event in wanted]
    assert last_seq == everything[-1].seq


def test_of_a_thousand_lines_the_one_that_is_asked_for_is_decoded() -> None:
    lines = chunk([(1, EVENTS[0])] * 700 + [(1, EVENTS[2])] + [(1, EVENTS[0])] * 299)
    for part, last_seq in (narrowed(lines, 700, 702, None), narrowed(lines, 0, None, {"error.logged"})):
        assert part.data.count(b"\n") == 1
        assert part.data.startswith(b'{"seq":701,')
        assert last_seq == 1000
    assert narrowed(lines, 0, None, {"message.added"})[0].data == lines.data  # nearly all: at once is cheaper
    assert narrowed(lines, 990, None, None)[0].data.count(b"\n") == 10
    assert narrowed(lines, 1000, None, None)[0].data == b""


@pytest.mark.parametrize("first", [b'{"type":"error.logged","seq":1,', b'{ "seq":1,"type":"error.logged",'])
def test_lines_that_are_not_spelled_as_the_format_says_are_still_found(first: bytes) -> None:
    lines = Lines("s", first + b'"data":{"message":"m"},"crc":"00000000"}\n')
    found, last_seq = stored.events(lines, 0, None, {"error.logged"})
    assert [event.seq for event in found] == [1]
    assert last_seq == 1
    assert msgspec.json.decode(lines.data)["seq"] == 1
