"""The projections on a disk that fails or loses power at any call: the answer is right, then and afterwards, and the log is untouched.

The database itself is SQLite's; what is tried here is every call of ours that makes its files, puts them in place and removes them.
After a power loss nothing of a database is there that was not synced.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from eventlog import EventLog
from eventlog.events import MessageAdded, SessionStarted
from eventlog.files.disk import Disk
from eventlog.testing import Crash, CrashingDisk, Operation
from projections import Catalog
from projections.catalog.cost import NO_PRICES
from tests.crash.faults import FAULTS, Fault

RIGHT = (3, ["s1"])


def fill(store: Path) -> None:
    with EventLog.open(store) as log:
        for number in range(3):
            log.session(f"s{number}", create=True).append(SessionStarted(), MessageAdded(role="user", content=f"word{number}"))


def answer(store: Path, disk: Disk | None = None) -> tuple[int, list[str]]:
    with EventLog.open(store) as log, Catalog.open(log, prices=NO_PRICES, disk=disk, notice=lambda text: None) as catalog:
        return catalog.list().total, [hit.session_id for hit in catalog.search("word1").items]


def rebuilt(store: Path, disk: Disk | None = None) -> tuple[int, list[str]]:
    with EventLog.open(store) as log, Catalog.open(log, prices=NO_PRICES, disk=disk, notice=lambda text: None) as catalog:
        try:
            catalog.rebuild(jobs=1)
        except OSError:
            pass  # refused, and what was there serves
        return catalog.list().total, [hit.session_id for hit in catalog.search("word1").items]


WORK = {"build": (answer, False), "rebuild": (rebuilt, True)}


def prepare(folder: Path, *, built: bool) -> Path:
    fill(folder / "template")
    if built:
        assert answer(folder / "template") == RIGHT
    return folder / "template"


def calls_of(work: Callable[[Path, Disk], object], template: Path, place: Path) -> list[Operation]:
    shutil.copytree(template, place)
    disk = CrashingDisk(place)
    assert work(place, disk) == RIGHT
    shutil.rmtree(place)
    return disk.operations


@pytest.mark.parametrize("name", WORK)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.name}{' for good' if fault.lasting else ''}")
def test_whichever_call_fails_the_answer_is_right(memory_folder: Path, name: str, fault: Fault) -> None:
    work, built = WORK[name]
    template, place = prepare(memory_folder, built=built), memory_folder / "run"
    calls = calls_of(work, template, place)
    assert len(calls) > 10
    tried = [call for call, operation in enumerate(calls) if fault.applies_to(operation)]
    for call in tried:
        shutil.copytree(template, place)
        disk = CrashingDisk(place)
        fault.set(disk, call)
        assert work(place, disk) == RIGHT, f"call {call}"
        assert answer(place) == RIGHT, f"after call {call}"
        shutil.rmtree(place)
    print(f"{len(tried)} faults")


@pytest.mark.parametrize("name", WORK)
@pytest.mark.parametrize("share", [0.0, 0.5])
def test_killed_at_any_call_or_without_power_the_answer_is_right_afterwards(memory_folder: Path, name: str, share: float) -> None:
    work, built = WORK[name]
    template, place = prepare(memory_folder, built=built), memory_folder / "run"
    for call in range(len(calls_of(work, template, place))):
        shutil.copytree(template, place)
        disk = CrashingDisk(place)
        disk.crash(call)
        with pytest.raises(Crash):
            work(place, disk)
        disk.lose_power(memory_folder / "lost", seed=call, share=share)
        assert answer(place) == RIGHT, f"killed at call {call}"
        assert answer(memory_folder / "lost") == RIGHT, f"no power at call {call}"
        shutil.rmtree(place)
        shutil.rmtree(memory_folder / "lost")
