from __future__ import annotations

import json
from typing import Any
from zlib import crc32

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventlog import line as lines
from eventlog.errors import EventTooLarge, InvalidEvent
from eventlog.line import Envelope


def encoded(envelope: Envelope, running: int = 0) -> bytes:
    return lines.encode(envelope, running)[0]


def event(seq: int, data: Any = None, **fields: Any) -> Envelope:
    return Envelope(seq, "2026-11-21T00:44:01.123456Z", "message.added", {} if data is None else data, **fields)


def test_a_line_is_this_and_nothing_else() -> None:
    body = b'{"seq":12,"time":"2026-11-21T00:44:01.123456Z","type":"message.added","data":{"role":"user","content":"Hello"}'
    line = encoded(event(12, {"role": "user", "content": "Hello"}))
    assert line == body + b',"crc":"%08x"}\n' % crc32(body)
    assert len(line) - len(body) == lines.TAIL_SIZE


def test_the_optional_fields_stand_between_data_and_crc_with_more_last() -> None:
    line = encoded(event(1, v=2, id="k", origin={"a": 1}, more=True))
    assert b'"data":{},"v":2,"id":"k","origin":{"a":1},"more":true,"crc":"' in line
    assert lines.ends_within_batch(line)
    assert not lines.ends_within_batch(encoded(event(1, {"content": ',"more":true'})))


def test_the_checksum_runs_on_from_line_to_line() -> None:
    first = encoded(event(1), 0)
    running = crc32(first)
    second = encoded(event(2), running)
    assert second.endswith(b',"crc":"%08x"}\n' % crc32((first + second)[: -lines.TAIL_SIZE]))
    assert lines.prove(first + second, 0) == crc32(first + second) == lines.after(second)
    assert lines.prove(second, running) == lines.after(second)
    assert lines.prove(second + first, 0) is None
    assert lines.prove(first + first, 0) is None
    assert lines.prove(second, 0) is None


def test_content_that_looks_like_a_checksum_is_content() -> None:
    line = encoded(event(1, {"content": ',"crc":"deadbeef"}'}))
    assert lines.prove(line, 0) == crc32(line)
    assert lines.stated(line) == crc32(line[: -lines.TAIL_SIZE])


def test_the_checksum_is_compared_as_written() -> None:
    line = next(line for line in (encoded(event(seq)) for seq in range(1, 100)) if line[-10:-2] != line[-10:-2].upper())
    raised = line[:-10] + line[-10:-2].upper() + line[-2:]
    assert lines.prove(raised, 0) is None
    assert lines.stated(raised) is None


@pytest.mark.parametrize(
    "line", [b"", b"\n", b"}\n", b',"crc":"9f2a11c"}\n', b',"crc":"9f2a11c0"}', b',"crc":"9f2a11g0"}\n', b',"crc":"9f2a11c0"}\n\n']
)
def test_what_does_not_end_like_a_line_states_nothing(line: bytes) -> None:
    assert lines.stated(line) is None
    assert lines.after(line) is None
    assert lines.prove(line, 0) is None


def test_the_checksum_goes_on_from_line_to_line() -> None:
    first, running = lines.encode(event(1), 0)
    second, end = lines.encode(event(2), running)
    assert lines.prove(first, 0) == lines.after(first) == running
    assert lines.prove(first + second, 0) == end
    assert lines.prove(second, 0) is None


class Circle:
    pass


@pytest.mark.parametrize("bad", [object(), Circle(), {"a": {1, object()}}, "\ud800", {"\udfff": 1}, {(1, 2): 3}])
def test_what_cannot_be_json_is_refused(bad: Any) -> None:
    with pytest.raises(InvalidEvent, match="cannot be written as JSON"):
        encoded(event(1, {"content": bad}))


def test_depth_without_end_is_refused() -> None:
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(InvalidEvent):
        encoded(event(1, deep))
    while deep:
        deep = deep.pop()


def test_an_event_above_the_limit_is_refused_with_both_sizes() -> None:
    lines.check_size(10, 10)
    with pytest.raises(EventTooLarge) as caught:
        lines.check_size(11, 10)
    assert (caught.value.size_bytes, caught.value.limit_bytes) == (11, 10)


def test_raw_json_is_kept_but_for_line_breaks_between_its_tokens() -> None:
    assert bytes(lines.single_line(b'{"a": 1.10,  "b":[ ]}')) == b'{"a": 1.10,  "b":[ ]}'
    folded = bytes(lines.single_line(b'{\r\n "a": 1.10,\n "b": "x\\ny"}\n'))
    assert b"\n" not in folded
    assert b"\r" not in folded
    assert b"1.10" in folded
    assert json.loads(folded) == {"a": 1.1, "b": "x\ny"}


def test_no_line_is_shorter_than_the_stated_minimum() -> None:
    shortest = Envelope(1, "2026-11-21T00:44:01.123456Z", "a", {})
    assert len(encoded(shortest)) >= lines.MIN_LINE_SIZE


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(), children, max_size=4),
    max_leaves=12,
)


@given(st.lists(json_values, min_size=1, max_size=6), st.integers(0, 2**32 - 1))
@settings(max_examples=150, deadline=None)
def test_any_json_is_one_line_and_comes_back(values: list[Any], running: int) -> None:
    chunk, after = b"", running
    for seq, value in enumerate(values, start=1):
        line, after = lines.encode(event(seq, {"value": value}), after)
        chunk += line
    assert chunk.count(b"\n") == len(values)
    assert lines.prove(chunk, running) == after
    assert [msgspec.json.decode(line)["data"]["value"] for line in chunk.split(b"\n")[:-1]] == values


@given(st.binary(max_size=200), st.integers(0, 2**32 - 1))
@settings(max_examples=300, deadline=None)
def test_arbitrary_bytes_never_raise_and_never_prove(data: bytes, running: int) -> None:
    assert lines.prove(data, running) is None
    lines.after(data)
    lines.ends_within_batch(data)
