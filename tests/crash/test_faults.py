"""Every call fails, at every call the process dies, after every call the power goes: nothing acknowledged is lost."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from eventlog.files.backend import FilesBackend
from eventlog.testing import CrashingDisk
from tests.crash import faults
from tests.crash.workload import (
    AFTER,
    COMPACTED,
    LAZY,
    ROLLING,
    SETTINGS,
    Workload,
    active_segment,
    damaged,
    empty,
    nothing,
    run,
    torn,
    torn_from_the_start,
    unconfirmed,
    used,
)

# A killed process runs no finalisers; here they run, and find a dead disk.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

LIVES = [
    Workload("append, batch, roll, seal", empty, ROLLING),
    Workload("append and sync later", empty, LAZY),
    Workload("hold the lock", empty, ROLLING, exclusive=True),
    Workload("compress and join", empty, COMPACTED, SETTINGS.replace(segment_size_bytes=6_000)),
    Workload("join", used, AFTER),
    Workload("recover a torn tail", torn, AFTER),
    Workload("recover a torn opening line", torn_from_the_start, AFTER),
    Workload("leave damage", damaged, AFTER, damaged=True),
    Workload("leave damage and hold the lock", damaged, AFTER, damaged=True, exclusive=True),
    Workload("copy what was not confirmed", unconfirmed, AFTER),
]
RECOVERIES = LIVES[5:]
MAKING = Workload("make a store", nothing, AFTER)


@pytest.mark.parametrize("workload", LIVES, ids=lambda workload: workload.name)
def test_every_call_fails_in_every_way(workload: Workload, memory_folder: Path) -> None:
    points = list(faults.every_call(workload, memory_folder))
    print(f"{len(points)} faults")
    assert len(points) > 50


def test_making_a_store_fails_at_any_call(memory_folder: Path) -> None:
    points = list(faults.every_call(MAKING, memory_folder, every=90, shares=(0.5,), seed=7))
    print(f"{len(points)} faults")
    assert len(points) > 50


@pytest.mark.parametrize("workload", LIVES, ids=lambda workload: workload.name)
def test_the_power_goes_after_every_call(workload: Workload, memory_folder: Path) -> None:
    points = list(faults.every_step_without_power(workload, memory_folder))
    print(f"{len(points)} power losses")
    assert len(points) > 50


@pytest.mark.parametrize("workload", RECOVERIES, ids=lambda workload: workload.name)
def test_recovery_is_killed_at_every_call_again_and_again(workload: Workload, memory_folder: Path) -> None:
    points = list(faults.every_call_of_recovery_killed(workload, memory_folder))
    print(f"{len(points)} times three kills")
    assert len(points) > 10


@pytest.mark.parametrize("workload", [LIVES[0], LIVES[3], LIVES[5]], ids=lambda workload: workload.name)
def test_what_a_killed_process_has_not_synced_is_not_built_on(workload: Workload, memory_folder: Path) -> None:
    points = list(faults.every_kill_then_power_loss(workload, memory_folder))
    print(f"{len(points)} power losses after a kill")
    assert len(points) > 50


def test_the_bytes_of_a_torn_tail_survive_every_power_loss(memory_folder: Path) -> None:
    torn(memory_folder / "store")
    segment = active_segment(memory_folder / "store")
    data = segment.read_bytes()
    tail = data[data.rfind(b"\n") + 1 :]
    assert len(tail) > 100
    disk = CrashingDisk(memory_folder / "store")
    run(memory_folder / "store", disk, AFTER)
    points = 0
    for _, medium in disk.history():
        for share in faults.SHARES:
            medium.lose_power(str(memory_folder / "lost"), seed=points, share=share)
            kept = [*(memory_folder / "lost" / "store" / "quarantine").iterdir(), active_segment(memory_folder / "lost")]
            assert any(tail in path.read_bytes() for path in kept)
            shutil.rmtree(memory_folder / "lost")
            points += 1
    print(f"{points} power losses")
    assert points > 50


def test_a_store_that_was_made_is_the_same_store_after_a_power_loss(memory_folder: Path) -> None:
    (memory_folder / "root").mkdir()
    disk = CrashingDisk(memory_folder / "root")
    settings = SETTINGS.replace(store=memory_folder / "root" / "store")
    made = FilesBackend.open(settings, disk=disk).store
    disk.lose_power(memory_folder / "lost", seed=1, share=0.0)
    assert FilesBackend.open(settings.replace(store=memory_folder / "lost" / "store"), create=False).store == made
