"""The way in: what is given to be appended -> envelopes, checked by the rules by which they will be read. Nothing is written before.

- An event of a *registered* type, in a version that this program knows, must decode, whichever class carries it: what is acknowledged is
  shown. Unknown fields, unknown types and higher versions pass as they are.
- The check decodes the bytes that will be written, before any lock is taken: 0.3 us for a message, and the writer only copies them then.
- A message's parts in the shape of a provider's API become ours (`shapes.parts`); what is neither is refused with the rule.
- NaN, infinities and half surrogate pairs are refused by name, also inside `msgspec.Raw`; so is what is nested too deeply (`limits`).
- Replays copy bytes (`Session.append_envelopes`): of those only the depth is measured, since no line may be one that readers cannot read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from . import registry
from .errors import InvalidEvent
from .events import MessageAdded
from .limits import MAX_DEPTH, fields_of, is_deeper, unwritable
from .line import NOT_JSON, Envelope, cannot_hold, not_json, single_line, too_deep
from .registry import Event, UnknownEvent, check_type_name

Origin = Mapping[str, Any] | msgspec.Raw

_encode = msgspec.json.Encoder().encode
_MISSING = re.compile(r"missing required field `(.*)`")
_LINKS = 3  # an origin's own levels around a record: the event copied from, the original event, the import's own
_CONTENT = "content"  # the field of the vocabulary's messages that holds parts
_TEXTS = ("text", "reasoning")


def envelopes(events: Sequence[Event | UnknownEvent], when: datetime | str, id: str | None, origin: Origin | None) -> list[Envelope]:
    """One append's: the last has its id, all before it say that there is more. Raises `InvalidEvent`, `TypeError`, `ValueError`."""
    if not events:
        raise ValueError("append needs at least one event")
    if origin is not None:
        origin = _checked_origin(origin)
    made = [_enveloped(event, when, origin) for event in events]
    made[-1].id = id
    made[-1].more = False
    return made


def _enveloped(event: Event | UnknownEvent, when: datetime | str, origin: Origin | None) -> Envelope:
    if isinstance(event, Event):
        return Envelope(0, when, type_of(event), data_of(event), event.version, None, origin, True)
    if not isinstance(event, UnknownEvent):
        raise TypeError(f"append takes events (eventlog.events), not {type(event).__name__}")
    if not isinstance(event.version, int) or isinstance(event.version, bool) or event.version < 1:
        raise InvalidEvent(f"the version of {event.type!r} is a number from 1, not {event.version!r}", "version")
    _check_name(event.type)
    return Envelope(0, when, event.type, _unknown_data(event), event.version, None, origin, True)


def type_of(event: Event) -> str:
    """The name that the event's class is registered under. Raises `TypeError` where it is not."""
    try:
        name = event.type
    except AttributeError:
        cls = type(event).__name__
        raise TypeError(f'{cls} is not registered as an event type; put @event_type("...") in front of its class') from None
    if name not in registry.known_types():
        _check_name(name)
    return name


def check_id(id: object) -> None:
    if id is not None and not isinstance(id, str):
        raise TypeError(f"the id of an append is text, not {type(id).__name__}")


def _check_name(name: Any) -> None:
    try:
        check_type_name(name)
    except ValueError as error:
        raise InvalidEvent(str(error), "type") from None


# --- data ----------------------------------------------------------------------------------------------------------------------


def data_of(event: Event) -> msgspec.Raw:
    """The event's data as it will stand in its line. Raises `InvalidEvent`."""
    try:
        data = _encode(event)
        found = registry.reads(event.type)(data)
    except NOT_JSON as error:  # a decoder's error is a ValueError, too
        return _mended(event, error)
    if b"null" in data:
        _check_numbers(event)
    if len(data) > 2 * MAX_DEPTH and is_deeper(data, MAX_DEPTH):
        raise too_deep("the data of the event")
    if found.__class__ is MessageAdded and found.content.__class__ is list:
        _check_texts(found)
    return msgspec.Raw(data)


def _check_texts(event: MessageAdded) -> None:
    """A part without a type, or one of text without its text, would be shown as nothing."""
    parts: Any = event.content
    for index, part in enumerate(parts):
        if part.content.__class__ is str and part.type:
            continue
        where = f"content[{index}].content"
        if part.type in _TEXTS and part.metadata is msgspec.UNSET:
            raise InvalidEvent(f"{event.type}: {where}: a part of text or reasoning has its text there, as a string", where)
        if not part.type:
            where = f"content[{index}].type"
            raise InvalidEvent(f"{event.type}: {where}: a part has a type", where)


def _unknown_data(event: UnknownEvent) -> msgspec.Raw:
    name, given = event.type, event.data
    if isinstance(given, msgspec.Raw):
        data = single_line(given)
        if not bytes(data).lstrip().startswith(b"{"):
            raise InvalidEvent(f"the data of {name!r} is a JSON object, not {bytes(data)[:20]!r}")
    elif isinstance(given, Mapping):
        data = _as_json(given)
    else:
        raise InvalidEvent(f"the data of {name!r} is a mapping, not {type(given).__name__}")
    if is_deeper(bytes(data), MAX_DEPTH):
        raise too_deep(f"the data of {name!r}")
    if registry.knows(name, event.version):
        try:
            found = registry.decoded(name, event.version, data)
        except registry.NOT_DECODED as error:
            return _mended(event, error)
        if isinstance(found, MessageAdded) and not isinstance(found.content, str):
            _check_texts(found)
    return data


def _as_json(value: Any) -> msgspec.Raw:
    """The value as JSON text on one line, raw JSON inside it looked at, too."""
    try:
        data = _encode(value)
    except NOT_JSON as error:
        raise not_json(value, error) from error
    if b"null" in data:
        _check_numbers(value)
    try:
        return single_line(data)
    except InvalidEvent:
        found = unwritable(value)
        if found is None:
            raise
        raise cannot_hold(*found) from None


def _check_numbers(value: Any) -> None:
    """NaN and the infinities are encoded as null."""
    found = unwritable(value)
    if found is not None:
        raise cannot_hold(*found)


def _mended(event: Event | UnknownEvent, error: Exception) -> msgspec.Raw:
    """The data with the parts of its message as ours, where that is all that it lacked. Raises `InvalidEvent`, with the field."""
    from .shapes.parts import HOLD_PARTS, NotParts, at_the_door

    fields = _fields(event)
    content = fields.get(_CONTENT) if fields is not None else None
    if fields is None or not isinstance(content, list) or event.type not in HOLD_PARTS:
        raise _refused(event, error) from error
    try:
        fields[_CONTENT] = at_the_door(content)
    except NotParts as refusal:
        where = f"{_CONTENT}{refusal.where}"
        raise InvalidEvent(f"{event.type}: {where} {refusal}", where) from None
    data = _as_json(fields)
    if is_deeper(bytes(data), MAX_DEPTH):
        raise too_deep("the data of the event")
    try:
        registry.decoded(event.type, event.version, _as_json({**fields, _CONTENT: ""}))
    except registry.NOT_DECODED as other:
        raise _refused(event, other) from other
    return data


def _fields(event: Event | UnknownEvent) -> dict[str, Any] | None:
    """The fields that the event's line would have; None where they cannot be told."""
    if isinstance(event, Event):
        fields = {name: getattr(event, name) for name in event.__struct_fields__}
        return {name: value for name, value in fields.items() if value is not msgspec.UNSET and not _is_default(event, name, value)}
    if not isinstance(event.data, msgspec.Raw):
        return dict(event.data)
    try:
        raw = msgspec.json.decode(event.data, type=dict[str, msgspec.Raw])
        content = raw.get(_CONTENT)
        return {**raw, _CONTENT: None if content is None else msgspec.json.decode(content)}
    except (msgspec.DecodeError, RecursionError):
        return None


def _is_default(event: Event, name: str, value: Any) -> bool:
    found = next(field for field in msgspec.structs.fields(event) if field.name == name)
    if found.default is not msgspec.NODEFAULT:
        return bool(value is found.default)
    return found.default_factory is not msgspec.NODEFAULT and not value


def _refused(event: Event | UnknownEvent, error: Exception) -> InvalidEvent:
    given = event if isinstance(event, Event) else event.data
    if isinstance(error, RecursionError):
        return too_deep("the event")
    if not isinstance(error, msgspec.ValidationError):
        return not_json(given, error)
    found = unwritable(given)
    if found is not None:
        return cannot_hold(*found)
    why, _, path = str(error).partition(" - at `$")
    field = path.rstrip("`").lstrip(".") or None
    if missing := _MISSING.search(why):
        field = f"{field}.{missing[1]}" if field else missing[1]
    return InvalidEvent(
        f"{event.type} would not be read back as what it is: {f'{field}: ' if field else ''}{why[:1].lower()}{why[1:]};"
        " give what its class in eventlog.events says",
        field,
    )


# --- origins and depth -----------------------------------------------------------------------------------------------------------


def _checked_origin(origin: Origin) -> msgspec.Raw:
    if isinstance(origin, msgspec.Raw):
        text = single_line(origin)
        if not bytes(text).lstrip().startswith(b"{"):
            raise InvalidEvent(f"an origin is a JSON object, not {bytes(text)[:20]!r}", "origin")
    elif isinstance(origin, Mapping):
        text = _as_json(origin)
    else:
        raise TypeError(f"an origin is a mapping, not {type(origin).__name__}")
    _check_origin_depth(text)
    return text


def check_depth(envelope: Envelope) -> None:
    """Of an event that is copied as it is: that its line is one that every reader can read. Raises `InvalidEvent`."""
    data = envelope.data
    if is_deeper(bytes(data) if isinstance(data, msgspec.Raw) else _encode(data), MAX_DEPTH):
        raise too_deep("the data of the event")
    origin = envelope.origin
    if origin is not None:
        _check_origin_depth(origin if isinstance(origin, msgspec.Raw) else _as_json(origin))


def _check_origin_depth(origin: msgspec.Raw) -> None:
    text = bytes(origin)
    if not is_deeper(text, MAX_DEPTH):
        return
    if is_deeper(text, MAX_DEPTH + _LINKS) or is_deeper(fields_of(text).get("record", b""), MAX_DEPTH):
        raise too_deep("the origin of the event")
