"""The Claude Code importer: session files (JSONL; a JSON export of the web version) -> sessions.

How a file is read is in `source_file`, what a record means in `meaning`, to which session it belongs in `places`, how it comes into
the log in `..intake`.
"""

from __future__ import annotations

import os
from datetime import datetime, timezone
from pathlib import Path

from eventlog.log import EventLog

from ..intake import Intake
from ..report import ImportReport
from ..sources import import_each
from .meaning import ClaudeCodeMeaning
from .places import FORMAT
from .source_file import DESCRIPTION, ClaudeCodeFile


class ClaudeCodeImporter:
    """Imports files into a log; may be fed the same file again and again as it grows. ``report`` counts over all of them."""

    def __init__(self, log: EventLog) -> None:
        self._intake = Intake(log, FORMAT, ClaudeCodeMeaning)

    @property
    def report(self) -> ImportReport:
        return self._intake.report

    def import_path(self, path: Path) -> None:
        """A file, or all session files below a directory. What cannot be read is reported; nothing stops the rest."""
        import_each(path, self.reads, self.import_file, self._intake.skip)

    def import_file(self, path: Path) -> None:
        """Take what is new in the file. When it returns, everything taken is on stable storage."""
        try:
            with open(path, "rb") as file:
                data = file.read()
                changed_at = os.fstat(file.fileno()).st_mtime
        except OSError as error:
            self._intake.skip(str(path), None, error.strerror or str(error))
            return
        self.open_file(path).take(data, datetime.fromtimestamp(changed_at, timezone.utc), is_end=True)

    def reads(self, name: str) -> bool:
        """Whether a file of this name in a folder is one of sessions."""
        return name.endswith((".jsonl", ".json")) and not name.endswith(DESCRIPTION)

    def description_of(self, path: Path) -> Path | None:
        """A subagent's description stands beside its file."""
        return path.with_suffix(DESCRIPTION) if path.name.startswith("agent-") and path.suffix == ".jsonl" else None

    def open_file(self, path: Path) -> ClaudeCodeFile:
        return ClaudeCodeFile(path, self._intake)


importer = ClaudeCodeImporter
