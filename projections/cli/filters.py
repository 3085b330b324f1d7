"""The filters of ``list``, ``search`` and ``stats`` on the command line, and the catalog that they ask."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone, tzinfo
from typing import TYPE_CHECKING, Any

import click
import msgspec

from eventlog.cli.context import Context
from eventlog.errors import InvalidInput

from .. import Catalog
from ..catalog.listing import STATUSES
from ..catalog.names import What
from ..catalog.page import MOST_ITEMS
from ..catalog.zones import zone_of
from .bar import Bar

_AGO = re.compile(r"(\d{1,6})([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


if TYPE_CHECKING:
    _ZoneType = click.ParamType[tzinfo]
    _MomentType = click.ParamType[datetime]
else:
    _ZoneType = _MomentType = click.ParamType  # takes no type argument before click 8.4, which others may hold back

_ZONE = "eventlog.zone"  # in the click context's meta: that of the command's --zone


class Zone(_ZoneType):
    """A time zone by its name. Times after it on the command line, or before, are of this zone (the option is eager)."""

    name = "zone"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tzinfo:
        try:
            found = zone_of(value)
        except InvalidInput as error:
            self.fail(str(error), param, ctx)
        assert found is not None
        if ctx is not None:
            ctx.meta[_ZONE] = found
        return found


class Moment(_MomentType):
    """A day (of the zone; ``end``: the end of it), a time (ISO 8601, of the zone where it names none), or how long ago: 30d, 12h."""

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
            if moment.tzinfo is not None:
                return moment
            zone: tzinfo | None = None if ctx is None else ctx.meta.get(_ZONE)
            return moment.astimezone() if zone is None else moment.replace(tzinfo=zone)
        except (ValueError, OverflowError, OSError):
            self.fail(
                f"{value!r} is not a time; give a day (2026-11-21), a time (2026-11-21T08:00Z) or how long ago (30d, 12h)", param, ctx
            )


def filters(function: Callable[..., None]) -> Callable[..., None]:
    """Add the options to a command; they arrive by the names of `Catalog.list`."""
    options = [
        click.option("--user", "user_id", metavar="ID", help="Of this user."),
        click.option("--status", type=click.Choice(STATUSES), help="In this state."),
        click.option("--tag", "tags", multiple=True, metavar="TAG", help="With this tag; give it again for sessions that have both."),
        click.option("--model", help="That used this model."),
        click.option("--kind", help="Of this kind (chat, voice, agent, ...)."),
        click.option("--project", metavar="DIR", help="In this project folder or below it."),
        click.option("--title", metavar="WORDS", help="With all these words in the title."),
        click.option(
            "--meta", "metadata", multiple=True, metavar="K=V", callback=_metadata, help="With this metadata: V is JSON, else text."
        ),
        click.option("--namespace", metavar="NAME", help="With a foreign key of this namespace."),
        click.option("--since", type=Moment(), metavar="TIME", help="Active at or after: a day, a time, or how long ago (30d)."),
        click.option("--until", type=Moment(end=True), metavar="TIME", help="Last active before; a day counts whole."),
        click.option("--deleted", is_flag=True, help="Show deleted ones, too."),
    ]
    for option in reversed(options):
        function = option(function)
    return function


def _metadata(ctx: click.Context, parameter: click.Parameter, given: tuple[str, ...]) -> dict[str, Any]:
    return dict(map(key_and_value, given))


def key_and_value(text: str) -> tuple[str, Any]:
    """KEY=VALUE, where VALUE is JSON or else a text, as ``set --meta`` takes it."""
    key, equals, value = text.partition("=")
    if not key or not equals or not value:
        raise click.UsageError(f"--meta takes KEY=VALUE, not {text!r}")
    try:
        return key, msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return key, value


NAMES: dict[str, tuple[What, str]] = {  # a filter whose values are names: what they are of, and what is said of one that never occurred
    "user_id": ("user", "no session is of the user"),
    "user": ("user", "no session is of the user"),
    "tags": ("tag", "no session has the tag"),
    "model": ("model", "no session used the model"),
    "kind": ("kind", "no session is of the kind"),
    "name": ("tool", "no session used the tool"),
    "namespace": ("namespace", "no session has a key of the namespace"),
    "roles": ("role", "no message has the role"),
}


def say_unknown(context: Context, catalog: Catalog, given: Mapping[str, Any]) -> None:
    """Of an empty answer: which of the names that were asked for never occurred, and the nearest that did."""
    for option, (what, said) in NAMES.items():
        value = given.get(option) or ()
        for name in (value,) if isinstance(value, str) else value:
            near = catalog.nearest(what, name)
            if near is not None:
                context.warn(f"{said} {name!r}" + (f"; there is {', '.join(near)}" if near else ""))


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
