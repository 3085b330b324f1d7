"""Files that are there whole or not at all, and only for their owner: written beside their name, synced, then given it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from eventlog.files.destination import destination_of
from eventlog.ids import new_session_id

_FILE_MODE: Final = 0o600  # as in the store: what was said there stands here, too


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file to write to, which takes the place of ``path`` at the end, or vanishes where something is raised. Makes folders.

    Links are followed. What is there and is no regular file (a FIFO, a terminal) is never replaced: it gets the bytes as they come.
    Raises `OSError`, `InvalidInput`."""
    target, is_replaced = destination_of(path)
    if not is_replaced:
        with os.fdopen(os.open(target, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC), "wb") as file:
            yield file
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f".{target.name[:100]}.{new_session_id()}.tmp")
    try:
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _FILE_MODE), "wb") as file:
            os.fchmod(file.fileno(), _FILE_MODE)  # whatever the umask takes away
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, target)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
