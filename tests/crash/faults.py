"""Row 5 and 6 of the table in RELIABILITY.md: every call of the disk fails in every way, and what is left is looked at."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from eventlog.testing import CrashingDisk, Operation
from tests.crash.workload import Record, Step, Workload, check, copy, run


class Fault(NamedTuple):
    name: str
    lasting: bool = False

    def applies_to(self, operation: Operation) -> bool:
        if self.name in ("short write", "killed within"):
            return operation.call == "write"
        return self.name.startswith("killed") or operation.call != "close"

    def set(self, disk: CrashingDisk, call: int) -> None:
        if self.name == "short write":
            disk.short_write(call, lasting=self.lasting)
        elif self.name == "killed":
            disk.crash(call)
        elif self.name == "killed within":
            disk.crash(call, "within")
        else:
            disk.fail(call, getattr(errno, self.name), lasting=self.lasting)


FAULTS = [Fault(name, lasting) for name in ("EIO", "ENOSPC", "short write") for lasting in (False, True)]
KILLS = [Fault("killed"), Fault("killed within")]
GOING_ON = (Step("by the next process", size=600), Step("of another session too", session="t"))
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)


def lazy(workload: Workload) -> bool:
    """Whether a power loss may leave damage: of several appends that nobody waited for, a later one can have reached the disk and an
    earlier one not."""
    return any(step.sync != "always" for step in workload.steps)


def prepared(workload: Workload, folder: Path) -> tuple[Path, Record]:
    return folder / "template", workload.prepare(folder / "template")


def undisturbed(workload: Workload, folder: Path) -> tuple[CrashingDisk, Record]:
    """A run in which nothing goes wrong, checked: its calls are the points at which things can."""
    template, before = prepared(workload, folder)
    disk = CrashingDisk(copy(template, folder / "undisturbed"))
    record = workload.run(folder / "undisturbed", disk, before.copy())
    assert record.errors == before.errors
    assert len(record.acknowledged) == len(before.acknowledged) + len(workload.steps)
    check(folder / "undisturbed", record, damaged=workload.damaged)
    return disk, record


def every_call(workload: Workload, folder: Path, *, every: int = 1, shares: tuple[float, ...] = (0.0, 0.5), seed: int = 0) -> Iterator[str]:
    """Each point that was tried, by name: the fault, then what a power loss on top of it leaves. ``every``: of the folders of a new
    store, which are many and alike, only these."""
    disk, _ = undisturbed(workload, folder)
    before = workload.prepare(folder / "again")
    damaged_without_power = workload.damaged or lazy(workload)
    for call, operation in enumerate(disk.operations):
        if operation.call == "make_folder" and (call - seed) % every:
            continue
        for fault in FAULTS + KILLS:
            if not fault.applies_to(operation):
                continue
            name = f"{workload.name}: {fault.name}{' from' if fault.lasting else ' at'} call {call} ({operation.call})"
            place = copy(folder / "template", folder / "run")
            failing = CrashingDisk(place)
            fault.set(failing, call)
            try:
                record = workload.run(place, failing, before.copy())
                for share in shares:
                    failing.lose_power(folder / "lost", seed=f"{seed}/{call}", share=share)
                    check(folder / "lost", record, only_synced=True, damaged=damaged_without_power)
                    shutil.rmtree(folder / "lost")
                check(place, record, damaged=workload.damaged)
            except BaseException as error:
                error.add_note(f"{name}; seed {seed}")
                raise
            shutil.rmtree(place)
            yield name


def every_step_without_power(workload: Workload, folder: Path, *, seeds: range = range(1)) -> Iterator[str]:
    """Row 7: the power goes after each call, and each share of what was not synced survives."""
    disk, record = undisturbed(workload, folder)
    for call, medium in disk.history():
        for share in SHARES:
            for seed in seeds:
                name = f"{workload.name}: power lost after {call} calls, {share:.0%} of the rest survives, seed {seed}"
                medium.lose_power(str(folder / "lost"), seed=seed, share=share)
                try:
                    check(folder / "lost", record, calls=call, only_synced=True, damaged=workload.damaged or lazy(workload))
                except BaseException as error:
                    error.add_note(name)
                    raise
                shutil.rmtree(folder / "lost")
                yield name


def every_kill_then_power_loss(workload: Workload, folder: Path, *, seed: int = 0) -> Iterator[str]:
    """A process is killed at a call, the next one goes on behind what the first had written and not synced, then the power goes."""
    disk, _ = undisturbed(workload, folder)
    before = workload.prepare(folder / "again")
    for call, operation in enumerate(disk.operations):
        for fault in KILLS:
            if not fault.applies_to(operation):
                continue
            place = copy(folder / "template", folder / "run")
            dying = CrashingDisk(place)
            fault.set(dying, call)
            record = workload.run(place, dying, before.copy())
            dying.restart()
            record = run(place, dying, GOING_ON, workload.settings, exclusive=workload.exclusive, record=record)
            for share in SHARES:
                dying.lose_power(folder / "lost", seed=f"{seed}/{call}", share=share)
                try:
                    check(folder / "lost", record, only_synced=True, damaged=workload.damaged or lazy(workload))
                except BaseException as error:
                    error.add_note(f"{workload.name}: {fault.name} at call {call} ({operation.call}), {share:.0%} survives, seed {seed}")
                    raise
                shutil.rmtree(folder / "lost")
                yield f"{call} {fault.name} {share}"
            shutil.rmtree(place)


def every_call_of_recovery_killed(workload: Workload, folder: Path, *, times: int = 3) -> Iterator[str]:
    """Row 6: killed at the same call of recovery again and again, then let through."""
    disk, _ = undisturbed(workload, folder)
    before = workload.prepare(folder / "again")
    for call in range(len(disk.operations)):
        for fault in KILLS:
            place = copy(folder / "template", folder / "run")
            record = before.copy()
            for _ in range(times):
                dying = CrashingDisk(place)
                fault.set(dying, call)
                record = run(place, dying, workload.steps[:1], workload.settings, exclusive=workload.exclusive, record=record)
                record.acknowledged = [told for told in record.acknowledged if told.step not in workload.steps]
            try:
                check(place, record, damaged=workload.damaged)
            except BaseException as error:
                error.add_note(f"{workload.name}: {fault.name} {times} times at call {call}")
                raise
            shutil.rmtree(place)
            yield f"{call} {fault.name}"
