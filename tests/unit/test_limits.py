from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventlog import limits

marks = st.text('{}[]"\\,:a\n', max_size=6)
json_values = st.recursive(
    st.none() | st.integers() | marks,
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(marks, inside, max_size=3),
    max_leaves=20,
)


def depth_of(value: Any) -> int:
    """By the definition."""
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inside is None else 1 + max(map(depth_of, inside), default=0)


@given(json_values)
@settings(max_examples=300, deadline=None)
def test_depth_is_how_many_levels_there_are(value: Any) -> None:
    assert limits.depth(json.dumps(value).encode()) == depth_of(value)


@pytest.mark.parametrize("levels", [1, 11, 12, 13, 14, 200, 100_000])
def test_depth_needs_no_stack(levels: int) -> None:
    assert limits.depth(b"[" * levels + b"]" * levels) == levels
    assert limits.depth(b'{"a":[],"b":' * levels + b"1" + b"}" * levels) == levels + 1


def test_the_limit_itself_is_allowed() -> None:
    assert not limits.is_deeper(b"[" * 200 + b"]" * 200, 200)
    assert limits.is_deeper(b"[" * 201 + b"]" * 201, 200)
    assert not limits.is_deeper(b"[" + b",".join([b"[]"] * 500) + b"]", 200)


@given(st.dictionaries(marks, json_values, max_size=4))
@settings(max_examples=300, deadline=None)
def test_the_fields_of_an_object_are_found_without_going_into_them(value: dict[str, Any]) -> None:
    found = limits.fields_of(json.dumps(value).encode())
    assert {name: json.loads(text) for name, text in found.items()} == value


def test_fields_that_are_nested_without_end_are_found() -> None:
    deep = b"[" * 100_000 + b"]" * 100_000
    assert limits.fields_of(b'{"a":' + deep + b',"b":2}') == {"a": deep, "b": b"2"}


@pytest.mark.parametrize("text", [b"", b"[]", b"3", b'{"a"', b"}{", b'{"a":}', b"\xff"])
def test_what_is_no_object_has_no_fields(text: bytes) -> None:
    assert limits.fields_of(text) == {}


@dataclass
class Point:
    x: float


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ({"a": [1, {"b": float("nan")}]}, ("a[1].b", "NaN")),
        ({"a": -float("inf")}, ("a", "an infinity")),
        ({"a": "x\ud800"}, ("a", "half of a surrogate pair (\\ud800)")),
        ({"\udfff": 1}, ("\ufffd", "half of a surrogate pair (\\udfff)")),
        ({"p": Point(float("nan"))}, ("p.x", "NaN")),
        ({"r": msgspec.Raw(b'{"a":NaN}')}, ("r", "NaN")),
        ({"r": msgspec.Raw(b'["\\ud800"]')}, ("r", "half of a surrogate pair")),
        ({"r": msgspec.Raw(b'"\xff"')}, ("r", "what is not UTF-8 (invalid start byte at byte 1)")),
        ({"a": [1, None, "é", True, {"b": ()}], "r": msgspec.Raw(b'["\\\\ud800 NaN", 1e400]')}, None),
    ],
)
def test_what_json_has_no_text_for_is_named_with_its_place(value: Any, found: tuple[str, str] | None) -> None:
    assert limits.unwritable(value) == found


def test_a_value_that_holds_itself_is_looked_at_once() -> None:
    value: dict[str, Any] = {}
    value["self"] = [value]
    assert limits.unwritable(value) is None


def test_cleaned_a_value_has_only_what_an_event_can_hold() -> None:
    assert limits.clean({"a\ud800": "\udc00b", "n": float("nan"), "t": (1, float("inf")), "e": "é\U0001f600"}) == {
        "a\ufffd": "\ufffdb",
        "n": None,
        "t": [1, None],
        "e": "é\U0001f600",
    }
    deep: Any = "x"
    for _ in range(500):
        deep = [deep]
    assert limits.depth(json.dumps(limits.clean(deep)).encode()) == limits.MAX_DEPTH // 2
