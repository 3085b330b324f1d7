"""``eventlog import --follow`` as a process of its own, woken by the system's own notifications and ended by Ctrl-C."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from eventlog import EventLog
from eventlog.importers import import_paths
from eventlog.importers.follow import Follower
from eventlog.importers.report import Following, Imported

from ..importers.test_follow import AGENT, FIXTURES, MAIN, SESSION, events, line

_PATIENCE_S = 60.0


class Process:
    def __init__(self, folder: Path, store: Path, *options: str) -> None:
        command = [sys.executable, "-m", "eventlog", "import", "claude-code", "--follow", str(folder), "--store", str(store), *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3])
        self._lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for each in self.process.stdout:
            self._lines.put(each)

    def until(self, text: str) -> list[str]:
        """The lines that it prints up to one with this text in it."""
        lines = [self._lines.get(timeout=_PATIENCE_S)]
        while text not in lines[-1]:
            lines.append(self._lines.get(timeout=_PATIENCE_S))
        return lines

    def interrupt(self) -> tuple[int, list[str], str]:
        """Ctrl-C: the exit code, the last lines, what was said on stderr."""
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(_PATIENCE_S)
        self._reader.join()
        assert self.process.stderr is not None
        return code, list(self._lines.queue), self.process.stderr.read()

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join()
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Any]:
    """Starts the process; it is gone when the test is over."""
    running: list[Process] = []

    def start(*options: str) -> Process:
        (tmp_path / "projects").mkdir(exist_ok=True)
        running.append(Process(tmp_path / "projects", tmp_path / "store", *options))
        return running[-1]

    yield start
    for process in running:
        process.close()


def test_a_running_agent_is_imported_as_it_writes(tmp_path: Path, started: Any) -> None:
    folder = tmp_path / "projects"
    process = started("--json")
    assert json.loads(process.until("following")[-1]) == {"change": "following", "files": 0, "sessions": 0, "events_added": 0}
    (folder / AGENT).parent.mkdir(parents=True)
    (folder / AGENT).with_suffix(".meta.json").write_bytes((FIXTURES / AGENT).with_suffix(".meta.json").read_bytes())
    with open(folder / MAIN, "wb", buffering=0) as main, open(folder / AGENT, "wb", buffering=0) as agent:
        for byte in (FIXTURES / AGENT).read_bytes():
            agent.write(bytes([byte]))
        for each in (FIXTURES / MAIN).read_bytes().splitlines(keepends=True):
            main.write(each)
        main.write(b"\n" + line("u8", "the last", SESSION))
        process.until('"imported"')
        with EventLog.open(tmp_path / "store", create=False) as log:
            deadline = time.monotonic() + _PATIENCE_S
            while not any("the last" in str(stored.raw) for stored in log.session(SESSION, create=True).read()):
                assert time.monotonic() < deadline
                process.until('"imported"')
        (folder / "gone.jsonl").write_bytes(line("u1"))
        process.until("gone.jsonl")
        (folder / "gone.jsonl").unlink()
        process.until('"deleted"')
    code, lines, errors = process.interrupt()
    assert (code, errors) == (130, "")
    report = json.loads(lines[-1])
    assert (report["files"], report["sessions"], report["records"], report["skipped"]) == (3, 3, 15, [])
    (folder / "gone.jsonl").write_bytes(line("u1"))
    whole = EventLog.memory()
    import_paths(whole, "claude-code", [folder])
    with EventLog.open(tmp_path / "store", create=False) as log:
        assert events(log) == events(whole)
        assert log.verify().ok


def test_a_person_reads_what_happens(tmp_path: Path, started: Any) -> None:
    path = tmp_path / "projects" / "a.jsonl"
    path.parent.mkdir()
    path.write_bytes(line("u1"))
    process = started()
    assert process.until("following") == [
        f"2 events into s from {path}\n",
        "--- 1 sessions in 1 files are imported; following, Ctrl-C ends it ---\n",
    ]
    with open(path, "ab") as more:
        more.write(line("u2"))
    assert process.until("into") == [f"1 event into s from {path}\n"]
    size = path.stat().st_size
    os.truncate(path, 0)
    assert process.until("cut") == [f"{path} was cut from {size} to 0 bytes; nothing is taken away, it is read again from its start\n"]
    (tmp_path / "new").write_bytes(line("u1") + b"7\n")
    os.replace(tmp_path / "new", path)
    assert process.until("replaced") == [f"{path} was replaced; nothing is taken away, it is read again from its start\n"]
    path.unlink()
    assert process.until("deleted") == [f"1 event into s from {path}\n", f"{path} was deleted; what was imported of it stays\n"]
    code, lines, errors = process.interrupt()
    assert (code, errors) == (130, f"eventlog: skipped {path}:2: JSON, but not an object: int\n")
    assert lines == ["1 sessions in 1 files, 4 events added now\n", "2 records held or skipped, 1 of them skipped\n"]


def _descriptors_and_threads() -> tuple[set[str], int]:
    return set(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="needs /proc")
def test_following_leaves_no_descriptor_and_no_thread_behind(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with EventLog.memory() as log:
        for uuid in ("warm", "up", "measured"):
            before = _descriptors_and_threads()
            follower = Follower(log, "claude-code", [tmp_path])
            for change in follower.changes():
                if isinstance(change, Following):
                    with open(path, "ab") as more:
                        more.write(line(uuid))
                elif isinstance(change, Imported) and uuid in str(list(log.session("s").read())[-1].raw):
                    follower.stop()
            deadline = time.monotonic() + _PATIENCE_S
            while _descriptors_and_threads() != before and time.monotonic() < deadline:
                time.sleep(0.001)  # the notifier's own thread ends a moment after it was told to
        assert _descriptors_and_threads() == before
