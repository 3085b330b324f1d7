"""One Claude Code file, read whole or piece by piece as it grows: its bytes -> records, each in its place, for the intake.

A file of lines is taken line by line. What cannot be decided yet waits: half a line for its rest, records that name no session for the
first one that does (it says which session the file is of). Anything else is a document and is taken whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from ..intake import Entry, Intake, Place, Reading
from ..records import Record, document, is_utf8, read
from .content import text_of
from .places import Head, first_named_place, main_place, place_of, subagent

DESCRIPTION = ".meta.json"
_LISTS = ("loglines",)
_TYPES = frozenset(("user", "assistant", "system", "summary", "attachment", "progress", "file-history-snapshot", "queue-operation"))
_heads = msgspec.json.Decoder(Head)


class ClaudeCodeFile:
    """``goes_on``: whether it can be given what the file grows by; else the file is to be opened again and given from its start."""

    def __init__(self, path: Path, intake: Intake) -> None:
        self.goes_on = True
        self._path = path
        self._intake = intake
        self._reading = Reading(str(path))
        self._unread = b""  # half a line; of what may be a document all of it
        self._is_lines = False  # known when the first line is there
        self._lines_read = 0
        self._unplaced: list[Record[Head]] = []
        self._main: Place | None = None
        self._places: dict[tuple[str, ...], Place] = {}
        self._is_counted = False

    @property
    def waits(self) -> bool:
        """Whether something that was given is not taken yet."""
        return self.goes_on and bool(self._unread.strip() or self._unplaced or self._reading.waiting)

    def take(self, data: bytes, file_time: datetime, *, is_end: bool = False) -> dict[str, int]:
        """Take what the file goes on with; returns how many events each session got. All of them are on stable storage then.

        ``file_time`` is when the file was changed. ``is_end``: nothing more is expected, what waits is to be taken as it is."""
        if not (data or is_end or self._is_lines):
            return {}  # a document is no other than before
        data = self._unread + data
        self._unread = b""
        self._is_lines = self._is_lines or _begins_with_an_object(self._path, data)
        if self._is_lines:
            end = len(data) if is_end else data.rfind(b"\n") + 1
            self._unread = data[end:]
            records = list(read(data[:end], _heads, self._lines_read))
            self._lines_read += data.count(b"\n", 0, end)
        else:
            is_end = is_end or (self._path.suffix == ".json" and document(data, _heads, _LISTS) is not None)
            if not is_end:
                self._unread = data
                return {}
            found = _records(self._path, data)
            if isinstance(found, str):
                self._intake.skip(str(self._path), None, found)
            records = [] if isinstance(found, str) else found
        if is_end:
            self.goes_on = False
        if records and not self._is_counted:
            self._is_counted = True
            self._intake.report.files += 1
        if self._main is None:
            records = self._place(records, is_end)
        if self._main is None:
            return {}
        return self._intake.take(self._reading, self._entries(records, self._main), file_time if is_end else None)

    def _place(self, records: list[Record[Head]], is_end: bool) -> list[Record[Head]]:
        """Find the file's main session, and give back all that waited for it; none where they go on waiting, or are of no session."""
        records = self._unplaced + records
        main = main_place(records, self._path.stem) if is_end else first_named_place(records)
        self._unplaced = [] if main is not None or is_end else records
        if main is not None:
            self._main = _described(self._path, main)
            self._places[self._main.source_names] = self._main
            return records
        for record in records if is_end else ():
            reason = record.problem or "names no session, and nothing in the file says which conversation it is of"
            self._intake.skip(str(self._path), record.line, reason)
        return []

    def _entries(self, records: list[Record[Head]], main: Place) -> Iterator[Entry]:
        for record in records:
            head = record.head
            if record.unfinished:
                self._intake.skip(str(self._path), record.line, record.problem or "")
            elif head is None:
                yield Entry(record.line, record.text, main, problem=record.problem)
            else:
                name, agent = head.session_name, head.agent_name
                key = () if name is None else (name,) if agent is None else (name, agent)
                place = self._places.get(key)
                if place is None:
                    place = self._places[key] = place_of(head) or main
                yield Entry(record.line, record.text, place, head.time)


def _begins_with_an_object(path: Path, data: bytes) -> bool:
    """Whether the first record is an object on a line that is complete: then the file is one of lines."""
    if path.suffix == ".json" or data[:64].lstrip()[:1] == b"[" or b"\0" in data[:4096]:
        return False
    first = next(read(data[: data.rfind(b"\n") + 1], _heads), None)
    return first is not None and first.head is not None


def _records(path: Path, data: bytes) -> list[Record[Head]] | str:
    """The records of a whole file, or the reason why it is none of Claude Code's."""
    if b"\0" in data[:4096] and not is_utf8(data):
        return "not a text file"
    is_json = path.suffix == ".json"
    records = document(data, _heads, _LISTS) if is_json or data[:64].lstrip()[:1] == b"[" else None
    if records is None:
        records = list(read(data, _heads))
        if records and records[0].head is None and len(records) > 1:
            records = document(data, _heads, _LISTS) or records
    if is_json and data.strip() and not any(record.head is not None and text_of(record.head.type) in _TYPES for record in records):
        return "JSON, but not a Claude Code session"
    return records


def _described(path: Path, place: Place) -> Place:
    """The place with what the file's ``.meta.json`` says of a subagent, if there is one."""
    if len(place.source_names) < 2:
        return place
    try:
        described = msgspec.json.decode(path.with_suffix(DESCRIPTION).read_bytes(), type=dict[str, Any])
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
