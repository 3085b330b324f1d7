"""One event, one line: bytes in, bytes out, no I/O (FORMAT.md, "Lines").

A line is a JSON object whose last field is ``crc``: the running CRC-32 of all bytes of the segment before that field. So
one checksum call proves any number of lines, a dropped, doubled or reordered line is noticed, and a writer that joins goes
on from the last line. The field and what follows it always take the last `TAIL_SIZE` bytes of a line; content may
contain text that looks like it, so it is only ever looked for there.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from .checksum import crc32
from .errors import EventTooLarge, InvalidEvent
from .limits import MAX_DEPTH, MAX_LINE_DEPTH, is_deeper, unwritable, wrong_in_text

TAIL_SIZE = 19  # ,"crc":"9f2a11c0"}\n
_TAIL = b',"crc":"%08x"}\n'
_TAIL_SHAPE = re.compile(rb',"crc":"([0-9a-f]{8})"\}\n')
MORE = b',"more":true'
_NEWLINE = ord("\n")  # as a number: to look for that in a bytearray takes an eighth of looking for a text of one byte
MIN_LINE_SIZE = 80  # no event line is shorter: the fixed names, a time of 27 characters and the tail


class Envelope(msgspec.Struct, omit_defaults=True, gc=False):
    """What stands around an event's data, in the order in which it is written. ``seq`` is set under the lock."""

    seq: int
    time: Any
    type: str
    data: Any
    v: int = 1
    id: str | None = None
    origin: Any = None
    more: bool = False


NOT_JSON = (TypeError, ValueError, RecursionError, OverflowError)  # what the encoder raises for what is none
_encode_into = msgspec.json.Encoder().encode_into


def encode_into(envelope: Envelope | msgspec.Struct, buffer: bytearray, running: int) -> int:
    """Make ``buffer`` the envelope's line, whatever was in it, and return the running checksum after the line.

    Into a buffer that is used again this takes a fifth less than making the bytes of each line anew. Raises `InvalidEvent` where the
    envelope cannot be written as one line of JSON."""
    try:
        _encode_into(envelope, buffer)
    except NOT_JSON as error:
        raise not_json(envelope, error) from error
    if _NEWLINE in buffer:
        raise InvalidEvent("the event holds raw JSON with a line break in it; an event is one line, give it without")
    buffer.pop()  # the closing brace, which comes after the checksum
    crc = crc32(buffer, running)
    tail = _TAIL % crc
    buffer += tail
    return crc32(tail, crc)


def encode(envelope: Envelope | msgspec.Struct, running: int) -> tuple[bytes, int]:
    """The envelope as a line, and the running checksum after it. Raises `InvalidEvent`."""
    buffer = bytearray()
    running = encode_into(envelope, buffer, running)
    return bytes(buffer), running


def not_json(value: Any, error: Exception) -> InvalidEvent:
    """What to raise where the encoder refused the value, with the place and the remedy."""
    if isinstance(error, RecursionError):
        return too_deep("the event")
    found = unwritable(value)
    if found is None:
        return InvalidEvent(f"the event cannot be written as JSON: {error}; give text, numbers, lists and mappings")
    return cannot_hold(*found)


def cannot_hold(where: str, what: str) -> InvalidEvent:
    return InvalidEvent(
        f"the event cannot be written as JSON: {where or 'its data'} holds {what}, for which JSON has no text; replace it"
        " (eventlog.verbatim keeps a record of another program as it is)",
        where or None,
    )


def too_deep(what: str) -> InvalidEvent:
    limit = f"{MAX_DEPTH} levels for data and for origin.record, fewer than {MAX_LINE_DEPTH} for a whole line"
    return InvalidEvent(f"{what} is nested too deeply: the limit is {limit}; flatten it, or store it as text")


def single_line(raw: bytes | bytearray | memoryview | msgspec.Raw) -> msgspec.Raw:
    """JSON text as it may stand inside a line: unchanged but for line breaks between its tokens. Raises `InvalidEvent` for what is
    not JSON: it would make the line, and so its session, unreadable."""
    data = bytes(raw)
    try:
        data.decode()  # the decoder below passes over text that is not UTF-8
        msgspec.json.decode(data, type=msgspec.Raw)
    except RecursionError:
        raise too_deep("the raw data") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        why = wrong_in_text(data) or str(error)
        raise InvalidEvent(f"the raw data is not JSON: it holds {why}; give JSON text in UTF-8, or a mapping") from None
    if b"\n" in data or b"\r" in data:
        data = msgspec.json.format(data, indent=-1)
    return msgspec.Raw(data)


def check_lines(chunk: bytes) -> None:
    """That whole lines which are taken as they are can be read by every reader. Raises `InvalidEvent`."""
    for line in chunk.split(b"\n"):
        if len(line) > 2 * MAX_LINE_DEPTH and is_deeper(line, MAX_LINE_DEPTH - 1):
            raise too_deep(f"the line {line[:20].decode(errors='replace')}...")


def check_size(size_bytes: int, limit_bytes: int, what: str = "event") -> None:
    if size_bytes > limit_bytes:
        raise EventTooLarge(size_bytes, limit_bytes, what)


def tail_of(crc: int) -> bytes:
    return _TAIL % crc


def stated(line: bytes) -> int | None:
    """The checksum that a line (or the last line of a chunk) states, None where its last bytes are not of that shape."""
    match = _TAIL_SHAPE.fullmatch(line, max(0, len(line) - TAIL_SIZE))
    return int(match[1], 16) if match else None


def after(line: bytes) -> int | None:
    """The running checksum after a line, taken from what the line itself states: where a joining writer goes on."""
    crc = stated(line)
    return None if crc is None else crc32(line[-TAIL_SIZE:], crc)


def prove(chunk: bytes, running: int) -> int | None:
    """Check whole lines against the running checksum before them: the running checksum after them, or None.

    One checksum over everything proves every line in it. The eight characters are compared as they stand."""
    with memoryview(chunk) as view:
        running = crc32(view[:-TAIL_SIZE], running)
    tail = _TAIL % running
    return crc32(tail, running) if chunk.endswith(tail) and chunk.startswith(b"{") else None


def ends_within_batch(chunk: bytes) -> bool:
    """Whether the last line of the chunk is a line of a batch that goes on (``more``, which stands right before ``crc``)."""
    return chunk.endswith(MORE, 0, -TAIL_SIZE)


def seq_of(chunk: bytes, start: int = 0) -> int:
    """The seq of the proven event line that begins at ``start``."""
    return int(chunk[start + 7 : chunk.index(b",", start)])
