"""What every adapter stands on: the sessions of foreign keys, each with its state, for whoever asks in this process.

- A session is found by its key (`eventlog.keyed`), and kept with a fold that goes on from where it was. Many short-lived objects of an
  SDK, one for each request, say, share the log and the states of their process (`Sessions.of`).
- A state is folded on in place and asked under the session's lock: no copy is made of it. What a question gives out is its own.
- What is written is decided from the state. Where that must still hold when it is stored, the append names the position that the state
  is of (``exact``), and is decided again where another program came first. So several processes on one key are safe.
- A session that was deleted is another one from then on: asking finds nothing, writing begins the next generation.
"""

from __future__ import annotations

import asyncio
import os
import threading
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Final, Generic, TypeVar
from weakref import WeakKeyDictionary

from eventlog import EventLog, EventLogError, Session, StoredEvent
from eventlog.backend import Sync
from eventlog.errors import Conflict, SessionDeleted, SessionNotFound
from eventlog.events import SessionDeleted as DeletedEvent
from eventlog.events import SessionRestored
from eventlog.keyed import begin, find
from eventlog.line import Envelope
from eventlog.settings import load

from ..live import Live

T = TypeVar("T")
Key = tuple[str, ...]  # a namespace, and the texts of a key in it
Details = Callable[[], Mapping[str, Any]]
_KEPT: Final = 64  # sessions whose states are in memory


class State:
    """What an adapter knows of one session. ``seq`` is the last event that it is of."""

    def __init__(self) -> None:
        self.seq = 0
        self.deleted = False

    def __deepcopy__(self, memo: object) -> State:
        return self  # `Live` gives out copies; this one is asked under a lock


S = TypeVar("S", bound=State)


class Fold(ABC, Generic[S]):
    """A projection onto a `State`."""

    name: ClassVar[str]
    version: ClassVar[int] = 1

    @abstractmethod
    def initial(self) -> S: ...

    @abstractmethod
    def take(self, state: S, stored: StoredEvent) -> None:
        """What the event means."""

    def fold(self, state: S, stored: StoredEvent) -> S:
        state.seq = stored.seq
        if isinstance(stored.event, (DeletedEvent, SessionRestored)):
            state.deleted = isinstance(stored.event, DeletedEvent)
        else:
            self.take(state, stored)
        return state


class _Kept(Generic[S]):
    """A session that is kept; its handle is closed when nobody uses it any more."""

    def __init__(self, session: Session, fold: Fold[S]) -> None:
        self.session = session
        self.live = Live(session, fold)
        self.lock = threading.Lock()

    def __del__(self) -> None:
        self.session.close()


class Sessions:
    """The sessions of one log. Made by `of`; safe to use from several threads."""

    _by_path: ClassVar[dict[str, Sessions]] = {}
    _by_log: ClassVar[WeakKeyDictionary[EventLog, Sessions]] = WeakKeyDictionary()
    _mutex: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self, log: EventLog, path: str | None) -> None:
        self.log = log
        self._path = path
        self._users = 0
        self._kept: OrderedDict[tuple[str, Key], _Kept[Any]] = OrderedDict()
        self._keeping = threading.Lock()

    @classmethod
    def of(cls, path_or_log: str | os.PathLike[str] | EventLog | None) -> Sessions:
        """Those of this log, or of the store at this path (None: the configured one), which is opened once in a process, made where there
        is none, and closed when all who asked for it have called `close`. Raises what `EventLog.open` raises."""
        with cls._mutex:
            if isinstance(path_or_log, EventLog):
                found = cls._by_log.get(path_or_log)
                if found is None:
                    found = cls._by_log[path_or_log] = cls(path_or_log, None)
            else:
                settings = load()
                path = os.path.realpath(settings.store if path_or_log is None else path_or_log)
                found = cls._by_path.get(path)
                if found is None or found.log.closed:
                    found = cls._by_path[path] = cls(EventLog.open(path, settings=settings), path)
            found._users += 1
            return found

    def close(self) -> None:
        """To be called once by whoever asked for them. A log that was given stays open."""
        with self._mutex:
            self._users -= 1
            if self._users:
                return
            with self._keeping:
                self._kept.clear()
            if self._path is not None:
                self._by_path.pop(self._path, None)
                self.log.close()

    # --- asking and writing ------------------------------------------------------------------------------------------------------

    def ask(self, fold: Fold[S], key: Key, question: Callable[[S], T], default: T) -> T:
        """The question's answer about the session as it is; ``default`` where there is none. Writes nothing."""
        while True:
            kept = self._find(fold, key)
            if kept is None:
                return default
            with kept.lock:
                state = kept.live.state
                if not state.deleted:
                    return question(state)
            self._drop(fold, key, kept)

    def append(
        self,
        fold: Fold[S],
        key: Key,
        decide: Callable[[S], Sequence[Envelope]],
        *,
        exact: bool = False,
        sync: Sync | None = None,
        details: Details = dict,
    ) -> int:
        """Append what is decided from the session's state, all or none; returns the position afterwards. No events: nothing is written.

        ``exact``: only if the session is still as it was when that was decided; else it is decided again. A session that is not there is
        begun in the same append, with ``details`` (fields of its `SessionStarted`; asked when it is decided). Raises what `Session.append`
        raises, and what ``decide`` raises."""
        while True:
            kept = self._find(fold, key)
            if kept is None:
                seq = self._begin(fold, key, decide, sync, details)
                if seq is not None:
                    return seq
                continue
            with kept.lock:
                before = kept.session.last_seq
                state = kept.live.state
                if state.deleted:
                    self._drop(fold, key, kept)
                    continue
                at = max(before, state.seq)  # a position may have no event, where there is damage
                drafts = decide(state)
                if drafts and exact:
                    seq = self._write(fold, key, kept, drafts, at, sync)
            if not drafts:
                return at
            if not exact:  # without the lock, so that threads share a sync
                seq = self._write(fold, key, kept, drafts, None, sync)
            if seq is not None:
                return seq

    def _write(
        self, fold: Fold[S], key: Key, kept: _Kept[S], drafts: Sequence[Envelope], expected: int | None, sync: Sync | None
    ) -> int | None:
        """The position afterwards; None where it is to be decided again."""
        try:
            return kept.session.append_envelopes(one_append(drafts), expected=expected, sync=sync)
        except Conflict:
            return None
        except SessionDeleted:
            self._drop(fold, key, kept)
            return None
        except EventLogError:
            self._drop(fold, key, kept)  # a writer that failed says so for ever
            raise

    def _begin(self, fold: Fold[S], key: Key, decide: Callable[[S], Sequence[Envelope]], sync: Sync | None, details: Details) -> int | None:
        """What `append` does where there is no session. None where there is one now."""
        drafts = decide(fold.initial())
        if not drafts:
            return 0
        session, is_new = begin(self.log, *key, details=details(), events=drafts, sync=sync)
        self._keep(fold, key, _Kept(session, fold))
        return len(drafts) + 1 if is_new else None

    def read(self, key: Key) -> Iterator[StoredEvent]:
        """The events of the key's session, from the store. None where there is none."""
        session = find(self.log, *key)
        if session is not None:
            with session:
                yield from session.read()

    def delete(self, key: Key, reason: str | None = None) -> bool:
        """Delete the key's session, if there is one."""
        session = find(self.log, *key)
        if session is None:
            return False
        with session:
            try:
                self.log.delete(session.id, reason)
            except SessionNotFound:
                return False
        return True

    def id_of(self, key: Key) -> str | None:
        """The id of the key's session, as it is now."""
        session = find(self.log, *key)
        if session is None:
            return None
        with session:
            return session.id

    # --- what is kept ------------------------------------------------------------------------------------------------------------

    def _find(self, fold: Fold[S], key: Key) -> _Kept[S] | None:
        with self._keeping:
            kept = self._kept.get((fold.name, key))
            if kept is not None:
                self._kept.move_to_end((fold.name, key))
                return kept
        session = find(self.log, *key)
        return None if session is None else self._keep(fold, key, _Kept(session, fold))

    def _keep(self, fold: Fold[S], key: Key, kept: _Kept[S]) -> _Kept[S]:
        with self._keeping:
            kept = self._kept.setdefault((fold.name, key), kept)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
            return kept

    def _drop(self, fold: Fold[S], key: Key, kept: _Kept[S]) -> None:
        with self._keeping:
            if self._kept.get((fold.name, key)) is kept:
                del self._kept[fold.name, key]


def one_append(drafts: Sequence[Envelope]) -> list[Envelope]:
    """The drafts as one batch."""
    for index, draft in enumerate(drafts):
        draft.more = index < len(drafts) - 1
    return list(drafts)


# --- async callers -----------------------------------------------------------------------------------------------------------------


async def in_thread(work: Callable[[], T]) -> T:
    """Ask, off the event loop."""
    return await asyncio.to_thread(work)


async def to_its_end(work: Callable[[], T]) -> T:
    """Write, off the event loop: whoever is cancelled meanwhile is told so when it is done."""
    return await finished(asyncio.to_thread(work))


async def finished(work: Coroutine[Any, Any, T]) -> T:
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        if not task.cancelled():
            task.exception()  # looked at, so that it is not reported as lost
        raise cancelled
    return task.result()
