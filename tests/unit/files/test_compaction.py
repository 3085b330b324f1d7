"""Compaction: which files there are afterwards, and what is said about it."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from eventlog import EventLog, Settings, errors
from eventlog.events import MessageAdded, MessageAmended, MessageDelta, MessageRetracted, SessionCompacted
from eventlog.files.backend import FilesBackend
from eventlog.files.upkeep.compaction import Skipped
from eventlog.session import Session
from eventlog.testing import CountingDisk

SETTINGS = Settings(segment_size_bytes=1_000, frame_size_bytes=500, compress_after="0", sync="never", lock_timeout_s=0.05)


def open_log(folder: Path, **changes: object) -> EventLog:
    return EventLog.open(folder / "store", settings=SETTINGS.replace(**changes))


def fill(session: Session, count: int, text: str = "x" * 60) -> None:
    for _ in range(count):
        session.append(MessageAdded(role="user", content=text))


def files(folder: Path, session_id: str = "s") -> list[str]:
    return sorted(path.name for path in (folder / "store" / "sessions").rglob(f"{session_id}[+.]*"))


def seqs(session: Session) -> list[int]:
    return [stored.seq for stored in session.read()]


@pytest.fixture
def log(tmp_path: Path) -> EventLog:
    return open_log(tmp_path)


SMALL = ["s+000000000001.jsonl", "s+000000000006.jsonl", "s+000000000011.jsonl", "s+000000000016.jsonl", "s.jsonl"]


def test_small_segments_become_one_compressed_file_and_what_comes_next_is_plain_text(log: EventLog, tmp_path: Path) -> None:
    session = log.session("s", create=True)
    fill(session, 22)
    assert files(tmp_path) == SMALL
    with open_log(tmp_path, segment_size_bytes=100_000) as compacting:
        report = compacting.compact()
    assert files(tmp_path) == ["s.jsonl.zst"]
    assert (report.sessions, report.sealed, report.compressed, report.joined, report.left_out) == (1, 1, 5, 4, 0)
    assert report.bytes_after < report.bytes_before
    assert seqs(session) == list(range(1, 23))
    fill(session, 1)
    assert files(tmp_path) == ["s+000000000001.jsonl.zst", "s.jsonl"]
    assert seqs(session) == list(range(1, 24))
    assert log.verify().ok


@pytest.mark.parametrize("compress_after", ["30d", "never"])
def test_the_session_to_which_something_just_happened_stays_plain_text(tmp_path: Path, compress_after: str) -> None:
    with open_log(tmp_path, compress_after=compress_after) as log:
        session = log.session("s", create=True)
        fill(session, 22)
        before = {path: path.read_bytes() for path in (tmp_path / "store" / "sessions").rglob("s[+.]*")}
        report = log.compact()
        assert (report.sealed, report.compressed, report.joined, report.too_young) == (0, 0, 0, 1)
        session.end()
        assert log.compact().too_young == 1
    assert files(tmp_path) == SMALL
    for path in before:
        assert path.read_bytes().startswith(before[path])


@pytest.mark.parametrize("old", ["event", "file"])
def test_a_session_is_cold_when_its_last_event_or_its_last_file_is_old(tmp_path: Path, old: str) -> None:
    with open_log(tmp_path, compress_after="30d") as log:
        session = log.session("s", create=True)
        fill(session, 20)
        session.append(MessageAdded(role="user", content="x"), time="2001-01-01T00:00:00Z" if old == "event" else None)
        if old == "file":
            (path,) = (tmp_path / "store" / "sessions").rglob("s.jsonl")
            os.utime(path, (1_000_000_000, 1_000_000_000))
        report = log.compact()
        assert (report.sealed, report.too_young) == (1, 0)
        assert {name.rpartition(".")[2] for name in files(tmp_path)} == {"zst"}
        assert log.verify().ok


def test_no_file_grows_above_the_size_of_a_segment(log: EventLog, tmp_path: Path) -> None:
    fill(log.session("s", create=True), 40)
    log.compact()
    assert len(files(tmp_path)) == 8  # each segment crossed the size by itself
    with open_log(tmp_path, segment_size_bytes=2_600) as compacting:
        compacting.compact(idle_s=0)
    assert files(tmp_path) == ["s+000000000001.jsonl.zst", "s+000000000011.jsonl.zst", "s+000000000021.jsonl.zst", "s.jsonl.zst"]
    assert log.verify().ok


def test_an_active_segment_is_sealed_when_it_has_been_idle_for_so_long(log: EventLog, tmp_path: Path) -> None:
    session = log.session("s", create=True)
    fill(session, 2)
    assert log.compact(idle_s=3000).sealed == 0
    (path,) = (tmp_path / "store" / "sessions").rglob("s[+.]*")
    os.utime(path, (time.time() - 4000,) * 2)
    assert log.compact(idle_s=5000).sealed == 0
    assert log.compact(idle_s=3000).sealed == 1
    assert files(tmp_path) == ["s.jsonl.zst"]
    assert session.append(MessageAdded(role="user", content="goes on")) == 3
    assert files(tmp_path) == ["s+000000000001.jsonl.zst", "s.jsonl"]
    assert log.verify().ok


def test_what_is_compact_is_not_touched_again(log: EventLog, tmp_path: Path) -> None:
    fill(log.session("s", create=True), 20)
    log.session("s").end()
    settings = SETTINGS.replace(store=tmp_path / "store", segment_size_bytes=100_000)
    disk = CountingDisk()
    with EventLog(FilesBackend.open(settings, disk=disk), settings) as compacting:
        compacting.compact(idle_s=0)
        calls = disk.calls
        report = compacting.compact(idle_s=0)
    assert disk.calls == calls
    assert (report.sessions, report.joined, report.bytes_before) == (1, 0, report.bytes_after)


def test_a_file_keeps_the_time_when_it_was_last_written_to(log: EventLog, tmp_path: Path) -> None:
    fill(log.session("s", create=True), 20)
    for path in (tmp_path / "store" / "sessions").rglob("s[+.]*"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
    with open_log(tmp_path, segment_size_bytes=100_000) as compacting:
        compacting.compact()
    assert {path.stat().st_mtime for path in (tmp_path / "store" / "sessions").rglob("s[+.]*")} == {1_000_000_000}


def test_deltas_go_when_their_message_is_complete_and_only_when_asked_for(log: EventLog) -> None:
    session = log.session("s", create=True)
    session.append(MessageAdded(role="user", content="q"))
    session.append(MessageDelta(message_id="a", content="1"), MessageDelta(message_id="b", content="1"))
    session.append(MessageDelta(message_id="a", content="2"), MessageAdded(role="assistant", content="12", message_id="a"))
    session.append(MessageDelta(message_id="a", content="after"))
    log.compact(idle_s=0)
    assert seqs(session) == [1, 2, 3, 4, 5, 6]
    report = log.compact(idle_s=0, drop_deltas=True)
    assert report.left_out == 2
    assert seqs(session) == [1, 3, 5, 6, 7]
    (last,) = session.read(after=6)
    assert last.event == SessionCompacted(left_out=[(2, 2), (4, 4)], reason="deltas of complete messages were left out")
    assert last.time == next(session.read(after=5)).time  # nothing has happened since
    assert [stored.more for stored in session.read()] == [False] * 5  # the batches are whole without what they lost
    assert log.compact(idle_s=0, drop_deltas=True).left_out == 0
    assert session.last_seq == 7
    found = log.verify()
    assert found.ok
    assert [rewrite.reason for rewrite in found.rewrites] == ["deltas of complete messages were left out"]


def test_deltas_that_something_rests_on_stay(tmp_path: Path) -> None:
    log = open_log(tmp_path, segment_size_bytes=100_000)
    session = log.session("s", create=True)
    session.append(MessageDelta(message_id="first", content="x"))
    session.append(MessageDelta(message_id="kept", content="x"), id="key")
    session.append(MessageDelta(message_id="amended", content="x"), MessageAmended(message_id="amended", content="y"))
    session.append(MessageDelta(message_id="gone", content="x"), MessageRetracted(message_id="gone"))
    session.append(MessageDelta(message_id="older", content="x"))
    for name in ("first", "kept", "amended", "gone"):
        session.append(MessageAdded(role="assistant", content="x", message_id=name))
    session.append(MessageAdded(role="assistant", content="x", message_id="older"), time="2001-01-01T00:00:00Z")
    assert log.compact(idle_s=0, drop_deltas=True).left_out == 0
    assert session.append(MessageDelta(message_id="kept", content="x"), id="key") == 2
    assert seqs(session) == list(range(1, 13))
    log.close()


def test_a_position_and_the_next_seq_stay_where_only_deltas_were(log: EventLog, tmp_path: Path) -> None:
    session = log.session("s", create=True)
    session.append(MessageAdded(role="user", content="q"))
    while len(files(tmp_path)) < 2:
        session.append(MessageDelta(message_id="a", content="x" * 200))
    first = session.last_seq
    while len(files(tmp_path)) < 3:
        session.append(MessageDelta(message_id="a", content="x" * 200))
    last = session.append(MessageAdded(role="assistant", content="x", message_id="a"))
    log.compact(idle_s=3600, drop_deltas=True)
    log.compact(idle_s=0, drop_deltas=True)
    assert seqs(session) == [1, last, last + 1, last + 2]  # each compaction said what it left out
    assert session.append(MessageAdded(role="user", content="x"), expected=last + 2) == last + 3
    assert [stored.seq for stored in session.read(after=first)] == [last, last + 1, last + 2, last + 3]
    assert log.verify().ok


def test_a_dry_run_counts_and_does_nothing(log: EventLog, tmp_path: Path) -> None:
    session = log.session("s", create=True)
    fill(session, 20)
    session.append(MessageDelta(message_id="a", content="x"), MessageAdded(role="assistant", content="x", message_id="a"))
    before = {path: path.read_bytes() for path in (tmp_path / "store" / "sessions").rglob("s[+.]*")}
    with open_log(tmp_path, segment_size_bytes=100_000) as compacting:
        report = compacting.compact(idle_s=0, drop_deltas=True, dry_run=True)
    assert (report.sealed, report.compressed, report.joined, report.left_out) == (1, 5, 4, 1)
    assert {path: path.read_bytes() for path in (tmp_path / "store" / "sessions").rglob("s[+.]*")} == before


def test_a_damaged_segment_stays_as_it_is_and_stops_no_other(log: EventLog, tmp_path: Path) -> None:
    for name in ("a", "s"):
        fill(log.session(name, create=True), 20)
    (path,) = (tmp_path / "store" / "sessions").rglob("s+000000000006.jsonl")
    data = bytearray(path.read_bytes())
    data[300] ^= 1
    path.write_bytes(data)
    with open_log(tmp_path, segment_size_bytes=100_000) as compacting:
        report = compacting.compact(idle_s=0)
    assert [skipped.session_id for skipped in report.skipped] == ["s"]
    assert path.read_bytes() == data
    assert files(tmp_path, "a") == ["a.jsonl.zst"]
    assert len(log.verify().problems) == 1


def test_a_session_that_somebody_holds_is_skipped(log: EventLog, tmp_path: Path) -> None:
    with log.session("s", create=True, exclusive=True) as session:
        fill(session, 20)
        with open_log(tmp_path, segment_size_bytes=100_000) as compacting:
            report = compacting.compact(idle_s=0)
        assert report.skipped == [Skipped(session_id="s", reason=str(errors.SessionLocked("s", 0.05)))]
        assert session.append(MessageAdded(role="user", content="x")) == 21


def test_a_deleted_session_is_joined_and_keeps_its_deltas_and_stays_deleted(log: EventLog, tmp_path: Path) -> None:
    session = log.session("s", create=True)
    fill(session, 10)
    session.append(MessageDelta(message_id="a", content="x"), MessageAdded(role="assistant", content="x", message_id="a"))
    last = log.delete("s")
    with open_log(tmp_path, segment_size_bytes=100_000) as compacting:
        assert compacting.compact(idle_s=0, drop_deltas=True).left_out == 0
    assert files(tmp_path) == ["s.jsonl.zst"]
    assert session.last_seq == last
    with pytest.raises(errors.SessionDeleted):
        log.session("s").append(MessageAdded(role="user", content="x"))
    assert log.restore("s") == last + 1


def test_unfinished_files_of_the_dead_go_and_those_of_the_living_stay(tmp_path: Path) -> None:
    log = open_log(tmp_path, compress_after="30d")
    fill(log.session("s", create=True), 2)
    (folder,) = {path.parent for path in (tmp_path / "store" / "sessions").rglob("s[+.]*")}
    dead, alive, old = (folder / f"s.jsonl.zst{middle}.tmp" for middle in (".999999999", f"-3.{os.getpid()}", f"-4.{os.getpid()}"))
    for path in (dead, alive, old):
        path.write_bytes(b"half")
    os.utime(old, (1_000_000_000, 1_000_000_000))
    assert log.compact().removed == 2
    assert files(tmp_path) == ["s.jsonl", alive.name]
    log.close()


def test_a_session_that_is_not_there_is_refused(log: EventLog) -> None:
    with pytest.raises(errors.SessionNotFound):
        log.compact(["nobody"])


def test_a_writer_in_another_log_goes_on_behind_what_was_joined_meanwhile(log: EventLog, tmp_path: Path) -> None:
    old = log.session("s", create=True)
    fill(old, 7)  # its descriptor is on the second segment
    with open_log(tmp_path) as other:
        fill(other.session("s"), 20)
    with open_log(tmp_path, segment_size_bytes=100_000) as compacting:
        compacting.compact(idle_s=0)
    assert files(tmp_path) == ["s.jsonl.zst"]
    assert old.append(MessageAdded(role="user", content="x")) == 28
    assert seqs(old) == list(range(1, 29))
    assert log.verify().ok


def test_readers_that_are_under_way_go_on_in_the_joined_file(log: EventLog, tmp_path: Path) -> None:
    session = log.session("s", create=True)
    fill(session, 40)
    for taken in (1, 6, 7, 20, 39):
        reading = session.read()
        got = [next(reading).seq for _ in range(taken)]
        with open_log(tmp_path, segment_size_bytes=taken * 150 + 1_000) as compacting:
            compacting.compact(idle_s=0)
        assert got + [stored.seq for stored in reading] == list(range(1, 41)), taken


def test_tails_readers_and_writers_notice_nothing(tmp_path: Path) -> None:
    with open_log(tmp_path, lock_timeout_s=10) as log, open_log(tmp_path, lock_timeout_s=10) as writing:
        session = writing.session("s", create=True)
        fill(session, 1)
        tailed: list[int] = []
        wrong: list[object] = []
        stop = threading.Event()

        def follow() -> None:
            for stored in log.tail("s", after=0):
                tailed.append(stored.seq)
                if stored.event.content == "last":
                    return

        def read() -> None:
            while not stop.is_set():
                found = seqs(session)
                if found != list(range(1, len(found) + 1)):
                    wrong.append(found)

        def compact() -> None:
            size = 2_000
            while not stop.is_set():
                size = size * 2 if size < 60_000 else 2_000
                with open_log(tmp_path, segment_size_bytes=size, lock_timeout_s=10) as compacting:
                    wrong.extend(compacting.compact(idle_s=0).skipped)
                if not log.verify().ok:
                    wrong.append(log.verify().problems)

        threads = [threading.Thread(target=target) for target in (follow, read, compact)]
        for thread in threads:
            thread.start()
        fill(session, 300)
        session.append(MessageAdded(role="user", content="last"))
        threads[0].join()
        stop.set()
        for thread in threads[1:]:
            thread.join()
        assert wrong == []
        assert tailed == list(range(1, 303))
        assert seqs(session) == tailed
