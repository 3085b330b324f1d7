"""What crashes leave is ignored, and cleared up only where something else holds it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from eventlog import EventLog, Settings
from eventlog.events import MessageAdded

SETTINGS = Settings(segment_size_bytes=1_000, frame_size_bytes=500, compress_after="0", sync="never")


@pytest.fixture
def joined(tmp_path: Path) -> tuple[Path, Path]:
    """The folder of a session that was joined, and one with the files that it had before."""
    with EventLog.open(tmp_path / "store", settings=SETTINGS) as log:
        session = log.session("s", create=True)
        for number in range(20):
            session.append(MessageAdded(role="user", content=f"{number} {'x' * 60}"))
        (folder,) = {path.parent for path in (tmp_path / "store" / "sessions").rglob("s.*")}
        shutil.copytree(folder, tmp_path / "before")
    assert names(folder) == ["s+000000000001.jsonl", "s+000000000006.jsonl", "s+000000000011.jsonl", "s.jsonl"]
    with EventLog.open(tmp_path / "store", settings=SETTINGS.replace(segment_size_bytes=100_000)) as log:
        log.compact()
    assert names(folder) == ["s.jsonl.zst"]
    return folder, tmp_path / "before"


@pytest.fixture
def gone_on(joined: tuple[Path, Path], tmp_path: Path) -> tuple[Path, Path]:
    """The same, after the session went on."""
    folder, before = joined
    with EventLog.open(tmp_path / "store", settings=SETTINGS) as log:
        for number in range(20, 22):
            log.session("s").append(MessageAdded(role="user", content=f"{number} {'x' * 60}"))
    assert names(folder) == ["s+000000000001.jsonl.zst", "s.jsonl"]
    (before / "s.jsonl").rename(before / "s+000000000016.jsonl")  # as the next writer calls it
    return folder, before


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


LEFT = [
    ["s+000000000001.jsonl"],
    ["s+000000000006.jsonl"],
    ["s+000000000011.jsonl", "s+000000000016.jsonl"],
    ["s+000000000001.jsonl", "s+000000000006.jsonl", "s+000000000011.jsonl", "s+000000000016.jsonl"],
]


@pytest.mark.parametrize("left", LEFT)
def test_covered_segments_are_ignored_and_go(gone_on: tuple[Path, Path], tmp_path: Path, left: list[str]) -> None:
    folder, before = gone_on
    for name in left:
        shutil.copy(before / name, folder)
    with EventLog.open(tmp_path / "store", settings=SETTINGS.replace(compress_after="never")) as log:
        session = log.session("s")
        for after in range(23):
            assert [stored.seq for stored in session.read(after=after)] == list(range(after + 1, 23))
        assert session.append(MessageAdded(role="user", content="x")) == 23
        assert log.verify().ok
        assert log.compact().removed == len(left)
        assert names(folder) == ["s+000000000001.jsonl.zst", "s.jsonl"]
        assert log.verify().ok
        assert session.append(MessageAdded(role="user", content="x")) == 24


@pytest.mark.parametrize("first", ["append", "compact"])
@pytest.mark.parametrize(
    "left",
    [
        ["s+000000000001.jsonl"],
        ["s+000000000001.jsonl", "s+000000000006.jsonl"],
        ["s+000000000001.jsonl", "s+000000000006.jsonl", "s+000000000011.jsonl"],
        ["s+000000000001.jsonl", "s+000000000006.jsonl", "s+000000000011.jsonl", "s.jsonl"],
        ["s.jsonl"],
        ["s+000000000011.jsonl", "s.jsonl"],
    ],
)
def test_covered_segments_beside_a_last_one_that_is_compressed_are_ignored_and_go(
    joined: tuple[Path, Path], tmp_path: Path, left: list[str], first: str
) -> None:
    folder, before = joined
    for name in left:
        shutil.copy(before / name, folder)
    with EventLog.open(tmp_path / "store", settings=SETTINGS.replace(compress_after="never")) as log:
        session = log.session("s")
        assert session.last_seq == 20
        for after in range(21):
            assert [stored.seq for stored in session.read(after=after)] == list(range(after + 1, 21))
        assert log.verify().ok
        if first == "compact":
            assert log.compact().removed == len(left)
            assert names(folder) == ["s.jsonl.zst"]
        assert session.append(MessageAdded(role="user", content="x")) == 21
        assert [stored.seq for stored in session.read()] == list(range(1, 22))
        assert log.verify().ok
        assert log.compact().removed == (0 if first == "compact" else len(left))
        assert names(folder) == ["s+000000000001.jsonl.zst", "s.jsonl"]
        assert session.append(MessageAdded(role="user", content="x")) == 22
        assert log.verify().ok


def test_a_covered_segment_stays_where_the_one_that_covers_it_is_damaged(gone_on: tuple[Path, Path], tmp_path: Path) -> None:
    folder, before = gone_on
    shutil.copy(before / "s+000000000006.jsonl", folder)
    data = bytearray((folder / "s+000000000001.jsonl.zst").read_bytes())
    data[200] ^= 1
    (folder / "s+000000000001.jsonl.zst").write_bytes(data)
    with EventLog.open(tmp_path / "store", settings=SETTINGS.replace(compress_after="never")) as log:
        assert log.compact().removed == 0
    assert "s+000000000006.jsonl" in names(folder)


def test_a_segment_that_the_one_before_it_does_not_hold_stays(gone_on: tuple[Path, Path], tmp_path: Path) -> None:
    folder, _ = gone_on
    other = tmp_path / "other"
    with EventLog.open(other, settings=SETTINGS) as log, log.session("s", create=True) as session:
        for number in range(12):
            session.append(MessageAdded(role="user", content=f"another {number} {'y' * 60}"))
    shutil.copy(next(other.rglob("s+000000000006.jsonl")), folder)
    with EventLog.open(tmp_path / "store", settings=SETTINGS.replace(compress_after="never")) as log:
        assert log.compact().removed == 0
    assert "s+000000000006.jsonl" in names(folder)
