"""Events taken over from another session: what is written of them here, and which event each of them is.

A copy has the time, type, version and data of the event as they stand in its line, so that what this version does not know
goes along. Its origin names the event that it was copied from and holds, under the same name, the original event where that is another
one, and what an import said of it:

    {"session_id":"b","seq":7,"origin":{"session_id":"a","seq":3,"origin":{"format":"claude-code","record":{...}}}}

So an origin has at most three links, however often an event is copied: outermost is where this copy was taken from, innermost what an
import said. The links between are dropped, and what they said of the data here is said by the outermost. (Older logs have them all.) The
*identity* of an event is the session and seq at the inner end of that chain, its own where it is no copy: all copies have the same one.

The idempotency key of an append is not copied: it belongs to an append to the other session.

The data stands as it was also where it means something else here; the origin then says what, and whoever folds events asks for it: where
a compaction's first kept event is now (`first_kept_seq`), what a message is called whose id another session of a merge
uses for a message of its own (``"ids":{"m1":"b:m1"}``, `as_meant`), and where the events are now that ranges of seqs name (`ranges`).

Data that is nested deeper than a line may be (`limits`; older logs took it) is copied as a `SourceRecord` with its text in ``record``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from copy import copy as shallow_copy
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from .. import timestamps
from ..events import SessionCompacted, SourceRecord, UsageRecorded
from ..limits import MAX_DEPTH, fields_of, is_deeper
from ..line import Envelope
from ..registry import Event
from ..stored import NO_ORIGIN, StoredEvent, envelope

_IDS = b'"ids":'
_WHENCE = ("session_id", "seq", "origin")
_NAMES_A_MESSAGE = ("message_id", "reply_to", "alternative_to")
MISSING_PER_APPEND = 256
_TOO_DEEP = "nested too deeply to be an event here; its data is the text in origin.record"


class Identity(NamedTuple):
    """Which event it is, wherever it was copied to."""

    session_id: str
    seq: int


class _Link(msgspec.Struct, gc=False):
    """One origin of a chain, as far as it says where a copy was taken from."""

    session_id: Any = None
    seq: Any = None
    origin: msgspec.Raw = NO_ORIGIN
    first_kept_seq: Any = None
    ids: Any = None
    ranges: Any = None


_link = msgspec.json.Decoder(_Link).decode
_encode = msgspec.json.Encoder().encode


def copy(stored: StoredEvent, *, more: bool, said: bytes = b"") -> Envelope:
    """The event as it is appended to another session. ``said`` is further JSON for its origin, beginning with a comma."""
    line = envelope(stored.raw)
    moment = stored.time
    type, version, data = stored.type, line.v, bytes(line.data) or b"{}"
    if is_deeper(data, MAX_DEPTH):
        said += b',"record":' + _encode(data.decode(errors="replace"))
        type, version, data = SourceRecord.type, 1, _encode(SourceRecord(kind=stored.type, note=_TOO_DEEP))
    return Envelope(
        0,
        moment if moment.microsecond else timestamps.to_text(moment),
        type,
        msgspec.Raw(data),
        version,
        origin=origin_of(stored, said),
        more=more,
    )


def origin_of(stored: StoredEvent, said: bytes = b"") -> msgspec.Raw:
    """The origin of a copy of the event. ``said`` counts where what was copied said something else under the same name."""
    chain = list(_links(stored.origin_raw))
    inner = chain[-1][1].origin if chain else stored.origin_raw
    nested = b',"origin":' + bytes(inner) if bytes(inner) else b""
    if chain:
        nested = b',"origin":{"session_id":%b,"seq":%d%b}' % (_encode(chain[-1][1].session_id), chain[-1][1].seq, nested)
        said += _still_said(chain, fields_of(b"{" + said[1:] + b"}"))
    return msgspec.Raw(b'{"session_id":%b,"seq":%d%b%b}' % (_encode(stored.session_id), stored.seq, said, nested))


def _still_said(chain: list[tuple[msgspec.Raw, _Link]], known: dict[str, bytes]) -> bytes:
    """What the links say besides whence the copy is, the outermost first, as JSON that begins with a comma."""
    found: dict[str, bytes] = {}
    for raw, _ in chain:
        for name, value in fields_of(bytes(raw)).items():
            if name not in _WHENCE and name not in known:
                found.setdefault(name, value)
    return b"".join(b",%b:%b" % (_encode(name), value) for name, value in found.items())


def data_of(stored: StoredEvent) -> msgspec.Raw:
    """The event's data as it stands in its line."""
    return envelope(stored.raw).data


def links(origin: msgspec.Raw) -> Iterator[_Link]:
    """The origins of a chain that name the event that a copy was taken from, from the outside in."""
    return (link for _, link in _links(origin))


def _links(origin: msgspec.Raw) -> Iterator[tuple[msgspec.Raw, _Link]]:
    while bytes(origin):
        try:
            link = _link(origin)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return  # another program's origin, of another shape
        except RecursionError:
            link = _deep_link(origin)
        if not isinstance(link.session_id, str) or not isinstance(link.seq, int):
            return
        yield origin, link
        origin = link.origin


def _deep_link(origin: msgspec.Raw) -> _Link:
    """A link of a chain that is deeper than the stack has room for."""
    fields = fields_of(bytes(origin))
    inner = fields.pop("origin", b"")
    try:
        link = msgspec.convert({name: msgspec.json.decode(value) for name, value in fields.items() if name != "record"}, type=_Link)
    except (msgspec.DecodeError, RecursionError):
        return _Link()
    link.origin = msgspec.Raw(inner)
    return link


def identity(stored: StoredEvent) -> Identity:
    """Which event this is: the one that it, or what it was copied from, was copied from."""
    found = Identity(stored.session_id, stored.seq)
    for link in links(stored.origin_raw):
        found = Identity(link.session_id, link.seq)
    return found


def taken_from(stored: StoredEvent) -> Identity | None:
    """The event that this one was copied from; None for one that is no copy."""
    for link in links(stored.origin_raw):
        return Identity(link.session_id, link.seq)
    return None


def innermost(origin: msgspec.Raw) -> msgspec.Raw:
    """The origin at the inner end of the chain, for an import's event that was copied: what the import said."""
    for link in links(origin):
        origin = link.origin
    return origin


def first_kept_seq(stored: StoredEvent, stated: int | None) -> int | None:
    """Where in its own session the ``first_kept_seq`` of a `ContextCompacted` is: a merge moves events, and says so in the origin."""
    for link in links(stored.origin_raw):
        if isinstance(link.first_kept_seq, int):
            return link.first_kept_seq
    return stated


def ranges(stored: StoredEvent, stated: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Where in its own session the events are that the event's data names as ``stated``: what a copy's origin says of that; for one that is
    at the place that it was copied from, as in a fork, the same; for another one that does not say so, nowhere."""
    is_moved = None
    for link in links(stored.origin_raw):
        found = _pairs(link.ranges)
        if found is not None:
            return found
        is_moved = link.seq != stored.seq if is_moved is None else is_moved
    return [] if is_moved else list(stated)


def saying_ranges(ranges: Iterable[tuple[int, int]]) -> bytes:
    """What the origin of a copy says of where the events are, for `copy`."""
    return b',"ranges":' + _encode([*ranges])


def _pairs(value: Any) -> list[tuple[int, int]] | None:
    if not isinstance(value, list):
        return None
    pairs = [pair for pair in value if isinstance(pair, list) and len(pair) == 2 and all(type(seq) is int for seq in pair)]
    return [(first, last) for first, last in pairs]


def as_meant(stored: StoredEvent) -> StoredEvent:
    """The event with the message ids that it has in this session: the same one, unless a merge had to tell two messages apart. So are
    the seqs that a `UsageRecorded` names in its ``context``."""
    origin = stored.origin_raw
    if origin is NO_ORIGIN:
        return stored
    event = stored.event
    changed: dict[str, Any] = {}
    if isinstance(event, UsageRecorded) and event.context:
        context = ranges(stored, event.context)
        if context != event.context:
            changed["context"] = context
    if _IDS in bytes(origin):
        ids = next((link.ids for link in links(origin) if isinstance(link.ids, dict)), {})
        given = {name: ids.get(getattr(event, name, None)) for name in _NAMES_A_MESSAGE}
        changed |= {name: id for name, id in given.items() if isinstance(id, str)}
    if not changed or not isinstance(event, Event):
        return stored
    meant = shallow_copy(stored)
    meant.event = msgspec.structs.replace(event, **changed)
    return meant


def message_ids(stored: StoredEvent) -> list[str]:
    """The ids of messages that the event uses, as it stands in its line."""
    found = (getattr(stored.event, name, None) for name in _NAMES_A_MESSAGE)
    return [id for id in found if isinstance(id, str)]


def appends(events: Iterable[StoredEvent]) -> Iterator[list[StoredEvent]]:
    """The events append by append, as they were made. One that is cut by the end of what is read comes without its end."""
    append: list[StoredEvent] = []
    for stored in events:
        append.append(stored)
        if not stored.more:
            yield append
            append = []
    if append:
        yield append


def missing(session_id: str, first: int, last: int, when: datetime) -> Iterator[list[Envelope]]:
    """Events that stand for the seqs that a session does not have (damage, dropped deltas), so that those after it keep theirs.

    One per seq, in appends of bounded size. They say nothing about the session's work."""
    said = SessionCompacted(left_out=[(first, last)], reason="not in the source")
    time = timestamps.to_text(when)
    for begin in range(first, last + 1, MISSING_PER_APPEND):
        end = min(begin + MISSING_PER_APPEND - 1, last)
        yield [
            Envelope(0, time, said.type, said, origin={"session_id": session_id, "seq": seq}, more=seq < end)
            for seq in range(begin, end + 1)
        ]
