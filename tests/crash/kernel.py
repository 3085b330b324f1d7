"""Row 5 through the real kernel: strace makes a system call fail or be the last. Row 9: a small tmpfs that fills up."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

from eventlog import EventLog, Settings
from eventlog.errors import NotStored
from eventlog.events import MessageAdded
from eventlog.files.layout import Layout
from tests.crash import program
from tests.crash.workload import text_of

# Which system call, and what happens to it. Opening is disturbed for the segments only: Python itself opens many files.
INJECTIONS = [
    ("write", "error=EIO"),
    ("write", "error=ENOSPC"),
    ("write", "signal=SIGKILL"),
    ("fdatasync", "error=EIO"),
    ("fdatasync", "signal=SIGKILL"),
    ("fsync", "error=EIO"),
    ("fsync", "signal=SIGKILL"),
    ("openat", "error=EMFILE"),
    ("openat", "signal=SIGKILL"),
    ("ftruncate", "error=EIO"),
    ("/^rename", "error=EIO"),
    ("/^rename", "signal=SIGKILL"),
]


def disturb(folder: Path, call: str, injection: str, when: str, *, torn: bool = False) -> dict[str, int]:
    """Run the program with one call disturbed, then without, and check what it was told."""
    EventLog.open(folder / "store", settings=program.SETTINGS).close()
    if torn:
        _leave_torn_tail(folder)
    only = [f"-P{path}" for path in _segments(folder)] if call == "openat" else []
    _run(folder, ["strace", "-f", "-qq", "-o", os.devnull, *only, "-e", f"trace={call}", "-e", f"inject={call}:{injection}:when={when}"])
    disturbed = (folder / "told").read_bytes()
    _run(folder, [])
    return {**_check(folder), "failures": disturbed.count(b"failed")}


def _run(folder: Path, prefix: list[str]) -> None:
    command = [*prefix, sys.executable, "-B", "-m", "tests.crash.program", str(folder / "store"), str(folder / "told")]
    done = subprocess.run(command, capture_output=True, timeout=60, check=False)
    killed = done.returncode in (-9, 137)
    assert done.returncode == 0 or (killed and prefix), done.stderr.decode()


def _segments(folder: Path) -> list[Path]:
    """Where the segments will be: the program is the same every time."""
    dry = folder / "dry"
    EventLog.open(dry / "store", settings=program.SETTINGS).close()
    program.main(str(dry / "store"), str(dry / "told"))
    return [folder / "store" / path.relative_to(dry / "store") for path in (dry / "store" / "sessions").rglob("s[+.]*")]


def _leave_torn_tail(folder: Path) -> None:
    with EventLog.open(folder / "store", settings=program.SETTINGS) as log:
        log.session("s", create=True).append(MessageAdded(role="user", content="before/0/"), MessageAdded(role="user", content="before/1/"))
    path = Path(Layout(folder / "store").path(Layout(folder / "store").segments("s")[-1]))
    os.truncate(path, path.stat().st_size - 30)


def _check(folder: Path) -> dict[str, int]:
    with EventLog.open(folder / "store", settings=program.SETTINGS) as log:
        found = {event.seq: text_of(event.event) for event in log.session("s").read()}
        assert list(found) == list(range(1, len(found) + 1))
        assert len(set(found.values())) == len(found), "an event is there twice"
        told = [line.split() for line in (folder / "told").read_text().splitlines() if line.startswith("told")]
        assert len(told) >= program.APPENDS
        for _, number, count, last in told:
            seqs = range(int(last) - int(count) + 1, int(last) + 1)
            assert [found[seq].rsplit("/", 1)[0] for seq in seqs] == [f"{number}/{index}" for index in range(int(count))]
        report = log.verify()
        assert report.ok, report.problems
    return {"events": len(found)}


@contextmanager
def small_tmpfs(folder: Path, size: str = "1m") -> Iterator[Path]:
    """Raises `PermissionError` where mounting is not allowed."""
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(folder)], capture_output=True, check=False)
    if done.returncode:
        raise PermissionError(errno.EPERM, done.stderr.decode().strip())
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def random_text(size: int, seed: int) -> str:
    return Random(seed).randbytes(size // 2).hex()


def fill_up(folder: Path, rounds: int) -> dict[str, int]:
    """On a file system that is really full: an append is refused and nothing of it stays, reading works, and after space is freed the
    same handle appends again."""
    settings = Settings(segment_size_bytes=200_000)
    ballast = [folder / f"ballast-{number}" for number in range(rounds)]
    for path in ballast:
        path.write_bytes(bytes(60_000))
    texts: list[str] = []
    refused = 0
    with EventLog.open(folder / "store", settings=settings) as log:
        session = log.session("s", create=True)
        for path in ballast:
            while True:
                text = f"{len(texts)} {random_text(7_000, len(texts))}"
                try:
                    session.append(MessageAdded(role="user", content=text), MessageAdded(role="user", content="second"))
                except NotStored as error:
                    if error.cause is None or error.cause.errno != errno.ENOSPC:
                        raise
                    refused += 1
                    break
                texts += [text, "second"]
            assert [text_of(event.event) for event in session.read()] == texts
            path.unlink()
            assert session.append(MessageAdded(role="user", content="there is room again")) == len(texts) + 1
            texts.append("there is room again")
            assert log.verify().ok
    with EventLog.open(folder / "store", settings=settings) as log:
        assert [text_of(event.event) for event in log.session("s").read()] == texts
        assert log.verify().ok
    return {"refused": refused, "events": len(texts)}
