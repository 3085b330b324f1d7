"""Fields of foreign files -> values of the type that is needed, or nothing. No input raises."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import Any

import msgspec

from eventlog.shapes.fields import count as count_of
from eventlog.shapes.fields import items as list_of
from eventlog.shapes.fields import mapping as mapping_of
from eventlog.shapes.fields import text as text_of

__all__ = ["amount_of", "arguments_of", "count_of", "list_of", "mapping_of", "one_line", "text_of", "time_of"]

_LATEST_S = 253_402_300_799  # the end of the year 9999
_MILLISECONDS_FROM = 100_000_000_000  # as seconds that would be the year 5138
_TITLE_CHARACTERS = 200
_FRACTION = re.compile(r"(\.\d{6})\d+")


def amount_of(value: Any) -> float | None:
    """An amount of money, or a duration: a number from 0 up."""
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 1e15 else None


def time_of(value: Any) -> datetime | None:
    """An ISO 8601 text (UTC where it names no zone) or a Unix time in seconds or milliseconds."""
    try:
        if isinstance(value, str) and value:
            moment = datetime.fromisoformat(_FRACTION.sub(r"\1", value) if "." in value else value)
            return moment.replace(tzinfo=timezone.utc) if moment.tzinfo is None else moment.astimezone(timezone.utc)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            seconds = value / 1000 if abs(value) > _MILLISECONDS_FROM else value
            return datetime.fromtimestamp(seconds, timezone.utc) if 0 < seconds < _LATEST_S else None
    except (ValueError, OverflowError, OSError):
        pass  # not a time after all
    return None


def arguments_of(value: Any) -> Any:
    """A call's arguments: what JSON text says, where it says an object; else the value as it is."""
    if not isinstance(value, str):
        return value
    try:
        decoded = msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return value
    return decoded if isinstance(decoded, dict) else value


def one_line(value: Any) -> str | None:
    """A title: one line of at most 200 characters; None where there is no text."""
    text = " ".join(value.split()) if isinstance(value, str) else ""
    if len(text) > _TITLE_CHARACTERS:
        text = text[: _TITLE_CHARACTERS - 1].rstrip() + "…"
    return text or None
