"""Google's Agent Development Kit (checked with google-adk 2.13): `EventLogSessionService`.

    runner = Runner(app_name="app", agent=agent, session_service=EventLogSessionService("my-store"))

- A session is the log's session of the key ``google-adk/APP/USER/ID``. An event of theirs is one append: its message, usage and error as
  events of ours, the event itself in the origin of the first. A rewind takes back what it names, and theirs still has it all.
- A session object that was read is of a state (its marker); an event that is appended to an older one raises `StaleSessionError`,
  exactly, whichever process came first.
- State that is shared (``app:``, ``user:``) has sessions of its own, keys ``google-adk-state/APP`` and ``google-adk-state/APP/USER``. It is
  written after the event that changes it; what a crash kept from it is written when the session is next read.

For `adk web --session_service_uri=eventlog:///path`, call `register` before ADK starts.
"""

from __future__ import annotations

import os
from datetime import datetime, timezone
from typing import Any, NamedTuple
from urllib.parse import unquote, urlparse

import msgspec
from google.adk.errors.already_exists_error import AlreadyExistsError
from google.adk.errors.session_not_found_error import SessionNotFoundError
from google.adk.events.event import Event as AdkEvent
from google.adk.sessions import Session as AdkSession
from google.adk.sessions.base_session_service import BaseSessionService, GetSessionConfig, ListSessionsResponse
from google.adk.sessions.state import State as Prefixes
from pydantic_core import to_jsonable_python

from eventlog import EventLog, StoredEvent, draft
from eventlog.backend import Sync
from eventlog.errors import InvalidEvent
from eventlog.events import ContextCompacted, ContextUpdated, ErrorLogged, Event, HistoryRetracted, SourceRecord
from eventlog.ids import new_session_id
from eventlog.line import Envelope
from eventlog.shapes import gemini
from eventlog.verbatim import Kept, keep

from ..catalog.facade import Catalog
from .keys import Keys, keys_of
from .records import drafts, has_record, item_of, whence
from .sessions import Fold, Key, Sessions, State, in_thread, to_its_end

try:  # a ValueError, which is what older ones raise
    from google.adk.errors._stale_session_error import StaleSessionError
except ImportError:  # pragma: no cover
    StaleSessionError = ValueError

FORMAT = "google-adk"
SHARED = "google-adk-state"
_CREATED = "created"
_EVENT = "event"
_REWOUND = "rewound"


class EventLogSessionService(BaseSessionService):
    """``path_or_log``: a store's folder (made if it is not there), an open `EventLog`, or None for the configured store. ``sync``: how safe
    an append is when it returns, default the store's. Safe to use from several tasks, threads, event loops and processes."""

    def __init__(self, path_or_log: str | os.PathLike[str] | EventLog | None = None, *, sync: Sync | None = None) -> None:
        self._sessions = Sessions.of(path_or_log)
        self._sync = sync
        self._catalog = Catalog.open(self._sessions.log, projections=[Keys()])
        self._closed = False

    # --- the interface, in its order ----------------------------------------------------------------------------------------------

    async def create_session(
        self, *, app_name: str, user_id: str, state: dict[str, Any] | None = None, session_id: str | None = None
    ) -> AdkSession:
        id = (session_id or "").strip() or new_session_id()
        return await to_its_end(lambda: self._create(app_name, user_id, id, _json_safe(state or {})))

    async def get_session(
        self, *, app_name: str, user_id: str, session_id: str, config: GetSessionConfig | None = None
    ) -> AdkSession | None:
        return await in_thread(lambda: self._get(app_name, user_id, session_id.strip(), config))

    async def list_sessions(self, *, app_name: str, user_id: str | None = None) -> ListSessionsResponse:
        """The oldest activity first, with state and without events."""

        def ask() -> list[AdkSession]:
            keys = [key for key in keys_of(self._catalog, FORMAT) if key[0] == app_name and user_id in (None, key[1])]
            found = [self._get(key[0], key[1], key[2], GetSessionConfig(num_recent_events=0)) for key in keys]
            there = [each for each in found if each is not None]
            return sorted(there, key=lambda each: (each.last_update_time, each.user_id, each.id))

        return ListSessionsResponse(sessions=await in_thread(ask))

    async def delete_session(self, *, app_name: str, user_id: str, session_id: str) -> None:
        """Delete the session, if it is there. `EventLog.restore` brings it back, `purge` erases it."""
        key = (FORMAT, app_name, user_id, session_id.strip())
        await to_its_end(lambda: self._sessions.delete(key, "delete_session"))

    async def get_user_state(self, *, app_name: str, user_id: str) -> dict[str, Any]:
        return await in_thread(lambda: self._shared((SHARED, app_name, user_id)))

    async def append_event(self, session: AdkSession, event: AdkEvent) -> AdkEvent:
        """Append the event to the log and to the session object; one that is there already is not stored again. Raises
        `SessionNotFoundError`, and `StaleSessionError` where another event came after the session object was read."""
        if event.partial:
            return event
        self._apply_temp_state(session, event)
        event = self._trim_temp_delta_state(event)
        fields = _fields_of(event)
        seq = await to_its_end(lambda: self._append(session, event, fields))
        if seq is None:
            return event
        session.last_update_time = event.timestamp
        session._storage_update_marker = str(seq)
        return self._commit_event_to_session(session, event)

    async def close(self) -> None:
        """Let go of the store. Closing twice is fine."""
        if not self._closed:
            self._closed = True
            self._catalog.close()
            self._sessions.close()

    # --- what is behind it --------------------------------------------------------------------------------------------------------

    def _create(self, app: str, user: str, id: str, state: dict[str, Any]) -> AdkSession:
        record = keep({"state": state})
        own = {
            name: value for name, value in record.value["state"].items() if not name.startswith((Prefixes.APP_PREFIX, Prefixes.USER_PREFIX))
        }

        def decide(known: Conversation) -> list[Envelope]:
            if known.seq:
                raise AlreadyExistsError(f"Session with id {id} already exists.")
            said: Event = ContextUpdated(metadata={"state": own}) if own else SourceRecord(kind="google-adk.session")
            return drafts(FORMAT, record, [said], note=_CREATED)

        about = {"kind": "agent", "user_id": user, "metadata": {"app_name": app, "session_id": id}}
        self._sessions.append(_CONVERSATION, (FORMAT, app, user, id), decide, exact=True, sync=self._sync, details=lambda: about)
        self._share(app, user, id, state)
        found = self._get(app, user, id, None)
        if found is None:
            raise SessionNotFoundError(f"Session {id} was deleted meanwhile.")
        return found

    def _get(self, app: str, user: str, id: str, config: GetSessionConfig | None) -> AdkSession | None:
        def question(known: Conversation) -> tuple[list[Told], dict[str, Any], float, int, Told | None]:
            return known.wanted(config), known.copy(), known.updated, known.last, known.sharing

        found = self._sessions.ask(_CONVERSATION, (FORMAT, app, user, id), question, None)
        if found is None:
            return None
        told, state, updated, last, sharing = found
        if sharing is not None:
            self._share(app, user, sharing.id, item_of(sharing.record)["actions"]["state_delta"])
        state |= {Prefixes.APP_PREFIX + name: value for name, value in self._shared((SHARED, app)).items()}
        state |= {Prefixes.USER_PREFIX + name: value for name, value in self._shared((SHARED, app, user)).items()}
        events = [AdkEvent.model_validate(item_of(each.record)) for each in told]
        session = AdkSession(id=id, app_name=app, user_id=user, state=state, events=events, last_update_time=updated)
        session._storage_update_marker = str(last)
        return session

    def _append(self, session: AdkSession, event: AdkEvent, fields: dict[str, Any]) -> int | None:
        """The seq of the event; None where it is there already."""
        kept, marker = keep(fields), session._storage_update_marker
        done: list[bool] = []

        def decide(known: Conversation) -> list[Envelope]:
            done.clear()
            if not known.seq:
                raise SessionNotFoundError(f"Session {session.id} not found.")
            same = known.by_id.get(event.id)
            if same is not None and item_of(same.record) == fields:
                return []
            if marker is not None and marker.isdecimal() and int(marker) < known.last:
                raise StaleSessionError(
                    f"session {session.id} was changed after this session object was read; read it again with get_session"
                )
            done.append(True)
            return _events(kept, event, known)

        key = (FORMAT, session.app_name, session.user_id, session.id)
        self._sessions.append(_CONVERSATION, key, decide, exact=True, sync=self._sync)
        if not done:
            return None
        self._share(session.app_name, session.user_id, event.id, fields.get("actions", {}).get("state_delta") or {})
        last = self._sessions.ask(_CONVERSATION, key, lambda known: known.by_id.get(event.id), None)
        return 0 if last is None else last.seq

    def _shared(self, key: Key) -> dict[str, Any]:
        found: dict[str, Any] = self._sessions.ask(_SHARED, key, lambda known: known.copy(), {})
        return found

    def _share(self, app: str, user: str, by: str, delta: dict[str, Any]) -> None:
        """Write the shared part of a change, unless it is there: ``by`` is the event, or the session that begins with it."""
        for prefix, key in ((Prefixes.APP_PREFIX, (SHARED, app)), (Prefixes.USER_PREFIX, (SHARED, app, user))):
            own = {name.removeprefix(prefix): value for name, value in delta.items() if name.startswith(prefix)}
            if own:
                self._share_one(key, by, own)

    def _share_one(self, key: Key, by: str, own: dict[str, Any]) -> None:
        record = keep({"state": own, "by": by})

        def decide(known: Shared) -> list[Envelope]:
            if by in known.by:
                return []
            return drafts(SHARED, record, [ContextUpdated(metadata={"state": record.value["state"]})])

        self._sessions.append(_SHARED, key, decide, exact=True, sync=self._sync, details=lambda: {"kind": "state"})


def service_of(uri: str, **options: Any) -> EventLogSessionService:
    """The service of ``eventlog:///an/absolute/path``, ``eventlog://./one/from/here``, or ``eventlog://`` for the configured store."""
    parsed = urlparse(uri)
    return EventLogSessionService(unquote(parsed.netloc + parsed.path) or None)


def register() -> None:
    """Make ADK's command line know ``--session_service_uri=eventlog:///path``. To be called before it starts: in the ``services.py`` of the
    agents' folder, or in a program that then calls theirs."""
    from google.adk.cli.service_registry import get_service_registry

    get_service_registry().register_session_service("eventlog", service_of)


# --- the folds -----------------------------------------------------------------------------------------------------------------------


class Told(NamedTuple):
    """An event of theirs. ``seq`` is that of its last event here."""

    first: int
    seq: int
    id: str
    time: float
    invocation: str
    record: msgspec.Raw


class Values(State):
    """What a state of theirs holds."""

    def __init__(self) -> None:
        super().__init__()
        self._values: dict[str, Any] = {}

    def change(self, delta: dict[str, Any]) -> None:
        self._values.update(delta)

    def copy(self) -> dict[str, Any]:
        found: dict[str, Any] = item_of(keep(self._values).record)
        return found


class Conversation(Values):
    """A session of theirs. ``last``: the seq of their last event, or of the beginning; ``sharing``: the last event that changed shared
    state."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[Told] = []
        self.by_id: dict[str, Told] = {}
        self.updated = 0.0
        self.last = 0
        self.sharing: Told | None = None

    def wanted(self, config: GetSessionConfig | None) -> list[Told]:
        if config is None:
            return list(self.told)
        found = self.told
        if config.num_recent_events is not None:
            found = found[-config.num_recent_events :] if config.num_recent_events else []
        if config.after_timestamp is not None:
            before = [index for index, each in enumerate(found) if each.time < config.after_timestamp]
            found = found[before[-1] + 1 :] if before else found
        return list(found)


class ConversationFold(Fold[Conversation]):
    name = "adapter_google_adk"

    def initial(self) -> Conversation:
        return Conversation()

    def take(self, state: Conversation, stored: StoredEvent) -> None:
        said = whence(stored, FORMAT)
        if said is None:
            return
        if not has_record(said):
            if state.told and state.last == stored.seq - 1 and said.note != _REWOUND:
                self._more(state, stored.seq)
            return
        record = said.record.copy()
        if said.note == _CREATED:
            state.change(_own(item_of(record)["state"]))
            state.updated, state.last = stored.time.timestamp(), stored.seq
        elif said.note == _EVENT:
            fields = item_of(record)
            told = Told(stored.seq, stored.seq, fields["id"], fields["timestamp"], fields.get("invocation_id", ""), record)
            state.told.append(told)
            state.by_id[told.id] = told
            state.updated, state.last = told.time, stored.seq
            delta = (fields.get("actions") or {}).get("state_delta") or {}
            state.change(_own(delta))
            if len(_own(delta)) < len(delta):
                state.sharing = told

    def _more(self, state: Conversation, seq: int) -> None:
        told = state.told[-1]._replace(seq=seq)
        state.told[-1] = state.by_id[told.id] = told
        state.last = seq
        if state.sharing is not None and state.sharing.first == told.first:
            state.sharing = told


class Shared(Values):
    """A state that outlives sessions. ``by``: the changes that are in it."""

    def __init__(self) -> None:
        super().__init__()
        self.by: set[str] = set()


class SharedFold(Fold[Shared]):
    name = "adapter_google_adk_state"

    def initial(self) -> Shared:
        return Shared()

    def take(self, state: Shared, stored: StoredEvent) -> None:
        said = whence(stored, SHARED)
        if said is not None and has_record(said):
            record = item_of(said.record)
            state.by.add(record["by"])
            state.change(record["state"])


_CONVERSATION = ConversationFold()
_SHARED = SharedFold()


def _own(delta: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value
        for name, value in delta.items()
        if not name.startswith((Prefixes.APP_PREFIX, Prefixes.USER_PREFIX, Prefixes.TEMP_PREFIX))
    }


# --- writing -------------------------------------------------------------------------------------------------------------------------


def _events(kept: Kept, event: AdkEvent, known: Conversation) -> list[Envelope]:
    when = datetime.fromtimestamp(event.timestamp, timezone.utc)
    try:
        made = drafts(FORMAT, kept, _meaning(kept.value, known) or [SourceRecord(kind="google-adk.event")], time=when, note=_EVENT)
    except InvalidEvent:  # content of a shape that nobody has seen
        made = drafts(FORMAT, kept, [SourceRecord(kind="google-adk.event")], time=when, note=_EVENT)
    target = (kept.value.get("actions") or {}).get("rewind_before_invocation_id")
    first = next((each.first for each in known.told if target is not None and each.invocation == target), None)
    if first is not None:
        rewound = HistoryRetracted(ranges=[(first, known.last)], reason="rewind")
        made.append(draft(rewound, time=when, origin={"format": FORMAT, "note": _REWOUND}))
    return made


def _meaning(fields: dict[str, Any], known: Conversation) -> list[Event]:
    role = "user" if fields.get("author") == "user" else "assistant"
    model, finish = fields.get("model_version"), fields.get("finish_reason")
    named = {"author": fields["author"]} if role == "assistant" and fields.get("author") else {}
    made: list[Event] = []
    id = fields["id"] if fields["id"] not in known.by_id else None
    for index, said in enumerate(gemini.contents(fields.get("content")) if fields.get("content") else []):
        said_by = said.role if said.role == "tool" else role
        more: dict[str, Any] = {"role": said_by, "message_id": id if index == 0 else None, "metadata": named if said_by == role else {}}
        if said_by == "assistant":
            more |= {"model": model, "finish_reason": finish if isinstance(finish, str) else None}
            more["interrupted"] = "interrupted" if fields.get("interrupted") else None
        made.append(said.event(**more))
    usage = gemini.usage(fields.get("usage_metadata"))
    if usage is not None:
        made.append(msgspec.structs.replace(usage, message_id=id, model=model))
    if fields.get("error_code") or fields.get("error_message"):
        message = str(fields.get("error_message") or fields.get("error_code"))
        made.append(ErrorLogged(message=message, kind=str(fields.get("error_code") or "error")))
    compaction = (fields.get("actions") or {}).get("compaction")
    if compaction:
        made.append(_compacted(compaction, known))
    return made


def _compacted(compaction: dict[str, Any], known: Conversation) -> ContextCompacted:
    texts = [part.content for said in gemini.contents(compaction.get("compacted_content")) for part in said.parts if part.type == "text"]
    end = compaction.get("end_timestamp")
    kept = next((each.first for each in known.told if isinstance(end, int | float) and each.time > end), None)
    return ContextCompacted(summary="\n\n".join(map(str, texts)) or None, first_kept_seq=kept, trigger="google-adk")


def _fields_of(event: AdkEvent) -> dict[str, Any]:
    """The event as JSON that gives the same event again, NaN too."""
    whole = event.model_dump(mode="json", exclude_none=True)
    found: dict[str, Any] = _with_numbers(whole, event.model_dump(exclude_none=True))
    if event.actions is not None and event.actions.state_delta:
        found["actions"]["state_delta"] = _json_safe(event.actions.state_delta)
    return found


def _with_numbers(written: Any, value: Any) -> Any:
    """What was written, with the numbers that JSON has no text for."""
    if isinstance(value, float) and written is None:
        return value
    if isinstance(written, dict) and isinstance(value, dict):
        return {name: _with_numbers(item, value.get(name)) for name, item in written.items()}
    if isinstance(written, list) and isinstance(value, list | tuple) and len(written) == len(value):
        return [_with_numbers(item, other) for item, other in zip(written, value, strict=True)]
    return written


def _json_safe(state: dict[str, Any]) -> dict[str, Any]:
    """The state as JSON; what has no form in it is its text, as in their services."""
    found: dict[str, Any] = to_jsonable_python(state, fallback=str)
    return found
