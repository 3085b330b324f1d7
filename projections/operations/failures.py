"""What went wrong, as one of a few kinds, so that a face says in one place what each is called there (a status, an exit code)."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from typing import Any, Final, Literal

import msgspec

from eventlog import errors as e

from ..projection import ProjectionFailed

Kind = Literal[
    "not_found",
    "conflict",
    "locked",
    "invalid",
    "gone",
    "too_large",
    "refused",
    "damaged",
    "full",
    "unknown_outcome",
    "unavailable",
    "internal",
]


class WritingRefused(e.EventLogError):
    """The context may only read."""

    def __init__(self, operation: str) -> None:
        self.operation = operation
        super().__init__(f"{operation!r} writes, and only reading is allowed here; ask whoever runs this to allow writing")


class AnswerTooLarge(e.EventLogError):
    """``limit_bytes`` is what an answer may hold; ``instead`` names the operation that gives it piece by piece."""

    def __init__(self, session_id: str, limit_bytes: int, instead: str) -> None:
        self.session_id = session_id
        self.limit_bytes = limit_bytes
        self.instead = instead
        super().__init__(
            f"session {session_id!r} has more than {limit_bytes:,} bytes of events; ask for {instead}, which go on page by page"
        )


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """An error for somebody else: ``kind``, one line that ends with the next step, and the error's data.

    Neither holds a path of this machine where the kind is not the asker's own doing."""

    kind: Kind
    error: str
    message: str
    data: dict[str, Any] = {}


# The first that fits counts, so what is more special stands first.
_KINDS: Final[tuple[tuple[type[BaseException], Kind], ...]] = (
    (e.SessionNotFound, "not_found"),
    (e.SessionPurged, "gone"),
    (e.SessionLocked, "locked"),
    (e.SessionError, "conflict"),
    (e.EventTooLarge, "too_large"),
    (AnswerTooLarge, "too_large"),
    (WritingRefused, "refused"),
    (e.InvalidSetting, "unavailable"),
    (e.InvalidInput, "invalid"),
    (e.CursorExpired, "gone"),
    (e.Damaged, "damaged"),
    (e.NotStored, "unavailable"),
    (e.AppendFailed, "unknown_outcome"),
    (e.StoreError, "unavailable"),
    (ProjectionFailed, "internal"),
    (e.EventLogError, "conflict"),
    (RecursionError, "invalid"),
    (MemoryError, "unavailable"),
)
_FULL: Final = (errno.ENOSPC, errno.EDQUOT)
_SAID_INSTEAD: Final[dict[Kind, str]] = {
    "unavailable": "the store cannot be used at the moment; look at it on the machine that it is on, then try again",
    "full": "the disk of the store is full and nothing of this was stored; free space, then try again",
    "internal": "something here went wrong that should not have; it is in the log of the program that answers",
}


def failure_of(error: BaseException) -> Failure:
    """The failure that an error is: `kind` decides what it is called, ``message`` is for people, ``data`` for programs."""
    kind = _kind_of(error)
    message = " ".join(_SAID_INSTEAD.get(kind, str(error)).split())
    if isinstance(error, RecursionError):
        message = "the JSON is nested too deeply; flatten it, or send it as text"
    data = {} if kind in _SAID_INSTEAD else dict(_data_of(error))
    return Failure(kind=kind, error=type(error).__name__, message=message, data=data)


def _kind_of(error: BaseException) -> Kind:
    cause = error if isinstance(error, OSError) else getattr(error, "cause", None)
    if isinstance(cause, OSError):
        if cause.errno in _FULL and not isinstance(error, e.OutcomeUnknown):
            return "full"
        if isinstance(error, OSError):
            return "unavailable"
    return next((kind for cls, kind in _KINDS if isinstance(error, cls)), "internal")


def _data_of(error: BaseException) -> Iterator[tuple[str, Any]]:
    if isinstance(error, e.EventLogError):
        for name, value in error.__dict__.items():
            if isinstance(value, (str, int, float, bool)) and name not in ("source", "detail", "segment"):
                yield name, value
