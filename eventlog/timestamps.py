"""Times as the log writes them: UTC, ISO 8601, six digits of a second, ``Z``."""

from __future__ import annotations

from datetime import datetime, timezone

from .errors import InvalidEvent

UTC = timezone.utc
_now = datetime.now


def now() -> datetime | str:
    """The time of an append, in the cheapest form that the encoder writes with six digits.

    msgspec writes a `datetime` without a fraction when its microseconds are zero, so that one in a million is text."""
    moment = _now(UTC)
    return moment if moment.microsecond else to_text(moment)


def to_text(moment: datetime) -> str:
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def normalise(when: datetime | str) -> str:
    """Text of a given time. Raises `InvalidEvent` for a text that is not ISO 8601, a time without a zone, or a year before 1."""
    try:
        moment = datetime.fromisoformat(when) if isinstance(when, str) else when
        if moment.tzinfo is None:
            raise InvalidEvent(f"the time {when!r} has no time zone; give UTC, for example 2026-11-21T00:44:01Z")
        return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"
    except (ValueError, OverflowError, TypeError) as error:
        if isinstance(error, InvalidEvent):
            raise
        raise InvalidEvent(f"{when!r} is not a time; give ISO 8601, for example 2026-11-21T00:44:01Z") from error
