"""``eventlog run``: a program as it is, with its model calls recorded. Nothing of ours stays in between: the program takes our place."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import click

from .context import Context, command

_AT_START = Path(__file__).parents[1] / "recorders" / "at_start"


@command("run")
@click.argument("program", nargs=-1, required=True, metavar="COMMAND...", type=click.UNPROCESSED)
def run(context: Context, program: tuple[str, ...]) -> None:
    """Run a Python program with its model calls recorded.

    Everything behind COMMAND is its own: its arguments, its input and output, its signals, its exit code. The Python programs that it
    starts are recorded, too. The store is the configured one, or --store. The interpreter needs session-eventlog installed; where it is
    not, and under `python -I`, `-E` or `-S`, the program runs unrecorded."""
    found = shutil.which(program[0])
    if found is None:
        raise click.UsageError(f"no program {program[0]!r} is found; give its path, or `python` and the path of a script")
    environment = dict(os.environ)
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, (str(_AT_START), environment.get("PYTHONPATH"))))
    if context.store is not None:
        environment["EVENTLOG_STORE"] = os.path.abspath(context.store)
    context.loaded()  # settings that are not understood are said here, and not by the program
    os.execve(found, program, environment)


run.allow_interspersed_args = False  # what follows the program's name is the program's, with and without `--`
