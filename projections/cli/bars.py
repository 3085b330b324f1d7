"""Numbers as pictures in a terminal: bars of blocks, and a strip of shades."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from eventlog.cli.columns import cells_of, clipped
from eventlog.cli.failures import one_line
from eventlog.cli.terminal import Terminal

_EIGHTHS: Final = "▏▎▍▌▋▊▉█"
_SHADES: Final = " ░▒▓█"
_LONGEST_NAME: Final = 28
_LEAST_BAR: Final = 6
_NARROW: Final = 60


class Bar(NamedTuple):
    """``said`` stands behind it, in columns; a narrow terminal has room for the first only."""

    name: str
    value: float
    said: Sequence[str]
    style: str = "cyan"


def bar(value: float, most: float, width: int) -> str:
    """A bar of so many columns for the largest value; what is there at all is seen.

    >>> bar(10, 10, 3), bar(5, 10, 3), bar(0.001, 10, 3), bar(0, 10, 3)
    ('███', '█▌', '▏', '')
    """
    if value <= 0 or most <= 0:
        return ""
    eighths = max(1, round(8 * width * min(value / most, 1.0)))
    return "█" * (eighths // 8) + (_EIGHTHS[eighths % 8 - 1] if eighths % 8 else "")


def lines(terminal: Terminal, title: str, bars: Sequence[Bar]) -> Iterator[str]:
    """A heading and a line for each bar, as wide as the terminal."""
    yield terminal.styled(clipped(title, terminal.width), "bold")
    names = [one_line(each.name) for each in bars]
    name_size = min(max(map(cells_of, names), default=0), _LONGEST_NAME, terminal.width // 2)
    columns = 1 if terminal.width < _NARROW else max((len(each.said) for each in bars), default=0)
    sizes = [max((cells_of(each.said[at]) for each in bars if at < len(each.said)), default=0) for at in range(columns)]
    width = max(_LEAST_BAR, terminal.width - name_size - 2 - sum(2 + size for size in sizes))
    most = max((each.value for each in bars), default=0)
    for name, each in zip(names, bars, strict=True):
        shown = _ending(name, name_size)
        shown += " " * (name_size - cells_of(shown))
        drawn = bar(each.value, most, width)
        behind = "".join(f"  {' ' * (size - cells_of(text))}{text}" for size, text in zip(sizes, each.said, strict=False))
        yield f"{shown}  {terminal.styled(drawn, each.style)}{' ' * (width - len(drawn))}{behind}".rstrip()


def _ending(name: str, size: int) -> str:
    """The name in so many columns; of a path its end, which tells it from others."""
    if cells_of(name) <= size or "/" not in name:
        return clipped(name, size)
    end = name[-(size - 1) :]
    while cells_of(end) > size - 1:
        end = end[1:]
    return "…" + end


def strip(terminal: Terminal, title: str, values: Sequence[float], every: int) -> Iterator[str]:
    """Shades for values of equal standing (hours), with the number of each ``every``-th below."""
    most = max(values, default=0)
    cell = 2 if terminal.width >= 2 * len(values) else 1
    shades = [_SHADES[0 if not value else 1 + min(3, int(4 * value / most))] * cell for value in values]
    yield terminal.styled(title, "bold")
    yield terminal.styled("".join(shades).rstrip(), "green")
    yield terminal.styled("".join(f"{number:<{every * cell}}" for number in range(0, len(values), every)).rstrip(), "dim")
