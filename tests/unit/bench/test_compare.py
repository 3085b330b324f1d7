"""What moved between two runs, and what is noise."""

from __future__ import annotations

from bench.compare import markdown, moved
from bench.measure import Area, Figure, Goal
from bench.report import Result


def run(*figures: Figure) -> Result:
    area = Area(name="a", title="Area", workload="w", unit="us", figures=list(figures))
    return Result(circumstances={"commit": "abc", "time": "then"}, seed=1, quick=False, workload={}, areas=[area])


def ratio(value: float, low: float, high: float, goal: Goal | None = None) -> Figure:
    return Figure(name="ratio", value=value, unit="x", low=low, high=high, goal=goal)


def test_ranges_that_overlap_are_noise() -> None:
    assert list(moved(run(ratio(1.0, 0.8, 1.3)), run(ratio(1.2, 1.1, 1.4)))) == []


def test_ranges_apart_are_a_change_and_the_goal_says_whether_it_is_for_the_worse() -> None:
    for goal, worse in ((Goal(at_most=2), True), (Goal(at_least=1), False), (None, None)):
        [found] = moved(run(ratio(1.0, 0.9, 1.1, goal)), run(ratio(1.5, 1.4, 1.6, goal)))
        assert (round(found.change, 2), found.worse) == (0.5, worse)


def test_ranges_apart_by_less_than_a_twentieth_are_none() -> None:
    assert list(moved(run(ratio(1.0, 0.999, 1.001)), run(ratio(1.04, 1.039, 1.041)))) == []


def test_a_figure_without_a_range_has_moved_when_it_changed_by_a_quarter() -> None:
    before = run(Figure(name="size", value=100, unit="MB"))
    assert list(moved(before, run(Figure(name="size", value=120, unit="MB")))) == []
    assert [each.now for each in moved(before, run(Figure(name="size", value=70, unit="MB")))] == [70]


def test_the_report_counts_what_both_have_and_names_what_moved() -> None:
    text = markdown(run(ratio(1.0, 0.9, 1.1)), run(ratio(2.0, 1.9, 2.1), Figure(name="new", value=1, unit="x")))
    assert "1 of 1 figures" in text
    assert "| Area | ratio | 1 x | 2 x | +100% |" in text
