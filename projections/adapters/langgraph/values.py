"""A channel's value as JSON, and back. Lists that grow are stored as what is new.

A value is one of these objects, by its only or first field:

- ``{"j": value}``: what JSON has a text for, as it is: it can be read and searched for.
- ``{"s": text}``: the same, with what a line cannot hold (half a surrogate pair, NaN): its JSON text.
- ``{"m": text}``: a LangChain message with such content, as its dict's JSON text.
- ``{"t": type, "b": base64}``: anything else, and everything where the serializer is not the usual one (it may encrypt).
- ``{"l": id, "i": [value, ...]}``: a list. With ``"a": id, "f": first, "n": end`` it begins with that part of an earlier list.

So a thread whose list grows by one with each step holds each element once, and not once a step.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from secrets import token_hex
from typing import Any

import msgspec
from langchain_core.messages import BaseMessage, message_to_dict, messages_from_dict
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from eventlog.limits import unwritable

_DEEPEST = 40
_SCALARS = (int, float, bool, type(None))
_encode = msgspec.json.encode


class List:
    """A list as it is stored: part of an earlier one, and more. ``seq`` is the event that it is in."""

    __slots__ = ("_whole", "after", "end", "first", "id", "items", "seq")

    def __init__(self, id: str, items: list[bytes], after: List | None = None, first: int = 0, end: int = 0) -> None:
        self.id = id
        self.items = items
        self.after = after
        self.first = first
        self.end = end
        self.seq = 0
        self._whole: list[bytes] | None = None

    def whole(self) -> list[bytes]:
        """All of its elements, as JSON; to be read only. Of a list and those after it, the one asked for last remembers them."""
        chain = [self]
        while chain[-1]._whole is None and chain[-1].after is not None:
            chain.append(chain[-1].after)
        last = chain.pop()
        found = last.items if last._whole is None else last._whole
        if chain:
            found, last._whole = list(found), None
        for each in reversed(chain):
            if each.first or each.end < len(found):
                found = found[each.first : each.end]
            found.extend(each.items)
        self._whole = found
        return found

    def stands_on(self, seqs: Any) -> bool:
        """Whether it, or what it begins with, is in one of these events."""
        each: List | None = self
        while each is not None:
            if each.seq in seqs:
                return True
            each = each.after
        return False


Stored = bytes | List


class Values:
    """Writes and reads values with one serializer."""

    def __init__(self, serde: Any) -> None:
        self._serde = serde
        self.is_readable = isinstance(serde, JsonPlusSerializer)

    def dump(self, value: Any) -> bytes:
        """One value, a list as a whole. Raises what the serializer raises for what it has no form for."""
        if self.is_readable:
            if _is_plain(value):
                return _plainly(value)
            if isinstance(value, BaseMessage) and unwritable(value.content) is not None:
                return _encode({"m": json.dumps(message_to_dict(value))})
        kind, data = self._serde.dumps_typed(value)
        return _encode({"t": kind, "b": base64.b64encode(data).decode()})

    def dump_after(self, value: Any, before: List | None) -> tuple[bytes, List | None]:
        """The value as it is stored where the channel held ``before``; and as a list, if it is one whose elements are worth it."""
        if type(value) is not list or not value or all(isinstance(item, _SCALARS) for item in value):
            return self.dump(value), None
        items = [self.dump(item) for item in value]
        first, end = (0, 0) if before is None else _common(before.whole(), items)
        made = List(token_hex(6), items[end - first :], before if end > first else None, first, end)
        stored: dict[str, Any] = {"l": made.id, "i": [msgspec.Raw(item) for item in made.items]}
        if made.after is not None:
            stored |= {"a": made.after.id, "f": first, "n": end}
        return _encode(stored), made

    def load(self, stored: Stored) -> Any:
        if isinstance(stored, List):
            return [self._loaded(each) for each in msgspec.json.decode(b"[" + b",".join(stored.whole()) + b"]")]
        return self._loaded(msgspec.json.decode(stored))

    def _loaded(self, found: dict[str, Any]) -> Any:
        if "j" in found:
            return found["j"]
        if "s" in found:
            return json.loads(found["s"])
        if "m" in found:
            return messages_from_dict([json.loads(found["m"])])[0]
        return self._serde.loads_typed((found["t"], base64.b64decode(found["b"])))


def _plainly(value: Any) -> bytes:
    try:
        text = _encode({"j": value})
    except UnicodeEncodeError:  # half of a surrogate pair
        return _encode({"s": json.dumps(value)})
    if b"null" in text and unwritable(value) is not None:  # NaN
        return _encode({"s": json.dumps(value)})
    return text


class _Form(msgspec.Struct, gc=False):
    l: str | None = None  # noqa: E741 (as it is stored)
    i: list[msgspec.Raw] = []
    a: str | None = None
    f: int = 0
    n: int = 0


_form = msgspec.json.Decoder(_Form)


def read(raw: msgspec.Raw, lists: Mapping[str, List], seq: int) -> Stored:
    """A value as it stands in an event. Raises `KeyError` where it begins with a list that is not there."""
    text = bytes(raw)
    if not text.startswith(b'{"l":'):
        return text
    form = _form.decode(text)
    after = None if form.a is None else lists[form.a]
    made = List(form.l or "", [bytes(item) for item in form.i], after, form.f, form.n)
    made.seq = seq
    return made


def _common(before: list[bytes], items: list[bytes]) -> tuple[int, int]:
    """Which part of the one the other begins with: its beginning, or what is left of it when its beginning is gone."""
    first = 0
    if before and items and before[0] != items[0]:
        try:
            first = before.index(items[0])
        except ValueError:
            return 0, 0
    end = first
    for item in items:
        if end == len(before) or before[end] != item:
            break
        end += 1
    return first, end


def _is_plain(value: Any, levels: int = _DEEPEST) -> bool:
    """Whether it is made of what JSON gives back as the same types."""
    kind = type(value)
    if kind in (str, *_SCALARS):
        return True
    if not levels:
        return False
    if kind is list:
        return all(_is_plain(item, levels - 1) for item in value)
    return kind is dict and all(type(name) is str and _is_plain(item, levels - 1) for name, item in value.items())
