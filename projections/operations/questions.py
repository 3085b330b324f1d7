"""Questions about many sessions: the list, the statistics, the tool calls, the search."""

from __future__ import annotations

from datetime import tzinfo
from typing import Annotated, Any

from msgspec import Meta

from ..catalog.listing import SessionItem, Sort
from ..catalog.page import MOST_ITEMS, Page
from ..catalog.search_query import SearchItem
from ..catalog.statistics import Statistics
from ..catalog.tool_history import ToolItem
from .context import Context
from .filters import Cursor, Filters, SessionId, SomeSession, Zone, in_zone
from .row import Arguments
from .when import moment

Limit = Annotated[int, Meta(ge=1, le=MOST_ITEMS, description="At most this many.", extra={"metavar": "N"})]


class List(Filters, frozen=True, kw_only=True):
    sort: Annotated[Sort, Meta(description="What comes first: the largest of these.")] = "updated"
    limit: Limit = 50
    after: Cursor = None
    zone: Zone = None


class Search(Filters, frozen=True, kw_only=True):
    query: Annotated[
        str, Meta(description='What to look for: words that must all be there; also "a phrase", prefix*, -without, this OR that.')
    ]
    session_id: SomeSession = None
    roles: Annotated[
        list[str],
        Meta(description="Only in what this role said; give it again for several.", extra={"option": "--role", "metavar": "ROLE"}),
    ] = []
    limit: Limit = 20
    after: Cursor = None
    zone: Zone = None


class ToolCalls(Arguments, frozen=True, kw_only=True):
    session_id: SomeSession = None
    name: Annotated[str | None, Meta(description="Only this tool.", extra={"metavar": "TOOL"})] = None
    open: Annotated[bool | None, Meta(description="Only calls that have no result yet; false: only those with one.")] = None
    failed: Annotated[bool | None, Meta(description="Only calls that failed; false: only those that did not.")] = None
    call_id: Annotated[
        str | None, Meta(description="Only the calls with this id, in whatever session.", extra={"option": "--call", "metavar": "ID"})
    ] = None
    limit: Limit = 1_000
    after: Cursor = None


class Stats(Arguments, frozen=True, kw_only=True):
    session_id: SomeSession = None
    since: Annotated[str | None, Meta(description="What happened at or after: a day, a time, or how long ago (30d).")] = None
    until: Annotated[str | None, Meta(description="What happened before; a day counts whole.", extra={"end": True})] = None
    user: Annotated[str | None, Meta(description="In sessions of this user.", extra={"metavar": "ID"})] = None
    project: Annotated[str | None, Meta(description="In this project folder or below it.", extra={"metavar": "DIR"})] = None
    zone: Zone = None


class Children(Arguments, frozen=True, kw_only=True):
    session_id: SessionId
    limit: Limit = 100
    after: Cursor = None


def list_sessions(context: Context, asked: List) -> Page[SessionItem]:
    chosen = asked.chosen(in_zone(context, asked.zone))
    return context.catalog.list(sort=asked.sort, limit=asked.limit, after=asked.after, **chosen)


def search(context: Context, asked: Search) -> Page[SearchItem]:
    chosen = asked.chosen(in_zone(context, asked.zone))
    if asked.session_id is not None:
        context.log.session(asked.session_id).close()  # which says so if there is none
        chosen["session_id"] = asked.session_id
    if asked.roles:
        chosen["roles"] = asked.roles
    return context.catalog.search(asked.query, limit=asked.limit, after=asked.after, **chosen)


def tool_calls(context: Context, asked: ToolCalls) -> Page[ToolItem]:
    chosen: dict[str, Any] = {} if asked.call_id is None else {"call_id": asked.call_id}
    return context.catalog.tools(
        session_id=asked.session_id, name=asked.name, open=asked.open, failed=asked.failed, limit=asked.limit, after=asked.after, **chosen
    )


def statistics(context: Context, asked: Stats) -> Statistics:
    here = in_zone(context, asked.zone)
    zone: tzinfo | None = here.zone
    chosen: dict[str, Any] = {
        "since": None if asked.since is None else moment(asked.since, here.now(), zone),
        "until": None if asked.until is None else moment(asked.until, here.now(), zone, end=True),
        "user": asked.user,
        "project": asked.project,
    }
    given = {name: value for name, value in chosen.items() if value is not None}
    return context.catalog.statistics(session_id=asked.session_id, zone=zone, now=here.now(), **given)


def children(context: Context, asked: Children) -> Page[SessionItem]:
    context.log.session(asked.session_id).close()
    return context.catalog.list(parent=asked.session_id, sort="started", limit=asked.limit, after=asked.after)
