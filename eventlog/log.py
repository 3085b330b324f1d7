"""The log: a store of sessions, opened once per program."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from .backend import Backend, Changes, OnDamage, Report, Sync
from .errors import SessionExists, SessionNotFound
from .events import SessionStarted
from .ids import check_session_id, new_session_id
from .session import Session, check_on_damage
from .settings import Settings

if TYPE_CHECKING:
    from .following import After
    from .subscription import Callback, OnError, Subscription
    from .tail import Tail


class EventLog:
    """All sessions of one store. Safe to use from several threads and, through one `open` each, from several processes.

    A context manager. Handles taken from it end with it."""

    def __init__(self, backend: Backend, settings: Settings) -> None:
        self.settings = settings
        self._backend = backend
        self._tails: WeakSet[Tail] = WeakSet()
        self._subscriptions: set[Subscription] = set()
        self.closed = False

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str] | None = None,
        *,
        create: bool = True,
        sync: Sync | None = None,
        settings: Settings | None = None,
    ) -> EventLog:
        """Open the store at ``path`` (default: the configured one), making it if it is not there and ``create`` is set.

        ``sync`` is the level of appends that do not name their own: "always" (the default), "interval", "never". Opening an existing
        store writes nothing. Raises `StoreNotFound`, `NotAStore`, `StoreTooNew`, `LocksUnsupported`, `InvalidSetting`."""
        from .files import FilesBackend
        from .settings import load

        settings = settings or load()
        settings = settings.replace(store=Path(path) if path is not None else settings.store, sync=sync or settings.sync)
        if not settings.recording:
            from .discard import DiscardBackend

            return cls(DiscardBackend(settings), settings)
        return cls(FilesBackend.open(settings, create=create), settings)

    @classmethod
    def memory(cls, settings: Settings | None = None) -> EventLog:
        """A log that lives in this process only: for tests and throw-away work."""
        from .memory import MemoryBackend

        settings = settings or Settings()
        return cls(MemoryBackend(settings.max_event_bytes), settings)

    @property
    def path(self) -> str | None:
        """The store's folder; None for a log that is in memory."""
        return self._backend.path

    def start(self, *, id: str | None = None, **details: Any) -> Session:
        """A new session: writes its `SessionStarted` (``details`` are its fields) and returns the handle.

        Raises `SessionExists` and `InvalidSessionId` for a given ``id``."""
        self._check_open()
        session_id = new_session_id() if id is None else check_session_id(id)
        started = SessionStarted(**details)
        stream = self._backend.stream(session_id, create=True)
        if id is not None and stream.exists():
            raise SessionExists(session_id)
        session = Session(stream, self.settings, self._tails, create=True)
        session.append(started, expected=0)
        return session

    def session(self, session_id: str, *, create: bool = False, exclusive: bool = False) -> Session:
        """A handle on an existing session; ``create`` also takes an id that is new: the session then begins with its first append.

        ``exclusive`` keeps every other writer out until the handle is closed, and appends at full speed. Raises `SessionNotFound`,
        `InvalidSessionId`; `SessionLocked` after ``lock_timeout_s``."""
        self._check_open()
        stream = self._backend.stream(check_session_id(session_id), create=create, exclusive=exclusive)
        if not create and not stream.exists():
            stream.close()
            raise SessionNotFound(session_id)
        return Session(stream, self.settings, self._tails, create=create)

    def session_ids(self) -> Iterator[str]:
        """Every session's id, deleted ones too, in no particular order. Costs one directory listing per shard."""
        self._check_open()
        return self._backend.session_ids()

    def changed_since(self, cursor: str | None = None) -> Changes:
        """Which sessions may have changed since a cursor that an earlier call gave (None: since ever).

        Hints for whoever keeps something up to date: costs what changed, not what there is. ``full`` in the answer means that the
        hints do not reach back that far and every session has to be looked at. Raises `InvalidCursor`."""
        self._check_open()
        return self._backend.changed_since(cursor)

    def tail(
        self,
        session: Session | str | None = None,
        after: After = 0,
        types: Collection[str] | None = None,
        marks: bool = False,
        on_damage: OnDamage = "raise",
    ) -> Tail:
        """Everything after ``after``, then live what comes, of one session or of all (None): iterate, and close it when done.

        ``after``: 0 or "start", "end" for only what comes from now on, a position (one session), or the ``cursor`` that a tail gave: it
        then goes on there without a gap or a duplicate. ``types``: only events of these. ``marks``: a `CaughtUp` stands between what was
        there and what came. Appends come whole, each session in its order; a slow reader loses nothing and no writer waits for it.
        Woken by the operating system, and every ``poll_interval_ms`` should that fail. Raises `SessionNotFound`, `InvalidCursor`, and
        `CursorExpired` for a cursor of all sessions from before the last boot or too long ago; iterating raises `Damaged` like `read`."""
        self._check_open()
        if session is not None:
            if isinstance(session, Session):
                return session.tail(after, types, marks, on_damage)
            with self.session(session) as handle:
                return handle.tail(after, types, marks, on_damage)
        from .following import AllSessions
        from .tail import Tail

        check_on_damage(on_damage)
        watch = self._backend.watch()
        try:
            place = AllSessions(self._backend, after, on_damage)
        except BaseException:
            watch.close()
            raise
        tail = Tail(place, watch, types=types, marks=marks, poll_interval_s=self.settings.poll_interval_ms / 1000)
        self._tails.add(tail)
        return tail

    def subscribe(
        self,
        callback: Callback,
        types: Collection[str] | None = None,
        session: Session | str | None = None,
        on_error: OnError | None = None,
    ) -> Subscription:
        """Call ``callback`` with every event from now on (session started, anything appended, session ended), whoever appends it.

        Returns what ends it: call it, or leave it to `close`; both wait until everything that was acknowledged before is delivered. The
        calls come from a thread of the subscription's own, one at a time, each session in its order, after the append was acknowledged.
        A callback that raises is reported (to ``on_error`` with the error and the event, else to `logging`) and called again for the
        next event; it holds up no writer and no other subscriber. Raises `SessionNotFound`."""
        from .subscription import Subscription

        tail = self.tail(session, "end", types)
        made = Subscription(tail, self._backend.settle, callback, on_error, self._subscriptions.discard)
        self._subscriptions.add(made)
        made.begin()
        return made

    def verify(self, session_ids: Iterable[str] | None = None) -> Report:
        """Read every byte of the store (or of some sessions) and say what is not as it should be. Writes nothing."""
        self._check_open()
        return self._backend.verify(session_ids)

    def close(self) -> None:
        """Finish what runs in the background, end subscriptions and tails, let go of all files. Closing twice is fine."""
        if not self.closed:
            self.closed = True
            for subscription in list(self._subscriptions):
                subscription()
            for tail in list(self._tails):
                tail.close()
            self._backend.close()

    def _check_open(self) -> None:
        if self.closed:
            raise ValueError("this log is closed; open it again with EventLog.open()")

    def __enter__(self) -> EventLog:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
