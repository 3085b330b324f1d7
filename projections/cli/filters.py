"""The filters of ``list`` and ``search`` on the command line, and the catalog that both ask."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import click

from eventlog.cli.context import Context

from .. import Catalog
from ..catalog.page import MOST_ITEMS
from .bar import Bar

_AGO = re.compile(r"(\d{1,6})([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


if TYPE_CHECKING:
    _MomentType = click.ParamType[datetime]
else:
    _MomentType = click.ParamType  # takes no type argument before click 8.4, which others may hold back


class Moment(_MomentType):
    """A day (in local time; ``end``: the end of it), a time (ISO 8601, local where it names no zone), or how long ago: 30d, 12h."""

    name = "time"

    def __init__(self, *, end: bool = False) -> None:
        self.end = end

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            ago = _AGO.fullmatch(value)
            if ago is not None:
                return datetime.now(timezone.utc) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
            moment = datetime.fromisoformat(value)
            if self.end and _DAY.fullmatch(value):
                moment += timedelta(days=1)
            return moment if moment.tzinfo is not None else moment.astimezone()
        except (ValueError, OverflowError, OSError):
            self.fail(
                f"{value!r} is not a time; give a day (2026-11-21), a time (2026-11-21T08:00Z) or how long ago (30d, 12h)", param, ctx
            )


def filters(function: Callable[..., None]) -> Callable[..., None]:
    """Add the options to a command; they arrive by the names of `Catalog.list`."""
    options = [
        click.option("--user", "user_id", metavar="ID", help="Of this user."),
        click.option("--status", help="active, completed, failed, abandoned or deleted."),
        click.option("--tag", "tags", multiple=True, metavar="TAG", help="With this tag; give it again for sessions that have both."),
        click.option("--model", help="That used this model."),
        click.option("--kind", help="Of this kind (chat, voice, agent, ...)."),
        click.option("--project", metavar="DIR", help="In this project folder or below it."),
        click.option("--title", metavar="WORDS", help="With all these words in the title."),
        click.option("--since", type=Moment(), metavar="TIME", help="Active at or after: a day, a time, or how long ago (30d)."),
        click.option("--until", type=Moment(end=True), metavar="TIME", help="Last active before; a day counts whole."),
        click.option("--deleted", is_flag=True, help="Show deleted ones, too."),
    ]
    for option in reversed(options):
        function = option(function)
    return function


def page_options(limit: int, limit_help: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add ``--limit`` and ``--after``."""

    def add(function: Callable[..., None]) -> Callable[..., None]:
        function = click.option("--after", metavar="CURSOR", help="The page after one that ended with this cursor (`next`).")(function)
        return click.option("--limit", type=click.IntRange(1, MOST_ITEMS), default=limit, show_default=True, help=limit_help)(function)

    return add


@contextmanager
def open_catalog(context: Context) -> Iterator[Catalog]:
    """The catalog of the store, with a bar where catching up takes long."""
    with (
        context.open_log() as log,
        Bar(context, "catching up") as bar,
        Catalog.open(log, notice=context.warn, progress=bar) as catalog,
    ):
        yield catalog


def local(moment: datetime | None) -> str | None:
    """A time for a person: the machine's, to the minute."""
    if moment is None:
        return None
    try:
        return moment.astimezone().strftime("%Y-%m-%d %H:%M")
    except (OverflowError, OSError, ValueError):
        return moment.strftime("%Y-%m-%d %H:%MZ")


def say_next(context: Context, shown: int, total: int, following: str | None, things: str) -> None:
    """How many there are, and how to see more."""
    if following is None:
        context.say(f"{total:,} {things}")
    else:
        context.say(f"{shown:,} of {total:,} {things}; more with --after {following}")
