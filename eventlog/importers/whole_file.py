"""A file that is taken whole, once nothing more is expected of it: one that its tool writes in one go."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path


class WholeFile:
    """A `SourceFile` that waits for the end, and is then read by the importer itself; ``import_file`` returns what each session got."""

    def __init__(self, path: Path, import_file: Callable[[Path], dict[str, int]]) -> None:
        self.goes_on = True
        self.waits = False
        self._path = path
        self._import_file = import_file

    def take(self, data: bytes, file_time: datetime, *, is_end: bool = False) -> dict[str, int]:
        self.waits = not is_end
        if not is_end:
            return {}
        self.goes_on = False
        return self._import_file(self._path)
