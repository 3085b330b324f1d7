"""Copies of a state: each is what the state was, and neither it nor the state can be broken by the other."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from projections.snapshots import Snapshots, duplicate, is_same


class Item(msgspec.Struct):
    name: str
    data: Any = None


class Frozen(msgspec.Struct, frozen=True):
    data: dict[str, Any]


class State(msgspec.Struct):
    items: list[Item] = []
    more: dict[str, Any] = {}
    count: int = 0


def test_a_copy_does_not_change_with_the_state() -> None:
    state, snapshots = State([Item("a", {"x": [1]})], {"k": {"l": 1}}), Snapshots()
    first = snapshots.of(state)
    state.items[0].data["x"].append(2)
    state.items.append(Item("b"))
    state.more["k"]["l"] = 2
    state.count = 7
    second = snapshots.of(state)
    assert first == State([Item("a", {"x": [1]})], {"k": {"l": 1}})
    assert second == state


def test_what_has_not_changed_is_shared_between_copies_and_never_with_the_state() -> None:
    state, snapshots = State([Item("a", ["x"]), Item("b", ["y"])]), Snapshots()
    first = snapshots.of(state)
    state.items[1].data.append("z")
    second = snapshots.of(state)
    assert second.items[0] is first.items[0]
    assert second.items[1] is not first.items[1]
    assert first.items[0] is not state.items[0]
    assert first.items[0].data is not state.items[0].data


@pytest.mark.parametrize(("before", "after"), [(1, True), (1, 1.0), (0, False), ([0], [False]), ({"a": 1}, {"a": 1.0})])
def test_a_value_that_became_an_equal_one_of_another_type_is_copied(before: Any, after: Any) -> None:
    state, snapshots = State([Item("a", before)]), Snapshots()
    snapshots.of(state)
    state.items[0].data = after
    assert msgspec.json.encode(snapshots.of(state)) == msgspec.json.encode(state)


def test_a_copy_that_its_reader_has_changed_is_not_taken_over() -> None:
    state, snapshots = State([Item("a", {"x": "1"}), Item("b")]), Snapshots()
    given = snapshots.of(state)
    given.items[0].data["x"] = "broken"
    del given.items[1]
    state.count += 1
    assert snapshots.of(state) == State([Item("a", {"x": "1"}), Item("b")], count=1)


def test_a_list_that_got_shorter_or_is_none_is_copied() -> None:
    state, snapshots = State([Item("a"), Item("b")]), Snapshots()
    snapshots.of(state)
    del state.items[0]
    assert snapshots.of(state).items == [Item("b")]
    state.items = []
    assert snapshots.of(state).items == []


@pytest.mark.parametrize(
    "value", [3, "text", [1, [2]], {"a": {"b": [1]}}, (1, [2]), {1, 2}, Frozen({"a": [1]}), [Item("a", (1, [2]))], bytearray(b"x")]
)
def test_any_state_can_be_copied(value: Any) -> None:
    assert duplicate(value) == value
    assert type(duplicate(value)) is type(value)


def test_a_frozen_struct_shares_nothing_that_can_be_changed() -> None:
    value = Frozen({"a": [1]})
    duplicate(value).data["a"].append(2)
    assert value == Frozen({"a": [1]})


def test_not_a_number_is_the_same_as_itself_and_nothing_else() -> None:
    number = float("nan")
    assert is_same([number], [number])
    assert not is_same([number], [float("nan")])
