"""Rows 1 and 10: many writer processes on a few sessions, killed at any moment and started again.

Each writes what it was told to a file of its own, after it was told. The driver forks, so it runs in a process without threads:
`python -m tests.crash.kills FOLDER KILLS SEED`.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import traceback
from collections import defaultdict
from pathlib import Path
from random import Random
from typing import Any, NoReturn

from eventlog import EventLog, Settings
from eventlog.events import MessageAdded, SessionEnded
from tests.crash.workload import text_of

SESSIONS = ("one", "two", "three", "four")
WRITERS = 8
SETTINGS = Settings(segment_size_bytes=24_000, frame_size_bytes=8_000, lock_timeout_s=60)


class Writers:
    """The processes that are running, by process id: which place they hold."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.seed = seed
        self.started = 0
        self.places: dict[int, int] = {}
        (folder / "told").mkdir(parents=True)

    def start(self, place: int) -> None:
        self.started += 1
        name = f"{place}-{self.started}"
        child = os.fork()
        if child == 0:
            _write(self.folder, SESSIONS[place % len(SESSIONS)], name, f"{self.seed} {name}")
        self.places[child] = place

    def kill(self, child: int) -> int:
        """End it without a warning; returns the place that is free."""
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            raise AssertionError("a writer ended by itself; see its output")
        return self.places.pop(child)


def _write(folder: Path, session_id: str, name: str, seed: str) -> NoReturn:
    try:
        random = Random(seed)
        told = os.open(folder / "told" / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        log = EventLog.open(folder / "store", settings=SETTINGS)
        session = log.session(session_id, create=True)
        number = 0
        while True:
            texts = [f"{name}/{number}/{index}/{'.' * random.choice((5, 50, 3_000))}" for index in range(random.choice((1, 1, 1, 2, 7)))]
            events: list[Any] = [MessageAdded(role="user", content=text) for text in texts]
            if random.random() < 0.03:
                events[-1] = SessionEnded(reason=texts[-1])
            last = session.append(*events, id=f"{name}/{number}")
            os.write(told, b"%d %d %d\n" % (number, len(texts), last))
            number += 1
            if random.random() < 0.01:
                log.compact([session_id], idle_s=0)
            if random.random() < 0.05:
                session.close()
                session = log.session(session_id)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(3)


def run(folder: Path, kills: int, seed: int) -> dict[str, int]:
    """Kill that many times, then look at everything. Returns the sizes."""
    random = Random(seed)
    writers = Writers(folder, seed)
    for place in range(WRITERS):
        writers.start(place)
    for _ in range(kills):
        time.sleep(random.choice((0.0, 0.002, 0.01, 0.03)) * random.random())
        stopped = random.choice(list(writers.places)) if random.random() < 0.1 else None
        if stopped is not None:
            os.kill(stopped, signal.SIGSTOP)  # perhaps with the lock: the others wait for it
            time.sleep(0.005)
        victim = random.choice(list(writers.places))
        if stopped is not None:
            os.kill(stopped, signal.SIGCONT)
        writers.start(writers.kill(victim))
    time.sleep(0.05)
    for child in list(writers.places):
        writers.kill(child)
    return {"kills": kills + WRITERS, **check(folder)}


def check(folder: Path) -> dict[str, int]:
    told = {path.name: _told(path) for path in (folder / "told").iterdir()}
    unseen = {name for name, appends in told.items() if appends}
    events = 0
    with EventLog.open(folder / "store", settings=SETTINGS) as log:
        for session_id in SESSIONS:
            with log.session(session_id, create=True) as session:
                session.append(MessageAdded(role="user", content="end/0/0/"))
                found = [(event.seq, text_of(event.event)) for event in session.read()]
            assert [seq for seq, _ in found] == list(range(1, len(found) + 1)), "not dense"
            by_writer: dict[str, dict[int, list[tuple[int, int]]]] = defaultdict(lambda: defaultdict(list))
            for seq, text in found[:-1]:
                name, number, index, _ = text.split("/")
                by_writer[name][int(number)].append((seq, int(index)))
            for name, appends in by_writer.items():
                unseen.discard(name)
                _check_writer(name, appends, told[name])
                events += sum(count for count, _ in told[name].values())
        assert not unseen, f"nothing is left of {unseen}"
        report = log.verify()
        assert report.ok, report.problems
    return {"acknowledged_events": events, "stored_events": report.events, "segments": report.segments, "lost": 0}


def _check_writer(name: str, found: dict[int, list[tuple[int, int]]], told: dict[int, tuple[int, int]]) -> None:
    """Each append once, whole, in order; all that it was told of, and at most one more, which it was killed in."""
    assert list(found) == list(range(len(found))), f"{name} is out of order, or has a hole"
    assert len(found) - len(told) in (0, 1), f"{name} was told of {len(told)} appends, {len(found)} are there"
    for number, (count, last) in told.items():
        assert found[number] == [(last - count + 1 + index, index) for index in range(count)], f"append {number} of {name}"


def _told(path: Path) -> dict[int, tuple[int, int]]:
    """What a writer was told, by the number of the append: how many events, the last seq. The last line may be cut by the kill."""
    lines = path.read_bytes().split(b"\n")[:-1]
    return {int(number): (int(count), int(last)) for number, count, last in (line.split() for line in lines)}


if __name__ == "__main__":
    print(json.dumps(run(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))))
