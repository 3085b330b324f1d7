"""From an append to a reader that tails it: in the same process, and in another one, against the bare notification."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from eventlog import EventLog
from eventlog.events import MessageAdded
from eventlog.tail import CaughtUp

from .measure import Area, Run, quantile
from .start_up import ROOT

_PAUSE_S = 0.004  # between appends: a reader that polls must not be helped by a busy log
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


def areas(run: Run) -> Iterator[Area]:
    count = run.scale(1_000, 50)
    area = Area(
        name="tail-latency",
        title="Tail latency",
        workload=f"{count:,} appends, not durable, {_PAUSE_S * 1000:g} ms apart; from the call of append to the event in the reader's hands",
        unit="us",
    )
    found = {
        "in the same process": _here(run.scratch("tail-here"), count),
        "in another process, one session": _elsewhere(run.scratch("tail-one"), count, "s"),
        "in another process, all sessions": _elsewhere(run.scratch("tail-all"), count, None),
        "limit: a byte through a pipe to another thread": _pipe(count),
    }
    for name, latencies in found.items():
        ordered = sorted(latencies)
        for label, share in (("p50", 0.5), ("p99", 0.99)):
            area.value(f"{name}, {label}", quantile(ordered, share) / 1e6, "ms")
    yield area


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


def _elsewhere(path: Path, count: int, session_id: str | None) -> list[float]:
    with _begin(path) as log:
        program = READER.replace("marks=True", 'marks=True, after="end"')
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
