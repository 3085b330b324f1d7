"""The stored projection behind `list_sessions`: of each session, and of each state that sessions share, its key and its state now."""

from __future__ import annotations

from typing import Any

import msgspec

from eventlog import StoredEvent
from eventlog.events import SessionDeleted, SessionRestored, SessionStarted
from eventlog.verbatim import keep

from ...catalog.facade import Catalog
from ..keys import named_by
from ..records import Whence, has_record, item_of, whence
from .conversation import CREATED, EVENT, FORMAT, REWOUND, SHARED, own_part

_NOTHING = b"{}"


class Listed(msgspec.Struct):
    """``key``: empty where it is neither. ``state`` is JSON: numbers may be of any size. ``last``: as in `Conversation`."""

    namespace: str = ""
    key: list[str] = []
    generation: int = 1
    deleted: bool = False
    state: bytes = _NOTHING
    updated: float = 0.0
    last: int = 0

    def change(self, delta: dict[str, Any]) -> None:
        if delta:
            self.state = bytes(keep({**self.values(), **delta}).record)

    def values(self) -> dict[str, Any]:
        found: dict[str, Any] = item_of(msgspec.Raw(self.state))
        return found


class Listing:
    name = "adapter_google_adk"
    version = 1

    def initial(self) -> Listed:
        return Listed()

    def fold(self, state: Listed, stored: StoredEvent) -> Listed:
        event = stored.event
        if isinstance(event, SessionStarted) and stored.seq == 1:
            named = named_by(stored.session_id, event.metadata.get("key"))
            return Listed(named.namespace, named.key, named.generation) if named.namespace in (FORMAT, SHARED) else state
        if isinstance(event, SessionDeleted | SessionRestored):
            state.deleted = isinstance(event, SessionDeleted)
        if not state.key:
            return state
        said = whence(stored, state.namespace)
        if said is not None and has_record(said):
            self._told(state, stored, said)
        elif said is not None and said.note != REWOUND and state.last == stored.seq - 1:
            state.last = stored.seq
        return state

    def _told(self, state: Listed, stored: StoredEvent, said: Whence) -> None:
        record = item_of(said.record)
        if state.namespace == SHARED:
            state.change(record["state"])
        elif said.note == CREATED:
            state.change(own_part(record["state"]))
            state.updated, state.last = stored.time.timestamp(), stored.seq
        elif said.note == EVENT:
            state.change(own_part((record.get("actions") or {}).get("state_delta") or {}))
            state.updated, state.last = record["timestamp"], stored.seq


def listed(catalog: Catalog) -> tuple[list[Listed], dict[tuple[str, ...], dict[str, Any]]]:
    """The sessions that are there, and the shared states by their keys. The catalog has `Listing` among its projections."""
    latest: dict[tuple[str, ...], Listed] = {}
    for _, each in catalog.states(Listing.name):
        key = (each.namespace, *each.key)
        if each.key and latest.get(key, each).generation <= each.generation:
            latest[key] = each
    there = [each for each in latest.values() if not each.deleted]
    shared = {tuple(each.key): each.values() for each in there if each.namespace == SHARED}
    return [each for each in there if each.namespace == FORMAT and each.last], shared
