"""Paths as given -> the files to read, in a fixed order. A directory is walked; a file is taken as it is named."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path


def import_each(
    path: Path, reads: Callable[[str], bool], import_file: Callable[[Path], object], skip: Callable[[str, int | None, str], None]
) -> None:
    """Import the file, or each file below the directory. What cannot be looked at is given to ``skip``, and stops nothing."""

    def report(error: OSError) -> None:
        skip(str(error.filename or path), None, error.strerror or str(error))

    try:
        for file in files_of(path, reads, report):
            import_file(file)
    except OSError as error:
        report(error)


def files_of(path: Path, reads: Callable[[str], bool], onerror: Callable[[OSError], None]) -> Iterator[Path]:
    """The file itself, or every file below the directory whose name ``reads`` accepts, sorted by path.

    Links to directories are not followed, so that a walk ends; pipes, sockets and devices in a directory are no files. Raises `OSError`
    where the path cannot be looked at; a folder below it that cannot be listed is given to ``onerror``."""
    if not path.is_dir():
        path.stat()
        yield path
        return
    found: list[Path] = []
    for folder, _, names in os.walk(path, onerror=onerror):
        found += [Path(folder, name) for name in names if reads(name)]
    yield from (file for file in sorted(found) if not _never_ends(file))


def _never_ends(path: Path) -> bool:
    """Whether reading it could wait for ever. What cannot be looked at is left to whoever reads it, and reports why it cannot."""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))
