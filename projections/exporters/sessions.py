"""Writes the formats in which each session stands by itself: into one stream, one file, or a folder with a file for each.

A folder that is kept up to date has a list of what is in it (`LIST_NAME`): per file the session, its last seq when it was written, and the
version of what wrote it. So an unchanged session costs one look at its position. Files of sessions that are no longer
exported stay, since nothing is deleted here; those of deleted sessions are reported.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec

from eventlog import EventLog, Session, __version__
from eventlog.backend import OnDamage
from eventlog.decoding import decoder
from eventlog.errors import InvalidInput, InvalidSessionId, SessionNotFound
from eventlog.events import SessionDeleted

from . import FORMATS, ExportReport, Write
from .output import whole_file

LIST_NAME = ".eventlog-export.json"


class _Entry(msgspec.Struct):
    last_seq: int
    version: str


def export_sessions(
    log: EventLog, session_ids: Iterable[str], format: str, to: Path | Write, update: bool, on_damage: OnDamage
) -> ExportReport:
    """See `projections.exporters.export`."""
    report = ExportReport(format=format)
    if not isinstance(to, Path):
        _into_stream(log, session_ids, format, to, on_damage, report)
    elif update or to.is_dir():
        _Folder(to, format, update, on_damage, report).write(log, session_ids)
    else:
        with whole_file(to) as file:
            _into_stream(log, session_ids, format, file.write, on_damage, report)
        report.written.append(str(to))
    return report


def _into_stream(log: EventLog, session_ids: Iterable[str], format: str, write: Write, on_damage: OnDamage, report: ExportReport) -> None:
    module = _module(format)
    if not FORMATS[format].joins:
        session_ids = list(session_ids)
        if len(session_ids) > 1:
            one = "file" if FORMATS[format].is_native else "page"
            raise InvalidInput(f"{format} is one {one} per session; name a folder with -o")
    for session_id in session_ids:
        with log.session(session_id) as session:
            _export_one(module, session, write, on_damage, is_first=report.sessions == 0)
        report.sessions += 1


def _module(format: str) -> Any:
    if FORMATS[format].is_native:
        from .native import Native

        return Native(format)
    return import_module(FORMATS[format].module)


def _export_one(module: Any, session: Session, write: Write, on_damage: OnDamage, *, is_first: bool) -> None:
    separator = getattr(module, "SEPARATOR", None)
    if separator is not None and not is_first:
        write(separator)
    module.export_session(session, write, on_damage)


def _is_deleted(log: EventLog, session_id: str) -> bool:
    try:
        with log.session(session_id) as session:
            last = list(session.read(after=session.last_seq - 1, on_damage="skip"))
    except (SessionNotFound, InvalidSessionId):
        return False  # of another store, or what somebody wrote into the list
    return bool(last) and last[-1].type == SessionDeleted.type


class _Folder:
    """A folder with one file per session."""

    def __init__(self, path: Path, format: str, update: bool, on_damage: OnDamage, report: ExportReport) -> None:
        self._path = path
        self._format = format
        self._module = _module(format)
        self._version = f"{format} {__version__}"
        self._update = update
        self._on_damage: OnDamage = on_damage
        self._report = report
        self._list = self._read_list() if update else {}

    def write(self, log: EventLog, session_ids: Iterable[str]) -> None:
        exported: set[str] = set()
        try:
            for session_id in session_ids:
                with log.session(session_id) as session:
                    exported.add(self._write_session(session))
                self._report.sessions += 1
            self._report.deleted += sorted(self._of_deleted(log, exported))
        finally:
            if self._update and self._report.written:
                self._write_list()

    def _name(self, session: Session) -> str:
        if FORMATS[self._format].is_native:
            return str(self._module.file_name(session))
        return f"{session.id}{FORMATS[self._format].suffix}"

    def _of_deleted(self, log: EventLog, exported: set[str]) -> Iterator[str]:
        """The files that this export found in the folder and left, whose sessions are deleted."""
        for name in self._list.keys() - exported:
            path = self._path / name
            if path.exists() and _is_deleted(log, name.removesuffix(FORMATS[self._format].suffix)):
                yield str(path)

    def _write_session(self, session: Session) -> str:
        """Write what is not there yet, and give the name of the session's file."""
        name = self._name(session)
        path = self._path / name
        entry = _Entry(session.last_seq, self._version)
        if self._list.get(name) == entry and path.exists():
            self._report.unchanged += 1
            return name
        with whole_file(path) as file:
            _export_one(self._module, session, file.write, self._on_damage, is_first=True)
        self._list[name] = entry
        self._report.written.append(str(path))
        for other, data in self._module.beside(session) if FORMATS[self._format].is_native else ():
            with whole_file(self._path / other) as file:
                file.write(data)
            self._report.written.append(str(self._path / other))
        return name

    def _read_list(self) -> dict[str, _Entry]:
        try:
            entries: dict[str, _Entry] = decoder(dict[str, _Entry]).decode((self._path / LIST_NAME).read_bytes())
            return entries
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            return {}  # then everything is written once more

    def _write_list(self) -> None:
        with whole_file(self._path / LIST_NAME) as file:
            file.write(msgspec.json.format(msgspec.json.encode(self._list), indent=1) + b"\n")
