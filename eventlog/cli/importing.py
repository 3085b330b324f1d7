"""``eventlog import``: another tool's sessions, read into the log; doing it again adds only what is new, ``--follow`` does it live.

Ctrl-C ends following after the file at hand, with exit code 130, and the report. With ``--json`` each change is a line, and the
report is the last one.
"""

from __future__ import annotations

import difflib
import importlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from ..errors import Unsupported
from ..importers.report import ImportReport
from ..log import EventLog
from .commands import CATCH_UP
from .context import Context, command
from .failures import WRONG_USE

if TYPE_CHECKING:
    from ..importers import Skipped
    from ..importers.follow import Follower
    from ..importers.places import Found
    from ..importers.report import Change
    from ..importers.takeover import Takeover

_SHOWN = 10


@command("import")
@click.argument("format", required=False, metavar="[FORMAT]")
@click.argument("paths", nargs=-1, metavar="[PATH]...", type=click.Path(exists=True, readable=False, path_type=Path))
@click.option("--all", "everything", is_flag=True, help="What every known tool has left on this machine; so does no argument at all.")
@click.option("--dry-run", is_flag=True, help="Only say what is there.")
@click.option("--follow", is_flag=True, help="Go on importing what is written there, until interrupted.")
def import_sessions(context: Context, format: str | None, paths: tuple[Path, ...], everything: bool, dry_run: bool, follow: bool) -> None:
    """Import another tool's sessions, adding only what is new.

    FORMAT is the tool, for example claude-code. A PATH is a file, or a folder that is searched; importing it again is safe. Without a
    FORMAT it is told from what is in the files, without a PATH the tool's own place is taken, with neither everything that is found. What
    cannot be understood is kept as text, counted and listed with file and line; it stops nothing.

    --follow runs until it is interrupted (exit code 130): new and growing files are imported as they are written. With --json each
    change is a line, {"change":"following",...} says that all that was there is imported, and the report is the last line."""
    from ..importers import OWN, declared

    format, paths = _what_is_meant(format, paths)
    if everything and (format is not None or paths):
        raise click.UsageError("--all takes everything that is found; leave out FORMAT and PATH")
    if follow and (format is None or dry_run):
        raise click.UsageError("--follow needs the FORMAT to follow, and imports; see eventlog import --help")
    if follow and format is not None and format not in OWN and not declared(format).follows:
        raise click.UsageError(f"{format} keeps a database, which cannot be followed; import it again instead: that adds what is new")
    if paths and not dry_run:
        _import_paths(context, format, paths, follow)
    elif paths:
        raise click.UsageError("--dry-run says what is found without a PATH; leave it out")
    else:
        _import_found(context, format, dry_run, follow)


def _what_is_meant(format: str | None, paths: tuple[Path, ...]) -> tuple[str | None, tuple[Path, ...]]:
    """A first argument that is a format's name is the format; another one is a path, where it is there."""
    from ..importers import FORMATS

    if format is None or format in FORMATS:
        return format, paths
    path = Path(format)
    if path.exists():
        return None, (path, *paths)
    if os.sep in format or path.suffix:
        raise click.UsageError(f"path {format!r} does not exist")
    near = difflib.get_close_matches(format, FORMATS, 1)
    hint = f", did you mean {near[0]!r}?" if near else ""
    raise click.UsageError(f"unknown format {format!r}{hint} There are {', '.join(sorted(FORMATS))}")  # said before a store is made


def _import_paths(context: Context, format: str | None, paths: tuple[Path, ...], follow: bool) -> None:
    if not context.loaded().settings.recording:
        context.open_log(write=True)  # which says so, and refuses
    refused = None if follow else _refused(format, paths)
    if refused is not None:
        if context.json:
            context.emit(refused)
        first = next(skipped for skipped in refused.skipped if skipped.line is None)
        more = f" and {refused.refused - 1:,} other files" if refused.refused > 1 else ""
        context.warn(f"nothing is imported of {first.file}{more}: {first.reason}")
        context.exit_code = WRONG_USE
        return
    with context.open_log(write=True, create=True) as log:
        if follow and format is not None:
            _follow(context, log, format, paths)
            raise KeyboardInterrupt
        takeover = _taken(context, log, [(path, format) for path in paths])
    _finish(context, takeover)
    _print(context, takeover.report)
    if not context.json:
        if takeover.other_files:
            context.say(f"{takeover.other_files:,} other files there are of no format that is known")
        _warn_of_first(context, takeover.report.skipped)


def _import_found(context: Context, format: str | None, dry_run: bool, follow: bool) -> None:
    """What lies in the places of all formats, or of one."""
    from ..importers.places import find, looked_for

    formats = None if format is None else [format]
    spots = find(formats)
    found = [spot.found for spot in spots]
    if found and not context.json:
        context.table(
            ("format", "place", "files", "bytes"),
            [(each.format, each.path, f"{each.files:,}", f"{each.bytes:,}") for each in found],
            right=("files", "bytes"),
        )
    if not found:
        context.warn(f"found no sessions; looked for {', '.join(looked_for(formats)) or 'no place: name a PATH'}")
    if dry_run or not found:
        if context.json:
            context.emit({"found": found} if dry_run else _all_of(ImportReport(), {}, found))
        return
    with context.open_log(write=True, create=True) as log:
        if follow and format is not None:
            _follow(context, log, format, tuple(path for spot in spots for path in spot.paths))
            raise KeyboardInterrupt
        total = sum(each.bytes for each in found)
        takeover = _taken(context, log, [(path, spot.found.format) for spot in spots for path in spot.paths], total)
    _finish(context, takeover)
    if context.json:
        context.emit(_all_of(takeover.report, takeover.formats, found))
        return
    for name, report in takeover.formats.items():
        skipped = f", {len(report.skipped):,} records or files skipped" if report.skipped else ""
        context.say(f"{name}: {report.sessions:,} sessions, {report.events_added:,} events added now{skipped}")
    _print(context, takeover.report)
    _warn_of_first(context, takeover.report.skipped)
    if context.terminal.is_there:
        context.hint("`eventlog list` shows them, `eventlog search WORDS` finds what was said")


def _all_of(total: ImportReport, formats: dict[str, ImportReport], found: list[Found]) -> dict[str, Any]:
    each = [{"format": name, **msgspec.structs.asdict(report)} for name, report in formats.items()]
    return {**msgspec.structs.asdict(total), "formats": each, "found": found}


def _refused(format: str | None, paths: tuple[Path, ...]) -> ImportReport | None:
    """What is to be said where no file is of the format; None where one is. Nothing is made in the store for it."""
    from ..importers import import_paths
    from ..importers.looking import Look, is_of, recognise
    from ..importers.sources import files_of
    from ..importers.takeover import Takeover

    for path in paths:
        try:
            for file in files_of(path, lambda name: True, lambda error: None):
                if recognise(file) is not None if format is None else is_of(format, Look(file)):
                    return None
        except OSError:
            continue  # the import itself says so
    with EventLog.memory() as log:
        if format is None:
            takeover = Takeover(log)
            for path in paths:
                takeover.take(path)
            report = takeover.report
        else:
            report = import_paths(log, format, paths)
    return report if report.refused and not report.files else None


def _taken(context: Context, log: EventLog, paths: list[tuple[Path, str | None]], total_bytes: int | None = None) -> Takeover:
    """Import with a bar over all of it, and finish what was written of each session."""
    from ..importers.takeover import Takeover

    with context.progress("importing") as show:
        done = 0

        def through(size_bytes: int) -> None:
            nonlocal done
            done += size_bytes
            show(done, total_bytes)

        takeover = Takeover(log, through)
        try:
            for path, format in paths:
                takeover.take(path, format)
        except KeyboardInterrupt:
            context.hint("stopped; what is imported stays, and the same command goes on from there")
            raise
        log.seal(takeover.grown)
        try:
            log.compact(takeover.grown)  # which compresses what is old already
        except Unsupported:
            pass  # there is nothing to compress where it is stored
    return takeover


def _finish(context: Context, takeover: Takeover) -> None:
    """Bring what is computed from the log up to date: the first question after an import need not wait."""
    if takeover.grown:
        module, function = CATCH_UP.split(":")
        getattr(importlib.import_module(module), function)(context)


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
