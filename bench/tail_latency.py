"""From an append to a reader that tails it: in the same process and in another one, through both ways of being told; what waiting costs."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from eventlog import EventLog
from eventlog.events import MessageAdded
from eventlog.tail import CaughtUp

from .measure import Area, Goal, Run, quantile
from .start_up import ROOT
from .stores import many_sessions

ONE: Final = "in another process, one session"
ALL: Final = "in another process, all sessions"
GOALS: Final = {
    f"{ONE}, p50": Goal(at_most=0.3),
    f"{ONE}, portable, p50": Goal(at_most=2.5),
    f"{ONE}, portable, p99": Goal(at_most=8),
    f"{ALL}, portable, p50": Goal(at_most=2.5),
    f"{ALL}, portable, p99": Goal(at_most=8),
}
_PAUSE_S = 0.004  # between appends: a reader that polls must not be helped by a busy log
# What every system has, where this one may have something quicker.
PORTABLE = """
from eventlog import notify
notify.watch_files = lambda folders, session_id, forget: notify.FileWatch(folders, session_id, forget)
"""
READER = """
import sys, time
from eventlog import EventLog
from eventlog.tail import CaughtUp
with EventLog.open(sys.argv[1]) as log, log.tail(sys.argv[2] if len(sys.argv) > 2 else None, marks=True) as tail:
    for stored in tail:
        if isinstance(stored, CaughtUp):
            print("ready", flush=True)
        elif stored.event.content == "end":
            break
        else:
            sent, seen = int(stored.event.content), time.monotonic_ns()
            print(seen - sent)
"""
IDLE = """
import sys, time
from eventlog import EventLog
from eventlog.tail import CaughtUp
with EventLog.open(sys.argv[1]) as log, log.tail(after="end", marks=True) as tail:
    assert isinstance(next(tail), CaughtUp)
    begin, used = time.monotonic(), time.process_time()
    assert not tail.wait(float(sys.argv[2]))
    print((time.process_time() - used) / (time.monotonic() - begin))
"""


def areas(run: Run) -> Iterator[Area]:
    yield _latency(run)
    yield _idle(run)


def _latency(run: Run) -> Area:
    count = run.scale(1_000, 50)
    area = Area(
        name="tail-latency",
        title="Tail latency",
        workload=f"{count:,} appends, not durable, {_PAUSE_S * 1000:g} ms apart; from the call of append to the event in the reader's hands",
        unit="us",
    )
    found = {
        "in the same process": _here(run.scratch("tail-here"), count),
        ONE: _elsewhere(run.scratch("tail-one"), count, "s", READER),
        ALL: _elsewhere(run.scratch("tail-all"), count, None, READER),
        f"{ONE}, portable": _elsewhere(run.scratch("tail-one-portable"), count, "s", PORTABLE + READER),
        f"{ALL}, portable": _elsewhere(run.scratch("tail-all-portable"), count, None, PORTABLE + READER),
        "limit: a byte through a pipe to another thread": _pipe(count),
    }
    for name, latencies in found.items():
        ordered = sorted(latencies)
        for label, share in (("p50", 0.5), ("p99", 0.99)):
            area.value(f"{name}, {label}", quantile(ordered, share) / 1e6, "ms", GOALS.get(f"{name}, {label}"))
    return area


def _idle(run: Run) -> Area:
    """A tail of all sessions of a large store in which nothing happens."""
    sessions, seconds = run.scale(10_000, 500), run.scale(15, 2)
    store = many_sessions(run, sessions, 5)
    area = Area(
        name="tail-idle",
        title="Waiting for events",
        workload=f"a tail of all of {sessions:,} sessions in which nothing happens, caught up, for {seconds} s",
        unit="% of a core",
    )
    for name, program, most in (("a tail that waits", IDLE, 1.0), ("a tail that waits, portable", PORTABLE + IDLE, 5.0)):
        command = [sys.executable, "-c", program, str(store), str(seconds)]
        share = float(subprocess.run(command, check=True, cwd=ROOT, capture_output=True, text=True).stdout)
        area.value(name, share * 100, "% of a core", Goal(at_most=most))
    return area


def _append_with_pauses(log: EventLog, count: int) -> None:
    with log.session("s") as session:
        for _ in range(count):
            time.sleep(_PAUSE_S)
            session.append(MessageAdded(role="user", content=str(time.monotonic_ns())), sync="never")
        session.append(MessageAdded(role="user", content="end"), sync="never")


def _begin(path: Path) -> EventLog:
    log = EventLog.open(path, sync="never")
    log.start(id="s").append(MessageAdded(role="user", content="0"))
    return log


def _here(path: Path, count: int) -> list[float]:
    latencies: list[float] = []
    ready = threading.Event()

    def read(log: EventLog) -> None:
        with log.tail("s", after="end", marks=True) as tail:
            for stored in tail:
                if isinstance(stored, CaughtUp):
                    ready.set()
                elif stored.event.content == "end":
                    return
                else:
                    latencies.append(time.monotonic_ns() - int(stored.event.content))

    with _begin(path) as log:
        reader = threading.Thread(target=read, args=(log,))
        reader.start()
        ready.wait()
        _append_with_pauses(log, count)
        reader.join()
    return latencies


def _elsewhere(path: Path, count: int, session_id: str | None, reader_program: str) -> list[float]:
    with _begin(path) as log:
        program = reader_program.replace("marks=True", 'marks=True, after="end"')
        arguments = [str(path)] if session_id is None else [str(path), session_id]
        with subprocess.Popen([sys.executable, "-c", program, *arguments], stdout=subprocess.PIPE, text=True, cwd=ROOT) as reader:
            assert reader.stdout is not None
            assert reader.stdout.readline() == "ready\n"
            _append_with_pauses(log, count)
            return [float(line) for line in reader.stdout if line.strip().isdigit()]


def _pipe(count: int) -> list[float]:
    """What waking another thread costs at least."""
    latencies: list[float] = []
    source, target = os.pipe()

    def read() -> None:
        for _ in range(count):
            select.select([source], [], [])
            sent = int(os.read(source, 64))
            latencies.append(time.monotonic_ns() - sent)

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(count):
        time.sleep(_PAUSE_S)
        os.write(target, str(time.monotonic_ns()).encode())
    reader.join()
    os.close(source)
    os.close(target)
    return latencies
