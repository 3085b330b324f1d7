"""A session as the turns of a conversation, in the order in which a model has to see them: who said what, which tools were called.

What both the model's view (`to_messages`) and training samples (`training`) stand on:

- A tool call stands in the turn of the message that made it; one that no message claims, in the assistant's turn before it, or in one
  of its own. Calls made before the first of them came back are parallel: one turn.
- A result stands with its call, wherever it was recorded. So a message that is nothing but results is no turn of its own.
- A message that the model does not see (excluded, or an alternative to another one) is not there, and neither are its calls. A
  retracted one is not in the view at all; its calls are, and are left out here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    from .messages import Message
    from .session import Compaction, SessionView
    from .tool_calls import ToolCall

Part = dict[str, Any]

ROLES: Final = {"developer": "system", "ai": "assistant", "model": "assistant", "system": "system", "assistant": "assistant"}
EXCLUDED: Final = "messages excluded from the context"
RETRACTED: Final = "retracted messages"
UNFINISHED: Final = "unfinished messages"
ALTERNATIVE: Final = "alternatives to other messages"
ORPHANED: Final = "tool results without a call"


class Call(msgspec.Struct, gc=False):
    """A tool call with its result. ``id`` is unique in the session; ``result`` is None while there is none."""

    id: str
    name: str
    arguments: dict[str, Any]
    result: list[Part] | None
    is_error: bool


class Turn(msgspec.Struct):
    """What one side says at once. ``role``: system, user or assistant. ``parts`` are everything but tool calls and results."""

    seq: int
    role: str
    parts: list[Part]
    calls: list[Call] = []
    metadata: dict[str, Any] = {}
    back_seq: int | None = None  # of the first result that came back to it


def turns_of(view: SessionView, left_out: Counter[str] | None = None, *, partial: bool = True) -> list[Turn]:
    """The turns of the whole session, compactions disregarded. ``left_out`` counts what has no place in it; ``partial`` says whether
    a message of which only pieces were streamed is a turn."""
    counted: Counter[str] = Counter() if left_out is None else left_out
    counted[RETRACTED] += len(view.retracted)
    counted[ORPHANED] += len(view.orphan_results)
    hidden = {message.message_id for message in view.retracted}
    hidden_seqs: set[int] = set()
    by_id: dict[str, Turn] = {}
    by_seq: dict[int, Turn] = {}
    turns: list[Turn] = []
    for message in view.messages:
        reason = _why_not(message, partial=partial)
        if reason is not None:
            counted[reason] += 1
            hidden_seqs.add(message.seq)
            if message.message_id is not None:
                hidden.add(message.message_id)
            continue
        turn = _turn(message)
        turns.append(turn)
        by_seq[turn.seq] = turn
        if message.message_id is not None:
            by_id[message.message_id] = turn
    loose: list[tuple[ToolCall, Call]] = []
    for call, found in zip(view.tool_calls, _calls(view.tool_calls), strict=True):
        if (call.message_id is not None and call.message_id in hidden) or call.called_seq in hidden_seqs:
            continue
        turn_of_call = by_id.get(call.message_id or "") or by_seq.get(call.called_seq or 0)
        if turn_of_call is not None and turn_of_call.role == "assistant":
            _attach(turn_of_call, call, found)
        else:
            loose.append((call, found))
    return [turn for turn in _with_loose(turns, loose) if turn.parts or turn.calls]


def _why_not(message: Message, *, partial: bool) -> str | None:
    if message.alternative_to is not None:
        return ALTERNATIVE
    if message.exclude_from_context:
        return EXCLUDED
    return UNFINISHED if message.partial and not partial else None


def _turn(message: Message) -> Turn:
    role = ROLES.get(message.role, "user")
    parts = [part for part in message.parts if part["type"] not in ("tool_call", "tool_call_response") and not _is_empty(part)]
    return Turn(message.seq, role, parts, [], message.metadata)


def _is_empty(part: Part) -> bool:
    return part["type"] == "text" and not part["content"]


def _attach(turn: Turn, call: ToolCall, found: Call) -> None:
    turn.calls.append(found)
    if call.returned_seq is not None:
        turn.back_seq = min(turn.back_seq or call.returned_seq, call.returned_seq)


def _with_loose(turns: list[Turn], loose: list[tuple[ToolCall, Call]]) -> Iterator[Turn]:
    """The turns with the calls that no message claims."""
    waiting = iter(turns)
    next_turn = next(waiting, None)
    last: Turn | None = None
    for call, found in loose:
        seq = call.called_seq or 0
        while next_turn is not None and next_turn.seq < seq:
            if last is not None:
                yield last
            last, next_turn = next_turn, next(waiting, None)
        if last is None or last.role != "assistant" or (last.back_seq is not None and last.back_seq < seq):
            if last is not None:
                yield last
            last = Turn(seq, "assistant", [])
        _attach(last, call, found)
    if last is not None:
        yield last
    if next_turn is not None:
        yield next_turn
    yield from waiting


def _calls(calls: Iterable[ToolCall]) -> Iterator[Call]:
    """The calls with ids that are there and occur once."""
    used: set[str] = set()
    for index, call in enumerate(calls, 1):
        id = wanted = call.call_id or f"call_{call.called_seq or index}"
        number = 1
        while id in used:
            number += 1
            id = f"{wanted}_{number}"
        used.add(id)
        result = None if call.returned_seq is None else content_parts(call.output)
        yield Call(id, call.name or "unknown", arguments_of(call.arguments), result, call.is_error)


def arguments_of(arguments: Any) -> dict[str, Any]:
    """The arguments as the object that every API asks for."""
    if isinstance(arguments, str):
        try:
            arguments = msgspec.json.decode(arguments)
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
            pass  # a tool that takes text
    if isinstance(arguments, dict):
        return arguments
    return {} if arguments is None or arguments == "" else {"input": arguments}


def content_parts(value: Any) -> list[Part]:
    """What a tool returned as parts: text as it is, parts and the providers' text blocks as parts, anything else as JSON text."""
    if value is None or value == "":
        return []
    if isinstance(value, str):
        return [{"type": "text", "content": value}]
    if isinstance(value, list) and value and all(isinstance(item, dict) and isinstance(item.get("type"), str) for item in value):
        return [_as_part(item) for item in value]
    return [{"type": "text", "content": msgspec.json.encode(value).decode()}]


def _as_part(item: Part) -> Part:
    if item["type"] == "text" and isinstance(item.get("content", item.get("text")), str):
        return {"type": "text", "content": item.get("content", item.get("text"))}
    if item["type"] in ("blob", "uri", "file"):
        return item
    return {"type": "text", "content": msgspec.json.encode(item).decode()}


def text_of(parts: Iterable[Part], types: tuple[str, ...] = ("text",)) -> str:
    """The text of the parts of these types, a paragraph each."""
    return "\n\n".join(as_text(part) for part in parts if part["type"] in types and part.get("content"))


def as_text(part: Part) -> str:
    """A part as text; of what is none, its name in brackets."""
    content = part.get("content")
    if part["type"] in ("text", "reasoning"):
        return content if isinstance(content, str) else msgspec.json.encode(content).decode()
    return f"[{part.get('modality') or part.get('mime_type') or part['type']}]"


def first_seq_after(compaction: Compaction) -> int:
    """The seq with which the model's view begins after a compaction, behind its summary."""
    return compaction.seq + 1 if compaction.first_kept_seq is None else compaction.first_kept_seq


def summary_turn(compaction: Compaction) -> Turn | None:
    """The summary as the user's turn that the model's view begins with."""
    if not compaction.summary:
        return None
    text = f"Summary of the conversation so far:\n\n{compaction.summary}"
    return Turn(compaction.seq, "user", [{"type": "text", "content": text}])
