"""A file that its tool writes whole: taken as soon as it is one JSON value, and anew whenever it was written again.

Its records are the messages and the rest; those that the log holds are known by their content, so that what was added is added. What is no
JSON value yet waits, as half a line does.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

import msgspec

from .declaration import Conversation, Documents, Found
from .intake import Entry, Intake, Place, Reading
from .line_file import Refuse
from .records import could_go_on, lenient_value, line_values


class DocumentFile:
    """A `SourceFile` of one document. ``refuse`` is told of a file that is not of the format."""

    def __init__(self, path: Path, documents: Documents, intake: Intake, refuse: Refuse) -> None:
        self.goes_on = True
        self.waits = False
        self._path = path
        self._documents = documents
        self._intake = intake
        self._refuse = refuse
        self._data = b""

    def take(self, data: bytes, file_time: datetime, *, is_end: bool = False) -> dict[str, int]:
        if not (data or is_end):
            return {}
        self._data += data
        if not self._data.strip():
            return {}
        value = lenient_value(self._data)
        if value is msgspec.UNSET and not is_end:
            self.waits = True
            return {}
        self.waits = self.goes_on = False
        data, self._data = self._data, b""
        if self._documents.each_line and value is msgspec.UNSET:
            if not any(map(self._documents.is_document, line_values(data))):
                self._refuse(self._path)
                return {}
        elif value is msgspec.UNSET and could_go_on(data):
            self._intake.report.files += 1
            self._intake.skip(str(self._path), None, "the file ends within its JSON; it is taken once it is complete")
            return {}
        elif value is msgspec.UNSET or not self._documents.is_document(value):
            self._refuse(self._path)
            return {}
        return take_conversations(self._intake, str(self._path), self._documents.split(self._path, data, value), file_time)


def take_conversations(intake: Intake, file: str, conversations: Iterable[Conversation], file_time: datetime) -> dict[str, int]:
    """Take each conversation of a file that is read whole."""
    added: dict[str, int] = {}
    intake.report.files += 1
    for conversation in conversations:
        if conversation.place is None:
            for found in conversation.records:
                intake.skip(file, found.line, found.problem or "of no conversation")
            continue
        entries = _entries(conversation.records, conversation.place, file_time)
        for session_id, count in intake.take(Reading(file), entries, file_time).items():
            added[session_id] = added.get(session_id, 0) + count
    return added


def _entries(records: Iterable[Found], place: Place, file_time: datetime) -> list[Entry]:
    """The records in their place; where none of them has a time, the file's is theirs."""
    entries = [Entry(found.line, found.text, place, found.time, found.problem) for found in records]
    if all(entry.time is None for entry in entries):
        for entry in entries:
            entry.time = file_time
    return entries
