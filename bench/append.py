"""Appending to one session: not durable and durable, one event and many, alone and with other processes."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import cycle, islice
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

from eventlog import EventLog, Session

from .floors import FLOOR, STEPS, SYNCED_STEPS, Steps
from .measure import Area, Contender, Goal, Run
from .peers import NAMES, Missing, Peer, open_peer
from .workload import DESCRIPTION, Workload, workload

BATCH = 64
# So that a round of a slow peer does not last for minutes: it appends this many times fewer events.
_FEWER = {
    "eventsourcing": 10,
    "openai-agents SQLiteSession": 10,
    "langgraph-checkpoint-sqlite": 50,
    "google-adk": 100,
    "file rewritten per message": 200,
}
WRITE = "os.write of the ready line"
SYNCED = "os.write + fdatasync of the ready line"
EXCLUSIVE = "append, exclusive handle"
SHARED = "append, shared handle"
MANY = f"append of {BATCH} events in one call"


def areas(run: Run) -> Iterator[Area]:
    yield _not_durable(run)
    yield _durable(run)
    yield _processes(run)


class Writer:
    """Writes ready lines to a file of its own: the limit."""

    def __init__(self, folder: Path) -> None:
        self.fd = os.open(folder / "raw.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def write(self, lines: Sequence[bytes]) -> None:
        fd, write = self.fd, os.write
        for line in lines:
            write(fd, line)

    def write_and_sync(self, lines: Sequence[bytes]) -> None:
        fd, write, sync = self.fd, os.write, os.fdatasync
        for line in lines:
            write(fd, line)
            sync(fd)


def append_each(session: Session, events: Sequence[Any]) -> None:
    append = session.append
    for event in events:
        append(event)


def blocks(items: Sequence[Any], size: int) -> Callable[[], list[Any]]:
    """Each call gives the next ``size`` items, round and round."""
    source = cycle(items)
    return lambda: list(islice(source, size))


def fed(take: Callable[[], list[Any]], work: Callable[[list[Any]], object]) -> Callable[[], float]:
    """A round that takes its block before its time begins."""

    def round() -> float:
        block = take()
        begin = time.perf_counter()
        work(block)
        return time.perf_counter() - begin

    return round


def peers(run: Run, area: Area, made: Workload, size: int, *, durable: bool) -> Iterator[tuple[Peer, Contender]]:
    """The peers that are installed; others are left out by name."""
    records = made.records()
    for name in NAMES:
        try:
            peer = open_peer(name, run.scratch(f"{area.name}/{name.translate(_PLAIN)}"), durable=durable)
        except Missing as missing:
            area.left_out[name] = str(missing)
            continue
        units = max(5, size // _FEWER.get(name, 1)) if size > 100 else max(4, size // 10)
        work = fed(blocks(records, units), peer.append)
        yield peer, Contender(name=name, role="peer", durability=peer.durability, units=units, round=work)


_PLAIN = str.maketrans({"'": "", "(": "", ")": "", "+": "", " ": "-", ".": "-"})


def _not_durable(run: Run) -> Area:
    size, rounds = 2_048, run.scale(40, 8)
    made = workload(20_000)
    area = Area(name="append", title="Append, not durable", workload=DESCRIPTION, unit="us per event")
    folder = run.scratch("append/store")
    raw, joined, steps = Writer(run.scratch("append/raw")), Writer(run.scratch("append/joined")), Steps(run.scratch("append/steps"))
    take = blocks(made.lines, size)
    contenders = [
        Contender(name=WRITE, role="limit", units=size, round=fed(take, raw.write), durability="none"),
        Contender(name=STEPS, role="limit", units=size, round=fed(blocks(made.events, size), steps.append), durability="none"),
        Contender(
            name=f"os.write of {BATCH} lines joined",
            role="limit",
            units=size,
            round=fed(lambda: _in_batches(take(), b"".join), joined.write),
            durability="none",
        ),
    ]
    never = 'sync="never"'
    with EventLog.open(folder, sync="never") as log:
        exclusive = log.session("exclusive", create=True, exclusive=True)
        shared = log.session("shared", create=True)
        many = log.session("many", create=True, exclusive=True)
        take_events = blocks(made.events, size)
        contenders += [
            Contender(name=EXCLUSIVE, units=size, round=fed(take_events, lambda block: append_each(exclusive, block)), durability=never),
            Contender(name=SHARED, units=size, round=fed(take_events, lambda block: append_each(shared, block)), durability=never),
            Contender(
                name=MANY,
                units=size,
                round=fed(lambda: _in_batches(take_events(), tuple), lambda batches: _append_batches(many, batches)),
                durability=never,
            ),
        ]
        opened = []
        for peer, contender in peers(run, area, made, size, durable=False):
            opened.append(peer)
            contenders.append(contender)
        area.measure(contenders, rounds)
        for peer in opened:
            peer.close()
    area.ratio("append, not durable, exclusive handle, to raw os.write", EXCLUSIVE, WRITE, Goal(at_most=2.6, stretch=2.3))
    area.ratio("its steps in one function, to raw os.write", STEPS, WRITE, note=FLOOR)
    area.ratio("open('a') + json.dumps + flush, to the same append", "open('a') + json.dumps", EXCLUSIVE, Goal(at_least=1.7))
    area.ratio("append on a shared handle, to raw os.write", SHARED, WRITE, Goal(at_most=4.5))
    area.ratio(f"{BATCH} events in one append, to one raw os.write per event", MANY, WRITE, Goal(at_most=1.4, stretch=1.1))
    for name in NAMES:
        area.ratio(f"{name}, to append", name, EXCLUSIVE)
    return area


def _in_batches(items: list[Any], make: Callable[[list[Any]], Any]) -> list[Any]:
    return [make(items[start : start + BATCH]) for start in range(0, len(items), BATCH)]


def _append_batches(session: Session, batches: Sequence[tuple[Any, ...]]) -> None:
    append = session.append
    for batch in batches:
        append(*batch)


def _durable(run: Run) -> Area:
    size, rounds = 40, run.scale(50, 8)
    made = workload(20_000)
    area = Area(name="append-durable", title="Append, durable", workload=DESCRIPTION, unit="us per event")
    raw, steps = Writer(run.scratch("append-durable/raw")), Steps(run.scratch("append-durable/steps"), durable=True)
    each = "fdatasync per event"
    contenders = [
        Contender(name=SYNCED, role="limit", units=size, round=fed(blocks(made.lines, size), raw.write_and_sync), durability=each),
        Contender(name=SYNCED_STEPS, role="limit", units=size, round=fed(blocks(made.events, size), steps.append), durability=each),
    ]
    always = 'sync="always": on stable storage when it returns'
    with EventLog.open(run.scratch("append-durable/store")) as log:
        session = log.session("durable", create=True)
        owned = log.session("exclusive", create=True, exclusive=True)
        take = blocks(made.events, size)
        contenders += [
            Contender(name=SHARED, units=size, round=fed(take, lambda block: append_each(session, block)), durability=always),
            Contender(name=EXCLUSIVE, units=size, round=fed(take, lambda block: append_each(owned, block)), durability=always),
        ]
        opened = []
        for peer, contender in peers(run, area, made, size, durable=True):
            opened.append(peer)
            contenders.append(contender)
        os.sync()  # what earlier areas left to be written is not to be paid for by the first syncs here
        area.measure(contenders, rounds)
        for peer in opened:
            peer.close()
    note = "median of alternating blocks"
    area.ratio("raw write + fdatasync, to durable append", SYNCED, SHARED, Goal(at_least=0.95), by="median", note=note)
    area.ratio("raw write + fdatasync, to its steps in one function", SYNCED, SYNCED_STEPS, by="median", note=FLOOR)
    area.ratio("raw write + fdatasync, to durable append, exclusive", SYNCED, EXCLUSIVE, by="median", note=note)
    for name in NAMES:
        area.ratio(f"{name}, to durable append", name, SHARED, by="median")
    return area


def _processes(run: Run) -> Area:
    count = run.scale(8_000, 1_500)
    title = "Append by several processes to one session, not durable"
    area = Area(
        name="append-processes", title=title, workload=f"{DESCRIPTION}; {count:,} events by each process", unit="us per event, in all"
    )
    path = run.scratch("append-processes/store")
    with EventLog.open(path, sync="never"):
        pass
    workload(2_000)
    contenders = []
    for number in (1, 2, 8):
        processes = Processes(path, f"by-{number}", number, count)
        plural = "" if number == 1 else "es"
        contenders.append(
            Contender(name=f"{number} process{plural}", units=number * count, round=processes.round, durability='sync="never"')
        )
    area.measure(contenders, run.scale(7, 2))
    area.ratio("2 processes, to 1, per event", "2 processes", "1 process", by="median")
    area.ratio("8 processes, to 1, per event", "8 processes", "1 process", by="median")
    return area


class Processes:
    """Several processes that append to one session at once. A round lasts from the first's first append to the last's last."""

    def __init__(self, path: Path, session_id: str, number: int, count: int) -> None:
        self.path, self.session_id, self.number, self.count = path, session_id, number, count
        self.context = multiprocessing.get_context("spawn")

    def round(self) -> float:
        barrier = self.context.Barrier(self.number)
        spans: Any = self.context.Queue()
        arguments = (self.path, self.session_id, self.count, barrier, spans)
        workers = [self.context.Process(target=_append_when_all_are_ready, args=arguments) for _ in range(self.number)]
        for worker in workers:
            worker.start()
        found = [spans.get() for _ in workers]
        for worker in workers:
            worker.join()
        return float(max(end for _, end in found) - min(begin for begin, _ in found))


def _append_when_all_are_ready(path: Path, session_id: str, count: int, barrier: Barrier, spans: Any) -> None:
    events = list(islice(cycle(workload(2_000).events), count))
    with EventLog.open(path, sync="never") as log, log.session(session_id, create=True) as session:
        barrier.wait()
        begin = time.perf_counter()  # one clock for all processes of the machine
        append_each(session, events)
        spans.put((begin, time.perf_counter()))
