"""``eventlog import``: another tool's sessions, read into the log; doing it again adds only what is new, ``--follow`` does it live.

Ctrl-C ends following after the file at hand, with exit code 130, and the report. With ``--json`` each change is a line, and the
report is the last one.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from ..log import EventLog
from .context import Context, command

if TYPE_CHECKING:
    from ..importers import ImportReport, Skipped
    from ..importers.follow import Follower
    from ..importers.report import Change

_SHOWN = 10


@command("import")
@click.argument("format")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...", type=click.Path(exists=True, readable=False, path_type=Path))
@click.option("--follow", is_flag=True, help="Go on importing what is written there, until interrupted.")
def import_sessions(context: Context, format: str, paths: tuple[Path, ...], follow: bool) -> None:
    """Import another tool's sessions, adding only what is new.

    FORMAT is the tool, for example claude-code. A PATH is a file, or a folder that is searched; importing it again is safe. What
    cannot be understood is kept as text, counted and listed with file and line; it stops nothing.

    --follow runs until it is interrupted (exit code 130): new and growing files are imported as they are written. With --json each
    change is a line, {"change":"following",...} says that all that was there is imported, and the report is the last line."""
    from ..importers import FORMATS, import_paths

    if format not in FORMATS:  # said before a store is made
        raise click.UsageError(f"unknown format {format!r}, there are {', '.join(sorted(FORMATS))}")
    with context.open_log(write=True, create=True) as log:
        if follow:
            _follow(context, log, format, paths)
            raise KeyboardInterrupt
        report = import_paths(log, format, paths)
    _print(context, report)
    if not context.json:
        _warn_of_first(context, report.skipped)


def _print(context: Context, report: ImportReport) -> None:
    if context.json:
        context.emit(report)
        return
    context.say(f"{report.sessions:,} sessions in {report.files:,} files, {report.events_added:,} events added now")
    context.say(f"{report.records:,} records held or skipped, {len(report.skipped):,} of them skipped")


def _warn_of_first(context: Context, skipped: list[Skipped]) -> None:
    for each in skipped[:_SHOWN]:
        _warn_of(context, each)
    if len(skipped) > _SHOWN:
        context.warn(f"and {len(skipped) - _SHOWN:,} more; --json lists all")


def _warn_of(context: Context, skipped: Skipped) -> None:
    where = skipped.file if skipped.line is None else f"{skipped.file}:{skipped.line}"
    context.warn(f"skipped {where}: {skipped.reason}")


def _follow(context: Context, log: EventLog, format: str, paths: tuple[Path, ...]) -> None:
    from ..importers.follow import Follower

    follower = Follower(log, format, paths)
    with _stopped_by_interrupt(follower):
        for change in follower.changes():
            _tell(context, change)
    _print(context, follower.report)


def _tell(context: Context, change: Change | Skipped) -> None:
    from ..importers import Skipped
    from ..importers.report import Deleted, Following, Imported, Replaced, Truncated

    if context.json:
        context.emit({"change": "skipped", **msgspec.structs.asdict(change)} if isinstance(change, Skipped) else change)
        return
    match change:
        case Imported(file=file, session_id=session_id, events=events):
            context.say(f"{events:,} event{'s' if events != 1 else ''} into {session_id} from {file}")
        case Truncated(file=file, size_before_bytes=before, size_bytes=after):
            context.say(f"{file} was cut from {before:,} to {after:,} bytes; nothing is taken away, it is read again from its start")
        case Replaced(file=file):
            context.say(f"{file} was replaced; nothing is taken away, it is read again from its start")
        case Deleted(file=file):
            context.say(f"{file} was deleted; what was imported of it stays")
        case Following(files=files, sessions=sessions):
            context.say(f"--- {sessions:,} sessions in {files:,} files are imported; following, Ctrl-C ends it ---", "dim")
        case Skipped():
            _warn_of(context, change)
    sys.stdout.flush()


@contextmanager
def _stopped_by_interrupt(follower: Follower) -> Iterator[None]:
    """The first Ctrl-C ends it after the file at hand; a second one ends the program at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: Any) -> None:
        signal.signal(signal.SIGINT, before)
        follower.stop()

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
