"""The log: a store of sessions, opened once per program."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from .backend import Backend, Changes, OnDamage, Report, Sync
from .errors import SessionExists, SessionNotFound
from .events import SessionStarted
from .ids import check_session_id, new_session_id
from .session import Session
from .settings import Settings


class EventLog:
    """All sessions of one store. Safe to use from several threads and, through one `open` each, from several processes.

    A context manager. Handles taken from it end with it."""

    def __init__(self, backend: Backend, settings: Settings) -> None:
        self.settings = settings
        self._backend = backend
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
        session = Session(stream, self.settings.sync, create=True)
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
        return Session(stream, self.settings.sync, create=create)

    def fork(
        self,
        session_id: str,
        at: int | None = None,
        *,
        message: str | None = None,
        turn: int | str | None = None,
        call: str | None = None,
        id: str | None = None,
        on_damage: OnDamage = "raise",
    ) -> Session:
        """A new session that begins as this one was at a seq (default: as it is now); returns its handle.

        The seq may also be told by what was there: ``message`` (its id: up to the last of it), ``turn`` (a number from 1, or the id of the
        user's message that began it: up to the next one), ``call`` (its id: up to its result). Everything is on stable storage
        when it returns; memory is bounded by the largest append. ``id`` is the fork's; one that was interrupted is finished by forking
        again with its id, and one that is finished is returned as it is. "skip" leaves out what damage has made unreadable.

        Raises `SessionNotFound`, `SessionExists`, `SessionDeleted` (a deleted session without a seq), `InvalidInput` (no such seq,
        message, turn or call), `Damaged`, and what `Session.append` raises. FORMAT.md, "Copies"."""
        from . import fork

        if sum(way is not None for way in (at, message, turn, call)) > 1:
            raise TypeError("fork takes one of at, message, turn and call")
        if message is not None or turn is not None or call is not None:
            with self.session(session_id) as source:
                at = fork.position_of(source, message=message, turn=turn, call=call)
        return self.session(fork.fork(self, session_id, at, id=id, on_damage=on_damage))

    def merge(self, session_ids: Iterable[str], into: str | None = None, *, on_damage: OnDamage = "raise") -> Session:
        """Bring all events of several sessions into one, each event once and each session in its own order; returns its handle.

        Without ``into`` that is a session whose id follows from theirs; merging the same sessions again adds what is new in them.
        ``into`` an existing session adds what that one does not have yet: of its own fork, what the fork added. Nothing that is
        there changes. A `SessionMerged` at the end says what was taken over and where the sources disagree. An interrupted merge is finished
        by merging again. Memory is bounded by the largest append and by how often the sources alternate.

        Raises `InvalidInput` for fewer than two sessions, `SessionNotFound`, `SessionDeleted`, `Damaged`, and what `Session.append` raises."""
        from . import merge

        return self.session(merge.merge(self, session_ids, into, on_damage=on_damage))

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

    def verify(self, session_ids: Iterable[str] | None = None) -> Report:
        """Read every byte of the store (or of some sessions) and say what is not as it should be. Writes nothing."""
        self._check_open()
        return self._backend.verify(session_ids)

    def close(self) -> None:
        """Finish what runs in the background and let go of all files. Closing twice is fine."""
        if not self.closed:
            self.closed = True
            self._backend.close()

    def _check_open(self) -> None:
        if self.closed:
            raise ValueError("this log is closed; open it again with EventLog.open()")

    def __enter__(self) -> EventLog:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
