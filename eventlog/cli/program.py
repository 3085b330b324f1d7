"""The program around the commands: finds the one that is asked for, runs it, and turns whatever happens into an exit code."""

from __future__ import annotations

import difflib
import importlib
import os
import signal
import sys
from collections.abc import Sequence
from typing import Any, Final

import click

from .. import __version__
from .commands import COMMANDS, SECTIONS
from .completing import VARIABLE, answer
from .context import Context, shared_options
from .failures import Refused, explain

INTERRUPTED: Final = 128 + signal.SIGINT


class Program(click.Group):
    """The group of all commands, each imported when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        module, attribute = entry.target.split(":")
        try:
            found = getattr(importlib.import_module(module), attribute)
        except ModuleNotFoundError as error:
            raise Refused(
                f"the command {cmd_name!r} needs {error.name!r}, which is not installed; install session-eventlog again"
            ) from error
        assert isinstance(found, click.Command)
        return found

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and args[0] not in COMMANDS:
            near = difflib.get_close_matches(args[0], COMMANDS, 1)
            raise click.UsageError(f"no such command {args[0]!r}{f', did you mean {near[0]!r}?' if near else ''}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(map(len, COMMANDS))
        for title, section in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name.ljust(width), command.help) for name, command in section.items()])


def _start(ctx: click.Context) -> None:
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def _program() -> Program:
    version = click.Option(
        ["--version"], is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Print the version and exit."
    )
    return Program(
        "eventlog",
        callback=click.pass_context(_start),
        params=[*shared_options(), version],
        help="An append-only log of LLM, agent and chat sessions. `eventlog demo` shows what it does.",
        invoke_without_command=True,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    )


def _print_version(ctx: click.Context, parameter: click.Parameter, value: Any) -> None:
    if value and not ctx.resilient_parsing:
        click.echo(f"eventlog {__version__}")
        ctx.exit()


def run(arguments: Sequence[str] | None) -> int:
    _open_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # A locale that cannot spell a character gets its escape. What is not UTF-8 in a file name comes out as an escape, too.
            stream.reconfigure(errors="backslashreplace")
    context = Context()
    try:
        # Not through Program.main: that one has answers of its own to an interrupt and to a closed pipe.
        program = _program()
        if asked := os.environ.get(VARIABLE):
            return answer(program, context, asked)
        with program.make_context("eventlog", list(sys.argv[1:] if arguments is None else arguments), obj=context) as ctx:
            program.invoke(ctx)
        sys.stdout.flush()
        return context.exit_code
    except click.exceptions.Exit as asked:  # --help, --version
        return asked.exit_code
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED
    except BrokenPipeError:
        _forget_stdout()  # the reader has what it wanted
        return context.exit_code
    except Exception as error:
        if os.environ.get("EVENTLOG_TRACEBACK"):
            raise
        code, line = explain(error)
        context.failed(line)
        return code
    finally:
        context.close_log()


def _open_closed_streams() -> None:
    """Nothing stands in for a standard stream that whoever started the program has closed (``>&-``), and no file gets its number."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode, encoding="utf-8"))


def _forget_stdout() -> None:
    """Let the interpreter's last flush go nowhere instead of failing once more."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
