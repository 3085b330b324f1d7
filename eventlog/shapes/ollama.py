"""Ollama's chat and generate: messages, requests, answers, streams (one JSON object a line).

- ``thinking`` is reasoning. Calls have no ids: a result is found by its place, and by ``tool_name`` where it has one.
- ``images`` are base64 without a type, which is told by how they begin.
- ``prompt_eval_count`` is input, ``eval_count`` output with what was thought. Durations and what else an answer says are its metadata.
"""

from __future__ import annotations

from typing import Any

from msgspec import UNSET

from ..events import Part, UsageRecorded
from .exchange import Answer, Ask, Piece, Said, error_of
from .fields import count, first, given, items, mapping, mappings, plain, rest, text

SHAPE = "ollama"
PROVIDER = "ollama"
_BEGINNINGS = {"/9j/": "image/jpeg", "iVBOR": "image/png", "R0lG": "image/gif", "UklGR": "image/webp"}
_SAID = ("role", "content", "thinking", "images", "tool_calls", "tool_name", "tool_call_id", "name")


def message(fields: dict[str, Any]) -> Said:
    """A message of a conversation, or of an answer."""
    role = text(fields.get("role")) or "user"
    content = text(fields.get("content"))
    if role == "tool":
        name = text(first(fields, "tool_name", "name"))
        result = Part(
            type="tool_call_response",
            id=text(fields.get("tool_call_id")),
            name=UNSET if name is None else name,
            response=fields.get("content"),
        )
        return Said(role="tool", parts=[result], metadata=rest(fields, _SAID))
    said: list[Part] = []
    if text(fields.get("thinking")):
        said.append(Part(type="reasoning", content=fields["thinking"]))
    if content:
        said.append(Part(type="text", content=content))
    said += [_image(each) for each in items(fields.get("images"))]
    said += [_call(each) for each in mappings(fields.get("tool_calls"))]
    if not said and content is not None:
        said = [Part(type="text", content=content)]
    return Said(role=role, parts=said, metadata=rest(fields, _SAID))


def _call(fields: dict[str, Any]) -> Part:
    function = mapping(fields.get("function"))
    return Part(
        type="tool_call",
        id=text(fields.get("id")),
        name=text(function.get("name")) or "unknown",
        arguments=function.get("arguments"),
        metadata=given(rest(fields, ("id", "function", "type")) | rest(function, ("name", "arguments", "index"))),
    )


def _image(image: Any) -> Part:
    if not isinstance(image, str):
        return Part(type="image", metadata={"block": image})
    mime_type = next((kind for beginning, kind in _BEGINNINGS.items() if image.startswith(beginning)), None)
    return Part(type="blob", modality="image", mime_type=UNSET if mime_type is None else mime_type, content=image)


# --- requests and answers ------------------------------------------------------------------------------------------------------------

_ASKED = ("model", "messages", "prompt", "system", "images", "stream", "context")


def ask(body: Any, model: str | None = None) -> Ask:
    """A request's body. It is streamed unless it says otherwise."""
    fields = mapping(plain(body))
    said = [message(each) for each in mappings(fields.get("messages"))]
    if text(fields.get("system")):
        said.insert(0, Said(role="system", parts=[Part(type="text", content=fields["system"])]))
    if isinstance(fields.get("prompt"), str):
        said.append(message({"role": "user", "content": fields["prompt"], "images": fields.get("images")}))
    leading = next((index for index, each in enumerate(said) if each.role != "system"), len(said))
    return Ask(
        shape=SHAPE,
        provider=PROVIDER,
        model=text(fields.get("model")) or model,
        instructions=said[:leading],
        messages=said[leading:],
        settings=rest(fields, _ASKED),
        is_streamed=fields.get("stream") is not False,
    )


_ANSWERED = ("model", "message", "response", "thinking", "done", "done_reason", "error", "context", "prompt_eval_count", "eval_count")


def answer(body: Any) -> Answer:
    """A response's body."""
    fields = mapping(plain(body))
    choices: list[Said] = []
    stated = fields.get("message")
    if not isinstance(stated, dict) and isinstance(fields.get("response"), str):
        stated = {"content": fields["response"], "thinking": fields.get("thinking"), "tool_calls": fields.get("tool_calls")}
    if isinstance(stated, dict):
        said = message({"role": "assistant", **stated})
        choices = [Said(role=said.role, parts=said.parts, metadata=said.metadata, finish_reason=text(fields.get("done_reason")))]
    return Answer(
        shape=SHAPE,
        provider=PROVIDER,
        model=text(fields.get("model")),
        choices=choices,
        usage=usage(fields),
        error=error_of(fields.get("error")),
        metadata=rest(fields, (*_ANSWERED, "created_at", "tool_calls")),
    )


def usage(stated: Any) -> UsageRecorded | None:
    """The counts of a response. None where it states none."""
    fields = mapping(stated)
    if fields.get("prompt_eval_count") is None and fields.get("eval_count") is None:
        return None
    return UsageRecorded(input_tokens=count(fields.get("prompt_eval_count")), output_tokens=count(fields.get("eval_count")))


# --- streams ---------------------------------------------------------------------------------------------------------------------------


class Stream:
    """Chunks -> the response."""

    def __init__(self) -> None:
        self.is_whole = False
        self._whole: dict[str, Any] = {}
        self._message: dict[str, Any] = {}
        self._texts: dict[str, list[str]] = {"content": [], "thinking": []}
        self._is_chat = True

    def feed(self, chunk: Any) -> list[Piece]:
        fields = mapping(plain(chunk))
        self._whole |= rest(fields, ("message", "response", "thinking"))
        self.is_whole = self.is_whole or fields.get("done") is True
        said = mapping(fields.get("message"))
        if isinstance(fields.get("response"), str):
            self._is_chat = False
            said = {"content": fields["response"], "thinking": fields.get("thinking")}
        pieces = []
        for name, value in said.items():
            if name in self._texts and isinstance(value, str):
                self._texts[name].append(value)
                if value:
                    pieces.append(Piece("text" if name == "content" else "reasoning", value))
            elif isinstance(value, list):
                self._message[name] = [*items(self._message.get(name)), *value]
            elif value is not None:
                self._message[name] = value
        return pieces

    def finish(self) -> dict[str, Any]:
        texts = {name: "".join(pieces) for name, pieces in self._texts.items() if pieces}
        if not self._is_chat:
            return self._whole | ({"thinking": texts["thinking"]} if texts.get("thinking") else {}) | {"response": texts.get("content", "")}
        message = self._message | texts
        return self._whole | ({"message": {"role": "assistant", **message}} if message else {})
