"""Times as the projections keep them: whole microseconds since 1970, which sort, and add up without rounding."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Final

QUARTER_S: Final = 900  # activity is counted by quarters of an hour: every time zone's day begins with one
EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MICROSECOND = timedelta(microseconds=1)


def moment_of(microseconds: int) -> datetime:
    return EPOCH + microseconds * _MICROSECOND


def microseconds_of(moment: datetime) -> int:
    return (moment - EPOCH) // _MICROSECOND


def quarter_of(microseconds: int) -> int:
    """The quarter of an hour that the moment is in."""
    return microseconds // (QUARTER_S * 1_000_000)
