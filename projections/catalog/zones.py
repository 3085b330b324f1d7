"""Time zones: whose days and weeks are meant, what the zone is called, and what it makes of quarters of an hour."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable
from datetime import datetime, timedelta, timezone, tzinfo
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo, available_timezones

from eventlog.errors import InvalidInput

from .moments import EPOCH, QUARTER_S

_DAY_S: Final = 86_400
QUARTERS_A_DAY: Final = _DAY_S // QUARTER_S
_EPOCH_DAY: Final = EPOCH.toordinal()


class Span(NamedTuple):
    """Quarters of an hour (from, to: half open) of one day of the zone (its ordinal), which are ``offset_s`` from UTC. ``first``: where the
    day begins, as far as was asked."""

    start: int
    end: int
    offset_s: int
    day: int
    first: int


def zone_of(given: tzinfo | str | None) -> tzinfo | None:
    """The zone by its name (``Europe/Berlin``, ``UTC``); None is the machine's. Raises `InvalidInput`."""
    if given is None or isinstance(given, tzinfo):
        return given
    if not isinstance(given, str):
        raise TypeError(f"zone is a name or a tzinfo, not {type(given).__name__}")
    if given.upper() in ("UTC", "Z"):
        return timezone.utc
    try:
        return ZoneInfo(given)
    except (LookupError, ValueError, OSError):  # not known; no name of a zone at all; a folder
        known = sorted(available_timezones())
        near = difflib.get_close_matches(given, known, 3) or [name for name in known if given.casefold() in name.casefold()][:3]
        what = f"do you mean {', '.join(near)}?" if near else "give one such as Europe/Berlin, America/New_York or UTC"
        raise InvalidInput(f"no time zone {given[:80]!r}; {what}") from None


def name_of(zone: tzinfo | None, now: datetime) -> str:
    """What a person calls the zone, or how far it is from UTC at this moment."""
    if zone is None:
        found = _machine_s_name()
        if found is not None:
            return found
        zone = now.astimezone().tzinfo
    key = getattr(zone, "key", None)
    if isinstance(key, str):
        return key
    return "UTC" if zone is timezone.utc else now.astimezone(zone).strftime("%z") or str(zone)


def _machine_s_name() -> str | None:
    set_here = os.environ.get("TZ", "").removeprefix(":")
    place = set_here or os.path.realpath("/etc/localtime").rpartition("/zoneinfo/")[2]
    try:
        return str(ZoneInfo(place)) if place else None
    except (LookupError, ValueError, OSError):
        return None


def local_of(quarter: int, zone: tzinfo | None) -> datetime:
    """The zone's time at the beginning of this quarter of an hour."""
    moment = EPOCH + timedelta(seconds=quarter * QUARTER_S)
    try:
        return moment.astimezone(zone)
    except (OverflowError, OSError, ValueError):  # a time at the very edge of the calendar
        return moment


def spans_of(utc_days: Iterable[int], zone: tzinfo | None) -> list[Span]:
    """The zone's days over all quarters of these days of UTC (counted from 1970), ascending."""
    pieces: list[tuple[int, int, int, int]] = []
    for utc_day in utc_days:
        begin, end = utc_day * QUARTERS_A_DAY, (utc_day + 1) * QUARTERS_A_DAY
        offset = _offset_s(begin, zone)
        if offset == _offset_s(end - 1, zone):
            pieces += _cut(begin, end, offset)
        else:  # the clock is changed within this day
            pieces += (piece for quarter in range(begin, end) for piece in _cut(quarter, quarter + 1, _offset_s(quarter, zone)))
    first: dict[int, int] = {}
    for start, _, _, day in pieces:
        first[day] = min(start, first.get(day, start))
    return [Span(start, end, offset, day, first[day]) for start, end, offset, day in pieces]


def _offset_s(quarter: int, zone: tzinfo | None) -> int:
    offset = local_of(quarter, zone).utcoffset()
    return 0 if offset is None else int(offset.total_seconds())


def _cut(begin: int, end: int, offset: int) -> list[tuple[int, int, int, int]]:
    """Quarters of one offset, by the days of that offset."""
    pieces = []
    while begin < end:
        day = (begin * QUARTER_S + offset) // _DAY_S
        midnight = -((offset - (day + 1) * _DAY_S) // QUARTER_S)  # the first quarter that begins at or after it
        stop = min(end, midnight)
        pieces.append((begin, stop, offset, day + _EPOCH_DAY))
        begin = stop
    return pieces
