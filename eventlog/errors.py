"""Everything this package raises on purpose.

Each error carries its data as attributes and ends with the next step. Wrong use by a programmer (a bad argument type,
a closed handle) is ``TypeError`` or ``ValueError``; everything below is about the world: the input, the store, the disk.

EventLogError
├── InvalidInput            the input was refused before anything was written (also a ValueError)
│   ├── InvalidSessionId
│   ├── InvalidEvent
│   │   └── EventTooLarge
│   ├── InvalidSetting
│   ├── InvalidBundle
│   ├── InvalidTemplate
│   ├── InvalidCursor
│   └── PatternTooSlow
├── SessionError            the session is not in a state that allows this
│   ├── SessionNotFound
│   ├── SessionExists
│   ├── SessionDeleted
│   ├── NotDeleted
│   ├── SessionPurged
│   ├── StillRestorable
│   ├── SessionLocked
│   ├── SegmentTooNew
│   └── Conflict
├── StoreError              the folder cannot be used as a store
│   ├── StoreNotFound
│   ├── NotAStore
│   ├── StoreTooNew
│   ├── StoreGone           it was there when the log was opened
│   └── LocksUnsupported
├── AppendFailed            where it was to be stored refused; the outcome says what is known
│   ├── SessionGone         the session's file was removed; nothing of the append is in the log
│   ├── NotStored           nothing of the append is in the log
│   ├── OutcomeUnknown      it may or may not survive a power loss; retry with the same id
│   └── WriterPoisoned      an earlier append of this handle failed; open the session again
├── Damaged                 bytes that cannot be trusted, with their place
├── CursorExpired           the cursor is too old to be continued from
└── Unsupported             a log of this kind cannot do that
"""

from __future__ import annotations

from pathlib import Path
from typing import Any


class EventLogError(Exception):
    """The root: catch this to catch everything that the log raises on purpose. Each can be sent to another process, with its data."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _made_again, (type(self), self.args, self.__dict__)


def _made_again(kind: type[EventLogError], said: tuple[Any, ...], data: dict[str, Any]) -> EventLogError:
    error = kind.__new__(kind, *said)
    error.__dict__.update(data)
    return error


class InvalidInput(EventLogError, ValueError):
    """The input was refused before anything was written."""


class InvalidSessionId(InvalidInput):
    def __init__(self, session_id: str, existing: str | None = None) -> None:
        self.session_id = session_id
        self.existing = existing
        if existing is None:
            rule = "a session id matches [A-Za-z0-9][A-Za-z0-9._-]{0,127}"
        else:
            rule = f"it differs from the existing session {existing!r} only in case; use that id or another one"
        super().__init__(f"invalid session id {session_id[:200]!r}: {rule}")


class InvalidEvent(InvalidInput):
    """The event cannot be written as one line of JSON, or would not be read back as what it is: its type is not allowed, a field of a
    registered type does not fit (``field``: which, as a path; None where it is not one field's fault), it is nested too deeply."""

    def __init__(self, message: str, field: str | None = None) -> None:
        self.field = field
        super().__init__(message)


class EventTooLarge(InvalidEvent):
    def __init__(self, size_bytes: int, limit_bytes: int, what: str = "event") -> None:
        self.size_bytes = size_bytes
        self.limit_bytes = limit_bytes
        super().__init__(
            f"the {what} has {size_bytes:,} bytes, the limit is {limit_bytes:,}; store large content as a file and refer to"
            " it with a uri part, or raise max_event_bytes"
        )


class InvalidSetting(InvalidInput):
    def __init__(self, name: str, value: object, source: str, allowed: str) -> None:
        self.name = name
        self.value = value
        self.source = source
        self.allowed = allowed
        super().__init__(f"setting {name} = {value!r} (from {source}) is not usable: {allowed}")


class InvalidBundle(InvalidInput):
    """The file is no bundle, or not whole. Nothing of it was taken."""

    def __init__(self, path: Path, why: str) -> None:
        self.path = path
        self.why = why
        super().__init__(f"{path} is not a whole bundle ({why}); ask for it again")


class InvalidTemplate(InvalidInput):
    """There is no template of this name, or it is not one. Nothing was started."""

    def __init__(self, name: str, why: str) -> None:
        self.name = name
        self.why = why
        super().__init__(f"template {name[:80]!r}: {why}")


class InvalidCursor(InvalidInput):
    """The text is not a cursor of this store."""


class PatternTooSlow(InvalidInput):
    """A regular expression has more ways to match than there is time for. What it was looked for in is as it was."""

    def __init__(self, pattern: str, limit_s: float) -> None:
        self.pattern = pattern
        self.limit_s = limit_s
        super().__init__(
            f"the pattern {pattern!r} takes more than {limit_s:g} s for a part of this session, which is left as it is; give one"
            " without repetitions inside of repetitions, like a+ in the place of (a+)+"
        )


class SessionError(EventLogError):
    """The session is not in a state that allows this."""

    def __init__(self, session_id: str, message: str) -> None:
        self.session_id = session_id
        super().__init__(message)


class SessionNotFound(SessionError, KeyError):
    def __init__(self, session_id: str) -> None:
        super().__init__(
            session_id,
            f"no session {session_id!r} in this store; `eventlog list` shows what there is (in a program, create=True begins a new one)",
        )

    __str__ = Exception.__str__  # KeyError would show the repr of the message


class SessionExists(SessionError):
    def __init__(self, session_id: str) -> None:
        super().__init__(session_id, f"session {session_id!r} exists already; open it with log.session({session_id!r})")


class SessionDeleted(SessionError):
    def __init__(self, session_id: str) -> None:
        super().__init__(
            session_id, f"session {session_id!r} is deleted and takes no events; `eventlog restore {session_id}` brings it back"
        )


class NotDeleted(SessionError):
    def __init__(self, session_id: str) -> None:
        super().__init__(session_id, f"session {session_id!r} is not deleted; `eventlog delete {session_id}` comes first")


class SessionPurged(SessionError):
    def __init__(self, session_id: str) -> None:
        super().__init__(session_id, f"session {session_id!r} is purged: nothing but its tombstone is left; a backup may still have it")


class StillRestorable(SessionError):
    """The session was deleted not long ago. ``until``: when the grace period ends, ISO 8601 UTC."""

    def __init__(self, session_id: str, until: str) -> None:
        self.until = until
        super().__init__(
            session_id,
            f"session {session_id!r} is deleted and can be restored until {until}; purge it after that, or at once with --now (now=True)",
        )


class SessionLocked(SessionError):
    def __init__(self, session_id: str, waited_s: float) -> None:
        self.waited_s = waited_s
        super().__init__(
            session_id,
            f"session {session_id!r} is locked by another writer (waited {waited_s:g} s); close that writer, or raise lock_timeout_s",
        )


class SegmentTooNew(SessionError):
    """A segment was written by a later version in a way that this one must not guess at. Nothing of it is given out or changed."""

    def __init__(self, session_id: str, segment: str, needs: int, supported: int) -> None:
        self.segment = segment
        self.needs = needs
        self.supported = supported
        super().__init__(
            session_id,
            f"{segment} needs a reader of format {needs}, this version reads up to {supported}; upgrade session-eventlog",
        )


class Conflict(SessionError):
    """Another writer came first. Nothing was written; ``actual`` is the position to read from and try again."""

    def __init__(self, session_id: str, expected: int, actual: int) -> None:
        self.expected = expected
        self.actual = actual
        super().__init__(
            session_id,
            f"session {session_id!r} is at {actual}, not at {expected}; read(after={expected}), decide again, then append with"
            f" expected={actual}",
        )


class StoreError(EventLogError):
    def __init__(self, path: Path, message: str) -> None:
        self.path = path
        super().__init__(message)


class StoreNotFound(StoreError):
    def __init__(self, path: Path) -> None:
        super().__init__(path, f"there is no store at {path}; name one with --store or EVENTLOG_STORE, or record something first")


class NotAStore(StoreError):
    def __init__(self, path: Path, why: str) -> None:
        self.why = why
        super().__init__(path, f"{path} is not an event log store ({why}); name another folder")


class StoreTooNew(StoreError):
    def __init__(self, path: Path, needs: int, supported: int) -> None:
        self.needs = needs
        self.supported = supported
        super().__init__(path, f"{path} needs a reader of format {needs}, this version reads up to {supported}; upgrade session-eventlog")


class StoreGone(StoreError):
    """The store was removed, or moved away, since the log was opened. It is not made again: what was in it is somewhere else, or lost."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, f"the store at {path} has gone since it was opened; put it back, or open a log anew to begin another one")


class LocksUnsupported(StoreError):
    def __init__(self, path: Path) -> None:
        super().__init__(path, f"the file system below {path} has no working locks (a network share?); put the store on a local disk")


def _reason(cause: Exception) -> str:
    said = cause.strerror if isinstance(cause, OSError) else None
    return said or str(cause) or type(cause).__name__


class AppendFailed(EventLogError):
    """What the events are kept in refused them. ``cause`` is what it said: on disk the operating system's error."""

    def __init__(self, session_id: str, message: str, cause: Exception | None = None) -> None:
        self.session_id = session_id
        self.cause = cause
        super().__init__(message)


class SessionGone(AppendFailed):
    """The session's file was removed, or lost its name, since this handle wrote to it. ``position``: the last seq that it knows of. The
    session is not begun again: its seqs were given out."""

    def __init__(self, session_id: str, position: int) -> None:
        self.position = position
        super().__init__(
            session_id,
            f"the file of session {session_id!r} has gone since event {position} was written to it; put it back (a backup may have it),"
            " or begin another session; nothing of the append is in the log",
        )


class NotStored(AppendFailed):
    """``remedy`` is what to do before appending again."""

    def __init__(self, session_id: str, cause: Exception, remedy: str = "free space or mend the disk") -> None:
        self.remedy = remedy
        super().__init__(
            session_id,
            f"the append to {session_id!r} failed and nothing of it is in the log ({_reason(cause)}); {remedy}, then append again",
            cause,
        )


class OutcomeUnknown(AppendFailed):
    def __init__(self, session_id: str, cause: Exception) -> None:
        super().__init__(
            session_id,
            f"the append to {session_id!r} was sent but not confirmed to be on stable storage ({_reason(cause)}); open the session again"
            " and retry with the same id=",
            cause,
        )


class WriterPoisoned(AppendFailed):
    def __init__(self, session_id: str, first: AppendFailed) -> None:
        self.first = first
        super().__init__(
            session_id,
            f"this handle of {session_id!r} stopped at an earlier failure ({first.cause}); close it and open the session again",
            first.cause,
        )


def place_of(session_id: str, segment: str, offset: int, length: int, after: int | None) -> str:
    """A place in a session, in words: bytes of a segment where the events are kept in segments, else the event before it."""
    if segment:
        return f"{segment} at byte {offset} ({length} bytes)"
    if after is not None:
        return f"session {session_id!r} after event {after}"
    return f"session {session_id!r}" if session_id else "the store"


class Damaged(EventLogError):
    """Stored bytes that cannot be trusted. Nothing has been changed; ``read(on_damage="skip")`` returns every event that can be proven.

    ``segment``, ``offset`` and ``length`` say where, as in `eventlog.reports.Problem`; where the events are not kept in segments they are
    empty, and ``after`` is the seq of the last event before it."""

    def __init__(
        self, session_id: str, segment: str, offset: int, length: int, kind: str, detail: str, *, after: int | None = None
    ) -> None:
        self.session_id = session_id
        self.segment = segment
        self.offset = offset
        self.length = length
        self.kind = kind
        self.detail = detail
        self.after = after
        super().__init__(
            f"{place_of(session_id, segment, offset, length, after)} is {kind}: {detail}; `eventlog verify {session_id}` lists everything,"
            f" --skip-damaged or on_damage='skip' reads the rest"
        )


class CursorExpired(EventLogError):
    def __init__(self, why: str) -> None:
        super().__init__(
            f"the cursor can no longer be continued from ({why}); start again with after='start', or after='end' to see only what is new"
        )


class Unsupported(EventLogError):
    """A log of this kind cannot do that. ``operation`` was asked for, ``ability`` is what it needs, ``place`` where the events are."""

    def __init__(self, operation: str, ability: str, place: str) -> None:
        self.operation = operation
        self.ability = ability
        self.place = place
        super().__init__(
            f"{operation} needs a log that can {ability}, and this one ({place}) cannot; use one on disk with recording on:"
            " EventLog.open(FOLDER)"
        )
