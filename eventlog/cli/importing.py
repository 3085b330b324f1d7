"""``eventlog import``: another tool's sessions, read into the log; doing it again adds only what is new."""

from __future__ import annotations

from pathlib import Path

import click

from .context import Context, command

_SHOWN = 10


@command("import")
@click.argument("format")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...", type=click.Path(exists=True, path_type=Path))
def import_sessions(context: Context, format: str, paths: tuple[Path, ...]) -> None:
    """Import another tool's sessions, adding only what is new.

    FORMAT is the tool, for example claude-code. A PATH is a file, or a folder that is searched; importing it again is safe. What
    cannot be understood is kept as text, counted and listed with file and line; it stops nothing."""
    from ..importers import FORMATS, import_paths

    if format not in FORMATS:  # said before a store is made
        raise click.UsageError(f"unknown format {format!r}, there are {', '.join(sorted(FORMATS))}")
    with context.open_log(write=True, create=True) as log:
        report = import_paths(log, format, paths)
    if context.json:
        context.emit(report)
        return
    context.say(f"{report.sessions:,} sessions in {report.files:,} files, {report.events_added:,} events added now")
    context.say(f"{report.records:,} records held or skipped, {len(report.skipped):,} of them skipped")
    for skipped in report.skipped[:_SHOWN]:
        where = skipped.file if skipped.line is None else f"{skipped.file}:{skipped.line}"
        context.warn(f"skipped {where}: {skipped.reason}")
    if len(report.skipped) > _SHOWN:
        context.warn(f"and {len(report.skipped) - _SHOWN:,} more; --json lists all")
