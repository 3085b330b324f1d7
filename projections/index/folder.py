"""The folder ``projections/`` of a store: which file holds which projection, and how one takes the place of another.

A file is named ``<projection>.<version>.<number>-<token>.sqlite``. It is built under another name and renamed when it is complete and
synced, and the highest number counts: so a kill at any moment leaves what was there, a reader keeps the file that it has open,
and a new version stands beside the old one until it is complete. Whoever builds holds the projection's lock file. The token is random: no
name is ever used twice, as SQLite would take the write-ahead log that a former file of the name has left for the new one's.

The folder may be deleted at any time.
"""

from __future__ import annotations

import fcntl
import os
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256

import msgspec

from eventlog.errors import EventLogError
from eventlog.files.disk import Disk
from eventlog.files.opening import NotRegular, is_regular

_NAME = re.compile(r"(?P<projection>[a-z][a-z0-9_]*)\.(?P<version>[A-Za-z0-9-]+)\.(?P<number>[0-9]{1,12})-(?P<token>[0-9a-f]{8})\.sqlite")
_BUILDING = ".building"
_COMPANIONS = ("-wal", "-shm", "-journal")


class IndexFile(msgspec.Struct, frozen=True, order=True):
    """The name of a complete file, taken apart."""

    number: int
    projection: str
    version: str
    token: str

    def __str__(self) -> str:
        return f"{self.projection}.{self.version}.{self.number}-{self.token}.sqlite"


class Blocked(EventLogError):
    """Something that is no file stands where one of the index has to."""

    def __init__(self, path: str, kind: str) -> None:
        self.path = path
        self.kind = kind
        super().__init__(f"{path} is {kind}, not a file; remove {os.path.dirname(path)}, which is made anew from the log")


class Folder:
    def __init__(self, path: str, disk: Disk) -> None:
        self.path = path
        self.disk = disk
        self._token = uuid.uuid4().hex[:8]

    def files(self, projection: str) -> list[IndexFile]:
        """The complete files of a projection, of any version, newest last."""
        try:
            names = os.listdir(self.path)
        except (FileNotFoundError, NotADirectoryError):
            return []
        found = [match for match in map(_NAME.fullmatch, names) if match and match["projection"] == projection]
        found = [match for match in found if is_regular(os.path.join(self.path, match[0]))]  # SQLite would wait for a FIFO for ever
        return sorted(IndexFile(int(match["number"]), projection, match["version"], match["token"]) for match in found)

    def where(self, file: IndexFile) -> str:
        return os.path.join(self.path, str(file))

    def building(self, projection: str, part: str = "") -> str:
        """Where a file is built, by whoever holds the lock; ``part`` names the piece of one process of several.

        The names are this object's own: the processes of a build that was killed may live a moment longer, and where somebody deletes
        the folder, and the lock with it, two that build do not meet."""
        return os.path.join(self.path, f"{projection}.{self._token}{part}{_BUILDING}")

    def begin(self, projection: str, part: str = "") -> str:
        """Make an empty file to build in, readable by its owner only; returns where it is. The lock is held."""
        path = self.building(projection, part)
        self.remove(path)
        self.disk.close(self.disk.open(path, create=True))
        return path

    def make(self) -> None:
        """Make the folder if it is not there. Raises `OSError` where the store cannot be written."""
        try:
            self.disk.make_folder(self.path)
        except FileExistsError:
            pass
        if not os.path.isdir(self.path):
            raise NotADirectoryError(self.path)

    @contextmanager
    def lock(self, projection: str, *, wait: bool) -> Iterator[bool]:
        """Hold the right to build the projection. Gives False where another has it and ``wait`` is not set."""
        path = os.path.join(self.path, f"{projection}.lock")
        try:
            fd = self.disk.open(path, create=True)
        except NotRegular as error:
            raise Blocked(path, error.kind) from error
        try:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                yield False
            else:
                yield True
        finally:
            self.disk.close(fd)

    def install(self, projection: str, version: int | str) -> IndexFile:
        """Make what was built the file that counts, durably, and remove the ones that it replaces. The lock is held."""
        older = self.files(projection)
        file = IndexFile(older[-1].number + 1 if older else 1, projection, slug(version), uuid.uuid4().hex[:8])
        built = self.building(projection)
        fd = self.disk.open(built)
        try:
            self.disk.sync(fd)
        finally:
            self.disk.close(fd)
        self.disk.rename(built, self.where(file))
        self.disk.sync_directory(self.path)
        others = [former for former in older if former.version != file.version]
        for former in older:
            if former not in others[-1:]:  # another program may still be of the other version
                self.remove(self.where(former))
        return file

    def clear(self, projection: str) -> None:
        """Remove what a build that was killed has left. The lock is held."""
        for name in os.listdir(self.path):
            if name.startswith(f"{projection}.") and _BUILDING in name:
                self.remove(os.path.join(self.path, name))

    def remove(self, path: str) -> None:
        for name in (path, *(path + companion for companion in _COMPANIONS)):
            try:
                self.disk.unlink(name)
            except FileNotFoundError:
                pass


def slug(version: int | str) -> str:
    """The version as it stands in a file's name."""
    text = str(version)
    plain = re.sub(r"[^A-Za-z0-9-]", "-", text)
    return plain if plain == text and len(plain) <= 40 else f"{plain[:40]}-{sha256(text.encode()).hexdigest()[:8]}"
