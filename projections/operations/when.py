"""Times and durations as people write them: ``2026-11-21``, ``2026-11-21T08:00Z``, ``30d``."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, tzinfo
from typing import Final

from eventlog.errors import InvalidInput

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)([smhdw])")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_LONGEST_S: Final = 1000 * 366 * 86400.0


def moment(text: str, now: datetime, zone: tzinfo | None, *, end: bool = False) -> datetime:
    """A day (in the zone; ``end``: the end of it), a time (ISO 8601, in the zone where it names none), or how long ago: 30d, 12h.

    ``zone`` None is the machine's. Raises `InvalidInput`."""
    try:
        ago = _DURATION.fullmatch(text.strip().lower())
        if ago is not None:
            return now - timedelta(seconds=float(ago[1]) * _UNITS[ago[2]])
        found = datetime.fromisoformat(text.strip())
        if end and _DAY.fullmatch(text.strip()):
            found += timedelta(days=1)
        if found.tzinfo is not None:
            return found
        return found.astimezone() if zone is None else found.replace(tzinfo=zone)
    except (ValueError, OverflowError, OSError):
        raise InvalidInput(
            f"{text[:80]!r} is not a time; give a day (2026-11-21), a time (2026-11-21T08:00Z) or how long ago (30d, 12h)"
        ) from None


def seconds(text: str) -> float:
    """A duration. A bare number is refused: nobody would know of what. Raises `InvalidInput`."""
    match = _DURATION.fullmatch(text.strip().lower())
    found = float(match[1]) * _UNITS[match[2]] if match else -1.0
    if not 0 <= found <= _LONGEST_S:
        raise InvalidInput(f"{text[:80]!r} is not a duration; write a number and s, m, h, d or w, for example 30d")
    return found
