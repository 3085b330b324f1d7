"""The port between what a session is and where its events live.

A backend hands out one `Stream` per session. A stream assigns positions, keeps appends whole, and gives back the
bytes of the lines as they are stored, proven; what the lines mean is decided above it. That much every backend owes, and the
conformance suite (`eventlog.testing`) says it as tests.

What not every backend can do are its `Capabilities`: each is one object, or None. Nothing above the port pretends in its place: what is
missing is `Unsupported`, with what is missing in it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Literal, NamedTuple, Protocol, TypeVar

import msgspec

from .errors import Unsupported
from .line import Envelope, seq_of
from .reports import BackupReport, CompactionReport, Manifest, Progress, PurgeReport, RedactionReport, RepairReport, Report

Sync = Literal["always", "interval", "never"]
OnDamage = Literal["raise", "skip"]

C = TypeVar("C")


class Lines:
    """Stored event lines of one session, whole appends, proven, in order: ``data`` is the lines with their newlines."""

    __slots__ = ("_first_seq", "_offsets", "_seqs", "data", "session_id")

    def __init__(self, session_id: str, data: bytes) -> None:
        self.session_id = session_id
        self.data = data
        self._offsets: list[int] = []  # of each line, and the end; found on the first call that needs them
        self._first_seq = 0
        self._seqs: list[int] = []  # of each line, where some are left out between them

    def line(self, seq: int) -> bytes:
        """The line of the event with this seq, without its newline."""
        index = self._index(seq)
        return self.data[self._offsets[index] : self._offsets[index + 1] - 1]

    def size(self, seq: int) -> int:
        """The size of the event's line with its newline."""
        index = self._index(seq)
        return self._offsets[index + 1] - self._offsets[index]

    def _index(self, seq: int) -> int:
        if not self._offsets:
            self._split()
        return bisect_left(self._seqs, seq) if self._seqs else seq - self._first_seq

    def _split(self) -> None:
        offsets = [0]
        find = self.data.find
        end = find(b"\n")
        while end >= 0:
            offsets.append(end + 1)
            end = find(b"\n", end + 1)
        if not self.data:
            raise IndexError("an event that was not read from a log has no line")
        self._first_seq = seq_of(self.data)
        if seq_of(self.data, offsets[-2]) - self._first_seq != len(offsets) - 2:
            self._seqs = [seq_of(self.data, offset) for offset in offsets[:-1]]
        self._offsets = offsets


class Changes(msgspec.Struct, frozen=True):
    """What may have changed since a cursor. ``full``: look at everything, the hints do not reach back that far.

    ``sessions`` maps each session to the position that it had when it was first noted since the cursor; -1 for one
    that was noted before it."""

    full: bool
    sessions: dict[str, int]
    cursor: str


class Follower(Protocol):
    """Reads one session as it grows. For one thread."""

    def more(self) -> Iterator[Lines]:
        """What was appended since; the first chunk may hold more. Ends where there is nothing more for now."""
        ...

    def is_at_end(self) -> bool:
        """Whether `more` would certainly find nothing. May be false for nothing; costs less than `more`."""
        ...

    def go_back(self, position: int) -> None:
        """Read again what follows the position: what was read of it did not arrive."""
        ...

    def close(self) -> None: ...


class Watch(Protocol):
    """What wakes a reader. Only hints: one may be lost, and one may come for nothing."""

    def wait(self, timeout_s: float) -> set[str] | None:
        """Return when something may have changed: the sessions. None: any of them may have, or the time is over."""
        ...

    def notify(self, session_id: str) -> None:
        """This process has appended to the session."""
        ...

    def wake(self) -> None:
        """End the wait, from another thread or a signal handler."""
        ...

    def close(self) -> None: ...


class Feed(Protocol):
    """Which sessions change, asked again and again. For one thread."""

    @property
    def cursor(self) -> str:
        """Where the next answer begins."""
        ...

    def next(self) -> Changes: ...

    def close(self) -> None: ...


class PendingAppend:
    """An append on its way. ``outcome`` is its seq, or why there is none; ``begun``: something of it may be in the file already."""

    __slots__ = ("begun", "envelopes", "expected", "key", "outcome", "seal", "sync")

    def __init__(self, envelopes: Sequence[Envelope], expected: int | None, key: str | None, sync: Sync, seal: bool) -> None:
        self.envelopes = envelopes
        self.expected = expected
        self.key = key
        self.sync: Sync = sync
        self.seal = seal
        self.begun = False
        self.outcome: int | Exception | None = None


class Stream(Protocol):
    """The events of one session. Safe to use from several threads."""

    session_id: str

    def append(
        self,
        envelopes: Sequence[Envelope],
        expected: int | None,
        key: str | None,
        sync: Sync,
        seal: bool = False,
        timeout_s: float | None = None,
    ) -> int:
        """Store all or none; return the seq of the last. See `Session.append` for the promises and errors.

        ``seal``: nothing is expected to follow soon. ``timeout_s``: how long to wait for the session's lock, None for the setting."""
        ...

    def append_all(self, appends: Sequence[PendingAppend]) -> None:
        """Store several, one after the other, with one sync for those that ask for one; what becomes of each is its ``outcome``."""
        ...

    def append_new(self, envelopes: Sequence[Envelope], sync: Sync) -> list[int]:
        """Store those that are not there yet, all or none, in order; return the seq of each, old or new. See `Session.append_new`."""
        ...

    def has_news(self, after: int) -> bool:
        """Whether the session has an event behind ``after``: costs a look at what tells that nothing was written."""
        ...

    def read(self, after: int, before: int | None, on_damage: OnDamage) -> Iterator[Lines]:
        """The stored lines that hold the events after < seq < before; the first and last chunk may hold more."""
        ...

    def follow(self, after: int, on_damage: OnDamage, *, keep_open: bool) -> Follower:
        """A reader that goes on where it stopped. ``keep_open``: it may hold a descriptor all the time."""
        ...

    def watch(self) -> Watch: ...

    def last_seq(self) -> int:
        """The position of the last event, 0 where there is none."""
        ...

    def exists(self) -> bool: ...

    def sync(self) -> None:
        """Return when everything appended through this stream is on stable storage."""
        ...

    def close(self) -> None: ...


class Redaction(Protocol):
    """What is to be taken out of a session's lines: bytes in, bytes out. `eventlog.maintenance.redaction` has the two that there are."""

    what: str  # what goes, as the log is to say it
    reason: str  # the same, as a footer is to say it

    def observe(self, chunk: bytes) -> None:
        """Take in whole lines of the session, in order, before any of them is changed: what is streamed is found across lines."""
        ...

    def found_across(self) -> list[int]:
        """The seqs of events that are meant because of what others hold, in what was observed since this was asked before."""
        ...

    def without(self, found: Collection[int]) -> list[int]:
        """The seqs that were asked for and are not among the found ones."""
        ...

    def touches(self, chunk: bytes) -> bool:
        """Whether it may change any of these whole lines. The cheaper the better."""
        ...

    def matches(self, line: bytes) -> bool:
        """Whether `apply` changes the line."""
        ...

    def apply(self, line: bytes) -> bytes:
        """The line without its last `line.TAIL_SIZE` bytes as it is to be. It is given as it is stored."""
        ...

    def found_in(self, text: str) -> bool: ...

    def found_in_bytes(self, data: bytes) -> bool:
        """Whether it may be in bytes that are not whole lines: torn or damaged ones."""
        ...


class Bundle(Protocol):
    """Sessions that came in one file, checked byte by byte. Nothing of them is in the log yet."""

    path: Path

    @property
    def session_ids(self) -> list[str]: ...

    def install(self, session_id: str) -> bool:
        """Put a session into the log as it is; False where there is one of that id. Raises `InvalidSessionId`, `SessionLocked`."""
        ...

    def read(self, session_id: str) -> Iterator[Lines]:
        """The stored lines of a session that was not installed."""
        ...


class Seals(Protocol):
    """Can end what is finished and store it smaller."""

    def compact(
        self, session_ids: Iterable[str] | None, *, drop_deltas: bool, drop_retracted: bool, idle_s: float | None, dry_run: bool
    ) -> CompactionReport:
        """See `EventLog.compact`."""
        ...

    def seal(self, session_ids: Iterable[str]) -> None:
        """See `EventLog.seal`."""
        ...


class Rewrites(Protocol):
    """Can write again what is stored, and say that it did."""

    def redact(self, session_id: str, redaction: Redaction, *, reason: str | None, dry_run: bool) -> RedactionReport:
        """See `EventLog.redact`."""
        ...

    def repair(self, session_ids: Iterable[str] | None, *, apply: bool, progress: Progress | None) -> RepairReport:
        """See `EventLog.repair`."""
        ...


class Erases(Protocol):
    """Can leave nothing of a session but its tombstone."""

    def purge(self, session_id: str, *, reason: str | None) -> PurgeReport:
        """See `EventLog.purge`, which has looked whether that may be. A session without a tombstone gets one."""
        ...


class Snapshots(Protocol):
    """Can copy sessions as they are at one moment, to the byte, while writers go on."""

    def backup(self, folder: Path) -> BackupReport:
        """See `EventLog.backup`."""
        ...

    def bundle(self, session_ids: Iterable[str], path: Path | Callable[[bytes], object]) -> Manifest:
        """See `EventLog.bundle`."""
        ...

    def open_bundle(self, path: Path) -> AbstractContextManager[Bundle]:
        """See `EventLog.open_bundle`."""
        ...


class Capabilities(NamedTuple):
    """What a backend can do beyond the port. None: that it cannot."""

    seal: Seals | None = None
    rewrite: Rewrites | None = None
    erase: Erases | None = None
    snapshot: Snapshots | None = None


class Footprint(NamedTuple):
    """What a session takes where it is stored. ``parts``: files, or what the backend has in their place. ``written_at``: when something
    of it was last written, where the backend knows (an import writes old events today)."""

    parts: int
    size_bytes: int
    written_at: datetime | None


class Backend(Protocol):
    path: str | None  # the store's folder, if it has one: what can be rebuilt may be kept there
    place: str  # where the events are, in words and without a secret

    @property
    def capabilities(self) -> Capabilities: ...

    def stream(self, session_id: str, *, create: bool, exclusive: bool = False, new: bool = False) -> Stream:
        """The session's stream. ``exclusive``: keeps every other stream of it, here and in other processes, from appending until it is
        closed; raises `SessionLocked` where that cannot be had in time. ``new``: the id was made just now, so that no session can have it
        and none need be looked for. Opening writes nothing."""
        ...

    def session_ids(self, after: str | None = None) -> Iterator[str]:
        """Every session, in the order of `ids.order`; those behind ``after``, whether that is there or not."""
        ...

    def stamps(self) -> Iterator[tuple[str, str]]:
        """Every session with a text that changes whenever what is stored of it does. Costs no look into any session."""
        ...

    def footprint(self, session_id: str) -> Footprint:
        """What the session takes; nothing for one that is not there."""
        ...

    def changed_since(self, cursor: str | None) -> Changes:
        """Which sessions may have changed since the cursor (None: since ever). Costs what changed, not what there is."""
        ...

    def feed(self, cursor: str | None) -> Feed:
        """`changed_since`, again and again, for a reader that stays. The first answer is what changed since the cursor (None: now)."""
        ...

    def watch(self) -> Watch:
        """What wakes a reader of all sessions."""
        ...

    def read_many(self, after: Mapping[str, int], on_damage: OnDamage) -> Iterator[Lines]:
        """What each of these sessions has behind its position, as `Stream.read` gives it, session by session in this order. One that has
        nothing there, or that is not there, gives nothing. Where each request costs, as few as can be: `read_each` is for where it does
        not."""
        ...

    def settle(self, session_id: str) -> None:
        """Return when what this process's appends to the session promise holds: those that asked for it are on stable storage."""
        ...

    def verify(self, session_ids: Iterable[str] | None = None, progress: Progress | None = None) -> Report: ...

    def close(self) -> None: ...


def sealing(backend: Backend, operation: str) -> Seals:
    """The capability that the operation needs. Raises `Unsupported`; so do the next three."""
    return _needed(backend.capabilities.seal, backend, operation, "seal and compress what is stored")


def rewriting(backend: Backend, operation: str) -> Rewrites:
    return _needed(backend.capabilities.rewrite, backend, operation, "write again what is stored")


def erasing(backend: Backend, operation: str) -> Erases:
    return _needed(backend.capabilities.erase, backend, operation, "erase a session")


def snapshots(backend: Backend, operation: str) -> Snapshots:
    return _needed(backend.capabilities.snapshot, backend, operation, "copy sessions as they are at one moment")


def _needed(capability: C | None, backend: Backend, operation: str, ability: str) -> C:
    if capability is None:
        raise Unsupported(operation, ability, backend.place)
    return capability


def read_each(backend: Backend, after: Mapping[str, int], on_damage: OnDamage) -> Iterator[Lines]:
    """`Backend.read_many` where a session costs what it costs by itself."""
    for session_id, position in after.items():
        yield from backend.stream(session_id, create=False).read(position, None, on_damage)


def append_each(stream: Stream, appends: Iterable[PendingAppend]) -> None:
    """`Stream.append_all` where a sync costs nothing."""
    for append in appends:
        try:
            append.outcome = stream.append(append.envelopes, append.expected, append.key, append.sync, append.seal)
        except Exception as error:
            append.outcome = error


class NewOnes:
    """Of the events of one `Stream.append_new` those that are not there yet: an event with an idempotency key is there if the key is, and
    those that follow it without a key are there if it is."""

    def __init__(self, envelopes: Iterable[Envelope], seq_of: Callable[[str], int | None]) -> None:
        self.fresh: list[Envelope] = []
        self._places: list[tuple[bool, int]] = []  # of each: its seq where it is there, else its index among the fresh ones
        groups: dict[str, tuple[bool, int]] = {}  # in this call, an event may be given twice
        place, is_new = (False, 0), True
        for envelope in envelopes:
            if envelope.id is None:
                place = (False, len(self.fresh)) if is_new else (place[0], place[1] + 1)
            elif envelope.id in groups:
                place, is_new = groups[envelope.id], False
            else:
                known = seq_of(envelope.id)
                is_new = known is None
                place = groups[envelope.id] = (False, len(self.fresh)) if known is None else (True, known)
            if is_new:
                self.fresh.append(envelope)
            self._places.append(place)
        for envelope in self.fresh:
            envelope.more = envelope is not self.fresh[-1]

    @property
    def seqs(self) -> list[int]:
        """The seq of each, once the fresh ones have theirs."""
        return [value if is_there else self.fresh[value].seq for is_there, value in self._places]
