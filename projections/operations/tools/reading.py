"""Tools that read one session: what it is, its messages, what to know to go on with it, its exports."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from eventlog.errors import InvalidInput

from ...catalog.listing import SessionItem
from ...catalog.statistics import Statistics
from ...catalog.statistics import Usage as Amounts
from ...exporters import OFFERED
from ...view.session import Counts, SessionView
from ...view.usage import ModelUsage, Money, Usage
from .. import questions, transcripts
from ..bounds import DATA, MOST_CHARACTERS, MOST_TAGS, NAME, TEXT, cut, cut_all, fitting, size_of, value_or_text
from ..context import Context
from ..filters import SessionId
from ..row import Arguments, Tool
from ..transcripts import OpenCall, Resumed, Said, said_in
from .finding import CallLine, call_line

_ITEM: Final = 12_000  # characters of JSON for the tool calls of one message
_MOST_EXPORTED_BYTES: Final = 100 * MOST_CHARACTERS  # of event lines: what is made of more does not fit into an answer
_PROMPTS: Final = 20  # messages of the user that are looked at for one that says something
_BEHIND_ALL: Final = 1 << 62
_TOKENS: Final = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens")


class GetSession(Arguments, frozen=True, kw_only=True):
    session_id: SessionId
    include: Annotated[
        list[Literal["header", "context", "usage", "tools"]],
        Meta(description="What to give; default: all but tools (the names of the tools and how often each was used)."),
    ] = []


class Header(msgspec.Struct, frozen=True, kw_only=True):
    status: str
    title: str | None
    description: str | None
    purpose: str | None
    user_id: str | None
    tags: list[str]
    kind: str | None
    model: str | None
    started_at: datetime | None
    updated_at: datetime | None
    parent: Any
    metadata: Any


class SessionAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What was not asked for is null. ``first_prompt`` and ``last_prompt`` are the user's."""

    session_id: str
    counts: Counts
    header: Header | None
    context: Any
    usage: Usage | None
    tools: dict[str, int] | None
    first_prompt: Said | None
    last_prompt: Said | None


def _get_session(context: Context, asked: GetSession) -> SessionAnswer:
    view = transcripts.known_of(context, asked.session_id)
    item = context.catalog.find(asked.session_id)
    numbers = questions.statistics(context, questions.Stats(session_id=asked.session_id))
    include = asked.include or ("header", "context", "usage")
    most_used = sorted(numbers.by_tool, key=lambda share: -share.calls)[:MOST_TAGS]
    return SessionAnswer(
        session_id=asked.session_id,
        counts=Counts(**{name: getattr(item, name) for name in Counts.__struct_fields__}),
        header=_header(view, item) if "header" in include else None,
        context=value_or_text(view.context, 3_000) if "context" in include else None,
        usage=_usage(numbers) if "usage" in include else None,
        tools={str(cut(share.name, NAME)): share.calls for share in most_used} if "tools" in include else None,
        first_prompt=_prompt(context, asked.session_id, after=0),
        last_prompt=_prompt(context, asked.session_id, before=_BEHIND_ALL),
    )


def _prompt(context: Context, session_id: str, *, after: int | None = None, before: int | None = None) -> Said | None:
    """The first thing that a user says from there on, among a few messages: those that only answer tools say nothing."""
    window = context.catalog.messages(session_id, roles=["user"], limit=_PROMPTS, after=after, before=before)
    items = window.items if before is None else window.items[::-1]
    return next((_said(message, TEXT) for message in items if said_in(message.parts)), None)


def _usage(numbers: Statistics) -> Usage:
    models = sorted(numbers.by_model, key=lambda share: -share.messages)[:10]
    shares = [ModelUsage(**_amounts(share), model=cut(share.model, NAME)) for share in models]
    others = [Money(amount=each.amount, currency=each.currency, price_version=each.price_version) for each in numbers.other_costs[:10]]
    usage = Usage(**_amounts(numbers.usage), by_model=shares)
    usage.costs = [*([usage.cost] if usage.cost is not None else []), *others]
    return usage


def _amounts(found: Amounts) -> dict[str, Any]:
    cost = found.cost
    money = None if cost is None else Money(amount=cost.amount, currency=cost.currency, price_version=cost.price_version)
    return {**{name: getattr(found, name) for name in _TOKENS}, "cost": money}


def _header(view: SessionView, item: SessionItem) -> Header:
    return Header(
        status=item.status,
        title=cut(item.title, NAME),
        description=cut(view.description, TEXT),
        purpose=cut(view.purpose, TEXT),
        user_id=cut(item.user_id, NAME),
        tags=cut_all(item.tags, MOST_TAGS, NAME),
        kind=cut(item.kind, NAME),
        model=cut(item.model, NAME),
        started_at=item.started_at,
        updated_at=item.updated_at,
        parent=value_or_text(view.parent, TEXT),
        metadata=value_or_text(view.metadata, 2_000),
    )


def _said(message: Any, most: int) -> Said:
    text = said_in(message.parts)
    shown = str(cut(text, most))
    return Said(seq=message.seq, role=str(cut(message.role, NAME)), time=message.time, text=shown, truncated=shown != text)


class GetMessages(Arguments, frozen=True, kw_only=True):
    session_id: SessionId
    after: Annotated[
        Annotated[int, Meta(ge=0)] | None, Meta(description="The first messages behind this seq: the `next` of the window before.")
    ] = None
    before: Annotated[
        Annotated[int, Meta(ge=1)] | None, Meta(description="The last messages before this seq: the `previous` of the window behind.")
    ] = None
    around: Annotated[
        Annotated[int, Meta(ge=0)] | None, Meta(description="The messages around this seq, such as that of a search hit.")
    ] = None
    roles: Annotated[list[str], Meta(description="Only messages of these roles.")] = []
    limit: Annotated[int, Meta(ge=1, le=100, description="At most this many.")] = 20
    max_chars_per_message: Annotated[int, Meta(ge=20, le=10_000, description="How much to give of the text of each.")] = 2_000


class MessageLine(Said, frozen=True, kw_only=True):
    """``tool_calls``: what was called between this message and the next one."""

    tool_calls: list[CallLine]


class MessageLines(msgspec.Struct, frozen=True, kw_only=True):
    """``next`` is what `after` takes, ``previous`` what `before` takes; null where there is nothing more."""

    items: list[MessageLine]
    total: int
    next: int | None
    previous: int | None


_CALLS_PER_MESSAGE: Final = 20


def _get_messages(context: Context, asked: GetMessages) -> MessageLines:
    def ask(limit: int) -> MessageLines:
        window = transcripts.messages(
            context,
            transcripts.Messages(
                session_id=asked.session_id,
                after=asked.after,
                before=asked.before,
                around=asked.around,
                roles=asked.roles,
                limit=limit,
            ),
        )
        calls: dict[int, list[CallLine]] = {}
        seqs = [message.seq for message in window.items]
        for call in window.tool_calls:
            owner = max((seq for seq in seqs if seq <= (call.called_seq or 0)), default=seqs[0] if seqs else 0)
            lines = calls.setdefault(owner, [])
            if len(lines) < _CALLS_PER_MESSAGE:
                lines.append(call_line(call, 100, asked.session_id))
        items = []
        for message in window.items:
            said = _said(message, asked.max_chars_per_message)
            fields = {name: getattr(said, name) for name in said.__struct_fields__}
            room = max(0, _ITEM - size_of(said)) if limit == 1 else _ITEM
            items.append(MessageLine(**fields, tool_calls=_that_fit(calls.get(message.seq, []), room)))
        return MessageLines(items=items, total=window.total, next=window.next, previous=window.previous)

    return fitting(ask, asked.limit)


def _that_fit(lines: list[CallLine], room: int) -> list[CallLine]:
    while lines and size_of(lines) > room:
        lines = lines[: len(lines) // 2]
    return lines


class ResumeSession(Arguments, frozen=True, kw_only=True):
    session_id: SessionId
    user_id: Annotated[str | None, Meta(description="Who goes on; another user's session is refused.")] = None
    max_tokens: Annotated[
        int, Meta(ge=200, le=100_000, description="How much of the last messages to give, in tokens, as far as they fit into the answer.")
    ] = 4_000


def _resume_session(context: Context, asked: ResumeSession) -> Resumed:
    if asked.user_id is not None:
        owner = transcripts.known_of(context, asked.session_id).user_id
        if owner is not None and owner != asked.user_id:
            raise InvalidInput(f"session {asked.session_id!r} is another user's; leave user_id out to go on with it all the same")
    found = transcripts.resume(context, transcripts.Resume(session_id=asked.session_id, max_tokens=asked.max_tokens))
    calls = [
        OpenCall(
            call_id=cut(call.call_id, NAME),
            name=cut(call.name, NAME),
            arguments=value_or_text(call.arguments, 200),
            called_seq=call.called_seq,
        )
        for call in found.open_tool_calls[-10:]
    ]
    bounded = msgspec.structs.replace(
        found,
        title=cut(found.title, NAME),
        user_id=cut(found.user_id, NAME),
        context=found.context if size_of(found.context) <= 3_000 else {"text": value_or_text(found.context, 3_000)},
        summary=cut(found.summary, 3_000),
        messages=[],
        open_tool_calls=calls if size_of(calls) <= 4_000 else calls[-3:],
    )
    room = MOST_CHARACTERS - size_of(bounded) - 100
    kept: list[Said] = []
    for said in reversed(found.messages):
        each = msgspec.structs.replace(said, text=str(cut(said.text, max(20, room - 300))), role=str(cut(said.role, 50)))
        if room < size_of(each) + 1:
            break
        room -= size_of(each) + 1
        kept.append(msgspec.structs.replace(each, truncated=said.truncated or each.text != said.text))
    previous = found.previous
    if len(kept) < len(found.messages):
        previous = kept[-1].seq if kept else found.messages[-1].seq + 1
    return msgspec.structs.replace(bounded, messages=kept[::-1], previous=previous)


class ExportSession(Arguments, frozen=True, kw_only=True):
    session_id: SessionId
    format: Annotated[str, Meta(description=f"One of: {', '.join(OFFERED)}.")] = "markdown"


class Exported(msgspec.Struct, frozen=True, kw_only=True):
    """``text`` is null, and ``uri`` the resource to read, where it is too large for an answer or no text."""

    session_id: str
    format: str
    media_type: str
    text: str | None
    uri: str | None


class _TooMuch(Exception):
    pass


def _export_session(context: Context, asked: ExportSession) -> Exported:
    stream = transcripts.export_session(context, transcripts.Export(session_id=asked.session_id, format=asked.format))
    taken: list[bytes] = []

    def take(piece: bytes) -> None:
        taken.append(piece)
        if sum(map(len, taken)) > 4 * MOST_CHARACTERS:
            raise _TooMuch

    text: str | None
    try:
        if context.catalog.find(asked.session_id).size_bytes > _MOST_EXPORTED_BYTES:
            raise _TooMuch
        stream.write_to(take)
        text = b"".join(taken).decode()
        if size_of(text) > MOST_CHARACTERS - 500:
            text = None
    except (_TooMuch, UnicodeDecodeError):
        text = None
    uri = None if text is not None else f"session://{asked.session_id}/export/{asked.format}"
    return Exported(session_id=asked.session_id, format=asked.format, media_type=stream.media_type, text=text, uri=uri)


GET_SESSION: Final = Tool(
    name="get_session",
    summary="What one session is: its header, counts, context and usage, its first and last prompt." + DATA,
    ask=_get_session,
    arguments=GetSession,
    result=SessionAnswer,
)

GET_MESSAGES: Final = Tool(
    name="get_messages",
    summary="Read messages of one session, window by window, with the tool calls that follow each." + DATA,
    ask=_get_messages,
    arguments=GetMessages,
    result=MessageLines,
)

RESUME_SESSION: Final = Tool(
    name="resume_session",
    summary="What to know in order to go on with a session: its context, summary, last messages, open tool calls." + DATA,
    ask=_resume_session,
    arguments=ResumeSession,
    result=Resumed,
)

EXPORT_SESSION: Final = Tool(
    name="export_session",
    summary="One session as a document; where that is too large, the resource to read it from." + DATA,
    ask=_export_session,
    arguments=ExportSession,
    result=Exported,
)
