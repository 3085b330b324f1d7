"""What was measured, as a Markdown text: goals first, then the contenders of each area, then how costs grow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from .measure import Area, Figure, Goal, Growth


class Result(msgspec.Struct):
    """One run: the JSON of ``--json``."""

    circumstances: dict[str, Any]
    seed: int
    quick: bool
    workload: dict[str, Any]
    areas: list[Area]


def markdown(result: Result) -> str:
    return "\n".join(_lines(result)) + "\n"


def _lines(result: Result) -> Iterator[str]:
    around, machine = result.circumstances, result.circumstances["machine"]
    yield "# Benchmark"
    yield ""
    yield (
        f"{machine['processor']}, {machine['processors']} processors, {machine['system']}, {machine['file_system']};"
        f" load {machine['load']:.1f} when it began; {around['time']}, commit {around['commit']}{', quick' if result.quick else ''}."
    )
    yield ", ".join(f"{name} {version}" for name, version in around["versions"].items()) + "."
    yield (
        f"Workload: seed {result.seed}, {result.workload['mean_line_bytes']} bytes a line on average. The contenders of an area run in turn"
        " in one process; costs are compared by their lower quartile unless said otherwise; the garbage collector is off while a round"
        " runs unless said otherwise."
    )
    yield from ("", "## Goals", "")
    yield from _goals(result)
    for area in result.areas:
        yield from ("", f"## {area.title}", "")
        yield f"Workload: {area.workload}. Garbage collector {area.collector}."
        yield from _timings(area)
        yield from _figures(area)
        yield from _growth(area.growth)
        if area.left_out:
            yield ""
            yield "Left out: " + "; ".join(f"{name} ({why})" for name, why in area.left_out.items()) + "."


def _goals(result: Result) -> Iterator[str]:
    rows = [figure for area in result.areas for figure in area.figures if figure.goal is not None]
    yield "| figure | measured | goal | stretch | met |"
    yield "|---|---|---|---|---|"
    for figure in rows:
        assert figure.goal is not None
        stretch = "" if figure.goal.stretch is None else f"{figure.goal.stretch:g}"
        yield f"| {figure.name} | **{_value(figure)}**{_spread(figure)} | {_goal(figure.goal, figure.unit)} | {stretch} | {_met(figure)} |"
    met = sum(1 for figure in rows if figure.met)
    yield ""
    yield f"{met} of {len(rows)} goals met."


def _met(figure: Figure) -> str:
    goal = figure.goal
    if not figure.met or goal is None:
        return "**no**"
    if goal.stretch is None:
        return "yes"
    reached = figure.value <= goal.stretch if goal.at_most is not None else figure.value >= goal.stretch
    return "yes, and the stretch" if reached else "yes"


def _goal(goal: Goal, unit: str) -> str:
    bound = f"≤ {goal.at_most:g}" if goal.at_most is not None else f"≥ {goal.at_least:g}"
    return f"{bound} {unit}"


def _value(figure: Figure) -> str:
    return f"{_number(figure.value)} {figure.unit}"


def _spread(figure: Figure) -> str:
    return "" if figure.low is None or figure.high is None else f" ({_number(figure.low)} to {_number(figure.high)})"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _timings(area: Area) -> Iterator[str]:
    if not area.timings:
        return
    yield ""
    yield f"| {area.unit} | lower quartile | median | upper quartile | p99 | rounds | durability |"
    yield "|---|---|---|---|---|---|---|"
    for timing in area.timings:
        name = {"subject": timing.name, "limit": f"limit: {timing.name}", "peer": f"peer: {timing.name}"}[timing.role]
        numbers = " | ".join(map(_number, (timing.lower_quartile, timing.median, timing.upper_quartile, timing.p99)))
        yield f"| {name} | {numbers} | {timing.rounds} of {timing.units_per_round:,} | {timing.durability} |"


def _figures(area: Area) -> Iterator[str]:
    rows = [figure for figure in area.figures if figure.goal is None]
    if not rows:
        return
    yield ""
    yield "| figure | measured |"
    yield "|---|---|"
    for figure in rows:
        yield f"| {figure.name}{f' ({figure.note})' if figure.note else ''} | {_value(figure)}{_spread(figure)} |"


def _growth(rows: list[Growth]) -> Iterator[str]:
    if not rows:
        return
    yield ""
    yield "| cost, us | by | at each size | largest to smallest |"
    yield "|---|---|---|---|"
    for growth in rows:
        points = ", ".join(f"{size:,}: {_number(cost)}" for size, cost in growth.points)
        yield f"| {growth.name} (expected {growth.expected}) | {growth.size} | {points} | {growth.factor:.2f} x |"
