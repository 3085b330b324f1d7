"""Group commit: many appenders at once on one session, all durable, against one thread that writes and syncs.

Threads on one handle, and tasks of one event loop."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from eventlog import EventLog, Session, aio

from .append import SYNCED, Writer, append_each, blocks, fed
from .floors import FLOOR, Relay
from .measure import Area, Contender, Goal, Run, together
from .workload import DESCRIPTION, workload

_EACH = 50  # events of each thread in a round: so many that to start and to join it does not count
_THREADS = {1: None, 8: Goal(at_least=2.5), 64: Goal(at_least=6)}
_TASKS = {1: None, 8: Goal(at_least=3), 64: Goal(at_least=10)}


def areas(run: Run) -> Iterator[Area]:
    made = workload(20_000)
    area = Area(
        name="group-commit",
        title="Group commit, durable, one session",
        workload=f"{DESCRIPTION}; each thread or task appends one event after the other",
        unit="us per event, in all",
    )
    raw = Writer(run.scratch("group-commit/raw"))
    size = 80
    contenders = [
        Contender(
            name=SYNCED, role="limit", units=size, round=fed(blocks(made.lines, size), raw.write_and_sync), durability="fdatasync per event"
        )
    ]
    durability = "on stable storage when it returns"
    with EventLog.open(run.scratch("group-commit/store")) as log, Loop(run.scratch("group-commit/asyncio")) as loop:
        session = log.session("s", create=True)
        for threads in list(_THREADS)[1:]:
            each = max(_EACH, 80 // threads)
            relay = Relay(run.scratch(f"group-commit/relay-{threads}"), made.lines, threads, each)
            contenders.append(
                Contender(name=_relay(threads), role="limit", units=threads * each, round=relay.round, durability="fdatasync per group")
            )
        for threads in _THREADS:
            team = Team(session, made.events, threads, each=max(_EACH, 80 // threads))
            contenders.append(Contender(name=_threads(threads), units=threads * team.each, round=team.round, durability=durability))
        for tasks in _TASKS:
            each = max(_EACH, 80 // tasks)
            contenders.append(
                Contender(
                    name=_tasks(tasks),
                    units=tasks * each,
                    round=partial(loop.append, made.events, tasks, each),
                    durability=durability,
                )
            )
        os.sync()
        area.measure(contenders, run.scale(20, 4))
    note = "median of alternating blocks"
    for tasks, goal in _TASKS.items():
        area.ratio(
            f"group commit, {_tasks(tasks)}: rate, to one-thread raw write + fdatasync", SYNCED, _tasks(tasks), goal, "median", note=note
        )
    for threads, goal in _THREADS.items():
        name = f"group commit, {_threads(threads)}: rate, to one-thread raw write + fdatasync"
        area.ratio(name, SYNCED, _threads(threads), goal, "median", note=note)
        name = f"{_relay(threads)}: rate, to one-thread raw write + fdatasync"
        area.ratio(name, SYNCED, _relay(threads), by="median", note=FLOOR)
    yield area


def _threads(number: int) -> str:
    return f"{number} thread{'' if number == 1 else 's'}"


def _relay(number: int) -> str:
    return f"{_threads(number)} with ready lines, who comes last writes and syncs for all"


def _tasks(number: int) -> str:
    return f"asyncio, {number} task{'' if number == 1 else 's'}"


class Loop:
    """An event loop with a log in it, whose tasks append to one handle at once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.runner = asyncio.Runner()

    def __enter__(self) -> Loop:
        self.log = self.runner.run(aio.EventLog.open(self.path))
        self.session = self.runner.run(self.log.session("s", create=True))
        return self

    def __exit__(self, *failure: object) -> None:
        self.runner.run(self.log.close())
        self.runner.close()

    def append(self, events: Sequence[Any], tasks: int, each: int) -> float:
        async def one(number: int) -> None:
            for event in events[number * each : (number + 1) * each]:
                await self.session.append(event)

        async def all_of_them() -> float:
            begin = time.perf_counter()
            await asyncio.gather(*(one(number) for number in range(tasks)))
            return time.perf_counter() - begin

        return self.runner.run(all_of_them())


class Team:
    """Threads that append to one handle at once."""

    def __init__(self, session: Session, events: Sequence[Any], threads: int, each: int) -> None:
        self.session, self.threads, self.each = session, threads, each
        self.take = blocks(events, each)

    def round(self) -> float:
        return together([partial(append_each, self.session, self.take()) for _ in range(self.threads)])
