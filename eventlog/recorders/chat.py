"""For a chat program: one object that knows the current session and model, and begins the next session when the user swaps the model or
types ``/new``.

The model calls of the process that no `recording` surrounds go into the current session; the program appends nothing itself. A session
whose beginning could not be written is begun by its first call instead: nothing here that fails to be stored stops the conversation.
Callbacks run in the thread that caused them ("session_saved": in one of the log's), one that raises is logged.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from ..errors import EventLogError
from ..events import Event, MessageAdded, ModelChanged, SessionStarted, SessionUpdated
from ..ids import new_session_id, shard
from ..stored import StoredEvent
from .context import NOWHERE, Context, described

if TYPE_CHECKING:
    from ..log import EventLog
    from ..tails.subscription import Subscription
    from .recorder import Recorder

_log = logging.getLogger("eventlog.recorders")
_SAID = ("message.added", "tool.called", "tool.returned")
_LOCK_TIMEOUT_S = 0.5  # the user waits


class ChatEvent(NamedTuple):
    """For a user interface. "session_start": the session is the current one now; "session_saved": what was said up to ``seq`` is as safe
    as the store makes it. ``path``: the session's file, for a person; None where it has none."""

    type: Literal["session_start", "session_saved"]
    session_id: str
    model: str | None
    path: str | None
    seq: int


OnChange = Callable[[str, "str | None", "str | None"], object]
OnEvent = Callable[[ChatEvent], object]


class Chat:
    """The current session of a chat program, safe to use from several threads.

    ``recorder``: the one that records the process (`install` gives it). ``model`` and ``provider``: what the first session begins with.
    ``details``: those of every session that is begun (user_id, tags, kind, metadata, ...). Nothing is written before `new_session`, or
    before the first call."""

    _only: ClassVar[Chat | None] = None
    _lock_of_only: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self, recorder: Recorder, *, model: str | None = None, provider: str | None = None, **details: Any) -> None:
        self._recorder = recorder
        self._details = {"kind": "chat", **described(details)}
        self._lock = threading.RLock()
        self._session_id = new_session_id()
        self._model = model
        self._provider = provider
        self._begun_with: Mapping[str, Any] = self._details
        self._pending: dict[str, Any] = {}
        self._on_change: list[OnChange] = []
        self._on_event: list[OnEvent] = []
        self._saved: Subscription | None = None
        recorder.otherwise = self._context

    # --- the one of the process --------------------------------------------------------------------------------------------------

    @classmethod
    def initialise(cls, log: EventLog | Recorder | None = None, *, model: str | None = None, **details: Any) -> Chat:
        """The process's chat, with the model calls of the process recorded (`install`) into ``log``, or the configured store. One that is
        there already is reset first."""
        from . import install

        with cls._lock_of_only:
            if cls._only is not None:
                cls._only.close()
            cls._only = cls(install(log), model=model, **details)
            return cls._only

    @classmethod
    def get(cls) -> Chat:
        """The process's chat. Raises `LookupError` where none was initialised."""
        found = cls._only
        if found is None:
            raise LookupError("no chat is there yet; call Chat.initialise(log, model=...) where the program begins")
        return found

    @classmethod
    def reset(cls) -> None:
        """The process has no chat any more; its sessions stay, and its calls are recorded on. Doing it again changes nothing."""
        with cls._lock_of_only:
            if cls._only is not None:
                cls._only.close()
            cls._only = None

    # --- what is current ---------------------------------------------------------------------------------------------------------

    @property
    def session_id(self) -> str:
        return self._session_id

    @property
    def model(self) -> str | None:
        return self._model

    @property
    def path(self) -> str | None:
        """The file of the current session, to show to a person; None for a log that has no files."""
        return self._path_of(self._session_id)

    @property
    def pending(self) -> dict[str, Any]:
        """The settings that the next session will begin with."""
        return dict(self._pending)

    def set_pending(self, **settings: Any) -> None:
        """Settings for the next session (a size of context that was chosen before a swap): used by it alone. None takes one back."""
        with self._lock:
            self._pending.update(settings)
            for name in [name for name, value in settings.items() if value is None]:
                del self._pending[name]

    # --- it changes --------------------------------------------------------------------------------------------------------------

    def new_session(self, model: str | None = None, *, provider: str | None = None, notice: str | None = None, **details: Any) -> str:
        """Begin a new session and make it the current one; returns its id. Never raises for what cannot be stored.

        ``model`` and ``provider``: default: the present ones. ``notice``: a system message about the new session, which the model does
        not get. ``details``: of this session, beside those of the chat. The pending settings are its settings, and are used up."""
        with self._lock:
            settings, self._pending = self._pending, {}
            if model is not None and model != self._model:
                self._provider = provider
            self._provider = provider or self._provider
            self._model = model or self._model
            self._session_id = session_id = new_session_id()
            self._begun_with = {**self._details, **described(details), "settings": settings}
            seq = self._begin(notice)
        self._told(seq)
        return session_id

    def swap_model(self, model: str, *, provider: str | None = None, notice: str | None = None, **details: Any) -> str:
        """The conversation goes on with another model: in a new session, unless it is the present one. Returns the current session's id."""
        if model == self._model and provider in (None, self._provider):
            return self._session_id
        return self.new_session(model, provider=provider, notice=notice, **details)

    def resume(self, session_id: str) -> str:
        """Make a session that is there the current one, with the model that it had last; returns its id. Pending settings stay pending.

        Raises `SessionNotFound`, `SessionDeleted` and `InvalidSessionId`."""
        log = self._recorder.open()
        model = provider = None
        with log.session(session_id) as session:
            seq = session.resume()
            for stored in session.read(types=(SessionStarted.type, SessionUpdated.type, ModelChanged.type), on_damage="skip"):
                event: Any = stored.event
                model, provider = event.model or model, event.provider or provider
        with self._lock:
            self._session_id, self._model, self._provider, self._begun_with = session_id, model, provider, self._details
        self._told(seq)
        return session_id

    def notice(self, text: str, **metadata: Any) -> int:
        """A system message in the current session that the model does not get; returns its seq, 0 where it could not be stored."""
        return self._append(self._session_id, _notice(text, metadata))

    def _begin(self, notice: str | None) -> int:
        events: list[Event] = [SessionStarted(model=self._model, provider=self._provider, **self._begun_with)]
        if notice is not None:
            events.append(_notice(notice, {}))
        return self._append(self._session_id, *events)

    def _append(self, session_id: str, *events: Event) -> int:
        try:
            with self._recorder.open().session(session_id, create=True) as session:
                return session.append(*events, timeout_s=_LOCK_TIMEOUT_S)
        except (EventLogError, OSError, ValueError) as error:
            _log.warning("session %s: %s was not stored (%s); the conversation goes on", session_id, events[0].type, error)
            return 0

    def _context(self) -> Context:
        """Where a call belongs that no `recording` surrounds."""
        with self._lock:
            return NOWHERE._replace(session_id=self._session_id, details=self._begun_with)

    def _path_of(self, session_id: str) -> str | None:
        root = self._recorder.place
        return None if root is None else os.path.join(root, "sessions", shard(session_id), f"{session_id}.jsonl")

    # --- who is told -------------------------------------------------------------------------------------------------------------

    def on_session_change(self, callback: OnChange) -> Callable[[], None]:
        """Call ``callback(session_id, model, path)`` whenever another session becomes the current one. Returns what unregisters it."""
        self._on_change.append(callback)
        return lambda: self._forget(self._on_change, callback)

    def on_event(self, callback: OnEvent) -> Callable[[], None]:
        """Call ``callback`` with every `ChatEvent` of the current session. Returns what unregisters it."""
        self._on_event.append(callback)
        if self._saved is None:
            self._listen()
        return lambda: self._forget(self._on_event, callback)

    def _forget(self, callbacks: list[Any], callback: Any) -> None:
        if callback in callbacks:
            callbacks.remove(callback)

    def _listen(self) -> None:
        try:
            self._saved = self._recorder.open().subscribe(self._stored, types=_SAID)
        except (EventLogError, OSError, ValueError) as error:
            _log.warning("what is stored cannot be told (%s); the conversation goes on", error)

    def _stored(self, stored: StoredEvent) -> None:
        if stored.session_id == self._session_id:
            self._tell(ChatEvent("session_saved", stored.session_id, self._model, self.path, stored.seq))

    def _told(self, seq: int) -> None:
        session_id, model, path = self._session_id, self._model, self.path
        for callback in list(self._on_change):
            _call(callback, session_id, model, path)
        self._tell(ChatEvent("session_start", session_id, model, path, seq))

    def _tell(self, event: ChatEvent) -> None:
        for callback in list(self._on_event):
            _call(callback, event)

    # --- the end -----------------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Nobody is told any more, and calls find their own sessions again. The recorder goes on. Closing twice is fine."""
        if self._recorder.otherwise == self._context:
            self._recorder.otherwise = None
        self._on_change.clear()
        saved, self._saved = self._saved, None
        if saved is not None:
            saved()
        self._on_event.clear()

    def __enter__(self) -> Chat:
        return self

    def __exit__(self, *failure: Any) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Chat {self._session_id} {self._model or 'no model'}>"


def _notice(text: str, metadata: dict[str, Any]) -> MessageAdded:
    return MessageAdded(role="system", content=text, exclude_from_context=True, metadata={"from": "chat", **metadata})


def _call(callback: Callable[..., object], *arguments: Any) -> None:
    try:
        callback(*arguments)
    except Exception:
        _log.exception("a callback of the chat raised")
