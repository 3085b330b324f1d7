"""The port of ADK (`BaseSessionService`), and its URI scheme."""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import unquote, urlparse

from google.adk.errors.already_exists_error import AlreadyExistsError
from google.adk.errors.session_not_found_error import SessionNotFoundError
from google.adk.events.event import Event as AdkEvent
from google.adk.sessions import Session as AdkSession
from google.adk.sessions.base_session_service import BaseSessionService, GetSessionConfig, ListSessionsResponse
from google.adk.sessions.state import State as Prefixes

from eventlog import EventLog
from eventlog.backend import Sync
from eventlog.events import ContextUpdated, Event, SourceRecord
from eventlog.ids import new_session_id
from eventlog.line import Envelope
from eventlog.verbatim import keep

from ...catalog.facade import Catalog
from ..records import drafts, item_of
from ..sessions import Key, Sessions, in_thread, to_its_end
from .conversation import (
    CREATED,
    FORMAT,
    SHARED,
    Conversation,
    ConversationFold,
    Shared,
    SharedFold,
    Told,
    events_of,
    fields_of,
    json_safe,
)
from .listing import Listing, listed

try:  # a ValueError, which is what older ones raise
    from google.adk.errors._stale_session_error import StaleSessionError as StaleSessionError
except ImportError:  # pragma: no cover
    StaleSessionError = ValueError

_CONVERSATION = ConversationFold()
_SHARED = SharedFold()


class EventLogSessionService(BaseSessionService):
    """``path_or_log``: a store's folder (made if it is not there), an open `EventLog`, or None for the configured store. ``sync``: how safe
    an append is when it returns, default the store's. Safe to use from several tasks, threads, event loops and processes."""

    def __init__(self, path_or_log: str | os.PathLike[str] | EventLog | None = None, *, sync: Sync | None = None) -> None:
        self._sessions = Sessions.of(path_or_log)
        self._sync = sync
        self._catalog = Catalog.open(self._sessions.log, projections=[Listing()])
        self._closed = False

    # --- the interface, in its order ----------------------------------------------------------------------------------------------

    async def create_session(
        self, *, app_name: str, user_id: str, state: dict[str, Any] | None = None, session_id: str | None = None
    ) -> AdkSession:
        id = (session_id or "").strip() or new_session_id()
        return await to_its_end(lambda: self._create(app_name, user_id, id, json_safe(state or {})))

    async def get_session(
        self, *, app_name: str, user_id: str, session_id: str, config: GetSessionConfig | None = None
    ) -> AdkSession | None:
        return await in_thread(lambda: self._get(app_name, user_id, session_id.strip(), config))

    async def list_sessions(self, *, app_name: str, user_id: str | None = None) -> ListSessionsResponse:
        """The oldest activity first, with state and without events."""

        def ask() -> list[AdkSession]:
            found, shared = listed(self._catalog)
            sessions = []
            for each in found:
                app, user, id = each.key
                if app == app_name and user_id in (None, user):
                    state = each.values() | _prefixed(shared.get((app,), {}), shared.get((app, user), {}))
                    session = AdkSession(id=id, app_name=app, user_id=user, state=state, last_update_time=each.updated)
                    session._storage_update_marker = str(each.last)
                    sessions.append(session)
            return sorted(sessions, key=lambda each: (each.last_update_time, each.user_id, each.id))

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
        fields = fields_of(event)
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
            return drafts(FORMAT, record, [said], note=CREATED)

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
        state |= _prefixed(self._shared((SHARED, app)), self._shared((SHARED, app, user)))
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
            return events_of(kept, event, known)

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


def _prefixed(of_app: dict[str, Any], of_user: dict[str, Any]) -> dict[str, Any]:
    """Shared state, under the names that a session has for it."""
    found = {Prefixes.APP_PREFIX + name: value for name, value in of_app.items()}
    return found | {Prefixes.USER_PREFIX + name: value for name, value in of_user.items()}


def service_of(uri: str, **options: Any) -> EventLogSessionService:
    """The service of ``eventlog:///an/absolute/path``, ``eventlog://./one/from/here``, or ``eventlog://`` for the configured store."""
    parsed = urlparse(uri)
    return EventLogSessionService(unquote(parsed.netloc + parsed.path) or None)


def register() -> None:
    """Make ADK's command line know ``--session_service_uri=eventlog:///path``. To be called before it starts: in the ``services.py`` of the
    agents' folder, or in a program that then calls theirs."""
    from google.adk.cli.service_registry import get_service_registry

    get_service_registry().register_session_service("eventlog", service_of)
