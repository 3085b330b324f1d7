"""What the commands that look have in common: the catalog that they ask, what is said of an empty answer and of the next page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from eventlog.cli.context import Context

from .. import Catalog
from ..catalog.names import What
from ..operations.context import Context as Asking
from .bar import Bar

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


@contextmanager
def open_catalog(context: Context) -> Iterator[Catalog]:
    """The catalog of the store, with a bar where catching up takes long."""
    with (
        context.open_log() as log,
        Bar(context, "catching up") as bar,
        Catalog.open(log, notice=context.warn, progress=bar) as catalog,
    ):
        yield catalog


def asking(context: Context, catalog: Catalog) -> Asking:
    """Who asks the operations: somebody at this machine, who only reads."""
    return Asking(log=catalog.log, catalog=catalog, may_write=False, now=context.now)


def say_next(context: Context, shown: int, total: int, following: str | None, things: str) -> None:
    """How many there are, and how to see more: on a terminal without the cursor, which would take lines."""
    if following is None:
        context.say(f"{total:,} {things}", "dim")
    elif context.terminal.is_there:
        context.say(f"{shown:,} of {total:,} {things}; --limit {2 * shown} shows more", "dim")
    else:
        context.say(f"{shown:,} of {total:,} {things}; more with --after {following}")
