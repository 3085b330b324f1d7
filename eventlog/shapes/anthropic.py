"""Anthropic's Messages API: blocks, messages, requests, answers, streams.

- ``thinking`` and ``redacted_thinking`` are reasoning; what proves them (``signature``, ``data``) is metadata, so that it can be sent back.
- A call that the provider ran itself (``server_tool_use``, ``*_tool_result``) is a call like any other, marked ``run_by``.
- A ``tool_result`` in a user's message is a message of its own, with the role tool; the rest of the message stays the user's.
- ``input_tokens`` are without the cache on the wire already.
- Where a block has fields that are not named here, its metadata has them. ``cache_control`` is none of the content and goes.
"""

from __future__ import annotations

from typing import Any

from msgspec import UNSET

from ..events import Part, UsageRecorded
from .exchange import Answer, Ask, Piece, Said, error_of
from .fields import count, given, items, joined, mapping, mappings, plain, rest, text, value_of

SHAPE = "anthropic"
PROVIDER = "anthropic"
_CALLS = ("tool_use", "server_tool_use", "mcp_tool_use")
_OURS = frozenset({"type", "cache_control"})


# --- blocks and messages ---------------------------------------------------------------------------------------------------------


def part(block: Any) -> Part:
    """A content block. Total: one of any shape becomes some part, and one that is not known is kept whole in ``metadata.block``."""
    if isinstance(block, str):
        return Part(type="text", content=block)
    if not isinstance(block, dict):
        return Part(type="unknown", metadata={"block": block})
    kind = block.get("type")
    if kind == "text" and isinstance(block.get("text"), str):
        return Part(type="text", content=block["text"], metadata=given(rest(block, _OURS | {"text"})))
    if kind == "thinking":
        return Part(type="reasoning", content=text(block.get("thinking")) or "", metadata=given(_proof(block, "thinking")))
    if kind == "redacted_thinking":
        return Part(type="reasoning", content="", metadata=given(_proof(block)))
    if kind in _CALLS:
        return _call(kind, block)
    if kind in ("image", "document"):
        return _attached(kind, block)
    if kind == "tool_result" or (isinstance(kind, str) and kind.endswith("_tool_result")):
        return _result(block)
    return Part(type=kind if isinstance(kind, str) and kind else "unknown", metadata={"block": block})


def parts(content: Any) -> list[Part]:
    """A message's text or blocks."""
    if isinstance(content, str):
        return [Part(type="text", content=content)]
    return [part(block) for block in items(content)]


def output(content: Any) -> Any:
    """What a tool returned: text as it is, blocks as parts, anything else unchanged."""
    return [part(block) for block in content] if isinstance(content, list) else content


def messages(message: dict[str, Any]) -> list[Said]:
    """A message of a conversation: each result in it first, as a message of its own, then what else it says."""
    content = message.get("content")
    results = [block for block in mappings(content) if block.get("type") == "tool_result"]
    role = text(message.get("role")) or "user"
    said = [Said(role="tool", parts=[_result(block)]) for block in results]
    others = [block for block in content if block not in results] if isinstance(content, list) else content
    if others or not results:
        metadata = rest(message, ("role", "content", "id", "type", "model", "stop_reason", "usage"))
        said.append(Said(role=role, parts=parts(others), id=text(message.get("id")), metadata=metadata))
    return said


def _proof(block: dict[str, Any], *said: str) -> dict[str, Any]:
    return {name: value for name, value in rest(block, _OURS.union(said)).items() if value != ""}


def _call(kind: str, block: dict[str, Any]) -> Part:
    more = rest(block, _OURS | {"id", "name", "input"})
    return Part(
        type="tool_call",
        id=text(block.get("id")),
        name=text(block.get("name")) or "unknown",
        arguments=block.get("input"),
        metadata=given(({"run_by": "provider"} if kind == "server_tool_use" else {}) | more),
    )


def _result(block: dict[str, Any]) -> Part:
    return Part(
        type="tool_call_response",
        id=text(block.get("tool_use_id")),
        response=output(block.get("content")) if block.get("type") in ("tool_result", "mcp_tool_result") else block.get("content"),
        is_error=True if block.get("is_error") is True else UNSET,
        metadata=given(rest(block, _OURS | {"tool_use_id", "content", "is_error"})),
    )


def _attached(kind: str, block: dict[str, Any]) -> Part:
    source = mapping(block.get("source"))
    mime_type = text(source.get("media_type"))
    metadata = given(rest(block, _OURS | {"source"}))
    if source.get("type") == "url" and isinstance(source.get("url"), str):
        return Part(type="uri", uri=source["url"], mime_type=mime_type, modality=kind, metadata=metadata)
    if source.get("type") == "file" and isinstance(source.get("file_id"), str):
        return Part(type="file", file_id=source["file_id"], mime_type=mime_type, modality=kind, metadata=metadata)
    if source.get("type") == "base64" and isinstance(source.get("data"), str):
        return Part(type="blob", mime_type=mime_type, modality=kind, content=source["data"], metadata=metadata)
    if source.get("type") == "text" and isinstance(source.get("data"), str):
        return Part(type="text", content=source["data"], metadata=metadata)
    return Part(type=kind, metadata={"block": block})


# --- requests and answers --------------------------------------------------------------------------------------------------------

_ASKED = ("model", "messages", "system", "stream")


def ask(body: Any, model: str | None = None) -> Ask:
    """A request's body."""
    fields = mapping(plain(body))
    system = parts(fields.get("system")) if fields.get("system") else []
    return Ask(
        shape=SHAPE,
        provider=PROVIDER,
        model=text(fields.get("model")) or model,
        instructions=[Said(role="system", parts=system)] if system else [],
        messages=[said for message in mappings(fields.get("messages")) for said in messages(message)],
        settings=rest(fields, _ASKED),
        is_streamed=fields.get("stream") is True,
    )


_ANSWERED = ("id", "type", "role", "model", "content", "stop_reason", "usage", "error")


def answer(body: Any) -> Answer:
    """A response's body."""
    fields = mapping(plain(body))
    choices = []
    if isinstance(fields.get("content"), (list, str)):
        choices = [Said(role="assistant", parts=parts(fields["content"]), finish_reason=text(fields.get("stop_reason")))]
    error = fields.get("error") if fields.get("type") == "error" or not choices else None
    return Answer(
        shape=SHAPE,
        provider=PROVIDER,
        response_id=text(fields.get("id")),
        model=text(fields.get("model")),
        choices=choices,
        usage=usage(fields.get("usage")),
        error=error_of(error),
        metadata=rest(fields, (*_ANSWERED, "request_id")),
    )


def usage(stated: Any) -> UsageRecorded | None:
    """``usage`` of a response. None where it states none."""
    fields = mapping(stated)
    if not any(name.endswith("_tokens") for name in fields):
        return None
    details = mapping(fields.get("output_tokens_details"))
    return UsageRecorded(
        input_tokens=count(fields.get("input_tokens")),
        output_tokens=count(fields.get("output_tokens")),
        cache_read_tokens=count(fields.get("cache_read_input_tokens")),
        cache_write_tokens=count(fields.get("cache_creation_input_tokens")),
        reasoning_tokens=count(details.get("thinking_tokens", fields.get("thinking_tokens"))),
    )


# --- streams ---------------------------------------------------------------------------------------------------------------------


class Stream:
    """Server-sent events, decoded -> the message."""

    def __init__(self) -> None:
        self.is_whole = False
        self._message: dict[str, Any] = {"type": "message", "role": "assistant"}
        self._blocks: dict[int, dict[str, Any]] = {}
        self._pieces: dict[tuple[int, str], list[str]] = {}  # text that is still growing, by block and field
        self._error: Any = None

    def feed(self, chunk: Any) -> list[Piece]:
        event = mapping(plain(chunk))
        kind = event.get("type")
        index = count(event.get("index"))
        if kind == "message_start":
            self._message |= mapping(event.get("message"))
            for number, block in enumerate(mappings(self._message.get("content"))):
                self._blocks[number] = dict(block)
        elif kind == "content_block_start":
            self._blocks[index] = dict(mapping(event.get("content_block")))
        elif kind == "content_block_delta":
            return self._delta(index, mapping(event.get("delta")))
        elif kind == "message_delta":
            self._message |= {name: value for name, value in mapping(event.get("delta")).items() if value is not None}
            counted = {name: value for name, value in mapping(event.get("usage")).items() if value is not None}
            self._message["usage"] = mapping(self._message.get("usage")) | counted
        elif kind == "message_stop":
            self.is_whole = True
        elif kind == "error":
            self._error = event.get("error") or event
        return []

    def finish(self) -> dict[str, Any]:
        content = [self._block(index) for index in sorted(self._blocks)]
        message = self._message | {"content": content}
        return message if self._error is None else message | {"type": "error", "error": self._error}

    _GROWS = {"text_delta": "text", "thinking_delta": "thinking", "input_json_delta": "partial_json", "signature_delta": "signature"}

    def _delta(self, index: int, delta: dict[str, Any]) -> list[Piece]:
        kind = text(delta.get("type")) or ""
        block = self._blocks.setdefault(index, {"type": "thinking" if "thinking" in kind else "text"})
        if kind == "citations_delta":
            block["citations"] = [*items(block.get("citations")), delta.get("citation")]
            return []
        field = self._GROWS.get(kind)
        piece = text(delta.get(field)) if field else None
        if field is None or piece is None:
            if kind:  # of a kind that is not known yet
                block.setdefault("deltas", []).append(delta)
            return []
        self._pieces.setdefault((index, field), []).append(piece)
        if field in ("text", "thinking") and piece:
            return [Piece("text" if field == "text" else "reasoning", piece)]
        return []

    def _block(self, index: int) -> dict[str, Any]:
        block = dict(self._blocks[index])
        for (of, field), pieces in self._pieces.items():
            if of != index:
                continue
            grown = joined(pieces)
            if field == "partial_json":
                block["input"] = _input(grown, block.get("input"))
            else:
                block[field] = (text(block.get(field)) or "") + grown
        return block


def _input(json_text: str, before: Any) -> Any:
    """A call's arguments: what the streamed text says, the text itself where it was cut."""
    return value_of(json_text) if json_text else before
