"""``eventlog show``: one session, for a person as a transcript, for a program as the whole view."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import click
import msgspec

from eventlog.cli.context import Context, command

from .. import PricedView, SessionView, replay
from ..exporters.transcript import notes

_ARGUMENTS_SHOWN = 200
_OUTPUT_LINES_SHOWN = 12
_OUTPUT_SHOWN = 1_500


@command("show")
@click.argument("session")
@click.option("--skip-damaged", is_flag=True, help="Leave out what damage has made unreadable.")
def show(context: Context, session: str, skip_damaged: bool) -> None:
    """Show a session: its header, messages, tools and totals.

    Long tool output is shortened; --json has everything."""
    with context.open_log() as log, log.session(context.find_session(log, session)) as handle:
        view = replay(handle.read(on_damage="skip" if skip_damaged else "raise"), PricedView())
    if context.json:
        context.emit(view)
        return
    _header(context, view)
    for _, entry in sorted(_entries(view), key=lambda found: found[0]):
        context.say()
        for text, style in entry:
            context.say(text, style)
    context.say()
    _totals(context, view)


def _header(context: Context, view: SessionView) -> None:
    context.say(view.title or view.session_id, "bold")
    parent = view.parent
    context.fields(
        [
            ("session", view.session_id),
            ("status", view.status + (", pinned" if view.pinned else "")),
            ("kind", view.kind),
            ("description", view.description),
            ("purpose", view.purpose),
            ("user", view.user_id),
            ("tags", ", ".join(view.tags)),
            ("models", ", ".join(view.models)),
            ("modes", ", ".join(view.modes)),
            ("started", _time(view.started_at)),
            ("updated", _time(view.updated_at)),
            ("parent", f"{parent.get('session_id')} ({parent.get('relation', 'fork')})" if parent else None),
            ("metadata", _json(view.metadata) if view.metadata else None),
            ("context", _json(view.context) if view.context else None),
        ]
    )


Entry = list[tuple[str, str]]  # lines with their styles


def _entries(view: SessionView) -> Iterator[tuple[tuple[int, int], Entry]]:
    """Everything that happened, each with its place: the seq, and a rank where one event said several things."""
    for message in view.messages:
        lines = [line for part in message.parts for line in _part(part)]
        if lines:
            about = "".join(f"  {note}" for note in notes(message))
            yield (message.seq, 0), [(f"{message.seq}  {message.role}  {_time(message.time)}{about}", "bold cyan"), *lines]
    for call in view.tool_calls:
        seq = call.called_seq or call.returned_seq or 0
        heading = f"{seq}  tool  {call.name or call.call_id or 'unknown'}  {_outcome(call)}"
        lines = [(heading, "bold red" if call.is_error else "bold yellow")]
        if call.arguments is not None:
            lines.append((_shortened(_json(call.arguments), _ARGUMENTS_SHOWN, 1), ""))
        shown = call.output if call.display is None else call.display
        if shown is not None:
            lines.append((_shortened(_text(shown), _OUTPUT_SHOWN, _OUTPUT_LINES_SHOWN), "dim"))
        yield (seq, 1), lines
    for compaction in view.compactions:
        tokens = f": {compaction.tokens_before} to {compaction.tokens_after} tokens" if compaction.tokens_before else ""
        yield (compaction.seq, 2), [(f"{compaction.seq}  context compacted{tokens}", "bold magenta"), (compaction.summary or "", "dim")]
    for error in view.errors:
        yield (error.seq, 3), [(f"{error.seq}  error  {error.kind or ''}", "bold red"), (error.message, "red")]


def _part(part: dict[str, Any]) -> Entry:
    """A message's part; tool calls and their results stand on their own."""
    kind = part["type"]
    if kind == "text":
        return [(_text(part["content"]), "")] if part["content"] else []
    if kind == "reasoning":
        return [(_text(part["content"]), "dim italic")] if part["content"] else []
    if kind in ("tool_call", "tool_call_response"):
        return []
    if kind == "blob":
        return [
            (f"[{part.get('mime_type') or part.get('modality') or 'blob'}, {len(part.get('content') or ''):,} characters of base64]", "dim")
        ]
    return [(f"[{kind}: {_shortened(_json({name: value for name, value in part.items() if name != 'type'}), _ARGUMENTS_SHOWN, 1)}]", "dim")]


def _outcome(call: Any) -> str:
    if call.returned_seq is None:
        return "open"
    took = f" in {call.duration_ms / 1000:,.2f} s" if call.duration_ms is not None else ""
    return f"{'failed' if call.is_error else 'returned'}{took}"


def _totals(context: Context, view: SessionView) -> None:
    tools: dict[str, list[Any]] = {}
    for call in view.tool_calls:
        tools.setdefault(call.name or "unknown", []).append(call)
    if tools:
        context.table(
            ["tool", "calls", "failed", "open", "seconds"],
            [
                (
                    name,
                    len(calls),
                    sum(call.is_error for call in calls),
                    sum(call.returned_seq is None for call in calls),
                    f"{sum(call.duration_ms or 0 for call in calls) / 1000:,.2f}",
                )
                for name, calls in sorted(tools.items(), key=lambda found: (-len(found[1]), found[0]))
            ],
            right=["calls", "failed", "open", "seconds"],
        )
        context.say()
    counts, usage = view.counts, view.usage
    messages = f"{counts.messages:,} messages ({counts.user_messages:,} user, {counts.assistant_messages:,} assistant)"
    cached = usage.cache_read_tokens or usage.cache_write_tokens
    context.fields(
        [
            ("totals", f"{counts.events:,} events, {messages}, {counts.tool_calls:,} tool calls, {counts.errors:,} errors"),
            ("tokens", f"{usage.input_tokens:,} in, {usage.output_tokens:,} out, {usage.reasoning_tokens:,} of them reasoning"),
            ("cache", f"{usage.cache_read_tokens:,} read, {usage.cache_write_tokens:,} written" if cached else None),
            ("cost", ", ".join(f"{money.amount:,.4f} {money.currency}" for money in usage.costs)),
        ]
    )


def _time(moment: datetime | None) -> str | None:
    """UTC, to the second: the same on every machine."""
    return None if moment is None else moment.strftime("%Y-%m-%d %H:%M:%SZ")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else _json(value)


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _shortened(text: str, size: int, line_count: int) -> str:
    lines = text.splitlines()
    kept = "\n".join(lines[:line_count])[:size]
    left_out = len("\n".join(lines)) - len(kept)
    return f"{kept} ... ({left_out:,} more characters)" if left_out else kept
