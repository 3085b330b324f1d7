"""``eventlog cat``: the stored lines of a session, byte for byte."""

from __future__ import annotations

from collections.abc import Iterator

import click
import msgspec

from ..session import Session
from ..stored import StoredEvent
from .context import Context, command

_BLOCK_SIZE = 64 * 1024


@command("cat")
@click.argument("session", required=False)
@click.option("--all", "everything", is_flag=True, help="Of every session that is not deleted, one after the other.")
@click.option("--after", type=click.IntRange(min=0), default=0, metavar="SEQ", help="Only events after this one.")
@click.option("--before", type=click.IntRange(min=1), metavar="SEQ", help="Only events before this one.")
@click.option("--type", "types", multiple=True, metavar="TYPE", help="Only events of this type; may be given several times.")
@click.option("--skip-damaged", is_flag=True, help="Go on behind damaged bytes, and say which events are not there.")
def cat(
    context: Context, session: str | None, everything: bool, after: int, before: int | None, types: tuple[str, ...], skip_damaged: bool
) -> None:
    """Print a session's stored event lines, as they are.

    One JSON object per line, as they stand in the log, also where it is compressed: made for jq and grep. With --all --json each has
    its session_id as its first field."""
    if (session is None) != everything:
        raise click.UsageError("give a SESSION or --all, one of the two")
    with context.open_log() as log:
        if session is not None:
            chosen = iter([context.find_session(log, session)])
        else:
            gone = {each.session_id for each in log.deleted()}
            chosen = (session_id for session_id, _ in log.sessions() if session_id not in gone)
        for session_id in chosen:
            with log.session(session_id) as handle:
                _print(context, handle, after, before, types, skip_damaged, names=everything and context.json)


def _print(
    context: Context, handle: Session, after: int, before: int | None, types: tuple[str, ...], skip_damaged: bool, names: bool
) -> None:
    events = handle.read(after=after, before=before, on_damage="skip" if skip_damaged else "raise")
    if skip_damaged:
        events = _noting_holes(context, handle, events, after, before)
    whose = b'{"session_id":' + msgspec.json.encode(handle.id) + b","
    block: list[bytes] = []
    size = 0
    try:
        for event in events:
            if types and event.type not in types:
                continue
            line = whose + event.raw[1:] if names else event.raw
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
