"""``eventlog tail``: what happens in a session, or in all of them, as it happens.

Ctrl-C ends it between two events, with exit code 130 like ``tail -f`` in a shell, and says on standard error how to go on from there; so
does SIGTERM, with 143. A
reader that goes away (``| head``) ends it quietly, also while nothing happens.
"""

from __future__ import annotations

import select
import signal
import sys
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

import click
import msgspec

from ..events import MessageDelta
from ..stored import StoredEvent
from ..tail import AnyTail, CaughtUp
from . import tail_view
from .amounts import local_with_zone, utc
from .context import Context, command
from .failures import visible

_BLOCK_SIZE = 64 * 1024
_NOISE = ("source.record",)  # for a person: what had no meaning here when it was imported
_LOOK_AT_OUTPUT_S = 0.5  # how often to see whether anybody still reads what is written


@command("tail")
@click.argument("session", required=False)
@click.option(
    "--after", default="start", metavar="SEQ|start|end|CURSOR", help="Where to begin: a position, or the cursor of an earlier tail."
)
@click.option("--type", "types", multiple=True, metavar="TYPE", help="Only events of this type; may be given several times.")
@click.option("--skip-damaged", is_flag=True, help="Go on behind damaged bytes.")
def tail(context: Context, session: str | None, after: str, types: tuple[str, ...], skip_damaged: bool) -> None:
    """Show what is there, then what happens, live.

    Runs until it is interrupted (exit code 130; 143 by SIGTERM), and then prints the cursor to go on from. With --json each event is the
    stored line with its session_id, and {"caught_up":true,"cursor":...} says when everything that was there has been printed. For a
    person, what an importer only kept (source.record) is left out unless --type asks for it."""
    with context.open_log() as log:
        session_id = None if session is None else context.find_session(log, session)
        with log.tail(session_id, after, types or None, marks=True, on_damage="skip" if skip_damaged else "raise") as running:
            with _stopped_by_a_signal(running) as caught:
                output = _Lines(context) if context.json else _View(context, session_id is None, leaves_out=() if types else _NOISE)
                _print(running, output)
            if caught:
                which = f" {session_id}" if session_id else ""
                context.warn(f"stopped; `eventlog tail{which} --after {running.cursor}` goes on from here")
                raise click.exceptions.Exit(128 + caught[0])


def _print(tail: AnyTail, output: _Lines | _View) -> None:
    while not tail.is_over:
        if not tail.is_ready:
            output.flush()
            if not tail.wait(_LOOK_AT_OUTPUT_S):
                _check_that_somebody_reads()
                continue
        for item in tail:
            output.add(item)
            if not tail.is_ready:
                break
    output.flush()


def _check_that_somebody_reads() -> None:
    """Raise `BrokenPipeError` where standard output is a pipe that nobody reads any more."""
    try:
        poll = select.poll()
        poll.register(sys.stdout.fileno(), 0)
    except (AttributeError, OSError, ValueError):
        return  # not a file
    if any(event & select.POLLERR for _, event in poll.poll(0)):
        raise BrokenPipeError


@contextmanager
def _stopped_by_a_signal(tail: AnyTail) -> Iterator[list[int]]:
    """The first Ctrl-C or SIGTERM ends the tail between two events, so that its cursor is true; a second one ends the program at once.
    Gives the signals that came."""
    caught: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield caught
        return

    def stop(number: int, frame: Any) -> None:
        signal.signal(number, before[number])
        caught.append(number)
        tail.stop()

    before = {int(number): signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Lines:
    """For programs: JSON lines, in blocks while they come fast."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._block: list[bytes] = []
        self._size = 0

    def add(self, item: StoredEvent | CaughtUp) -> None:
        if isinstance(item, CaughtUp):
            line = msgspec.json.encode({"caught_up": True, "cursor": item.cursor})
        else:
            line = b'{"session_id":' + msgspec.json.encode(item.session_id) + b"," + item.raw[1:]
        self._block.append(line + b"\n")
        self._size += len(line)
        if self._size >= _BLOCK_SIZE:
            self.flush()

    def flush(self) -> None:
        if self._block:
            block, self._block, self._size = self._block, [], 0
            self._context.write(b"".join(block))


class _View:
    """For people: one line per event; the pieces of a streamed message flow on one line."""

    def __init__(self, context: Context, names_sessions: bool, leaves_out: Collection[str]) -> None:
        self._context = context
        self._leaves_out = leaves_out
        self._names_sessions = names_sessions
        self._streaming: tuple[str, str] | None = None  # session and message whose text the cursor stands behind

    def add(self, item: StoredEvent | CaughtUp) -> None:
        if isinstance(item, CaughtUp):
            self._end_stream()
            self._context.say("--- live ---", "dim")
            return
        if item.type in self._leaves_out:
            return
        if isinstance(item.event, MessageDelta):
            self._flow(item, item.event)
            return
        completed = self._streaming is not None and self._streaming == (item.session_id, getattr(item.event, "message_id", None))
        self._end_stream()
        if not (completed and item.type == "message.added"):  # its text stands there already
            who, text, style = tail_view.describe(item)
            self._context.say(f"{self._heading(item)}{who:<9}  {text}".rstrip(), style)

    def flush(self) -> None:
        sys.stdout.flush()

    def _flow(self, item: StoredEvent, delta: MessageDelta) -> None:
        if self._streaming != (item.session_id, delta.message_id):
            self._end_stream()
            print(f"{self._heading(item)}{visible(delta.role):<9}  ", end="")
            self._streaming = (item.session_id, delta.message_id)
        print(visible(delta.content), end="")

    def _end_stream(self) -> None:
        if self._streaming is not None:
            print()
            self._streaming = None

    def _heading(self, item: StoredEvent) -> str:
        time = (local_with_zone if self._context.terminal.is_there else utc)(item.time)
        return f"{time}  {tail_view.short_id(item.session_id)}  " if self._names_sessions else f"{time}  "
