"""``eventlog doctor``: what is wrong here, and what to do about it.

Each check is a function that gives findings; one that fails is a finding itself. Nothing is changed: what can be put right by itself is
named as a command.
"""

from __future__ import annotations

import fcntl
import os
import platform
import shutil
import sqlite3
import stat
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from importlib import metadata
from pathlib import Path
from typing import Final, Literal

import click
import msgspec

from eventlog import EventLog, __version__
from eventlog.cli.amounts import size
from eventlog.cli.context import Context, command
from eventlog.cli.failures import visible
from eventlog.errors import EventLogError
from eventlog.importers.places import find
from eventlog.maintenance import policies

from .. import Catalog

_LITTLE_SPACE: Final = 1 << 30
_AHEAD: Final = timedelta(minutes=5)
_STATES: Final = {"ok": "green", "note": "yellow", "problem": "bold red"}


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """``check`` is what was looked at; ``advice`` the next step where there is one. A note is worth knowing and nothing is wrong."""

    check: str
    state: Literal["ok", "note", "problem"]
    detail: str
    advice: str | None = None


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """``ok``: no finding is a problem."""

    ok: bool
    checks: list[Finding]


@command("doctor")
@click.option("--deep", is_flag=True, help="Also verify every byte of the store, and compare the indexes with the log.")
def doctor(context: Context, deep: bool) -> None:
    """Say what is wrong here, and what to do about it.

    Looks at versions, settings, the store, its disk, locks, indexes, the clock, backups and what other tools have that is not imported.
    Changes nothing. Exit code 1 where something is wrong."""
    found = [*_guarded("versions", _versions), *_guarded("settings", lambda: _settings(context))]
    try:
        with context.open_log() as log:
            checks: list[tuple[str, Callable[[], Iterator[Finding]]]] = [
                ("store", lambda: _store(log)),
                ("disk", lambda: _disk(log)),
                ("locks", lambda: _locks(log)),
                ("index", lambda: _index(context, log, deep)),
                ("clock", lambda: _clock(context, log)),
                ("backup", lambda: _backup(log)),
            ]
            if deep:
                checks.append(("verify", lambda: _verify(context, log)))
            for name, check in checks:
                context.detail(f"looking at {name}")
                found += _guarded(name, check)
    except (EventLogError, OSError) as error:
        found.append(Finding(check="store", state="problem", detail=str(error), advice="eventlog import, or name a store with --store"))
    found += _guarded("other tools", _tools)
    diagnosis = Diagnosis(ok=all(each.state != "problem" for each in found), checks=found)
    if not diagnosis.ok:
        context.bad_news()
    if context.json:
        context.emit(diagnosis)
        return
    for each in found:
        if not context.quiet or each.state != "ok":
            _print(context, each, max(len(other.check) for other in found))


def _print(context: Context, each: Finding, width: int) -> None:
    """What was found, and what to do below it; on a terminal wrapped within its own column."""
    terminal = context.terminal
    margin = " " * (7 + 2 + width + 2)
    room = max(12, terminal.width - len(margin)) if terminal.is_there else 10_000
    lines = [line for text in (each.detail, each.advice or "") for line in textwrap.wrap(visible(text), room, break_on_hyphens=False)]
    for number, line in enumerate(lines):
        head = margin if number else f"{terminal.styled(f'{each.state:<7}', _STATES[each.state])}  {each.check:<{width}}  "
        click.echo(f"{head}{line}", color=terminal.colors)


def _guarded(name: str, check: Callable[[], Iterator[Finding]]) -> list[Finding]:
    try:
        return list(check())
    except Exception as error:  # whatever is wrong must not keep the other checks from being said
        return [Finding(check=name, state="problem", detail=f"{type(error).__name__}: {error}")]


def _versions() -> Iterator[Finding]:
    said = f"eventlog {__version__}, Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {platform.system()}"
    yield Finding(check="versions", state="ok", detail=said)
    if sys.platform not in ("linux", "darwin"):
        yield Finding(check="versions", state="problem", detail=f"{sys.platform} is not supported", advice="use Linux, macOS or WSL")
    for need in metadata.requires("session-eventlog") or ():
        if ";" in need:
            continue
        name = need.split(">")[0].split("=")[0].split("<")[0].strip()
        try:
            metadata.version(name)
        except metadata.PackageNotFoundError:
            yield Finding(check="versions", state="problem", detail=f"{name} is not installed", advice="install session-eventlog again")


def _settings(context: Context) -> Iterator[Finding]:
    loaded = context.loaded()
    changed = [name for name, source in loaded.sources.items() if source != "default"]
    there = "" if loaded.config_file.exists() else " (not there)"
    yield Finding(check="settings", state="ok", detail=f"{loaded.config_file}{there}; set: {', '.join(changed) or 'nothing'}")
    for variable, near in loaded.unknown_variables.items():
        advice = f"did you mean {near}?" if near else "`eventlog config` shows what there is"
        yield Finding(check="settings", state="problem", detail=f"{variable} is no setting and is ignored", advice=advice)
    if not loaded.settings.recording:
        yield Finding(
            check="settings",
            state="note",
            detail=f"recording is off ({loaded.sources['recording']})",
            advice="eventlog config set recording true",
        )


def _store(log: EventLog) -> Iterator[Finding]:
    count = sum(1 for _ in log.session_ids())
    yield Finding(check="store", state="ok", detail=f"{log.path or log.settings.store}: {count:,} sessions")
    if log.path is None:
        return  # what follows is of a folder
    path = Path(log.path)
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        yield Finding(check="store", state="problem", detail=f"others may look into it (mode {mode:o})", advice=f"chmod 700 {path}")
    if not os.access(path, os.W_OK):
        yield Finding(check="store", state="problem", detail="it cannot be written", advice="change its owner or mode")
    aside = [each for each in (path / "quarantine").glob("*") if each.is_file()]
    if aside:
        held = sum(each.stat().st_size for each in aside)
        yield Finding(
            check="store",
            state="note",
            detail=f"{len(aside):,} pieces ({size(held)}) that could not be trusted are in quarantine/",
            advice="they are kept for you to look at; `eventlog verify` says whether anything is wrong now",
        )


def _disk(log: EventLog) -> Iterator[Finding]:
    if log.path is None:
        return
    usage = shutil.disk_usage(log.path)
    said = f"{size(usage.free)} of {size(usage.total)} free"
    little = usage.free < min(_LITTLE_SPACE, usage.total // 20)
    advice = "free space: appends fail when the disk is full; eventlog compact makes the store smaller" if little else None
    yield Finding(check="disk", state="problem" if little else "ok", detail=said, advice=advice)


def _locks(log: EventLog) -> Iterator[Finding]:
    """Whether the file system has locks, tried where nobody else locks anything. Nothing is written."""
    if log.path is None:
        return
    fd = os.open(Path(log.path) / "store.json", os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        fcntl.flock(fd, fcntl.LOCK_UN)
    except OSError as error:
        advice = "keep the store on a local disk: without locks two writers would spoil a session"
        yield Finding(check="locks", state="problem", detail=f"the file system has none ({error.strerror})", advice=advice)
    else:
        yield Finding(check="locks", state="ok", detail="the file system of the store has them")
    finally:
        os.close(fd)


def _index(context: Context, log: EventLog, deep: bool) -> Iterator[Finding]:
    notices: list[str] = []
    with Catalog.open(log, notice=notices.append) as catalog:
        page = catalog.list(limit=1, deleted=True)
        catalog.search("doctor", limit=1)
        for said in notices:
            yield Finding(check="index", state="note", detail=said)
        yield Finding(check="index", state="ok", detail=f"{page.total:,} sessions listed, searched through the whole index")
        if deep and next(iter(catalog.check()), None) is not None:
            yield Finding(check="index", state="problem", detail="it is not what the log says", advice="eventlog rebuild")


def _clock(context: Context, log: EventLog) -> Iterator[Finding]:
    now = datetime.now(timezone.utc)
    with Catalog.open(log, notice=lambda said: None) as catalog:
        newest = next(iter(catalog.list(limit=1).items), None)
    ahead = newest is not None and newest.updated_at > now + _AHEAD
    yield Finding(
        check="clock",
        state="note" if ahead else "ok",
        detail=f"{now.astimezone():%Y-%m-%d %H:%M:%S %z} ({time.tzname[0]})"
        + (f"; the latest event is of {newest.updated_at:%Y-%m-%d %H:%MZ}, which has yet to come" if ahead and newest else ""),
        advice="this clock is late, or the one that recorded it was ahead; order is by seq and does not suffer" if ahead else None,
    )


def _backup(log: EventLog) -> Iterator[Finding]:
    settings = log.settings
    if not settings.backup_folder:
        yield Finding(
            check="backup", state="note", detail="none is configured", advice="eventlog config set backup_folder ~/backups/eventlog"
        )
        return
    due = policies.back_up(log, datetime.now(timezone.utc), dry_run=True)
    late = due is not None and due.made is not None
    yield Finding(
        check="backup",
        state="note" if late else "ok",
        detail=f"the newest is {due.newest if due and due.newest else 'not there yet'}",
        advice="eventlog maintain (eventlog watch does it by itself)" if late else None,
    )


def _verify(context: Context, log: EventLog) -> Iterator[Finding]:
    report = log.verify()
    if report.ok:
        yield Finding(
            check="verify", state="ok", detail=f"every byte of {report.events:,} events in {report.segments:,} segments is proven"
        )
        return
    first = report.problems[0]
    detail = f"{len(report.problems):,} problems, the first in {first.session_id}: {first.detail}"
    yield Finding(check="verify", state="problem", detail=detail, advice="eventlog verify; eventlog repair")


def _tools() -> Iterator[Finding]:
    found = find()
    said = ", ".join(f"{spot.found.format} ({spot.found.files:,} files)" for spot in found)
    yield Finding(check="other tools", state="ok", detail=said or "none that is known has left sessions here")
