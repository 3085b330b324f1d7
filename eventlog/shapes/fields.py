"""The fields of foreign objects, which are of any type: read as what they should be, or not there.

What an SDK gives as objects becomes what it would send: mappings, lists, texts and numbers, by the objects' own methods.
"""

from __future__ import annotations

import base64
from collections.abc import Collection, Iterable, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

import msgspec

from ..limits import MAX_DEPTH, is_deeper

_DEEPEST = 250  # deeper than any event may be: what is below is left as it is, and refused where it is written


def text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def mappings(value: Any) -> list[dict[str, Any]]:
    return [each for each in items(value) if isinstance(each, dict)]


def count(value: Any) -> int:
    """A number of tokens; 0 where it is none."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 53 else 0


def first(fields: Mapping[str, Any], *names: str) -> Any:
    """The first of the fields that is there and not null."""
    for name in names:
        if fields.get(name) is not None:
            return fields[name]
    return None


def rest(fields: Mapping[str, Any], known: Collection[str]) -> dict[str, Any]:
    """The fields that are not among the known ones: kept, so that nothing is lost. Those that say nothing are left out."""
    return {name: value for name, value in fields.items() if name not in known and value is not None and value != [] and value != {}}


def given(metadata: dict[str, Any]) -> Any:
    """Metadata as a part has it: not there where it is empty."""
    return metadata or msgspec.UNSET


def value_of(json_text: Any) -> Any:
    """What a text of JSON says, where it says an object or an array that an event can hold; else the value as it is."""
    if not isinstance(json_text, str):
        return json_text
    try:
        if is_deeper(json_text.encode(), MAX_DEPTH // 2):
            return json_text
        value = msgspec.json.decode(json_text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return json_text
    return value if isinstance(value, (dict, list)) else json_text


def plain(value: Any, levels: int = _DEEPEST) -> Any:
    """The value with what SDKs give as objects (pydantic's models, dataclasses, structs, mappings) as what they would send."""
    if value is None or isinstance(value, (str, int, float, bool)):
        return value.value if isinstance(value, Enum) else value
    if levels == 0:
        return value
    if isinstance(value, Mapping):
        return {str(name): plain(item, levels - 1) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item, levels - 1) for item in value]
    if isinstance(value, (bytes, bytearray)):
        return base64.b64encode(value).decode()
    if isinstance(value, Enum):
        return plain(value.value, levels - 1)
    if isinstance(value, msgspec.Struct):
        return msgspec.to_builtins(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name), levels - 1) for field in fields(value)}
    dumped = _dumped(value)
    return value if dumped is None else plain(dumped, levels - 1)


def _dumped(value: Any) -> Any:
    """What the object says of itself. None where it has no way to."""
    if isinstance(value, type):
        return None
    if callable(dump := getattr(value, "model_dump", None)):
        # as it goes over the wire: under the names of the wire, bytes in base64, without the nulls that only the model has (those in plain
        # mappings stay), and without a warning about what is of another type there
        for options in ({"mode": "json", "by_alias": True, "exclude_none": True, "warnings": False}, {"mode": "json"}, {}):
            try:
                return dump(**options)
            except Exception:
                continue  # of an older pydantic, or it holds what has no JSON
    for name in ("to_dict", "dict"):
        if callable(method := getattr(value, name, None)):
            try:
                return method()
            except Exception:
                continue
    return None


def is_object(value: Any) -> bool:
    """Whether it is something that `plain` makes a mapping of."""
    return isinstance(value, Mapping) or (
        not isinstance(value, type)
        and (is_dataclass(value) or any(callable(getattr(value, name, None)) for name in ("model_dump", "to_dict", "dict")))
    )


def joined(texts: Iterable[Any]) -> str:
    return "".join(each for each in texts if isinstance(each, str))
