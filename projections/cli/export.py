"""``eventlog export``: sessions as documents, pages, data or training samples."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import msgspec

from eventlog import EventLog
from eventlog.cli.context import Context, as_json, command

from .. import Catalog
from ..exporters import FORMATS, ExportReport, export
from ..operations.filters import Filters
from .filters import asking
from .options import options

_PAGE = 1_000


@command("export")
@click.argument("sessions", nargs=-1, metavar="[SESSION...]")
@click.option("--to", "format", required=True, type=click.Choice(list(FORMATS)), help="What to write.")
@click.option(
    "-o", "--output", metavar="PATH", help="A file, a folder with a file for each session, or - for standard output, the default."
)
@click.option("--update", is_flag=True, help="Keep the folder up to date: write only what has changed.")
@click.option("--split", metavar="90/10", help="Divide training samples into parts (train and test), a file each.")
@click.option("--all", "everything", is_flag=True, help="Every session that is not deleted.")
@click.option("--skip-damaged", is_flag=True, help="Leave out what damage has made unreadable.")
@options(Filters)
def export_sessions(
    context: Context,
    sessions: tuple[str, ...],
    format: str,
    output: str | None,
    update: bool,
    split: str | None,
    everything: bool,
    skip_damaged: bool,
    given: dict[str, Any],
) -> None:
    """Write sessions as documents, data or training samples.

    Name sessions, or choose them with the filters of `eventlog list`, or --all. Files are written whole or not at all. Training formats
    (openai, trl, sharegpt, parquet) say what they left out, and why, on standard error."""
    from ..view.training import Split

    if bool(sessions) + bool(given) + everything != 1:
        raise click.UsageError("name sessions, or give filters, or --all: one of the three")
    if output == "-":
        output = None
    if update and output is None:
        raise click.UsageError("--update needs the folder, with -o")
    if output is None and FORMATS[format].module.endswith(".parquet") and sys.stdout.isatty():
        raise click.UsageError("parquet is no text for a terminal; give a file with -o")
    with context.open_log() as log:
        ids = (
            [context.find_session(log, session) for session in sessions]
            if sessions
            else list(_filtered(context, log, msgspec.convert(given, type=Filters)))
        )
        to: Any = context.write
        if output is not None:
            to = Path(output).expanduser()
            if _is_folder(to, output, update=update, several=len(ids) > 1, format=format):
                to.mkdir(parents=True, exist_ok=True)
        report = export(
            log,
            ids,
            format,
            to,
            update=update,
            split=None if split is None else Split.parse(split),
            on_damage="skip" if skip_damaged else "raise",
        )
    _tell(context, report, is_output_free=output is not None)


def _filtered(context: Context, log: EventLog, filters: Filters) -> Iterator[str]:
    with Catalog.open(log, notice=context.warn) as catalog:
        chosen = filters.chosen(asking(context, catalog))
        after = None
        while True:
            page = catalog.list(limit=_PAGE, after=after, sort="started", **chosen)
            yield from (item.session_id for item in page.items)
            after = page.next
            if after is None:
                return


def _is_folder(path: Path, given: str, *, update: bool, several: bool, format: str) -> bool:
    """Whether a path that a person gave means a folder: it is one, or nothing is there and it ends like one or several files go there."""
    if path.exists() and not path.is_dir() and not update:
        return False
    several_files = several and not FORMATS[format].trains and (not path.suffix or not FORMATS[format].joins)
    return update or path.is_dir() or given.endswith(os.sep) or several_files


def _tell(context: Context, report: ExportReport, *, is_output_free: bool) -> None:
    """What was done: as JSON on standard output if that is free, else on standard error; for a person one line there."""
    if context.json and is_output_free:
        context.emit(report)
    elif context.json:
        sys.stderr.write(as_json(report).decode() + "\n")
    elif report.samples is not None:
        parts = ", ".join(f"{count:,} {part}" for part, count in report.split.items())
        left_out = ", ".join(f"{count:,} {reason}" for reason, count in report.left_out.items())
        context.warn(
            f"{_counted(report.sessions, 'session')} -> {_counted(report.samples, 'sample')}{f' ({parts})' if parts else ''}"
            f"{f'; left out: {left_out}' if left_out else '; nothing left out'}"
        )
    elif is_output_free:
        unchanged = f", {report.unchanged:,} unchanged" if report.unchanged else ""
        context.warn(f"{_counted(report.sessions, 'session')} -> {_counted(len(report.written), 'file')} written{unchanged}")
        for path in report.deleted:
            context.warn(f"{path} is of a deleted session and was left; remove the file, or `eventlog restore` the session")


def _counted(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'' if number == 1 else 's'}"
