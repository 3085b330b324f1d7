"""A record of another program, kept so that it comes back equal, whatever it holds: for importers, recorders and adapters.

They must not refuse, and the log refuses what a line cannot hold (`limits`). So a record is kept twice: verbatim in ``origin.record`` (as
JSON where a line can hold it, else as a string that is its text), and as typed content, which is made of a `Kept.value`.

    kept = keep(record)
    session.append(MessageAdded(role="user", content=kept.value["text"]), origin={"format": "mine", "record": kept.record})
    assert restore(stored.origin["record"]) == record
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import msgspec

from .errors import InvalidEvent
from .limits import MAX_DEPTH, clean, is_deeper


class Kept(NamedTuple):
    """``record``: for an ``origin.record``. ``value``: the same with only what an event can hold: U+FFFD for half a surrogate pair, null
    for NaN and the infinities, the JSON text of what is nested too deeply."""

    record: msgspec.Raw
    value: Any

    @property
    def is_json(self) -> bool:
        """Whether the record stands there as JSON, not as a string that holds its text."""
        return not bytes(self.record).startswith(b'"')


def keep(record: Any) -> Kept:
    """A record that a program has as a value: anything that Python's ``json`` writes. Raises `InvalidEvent` for what it does not."""
    try:
        return keep_text(json.dumps(record, ensure_ascii=False, separators=(",", ":")))
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidEvent(f"the record cannot be written as JSON: {error}; give what json.dumps takes") from error


def keep_text(text: str | bytes) -> Kept:
    """A record that is a JSON text already. It stays to the byte. Raises `InvalidEvent` for what is no JSON."""
    written = _utf8(text)
    try:
        if written is None or b"\n" in written or is_deeper(written, MAX_DEPTH):
            raise ValueError  # a line cannot hold it as it is
        value = msgspec.json.decode(written)
        is_json = not isinstance(value, str)  # a string is always the text of a record
    except (ValueError, RecursionError):
        is_json = False
        try:
            value = clean(json.loads(text))
        except (ValueError, RecursionError) as error:
            raise InvalidEvent(f"the record is not JSON: {error}; keep it as a text, with a note that says so") from error
    return Kept(msgspec.Raw(written if is_json and written is not None else _as_string(text)), value)


def restore(record: Any) -> Any:
    """The record, given what stands in ``origin.record``: JSON text (`msgspec.Raw`, bytes) or the value that it was decoded to."""
    if isinstance(record, (msgspec.Raw, bytes)):
        record = msgspec.json.decode(record)
    return json.loads(record) if isinstance(record, str) else record


def _utf8(text: str | bytes) -> bytes | None:
    if isinstance(text, bytes):
        return text
    try:
        return text.encode()
    except UnicodeEncodeError:
        return None


def _as_string(text: str | bytes) -> bytes:
    """A JSON string that holds the text; half a surrogate pair in it is spelled as JSON spells it."""
    whole = text.decode() if isinstance(text, bytes) else text
    escaped = "".join(f"\\u{ord(each):04x}" if "\ud800" <= each <= "\udfff" else each for each in whole)
    return msgspec.json.encode(escaped)
