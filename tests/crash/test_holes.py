"""Single situations in which something acknowledged was once lost, doubled or out of reach."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import threading
from pathlib import Path

import pytest

from eventlog import EventLog, Settings
from eventlog.events import MessageAdded
from eventlog.files.disk import Disk
from eventlog.files.layout import Layout
from eventlog.files.replacing import Replacing, compress
from eventlog.testing import CrashingDisk
from tests.crash.workload import contents, empty
from tests.crash.workload import open_log as open_store

SETTINGS = Settings(segment_size_bytes=1_000, compress_after="0", sync="never", lock_timeout_s=1)


def open_log(folder: Path, settings: Settings = SETTINGS) -> EventLog:
    return EventLog.open(folder / "store", settings=settings)


def test_a_retry_is_known_where_a_crash_left_segments_that_a_joined_one_covers(tmp_path: Path) -> None:
    with open_log(tmp_path) as log:
        session = log.session("s", create=True)
        for number in range(1, 12):
            session.append(MessageAdded(role="user", content="x" * 150), id=f"k{number}")
        layout = Layout(tmp_path / "store")
        paths = [Path(layout.path(name)) for name in layout.segments("s")]
        assert len(paths) >= 4
        shutil.copy(paths[1], tmp_path / "left")
    with open_log(tmp_path, SETTINGS.replace(segment_size_bytes=100_000)) as log:
        log.compact()
        shutil.copy(tmp_path / "left", paths[1])  # the newest go first, so that this one is there when the process is killed
        last = log.session("s").last_seq
        preceding = layout.segments("s")[-1].first_seq - 1
        assert log.session("s").append(MessageAdded(role="user", content="x" * 150), id=f"k{preceding}") == preceding
        assert log.session("s").last_seq == last
        assert log.verify().ok


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_child_that_was_forked_while_a_segment_changed_places_keeps_no_lock(tmp_path: Path) -> None:
    with open_log(tmp_path) as log:
        log.session("s", create=True).append(MessageAdded(role="user", content="x" * 1_000))
    layout = Layout(tmp_path / "store")
    name = layout.segments("s")[0]
    with Replacing(Disk(), layout, [name], SETTINGS) as work:
        assert work.lock(wait=True)
        child = os.fork()
        if not child:
            signal.pause()
            os._exit(0)
    try:
        fd = os.open(layout.path(name), os.O_RDONLY)
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(fd)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_an_event_above_the_limit_of_whoever_looks_is_no_damage(tmp_path: Path) -> None:
    with open_log(tmp_path, SETTINGS.replace(segment_size_bytes=1_000_000)) as log:
        for session_id in ("s", "t"):
            session = log.session(session_id, create=True)
            for size in (10, 300_000, 10):
                session.append(MessageAdded(role="user", content="x" * size))
        log.session("t").end()
        log.compact(["t"])
    with open_log(tmp_path, SETTINGS.replace(max_event_bytes=2_000)) as log:
        for session_id in ("s", "t"):
            assert [event.seq for event in log.session(session_id).read()][:3] == [1, 2, 3]
        assert log.verify().ok
        assert log.repair(apply=True).actions == []
        assert log.compact(idle_s=0, drop_deltas=True).skipped == []
        assert [event.seq for event in log.session("s").read()] == [1, 2, 3]


def test_a_compression_that_comes_late_does_not_bring_back_what_was_redacted(tmp_path: Path) -> None:
    with open_log(tmp_path) as log:
        log.session("s", create=True).append(MessageAdded(role="user", content="the-secret " + "x" * 1_000))
        layout = Layout(tmp_path / "store")
        with Replacing(Disk(), layout, layout.segments("s"), SETTINGS) as late:
            assert late.write(late.lines())
            log.redact("s", pattern="the-secret")
            assert late.lock(wait=True)
            assert not late.put_in_place()
        assert not any("the-secret" in str(event.event) for event in log.session("s").read())
        assert log.verify().ok


def test_a_process_that_was_stopped_while_it_took_a_note_stops_no_other(tmp_path: Path) -> None:
    with open_log(tmp_path) as log, open_log(tmp_path) as reading:
        log.session("s", create=True).append(MessageAdded(role="user", content="one"))
        cursor = reading._backend.changed_since(None).cursor
        (journal,) = (tmp_path / "store" / "changes").glob("*.journal")
        stopped = os.open(journal, os.O_RDWR)
        fcntl.flock(stopped, fcntl.LOCK_EX)
        event = MessageAdded(role="user", content="two")
        appending = threading.Thread(target=lambda: log.session("t", create=True).append(event), daemon=True)
        appending.start()
        appending.join(30)
        waits = appending.is_alive()
        changes = None if waits else reading._backend.changed_since(cursor)
        os.close(stopped)
        assert changes is not None
        assert changes.full or "t" in changes.sessions


def test_a_note_that_went_into_a_journal_which_others_gave_up_is_written_again(tmp_path: Path) -> None:
    with open_log(tmp_path) as log, open_log(tmp_path) as reading:
        session = log.session("s", create=True)  # stays open
        session.append(MessageAdded(role="user", content="one"))
        (journal,) = (tmp_path / "store" / "changes").glob("*.journal")
        disk = log._backend.disk  # type: ignore[attr-defined]
        write, cursors = disk.write, []

        def stopped_before_writing(fd: int, data: bytes) -> int:
            if not cursors:
                os.unlink(journal)
                cursors.append(reading._backend.changed_since(None).cursor)
            return write(fd, data)

        disk.write = stopped_before_writing
        other = log.session("t", create=True)  # stays open, too: letting go would be another note
        other.append(MessageAdded(role="user", content="two"))
        changes = reading._backend.changed_since(cursors[0])
        assert changes.full or {"s", "t"} <= set(changes.sessions)


class LyingDisk(Disk):
    """What is written to a temporary file arrives with a bit of it wrong, and nobody says so."""

    def write(self, fd: int, data: bytes | bytearray | memoryview) -> int:
        if os.readlink(f"/proc/self/fd/{fd}").endswith(".tmp"):
            data = bytearray(data)
            data[len(data) // 2] ^= 1
        return super().write(fd, data)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="there is no /proc to tell which file a descriptor is of")
def test_a_compressed_file_that_does_not_read_back_replaces_nothing(tmp_path: Path) -> None:
    with open_log(tmp_path) as log:
        log.session("s", create=True).append(MessageAdded(role="user", content="x" * 1_000))
        layout = Layout(tmp_path / "store")
        with pytest.raises(OSError, match="cannot be read back"):
            compress(log._backend, LyingDisk(), layout, layout.segments("s")[0])  # type: ignore[arg-type]
        assert [str(name) for name in layout.segments("s")] == ["s.jsonl"]
        assert log.verify().ok


def test_a_retry_waits_for_the_disk_though_another_program_wrote_the_event(memory_folder: Path) -> None:
    empty(memory_folder / "root")
    disk = CrashingDisk(memory_folder / "root")
    event = MessageAdded(role="user", content="once/0/0/" + "." * 1_500)
    with open_store(memory_folder / "root", disk) as one, open_store(memory_folder / "root", disk) as other:
        assert one.session("s", create=True).append(event, id="k", sync="never") == 1
        assert other.session("s").append(event, id="k", sync="always") == 1
        disk.lose_power(memory_folder / "lost", seed=1, share=0.0)
    with open_store(memory_folder / "lost") as log:
        assert list(contents(log, "s")) == [1]


def test_a_store_that_was_copied_without_its_empty_folders_can_be_written_to(tmp_path: Path) -> None:
    with open_log(tmp_path) as log:
        log.session("s", create=True).append(MessageAdded(role="user", content="one"))
    for folder in (tmp_path / "store" / "sessions").iterdir():
        if not any(folder.iterdir()):
            folder.rmdir()
    with open_log(tmp_path) as log:
        assert log.session("t", create=True).append(MessageAdded(role="user", content="two")) == 1
        assert sorted(log.session_ids()) == ["s", "t"]
        assert log.verify().ok
