"""What stands in the journal of changes, line by line: notes, and the cursor of somebody who has read them (FORMAT.md, "Changes")."""

from __future__ import annotations

import os
import uuid

import msgspec

from ..decoding import decoder
from ..errors import InvalidCursor

Note = tuple[str, str, str, int]  # kind, the writer's token, the session, its position
# NAME comes first in a file, makes it unlike any other of its number, and names the file before it
NAME, OPENED, STILL_OPEN, CLOSED, FOLLOWED = "#", "+", "=", "-", "."  # FOLLOWED comes last, once the next file is there
ALL = "*"  # in place of a session: all of the writer's


class Cursor(msgspec.Struct, frozen=True, array_like=True):
    """How far somebody read the journal, and who was writing to what at that point. Small: writers keep few sessions open."""

    boot: str
    number: int
    name: str
    offset: int
    open: list[tuple[str, str]]  # (token, session id)

    def __str__(self) -> str:
        return msgspec.json.encode(self).decode()


class NotesRead(msgspec.Struct, frozen=True):
    before: str  # the name of the file that this one follows; "" where it is the first, or begins anew
    name: str
    notes: list[Note]
    end: int
    size: int
    is_followed: bool  # nothing is noted here any more


def read_notes(fd: int, offset: int) -> NotesRead:
    """The name of a journal file and its whole notes from ``offset`` on."""
    first = os.pread(fd, 256, 0)
    notes = _decode(first[: first.find(b"\n") + 1])
    before, name = notes[0][1:3] if notes and notes[0][0] == NAME else ("", "")
    size = os.fstat(fd).st_size
    data = os.pread(fd, max(0, size - offset), offset)
    data = data[: data.rfind(b"\n") + 1]
    return NotesRead(before, name, _decode(data), offset + len(data), size, os.pread(fd, len(END), max(0, size - len(END))) == END)


def line_of(note: Note) -> bytes:
    return msgspec.json.encode(note) + b"\n"


def name_line(before: str) -> bytes:
    return line_of((NAME, before, uuid.uuid4().hex[:16], 0))


END = line_of((FOLLOWED, "", "", 0))


def _decode(data: bytes) -> list[Note]:
    """The notes in whole lines. One that is no note is passed over: it can only have been a hint."""
    try:
        return decoder(Note).decode_lines(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        notes = []
        for line in data.splitlines():
            try:
                notes.append(decoder(Note).decode(line))
            except (msgspec.DecodeError, UnicodeDecodeError):
                continue
        return notes


def fold(notes: list[Note], still_open: set[tuple[str, str]], sessions: dict[str, int]) -> set[tuple[str, str]]:
    """Who writes to what after these notes; ``sessions`` gains what they name, with the position where it was first noted."""
    for kind, token, session_id, position in notes:
        if kind in (OPENED, STILL_OPEN):
            still_open.add((token, session_id))
            sessions.setdefault(session_id, position if kind == OPENED else -1)
        elif kind == CLOSED and session_id != ALL:
            still_open.discard((token, session_id))
            sessions.setdefault(session_id, -1)
        elif kind == CLOSED:
            gone = {pair for pair in still_open if pair[0] == token}
            still_open -= gone
            for _, name in gone:
                sessions.setdefault(name, -1)
    return still_open


def parse_cursor(text: str) -> Cursor:
    try:
        cursor: Cursor = decoder(Cursor).decode(text)
        return cursor
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        raise InvalidCursor(f"{text[:80]!r} is not a cursor of this log; use one that it gave out, or 'start'") from error
