"""One file of lines, read whole or piece by piece as it grows: its bytes -> records, each in its place, for the intake.

What cannot be decided yet waits: half a line for its rest; all records until one is of the format and the session is known that the file is
of. A file none of whose records is of the format is refused, whole. One that may be a document is taken whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from .declaration import Lines
from .intake import Entry, Intake, Place, Reading
from .records import Record, load, read

Refuse = Callable[[Path], None]


class LineFile:
    """``goes_on``: whether it can be given what the file grows by; else the file is to be opened again and given from its start.

    ``refuse`` is told of a file that is not of the format."""

    def __init__(self, path: Path, lines: Lines, intake: Intake, refuse: Refuse) -> None:
        self.goes_on = True
        self._path = path
        self._lines = lines
        self._intake = intake
        self._refuse = refuse
        self._reading = Reading(str(path))
        self._unread = b""  # half a line; of what may be a document all of it
        self._is_lines = False  # known when the first line is there
        self._lines_read = 0
        self._unplaced: list[Record[Any]] = []
        self._is_recognised = False
        self._session: Place | None = None
        self._places: dict[tuple[str, ...], Place] = {}
        self._beside: set[bytes] = set()  # what lay beside it and was taken

    @property
    def waits(self) -> bool:
        """Whether something that was given is not taken yet."""
        return self.goes_on and bool(self._unread.strip() or self._unplaced or self._reading.waiting)

    def take(self, data: bytes, file_time: datetime, *, is_end: bool = False) -> dict[str, int]:
        """Take what the file goes on with; returns how many events each session got. All of them are on stable storage then.

        ``file_time`` is when the file was changed. ``is_end``: nothing more is expected, what waits is to be taken as it is."""
        if not (data or is_end or self._is_lines):
            return {}  # a document is no other than before
        records, is_end = self._records(self._unread + data, is_end)
        if is_end:
            self.goes_on = False
        if self._session is None:
            records = self._place(records, is_end)
        if self._session is None:
            return {}
        entries = self._entries(records, self._session, None if self._lines.has_times else file_time)
        return self._intake.take(self._reading, entries, file_time if is_end else None)

    def _records(self, data: bytes, is_end: bool) -> tuple[list[Record[Any]], bool]:
        """The records of what can be read now, and whether that is all of the file."""
        self._unread = b""
        document = self._lines.document
        self._is_lines = self._is_lines or document is None or self._begins_with_an_object(data)
        if self._is_lines:
            end = len(data) if is_end else data.rfind(b"\n") + 1
            self._unread = data[end:]
            records = list(read(data[:end], self._lines.head, self._lines_read))
            self._lines_read += data.count(b"\n", 0, end)
            return records, is_end
        assert document is not None
        found = document(data)
        if found is not None:
            return found, True
        if is_end:
            return list(read(data, self._lines.head)), True
        self._unread = data
        return [], False

    def _place(self, records: list[Record[Any]], is_end: bool) -> list[Record[Any]]:
        """Find the file's session, and give back all that waited for it; none where they go on waiting, or are of no session."""
        self._is_recognised = self._is_recognised or any(self._is_of_format(record) for record in records)
        records = self._unplaced + records
        if not self._is_recognised:
            self._unplaced = [] if is_end else records
            if is_end and records:
                self._refuse(self._path)
            return []
        session = self._lines.session(self._path, records, is_end)
        self._unplaced = [] if session is not None or is_end else records
        if session is not None:
            self._session = session
            self._places[session.source_names] = session
            self._intake.report.files += 1
            return records
        if is_end:
            self._intake.report.files += 1
            for record in records:
                reason = record.problem or "names no session, and nothing in the file says which conversation it is of"
                self._intake.skip(str(self._path), record.line, reason)
        return []

    def _is_of_format(self, record: Record[Any]) -> bool:
        return record.head is not None and self._lines.is_record(load(record.text)[0])

    def _entries(self, records: list[Record[Any]], session: Place, otherwise: datetime | None) -> Iterator[Entry]:
        """The records in their places. ``otherwise``: the time of those that state none."""
        lines = self._lines
        for found in () if lines.beside is None else lines.beside(self._path, session):
            if found.text not in self._beside:
                self._beside.add(found.text)
                yield Entry(found.line, found.text, session, found.time or otherwise)
        for record in records:
            head = record.head
            if record.unfinished:
                self._intake.skip(str(self._path), record.line, record.problem or "")
            elif head is None:
                yield Entry(record.line, record.text, session, problem=record.problem)
            else:
                place = None if lines.place is None else lines.place(head)
                # the first of a name says most: the file's own session has what stands beside the file
                place = session if place is None else self._places.setdefault(place.source_names, place)
                yield Entry(record.line, record.text, place, lines.time(head) or otherwise)

    def _begins_with_an_object(self, data: bytes) -> bool:
        """Whether the first record is an object on a line that is complete: then the file is one of lines."""
        if self._path.suffix == ".json" or data[:64].lstrip()[:1] == b"[" or b"\0" in data[:4096]:
            return False
        first = next(read(data[: data.rfind(b"\n") + 1], self._lines.head), None)
        return first is not None and first.head is not None
