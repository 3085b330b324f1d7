"""A Claude Code tool result -> `ToolReturned`: the block says what the model saw, ``toolUseResult`` what else is known."""

from __future__ import annotations

from typing import Any

from eventlog.events import Artifact, ToolReturned
from eventlog.shapes import anthropic

from ..intake import Place
from ..values import mapping_of, text_of
from .places import subagent

_DURATIONS_MS = ("totalDurationMs", "durationMs")


def tool_returned(block: dict[str, Any], record: dict[str, Any], place: Place) -> ToolReturned:
    """``record`` is empty where it holds several results, because ``toolUseResult`` does not say whose it is."""
    details = mapping_of(record.get("toolUseResult"))
    return ToolReturned(
        call_id=text_of(block.get("tool_use_id")),
        output=anthropic.output(block.get("content")),
        is_error=block.get("is_error") is True,
        duration_ms=_duration_ms(details),
        artifacts=_artifacts(details, place),
    )


def _duration_ms(details: dict[str, Any]) -> float | None:
    for name in _DURATIONS_MS:
        value = details.get(name)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 1e15:
            return float(value)
    return None


def _artifacts(details: dict[str, Any], place: Place) -> list[Artifact]:
    """The files that the tool read or wrote, output that was put into a file, and the session of a subagent."""
    paths = [details.get("filePath"), mapping_of(details.get("file")).get("filePath"), details.get("persistedOutputPath")]
    found = [Artifact(path=path) for path in paths if isinstance(path, str) and path]
    agent_id = text_of(details.get("agentId"))
    if agent_id:
        found.append(Artifact(uri=f"session:{subagent(place.source_names[0], agent_id).session_id}", title="subagent"))
    return found
