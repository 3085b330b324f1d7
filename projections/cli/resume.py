"""``eventlog resume``: a session goes on in the tool that it came from, or in another one.

A tool is started only on a terminal, in a folder that is there and that the person has said yes to; never by way of a shell.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import click

from eventlog.cli.context import Context, command

if TYPE_CHECKING:
    from ..exporters.native.resuming import Resumption


@command("resume")
@click.argument("session")
@click.option("--with", "tool", metavar="TOOL", help="claude-code, codex, gemini-cli, pi or opencode; default: the one that it came from.")
def resume_session(context: Context, session: str, tool: str | None) -> None:
    """Go on with a session in its tool, or in another one.

    A session that its tool still has is resumed there, and nothing is written. Else a new file is made for the tool, in its own folder,
    under a new id. Prints the command that goes on with it; on a terminal, asks whether to run it, and where."""
    from ..exporters import MADE
    from ..exporters.native.resuming import resume

    if tool is not None and tool not in MADE:
        raise click.UsageError(f"{tool!r} is no tool that goes on with a session; give one of: {', '.join(MADE)}")
    with context.open_log() as log, log.session(context.find_session(log, session)) as handle:
        found = resume(handle, tool)
    if context.json:
        context.emit(found)
        return
    if found.file is not None:
        context.warn(f"written for {found.tool}: {found.file}")
    elif found.gone_on:
        context.warn(f"it has gone on since it was imported, by {found.gone_on:,} records; eventlog import {found.tool} takes them")
    if found.note:
        context.warn(found.note)
    context.say(shlex.join(found.command))
    if sys.stdin.isatty() and sys.stdout.isatty():
        context.exit_code = _run(context, found)
    elif found.folder is not None:
        context.warn(f"to be run in {found.folder}")


def _run(context: Context, found: Resumption) -> int:
    """Run the command where the person says; its exit code, 0 where it is not run."""
    program = shutil.which(found.command[0])
    if program is None:
        context.warn(f"{found.command[0]} is not installed on this machine; run the command where it is")
        return 0
    folder = found.folder or os.getcwd()
    sys.stderr.write(f"Run it in {folder!r}? [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        return 0
    sys.stdout.flush()
    return subprocess.run([program, *found.command[1:]], cwd=folder, check=False).returncode
