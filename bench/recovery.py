"""After a crash: opening a session that was torn, whatever its size; verifying every byte."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

from eventlog import EventLog
from eventlog.events import MessageAdded

from .measure import Area, Contender, Goal, Growth, Run
from .reading import CHUNK_SIZE, SEALED_SIZE, segment_of
from .stores import session_of
from .workload import DESCRIPTION

TORN = b'{"seq":1,"time":"2026-11-21T00:44:01.123456Z","type":"message.added","data":{"role":"user","conte'


def areas(run: Run) -> Iterator[Area]:
    yield _open_after_a_crash(run)
    yield _verify(run)


def _open_after_a_crash(run: Run) -> Area:
    sizes = (2_000, 20_000, 200_000, 2_000_000) if not run.quick else (1_000, 20_000)
    area = Area(
        name="recovery",
        title="Open after a crash",
        workload=f"{DESCRIPTION}; one active segment of {', '.join(f'{size:,}' for size in sizes)} events with a torn line at its end",
        unit="us",
    )
    look = Growth(name="last_seq", size="events in the segment", expected="constant", points=[])
    append = Growth(name="first append, not durable, with the torn tail set aside durably", size=look.size, expected="constant", points=[])
    for size in sizes:
        store = run.scratch(f"recovery-{size}") / "store"
        shutil.copytree(session_of(run, size), store)
        os.sync()
        crash = _Crash(store)
        part = Area(name="", title="", workload="", unit="")
        rounds = run.scale(30, 5)
        part.measure(
            [
                Contender(name=f"last_seq, {size:,} events", units=1, round=crash.look, prepare=crash.tear),
                Contender(name=f"first append, {size:,} events", units=1, round=crash.append, prepare=crash.tear),
            ],
            rounds,
        )
        crash.close()
        look.points.append((size, part.timings[0].lower_quartile))
        append.points.append((size, part.timings[1].lower_quartile))
        area.timings += part.timings
    area.growth += [look, append]
    largest = f"{sizes[-1]:,}"
    area.absolute(f"open after a crash, {largest} events", f"last_seq, {largest} events", Goal(at_most=2), "ms", 1000)
    area.absolute(f"open and first append after a crash, {largest} events", f"first append, {largest} events", Goal(at_most=2), "ms", 1000)
    return area


class _Crash:
    """A store whose session gets a torn tail before each round."""

    def __init__(self, store: Path) -> None:
        self.store, self.segment = store, segment_of(store)
        self.log = EventLog.open(store, sync="never")
        with self.log.session("s") as session:
            self.seq = session.last_seq

    def tear(self) -> None:
        self.log.close()
        next_seq = b'{"seq":%d,' % (self.seq + 1)
        with open(self.segment, "ab") as file:
            file.write(TORN.replace(b'{"seq":1,', next_seq))
        self.log = EventLog.open(self.store, sync="never")

    def look(self) -> None:
        with self.log.session("s") as session:
            assert session.last_seq == self.seq

    def append(self) -> None:
        with self.log.session("s") as session:
            self.seq = session.append(MessageAdded(role="user", content="Here I am again."))

    def close(self) -> None:
        self.log.close()


def _verify(run: Run) -> Area:
    events = run.scale(200_000, 20_000)
    active = session_of(run, events)
    cold = session_of(run, events, segment_size=SEALED_SIZE)
    path = segment_of(active)
    megabytes = path.stat().st_size / 1e6
    area = Area(
        name="verify",
        title="Verify every byte",
        workload=f"{DESCRIPTION}; {megabytes:.0f} MB in the page cache, one process",
        unit="us per MB",
    )

    def checksum() -> None:
        running = 0
        fd = os.open(path, os.O_RDONLY)
        offset = 0
        while data := os.pread(fd, CHUNK_SIZE, offset):
            running = crc32(data, running)
            offset += len(data)
        os.close(fd)

    with EventLog.open(active) as one, EventLog.open(cold) as other:
        units = round(megabytes)
        contenders = [
            Contender(name="crc32 of the file", role="limit", units=units, round=checksum),
            Contender(name="verify, active segment", units=units, round=lambda: _check(one)),
            Contender(name="verify, compressed segments", units=units, round=lambda: _check(other)),
        ]
        area.measure(contenders, run.scale(11, 3))
    for name in ("verify, active segment", "verify, compressed segments"):
        found = area.timing(name)
        assert found is not None
        goal = Goal(at_least=0.5) if "active" in name else None
        area.value(f"full {name}", 1e3 / found.lower_quartile, "GB/s", goal, note="of raw lines, one core")
    return area


def _check(log: EventLog) -> None:
    assert log.verify().ok
