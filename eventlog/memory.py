"""The backend for tests and throw-away logs: the same lines, kept in memory. Nothing here outlives the process."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence

from . import line as codec
from .backend import Changes, Lines, OnDamage, Report, Sync
from .errors import Conflict, InvalidSessionId, SessionDeleted, SessionLocked, SessionNotFound
from .events import SessionDeleted as DeletedEvent
from .events import SessionRestored as RestoredEvent
from .line import Envelope

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
    def __init__(self, held: _Lines, max_event_bytes: int, *, create: bool) -> None:
        self.session_id = held.session_id
        self._held = held
        self._max_event_bytes = max_event_bytes
        self._create = create

    def append(self, envelopes: Sequence[Envelope], *, expected: int | None, key: str | None, sync: Sync, seal: bool = False) -> int:
        held = self._held
        with held.mutex:
            if held.owner not in (None, self):
                raise SessionLocked(self.session_id, 0)
            if not held.lines and not self._create:
                raise SessionNotFound(self.session_id)
            if key is not None and key in held.ids:
                return held.ids[key]
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
            held.lines += added
            held.running = running
            held.last_type = envelopes[-1].type
            if key is not None:
                held.ids[key] = len(held.lines)
            return len(held.lines)

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

    def last_seq(self) -> int:
        return len(self._held.lines)

    def exists(self) -> bool:
        return bool(self._held.lines)

    def sync(self) -> None:
        """Nothing to do: memory has no stable storage to wait for."""

    def close(self) -> None:
        if self._held.owner is self:
            self._held.owner = None


class MemoryBackend:
    path: str | None = None

    def __init__(self, max_event_bytes: int) -> None:
        self._max_event_bytes = max_event_bytes
        self._mutex = threading.Lock()
        self._sessions: dict[str, _Lines] = {}

    def stream(self, session_id: str, *, create: bool, exclusive: bool = False) -> MemoryStream:
        with self._mutex:
            folded = session_id.lower()
            held = self._sessions.setdefault(folded, _Lines(session_id))
            if held.session_id != session_id:
                if held.lines:
                    raise InvalidSessionId(session_id, held.session_id)
                held = self._sessions[folded] = _Lines(session_id)
            stream = MemoryStream(held, self._max_event_bytes, create=create)
            if exclusive:
                if held.owner is not None:
                    raise SessionLocked(session_id, 0)
                held.owner = stream
            return stream

    def session_ids(self) -> Iterator[str]:
        return iter(sorted(held.session_id for held in list(self._sessions.values()) if held.lines))

    def changed_since(self, cursor: str | None) -> Changes:
        """Everything, always: looking is cheap here."""
        return Changes(full=True, sessions={}, cursor="")

    def verify(self, session_ids: Iterable[str] | None = None) -> Report:
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
