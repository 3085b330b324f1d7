"""The fold behind the catalog: what a session is, and how much of everything happened in it, when and with which model.

Its tables: ``session`` holds one row per session (`listing` reads it), ``label`` its tags and models, ``activity`` the numbers per quarter
of an hour, model and source (`statistics` reads it), ``role`` and ``copied`` what those cannot say, ``tool_call`` every use of a tool
(`tool_history` reads it, the pairing is in `pairing`). What counts how is decided as in `SessionView`.

A *source* is the session that an event was copied from by a fork or a merge, empty for the session's own events, so that totals
over many sessions count it once.

Amounts of money are whole billionths of a currency's unit, so that sums do not depend on their order.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from eventlog import StoredEvent
from eventlog import events as e

from .cost import NANO, NO_PRICES, Prices, Tokens
from .pairing import EVENT, TOOL_CALLS, Pairing, Record, Waiting
from .projection import State, Table

QUARTER_S: Final = 900
PREVIEW_SIZE: Final = 300
_PREVIEWS_KEPT = 3
_PLACES = ("project", "cwd")
_ABOUT_THE_RECORD = frozenset({e.SessionUpdated, e.SessionMerged, e.SessionCompacted, e.EventRedacted, e.SessionDeleted, e.SessionRestored})
_MOST_TOKENS = 1 << 40  # of one event; what is beyond is no count but an accident, and sums must fit the database
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MICROSECOND = timedelta(microseconds=1)

TOKENS: Final = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens")
AMOUNTS: Final = (
    "messages",
    "user_messages",
    "assistant_messages",
    "tool_calls",
    "errors",
    *TOKENS,
    "costs",
    "cost_nano",
    "unpriced_tokens",
)


class Kept(msgspec.Struct, omit_defaults=True, kw_only=True):
    """What one session is, as far as its events go. Times are microseconds since 1970."""

    session_id: str = ""
    title: str | None = None
    description: str | None = None
    purpose: str | None = None
    previews: list[tuple[str | None, str]] = []
    status: str = "active"
    begun: bool = False
    deleted: bool = False
    pinned: bool = False
    user_id: str | None = None
    tags: list[str] = []
    kind: str | None = None
    model: str | None = None
    models: list[str] = []
    provider: str | None = None
    places: dict[str, Any] = {}
    parent: e.Parent | None = None
    started_at: int | None = None
    updated_at: int | None = None
    events: int = 0
    messages: int = 0
    user_messages: int = 0
    assistant_messages: int = 0
    tool_calls: int = 0
    errors: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    costs: int = 0  # how many usages have one
    cost_nano: int = 0
    price_versions: list[str | None] = []
    unpriced_tokens: int = 0
    size_bytes: int = 0
    waiting: Waiting = msgspec.field(default_factory=Waiting)
    quarter: int | None = None
    source: str = ""
    run: int = 0  # events of the present source that are not in ``copied`` yet


Cell = tuple[int, str, str]  # quarter of an hour, source, model


class _Whence(msgspec.Struct):
    """An origin, as far as it says that the event was copied from another session of a store."""

    session_id: Any = None
    seq: Any = None


_whence = msgspec.json.Decoder(_Whence)


class Tally:
    """The projection ``catalog``. Its version names the price list, so that new prices make new amounts."""

    name = "catalog"
    tables = (
        Table(
            name="session",
            columns={
                "session_id": "TEXT NOT NULL",
                "title": "TEXT",
                "title_folded": "TEXT NOT NULL",
                "preview": "TEXT",
                "status": "TEXT NOT NULL",
                "deleted": "INTEGER NOT NULL",
                "pinned": "INTEGER NOT NULL",
                "user_id": "TEXT",
                "tags": "TEXT NOT NULL",
                "kind": "TEXT",
                "model": "TEXT",
                "models": "TEXT NOT NULL",
                "provider": "TEXT",
                "project": "TEXT",
                "parent": "TEXT",
                "started_at": "INTEGER NOT NULL",
                "updated_at": "INTEGER NOT NULL",
                "events": "INTEGER NOT NULL",
                **dict.fromkeys(AMOUNTS, "INTEGER NOT NULL"),
                "price_version": "TEXT",
                "size_bytes": "INTEGER NOT NULL",
            },
            indexes=("deleted, updated_at DESC, session_id DESC",),
        ),
        Table(name="label", columns={"kind": "TEXT", "value": "TEXT"}, key=("kind", "value"), indexes=("kind, value",)),
        Table(
            name="activity",
            columns={"quarter": "INTEGER", "source": "TEXT", "model": "TEXT", **dict.fromkeys(AMOUNTS, "INTEGER NOT NULL DEFAULT 0")},
            key=("quarter", "source", "model"),
        ),
        Table(
            name="role",
            columns={"source": "TEXT", "role": "TEXT", "messages": "INTEGER NOT NULL DEFAULT 0"},
            key=("source", "role"),
        ),
        Table(name="copied", columns={"source": "TEXT", "events": "INTEGER NOT NULL DEFAULT 0"}, key=("source",)),
        Table(
            name="foreign_cost",
            columns={"source": "TEXT", "currency": "TEXT", "cost_nano": "INTEGER NOT NULL DEFAULT 0"},
            key=("source", "currency"),
        ),
        TOOL_CALLS,
    )

    def __init__(self, prices: Prices = NO_PRICES) -> None:
        self.prices = prices
        self.version = f"1.{prices.version}"

    def initial(self) -> State[Kept]:
        return State(Kept())

    def fold(self, state: State[Kept], stored: StoredEvent) -> State[Kept]:
        kept = state.kept
        kept.events += 1
        kept.size_bytes += stored.size_bytes
        moment = (stored.time - _EPOCH) // _MICROSECOND
        if kept.started_at is None:
            kept.session_id = stored.session_id
            kept.started_at = moment
        kept.updated_at = moment
        origin = stored.origin_raw
        source = "" if origin is None else _source(origin, stored.session_id)
        quarter = moment // (QUARTER_S * 1_000_000)
        if source != kept.source:
            _end_run(state)
            kept.source = source
            kept.quarter = None
        if quarter != kept.quarter:
            kept.quarter = quarter
            state.rows.add("activity", (quarter, source, ""), {})
        kept.run += 1
        kind = type(stored.event)
        if kept.status != "active" and kind not in _ABOUT_THE_RECORD:
            kept.status = "active"
        handler = _HANDLERS.get(kind)
        if handler is not None:
            handler(self, state, stored)
        return state

    def settle(self, state: State[Kept]) -> None:
        kept = state.kept
        _end_run(state)
        state.rows.put("session", (), _row(kept))
        state.rows.drop("label", {})
        for kind, values in (("tag", kept.tags), ("model", kept.models)):
            for value in values:
                state.rows.put("label", (kind, value), {"kind": kind, "value": value})


def moment_of(microseconds: int) -> datetime:
    return _EPOCH + microseconds * _MICROSECOND


def microseconds_of(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND


def _source(origin: msgspec.Raw, session_id: str) -> str:
    try:
        whence = _whence.decode(origin)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    copied = isinstance(whence.session_id, str) and isinstance(whence.seq, int) and whence.session_id != session_id
    return whence.session_id if copied else ""


def _end_run(state: State[Kept]) -> None:
    kept = state.kept
    if kept.run:
        state.rows.add("copied", (kept.source,), {"events": kept.run})
        kept.run = 0


def _row(kept: Kept) -> dict[str, Any]:
    text = msgspec.json.encode
    return {
        "session_id": kept.session_id,
        "title": kept.title,
        "title_folded": (kept.title or "").casefold(),
        "preview": kept.previews[0][1] if kept.previews else None,
        "status": "deleted" if kept.deleted else kept.status,
        "deleted": int(kept.deleted),
        "pinned": int(kept.pinned),
        "user_id": kept.user_id,
        "tags": text(kept.tags).decode(),
        "kind": kept.kind,
        "model": kept.model,
        "models": text(kept.models).decode(),
        "provider": kept.provider,
        "project": _project(kept),
        "parent": None if kept.parent is None else text(kept.parent).decode(),
        "started_at": kept.started_at or 0,
        "updated_at": kept.updated_at or 0,
        "events": kept.events,
        **{name: getattr(kept, name) for name in AMOUNTS},
        "price_version": kept.price_versions[0] if len(kept.price_versions) == 1 else None,
        "size_bytes": kept.size_bytes,
    }


def _count(state: State[Kept], cell: Cell, amounts: dict[str, int]) -> None:
    kept = state.kept
    for name, amount in amounts.items():
        setattr(kept, name, getattr(kept, name) + amount)
    state.rows.add("activity", cell, amounts)


def _cell(kept: Kept, model: str | None = None) -> Cell:
    return kept.quarter or 0, kept.source, model or ""


# --- the session -------------------------------------------------------------------------------------------------------------


def _started(tally: Tally, state: State[Kept], stored: StoredEvent) -> None:
    """The first one counts; a later one, that a merge or fork took over, fills what is still empty, and its tags join."""
    event: e.SessionStarted = stored.event
    kept = state.kept
    if not kept.begun:
        kept.begun = True
        kept.started_at = microseconds_of(stored.time)
    for name in ("title", "description", "purpose", "user_id", "kind", "model", "provider", "parent"):
        if getattr(kept, name) is None:
            setattr(kept, name, getattr(event, name))
    kept.tags = list(dict.fromkeys([*kept.tags, *event.tags]))
    _see_model(kept, event.model)
    for name in _PLACES:
        if name in event.metadata:
            kept.places.setdefault(name, event.metadata[name])


def _updated(tally: Tally, state: State[Kept], stored: StoredEvent) -> None:
    event: e.SessionUpdated = stored.event
    kept = state.kept
    for name in ("title", "description", "purpose", "user_id", "kind", "model", "provider", "parent", "pinned"):
        value = getattr(event, name)
        if value is not UNSET:
            setattr(kept, name, value)
    _see_model(kept, kept.model)
    tags = kept.tags if event.tags is UNSET else event.tags or []
    kept.tags = [tag for tag in dict.fromkeys([*tags, *event.add_tags]) if tag not in event.remove_tags]
    if event.metadata is None:
        kept.places = {}
    elif event.metadata is not UNSET:
        for name in _PLACES:
            if name in event.metadata:
                kept.places[name] = event.metadata[name]


def _context(tally: Tally, state: State[Kept], stored: StoredEvent) -> None:
    if stored.event.project is not UNSET:
        state.kept.places["context"] = stored.event.project


def _project(kept: Kept) -> str | None:
    """The project's folder: what the context says, else the metadata, else the working directory, which every tool records."""
    for name in ("context", *_PLACES):
        place = kept.places.get(name)
        if isinstance(place, dict):
            place = next((place[inner] for inner in ("path", "directory", "root", "name") if isinstance(place.get(inner), str)), None)
        if isinstance(place, str):
            return place
    return None


def _ended(tally: Tally, state: State[Kept], stored: StoredEvent) -> None:
    state.kept.status = stored.event.status


def _deleted(tally: Tally, state: State[Kept], stored: StoredEvent) -> None:
    state.kept.deleted = True


def _restored(tally: Tally, state: State[Kept], stored: StoredEvent) -> None:
    state.kept.deleted = False


def _model_changed(tally: Tally, state: State[Kept], stored: StoredEvent) -> None:
    kept = state.kept
    kept.model = stored.event.model
    _see_model(kept, kept.model)
    if stored.event.provider is not None:
        kept.provider = stored.event.provider


def _see_model(kept: Kept, model: str | None) -> None:
    if model is not None and model not in kept.models:
        kept.models.append(model)


# --- messages ----------------------------------------------------------------------------------------------------------------


class Known(msgspec.Struct, array_like=True):
    """A message that has an id: where it was counted, and its calls and results (the id, then seq and part of the row)."""

    role: str
    cell: Cell
    partial: bool = False
    retracted: bool = False
    called: list[tuple[str | None, int, int]] = []
    answered: list[tuple[str | None, int, int]] = []


def _known(state: State[Kept], message_id: str) -> Known | None:
    found = state.memory.find("message " + message_id)
    return None if found is None else msgspec.convert(found, Known)


def _message_added(tally: Tally, state: State[Kept], stored: StoredEvent) -> None:
    event: e.MessageAdded = stored.event
    kept = state.kept
    message_id = event.message_id
    known = None if message_id is None else _known(state, message_id)
    _see_model(kept, event.model)
    if known is None:
        known = _appear(state, event.role, event.model)
    elif known.partial:
        known.partial = False
        if known.role != event.role:
            if not known.retracted:
                _count_message(state, known.cell, known.role, -1)
                _count_message(state, known.cell, event.role, 1)
            known.role = event.role
    if event.role == "user" and not event.exclude_from_context and not known.retracted and len(kept.previews) < _PREVIEWS_KEPT:
        text = _first_text(event.content)
        if text and (message_id is None or all(message_id != other for other, _ in kept.previews)):
            kept.previews.append((message_id, text))
    if not isinstance(event.content, str):
        for index, part in enumerate(event.content):
            if part.type == "tool_call":
                _part_called(state, stored, index, part, message_id, known)
            elif part.type == "tool_call_response":
                _part_answered(state, stored, index, part, known)
    if message_id is not None:
        state.memory.keep("message " + message_id, known)


def _message_delta(tally: Tally, state: State[Kept], stored: StoredEvent) -> None:
    event: e.MessageDelta = stored.event
    if _known(state, event.message_id) is None:
        known = _appear(state, event.role, None)
        known.partial = True
        state.memory.keep("message " + event.message_id, known)


def _appear(state: State[Kept], role: str, model: str | None) -> Known:
    kept = state.kept
    kept.waiting.turn += 1
    cell = _cell(kept, (model or kept.model) if role == "assistant" else None)
    _count_message(state, cell, role, 1)
    return Known(role, cell)


def _count_message(state: State[Kept], cell: Cell, role: str, amount: int) -> None:
    amounts = {"messages": amount}
    if role in ("user", "assistant"):
        amounts[f"{role}_messages"] = amount
    _count(state, cell, amounts)
    state.rows.add("role", (cell[1], role), {"messages": amount})


def _message_amended(tally: Tally, state: State[Kept], stored: StoredEvent) -> None:
    event: e.MessageAmended = stored.event
    known = _known(state, event.message_id)
    if known is None or event.content is UNSET:
        return
    text = _first_text(event.content)
    kept = state.kept
    kept.previews = [(other, text if other == event.message_id else old) for other, old in kept.previews]
    if not isinstance(event.content, str):
        _parts_amended(state, stored, event.content, event.message_id, known)
    state.memory.keep("message " + event.message_id, known)


def _message_retracted(tally: Tally, state: State[Kept], stored: StoredEvent) -> None:
    message_id = stored.event.message_id
    known = _known(state, message_id)
    if known is None or known.retracted:
        return
    known.retracted = True
    _count_message(state, known.cell, known.role, -1)
    state.memory.keep("message " + message_id, known)
    state.kept.previews = [preview for preview in state.kept.previews if preview[0] != message_id]


def _first_text(content: str | list[e.Part]) -> str:
    if isinstance(content, str):
        return content[:PREVIEW_SIZE]
    texts = (part.content for part in content if part.type == "text")
    return next((text[:PREVIEW_SIZE] for text in texts if isinstance(text, str) and text), "")


# --- tools and errors --------------------------------------------------------------------------------------------------------


def _tool_called(tally: Tally, state: State[Kept], stored: StoredEvent) -> None:
    event: e.ToolCalled = stored.event
    record = _record(state, stored, EVENT, event.call_id, event.name, event.message_id, event.arguments)
    if _pairing(state).call(record):
        _count(state, _cell(state.kept), {"tool_calls": 1})


def _tool_returned(tally: Tally, state: State[Kept], stored: StoredEvent) -> None:
    event: e.ToolReturned = stored.event
    record = _record(state, stored, EVENT, event.call_id, event.name, None, event.output, is_error=event.is_error)
    key, new = _pairing(state).answer(record)
    if new:
        _count(state, _cell(state.kept), {"tool_calls": 1})
    if event.duration_ms is not None:
        state.rows.change("tool_call", key, {"duration_ms": event.duration_ms})


def _part_called(state: State[Kept], stored: StoredEvent, index: int, part: e.Part, message_id: str | None, known: Known) -> None:
    record = _record(state, stored, index, part.id or None, part.name or None, message_id, part.arguments)
    if _pairing(state).call(record):
        _count(state, _cell(state.kept), {"tool_calls": 1})
        known.called.append((record.call_id, stored.seq, index))


def _part_answered(state: State[Kept], stored: StoredEvent, index: int, part: e.Part, known: Known) -> None:
    record = _record(state, stored, index, part.id or None, part.name or None, None, part.response, is_error=part.is_error is True)
    key, new = _pairing(state).answer(record)
    if new:
        _count(state, _cell(state.kept), {"tool_calls": 1})
    known.answered.append((record.call_id, *key))


def _parts_amended(state: State[Kept], stored: StoredEvent, content: list[e.Part], message_id: str, known: Known) -> None:
    """Calls and results that the message already had are corrected, others are new, none goes away."""
    called, answered = list(known.called), list(known.answered)
    for index, part in enumerate(content):
        if part.type == "tool_call":
            key = _take(called, part)
            if key is None:
                _part_called(state, stored, index, part, message_id, known)
                continue
            changes: dict[str, Any] = {"arguments_seq": stored.seq, "arguments_part": index}
            if part.name:
                changes["tool"] = part.name
            state.rows.change("tool_call", key, changes)
        elif part.type == "tool_call_response":
            key = _take(answered, part)
            if key is None:
                _part_answered(state, stored, index, part, known)
                continue
            changes = {"output_seq": stored.seq, "output_part": index, "is_error": int(part.is_error is True)}
            state.rows.change("tool_call", key, changes)


def _take(rows: list[tuple[str | None, int, int]], part: e.Part) -> tuple[int, int] | None:
    """The first of the rows that has the part's id, which is then no longer among them."""
    for index, (call_id, seq, number) in enumerate(rows):
        if call_id == (part.id or None):
            del rows[index]
            return seq, number
    return None


def _pairing(state: State[Kept]) -> Pairing:
    return Pairing(state.kept.waiting, state.memory, state.rows)


def _record(
    state: State[Kept],
    stored: StoredEvent,
    part: int,
    call_id: str | UnsetType | None,
    tool: str | UnsetType | None,
    message_id: str | None,
    content: Any,
    *,
    is_error: bool = False,
) -> Record:
    moment = microseconds_of(stored.time)
    has_content = content is not UNSET and content is not None
    return Record(stored.seq, part, moment, state.kept.source, call_id or None, tool or None, message_id, has_content, is_error)


def _error(tally: Tally, state: State[Kept], stored: StoredEvent) -> None:
    _count(state, _cell(state.kept), {"errors": 1})


# --- usage -------------------------------------------------------------------------------------------------------------------


def _usage(tally: Tally, state: State[Kept], stored: StoredEvent) -> None:
    event: e.UsageRecorded = stored.event
    kept = state.kept
    model = event.model or kept.model
    _see_model(kept, event.model)
    tokens = Tokens(*(min(max(getattr(event, name), 0), _MOST_TOKENS) for name in TOKENS))
    amounts = {name: amount for name, amount in zip(TOKENS, tokens, strict=True) if amount}
    currency = "USD"
    if event.cost is not None:
        amounts |= {"costs": 1, "cost_nano": _nano(event.cost.amount)}
        currency = event.cost.currency
        _see_prices(kept, event.cost.price_version)
    else:
        priced = tally.prices.price(model, kept.provider, tokens, stored.time)
        if priced is not None:
            amounts |= {"costs": 1, "cost_nano": priced}
            _see_prices(kept, tally.prices.version)
        elif tokens.billable:
            amounts["unpriced_tokens"] = tokens.billable
    key = None if event.message_id is None else "usage " + event.message_id
    if key is not None:
        before = state.memory.find(key)
        if before is not None:
            *cell, old_currency, old = before
            _count_usage(state, tuple(cell), old_currency, {name: -amount for name, amount in old.items()})
    cell = _cell(kept, model)
    _count_usage(state, cell, currency, amounts)
    if key is not None:
        state.memory.keep(key, (*cell, currency, amounts))


def _count_usage(state: State[Kept], cell: Cell, currency: str, amounts: dict[str, int]) -> None:
    if currency != "USD" and "cost_nano" in amounts:
        state.rows.add("foreign_cost", (cell[1], currency), {"cost_nano": amounts["cost_nano"]})
        amounts = {name: amount for name, amount in amounts.items() if name not in ("costs", "cost_nano")}
    _count(state, cell, amounts)


def _see_prices(kept: Kept, version: str | None) -> None:
    if version not in kept.price_versions:
        kept.price_versions.append(version)


def _nano(amount: float) -> int:
    return round(amount * NANO) if abs(amount) < 1e9 else 0


_HANDLERS: Final[dict[type, Callable[[Tally, State[Kept], StoredEvent], None]]] = {
    e.SessionStarted: _started,
    e.SessionUpdated: _updated,
    e.SessionEnded: _ended,
    e.SessionDeleted: _deleted,
    e.SessionRestored: _restored,
    e.ModelChanged: _model_changed,
    e.ContextUpdated: _context,
    e.MessageAdded: _message_added,
    e.MessageDelta: _message_delta,
    e.MessageAmended: _message_amended,
    e.MessageRetracted: _message_retracted,
    e.ToolCalled: _tool_called,
    e.ToolReturned: _tool_returned,
    e.ErrorLogged: _error,
    e.UsageRecorded: _usage,
}
