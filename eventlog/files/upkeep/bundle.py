"""Sessions in one file, to be handed to somebody: a tar archive of their segments as they are, with a manifest that proves them.

    manifest.json                   {"bundle":1,"min_reader":1,"created":"...","sessions":[{"session_id","files":[...]}]}
    sessions/<session-id>.<first-seq>.jsonl[.zst]

A file in the manifest has ``name``, ``size`` and ``sha256``. Whoever takes a bundle believes nothing: sizes and digests are compared,
and each session is verified like one of the store's own before a name is given to it. Only the names in the manifest count.
"""

from __future__ import annotations

import io
import os
import tarfile
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from hashlib import sha256
from pathlib import Path

import msgspec

from ... import timestamps
from ...backend import Lines
from ...decoding import decoder
from ...errors import EventLogError, InvalidBundle, InvalidInput, SessionNotFound
from ...ids import check_session_id
from ...reports import BundledFile, BundledSession, Manifest
from .. import reader
from ..backend import FilesBackend
from ..disk import Disk, write_all
from ..layout import TEMPORARY, parse_segment_name
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


def write(backend: FilesBackend, session_ids: Iterable[str], path: Path) -> Manifest:
    """See `EventLog.bundle`."""
    disk = backend.disk
    target = os.path.abspath(path)
    temporary = f"{target}.{os.getpid()}{TEMPORARY}"
    with ExitStack() as stack:
        sessions = [(each, stack.enter_context(_opened(backend, each))) for each in dict.fromkeys(session_ids)]
        manifest = Manifest(VERSION, VERSION, timestamps.normalise(timestamps.now()), [_describe(*each) for each in sessions])
        fd = disk.open(temporary, create=True)
        try:
            try:
                disk.truncate(fd, 0)
                with tarfile.open(mode="w|", fileobj=_Writer(disk, fd), format=tarfile.PAX_FORMAT) as archive:
                    data = msgspec.json.encode(manifest)
                    archive.addfile(_entry(_MANIFEST, len(data)), io.BytesIO(data))
                    for _, files in sessions:
                        for file in files:
                            archive.addfile(_entry(_FOLDER + str(file.name), file.size), _Reader(file))
                disk.sync(fd)
            finally:
                disk.close(fd)
            disk.rename(temporary, target)
            disk.sync_directory(os.path.dirname(target))
        except OSError:
            try:
                disk.unlink(temporary)
            except OSError:
                pass  # the name says that it is unfinished
            raise
    return manifest


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
    def __init__(self, disk: Disk, fd: int) -> None:
        self._disk = disk
        self._fd = fd

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        write_all(self._disk, self._fd, data)
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
    try:
        with Incoming(backend.layout.root, backend.disk) as incoming, tarfile.open(path, mode="r:") as archive:
            manifest = _read_manifest(path, archive)
            for session in manifest.sessions:
                for file in session.files:
                    _unpack(path, archive, session.session_id, file, incoming)
            ids = [session.session_id for session in manifest.sessions]
            report = verify(incoming, ids, backend.settings.max_event_bytes)
            for problem in report.problems:
                raise InvalidBundle(path, f"{problem.segment} is {problem.kind}: {problem.detail}")
            yield Bundle(backend, path, manifest, incoming)
    except (tarfile.TarError, EOFError) as error:
        raise InvalidBundle(path, str(error)) from error


def _read_manifest(path: Path, archive: tarfile.TarFile) -> Manifest:
    first = archive.next()
    file = archive.extractfile(first) if first is not None and first.name == _MANIFEST and first.size <= _MOST_MANIFEST else None
    if file is None:
        raise InvalidBundle(path, f"it does not begin with {_MANIFEST}")
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


def _unpack(path: Path, archive: tarfile.TarFile, session_id: str, file: BundledFile, incoming: Incoming) -> None:
    name = parse_segment_name(file.name)
    if name is None or name.session_id != session_id or str(name) != file.name:
        raise InvalidBundle(path, f"{file.name[:200]!r} is no segment of session {session_id!r}")
    try:
        member = archive.getmember(_FOLDER + file.name)
    except KeyError:
        raise InvalidBundle(path, f"{file.name} is not in it") from None
    content = archive.extractfile(member)
    if content is None or member.size != file.size or member.type != tarfile.REGTYPE or member.sparse is not None:
        raise InvalidBundle(path, f"{file.name} is not what the manifest says")
    with content:
        digest = incoming.add(name, iter(lambda: content.read(_READ_SIZE), b""))
    if digest != file.sha256:
        raise InvalidBundle(path, f"{file.name} is not what the manifest says")
