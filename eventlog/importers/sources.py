"""Paths as given -> the files to read, in a fixed order. A directory is walked; a file is taken as it is named."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path


def _give_up(error: OSError) -> None:
    raise error


def files_of(path: Path, reads: Callable[[str], bool], onerror: Callable[[OSError], None] = _give_up) -> Iterator[Path]:
    """The file itself, or every file below the directory whose name ``reads`` accepts, sorted by path.

    Links to directories are not followed, so that a walk ends. Raises `OSError` where the path cannot be looked at; what happens
    about a folder below it is up to ``onerror``."""
    if not path.is_dir():
        path.stat()
        yield path
        return
    found: list[Path] = []
    for folder, _, names in os.walk(path, onerror=onerror):
        found += [Path(folder, name) for name in names if reads(name)]
    yield from sorted(found)
