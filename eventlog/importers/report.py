"""What an import did, in the shape that `eventlog import --json` prints."""

from __future__ import annotations

import msgspec


class Skipped(msgspec.Struct, frozen=True):
    """Input that did not become a record with a meaning. ``line`` counts from 1; None means the whole file."""

    file: str
    line: int | None
    reason: str


class ImportReport(msgspec.Struct):
    """``files`` read; ``sessions`` that their records belong to; ``events_added`` now; ``records`` of the source that the log
    now holds (new or known) plus those ``skipped``; ``refused`` files are not of the format (they are among the skipped, as a whole)."""

    files: int = 0
    sessions: int = 0
    events_added: int = 0
    records: int = 0
    skipped: list[Skipped] = []
    refused: int = 0


class Change(msgspec.Struct, frozen=True, tag_field="change"):
    """What happened to a source file that is followed, and what became of it. A `Skipped` comes beside these."""


class Imported(Change, tag="imported", frozen=True):
    """``events`` were added to a session; they are on stable storage."""

    file: str
    session_id: str
    events: int


class Truncated(Change, tag="truncated", frozen=True):
    """The file became shorter. It is read again from its start; what the log holds of it stays."""

    file: str
    size_before_bytes: int
    size_bytes: int


class Replaced(Change, tag="replaced", frozen=True):
    """Another file has the name, or the bytes that were read have changed. It is read again from its start; what the log holds stays."""

    file: str


class Deleted(Change, tag="deleted", frozen=True):
    """The file has gone. What the log holds of it stays."""

    file: str


class Following(Change, tag="following", frozen=True):
    """Everything that was there at the start is imported; what follows is new."""

    files: int
    sessions: int
    events_added: int
