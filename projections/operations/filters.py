"""The arguments that choose sessions, shared by every question about many of them; and those of a page."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from eventlog.errors import InvalidInput
from eventlog.when import moment

from ..catalog.zones import zone_of
from .context import Context
from .row import Arguments

Status = Literal["active", "completed", "failed", "abandoned", "deleted"]
Cursor = Annotated[
    str | None, Meta(description="The page after one that ended with this cursor (its `next`).", extra={"metavar": "CURSOR"})
]
SessionId = Annotated[str, Meta(description="The session's id.", extra={"metavar": "SESSION"})]
SomeSession = Annotated[str | None, Meta(description="Only this session.", extra={"option": "--session", "metavar": "SESSION"})]
Zone = Annotated[
    str | None, Meta(description="The time zone in which days begin (Europe/Berlin); default: the machine's.", extra={"metavar": "ZONE"})
]


class Filters(Arguments, frozen=True, kw_only=True):
    """Which sessions: all that is given must hold."""

    user_id: Annotated[str | None, Meta(description="Of this user.", extra={"option": "--user", "metavar": "ID"})] = None
    status: Annotated[Status | None, Meta(description="In this state.")] = None
    tags: Annotated[
        list[str],
        Meta(description="With this tag; give it again for sessions that have both.", extra={"option": "--tag", "metavar": "TAG"}),
    ] = []
    model: Annotated[str | None, Meta(description="That used this model.")] = None
    kind: Annotated[str | None, Meta(description="Of this kind (chat, voice, agent, ...).")] = None
    project: Annotated[str | None, Meta(description="In this project folder or below it.", extra={"metavar": "DIR"})] = None
    title: Annotated[str | None, Meta(description="With all these words in the title.", extra={"metavar": "WORDS"})] = None
    since: Annotated[
        str | None,
        Meta(
            description="Active since: a day (yesterday, 2026-11-21), a month, a time, or how long ago (2w).",
            extra={"metavar": "TIME"},
        ),
    ] = None
    until: Annotated[
        str | None,
        Meta(description="Last active before; a day or a month counts whole.", extra={"metavar": "TIME"}),
    ] = None
    deleted: Annotated[bool, Meta(description="Show deleted ones, too.")] = False
    meta: Annotated[
        list[str],
        Meta(
            description="With this in its metadata; V is JSON, else text. Give it again for sessions that have both.",
            extra={"option": "--meta", "metavar": "K=V"},
        ),
    ] = []
    namespace: Annotated[str | None, Meta(description="With a foreign key of this namespace (`log.keyed`).", extra={"metavar": "NAME"})] = (
        None
    )

    def chosen(self, context: Context) -> dict[str, Any]:
        """What is given, by the names of `Catalog.list`. Raises `InvalidInput`."""
        found: dict[str, Any] = {
            "user_id": self.user_id,
            "status": self.status,
            "tags": self.tags or None,
            "model": self.model,
            "kind": self.kind,
            "project": self.project,
            "title": self.title,
            "since": None if self.since is None else moment(self.since, context.now(), context.zone),
            "until": None if self.until is None else moment(self.until, context.now(), context.zone, end=True),
            "deleted": self.deleted or None,
            "metadata": dict(map(key_and_value, self.meta)) or None,
            "namespace": self.namespace,
        }
        return {name: value for name, value in found.items() if value is not None}


def key_and_value(text: str) -> tuple[str, Any]:
    """``K=V``: V is JSON, else text. Raises `InvalidInput`."""
    key, equals, value = text.partition("=")
    if not key or not equals or not value:
        raise InvalidInput(f"meta takes KEY=VALUE, not {text[:80]!r}; V is JSON or text")
    try:
        return key, msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return key, value


def in_zone(context: Context, zone: str | None) -> Context:
    """The context of somebody in this zone."""
    return context if zone is None else msgspec.structs.replace(context, zone=zone_of(zone))
