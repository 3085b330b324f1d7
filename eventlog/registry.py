"""Which event types this program knows: the vocabulary's and its own.

A type is a msgspec struct with a name, a version, and for each older version a function that reshapes its data (an
upcast). A line whose type or version is not known here is still read: it becomes an `UnknownEvent`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeVar

import msgspec

from .decoding import decoder

Upcast = Callable[[dict[str, Any]], dict[str, Any]]
E = TypeVar("E", bound="Event")

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,127}")


class Event(msgspec.Struct, frozen=True, omit_defaults=True, repr_omit_defaults=True, kw_only=True, gc=False):
    """The base of all event types. Fields are only ever added, with defaults; a reshaped event raises its version."""

    type: ClassVar[str]
    version: ClassVar[int] = 1


class UnknownEvent(msgspec.Struct, frozen=True, gc=False):
    """An event of a type or shape that this program does not know. ``data`` is what stands in the line (as `msgspec.Raw` where Python
    has no value for it); appending it again writes the same. It is also the way to append a type that has no struct."""

    type: str
    data: Any = {}
    version: int = 1


_types: dict[str, type[Event]] = {}
_upcasts: dict[str, Mapping[int, Upcast]] = {}
_decodes: dict[str, Callable[[bytes], Any]] = {}


def event_type(name: str, *, version: int = 1, upcasts: Mapping[int, Upcast] | None = None) -> Callable[[type[E]], type[E]]:
    """Register a struct as the event type ``name``.

    ``upcasts[n]`` turns the data of version n into that of version n + 1; each version below ``version`` needs one.
    A name can be taken once; names that begin with ``segment.`` belong to the format. Raises `ValueError`.

    >>> @event_type("shop.rated")
    ... class Rated(Event):
    ...     stars: int
    >>> Rated(stars=5).type
    'shop.rated'
    """
    check_type_name(name)
    steps = dict(upcasts or {})
    if set(steps) != set(range(1, version)):
        raise ValueError(f"{name} has version {version}, so upcasts must name exactly the versions 1 to {version - 1}")

    def register(cls: type[E]) -> type[E]:
        known = _types.get(name)
        if known is not None and known.__qualname__ != cls.__qualname__:
            raise ValueError(f"the event type {name!r} is taken by {known.__module__}.{known.__qualname__}")
        cls.type = name
        cls.version = version
        _types[name] = cls
        _upcasts[name] = steps
        _decodes.pop(name, None)
        global generation
        generation += 1
        return cls

    return register


generation = 0  # grows with each registration, so that decoders know when to renew themselves


def check_type_name(name: str) -> str:
    if _NAME.fullmatch(name) is None:
        raise ValueError(f"invalid event type {name[:200]!r}: a type matches [A-Za-z][A-Za-z0-9._-]{{0,127}}")
    if name.startswith("segment."):
        raise ValueError(f"invalid event type {name!r}: types that begin with 'segment.' belong to the format")
    return name


def known_types() -> Mapping[str, type[Event]]:
    return _types


NOT_DECODED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, KeyError, TypeError, ValueError, AttributeError, IndexError)


def knows(name: str, version: int) -> bool:
    """Whether an event of this type and version has a class here that reads it."""
    cls = _types.get(name)
    return cls is not None and version <= cls.version


def decoded(name: str, version: int, data: msgspec.Raw) -> Event:
    """The event of a registered type, upcast if it is of an older version. Raises one of `NOT_DECODED` where the data does not fit, also
    what upcasts raise for it."""
    cls = _types[name]
    if version == cls.version:
        event: Event = decoder(cls).decode(data)
        return event
    decoder(cls)
    return msgspec.convert(upcast(name, version, msgspec.json.decode(data, type=dict)), type=cls)


def reads(name: str) -> Callable[[bytes], Any]:
    """What decodes data of the type in its present version; of a type that is not known, any object."""
    found = _decodes.get(name)
    if found is None:
        found = decoder(_types.get(name, dict)).decode
        if name in _types:
            _decodes[name] = found
    return found


def upcast(name: str, version: int, data: dict[str, Any]) -> dict[str, Any]:
    """Data of an older version in the present shape."""
    for step in range(version, _types[name].version):
        data = _upcasts[name][step](data)
    return data


def materialise(name: str, version: int, data: msgspec.Raw) -> Event | UnknownEvent:
    """The event behind a line: decoded, upcast if it is of an older version, else an `UnknownEvent`."""
    if knows(name, version):
        try:
            return decoded(name, version, data)
        except NOT_DECODED:
            pass  # a shape that does not fit is kept as it is, like any other unknown one
    return UnknownEvent(name, decode_or_keep(data), version)


def decode_or_keep(data: msgspec.Raw) -> Any:
    """The value, or the JSON text itself where Python has no value for it (``1e400``, nesting without end)."""
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError):
        return data
