"""The one place where bytes are made durable.

Every write, sync, truncate, rename, unlink, folder and directory sync of the write side is a method here and a single call to the
operating system, so that a test can stand in for the disk: count the calls, fail any of them, or lose power between
any two (`eventlog.testing`). Reading needs no stand-in and does not come through here.

Errors are the operating system's `OSError`, untouched; whoever calls knows what they mean.
"""

from __future__ import annotations

import errno
import os
import sys
from typing import Final

from .opening import open_regular

FOLDER_MODE: Final = 0o700
FILE_MODE: Final = 0o600
_COPY_SIZE: Final = 1024 * 1024


class Disk:
    """The real one. A stand-in overrides methods; paths are `str`, descriptors are `int`."""

    def open(self, path: str, *, create: bool = False) -> int:
        """A descriptor for reading and for writing at the end. ``create`` makes the file if it is not there; its name is durable only
        after `sync_directory` of its folder. Raises `NotRegular`: nothing but files is ever written to, and no link is followed."""
        return open_regular(path, os.O_RDWR | os.O_APPEND | (os.O_CREAT if create else 0), FILE_MODE)

    def close(self, fd: int) -> None:
        """Give the descriptor back. It is gone also where closing reports an error, and no promise rests on closing: only a descriptor that
        was not open raises."""
        try:
            os.close(fd)
        except OSError as error:
            if error.errno == errno.EBADF:
                raise

    def write(self, fd: int, data: bytes | bytearray | memoryview) -> int:
        """One write at the end of the file; returns how many bytes were taken, which may be fewer than given."""
        return os.write(fd, data)

    def truncate(self, fd: int, size: int) -> None:
        os.ftruncate(fd, size)

    def sync(self, fd: int) -> None:
        """Return when the file's bytes and its size are on stable storage. After an error nothing is known about them, and calling
        again proves nothing: the kernel reports a lost page once."""
        if sys.platform == "darwin":
            import fcntl

            fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
        else:
            os.fdatasync(fd)

    def sync_directory(self, path: str) -> None:
        """Return when the names in the folder (made, renamed, removed) are on stable storage."""
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def rename(self, source: str, target: str) -> None:
        """Give the file another name in the same file system, replacing what had it."""
        os.replace(source, target)

    def unlink(self, path: str) -> None:
        os.unlink(path)

    def make_folder(self, path: str) -> None:
        os.mkdir(path, FOLDER_MODE)


def write_all(disk: Disk, fd: int, data: bytes | bytearray | memoryview) -> None:
    """Write everything or raise: a short write without an error of its own means that the disk is full."""
    if disk.write(fd, data) != len(data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def make_folder(disk: Disk, path: str) -> None:
    """Make a folder of the store that is not there (any more): a store that was copied without its empty ones is whole."""
    try:
        disk.make_folder(path)
    except FileExistsError:
        return  # another process has made it
    disk.sync_directory(os.path.dirname(path))


def replace_file(disk: Disk, path: str, data: bytes) -> None:
    """Make ``path`` hold ``data``, whole and durable, or leave it as it was."""
    folder = os.path.dirname(path)
    temporary = f"{path}.{os.getpid()}.tmp"
    fd = disk.open(temporary, create=True)
    try:
        disk.truncate(fd, 0)
        write_all(disk, fd, data)
        disk.sync(fd)
    finally:
        disk.close(fd)
    disk.rename(temporary, path)
    disk.sync_directory(folder)


def copy_file(disk: Disk, fd: int, start: int, end: int, path: str, *, content_end: int | None = None) -> None:
    """Make ``path`` hold the bytes of ``fd`` from ``start`` to ``end``, whole and durable, or leave it as it was. What follows
    ``content_end`` is NULs, and is not written. Memory: one piece."""
    temporary = f"{path}.{os.getpid()}.tmp"
    copied = disk.open(temporary, create=True)
    try:
        disk.truncate(copied, 0)
        position, written = start, end if content_end is None else content_end
        while position < written and (data := os.pread(fd, min(_COPY_SIZE, written - position), position)):
            write_all(disk, copied, data)
            position += len(data)
        if position < end:
            disk.truncate(copied, end - start)
        disk.sync(copied)
    finally:
        disk.close(copied)
    disk.rename(temporary, path)
    disk.sync_directory(os.path.dirname(path))
