"""A folder of readable Markdown kept beside the store: ``YYYY/MM/DD/HHMM-<title>-<id8>.md``, one file a session.

A list in the folder says which file is whose and of which state of the session, so that a session that has not changed costs nothing.
A session that gets another title gets another file; one that is deleted loses it, as the mirror shows what is there. Nothing is ever
removed or replaced that the list does not name.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

from eventlog import EventLog, __version__

from ..catalog.listing import SessionItem
from . import export
from .output import whole_file

LIST_NAME: Final = ".eventlog-mirror.json"
_LONGEST_TITLE: Final = 60


class Mirrored(msgspec.Struct, kw_only=True):
    """``written`` and ``removed`` are files, relative to the folder; ``skipped``: sessions that could not be written, with the reason."""

    folder: str
    written: list[str] = []
    removed: list[str] = []
    unchanged: int = 0
    skipped: list[tuple[str, str]] = []


def mirror(log: EventLog, items: Iterable[SessionItem], folder: Path, *, dry_run: bool) -> Mirrored:
    """Bring the folder up to date with these sessions, which are all that are not deleted."""
    done = Mirrored(folder=str(folder))
    before = _read_list(folder)
    after: dict[str, list[str]] = {}
    stamps = dict(log.stamps())
    taken: set[str] = set()
    for item in items:
        path, stamp = path_of(item), f"{stamps.get(item.session_id)} {__version__}"
        if path in taken:  # begun in the same minute under the same title and a like id
            path = path_of(item, len(item.session_id))
        taken.add(path)
        after[item.session_id] = [stamp, path]
        if before.get(item.session_id) == [stamp, path] and (folder / path).exists():
            done.unchanged += 1
            continue
        if not dry_run:
            try:
                with whole_file(folder / path) as file:
                    export(log, [item.session_id], "markdown", file.write, on_damage="skip")
            except Exception as error:  # one session must not cost the others theirs
                done.skipped.append((item.session_id, str(error)))
                after[item.session_id] = before.get(item.session_id, ["", path])
                continue
        done.written.append(path)
    kept = {path for _, path in after.values()}
    for _, path in before.values():
        if path not in kept and is_one_of_ours(path):
            done.removed.append(path)
            if not dry_run:
                (folder / path).unlink(missing_ok=True)
    if not dry_run and (before != after):
        with whole_file(folder / LIST_NAME) as file:
            file.write(msgspec.json.encode(after))
    return done


def path_of(item: SessionItem, id_size: int = 8) -> str:
    """Where a session's file is: by the local time when it began, its title and the beginning of its id."""
    try:
        began = item.started_at.astimezone()
    except (OverflowError, OSError, ValueError):  # a time at the very edge of the calendar
        began = item.started_at
    return f"{began:%Y/%m/%d/%H%M}-{_slug(item.title or item.preview or '')}-{item.session_id[:id_size]}.md"


def is_one_of_ours(path: str) -> bool:
    """Whether a path of the list stays within the folder and looks like one of its files."""
    return re.fullmatch(r"\d{1,4}/\d\d/\d\d/\d{4}-[^/\x00]+\.md", path) is not None


def _slug(text: str) -> str:
    words = "".join(char if unicodedata.category(char)[0] in "LNM" else " " for char in text[:400]).split()
    joined = "-".join(words).lower()
    return (joined[:_LONGEST_TITLE].rsplit("-", 1)[0] if len(joined) > _LONGEST_TITLE else joined) or "untitled"


def _read_list(folder: Path) -> dict[str, list[str]]:
    try:
        found = msgspec.json.decode((folder / LIST_NAME).read_bytes())
    except (FileNotFoundError, NotADirectoryError, msgspec.DecodeError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {
        key: value for key, value in found.items() if isinstance(value, list) and len(value) == 2 and all(isinstance(x, str) for x in value)
    }
