"""A store's folder: made once, checked at every opening, never written by opening (FORMAT.md, "Files")."""

from __future__ import annotations

import errno
import fcntl
import os
import uuid
from pathlib import Path

import msgspec

from .. import timestamps
from ..decoding import decoder
from ..errors import LocksUnsupported, NotAStore, StoreNotFound, StoreTooNew
from ..segments.segment import FORMAT
from . import layout
from .disk import Disk, replace_file
from .layout import Layout
from .opening import NotRegular, open_regular


class StoreFile(msgspec.Struct, frozen=True):
    """``store.json``: what this folder is. ``min_reader`` is the oldest format number whose readers understand the store."""

    format: int
    min_reader: int
    store_id: str
    created: str


_OWN_FOLDERS = frozenset({layout.SESSIONS, layout.QUARANTINE, layout.CHANGES, layout.PROJECTIONS})


def open_store(path: Path, disk: Disk, *, create: bool) -> tuple[Layout, StoreFile]:
    """Check the folder, or make it. Raises `StoreNotFound`, `NotAStore`, `StoreTooNew`, `LocksUnsupported`, or the system's `OSError`."""
    places = Layout(path)
    try:
        data = _read(places)
    except FileNotFoundError:
        _check_that_nothing_else_is_here(path, create=create)
        if not create:
            raise StoreNotFound(path) from None
        found = _make(places, disk, StoreFile(FORMAT, FORMAT, str(uuid.uuid4()), timestamps.normalise(timestamps.now())))
    except NotADirectoryError:
        raise NotAStore(path, "it is a file") from None
    else:
        found = _decode(path, data)
    return places, found


def _read(places: Layout) -> bytes:
    try:
        fd = open_regular(places.store_file)
    except NotRegular as error:
        raise NotAStore(Path(places.root), f"its {layout.STORE_FILE} is {error.kind}{_what_to_do(places)}") from None
    with open(fd, "rb") as file:
        return file.read(65536)


def _what_to_do(places: Layout) -> str:
    """Where there is no reading what the folder says of itself."""
    if not os.path.isdir(places.sessions):
        return ""
    return "; its sessions are there: put the file back from a backup, or remove it and append to the store, which makes a new one"


def _decode(path: Path, data: bytes) -> StoreFile:
    try:
        found: StoreFile = decoder(StoreFile).decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NotAStore(path, f"its {layout.STORE_FILE} cannot be read: {error}{_what_to_do(Layout(path))}") from None
    if found.min_reader > FORMAT:
        raise StoreTooNew(path, found.min_reader, FORMAT)
    return found


def _check_that_nothing_else_is_here(path: Path, *, create: bool) -> None:
    """An empty folder may become a store, and so may what a crash left of making one."""
    try:
        names = os.listdir(path)
    except FileNotFoundError:
        return
    except NotADirectoryError:
        raise NotAStore(path, "it is a file") from None
    foreign = [name for name in names if name not in _OWN_FOLDERS and not name.endswith(layout.TEMPORARY)]
    if foreign:
        raise NotAStore(path, f"there is no {layout.STORE_FILE}, but there is {sorted(foreign)[0]!r}")
    if names and not create:
        raise NotAStore(path, f"there is no {layout.STORE_FILE}; a program that was making it was interrupted")


def make_same(path: Path, disk: Disk, like: StoreFile) -> Layout:
    """A folder for a copy of a store, made if it is not there: it says that it is the same store. Raises what `open_store` raises, and
    `NotAStore` where there is another store."""
    places = Layout(path)
    try:
        found = _decode(path, _read(places))
    except FileNotFoundError:
        _check_that_nothing_else_is_here(path, create=True)
        found = _make(places, disk, like)
    except NotADirectoryError:
        raise NotAStore(path, "it is a file") from None
    if found.store_id != like.store_id:
        raise NotAStore(path, f"it belongs to the store {found.store_id}, not to {like.store_id}")
    return places


def _make(places: Layout, disk: Disk, made: StoreFile) -> StoreFile:
    """All shards at once, so that a watcher need never see a folder appear. ``store.json`` comes last, when all the folders are durable:
    whoever finds it may append, also where whoever made it was interrupted."""
    parents = []
    folder = os.path.dirname(places.root)
    while not os.path.isdir(folder):
        parents.append(folder)
        folder = os.path.dirname(folder)
    for parent in reversed(parents):
        _make_folder(disk, parent)
        disk.sync_directory(os.path.dirname(parent))
    for folder in (places.root, places.sessions, places.quarantine, places.changes):
        _make_folder(disk, folder)
    for shard in layout.SHARDS:
        _make_folder(disk, os.path.join(places.sessions, shard))
    check_locks(places.root)
    for folder in (places.sessions, places.root, os.path.dirname(places.root)):
        disk.sync_directory(folder)
    replace_file(disk, places.store_file, msgspec.json.encode(made) + b"\n")
    return _decode(Path(places.root), _read(places))  # another process may have made it at the same time


def _make_folder(disk: Disk, path: str) -> None:
    try:
        disk.make_folder(path)
    except FileExistsError:
        pass  # another process makes the same store, or a crash left it


def check_locks(folder: str) -> None:
    """Raise `LocksUnsupported` unless a second descriptor is kept out by the first: some network file systems only pretend."""
    first = os.open(folder, os.O_RDONLY)
    second = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(first, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS):
            raise LocksUnsupported(Path(folder)) from error
        if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
            raise
    else:
        raise LocksUnsupported(Path(folder))
    finally:
        os.close(second)
        os.close(first)
