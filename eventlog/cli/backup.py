"""``eventlog backup``, ``restore-backup`` and ``bundle``: copies of a store, and of sessions."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from ..log import EventLog
from .context import Context, as_json, command
from .failures import Refused

if TYPE_CHECKING:
    from ..reports import BackupReport


@command("backup")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
def backup(context: Context, folder: Path) -> None:
    """Bring a copy of the store up to date, or make one.

    Copies only what DIR does not have yet, while programs go on writing, and verifies what it copied. DIR is a store itself: `eventlog
    --store DIR list` shows what is in it. Exit code 1 when something could not be copied."""
    with context.open_log() as log:
        report = log.backup(folder)
    _print(context, report, "copied")


@command("restore-backup")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("sessions", nargs=-1, metavar="[SESSION]...")
def restore_backup(context: Context, folder: Path, sessions: tuple[str, ...]) -> None:
    """Bring sessions back from a backup.

    Into the store named by --store, which is made if it is not there. Without SESSION: all that the store does not have. A session that
    it has stays as it is."""
    settings = context.loaded().settings
    if not settings.recording:
        raise Refused("recording is off, so nothing can be written; set recording = true or EVENTLOG_RECORDING=on, then try again")
    report = EventLog.restore_backup(folder, settings=settings, session_ids=sessions or None)
    _print(context, report, "restored")


@command("bundle")
@click.argument("sessions", nargs=-1, required=True, metavar="SESSION...")
@click.option("-o", "--output", required=True, metavar="FILE", help="The file to write, or - for standard output.")
def bundle(context: Context, sessions: tuple[str, ...], output: str) -> None:
    """Put sessions into one file, to hand them to somebody.

    `eventlog import bundle FILE` takes it: checked on arrival, under the same ids, to the byte."""
    if output == "-":
        _to_stdout(context, sessions)
        return
    target = Path(output).expanduser()
    with context.open_log() as log:
        manifest = log.bundle([context.find_session(log, session) for session in sessions], target)
    size = target.stat().st_size  # none where it is a FIFO
    if context.json:
        context.emit({"file": str(target), "bytes": size, "sessions": [each.session_id for each in manifest.sessions]})
    else:
        context.say(f"{len(manifest.sessions):,} sessions in {target}, {size:,} bytes")


def _to_stdout(context: Context, sessions: tuple[str, ...]) -> None:
    """The bundle itself; what is said about it goes to standard error."""
    if sys.stdout.isatty():
        raise click.UsageError("a bundle is no text for a terminal; name a file, or send it into a pipe")
    with context.open_log() as log:
        manifest = log.bundle([context.find_session(log, session) for session in sessions], context.write)
    if context.json:
        said = {"file": None, "bytes": None, "sessions": [each.session_id for each in manifest.sessions]}
        sys.stderr.write(as_json(said).decode() + "\n")


def _print(context: Context, report: BackupReport, did: str) -> None:
    if report.problems:
        context.bad_news()
    if context.json:
        context.emit({"ok": report.ok, **msgspec.structs.asdict(report)})
        return
    context.say(f"{report.sessions:,} sessions, {report.changed:,} of them {did}: {report.files:,} files, {report.bytes:,} bytes")
    for kept in report.kept:
        context.warn(f"{kept.session_id}: {kept.reason}")
    for problem in report.problems:
        context.warn(f"{problem.segment} is {problem.kind}: {problem.detail}")
