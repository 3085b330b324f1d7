"""What looking after a log finds and does, as data: the same whatever the events are kept in.

Where a place is named, ``segment`` is the part of the session that the backend keeps as one (a file's name on disk), and ``offset`` and
``length`` are bytes in it. A backend without such parts leaves them empty and says ``after`` which event the place lies.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Literal

import msgspec

from .errors import place_of

ProblemKind = Literal["torn_tail", "damaged", "missing", "foreign"]


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """A place in the store that is not as it should be. ``after``: the seq of the last event before it, where that is all that is known."""

    session_id: str
    segment: str = ""
    offset: int = 0
    length: int = 0
    kind: ProblemKind
    detail: str
    after: int | msgspec.UnsetType = msgspec.UNSET  # in JSON only where it is known

    @property
    def place(self) -> str:
        """The place in words."""
        return place_of(self.session_id, self.segment, self.offset, self.length, None if self.after is msgspec.UNSET else self.after)


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
    """What `EventLog.verify` found. ``ok`` when there is no problem."""

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

    def __repr__(self) -> str:
        verdict = "ok" if self.ok else f"not ok, {len(self.problems):,} problems, the first: {self.problems[0]!r}"
        return f"<Report {verdict}; {self.sessions:,} sessions, {self.events:,} events, {self.bytes:,} bytes>"


Progress = Callable[[Report], None]


class Skipped(msgspec.Struct, frozen=True, kw_only=True):
    """What could not be done for a session, and why."""

    session_id: str
    reason: str


class CompactionReport(msgspec.Struct, kw_only=True):
    """What `EventLog.compact` did. Counts are of segments: ``joined`` ones became part of another. ``removed`` are files that a crash had
    left, ``left_out`` events; ``too_young`` counts sessions with something to compress to which something happened not long ago. The
    bytes are what is stored of the sessions that were looked at."""

    sessions: int = 0
    sealed: int = 0
    compressed: int = 0
    joined: int = 0
    removed: int = 0
    left_out: int = 0
    too_young: int = 0
    bytes_before: int = 0
    bytes_after: int = 0
    skipped: list[Skipped] = []
    dry_run: bool = False


class RedactionReport(msgspec.Struct, kw_only=True):
    """What `EventLog.redact` did. ``seqs``: the events that were changed (or would be: a dry run says no more than that). ``segments`` were
    written anew, which ``damaged_bytes`` in them did not outlive; ``quarantine`` counts files that went from there.
    ``announced_seq`` is the event that says so."""

    session_id: str
    seqs: list[int] = []
    segments: int = 0
    damaged_bytes: int = 0
    quarantine: int = 0
    announced_seq: int | None = None


class Expired(msgspec.Struct, frozen=True, kw_only=True):
    """A session that is to go. ``last_written``: its last event or its import, whichever came later."""

    session_id: str
    status: str
    last_written: datetime
    size_bytes: int


class Deleted(msgspec.Struct, frozen=True, kw_only=True):
    """A deleted session. ``until``: it can be restored at least until then. ``is_due``: that is over, and it has not been purged."""

    session_id: str
    deleted_at: datetime
    until: datetime
    is_purged: bool
    is_due: bool
    size_bytes: int


class CleanupReport(msgspec.Struct, kw_only=True):
    """What `EventLog.cleanup` deleted, or would delete, oldest first. ``bytes`` is what purging all of it frees; ``pinned`` counts
    those that stay although they are old enough."""

    sessions: list[Expired] = []
    bytes: int = 0
    pinned: int = 0
    dry_run: bool = False


class PurgeReport(msgspec.Struct, frozen=True, kw_only=True):
    """What `EventLog.purge` did. ``seq``: where the tombstone stands that is left. ``files`` and ``freed_bytes`` count segments."""

    session_id: str
    seq: int
    files: int
    freed_bytes: int


RepairKind = Literal["set_aside", "write_again", "take_out", "record_the_gap"]


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a repair does, and the problem that asks for it."""

    session_id: str
    segment: str
    action: RepairKind
    detail: str
    problem: str


class NotRepaired(msgspec.Struct, frozen=True, kw_only=True):
    """A session that stays as it is, and why."""

    session_id: str
    reason: str


class RepairReport(msgspec.Struct, kw_only=True):
    """What `EventLog.repair` did. ``actions``: what was done, or would be. ``failed``: sessions of which it could not be done. ``verify``:
    what is left afterwards."""

    applied: bool
    actions: list[Action] = []
    failed: list[NotRepaired] = []
    verify: Report | None = None


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A session that was left as it is where it was to be copied to, and why."""

    session_id: str
    reason: str


class BackupReport(msgspec.Struct, kw_only=True):
    """What was copied, into a backup or out of one. ``sessions`` were looked at, ``changed`` of them were copied in whole or in part;
    ``problems`` is what verifying these found."""

    sessions: int = 0
    changed: int = 0
    files: int = 0
    bytes: int = 0
    removed: int = 0
    kept: list[Kept] = []
    problems: list[Problem] = []

    @property
    def ok(self) -> bool:
        return not self.problems


class BundledFile(msgspec.Struct, frozen=True):
    name: str
    size: int
    sha256: str


class BundledSession(msgspec.Struct, frozen=True):
    session_id: str
    files: list[BundledFile]


class Manifest(msgspec.Struct, frozen=True):
    """What is in a bundle. ``bundle`` is the version of its format, ``min_reader`` the oldest that can read it."""

    bundle: int
    min_reader: int
    created: str
    sessions: list[BundledSession]
