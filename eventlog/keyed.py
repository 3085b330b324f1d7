"""Sessions under foreign keys: `EventLog.keyed`. The id follows from the key, so that no index is asked and two programs agree.

The generations of a key are ``ID``, ``ID.2``, ``ID.3``, without a gap: the next one begins where the last one that exists is deleted, and
an id that was once used stays. Restoring an older one does not make it current.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from hashlib import sha256
from types import MappingProxyType
from typing import Any, Final, Protocol

import msgspec

from .backend import Sync
from .errors import Conflict, InvalidInput, SessionDeleted
from .events import SessionDeleted as DeletedEvent
from .events import SessionStarted
from .line import Envelope
from .session import Session, draft

_NAMESPACE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_NO_DETAILS: Final[Mapping[str, Any]] = MappingProxyType({})


class Log(Protocol):
    """What is needed of an `EventLog`."""

    def session(self, session_id: str, *, create: bool) -> Session: ...


def keyed_id(namespace: str, *key: str) -> str:
    """The id of the key's first generation (FORMAT.md, "Session ids"). Raises `InvalidInput` for what is no namespace, `TypeError` where
    the key is no texts."""
    if not isinstance(namespace, str) or not key or not all(isinstance(text, str) for text in key):
        raise TypeError("a key is a namespace and one text or several")
    if _NAMESPACE.fullmatch(namespace) is None:
        raise InvalidInput(f"{namespace[:80]!r} is no namespace; give one that matches {_NAMESPACE.pattern}")
    try:
        named = msgspec.json.encode(key)
    except UnicodeEncodeError:  # half of a surrogate pair
        named = msgspec.json.encode([text.encode("utf-8", "surrogatepass").hex() for text in key])
    return f"{namespace}-{sha256(named).hexdigest()[:24]}"


def keyed(log: Log, namespace: str, *key: str) -> Session:
    """See `EventLog.keyed`."""
    return begin(log, namespace, *key)[0]


def find(log: Log, namespace: str, *key: str) -> Session | None:
    """The key's session where there is one that is not deleted; None, and nothing is written, where there is none."""
    return _current(log, keyed_id(namespace, *key))[1]


def begin(
    log: Log, namespace: str, *key: str, details: Mapping[str, Any] = _NO_DETAILS, events: Sequence[Envelope] = (), sync: Sync | None = None
) -> tuple[Session, bool]:
    """`keyed`, and whether this call began the session: with these ``details`` of its `SessionStarted` and these further events, in one
    append. Where it is there already, nothing is written."""
    first = keyed_id(namespace, *key)
    while True:
        generation, session = _current(log, first)
        if session is not None:
            return session, False
        about = {"namespace": namespace, "key": list(key), "generation": generation + 1}
        metadata = {**details.get("metadata", {}), "key": about}
        started = draft(SessionStarted(**{**details, "metadata": metadata}), more=bool(events))
        if events:
            started.time = events[0].time
        for index, event in enumerate(events):
            event.more = index < len(events) - 1
        session = log.session(generation_id(first, generation + 1), create=True)
        try:
            session.append_envelopes([started, *events], expected=0, sync=sync)
            return session, True
        except (Conflict, SessionDeleted):
            session.close()  # another program was first


def _current(log: Log, first: str) -> tuple[int, Session | None]:
    """The last generation that exists (0: none does), and its session where that is not deleted."""
    generation = last_generation(log, first)
    if generation:
        session = log.session(generation_id(first, generation), create=True)
        if not _is_deleted(session):
            return generation, session
        session.close()
    return generation, None


def generation_id(first: str, generation: int) -> str:
    return first if generation <= 1 else f"{first}.{generation}"


def last_generation(log: Log, first: str) -> int:
    """The last generation that exists, 0 where none does. Costs a look for each doubling of their number, not for each of them."""
    below, above = 0, 1
    while _exists(log, generation_id(first, above)):
        below, above = above, 2 * above
    while above - below > 1:
        middle = (below + above) // 2
        if _exists(log, generation_id(first, middle)):
            below = middle
        else:
            above = middle
    return below


def _exists(log: Log, session_id: str) -> bool:
    """Asked by its position: where recording is off, every session that is asked for is there."""
    with log.session(session_id, create=True) as session:
        return session.last_seq > 0


def _is_deleted(session: Session) -> bool:
    """A deleted session takes nothing but its restoration, so that its last event says it."""
    return any(stored.type == DeletedEvent.type for stored in session.read(last=1, on_damage="skip"))
