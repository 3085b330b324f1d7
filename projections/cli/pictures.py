"""Statistics as a person at a terminal takes them in: days as bars, hours as a strip of shades, shares of models, projects and tools."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import date, timedelta
from typing import Final

from eventlog.cli.amounts import count, money
from eventlog.cli.terminal import Terminal

from ..catalog.statistics import Amounts, Statistics, ToolShare
from .bars import Bar, lines, strip

HOURS: Final = tuple(f"{hour:02}" for hour in range(24))
WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_DAYS_SHOWN: Final = 21
_SHARES_SHOWN: Final = 10


def pictures(terminal: Terminal, found: Statistics, chosen: Collection[str]) -> Iterator[str]:
    """A picture of each that is chosen and has anything in it, with an empty line before."""
    drawn: dict[str, Callable[[], Iterable[str]]] = {
        "day": lambda: _days(terminal, found),
        "hour": lambda: strip(terminal, f"messages by the hour ({found.zone})", found.by_hour, 3) if any(found.by_hour) else (),
        "weekday": lambda: _weekdays(terminal, found),
        "model": lambda: _shares(terminal, "models, by tokens", [(share.model, share) for share in found.by_model]),
        "project": lambda: _shares(terminal, "projects, by tokens", [(each.project, each) for each in found.by_project if each.project]),
        "user": lambda: _shares(terminal, "users, by tokens", [(each.user_id, each) for each in found.by_user if each.user_id]),
        "tool": lambda: _tools(terminal, found.by_tool),
    }
    for name, draw in drawn.items():
        parts = list(draw()) if name in chosen else []
        if len(parts) > 1:
            yield ""
            yield from parts


def _days(terminal: Terminal, found: Statistics) -> Iterator[str]:
    """The latest days on which anything happened; a mark where days without anything lie between."""
    days = sorted(found.by_day, key=lambda each: each.day)
    shown = days[-_DAYS_SHOWN:]
    bars: list[Bar] = []
    for number, each in enumerate(shown):
        if number and each.day - shown[number - 1].day > timedelta(days=1):
            bars.append(Bar("⋮", 0, ()))
        bars.append(_day(terminal, each.day, each))
    left_out = len(days) - len(shown)
    title = f"messages by the day{f' ({left_out:,} days before are not shown)' if left_out else ''}"
    return lines(terminal, title, bars) if bars else iter(())


def _day(terminal: Terminal, day: date, amounts: Amounts) -> Bar:
    name = f"{day:%a} {day}" if terminal.width >= 60 else f"{day:%m-%d}"
    return Bar(name, amounts.messages, (count(amounts.messages), *_behind(amounts)))


def _behind(amounts: Amounts) -> tuple[str, str]:
    return count(_tokens(amounts)), money(amounts.cost.amount, amounts.cost.currency) if amounts.cost is not None else ""


def _weekdays(terminal: Terminal, found: Statistics) -> Iterator[str]:
    if not any(found.by_weekday):
        return iter(())
    bars = [Bar(name, value, (count(value),), "green") for name, value in zip(WEEKDAYS, found.by_weekday, strict=True)]
    return lines(terminal, "messages by the weekday", bars)


def _shares(terminal: Terminal, title: str, shares: Sequence[tuple[str | None, Amounts]]) -> Iterator[str]:
    """The largest, each with its part of the whole."""
    everything = sum(_tokens(share) for _, share in shares)
    ordered = sorted(shares, key=lambda each: (-_tokens(each[1]), -each[1].messages, str(each[0])))
    bars = [
        Bar(name or "", _tokens(share), (f"{_tokens(share) / everything if everything else 0:.0%}", *_behind(share)), "magenta")
        for name, share in ordered[:_SHARES_SHOWN]
    ]
    return lines(terminal, _title(title, len(shares)), bars)


def _tools(terminal: Terminal, tools: Sequence[ToolShare]) -> Iterator[str]:
    ordered = sorted(tools, key=lambda tool: (-tool.calls, tool.name or ""))
    bars = [
        Bar(
            tool.name or "unknown",
            tool.calls,
            (count(tool.calls), f"{tool.failure_rate:.0%} failed" if tool.failures else ""),
            "yellow",
        )
        for tool in ordered[:_SHARES_SHOWN]
    ]
    return lines(terminal, _title("tools, by calls", len(tools)), bars)


def _title(title: str, number: int) -> str:
    return title if number <= _SHARES_SHOWN else f"{title} ({_SHARES_SHOWN} of {number:,}; a pipe has all)"


def _tokens(share: Amounts) -> int:
    return share.input_tokens + share.output_tokens + share.cache_read_tokens + share.cache_write_tokens
