"""Times and ages as people write them: ``today``, ``monday``, ``2026-02``, ``2026-11-21T08:00Z``, ``2 weeks``, ``1y``.

A word or a date that names a span (a day, a week, a month, a year) is its beginning, or its end where the question is "until when".
A time without a zone is in the zone of whoever asks. Months and years are those of the calendar where a moment is asked for, and 30 and
365 days where an age is.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone, tzinfo
from typing import Final

from .errors import InvalidInput

_DAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_LONGEST_S: Final = 1000 * 366 * 86400.0
_UNITS_S: Final = {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 7 * 86400, "month": 30 * 86400, "year": 365 * 86400}
_SPELLINGS: Final = {
    **{name: unit for unit in _UNITS_S for name in (unit, unit + "s")},
    "s": "second",
    "sec": "second",
    "secs": "second",
    "m": "minute",
    "min": "minute",
    "mins": "minute",
    "h": "hour",
    "hr": "hour",
    "hrs": "hour",
    "d": "day",
    "w": "week",
    "mo": "month",
    "y": "year",
    "yr": "year",
    "yrs": "year",
}
_AGE = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?|an?)\s*([a-z]+)")
_EXAMPLES: Final = "a day (today, monday, 2026-11-21), a month (2026-02), a time (2026-11-21T08:00Z) or how long ago (30d, 2 weeks, 1y)"


def moment(text: str, now: datetime, zone: tzinfo | None, *, end: bool = False) -> datetime:
    """The moment that is meant, with a time zone. ``end``: of a span its end instead of its beginning.

    ``zone`` None is the machine's. Raises `InvalidInput`."""
    words = " ".join(text.lower().split())
    try:
        here = now.astimezone(zone)
        if words == "now":
            return now
        span = _span(words, here.replace(tzinfo=None))
        if span is not None:
            return _placed(span[end], zone)
        ago = _AGE.fullmatch(words.removesuffix(" ago"))
        if ago is not None and ago[2] in _SPELLINGS:
            return _back(here, ago[1], _SPELLINGS[ago[2]], zone)
        found = datetime.fromisoformat(text.strip())
        return found if found.tzinfo is not None else _placed(found, zone)
    except (ValueError, OverflowError, OSError):
        raise InvalidInput(f"{text[:80]!r} is not a time; give {_EXAMPLES}") from None


def seconds(text: str) -> float:
    """An age or a duration: 90s, 30d, "2 weeks", 1y. A bare number is refused: nobody would know of what. Raises `InvalidInput`."""
    match = _AGE.fullmatch(" ".join(text.lower().split()))
    unit = _SPELLINGS.get(match[2]) if match else None
    found = _number(match[1]) * _UNITS_S[unit] if match and unit else -1.0
    if not 0 <= found <= _LONGEST_S:
        raise InvalidInput(
            f"{text[:80]!r} is not a duration; write a number and s, m, h, d, w, mo or y, or in words: 30d, 12h, 2 weeks, 1y"
        )
    return found


def _span(words: str, here: datetime) -> tuple[datetime, datetime] | None:
    """The beginning and the end of the span that the words name."""
    today = here.replace(hour=0, minute=0, second=0, microsecond=0)
    day = timedelta(days=1)
    last = words.startswith("last ")
    name = words.removeprefix("last ").removeprefix("this ")
    if words in ("today", "yesterday", "tomorrow"):
        begin = today + {"today": 0, "yesterday": -1, "tomorrow": 1}[words] * day
        return begin, begin + day
    if name == "week":
        begin = today - today.weekday() * day - (7 * day if last else 0 * day)
        return begin, begin + 7 * day
    if name in ("month", "year") and words != name:
        begin = today.replace(day=1) if name == "month" else today.replace(month=1, day=1)
        size = 1 if name == "month" else 12
        begin = _months_on(begin, -size) if last else begin
        return begin, _months_on(begin, size)
    weekday = next((number for number, full in enumerate(_DAYS) if name in (full, full[:3])), None)
    if weekday is not None:
        back = (today.weekday() - weekday) % 7
        begin = today - (7 if last and not back else back) * day
        return begin, begin + day
    return _dated(words)


def _dated(words: str) -> tuple[datetime, datetime] | None:
    date = re.fullmatch(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?", words)
    if date is None:
        return None
    begin = datetime(int(date[1]), int(date[2] or 1), int(date[3] or 1))
    if date[3]:
        return begin, begin + timedelta(days=1)
    return begin, _months_on(begin, 1 if date[2] else 12)


def _months_on(day: datetime, months: int) -> datetime:
    """So many months later, on the same day or the last one of that month."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    for last in (day.day, 30, 29, 28):
        try:
            return day.replace(year=year, month=month + 1, day=last)
        except ValueError:
            if last == 28:
                raise
    raise AssertionError("every month has 28 days")


def _back(here: datetime, count: str, unit: str, zone: tzinfo | None) -> datetime:
    number = _number(count)
    if unit in ("month", "year") and number == int(number):
        return _placed(_months_on(here.replace(tzinfo=None), -int(number) * (12 if unit == "year" else 1)), zone)
    return here.astimezone(timezone.utc) - timedelta(seconds=number * _UNITS_S[unit])  # hours that went by, whatever the clock did


def _number(text: str) -> float:
    return 1.0 if text in ("a", "an") else float(text)


def _placed(naive: datetime, zone: tzinfo | None) -> datetime:
    return naive.astimezone() if zone is None else naive.replace(tzinfo=zone)
