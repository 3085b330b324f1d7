"""``eventlog show``: one session, for a person as a transcript, for a program as the whole view."""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from eventlog.cli.amounts import local_with_zone, utc
from eventlog.cli.columns import Column, clipped, for_eyes
from eventlog.cli.context import Context, as_json, command
from eventlog.cli.failures import visible

from .. import PricedView, SessionView, replay
from .reading import LINES_IN_A_PIPE, LINES_ON_A_TERMINAL, Block, Entry, Wanted, blobs, choose, folded, narrowed, read


@command("show")
@click.argument("session")
@click.option("--last", type=click.IntRange(min=1), metavar="N", help="Only the last N messages, and what happened between them.")
@click.option("--seq", type=click.IntRange(min=1), metavar="SEQ", help="Only what happened at this event, or first after it.")
@click.option("--grep", "pattern", metavar="RE", help="Only what this regular expression matches, in any case.")
@click.option(
    "-C", "--context", "around", type=click.IntRange(min=0), default=0, metavar="K", help="With --seq, --grep: and K before and after."
)
@click.option("--tools/--no-tools", default=None, help="All that tools were given and said, or nothing of them; default: its beginning.")
@click.option(
    "--save",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Write the images and other files that are shown there.",
)
@click.option("--no-pager", is_flag=True, help="Print everything at once, also on a terminal.")
@click.option("--skip-damaged", is_flag=True, help="Leave out what damage has made unreadable.")
def show(
    context: Context,
    session: str,
    last: int | None,
    seq: int | None,
    pattern: str | None,
    around: int,
    tools: bool | None,
    save: Path | None,
    no_pager: bool,
    skip_damaged: bool,
) -> None:
    """Show a session: its header, messages, tools and totals.

    SESSION is an id or the beginning of one, last, @3 (the third row of the last list), a foreign key, or words of the title. On a
    terminal it goes through a pager, and Markdown is rendered. Long tool output is shortened; --json has everything."""
    wanted = Wanted(last=last, seq=seq, pattern=_pattern(pattern), around=around, tools=tools)
    with context.open_log() as log:
        session_id = context.find_session(log, session)
        with log.session(session_id) as handle:
            view = replay(handle.read(on_damage="skip" if skip_damaged else "raise"), PricedView())
    everything = read(view, is_local=context.terminal.is_there, session=session_id)
    chosen = choose(everything, wanted)
    if save is not None:
        _save(context, save, view, chosen)
        return
    if context.json:
        context.emit(view if wanted.is_everything else narrowed(view, chosen))
        return
    if not chosen and not wanted.is_everything:
        context.hint("nothing in the session is meant by that")
    context.terminal.page(_lines(context, view, everything, chosen, wanted), paged=not no_pager)


def _pattern(text: str | None) -> re.Pattern[str] | None:
    try:
        return None if text is None else re.compile(text, re.IGNORECASE)
    except (re.error, OverflowError, RecursionError) as error:
        raise click.UsageError(f"--grep {text!r} is no regular expression ({error})") from None


def _lines(context: Context, view: SessionView, everything: Sequence[Entry], chosen: Sequence[Entry], wanted: Wanted) -> Iterator[str]:
    terminal = context.terminal
    yield terminal.styled(visible(view.title or view.session_id), "bold")
    if wanted.is_everything:
        header = _header(view, local_with_zone if terminal.is_there else utc)
        yield from (clipped(line, terminal.width) if terminal.is_there else line for line in _fields(header))
    places = {id(entry): place for place, entry in enumerate(everything)}
    before: int | None = None
    for entry in chosen:
        place = places[id(entry)]
        if before is not None and place > before + 1 and wanted.around:
            yield terminal.styled("--", "dim")
        before = place
        yield ""
        yield terminal.styled(visible(entry.heading), entry.style)
        for block in entry.blocks:
            yield from _shown(context, block, wanted)
    if wanted.is_everything:
        yield ""
        yield from _totals(context, view)


def _shown(context: Context, block: Block, wanted: Wanted) -> Iterator[str]:
    terminal = context.terminal
    text = visible(folded(block, wanted, LINES_ON_A_TERMINAL if terminal.is_there else LINES_IN_A_PIPE))
    if block.is_prose and terminal.is_there and wanted.pattern is None:
        yield from _rendered(context, text)
        return
    if wanted.pattern is None or not terminal.colors:
        yield terminal.styled(text, block.style)
        return
    position, pieces = 0, []
    for found in wanted.pattern.finditer(text):
        if found.end() > found.start():
            pieces += [terminal.styled(text[position : found.start()], block.style), terminal.styled(found[0], "bold red")]
            position = found.end()
    yield "".join(pieces) + terminal.styled(text[position:], block.style)


def _rendered(context: Context, text: str) -> Iterator[str]:
    """Markdown for the terminal's width. Addresses are written out: what a link says is not what it leads to."""
    from rich.markdown import Markdown

    console = context.console()
    with console.capture() as captured:
        console.print(Markdown(text, hyperlinks=False, code_theme="ansi_dark"))
    yield "\n".join(line.rstrip() for line in captured.get().rstrip("\n").split("\n"))


def _save(context: Context, folder: Path, view: SessionView, chosen: Sequence[Entry]) -> None:
    from ..exporters.output import whole_file

    written = []
    for name, content in blobs(view, chosen):
        try:
            data = b64decode(content, validate=True)
        except (binascii.Error, ValueError):
            context.warn(f"{name} is not base64 and is left out; `eventlog cat {view.session_id}` has it as it was recorded")
            continue
        path = folder.expanduser() / name
        with whole_file(path) as file:
            file.write(data)
        written.append(str(path))
    if context.json:
        context.emit({"written": written})
    else:
        for each in written:
            context.say(each)
    if not written:
        context.hint("there are no images or other files in what was chosen")


def _header(view: SessionView, when: Any) -> list[tuple[str, str | None]]:
    parent = view.parent
    return [
        ("session", view.session_id),
        ("status", view.status + (", pinned" if view.pinned else "")),
        ("kind", view.kind),
        ("description", view.description),
        ("purpose", view.purpose),
        ("user", view.user_id),
        ("tags", ", ".join(view.tags)),
        ("models", ", ".join(view.models)),
        ("modes", ", ".join(view.modes)),
        ("started", when(view.started_at)),
        ("updated", when(view.updated_at)),
        ("parent", f"{parent.get('session_id')} ({parent.get('relation', 'fork')})" if parent else None),
        ("metadata", as_json(view.metadata).decode() if view.metadata else None),
        ("context", as_json(view.context).decode() if view.context else None),
    ]


def _fields(pairs: Sequence[tuple[str, str | None]]) -> Iterator[str]:
    shown = [(name, visible(value)) for name, value in pairs if value]
    width = max((len(name) for name, _ in shown), default=0)
    for name, value in shown:
        yield f"{name:<{width}}  {value}"


def _totals(context: Context, view: SessionView) -> Iterator[str]:
    tools: dict[str, list[Any]] = {}
    for call in view.tool_calls:
        tools.setdefault(call.name or "unknown", []).append(call)
    if tools:
        columns: list[Column[tuple[str, list[Any]]]] = [
            Column(name="tool", value=lambda row: row[0], fills=True),
            Column(name="calls", value=lambda row: len(row[1]), right=True),
            Column(name="failed", value=lambda row: sum(call.is_error for call in row[1]), right=True),
            Column(name="open", value=lambda row: sum(call.returned_seq is None for call in row[1]), right=True),
            Column(name="seconds", value=lambda row: f"{sum(call.duration_ms or 0 for call in row[1]) / 1000:,.2f}", right=True),
        ]
        rows = sorted(tools.items(), key=lambda found: (-len(found[1]), found[0]))
        yield from for_eyes(context.terminal, columns, rows, context.terminal.width if context.terminal.is_there else None)
        yield ""
    counts, usage = view.counts, view.usage
    messages = f"{counts.messages:,} messages ({counts.user_messages:,} user, {counts.assistant_messages:,} assistant)"
    cached = usage.cache_read_tokens or usage.cache_write_tokens
    yield from _fields(
        [
            ("totals", f"{counts.events:,} events, {messages}, {counts.tool_calls:,} tool calls, {counts.errors:,} errors"),
            ("tokens", f"{usage.input_tokens:,} in, {usage.output_tokens:,} out, {usage.reasoning_tokens:,} of them reasoning"),
            ("cache", f"{usage.cache_read_tokens:,} read, {usage.cache_write_tokens:,} written" if cached else None),
            ("cost", ", ".join(f"{money.amount:,.4f} {money.currency}" for money in usage.costs)),
        ]
    )
