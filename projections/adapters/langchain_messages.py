"""LangChain's messages as ours, told by their fields: no package is imported. For the adapters of LangGraph and of LangChain.

Tokens: ``usage_metadata`` counts the cache in its input and reasoning in its output; the first is taken out (`UsageRecorded`).
"""

from __future__ import annotations

from typing import Any

from msgspec import UNSET

from eventlog.events import MessageAdded, Part, UsageRecorded
from eventlog.limits import clean
from eventlog.shapes import telling
from eventlog.shapes.fields import count, given, mapping, mappings, text
from eventlog.shapes.parts import part_of

_ROLES = {
    "human": "user",
    "ai": "assistant",
    "AIMessageChunk": "assistant",
    "HumanMessageChunk": "user",
    "system": "system",
    "tool": "tool",
}


def is_message(value: Any) -> bool:
    """Whether it is one of LangChain's messages, or a mapping in a provider's shape."""
    if isinstance(value, dict):
        return isinstance(value.get("role"), str) and ("content" in value or "tool_calls" in value)
    return isinstance(getattr(value, "type", None), str) and hasattr(value, "content") and hasattr(value, "additional_kwargs")


def id_of(message: Any) -> str | None:
    return text(message.get("id") if isinstance(message, dict) else getattr(message, "id", None))


def events_of(message: Any, message_id: str | None) -> list[MessageAdded | UsageRecorded]:
    """The message, and what it cost. Total: what has no meaning here becomes a part of its own."""
    if isinstance(message, dict):
        said = telling.messages(clean(message))
        return [each.event(message_id=message_id if index == 0 else None) for index, each in enumerate(said)]
    kind = message.type
    role = _ROLES.get(kind) or text(getattr(message, "role", None)) or kind
    parts = _parts(clean(message.content))
    details = mapping(clean(getattr(message, "response_metadata", None)))
    if role == "tool":
        status = getattr(message, "status", None)
        response = parts[0].content if len(parts) == 1 and parts[0].type == "text" else parts
        failed: Any = True if status == "error" else UNSET
        call_id = text(getattr(message, "tool_call_id", None))
        parts = [Part(type="tool_call_response", id=call_id, response=response, is_error=failed, metadata=given(_named(message)))]
    for call in mappings(clean(getattr(message, "tool_calls", None))):
        if not any(part.type == "tool_call" and part.id == call.get("id") for part in parts):
            parts.append(
                Part(type="tool_call", id=text(call.get("id")), name=text(call.get("name")) or "unknown", arguments=call.get("args"))
            )
    model = text(details.get("model_name")) or text(details.get("model"))
    finish = text(details.get("finish_reason")) or text(details.get("stop_reason"))
    content: Any = parts[0].content if len(parts) == 1 and parts[0].type == "text" and isinstance(parts[0].content, str) else parts
    metadata = _named(message) if role != "tool" else {}
    said_by = MessageAdded(role=role, content=content, message_id=message_id, model=model, finish_reason=finish, metadata=metadata)
    usage = _usage(getattr(message, "usage_metadata", None), message_id, model)
    return [said_by] if usage is None else [said_by, usage]


def _named(message: Any) -> dict[str, Any]:
    name = text(getattr(message, "name", None))
    return {"name": clean(name)} if name else {}


def _parts(content: Any) -> list[Part]:
    if isinstance(content, str):
        return [Part(type="text", content=content)] if content else []
    return [_part(item) for item in content] if isinstance(content, list) else []


def _part(item: Any) -> Part:
    if isinstance(item, str):
        return Part(type="text", content=item)
    fields = mapping(item)
    kind = fields.get("type")
    if kind == "tool_call":
        arguments = fields.get("args", fields.get("arguments"))
        return Part(type="tool_call", id=text(fields.get("id")), name=text(fields.get("name")) or "unknown", arguments=arguments)
    if kind == "reasoning" and isinstance(fields.get("reasoning"), str):
        return Part(type="reasoning", content=fields["reasoning"])
    if kind in ("image", "audio", "video", "file") and "mime_type" in fields:
        modality, mime_type = kind, text(fields.get("mime_type"))
        data = text(fields.get("base64")) or text(fields.get("data"))
        if data is not None:
            return Part(type="blob", content=data, mime_type=mime_type, modality=modality)
        if isinstance(fields.get("url"), str):
            return Part(type="uri", uri=fields["url"], mime_type=mime_type, modality=modality)
    found = part_of(fields)
    return found if found is not None else Part(type=text(kind) or "unknown", metadata={"block": item})


def _usage(stated: Any, message_id: str | None, model: str | None) -> UsageRecorded | None:
    fields = mapping(stated)
    if not fields:
        return None
    read = count(mapping(fields.get("input_token_details")).get("cache_read"))
    written = count(mapping(fields.get("input_token_details")).get("cache_creation"))
    return UsageRecorded(
        message_id=message_id,
        model=model,
        input_tokens=max(0, count(fields.get("input_tokens")) - read - written),
        output_tokens=count(fields.get("output_tokens")),
        cache_read_tokens=read,
        cache_write_tokens=written,
        reasoning_tokens=count(mapping(fields.get("output_token_details")).get("reasoning")),
    )
