"""The port of the SDK (`ConversationStore`): its five methods, and a whole history at once."""

from __future__ import annotations

import json
import os
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, Final

from pydantic import TypeAdapter
from pydantic_ai.conversation_store import ConversationConflict, ConversationEntry, ConversationRecord, ConversationStore

from eventlog import EventLog, draft
from eventlog.backend import Sync
from eventlog.errors import SessionExists
from eventlog.events import SessionDeleted, SessionUpdated, SourceRecord
from eventlog.keyed import generation_id, keyed_id, last_generation
from eventlog.line import Envelope
from eventlog.verbatim import keep

from ...catalog.facade import Catalog
from ..keys import Keys, keys_of
from ..records import drafts, item_of
from ..sessions import Key, Sessions, in_thread, to_its_end
from .log import FORMAT, SAVED, Entry, Listing, Log, LogFold, entry_of, fields_of, listed

_REMEMBERED: Final = 10_000  # entries whose conversation is known
_RECORD: Final = TypeAdapter(ConversationRecord)


class EventLogConversationStore(ConversationStore):
    """``path_or_log``: a store's folder (made if it is not there), an open `EventLog`, or None for the configured store. ``sync``: how safe
    an append is when it returns, default the store's. Safe to use from several tasks, threads, event loops and processes."""

    def __init__(self, path_or_log: str | os.PathLike[str] | EventLog | None = None, *, sync: Sync | None = None) -> None:
        self._sessions = Sessions.of(path_or_log)
        self._sync = sync
        self._catalog = Catalog.open(self._sessions.log, projections=[Keys(), Listing()])
        self._whose: OrderedDict[str, str] = OrderedDict()  # entry -> conversation, as far as this object has met them
        self._closed = False

    # --- the interface, in its order ----------------------------------------------------------------------------------------------

    async def read_record(self, conversation_id: str) -> ConversationRecord | None:
        return await in_thread(lambda: self._record(conversation_id))

    async def read_records(self, *, scope: str | None = None, limit: int | None = None) -> Sequence[ConversationRecord]:
        def ask() -> list[ConversationRecord]:
            found = [self._seen(fields) for fields in listed(self._catalog)]
            there = [each for each in found if scope in (None, each.scope)]
            return sorted(there, key=lambda each: each.updated_at, reverse=True)[:limit]

        return await in_thread(ask)

    async def write_record(
        self, record: ConversationRecord, *, new_entries: Sequence[ConversationEntry] = (), expected_revision: str | None
    ) -> None:
        await to_its_end(lambda: self._write(record, list(new_entries), expected_revision))

    async def delete_record(self, conversation_id: str, *, expected_revision: str) -> None:
        """Delete the conversation with its entries; forks have theirs. `EventLog.restore` brings it back, `purge` erases it."""

        def decide(known: Log) -> list[Envelope]:
            if known.revision != expected_revision:
                raise ConversationConflict(conversation_id)
            return [draft(SessionDeleted(reason="delete_record"))]

        await to_its_end(lambda: self._append(conversation_id, decide))

    async def read_entry(self, entry_id: str) -> ConversationEntry:
        """The entry. Raises `KeyError` (a `LookupError`) where there is none."""
        (found,) = await in_thread(lambda: self._path(entry_id, 1))
        return found

    async def read_history(self, head_id: str | None, *, limit: int | None = None) -> list[ConversationEntry]:
        return [] if head_id is None else await in_thread(lambda: self._path(head_id, limit))

    def close(self) -> None:
        """Let go of the store. Closing twice is fine."""
        if not self._closed:
            self._closed = True
            self._catalog.close()
            self._sessions.close()

    # --- what is behind it --------------------------------------------------------------------------------------------------------

    def _record(self, conversation_id: str) -> ConversationRecord | None:
        fields = self._sessions.ask(LogFold(conversation_id), _key(conversation_id), lambda known: known.record, None)
        if fields is None:
            return None
        return self._seen(item_of(fields))

    def _seen(self, fields: Any) -> ConversationRecord:
        found = _RECORD.validate_json(json.dumps(fields))
        for entry_id in (found.head_id, *found.branches):
            if entry_id is not None:
                self._remember(entry_id, found.conversation_id)
        return found

    def _path(self, head_id: str, limit: int | None) -> list[ConversationEntry]:
        def question(known: Log) -> list[Entry] | None:
            return known.path(head_id, limit) if head_id in known.entries else None

        conversation_id = self._conversation_of(head_id)
        if conversation_id is not None:
            found = self._sessions.ask(LogFold(conversation_id), _key(conversation_id), question, None)
            if found is not None:
                return [entry_of(each) for each in found]
        raise KeyError(head_id)

    def _conversation_of(self, entry_id: str) -> str | None:
        """The conversation that has the entry. Where this object has not met it, every conversation is looked at."""

        def has(conversation_id: str) -> bool:
            return self._sessions.ask(LogFold(conversation_id), _key(conversation_id), lambda known: entry_id in known.entries, False)

        remembered = self._whose.get(entry_id)
        if remembered is not None and has(remembered):
            return remembered
        found = next((key[0] for key in keys_of(self._catalog, FORMAT) if has(key[0])), None)
        if found is not None:
            self._remember(entry_id, found)
        return found

    def _remember(self, entry_id: str, conversation_id: str) -> None:
        self._whose[entry_id] = conversation_id
        while len(self._whose) > _REMEMBERED:
            self._whose.popitem(last=False)

    def _write(self, record: ConversationRecord, new_entries: list[ConversationEntry], expected: str | None) -> None:
        conversation_id = record.conversation_id
        written = [(entry, fields_of(entry)) for entry in new_entries]
        fields = _RECORD.dump_python(record, mode="json")
        new_ids = {entry.id for entry in new_entries}
        if expected is None and record.head_id is not None and record.head_id not in new_ids:
            self._fork(conversation_id, record.head_id)

        def decide(known: Log) -> list[Envelope]:
            if known.revision != expected:
                raise ConversationConflict(conversation_id)
            if record.head_id is not None and record.head_id not in known.entries and record.head_id not in new_ids:
                raise ConversationConflict(conversation_id)
            return [
                *known.changes(record.head_id, written),
                *drafts(FORMAT, keep(fields), [SourceRecord(kind="pydantic-ai.saved")], note=SAVED),
            ]

        self._append(conversation_id, decide, record.scope)
        for entry in new_entries:
            self._remember(entry.id, conversation_id)

    def _append(self, conversation_id: str, decide: Callable[[Log], list[Envelope]], scope: str | None = None) -> None:
        about = {"kind": "agent", "metadata": {"conversation_id": conversation_id} | ({"scope": scope} if scope is not None else {})}
        self._sessions.append(LogFold(conversation_id), _key(conversation_id), decide, exact=True, sync=self._sync, details=lambda: about)

    def _fork(self, conversation_id: str, head_id: str) -> None:
        """Begin the conversation with a fork of the session that has the entry, up to it; where there is none, or where the
        conversation is there, nothing happens."""
        key, log = _key(conversation_id), self._sessions.log
        source_id = self._conversation_of(head_id)
        if source_id is None or self._sessions.id_of(key) is not None:
            return
        source = self._sessions.id_of(_key(source_id))
        at = self._sessions.ask(LogFold(source_id), _key(source_id), lambda known: known.entries[head_id].last, 0)
        generation = last_generation(log, keyed_id(*key)) + 1
        try:
            with log.fork(source or "", at, id=generation_id(keyed_id(*key), generation)) as forked:
                about = {"namespace": FORMAT, "key": list(key[1:]), "generation": generation}
                forked.append(SessionUpdated(metadata={"key": about, "conversation_id": conversation_id}), sync=self._sync)
        except SessionExists:
            pass  # another program was first; the revision will tell


def _key(conversation_id: str) -> Key:
    return FORMAT, conversation_id
