"""Sessions in one file, to be handed to somebody: a tar archive of their segments as they are, with a manifest that proves them.

    manifest.json                   {"bundle":1,"min_reader":1,"created":"...","sessions":[{"session_id","files":[...]}]}
    sessions/<session-id>.<first-seq>.jsonl[.zst]

A file in the manifest has ``name``, ``size`` and ``sha256``. Whoever takes a bundle believes nothing: sizes and digests are compared,
and each session is verified like one of the store's own before a name is given to it. Only the names in the manifest count.
"""

from __future__ import annotations

import io
import os
import stat
import tarfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from hashlib import sha256
from pathlib import Path

import msgspec

from ... import timestamps
from ...backend import Lines
from ...decoding import decoder
from ...errors import EventLogError, InvalidBundle, InvalidInput, SessionNotFound
from ...ids import check_session_id, new_session_id
from ...reports import BundledFile, BundledSession, Manifest
from .. import reader
from ..backend import FilesBackend
from ..destination import destination_of
from ..disk import Disk, write_all
from ..layout import TEMPORARY, SegmentName, parse_segment_name
from ..verify import verify
from . import snapshot
from .incoming import Incoming
from .snapshot import OpenFile

VERSION = 1
_MANIFEST = "manifest.json"
_FOLDER = "sessions/"
_MOST_MANIFEST = 64 * 1024 * 1024
_READ_SIZE = 1024 * 1024


# --- writing -------------------------------------------------------------------------------------------------------------------


Write = Callable[[bytes], object]


def write(backend: FilesBackend, session_ids: Iterable[str], to: Path | Write) -> Manifest:
    """See `EventLog.bundle`."""
    with ExitStack() as stack:
        sessions = [(each, stack.enter_context(_opened(backend, each))) for each in dict.fromkeys(session_ids)]
        manifest = Manifest(VERSION, VERSION, timestamps.normalise(timestamps.now()), [_describe(*each) for each in sessions])
        if not isinstance(to, Path):
            _archive(manifest, sessions, to)
        else:
            target, is_replaced = destination_of(to)
            with _replacing(backend.disk, target) if is_replaced else _writing_to(backend.disk, target) as put:
                _archive(manifest, sessions, put)
    return manifest


def _archive(manifest: Manifest, sessions: list[tuple[str, list[OpenFile]]], put: Write) -> None:
    with tarfile.open(mode="w|", fileobj=_Writer(put), format=tarfile.PAX_FORMAT) as archive:
        data = msgspec.json.encode(manifest)
        archive.addfile(_entry(_MANIFEST, len(data)), io.BytesIO(data))
        for _, files in sessions:
            for file in files:
                archive.addfile(_entry(_FOLDER + str(file.name), file.size), _Reader(file))


@contextmanager
def _replacing(disk: Disk, target: Path) -> Iterator[Write]:
    """A file that takes the place of the target when it is whole and durable."""
    temporary = str(target.with_name(f".{target.name[:100]}.{new_session_id()}{TEMPORARY}"))
    try:
        fd = disk.open(temporary, create=True)
        try:
            yield partial(write_all, disk, fd)
            disk.sync(fd)
        finally:
            disk.close(fd)
        disk.rename(temporary, str(target))
        disk.sync_directory(str(target.parent))
    except OSError:
        try:
            disk.unlink(temporary)
        except OSError:
            pass  # the name says that it is unfinished
        raise


@contextmanager
def _writing_to(disk: Disk, target: Path) -> Iterator[Write]:
    """What is no regular file takes the bytes as they come, and only as many as it has room for."""
    fd = os.open(target, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)

    def put(data: bytes) -> None:
        left = memoryview(data)
        while left:
            left = left[disk.write(fd, left) :]

    try:
        yield put
    finally:
        disk.close(fd)


@contextmanager
def _opened(backend: FilesBackend, session_id: str) -> Iterator[list[OpenFile]]:
    with snapshot.opened(backend.layout, session_id) as files:
        if not files:
            raise SessionNotFound(session_id)
        yield files


def _describe(session_id: str, files: list[OpenFile]) -> BundledSession:
    described = []
    for file in files:
        digest = sha256()
        for data in file.content():
            digest.update(data)
        described.append(BundledFile(str(file.name), file.size, digest.hexdigest()))
    return BundledSession(session_id, described)


def _entry(name: str, size: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.mtime = size, 0o600, int(time.time())
    return entry


class _Writer(io.RawIOBase):
    """What takes bytes, for `tarfile`."""

    def __init__(self, put: Write) -> None:
        self._put = put

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self._put(data)
        return len(data)


class _Reader(io.RawIOBase):
    """The content of an open file, for `tarfile`."""

    def __init__(self, file: OpenFile) -> None:
        self._file = file
        self._offset = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        left = self._file.size - self._offset
        data = os.pread(self._file.fd, left if size < 0 else min(size, left), self._offset)
        self._offset += len(data)
        return data


# --- taking --------------------------------------------------------------------------------------------------------------------


class Bundle:
    """A bundle that has come: its sessions, unpacked beside the store's and verified. A context manager."""

    def __init__(self, backend: FilesBackend, path: Path, manifest: Manifest, incoming: Incoming) -> None:
        self.path = path
        self.manifest = manifest
        self._backend = backend
        self._incoming = incoming

    @property
    def session_ids(self) -> list[str]:
        return [session.session_id for session in self.manifest.sessions]

    def install(self, session_id: str) -> bool:
        """Put a session into the store as it is; False where there is one of that id. Raises `InvalidSessionId`, `SessionLocked`."""
        return self._incoming.install(self._backend, session_id)

    def read(self, session_id: str) -> Iterator[Lines]:
        """The stored lines of a session that was not installed."""
        return reader.read(self._incoming, session_id, 0, None, "raise", self._backend.settings.max_event_bytes)


@contextmanager
def opened(backend: FilesBackend, path: Path) -> Iterator[Bundle]:
    """See `EventLog.open_bundle`."""
    with Incoming(backend.layout.root, backend.disk) as incoming:
        manifest = _take_in(path, incoming)
        ids = [session.session_id for session in manifest.sessions]
        report = verify(incoming, ids, backend.settings.max_event_bytes)
        for problem in report.problems:
            raise InvalidBundle(path, f"{problem.segment} is {problem.kind}: {problem.detail}")
        yield Bundle(backend, path, manifest, incoming)


def _take_in(path: Path, incoming: Incoming) -> Manifest:
    """Write down everything that the manifest names. Raises `InvalidBundle` for whatever is no bundle, `OSError` for the disks."""
    try:
        with _Source(path) as source, tarfile.open(fileobj=source, mode="r:") as archive:
            manifest = _read_manifest(path, archive)
            _unpack_all(path, archive, manifest, incoming)
            return manifest
    except EventLogError:
        raise
    except (tarfile.TarError, EOFError, ValueError, ArithmeticError, LookupError, RecursionError) as error:
        # A header may say anything, and tarfile has no error of its own for all of it.
        raise InvalidBundle(path, f"{type(error).__name__}: {error}") from error


class _Source(io.FileIO):
    """The file of a bundle, for `tarfile`, which believes what a header says about its own size and would read it whole."""

    def __init__(self, path: Path) -> None:
        super().__init__(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "r")
        if not stat.S_ISREG(os.fstat(self.fileno()).st_mode):
            self.close()
            raise InvalidBundle(path, "it is no regular file")
        self._path = path

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or not 0 <= size <= _MOST_MANIFEST:
            raise InvalidBundle(self._path, "one of its headers is larger than anything that stands in a bundle")
        return super().read(size)

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        if not 0 <= offset <= os.fstat(self.fileno()).st_size:
            raise InvalidBundle(self._path, "one of its headers leads out of it")
        return super().seek(offset, whence)


def _read_manifest(path: Path, archive: tarfile.TarFile) -> Manifest:
    first = archive.next()
    if first is None or first.name != _MANIFEST or not _is_plain(first) or first.size > _MOST_MANIFEST:
        raise InvalidBundle(path, f"it does not begin with {_MANIFEST}")
    file = archive.extractfile(first)
    assert file is not None
    try:
        manifest: Manifest = decoder(Manifest).decode(file.read())
        if manifest.min_reader > VERSION:
            raise EventLogError(
                f"{path} needs a reader of bundles {manifest.min_reader}, this version reads {VERSION}; upgrade session-eventlog"
            )
        for session in manifest.sessions:
            check_session_id(session.session_id)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, InvalidInput) as error:
        raise InvalidBundle(path, f"its manifest cannot be read: {error}") from error
    names = [session.session_id.lower() for session in manifest.sessions] + [file.name for each in manifest.sessions for file in each.files]
    if len(set(names)) < len(names):
        raise InvalidBundle(path, "it names something twice")
    return manifest


def _is_plain(member: tarfile.TarInfo) -> bool:
    """Whether it is a file with all its bytes: no link, no device, nothing sparse."""
    return member.type == tarfile.REGTYPE and member.sparse is None


def _unpack_all(path: Path, archive: tarfile.TarFile, manifest: Manifest, incoming: Incoming) -> None:
    """In the order of the archive, which is gone through once. What the manifest does not name is passed over."""
    wanted = {_FOLDER + file.name: (_name_of(path, each.session_id, file), file) for each in manifest.sessions for file in each.files}
    taken: set[str] = set()
    reached = archive.offset
    while (member := archive.next()) is not None:
        archive.members = []  # type: ignore[attr-defined]  # it remembers all of them, however many there are
        if archive.offset <= reached:  # a size below zero
            raise InvalidBundle(path, f"the header of {member.name[:200]!r} leads back")
        reached = archive.offset
        if member.name in taken:
            raise InvalidBundle(path, f"{member.name} is in it twice")
        if member.name in wanted:
            taken.add(member.name)
            _unpack(path, archive, member, *wanted.pop(member.name), incoming)
    for name in wanted:
        raise InvalidBundle(path, f"{name.removeprefix(_FOLDER)} is not in it")


def _name_of(path: Path, session_id: str, file: BundledFile) -> SegmentName:
    name = parse_segment_name(file.name)
    if name is None or name.session_id != session_id or str(name) != file.name:
        raise InvalidBundle(path, f"{file.name[:200]!r} is no segment of session {session_id!r}")
    return name


def _unpack(
    path: Path, archive: tarfile.TarFile, member: tarfile.TarInfo, name: SegmentName, file: BundledFile, incoming: Incoming
) -> None:
    content = archive.extractfile(member) if _is_plain(member) and member.size == file.size else None
    if content is None:
        raise InvalidBundle(path, f"{file.name} is not what the manifest says")
    with content:
        digest = incoming.add(name, iter(lambda: content.read(_READ_SIZE), b""))
    if digest != file.sha256:
        raise InvalidBundle(path, f"{file.name} is not what the manifest says")
