"""What moved between two runs by more than their noise: `python -m bench ... --compare BASE`, BASE being the JSON of an earlier run.

A figure that is a quotient of the same run has the quartiles of its rounds' own quotients beside it: it has moved where the two ranges do not
overlap. One without them (a size, a count, a growth) has moved where it changed by a quarter. A change below a twentieth is none.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from .measure import Figure
from .report import Result

_NO_CHANGE = 0.05
_CHANGE = 0.25


class Moved(msgspec.Struct, frozen=True):
    """``change`` is relative to the base: 0.1 is a tenth more. ``worse`` is None where the figure has no goal that says so."""

    area: str
    name: str
    unit: str
    base: float
    now: float
    change: float
    worse: bool | None


def moved(base: Result, now: Result) -> Iterator[Moved]:
    """The figures of both runs that have moved, in the order of the later one."""
    before = {(area.name, figure.name): figure for area in base.areas for figure in area.figures}
    for area in now.areas:
        for figure in area.figures:
            old = before.get((area.name, figure.name))
            if old is None or old.value == 0:
                continue
            change = figure.value / old.value - 1
            if abs(change) >= _NO_CHANGE and _beyond_noise(old, figure, change):
                yield Moved(area.title, figure.name, figure.unit, old.value, figure.value, change, _is_worse(figure, change))


def _beyond_noise(old: Figure, new: Figure, change: float) -> bool:
    if old.low is None or old.high is None or new.low is None or new.high is None:
        return abs(change) >= _CHANGE
    return new.low > old.high or new.high < old.low


def _is_worse(figure: Figure, change: float) -> bool | None:
    if figure.goal is None or (figure.goal.at_most is None) == (figure.goal.at_least is None):
        return None
    return (change > 0) == (figure.goal.at_most is not None)


def markdown(base: Result, now: Result) -> str:
    """The table of what moved, or the sentence that nothing has."""
    compared = {(area.name, figure.name) for area in base.areas for figure in area.figures}
    common = sum((area.name, figure.name) in compared for area in now.areas for figure in area.figures)
    found = list(moved(base, now))
    lines = [f"## Against commit {base.circumstances['commit']}, {base.circumstances['time']}", ""]
    lines.append(f"{len(found)} of {common} figures that both runs have moved by more than their noise.")
    if found:
        lines += ["", "| area | figure | before | now | change | |", "|---|---|---|---|---|---|"]
    for each in found:
        judged = {True: "worse", False: "better", None: ""}[each.worse]
        lines.append(
            f"| {each.area} | {each.name} | {each.base:.3g} {each.unit} | {each.now:.3g} {each.unit} | {each.change:+.0%} | {judged} |"
        )
    return "\n".join(lines) + "\n"
