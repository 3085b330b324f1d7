"""Whether the store is whole, whether it answers, and what this is."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from eventlog import __version__
from eventlog.ids import check_session_id
from eventlog.reports import Lost, Problem, Rewrite

from .context import Context
from .row import Arguments


class Verify(Arguments, frozen=True, kw_only=True):
    session_ids: Annotated[
        list[str], Meta(max_length=10_000, description="Only these sessions; default: all.", extra={"metavar": "SESSION"})
    ] = []


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """``ok``: there is no problem. ``digest`` is of the content of everything that was looked at."""

    ok: bool
    sessions: int
    segments: int
    events: int
    bytes: int
    digest: str
    rewrites: list[Rewrite]
    lost: list[Lost]
    problems: list[Problem]


class Nothing(Arguments, frozen=True, kw_only=True):
    """No arguments."""


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """It answers. Says nothing about what is in the store."""

    ok: bool


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """Of this program."""

    version: str


def verify(context: Context, asked: Verify) -> Verified:
    for session_id in asked.session_ids:
        check_session_id(session_id)
    report = context.log.verify(asked.session_ids or None)
    fields = {name: getattr(report, name) for name in Verified.__struct_fields__}
    return Verified(**fields)


def health(context: Context, asked: Nothing) -> Health:
    next(context.log.session_ids(), None)
    return Health(ok=True)


def version(context: Context, asked: Nothing) -> Version:
    return Version(version=__version__)
