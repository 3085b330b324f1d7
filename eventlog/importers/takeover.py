"""Sessions of several formats into one log: each file by its own importer, one report over all and one for each format."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from eventlog.log import EventLog

from . import Importer, open_importer
from .looking import recognise
from .report import ImportReport, Skipped
from .sources import files_of


class Takeover:
    """``progress`` is told the size of each file that is through. Files of the log's own store are left alone."""

    def __init__(self, log: EventLog, progress: Callable[[int], None] = lambda size_bytes: None) -> None:
        self.other_files = 0  # in folders that were looked through: of no format that is known
        self._log = log
        self._progress = progress
        self._importers: dict[str, Importer] = {}
        self._unknown: list[Skipped] = []
        self._refused = 0
        self._store = None if log.path is None else os.path.realpath(log.path)

    def take(self, path: Path, format: str | None = None) -> None:
        """A file, or the files below a folder: those of the format, by their names; of any, by what is in them, where none is given."""
        importer = None if format is None else self._importer(format)
        try:
            for file in files_of(path, _any_name if importer is None else importer.reads, self._cannot_list):
                if self._is_of_the_store(file):
                    continue
                self._take_file(file, path, importer)
                self._progress(_size(file))
        except OSError as error:
            self._cannot_list(error)

    @property
    def grown(self) -> set[str]:
        """The sessions that got new events."""
        return {session_id for importer in self._importers.values() for session_id in importer.grown}

    @property
    def formats(self) -> dict[str, ImportReport]:
        """What was done of each format."""
        return {name: importer.report for name, importer in self._importers.items()}

    @property
    def report(self) -> ImportReport:
        """What was done of all."""
        total = ImportReport(skipped=list(self._unknown), records=len(self._unknown), refused=self._refused)
        for report in self.formats.values():
            total.files += report.files
            total.sessions += report.sessions
            total.events_added += report.events_added
            total.records += report.records
            total.skipped += report.skipped
            total.refused += report.refused
        return total

    def _take_file(self, file: Path, root: Path, importer: Importer | None) -> None:
        if importer is None:
            found = recognise(file)
            if found is None:
                if file == root:
                    self._refused += 1
                    self._unknown.append(Skipped(str(file), None, "of no format that is known; name the one that it is of"))
                else:
                    self.other_files += 1
                return
            importer = self._importer(found)
        importer.import_file(file)

    def _importer(self, format: str) -> Importer:
        if format not in self._importers:
            self._importers[format] = open_importer(self._log, format)
        return self._importers[format]

    def _is_of_the_store(self, file: Path) -> bool:
        return self._store is not None and os.path.realpath(file).startswith(os.path.join(self._store, ""))

    def _cannot_list(self, error: OSError) -> None:
        self._unknown.append(Skipped(str(error.filename), None, error.strerror or str(error)))


def _any_name(name: str) -> bool:
    return True


def _size(path: Path) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0
