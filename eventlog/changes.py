"""Hints which sessions were written to, so that catching up costs what changed (FORMAT.md, "Changes").

One journal per store and boot, in numbered files. A writer notes a session, with its position, before it writes to it, and notes
again when it lets go of it. So whoever remembers how far it read the journal, and which sessions were noted as open there, need only
look at these and at what was noted since. Hints are never synced: after a power loss the boot is another one, and the answer
is to look at everything. A writer that died is known by its lock; its sessions are noted as closed by who finds that out.

A note that cannot be written removes the journal, which makes everybody look at everything. Hints cost time when they are
lost; they never hide a session.
"""

from __future__ import annotations

import fcntl
import os
import time
import uuid

import msgspec

from .backend import Changes
from .disk import Disk, write_all
from .errors import InvalidCursor

_ROLL_SIZE = 8 * 1024 * 1024
_JOURNAL = ".journal"
_ALIVE = ".alive"
_KEPT = 2  # numbered files: the one in use and the one before it

_Note = tuple[str, str, str, int]  # kind, the writer's token, the session, its position
_NAME, _OPENED, _STILL_OPEN, _CLOSED = "#", "+", "=", "-"  # _NAME comes first in a file and makes it unlike any other of its number
_ALL = "*"  # in place of a session: all of the writer's


class Cursor(msgspec.Struct, frozen=True, array_like=True):
    """How far somebody read the journal, and who was writing to what at that point. Small: writers keep few sessions open."""

    boot: str
    number: int
    name: str
    offset: int
    open: list[tuple[str, str]]  # (token, session id)

    def __str__(self) -> str:
        return msgspec.json.encode(self).decode()


class _Read(msgspec.Struct, frozen=True):
    name: str
    notes: list[_Note]
    end: int


class Journal:
    """The journal of one store, as one process writes and reads it."""

    def __init__(self, disk: Disk, folder: str) -> None:
        self._disk = disk
        self._folder = folder
        self._boot = boot_id()
        self.forget()

    def forget(self) -> None:
        """Begin anew in a child process, which is another writer. The parent's descriptors are closed, its lock stays the parent's."""
        for fd in (getattr(self, "_fd", -1), getattr(self, "_alive", -1)):
            if fd >= 0:
                os.close(fd)
        self._token = uuid.uuid4().hex[:16]
        self._fd = -1
        self._number = 0
        self._alive = -1

    # --- writing -------------------------------------------------------------------------------------------------------------

    def opened(self, session_id: str, position: int) -> None:
        """Note that this process is about to write to the session, which is at ``position``."""
        self._note((_OPENED, self._token, session_id, position))

    def closed(self, session_id: str) -> None:
        """Note that this process has let go of the session."""
        self._note((_CLOSED, self._token, session_id, 0))

    def close(self) -> None:
        """Note that this process has let go of everything."""
        if self._alive >= 0:
            self._note((_CLOSED, self._token, _ALL, 0))
            self._disk.close(self._alive)
            self._remove(self._alive_path(self._token))
            self._alive = -1
        if self._fd >= 0:
            self._disk.close(self._fd)
            self._fd = -1

    def _note(self, note: _Note) -> None:
        try:
            if self._alive < 0:
                self._alive = self._make(self._alive_path(self._token))
                fcntl.flock(self._alive, fcntl.LOCK_EX)
            self._enter()
            try:
                write_all(self._disk, self._fd, _line(note))
            finally:
                fcntl.flock(self._fd, fcntl.LOCK_UN)
        except OSError:
            for number in self._numbers():
                self._remove(self._path(number))

    def _enter(self) -> None:
        """Lock the file in use; begin the next one where it has grown large."""
        while True:
            if self._fd < 0:
                self._number = max(self._numbers(), default=1)
                self._fd = self._make(self._path(self._number))
            fcntl.flock(self._fd, fcntl.LOCK_EX)
            state = os.fstat(self._fd)
            if state.st_nlink and not os.path.exists(self._path(self._number + 1)):
                if state.st_size == 0:
                    write_all(self._disk, self._fd, _line((_NAME, "", uuid.uuid4().hex[:16], 0)))
                if state.st_size < _ROLL_SIZE:
                    return
                self._roll()
            self._disk.close(self._fd)
            self._fd = -1

    def _roll(self) -> None:
        """Begin the next file with what is open now, under the lock of this one."""
        found = self._read(self._number, 0)
        still_open = set() if found is None else _fold(found.notes, set(), {})
        notes = [_line((_STILL_OPEN, token, session_id, 0)) for token, session_id in sorted(still_open)]
        following = self._make(self._path(self._number + 1))
        try:
            fcntl.flock(following, fcntl.LOCK_EX)
            if os.fstat(following).st_size == 0:
                notes.insert(0, _line((_NAME, "", uuid.uuid4().hex[:16], 0)))
            write_all(self._disk, following, b"".join(notes))
        finally:
            self._disk.close(following)
        for number in self._numbers()[:-_KEPT]:
            self._remove(self._path(number))

    def _make(self, path: str) -> int:
        try:
            return self._disk.open(path, create=True)
        except FileNotFoundError:
            self._disk.make_folder(self._folder)  # somebody deleted changes/, which anybody may
            return self._disk.open(path, create=True)

    # --- reading -------------------------------------------------------------------------------------------------------------

    def since(self, text: str | None) -> Changes:
        """What may have changed since the cursor (None: since ever), and the cursor to ask with next time. Raises `InvalidCursor`."""
        cursor = None if text is None else parse_cursor(text)
        numbers = self._numbers()
        if cursor is None or cursor.boot != self._boot or cursor.number not in numbers:
            return self._everything(numbers)
        still_open, sessions = set(cursor.open), {session_id: -1 for _, session_id in cursor.open}
        offset, found = cursor.offset, None
        for number in range(cursor.number, numbers[-1] + 1):
            found = self._read(number, offset)
            if found is None or (number == cursor.number and found.name != cursor.name):
                return self._everything(numbers)
            still_open = _fold(found.notes, still_open, sessions)
            offset = 0
        assert found is not None
        self._bury_the_dead(still_open)
        return Changes(False, sessions, str(Cursor(self._boot, numbers[-1], found.name, found.end, sorted(still_open))))

    def _everything(self, numbers: list[int]) -> Changes:
        found = self._read(numbers[-1], 0) if numbers else None
        if found is None:
            return Changes(True, {}, str(Cursor(self._boot, 0, "", 0, [])))
        still_open = _fold(found.notes, set(), {})
        self._bury_the_dead(still_open)
        return Changes(True, {}, str(Cursor(self._boot, numbers[-1], found.name, found.end, sorted(still_open))))

    def _read(self, number: int, offset: int) -> _Read | None:
        """The whole notes from ``offset`` on; None where there is no such file."""
        try:
            with open(self._path(number), "rb") as file:
                first = file.readline()
                file.seek(offset)
                data = file.read()
        except FileNotFoundError:
            return None
        data = data[: data.rfind(b"\n") + 1]
        notes = _decode(first)
        name = notes[0][2] if notes and notes[0][0] == _NAME else ""
        return _Read(name, _decode(data), offset + len(data))

    def _bury_the_dead(self, still_open: set[tuple[str, str]]) -> None:
        """Note for writers that have died that they let go: the next reader of the journal sees it and looks a last time."""
        for token in {token for token, _ in still_open if token != self._token and not self._is_alive(token)}:
            self._note((_CLOSED, token, _ALL, 0))
            self._remove(self._alive_path(token))

    def _is_alive(self, token: str) -> bool:
        try:
            fd = os.open(self._alive_path(token), os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
        finally:
            os.close(fd)
        return False

    # --- files ---------------------------------------------------------------------------------------------------------------

    def _path(self, number: int) -> str:
        return os.path.join(self._folder, f"{self._boot}.{number}{_JOURNAL}")

    def _alive_path(self, token: str) -> str:
        return os.path.join(self._folder, token + _ALIVE)

    def _numbers(self) -> list[int]:
        prefix = self._boot + "."
        try:
            names = os.listdir(self._folder)
        except FileNotFoundError:
            return []
        middle = (name[len(prefix) : -len(_JOURNAL)] for name in names if name.startswith(prefix) and name.endswith(_JOURNAL))
        return sorted(int(number) for number in middle if number.isdigit())

    def _remove(self, path: str) -> None:
        try:
            self._disk.unlink(path)
        except OSError:
            pass  # gone already, or it cannot be: a hint too many costs a look


def _line(note: _Note) -> bytes:
    return msgspec.json.encode(note) + b"\n"


def _decode(data: bytes) -> list[_Note]:
    """The notes in whole lines. One that is no note is passed over: it can only have been a hint."""
    try:
        return msgspec.json.Decoder(_Note).decode_lines(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        notes = []
        for line in data.splitlines():
            try:
                notes.append(msgspec.json.decode(line, type=_Note))
            except (msgspec.DecodeError, UnicodeDecodeError):
                continue
        return notes


def _fold(notes: list[_Note], still_open: set[tuple[str, str]], sessions: dict[str, int]) -> set[tuple[str, str]]:
    """Who writes to what after these notes; ``sessions`` gains what they name, with the position where it was first noted."""
    for kind, token, session_id, position in notes:
        if kind in (_OPENED, _STILL_OPEN):
            still_open.add((token, session_id))
            sessions.setdefault(session_id, position if kind == _OPENED else -1)
        elif kind == _CLOSED and session_id != _ALL:
            still_open.discard((token, session_id))
            sessions.setdefault(session_id, -1)
        elif kind == _CLOSED:
            gone = {pair for pair in still_open if pair[0] == token}
            still_open -= gone
            for _, name in gone:
                sessions.setdefault(name, -1)
    return still_open


def parse_cursor(text: str) -> Cursor:
    try:
        return msgspec.json.decode(text, type=Cursor)
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        raise InvalidCursor(f"{text[:80]!r} is not a cursor of this log; use one that it gave out, or 'start'") from error


def boot_id() -> str:
    """What tells one boot of this machine from the next: after a power loss nothing that was not synced may be relied on."""
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:
            return file.read().strip()
    except OSError:
        # Elsewhere: when the machine was started, to ten seconds; where that wavers, somebody looks at everything once.
        return f"b{round((time.time() - time.monotonic()) / 10)}"
