"""Every call fails, at every call the process dies, after every call the power goes: nothing acknowledged is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash import faults
from tests.crash.workload import (
    AFTER,
    LAZY,
    ROLLING,
    SETTINGS,
    Workload,
    damaged,
    empty,
    nothing,
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
    Workload("compress", empty, ROLLING, SETTINGS.replace(compress=True)),
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
