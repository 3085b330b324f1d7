"""Row 12: whatever writers do, whatever notifications are lost, and wherever a reader stops and goes on: every event once, in order."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eventlog import EventLog, Settings
from eventlog.backend import Watch
from eventlog.events import SessionEnded
from eventlog.files.backend import FilesBackend
from eventlog.stored import StoredEvent
from eventlog.tail import CaughtUp, Tail
from tests.tails import PATIENCE_S, leaving_nothing_open, note, rest

SESSIONS = ("a", "b", "c", "d", "e")


@pytest.fixture(autouse=True)
def _nothing_stays_open() -> Iterator[None]:
    with leaving_nothing_open():
        yield


class LossyWatch:
    """Loses a share of what the watch behind it has to say."""

    def __init__(self, watch: Watch, lost_share: float, random: Random) -> None:
        self._watch = watch
        self._lost_share = lost_share
        self._random = random

    def wait(self, timeout_s: float) -> set[str] | None:
        changed = self._watch.wait(timeout_s)
        return {session_id for session_id in changed if self._random.random() >= self._lost_share} if changed else changed

    def notify(self, session_id: str) -> None:
        self._watch.notify(session_id)

    def wake(self) -> None:
        self._watch.wake()

    def close(self) -> None:
        self._watch.close()


class LossyBackend(FilesBackend):
    lost_share = 0.0
    random = Random(0)

    def watch(self, session_id: str | None = None) -> Watch:
        return LossyWatch(super().watch(session_id), self.lost_share, self.random)


def open_log(folder: str | Path, lost_share: float, seed: int) -> EventLog:
    """Small segments, few descriptors, a short poll interval: everything happens all the time."""
    chosen = Settings(store=Path(folder) / "store", segment_size_bytes=1500, frame_size_bytes=600, max_open_files=2, poll_interval_ms=2)
    backend = LossyBackend.open(chosen)
    assert isinstance(backend, LossyBackend)
    backend.lost_share, backend.random = lost_share, Random(seed)
    return EventLog(backend, chosen)


def write_at_random(log: EventLog, name: str, random: Random, appends: int) -> None:
    """Batches and single events on all sessions; some end, so that they are sealed and compressed, and go on."""
    for number in range(appends):
        with log.session(random.choice(SESSIONS), create=True) as session:
            choice = random.random()
            if choice < 0.1:
                session.append(SessionEnded(), sync="never")
            else:
                batch = [note(f"{name} {number} {'x' * random.randrange(300)}") for _ in range(random.choice((1, 1, 1, 2, 5)))]
                session.append(*batch, sync="never")


class Reader:
    """Reads with one tail after another, each going on from the cursor of the one before, and checks what it gets."""

    def __init__(self, log: EventLog, session: str | None, random: Random) -> None:
        self.log = log
        self.session = session
        self.random = random
        self.cursor = "start"
        self.seqs: dict[str, int] = defaultdict(int)
        self.marks: list[int] = []

    def read(self, written: threading.Event) -> None:
        while not written.is_set():
            with self.log.tail(self.session, after=self.cursor, marks=True) as tail:
                self.marks.append(0)
                for _ in range(self.random.randrange(200)):
                    while not tail.wait(0.05):
                        if written.is_set():
                            break
                    if not tail.is_ready:
                        break
                    self.take(tail, next(tail))
                self.cursor = tail.cursor
        with self.log.tail(self.session, after=self.cursor, marks=True) as tail:
            self.marks.append(0)
            for item in rest(tail):
                self.take(tail, item)
            assert self.marks[-1] == 1

    def take(self, tail: Tail, item: StoredEvent | CaughtUp) -> None:
        if isinstance(item, CaughtUp):
            self.marks[-1] += 1
            assert self.marks[-1] == 1
        else:
            assert item.seq == self.seqs[item.session_id] + 1, f"{item.session_id} {item.seq} came after {self.seqs[item.session_id]}"
            self.seqs[item.session_id] = item.seq


@pytest.mark.xfail(
    strict=False, reason="a known defect, see RELIABILITY.md: of fifty runs about one misses events where sessions roll all the time"
)
@pytest.mark.parametrize("lost_share", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("seed", [1, 2])
def test_every_event_comes_once_and_in_order_while_writers_roll_seal_and_compress(
    memory_folder: Path, lost_share: float, seed: int
) -> None:
    with open_log(memory_folder, lost_share, seed) as log:
        for session_id in SESSIONS:
            log.start(id=session_id)
        writers = [
            threading.Thread(target=write_at_random, args=[log, f"w{number}", Random(f"{seed} {number}"), 150]) for number in range(2)
        ]
        written = threading.Event()
        readers = [Reader(log, session, Random(f"{seed} {session}")) for session in (None, None, "a")]
        failures: list[BaseException] = []

        def run(reader: Reader) -> None:
            try:
                reader.read(written)
            except BaseException as error:
                failures.append(error)

        reading = [threading.Thread(target=run, args=[reader]) for reader in readers]
        for thread in reading + writers:
            thread.start()
        for thread in writers:
            thread.join(PATIENCE_S)
        written.set()
        for thread in reading:
            thread.join(PATIENCE_S)
        assert failures == []
        last = {session_id: log.session(session_id).last_seq for session_id in SESSIONS}
        assert readers[0].seqs == last
        assert readers[1].seqs == last
        assert readers[2].seqs == {"a": last["a"]}


def test_with_every_notification_lost_a_waiting_tail_still_gets_what_comes(tmp_path: Path) -> None:
    with open_log(tmp_path, 1.0, 0) as log, log.tail() as everything, log.session("a", create=True) as session, session.tail() as one:
        for seq in range(1, 6):
            session.append(note())
            for tail in (everything, one):
                assert tail.wait(PATIENCE_S)
                item = next(tail)
                assert isinstance(item, StoredEvent)
                assert item.seq == seq


Step = tuple[str, int]
STEPS = st.lists(
    st.tuples(st.sampled_from(["append", "batch", "end", "take", "go on", "drain", "reopen", "foreign"]), st.integers(0, 9)), max_size=60
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, after=st.sampled_from(["start", "end"]))
def test_a_reader_that_stops_anywhere_and_goes_on_misses_nothing(memory_folder: Path, steps: list[Step], after: str) -> None:
    """One thread, so that each example is what it is: the tail looks when it is asked, between any two steps of the writers."""
    with tempfile.TemporaryDirectory(dir=memory_folder) as folder, open_log(folder, 0.0, 0) as log:
        other = open_log(folder, 0.0, 0)  # another program
        before: dict[str, int] = defaultdict(int)
        for session_id in SESSIONS[:3]:
            with log.session(session_id, create=True) as session:
                before[session_id] = session.append(note(), note())
        seqs: dict[str, int] = defaultdict(int, before if after == "end" else {})
        tail = log.tail(after=after)

        def take(most: int) -> None:
            for _ in range(most):
                if not tail.wait(0):
                    return
                item = next(tail)
                assert isinstance(item, StoredEvent)
                assert item.seq == seqs[item.session_id] + 1
                seqs[item.session_id] = item.seq

        for step, number in steps:
            session_id = SESSIONS[number % len(SESSIONS)]
            writer = other if step == "foreign" else log
            if step in ("append", "foreign"):
                writer.session(session_id, create=True).append(note("x" * 40 * number), sync="never")
            elif step == "batch":
                writer.session(session_id, create=True).append(*(note("x" * 50) for _ in range(number + 1)), sync="never")
            elif step == "end":
                writer.session(session_id, create=True).append(SessionEnded(), sync="never")
            elif step == "take":
                take(number)
            elif step == "drain":
                take(1000)
            elif step == "go on":
                tail.close()
                tail = log.tail(after=tail.cursor)
            elif step == "reopen":
                other.close()
                other = open_log(folder, 0.0, 0)
        for item in rest(tail):
            assert isinstance(item, StoredEvent)
            assert item.seq == seqs[item.session_id] + 1
            seqs[item.session_id] = item.seq
        assert {session_id: seqs[session_id] for session_id in log.session_ids()} == {
            session_id: log.session(session_id).last_seq for session_id in log.session_ids()
        }
        tail.close()
        other.close()


CREATE = """
import sys
from eventlog import EventLog
from eventlog.events import MessageAdded
store, name, count = sys.argv[1:]
with EventLog.open(store, sync="never") as log:
    for number in range(int(count)):
        session = log.start(id=f"{name}-{number}")
        session.append(MessageAdded(role="user", content="1"), MessageAdded(role="user", content="2"))
        if number % 3 == 0:
            session.end()
"""


def test_three_thousand_sessions_that_two_processes_create_as_fast_as_they_can_all_arrive(tmp_path: Path) -> None:
    store, each = tmp_path / "store", 1500
    expected = {(f"{name}-{number}", seq) for name in "pq" for number in range(each) for seq in range(1, 5 if number % 3 == 0 else 4)}
    with EventLog.open(store) as log, log.tail() as tail:
        writers = [subprocess.Popen([sys.executable, "-c", CREATE, str(store), name, str(each)]) for name in "pq"]
        seen: set[tuple[str, int]] = set()
        while len(seen) < len(expected):
            assert tail.wait(PATIENCE_S), f"{len(seen)} of {len(expected)} came"
            item = next(tail)
            assert isinstance(item, StoredEvent)
            assert (item.session_id, item.seq) not in seen
            seen.add((item.session_id, item.seq))
        assert [writer.wait(PATIENCE_S) for writer in writers] == [0, 0]
        assert seen == expected
        assert rest(tail) == []
