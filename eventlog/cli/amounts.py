"""Numbers and times as a person takes them in at a glance: 1.2M, $0.43, 3h, 12 kB."""

from __future__ import annotations

from datetime import datetime
from typing import Final

_AGES: Final = ((60, 1, "s"), (3600, 60, "m"), (86400, 3600, "h"), (14 * 86400, 86400, "d"), (60 * 86400, 7 * 86400, "w"))
_MONTH_S: Final = 30.44 * 86400
_YEAR_S: Final = 365.25 * 86400


def count(number: float) -> str:
    """Three digits at most, but for what is below a thousand.

    >>> [count(each) for each in (0, 999, 1_000, 12_345, 999_950, 4_106_362)]
    ['0', '999', '1.0k', '12k', '1.0M', '4.1M']
    """
    for size, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size * (0.9995 if size > 1e3 else 1):
            return f"{number / size:.1f}{unit}" if number < 9.95 * size else f"{number / size:.0f}{unit}"
    return f"{number:.0f}"


def size(bytes: float) -> str:
    """
    >>> size(345), size(34_500)
    ('345 B', '34 kB')
    """
    text = count(bytes)
    return f"{text[:-1]} {text[-1]}B" if text[-1].isalpha() else f"{text} B"


def money(amount: float, currency: str) -> str:
    """
    >>> money(0.0042, "USD"), money(12.3, "EUR"), money(0.0, "USD")
    ('<$0.01', '12.30 EUR', '$0')
    """
    text = "0" if amount == 0 else "<0.01" if 0 < amount < 0.005 else f"{amount:,.0f}" if amount >= 1000 else f"{amount:.2f}"
    if currency != "USD":
        return f"{text} {currency}"
    return f"<${text[1:]}" if text.startswith("<") else f"${text}"


def age(moment: datetime, now: datetime) -> str:
    """How long ago, in one unit; what has yet to come is "now".

    >>> from datetime import timezone
    >>> age(datetime(2026, 1, 1, tzinfo=timezone.utc), datetime(2026, 1, 4, 5, tzinfo=timezone.utc))
    '3d'
    """
    seconds = (now - moment).total_seconds()
    if seconds < 1:
        return "now"
    for below, unit, name in _AGES:
        if seconds < below:
            return f"{seconds // unit:.0f}{name}"
    return f"{seconds // _MONTH_S:.0f}mo" if seconds < _YEAR_S else f"{seconds // _YEAR_S:.0f}y"


def local(moment: datetime | None) -> str | None:
    """A time for a person: the machine's, to the minute."""
    return None if moment is None else _in_zone(moment, "%Y-%m-%d %H:%M")


def local_with_zone(moment: datetime | None) -> str | None:
    """The machine's, to the second, with how far that is from UTC."""
    return None if moment is None else _in_zone(moment, "%Y-%m-%d %H:%M:%S %z")


def utc(moment: datetime | None) -> str | None:
    """UTC, to the second: the same on every machine."""
    return None if moment is None else moment.strftime("%Y-%m-%d %H:%M:%SZ")


def _in_zone(moment: datetime, form: str) -> str:
    try:
        return moment.astimezone().strftime(form)
    except (OverflowError, OSError, ValueError):  # a time at the very edge of the calendar
        return moment.strftime("%Y-%m-%d %H:%MZ")
