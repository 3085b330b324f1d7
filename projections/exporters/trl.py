"""Hugging Face TRL, language modelling: one object per line with ``messages`` and ``tools``, then the provenance in columns of its own.

Arguments are an object, a result names its tool, and content is always text, as chat templates ask for. ``n_context`` counts the turns
at the beginning that another sample of the same export has already: there is no weight per message here.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from ..view.conversation import Turn, as_text
from ..view.training import Sample

NEEDS_PROVENANCE = False


def row(sample: Sample, left_out: Counter[str]) -> dict[str, Any] | None:
    messages = [message for turn in sample.turns for message in messages_of(turn, left_out)]
    return {"messages": messages, "tools": sample.tools or None}


def messages_of(turn: Turn, left_out: Counter[str]) -> list[dict[str, Any]]:
    """A turn as one message, and one for each result."""
    for part in turn.parts:
        if part["type"] != "text":
            left_out["reasoning parts" if part["type"] == "reasoning" else "images and files"] += 1
    text = "\n\n".join(as_text(part) for part in turn.parts if part["type"] != "reasoning")
    message: dict[str, Any] = {"role": turn.role, "content": text}
    if turn.calls:
        message["tool_calls"] = [{"type": "function", "function": {"name": call.name, "arguments": call.arguments}} for call in turn.calls]
    results = [
        {"role": "tool", "name": call.name, "content": "\n\n".join(as_text(part) for part in call.result or [])} for call in turn.calls
    ]
    return [message, *results]
