"""The async log: each method runs the one of the same name of `eventlog.EventLog` in a thread."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, overload
from weakref import WeakSet

from .. import log as sync_log
from .. import session as sync_session
from ..backend import Changes, OnDamage, Sync
from ..settings import Settings
from ..stored import StoredEvent
from ..tail import CaughtUp
from ..tails.following import After
from ..tails.subscription import Callback, OnError
from .handles import AnyTail, Bundle, Opening, Subscription, Tail
from .session import Session
from .waking import Waker
from .work import Work, opened

if TYPE_CHECKING:
    from .. import reports


class EventLog:
    """`eventlog.EventLog` for one event loop. ``sync_log`` is the log behind it."""

    def __init__(self, log: sync_log.EventLog) -> None:
        self.sync_log = log
        self._work = Work()
        self._tails: WeakSet[AnyTail] = WeakSet()
        self._waker = Waker(log._tails, log.settings.poll_interval_ms / 1000)

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str] | None = None,
        *,
        create: bool = True,
        sync: Sync | None = None,
        settings: Settings | None = None,
    ) -> Opening[EventLog]:
        """``async with aio.EventLog.open(...) as log``, or await it and close it. See `eventlog.EventLog.open`."""

        async def begun() -> EventLog:
            return cls(await opened(None, lambda: sync_log.EventLog.open(path, create=create, sync=sync, settings=settings)))

        return Opening(begun())

    @classmethod
    def memory(cls, settings: Settings | None = None) -> EventLog:
        """A log that lives in this process only."""
        return cls(sync_log.EventLog.memory(settings))

    @property
    def settings(self) -> Settings:
        return self.sync_log.settings

    @property
    def path(self) -> str | None:
        """The store's folder; None for a log that is in memory."""
        return self.sync_log.path

    @property
    def closed(self) -> bool:
        return self.sync_log.closed

    def __repr__(self) -> str:
        return f"<aio.{repr(self.sync_log)[1:]}"

    # --- sessions ------------------------------------------------------------------------------------------------------------

    def start(self, *, id: str | None = None, template: str | None = None, **details: Any) -> Opening[Session]:
        """A new session. See `eventlog.EventLog.start`."""
        return self._opening(lambda: self.sync_log.start(id=id, template=template, **details))

    def session(self, session_id: str, *, create: bool = False, exclusive: bool = False) -> Opening[Session]:
        """A handle on a session. See `eventlog.EventLog.session`."""
        return self._opening(lambda: self.sync_log.session(session_id, create=create, exclusive=exclusive))

    def keyed(self, namespace: str, *key: str) -> Opening[Session]:
        """The session of a foreign key. See `eventlog.EventLog.keyed`."""
        return self._opening(lambda: self.sync_log.keyed(namespace, *key))

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
    ) -> Opening[Session]:
        """A new session that begins as this one was. See `eventlog.EventLog.fork`."""
        return self._opening(lambda: self.sync_log.fork(session_id, at, message=message, turn=turn, call=call, id=id, on_damage=on_damage))

    def merge(self, session_ids: Iterable[str], into: str | None = None, *, on_damage: OnDamage = "raise") -> Opening[Session]:
        """All events of several sessions in one. See `eventlog.EventLog.merge`."""
        return self._opening(lambda: self.sync_log.merge(session_ids, into, on_damage=on_damage))

    def session_ids(self) -> AsyncIterator[str]:
        """Every session's id. See `eventlog.EventLog.session_ids`."""
        return self._work.each(self.sync_log.session_ids)

    def stamps(self) -> AsyncIterator[tuple[str, str]]:
        """Every session's id and stamp. See `eventlog.EventLog.stamps`."""
        return self._work.each(self.sync_log.stamps)

    def sessions(self, after: str | None = None) -> AsyncIterator[tuple[str, str]]:
        """The same in the order of the ids. See `eventlog.EventLog.sessions`."""
        return self._work.each(lambda: self.sync_log.sessions(after))

    async def changed_since(self, cursor: str | None = None) -> Changes:
        """Which sessions may have changed. See `eventlog.EventLog.changed_since`."""
        return await self._work.run(lambda: self.sync_log.changed_since(cursor))

    def read_many(self, after: Mapping[str, int], on_damage: OnDamage = "raise") -> AsyncIterator[StoredEvent]:
        """The events of several sessions. See `eventlog.EventLog.read_many`."""
        return self._work.each(lambda: self.sync_log.read_many(after, on_damage))

    # --- live ----------------------------------------------------------------------------------------------------------------

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
    ) -> AnyTail:
        """``async for stored in log.tail(...)``; it opens at its first item, or with ``async with``, which closes it, too.

        See `eventlog.EventLog.tail`."""
        given = session.sync_session if isinstance(session, Session) else session
        waker = self._waker
        tail = Tail(
            lambda: self.sync_log._open_tail(given, after, types, marks=marks, on_damage=on_damage, watch=waker.enter),
            str(after),
            self._work,
            waker,
        )
        self._tails.add(tail)
        return tail

    async def subscribe(
        self,
        callback: Callback,
        types: Collection[str] | None = None,
        session: Session | str | None = None,
        on_error: OnError | None = None,
    ) -> Subscription:
        """Call ``callback`` with every event from now on; what it returns is awaited where it can be, before the next event comes. Ended
        by awaiting a call of what is returned. See `eventlog.EventLog.subscribe`."""
        given = session.sync_session if isinstance(session, Session) else session
        made = Subscription(callback, on_error)
        subscribe = self.sync_log.subscribe
        made.sync_subscription = await self._work.run(lambda: subscribe(made.deliver, types, given, made.report))
        return made

    # --- the life of a store -------------------------------------------------------------------------------------------------

    async def verify(self, session_ids: Iterable[str] | None = None, *, progress: reports.Progress | None = None) -> reports.Report:
        """Read every byte. ``progress`` is called in another thread. See `eventlog.EventLog.verify`."""
        return await self._work.run(lambda: self.sync_log.verify(session_ids, progress=progress))

    async def compact(
        self,
        session_ids: Iterable[str] | None = None,
        *,
        drop_deltas: bool = False,
        drop_retracted: bool = False,
        idle_s: float | None = None,
        dry_run: bool = False,
    ) -> reports.CompactionReport:
        """Fewer and smaller files. See `eventlog.EventLog.compact`."""
        return await self._work.run(
            lambda: self.sync_log.compact(
                session_ids, drop_deltas=drop_deltas, drop_retracted=drop_retracted, idle_s=idle_s, dry_run=dry_run
            )
        )

    async def seal(self, session_ids: Iterable[str]) -> None:
        """Finish what was written of sessions. See `eventlog.EventLog.seal`."""
        await self._work.run(lambda: self.sync_log.seal(session_ids))

    async def repair(
        self, session_ids: Iterable[str] | None = None, *, apply: bool = False, progress: reports.Progress | None = None
    ) -> reports.RepairReport:
        """Make damage whole. ``progress`` is called in another thread. See `eventlog.EventLog.repair`."""
        return await self._work.run(lambda: self.sync_log.repair(session_ids, apply=apply, progress=progress))

    async def delete(self, session_id: str, reason: str | None = None) -> int:
        """Hide a session. See `eventlog.EventLog.delete`."""
        return await self._work.run(lambda: self.sync_log.delete(session_id, reason))

    async def restore(self, session_id: str, reason: str | None = None) -> int:
        """Bring a deleted session back. See `eventlog.EventLog.restore`."""
        return await self._work.run(lambda: self.sync_log.restore(session_id, reason))

    async def cleanup(
        self, older_than_s: float, *, keep: int = 0, status: str | None = None, dry_run: bool = False
    ) -> reports.CleanupReport:
        """Delete old sessions. See `eventlog.EventLog.cleanup`."""
        return await self._work.run(lambda: self.sync_log.cleanup(older_than_s, keep=keep, status=status, dry_run=dry_run))

    def deleted(self) -> AsyncIterator[reports.Deleted]:
        """The sessions that are deleted. See `eventlog.EventLog.deleted`."""
        return self._work.each(self.sync_log.deleted)

    async def purge(self, session_id: str, *, now: bool = False, reason: str | None = None, dry_run: bool = False) -> reports.PurgeReport:
        """Remove a deleted session for good. See `eventlog.EventLog.purge`."""
        return await self._work.run(lambda: self.sync_log.purge(session_id, now=now, reason=reason, dry_run=dry_run))

    async def redact(
        self,
        session_id: str,
        seqs: Collection[int] | None = None,
        pattern: str | re.Pattern[str] | None = None,
        reason: str | None = None,
        *,
        dry_run: bool = False,
    ) -> reports.RedactionReport:
        """Take content out of a session for good. See `eventlog.EventLog.redact`."""
        return await self._work.run(lambda: self.sync_log.redact(session_id, seqs, pattern, reason, dry_run=dry_run))

    async def backup(self, folder: str | os.PathLike[str]) -> reports.BackupReport:
        """Bring a copy of the store up to date. See `eventlog.EventLog.backup`."""
        return await self._work.run(lambda: self.sync_log.backup(folder))

    @staticmethod
    async def restore_backup(
        folder: str | os.PathLike[str], *, settings: Settings | None = None, session_ids: Iterable[str] | None = None
    ) -> reports.BackupReport:
        """Bring sessions back from a copy. See `eventlog.EventLog.restore_backup`."""
        return await asyncio.to_thread(sync_log.EventLog.restore_backup, folder, settings=settings, session_ids=session_ids)

    async def bundle(self, session_ids: Iterable[str], path: str | os.PathLike[str] | Callable[[bytes], object]) -> reports.Manifest:
        """Write sessions into one file. See `eventlog.EventLog.bundle`."""
        return await self._work.run(lambda: self.sync_log.bundle(session_ids, path))

    def open_bundle(self, path: str | os.PathLike[str]) -> AbstractAsyncContextManager[Bundle]:
        """``async with log.open_bundle(...) as bundle``. See `eventlog.EventLog.open_bundle`."""
        return self._bundle(path)

    @asynccontextmanager
    async def _bundle(self, path: str | os.PathLike[str]) -> AsyncIterator[Bundle]:
        opened = self.sync_log.open_bundle(path)
        bundle = await self._work.run(opened.__enter__)
        try:
            yield Bundle(bundle, self._work)
        finally:
            await self._work.run(lambda: opened.__exit__(None, None, None))

    # --- its end, and its threads --------------------------------------------------------------------------------------------

    async def close(self) -> None:
        """Finish the appends that are waiting, end tails, then everything else. See `eventlog.EventLog.close`."""
        while self._work.busy:
            await asyncio.wait(list(self._work.busy))
        self._work.closed = True
        for tail in list(self._tails):
            await tail.close()
        await asyncio.to_thread(self._waker.close)
        await asyncio.to_thread(self.sync_log.close)
        await self._work.close()

    async def __aenter__(self) -> EventLog:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    def _opening(self, open: Callable[[], sync_session.Session]) -> Opening[Session]:
        async def begun() -> Session:
            return Session(await self._work.open(open), self._work, self._tails, self._waker)

        return Opening(begun())
