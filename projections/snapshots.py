"""Copies of a state that goes on changing: each shares nothing with it that can be changed, and little work is done twice.

Of a state that is a struct, such as a `SessionView`, the lists of structs (its messages, its tool calls) are what is large. An item that
has not changed since the last copy is taken from there, so that a copy costs a comparison of what is old, in C, and a copy of what is new.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from datetime import datetime
from functools import cache
from typing import Any, Final, get_args

import msgspec

_ATOMS: Final = frozenset({str, int, float, bool, bytes, type(None), datetime, msgspec.Raw, msgspec.UnsetType})
_TEXTS: Final = frozenset({str, type(None)})


class Snapshots:
    """The copies of one state, one after the other. For one thread."""

    def __init__(self) -> None:
        self._last: Any = None
        self._strict: set[int] = set()  # items of the last copy in which a change may hide behind ==, as 1 == True

    def of(self, state: Any) -> Any:
        """A copy of the state as it is now."""
        self._last = self._copy(state, self._last)
        return self._last

    def _copy(self, value: Any, before: Any) -> Any:
        if not isinstance(value, msgspec.Struct):
            return duplicate(value)
        copied = value.__copy__()  # type: ignore[attr-defined]
        for name in fields_to_copy(type(value)):
            item = getattr(value, name)
            made = self._items(item, getattr(before, name, None)) if type(item) is list else duplicate(item)
            msgspec.structs.force_setattr(copied, name, made)
        return copied

    def _items(self, value: list[Any], before: Any) -> list[Any]:
        before = before if type(before) is list else []
        strict = self._strict
        made: list[Any] = []
        for item, old in zip(value, before, strict=False):
            if item == old and isinstance(old, msgspec.Struct) and (id(old) not in strict or is_same(item, old)):
                made.append(old)
            else:
                strict.discard(id(old))
                made.append(self._new(item))
        made += map(self._new, value[len(before) :])
        return made

    def _new(self, item: Any) -> Any:
        made = duplicate(item)
        if isinstance(made, msgspec.Struct) and not _is_plain(made):
            self._strict.add(id(made))
        return made


def duplicate(value: Any) -> Any:
    """A copy that shares nothing that can be changed. Of a struct its fields are copied and nothing else: a `SessionView` cannot be folded
    on."""
    kind = type(value)
    if kind in _ATOMS:
        return value
    if kind is list:
        return [item if type(item) in _ATOMS else duplicate(item) for item in value]
    if kind is dict:
        return {key: item if type(item) in _ATOMS else duplicate(item) for key, item in value.items()}
    if kind is tuple:
        return tuple([duplicate(item) for item in value])
    if isinstance(value, msgspec.Struct):
        copied = value.__copy__()  # type: ignore[attr-defined]
        for name in fields_to_copy(type(value)):
            item = getattr(value, name)
            if type(item) not in _ATOMS:
                msgspec.structs.force_setattr(copied, name, duplicate(item))
        return copied
    return copy.deepcopy(value)


def is_same(value: Any, other: Any) -> bool:
    """Whether they are equal and of the same types: 1, 1.0 and True are equal, and not the same."""
    if value is other:
        return True
    kind = type(value)
    if kind is not type(other):
        return False
    if kind is dict:
        return len(value) == len(other) and all(name in other and is_same(item, other[name]) for name, item in value.items())
    if kind is list or kind is tuple:
        return len(value) == len(other) and all(map(is_same, value, other))
    if isinstance(value, msgspec.Struct):
        return all(is_same(getattr(value, name), getattr(other, name)) for name in value.__struct_fields__)
    return bool(value == other)


def _is_plain(value: msgspec.Struct) -> bool:
    """Whether all that can change in it are texts."""
    return all(kind in _TEXTS for name in fields_to_copy(type(value)) for kind in _kinds(getattr(value, name)))


def _kinds(value: Any) -> Iterator[type]:
    """The types of everything in it that holds nothing."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if type(item) is dict:
            waiting += item.values()
        elif type(item) in (list, tuple):
            waiting += item
        else:
            yield type(item)


@cache
def fields_to_copy(kind: type[msgspec.Struct]) -> tuple[str, ...]:
    """The fields whose values may be more than a number or a text."""
    return tuple(field.name for field in msgspec.structs.fields(kind) if not {field.type, *get_args(field.type)} <= _ATOMS)
