"""The importer of the log's own export: a header line, then the stored events, each to be had again under its id, seq and time.

    {"type":"session.exported","session_id":"s","format":1,"last_seq":12}
    {"seq":1,"time":"...","type":"session.started","data":{...},"crc":"..."}

A file may hold several sessions, one after the other. Nothing is added that is not in the file, but for seqs that it does
not have (`copies.missing`). A session that is there already is compared event by event: where the file goes on from what is there,
the rest is appended; where they differ, the file's is refused. A line that is no event ends its session: what comes
after it would have another seq. The checksums are not looked at: they prove a line within its segment only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from eventlog import timestamps
from eventlog.errors import InvalidInput, SessionError
from eventlog.line import Envelope, single_line
from eventlog.log import EventLog
from eventlog.meaning import copies
from eventlog.registry import check_type_name
from eventlog.session import Session
from eventlog.stored import StoredEvent

from .looking import recognise
from .report import ImportReport, Skipped
from .sources import import_each
from .whole_file import WholeFile

HEADER_TYPE = "session.exported"
FORMAT = 1
_LARGEST_HOLE = 1_000_000
_NOTHING = msgspec.Raw()
_TAIL = re.compile(rb',"crc":"[0-9a-f]{8}"\}$')


class Header(msgspec.Struct, omit_defaults=True):
    """The first line of a session in a file."""

    type: str
    session_id: str
    format: int
    last_seq: int


class EventLine(msgspec.Struct):
    """A stored event as it stands in the file."""

    seq: int
    time: str
    type: str
    data: msgspec.Raw
    v: int = 1
    id: str | None = None
    origin: msgspec.Raw = _NOTHING
    more: bool = False


class _Line(msgspec.Struct):
    number: int
    text: bytes


class _Refused(Exception):
    """The rest of a session is not taken. ``line`` None: it is not one line's fault."""

    def __init__(self, line: int | None, reason: str) -> None:
        self.line = line
        self.reason = reason


_header = msgspec.json.Decoder(Header).decode
_event = msgspec.json.Decoder(EventLine).decode


class JsonlImporter:
    """Imports files that ``eventlog export --to jsonl`` wrote. ``report`` counts over all of them; a record is an event."""

    def __init__(self, log: EventLog) -> None:
        self.report = ImportReport()
        self._log = log
        self._sessions: set[str] = set()
        self._grown: set[str] = set()
        self._added: dict[str, int] = {}

    def import_path(self, path: Path) -> None:
        """A file, or every ``.jsonl`` file below a directory. What cannot be taken is reported; nothing stops the rest."""
        import_each(path, self.reads, self.import_file, self._skip)

    def import_file(self, path: Path) -> dict[str, int]:
        """Take what the log does not have of the file's sessions; returns how many events each of them got."""
        self._added = {}
        try:
            with open(path, "rb") as file:
                self._import_sessions(str(path), _lines(file, self._log.settings.max_event_bytes))
        except OSError as error:
            self._skip(str(path), None, error.strerror or str(error))
        return self._added

    @property
    def grown(self) -> set[str]:
        """The sessions that got new events."""
        return self._grown

    def reads(self, name: str) -> bool:
        """Whether a file of this name in a folder is one of sessions."""
        return name.endswith(".jsonl")

    def description_of(self, path: Path) -> Path | None:
        """Nothing else is needed to read a file."""
        return None

    def open_file(self, path: Path) -> WholeFile:
        return WholeFile(path, self.import_file)

    def _import_sessions(self, file: str, lines: Iterator[_Line]) -> None:
        line = next(lines, None)
        if line is not None and _header_of(line) is None:
            found = recognise(Path(file))
            looks_like = (
                f"it looks like {found}: eventlog import {found} {file}" if found else "`eventlog export --to jsonl` writes such files"
            )
            self._skip(file, None, f"not a jsonl file: its first line is no header of an exported session; {looks_like}")
            self.report.refused += 1
            return
        self.report.files += 1
        while line is not None:
            header = _header_of(line)
            part = _Part(lines)
            if header is not None:
                try:
                    self._import_session(header, part)
                except _Refused as refused:
                    self._skip(file, refused.line, refused.reason)
                except (InvalidInput, SessionError) as error:
                    self._skip(file, line.number, str(error))
            for _ in part:
                pass  # what is left of a session that was refused
            line = part.next_header

    def _import_session(self, header: Header, part: _Part) -> None:
        if header.format > FORMAT:
            raise _Refused(None, f"session {header.session_id!r} is in format {header.format}, this version reads up to {FORMAT}; upgrade")
        with self._log.session(header.session_id, create=True, exclusive=True) as session:
            self._sessions.add(session.id)
            self.report.sessions = len(self._sessions)
            before = self.report.events_added
            taking = _Taking(session, self.report)
            try:
                for line in part:
                    taking.take(line)
                taking.end(header)
            finally:
                session.sync()
                self._added[session.id] = self.report.events_added - before
                if self._added[session.id]:
                    self._grown.add(session.id)

    def _skip(self, file: str, line: int | None, reason: str) -> None:
        self.report.skipped.append(Skipped(file, line, reason))
        self.report.records += 1


class _Part:
    """The lines up to the next header, which is then there as ``next_header``."""

    def __init__(self, lines: Iterator[_Line]) -> None:
        self._lines = lines
        self.next_header: _Line | None = None

    def __iter__(self) -> Iterator[_Line]:
        if self.next_header is not None:
            return
        for line in self._lines:
            if _header_of(line) is not None:
                self.next_header = line
                return
            yield line


class _Taking:
    """One session of a file on its way into the log. ``position``: the seq of the last event that was compared or appended."""

    def __init__(self, session: Session, report: ImportReport) -> None:
        self._session = session
        self._report = report
        self._position = 0
        self._known = session.last_seq
        self._there = session.read(on_damage="skip") if self._known else iter(())
        self._batch: list[Envelope] = []
        self._began = 0

    def take(self, line: _Line) -> None:
        event = _checked(line)
        expected = self._position + len(self._batch) + 1
        if event.seq < expected:
            raise _Refused(line.number, f"event {event.seq} comes after event {expected - 1}; the rest of the session is left out")
        if event.seq > self._known:
            if event.seq > expected:
                self._fill(line, event, expected)
            self._add(line, event)
        elif self._is_there(event, line.text):
            self._position = event.seq
        else:
            raise _Refused(
                line.number,
                f"session {self._session.id!r} is there, with another event {event.seq}; import into another store, or merge the two",
            )
        self._report.records += 1

    def end(self, header: Header) -> None:
        if self._batch:
            self._report.records -= len(self._batch)
            raise _Refused(self._began, f"the file ends within the append that begins with event {self._position + 1}; it is left out")
        if self._position < header.last_seq:
            raise _Refused(None, f"session {header.session_id!r} has {header.last_seq} events, the file ends after {self._position}")

    def _add(self, line: _Line, event: EventLine) -> None:
        if not self._batch:
            self._began = line.number
        origin = event.origin if bytes(event.origin) else None
        # the id is kept, but not asked for: one that was used again after a while stands in two places
        self._batch.append(Envelope(0, event.time, event.type, event.data, event.v, event.id, origin, event.more))
        if event.more:
            return
        batch, self._batch = self._batch, []
        self._position = self._session.append_envelopes(batch, expected=self._position, sync="never")
        self._report.events_added += len(batch)

    def _fill(self, line: _Line, event: EventLine, expected: int) -> None:
        if self._batch or event.seq - expected > _LARGEST_HOLE:
            raise _Refused(line.number, f"events {expected} to {event.seq - 1} are not in the file; the rest of the session is left out")
        self._position = max(self._position, self._known)
        for batch in copies.missing(self._session.id, self._position + 1, event.seq - 1, datetime.fromisoformat(event.time)):
            self._position = self._session.append_envelopes(batch, sync="never")

    def _is_there(self, event: EventLine, text: bytes) -> bool:
        """Whether the session has the same event under this seq. What stands for missing ones is passed over."""
        for stored in self._there:
            if stored.seq >= event.seq:
                return stored.seq == event.seq and _same(stored, text)
        return False


def take_lines(session: Session, texts: Iterable[bytes], report: ImportReport) -> str | None:
    """Compare stored lines with what the session has, and append what follows it; returns why the rest is refused, if it is."""
    taking = _Taking(session, report)
    try:
        for number, text in enumerate(texts, 1):
            taking.take(_Line(number, text))
    except _Refused as refused:
        return refused.reason
    except (InvalidInput, SessionError) as error:
        return str(error)
    finally:
        session.sync()
    return None


def _same(stored: StoredEvent, text: bytes) -> bool:
    """Whether the two lines are the same event: byte for byte, or written otherwise. The checksums are not compared."""
    here, there = stored.raw, text
    if _TAIL.sub(b"}", here) == _TAIL.sub(b"}", there):
        return True
    try:
        one, other = (msgspec.json.decode(line, type=dict[str, Any]) for line in (here, there))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False  # JSON that Python has no value for
    one.pop("crc", None)
    other.pop("crc", None)
    return one == other


def _checked(line: _Line) -> EventLine:
    """The event of a line; raises `_Refused` where it is none."""
    try:
        line.text.decode()
        event = _event(line.text)
        check_type_name(event.type)
        event.time = timestamps.normalise(event.time)
        if event.seq < 1:
            raise InvalidInput("seqs count from 1")
        for field in (event.data, event.origin):
            if bytes(field) and bytes(field)[:1] != b"{":
                raise InvalidInput(f"not an object: {bytes(field)[:20]!r}")
        event.data = single_line(event.data)
        if bytes(event.origin):
            event.origin = single_line(event.origin)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise _Refused(line.number, f"not a stored event ({error}); the rest of the session is left out") from error
    return event


def _header_of(line: _Line) -> Header | None:
    if HEADER_TYPE.encode() not in line.text[:80]:
        return None
    try:
        header = _header(line.text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return header if header.type == HEADER_TYPE else None


def _lines(file: BinaryIO, limit_bytes: int) -> Iterator[_Line]:
    """The lines with something in them. One that is longer than an event may be comes cut, and is no event then."""
    number = 0
    while text := file.readline(limit_bytes + 1):
        number += 1
        while len(text) > limit_bytes and not text.endswith(b"\n"):
            rest = file.readline(limit_bytes)
            text = text[:limit_bytes] + rest[-1:] if rest else text[:limit_bytes]
            if not rest or rest.endswith(b"\n"):
                break
        if text.strip():
            yield _Line(number, text.strip())


importer = JsonlImporter
