"""``eventlog cat``: the stored lines of a session, byte for byte."""

from __future__ import annotations

from collections.abc import Iterator

import click

from ..session import Session
from ..stored import StoredEvent
from .context import Context, command

_BLOCK_SIZE = 64 * 1024


@command("cat")
@click.argument("session")
@click.option("--after", type=click.IntRange(min=0), default=0, metavar="SEQ", help="Only events after this one.")
@click.option("--before", type=click.IntRange(min=1), metavar="SEQ", help="Only events before this one.")
@click.option("--type", "types", multiple=True, metavar="TYPE", help="Only events of this type; may be given several times.")
@click.option("--skip-damaged", is_flag=True, help="Go on behind damaged bytes, and say which events are not there.")
def cat(context: Context, session: str, after: int, before: int | None, types: tuple[str, ...], skip_damaged: bool) -> None:
    """Print a session's stored event lines, as they are.

    One JSON object per line, as they stand in the log: made for jq and grep."""
    with context.open_log() as log, log.session(context.find_session(log, session)) as handle:
        events = handle.read(after=after, before=before, on_damage="skip" if skip_damaged else "raise")
        if skip_damaged:
            events = _noting_holes(context, handle, events, after, before)
        block: list[bytes] = []
        size = 0
        try:
            for event in events:
                if types and event.type not in types:
                    continue
                line = event.raw
                block.append(line)
                size += len(line) + 1
                if size >= _BLOCK_SIZE:
                    context.write(b"\n".join(block) + b"\n")
                    block, size = [], 0
        finally:
            if block:
                context.write(b"\n".join(block) + b"\n")


def _noting_holes(
    context: Context, session: Session, events: Iterator[StoredEvent], after: int, before: int | None
) -> Iterator[StoredEvent]:
    next_seq = after + 1
    for event in events:
        _note_hole(context, session, next_seq, event.seq)
        next_seq = event.seq + 1
        yield event
    _note_hole(context, session, next_seq, min(session.last_seq + 1, before or session.last_seq + 1))


def _note_hole(context: Context, session: Session, next_seq: int, found_seq: int) -> None:
    if found_seq > next_seq:
        missing = f"event {next_seq} is" if found_seq == next_seq + 1 else f"events {next_seq} to {found_seq - 1} are"
        context.warn(f"{missing} not there: damaged, or left out on purpose; `eventlog verify {session.id}` says which")
