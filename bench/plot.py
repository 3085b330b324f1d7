"""The plots of a run, as SVG without a library: bars on a logarithmic scale for contenders, lines for what grows."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from html import escape
from pathlib import Path

from .measure import Area, Growth, Timing
from .report import Result

_WIDTH, _ROW, _LEFT, _RIGHT, _TOP = 860, 26, 330, 90, 64
_COLOURS = {"subject": "#1b7f5c", "limit": "#8a8f98", "peer": "#c9764b"}
_TEXT, _QUIET = "#24292f", "#6b7280"
_FONT = 'font-family="system-ui, sans-serif"'


def write_all(result: Result, folder: Path) -> None:
    """Write one file per area that has contenders, and one for what grows."""
    folder.mkdir(parents=True, exist_ok=True)
    for area in result.areas:
        if len(area.timings) > 1:
            (folder / f"{area.name}.svg").write_text(bars(area), encoding="utf-8")
    grown = [growth for area in result.areas for growth in area.growth if len(growth.points) > 1]
    if grown:
        (folder / "growing.svg").write_text(lines(grown), encoding="utf-8")


def bars(area: Area) -> str:
    """Each contender's median with its quartiles, the cheapest first."""
    rows = sorted(area.timings, key=lambda timing: timing.median)
    low = 10 ** math.floor(math.log10(min(timing.lower_quartile for timing in rows)))
    high = 10 ** math.ceil(math.log10(max(timing.upper_quartile for timing in rows) * 1.001))
    place = _scale(low, high, _LEFT, _WIDTH - _RIGHT)
    height = _TOP + _ROW * len(rows) + 34
    return _picture(height, f"{area.title}: {area.unit}, lower is better", _bars(rows, place, low, high, height))


def _bars(rows: list[Timing], place: Callable[[float], float], low: float, high: float, height: int) -> Iterator[str]:
    yield from _ticks(place, low, high, height - 30)
    for number, timing in enumerate(rows):
        middle = _TOP + _ROW * number + _ROW / 2
        end = place(timing.median)
        yield _label(_LEFT - 8, middle + 4, timing.name, anchor="end", weight="600" if timing.role == "subject" else "400")
        yield f'<rect x="{_LEFT}" y="{middle - 8:.1f}" width="{max(1.0, end - _LEFT):.1f}" height="16" fill="{_COLOURS[timing.role]}"/>'
        first, last = place(timing.lower_quartile), place(timing.upper_quartile)
        yield f'<path d="M{first:.1f} {middle:.1f}H{last:.1f}" stroke="{_TEXT}" stroke-width="1.5"/>'
        yield _label(max(end, last) + 6, middle + 4, _number(timing.median))


def lines(grown: list[Growth]) -> str:
    """Each cost relative to that at its smallest size."""
    sizes = [size for growth in grown for size, _ in growth.points if size]
    place = _scale(max(1, min(sizes)), max(sizes), 60, _WIDTH - 330)
    top = max(2.0, max(cost / growth.points[0][1] for growth in grown for _, cost in growth.points))
    height = max(360, _TOP + 22 * len(grown) + 20)

    def level(relative: float) -> float:
        return height - 40 - (height - 40 - _TOP) * relative / top

    return _picture(height, "How costs grow: relative to the smallest size", _lines(grown, place, level, top))


def _lines(grown: list[Growth], place: Callable[[float], float], level: Callable[[float], float], top: float) -> Iterator[str]:
    for whole in range(int(top) + 1):
        yield f'<path d="M60 {level(whole):.1f}H{_WIDTH - 330}" stroke="#e5e7eb"/>'
        yield _label(52, level(whole) + 4, f"{whole} x", anchor="end", colour=_QUIET)
    for number, growth in enumerate(grown):
        colour = f"hsl({number * 360 // len(grown)}, 60%, 42%)"
        points = [(place(max(1, size)), level(cost / growth.points[0][1])) for size, cost in growth.points]
        yield f'<polyline points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in points)}" fill="none" stroke="{colour}" stroke-width="2"/>'
        for (x, y), (size, _) in zip(points, growth.points, strict=True):
            yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"><title>{size:,} {escape(growth.size)}</title></circle>'
        row = _TOP + 22 * number
        yield f'<rect x="{_WIDTH - 310}" y="{row - 9}" width="12" height="12" fill="{colour}"/>'
        yield _label(_WIDTH - 292, row + 1, growth.name)


def _picture(height: int, title: str, parts: Iterator[str]) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}" {_FONT} font-size="13">'
    background = f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>'
    return "\n".join((head, background, _label(16, 28, title, weight="600", size=16), *parts, "</svg>")) + "\n"


def _scale(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    """Logarithmic."""
    span = math.log10(high / low) or 1.0
    return lambda value: start + (end - start) * math.log10(max(value, low) / low) / span


def _ticks(place: Callable[[float], float], low: float, high: float, bottom: int) -> Iterator[str]:
    value = low
    while value <= high * 1.001:
        yield f'<path d="M{place(value):.1f} {_TOP - 6}V{bottom}" stroke="#e5e7eb"/>'
        yield _label(place(value), bottom + 18, _number(value), anchor="middle", colour=_QUIET)
        value *= 10


def _label(x: float, y: float, text: str, *, anchor: str = "start", weight: str = "400", size: int = 13, colour: str = _TEXT) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}" font-size="{size}" fill="{colour}">'
        f"{escape(text)}</text>"
    )


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:g}" if value == round(value, 3) else f"{value:.3g}"
