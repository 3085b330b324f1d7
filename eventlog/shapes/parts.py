"""Single parts, in our shape or a provider's: made ours at the door, healed where a store holds them already.

A part is ours by its ``type`` and the field that says it: text and reasoning have ``content``, a call a ``name``, a result a
``response``, a blob ``content``, a file a ``file_id``, a uri a ``uri``. One of a provider's API becomes ours. One of another type stays as
it is, with all its fields: types join, and are kept by versions that do not know them. What is neither is refused: it would be shown
as nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from .. import registry
from ..decoding import decoder
from ..events import Event, MessageAdded, MessageAmended, Part, UnknownEvent
from . import anthropic, gemini, openai_chat, openai_responses
from .fields import is_object, plain

HOLD_PARTS = frozenset({MessageAdded.type, MessageAmended.type})  # the types whose ``content`` is parts
RULE = (
    'a part has a "type" and what that asks for: text and reasoning "content", tool_call "name" and "arguments", tool_call_response'
    ' "response", blob "content" (base64), file "file_id", uri "uri"; or it is a part of OpenAI\'s, Anthropic\'s or Gemini\'s API'
)
_SAYS = {
    "text": "content",
    "reasoning": "content",
    "tool_call": "name",
    "tool_call_response": "response",
    "blob": "content",
    "file": "file_id",
    "uri": "uri",
}
_KNOWN = frozenset(Part.__struct_fields__)
decoder(Part)  # prepared here, by one thread

_of_anthropic = ("text", "thinking", "redacted_thinking", "tool_use", "server_tool_use", "mcp_tool_use", "tool_result", "image", "document")
_of_chat = ("image_url", "video_url", "input_audio", "file", "refusal")
_of_responses = (
    *("input_text", "output_text", "summary_text", "reasoning_text", "input_image", "input_file", "reasoning"),
    *("function_call", "function_call_output", "custom_tool_call", "custom_tool_call_output"),
)
_READERS: dict[str, Callable[[Any], Part]] = {
    **dict.fromkeys(_of_anthropic, anthropic.part),
    **dict.fromkeys(_of_chat, openai_chat.part),
    **dict.fromkeys(_of_responses, openai_responses.part),
}


class NotParts(ValueError):
    """``where``: which of the content's items it is."""

    def __init__(self, where: str, why: str) -> None:
        self.where = where
        super().__init__(why)


def part_of(item: Any) -> Part | None:
    """A part in the shape of a provider's API, as ours; None where it is none that is known."""
    if not isinstance(item, dict):
        return None
    kind = item.get("type")
    if kind is None:
        return gemini.part(item) if any(item.get(name) is not None for name in gemini.KINDS) else None
    if not isinstance(kind, str):
        return None
    reader = _READERS.get(kind)
    if reader is None and kind.endswith("_tool_result"):
        reader = anthropic.part
    made = None if reader is None else reader(item)
    if made is None or (kind in _SAYS and made.type == kind and isinstance(made.metadata, dict) and "block" in made.metadata):
        return None  # nobody's, or named like one of ours without being it
    return made


def at_the_door(content: list[Any]) -> list[Part | dict[str, Any]]:
    """The items of a message's content as they are stored. Raises `NotParts`."""
    return [_at_the_door(item, f"[{index}]") for index, item in enumerate(content)]


def _at_the_door(given: Any, where: str) -> Part | dict[str, Any]:
    if isinstance(given, str):
        return Part(type="text", content=given)
    if isinstance(given, Part):
        _checked(msgspec.to_builtins(given), where)
        return given
    item = plain(given) if is_object(given) else None
    if not isinstance(item, dict):
        raise NotParts(where, f"is no part, but {type(given).__name__}: {RULE}")
    kind = item.get("type")
    if not _is_ours(item):
        made = part_of(item)
        if made is not None:
            return made
        if not isinstance(kind, str) or not kind or kind in _SAYS:
            raise NotParts(where, f"is no part: {RULE}")
    _checked(item, where)
    return item


def _is_ours(item: dict[str, Any]) -> bool:
    kind = item.get("type")
    says = _SAYS.get(kind) if isinstance(kind, str) else None
    if says is None or says not in item:
        return False
    if kind == "tool_call":
        return "arguments" in item or item.keys() <= _KNOWN
    return kind == "tool_call_response" or isinstance(item[says], str)


def _checked(item: dict[str, Any], where: str) -> Part:
    """The item as a reader will have it: with the fields that a part has."""
    try:
        return msgspec.convert({name: value for name, value in item.items() if name in _KNOWN}, type=Part)
    except msgspec.ValidationError as error:
        why, _, path = str(error).partition(" - at `$")
        raise NotParts(where + path.rstrip("`"), why[:1].lower() + why[1:]) from None


def healed(event: UnknownEvent) -> Event | None:
    """A message that was stored with parts of a provider's shape, or of a later version's, as this version reads it.

    None where that is not what keeps it from being read."""
    content = event.data.get("content") if isinstance(event.data, dict) else None
    if event.type not in HOLD_PARTS or not isinstance(content, list):
        return None
    try:
        made = [each if isinstance(each, Part) else _checked(each, "") for each in at_the_door(content)]
        cls = registry.known_types()[event.type]
        decoder(cls)
        return msgspec.convert({**event.data, "content": made}, type=cls)
    except (NotParts, msgspec.ValidationError):
        return None
