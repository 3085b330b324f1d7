"""What a message of Pydantic AI's means here, given as its JSON. Imports no SDK."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from eventlog.errors import InvalidEvent
from eventlog.events import Event, MessageAdded, Part, UsageRecorded
from eventlog.shapes.fields import count, given, mapping, mappings, text
from eventlog.verbatim import keep

_ROLES = {"system-prompt": "system", "user-prompt": "user", "tool-return": "tool", "retry-prompt": "user"}


def meaning(id: str, message: dict[str, Any]) -> list[Event]:
    """A message of theirs, as JSON. What a request holds for several roles is a message for each."""
    if message.get("kind") == "response":
        parts = [_part(each) for each in mappings(message.get("parts"))]
        model = text(message.get("model_name"))
        content: Any = parts[0].content if len(parts) == 1 and parts[0].type == "text" else parts
        said: list[Event] = [
            MessageAdded(
                role="assistant", content=content, message_id=id, model=model, finish_reason=text(message.get("finish_reason")),
                response_id=text(message.get("provider_response_id")),
            )
        ]  # fmt: skip
        usage = _usage(mapping(message.get("usage")), id, model)
        return said if usage is None else [*said, usage]
    events: list[Event] = []
    for each in mappings(message.get("parts")):
        kind = each.get("part_kind")
        role = "tool" if kind == "retry-prompt" and each.get("tool_name") else _ROLES.get(str(kind), "user")
        name = id if not events else f"{id}.{len(events)}"
        events.append(MessageAdded(role=role, content=_asked(each, role), message_id=name))
    return events


def _asked(part: dict[str, Any], role: str) -> str | list[Part]:
    content = part.get("content")
    if role == "tool":
        failed: Any = True if part.get("part_kind") == "retry-prompt" or part.get("outcome") == "failed" else msgspec.UNSET
        return [Part(type="tool_call_response", id=text(part.get("tool_call_id")), response=content, is_error=failed)]
    if isinstance(content, str):
        return content
    return [Part(type="text", content=each) if isinstance(each, str) else _medium(mapping(each)) for each in content or []]


def _medium(item: dict[str, Any]) -> Part:
    mime_type = text(item.get("media_type"))
    modality = next((name for name in ("image", "audio", "video") if (mime_type or str(item.get("kind"))).startswith(name)), "document")
    if isinstance(item.get("url"), str):
        return Part(type="uri", uri=item["url"], mime_type=mime_type, modality=modality)
    if isinstance(item.get("data"), str):
        return Part(type="blob", content=item["data"], mime_type=mime_type, modality=modality)
    return Part(type=text(item.get("kind")) or "unknown", metadata={"block": item})


def _part(part: dict[str, Any]) -> Part:
    kind = str(part.get("part_kind"))
    if kind in ("text", "thinking"):
        proof = {name: part[name] for name in ("signature",) if part.get(name)}
        return Part(type="text" if kind == "text" else "reasoning", content=str(part.get("content") or ""), metadata=given(proof))
    if kind in ("tool-call", "builtin-tool-call"):
        arguments = part.get("args")
        if isinstance(arguments, str):
            try:
                arguments = keep(json.loads(arguments)).value
            except (ValueError, InvalidEvent):
                pass  # it stays the text that the model wrote
        by = {"run_by": "provider"} if kind == "builtin-tool-call" else {}
        return Part(
            type="tool_call", id=text(part.get("tool_call_id")), name=str(part.get("tool_name")), arguments=arguments, metadata=given(by)
        )
    if kind == "builtin-tool-return":
        return Part(type="tool_call_response", id=text(part.get("tool_call_id")), response=part.get("content"))
    return Part(type=kind, metadata={"block": part})


def _usage(stated: dict[str, Any], id: str, model: str | None) -> UsageRecorded | None:
    read, written = count(stated.get("cache_read_tokens")), count(stated.get("cache_write_tokens"))
    asked, answered = count(stated.get("input_tokens")), count(stated.get("output_tokens"))
    if not (asked or answered):
        return None
    return UsageRecorded(
        message_id=id,
        model=model,
        input_tokens=max(0, asked - read - written),
        output_tokens=answered,
        cache_read_tokens=read,
        cache_write_tokens=written,
        reasoning_tokens=count(stated.get("output_reasoning_tokens")),
    )
