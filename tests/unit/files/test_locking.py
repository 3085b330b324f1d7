"""The name of the last segment changes hands: whoever comes in between goes on where the session is, and gives no seq twice."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from eventlog import EventLog, Settings
from eventlog.events import MessageAdded
from eventlog.files import reader
from eventlog.files.backend import FilesBackend
from eventlog.files.disk import Disk
from eventlog.files.layout import Layout, SegmentName
from eventlog.files.upkeep import snapshot

SETTINGS = Settings(segment_size_bytes=100_000, compress_after="0")


def message() -> MessageAdded:
    return MessageAdded(role="user", content="x" * 60)


class ElsewhereFirst(Disk):
    """Before a file is opened for the next time, something happens elsewhere."""

    happens: Callable[[], None] | None = None

    def open(self, path: str, *, create: bool = False) -> int:
        happens, self.happens = self.happens, None
        if happens is not None:
            happens()
        return super().open(path, create=create)


@pytest.fixture
def disk() -> ElsewhereFirst:
    return ElsewhereFirst()


@pytest.fixture
def log(tmp_path: Path, disk: ElsewhereFirst) -> EventLog:
    settings = SETTINGS.replace(store=tmp_path)
    return EventLog(FilesBackend.open(settings, disk=disk), settings)


def seqs(folder: Path) -> list[int]:
    with EventLog.open(folder, settings=SETTINGS) as log:
        assert log.verify().ok
        return [stored.seq for stored in log.session("s").read()]


def numbered_and_empty(folder: Path, first_seq: int) -> None:
    """A writer has given the last segment its number, made the next one, and died or not yet come to write to it."""
    path = Path(Layout(folder).folder("s")) / "s.jsonl"
    path.rename(path.with_name(f"s+{first_seq:012}.jsonl"))
    path.touch(0o600)


def in_two_segments(folder: Path) -> None:
    """A session of five events and an end, whose last segment is number two."""
    with EventLog.open(folder, settings=SETTINGS) as other, other.session("s", create=True) as session:
        session.append(message(), message())
        session.end()
        session.append(message(), message())
        session.end()


@pytest.mark.parametrize("compressed", [False, True])
def test_the_name_is_taken_by_an_empty_segment_before_it_is_opened(
    tmp_path: Path, log: EventLog, disk: ElsewhereFirst, compressed: bool
) -> None:
    in_two_segments(tmp_path)
    if compressed:
        log.compact()

    def happens() -> None:
        if compressed:
            folder = Path(Layout(tmp_path).folder("s"))
            (folder / "s.jsonl.zst").rename(folder / "s+000000000001.jsonl.zst")
            (folder / "s.jsonl").touch(0o600)
        else:
            numbered_and_empty(tmp_path, 4)

    disk.happens = happens
    assert log.session("s").append(message()) == 7
    assert seqs(tmp_path) == list(range(1, 8))


def test_a_first_segment_is_numbered_before_a_second_creator_opens_it(tmp_path: Path, log: EventLog, disk: ElsewhereFirst) -> None:
    session = log.session("s", create=True)

    def happens() -> None:
        with EventLog.open(tmp_path, settings=SETTINGS) as other, other.session("s", create=True) as made:
            made.append(message(), message())
            made.end()
        numbered_and_empty(tmp_path, 1)

    disk.happens = happens
    assert session.append(message()) == 4
    assert seqs(tmp_path) == [1, 2, 3, 4]


def test_a_whole_roll_happens_before_it_is_opened(tmp_path: Path, log: EventLog, disk: ElsewhereFirst) -> None:
    in_two_segments(tmp_path)

    def happens() -> None:
        with EventLog.open(tmp_path, settings=SETTINGS) as other, other.session("s") as session:
            session.append(message())

    disk.happens = happens
    assert log.session("s").append(message()) == 8
    assert seqs(tmp_path) == list(range(1, 9))


def test_a_writer_died_between_giving_a_number_and_making_the_next_segment(tmp_path: Path, log: EventLog) -> None:
    in_two_segments(tmp_path)
    path = Path(Layout(tmp_path).folder("s")) / "s.jsonl"
    path.rename(path.with_name("s+000000000004.jsonl"))
    assert log.session("s").last_seq == 6
    assert seqs(tmp_path) == list(range(1, 7))
    assert log.session("s", create=True).append(message()) == 7
    assert sorted(os.listdir(path.parent)) == ["s+000000000001.jsonl", "s+000000000004.jsonl", "s.jsonl"]
    assert seqs(tmp_path) == list(range(1, 8))


class RollsWhileLookedAt(Layout):
    """Between a look at which files there are and what is done with them, the session goes on."""

    happens: Callable[[], None] | None = None

    def _happen(self) -> None:
        happens, self.happens = self.happens, None
        if happens is not None:
            happens()

    def segments(self, session_id: str, names: Iterable[str] | None = None) -> list[SegmentName]:
        found = super().segments(session_id, names)
        self._happen()
        return found

    def last(self, session_id: str) -> SegmentName | None:
        found = super().last(session_id)
        self._happen()
        return found


def goes_on(folder: Path) -> None:
    with EventLog.open(folder, settings=SETTINGS) as other, other.session("s") as session:
        session.append(message())


def test_a_snapshot_that_finds_another_segment_under_the_name_looks_again(tmp_path: Path) -> None:
    in_two_segments(tmp_path)
    layout = RollsWhileLookedAt(tmp_path)
    layout.happens = lambda: goes_on(tmp_path)
    with snapshot.opened(layout, "s") as files:
        assert [file.name.first_seq for file in files] == [1, 4, 7]
        assert all(f'"first_seq":{file.name.first_seq}'.encode() in b"".join(file.content()) for file in files)


@pytest.mark.parametrize("happens", [goes_on, lambda folder: numbered_and_empty(folder, 4)])
def test_the_last_seq_is_not_taken_from_another_segment_under_the_name(tmp_path: Path, happens: Callable[[Path], None]) -> None:
    in_two_segments(tmp_path)
    layout = RollsWhileLookedAt(tmp_path)
    layout.happens = lambda: happens(tmp_path)
    assert reader.last_seq(layout, "s") == (7 if happens is goes_on else 6)


def test_a_creator_who_comes_between_the_first_number_and_the_next_segment_begins_nothing_anew(tmp_path: Path, log: EventLog) -> None:
    session = log.session("s", create=True)
    with EventLog.open(tmp_path, settings=SETTINGS) as other, other.session("s", create=True) as made:
        made.append(message(), message())
        made.end()
    path = Path(Layout(tmp_path).folder("s")) / "s.jsonl"
    path.rename(path.with_name("s+000000000001.jsonl"))
    assert session.append(message()) == 4
    assert seqs(tmp_path) == [1, 2, 3, 4]
