"""ShareGPT: one object per line with ``conversations``, ``system`` and ``tools``, then the provenance in fields of its own.

The format asks for an odd number of turns before every answer: human and observation on odd places, gpt and function_call on even ones.
What a session has otherwise is made to fit, and counted:

- Turns of the same side that follow each other become one. Parallel calls become one ``function_call`` whose value is a JSON list; their
  results become one ``observation``, a JSON list too. A single call is an object, its result plain text.
- Text that the assistant says beside a call has no place and is left out. So is a call whose result it did not answer before the
  user spoke again.
- Reasoning stands inside the text as ``<think>...</think>``. Images and files leave their name in brackets.
- System messages in the middle of a conversation are left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import msgspec

from ..view.conversation import Call, Turn, as_text
from ..view.training import Sample

NEEDS_PROVENANCE = False
_ASKS = ("human", "observation")


def row(sample: Sample, left_out: Counter[str]) -> dict[str, Any] | None:
    conversations: list[dict[str, str]] = []
    system: str | None = None
    for index, turn in enumerate(sample.turns):
        if turn.role == "system":
            if index == 0:
                system = "\n\n".join(as_text(part) for part in turn.parts)
            else:
                left_out["system messages in the middle"] += 1
        elif turn.role == "user":
            _ask(conversations, "human", _text(turn, left_out), left_out)
        else:
            _answer(conversations, turn, left_out)
    found: dict[str, Any] = {"conversations": conversations}
    if system is not None:
        found["system"] = system
    if sample.tools:
        found["tools"] = _json([tool.get("function", tool) for tool in sample.tools])
    return found


def _answer(conversations: list[dict[str, str]], turn: Turn, left_out: Counter[str]) -> None:
    text = _text(turn, left_out)
    if not turn.calls:
        if conversations[-1]["from"] == "gpt":
            conversations[-1]["value"] += f"\n\n{text}"
        else:
            conversations.append({"from": "gpt", "value": text})
        return
    left_out["text beside a tool call"] += bool(text)
    if conversations[-1]["from"] == "gpt":  # it went on without being asked: what it did counts, not what it announced
        conversations.pop()
        left_out["text beside a tool call"] += 1
    calls: list[Any] = [{"name": call.name, "arguments": call.arguments} for call in turn.calls]
    results = [_result(call, left_out) for call in turn.calls]
    conversations.append({"from": "function_call", "value": _json(calls[0] if len(calls) == 1 else calls)})
    conversations.append({"from": "observation", "value": results[0] if len(results) == 1 else _json(results)})


def _ask(conversations: list[dict[str, str]], side: str, text: str, left_out: Counter[str]) -> None:
    while conversations and conversations[-1]["from"] == "observation":
        del conversations[-2:]
        left_out["tool calls that were not answered"] += 1
    if conversations and conversations[-1]["from"] == side:
        conversations[-1]["value"] += f"\n\n{text}"
    else:
        conversations.append({"from": side, "value": text})


def _text(turn: Turn, left_out: Counter[str]) -> str:
    left_out["images and files"] += sum(part["type"] not in ("text", "reasoning") for part in turn.parts)
    return "\n\n".join(_thought(as_text(part)) if part["type"] == "reasoning" else as_text(part) for part in turn.parts if as_text(part))


def _thought(text: str) -> str:
    return f"<think>\n{text}\n</think>"


def _result(call: Call, left_out: Counter[str]) -> str:
    parts: Iterable[dict[str, Any]] = call.result or []
    return "\n\n".join(as_text(part) for part in parts)


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
