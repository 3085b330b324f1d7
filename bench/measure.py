"""Measures contenders in turn, so that what the machine does to one it does to all of them; keeps what the report needs.

Every round runs each contender once, in an order that moves on by one, and is timed as a whole; a figure is a quotient of two
contenders of the same run. Costs are compared by their lower quartile unless a figure says otherwise: raw writes are bimodal on many
disks, and what a shared machine adds is never negative. The garbage collector is off while a round runs, unless an area says otherwise.
"""

from __future__ import annotations

import gc
import os
import platform
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

import msgspec

Role = Literal["subject", "limit", "peer"]
Statistic = Literal["lower_quartile", "median"]


class Contender(msgspec.Struct, kw_only=True):
    """Something that is measured. ``round`` does its work for ``units`` units; ``prepare`` runs before it, untimed.

    A ``round`` that returns a number has measured itself, in seconds."""

    name: str
    round: Callable[[], float | None]
    units: int
    role: Role = "subject"
    durability: str = ""
    prepare: Callable[[], object] | None = None


class Timing(msgspec.Struct, kw_only=True):
    """What one unit cost, in microseconds, over all rounds."""

    name: str
    role: Role
    durability: str
    units_per_round: int
    rounds: int
    minimum: float
    lower_quartile: float
    median: float
    upper_quartile: float
    p99: float
    values: list[float]


class Goal(msgspec.Struct, kw_only=True, omit_defaults=True):
    """``at_most`` or ``at_least``, in the figure's unit."""

    at_most: float | None = None
    at_least: float | None = None
    stretch: float | None = None

    def met(self, value: float) -> bool:
        return (self.at_most is None or value <= self.at_most) and (self.at_least is None or value >= self.at_least)


class Figure(msgspec.Struct, kw_only=True):
    """One row of the report. ``low`` and ``high`` are the quartiles of the rounds' own quotients."""

    name: str
    value: float
    unit: str
    goal: Goal | None = None
    low: float | None = None
    high: float | None = None
    note: str = ""

    @property
    def met(self) -> bool | None:
        return None if self.goal is None else self.goal.met(self.value)


class Growth(msgspec.Struct, kw_only=True):
    """How a cost grows: microseconds at each size. ``expected`` is "constant" or "linear" (in all, so constant per unit)."""

    name: str
    size: str
    expected: Literal["constant", "linear"]
    points: list[tuple[int, float]]

    @property
    def factor(self) -> float:
        """The cost at the largest size over that at the smallest."""
        return self.points[-1][1] / self.points[0][1]


class Area(msgspec.Struct, kw_only=True):
    """One subject: what was measured, and the figures that follow."""

    name: str
    title: str
    workload: str
    unit: str
    collector: Literal["off", "on"] = "off"
    timings: list[Timing] = []
    figures: list[Figure] = []
    growth: list[Growth] = []
    left_out: dict[str, str] = {}

    def measure(self, contenders: Iterable[Contender], rounds: int) -> None:
        self.timings += interleave(list(contenders), rounds, collector=self.collector == "on")

    def timing(self, name: str) -> Timing | None:
        return next((timing for timing in self.timings if timing.name == name), None)

    def ratio(
        self,
        name: str,
        of: str,
        to: str,
        goal: Goal | None = None,
        by: Statistic = "lower_quartile",
        scale: float = 1.0,
        note: str = "",
    ) -> None:
        """Add the figure cost of ``of`` over cost of ``to`` (times ``scale``), where both were measured."""
        one, other = self.timing(of), self.timing(to)
        if one is None or other is None:
            return
        value = getattr(one, by) / getattr(other, by) * scale
        pairs = sorted(a / b * scale for a, b in zip(one.values, other.values, strict=False))
        low, high = quantile(pairs, 0.25), quantile(pairs, 0.75)
        self.figures.append(Figure(name=name, value=value, unit="x", goal=goal, low=low, high=high, note=note))

    def absolute(self, name: str, of: str, goal: Goal | None, unit: str, per: float, by: Statistic = "median", note: str = "") -> None:
        """Add the figure cost of ``of`` in ``unit``, of which one is ``per`` microseconds."""
        one = self.timing(of)
        if one is not None:
            value, low, high = getattr(one, by) / per, one.lower_quartile / per, one.upper_quartile / per
            self.figures.append(Figure(name=name, value=value, unit=unit, goal=goal, low=low, high=high, note=note))

    def value(self, name: str, value: float, unit: str, goal: Goal | None = None, note: str = "") -> None:
        self.figures.append(Figure(name=name, value=value, unit=unit, goal=goal, note=note))


class Run(msgspec.Struct):
    """What every area is given: where it may write, and whether it is to be quick."""

    folder: Path
    quick: bool

    def scale(self, full: int, quick: int) -> int:
        return quick if self.quick else full

    def scratch(self, name: str) -> Path:
        """A folder of its own, which is gone after the run."""
        path = self.folder / name
        path.mkdir(parents=True)
        return path


def interleave(contenders: list[Contender], rounds: int, *, collector: bool = False) -> list[Timing]:
    """Run each contender ``rounds`` times, in turn, after one round that does not count."""
    costs: dict[str, list[float]] = {contender.name: [] for contender in contenders}
    was_on = gc.isenabled()
    try:
        for number in range(-1, rounds):
            start = number % len(contenders)
            for contender in contenders[start:] + contenders[:start]:
                seconds = _timed(contender, collector=collector)
                if number >= 0:
                    costs[contender.name].append(seconds * 1e6 / contender.units)
    finally:
        if was_on:
            gc.enable()
        gc.unfreeze()
    return [_timing(contender, costs[contender.name]) for contender in contenders]


def together(works: Iterable[Callable[[], object]]) -> float:
    """Run each in a thread of its own; the seconds from when all are ready to the end of the last."""

    def run(work: Callable[[], object]) -> None:
        barrier.wait()
        work()

    members = [threading.Thread(target=run, args=(work,)) for work in works]
    barrier = threading.Barrier(len(members) + 1)
    for member in members:
        member.start()
    barrier.wait()
    begin = time.perf_counter()
    for member in members:
        member.join()
    return time.perf_counter() - begin


def _timed(contender: Contender, *, collector: bool) -> float:
    if contender.prepare is not None:
        contender.prepare()
    gc.collect()
    gc.freeze()  # what the harness holds is not the contender's to look through
    gc.enable() if collector else gc.disable()
    begin = time.perf_counter()
    measured = contender.round()
    end = time.perf_counter()
    gc.disable()
    return end - begin if measured is None else measured


def _timing(contender: Contender, values: list[float]) -> Timing:
    ordered = sorted(values)
    return Timing(
        name=contender.name,
        role=contender.role,
        durability=contender.durability,
        units_per_round=contender.units,
        rounds=len(values),
        minimum=ordered[0],
        lower_quartile=quantile(ordered, 0.25),
        median=quantile(ordered, 0.5),
        upper_quartile=quantile(ordered, 0.75),
        p99=quantile(ordered, 0.99),
        values=values,
    )


def quantile(ordered: list[float], share: float) -> float:
    """Of sorted values, linear between neighbours."""
    position = (len(ordered) - 1) * share
    below = int(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)


PACKAGES = ("msgspec", "zstandard", "watchfiles", "eventsourcing", "openai-agents", "langgraph-checkpoint-sqlite", "google-adk")


def circumstances(folder: Path) -> dict[str, Any]:
    """The machine, the versions and the commit."""
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            pass  # not installed: its peer is left out by name
    return {
        "machine": {
            "system": f"{platform.system()} {platform.release()}",
            "processor": _processor(),
            "processors": os.cpu_count(),
            "load": os.getloadavg()[0],
            "file_system": _file_system(folder),
        },
        "versions": versions,
        "commit": _commit(),
        "implementation": sys.implementation.name,
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as file:
            return next(line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _file_system(folder: Path) -> str:
    """The type of the file system that the folder is on."""
    best = ("", "unknown")
    try:
        with open("/proc/mounts") as file:
            for line in file:
                _, mount, kind, *_ = line.split()
                if str(folder.resolve()).startswith(mount) and len(mount) >= len(best[0]):
                    best = (mount, kind)
    except OSError:
        pass  # not Linux
    return best[1]


def _commit() -> str:
    try:
        here = Path(__file__).parent
        found = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12"], capture_output=True, text=True, cwd=here, check=True
        )
        return found.stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
