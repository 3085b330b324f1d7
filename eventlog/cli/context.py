"""What every command is given: the store, the settings, and one way to answer a program and a person."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from ..log import EventLog
from ..settings import Loaded, load_with_sources
from . import finding
from .commands import FIND
from .completing import attach
from .examples import EXAMPLES
from .failures import BAD_NEWS, Refused, escaped, visible
from .terminal import Color, Terminal

if TYPE_CHECKING:
    from logging import Logger

    from rich.console import Console


class Context:
    """One run of one command."""

    def __init__(self) -> None:
        self.store: Path | None = None
        self.json = False
        self.quiet = False
        self.verbose = False
        self._logger: Logger | None = None
        self.exit_code = 0
        self.terminal = Terminal()
        self._loaded: Loaded | None = None
        self._console: Console | None = None

    # --- the store ---

    def loaded(self) -> Loaded:
        """The settings with their sources; ``--store`` wins over all of them. Says once which variables are none."""
        if self._loaded is None:
            loaded = load_with_sources()
            for variable, near in loaded.unknown_variables.items():
                advice = f"did you mean {near}?" if near else "`eventlog config` shows what there is"
                self.warn(f"{variable} is not a setting and is ignored; {advice}")
            if self.store is not None:
                loaded = loaded.with_value("store", self.store, "--store")
            self._loaded = loaded
        return self._loaded

    def now(self) -> datetime:
        """The time, by which ages are told."""
        return datetime.now(timezone.utc)

    def reload(self) -> None:
        """Read the settings again: the config file has changed."""
        self._loaded = None

    def open_log(self, *, write: bool = False, create: bool = False) -> EventLog:
        """The log. Without ``write`` nothing is ever made or changed; with it, ``create`` makes a store that is not there.

        Reading works while recording is off; writing says so and refuses."""
        settings = self.loaded().settings
        if write and not settings.recording:
            raise Refused(
                f"recording is off (from {self.loaded().sources['recording']}), so nothing can be written; set recording = true or"
                " EVENTLOG_RECORDING=on, then try again"
            )
        return EventLog.open(create=write and create, settings=settings.replace(recording=True))

    def find_session(self, log: EventLog, given: str) -> str:
        """The id of the session that ``given`` means to somebody who reads: see `finding`."""
        return finding.to_read(log, given, self.terminal, partial(self._look_up, log))

    def session_to_change(self, log: EventLog, given: str) -> str:
        """The id of the session that ``given`` means, for a command that changes or removes it."""
        return finding.to_change(log, given, self.terminal, partial(self._look_up, log))

    def _look_up(self, log: EventLog, given: str) -> Sequence[tuple[str, str]]:
        module, function = FIND.split(":")
        return getattr(importlib.import_module(module), function)(self, log, given)  # type: ignore[no-any-return]

    # --- for programs ---

    def emit(self, value: Any) -> None:
        """One JSON document on one line."""
        self.write(as_json(value) + b"\n")

    def write(self, data: bytes) -> None:
        """Bytes as they are, at once: stored lines, JSON lines, documents. UTF-8 whatever the locale. A terminal, which would obey them,
        gets control characters as the escapes of JSON, so that JSON still is the same JSON."""
        if sys.stdout.isatty():
            data = escaped(data.decode(errors="backslashreplace")).encode()
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()

    def bad_news(self) -> None:
        """The output says it: exit 1 when the command is done."""
        self.exit_code = BAD_NEWS

    # --- for people ---

    def say(self, text: str = "", style: str = "") -> None:
        """A line, or several; ``style`` (see `Terminal.styled`) shows where there are colours."""
        print(self.terminal.styled(visible(text), style))

    def warn(self, text: str) -> None:
        """What went wrong or is not as expected, in a line on stderr."""
        self._beside(text, logging_level=30)

    def hint(self, text: str) -> None:
        """A next step or how things are going, in a line on stderr; --quiet leaves it out."""
        self._beside(text, logging_level=20, shown=not self.quiet)

    def detail(self, text: str) -> None:
        """What --verbose tells."""
        self._beside(text, logging_level=10, shown=self.verbose)

    def _beside(self, text: str, logging_level: int, shown: bool = True) -> None:
        line = visible(text).replace("\n", " ")
        if shown:
            print(f"eventlog: {line}", file=sys.stderr)
        if self._logger is not None:
            self._logger.log(logging_level, "%s", line)

    def keep_log(self, file: Path) -> None:
        """Write what is said beside the output into this file as well, hints and details too."""
        import logging

        self._logger = logging.getLogger("eventlog.cli")
        self._logger.setLevel(logging.DEBUG)
        self._logger.propagate = False
        for handler in list(self._logger.handlers):
            self._logger.removeHandler(handler)
            handler.close()
        handler = logging.FileHandler(file.expanduser(), encoding="utf-8", errors="backslashreplace")
        handler.setFormatter(logging.Formatter("%(asctime)s %(process)d %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S%z"))
        self._logger.addHandler(handler)

    def close_log(self) -> None:
        if self._logger is not None:
            for handler in list(self._logger.handlers):
                self._logger.removeHandler(handler)
                handler.close()
            self._logger = None

    def failed(self, line: str) -> None:
        """The one line that an error is."""
        self._beside(line, logging_level=40)

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[object]], *, right: Collection[str] = ()) -> None:
        """Rows under headings; ``right`` names the columns of numbers. On a terminal it fits the width, in a pipe nothing is cut."""
        cells = [[visible("" if cell is None else str(cell)).replace("\n", " ") for cell in row] for row in rows]
        if not self.terminal.is_there:
            _plain_table(columns, cells, right)
            return
        from rich import box
        from rich.table import Table
        from rich.text import Text

        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for column in columns:
            table.add_column(column, justify="right" if column in right else "left")
        for row in cells:
            table.add_row(*map(Text, row))
        self.console().print(table)

    def fields(self, pairs: Iterable[tuple[str, object]]) -> None:
        """Names and values, one pair per line; a value that is None or empty is left out."""
        shown = [(name, visible(str(value))) for name, value in pairs if value is not None and value != ""]
        width = max((len(name) for name, _ in shown), default=0)
        for name, value in shown:
            print(f"{name:<{width}}  {value}")

    def console(self) -> Console:
        """The terminal, for what `say`, `table` and `fields` cannot do. Ask ``sys.stdout.isatty()`` first: a pipe gets plain text."""
        if self._console is None:
            from rich.console import Console

            colors = self.terminal.colors
            self._console = Console(
                highlight=False,
                markup=False,
                emoji=False,
                width=self.terminal.width,
                force_terminal=colors,
                color_system="auto" if colors else None,
            )
        return self._console

    @contextmanager
    def progress(self, label: str) -> Iterator[Callable[[float, float | None], None]]:
        """A progress bar on stderr where a person watches it. Gives ``update(done, total)``."""
        if self.json or self.quiet or not sys.stderr.isatty():
            yield lambda done, total: None
            return
        from rich.console import Console
        from rich.progress import Progress

        with Progress(console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(label, total=None)
            yield lambda done, total: bar.update(task, completed=done, total=total)


def as_json(value: Any) -> bytes:
    """The value as JSON. What is not UTF-8 in the name of a file comes out as an escape in its text, like \\xff."""
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        return msgspec.json.encode(_spelled_out(msgspec.to_builtins(value)))


def _spelled_out(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode(errors="surrogateescape").decode(errors="backslashreplace")
    if isinstance(value, dict):
        return {_spelled_out(key): _spelled_out(item) for key, item in value.items()}
    return [_spelled_out(item) for item in value] if isinstance(value, (list, tuple)) else value


def _plain_table(columns: Sequence[str], rows: Sequence[Sequence[str]], right: Collection[str]) -> None:
    widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]
    for row in (columns, *rows):
        cells = (cell.rjust(width) if name in right else cell.ljust(width) for name, cell, width in zip(columns, row, widths, strict=True))
        print("  ".join(cells).rstrip())


def command(name: str) -> Callable[[Callable[..., None]], click.Command]:
    """Make a function ``(context, ...)`` a command: its docstring is the help, ``--store`` and ``--json`` are added."""

    def decorate(function: Callable[..., None]) -> click.Command:
        examples = "\n".join(f"  {line}" for line in EXAMPLES.get(name, ()))
        made = click.command(name, epilog=f"\b\nExamples:\n{examples}" if examples else None)(click.pass_obj(function))
        made.params += shared_options(hidden=True)
        attach(made)
        return made

    return decorate


def shared_options(*, hidden: bool = False) -> list[click.Parameter]:
    """What every command takes, and the program as well: the one after the command wins. ``hidden``: those that the program's help says."""

    def option(*names: str, apply: Callable[[Context, Any], None], **how: Any) -> click.Option:
        def callback(ctx: click.Context, parameter: click.Parameter, value: Any) -> None:
            if value is not None and value is not False:
                apply(ctx.ensure_object(Context), value)

        return click.Option(names, callback=callback, expose_value=False, **how)

    def set_store(context: Context, value: Path) -> None:
        context.store = value.expanduser()

    def set_json(context: Context, value: bool) -> None:
        context.json = True

    def set_color(context: Context, value: Color) -> None:
        context.terminal.wish = value

    def set_quiet(context: Context, value: bool) -> None:
        context.quiet = True

    def set_verbose(context: Context, value: bool) -> None:
        context.verbose = True

    folder = click.Path(readable=False, path_type=Path)  # what cannot be read is for the log to say
    file = click.Path(dir_okay=False, path_type=Path)
    colors = click.Choice(["auto", "always", "never"])
    return [
        option("--store", apply=set_store, type=folder, metavar="DIR", help="The store to use."),
        option("--json", apply=set_json, is_flag=True, help="Answer in JSON, for programs."),
        option("--color", apply=set_color, type=colors, hidden=hidden, help="Colours; auto: on a terminal, unless NO_COLOR is set."),
        option("--quiet", apply=set_quiet, is_flag=True, hidden=hidden, help="No hints and no progress on standard error."),
        option("--verbose", apply=set_verbose, is_flag=True, hidden=hidden, help="Say on standard error what is being done."),
        option(
            "--log-file",
            apply=Context.keep_log,
            type=file,
            metavar="FILE",
            hidden=hidden,
            help="Also write what is said there into a file.",
        ),
    ]
