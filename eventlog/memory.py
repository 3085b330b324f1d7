"""The backend for tests and throw-away logs: the same lines, kept in memory. Nothing here outlives the process."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence

from . import line as codec
from .backend import (
    Capabilities,
    Changes,
    Feed,
    Follower,
    Footprint,
    Lines,
    NewOnes,
    OnDamage,
    PendingAppend,
    Sync,
    Watch,
    append_each,
    read_each,
)
from .errors import Conflict, InvalidCursor, InvalidSessionId, SessionDeleted, SessionLocked, SessionNotFound
from .events import SessionDeleted as DeletedEvent
from .events import SessionRestored as RestoredEvent
from .ids import order
from .line import Envelope
from .reports import Progress, Report

_LINES_PER_CHUNK = 256


class _Lines:
    """What all streams of one session share. The seq of a line is its index plus one: nothing is ever damaged or left out."""

    def __init__(self, session_id: str) -> None:
        self.session_id = session_id
        self.mutex = threading.RLock()
        self.lines: list[bytes] = []
        self.running = 0
        self.ids: dict[str, int] = {}
        self.last_type = ""
        self.owner: MemoryStream | None = None


class MemoryStream:
    def __init__(self, backend: MemoryBackend, held: _Lines, max_event_bytes: int, *, create: bool) -> None:
        self.session_id = held.session_id
        self._backend = backend
        self._held = held
        self._max_event_bytes = max_event_bytes
        self._create = create

    def append(
        self,
        envelopes: Sequence[Envelope],
        expected: int | None,
        key: str | None,
        sync: Sync,
        seal: bool = False,
        timeout_s: float | None = None,
    ) -> int:
        held = self._held
        with held.mutex:
            if held.owner not in (None, self):
                raise SessionLocked(self.session_id, 0)
            if not held.lines and not self._create:
                raise SessionNotFound(self.session_id)
            if key is not None and key in held.ids:
                return held.ids[key]
            return self._store(envelopes, expected)

    def append_new(self, envelopes: Sequence[Envelope], sync: Sync) -> list[int]:
        held = self._held
        with held.mutex:
            if held.owner not in (None, self):
                raise SessionLocked(self.session_id, 0)
            if not held.lines and not self._create:
                raise SessionNotFound(self.session_id)
            new = NewOnes(envelopes, held.ids.get)
            if new.fresh:
                self._store(new.fresh, None)
            return new.seqs

    def _store(self, envelopes: Sequence[Envelope], expected: int | None) -> int:
        """Under the mutex: add the lines of an append and tell whoever waits."""
        held = self._held
        position = len(held.lines)
        if expected is not None and expected != position:
            raise Conflict(self.session_id, expected, position)
        if held.last_type == DeletedEvent.type and envelopes[0].type != RestoredEvent.type:
            raise SessionDeleted(self.session_id)
        running = held.running
        added: list[bytes] = []
        for envelope in envelopes:
            envelope.seq = position + len(added) + 1
            line, running = codec.encode(envelope, running)
            codec.check_size(len(line), self._max_event_bytes)
            added.append(line)
        if len(added) > 1:
            codec.check_size(sum(map(len, added)), self._max_event_bytes, "batch")
        held.lines += added
        held.running = running
        held.last_type = envelopes[-1].type
        held.ids.update((envelope.id, envelope.seq) for envelope in envelopes if envelope.id is not None)
        self._backend.appends.append((self.session_id, position))  # under the mutex: who reads the lines finds it noted
        for watch in self._backend.watches:
            watch.notify(self.session_id)
        return len(held.lines)

    def append_all(self, appends: Sequence[PendingAppend]) -> None:
        append_each(self, appends)

    def read(self, after: int, before: int | None, on_damage: OnDamage) -> Iterator[Lines]:
        start = max(0, after)
        while True:
            end = start + _LINES_PER_CHUNK if before is None else min(start + _LINES_PER_CHUNK, before - 1)
            with self._held.mutex:
                chunk = self._held.lines[start : max(start, end)]
                while chunk and codec.ends_within_batch(chunk[-1]):
                    chunk.append(self._held.lines[start + len(chunk)])
            if not chunk:
                return
            yield Lines(self.session_id, b"".join(chunk))
            start += len(chunk)

    def follow(self, after: int, on_damage: OnDamage, *, keep_open: bool) -> Follower:
        return _Follower(self, after)

    def watch(self) -> Watch:
        return self._backend.watch(self.session_id)

    def last_seq(self) -> int:
        return len(self._held.lines)

    def has_news(self, after: int) -> bool:
        return len(self._held.lines) > after

    def exists(self) -> bool:
        return bool(self._held.lines)

    def sync(self) -> None:
        """Nothing to do: memory has no stable storage to wait for."""

    def close(self) -> None:
        if self._held.owner is self:
            self._held.owner = None


class _Follower:
    def __init__(self, stream: MemoryStream, after: int) -> None:
        self._stream = stream
        self._position = after

    def more(self) -> Iterator[Lines]:
        for lines in self._stream.read(self._position, None, "raise"):
            self._position = max(0, self._position) + lines.data.count(b"\n")
            yield lines

    def is_at_end(self) -> bool:
        return self._stream.last_seq() <= self._position

    def go_back(self, position: int) -> None:
        self._position = position

    def close(self) -> None:
        """Nothing is held."""


class MemoryFeed:
    """``appends``: for each append ever made, the session and its position before."""

    def __init__(self, appends: list[tuple[str, int]], cursor: str | None) -> None:
        self._appends = appends
        self._full = cursor is None
        if cursor is not None and (not cursor.isdecimal() or int(cursor) > len(appends)):
            raise InvalidCursor(f"{cursor[:80]!r} is not a cursor of this log; use one that it gave out, or 'start'")
        self._read = len(appends) if cursor is None else int(cursor)

    @property
    def cursor(self) -> str:
        return str(self._read)

    def next(self) -> Changes:
        sessions: dict[str, int] = {}
        appends = self._appends[self._read :]
        for session_id, position in appends:
            sessions.setdefault(session_id, position)
        self._read += len(appends)
        full, self._full = self._full, False
        return Changes(full, sessions, self.cursor)

    def close(self) -> None:
        """Nothing is held."""


class MemoryBackend:
    path: str | None = None
    place = "in memory"
    capabilities = Capabilities()

    def __init__(self, max_event_bytes: int) -> None:
        self.appends: list[tuple[str, int]] = []
        self.watches: tuple[Watch, ...] = ()
        self._max_event_bytes = max_event_bytes
        self._mutex = threading.Lock()
        self._sessions: dict[str, _Lines] = {}

    def stream(self, session_id: str, *, create: bool, exclusive: bool = False, new: bool = False) -> MemoryStream:
        with self._mutex:
            folded = session_id.lower()
            held = self._sessions.setdefault(folded, _Lines(session_id))
            if held.session_id != session_id:
                if held.lines:
                    raise InvalidSessionId(session_id, held.session_id)
                held = self._sessions[folded] = _Lines(session_id)
            stream = MemoryStream(self, held, self._max_event_bytes, create=create)
            if exclusive:
                if held.owner is not None:
                    raise SessionLocked(session_id, 0)
                held.owner = stream
            return stream

    def session_ids(self, after: str | None = None) -> Iterator[str]:
        found = sorted((held.session_id for held in list(self._sessions.values()) if held.lines), key=order)
        return iter(found if after is None else [session_id for session_id in found if order(session_id) > order(after)])

    def stamps(self) -> Iterator[tuple[str, str]]:
        return iter([(held.session_id, f"{len(held.lines)}/{held.running}") for held in list(self._sessions.values()) if held.lines])

    def footprint(self, session_id: str) -> Footprint:
        held = self._sessions.get(session_id.lower())
        return Footprint(0, 0, None) if held is None or not held.lines else Footprint(1, sum(map(len, held.lines)), None)

    def changed_since(self, cursor: str | None) -> Changes:
        return MemoryFeed(self.appends, cursor).next()

    def feed(self, cursor: str | None) -> Feed:
        return MemoryFeed(self.appends, cursor)

    def watch(self, session_id: str | None = None) -> Watch:
        from .tails.watch import InProcessWatch

        watch = InProcessWatch(session_id, self._unwatch)
        with self._mutex:
            self.watches += (watch,)
        return watch

    def _unwatch(self, watch: Watch) -> None:
        with self._mutex:
            self.watches = tuple(other for other in self.watches if other is not watch)

    def read_many(self, after: Mapping[str, int], on_damage: OnDamage) -> Iterator[Lines]:
        return read_each(self, after, on_damage)

    def settle(self, session_id: str) -> None:
        """An append is over when it can be read."""

    def verify(self, session_ids: Iterable[str] | None = None, progress: Progress | None = None) -> Report:
        report = Report()
        for session_id in self.session_ids() if session_ids is None else session_ids:
            held = self._sessions.get(session_id.lower())
            if held is None or not held.lines:
                raise SessionNotFound(session_id)
            report.sessions += 1
            report.events += len(held.lines)
            report.bytes += sum(map(len, held.lines))
        return report

    def close(self) -> None:
        """Nothing is held."""
