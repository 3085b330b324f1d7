"""The catalog under load: what a page costs after another process has appended, statistics after changes, and one beside the other."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from eventlog import EventLog
from projections import Catalog

from .measure import Area, Contender, Goal, Run
from .stores import many_sessions

_EVENTS = 5
_CHANGED = 10
QUIET, APPENDED = "first page of 50, nothing was written", "first page of 50 after an append by another process"
KEPT = f"statistics after {_CHANGED} changes"
ALONE, BESIDE = "first page of 50, alone", "first page of 50 beside statistics in a loop"
_WRITER = """
import sys
from eventlog import EventLog
from eventlog.events import UsageRecorded
with EventLog.open(sys.argv[1], sync="never") as log:
    for line in sys.stdin:
        for number in range(int(line)):
            with log.session(f"session-{number * 7:06}") as session:
                session.append(UsageRecorded(model="m", input_tokens=1))
        print(flush=True)
"""


def areas(run: Run) -> Iterator[Area]:
    sessions = run.scale(100_000, 1_000)
    area = Area(
        name="under-load",
        title="The catalog while others write and ask",
        workload=f"{sessions:,} sessions of {_EVENTS} events; processor time of the thread that asks, but for what is asked beside something",
        unit="us per answer",
    )
    store = many_sessions(run, sessions, _EVENTS)
    with EventLog.open(store) as log, Catalog.open(log) as catalog, _another_process(store) as append:
        catalog.list(limit=1)
        area.measure(
            [
                Contender(name=QUIET, units=1, prepare=lambda: catalog.list(limit=1), round=_cpu(lambda: catalog.list(limit=50))),
                Contender(name=APPENDED, units=1, prepare=lambda: append(1), round=_cpu(lambda: catalog.list(limit=50))),
                Contender(name=KEPT, units=1, prepare=lambda: append(_CHANGED), round=_cpu(catalog.statistics)),
            ],
            run.scale(40, 6),
        )
        append(0)
        alone = Contender(name=ALONE, units=1, round=lambda: _page(catalog))
        area.measure([alone], run.scale(200, 20))
        with _asking(catalog):
            area.measure([Contender(name=BESIDE, units=1, round=lambda: _page(catalog))], run.scale(200, 20))
    area.ratio("first page after an append by another process, to nothing written", APPENDED, QUIET, Goal(at_most=2.5), by="median")
    area.absolute(f"statistics of {sessions:,} sessions after {_CHANGED} changes", KEPT, Goal(at_most=60), "ms", 1000)
    area.ratio("first page beside statistics in a loop, to alone", BESIDE, ALONE, Goal(at_most=3), by="median")
    yield area


def _page(catalog: Catalog) -> None:
    catalog.list(limit=50)


def _cpu(work: Callable[[], object]) -> Callable[[], float]:
    def measured() -> float:
        begin = time.thread_time()
        work()
        return time.thread_time() - begin

    return measured


@contextmanager
def _another_process(store: Path) -> Iterator[Callable[[int], None]]:
    """Another process that appends to so many sessions when it is told to."""
    with subprocess.Popen([sys.executable, "-c", _WRITER, str(store)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        stdin, stdout = process.stdin, process.stdout
        assert stdin is not None
        assert stdout is not None

        def append(sessions: int) -> None:
            stdin.write(f"{sessions}\n")
            stdin.flush()
            stdout.readline()

        yield append
        stdin.close()


@contextmanager
def _asking(catalog: Catalog) -> Iterator[None]:
    """A thread that asks for statistics, again and again."""
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            catalog.statistics()

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
