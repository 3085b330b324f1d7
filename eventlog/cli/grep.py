"""``eventlog grep``: a regular expression over what was said in every session, plain, sealed and compressed ones alike.

It looks into the strings of the events as they were meant, not into their JSON: a quote is a quote and a line break ends a line. What
an importer kept of a foreign record is left out, where the same words stand again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import click
import msgspec

from ..log import EventLog
from ..stored import StoredEvent
from .columns import clipped
from .context import Context, command
from .failures import one_line

_BEFORE_A_HIT = 40


@command("grep")
@click.argument("pattern")
@click.argument("sessions", nargs=-1, metavar="[SESSION]...")
@click.option("-i", "--ignore-case", is_flag=True, help="In any case.")
@click.option("-F", "--fixed-strings", is_flag=True, help="PATTERN is a text, no regular expression (Python's).")
@click.option("-l", "--sessions-only", "only_sessions", is_flag=True, help="Only the ids of the sessions that have it.")
@click.option("--type", "types", multiple=True, metavar="TYPE", help="Only in events of this type; may be given several times.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Stop after so many lines.")
@click.option("--deleted", is_flag=True, help="In deleted sessions, too.")
def grep(
    context: Context,
    pattern: str,
    sessions: tuple[str, ...],
    ignore_case: bool,
    fixed_strings: bool,
    only_sessions: bool,
    types: tuple[str, ...],
    limit: int | None,
    deleted: bool,
) -> None:
    """Print the lines of sessions that a pattern matches.

    Also of sealed and compressed ones. Reads every event; `eventlog search` has an index of words. A line is SESSION:SEQ:TYPE: and the
    text; with --json it is {"session_id","seq","type","time","text"}. Exit code 1 where nothing matches."""
    try:
        expression = re.compile(re.escape(pattern) if fixed_strings else pattern, re.IGNORECASE if ignore_case else 0)
    except (re.error, OverflowError, RecursionError) as error:
        raise click.UsageError(f"{pattern!r} is no regular expression ({error}); -F takes it as a text") from None
    shown = 0
    with context.open_log() as log:
        for session_id in _chosen(context, log, sessions, deleted):
            for stored, text in _hits(context, log, session_id, expression, types):
                _print(context, stored, text, expression, only_sessions)
                shown += 1
                if only_sessions or shown == limit:
                    break
            if shown == limit:
                break
    if not shown:
        context.bad_news()


def _chosen(context: Context, log: EventLog, sessions: tuple[str, ...], deleted: bool) -> Iterator[str]:
    if sessions:
        yield from dict.fromkeys(context.find_session(log, session) for session in sessions)
        return
    gone = set() if deleted else {each.session_id for each in log.deleted()}
    yield from (session_id for session_id, _ in log.sessions() if session_id not in gone)


def _hits(
    context: Context, log: EventLog, session_id: str, expression: re.Pattern[str], types: tuple[str, ...]
) -> Iterator[tuple[StoredEvent, str]]:
    """Each line that matches, with its event. What is damaged is passed over."""
    with log.session(session_id) as session:
        for stored in session.read(types=types or None, on_damage="skip"):
            for text in strings(msgspec.json.decode(stored.raw).get("data")):
                for line in text.splitlines() if "\n" in text else (text,):
                    if expression.search(line):
                        yield stored, line


def strings(value: Any) -> Iterator[str]:
    """Every text within a JSON value, names of fields left out."""
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, str):
            yield each
        elif isinstance(each, dict):
            waiting += reversed(each.values())
        elif isinstance(each, list):
            waiting += reversed(each)


def _print(context: Context, stored: StoredEvent, text: str, expression: re.Pattern[str], only_sessions: bool) -> None:
    terminal = context.terminal
    if context.json:
        found = {"session_id": stored.session_id}
        context.emit(found if only_sessions else {**found, "seq": stored.seq, "type": stored.type, "time": stored.time, "text": text})
        return
    if only_sessions:
        context.say(stored.session_id, "yellow")
        return
    place = f"{stored.session_id}:{stored.seq}:{stored.type}: "
    line = one_line(text)
    if terminal.is_there:
        line = _cut(line, expression, max(terminal.width, 2 * _BEFORE_A_HIT))
        place = f"{place.rstrip()}\n    "
    click.echo(terminal.styled(place, "yellow") + _coloured(context, line, expression), color=terminal.colors)


def _cut(line: str, expression: re.Pattern[str], width: int) -> str:
    """As much of a long line as fits behind the place, from shortly before the hit."""
    found = expression.search(line)
    begin = max(0, found.start() - _BEFORE_A_HIT) if found and found.end() > width - 8 else 0
    return clipped(("…" if begin else "") + line[begin:], width - 4)


def _coloured(context: Context, line: str, expression: re.Pattern[str]) -> str:
    if not context.terminal.colors:
        return line
    return expression.sub(lambda found: context.terminal.styled(found[0], "bold red"), line)
