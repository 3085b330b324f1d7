"""What a conversation is to the adapter: the fold over its session, and the events that change it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
from pydantic_ai.conversation_store import ConversationEntry
from pydantic_ai.messages import ModelMessagesTypeAdapter

from eventlog import StoredEvent, draft
from eventlog.errors import InvalidEvent
from eventlog.events import HistoryCleared, HistoryRetracted, SessionDeleted, SessionRestored, SessionStarted, SessionUpdated, SourceRecord
from eventlog.line import Envelope
from eventlog.meaning import history
from eventlog.meaning.ranges import Ranges
from eventlog.verbatim import keep

from ...catalog.facade import Catalog
from ..keys import named_by
from ..records import drafts, has_record, item_of, whence, with_numbers
from ..sessions import Fold, State
from .messages import meaning

FORMAT = "pydantic-ai"
SAVED = "saved"
_AGAIN = "again"


class Entry(NamedTuple):
    """An entry; the first and the last seq of its events."""

    first: int
    last: int
    id: str
    parent_id: str | None
    record: msgspec.Raw


class Log(State):
    """A conversation: its record, its entries, and where the messages of each stand, if they are shown."""

    def __init__(self) -> None:
        super().__init__()
        self.record: msgspec.Raw | None = None
        self.revision: str | None = None
        self.entries: dict[str, Entry] = {}
        self.shown: dict[str, tuple[int, int]] = {}
        self.last: str | None = None  # the entry to which the events that come belong

    def path(self, head_id: str | None, limit: int | None = None) -> list[Entry]:
        """The entries up to the head, in order; the last ``limit`` of them. Raises `KeyError` where one is missing."""
        found: list[Entry] = []
        while head_id is not None and (limit is None or len(found) < limit):
            entry = self.entries[head_id]
            found.append(entry)
            head_id = entry.parent_id
        found.reverse()
        return found

    def changes(self, head_id: str | None, new: Sequence[tuple[ConversationEntry, dict[str, Any]]]) -> list[Envelope]:
        """The new entries, and what makes the session's messages those up to the head."""
        parents = {entry.id: entry.parent_id for entry, _ in new}
        kept: list[str] = []
        while head_id is not None and (head_id in parents or head_id in self.entries):
            kept.append(head_id)
            head_id = parents[head_id] if head_id in parents else self.entries[head_id].parent_id
        kept.reverse()
        there = [id for id in kept if id in self.entries]
        # in the order of the path: from the first that is not shown on, all are said (again)
        stays = next((index for index, id in enumerate(there) if id not in self.shown), len(there))
        gone = [place for id, place in self.shown.items() if id not in set(there[:stays])]
        made = [draft(HistoryRetracted(ranges=list(Ranges(sorted(gone))), reason="another branch"))] if gone else []
        for id in there[stays:]:
            made += _said_again(self.entries[id])
        for entry, fields in new:
            record = keep(fields)
            try:
                events = meaning(entry.id, record.value["message"]) or [SourceRecord(kind="pydantic-ai.entry")]
                made += drafts(FORMAT, record, events, note=entry.id)
            except InvalidEvent:  # content of a shape that nobody has seen
                made += drafts(FORMAT, record, [SourceRecord(kind="pydantic-ai.entry")], note=entry.id)
        return made


class LogFold(Fold[Log]):
    name = "adapter_pydantic_ai"

    def __init__(self, conversation_id: str) -> None:
        self._conversation_id = conversation_id

    def initial(self) -> Log:
        return Log()

    def take(self, state: Log, stored: StoredEvent) -> None:
        if isinstance(stored.event, HistoryRetracted | HistoryCleared):
            gone = history.named(stored)
            state.shown = {id: place for id, place in state.shown.items() if not gone.meets(*place)}
            return
        said = whence(stored, FORMAT)
        if said is None:
            state.last = None
        elif said.note == SAVED:
            self._saved(state, said.record)
        elif has_record(said):
            fields = item_of(said.record)
            state.last = fields["id"]
            state.entries[fields["id"]] = Entry(stored.seq, stored.seq, fields["id"], fields["parent_id"], said.record.copy())
            state.shown[fields["id"]] = stored.seq, stored.seq
        elif isinstance(said.note, dict) and _AGAIN in said.note:
            state.last = said.note[_AGAIN]
            state.shown[said.note[_AGAIN]] = stored.seq, stored.seq
        elif state.last is not None and state.last in state.shown:
            first, _ = state.shown[state.last]
            state.shown[state.last] = first, stored.seq
            if first == state.entries[state.last].first:
                state.entries[state.last] = state.entries[state.last]._replace(last=stored.seq)

    def _saved(self, state: Log, record: msgspec.Raw) -> None:
        state.last = None
        fields = item_of(record)
        if fields["conversation_id"] == self._conversation_id:  # in a fork, the one before has another
            state.record, state.revision = record.copy(), fields["revision"]


# --- an entry as JSON --------------------------------------------------------------------------------------------------------------------


def fields_of(entry: ConversationEntry) -> dict[str, Any]:
    """The entry as JSON."""
    (written,) = ModelMessagesTypeAdapter.dump_python([entry.message], mode="json")
    (value,) = ModelMessagesTypeAdapter.dump_python([entry.message])
    return {"id": entry.id, "parent_id": entry.parent_id, "kind": entry.kind, "message": with_numbers(written, value)}


def _message_of(fields: Any) -> Any:
    try:
        return ModelMessagesTypeAdapter.validate_json(json.dumps([fields]))[0]
    except ValueError:  # half of a surrogate pair, which its reader of JSON has no place for
        return ModelMessagesTypeAdapter.validate_python([fields])[0]


def entry_of(entry: Entry) -> ConversationEntry:
    fields = item_of(entry.record)
    return ConversationEntry(id=fields["id"], parent_id=fields["parent_id"], message=_message_of(fields["message"]), kind=fields["kind"])


def _said_again(entry: Entry) -> list[Envelope]:
    events = meaning(entry.id, keep(item_of(entry.record)).value["message"]) or [SourceRecord(kind="pydantic-ai.entry")]
    rest: dict[str, Any] = {"format": FORMAT}
    return [draft(event, origin=rest if index else {**rest, "note": {_AGAIN: entry.id}}) for index, event in enumerate(events)]


# --- lists -----------------------------------------------------------------------------------------------------------------------------


class Listed(msgspec.Struct):
    """The record of a conversation, as JSON, and which generation of its key it is of."""

    conversation_id: str = ""
    generation: int = 1
    deleted: bool = False
    record: bytes = b""


class Listing:
    """The stored projection behind `read_records`."""

    name = "adapter_pydantic_ai"
    version = 1

    def initial(self) -> Listed:
        return Listed()

    def fold(self, state: Listed, stored: StoredEvent) -> Listed:
        event = stored.event
        if isinstance(event, SessionStarted | SessionUpdated) and isinstance(event.metadata, dict) and "key" in event.metadata:
            named = named_by(stored.session_id, event.metadata["key"])
            if named.namespace == FORMAT:
                state.conversation_id, state.generation = named.key[0], named.generation
        elif isinstance(event, SessionDeleted | SessionRestored):
            state.deleted = isinstance(event, SessionDeleted)
        said = whence(stored, FORMAT)
        if said is not None and said.note == SAVED and item_of(said.record)["conversation_id"] == state.conversation_id:
            state.record = bytes(said.record)
        return state


def listed(catalog: Catalog) -> list[Any]:
    """The records of the conversations that are there, as JSON. The catalog has `Listing` among its projections."""
    latest: dict[str, Listed] = {}
    for _, each in catalog.states(Listing.name):
        if each.conversation_id and latest.get(each.conversation_id, each).generation <= each.generation:
            latest[each.conversation_id] = each
    return [item_of(msgspec.Raw(each.record)) for each in latest.values() if each.record and not each.deleted]
