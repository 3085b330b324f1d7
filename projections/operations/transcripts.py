"""Questions about one session: its view, its messages window by window, its events, what a model gets of it, its exports; and going on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from eventlog import StoredEvent
from eventlog.errors import InvalidInput
from eventlog.events import SessionResumed

from ..catalog.windows import MOST_MESSAGES, Outline, Window, WindowMessage
from ..exporters import FORMATS, OFFERED, export
from ..pricing import PricedView
from ..view.session import SessionView
from ..view.to_messages import Provider, system_prompt, to_messages
from .context import Context
from .failures import AnswerTooLarge
from .filters import SessionId
from .row import Arguments, Stream
from .writing import Key

MOST_SHOWN_BYTES: Final = 5 * 1024 * 1024  # of event lines: a larger session is read window by window
_KNOWN: Final = ("session.started", "session.updated", "context.updated", "context.compacted", "history.retracted", "history.cleared")
_MOST_OPEN_CALLS: Final = 1_000
_WINDOW: Final = 50  # messages
_BEHIND_ALL: Final = 1 << 62
_BLOCK_SIZE: Final = 256 * 1024
_CHARACTERS_PER_TOKEN: Final = 4
_MEDIA_TYPES: Final = {".md": "text/markdown", ".json": "application/json", ".jsonl": "application/x-ndjson", ".html": "text/html"}

After = Annotated[Annotated[int, Meta(ge=0)] | None, Meta(description="The first ones behind this seq.", extra={"metavar": "SEQ"})]
Before = Annotated[Annotated[int, Meta(ge=1)] | None, Meta(description="The last ones before this seq.", extra={"metavar": "SEQ"})]


class Show(Arguments, frozen=True, kw_only=True):
    session_id: SessionId
    parts: Annotated[
        Literal["all", "header"], Meta(description="header: without messages, tool calls, errors and compactions, whatever their number.")
    ] = "all"


class Messages(Arguments, frozen=True, kw_only=True):
    session_id: SessionId
    after: After = None
    before: Before = None
    around: Annotated[Annotated[int, Meta(ge=0)] | None, Meta(description="The message at this seq, or the next one, in the middle.")] = (
        None
    )
    limit: Annotated[int, Meta(ge=1, le=MOST_MESSAGES, description="At most this many messages.", extra={"metavar": "N"})] = 100
    roles: Annotated[
        list[str], Meta(description="Only messages of this role; give it again for several.", extra={"option": "--role", "metavar": "ROLE"})
    ] = []
    max_chars: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(description="Cut each text after so many characters; what is cut says so.", extra={"metavar": "N"}),
    ] = None
    retracted: Annotated[bool, Meta(description="Show messages that were taken back, too.")] = False


class OutlineOf(Arguments, frozen=True, kw_only=True):
    session_id: SessionId
    retracted: Annotated[bool, Meta(description="Name messages that were taken back, too.")] = False


class Events(Arguments, frozen=True, kw_only=True):
    session_id: SessionId
    after: Annotated[int, Meta(ge=0, description="Only events behind this seq.", extra={"metavar": "SEQ"})] = 0
    before: Annotated[Annotated[int, Meta(ge=1)] | None, Meta(description="Only events before this seq.", extra={"metavar": "SEQ"})] = None
    types: Annotated[
        list[str],
        Meta(description="Only events of this type; give it again for several.", extra={"option": "--type", "metavar": "TYPE"}),
    ] = []
    limit: Annotated[Annotated[int, Meta(ge=1)] | None, Meta(description="At most this many.", extra={"metavar": "N"})] = None
    skip_damaged: Annotated[bool, Meta(description="Leave out what damage has made unreadable.")] = False


class ForModel(Arguments, frozen=True, kw_only=True):
    session_id: SessionId
    provider: Annotated[Provider, Meta(description="Whose API the messages are for.")] = "openai"


class ModelMessages(msgspec.Struct, frozen=True, kw_only=True):
    """``messages`` are as the provider's API takes them; ``system`` goes beside them where it takes that (Anthropic), else None."""

    session_id: str
    provider: str
    system: str | None
    messages: list[dict[str, Any]]


class Export(Arguments, frozen=True, kw_only=True):
    session_id: SessionId
    format: Annotated[str, Meta(description=f"One of: {', '.join(OFFERED)}; or the tool that it came from.", extra={"option": "--to"})] = (
        "markdown"
    )
    skip_damaged: Annotated[bool, Meta(description="Leave out what damage has made unreadable.")] = False


class Resume(Arguments, frozen=True, kw_only=True):
    session_id: SessionId
    reason: Annotated[str | None, Meta(description="Why it goes on.")] = None
    idempotency_key: Key = None
    max_tokens: Annotated[
        int, Meta(ge=200, le=100_000, description="How much of the last messages to give, in tokens (of about 4 characters).")
    ] = 4_000


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What a message says, as text. ``truncated``: there is more of it."""

    seq: int
    role: str
    time: datetime
    text: str
    truncated: bool = False


class OpenCall(msgspec.Struct, frozen=True, kw_only=True):
    """A tool call without a result."""

    call_id: str | None
    name: str | None
    arguments: Any
    called_seq: int | None


class Resumed(msgspec.Struct, frozen=True, kw_only=True):
    """What whoever goes on with a session must know. ``resumed``: it has been noted, as event ``seq``. ``summary`` is that of the last
    compaction; ``messages`` are the last ones, the oldest first; ``previous`` is what ``before`` of the messages takes to read those before
    them, None where there are none."""

    session_id: str
    resumed: bool
    seq: int
    title: str | None
    user_id: str | None
    context: dict[str, Any]
    summary: str | None
    messages: list[Said]
    previous: int | None
    open_tool_calls: list[OpenCall]


def show(context: Context, asked: Show) -> SessionView:
    projection = PricedView()
    view = projection.initial()
    with context.log.session(asked.session_id) as session:
        events = session.read()
        projection.fold_all(view, events if asked.parts == "header" else _up_to_the_limit(asked.session_id, events))
    if asked.parts == "header":
        view.messages, view.tool_calls, view.errors, view.compactions, view.retracted, view.orphan_results = [], [], [], [], [], []
    return view


def known_of(context: Context, session_id: str) -> SessionView:
    """What is known of a session (its details, its context, its compactions), without what was said and done in it.

    Costs a look over its lines, of which few are decoded."""
    with context.log.session(session_id) as session:
        return SessionView.fold_all(SessionView.initial(), session.read(types=_KNOWN, on_damage="skip"))


def _up_to_the_limit(session_id: str, events: Iterator[StoredEvent]) -> Iterator[StoredEvent]:
    size = 0
    for stored in events:
        size += stored.size_bytes
        if size > MOST_SHOWN_BYTES:
            raise AnswerTooLarge(session_id, MOST_SHOWN_BYTES, "its header and its messages")
        yield stored


def messages(context: Context, asked: Messages) -> Window:
    return context.catalog.messages(
        asked.session_id,
        after=asked.after,
        before=asked.before,
        around=asked.around,
        limit=asked.limit,
        roles=asked.roles or None,
        max_chars=asked.max_chars,
        retracted=asked.retracted,
    )


def outline(context: Context, asked: OutlineOf) -> Outline:
    return context.catalog.outline(asked.session_id, retracted=asked.retracted)


def events(context: Context, asked: Events) -> Stream:
    session = context.log.session(asked.session_id)

    def write_to(write: Callable[[bytes], object]) -> None:
        block: list[bytes] = []
        size = 0
        left = asked.limit
        with session:
            found = session.read(
                after=asked.after,
                before=asked.before,
                types=asked.types or None,
                on_damage="skip" if asked.skip_damaged else "raise",
            )
            for stored in found:
                block.append(stored.raw)
                size += len(block[-1]) + 1
                if size >= _BLOCK_SIZE:
                    write(b"\n".join(block) + b"\n")
                    block, size = [], 0
                if left is not None:
                    left -= 1
                    if not left:
                        break
        if block:
            write(b"\n".join(block) + b"\n")

    return Stream(media_type="application/x-ndjson", file_name=f"{asked.session_id}.jsonl", write_to=write_to)


def for_model(context: Context, asked: ForModel) -> ModelMessages:
    with context.log.session(asked.session_id) as session:
        view = SessionView.fold_all(SessionView.initial(), session.read())
    return ModelMessages(
        session_id=asked.session_id,
        provider=asked.provider,
        system=system_prompt(view) if asked.provider == "anthropic" else None,
        messages=to_messages(view, asked.provider),
    )


def export_session(context: Context, asked: Export) -> Stream:
    if asked.format not in FORMATS:
        raise InvalidInput(f"unknown export format {asked.format[:80]!r}; give one of: {', '.join(FORMATS)}")
    format = FORMATS[asked.format]
    with context.log.session(asked.session_id) as session:
        if format.is_native:
            from ..exporters.native import Native

            Native(asked.format).check(session)

    def write_to(write: Callable[[bytes], object]) -> None:
        export(context.log, [asked.session_id], asked.format, write, on_damage="skip" if asked.skip_damaged else "raise")

    media_type = _MEDIA_TYPES.get(format.suffix, "application/octet-stream")
    return Stream(media_type=media_type, file_name=asked.session_id + format.suffix, write_to=write_to)


def resume(context: Context, asked: Resume) -> Resumed:
    with context.log.session(asked.session_id) as session:
        view = known_of(context, asked.session_id)
        said = _last_said(context, asked.session_id, asked.max_tokens * _CHARACTERS_PER_TOKEN)
        open_calls = context.catalog.tools(session_id=asked.session_id, open=True, limit=_MOST_OPEN_CALLS).items
        seq = session.append(SessionResumed(reason=asked.reason), id=asked.idempotency_key) if context.may_write else session.last_seq
    return Resumed(
        session_id=asked.session_id,
        resumed=context.may_write,
        seq=seq,
        title=view.title,
        user_id=view.user_id,
        context=view.context,
        summary=view.compactions[-1].summary if view.compactions else None,
        messages=said,
        previous=said[0].seq if said and context.catalog.messages(asked.session_id, before=said[0].seq, limit=1).items else None,
        open_tool_calls=[
            OpenCall(call_id=call.call_id, name=call.name, arguments=call.arguments, called_seq=call.called_seq) for call in open_calls
        ],
    )


def _last_said(context: Context, session_id: str, characters: int) -> list[Said]:
    """The last messages that a model would see, as far as there is room; of one that is too long for it, its beginning."""
    found: list[Said] = []
    for message in _backwards(context, session_id):
        text = said_in(message.parts)
        if message.exclude_from_context or message.alternative_to is not None or not text:
            continue
        fits = len(text) <= characters
        if not fits and found:
            break
        found.append(Said(seq=message.seq, role=message.role, time=message.time, text=text[:characters], truncated=not fits))
        characters -= len(text)
        if characters <= 0:
            break
    return found[::-1]


def _backwards(context: Context, session_id: str) -> Iterator[WindowMessage]:
    """The messages, the last one first."""
    before: int | None = _BEHIND_ALL
    while before is not None:
        window = context.catalog.messages(session_id, before=before, limit=_WINDOW)
        yield from reversed(window.items)
        before = window.previous


def said_in(parts: list[dict[str, Any]]) -> str:
    """The text of a message, without its reasoning; of a part that is no text, what it is."""
    found = []
    for part in parts:
        kind = part["type"]
        if kind == "text":
            found.append(str(part.get("content") or ""))
        elif kind not in ("reasoning", "tool_call", "tool_call_response"):
            found.append(f"[{kind}]")
    return "\n\n".join(text for text in found if text)
