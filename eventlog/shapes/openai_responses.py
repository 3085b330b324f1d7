"""OpenAI's Responses API: items, requests, answers, streams.

- What the assistant's side says in a row (reasoning, texts, calls) is one message, as it is one answer. A result is a message of its own.
- ``reasoning`` is a reasoning part: its text, else its summary; id and ``encrypted_content`` are metadata, so that it can be sent back.
- ``mcp_call`` is a call and its result, run by the provider. Items of other kinds are parts of their own, whole in ``metadata.block``.
- ``input_tokens`` include what the cache gave: taken out. ``output_tokens`` include reasoning.
"""

from __future__ import annotations

from typing import Any

from msgspec import UNSET

from ..events import ErrorLogged, Part, UsageRecorded
from . import openai_chat
from .exchange import Answer, Ask, Piece, Said, error_of
from .fields import count, given, items, joined, mapping, mappings, plain, rest, text

SHAPE = "openai-responses"
PROVIDER = "openai"
_CALLS = ("function_call", "custom_tool_call")
_RESULTS = ("function_call_output", "custom_tool_call_output")

# --- parts and items -----------------------------------------------------------------------------------------------------------------


def part(item: Any) -> Part:
    """A content part, or an item that is one. Total, like `openai_chat.part`, which does what the two share."""
    fields = mapping(item)
    kind = fields.get("type")
    if kind in ("summary_text", "reasoning_text") and isinstance(fields.get("text"), str):
        return Part(type="reasoning", content=fields["text"], metadata=given(rest(fields, ("type", "text"))))
    if kind == "input_image":
        more = rest(fields, ("type", "image_url", "file_id"))
        if isinstance(fields.get("image_url"), str):
            return openai_chat.linked(fields["image_url"], "image", more)
        if isinstance(fields.get("file_id"), str):
            return Part(type="file", file_id=fields["file_id"], modality="image", metadata=given(more))
    if kind == "input_file":
        return openai_chat.attached(fields, {})
    if kind in _CALLS:
        name = text(fields.get("name")) or "unknown"
        stated = fields.get("input") if kind == "custom_tool_call" else openai_chat.arguments(fields.get("arguments"))
        more = rest(fields, ("type", "call_id", "name", "arguments", "input", "status"))
        return Part(type="tool_call", id=_call_id(fields), name=name, arguments=stated, metadata=given(more))
    if kind in _RESULTS:
        stated = fields.get("output")
        response = [part(each) for each in stated] if isinstance(stated, list) else stated
        more = rest(fields, ("type", "call_id", "output", "status", "id"))
        return Part(type="tool_call_response", id=_call_id(fields), response=response, metadata=given(more))
    if kind == "reasoning" and not isinstance(fields.get("content"), str):
        return _reasoning(fields)
    return openai_chat.part(item)


def parts(content: Any) -> list[Part]:
    if isinstance(content, str):
        return [Part(type="text", content=content)]
    return [part(each) for each in items(content)]


def said(given_items: Any) -> list[Said]:
    """The messages of an ``input``, or of an ``output``."""
    if isinstance(given_items, str):
        return [Said(role="user", parts=[Part(type="text", content=given_items)])]
    found: list[Said] = []
    for item in mappings(given_items):
        kind = item.get("type") or ("message" if "role" in item else None)
        if kind == "message":
            role = text(item.get("role")) or "user"
            metadata = rest(item, ("type", "role", "content", "id", "status"))
            if role == "developer":
                role, metadata = "system", metadata | {"role": "developer"}
            message = Said(role=role, parts=parts(item.get("content")), id=text(item.get("id")), metadata=metadata)
        elif kind in _RESULTS:
            found.append(Said(role="tool", parts=[part(item)]))
            continue
        else:
            message = Said(role="assistant", parts=_item(item), id=None)
        if message.role == "assistant" and found and found[-1].role == "assistant":
            last = found.pop()
            message = Said(
                role="assistant", parts=last.parts + message.parts, id=last.id or message.id, metadata=last.metadata | message.metadata
            )
        found.append(message)
    return found


def _item(item: dict[str, Any]) -> list[Part]:
    """An item of the assistant's side that is no message."""
    if item.get("type") != "mcp_call":
        return [part(item)]
    id = text(item.get("id"))
    more = rest(item, ("type", "id", "name", "arguments", "output", "error", "status"))
    called = Part(
        type="tool_call",
        id=id,
        name=text(item.get("name")) or "unknown",
        arguments=openai_chat.arguments(item.get("arguments")),
        metadata={"run_by": "provider", **more},
    )
    if item.get("output") is None and item.get("error") is None:
        return [called]
    failed = item.get("error") is not None
    returned = item.get("error") if failed else item.get("output")
    return [called, Part(type="tool_call_response", id=id, response=returned, is_error=True if failed else UNSET)]


def _call_id(fields: dict[str, Any]) -> str | None:
    return text(fields.get("call_id")) or text(fields.get("id"))


def _reasoning(fields: dict[str, Any]) -> Part:
    content = [each.get("text") for each in mappings(fields.get("content"))]
    summary = [each.get("text") for each in mappings(fields.get("summary"))]
    shown = "\n\n".join(each for each in (content or summary) if isinstance(each, str))
    more = rest(fields, ("type", "summary", "content", "status"))
    if content and summary:
        more["summary"] = summary
    return Part(type="reasoning", content=shown, metadata=given(more))


# --- requests and answers --------------------------------------------------------------------------------------------------------------

_ASKED = ("model", "input", "instructions", "stream", "previous_response_id", "conversation")


def ask(body: Any, model: str | None = None) -> Ask:
    """A request's body. Its instructions, then the system messages that its input leads with, are the instructions."""
    fields = mapping(plain(body))
    instructions = fields.get("instructions")
    leading = (
        [Said(role="system", parts=[Part(type="text", content=instructions)])] if isinstance(instructions, str) else said(instructions)
    )
    messages = said(fields.get("input"))
    while messages and messages[0].role == "system":
        leading.append(messages.pop(0))
    conversation = fields.get("conversation")
    return Ask(
        shape=SHAPE,
        provider=PROVIDER,
        model=text(fields.get("model")) or model,
        instructions=leading,
        messages=messages,
        settings=rest(fields, _ASKED),
        previous_response_id=text(fields.get("previous_response_id")),
        conversation_id=text(conversation.get("id") if isinstance(conversation, dict) else conversation),
        is_streamed=fields.get("stream") is True,
    )


_KEPT = ("service_tier", "conversation", "background")


def answer(body: Any) -> Answer:
    """A response's body. Its ``status`` is why it ended: completed, or what made it incomplete."""
    fields = mapping(plain(body))
    status = text(fields.get("status"))
    reason = text(mapping(fields.get("incomplete_details")).get("reason")) or (status if status in ("completed", "incomplete") else None)
    made = [part for each in said(fields.get("output")) for part in each.parts]
    choices = [Said(role="assistant", parts=made, finish_reason=reason)] if made or status in ("completed", "incomplete") else []
    error = error_of(fields.get("error"))
    if error is None and status == "failed":
        error = ErrorLogged(message="the response failed", kind="provider", details=fields.get("incomplete_details"))
    return Answer(
        shape=SHAPE,
        provider=PROVIDER,
        response_id=text(fields.get("id")),
        model=text(fields.get("model")),
        choices=choices,
        usage=usage(fields.get("usage")),
        error=error,
        metadata={name: fields[name] for name in _KEPT if fields.get(name) is not None},
    )


def usage(stated: Any) -> UsageRecorded | None:
    """``usage`` of a response. None where it states none."""
    fields = mapping(stated)
    if fields.get("input_tokens") is None and fields.get("output_tokens") is None:
        return None
    details = mapping(fields.get("input_tokens_details"))
    read, written = count(details.get("cached_tokens")), count(details.get("cache_write_tokens"))
    return UsageRecorded(
        input_tokens=max(0, count(fields.get("input_tokens")) - read - written),
        output_tokens=count(fields.get("output_tokens")),
        cache_read_tokens=read,
        cache_write_tokens=written,
        reasoning_tokens=count(mapping(fields.get("output_tokens_details")).get("reasoning_tokens")),
    )


# --- streams -----------------------------------------------------------------------------------------------------------------------------

_PIECES = {
    "response.output_text.delta": "text",
    "response.refusal.delta": "text",
    "response.reasoning_text.delta": "reasoning",
    "response.reasoning_summary_text.delta": "reasoning",
}
_GROWS = {"response.function_call_arguments.delta": "arguments", "response.custom_tool_call_input.delta": "input"}
_GROWS |= {"response.mcp_call_arguments.delta": "arguments", "response.code_interpreter_call_code.delta": "code"}
_ENDS = ("response.completed", "response.incomplete", "response.failed")


class Stream:
    """Server-sent events, decoded -> the response. The last one holds it whole; what came before serves where that does not come."""

    def __init__(self) -> None:
        self.is_whole = False
        self._response: dict[str, Any] = {"object": "response", "status": "in_progress"}
        self._items: dict[int, dict[str, Any]] = {}
        self._parts: dict[tuple[int, str, int], dict[str, Any]] = {}  # by item, list and place: what is still growing
        self._pieces: dict[tuple[int, str, int], list[str]] = {}
        self._error: Any = None

    def feed(self, chunk: Any) -> list[Piece]:
        event = mapping(plain(chunk))
        kind = text(event.get("type")) or ""
        index = count(event.get("output_index"))
        if kind.startswith("response.") and isinstance(event.get("response"), dict):
            self._response = event["response"]
            self.is_whole = self.is_whole or kind in _ENDS
        elif kind in ("response.output_item.added", "response.output_item.done"):
            self._items[index] = dict(mapping(event.get("item")))
            if kind.endswith("done"):
                self._forget(index)
        elif kind in _PIECES:
            return self._grow(kind, index, event)
        elif kind in _GROWS and isinstance(event.get("delta"), str):
            self._pieces.setdefault((index, _GROWS[kind], -1), []).append(event["delta"])
        elif kind == "error":
            self._error = event.get("error") or rest(event, ("type", "sequence_number"))
        return []

    def _grow(self, kind: str, index: int, event: dict[str, Any]) -> list[Piece]:
        piece = text(event.get("delta"))
        if not piece:
            return []
        is_summary = "summary" in kind
        place = (index, "summary" if is_summary else "content", count(event.get("summary_index" if is_summary else "content_index")))
        if place not in self._parts:
            name = {"response.output_text.delta": "output_text", "response.refusal.delta": "refusal"}.get(
                kind, "summary_text" if is_summary else "reasoning_text"
            )
            self._parts[place] = {"type": name}
            self._items.setdefault(
                index, {"type": "reasoning"} if _PIECES[kind] == "reasoning" else {"type": "message", "role": "assistant"}
            )
        self._pieces.setdefault(place, []).append(piece)
        return [Piece(_PIECES[kind], piece)]

    def _forget(self, index: int) -> None:
        for known in (self._parts, self._pieces):
            for place in [place for place in known if place[0] == index]:
                del known[place]

    def finish(self) -> dict[str, Any]:
        if self.is_whole and self._response.get("output"):
            return self._response
        made = self._response | {"output": [self._item(index) for index in sorted(self._items)]}
        return made if self._error is None else made | {"error": self._error}

    def _item(self, index: int) -> dict[str, Any]:
        item = dict(self._items[index])
        for place in sorted(place for place in self._pieces if place[0] == index):
            _, field, number = place
            grown = joined(self._pieces[place])
            if number < 0:
                item[field] = (text(item.get(field)) or "") + grown
            else:
                made = self._parts[place]
                item[field] = [*items(item.get(field)), made | {"refusal" if made["type"] == "refusal" else "text": grown}]
        return item
