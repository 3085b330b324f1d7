"""Hints which sessions were written to, so that catching up costs what changed (FORMAT.md, "Changes").

One journal per store and boot, in numbered files. A writer notes a session, with its position, before it writes to it, and notes
again when it lets go of it. So whoever remembers how far it read the journal, and which sessions were noted as open there, need only
look at these and at what was noted since. Hints are never synced: after a power loss the boot is another one, and the answer
is to look at everything. A writer that died is known by its lock; its sessions are noted as closed by who finds that out.

A note that cannot be written removes the journal, which makes everybody look at everything. Hints cost time when they are
lost; they never hide a session.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import threading
import time
import uuid
from collections import Counter

import msgspec

from ..backend import Changes
from .disk import Disk, write_all
from .notes import (
    ALL,
    CLOSED,
    END,
    OPENED,
    STILL_OPEN,
    Cursor,
    Note,
    fold,
    line_of,
    name_line,
    parse_cursor,
    read_notes,
)
from .opening import open_regular

_ROLL_SIZE = 8 * 1024 * 1024
_JOURNAL = ".journal"
_ALIVE = ".alive"
_UNFINISHED = ".tmp"
_PATIENCE_S = 2.0  # with whoever has a lock for the moment of a note: a process that was stopped must not stop all others
_KEPT = 2  # numbered files: the one in use and the one before it


class Journal:
    """The journal of one store, as one process writes it. Safe to use from several threads."""

    def __init__(self, disk: Disk, folder: str) -> None:
        self._disk = disk
        self._folder = folder
        self.boot = boot_id()
        self.forget()

    def forget(self) -> None:
        """Begin anew in a child process, which is another writer. The parent's descriptors are closed, its lock stays the parent's."""
        for fd in (getattr(self, "_fd", -1), getattr(self, "_alive", -1)):
            if fd >= 0:
                os.close(fd)
        self._mutex = threading.RLock()  # reentrant: a writer may be let go of (`__del__`) at any point
        self._token = uuid.uuid4().hex[:16]
        self._fd = -1
        self._number = 0
        self._open: Counter[str] = Counter()  # how many writers of this process have noted the session and not let go of it
        self._alive = -1

    # --- writing -------------------------------------------------------------------------------------------------------------

    def opened(self, session_id: str, position: int) -> None:
        """Note that this process is about to write to the session, which is at ``position``."""
        with self._mutex:
            if not self._open[session_id]:
                self._note((OPENED, self._token, session_id, position))
            self._open[session_id] += 1

    def closed(self, session_id: str) -> None:
        """Note that this process has let go of the session."""
        with self._mutex:
            self._open[session_id] -= 1
            if self._open[session_id] <= 0:  # another writer of this process may have opened it before this one let go
                del self._open[session_id]
                self._note((CLOSED, self._token, session_id, 0))

    def close(self) -> None:
        """Note that this process has let go of everything."""
        with self._mutex:
            self._open.clear()
            if self._alive >= 0:
                self._note((CLOSED, self._token, ALL, 0))
            if self._alive >= 0:
                self._disk.close(self._alive)
                self._remove(self._alive_path(self._token))
                self._alive = -1
            if self._fd >= 0:
                self._disk.close(self._fd)
                self._fd = -1

    def begin(self) -> None:
        """Make the journal if it is not there and can be made."""
        with self._mutex:
            try:
                self._enter()
                fcntl.flock(self._fd, fcntl.LOCK_UN)
            except OSError:
                pass  # a store that cannot be written: whoever asks looks at everything

    def _note(self, note: Note) -> None:
        try:
            if self._alive >= 0 and not _has_name(self._alive, self._alive_path(self._token)):  # anybody may delete or replace changes/
                self._disk.close(self._alive)
                self._alive = -1
            if self._alive < 0:
                self._alive = self._come_alive()
            noted = False
            while not noted:
                self._enter()
                try:
                    write_all(self._disk, self._fd, line_of(note))
                    noted = _has_name(self._fd, self._path(self._number))  # else somebody has lost patience with us
                finally:
                    fcntl.flock(self._fd, fcntl.LOCK_UN)
        except OSError:
            self._give_up()

    def _come_alive(self) -> int:
        """The file whose lock says that this writer lives. It gets its name with the lock on it: nobody may find it unlocked."""
        path = self._alive_path(self._token)
        fd = self._make(path + _UNFINISHED)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            self._disk.rename(path + _UNFINISHED, path)
        except BaseException:
            self._disk.close(fd)
            raise
        return fd

    def _give_up(self) -> None:
        """A note is lost. Remove the journal; who has a file of it open finds it cut."""
        for number in self.numbers():
            try:
                fd = self._disk.open(self._path(number))
                try:
                    self._disk.truncate(fd, 0)
                finally:
                    self._disk.close(fd)
            except OSError:
                pass  # without its name, most will notice all the same
            self._remove(self._path(number))

    def _enter(self) -> None:
        """Lock the file in use; begin the next one where it has grown large. What this process had noted in a file that was deleted, it
        notes again."""
        deleted = False
        while True:
            if self._fd < 0:
                self._number = max(self.numbers(), default=1)
                self._fd = self._make(self._path(self._number))
            _lock(self._fd, fcntl.LOCK_EX)
            state = os.fstat(self._fd)
            end = os.pread(self._fd, len(END), max(0, state.st_size - len(END)))
            has_name = _has_name(self._fd, self._path(self._number))
            is_last = has_name and not os.path.exists(self._path(self._number + 1))
            if is_last and end == END:  # what follows it was deleted, and this was left
                self._disk.unlink(self._path(self._number))
                deleted = True
            elif is_last:
                if state.st_size == 0:
                    write_all(self._disk, self._fd, name_line(""))
                elif not end.endswith(b"\n"):  # somebody was killed while noting, before writing anything
                    write_all(self._disk, self._fd, b"\n")
                if deleted:
                    write_all(self._disk, self._fd, b"".join(line_of((STILL_OPEN, self._token, name, 0)) for name in sorted(self._open)))
                    deleted = False
                if state.st_size < _ROLL_SIZE:
                    return
                self._roll()
            deleted |= not has_name
            self._disk.close(self._fd)
            self._fd = -1

    def _roll(self) -> None:
        """Begin the next file with what is open now, under the lock of this one. It gets its name when that stands in it: nobody may
        find it without."""
        found = read_notes(self._fd, 0)
        still_open = fold(found.notes, set(), {})
        notes = [line_of((STILL_OPEN, token, session_id, 0)) for token, session_id in sorted(still_open)]
        path = self._path(self._number + 1)
        following = self._make(path + _UNFINISHED)
        try:
            self._disk.truncate(following, 0)
            write_all(self._disk, following, b"".join([name_line(found.name), *notes]))
        finally:
            self._disk.close(following)
        self._disk.rename(path + _UNFINISHED, path)
        write_all(self._disk, self._fd, END)
        for number in self.numbers()[:-_KEPT]:
            self._remove(self._path(number))

    def _make(self, path: str) -> int:
        try:
            return self._disk.open(path, create=True)
        except FileNotFoundError:
            try:
                self._disk.make_folder(self._folder)
            except FileExistsError:
                pass  # another writer has found it deleted, too
            return self._disk.open(path, create=True)

    # --- reading -------------------------------------------------------------------------------------------------------------

    def since(self, text: str | None) -> Changes:
        """What may have changed since the cursor (None: since ever), and the cursor to ask with next time. Raises `InvalidCursor`."""
        feed = JournalFeed(self, text)
        try:
            changes = feed.next()
            return changes if feed.has_journal else msgspec.structs.replace(changes, full=True)
        finally:
            feed.close()

    def open_file(self, number: int) -> int:
        """The numbered file for reading. Raises `OSError`, also where it is no regular file."""
        return open_regular(self._path(number))

    def has(self, fd: int, number: int) -> bool:
        """Whether the numbered file still is the one that was opened: it may be deleted, or the store be a copy of itself by now."""
        return _has_name(fd, self._path(number))

    def bury_the_dead(self, still_open: set[tuple[str, str]]) -> None:
        """Note for writers that have died that they let go: the next reader of the journal sees it and looks a last time."""
        writers = {token for token, _ in still_open} - {self._token}
        for token in filter(self._is_dead, writers):
            with self._mutex:
                self._note((CLOSED, token, ALL, 0))
                self._remove(self._alive_path(token))

    def _is_dead(self, token: str) -> bool:
        """Whether nobody holds the writer's lock. Where its file is gone, it has let go itself, or somebody deleted changes/ beneath it."""
        try:
            fd = open_regular(self._alive_path(token))
        except OSError:
            return False
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        finally:
            os.close(fd)
        return True

    # --- files ---------------------------------------------------------------------------------------------------------------

    def _path(self, number: int) -> str:
        return os.path.join(self._folder, f"{self.boot}.{number}{_JOURNAL}")

    def _alive_path(self, token: str) -> str:
        return os.path.join(self._folder, token + _ALIVE)

    def numbers(self) -> list[int]:
        prefix = self.boot + "."
        try:
            names = os.listdir(self._folder)
        except OSError:
            return []  # deleted, or not ours to look into: hints are worth no error
        middle = (name[len(prefix) : -len(_JOURNAL)] for name in names if name.startswith(prefix) and name.endswith(_JOURNAL))
        return sorted(int(number) for number in middle if number.isascii() and number.isdigit())

    def begun(self) -> list[int]:
        """Those of the numbered files that have their name. The first one is there for a moment before it has."""
        return [number for number in self.numbers() if self.size(number)]

    def size(self, number: int) -> int:
        """Of the numbered file; 0 where there is none."""
        try:
            found = os.lstat(self._path(number))
        except OSError:
            return 0
        return found.st_size if stat.S_ISREG(found.st_mode) else 0

    def _remove(self, path: str) -> None:
        try:
            self._disk.unlink(path)
        except OSError:
            pass  # gone already, or it cannot be: a hint too many costs a look


class JournalFeed:
    """Reads the notes since a cursor, again and again.

    It keeps the file that it is in open: where that is rolled away or deleted meanwhile, it is read to its end before what follows it."""

    def __init__(self, journal: Journal, text: str | None) -> None:
        self._journal = journal
        self._cursor = None if text is None else parse_cursor(text)
        self._fd = -1

    @property
    def cursor(self) -> str:
        return "" if self._cursor is None else str(self._cursor)

    @property
    def has_journal(self) -> bool:
        """Whether there is one: where it cannot be made, nobody may say that nothing has changed."""
        return self._cursor is not None and self._cursor.number > 0

    def next(self) -> Changes:
        cursor = self._cursor
        if cursor is None or cursor.boot != self._journal.boot:
            return self._everything()
        still_open, sessions = set(cursor.open), {session_id: -1 for _, session_id in cursor.open}
        number, name, offset = cursor.number, cursor.name, cursor.offset
        following = self._journal.begun()  # before reading: what is not the last of these is complete
        expected = number + 1
        if number:
            if self._fd < 0 and not self._open(number):
                return self._everything()
            gone = not self._journal.has(self._fd, number)
            if gone:
                try:
                    _lock(self._fd, fcntl.LOCK_SH)  # whoever was still writing to it is done then
                except TimeoutError:
                    return self._everything()
                following = self._journal.begun()
            found = read_notes(self._fd, offset)
            if gone:
                fcntl.flock(self._fd, fcntl.LOCK_UN)
                expected = number + 1 if found.is_followed else 1  # rolled away, or deleted and begun anew
            else:
                following = [other for other in following if other > number]
            if found.name != name or found.size < offset:
                return self._everything()
            still_open, offset = fold(found.notes, still_open, sessions), found.end
        if following and following[0] != expected:
            return self._everything()
        before = "" if expected == 1 else name
        for number in following:
            if not self._open(number):
                return self._everything()
            found = read_notes(self._fd, 0)
            if found.before != before:  # it follows another one, which was deleted before anybody could read it
                return self._everything()
            before = found.name
            still_open, name, offset = fold(found.notes, still_open, sessions), found.name, found.end
        return self._at(Changes(False, sessions, ""), number, name, offset, still_open)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _everything(self) -> Changes:
        if not self._journal.begun():
            self._journal.begin()  # "nothing since then" can only be said of a journal that is there
        while numbers := self._journal.begun():
            if self._open(numbers[-1]):
                found = read_notes(self._fd, 0)
                still_open = fold(found.notes, set(), {})
                return self._at(Changes(True, {}, ""), numbers[-1], found.name, found.end, still_open)
            if self._journal.size(numbers[-1]):
                break  # it is there, and not ours to read
        self.close()
        return self._at(Changes(True, {}, ""), 0, "", 0, set())

    def _at(self, changes: Changes, number: int, name: str, offset: int, still_open: set[tuple[str, str]]) -> Changes:
        self._cursor = Cursor(self._journal.boot, number, name, offset, sorted(still_open))
        self._journal.bury_the_dead(still_open)
        return msgspec.structs.replace(changes, cursor=self.cursor)

    def _open(self, number: int) -> bool:
        self.close()
        try:
            self._fd = self._journal.open_file(number)
        except OSError:
            return False  # deleted, or not ours to read
        return True


def _has_name(fd: int, path: str) -> bool:
    """Whether what is open is what has the name. The number of its links tells nothing: a store may be moved aside and restored."""
    try:
        return os.path.samestat(os.fstat(fd), os.lstat(path))
    except FileNotFoundError:
        return False


def _lock(fd: int, kind: int) -> None:
    """Take a lock that nobody keeps for long. Raises `TimeoutError`, and what the system says."""
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            fcntl.flock(fd, kind | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT)) from None
        time.sleep(0.0005)


def boot_id() -> str:
    """What tells one boot of this machine from the next: after a power loss nothing that was not synced may be relied on."""
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:
            return file.read().strip()
    except OSError:
        # Elsewhere: when the machine was started, to ten seconds; where that wavers, somebody looks at everything once.
        return f"b{round((time.time() - time.monotonic()) / 10)}"
