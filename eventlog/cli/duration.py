"""How long, as a person writes it for an option, and as it is said back."""

from __future__ import annotations

import click

from .. import when
from ..errors import InvalidInput


def duration(text: str) -> float:
    """The seconds: 90s, 30d, "2 weeks", 1y."""
    try:
        return when.seconds(text)
    except InvalidInput as error:
        raise click.BadParameter(str(error)) from None


def in_words(seconds: float) -> str:
    """The duration in the largest unit that divides it.

    >>> in_words(30 * 86400), in_words(90), in_words(0.5)
    ('30d', '90s', '0.5s')
    """
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds and seconds % size == 0:
            return f"{seconds / size:g}{unit}"
    return f"{seconds:g}s"
