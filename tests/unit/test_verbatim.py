from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventlog import EventLog
from eventlog.errors import InvalidEvent
from eventlog.events import UnknownEvent
from eventlog.verbatim import keep, keep_text, restore

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None), max_size=5),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(st.characters(codec=None), max_size=3), inside, max_size=3),
    max_leaves=10,
)


def comes_back(record: Any) -> Any:
    """Through a log."""
    kept = keep(record)
    with EventLog.memory() as log, log.start() as session:
        session.append(UnknownEvent("test.kept", {"value": kept.value}), origin={"format": "test", "record": kept.record})
        *_, stored = session.read()
    assert stored.origin is not None
    return restore(stored.origin["record"])


@given(anything)
@settings(max_examples=300, deadline=None)
def test_whatever_json_writes_comes_back_equal_and_its_value_can_be_appended(record: Any) -> None:
    assert json.dumps(comes_back(record)) == json.dumps(record)


def test_what_is_nested_too_deeply_comes_back_too() -> None:
    record: Any = 1
    for _ in range(500):
        record = {"a": record}
    assert comes_back(record) == record


@pytest.mark.parametrize(
    ("text", "stands"),
    [
        (b'{"a": 1.10}', b'{"a": 1.10}'),
        (b'{"a":\n1}', b'"{\\"a\\":\\n1}"'),
        ('{"a":"\\ud800"}', b'"{\\"a\\":\\"\\\\ud800\\"}"'),
        (b'"text"', b'"\\"text\\""'),
        (b'{"a":NaN}', b'"{\\"a\\":NaN}"'),
    ],
)
def test_a_text_stays_as_it_is(text: str | bytes, stands: bytes) -> None:
    assert bytes(keep_text(text).record) == stands
    assert keep_text(text).is_json == (stands[:1] == b"{")


@pytest.mark.parametrize("record", [object(), {1, 2}, {"a": b"x"}])
def test_what_json_does_not_write_is_refused(record: Any) -> None:
    with pytest.raises(InvalidEvent, match="cannot be written as JSON"):
        keep(record)


def test_a_text_that_is_no_json_is_refused() -> None:
    with pytest.raises(InvalidEvent, match="is not JSON"):
        keep_text("{")
