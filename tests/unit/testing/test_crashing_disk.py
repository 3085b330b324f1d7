from __future__ import annotations

import errno
import fcntl
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eventlog.files.disk import Disk, replace_file, write_all
from eventlog.testing import CountingDisk, Crash, CrashingDisk, Medium


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "old").write_bytes(b"old content")
    return tmp_path / "root"


def states(disk: CrashingDisk, tmp_path: Path, count: int = 40, share: float = 0.5) -> list[Path]:
    """What may be left after losing power now, for many seeds."""
    found = []
    for seed in range(count):
        disk.lose_power(tmp_path / f"state-{seed}", seed=seed, share=share)
        found.append(tmp_path / f"state-{seed}")
    return found


def contents(folders: list[Path], name: str) -> set[bytes | None]:
    return {(folder / name).read_bytes() if (folder / name).exists() else None for folder in folders}


def test_synced_bytes_survive_and_unsynced_ones_may_not(root: Path, tmp_path: Path) -> None:
    disk = CrashingDisk(root)
    fd = disk.open(str(root / "old"))
    disk.write(fd, b" and synced")
    disk.sync(fd)
    disk.write(fd, b" and not")
    left = contents(states(disk, tmp_path), "old")
    assert all(content is not None and content.startswith(b"old content and synced") for content in left)
    assert {b"old content and synced", b"old content and synced and not"} < left
    assert b"old content and synced" + bytes(8) in left
    assert (root / "old").read_bytes() == b"old content and synced and not"
    disk.close(fd)


def test_unsynced_sectors_survive_in_any_order(root: Path, tmp_path: Path) -> None:
    disk = CrashingDisk(root)
    fd = disk.open(str(root / "new"), create=True)
    disk.sync_directory(str(root))
    disk.write(fd, b"a" * 512)
    disk.write(fd, b"b" * 512)
    left = contents(states(disk, tmp_path), "new")
    assert bytes(512) + b"b" * 512 in left
    assert b"a" * 512 + bytes(512) in left
    assert any(content is not None and len(content) % 512 for content in left)
    disk.close(fd)


def test_with_nothing_surviving_only_the_size_may_have_grown(root: Path, tmp_path: Path) -> None:
    disk = CrashingDisk(root)
    fd = disk.open(str(root / "old"))
    disk.write(fd, b"lost" * 300)
    left = contents(states(disk, tmp_path, share=0.0), "old")
    assert all(content is not None and content.rstrip(b"\0") == b"old content" for content in left)
    assert any(content is not None and content.endswith(b"\0") for content in left)
    disk.close(fd)


def test_a_name_is_durable_after_its_folder_was_synced(root: Path, tmp_path: Path) -> None:
    disk = CrashingDisk(root)
    disk.make_folder(str(root / "folder"))
    fd = disk.open(str(root / "folder" / "file"), create=True)
    disk.write(fd, b"x")
    disk.sync(fd)
    disk.close(fd)
    disk.sync_directory(str(root / "folder"))
    assert contents(states(disk, tmp_path / "1"), "folder/file") == {None, b"x"}  # the folder's own name is not durable yet
    disk.sync_directory(str(root))
    assert contents(states(disk, tmp_path / "2"), "folder/file") == {b"x"}
    disk.unlink(str(root / "folder" / "file"))
    assert contents(states(disk, tmp_path / "3"), "folder/file") == {None, b"x"}
    disk.sync_directory(str(root / "folder"))
    assert contents(states(disk, tmp_path / "4"), "folder/file") == {None}


def test_a_rename_happens_whole_or_not_at_all(root: Path, tmp_path: Path) -> None:
    (root / "new").write_bytes(b"new content")
    disk = CrashingDisk(root)
    disk.rename(str(root / "new"), str(root / "old"))
    left = {(None if not (state / "new").exists() else "new", (state / "old").read_bytes()) for state in states(disk, tmp_path)}
    assert left == {("new", b"old content"), (None, b"new content")}


def test_a_truncation_may_not_have_happened_before_its_sync(root: Path, tmp_path: Path) -> None:
    disk = CrashingDisk(root)
    fd = disk.open(str(root / "old"))
    disk.truncate(fd, 3)
    left = contents(states(disk, tmp_path / "1"), "old")
    assert {b"old", b"old content"} <= left
    disk.sync(fd)
    assert contents(states(disk, tmp_path / "2"), "old") == {b"old"}
    disk.close(fd)


def test_after_a_failed_sync_the_next_one_succeeds_without_the_bytes(root: Path, tmp_path: Path) -> None:
    disk = CrashingDisk(root)
    fd = disk.open(str(root / "old"))
    disk.write(fd, b"x" * 600)
    disk.fail(len(disk.operations), errno.EIO)
    with pytest.raises(OSError, match="Input/output error"):
        disk.sync(fd)
    disk.sync(fd)
    assert (root / "old").read_bytes() == b"old content" + b"x" * 600
    assert contents(states(disk, tmp_path), "old") == {b"old content" + bytes(600)}
    disk.close(fd)


def test_a_call_fails_once_or_from_then_on(root: Path) -> None:
    disk = CrashingDisk(root)
    fd = disk.open(str(root / "old"))
    disk.fail(2, errno.EIO)
    disk.write(fd, b"1")
    with pytest.raises(OSError, match="Input/output error"):
        disk.write(fd, b"2")
    disk.write(fd, b"3")
    disk.fail(0, errno.ENOSPC, lasting=True, calls=["write"])
    for _ in range(2):
        with pytest.raises(OSError, match="No space left"):
            disk.write(fd, b"4")
    disk.sync(fd)
    disk.mend()
    disk.write(fd, b"5")
    disk.close(fd)
    assert (root / "old").read_bytes() == b"old content135"
    assert [operation.failed for operation in disk.operations] == [
        None,
        None,
        errno.EIO,
        None,
        errno.ENOSPC,
        errno.ENOSPC,
        None,
        None,
        None,
    ]


def test_a_short_write_takes_half_and_a_full_disk_stays_full_until_it_is_mended(root: Path) -> None:
    disk = CrashingDisk(root)
    fd = disk.open(str(root / "old"))
    disk.short_write(1, lasting=True)
    assert disk.write(fd, b"abcdef") == 3
    with pytest.raises(OSError, match="No space left"):
        disk.write(fd, b"def")
    with pytest.raises(OSError, match="No space left"):
        disk.open(str(root / "new"), create=True)
    disk.truncate(fd, 11)
    disk.close(disk.open(str(root / "old"), create=True))
    disk.mend()
    assert disk.write(fd, b"def") == 3
    disk.close(fd)
    assert (root / "old").read_bytes() == b"old contentdef"
    assert not (root / "new").exists()


@pytest.mark.parametrize(("when", "left"), [("before", b"old content"), ("within", b"old contentab"), ("after", b"old contentabcd")])
def test_a_killed_process_does_nothing_any_more_and_holds_no_lock(root: Path, when: str, left: bytes) -> None:
    disk = CrashingDisk(root)
    fd = disk.open(str(root / "old"))
    fcntl.flock(fd, fcntl.LOCK_EX)
    disk.crash(1, when)  # type: ignore[arg-type]
    calls: list[Callable[[], object]] = [
        lambda: disk.write(fd, b"abcd"),
        lambda: disk.write(fd, b"more"),
        lambda: disk.unlink(str(root / "old")),
    ]
    for call in calls:
        with pytest.raises(Crash):
            call()
    disk.close(fd)
    assert (root / "old").read_bytes() == left
    with open(root / "old", "rb") as another:
        fcntl.flock(another, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_the_next_process_finds_what_the_dead_one_had_not_synced_still_unsynced(root: Path, tmp_path: Path) -> None:
    disk = CrashingDisk(root)
    fd = disk.open(str(root / "old"))
    disk.write(fd, b"x" * 512)
    disk.kill()
    disk.restart()
    fd = disk.open(str(root / "old"))
    size = (root / "old").stat().st_size
    disk.lose_power(tmp_path / "before", seed=1, share=0.0)
    assert b"x" * 512 not in (tmp_path / "before" / "old").read_bytes()
    disk.sync(fd)
    disk.lose_power(tmp_path / "after", seed=1, share=0.0)
    assert (tmp_path / "after" / "old").read_bytes()[size - 512 :] == b"x" * 512


def test_history_shows_the_medium_at_every_step(root: Path, tmp_path: Path) -> None:
    disk = CrashingDisk(root)
    fd = disk.open(str(root / "new"), create=True)
    disk.write(fd, b"x")
    disk.sync(fd)
    disk.close(fd)
    disk.sync_directory(str(root))
    there = []
    for step, medium in disk.history():
        medium.lose_power(str(tmp_path / str(step)), seed=0, share=0.0)
        there.append((tmp_path / str(step) / "new").exists())
    assert there == [False] * 5 + [True]


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.8, 1.0])
def test_a_file_replaced_with_care_is_old_or_new_at_every_step(root: Path, tmp_path: Path, share: float) -> None:
    disk = CrashingDisk(root)
    replace_file(disk, str(root / "old"), b"n" * 3000)
    assert [operation.call for operation in disk.operations] == ["open", "truncate", "write", "sync", "close", "rename", "sync_directory"]
    left = set()
    for step, medium in disk.history():
        for seed in range(10):
            medium.lose_power(str(tmp_path / f"{step}-{seed}"), seed, share)
            left.add((tmp_path / f"{step}-{seed}" / "old").read_bytes())
    assert left == {b"old content", b"n" * 3000}


def test_a_file_replaced_without_a_sync_is_caught(root: Path, tmp_path: Path) -> None:
    disk = CrashingDisk(root)
    fd = disk.open(str(root / "temporary"), create=True)
    write_all(disk, fd, b"n" * 3000)
    disk.close(fd)
    disk.rename(str(root / "temporary"), str(root / "old"))
    disk.sync_directory(str(root))
    assert len(contents(states(disk, tmp_path), "old") - {b"old content", b"n" * 3000}) > 5


@given(st.lists(st.one_of(st.binary(max_size=1500), st.integers(0, 3000), st.just("sync")), max_size=12), st.integers(0, 3))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_was_synced_last_is_always_left(tmp_path_factory: pytest.TempPathFactory, steps: list[bytes | int | str], seed: int) -> None:
    medium = Medium()
    medium.adopt("file", b"")
    node, content, synced = medium.node("file"), b"", b""
    for step in steps:
        if isinstance(step, bytes):
            medium.write(node, step)
            content += step
        elif isinstance(step, int):
            size = min(step, len(content))
            medium.truncate(node, size)
            content = content[:size]
        else:
            medium.sync(node)
            synced = content
    folder = tmp_path_factory.mktemp("state")
    for share in (0.0, 1.0):
        medium.lose_power(str(folder / str(share)), seed, share)
    assert (folder / "1.0" / "file").read_bytes() == content
    left = (folder / "0.0" / "file").read_bytes()
    assert left.startswith(synced[: len(left)])
    if all(isinstance(step, bytes) for step in steps[steps.index("sync") if "sync" in steps else 0 :] if step != "sync"):
        assert left[: len(synced)] == synced


def test_the_root_is_the_end_of_the_world(root: Path) -> None:
    with pytest.raises(ValueError, match="not below"):
        CrashingDisk(root).unlink(str(root.parent / "elsewhere"))


def test_a_counting_disk_counts_by_call_and_folder(root: Path) -> None:
    disk = CountingDisk()
    fd = disk.open(str(root / "old"))
    disk.write(fd, b"123")
    disk.sync(fd)
    disk.close(fd)
    replace_file(disk, str(root / "old"), b"45")
    assert disk.count("sync") == disk.count("sync", "root") == 2
    assert disk.count("sync", "elsewhere") == 0
    assert disk.written_bytes == 5
    assert disk.total() == 11
    disk.reset()
    assert disk.total() == disk.written_bytes == 0


def test_every_method_of_the_disk_is_stood_in_for() -> None:
    methods = {name for name in vars(Disk) if not name.startswith("_")}
    for stand_in in (CrashingDisk, CountingDisk):
        assert methods <= set(vars(stand_in)), stand_in
