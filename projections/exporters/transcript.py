"""A session as a reader follows it: its messages, calls, compactions and errors in one order, for pages and documents."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec

from ..view.messages import Message
from ..view.session import Compaction, LoggedError, SessionView
from ..view.tool_calls import ToolCall

Entry = Message | ToolCall | Compaction | LoggedError
_RANKS = {Message: 0, ToolCall: 1, Compaction: 2, LoggedError: 3}


def entries(view: SessionView) -> Iterator[tuple[int, Entry]]:
    """Everything that happened with its seq, in order: what a message did after what it said."""
    everything: list[tuple[int, int, Entry]] = [(message.seq, _RANKS[Message], message) for message in view.messages]
    everything += [(call.called_seq or call.returned_seq or 0, _RANKS[ToolCall], call) for call in view.tool_calls]
    everything += [(compaction.seq, _RANKS[Compaction], compaction) for compaction in view.compactions]
    everything += [(error.seq, _RANKS[LoggedError], error) for error in view.errors]
    for seq, _, entry in sorted(everything, key=lambda found: found[:2]):
        yield seq, entry


def header(view: SessionView) -> list[tuple[str, str]]:
    """What is known of the session, as names and values; what is empty is left out."""
    parent = view.parent
    counts, usage = view.counts, view.usage
    fields = [
        ("session", view.session_id),
        ("status", view.status),
        ("kind", view.kind),
        ("description", view.description),
        ("purpose", view.purpose),
        ("user", view.user_id),
        ("tags", ", ".join(view.tags)),
        ("models", ", ".join(view.models)),
        ("started", moment(view.started_at)),
        ("updated", moment(view.updated_at)),
        ("parent", f"{parent['session_id']} ({parent['relation']}, event {parent['seq']})" if parent else None),
        ("messages", f"{counts.messages:,} ({counts.user_messages:,} user, {counts.assistant_messages:,} assistant)"),
        ("tool calls", f"{counts.tool_calls:,}" if counts.tool_calls else None),
        ("tokens", f"{usage.input_tokens:,} in, {usage.output_tokens:,} out" if usage.input_tokens or usage.output_tokens else None),
        ("cost", ", ".join(f"{money.amount:,.4f} {money.currency}" for money in usage.costs)),
        ("metadata", as_json(view.metadata) if view.metadata else None),
        ("context", as_json(view.context) if view.context else None),
    ]
    return [(name, value) for name, value in fields if value]


def outcome(call: ToolCall) -> str:
    """How a tool call went, in a word and its time."""
    if call.returned_seq is None:
        return "no result"
    took = f" in {call.duration_ms / 1000:,.2f} s" if call.duration_ms is not None else ""
    return f"{'failed' if call.is_error else 'returned'}{took}"


def notes(message: Message) -> list[str]:
    """What a reader must know of a message beside its text."""
    found = [
        message.model,
        "not finished" if message.partial else None,
        f"interrupted: {message.interrupted}" if message.interrupted else None,
        "an alternative" if message.alternative_to is not None else None,
        "not in context" if message.exclude_from_context else None,
    ]
    return [note for note in found if note]


def moment(time: datetime | None) -> str | None:
    """UTC, to the second: the same on every machine."""
    return None if time is None else time.strftime("%Y-%m-%d %H:%M:%SZ")


def as_json(value: Any, *, pretty: bool = False) -> str:
    text = msgspec.json.encode(value)
    return (msgspec.json.format(text, indent=2) if pretty else text).decode()
