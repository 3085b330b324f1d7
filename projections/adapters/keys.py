"""Which foreign keys of a namespace have a session: a small stored projection over the log."""

from __future__ import annotations

from typing import Any

import msgspec

from eventlog import StoredEvent
from eventlog.events import SessionDeleted, SessionRestored, SessionStarted, SessionUpdated
from eventlog.keyed import generation_id, keyed_id

from ..catalog.facade import Catalog


class Named(msgspec.Struct):
    """``metadata.key`` of a session. Without a namespace it has none, or is a copy of one that has."""

    namespace: str = ""
    key: list[str] = []
    generation: int = 1
    deleted: bool = False


class Keys:
    name = "adapter_keys"
    version = 1

    def initial(self) -> Named:
        return Named()

    def fold(self, state: Named, stored: StoredEvent) -> Named:
        event = stored.event
        if isinstance(event, SessionDeleted | SessionRestored):
            state.deleted = isinstance(event, SessionDeleted)
        elif isinstance(event, SessionStarted | SessionUpdated) and isinstance(event.metadata, dict) and "key" in event.metadata:
            found = named_by(stored.session_id, event.metadata["key"])
            found.deleted = state.deleted
            return found
        return state


def named_by(session_id: str, key: Any) -> Named:
    """What the metadata says, if the session has the id of that key; a fork has another one."""
    try:
        found = msgspec.convert(key, Named)
    except msgspec.ValidationError:
        return Named()
    is_its = found.namespace and found.key and session_id == generation_id(keyed_id(found.namespace, *found.key), found.generation)
    return found if is_its else Named()


def keys_of(catalog: Catalog, namespace: str) -> list[tuple[str, ...]]:
    """The keys of the namespace whose session is there, in the order of their ids. The catalog has `Keys` among its projections."""
    latest: dict[tuple[str, ...], Named] = {}
    for _, each in catalog.states(Keys.name):
        key = tuple(each.key)
        if each.namespace == namespace and latest.get(key, each).generation <= each.generation:
            latest[key] = each
    return [key for key, each in latest.items() if not each.deleted]
