"""The importer of conversations in OpenAI's shape: an object with ``messages``, or the bare array of them.

A file has one per line (fine-tuning files), one alone, or an array of objects. Each is a session, whose id follows from its content, so
that the same one is the same session wherever it is found. What ``eventlog export --to openai`` wrote comes back as it was.

- What a message means is said by `shapes.openai_chat`: calls and results are parts, what else it says (``weight``, ``name``) its metadata.
- ``tools`` and ``parallel_tool_calls`` are settings of the session.
- An object without ``messages`` (a preference pair, say), or with messages none of which has a role, is reported and not taken.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import msgspec

from eventlog.events import Event, SessionStarted, SourceRecord
from eventlog.ids import session_id_for
from eventlog.log import EventLog
from eventlog.shapes import openai_chat
from eventlog.stored import StoredEvent

from .intake import Entry, Intake, Place, Reading
from .provenance import fingerprint
from .records import Record, document, load, read
from .report import ImportReport
from .sources import import_each
from .whole_file import WholeFile

FORMAT = "openai"
_SETTINGS = ("tools", "parallel_tool_calls", "functions", "response_format")


class Head(msgspec.Struct, gc=False):
    """The fields that make an object a conversation, or a message of one."""

    messages: Any = None
    role: Any = None


_heads = msgspec.json.Decoder(Head)


class OpenaiImporter:
    """Imports files into a log. ``report`` counts over all of them; a record is a conversation."""

    def __init__(self, log: EventLog) -> None:
        self._intake = Intake(log, FORMAT, OpenaiMeaning)

    @property
    def report(self) -> ImportReport:
        return self._intake.report

    def import_path(self, path: Path) -> None:
        """A file, or all ``.jsonl`` and ``.json`` files below a directory. What cannot be read is reported; nothing stops the rest."""
        import_each(path, self.reads, self.import_file, self._intake.skip)

    def import_file(self, path: Path) -> dict[str, int]:
        """Take what is new in the file; returns how many events each session got."""
        try:
            with open(path, "rb") as file:
                data = file.read()
                changed_at = datetime.fromtimestamp(os.fstat(file.fileno()).st_mtime, timezone.utc)
        except OSError as error:
            self._intake.skip(str(path), None, error.strerror or str(error))
            return {}
        if not data.strip():
            return {}
        self.report.files += 1
        return self._intake.take(Reading(str(path)), self._entries(path, _records(data), changed_at), changed_at)

    def reads(self, name: str) -> bool:
        """Whether a file of this name in a folder is one of conversations."""
        return name.endswith((".jsonl", ".json")) and not name.endswith(".provenance.jsonl")

    def description_of(self, path: Path) -> Path | None:
        """Nothing else is needed to read a file."""
        return None

    def open_file(self, path: Path) -> WholeFile:
        return WholeFile(path, self.import_file)

    def _entries(self, path: Path, records: list[Record[Head]], when: datetime) -> Iterator[Entry]:
        for record in records:
            problem = _problem_with(record)
            if problem is not None:
                self._intake.skip(str(path), record.line, problem)
                continue
            session_id = session_id_for(FORMAT, fingerprint(record.text).hex())
            yield Entry(record.line, record.text, Place(session_id, (session_id,)), when)


def _records(data: bytes) -> list[Record[Head]]:
    """The conversations of the file: an array of objects, one value that takes several lines, or one per line."""
    objects = document(data, _heads, ()) if data.lstrip()[:1] == b"[" else None
    is_bare = objects is not None and all(found.head is not None and isinstance(found.head.role, str) for found in objects)
    if objects is not None and not is_bare:
        return objects
    try:
        whole = msgspec.json.format(data, indent=-1) if b"\n" in data.strip() else data
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        whole = data
    return list(read(whole, _heads))


def _problem_with(record: Record[Head]) -> str | None:
    """Why the record is no conversation; None where it is one."""
    if record.head is None:
        return None if record.text[:1] == b"[" and _has_roles(_array_in(record.text)) else record.problem
    if not isinstance(record.head.messages, list):
        return "no conversation: it has no list of messages"
    if record.head.messages and not _has_roles(record.head.messages):
        return "no conversation: none of its messages has a role"
    return None


def _has_roles(messages: list[Any]) -> bool:
    return any(isinstance(message, dict) and isinstance(message.get("role"), str) for message in messages)


def _array_in(text: bytes) -> list[Any]:
    """The array that the text is; an empty one where it is none."""
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return []
    return value if isinstance(value, list) else []


class OpenaiMeaning:
    """What one conversation means. Each is a session of its own, so that nothing need be remembered."""

    def __init__(self, place: Place) -> None:
        self._settings: dict[str, Any] = {}
        self._model: str | None = None

    def events(self, text: bytes, content: bytes, occurrence: int, overruled: Collection[str]) -> tuple[list[Event], bool]:
        record, is_json = ({"messages": _array_in(text)}, True) if text[:1] == b"[" else load(text)
        if occurrence > 1:
            return [SourceRecord(kind="conversation", note="repeats an earlier one")], is_json
        self._settings = {name: record[name] for name in _SETTINGS if record.get(name) is not None}
        model = record.get("model")
        self._model = model if isinstance(model, str) else None
        messages = [message for message in record["messages"] if isinstance(message, dict)]
        return [openai_chat.message(message).event() for message in messages] or [SourceRecord(kind="conversation")], is_json

    def sets(self, text: bytes) -> Collection[str]:
        return ()

    def observe(self, stored: StoredEvent) -> None:
        """Nothing that is recorded later changes what the conversation means."""

    def start(self) -> SessionStarted:
        return SessionStarted(kind="chat", model=self._model, settings=self._settings, metadata={"source": FORMAT})


importer = OpenaiImporter
