"""Claude Agent SDK (checked with 0.2.189): `EventLogSessionStore`, a `SessionStore` to which it mirrors its transcripts.

    options = ClaudeAgentOptions(session_store=EventLogSessionStore("my-store"))

- A transcript is the log's session of the key ``claude-agent-sdk/PROJECT/SESSION``, a subagent's one more with its subpath, whose parent
  is the main one. What an entry means is what `eventlog import claude-code` makes of it; the entry itself is in the event's origin.
- An entry whose ``uuid`` is there is not stored again, whichever process sends it.
- A ``mtime`` is the time of storing, which each append notes in its origin; the events have the entries' own times.
- Lists and summaries are a stored projection over the log (`Transcripts`), folded by the SDK's own `fold_session_summary`.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, TypeVar

import anyio.to_thread
import claude_agent_sdk
import msgspec
from claude_agent_sdk import SessionStore, fold_session_summary

from eventlog import EventLog, EventLogError, StoredEvent
from eventlog.backend import Sync
from eventlog.errors import EventTooLarge
from eventlog.events import Event, Parent, SessionRestored, SessionStarted, SessionUpdated, SourceRecord
from eventlog.events import SessionDeleted as DeletedEvent
from eventlog.importers.claude_code.meaning import ClaudeCodeMeaning, kind_of
from eventlog.importers.intake import Place, Source
from eventlog.importers.provenance import fingerprint
from eventlog.importers.values import time_of
from eventlog.keyed import generation_id, keyed_id
from eventlog.line import Envelope
from eventlog.verbatim import Kept, keep

from ..catalog.facade import Catalog
from .records import drafts, has_record, item_of, whence
from .sessions import Fold, Key, Sessions, State

NAMESPACE = "claude-agent-sdk"
FORMAT = "claude-code"
T = TypeVar("T")
_SURPRISES = (AttributeError, IndexError, KeyError, RecursionError, TypeError, ValueError, EventLogError)


class EventLogSessionStore(SessionStore):
    """``path_or_log``: a store's folder (made if it is not there), an open `EventLog`, or None for the configured store. ``sync``: how safe
    an append is when it returns, default the store's. Safe to use from several tasks, threads and processes; under asyncio and trio."""

    def __init__(self, path_or_log: str | os.PathLike[str] | EventLog | None = None, *, sync: Sync | None = None) -> None:
        self._sessions = Sessions.of(path_or_log)
        self._sync = sync
        self._catalog = Catalog.open(self._sessions.log, projections=[Transcripts()])
        self._closed = False

    # --- the interface, in its order ----------------------------------------------------------------------------------------------

    async def append(self, key: Any, entries: list[Any]) -> None:
        """Store the entries that are not there yet, all or none. What is not understood is kept as it is."""
        if entries:
            await _in_thread(lambda: self._append(key, entries))

    async def load(self, key: Any) -> list[Any] | None:
        """The entries as they were given; None for a key that was never written, or was deleted."""
        return await _in_thread(lambda: self._load(_key_of(key)))

    async def list_sessions(self, project_key: str) -> list[Any]:
        found = await self._transcripts(project_key)
        return [{"session_id": each.session, "mtime": each.mtime} for each in found if each.subpath is None]

    async def list_session_summaries(self, project_key: str) -> list[Any]:
        found = await self._transcripts(project_key)
        return [{"session_id": each.session, "mtime": each.mtime, "data": each.data} for each in found if each.subpath is None]

    async def delete(self, key: Any) -> None:
        """Delete the transcript, the main one with those of its subagents. `EventLog.restore` brings it back, `purge` erases it."""

        def delete(found: Sequence[Transcript]) -> None:
            self._sessions.delete(_key_of(key), "SessionStore.delete")
            if key.get("subpath") is None:
                for each in found:
                    if each.session == key["session_id"] and each.subpath is not None:
                        self._sessions.delete((NAMESPACE, each.project or "", each.session, each.subpath), "SessionStore.delete")

        found = await self._transcripts(key["project_key"])
        await _in_thread(lambda: delete(found))

    async def list_subkeys(self, key: Any) -> list[str]:
        found = await self._transcripts(key["project_key"])
        return [each.subpath for each in found if each.session == key["session_id"] and each.subpath is not None]

    def close(self) -> None:
        """Let go of the store. Closing twice is fine."""
        if not self._closed:
            self._closed = True
            self._catalog.close()
            self._sessions.close()

    # --- what is behind it --------------------------------------------------------------------------------------------------------

    def _append(self, key: Any, entries: list[Any]) -> None:
        kept = [keep(entry) for entry in entries]
        fold = TranscriptFold(self._sessions, _key_of(key))
        try:
            self._decide_and_append(fold, kept, entries, understood=True)
        except EventTooLarge:  # an entry and its meaning together are; they take an append each, and the largest is kept alone
            for each, entry in zip(kept, entries, strict=True):
                try:
                    self._decide_and_append(fold, [each], [entry], understood=True)
                except EventTooLarge:
                    self._decide_and_append(fold, [each], [entry], understood=False)

    def _decide_and_append(self, fold: TranscriptFold, kept: list[Kept], entries: list[Any], *, understood: bool) -> None:
        begun: list[Written] = []

        def decide(state: Written) -> list[Envelope]:
            begun[:] = [state]
            return state.decide(kept, entries, understood=understood)

        def details() -> dict[str, Any]:
            started = begun[0].meaning.start()
            return {name: getattr(started, name) for name in started.__struct_fields__}

        self._sessions.append(fold, fold.key, decide, exact=True, sync=self._sync, details=details)

    def _load(self, key: Key) -> list[Any] | None:
        found = [item_of(said.record) for each in self._sessions.read(key) if (said := whence(each, FORMAT)) and has_record(said)]
        return found or None

    async def _transcripts(self, project: str) -> list[Transcript]:
        def ask() -> list[Transcript]:
            latest: dict[tuple[str, str | None], Transcript] = {}
            for _, each in self._catalog.states(Transcripts.name):
                name = each.session, each.subpath
                if each.project == project and not each.deleted and each.mtime and latest.get(name, each).generation <= each.generation:
                    latest[name] = each
            return list(latest.values())

        return await _in_thread(ask)


def _key_of(key: Any) -> Key:
    subpath = key.get("subpath")
    named = NAMESPACE, key["project_key"], key["session_id"]
    return named if subpath is None else (*named, subpath)


async def _in_thread(work: Callable[[], T]) -> T:
    """Off the event loop, which may be trio's. Whoever is cancelled meanwhile is told so when it is done."""
    return await anyio.to_thread.run_sync(work)


# --- writing -------------------------------------------------------------------------------------------------------------------------


class Written(State):
    """What of a transcript is there: the uuids, when it was stored last, and what the records so far mean for the next ones.

    ``meaning`` has taken the records that are there, and then those in ``ahead``, which are being appended."""

    def __init__(self, place: Place, read: Callable[[], Iterator[StoredEvent]]) -> None:
        super().__init__()
        self.place = place
        self.read = read
        self.meaning = ClaudeCodeMeaning(place)
        self.ahead: list[Source] = []
        self.uuids: set[str] = set()
        self.mtime = 0
        self.time: datetime | None = None

    def decide(self, kept: Sequence[Kept], entries: Sequence[Any], *, understood: bool) -> list[Envelope]:
        if self.ahead:
            self.begin_again()
        stored_ms = _now_ms(self.mtime)
        times = [time_of(entry.get("timestamp")) for entry in entries]
        when = self.time or next((each for each in times if each is not None), None)
        fresh = set(self.uuids)
        made: list[Envelope] = []
        for each, entry, stated in zip(kept, entries, times, strict=True):
            uuid = entry.get("uuid")
            if isinstance(uuid, str):
                if uuid in fresh:
                    continue
                fresh.add(uuid)
            when = stated or when
            source = Source(each.value, fingerprint(bytes(each.record)))
            made += self._understood(each, source, when, stored_ms) if understood else _as_it_is(each, source, when, stored_ms, "too large")
            self.ahead.append(source)
        return made

    def _understood(self, kept: Kept, source: Source, when: datetime | None, stored_ms: int) -> list[Envelope]:
        try:
            events: list[Event] = self.meaning.events(source)
            if self.seq == 0:  # the session begins with what these say
                events = [event for event in events if not isinstance(event, SessionUpdated)]
            return drafts(FORMAT, kept, events or [SourceRecord(kind=kind_of(source.record))], time=when, note=stored_ms)
        except _SURPRISES as error:  # an entry of a shape that nobody has seen stops no other
            return _as_it_is(kept, source, when, stored_ms, f"{type(error).__name__}: {error}")

    def begin_again(self) -> None:
        """What was ahead was not stored, or not in this order: the meaning takes the records once more, from the store."""
        self.ahead.clear()
        self.meaning = ClaudeCodeMeaning(self.place)
        for stored in self.read():
            if stored.seq > self.seq:
                break
            self.take(stored)

    def take(self, stored: StoredEvent) -> None:
        """The meaning takes note of one event."""
        said = whence(stored, FORMAT)
        if said is None and stored.seq > 1:
            self.meaning.observe(stored)
        elif said is not None and has_record(said):
            try:
                self.meaning.events(_source_of(said.record))
            except _SURPRISES:
                pass  # it was kept as it is


_clock = threading.Lock()
_last_ms = 0


def _now_ms(after: int) -> int:
    """The time of storing, in milliseconds. It grows with every append of this process, so that lists are in their order."""
    global _last_ms
    with _clock:
        _last_ms = max(int(time.time() * 1000), _last_ms + 1, after + 1)
        return _last_ms


class TranscriptFold(Fold[Written]):
    name = "adapter_claude_agent_sdk"

    def __init__(self, sessions: Sessions, key: Key) -> None:
        self.key = key
        self._sessions = sessions

    def initial(self) -> Written:
        namespace, project, session, *subpath = self.key
        metadata = {"project_key": project, "session_id": session} | ({"subpath": subpath[0]} if subpath else {})
        parent = None
        if subpath:
            main = (namespace, project, session)
            parent = Parent(session_id=self._sessions.id_of(main) or keyed_id(*main), relation="subagent")
        return Written(Place(keyed_id(*self.key), (session, *subpath), parent, None, metadata), lambda: self._sessions.read(self.key))

    def take(self, state: Written, stored: StoredEvent) -> None:
        said = whence(stored, FORMAT)
        if said is None or not has_record(said):
            state.take(stored)
            return
        state.time = stored.time
        if isinstance(said.note, int):
            state.mtime = max(state.mtime, said.note)
        if state.ahead and state.ahead[0].content == fingerprint(bytes(said.record)):
            source = state.ahead.pop(0)  # which the meaning has taken
        else:
            source = _source_of(said.record)
            if state.ahead:
                state.begin_again()
            else:
                state.take(stored)
        uuid = source.record.get("uuid") if isinstance(source.record, dict) else None
        if isinstance(uuid, str):
            state.uuids.add(uuid)


def _source_of(record: msgspec.Raw) -> Source:
    return Source(keep(item_of(record)).value, fingerprint(bytes(record)))


def _as_it_is(kept: Kept, source: Source, when: datetime | None, stored_ms: int, why: str) -> list[Envelope]:
    return drafts(FORMAT, kept, [SourceRecord(note=f"kept as it is ({why})")], time=when, note=stored_ms)


# --- lists ---------------------------------------------------------------------------------------------------------------------------


class Transcript(msgspec.Struct):
    """A session as the SDK lists it; without a ``project`` it is none of its. ``data`` is the SDK's."""

    project: str | None = None
    session: str = ""
    subpath: str | None = None
    generation: int = 0
    mtime: int = 0
    deleted: bool = False
    data: dict[str, Any] = {}


class Transcripts:
    """The stored projection behind the lists. Another version of the SDK may fold otherwise, so that it has another version."""

    name = "claude_agent_sdk"
    version = f"1-{claude_agent_sdk.__version__}"

    def initial(self) -> Transcript:
        return Transcript()

    def fold(self, state: Transcript, stored: StoredEvent) -> Transcript:
        event = stored.event
        if isinstance(event, SessionStarted) and stored.seq == 1:
            return _begun(stored.session_id, event)
        if isinstance(event, DeletedEvent | SessionRestored):
            state.deleted = isinstance(event, DeletedEvent)
        if state.project is None:
            return state
        said = whence(stored, FORMAT)
        if said is not None and has_record(said):
            if isinstance(said.note, int):
                state.mtime = max(state.mtime, said.note)
            if state.subpath is None:
                before: Any = {"session_id": state.session, "mtime": state.mtime, "data": state.data}
                key: Any = {"project_key": state.project, "session_id": state.session}
                state.data = fold_session_summary(before, key, [item_of(said.record)])["data"]
        return state


def _begun(session_id: str, event: SessionStarted) -> Transcript:
    key = event.metadata.get("key")
    try:
        found = msgspec.convert(key, _Named)
    except msgspec.ValidationError:
        return Transcript()
    if found.namespace != NAMESPACE or len(found.key) not in (2, 3):
        return Transcript()
    if session_id != generation_id(keyed_id(NAMESPACE, *found.key), found.generation):
        return Transcript()  # a fork of one
    return Transcript(found.key[0], found.key[1], found.key[2] if len(found.key) > 2 else None, found.generation)


class _Named(msgspec.Struct):
    namespace: str
    key: list[str]
    generation: int = 1
