"""The Claude Code importer: session files (JSONL; a JSON export of the web version) -> sessions.

``files`` are read whole, one at a time. What a record means is in `meaning`, to which session it belongs in `places`, how
it comes into the log in `..intake`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import msgspec

from eventlog.log import EventLog

from ..intake import Entry, Intake, Place
from ..records import Record, document, is_utf8, read
from ..report import ImportReport
from ..sources import files_of
from .content import text_of
from .meaning import ClaudeCodeMeaning
from .places import FORMAT, Head, main_place, place_of, subagent

_DESCRIPTION = ".meta.json"
_TYPES = frozenset(("user", "assistant", "system", "summary", "attachment", "progress", "file-history-snapshot", "queue-operation"))
_heads = msgspec.json.Decoder(Head)


class ClaudeCodeImporter:
    """Imports files into a log; may be fed the same file again and again as it grows. ``report`` counts over all of them."""

    def __init__(self, log: EventLog) -> None:
        self._intake = Intake(log, FORMAT, ClaudeCodeMeaning)

    @property
    def report(self) -> ImportReport:
        return self._intake.report

    def import_path(self, path: Path) -> None:
        """A file, or all session files below a directory. What cannot be read is reported; nothing stops the rest."""
        try:
            for file in files_of(path, (".jsonl", ".json")):
                if file == path or not file.name.endswith(_DESCRIPTION):
                    self.import_file(file)
        except OSError as error:
            self._intake.skip(str(error.filename or path), None, error.strerror or str(error))

    def import_file(self, path: Path) -> None:
        """Take what is new in the file. When it returns, everything taken is on stable storage."""
        try:
            with open(path, "rb") as file:
                data = file.read()
                changed_at = os.fstat(file.fileno()).st_mtime
        except OSError as error:
            self._intake.skip(str(path), None, error.strerror or str(error))
            return
        if not data.strip():
            return
        records = _records(path, data)
        if isinstance(records, str):
            self._intake.skip(str(path), None, records)
            return
        self.report.files += 1
        main = main_place(records, path.stem)
        if main is None:
            for record in records:
                reason = record.problem or "names no session, and nothing in the file says which conversation it is of"
                self._intake.skip(str(path), record.line, reason)
            return
        entries = self._entries(path, records, _described(path, main))
        self._intake.take(str(path), entries, datetime.fromtimestamp(changed_at, timezone.utc))

    def _entries(self, path: Path, records: list[Record[Head]], main: Place) -> Iterator[Entry]:
        places = {(main.source_names[0], *main.source_names[1:]): main}
        for record in records:
            head = record.head
            if record.unfinished:
                self._intake.skip(str(path), record.line, record.problem or "")
            elif head is None:
                yield Entry(record.line, record.text, main, problem=record.problem)
            else:
                name, agent = head.session_name, head.agent_name
                key = () if name is None else (name,) if agent is None else (name, agent)
                place = places.get(key)
                if place is None:
                    place = places[key] = place_of(head) or main
                yield Entry(record.line, record.text, place, time_of(head.timestamp))


def _records(path: Path, data: bytes) -> list[Record[Head]] | str:
    """The file's records, or the reason why it is none of Claude Code's."""
    if b"\0" in data[:4096] and not is_utf8(data):
        return "not a text file"
    is_json = path.suffix == ".json"
    records = document(data, _heads, ("loglines",)) if is_json or data[:64].lstrip()[:1] == b"[" else None
    if records is None:
        records = list(read(data, _heads))
        if records[0].head is None and len(records) > 1:
            records = document(data, _heads, ("loglines",)) or records
    if is_json and not any(record.head is not None and record.head.type in _TYPES for record in records):
        return "JSON, but not a Claude Code session"
    return records


def _described(path: Path, place: Place) -> Place:
    """The place with what the file's ``.meta.json`` says of a subagent, if there is one."""
    if len(place.source_names) < 2:
        return place
    try:
        described = msgspec.json.decode(path.with_suffix(_DESCRIPTION).read_bytes(), type=dict[str, Any])
    except (OSError, ValueError, RecursionError):
        return place
    agent_type = text_of(described.get("agentType"))
    session_name, agent_name = place.source_names
    return subagent(
        session_name,
        agent_name,
        parent_agent=text_of(described.get("parentAgentId")),
        title=text_of(described.get("description")),
        metadata={"agent_type": agent_type} if agent_type else {},
    )


def time_of(timestamp: Any) -> datetime | None:
    """A record's time; None where it has none that can be read. A time without a zone is taken as UTC, a number as a Unix time."""
    try:
        if isinstance(timestamp, str) and timestamp:
            moment = datetime.fromisoformat(timestamp)
            return moment.replace(tzinfo=timezone.utc) if moment.tzinfo is None else moment.astimezone(timezone.utc)
        if isinstance(timestamp, (int, float)) and not isinstance(timestamp, bool):
            return datetime.fromtimestamp(timestamp / 1000 if timestamp > 1e11 else timestamp, timezone.utc)
    except (ValueError, OverflowError, OSError):
        pass  # not a time after all
    return None


importer = ClaudeCodeImporter
