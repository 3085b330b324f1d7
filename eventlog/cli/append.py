"""``eventlog append``: JSON lines from standard input become events, each durable before the next one is read."""

from __future__ import annotations

import re
import sys
from codecs import BOM_UTF8
from typing import BinaryIO

import click
import msgspec

from ..errors import EventLogError, InvalidEvent, InvalidInput, SessionExists, SessionNotFound
from ..events import UnknownEvent
from ..log import EventLog
from ..registry import check_type_name, known_types
from ..session import Session
from .context import Context, command
from .failures import Refused

_HALF_PAIR = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB]..)\\u[dD][c-fC-F][0-9a-fA-F]{2}")


class InputLine(msgspec.Struct, forbid_unknown_fields=True):
    """What a line may carry."""

    type: str
    data: msgspec.Raw
    id: str | None = None
    time: str | None = None


@command("append")
@click.argument("session")
@click.option("--create", is_flag=True, help="Begin the session (and the store) if it is not there.")
@click.option("--template", metavar="NAME", help="With --create: what the session begins with, if it is not there.")
def append(context: Context, session: str, create: bool, template: str | None) -> None:
    """Append JSON lines from standard input to a session.

    A line is {"type": ..., "data": {...}}, with "id" (makes sending it again safe) and "time" (ISO 8601) where wanted. Each is on disk
    before the next one is read. The first line that is refused ends the command with its number; those before it are in the log.
    Prints the seq of the last event."""
    if template is not None and not create:
        raise click.UsageError("--template is for a session that begins; give --create, too")
    with context.open_log(write=True, create=create) as log, _open(context, log, session, create, template) as handle:
        if sys.stdin.isatty():
            context.warn('reading JSON lines like {"type":"message.added","data":{"role":"user","content":"Hello"}}; Ctrl-D ends')
        last_seq = _append_lines(handle, sys.stdin.buffer, log.settings.max_event_bytes)
        handle.sync()
    if context.json:
        context.emit({"session_id": handle.id, "last_seq": last_seq})
    else:
        context.say(str(last_seq))


def _open(context: Context, log: EventLog, session: str, create: bool, template: str | None) -> Session:
    """The session; with ``create`` only that of exactly this id."""
    try:
        if not create:
            return log.session(context.session_to_change(log, session))
        if template is not None:
            try:
                return log.start(id=session, template=template)
            except SessionExists:
                pass  # it has begun already
        return log.session(session, create=True)
    except SessionNotFound as error:
        raise Refused(f"no session {session!r} in this store; --create begins it, `eventlog list` shows what there is") from error


def _append_lines(session: Session, source: BinaryIO, limit_bytes: int) -> int:
    last_seq = session.last_seq
    number = 0
    while line := source.readline(limit_bytes + 1):
        number += 1
        if number == 1:
            line = line.removeprefix(BOM_UTF8)
        if not line.strip():
            continue
        try:
            if len(line) > limit_bytes:
                raise InvalidEvent(
                    f"it is longer than the limit of {limit_bytes:,} bytes; store large content as a file, or raise max_event_bytes"
                )
            event, id, time = parse(line)
            last_seq = session.append(event, id=id, time=time)
        except InvalidInput as error:
            raise InvalidEvent(_stopped(number, error, last_seq)) from error
        except EventLogError as error:
            raise Refused(_stopped(number, error, last_seq)) from error
    return last_seq


def _stopped(number: int, error: Exception, last_seq: int) -> str:
    return f"line {number}: {error}; the lines before it are in the log (last seq {last_seq})"


def parse(line: bytes) -> tuple[UnknownEvent, str | None, str | None]:
    """The event of a line with its id and time, checked whole; its data is kept as the text that it is. Raises `InvalidEvent`."""
    try:
        line.decode()  # asked here, since not every msgspec tells this error from other ones
        found = msgspec.json.decode(line, type=InputLine)
        check_type_name(found.type)
        cls = known_types().get(found.type)
        whole = msgspec.json.decode(found.data)  # UTF-8, numbers and depth, also of what no field asks for
        if not isinstance(whole, dict):
            raise InvalidEvent('"data" is not a JSON object; give {"type": ..., "data": {...}}')
    except UnicodeDecodeError as error:
        raise InvalidEvent(f"it is not UTF-8 ({error.reason} at byte {error.start}); convert it") from error
    except RecursionError as error:
        raise InvalidEvent("its JSON is nested too deeply; flatten it, or store it as text") from error
    except msgspec.ValidationError as error:
        raise InvalidEvent(f'it is not a line of {{"type", "data", "id"?, "time"?}} as its type asks for ({error}); mend it') from error
    except msgspec.DecodeError as error:
        if half := _HALF_PAIR.search(line):
            raise InvalidEvent(f"it holds half of a surrogate pair, {half[0].decode()}, which is no character; take it out") from error
        raise InvalidEvent(f"it is not JSON ({error}); give one JSON object per line") from error
    except ValueError as error:
        raise error if isinstance(error, InvalidEvent) else InvalidEvent(str(error)) from error
    return UnknownEvent(found.type, found.data, cls.version if cls else 1), found.id, found.time
