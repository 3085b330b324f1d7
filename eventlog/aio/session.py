"""The async handle on one session: its appends queue, and what waits together shares a sync (group commit)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from datetime import datetime
from itertools import takewhile
from types import TracebackType
from typing import Any, Literal, NamedTuple, TypeVar, overload
from weakref import WeakSet

from .. import session as sync_session
from ..backend import OnDamage, PendingAppend, Sync
from ..entry import Origin
from ..errors import SessionLocked
from ..events import SessionResumed
from ..line import Envelope
from ..registry import Event, UnknownEvent
from ..session import as_envelopes, check_copies, ended, what_was_said
from ..stored import StoredEvent
from ..tail import CaughtUp
from ..tails.following import After
from ..timestamps import now
from .handles import AnyTail, Later, Tail
from .waking import Waker
from .work import Work

T = TypeVar("T")


class _Append(NamedTuple):
    pending: PendingAppend
    outcome: asyncio.Future[int]


class _Call(NamedTuple):
    work: Callable[[], Any]
    outcome: asyncio.Future[Any]


class Session:
    """`eventlog.Session` for one event loop. ``sync_session`` is the handle behind it.

    What is appended while the disk is busy goes out together: written one after the other, then one sync for all of it. Each handle has its
    own queue, so that one whose session is locked elsewhere holds up no other."""

    __slots__ = ("_idle", "_tails", "_waiting", "_waker", "_work", "closed", "id", "sync_session")

    def __init__(self, session: sync_session.Session, work: Work, tails: WeakSet[AnyTail], waker: Waker) -> None:
        self.id = session.id
        self.sync_session = session
        self.closed = False
        self._work = work
        self._tails = tails  # all of the log
        self._waker = waker
        self._waiting: list[_Append | _Call] = []
        self._idle: asyncio.Future[None] | None = None  # done when everything is stored; None where there is nothing to store

    async def append(
        self,
        *events: Event | UnknownEvent,
        expected: int | None = None,
        id: str | None = None,
        sync: Sync | None = None,
        time: datetime | str | None = None,
        origin: Origin | None = None,
        timeout_s: float | None = None,
    ) -> int:
        """Append the events, all or none; see `eventlog.Session.append`. What is appended while another append waits for the disk shares
        its next sync. Appends of this handle are stored in the order in which they were called, so that ``timeout_s`` is also how long to
        wait for those before it. Cancelled, it may still be stored."""
        if timeout_s is not None:
            when = now() if time is None else time
            return await self._call(
                lambda: self.sync_session.append(
                    *events, expected=expected, id=id, sync=sync, time=when, origin=origin, timeout_s=timeout_s
                ),
                timeout_s,
            )
        return await self._append(as_envelopes(events, time, id, origin), expected, id, sync)

    async def append_new(self, drafts: Sequence[Envelope], *, sync: Sync | None = None) -> list[int]:
        """Append those of the drafts that are not there yet. See `eventlog.Session.append_new`."""
        return await self._call(lambda: self.sync_session.append_new(drafts, sync=sync))

    async def user(
        self, said: object, *, id: str | None = None, sync: Sync | None = None, time: datetime | str | None = None, **fields: Any
    ) -> int:
        """Append what the user says. See `eventlog.Session.user`."""
        return await self._say("user", said, id, sync, time, fields)

    async def assistant(
        self, said: object, *, id: str | None = None, sync: Sync | None = None, time: datetime | str | None = None, **fields: Any
    ) -> int:
        """Append what the assistant says, or a whole response. See `eventlog.Session.assistant`."""
        return await self._say("assistant", said, id, sync, time, fields)

    async def _say(
        self, role: str, said: object, id: str | None, sync: Sync | None, time: datetime | str | None, fields: dict[str, Any]
    ) -> int:
        events, main = what_was_said(role, said, fields)
        return await self.append(*events, id=id, sync=sync, time=time) - (len(events) - 1 - main)

    async def append_envelopes(
        self, envelopes: list[Envelope], *, expected: int | None = None, id: str | None = None, sync: Sync | None = None
    ) -> int:
        """`append` for what has times and origins of its own. See `eventlog.Session.append_envelopes`."""
        check_copies(envelopes)
        return await self._append(envelopes, expected, id, sync)

    async def _append(self, envelopes: list[Envelope], expected: int | None, id: str | None, sync: Sync | None) -> int:
        seq: int = await self._queued(_Append(self.sync_session.pending(envelopes, expected, id, sync), self._outcome()))
        return seq

    async def _call(self, work: Callable[[], T], timeout_s: float | None = None) -> T:
        """What appends by itself, in its turn. Raises `SessionLocked` where that does not come in time."""
        call = _Call(work, self._outcome())
        if timeout_s is not None:
            asyncio.get_running_loop().call_later(timeout_s, self._give_up, call, timeout_s)
        found: T = await self._queued(call)
        return found

    def _outcome(self) -> asyncio.Future[Any]:
        if self._work.closed:
            raise ValueError("this log is closed; open it again with EventLog.open()")
        if self.closed:
            raise ValueError(f"this handle of session {self.id!r} is closed; open it again with log.session()")
        return asyncio.get_running_loop().create_future()

    async def _queued(self, item: _Append | _Call) -> Any:
        loop = asyncio.get_running_loop()
        self._waiting.append(item)
        if self._idle is None:
            self._idle = loop.create_future()
            self._work.busy.add(self._idle)
            loop.call_soon(self._store_waiting, loop)  # behind the tasks that are about to append, too
        return await item.outcome

    def _give_up(self, call: _Call, waited_s: float) -> None:
        if call in self._waiting and not call.outcome.done():
            self._waiting.remove(call)
            call.outcome.set_exception(SessionLocked(self.id, waited_s))

    def _store_waiting(self, loop: asyncio.AbstractEventLoop) -> None:
        """Store the next that waits, and with it all appends up to the next call."""
        first = self._waiting[0]
        if isinstance(first, _Call):
            items: list[_Append | _Call] = [self._waiting.pop(0)]
            storing: asyncio.Future[Any] = loop.run_in_executor(self._work.threads, first.work)
        else:
            appends = list(takewhile(lambda item: isinstance(item, _Append), self._waiting))
            items, self._waiting = appends, self._waiting[len(appends) :]
            pending = [append.pending for append in appends if isinstance(append, _Append)]
            storing = loop.run_in_executor(self._work.threads, self.sync_session.append_all, pending)
        storing.add_done_callback(lambda done: self._tell(loop, items, done))

    def _tell(self, loop: asyncio.AbstractEventLoop, items: list[_Append | _Call], done: asyncio.Future[Any]) -> None:
        failure = done.exception()
        for item in items:
            found = item.pending.outcome if isinstance(item, _Append) else failure or done.result()
            if item.outcome.done():
                pass  # cancelled
            elif found is None or isinstance(found, BaseException):
                item.outcome.set_exception(found or failure or RuntimeError("the append has no outcome"))
            else:
                item.outcome.set_result(found)
        if self._waiting:
            self._store_waiting(loop)
        elif self._idle is not None:
            self._work.busy.discard(self._idle)
            self._idle.set_result(None)
            self._idle = None

    def read(
        self,
        after: int = 0,
        before: int | None = None,
        types: Collection[str] | None = None,
        on_damage: OnDamage = "raise",
        *,
        last: int | None = None,
    ) -> AsyncIterator[StoredEvent]:
        """The events with after < seq < before, oldest first, or the last so many of them. See `eventlog.Session.read`."""
        return self._work.each(lambda: self.sync_session.read(after, before, types, on_damage, last=last))

    async def has_news(self, after: int) -> bool:
        """Whether the session has an event behind ``after``. See `eventlog.Session.has_news`."""
        return await self._work.run(lambda: self.sync_session.has_news(after))

    @overload
    def tail(
        self, after: After = 0, types: Collection[str] | None = None, marks: Literal[False] = False, on_damage: OnDamage = "raise"
    ) -> Tail[StoredEvent]: ...
    @overload
    def tail(
        self, after: After = 0, types: Collection[str] | None = None, *, marks: bool, on_damage: OnDamage = "raise"
    ) -> Tail[StoredEvent | CaughtUp]: ...
    def tail(self, after: After = 0, types: Collection[str] | None = None, marks: bool = False, on_damage: OnDamage = "raise") -> AnyTail:
        """See `EventLog.tail`."""
        waker = self._waker
        tail = Tail(
            lambda: self.sync_session._open_tail(after, types, marks=marks, on_damage=on_damage, watch=waker.enter),
            str(after),
            self._work,
            waker,
        )
        self._tails.add(tail)
        return tail

    @property
    def last_seq(self) -> Awaitable[int]:
        """``await session.last_seq``: the position of the session now, each time anew. See `eventlog.Session.last_seq`."""
        return Later(lambda: self._work.run(lambda: self.sync_session.last_seq))

    async def resume(self, reason: str | None = None) -> int:
        """Say that work on the session goes on. See `eventlog.Session.resume`."""
        return await self.append(SessionResumed(reason=reason))

    async def end(self, status: str = "completed", reason: str | None = None) -> int:
        """Say that the session is over, behind what was appended before. See `eventlog.Session.end`."""
        return await self.append(ended(status, reason))

    async def sync(self) -> None:
        """Return when everything appended through this handle is on stable storage."""
        await self._until_idle()
        await self._work.run(self.sync_session.sync)

    async def close(self) -> None:
        """Finish the appends that are waiting and give up the handle. See `eventlog.Session.close`."""
        self.closed = True
        await self._until_idle()
        if not self.sync_session.closed:
            await self._work.run(self.sync_session.close)

    async def _until_idle(self) -> None:
        if self._idle is not None:
            await asyncio.wait([self._idle])

    async def __aenter__(self) -> Session:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<aio.Session {self.id}{' closed' if self.closed else ''}>"
