"""The pictures of statistics, as SVG without a library, and the tables that they are drawn of, as CSV.

One module for all who show them: `eventlog stats --plot` writes `sheet`, the API serves `picture` and `table`, the page shows what it
serves. A picture stands alone: its styles are in it, it adapts to a dark screen, and what was recorded (names of tools, models,
projects) is escaped text in it. It has at most 90 columns or 15 bars, however long a store has been written to: days become weeks, months
or years, and what is beyond is left to the table, which has all of it.
"""

from __future__ import annotations

import csv as csv_module
import io
import math
import re
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from html import escape
from typing import Any, Final

import msgspec

from eventlog.errors import InvalidInput

from .catalog.statistics import Day, Statistics, ToolShare

_WIDTH: Final = 760
_MOST_COLUMNS: Final = 90
_MOST_BARS: Final = 15
_LEFT, _RIGHT, _TOP = 64, 16, 38
_HEIGHT: Final = 170  # of columns
_LEGEND: Final = 24
_BAR: Final = 26
_NAME: Final = 230  # px for the names of bars
_VALUE: Final = 230  # and for what stands behind them
_MOST_CHARACTERS: Final = 30
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]|[\u202a-\u202e\u2066-\u2069]")
_STYLE: Final = (
    "svg{color-scheme:light dark;font:13px system-ui,sans-serif}"
    ".back{fill:#fff}text{fill:#1b1f26}.quiet{fill:#5a6472}.title{font-size:15px;font-weight:600}"
    ".line{stroke:#d5d9e0;fill:none}.c0{fill:#1f5fbf}.c1{fill:#2f9e5f}.c2{fill:#c98a1b}.c3{fill:#8a63c9}.bad{fill:#b3261e}"
    "@media(prefers-color-scheme:dark){.back{fill:#15181d}text{fill:#e6e9ee}.quiet{fill:#a3adba}.line{stroke:#39404a}"
    ".c0{fill:#8ab4f8}.c1{fill:#7fd19b}.c2{fill:#e6b450}.c3{fill:#c3a6f0}.bad{fill:#ff8a80}}"
)


class _Column(msgspec.Struct, frozen=True):
    """One column: what stands below it, and its values, which are stacked."""

    label: str
    values: Sequence[float]


class _Bar(msgspec.Struct, frozen=True):
    """One bar: how long it is, how much of that is bad, and what stands behind it."""

    name: str
    value: float
    said: str
    bad: float = 0


class _Kind(msgspec.Struct, frozen=True):
    """A picture: its title, what of the statistics its table holds, and how it is drawn."""

    title: str
    rows: Callable[[Statistics], Sequence[Any]]
    draw: Callable[[Statistics], _Drawn | None]


class _Drawn(msgspec.Struct, frozen=True):
    """The inside of a picture, which begins ``top`` px below its own top; the title is above."""

    height: float
    parts: str
    note: str = ""
    top: int = _TOP


class _Hour(msgspec.Struct, frozen=True):
    hour: int
    messages: int


class _Weekday(msgspec.Struct, frozen=True):
    weekday: str
    messages: int


_WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def picture(found: Statistics, name: str) -> str:
    """One picture (a name of `NAMES`) as an SVG document of 760 px width. Where there is nothing to draw, it says so.

    Raises `InvalidInput` for another name."""
    kind = _kind(name)
    drawn = kind.draw(found) or _Drawn(30, _text(_LEFT, 18, "Nothing to show.", "quiet"))
    return _document(drawn.top + drawn.height, kind.title, _placed(kind.title, drawn))


def sheet(found: Statistics, title: str = "Statistics") -> str:
    """All pictures in which there is anything, one below the other, as one SVG document."""
    parts = [
        _text(16, 30, title, "title"),
        _text(16, 52, _totals(found), "quiet"),
    ]
    height = 70.0
    for kind in _KINDS.values():
        drawn = kind.draw(found)
        if drawn is not None:
            parts.append(f'<g transform="translate(0 {height:g})">{_placed(kind.title, drawn)}</g>')
            height += drawn.top + drawn.height + 18
    return _document(height, title, "".join(parts))


def table(found: Statistics, name: str) -> str:
    """What a picture is drawn of, all of it, as CSV (RFC 4180) with a line of names. Raises `InvalidInput` for another name.

    Money is in US dollars, tokens are counts, durations are in milliseconds, failure rates are from 0 to 1. A text that a
    spreadsheet would take for a formula has an apostrophe before it."""
    kind = _kind(name)
    written = io.StringIO()
    writer = csv_module.writer(written)
    rows = [{key: _cell(value) for key, value in msgspec.structs.asdict(row).items()} for row in kind.rows(found)]
    for number, row in enumerate(rows):
        if not number:
            writer.writerow(row)
        writer.writerow(row.values())
    return written.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):  # Money
        return value.amount  # type: ignore[attr-defined]
    return "'" + value if isinstance(value, str) and value.startswith(_FORMULA) else value


def _kind(name: str) -> _Kind:
    if name not in _KINDS:
        raise InvalidInput(f"there is no picture {name[:80]!r}; there are {', '.join(_KINDS)}")
    return _KINDS[name]


def _totals(found: Statistics) -> str:
    usage = found.usage
    tokens = usage.input_tokens + usage.output_tokens + usage.cache_read_tokens + usage.cache_write_tokens
    said = [f"{found.sessions.total:,} sessions", f"{sum(found.messages.values()):,} messages", f"{found.tool_calls:,} tool calls"]
    said.append(f"{tokens:,} tokens")
    if usage.cost is not None:
        said.append(_money(usage.cost.amount))
    return f"{', '.join(said)}; days of {found.zone}"


# --- what happened when ------------------------------------------------------------------------------------------------------------


def _per_day(
    series: Sequence[str], values: Callable[[Day], Sequence[float]], write: Callable[[float], str]
) -> Callable[..., _Drawn | None]:
    def draw(found: Statistics) -> _Drawn | None:
        columns, each = _in_time([(day.day, values(day)) for day in found.by_day], len(series))
        return _columns(columns, series, write, each)

    return draw


def _in_time(days: Sequence[tuple[date, Sequence[float]]], count: int) -> tuple[list[_Column], str]:
    """A column for each day, week, month or year from the first to the last one in which anything happened: the shortest of these with
    which there is room, and of years the last ones."""
    told = [(day, values) for day, values in days if any(values)]
    if not told:
        return [], "day"
    each, begin, starts = _steps(told[0][0], told[-1][0])
    sums = {start: [0.0] * count for start in starts}
    for day, values in told:
        if (into := sums.get(begin(day))) is not None:
            for number, value in enumerate(values):
                into[number] += value
    return [_Column(_day_name(start, each), values) for start, values in sums.items()], each


def _steps(first: date, last: date) -> tuple[str, Callable[[date], date], list[date]]:
    """How long a step is, in which one a day is, and the days on which they begin."""
    for each, begin, after in _STEPS:
        starts = [begin(first)]
        while starts[-1] < begin(last) and len(starts) <= _MOST_COLUMNS:
            starts.append(after(starts[-1]))
        if len(starts) <= _MOST_COLUMNS:
            return each, begin, starts
    years = range(last.year - _MOST_COLUMNS + 1, last.year + 1)
    return "year", _year, [date(year, 1, 1) for year in years]


def _year(day: date) -> date:
    return day.replace(month=1, day=1)


def _next_month(day: date) -> date:
    return date(day.year + day.month // 12, day.month % 12 + 1, 1)


_STEPS: Final[tuple[tuple[str, Callable[[date], date], Callable[[date], date]], ...]] = (
    ("day", lambda day: day, lambda day: day + timedelta(1)),
    ("week", lambda day: date.fromordinal(max(1, day.toordinal() - day.weekday())), lambda day: day + timedelta(7)),
    ("month", lambda day: day.replace(day=1), _next_month),
    ("year", _year, lambda day: day.replace(year=day.year + 1)),
)


def _day_name(day: date, each: str) -> str:
    return {"month": f"{day:%b} {day.year}", "year": str(day.year)}.get(each, f"{day.day} {day:%b} {day.year}")


def _columns(columns: Sequence[_Column], series: Sequence[str], write: Callable[[float], str], each: str = "") -> _Drawn | None:
    top = max((sum(column.values) for column in columns), default=0)
    if top <= 0:
        return None
    step = _step(top)
    high = math.ceil(top / step - 1e-9) * step
    bottom = float(_HEIGHT)
    wide = (_WIDTH - _LEFT - _RIGHT) / len(columns)
    parts = []
    for number in range(round(high / step) + 1):
        y = bottom - bottom * number * step / high
        parts.append(
            f'<path class="line" d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}"/>{_text(_LEFT - 8, y + 4, write(number * step), "quiet", "end")}'
        )
    between = max(1, math.ceil(len(columns) * 84 / (_WIDTH - _LEFT - _RIGHT)))
    gap = min(6.0, wide * 0.2)
    for number, column in enumerate(columns):
        x, y = _LEFT + number * wide, bottom
        said = ", ".join(f"{write(value)} {name}".strip() for name, value in zip(series, column.values, strict=True))
        pieces = []
        for colour, value in enumerate(column.values):
            height = bottom * value / high
            y -= height
            pieces.append(f'<rect class="c{colour}" x="{x + gap / 2:.1f}" y="{y:.1f}" width="{wide - gap:.1f}" height="{height:.1f}"/>')
        parts.append(f"<g><title>{_safe(column.label)}: {_safe(said)}</title>{''.join(pieces)}</g>")
        if number % between == 0:
            parts.append(_text(x + wide / 2, bottom + 18, column.label, "quiet", "middle"))
    note = f"a column a {each}" if each else ""
    return _Drawn(bottom + 30, _legend(series) + "".join(parts), note, _TOP + (_LEGEND if len(series) > 1 else 8))


def _legend(series: Sequence[str]) -> str:
    if len(series) < 2:
        return ""
    parts = []
    x = float(_LEFT)
    for number, name in enumerate(series):
        parts.append(f'<rect class="c{number}" x="{x:g}" y="-20" width="10" height="10"/>{_text(x + 15, -11, name, "quiet")}')
        x += 34 + 7.2 * len(name)
    return "".join(parts)


def _step(top: float) -> float:
    """Between two lines: 1, 2 or 5 times a power of ten, so that there are about four."""
    rough = top / 4
    power = math.pow(10, math.floor(math.log10(rough)))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)


# --- who and what ------------------------------------------------------------------------------------------------------------------


def _bars(bars: Sequence[_Bar]) -> _Drawn | None:
    longest = sorted((bar for bar in bars if bar.value > 0), key=lambda bar: (-bar.value, bar.name))
    if not longest:
        return None
    room = _WIDTH - _NAME - _VALUE
    parts = []
    for number, bar in enumerate(longest[:_MOST_BARS]):
        y = number * _BAR
        length = max(1.0, room * bar.value / longest[0].value)
        parts.append(f"<g><title>{_safe(bar.name)}: {_safe(bar.said)}</title>")
        parts.append(_text(_NAME - 8, y + 15, _short(bar.name), anchor="end"))
        parts.append(f'<rect class="c0" x="{_NAME}" y="{y + 3}" width="{length:.1f}" height="{_BAR - 8}"/>')
        if bar.bad:
            parts.append(f'<rect class="bad" x="{_NAME}" y="{y + 3}" width="{length * bar.bad:.1f}" height="{_BAR - 8}"/>')
        parts.append(f"{_text(_NAME + length + 6, y + 15, bar.said, 'quiet')}</g>")
    beyond = len(longest) - _MOST_BARS
    return _Drawn(_BAR * min(len(longest), _MOST_BARS) + 8, "".join(parts), f"and {beyond:,} more" if beyond > 0 else "")


def _tools(found: Statistics) -> _Drawn | None:
    return _bars([_Bar(tool.name or "unknown", tool.calls, _tool(tool), tool.failures / max(1, tool.calls)) for tool in found.by_tool])


def _tool(tool: ToolShare) -> str:
    said = [f"{tool.calls:,}"]
    if tool.failures:
        said.append(f"{tool.failure_rate:.0%} failed")
    if tool.open:
        said.append(f"{tool.open:,} open")
    if tool.median_duration_ms is not None:
        said.append(f"{tool.median_duration_ms / 1000:,.2g} s")
    return ", ".join(said)


def _tokens(share: Any) -> Sequence[float]:
    return (share.input_tokens, share.output_tokens, share.cache_read_tokens, share.cache_write_tokens)


def _models(found: Statistics) -> _Drawn | None:
    return _bars(
        [
            _Bar(share.model, sum(_tokens(share)), _count(sum(_tokens(share))) + (f", {_money(share.cost.amount)}" if share.cost else ""))
            for share in found.by_model
        ]
    )


def _shares(name: str, shares: Callable[[Statistics], Sequence[Any]]) -> Callable[[Statistics], _Drawn | None]:
    def draw(found: Statistics) -> _Drawn | None:
        return _bars(
            [
                _Bar(getattr(share, name) or "none", share.messages, f"{share.messages:,} in {share.sessions:,} sessions")
                for share in shares(found)
            ]
        )

    return draw


def _cost(day: Day) -> Sequence[float]:
    return (0.0 if day.cost is None else day.cost.amount,)


def _said(day: Day) -> Sequence[float]:
    return (day.user_messages, day.assistant_messages, max(0, day.messages - day.user_messages - day.assistant_messages))


def _hours(found: Statistics) -> list[_Hour]:
    return [_Hour(hour, messages) for hour, messages in enumerate(found.by_hour)]


def _weekdays(found: Statistics) -> list[_Weekday]:
    return [_Weekday(name, messages) for name, messages in zip(_WEEKDAYS, found.by_weekday, strict=True)]


def _count(value: float) -> str:
    """1,234 or 12.3 M: short enough to stand beside an axis."""
    for factor, sign in ((1e9, " G"), (1e6, " M"), (1e4, " k")):
        if value >= factor:
            return f"{value / (1e3 if sign == ' k' else factor):.3g}{sign}"
    return f"{value:,.4g}" if value < 100 else f"{value:,.0f}"


def _money(value: float) -> str:
    return f"${value:,.2f}" if value >= 0.01 or not value else f"${value:.1g}"


_KINDS: Final[dict[str, _Kind]] = {
    "days": _Kind("Messages", lambda found: found.by_day, _per_day(("user", "assistant", "other"), _said, _count)),
    "hours": _Kind(
        "Messages by hour",
        _hours,
        lambda found: _columns([_Column(f"{each.hour}:00", [each.messages]) for each in _hours(found)], ("messages",), _count),
    ),
    "weekdays": _Kind(
        "Messages by weekday",
        _weekdays,
        lambda found: _columns([_Column(each.weekday, [each.messages]) for each in _weekdays(found)], ("messages",), _count),
    ),
    "tokens": _Kind(
        "Tokens", lambda found: found.by_day, _per_day(("input", "output", "read from cache", "written to cache"), _tokens, _count)
    ),
    "costs": _Kind("Cost in US dollars", lambda found: found.by_day, _per_day(("",), _cost, _money)),
    "tools": _Kind("Tools: calls, failed ones in red, median duration", lambda found: found.by_tool, _tools),
    "models": _Kind("Models: tokens and cost", lambda found: found.by_model, _models),
    "projects": _Kind("Projects: messages", lambda found: found.by_project, _shares("project", lambda found: found.by_project)),
    "users": _Kind("Users: messages", lambda found: found.by_user, _shares("user_id", lambda found: found.by_user)),
}
NAMES: Final = tuple(_KINDS)


# --- SVG -----------------------------------------------------------------------------------------------------------------------------


def _document(height: float, title: str, inside: str) -> str:
    size = f'viewBox="0 0 {_WIDTH} {height:g}" width="{_WIDTH}" height="{height:g}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{_safe(title)}"><style>{_STYLE}</style>'
        f'<rect class="back" width="100%" height="100%"/>{inside}</svg>\n'
    )


def _placed(title: str, drawn: _Drawn) -> str:
    note = _text(_WIDTH - _RIGHT, 24, drawn.note, "quiet", "end") if drawn.note else ""
    return f'{_text(16, 24, title, "title")}{note}<g transform="translate(0 {drawn.top})">{drawn.parts}</g>'


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    about = (f' class="{kind}"' if kind else "") + (f' text-anchor="{anchor}"' if anchor != "start" else "")
    return f'<text x="{x:.1f}" y="{y:.1f}"{about}>{_safe(text)}</text>'


def _short(name: str) -> str:
    """A long path is known by its end."""
    plain = " ".join(_NOT_XML.sub("\ufffd", name).split())
    return plain if len(plain) <= _MOST_CHARACTERS else "…" + plain[-_MOST_CHARACTERS:]


def _safe(text: str) -> str:
    """As text of XML, which knows no control characters; those that turn the direction of what follows are shown, too."""
    return escape(_NOT_XML.sub("\ufffd", text))
