"""Where a file goes that a person names: what may be replaced by it, and what can only be written to."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import NamedTuple

from ..errors import InvalidInput

_NO_PLACE_BESIDE = ("/dev", "/dev/fd", "/proc")  # names of what is open already: /dev/stdout may be a regular file


class Destination(NamedTuple):
    """``path``: links are followed, so that what they lead to is written and they stay links. ``is_replaced``: nothing is there, or a
    regular file, whose place another one can take; else (a FIFO, a terminal, a device) the bytes go into it as they come."""

    path: Path
    is_replaced: bool


def destination_of(path: str | os.PathLike[str]) -> Destination:
    """What writing to this path means. Raises `InvalidInput` for a disk, `OSError` for a folder and for what leads nowhere."""
    given = Path(path)
    try:
        mode = os.stat(given).st_mode
    except FileNotFoundError:
        return Destination(Path(os.path.realpath(given)), is_replaced=True)
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(given))
    if stat.S_ISBLK(mode):
        raise InvalidInput(f"{given} is a disk, and everything on it would be lost; name a file")
    folder = os.path.realpath(given.parent)
    if not stat.S_ISREG(mode) or folder in _NO_PLACE_BESIDE or folder.startswith("/proc/"):
        return Destination(given, is_replaced=False)
    return Destination(Path(os.path.realpath(given)), is_replaced=True)
