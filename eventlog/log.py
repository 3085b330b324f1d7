"""The log: a store of sessions, opened once per program."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, overload

from .backend import Backend, Changes, OnDamage, Sync, rewriting, sealing, snapshots
from .errors import Conflict, SessionExists, SessionNotFound
from .events import Event, SessionStarted
from .ids import check_session_id, check_session_ids, in_id_order, new_session_id
from .session import Session, check_on_damage
from .settings import Settings, load
from .tails.sharing import Tails

if TYPE_CHECKING:
    from . import reports
    from .backend import Bundle, Watch
    from .stored import StoredEvent
    from .tail import AnyTail, CaughtUp, Tail
    from .tails.following import After
    from .tails.subscription import Callback, OnError, Subscription


class EventLog:
    """All sessions of one store. Safe to use from several threads and, through one `open` each, from several processes.

    A context manager. Handles taken from it end with it."""

    def __init__(self, backend: Backend, settings: Settings) -> None:
        self.settings = settings
        self._backend = backend
        self._tails = Tails(backend)
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
        from .files.backend import FilesBackend

        settings = settings or load()
        settings = settings.replace(store=Path(path) if path is not None else settings.store, sync=sync or settings.sync)
        if settings.recording:
            return cls(FilesBackend.open(settings, create=create), settings)
        from .discard import DiscardBackend

        return cls(DiscardBackend.over(lambda: FilesBackend.open(settings, create=False), settings), settings)

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

    def __repr__(self) -> str:
        return f"<EventLog {self._backend.place}{' closed' if self.closed else ''}>"

    def start(self, *, id: str | None = None, template: str | None = None, **details: Any) -> Session:
        """A new session: writes its `SessionStarted` (``details`` are its fields) and returns the handle.

        ``template`` is the name of a beginning that was prepared (README, "Templates"): its details where none are given here, its context
        and its first messages, all in one append. Raises `SessionExists` and `InvalidSessionId` for a given ``id``, `InvalidTemplate`."""
        session_id = new_session_id() if id is None else check_session_id(id)
        if template is None and self.settings.default_model and not details.get("model"):
            details["model"] = self.settings.default_model
        started: list[Event] = [SessionStarted(**details)]
        if template is not None:
            from .templates import load as load_template

            started = load_template(template, self.settings).events(details)
        stream = self._live.stream(session_id, create=True, new=id is None)
        if id is not None and stream.exists():
            raise SessionExists(session_id)
        session = Session(stream, self.settings, self._tails, create=True)
        try:
            session.append(*started, expected=0)
        except Conflict:  # another program was first
            raise SessionExists(session_id) from None
        return session

    def session(self, session_id: str, *, create: bool = False, exclusive: bool = False) -> Session:
        """A handle on an existing session; ``create`` also takes an id that is new: the session then begins with its first append.

        ``exclusive`` keeps every other writer out until the handle is closed, and appends at full speed. Raises `SessionNotFound`,
        `InvalidSessionId`; `SessionLocked` after ``lock_timeout_s``."""
        stream = self._live.stream(check_session_id(session_id), create=create, exclusive=exclusive)
        if not create and not stream.exists():
            stream.close()
            raise SessionNotFound(session_id)
        return Session(stream, self.settings, self._tails, create=create)

    def keyed(self, namespace: str, *key: str) -> Session:
        """The session of a foreign key (one text or several), begun where there is none: the last generation that exists, or where that is
        deleted the next one. Restoring an older one does not make it current.

        Its id follows from the key (FORMAT.md, "Session ids"); `projections.Catalog` lists by namespace and finds by key. Two programs
        that ask at once get one session. Raises `InvalidInput`, and what `Session.append` raises."""
        from .keyed import keyed

        return keyed(self, namespace, *key)

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
        from .replays import fork

        return self.session(fork.fork(self, session_id, fork.Point(at, message, turn, call), id=id, on_damage=on_damage))

    def merge(self, session_ids: Iterable[str], into: str | None = None, *, on_damage: OnDamage = "raise") -> Session:
        """Bring all events of several sessions into one, each event once and each session in its own order; returns its handle.

        Without ``into`` that is a session whose id follows from theirs; merging the same sessions again adds what is new in them.
        ``into`` an existing session adds what that one does not have yet: of its own fork, what the fork added. Nothing that is
        there changes. A `SessionMerged` at the end says what was taken over and where the sources disagree. An interrupted merge is
        finished by merging again. Memory: the largest append, how often copies of different sessions alternate, and the ids of messages
        (some 130 bytes each: 120 MB for a gigabyte of events that name 900,000).

        Raises `InvalidInput` for fewer than two sessions, `SessionNotFound`, `SessionDeleted`, `Damaged`, and what `Session.append`
        raises."""
        from .replays import merge

        return self.session(merge.merge(self, session_ids, into, on_damage=on_damage))

    def session_ids(self) -> Iterator[str]:
        """Every session's id, deleted ones too, in no particular order. Costs one directory listing per shard."""
        return self._live.session_ids()

    def stamps(self) -> Iterator[tuple[str, str]]:
        """Every session's id with a text that changes whenever what is stored of it does: for whoever has to look at everything and
        wants to pass over what is as it was. Costs one look at each file's size and time, and none into a session."""
        return self._live.stamps()

    def sessions(self, after: str | None = None) -> Iterator[tuple[str, str]]:
        """Every session's id with its stamp (see `stamps`), deleted ones too, in the order of the ids as text; those behind ``after``.

        Generated ids are in the order of their creation. One pass over the store before the first is told; of more than 65,536
        sessions the rest is sorted in temporary files. What begins meanwhile may be missing."""
        stamps = self.stamps()
        return in_id_order(stamps if after is None else (pair for pair in stamps if pair[0] > after))

    def changed_since(self, cursor: str | None = None) -> Changes:
        """Which sessions may have changed since a cursor that an earlier call gave (None: since ever).

        Hints for whoever keeps something up to date: costs what changed, not what there is. ``full`` in the answer means that the
        hints do not reach back that far and every session has to be looked at. Raises `InvalidCursor`."""
        return self._live.changed_since(cursor)

    def read_many(self, after: Mapping[str, int], on_damage: OnDamage = "raise") -> Iterator[StoredEvent]:
        """The events of several sessions, each from behind its position on (0: all), session by session: `Session.read` in one call, for
        stores where each request costs. A session that has nothing there, or is not there, gives nothing. Raises `InvalidSessionId`,
        `Damaged`."""
        from . import stored

        check_on_damage(on_damage)
        positions = {check_session_id(session_id): position for session_id, position in after.items()}
        for lines in self._live.read_many(positions, on_damage):
            yield from stored.events(lines, positions[lines.session_id], None, None)[0]

    @overload
    def tail(
        self,
        session: Session | str | None = None,
        after: After = 0,
        types: Collection[str] | None = None,
        marks: Literal[False] = False,
        on_damage: OnDamage = "raise",
    ) -> Tail[StoredEvent]: ...
    @overload
    def tail(
        self,
        session: Session | str | None = None,
        after: After = 0,
        types: Collection[str] | None = None,
        *,
        marks: bool,
        on_damage: OnDamage = "raise",
    ) -> Tail[StoredEvent | CaughtUp]: ...
    def tail(
        self,
        session: Session | str | None = None,
        after: After = 0,
        types: Collection[str] | None = None,
        marks: bool = False,
        on_damage: OnDamage = "raise",
    ) -> Tail[StoredEvent | CaughtUp]:
        """Everything after ``after``, then live what comes, of one session or of all (None): iterate, and close it when done.

        ``after``: 0 or "start", "end" for only what comes from now on, a position (one session), or the ``cursor`` that a tail gave: it
        then goes on there without a gap or a duplicate. ``types``: only events of these. ``marks``: a `CaughtUp` stands between what was
        there and what came. Appends come whole, each session in its order; a slow reader loses nothing and no writer waits for it.
        Woken by the operating system, and every ``poll_interval_ms`` should that fail. Raises `SessionNotFound`, `InvalidCursor`, and
        `CursorExpired` for a cursor of all sessions from before the last boot or too long ago; iterating raises `Damaged` like `read`."""
        return self._open_tail(session, after, types, marks=marks, on_damage=on_damage)

    def _open_tail(
        self,
        session: Session | str | None,
        after: After,
        types: Collection[str] | None,
        *,
        marks: bool,
        on_damage: OnDamage,
        watch: Callable[[str | None], Watch] | None = None,
    ) -> AnyTail:
        """`tail`. ``watch``: what to wait with, given by whoever waits for many."""
        backend = self._live
        if isinstance(session, Session):
            return session._open_tail(after, types, marks=marks, on_damage=on_damage, watch=watch)
        if session is not None:
            with self.session(session) as handle:
                return handle._open_tail(after, types, marks=marks, on_damage=on_damage, watch=watch)
        from .tail import of_all

        check_on_damage(on_damage)
        opened = backend.watch() if watch is None else watch(None)
        return of_all(backend, after, on_damage, opened, self._tails, types=types, marks=marks, settings=self.settings)

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
        from .tails.subscription import Subscription

        tail = self.tail(session, "end", types)
        made = Subscription(tail, self._live.settle, callback, on_error, self._subscriptions.discard)
        self._subscriptions.add(made)
        made.begin()
        return made

    def verify(self, session_ids: Iterable[str] | None = None, *, progress: reports.Progress | None = None) -> reports.Report:
        """Read every byte of the store (or of some sessions) and say what is not as it should be. Writes nothing.

        ``progress`` is called after each session with the report so far. Raises `SessionNotFound`, `InvalidSessionId`."""
        return self._live.verify(check_session_ids(session_ids), progress)

    def compact(
        self,
        session_ids: Iterable[str] | None = None,
        *,
        drop_deltas: bool = False,
        drop_retracted: bool = False,
        idle_s: float | None = None,
        dry_run: bool = False,
    ) -> reports.CompactionReport:
        """Make fewer and smaller files of the given sessions, or of all, with the same events in them.

        Seals, compresses and joins the segments of sessions to which nothing happened for ``idle_s`` (default: the setting
        ``compress_after``), by the time of the last event; removes what crashes have left. ``drop_deltas`` also leaves out every
        `MessageDelta` whose message was added whole after it, ``drop_retracted`` what a `HistoryRetracted` or `HistoryCleared` took back
        (but for what says when the session was begun and last worked on, and what has an id); a `SessionCompacted` says so. Writers,
        readers and tails may run meanwhile; a crash leaves the old files or the new. What cannot be done for a session (it is damaged,
        locked, the disk is full) is in the report and stops no other. ``dry_run`` only counts what would be done. Raises
        `SessionNotFound`, `Unsupported`."""
        return sealing(self._live, "compact").compact(
            check_session_ids(session_ids), drop_deltas=drop_deltas, drop_retracted=drop_retracted, idle_s=idle_s, dry_run=dry_run
        )

    def seal(self, session_ids: Iterable[str]) -> None:
        """Finish what was written of these sessions: their segments end here, and the next append begins new ones.

        A session that another writer holds, or that is not there, stays as it is; so do all where there are no segments."""
        seals = self._live.capabilities.seal
        if seals is not None:
            seals.seal(session_ids)

    def repair(
        self, session_ids: Iterable[str] | None = None, *, apply: bool = False, progress: reports.Progress | None = None
    ) -> reports.RepairReport:
        """Make whole what `verify` finds damaged, in the given sessions or in all. Without ``apply`` it only says what it would do.

        Touches only what verify reported. Every byte that is taken out of its place is copied to ``quarantine/`` before; every event
        that can be proven stays where it is. Afterwards verify is clean and lists what was written again; the seqs that are lost for
        ever stand in the footers and headers. ``progress`` is called with the report so far. Raises `SessionNotFound`, `SessionLocked`,
        `OSError`; after an error call it again."""
        return rewriting(self._live, "repair").repair(check_session_ids(session_ids), apply=apply, progress=progress)

    def delete(self, session_id: str, reason: str | None = None) -> int:
        """Hide the session from lists and refuse to append to it; returns the seq of its tombstone. Its id stays burned, its bytes stay
        until `purge`, and until then `restore` brings it back. Deleting again changes nothing. Raises `SessionNotFound`."""
        from .maintenance.retention import delete

        with self.session(session_id) as session:
            return delete(session, reason)

    def restore(self, session_id: str, reason: str | None = None) -> int:
        """Bring a deleted session back; returns the seq of its `SessionRestored`.

        Raises `NotDeleted`, `SessionPurged`, `SessionNotFound`."""
        from .maintenance.retention import restore

        return restore(self, session_id, reason)

    def cleanup(self, older_than_s: float, *, keep: int = 0, status: str | None = None, dry_run: bool = False) -> reports.CleanupReport:
        """Delete the sessions that were last written to (an event's time, or its import) longer than ``older_than_s`` ago.

        The ``keep`` newest sessions of the log stay whatever their age, and pinned ones always. ``status`` limits it to active, completed,
        failed or abandoned ones. ``dry_run`` only says what would go. Deleted is not purged: see `restore` and `purge`.
        Raises `InvalidInput`."""
        from .maintenance.retention import cleanup

        return cleanup(self, self._live, older_than_s=older_than_s, keep=keep, status=status, dry_run=dry_run)

    def deleted(self) -> Iterator[reports.Deleted]:
        """The sessions that are deleted, with the time until which they can be restored. Costs a look at the end of every session."""
        from .maintenance.retention import deleted

        return deleted(self, self._live)

    def purge(self, session_id: str, *, now: bool = False, reason: str | None = None, dry_run: bool = False) -> reports.PurgeReport:
        """Remove everything of a deleted session but its tombstone: segments, quarantine and (of all sessions: they are made anew)
        projections. There is no way back.

        It is done when ``grace_period_s`` has passed since the tombstone, or with ``now``, which also deletes (for ``reason``) what is not
        deleted yet. Raises `NotDeleted`, `StillRestorable`, `SessionNotFound`, `SessionLocked`; after an `OSError` call it again."""
        from .maintenance.retention import purge

        return purge(self, self._live, session_id, now=now, reason=reason, dry_run=dry_run)

    def redact(
        self,
        session_id: str,
        seqs: Collection[int] | None = None,
        pattern: str | re.Pattern[str] | None = None,
        reason: str | None = None,
        *,
        dry_run: bool = False,
    ) -> reports.RedactionReport:
        """Take content out of the session for good: the whole of some events, by seq, or every match of a pattern.

        When it returns, an `EventRedacted` says what was done and why, and no file of the store holds the content any more; the events keep
        their seq, time and type, and `verify` lists the segments that were rewritten. A pattern is searched in every string of an
        event (after JSON's escapes), and never kept itself. Quarantined bytes of the session go as well, damaged ones where they hold it,
        and projections, which are made anew. Appending goes on meanwhile.

        Raises `InvalidInput` (no such event, a bad pattern, a reason that holds it; `PatternTooSlow` where a piece of the session takes
        longer than 10 s of processor time: nothing is changed then), `SessionNotFound`, `SessionLocked`; after an `OSError` or a crash
        call it again."""
        from .maintenance.matching import redact

        return redact(self, self._live, session_id, seqs, pattern, reason, dry_run=dry_run)

    def backup(self, folder: str | os.PathLike[str]) -> reports.BackupReport:
        """Bring a copy of the store in ``folder`` up to date, or make one: what it has already is not copied again.

        The copy is a store: it can be read and verified like any other. Consistent while writers run: each session in it is the session
        as it was at one moment. What was copied is verified afterwards (``report.problems``). Sessions that the store has lost stay in
        the copy. Raises `NotAStore` where the folder holds something else, `InvalidInput`, `OSError`; after an error call it again."""
        return snapshots(self._live, "backup").backup(Path(folder))

    @staticmethod
    def restore_backup(
        folder: str | os.PathLike[str], *, settings: Settings | None = None, session_ids: Iterable[str] | None = None
    ) -> reports.BackupReport:
        """Bring back from a copy in ``folder`` the sessions that the store (``settings.store``, made if it is not there) does not have.

        A session that is there stays as it is (``report.kept``). Raises `StoreNotFound`, `NotAStore` (also where the backup is one of
        another store), `SessionNotFound`, `OSError`; after an error call it again."""
        from .files.upkeep.backup import restore_backup

        return restore_backup(Path(folder), settings or load(), session_ids=check_session_ids(session_ids))

    def bundle(self, session_ids: Iterable[str], path: str | os.PathLike[str] | Callable[[bytes], object]) -> reports.Manifest:
        """Write the sessions into one file, as they are at this moment, to be handed to somebody (``eventlog import bundle``).

        A function in the place of the path is called with the file's bytes, in order. Links are followed; what is no regular file (a
        FIFO) is written to and not replaced. Raises `SessionNotFound`, `OSError`; a regular file then is what it was."""
        return snapshots(self._live, "bundle").bundle(check_session_ids(session_ids) or [], path if callable(path) else Path(path))

    def open_bundle(self, path: str | os.PathLike[str]) -> AbstractContextManager[Bundle]:
        """A bundle, checked byte by byte, whose sessions can be installed or read. Nothing is in the log before that.

        Raises `InvalidBundle` on entering."""
        return snapshots(self._live, "open_bundle").open_bundle(Path(path))

    def close(self) -> None:
        """Finish what runs in the background, end subscriptions and tails, let go of all files. Closing twice is fine."""
        if not self.closed:
            self.closed = True
            for subscription in list(self._subscriptions):
                subscription()
            for tail in list(self._tails.open):
                tail.close()
            self._backend.close()

    @property
    def _live(self) -> Backend:
        """The backend, while the log is open."""
        if self.closed:
            raise ValueError("this log is closed; open it again with EventLog.open()")
        return self._backend

    def __enter__(self) -> EventLog:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
