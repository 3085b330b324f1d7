"""How messages, tool calls and errors count, in the words of `SessionView`: the same session gives the same numbers.

A message counts once, where it first appeared, until it is retracted. Tool calls are paired by `pairing`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from eventlog import StoredEvent
from eventlog import events as e
from eventlog.decoding import decoder

from ..projection import State
from .moments import microseconds_of
from .pairing import EVENT, Pairing, Record
from .summary import Cell, Summary, cell_of, count, see_model

PREVIEW_SIZE: Final = 300
_PREVIEWS_KEPT = 3


class Known(msgspec.Struct, array_like=True):
    """A message that has an id: where it was counted, and its calls and results (the id, then seq and part of the row)."""

    role: str
    cell: Cell
    partial: bool = False
    retracted: bool = False
    called: list[tuple[str | None, int, int]] = []
    answered: list[tuple[str | None, int, int]] = []


decoder(Known)  # which makes converting to it safe in every thread


def _known(state: State[Summary], message_id: str) -> Known | None:
    found = state.memory.find("message " + message_id)
    return None if found is None else msgspec.convert(found, Known)


def _message_added(state: State[Summary], stored: StoredEvent) -> None:
    event: e.MessageAdded = stored.event
    kept = state.kept
    message_id = event.message_id
    known = None if message_id is None else _known(state, message_id)
    see_model(kept, event.model)
    if known is None:
        known = _appear(state, event.role, event.model)
    elif known.partial:  # it is counted where it is added, as if there had been no deltas
        known.partial = False
        if known.retracted:
            kept.waiting.turn += 1
        else:
            _count_message(state, known.cell, known.role, -1)
            known.cell = _appear(state, event.role, event.model).cell
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


def _message_delta(state: State[Summary], stored: StoredEvent) -> None:
    event: e.MessageDelta = stored.event
    if _known(state, event.message_id) is None:
        known = _appear(state, event.role, None)
        known.partial = True
        state.kept.waiting.turn -= 1  # the next turn begins when it is whole
        state.memory.keep("message " + event.message_id, known)


def _appear(state: State[Summary], role: str, model: str | None) -> Known:
    kept = state.kept
    kept.waiting.turn += 1
    cell = cell_of(kept, (model or kept.model) if role == "assistant" else None)
    _count_message(state, cell, role, 1)
    return Known(role, cell)


def _count_message(state: State[Summary], cell: Cell, role: str, amount: int) -> None:
    amounts = {"messages": amount}
    if role in ("user", "assistant"):
        amounts[f"{role}_messages"] = amount
    count(state, cell, amounts)
    state.rows.add("role", (*cell[:2], role), {"messages": amount})


def _message_amended(state: State[Summary], stored: StoredEvent) -> None:
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


def _message_retracted(state: State[Summary], stored: StoredEvent) -> None:
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


def _tool_called(state: State[Summary], stored: StoredEvent) -> None:
    event: e.ToolCalled = stored.event
    record = _record(state, stored, EVENT, event.call_id, event.name, event.message_id, event.arguments)
    if _pairing(state).call(record):
        count(state, cell_of(state.kept), {"tool_calls": 1})


def _tool_returned(state: State[Summary], stored: StoredEvent) -> None:
    event: e.ToolReturned = stored.event
    record = _record(state, stored, EVENT, event.call_id, event.name, None, event.output, is_error=event.is_error)
    key = _pairing(state).answer(record)
    if event.duration_ms is not None:
        state.rows.change("tool_call", key, {"duration_ms": event.duration_ms})


def _part_called(state: State[Summary], stored: StoredEvent, index: int, part: e.Part, message_id: str | None, known: Known) -> None:
    record = _record(state, stored, index, part.id or None, part.name or None, message_id, part.arguments)
    if _pairing(state).call(record):
        count(state, cell_of(state.kept), {"tool_calls": 1})
        known.called.append((record.call_id, stored.seq, index))


def _part_answered(state: State[Summary], stored: StoredEvent, index: int, part: e.Part, known: Known) -> None:
    record = _record(state, stored, index, part.id or None, part.name or None, None, part.response, is_error=part.is_error is True)
    key = _pairing(state).answer(record)
    known.answered.append((record.call_id, *key))


def _parts_amended(state: State[Summary], stored: StoredEvent, content: list[e.Part], message_id: str, known: Known) -> None:
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


def _pairing(state: State[Summary]) -> Pairing:
    return Pairing(state.kept.waiting, state.memory, state.rows)


def _record(
    state: State[Summary],
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


def _error(state: State[Summary], stored: StoredEvent) -> None:
    count(state, cell_of(state.kept), {"errors": 1})


HANDLERS: Final[dict[type, Callable[[State[Summary], StoredEvent], None]]] = {
    e.MessageAdded: _message_added,
    e.MessageDelta: _message_delta,
    e.MessageAmended: _message_amended,
    e.MessageRetracted: _message_retracted,
    e.ToolCalled: _tool_called,
    e.ToolReturned: _tool_returned,
    e.ErrorLogged: _error,
}
