"""How long, as a person writes it: 90s, 15m, 12h, 30d, 2w."""

from __future__ import annotations

import re
from typing import Final

import click

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_LONGEST_S: Final = 1000 * 366 * 86400.0


def duration(text: str) -> float:
    """The seconds. A bare number is refused: nobody would know of what."""
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([smhdw])", text.strip().lower())
    seconds = float(match[1]) * _UNITS[match[2]] if match else -1.0
    if not 0 <= seconds <= _LONGEST_S:
        raise click.BadParameter(f"{text!r} is not a duration; write a number and s, m, h, d or w, for example 30d")
    return seconds


def in_words(seconds: float) -> str:
    """The duration in the largest unit that divides it.

    >>> in_words(30 * 86400), in_words(90), in_words(0.5)
    ('30d', '90s', '0.5s')
    """
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds and seconds % size == 0:
            return f"{seconds / size:g}{unit}"
    return f"{seconds:g}s"
