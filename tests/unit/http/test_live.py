"""The live stream of a server that is a process of its own."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from eventlog import EventLog
from eventlog.events import MessageAdded, SessionEnded

from .serving import Served, Stream, served


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EventLog]:
    with EventLog.open(tmp_path / "store", sync="never") as log:
        log.start(id="a").append(MessageAdded(role="user", content="first"))
        yield log


@pytest.fixture
def server(log: EventLog, tmp_path: Path) -> Iterator[Served]:
    with served(Path(str(log.path)), tmp_path / "config") as server:
        yield server


def note(text: str) -> MessageAdded:
    return MessageAdded(role="user", content=text)


def events_of(told: list[tuple[str, object]]) -> list[tuple[str, int]]:
    return [(data["session_id"], data["seq"]) for event, data in told if event == "event"]  # type: ignore[index]


def events_behind(server: Served, target: str, place: str | None) -> list[tuple[str, int]]:
    """What a stream that goes on from there tells until it has caught up."""
    stream = Stream(server, target, place)
    try:
        return events_of(stream.until_caught_up())
    finally:
        stream.cut()


def test_what_is_there_is_told_then_what_comes(server: Served, log: EventLog) -> None:
    stream = Stream(server, "?after=start&shape=event,row")
    told = stream.until_caught_up()
    assert events_of(told) == [("a", 1), ("a", 2)]
    assert [data["session_id"] for event, data in told if event == "row"] == ["a"]
    log.session("a").append(note("second"))
    log.delete("a")
    found = {}
    for event, data in stream:
        found[event] = data
        if event == "gone":
            break
    assert (found["event"]["seq"], found["gone"]) == (4, {"session_id": "a"})
    stream.cut()


def test_a_stream_of_one_session_goes_on_by_its_seqs(server: Served, log: EventLog) -> None:
    stream = Stream(server, "?session_id=a&after=1")
    assert events_of(stream.until_caught_up()) == [("a", 2)]
    assert stream.last_id == "2"
    stream.cut()
    log.start(id="b")
    log.session("a").append(note("second"))
    assert events_behind(server, "?session_id=a", "2") == [("a", 3)]


_WRITER = """
import sys, time
from eventlog import EventLog
from eventlog.events import MessageAdded
with EventLog.open(sys.argv[1], sync="never") as log, log.session(sys.argv[2], create=True) as session:
    while True:
        session.append(MessageAdded(role="user", content="x" * 200))
        time.sleep(0.002)
"""


def test_20_disconnects_under_writing_processes_kills_and_compaction_lose_and_double_nothing(server: Served, log: EventLog) -> None:
    names = ["w0", "w1", "w2"]

    def begin(name: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-c", _WRITER, str(log.path), name], stderr=subprocess.PIPE)

    writers = {name: begin(name) for name in names}
    told: list[tuple[str, int]] = []
    place: str | None = None
    chosen = random.Random(11)
    try:
        for round in range(20):
            stream = Stream(server, "?after=start", place)
            wanted = chosen.randint(1, 60)
            for event, data in stream:
                assert event != "reset"
                if event == "event":
                    told.append((data["session_id"], data["seq"]))
                    wanted -= 1
                if not wanted:
                    break
            place = stream.last_id
            stream.cut()
            if round % 4 == 1:
                name = names[round % 3]
                writers[name].kill()
                writers[name].communicate()
                log.session(name, create=True).append(
                    SessionEnded()
                )  # seals its segment, also of one that was killed before its first append
                log.compact([name])
                writers[name] = begin(name)
    finally:
        for writer in writers.values():
            writer.kill()
            assert writer.communicate()[1] == b""
    told += events_behind(server, "", place)
    for name in names:
        seqs = [seq for session_id, seq in told if session_id == name]
        assert seqs == [stored.seq for stored in log.session(name).read()]


def test_20_disconnects_under_writers_lose_and_double_nothing(server: Served, log: EventLog) -> None:
    sessions = [log.start(id=f"w{number}") for number in range(3)]
    done = threading.Event()

    def write(number: int) -> None:
        count = 0
        while not done.is_set():
            sessions[number].append(note(str(count)))
            count += 1
            time.sleep(0.002)

    writers = [threading.Thread(target=write, args=(number,)) for number in range(3)]
    for writer in writers:
        writer.start()
    told: list[tuple[str, int]] = []
    place: str | None = None
    chosen = random.Random(7)
    for _ in range(20):
        stream = Stream(server, "?after=start", place)
        wanted = chosen.randint(1, 80)
        for event, data in stream:
            if event == "event":
                told.append((data["session_id"], data["seq"]))
                wanted -= 1
            assert event != "reset"
            if not wanted:
                break
        place = stream.last_id
        stream.cut()
    done.set()
    for writer in writers:
        writer.join()
    told += events_behind(server, "", place)
    for session in sessions:
        assert [seq for session_id, seq in told if session_id == session.id] == list(range(1, session.last_seq + 1))


def test_the_65th_stream_is_refused_and_streams_share_their_threads(server: Served) -> None:
    def threads() -> int:
        return len(os.listdir(f"/proc/{server.process.pid}/task"))

    streams = [Stream(server, "")]
    streams[0].until_caught_up()
    with_one = threads()
    for _ in range(63):
        streams.append(Stream(server, ""))
        streams[-1].until_caught_up()
    assert threads() <= with_one + 10
    assert server.ask("GET", "/api/v1/stream")[0] == 503
    for stream in streams:
        stream.cut()


def test_the_server_ends_with_streams_open_and_says_nothing(server: Served) -> None:
    streams = [Stream(server, "") for _ in range(10)]
    for stream in streams:
        stream.until_caught_up()
    assert server.stop() == (0, b"")
    for stream in streams:
        assert list(stream) == []
        stream.cut()


def test_one_that_does_not_read_is_told_to_fetch_anew(server: Served, log: EventLog) -> None:
    stream = Stream(server, "")
    stream.until_caught_up()
    session = log.session("a")
    for _ in range(30):
        session.append(*(note("x" * 20_000) for _ in range(50)))
    events = []
    for event, data in stream:
        events.append(event if event != "event" else data["seq"])
        if event == "reset":
            break
    seqs = [each for each in events if isinstance(each, int)]
    assert all(later == sooner + 1 for sooner, later in pairwise(seqs))
    assert server.ask("GET", "/api/v1/health")[0] == 200
    stream.cut()
