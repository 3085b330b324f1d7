"""Exports that come as a ZIP: the documents in it, one after the other. Nothing is unpacked to the disk."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

_MAGIC = b"PK\x03\x04"
LARGEST = 4 << 30  # bytes of one document: what claims to be more is not read


def is_archive(head: bytes) -> bool:
    """Whether a file that begins so is a ZIP."""
    return head.startswith(_MAGIC)


def members(path: Path, reads: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    """The name and the content of each file in the archive whose name ``reads`` accepts, in the order of the names.

    Raises `ValueError` where the archive is damaged, or a file in it larger than `LARGEST`; `OSError`."""
    try:
        with zipfile.ZipFile(path) as archive:
            for entry in sorted(archive.infolist(), key=lambda entry: entry.filename):
                if entry.is_dir() or not reads(PurePosixPath(entry.filename).name):
                    continue
                if entry.file_size > LARGEST:
                    raise ValueError(f"{entry.filename} is larger than the {LARGEST:,} bytes that are read; unpack it and import that")
                with archive.open(entry) as file:
                    yield entry.filename, file.read(LARGEST)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:  # damaged, of another method, with a password
        raise ValueError(f"the archive cannot be read: {error}") from None
