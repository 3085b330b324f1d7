"""A file is believed only under its name: replaced, removed, moved and exchanged files, and what only looks like one."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from eventlog import EventLog, Session, Settings
from eventlog.errors import Damaged, NotStored, SessionGone, StoreGone
from eventlog.events import MessageAdded
from eventlog.files.layout import parse_segment_name
from eventlog.ids import shard

SETTINGS = Settings(segment_size_bytes=1_500, sync="always", compress_after="0", lock_timeout_s=2)


def note(text: str) -> MessageAdded:
    return MessageAdded(role="user", content=text)


def open_log(folder: Path, **changes: object) -> EventLog:
    return EventLog.open(folder / "store", settings=SETTINGS.replace(**changes))


def files(folder: Path, session_id: str = "s") -> list[Path]:
    return sorted((folder / "store" / "sessions").rglob(f"{session_id}[+.]*"))


def last(folder: Path) -> Path:
    return next((folder / "store" / "sessions").rglob("s.jsonl"))


def seqs(folder: Path, **how: object) -> list[int]:
    """What another program reads."""
    with open_log(folder) as log:
        return [stored.seq for stored in log.session("s").read(**how)]  # type: ignore[arg-type]


def replaced_by_a_copy(path: Path) -> None:
    shutil.copy2(path, path.with_suffix(".copy"))
    os.replace(path.with_suffix(".copy"), path)


def replaced_where_it_has_a_second_link(path: Path) -> None:
    os.link(path, path.with_suffix(".link"))
    replaced_by_a_copy(path)


def store_moved_aside_and_restored_from_a_copy(path: Path) -> None:
    store = path.parents[2]
    shutil.copytree(store, store.with_name("copy"), copy_function=shutil.copy2)
    store.rename(store.with_name("aside"))
    store.with_name("copy").rename(store)


@pytest.mark.parametrize("exclusive", [False, True])
@pytest.mark.parametrize("happens", [replaced_by_a_copy, replaced_where_it_has_a_second_link, store_moved_aside_and_restored_from_a_copy])
def test_what_is_acknowledged_after_the_file_was_replaced_is_in_the_file_that_has_the_name(
    happens: Callable[[Path], None], exclusive: bool, tmp_path: Path
) -> None:
    with open_log(tmp_path) as log, log.session("s", create=True, exclusive=exclusive) as session:
        session.append(note("one"))
        happens(last(tmp_path))
        acknowledged = [session.append(note("after")) for _ in range(3)]
    assert acknowledged == [2, 3, 4]
    assert seqs(tmp_path) == [1, 2, 3, 4]


@pytest.mark.parametrize("sync", ["never", "interval"])
def test_at_a_weaker_level_the_name_is_looked_at_once_in_an_interval(sync: str, tmp_path: Path) -> None:
    with open_log(tmp_path, sync=sync, sync_interval_ms=1) as log, log.session("s", create=True) as session:
        session.append(note("one"))
        replaced_by_a_copy(last(tmp_path))
        looked = [session.append(note("after")) for _ in range(2_000)]  # takes longer than the interval
    assert looked[-1] in seqs(tmp_path)


@pytest.mark.parametrize("exclusive", [False, True])
def test_a_file_that_was_removed_is_told_and_the_session_is_not_begun_again(exclusive: bool, tmp_path: Path) -> None:
    with open_log(tmp_path) as log, log.session("s", create=True, exclusive=exclusive) as session:
        session.append(note("one"), note("two"))
        aside = tmp_path / "aside"
        last(tmp_path).rename(aside)
        with pytest.raises(SessionGone) as caught:
            session.append(note("after"))
        assert caught.value.position == 2
        assert files(tmp_path) == []
        aside.rename(tmp_path / "store" / "sessions" / "04" / "s.jsonl")
        assert session.append(note("after")) == 3
    assert seqs(tmp_path) == [1, 2, 3]


@pytest.mark.parametrize("exclusive", [False, True])
def test_a_store_that_was_removed_is_told_and_not_made_again(exclusive: bool, tmp_path: Path) -> None:
    with open_log(tmp_path) as log, log.session("s", create=True, exclusive=exclusive) as session:
        session.append(note("one"))
        shutil.rmtree(tmp_path / "store")
        for _ in range(2):
            with pytest.raises(StoreGone):
                session.append(note("after"))
        assert not (tmp_path / "store").exists()


def test_an_older_copy_that_was_put_back_is_gone_on_behind_with_the_hole_recorded(tmp_path: Path) -> None:
    with open_log(tmp_path) as log, log.session("s", create=True) as session:
        session.append(note("one"))
        older = last(tmp_path).read_bytes()
        session.append(note("two"), note("three"))
        last(tmp_path).with_suffix(".older").write_bytes(older)
        os.replace(last(tmp_path).with_suffix(".older"), last(tmp_path))
        assert session.append(note("four")) == 4
        assert log.verify().lost[0].first == 2
        assert log.verify().lost[0].last == 3
    assert seqs(tmp_path, on_damage="skip") == [1, 4]


def test_a_last_segment_that_was_removed_leaves_a_hole_and_no_seq_is_given_again(tmp_path: Path) -> None:
    with open_log(tmp_path) as log, log.session("s", create=True) as session:
        while len(files(tmp_path)) < 3:
            session.append(note("x" * 200))
        position = session.last_seq
        last(tmp_path).unlink()
        assert session.append(note("after")) == position + 1
        assert [each.last for each in log.verify().lost] == [position]
    assert position not in seqs(tmp_path)


def test_a_last_segment_that_was_renamed_in_its_folder_is_told(tmp_path: Path) -> None:
    with open_log(tmp_path) as log, log.session("s", create=True) as session:
        session.append(note("one"))
        last(tmp_path).rename(last(tmp_path).with_name("other.jsonl"))
        with pytest.raises(SessionGone):
            session.append(note("after"))
        assert [problem.kind for problem in log.verify().problems] == ["foreign"]


# --- what only has a segment's name ----------------------------------------------------------------------------------------------


def a_fifo(path: Path) -> None:
    os.mkfifo(path)


def a_folder(path: Path) -> None:
    path.mkdir()


def a_socket(path: Path) -> None:
    before = Path.cwd()
    os.chdir(path.parent)  # the name of a socket is short
    try:
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(path.name)
    finally:
        os.chdir(before)


def a_dangling_link(path: Path) -> None:
    path.symlink_to(path.parent / "nowhere")


def a_link_to_itself(path: Path) -> None:
    path.symlink_to(path)


def a_link_out_of_the_store(path: Path) -> None:
    victim = path.parents[3] / "victim"
    victim.write_text("precious\n")
    path.symlink_to(victim)


KINDS = [a_fifo, a_folder, a_socket, a_dangling_link, a_link_to_itself, a_link_out_of_the_store]


def fill(session: Session, segments: int, folder: Path) -> int:
    while len(files(folder)) < segments:
        session.append(note("x" * 200), sync="never")
    return session.last_seq


@pytest.mark.parametrize("make", KINDS)
@pytest.mark.parametrize(
    "name", ["s+000000000099.jsonl", "s+000000000099.jsonl.zst", "s.jsonl", "s.jsonl.zst", "zz.jsonl", "zz+000000000001.jsonl"]
)
def test_what_is_no_file_is_named_and_neither_followed_nor_waited_for(name: str, make: Callable[[Path], None], tmp_path: Path) -> None:
    with open_log(tmp_path) as log, log.session("s", create=True) as session:
        position = fill(session, 3, tmp_path)
    folder = tmp_path / "store" / "sessions" / shard(parse_segment_name(name).session_id)  # type: ignore[union-attr]
    aside = tmp_path / "aside"
    if name == "s.jsonl":
        (folder / name).rename(aside)
    make(folder / name)
    with open_log(tmp_path) as log:
        problems = log.verify().problems
        assert [problem.kind for problem in problems if problem.segment.endswith(name)] == ["foreign"]
        assert set(log.session_ids()) <= {"s"}
        got = [stored.seq for stored in log.session("s").read(on_damage="skip")]
        assert got == sorted(set(got))
        assert got[0] == 1
        if not name.startswith("s."):
            assert got == list(range(1, position + 1))
        try:
            acknowledged: int | None = log.session("s").append(note("after"))
        except (Damaged, NotStored):
            acknowledged = None
        if acknowledged is not None:
            assert acknowledged in [stored.seq for stored in log.session("s").read(after=position, on_damage="skip")]
        log.compact(idle_s=0)
        log.backup(tmp_path / "backup")
        report = log.repair(apply=True)
        assert report.verify is not None
        assert [problem for problem in report.verify.problems if problem.kind == "foreign"] == []
    if (tmp_path / "victim").exists():
        assert (tmp_path / "victim").read_text() == "precious\n"


@pytest.mark.parametrize("make", [kind for kind in KINDS if kind is not a_folder])
def test_a_shard_that_is_no_folder_hides_only_its_own_sessions(make: Callable[[Path], None], tmp_path: Path) -> None:
    with open_log(tmp_path) as log:
        log.session("s", create=True).append(note("one"))
        for path in (tmp_path / "store" / "sessions").iterdir():
            if path.name == shard("zz"):
                path.rmdir()
                make(path) if make is not a_link_out_of_the_store else path.symlink_to(tmp_path / "nowhere")
        assert list(log.session_ids()) == ["s"]
        assert [stored.seq for stored in log.session("s").read()] == [1]
        with pytest.raises((NotStored, Damaged)):
            log.session("zz", create=True).append(note("one"))


# --- segments that are another's -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("first_seq", [2, 5, 999])
def test_a_segment_that_is_there_again_under_another_number_is_not_read(first_seq: int, compressed: bool, tmp_path: Path) -> None:
    with open_log(tmp_path) as log, log.session("s", create=True) as session:
        position = fill(session, 4, tmp_path)
        if compressed:
            session.end()
            position += 1
            with open_log(tmp_path, segment_size_bytes=300) as compacting:
                compacting.compact()
    first = files(tmp_path)[0]
    ending = "".join(first.suffixes)
    shutil.copy(first, first.with_name(f"s+{first_seq:012}{ending}"))
    assert seqs(tmp_path, on_damage="skip") == list(range(1, position + 1))
    with open_log(tmp_path) as log:
        assert [problem.kind for problem in log.verify().problems] == ["foreign"]
        assert log.session("s").append(note("after")) == position + 1


@pytest.mark.parametrize(
    "pair", [(0, "a", 0, "b"), (0, "a", 1, "b"), (0, "a", 1, "a"), (1, "a", 2, "a"), (0, "a", -1, "a"), (-1, "a", -1, "b")]
)
def test_exchanged_files_are_named_and_reading_ends(pair: tuple[int, str, int, str], tmp_path: Path) -> None:
    with open_log(tmp_path) as log:
        for name, size in (("a", 60), ("b", 66)):
            with log.session(name, create=True) as session:
                while len(files(tmp_path, name)) < 4:
                    session.append(note(name * size), sync="never")
    one, two = files(tmp_path, pair[1])[pair[0]], files(tmp_path, pair[3])[pair[2]]
    first, second = one.read_bytes(), two.read_bytes()
    one.write_bytes(second)
    two.write_bytes(first)
    with open_log(tmp_path) as log:
        assert {problem.kind for problem in log.verify().problems} <= {"foreign", "missing", "damaged"}
        assert not log.verify().ok
        for name in {pair[1], pair[3]}:
            got = list(log.session(name).read(on_damage="skip"))
            assert all(stored.event.content == name * (60 if name == "a" else 66) for stored in got)
            assert [stored.seq for stored in got] == sorted({stored.seq for stored in got})
            with pytest.raises(Damaged):
                list(log.session(name).read())
