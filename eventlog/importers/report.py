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
    now holds (new or known) plus those ``skipped``."""

    files: int = 0
    sessions: int = 0
    events_added: int = 0
    records: int = 0
    skipped: list[Skipped] = []
