"""The importer of bundles (`eventlog bundle`): whole sessions, checked before anything of them is taken.

A session whose id is free is put into the store as it is, to the byte. One that is there is compared event by event, as for ``jsonl``:
where the bundle goes on from what is there, the rest is appended; where they differ, the bundle's is refused.
"""

from __future__ import annotations

from pathlib import Path

from eventlog.backend import Bundle
from eventlog.errors import EventLogError
from eventlog.line import check_lines
from eventlog.log import EventLog

from .jsonl import take_lines
from .looking import recognise
from .report import ImportReport, Skipped
from .sources import import_each
from .whole_file import WholeFile


class BundleImporter:
    """``report`` counts over all bundles; a record is an event."""

    def __init__(self, log: EventLog) -> None:
        self.report = ImportReport()
        self._log = log
        self._sessions: set[str] = set()
        self._grown: set[str] = set()

    def import_path(self, path: Path) -> None:
        """A bundle, or every ``.bundle`` below a directory. What cannot be taken is reported; nothing stops the rest."""
        import_each(path, self.reads, self.import_file, self._skip)

    def import_file(self, path: Path) -> dict[str, int]:
        """Take what the log does not have of the bundle's sessions; returns how many events each of them got."""
        added: dict[str, int] = {}
        if not self._is_bundle(path):
            return added
        self.report.files += 1
        try:
            with self._log.open_bundle(path) as bundle:
                for session_id in bundle.session_ids:
                    added[session_id] = self._import_session(bundle, session_id)
        except EventLogError as error:
            self._skip(str(path), None, str(error))
        except OSError as error:
            self._skip(str(error.filename or path), None, error.strerror or str(error))
        return added

    @property
    def grown(self) -> set[str]:
        """The sessions that got new events."""
        return self._grown

    def reads(self, name: str) -> bool:
        """Whether a file of this name in a folder is one of sessions."""
        return name.endswith(".bundle")

    def description_of(self, path: Path) -> Path | None:
        """Nothing else is needed to read a bundle."""
        return None

    def open_file(self, path: Path) -> WholeFile:
        return WholeFile(path, self.import_file)

    def _is_bundle(self, path: Path) -> bool:
        if recognise(path) == "bundle" or not path.exists():
            return True
        found = recognise(path)
        self._skip(str(path), None, "not a bundle" + (f"; it looks like {found}: eventlog import {found} {path}" if found else ""))
        self.report.refused += 1
        return False

    def _import_session(self, bundle: Bundle, session_id: str) -> int:
        before = self.report.events_added
        try:
            count = 0
            for chunk in bundle.read(session_id):
                count += chunk.data.count(b"\n")
                check_lines(chunk.data)
            if bundle.install(session_id):
                self.report.events_added += count
                self.report.records += count
            else:
                with self._log.session(session_id, exclusive=True) as session:
                    lines = (line for chunk in bundle.read(session_id) for line in chunk.data.split(b"\n")[:-1])
                    refused = take_lines(session, lines, self.report)
                if refused is not None:
                    self._skip(str(bundle.path), None, refused)
            self._sessions.add(session_id)
            self.report.sessions = len(self._sessions)
            if self.report.events_added > before:
                self._grown.add(session_id)
        except EventLogError as error:
            self._skip(str(bundle.path), None, str(error))
        return self.report.events_added - before

    def _skip(self, file: str, line: int | None, reason: str) -> None:
        self.report.skipped.append(Skipped(file, line, reason))
        self.report.records += 1


importer = BundleImporter
