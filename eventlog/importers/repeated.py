"""Long strings of a source record that its session already holds are named, not repeated: ``{"$same":[seq,"/json/pointer"]}``.

A string of 16 KiB or more (as it is written, with its quotes) that stands, byte for byte, in an earlier record of the session is named by
the event that has it and where it stands in that one's record. What is named is always the string itself, so a reference never leads to
another, never forward and never out of the session. All works on the text: a record comes back as it was, to the byte, and its digest
proves it. A record that holds the word ``$same`` itself is left as it is.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Iterator
from hashlib import blake2b

import msgspec

SHORTEST = 16 * 1024
_REMEMBERED = 10_000
_NAME = b'"$same"'
_REFERENCE = re.compile(rb'\{"\$same":\[([0-9]+),("(?:[^"\\]|\\.)*")\]\}')


class LongStrings:
    """Where the long strings of one session stand: the last 10,000 that were seen."""

    def __init__(self) -> None:
        self._places: OrderedDict[bytes, tuple[int, str]] = OrderedDict()

    def learn(self, text: bytes, seq: int) -> None:
        """The record with this text, as it is stored, is held by the event ``seq``."""
        for start, end, pointer in long_strings(text):
            digest = _digest(text[start:end])
            self._places.setdefault(digest, (seq, pointer))
            self._places.move_to_end(digest)
        while len(self._places) > _REMEMBERED:
            self._places.popitem(last=False)

    def shorten(self, text: bytes) -> bytes:
        """The record with every long string named that the session holds; itself where there is none."""
        if len(text) < SHORTEST or not self._places or _NAME in text:
            return text
        pieces: list[bytes] = []
        done = 0
        for start, end, _ in long_strings(text):
            place = self._places.get(_digest(text[start:end]))
            if place is not None:
                pieces += (text[done:start], b'{"$same":' + msgspec.json.encode(place) + b"}")
                done = end
        return b"".join((*pieces, text[done:])) if pieces else text


def restore(text: bytes, record_at: Callable[[int], bytes | None]) -> bytes | None:
    """The whole record, given those of the events that it names; None where one of them does not have the string (any more)."""
    pieces: list[bytes] = []
    done = 0
    for reference in _REFERENCE.finditer(text):
        holder = record_at(int(reference[1]))
        pointer = msgspec.json.decode(reference[2], type=str)
        found = None if holder is None else _string_at(holder, pointer)
        if found is None:
            return None
        pieces += (text[done : reference.start()], found)
        done = reference.end()
    return b"".join((*pieces, text[done:]))


def long_strings(text: bytes) -> Iterator[tuple[int, int, str]]:
    """Where each string of `SHORTEST` bytes or more begins and ends in the JSON text, and its JSON pointer."""
    if len(text) >= SHORTEST:
        yield from _within(text, 0, "")


def _within(text: bytes, offset: int, pointer: str) -> Iterator[tuple[int, int, str]]:
    """The long strings of a value that is ``text``, which begins at ``offset``."""
    kind = text.lstrip()[:1]
    if kind == b'"':
        yield offset, offset + len(text), pointer
        return
    items: Iterator[tuple[object, msgspec.Raw]]
    try:
        if kind == b"{":
            items = iter(msgspec.json.decode(text, type=dict[str, msgspec.Raw]).items())
        elif kind == b"[":
            items = iter(enumerate(msgspec.json.decode(text, type=list[msgspec.Raw])))
        else:
            return
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return
    position = 0
    for name, raw in items:
        value = bytes(raw)
        if len(value) < SHORTEST:
            continue
        start = text.find(value, position)
        if start < 0:  # a name that stands twice in its object
            continue
        position = start + len(value)
        yield from _within(value, offset + start, f"{pointer}/{_escaped(str(name))}")


def _string_at(text: bytes, pointer: str) -> bytes | None:
    return next((text[start:end] for start, end, found in long_strings(text) if found == pointer), None)


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _digest(string: bytes) -> bytes:
    return blake2b(string, digest_size=16).digest()
