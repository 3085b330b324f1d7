"""Questions about many sessions: the list, the statistics, the tool calls, the search."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from .. import pictures
from ..catalog.listing import SessionItem, Sort
from ..catalog.page import MOST_ITEMS, Page
from ..catalog.search_query import SearchPage
from ..catalog.statistics import Statistics
from ..catalog.tool_history import ToolItem
from .context import Context
from .filters import Cursor, Filters, SessionId, SomeSession, Zone, in_zone
from .row import Arguments, Stream
from .when import moment

_TIME = {"metavar": "TIME"}
Limit = Annotated[int, Meta(ge=1, le=MOST_ITEMS, description="At most this many.", extra={"metavar": "N"})]


class List(Filters, frozen=True, kw_only=True):
    sort: Annotated[Sort, Meta(description="What comes first: the largest of these.")] = "updated"
    limit: Limit = 50
    after: Cursor = None
    zone: Zone = None


class Search(Filters, frozen=True, kw_only=True):
    query: Annotated[
        str,
        Meta(
            description='What to look for: words that must all be there; also "a phrase", prefix*, -without, this OR that.',
            extra={"parameter": "q"},
        ),
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
    open: Annotated[bool | None, Meta(description="Only calls that have no result yet (false: that have one).")] = None
    failed: Annotated[bool | None, Meta(description="Only calls that failed (false: that did not).")] = None
    call_id: Annotated[
        str | None, Meta(description="Only the calls with this id, in whatever session.", extra={"option": "--call", "metavar": "ID"})
    ] = None
    limit: Limit = 1_000
    after: Cursor = None


class Stats(Arguments, frozen=True, kw_only=True):
    session_id: SomeSession = None
    since: Annotated[str | None, Meta(description="What happened at or after: a day, a time, or how long ago (30d).", extra=_TIME)] = None
    until: Annotated[str | None, Meta(description="What happened before; a day counts whole.", extra=_TIME)] = None
    user: Annotated[str | None, Meta(description="In sessions of this user.", extra={"metavar": "ID"})] = None
    project: Annotated[str | None, Meta(description="In this project folder or below it.", extra={"metavar": "DIR"})] = None
    zone: Zone = None


class PictureOf(Stats, frozen=True, kw_only=True):
    of: Annotated[
        Literal[pictures.Name, "all"],
        Meta(description=f"all, or one of: {', '.join(pictures.NAMES)}."),
    ] = "all"


class TableOf(Stats, frozen=True, kw_only=True):
    of: Annotated[pictures.Name, Meta(description=f"One of: {', '.join(pictures.NAMES)}.")]


class Children(Arguments, frozen=True, kw_only=True):
    session_id: SessionId
    limit: Limit = 100
    after: Cursor = None


def list_sessions(context: Context, asked: List) -> Page[SessionItem]:
    chosen = asked.chosen(in_zone(context, asked.zone))
    return context.catalog.list(sort=asked.sort, limit=asked.limit, after=asked.after, **chosen)


def search(context: Context, asked: Search) -> SearchPage:
    chosen = asked.chosen(in_zone(context, asked.zone))
    return context.catalog.search(
        asked.query, session_id=asked.session_id, roles=asked.roles, limit=asked.limit, after=asked.after, wait=context.waits, **chosen
    )


def tool_calls(context: Context, asked: ToolCalls) -> Page[ToolItem]:
    return context.catalog.tools(
        session_id=asked.session_id,
        call_id=asked.call_id,
        name=asked.name,
        open=asked.open,
        failed=asked.failed,
        limit=asked.limit,
        after=asked.after,
    )


def statistics(context: Context, asked: Stats) -> Statistics:
    here = in_zone(context, asked.zone)
    return context.catalog.statistics(
        session_id=asked.session_id,
        user=asked.user,
        project=asked.project,
        since=None if asked.since is None else moment(asked.since, here.now(), here.zone),
        until=None if asked.until is None else moment(asked.until, here.now(), here.zone, end=True),
        zone=here.zone,
        now=here.now(),
    )


def picture(context: Context, asked: PictureOf) -> Stream:
    found = statistics(context, asked)
    drawn = pictures.sheet(found) if asked.of == "all" else pictures.picture(found, asked.of)
    return _file("image/svg+xml", f"statistics-{asked.of}.svg", drawn)


def table(context: Context, asked: TableOf) -> Stream:
    return _file("text/csv; charset=utf-8", f"statistics-{asked.of}.csv", pictures.table(statistics(context, asked), asked.of))


def _file(media_type: str, file_name: str, text: str) -> Stream:
    return Stream(media_type=media_type, file_name=file_name, write_to=lambda write: write(text.encode()))


def children(context: Context, asked: Children) -> Page[SessionItem]:
    context.log.session(asked.session_id).close()
    return context.catalog.list(parent=asked.session_id, sort="started", limit=asked.limit, after=asked.after)
