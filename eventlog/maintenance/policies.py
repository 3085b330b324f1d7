"""The settings' policies applied once: retention by age and number, backups with a number of generations, compaction.

A policy that no setting asks for does nothing. With ``dry_run`` each only says what it would do. What retention deletes can be restored
until the grace period is over; only then, and only where a policy deletes at all, is it purged.
"""

from __future__ import annotations

import os
import re
import shutil
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from ..errors import Unsupported
from ..reports import BackupReport, CleanupReport, CompactionReport, Expired

if TYPE_CHECKING:
    from ..log import EventLog

_STAMP: Final = "%Y%m%d-%H%M%S"
_NAME: Final = re.compile(r"eventlog-(\d{8}-\d{6})")
_DAY_S: Final = 86400.0


class Retention(msgspec.Struct, kw_only=True):
    """What `keep_days` and `keep_sessions` delete (each session once), and what was deleted by then and is purged."""

    sessions: list[Expired] = []
    bytes: int = 0
    purged: list[str] = []


class Backups(msgspec.Struct, kw_only=True):
    """``made``: the folder of the backup that was due (None: none was); ``removed``: generations beyond `backup_generations`."""

    newest: str | None = None
    made: str | None = None
    removed: list[str] = []
    report: BackupReport | None = None


def retain(log: EventLog, *, dry_run: bool) -> Retention | None:
    """Delete what is too old, or too many; None where both settings are 0."""
    settings = log.settings
    if not settings.keep_days and not settings.keep_sessions:
        return None
    done = Retention()
    known: set[str] = set()
    passes: list[CleanupReport] = []
    if settings.keep_days:
        passes.append(log.cleanup(settings.keep_days * _DAY_S, dry_run=dry_run))
    if settings.keep_sessions:
        passes.append(log.cleanup(0.0, keep=settings.keep_sessions, dry_run=dry_run))
    for each in passes:
        new = [session for session in each.sessions if session.session_id not in known]
        known.update(session.session_id for session in new)
        done.sessions += new
        done.bytes += sum(session.size_bytes for session in new)
    for gone in list(log.deleted()):
        if gone.is_due:
            log.purge(gone.session_id, dry_run=dry_run)
            done.purged.append(gone.session_id)
    return done


def back_up(log: EventLog, now: datetime, *, dry_run: bool) -> Backups | None:
    """Make a backup where the newest is old enough, then remove the oldest generations; None without `backup_folder`.

    A generation is a store by itself, in a folder ``eventlog-<UTC time>``; one that is not finished has another name, and is gone on with.
    Only folders of that name are ever removed."""
    settings = log.settings
    if not settings.backup_folder:
        return None
    folder = Path(settings.backup_folder).expanduser()
    there = generations(folder)
    done = Backups(newest=str(folder / there[-1]) if there else None)
    is_due = not there or (now - _time_of(there[-1])).total_seconds() >= settings.backup_every_s
    if is_due:
        name = f"eventlog-{now.astimezone(timezone.utc).strftime(_STAMP)}"
        done.made = str(folder / name)
        there.append(name)
        if not dry_run:
            unfinished = folder / "unfinished"
            done.report = log.backup(unfinished)
            unfinished.rename(folder / name)
    for old in there[: -settings.backup_generations]:
        done.removed.append(str(folder / old))
        if not dry_run:
            shutil.rmtree(folder / old)
    return done


def generations(folder: Path) -> list[str]:
    """The names of the finished backups, the oldest first."""
    try:
        return sorted(name for name in os.listdir(folder) if _NAME.fullmatch(name))
    except FileNotFoundError:
        return []


def _time_of(name: str) -> datetime:
    return datetime.strptime(name.removeprefix("eventlog-"), _STAMP).replace(tzinfo=timezone.utc)


def compact(log: EventLog, *, dry_run: bool) -> CompactionReport | None:
    """Compress what nothing happened to for `compress_after`; None where that is "never", or where there is nothing to compress."""
    if log.settings.compress_after == "never":
        return None
    try:
        return log.compact(dry_run=dry_run)
    except Unsupported:
        return None
