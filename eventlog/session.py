"""A handle on one session: append to it, read it.

A handle is cheap and holds no descriptor of its own; a hundred thousand may be open. It is safe to use from several
threads, and any number of processes may have handles on the same session.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import chain
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, overload

from . import stored
from .backend import OnDamage, PendingAppend, Stream, Sync
from .entry import Origin, check_depth, check_id, data_of, envelopes, type_of
from .errors import InvalidEvent, SessionNotFound
from .events import MessageDelta, SessionEnded, SessionResumed
from .line import Envelope
from .registry import Event, UnknownEvent
from .settings import Settings
from .stored import StoredEvent
from .timestamps import normalise, now

if TYPE_CHECKING:
    from .backend import Watch
    from .tail import AnyTail, CaughtUp, Tail
    from .tails.following import After, OneSession, Where
    from .tails.sharing import Tails

_DELTA = MessageDelta.type
_ENDED = SessionEnded.type


class Session:
    """Made by `EventLog.start` and `EventLog.session`; use as a context manager or `close` it."""

    __slots__ = ("_create", "_settings", "_stream", "_sync", "_tails", "closed", "id")

    def __init__(self, stream: Stream, settings: Settings, tails: Tails, *, create: bool) -> None:
        self.id = stream.session_id
        self.closed = False
        self._stream = stream
        self._settings = settings
        self._sync: Sync = settings.sync
        self._tails = tails  # all of the log, which ends them when it is closed
        self._create = create

    def append(
        self,
        *events: Event | UnknownEvent,
        expected: int | None = None,
        id: str | None = None,
        sync: Sync | None = None,
        time: datetime | str | None = None,
        origin: Origin | None = None,
        timeout_s: float | None = None,
    ) -> int:
        """Append the events, all or none, and return the seq of the last.

        When it returns, they are on stable storage, or as safe as the weaker ``sync`` level that the store or this call asks for:
        "interval" (within the store's sync interval) or "never" (when the operating system pleases). Costs one write, one sync.

        ``expected``: the position that the session must be at, else `Conflict`. ``id``: makes a retry safe: if an append with this id
        is already there, nothing is written and its position is returned (an id counts for the whole session). ``time``: when it happened,
        default now. ``origin``: where the event came from. ``timeout_s``: how long to wait for another writer's lock, default the setting
        ``lock_timeout_s``; 0 is to try, and to say `SessionLocked` at once.

        Raises `InvalidEvent` (it would not be read back as what it is; FORMAT.md, "Limits") and `EventTooLarge` before anything is
        written; `SessionNotFound`, `SessionDeleted`, `SessionLocked`;
        `NotStored` when the disk refused, `OutcomeUnknown` when it did not confirm, `WriterPoisoned` after that. FORMAT.md, "Appending".
        """
        if self.closed:
            self._check_open()
        if len(events) != 1 or origin is not None or not isinstance(event := events[0], Event):
            return self._append(as_envelopes(events, time, id, origin), expected, id, sync, timeout_s)
        when = now() if time is None else normalise(time)
        if id is not None:
            check_id(id)
        kind = type_of(event)  # nearly every append: it has no step more than it needs
        envelope = Envelope(0, when, kind, data_of(event), event.version)
        if id is not None:
            envelope.id = id
        if sync is None:
            sync = "never" if kind == _DELTA else self._sync
        return self._stream.append((envelope,), expected, id, sync, kind == _ENDED, timeout_s)

    def append_new(self, drafts: Sequence[Envelope], *, sync: Sync | None = None) -> list[int]:
        """Append those of the drafts (see `draft`) that are not there yet, all or none, in order; returns the seq of each, old or new.

        A draft with an id is there if the session has an event with that id, in whichever segment, by whichever process; drafts that follow
        it and have no id belong to it. So the same call may be made again, or one that overlaps it, by several programs at once: each
        event is stored once. Nothing is written where all are there. Raises what `append` raises."""
        self._check_open()
        if not drafts:
            return []
        check_copies(drafts)
        if sync is None:
            sync = "never" if drafts[-1].type == _DELTA else self._sync
        return self._stream.append_new(drafts, sync)

    def user(
        self, said: object, *, id: str | None = None, sync: Sync | None = None, time: datetime | str | None = None, **fields: Any
    ) -> int:
        """Append what the user says; returns the seq of the message.

        ``said``: text, a list of parts (ours, or of a provider's API), or a message of OpenAI's, Anthropic's, Google's or Ollama's, as a
        mapping or as their SDK's object. Results of tools in it are messages of their own, in the same append. ``fields``: further fields
        of the `MessageAdded` (message_id, reply_to, metadata, ...). Raises what `append` raises."""
        return self._say("user", said, id, sync, time, fields)

    def assistant(
        self, said: object, *, id: str | None = None, sync: Sync | None = None, time: datetime | str | None = None, **fields: Any
    ) -> int:
        """Append what the assistant says; returns the seq of the message.

        ``said``: like `user`, or a whole response: its message with the calls in it, its alternatives and its usage are one append; the
        message's id is the response's, unless ``message_id`` is given. A stream is to be put together first (`shapes.telling.stream`)."""
        return self._say("assistant", said, id, sync, time, fields)

    def _say(self, role: str, said: object, id: str | None, sync: Sync | None, time: datetime | str | None, fields: dict[str, Any]) -> int:
        events, main = what_was_said(role, said, fields)
        return self.append(*events, id=id, sync=sync, time=time) - (len(events) - 1 - main)

    def pending(self, envelopes: list[Envelope], expected: int | None, id: str | None, sync: Sync | None) -> PendingAppend:
        """What an append of these would be, for `append_all`."""
        self._check_open()
        kind = envelopes[-1].type
        if sync is None:
            sync = "never" if kind == _DELTA else self._sync
        return PendingAppend(envelopes, expected, id, sync, kind == _ENDED)

    def append_all(self, appends: Sequence[PendingAppend]) -> None:
        """`append` each, in this order, with one sync for all that ask for one. What becomes of each is its ``outcome``."""
        self._stream.append_all(appends)

    def append_envelopes(
        self, envelopes: list[Envelope], *, expected: int | None = None, id: str | None = None, sync: Sync | None = None
    ) -> int:
        """`append` for replays and importers, where each event of a batch has a time, an origin and raw data of its own.

        The caller has set ``more`` on all but the last and the id on the last; use `draft` to make them. What replays copy is not
        checked but for its depth, which readers must be able to follow."""
        check_copies(envelopes)
        return self._append(envelopes, expected, id, sync)

    def _append(
        self, envelopes: list[Envelope], expected: int | None, id: str | None, sync: Sync | None, timeout_s: float | None = None
    ) -> int:
        append = self.pending(envelopes, expected, id, sync)
        return self._stream.append(append.envelopes, append.expected, append.key, append.sync, append.seal, timeout_s)

    def read(
        self,
        after: int = 0,
        before: int | None = None,
        types: Collection[str] | None = None,
        on_damage: OnDamage = "raise",
        *,
        last: int | None = None,
    ) -> Iterator[StoredEvent]:
        """The events with after < seq < before, oldest first, optionally only of some types, or only the ``last`` so many of these.

        Whole appends only; memory is bounded by the largest append. Never blocks a writer and never writes. Damaged bytes raise
        `Damaged` where they stand, after everything before them was given out; "skip" gives out every event that can be proven."""
        self._check_open()
        check_on_damage(on_damage)
        wanted = None if types is None else frozenset((types,) if isinstance(types, str) else types)
        if last is not None:
            return iter(self._read_last(last, after, before, wanted, on_damage))
        return chain.from_iterable(self._read(after, before, wanted, on_damage))

    def _read_last(
        self, count: int, after: int, before: int | None, wanted: frozenset[str] | None, on_damage: OnDamage
    ) -> list[StoredEvent]:
        """Found from the end, in windows that grow until there are enough. What stands before the events that are given out is not looked
        at: damage there is not theirs."""
        if count < 0:
            raise ValueError(f"last is how many events to read, 0 or more, not {count}")
        after = max(0, after)
        end = self.last_seq if before is None else min(self.last_seq, before - 1)
        window = max(count, 1)
        while count:
            start = max(after, end - window)
            found = list(chain.from_iterable(self._read(start, before, wanted, "skip")))[-count:]
            if len(found) == count or start == after:
                first = found[0].seq if found and start > after else after + 1
                if on_damage == "raise" and not self._is_whole(first, end, before, found if wanted is None else None):
                    return list(chain.from_iterable(self._read(first - 1, before, wanted, "raise")))[-count:]
                return found
            window *= 4
        return []

    def _is_whole(self, first: int, end: int, before: int | None, found: list[StoredEvent] | None) -> bool:
        """Whether every event from ``first`` to ``end`` can be proven, or where it cannot, is missing for a reason that may be damage."""
        seen = found if found is not None else chain.from_iterable(self._read(first - 1, before, None, "skip"))
        expected = first
        for event in seen:
            if event.seq != expected:
                return False
            expected += 1
        return expected > end

    def has_news(self, after: int) -> bool:
        """Whether the session has an event behind ``after``. Costs microseconds as long as nothing is written: the file is looked at, not
        read."""
        self._check_open()
        return self._stream.has_news(after)

    def _check_open(self) -> None:
        if self.closed:
            raise ValueError(f"this handle of session {self.id!r} is closed; open it again with log.session()")

    def _read(self, after: int, before: int | None, wanted: frozenset[str] | None, on_damage: OnDamage) -> Iterator[list[StoredEvent]]:
        seen = False
        for lines in self._stream.read(after, before, on_damage):
            seen = True
            yield stored.events(lines, after, before, wanted)[0]
        if not seen and not self._create and not self._stream.exists():
            raise SessionNotFound(self.id)

    @overload
    def tail(
        self, after: After = 0, types: Collection[str] | None = None, marks: Literal[False] = False, on_damage: OnDamage = "raise"
    ) -> Tail[StoredEvent]: ...
    @overload
    def tail(
        self, after: After = 0, types: Collection[str] | None = None, *, marks: bool, on_damage: OnDamage = "raise"
    ) -> Tail[StoredEvent | CaughtUp]: ...
    def tail(
        self, after: After = 0, types: Collection[str] | None = None, marks: bool = False, on_damage: OnDamage = "raise"
    ) -> Tail[StoredEvent | CaughtUp]:
        """What is in the session after ``after`` (a position, a cursor, "start" or "end"), then live what comes. See `EventLog.tail`."""
        return self._open_tail(after, types, marks=marks, on_damage=on_damage)

    def _open_tail(
        self,
        after: After,
        types: Collection[str] | None,
        *,
        marks: bool,
        on_damage: OnDamage,
        watch: Callable[[str | None], Watch] | None = None,
    ) -> AnyTail:
        """`tail`. ``watch``: what to wait with, given by whoever waits for many."""
        self._check_open()
        check_on_damage(on_damage)
        from .tail import begin
        from .tails.following import OneSession

        stream = self._stream

        def place(after: After | Where) -> OneSession:
            return OneSession(stream, after, on_damage)

        opened = stream.watch() if watch is None else watch(self.id)
        return begin(place, after, (self.id, on_damage), opened, self._tails, types=types, marks=marks, settings=self._settings)

    @property
    def last_seq(self) -> int:
        """The position of the session now: the seq of its last event, 0 before the first."""
        return self._stream.last_seq()

    def resume(self, reason: str | None = None) -> int:
        """Say that work on the session goes on; returns the seq of the `SessionResumed`."""
        return self.append(SessionResumed(reason=reason))

    def end(self, status: str = "completed", reason: str | None = None) -> int:
        """Say that the session is over: completed, failed or abandoned. Its segment is sealed; a later append makes it active again."""
        return self.append(ended(status, reason))

    def sync(self) -> None:
        """Return when everything appended through this handle, at whatever level, is on stable storage."""
        self._stream.sync()

    def close(self) -> None:
        """Give up the handle (and the lock, if it is exclusive). Nothing is ended or sealed. Closing twice is fine."""
        if not self.closed:
            self.closed = True
            self._stream.close()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Session {self.id}{' closed' if self.closed else ''}>"


def check_on_damage(on_damage: OnDamage) -> None:
    if on_damage not in ("raise", "skip"):
        raise ValueError(f'on_damage is "raise" or "skip", not {on_damage!r}')


def ended(status: str, reason: str | None) -> SessionEnded:
    """What `Session.end` appends. Raises `InvalidEvent` for another status."""
    if status not in ("completed", "failed", "abandoned"):
        raise InvalidEvent(f"a session ends completed, failed or abandoned, not {status!r}")
    return SessionEnded(status=status, reason=reason)


def what_was_said(role: str, said: object, fields: dict[str, Any]) -> tuple[list[Event], int]:
    """What `Session.user` and `Session.assistant` append, and which of these is the message."""
    from .shapes.telling import said_by

    return said_by(role, said, **fields)


def draft(
    event: Event | UnknownEvent,
    *,
    id: str | None = None,
    time: datetime | str | None = None,
    origin: Origin | None = None,
    more: bool = False,
) -> Envelope:
    """An event that is to be appended with an id, a time and an origin of its own, beside others that have theirs.

    ``id`` makes a retry safe, ``time`` is when it happened (default now), ``origin`` where it came from, each as in `Session.append`.
    ``more`` is for `Session.append_envelopes` only. Nothing is written yet; what is returned is to be appended once.
    Raises `InvalidEvent`, and `TypeError` for what is no event."""
    (envelope,) = as_envelopes((event,), time, id, origin)
    envelope.more = more
    return envelope


def as_envelopes(
    events: Sequence[Event | UnknownEvent], time: datetime | str | None, id: str | None, origin: Origin | None
) -> list[Envelope]:
    """One append's: the last has its id, all before it say that there is more. Raises what `Session.append` raises before it writes."""
    if id is not None:
        check_id(id)
    return envelopes(events, now() if time is None else normalise(time), id, origin)


def check_copies(envelopes: Iterable[Envelope]) -> None:
    """What is copied is not checked but for its depth, which readers must be able to follow. Raises `InvalidEvent`."""
    for envelope in envelopes:
        check_depth(envelope)
