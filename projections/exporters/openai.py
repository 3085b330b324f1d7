"""OpenAI chat fine-tuning: one object per line with ``messages``, and ``tools`` where there are any.

Arguments are a JSON string. An assistant message with ``weight`` 0 is context that is not learned: what another sample of the same
export has already, or what was imported so. The lines have no place for provenance; it is in the file beside this one.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from ..view.to_messages import openai_messages
from ..view.training import FORKED, Sample

NEEDS_PROVENANCE = True


def row(sample: Sample, left_out: Counter[str]) -> dict[str, Any] | None:
    messages: list[dict[str, Any]] = []
    for turn, known in zip(sample.turns, sample.known, strict=True):
        made = openai_messages(turn)
        left_out["reasoning parts"] += sum(part["type"] == "reasoning" for part in turn.parts)
        weight = 0 if known else turn.metadata.get("weight")
        if made and turn.role == "assistant" and weight in (0, 1):
            made[0]["weight"] = weight
            left_out[FORKED] += known
        messages += made
    found: dict[str, Any] = {"messages": messages}
    if sample.tools:
        found["tools"] = sample.tools
        parallel = sample.settings.get("parallel_tool_calls")
        if isinstance(parallel, bool):
            found["parallel_tool_calls"] = parallel
    return found
