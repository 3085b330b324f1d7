"""An item of an SDK as events: typed, so that every view of this log shows it, and whole in the origin of the first of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from eventlog import StoredEvent, draft
from eventlog.events import Event, UnknownEvent
from eventlog.line import Envelope
from eventlog.meaning.copies import innermost
from eventlog.stored import NO_ORIGIN
from eventlog.verbatim import Kept, restore

_NONE: Final = msgspec.Raw()


class Whence(msgspec.Struct, gc=False):
    """An origin as an adapter writes it. ``note`` is the adapter's own."""

    format: Any = None
    record: msgspec.Raw = _NONE
    note: Any = None


_whence = msgspec.json.Decoder(Whence)
_NOTHING: Final = Whence()


def drafts(
    format: str, kept: Kept, events: Sequence[Event | UnknownEvent], *, time: datetime | None = None, note: Any = None
) -> list[Envelope]:
    """The events of one item, which is in the origin of the first; all of them say the format."""
    rest = {"format": format}
    first: dict[str, Any] = {**rest, "record": kept.record} if note is None else {**rest, "record": kept.record, "note": note}
    return [draft(event, time=time, origin=rest if index else first) for index, event in enumerate(events)]


def whence(stored: StoredEvent, format: str) -> Whence | None:
    """What the adapter of this format said of an event that it wrote, also where the event was copied since. None for any other event."""
    if stored.origin_raw is NO_ORIGIN:
        return None
    try:
        found = _whence.decode(innermost(stored.origin_raw))
    except msgspec.DecodeError:
        return None
    return found if found.format == format else None


def has_record(found: Whence) -> bool:
    return len(bytes(found.record)) > 0


def item_of(record: msgspec.Raw) -> Any:
    """The item, equal to the one that was given, and the caller's own."""
    return restore(record)


def with_numbers(written: Any, value: Any) -> Any:
    """What a serializer made of a value, with the numbers that JSON has no text for, which it made null."""
    if isinstance(value, float) and written is None:
        return value
    if isinstance(written, dict) and isinstance(value, dict):
        return {name: with_numbers(item, value.get(name)) for name, item in written.items()}
    if isinstance(written, list) and isinstance(value, list | tuple) and len(written) == len(value):
        return [with_numbers(item, other) for item, other in zip(written, value, strict=True)]
    return written
