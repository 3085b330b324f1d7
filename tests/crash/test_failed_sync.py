"""Row 8: a sync fails once and the next one "works". Nothing is acknowledged by the second."""

from __future__ import annotations

import errno
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from eventlog import EventLog, Session
from eventlog.errors import AppendFailed, OutcomeUnknown, WriterPoisoned
from eventlog.events import MessageAdded
from eventlog.files.backend import FilesBackend
from eventlog.files.group_commit import GroupCommit
from eventlog.testing import CrashingDisk
from tests.crash.workload import SETTINGS, contents, empty, open_log


def note(text: str) -> MessageAdded:
    """Longer than a sector, so that no later write of its neighbours brings it to the disk."""
    return MessageAdded(role="user", content=f"{text} {'.' * 1_500}")


def after_power_loss(disk: CrashingDisk, folder: Path, share: float = 0.0) -> dict[int, str]:
    disk.lose_power(folder, seed=1, share=share)
    with open_log(folder) as log:
        return texts(log)


def texts(log: EventLog) -> dict[int, str]:
    return {seq: text.rstrip(" .") for seq, text in contents(log, "s", "skip").items()}


@pytest.fixture
def disk(memory_folder: Path) -> CrashingDisk:
    empty(memory_folder / "root")
    return CrashingDisk(memory_folder / "root")


def test_the_outcome_is_unknown_the_handle_says_so_and_a_retry_is_stored_once(disk: CrashingDisk, memory_folder: Path) -> None:
    with open_log(memory_folder / "root", disk) as log:
        session = log.session("s", create=True)
        session.append(note("kept"))
        disk.fail(len(disk.operations), errno.EIO, calls=["sync"])
        with pytest.raises(OutcomeUnknown) as caught:
            session.append(note("unknown"), id="k")
        assert caught.value.cause is not None
        assert caught.value.cause.errno == errno.EIO
        with pytest.raises(WriterPoisoned) as poisoned:
            session.append(note("refused"))
        assert poisoned.value.first is caught.value
        assert after_power_loss(disk, memory_folder / "lost") == {1: "kept"}
        again = log.session("s")
        assert again.append(note("unknown"), id="k") == 2
        assert again.append(note("next")) == 3
        assert texts(log) == {1: "kept", 2: "unknown", 3: "next"}
        assert after_power_loss(disk, memory_folder / "lost again") == {1: "kept", 2: "unknown", 3: "next"}
        assert log.verify(["s"]).ok


def test_a_failed_sync_is_not_tried_again(disk: CrashingDisk, memory_folder: Path) -> None:
    with open_log(memory_folder / "root", disk) as log:
        session = log.session("s", create=True)
        session.append(note("kept"))
        begin = len(disk.operations)
        disk.fail(begin, errno.EIO, calls=["sync"])
        with pytest.raises(OutcomeUnknown):
            session.append(note("unknown"))
        for _ in range(2):
            with pytest.raises(WriterPoisoned):
                session.sync()
        syncs = [operation for operation in disk.operations[begin:] if operation.call == "sync" and operation.path.endswith("s.jsonl")]
        assert [operation.failed for operation in syncs] == [errno.EIO]


def test_an_explicit_sync_that_fails_says_so(disk: CrashingDisk, memory_folder: Path) -> None:
    with open_log(memory_folder / "root", disk) as log:
        session = log.session("s", create=True)
        session.append(note("kept"))
        session.append(note("lazy"), sync="never")
        disk.fail(len(disk.operations), errno.ENOSPC, calls=["sync"])
        with pytest.raises(OutcomeUnknown):
            session.sync()
        with pytest.raises(AppendFailed):
            session.append(note("refused"))


class SlowDisk(CrashingDisk):
    """One sync waits until it is let go, so that others come to wait for it."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.slow = False
        self.syncing = threading.Event()
        self.let_go = threading.Event()

    def sync(self, fd: int) -> None:
        if self.slow:
            self.slow = False
            self.syncing.set()
            assert self.let_go.wait(30)
        super().sync(fd)


@pytest.mark.parametrize("fails", ["the sync that runs", "the sync of those who wait"])
def test_all_who_wait_for_a_sync_that_fails_are_told(memory_folder: Path, fails: str) -> None:
    empty(memory_folder / "root")
    disk = SlowDisk(memory_folder / "root")
    settings = SETTINGS.replace(segment_size_bytes=1_000_000)
    with open_log(memory_folder / "root", disk, settings) as log, ThreadPoolExecutor(8) as pool:
        session = log.session("s", create=True)
        session.append(note("kept"))
        disk.slow = True
        first = pool.submit(session.append, note("0"), id="k0")
        assert disk.syncing.wait(30)
        others = [pool.submit(session.append, note(f"{n}"), id=f"k{n}") for n in range(1, 8)]
        wait_for_others(session, 7)
        skipped = 0 if fails == "the sync that runs" else 1
        disk.fail(len(disk.operations) + skipped, errno.EIO, calls=["sync"])
        disk.let_go.set()
        errors = [future.exception() for future in (first, *others)]
        assert all(isinstance(error, AppendFailed) for error in errors[skipped:]), errors
        assert errors[0] is None or not skipped
        again = log.session("s")
        retried = [again.append(note(f"{n}"), id=f"k{n}") for n in range(8)]
        assert sorted(retried) == list(range(2, 10))
        assert len(after_power_loss(disk, memory_folder / "lost")) == 9


def wait_for_others(session: Session, number: int) -> None:
    """Until so many appends wait for their turn behind the one whose sync is running."""
    group: GroupCommit = session._stream._group  # type: ignore[attr-defined]
    deadline = time.monotonic() + 30
    while len(group._queue) + (group._leader is not None) < number:
        assert time.monotonic() < deadline


def test_another_program_does_not_build_on_bytes_that_were_not_confirmed(disk: CrashingDisk, memory_folder: Path) -> None:
    settings = SETTINGS.replace(store=memory_folder / "root" / "store")
    with (
        EventLog(FilesBackend.open(settings, disk=disk), settings) as one,
        EventLog(FilesBackend.open(settings, disk=disk), settings) as two,
    ):
        mine, theirs = one.session("s", create=True), two.session("s", create=True)
        mine.append(note("mine"))
        theirs.append(note("theirs"))
        disk.fail(len(disk.operations), errno.EIO, calls=["sync"])
        with pytest.raises(OutcomeUnknown):
            mine.append(note("unknown"), id="k")
        assert theirs.append(note("theirs too")) == 4
        assert mine.id == "s"
        for share in (0.0, 0.5, 1.0):
            assert after_power_loss(disk, memory_folder / f"lost {share}", share) == {1: "mine", 2: "theirs", 3: "unknown", 4: "theirs too"}


def test_where_not_even_the_closing_line_can_be_written_this_program_remembers(disk: CrashingDisk, memory_folder: Path) -> None:
    with open_log(memory_folder / "root", disk) as log:
        session = log.session("s", create=True)
        session.append(note("kept"))
        disk.fail(len(disk.operations) + 1, errno.EIO, lasting=True)  # the write goes through, nothing after it
        with pytest.raises(OutcomeUnknown):
            session.append(note("unknown"), id="k")
        with pytest.raises(AppendFailed):
            log.session("s").append(note("refused"))
        disk.mend()
        assert log.session("s").append(note("next")) == 3
        assert after_power_loss(disk, memory_folder / "lost") == {1: "kept", 2: "unknown", 3: "next"}
