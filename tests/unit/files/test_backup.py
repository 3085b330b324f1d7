"""A backup is the store at some moment; the next one copies only what is new; nothing that it has is lost because the store lost it."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import pytest

from eventlog import EventLog, Settings, errors
from eventlog.events import MessageAdded
from eventlog.session import Session
from tests.files_of import files_that_hold

SETTINGS = Settings(segment_size_bytes=1_000, frame_size_bytes=500, compress_after="0", sync="never", lock_timeout_s=5)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def log(store: Path) -> EventLog:
    return EventLog.open(store, settings=SETTINGS)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return tmp_path / "backup"


def fill(session: Session, count: int, text: str = "x" * 60) -> None:
    for _ in range(count):
        session.append(MessageAdded(role="user", content=text))


def raws(folder: Path, session_id: str) -> list[bytes]:
    with EventLog.open(folder, create=False, settings=SETTINGS) as log:
        assert log.verify().ok
        return [stored.raw for stored in log.session(session_id).read()]


def restore(folder: Path, store: Path, *session_ids: str) -> object:
    return EventLog.restore_backup(folder, settings=SETTINGS.replace(store=store), session_ids=session_ids or None)


def test_a_backup_is_a_store_with_the_same_lines(log: EventLog, store: Path, copy: Path) -> None:
    for name in ("a", "b"):
        fill(log.session(name, create=True), 22)
    report = log.backup(copy)
    assert (report.ok, report.sessions, report.changed, report.kept) == (True, 2, 2, [])
    assert raws(copy, "a") == raws(store, "a")
    assert (copy / "store.json").read_bytes() == (store / "store.json").read_bytes()
    assert (copy.stat().st_mode & 0o777, next(copy.rglob("a[+.]*")).stat().st_mode & 0o777) == (0o700, 0o600)


def test_the_next_one_copies_only_what_is_new(log: EventLog, store: Path, copy: Path) -> None:
    for name in ("a", "b"):
        fill(log.session(name, create=True), 22)
    log.backup(copy)
    unchanged = log.backup(copy)
    assert (unchanged.changed, unchanged.files, unchanged.bytes) == (0, 0, 0)
    fill(log.session("a"), 1)
    assert (report := log.backup(copy)).changed == report.files == 1
    assert raws(copy, "a") == raws(store, "a")


def test_it_follows_what_was_done_on_purpose(log: EventLog, store: Path, copy: Path) -> None:
    for name in ("a", "b"):
        fill(log.session(name, create=True), 22, "the-secret " + "x" * 60)
    log.backup(copy)
    assert len(files_that_hold(copy, "the-secret")) > 2
    log.redact("a", pattern="the-secret")
    log.purge("b", now=True)
    with EventLog.open(store, settings=SETTINGS.replace(segment_size_bytes=100_000)) as compacting:
        compacting.compact(idle_s=0)
    report = log.backup(copy)
    assert report.ok
    assert report.removed > 0
    assert files_that_hold(copy, "the-secret") == []
    assert sorted(path.name for path in copy.rglob("sessions/*/*")) == sorted(path.name for path in store.rglob("sessions/*/*"))


def test_what_the_store_has_lost_stays_in_the_backup(log: EventLog, store: Path, copy: Path) -> None:
    for name in ("a", "b", "c"):
        fill(log.session(name, create=True), 12)
    log.backup(copy)
    log.close()
    for path in store.rglob("a[+.]*"):
        path.unlink()
    next(store.rglob("b.jsonl")).unlink()
    damaged = next(store.rglob("c+000000000001.jsonl"))
    data = bytearray(damaged.read_bytes())
    data[400] ^= 1
    damaged.write_bytes(data)
    with EventLog.open(store, settings=SETTINGS) as log:
        report = log.backup(copy)
    assert {kept.session_id: kept.reason.split(" ")[0] for kept in report.kept} == {"b": "the", "c": "c+000000000001.jsonl"}
    assert [len(raws(copy, name)) for name in ("a", "b", "c")] == [12, 12, 12]


@pytest.mark.parametrize("size", [1_000, 100_000])
def test_a_damaged_compressed_file_does_not_replace_the_whole_raw_ones_of_the_backup(
    log: EventLog, store: Path, copy: Path, size: int
) -> None:
    fill(log.session("a", create=True), 22)
    log.backup(copy)
    log.close()
    with EventLog.open(store, settings=SETTINGS.replace(segment_size_bytes=size)) as compacting:
        compacting.compact(idle_s=0)
        for path in store.rglob("a[+.]*"):
            data = bytearray(path.read_bytes())
            data[100] ^= 1
            path.write_bytes(data)
        report = compacting.backup(copy)
    assert [kept.session_id for kept in report.kept] == ["a"]
    assert report.ok
    assert len(raws(copy, "a")) == 22


def test_a_damaged_session_is_copied_where_there_is_nothing_better_and_reported(log: EventLog, store: Path, copy: Path) -> None:
    fill(log.session("a", create=True), 12)
    damaged = next(store.rglob("a+000000000001.jsonl"))
    data = bytearray(damaged.read_bytes())
    data[400] ^= 1
    damaged.write_bytes(data)
    report = log.backup(copy)
    assert [problem.kind for problem in report.problems] == ["damaged"]
    assert next(copy.rglob("a+000000000001.jsonl")).read_bytes() == data


def test_a_folder_with_something_else_is_refused(log: EventLog, store: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("x")
    EventLog.open(tmp_path / "another").close()
    for folder in ("other", "another"):
        with pytest.raises(errors.NotAStore):
            log.backup(tmp_path / folder)
    for folder in (store, store / "backup", tmp_path):
        with pytest.raises(errors.InvalidInput, match="within each other"):
            log.backup(folder)


def test_sessions_come_back_to_the_byte(log: EventLog, store: Path, copy: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        fill(log.session(name, create=True), 22)
    log.backup(copy)
    restore(copy, tmp_path / "new")
    assert raws(tmp_path / "new", "a") == raws(store, "a")
    with EventLog.open(tmp_path / "new", settings=SETTINGS) as new:
        assert new.session("a").append(MessageAdded(role="user", content="goes on")) == 23
        assert new.verify().ok
        new.backup(copy)  # it is the same store
    assert len(raws(copy, "a")) == 23


def test_only_what_is_not_there_comes_back(log: EventLog, store: Path, copy: Path) -> None:
    for name in ("a", "b", "c"):
        fill(log.session(name, create=True), 12)
    log.backup(copy)
    fill(log.session("b"), 1)
    for name in ("a", "c"):
        for path in store.rglob(f"{name}[+.]*"):
            path.unlink()
    report = restore(copy, store, "a", "b")
    assert [kept.session_id for kept in report.kept] == ["b"]  # type: ignore[attr-defined]
    assert (len(raws(store, "a")), len(raws(store, "b"))) == (12, 13)
    assert not list(store.rglob("c[+.]*"))
    with pytest.raises(errors.SessionNotFound):
        restore(copy, store, "nobody")


def test_a_backup_of_another_store_is_refused(log: EventLog, copy: Path, tmp_path: Path) -> None:
    fill(log.session("a", create=True), 1)
    log.backup(copy)
    EventLog.open(tmp_path / "another").close()
    with pytest.raises(errors.NotAStore, match="belongs to the store"):
        restore(copy, tmp_path / "another")
    with pytest.raises(errors.StoreNotFound):
        restore(tmp_path / "nothing", tmp_path / "new")


def test_an_append_under_way_is_not_in_it(log: EventLog, store: Path, copy: Path) -> None:
    fill(log.session("a", create=True), 2)
    with next(store.rglob("a.jsonl")).open("ab") as file:
        file.write(b'{"seq":3,"time":"2026')
    assert log.backup(copy).ok
    assert [line[:8] for line in raws(copy, "a")] == [b'{"seq":1', b'{"seq":2']


def test_backups_while_writers_and_compactions_run_are_whole(store: Path, copy: Path) -> None:
    with EventLog.open(store, settings=SETTINGS) as log:
        session = log.session("a", create=True)
        fill(session, 1)
        stop = threading.Event()
        wrong: list[object] = []

        def compact() -> None:
            size = 2_000
            while not stop.is_set():
                size = size * 2 if size < 60_000 else 2_000
                with EventLog.open(store, settings=SETTINGS.replace(segment_size_bytes=size)) as compacting:
                    wrong.extend(compacting.compact(idle_s=0).skipped)

        def back_up() -> None:
            with EventLog.open(store, settings=SETTINGS) as other:
                while not stop.is_set():
                    report = other.backup(copy)
                    lines = raws(copy, "a")
                    if (
                        report.problems
                        or report.kept
                        or [line[: len(b'{"seq":%d' % seq)] for seq, line in enumerate(lines, 1)]
                        != [b'{"seq":%d' % seq for seq in range(1, len(lines) + 1)]
                    ):
                        wrong.append(report)

        threads = [threading.Thread(target=target) for target in (compact, back_up)]
        for thread in threads:
            thread.start()
        fill(session, 300)
        stop.set()
        for thread in threads:
            thread.join()
        assert wrong == []
        log.backup(copy)
    assert raws(copy, "a") == raws(store, "a")


def test_a_backup_that_was_interrupted_goes_on(log: EventLog, store: Path, copy: Path) -> None:
    fill(log.session("a", create=True), 22)
    log.backup(copy)
    next(copy.rglob("a+000000000006.jsonl")).unlink()
    (next(copy.rglob("a+000000000001.jsonl")).parent / "a+000000000006.jsonl-0.999999999.tmp").write_bytes(b"half")
    assert log.backup(copy).files == 1
    assert raws(copy, "a") == raws(store, "a")
    shutil.rmtree(copy)
