"""One model call as the caller's side sees it: what was sent, the pieces that came back, how it ended. Bytes and clocks, nothing decoded.

Everything here runs in the caller's thread and costs it; the rest is the writer's. Nothing raises: what goes wrong is the recorder's
loss, never the caller's error. What a call may hold is granted by the recorder's `Room`, in steps: the first with its beginning, so that a
call whose answer is short takes one lock, and then one for every quarter of a mebibyte and not for every piece.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from .context import Context

if TYPE_CHECKING:
    from ..shapes.exchange import Exchange
    from .redaction import Redact

FIRST_GRANTED, GRANTED = 16 << 10, 256 << 10  # bytes: with its beginning, and at a time from then on
COMPLETE, CLOSED, DROPPED, CANCELLED, ERROR = "complete", "closed", "dropped", "cancelled", "error"


class Room:
    """How much the calls that are not written yet may hold together: ``calls`` and ``bytes``."""

    def __init__(self, max_calls: int, max_bytes: int) -> None:
        self.calls = 0
        self.bytes = 0
        self._max_calls = max_calls
        self._max_bytes = max_bytes
        self._lock = threading.Lock()

    def enter(self, size: int) -> bool:
        """Room for one more call that holds so many bytes."""
        with self._lock:
            if self.calls >= self._max_calls or self.bytes + size > self._max_bytes:
                return False
            self.calls += 1
            self.bytes += size
            return True

    def grant(self, size: int) -> bool:
        with self._lock:
            if self.bytes + size > self._max_bytes:
                return False
            self.bytes += size
            return True

    def leave(self, size: int) -> None:
        with self._lock:
            self.calls -= 1
            self.bytes -= size


class Request(NamedTuple):
    """``path`` and ``host`` of the address, never its query. ``retry``: which attempt the SDK says it is."""

    path: str
    host: str
    body: bytes
    retry: int | None = None


class Call:
    """``pieces`` grow until ``outcome`` says how it ended; ``cut`` where they were more than may be kept.

    ``inside``: the response is being read at this moment, so that a close is not the caller's."""

    __slots__ = (
        *("context", "cut", "ended", "error", "first", "granted", "headers", "held", "inside", "is_forgotten", "is_over", "is_stream"),
        *("outcome", "pieces", "recorder", "request", "room", "size", "started", "started_at", "status", "told"),
        "__weakref__",
    )

    def __init__(self, recorder: Any, request: Request, context: Context, room: Room, max_bytes: int) -> None:
        self.recorder = recorder
        self.request = request
        self.context = context
        self.room = room
        self.started_at = time.time()
        self.started = time.perf_counter()
        self.first = 0.0
        self.ended = 0.0
        self.status: int | None = None
        self.headers: Any = None  # of the response: the writer looks for the request's id in them, and records nothing else
        self.is_stream = False
        self.is_forgotten = self.is_over = False  # the writer's
        self.pieces: list[bytes] = []
        self.size = 0
        self.granted = min(FIRST_GRANTED, max_bytes)  # entered with it
        self.held = max_bytes  # the most that it may hold
        self.cut = False
        self.inside = False
        self.error: BaseException | tuple[str, str] | None = None
        self.outcome: str | None = None
        self.told: Callable[[Redact | None], Exchange | None] | None = None  # by another door than the wire: what it was, when asked

    @classmethod
    def over(cls, recorder: Any, told: Any, context: Context, room: Room, size: int, started_at: float, ended_at: float) -> Call:
        """A call that somebody else saw, from beginning to end."""
        made = cls(recorder, Request("", "", b""), context, room, 0)
        made.told, made.granted = told, size
        made.started_at, made.started, made.ended = started_at, 0.0, max(ended_at - started_at, 0.0)
        made.outcome = COMPLETE
        return made

    @property
    def request_id(self) -> str | None:
        """The provider's name for the request."""
        found = None if self.headers is None else self.headers.get("x-request-id") or self.headers.get("request-id")
        return found if isinstance(found, str) else None

    @property
    def ended_at(self) -> float:
        """In seconds since 1970."""
        return self.started_at + self.ended - self.started

    def take(self, piece: bytes) -> None:
        """A piece of the response came."""
        if not self.first:
            self.first = time.perf_counter()
        self.size += len(piece)
        if self.size <= self.granted or self.grown(self.size):
            self.pieces.append(piece)

    def grown(self, size: int) -> int:
        """The response has come to so many bytes: how many it may have without asking again; 0 where these are too many already."""
        if not self._room_for(size):
            self.cut = True
            return 0
        return self.granted

    def _room_for(self, size: int) -> bool:
        if self.cut or size > self.held:
            return False
        more = min(max(size - self.granted, GRANTED), self.held - self.granted)
        if not self.room.grant(more):
            return False
        self.granted += more
        return True

    def end(self, outcome: str, error: BaseException | None = None) -> None:
        """It is over; only the first end counts."""
        if self.outcome is not None:
            return
        self.ended = time.perf_counter()
        if error is not None:
            try:  # text and name only: the exception holds the caller's frames
                self.error = (type(error).__name__, str(error))
            except Exception:
                self.error = (type(error).__name__, "")
        self.outcome = outcome
        self.recorder.ended(self)

    def failed(self, error: BaseException) -> None:
        """The caller got this exception."""
        self.end(outcome_of(error), error)


def outcome_of(error: BaseException) -> str:
    """What an exception says that went through the caller's reading of the response."""
    if isinstance(error, GeneratorExit):
        return CLOSED
    if isinstance(error, Exception):
        return ERROR
    return CANCELLED  # asyncio's and trio's cancellations, KeyboardInterrupt, SystemExit
