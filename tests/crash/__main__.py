"""The long form of the crash tests, within a time budget: `python -m tests.crash [--budget-s 600] [--seed 1] [NAME...]`.

Each part runs for its share of the budget, or until it has tried everything there is to try, and says how much that was. Any broken
promise ends the run with the point at which it broke."""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import count
from pathlib import Path

from eventlog.testing import Crash
from tests.crash import damage, faults, kernel, kills, races, strides, tails, test_life, test_replays
from tests.crash.shapes import search
from tests.crash.test_faults import LIVES, MAKING, RECOVERIES

Part = Callable[[Path, int], Iterator[int]]
_SHAPES_AT_ONCE = 500


def ones(points: Iterable[object]) -> Iterator[int]:
    return (1 for _ in points)


def every_fault(folder: Path, seed: int) -> Iterator[int]:
    for number in count(seed):
        for workload in (*LIVES, MAKING._replace(steps=MAKING.steps[:1])):
            with fresh(folder) as place:
                points = faults.every_call(workload, place, shares=faults.SHARES, seed=number)
                yield from named(f"{workload.name}: faults, seed {number}", points)


def every_power_loss(folder: Path, seed: int) -> Iterator[int]:
    for number in count(seed):
        for workload in LIVES:
            with fresh(folder) as place:
                points = faults.every_step_without_power(workload, place, seeds=range(10 * number, 10 * number + 10))
                yield from named(f"{workload.name}: power losses, ten times, seed {number}", points)


def every_kill_then_power_loss(folder: Path, seed: int) -> Iterator[int]:
    for number in count(seed):
        for workload in LIVES:
            with fresh(folder) as place:
                points = faults.every_kill_then_power_loss(workload, place, seed=number)
                yield from named(f"{workload.name}: power losses after a kill, seed {number}", points)


def every_kill_in_recovery(folder: Path, seed: int) -> Iterator[int]:
    for times in (1, 2, 3, 5):
        for workload in RECOVERIES:
            with fresh(folder) as place:
                yield from ones(faults.every_call_of_recovery_killed(workload, place, times=times))


def every_call_of_maintenance(folder: Path, seed: int) -> Iterator[int]:
    """Compact, drop deltas, redact, purge, delete, backup; fork, merge, import."""
    template, before = test_life.make_template(folder / "template")
    for work in test_life.WORKS:
        with fresh(folder) as place:
            yield from named(f"{work.name}: faults", test_life.failing_at(template, place, work, before))
    for name in test_replays.WORKS:
        with fresh(folder) as place:
            yield from named(f"{name}: faults", test_replays.failing_at(name, test_replays.prepared(place), faults.FAULTS + faults.KILLS))


def every_power_loss_in_maintenance(folder: Path, seed: int) -> Iterator[int]:
    template, before = test_life.make_template(folder / "template")
    for number in count(seed):
        for work in test_life.WORKS:
            with fresh(folder) as place:
                points = test_life.without_power(template, place, work, before, shares=faults.SHARES, seed=number)
                yield from named(f"{work.name}: power losses, seed {number}", points)


def named(name: str, points: Iterable[object]) -> Iterator[int]:
    """The points, and how many they were."""
    tried = 0
    for _ in points:
        tried += 1
        yield 1
    print(f"    {tried:,} {name}", flush=True)


def every_cut(folder: Path, seed: int) -> Iterator[int]:
    yield from ones(damage.cuts(damage.write(folder / "cuts", 40_000, seed=seed)))


def every_bit(folder: Path, seed: int) -> Iterator[int]:
    """All of them, read."""
    original = damage.write(folder / "bits", 40_960, seed=seed, lengths=(0, 20, 100, 400))
    print(f"    {len(original.data) * 8:,} bits of {len(original.data):,} bytes, {len(original.lines)} events", flush=True)
    yield from strides.every_bit(damage.every_flip, original, folder)


def every_compressed_bit(folder: Path, seed: int) -> Iterator[int]:
    original = damage.compressed(folder / "frames", 31_000, seed=seed)
    print(f"    {len(original.data) * 8:,} bits of {len(original.data):,} bytes, {len(original.lines)} events", flush=True)
    yield from strides.every_bit(damage.frame_flips, original, folder)


def bits_and_after(folder: Path, seed: int) -> Iterator[int]:
    """Some bits, and what an append then makes of the segment."""
    original = damage.write(folder / "bits", 40_960, seed=seed)
    for first in range(64):
        yield from ones(damage.flips(original, every=64, first=first * 37 % 64))


def every_block(folder: Path, seed: int) -> Iterator[int]:
    for number in count(seed):
        with fresh(folder) as place:
            yield from ones(damage.blocks(damage.write(place / "blocks", 40_000, seed=number), seed=number))


def kill_writers(folder: Path, seed: int) -> Iterator[int]:
    for number in count(seed):
        with fresh(folder) as place:
            found = kills.run(place / "kills", 100, number)
            print(f"    {found}", flush=True)
            yield found["kills"]


def watch_writers(folder: Path, seed: int) -> Iterator[int]:
    """Twice each seed: the hints stay, and they are deleted now and then."""
    for number in count(seed):
        for delete_hints in (False, True):
            with fresh(folder) as place:
                found = tails.run(place, number, 30, delete_hints=delete_hints)
                print(f"    {found}", flush=True)
                yield found["events"]


def race(folder: Path, seed: int) -> Iterator[int]:
    for processes in (2, 4, 8, 16):
        with fresh(folder) as place:
            (place / "race").mkdir()
            print(f"    {races.race(place / 'race', processes, 300)}", flush=True)
            yield 300
            (place / "hold").mkdir()
            races.hold(place / "hold")


def disturb_system_calls(folder: Path, seed: int) -> Iterator[int]:
    if shutil.which("strace") is None:
        print("    skipped: strace is not there")
        return
    for call, injection in kernel.INJECTIONS:
        for when in (*range(1, 13), *(("2+", "5+") if "error" in injection else ())):
            with fresh(folder) as place:
                kernel.disturb(place, call, injection, str(when), torn=call in ("ftruncate", "/^rename"))
                yield 1


def fill_a_disk(folder: Path, seed: int) -> Iterator[int]:
    folder.mkdir(exist_ok=True)
    try:
        with kernel.small_tmpfs(folder) as place:
            print(f"    {kernel.fill_up(place, rounds=6)}", flush=True)
            yield 1
    except PermissionError as error:
        print(f"    skipped: a tmpfs cannot be mounted here ({error.strerror})")


def bend_stores(folder: Path, seed: int) -> Iterator[int]:
    """Everything else that can happen to files, under every command and every public call."""
    folder.mkdir(exist_ok=True)
    with search.quietly(folder):
        lives = search.Lives(folder, seed)
        for first in count(0, _SHAPES_AT_ONCE):
            found = lives.search(_SHAPES_AT_ONCE, first=first)
            assert not found.failures, "\n".join(search.report(lives, found))
            yield found.cases


PARTS: dict[str, tuple[Part, float]] = {  # the part, and its share of the budget
    "faults": (every_fault, 0.17),
    "power": (every_power_loss, 0.17),
    "kill-then-power": (every_kill_then_power_loss, 0.06),
    "recovery": (every_kill_in_recovery, 0.05),
    "maintenance": (every_call_of_maintenance, 0.12),
    "maintenance-power": (every_power_loss_in_maintenance, 0.08),
    "cuts": (every_cut, 0.12),
    "bits": (every_bit, 0.12),
    "bits-and-after": (bits_and_after, 0.06),
    "compressed-bits": (every_compressed_bit, 0.12),
    "blocks": (every_block, 0.08),
    "kills": (kill_writers, 0.08),
    "tails": (watch_writers, 0.08),
    "races": (race, 0.02),
    "strace": (disturb_system_calls, 0.06),
    "full-disk": (fill_a_disk, 0.01),
    "shapes": (bend_stores, 0.15),
}


class fresh:  # noqa: N801  (reads as a word where it is used)
    """A folder that is gone afterwards."""

    def __init__(self, folder: Path) -> None:
        self.place = folder / "fresh"

    def __enter__(self) -> Path:
        self.place.mkdir(parents=True)
        return self.place

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.place)


def run(name: str, seconds: float, seed: int, place: str | None) -> None:
    part, _ = PARTS[name]
    begin, points, all_of_them = time.monotonic(), 0, True
    with tempfile.TemporaryDirectory(dir=place) as folder:
        for tried in part(Path(folder), seed):
            points += tried
            if time.monotonic() - begin > seconds:
                all_of_them = False
                break
    spent = time.monotonic() - begin
    print(f"{name:16} {points:9,} points {'(all)' if all_of_them else '     '} {spent:7.0f} s   0 lost", flush=True)


def _let_killed_programs_die_in_silence() -> None:
    """A killed process runs no finalisers and its threads say nothing; here they do."""
    of_thread, of_finaliser = threading.excepthook, sys.unraisablehook
    threading.excepthook = lambda died: None if died.exc_type is Crash else of_thread(died)
    sys.unraisablehook = lambda died: None if died.exc_type is Crash else of_finaliser(died)


def main(arguments: Iterable[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    parser.add_argument("--budget-s", type=float, default=600)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(PARTS))
    options = parser.parse_args(list(arguments))
    names = options.names or list(PARTS)
    _let_killed_programs_die_in_silence()
    shares = sum(PARTS[name][1] for name in names)
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None
    for name in names:
        run(name, options.budget_s * PARTS[name][1] / shares, options.seed, memory)
    if not options.names:
        return subprocess.run([sys.executable, "-m", "tests.mutations"], check=False).returncode
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
