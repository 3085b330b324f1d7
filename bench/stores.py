"""Sessions that several areas read: made once per run, on the disk that is measured."""

from __future__ import annotations

from itertools import cycle, islice
from pathlib import Path
from typing import Final

from eventlog import EventLog, Settings

from .measure import Run
from .workload import Workload, endless, workload

ACTIVE: Final = 1 << 30  # bytes: no session here grows so large that it is sealed by size
_EVENTS: Final = 20_000
_made: dict[tuple[Path, int, int, bool], Path] = {}


def session_of(run: Run, events: int, *, segment_size: int = ACTIVE, compress: bool = True) -> Path:
    """A store with one session, named ``s``, of so many events (the workload, again and again), in segments of this size."""
    key = (run.folder, events, segment_size, compress)
    if key not in _made:
        path = run.scratch(f"session-of-{events}-in-{segment_size}{'' if compress else '-raw'}")
        _fill(path, events, Settings(segment_size_bytes=segment_size, compress_after="0"), compress=compress)
        _made[key] = path
    return _made[key]


def _fill(path: Path, events: int, settings: Settings, *, compress: bool) -> None:
    with EventLog.open(path, sync="never", settings=settings) as log, log.session("s", create=True, exclusive=True) as session:
        append = session.append
        for event in islice(endless(workload(min(events, _EVENTS))), events):
            append(event)
        if segment_size_matters(settings):
            session.end()
    if compress and segment_size_matters(settings):
        with EventLog.open(path, settings=settings) as log:
            log.compact(idle_s=0)


def segment_size_matters(settings: Settings) -> bool:
    """Whether the session is one of sealed segments: then its last one is sealed too."""
    return settings.segment_size_bytes < ACTIVE


def lines_of(made: Workload, events: int) -> bytes:
    """So many stored lines, joined: what a limit reads that does not look at checksums."""
    return b"".join(islice(cycle(made.lines), events))


def many_sessions(run: Run, sessions: int, events: int) -> Path:
    """A store with so many sessions of ``events`` events each."""
    key = (run.folder, sessions, events, True)
    if key not in _made:
        path = run.scratch(f"{sessions}-sessions-of-{events}")
        source = endless(workload(_EVENTS))
        with EventLog.open(path, sync="never") as log:
            for number in range(sessions):
                with log.session(f"session-{number:06}", create=True) as session:
                    session.append(*islice(source, events))
        _made[key] = path
    return _made[key]
