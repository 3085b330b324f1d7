"""What the README says of ordinary tools is so: jq, grep, cat, tail -F and zstdcat on a real store."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, Queue

import pytest

from eventlog import EventLog, Session, Settings
from eventlog.events import MessageAdded
from eventlog.files.layout import Layout

README = (Path(__file__).parents[2] / "README.md").read_text()
SETTINGS = Settings(segment_size_bytes=1_000, compress_after="0")
SESSION = "0192f1a0-0000-7000-8000-000000000001"
PATIENCE_S = 60.0

pytestmark = pytest.mark.skipif(
    any(shutil.which(tool) is None for tool in ("jq", "zstdcat", "tail")), reason="jq, zstd or tail is not installed"
)


def recipe(begins: str) -> str:
    """The line of the README that begins so."""
    (line,) = re.findall(rf"^{re.escape(begins)}.*$", README, re.MULTILINE)
    return str(line).replace("SESSION", SESSION)


def run(command: str, folder: Path, **environment: str) -> bytes:
    done = subprocess.run(["sh", "-c", command], cwd=folder, env={**os.environ, **environment}, capture_output=True, check=True)
    return done.stdout


def say(session: Session, count: int, text: str = "Fix the cookie " + "." * 60) -> None:
    for _ in range(count):
        session.append(MessageAdded(role="user", content=text))


@pytest.fixture
def log(tmp_path: Path) -> EventLog:
    return EventLog.open(tmp_path / "my-store", settings=SETTINGS)


def seqs(lines: bytes) -> list[int]:
    return [record["seq"] for record in map(json.loads, lines.splitlines()) if "seq" in record]


def test_an_ended_session_is_found_by_grep_and_jq_under_its_own_name(log: EventLog, tmp_path: Path) -> None:
    session = log.session(SESSION, create=True)
    say(session, 2)
    session.end()
    (found,) = run(recipe("grep"), tmp_path).decode().split()
    assert Path(found).name == f"{SESSION}.jsonl"
    assert run(recipe("jq"), tmp_path).count(b"Fix the cookie") == 2


@pytest.mark.parametrize("locale", ["C", "C.UTF-8", "en_US.UTF-8"])
def test_cat_of_a_session_that_rolled_is_in_order(log: EventLog, tmp_path: Path, locale: str) -> None:
    session = log.session(SESSION, create=True)
    say(session, 33)
    session.end()
    assert len(list((tmp_path / "my-store").rglob(f"{SESSION}*.jsonl"))) > 5
    assert seqs(run(recipe("cat"), tmp_path, LC_ALL=locale)) == list(range(1, 35))


def test_zstdcat_reads_what_is_compressed_and_what_is_not(log: EventLog, tmp_path: Path) -> None:
    session = log.session(SESSION, create=True)
    say(session, 20)
    log.compact()
    say(session, 7)
    names = sorted(os.listdir(Layout(tmp_path / "my-store").folder(SESSION)))
    assert [name for name in names if not name.endswith(".zst")] == [f"{SESSION}+000000000021.jsonl", f"{SESSION}.jsonl"]
    assert run(recipe("zstdcat"), tmp_path).count(b"Fix the cookie") == 27
    assert seqs(run(f"zstdcat -f my-store/sessions/*/{SESSION}*.jsonl*", tmp_path)) == list(range(1, 28))


@contextmanager
def output_of(command: str, folder: Path) -> Iterator[Queue[bytes]]:
    """The lines that a command prints, as they come; it is ended afterwards."""
    process = subprocess.Popen(["sh", "-c", f"exec {command}"], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0)
    lines: Queue[bytes] = Queue()
    assert process.stdout is not None
    with process.stdout as stdout:
        reading = threading.Thread(target=lambda: [lines.put(line) for line in iter(stdout.readline, b"")], daemon=True)
        reading.start()
        try:
            yield lines
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()
            reading.join()


def shown_up_to(lines: Queue[bytes], seq: int) -> list[int]:
    """The seqs of the events that are shown, up to this one."""
    found: list[int] = []
    while not found or found[-1] != seq:
        try:
            record = json.loads(lines.get(timeout=PATIENCE_S))
        except Empty:
            raise AssertionError(f"event {seq} did not come; {found} came") from None
        if "seq" in record:
            found.append(record["seq"])
    return found


def test_tail_shows_every_event_of_a_session_that_rolls_five_times_once(log: EventLog, tmp_path: Path) -> None:
    session = log.session(SESSION, create=True)
    say(session, 1)
    folder = Path(Layout(tmp_path / "my-store").folder(SESSION))

    def rolls() -> int:
        return len(list(folder.glob(f"{SESSION}+*.jsonl")))

    with output_of(recipe("tail"), tmp_path) as lines:
        assert shown_up_to(lines, 1) == [1]
        while rolls() < 5:
            say(session, 1)
            assert shown_up_to(lines, session.last_seq) == [session.last_seq]
        last = session.end()
        say(session, 1)
        assert shown_up_to(lines, last + 1) == [last, last + 1]
        assert lines.empty()
    assert rolls() == 6
