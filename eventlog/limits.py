"""What JSON may stand in a line: how deep it is nested, which numbers and characters it has. Never by recursion.

- `MAX_DEPTH` levels of objects and arrays for ``data`` and for ``origin.record``, fewer than `MAX_LINE_DEPTH` for a whole line, which is
  what ``jq`` reads (FORMAT.md, "Limits"). Fixed: what one program takes, every reader can read, whatever is left of its stack.
- No NaN, no infinity, no half of a surrogate pair: JSON text has none of them. Encoders write them as ``null``, or not at all.

Everything here works on bytes, or with a list of what is still to be looked at, so that what is nested without end costs time and no stack.
"""

from __future__ import annotations

import json
import re
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import is_dataclass
from itertools import accumulate
from typing import Any

import msgspec

MAX_DEPTH = 200
MAX_LINE_DEPTH = 256

_NO_MARKS = bytes(set(range(256)) - set(b'{}[]"'))
_STRING_OF_MARKS = re.compile(rb'"[^"]*"')
_ONE_KIND = bytes.maketrans(b"[]", b"{}")
_STEPS = bytes.maketrans(b"{}", b"\x01\xff")
_PASSES = 12  # of taking away the innermost level, which is nearly all of it; what is left is counted bracket by bracket
_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\]]', re.DOTALL)
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_ESCAPED_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def depth(text: bytes | bytearray) -> int:
    """How many levels of objects and arrays the JSON text has; 0 for a text or a number. Costs a few passes over it."""
    marks = text.replace(b"\\\\", b"").replace(b'\\"', b"").translate(None, _NO_MARKS)
    brackets = _STRING_OF_MARKS.sub(b"", marks).translate(_ONE_KIND)
    for level in range(_PASSES):
        if not brackets:
            return level
        brackets = brackets.replace(b"{}", b"")
    return _PASSES + max(accumulate(array("b", brackets.translate(_STEPS))), default=0)


def is_deeper(text: bytes | bytearray, limit: int) -> bool:
    """Whether the JSON text has more levels than that. Costs next to nothing where it has too few brackets for it."""
    return len(text) > 2 * limit and text.count(b"{") + text.count(b"[") > limit and depth(text) > limit


def fields_of(text: bytes) -> dict[str, bytes]:
    """The fields of a JSON object, each as its JSON text, however deep they are. An empty mapping where it is none."""
    depth, start, copied = 0, 0, 0
    nested: list[bytes] = []
    flat = bytearray()  # the text with the number of each nested value in brackets, in its place
    for token in _TOKEN.finditer(text):
        mark = token[0]
        if mark in b"{[":
            depth += 1
            if depth == 2:
                start = token.start()
        elif mark in b"}]":
            depth -= 1
            if depth == 1:
                flat += text[copied:start] + b"[%d]" % len(nested)
                nested.append(text[start : token.end()])
                copied = token.end()
            elif depth < 1:
                break
    flat += text[copied:]
    try:
        found = msgspec.json.decode(flat, type=dict[str, msgspec.Raw])
        return {name: nested[int(value[1:-1])] if value[:1] == b"[" else value for name, value in ((n, bytes(v)) for n, v in found.items())}
    except (msgspec.DecodeError, UnicodeDecodeError, IndexError, ValueError):
        return {}


def unwritable(value: Any) -> tuple[str, str] | None:
    """Where a value holds what JSON has no text for, and what that is: ``("data.rows[3]", "NaN")``. None where it holds nothing of it.

    Also looks into JSON text that is in it as `msgspec.Raw`."""
    for path, each in _walk(value):
        if isinstance(each, str):
            if not each.isascii() and (half := _half_of_a_pair(each)) is not None:
                return clean(path), f"half of a surrogate pair (\\u{ord(half):04x})"
        elif isinstance(each, float):
            if each - each != 0.0:
                return clean(path), "NaN" if each != each else "an infinity"
        elif isinstance(each, msgspec.Raw) and (wrong := wrong_in_text(bytes(each))) is not None:
            return clean(path), wrong
    return None


def wrong_in_text(text: bytes) -> str | None:
    """What is wrong with JSON text that is to stand in a line as it is; None where it may. A number that Python has no value for may."""
    try:
        msgspec.json.decode(text)
        return None
    except msgspec.ValidationError:
        pass  # a number that is out of range; what comes after it has not been looked at
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    for string in _STRING.finditer(text):
        if _ESCAPED_SURROGATE.search(string[0]):
            try:
                msgspec.json.decode(string[0])
            except msgspec.DecodeError:
                return "half of a surrogate pair"
    try:
        text.decode()
    except UnicodeDecodeError as error:
        return f"what is not UTF-8 ({error.reason} at byte {error.start})"
    without_strings = _STRING.sub(b'""', text)
    for name in (b"NaN", b"Infinity"):
        if name in without_strings:
            return "NaN" if name == b"NaN" else "an infinity"
    try:
        msgspec.json.decode(text, type=msgspec.Raw)
    except RecursionError:
        return None  # what is deep is refused for that
    except msgspec.DecodeError as error:
        return f"what is not JSON ({error})"
    return None


def clean(value: Any, levels: int = MAX_DEPTH // 2) -> Any:
    """The value with only what an event can hold: half a surrogate pair becomes U+FFFD, NaN and the infinities None, tuples lists, and
    what is nested deeper than ``levels`` its JSON text.

    For importers, recorders and adapters, which must not refuse: typed content is made of what comes back, `verbatim.keep` has the rest."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, float):
        return value if value - value == 0.0 else None
    if not isinstance(value, (dict, list, tuple)):
        return value
    if levels == 0:
        return _as_text(value)
    if isinstance(value, dict):
        return {clean(name): clean(item, levels - 1) for name, item in value.items()}
    return [clean(item, levels - 1) for item in value]


def _as_text(value: Any) -> str:
    try:
        return json.dumps(value, default=str)
    except (ValueError, RecursionError):
        return "[nested too deeply]"


def _walk(value: Any) -> Iterator[tuple[str, Any]]:
    """Everything in a value with its path, names of fields among them, in no particular order."""
    waiting: list[tuple[str, Any]] = [("", value)]
    seen: set[int] = set()
    while waiting:
        path, each = waiting.pop()
        if isinstance(each, msgspec.Struct):
            waiting += [(f"{path}.{name}" if path else name, getattr(each, name)) for name in each.__struct_fields__]
        elif isinstance(each, Mapping) and id(each) not in seen:
            seen.add(id(each))
            for name, item in each.items():
                inside = f"{path}.{name}" if path else str(name)
                yield inside, name
                waiting.append((inside, item))
        elif is_dataclass(each) and not isinstance(each, type):
            waiting += [(f"{path}.{name}" if path else name, getattr(each, name)) for name in each.__dataclass_fields__]
        elif isinstance(each, (list, tuple, set, frozenset)) and id(each) not in seen:
            seen.add(id(each))
            waiting += [(f"{path}[{index}]", item) for index, item in enumerate(each)]
        else:
            yield path, each


def _half_of_a_pair(text: str) -> str | None:
    return next((character for character in text if "\ud800" <= character <= "\udfff"), None)
