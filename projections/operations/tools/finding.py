"""Tools that look over many sessions: the list, the search, the tool calls, the statistics."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from ...catalog.listing import Money, SessionItem
from ...catalog.statistics import Statistics
from .. import questions
from ..bounds import DATA, MOST_TAGS, NAME, TEXT, cut, cut_all, fitting, value_or_text
from ..context import Context
from ..filters import SomeSession, Status
from ..row import Arguments, Tool

User = Annotated[str | None, Meta(description="Only sessions of this user.")]
Since = Annotated[str | None, Meta(description="Active at or after: a day (2026-11-21), a time, or how long ago (30d).")]
Until = Annotated[str | None, Meta(description="Last active before; a day counts whole.")]
Project = Annotated[str | None, Meta(description="Only sessions in this project folder or below it.")]
Next = Annotated[Annotated[str, Meta(max_length=4_000)] | None, Meta(description="The `next` of the page before.")]


class ListSessions(Arguments, frozen=True, kw_only=True):
    user_id: User = None
    status: Annotated[Status | None, Meta(description="Only sessions with this status.")] = None
    tags: Annotated[list[str], Meta(description="Only sessions with all of these tags.")] = []
    kind: Annotated[str | None, Meta(description="Only sessions of this kind (chat, voice, agent, ...).")] = None
    model: Annotated[str | None, Meta(description="Only sessions that used this model.")] = None
    project: Project = None
    since: Since = None
    until: Until = None
    title: Annotated[str | None, Meta(description="Only sessions with all these words in the title.")] = None
    limit: Annotated[int, Meta(ge=1, le=100, description="At most this many.")] = 20
    after: Next = None


class SessionLine(msgspec.Struct, frozen=True, kw_only=True):
    session_id: str
    title: str | None
    preview: str | None
    status: str
    user_id: str | None
    tags: list[str]
    updated_at: datetime
    messages: int
    tool_calls: int
    cost: Money | None


class SessionLines(msgspec.Struct, frozen=True, kw_only=True):
    items: list[SessionLine]
    total: int
    next: str | None


def _list_sessions(context: Context, asked: ListSessions) -> SessionLines:
    given = {name: getattr(asked, name) for name in asked.__struct_fields__}

    def ask(limit: int) -> SessionLines:
        page = questions.list_sessions(context, questions.List(**{**given, "limit": limit}))
        return SessionLines(items=[_line(item) for item in page.items], total=page.total, next=page.next)

    return fitting(ask, asked.limit)


def _line(item: SessionItem) -> SessionLine:
    return SessionLine(
        session_id=item.session_id,
        title=cut(item.title, NAME),
        preview=cut(item.preview, 300),
        status=item.status,
        user_id=cut(item.user_id, NAME),
        tags=cut_all(item.tags, MOST_TAGS, NAME),
        updated_at=item.updated_at,
        messages=item.messages,
        tool_calls=item.tool_calls,
        cost=item.cost,
    )


class SearchSessions(Arguments, frozen=True, kw_only=True):
    query: Annotated[
        str,
        Meta(
            description='What to look for: words that must all be there; also "a phrase", prefix*, -without, this OR that.',
            max_length=1_000,
        ),
    ]
    session_id: SomeSession = None
    roles: Annotated[list[str], Meta(description="Only in what these roles said.")] = []
    since: Since = None
    until: Until = None
    project: Project = None
    limit: Annotated[int, Meta(ge=1, le=50, description="At most this many.")] = 10
    after: Next = None


class Hit(msgspec.Struct, frozen=True, kw_only=True):
    """``seq``: where to read on, with get_messages around it."""

    session_id: str
    seq: int
    role: str | None
    kind: str
    snippet: str
    title: str | None
    time: datetime


class Hits(msgspec.Struct, frozen=True, kw_only=True):
    """``complete`` false: of ``sessions`` only ``indexed`` can be searched yet; ask again later for the rest."""

    items: list[Hit]
    total: int
    next: str | None
    complete: bool
    indexed: int
    sessions: int


def _search_sessions(context: Context, asked: SearchSessions) -> Hits:
    given = {name: getattr(asked, name) for name in asked.__struct_fields__}

    def ask(limit: int) -> Hits:
        page = questions.search(context, questions.Search(**{**given, "limit": limit}))
        items = [
            Hit(
                session_id=item.session_id,
                seq=item.seq,
                role=cut(item.role, NAME),
                kind=item.kind,
                snippet=str(cut(item.snippet, TEXT)),
                title=cut(item.title, NAME),
                time=item.time,
            )
            for item in page.items
        ]
        return Hits(items=items, total=page.total, next=page.next, complete=page.complete, indexed=page.indexed, sessions=page.sessions)

    return fitting(ask, asked.limit)


class GetToolCalls(Arguments, frozen=True, kw_only=True):
    session_id: SomeSession = None
    call_id: Annotated[str | None, Meta(description="Only the calls with this id, in whatever session.")] = None
    name: Annotated[str | None, Meta(description="Only this tool.")] = None
    open: Annotated[bool | None, Meta(description="Only calls without a result; false: only those with one.")] = None
    failed: Annotated[bool | None, Meta(description="Only calls that failed; false: only those that did not.")] = None
    limit: Annotated[int, Meta(ge=1, le=100, description="At most this many.")] = 20
    after: Next = None
    max_chars: Annotated[int, Meta(ge=20, le=5_000, description="How much to give of the arguments and of the output of each.")] = 1_000


class CallLine(msgspec.Struct, frozen=True, kw_only=True):
    """``arguments`` and ``output`` are text, and ``truncated`` says so, where there is more of them."""

    session_id: str
    call_id: str | None
    name: str | None
    arguments: Any
    output: Any
    is_error: bool
    duration_ms: float | None
    called_seq: int | None
    truncated: bool


class CallLines(msgspec.Struct, frozen=True, kw_only=True):
    items: list[CallLine]
    total: int
    next: str | None


def _get_tool_calls(context: Context, asked: GetToolCalls) -> CallLines:
    given = {name: getattr(asked, name) for name in asked.__struct_fields__ if name != "max_chars"}

    def ask(limit: int) -> CallLines:
        page = questions.tool_calls(context, questions.ToolCalls(**{**given, "limit": limit}))
        return CallLines(items=[call_line(item, asked.max_chars) for item in page.items], total=page.total, next=page.next)

    return fitting(ask, asked.limit)


def call_line(item: Any, most: int, session_id: str | None = None) -> CallLine:
    arguments, output = value_or_text(item.arguments, most), value_or_text(item.output, most)
    return CallLine(
        session_id=session_id or item.session_id,
        call_id=cut(item.call_id, NAME),
        name=cut(item.name, NAME),
        arguments=arguments,
        output=output,
        is_error=item.is_error,
        duration_ms=item.duration_ms,
        called_seq=item.called_seq,
        truncated=arguments != item.arguments or output != item.output,
    )


class GetStatistics(Arguments, frozen=True, kw_only=True):
    session_id: SomeSession = None
    since: Annotated[str | None, Meta(description="What happened at or after: a day, a time, or how long ago (30d).")] = None
    until: Annotated[str | None, Meta(description="What happened before; a day counts whole.")] = None


class StatisticsAnswer(Statistics, frozen=True, kw_only=True):
    """``truncated``: the lists are cut: days to the latest, the others to the largest."""

    truncated: bool


def _get_statistics(context: Context, asked: GetStatistics) -> StatisticsAnswer:
    found = questions.statistics(context, questions.Stats(session_id=asked.session_id, since=asked.since, until=asked.until))
    fields = {name: getattr(found, name) for name in found.__struct_fields__}

    def ask(most: int) -> StatisticsAnswer:
        cut_fields = {**fields, "by_day": found.by_day[-most:]}
        for name, label, size in (("by_model", "model", "messages"), ("by_tool", "name", "calls"), ("by_user", "user_id", "messages")):
            cut_fields[name] = _largest(fields[name], label, size, most)
        cut_fields["by_project"] = _largest(found.by_project, "project", "messages", most)
        cut_fields["tools_used"] = cut_all(found.tools_used, most, NAME)
        cut_fields["unknown_models"] = cut_all(found.unknown_models, most, NAME)
        cut_fields["other_costs"] = found.other_costs[:most]
        largest = sorted(found.messages.items(), key=lambda pair: -pair[1])[:most]
        cut_fields["messages"] = {str(cut(role, NAME)): count for role, count in largest}
        return StatisticsAnswer(**cut_fields, truncated=cut_fields != fields)

    return fitting(ask, 31)


def _largest(shares: list[Any], label: str, size: str, most: int) -> list[Any]:
    kept = sorted(shares, key=lambda share: -int(getattr(share, size)))[:most]
    return [msgspec.structs.replace(share, **{label: cut(getattr(share, label), NAME)}) for share in kept]


LIST_SESSIONS: Final = Tool(
    name="list_sessions",
    summary="List recorded sessions, those of the latest activity first." + DATA,
    ask=_list_sessions,
    arguments=ListSessions,
    result=SessionLines,
)

SEARCH_SESSIONS: Final = Tool(
    name="search_sessions",
    summary="Find what was said or done in recorded sessions by its words, the best hits first." + DATA,
    ask=_search_sessions,
    arguments=SearchSessions,
    result=Hits,
)

GET_TOOL_CALLS: Final = Tool(
    name="get_tool_calls",
    summary="List tool calls with arguments and results: of one session in its order, else the latest first." + DATA,
    ask=_get_tool_calls,
    arguments=GetToolCalls,
    result=CallLines,
)

GET_STATISTICS: Final = Tool(
    name="get_statistics",
    summary="Count sessions, messages, tool calls, tokens and cost, of the store or of one session." + DATA,
    ask=_get_statistics,
    arguments=GetStatistics,
    result=StatisticsAnswer,
)
