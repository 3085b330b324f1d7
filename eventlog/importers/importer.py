"""Runs a declaration: walks paths, opens each file in its shape, and gives its records to the intake."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

from eventlog.errors import EventLogError
from eventlog.log import EventLog

from . import SourceFile
from .archives import is_archive, members
from .databases import is_database
from .declaration import Documents, Format
from .document_file import DocumentFile
from .intake import Intake
from .line_file import LineFile
from .records import line_values
from .report import ImportReport
from .row_file import RowFile
from .sources import import_each
from .text_file import TextFile

_ZSTD = ".zst"


class FormatImporter:
    """Imports files of one format into a log; may be fed the same file again and again as it grows. ``report`` counts over all of them."""

    def __init__(self, log: EventLog, format: Format, recognise: Callable[[Path], str | None]) -> None:
        self.format = format
        self._intake = Intake(log, format.name, format.meaning, format.sets)
        self._recognise = recognise
        self._units: set[Path] = set()

    @property
    def report(self) -> ImportReport:
        return self._intake.report

    @property
    def grown(self) -> set[str]:
        """The sessions that got new events."""
        return self._intake.grown

    def import_path(self, path: Path) -> None:
        """A file, or all session files below a directory. What cannot be read is reported; nothing stops the rest."""
        self._units.clear()
        import_each(path, self.reads, self.import_file, self._intake.skip)

    def import_file(self, path: Path) -> dict[str, int]:
        """Take what is new in the file; returns how many events each session got. All of it is on stable storage then."""
        if self.format.owner(path) not in (None, self.format.name):
            self._refuse(path)
            return {}
        unit = self._unit_of(path)
        if unit in self._units:
            self.report.files += 1
            return {}
        try:
            with open(_there(unit), "rb") as file:
                changed_at = datetime.fromtimestamp(os.fstat(file.fileno()).st_mtime, timezone.utc)
                head = file.read(16)
                if is_archive(head) and self._is_text() and self.format.documents is not None:
                    return self._import_archive(path, self.format.documents, changed_at)
                is_row_file = self.format.rows is not None and (is_database(head) or not self._is_text())
                data = b"" if is_row_file else head + file.read()
            if unit.name.endswith(_ZSTD):
                data = _decompressed(data)
        except (OSError, ValueError) as error:
            self._intake.skip(str(path), None, getattr(error, "strerror", None) or str(error))
            return {}
        if self.format.documents is not None and self.format.documents.unit is not None:
            self._units.add(unit)
        source = RowFile(unit, self.format.rows, self._intake, self._refuse) if is_row_file and self.format.rows else self._open(unit, data)
        try:
            return source.take(data, changed_at, is_end=True)
        except EventLogError:
            raise
        except (AttributeError, IndexError, KeyError, TypeError, ValueError, RecursionError) as error:
            self._intake.skip(str(path), None, f"it could not be understood ({type(error).__name__}: {error})")
            return {}

    def _import_archive(self, path: Path, documents: Documents, changed_at: datetime) -> dict[str, int]:
        """Each document of the format in a ZIP; the others are another tool's, or not sessions."""
        added: dict[str, int] = {}
        others: list[Path] = []
        files = self.report.files
        for name, data in members(path, self.format.reads):
            taken = DocumentFile(path / name, documents, self._intake, others.append).take(data, changed_at, is_end=True)
            added |= {session_id: added.get(session_id, 0) + count for session_id, count in taken.items()}
        if self.report.files == files:
            self._refuse(path)
        self.report.files = min(self.report.files, files + 1)
        return added

    def reads(self, name: str) -> bool:
        return self.format.reads(name)

    def description_of(self, path: Path) -> Path | None:
        return None if self.format.side_file is None else self.format.side_file(path)

    def open_file(self, path: Path) -> SourceFile:
        """The file, of which nothing is taken yet, to be given its bytes as they come."""
        if path.name.endswith(_ZSTD) or self.format.rows is not None or (self.format.documents and self.format.documents.unit):
            from .whole_file import WholeFile

            return WholeFile(path, self._import_again)
        return self._open(path, None)

    def _import_again(self, path: Path) -> dict[str, int]:
        self._units.clear()
        return self.import_file(path)

    def _open(self, path: Path, data: bytes | None) -> SourceFile:
        """The file in the shape that it has: by its first bytes where they are given, else by its name."""
        lines, documents = self.format.lines, self.format.documents
        if self.format.texts is not None:
            return TextFile(path, self.format.texts, self._intake, self._refuse)
        if lines is not None and (documents is None or not (_is_document(path, data) or _has_documents(documents, path, data))):
            return LineFile(path, lines, self._intake, self._refuse)
        assert documents is not None
        return DocumentFile(path, documents, self._intake, self._refuse)

    def _is_text(self) -> bool:
        return self.format.rows is None or self.format.lines is not None or self.format.documents is not None

    def _unit_of(self, path: Path) -> Path:
        documents = self.format.documents
        if documents is None or documents.unit is None or (self.format.rows is not None and path.suffix != ".json"):
            return path
        return documents.unit(path) or path

    def _refuse(self, path: Path) -> None:
        """Report a file that is not of the format, with the one that it looks like."""
        found = self._recognise(path)
        looks_like = "" if found is None else f"; it looks like {found}: eventlog import {found} {path}"
        self._intake.skip(str(path), None, f"no {self.format.name} file{looks_like}")
        self.report.refused += 1


def _is_document(path: Path, data: bytes | None) -> bool:
    """Whether a file of a format that has both is one document: it is one JSON value, over several lines or in ``.json``."""
    if data is None:
        return path.suffix == ".json"
    from .looking import is_one_value

    return is_one_value(path, data)


def _has_documents(documents: Documents, path: Path, data: bytes | None) -> bool:
    """Whether the first line is a document, in a format that has both files of records and files of documents."""
    if not documents.each_line:
        return False
    if data is None:
        try:
            with open(path, "rb") as file:
                data = file.readline()
        except OSError:
            return False
    return any(map(documents.is_document, line_values(data.partition(b"\n")[0])))


def _there(path: Path) -> Path:
    """The file, or what it has become since it was listed: the same compressed, or no longer."""
    if path.exists():
        return path
    other = path.with_name(path.name.removesuffix(_ZSTD)) if path.name.endswith(_ZSTD) else path.with_name(path.name + _ZSTD)
    return other if other.exists() else path


def _decompressed(data: bytes) -> bytes:
    """What a zstd file holds. One that ends within a frame gives what is before that. Raises `ValueError`."""
    import zstandard

    if not data.startswith(b"\x28\xb5\x2f\xfd"):
        return data  # it was found under its other name
    try:
        decompressor = zstandard.ZstdDecompressor(max_window_size=1 << 27).decompressobj(read_across_frames=True)
        return decompressor.decompress(data)
    except zstandard.ZstdError as error:
        raise ValueError(f"the compressed file cannot be read: {error}") from None
