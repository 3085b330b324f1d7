"""The port between what a session is and where its events live. Two implementations: `files` and `memory`.

A backend hands out one `Stream` per session. A stream assigns positions, keeps appends whole, and gives back the
bytes of the lines as they are stored, proven; what the lines mean is decided above it. The conformance suite
(`eventlog.testing`) says what an implementation owes.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal, Protocol

import msgspec

from .line import Envelope

Sync = Literal["always", "interval", "never"]
OnDamage = Literal["raise", "skip"]
ProblemKind = Literal["torn_tail", "damaged", "missing", "foreign"]


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
        self._first_seq = self._seq_at(0)
        if self._seq_at(offsets[-2]) - self._first_seq != len(offsets) - 2:
            self._seqs = [self._seq_at(offset) for offset in offsets[:-1]]
        self._offsets = offsets

    def _seq_at(self, offset: int) -> int:
        start = offset + len(b'{"seq":')
        return int(self.data[start : self.data.index(b",", start)])


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """A place in the store that is not as it should be."""

    session_id: str
    segment: str
    offset: int
    length: int
    kind: ProblemKind
    detail: str


class Rewrite(msgspec.Struct, frozen=True, kw_only=True):
    """A sealed segment that was rewritten on purpose, and why (redaction, dropped deltas)."""

    session_id: str
    segment: str
    was: str
    reason: str
    left_out: list[tuple[int, int]] = []


class Lost(msgspec.Struct, frozen=True, kw_only=True):
    """Events that damage took for ever: the header of the segment after them says so. ``first`` to ``last``: their seqs."""

    session_id: str
    segment: str
    first: int
    last: int


class Report(msgspec.Struct, kw_only=True):
    """What `verify` found. ``ok`` when there is no problem."""

    sessions: int = 0
    segments: int = 0
    events: int = 0
    bytes: int = 0
    digest: str = ""  # of the content of everything looked at; keep it elsewhere to notice a rewrite of the whole chain
    rewrites: list[Rewrite] = []
    lost: list[Lost] = []
    problems: list[Problem] = []

    @property
    def ok(self) -> bool:
        return not self.problems


Progress = Callable[[Report], None]


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


class Backend(Protocol):
    path: str | None  # the store's folder, if it has one: what can be rebuilt may be kept there

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

    def changed_since(self, cursor: str | None) -> Changes:
        """Which sessions may have changed since the cursor (None: since ever). Costs what changed, not what there is."""
        ...

    def feed(self, cursor: str | None) -> Feed:
        """`changed_since`, again and again, for a reader that stays. The first answer is what changed since the cursor (None: now)."""
        ...

    def watch(self) -> Watch:
        """What wakes a reader of all sessions."""
        ...

    def settle(self, session_id: str) -> None:
        """Return when what this process's appends to the session promise holds: those that asked for it are on stable storage."""
        ...

    def verify(self, session_ids: Iterable[str] | None = None, progress: Progress | None = None) -> Report: ...

    def close(self) -> None: ...


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
