"""What every command is given: the store, the settings, and one way to answer a program and a person."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from ..errors import SessionError, SessionNotFound
from ..ids import check_session_id
from ..log import EventLog
from ..settings import Loaded, load_with_sources
from .failures import BAD_NEWS, Refused, escaped, visible

if TYPE_CHECKING:
    from rich.console import Console


class Context:
    """One run of one command."""

    def __init__(self) -> None:
        self.store: Path | None = None
        self.json = False
        self.exit_code = 0
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
        """The id of the session that ``given`` means: its id, or the beginning of it where no other id begins so."""
        check_session_id(given)
        try:
            log.session(given).close()
        except SessionNotFound:
            found = sorted(session_id for session_id in log.session_ids() if session_id.startswith(given))
            if len(found) > 1:
                some = ", ".join(found[:3])
                raise SessionError(given, f"{len(found)} sessions begin with {given!r} ({some}, ...); give more of the id") from None
            if not found:
                raise
            return found[0]
        return given

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
        """A line, or several; ``style`` (rich's words: bold, dim, red) shows on a terminal."""
        if style and sys.stdout.isatty():
            from rich.text import Text

            self.console().print(Text(visible(text), style))
        else:
            print(visible(text))

    def warn(self, text: str) -> None:
        """A line beside the output, on stderr."""
        print("eventlog: " + visible(text).replace("\n", " "), file=sys.stderr)

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[object]], *, right: Collection[str] = ()) -> None:
        """Rows under headings; ``right`` names the columns of numbers. On a terminal it fits the width, in a pipe nothing is cut."""
        cells = [[visible("" if cell is None else str(cell)).replace("\n", " ") for cell in row] for row in rows]
        if not sys.stdout.isatty():
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

            self._console = Console(highlight=False, markup=False, emoji=False)
        return self._console

    @contextmanager
    def progress(self, label: str) -> Iterator[Callable[[float, float | None], None]]:
        """A progress bar on stderr where a person watches it. Gives ``update(done, total)``."""
        if self.json or not sys.stderr.isatty():
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
        made = click.command(name)(click.pass_obj(function))
        made.params += shared_options()
        return made

    return decorate


def shared_options() -> list[click.Parameter]:
    """``--store`` and ``--json``, which the program has as well: the one after the command wins."""

    def set_store(ctx: click.Context, parameter: click.Parameter, value: Path | None) -> None:
        if value is not None:
            ctx.ensure_object(Context).store = value.expanduser()

    def set_json(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
        if value:
            ctx.ensure_object(Context).json = True

    folder = click.Path(readable=False, path_type=Path)  # what cannot be read is for the log to say
    store = click.Option(["--store"], type=folder, metavar="DIR", callback=set_store, expose_value=False, help="The store to use.")
    json = click.Option(["--json"], is_flag=True, callback=set_json, expose_value=False, help="Answer in JSON, for programs.")
    return [store, json]
