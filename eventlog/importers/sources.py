"""Paths as given -> the files to read, in a fixed order. A directory is walked; a file is taken as it is named."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from pathlib import Path


def files_of(path: Path, suffixes: Collection[str]) -> Iterator[Path]:
    """The file itself, or every file below the directory whose name ends in one of ``suffixes``, sorted by path.

    Links to directories are not followed, so that a walk ends. Raises `OSError` where the path cannot be looked at."""
    if not path.is_dir():
        path.stat()
        yield path
        return
    found: list[Path] = []
    for folder, _, names in os.walk(path, onerror=_give_up):
        found += [Path(folder, name) for name in names if name.endswith(tuple(suffixes))]
    yield from sorted(found)


def _give_up(error: OSError) -> None:
    raise error
