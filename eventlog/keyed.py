"""Sessions under foreign keys: `EventLog.keyed`. The id follows from the key, so that no index is asked and two programs agree.

The generations of a key are ``ID``, ``ID.2``, ``ID.3``: the next one begins where the last one that exists is deleted. Restoring an older
one does not make it current.
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Any, Protocol

import msgspec

from .errors import InvalidInput, SessionExists, SessionNotFound
from .events import SessionDeleted, SessionRestored, SessionStarted
from .session import Session


class Log(Protocol):
    """What is needed of an `EventLog`."""

    def start(self, *, id: str | None = None, **details: Any) -> Session: ...

    def session(self, session_id: str, *, create: bool = False, exclusive: bool = False) -> Session: ...


_NAMESPACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def keyed_id(namespace: str, *key: str) -> str:
    """The id of the key's first generation: ``<namespace>-<24 hex of the SHA-256 of the JSON array of the key's texts>``."""
    if _NAMESPACE.fullmatch(namespace) is None:
        raise InvalidInput(f"a namespace matches {_NAMESPACE.pattern}, not {namespace!r}")
    if not key or not all(isinstance(each, str) for each in key):
        raise TypeError("a key is one text or several")
    try:
        named = msgspec.json.encode(key)
    except UnicodeEncodeError:  # half of a surrogate pair
        named = msgspec.json.encode([each.encode("utf-8", "surrogatepass").hex() for each in key])
    return f"{namespace}-{sha256(named).hexdigest()[:24]}"


def keyed(log: Log, namespace: str, *key: str) -> Session:
    """See `EventLog.keyed`."""
    first = keyed_id(namespace, *key)
    generation, session_id = last_generation(log, first)
    if generation:
        session = log.session(session_id)
        if not is_deleted(session):
            return session
        session.close()
    generation += 1
    session_id = generation_id(first, generation)
    try:
        return log.start(id=session_id, metadata={"key": {"namespace": namespace, "key": list(key), "generation": generation}})
    except SessionExists:  # another program was first
        return log.session(session_id)


def generation_id(first: str, generation: int) -> str:
    return first if generation <= 1 else f"{first}.{generation}"


def last_generation(log: Log, first: str) -> tuple[int, str]:
    """The last generation that exists, and its id; 0 where none does."""
    generation = 0
    while exists(log, generation_id(first, generation + 1)):
        generation += 1
    return generation, generation_id(first, generation)


def exists(log: Log, session_id: str) -> bool:
    try:
        log.session(session_id).close()
    except SessionNotFound:
        return False
    return True


def is_deleted(session: Session) -> bool:
    """Whether the session's last tombstone stands. Costs a look at its end."""
    for stored in session.read(types=(SessionDeleted.type, SessionRestored.type, SessionStarted.type), last=1, on_damage="skip"):
        return stored.type == SessionDeleted.type
    return False
