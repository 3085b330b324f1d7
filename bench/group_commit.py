"""Group commit: many appenders at once on one session, all durable, against one thread that writes and syncs."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

from eventlog import EventLog, Session

from .append import SYNCED, Writer, append_each, blocks, fed
from .measure import Area, Contender, Goal, Run
from .workload import DESCRIPTION, workload

_GOALS = {8: Goal(at_least=2.5), 64: Goal(at_least=6)}


def areas(run: Run) -> Iterator[Area]:
    made = workload(20_000)
    area = Area(
        name="group-commit",
        title="Group commit by threads, durable, one session",
        workload=f"{DESCRIPTION}; each thread appends one event after the other",
        unit="us per event, in all",
    )
    raw = Writer(run.scratch("group-commit/raw"))
    size = 80
    contenders = [
        Contender(
            name=SYNCED, role="limit", units=size, round=fed(blocks(made.lines, size), raw.write_and_sync), durability="fdatasync per event"
        )
    ]
    with EventLog.open(run.scratch("group-commit/store")) as log:
        session = log.session("s", create=True)
        for threads in (1, 8, 64):
            team = Team(session, made.events, threads, each=max(10, 80 // threads))
            contenders.append(
                Contender(name=_name(threads), units=threads * team.each, round=team.round, durability="on stable storage when it returns")
            )
        os.sync()
        area.measure(contenders, run.scale(25, 5))
    for threads in (1, 8, 64):
        name = f"group commit, {_name(threads)}: rate, to one-thread raw write + fdatasync"
        area.ratio(name, SYNCED, _name(threads), _GOALS.get(threads), by="median", note="median of alternating blocks")
    yield area


def _name(threads: int) -> str:
    return f"{threads} thread{'' if threads == 1 else 's'}"


class Team:
    """Threads that append to one handle at once; a round is from the first's start to the last's end."""

    def __init__(self, session: Session, events: Sequence[Any], threads: int, each: int) -> None:
        self.session, self.threads, self.each = session, threads, each
        self.take = blocks(events, each)

    def round(self) -> float:
        barrier = threading.Barrier(self.threads + 1)
        members = [threading.Thread(target=self._work, args=(barrier, self.take())) for _ in range(self.threads)]
        for member in members:
            member.start()
        barrier.wait()
        begin = time.perf_counter()
        for member in members:
            member.join()
        return time.perf_counter() - begin

    def _work(self, barrier: threading.Barrier, events: list[Any]) -> None:
        barrier.wait()
        append_each(self.session, events)
