"""What a person may call a session by, found in the catalog; and the rows of the last list in this terminal, which ``@3`` is one of.

The rows are remembered in a file of the user's (never in the store), one for each terminal and store. Where there is none, ``@3`` is the
third row of the list as it is now.
"""

from __future__ import annotations

import hashlib
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from eventlog import EventLog
from eventlog.cli.context import Context
from eventlog.cli.failures import Refused
from eventlog.errors import SessionNotFound
from eventlog.settings import state_folder

from .. import Catalog
from ..catalog.facade import AmbiguousSession
from ..catalog.listing import SessionItem
from .bar import Bar

_KEPT_S: Final = 30 * 86400
_MOST_ROWS: Final = 10_000


def find(context: Context, log: EventLog, given: str) -> Sequence[tuple[str, str]]:
    """The id and the name of the session that is meant; several, the latest first, where somebody can be asked which.

    Raises `SessionNotFound`, `Refused` and `AmbiguousSession`."""
    with Bar(context, "catching up") as bar, Catalog.open(log, notice=context.warn, progress=bar) as catalog:
        rows = remembered(log) if given.startswith("@") else None
        try:
            return [_named(catalog.find(given, rows))]
        except AmbiguousSession as several:
            if not context.terminal.can_ask:
                raise
            return [_named(item) for item in several.candidates]
        except SessionNotFound:
            if given.startswith("@") and rows is not None:
                raise Refused(f"there is no row {given}: the last list here had {len(rows):,}; `eventlog list` shows them anew") from None
            raise


def called(item: SessionItem, size: int = 60) -> str:
    """Its title, or the first words of its user, on one line."""
    line = " ".join((item.title or item.preview or "").split())
    return line if len(line) <= size else line[: size - 1] + "…"


def _named(item: SessionItem) -> tuple[str, str]:
    return item.session_id, called(item) or "no title"


def remember(log: EventLog, rows: Sequence[str]) -> None:
    """Note what ``@1``, ``@2``, ... are from now on. What cannot be written is not remembered."""
    file = _file(log)
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        made = file.with_suffix(f".{os.getpid()}")
        made.write_bytes(msgspec.json.encode(list(rows[:_MOST_ROWS])))
        made.replace(file)
        for other in file.parent.iterdir():
            if other.stat().st_mtime < time.time() - _KEPT_S:
                other.unlink(missing_ok=True)
    except OSError:
        pass


def remembered(log: EventLog) -> Sequence[str] | None:
    try:
        found = msgspec.json.decode(_file(log).read_bytes())
    except (OSError, msgspec.DecodeError):
        return None
    return [each for each in found if isinstance(each, str)] if isinstance(found, list) else None


def _file(log: EventLog) -> Path:
    where = f"{_terminal()} {'' if log.path is None else os.path.realpath(log.path)}"
    return state_folder() / "lists" / hashlib.sha256(where.encode(errors="surrogateescape")).hexdigest()[:24]


def _terminal() -> str:
    """What tells this terminal from others: its name, and the session of processes that it began."""
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        try:
            return f"{os.ttyname(stream.fileno())} {os.getsid(0)}"
        except (AttributeError, OSError, ValueError):
            continue
    return str(os.getsid(0))
