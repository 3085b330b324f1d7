"""Which shape a thing is: a request by its address and body, an answer by its body, a message by its fields; and what a program
gives to `Session.user` and `Session.assistant`, as events.

Nothing is told by its class: no SDK is imported, and what a proxy or another language made has none.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import msgspec

from ..errors import InvalidEvent
from ..events import Event, MessageAdded, Part
from . import anthropic, gemini, ollama, openai_chat, openai_responses
from .exchange import Answer, Said, Streamed
from .fields import is_object, mapping, mappings, plain, text

SHAPES: dict[str, ModuleType] = {each.SHAPE: each for each in (openai_chat, openai_responses, anthropic, gemini, ollama)}
_PATHS = (
    ("/chat/completions", openai_chat, ("messages",)),
    ("/completions", openai_chat, ("prompt",)),
    ("/responses", openai_responses, ("input",)),
    ("/messages", anthropic, ("messages",)),
    (":generateContent", gemini, ("contents",)),
    (":streamGenerateContent", gemini, ("contents",)),
    ("/api/chat", ollama, ("messages",)),
    ("/api/generate", ollama, ("prompt",)),
)
_MODEL_IN_PATH = (openai_chat, gemini)  # Azure's deployments, Google's models


def of_request(path: str, body: Any) -> str | None:
    """The shape of a request: only if its path *and* its body fit, since other services have such paths, too. None for any other."""
    fields = mapping(body)
    path = path.partition("?")[0].rstrip("/")
    for ending, shape, needed in _PATHS:
        if path.endswith(ending):
            has_model = isinstance(fields.get("model"), str) or shape in _MODEL_IN_PATH
            fits = all(isinstance(fields.get(name), (list, str, dict)) for name in needed)
            is_list = "messages" not in needed or (isinstance(fields["messages"], list) if fits else False)
            return str(shape.SHAPE) if has_model and fits and is_list else None
    return None


def of_answer(body: Any) -> str | None:
    """The shape of a response's body. None where it is none of a model's."""
    fields = mapping(body)
    kind = fields.get("object")
    if kind in ("chat.completion", "text_completion") or _are_choices(fields.get("choices")):
        return openai_chat.SHAPE
    if kind == "response" or (isinstance(fields.get("output"), list) and "status" in fields):
        return openai_responses.SHAPE
    if fields.get("type") == "message" and isinstance(fields.get("content"), list) and ("usage" in fields or "stop_reason" in fields):
        return anthropic.SHAPE
    if fields.get("type") == "error" and isinstance(fields.get("error"), dict):
        return anthropic.SHAPE
    if any(fields.get(name) is not None for name in ("candidates", "promptFeedback", "prompt_feedback", "usageMetadata", "usage_metadata")):
        return gemini.SHAPE
    if isinstance(fields.get("done"), bool) and ("message" in fields or "response" in fields):
        return ollama.SHAPE
    return None


def _are_choices(choices: Any) -> bool:
    return bool(mappings(choices)) and all("message" in each or "text" in each for each in mappings(choices))


def of_message(message: Any) -> str | None:
    """The shape of one message of a conversation. None where it is none; where it may be several, the first of them: they agree."""
    fields = mapping(message)
    if isinstance(fields.get("parts"), (list, str, dict)) and "content" not in fields:
        return gemini.SHAPE
    if not isinstance(fields.get("role"), str):
        return None
    kinds = {each.get("type") for each in mappings(fields.get("content"))}
    if kinds & {"input_text", "output_text", "input_image", "input_file"}:
        return openai_responses.SHAPE
    if kinds & {"tool_use", "tool_result", "thinking", "redacted_thinking", "image", "document", "server_tool_use"}:
        return anthropic.SHAPE
    calls = mappings(fields.get("tool_calls"))
    if any(isinstance(each, str) for each in fields.get("images") or ()) or any(
        isinstance(mapping(each.get("function")).get("arguments"), dict) for each in calls
    ):
        return ollama.SHAPE
    return openai_chat.SHAPE if "content" in fields or calls else None


def answer(body: Any) -> Answer | None:
    """A response's body, or an SDK's response object. None where it is none of a model's."""
    fields = plain(body)
    shape = of_answer(fields)
    return None if shape is None else SHAPES[shape].answer(fields)


def stream(shape: str) -> Streamed:
    """What puts a stream of the shape together."""
    made: Streamed = SHAPES[shape].Stream()
    return made


def messages(message: dict[str, Any]) -> list[Said]:
    """A message of any shape; several where it holds results, which are messages of their own. None where it is none."""
    shape = of_message(message)
    if shape == gemini.SHAPE:
        return gemini.contents(message)
    if shape == anthropic.SHAPE:
        return anthropic.messages(message)
    if shape == openai_responses.SHAPE:
        return openai_responses.said([{**message, "type": "message"}])
    if shape == ollama.SHAPE:
        return [ollama.message(message)]
    return [] if shape is None else [openai_chat.message(message)]


# --- what a program says -----------------------------------------------------------------------------------------------------------

_ROLES = {"user": {"user", "tool", "system"}, "assistant": {"assistant", "tool"}}
_NOT_SAID = "give text, a list of parts, or a message or response of OpenAI's, Anthropic's, Google's or Ollama's SDK (as object or mapping)"


def said_by(role: str, given: Any, **fields: Any) -> tuple[list[Event], int]:
    """What the user or the assistant says, as events, and which of them is the message. ``fields``: further ones of the message.

    Raises `InvalidEvent` for what is none of it."""
    if isinstance(given, str):
        return [MessageAdded(role=role, content=given, **fields)], 0
    said = given if isinstance(given, Answer) else [given] if isinstance(given, Said) else _said(role, given)
    if isinstance(said, Answer):
        return _answered(role, said, fields)
    wrong = next((each.role for each in said if each.role not in _ROLES[role]), None)
    if wrong is not None:
        other = "assistant" if role == "user" else "user"
        raise InvalidEvent(f"the message is said by {wrong!r}: give it to session.{other}(), or append a MessageAdded", "role")
    main = next((index for index, each in enumerate(said) if each.role == role), len(said) - 1)
    events: list[Event] = []
    for index, each in enumerate(said):
        own = fields if index == main else {}
        events.append(each.event(**({"message_id": each.id} | own) if index == main else {}))
    return events, main


def _answered(role: str, answer: Answer, fields: dict[str, Any]) -> tuple[list[Event], int]:
    if role != "assistant":
        raise InvalidEvent("this is a model's response: give it to session.assistant()", "role")
    if not answer.choices and answer.error is None:
        raise InvalidEvent("the response holds no answer: give a finished one")
    return answer.events(**fields), 0


def _said(role: str, given: Any) -> list[Said] | Answer:
    if isinstance(given, Part):
        return [Said(role=role, parts=[given])]
    if isinstance(given, (list, tuple)):
        plainly = [each if isinstance(each, Part) else plain(each) for each in given]
        if any(isinstance(each, dict) and _is_item(each) for each in plainly) and all(isinstance(each, dict) for each in plainly):
            return _each(plainly)
        return [Said(role=role, parts=list(plainly))]  # which the door makes parts of
    fields = plain(given) if is_object(given) else None
    if not isinstance(fields, dict):
        raise InvalidEvent(f"nothing that is said can be told from {type(given).__name__}; {_NOT_SAID}")
    found = answer(fields)
    if found is not None:
        return found
    if isinstance(fields.get("message"), dict) and of_message(fields["message"]):  # one of the choices of a completion
        reason = text(fields.get("finish_reason"))
        return [msgspec.structs.replace(each, finish_reason=reason) for each in messages(fields["message"])]
    if of_message(fields) is not None:
        return messages({"role": role, **fields})
    if isinstance(fields.get("content"), dict) and "parts" in fields["content"]:  # one of Gemini's candidates
        return gemini.contents(fields["content"])
    if _is_item(fields):
        return openai_responses.said([fields])
    if isinstance(fields.get("type"), str) or any(name in fields for name in gemini.KINDS):
        return [Said(role=role, parts=[fields])]  # type: ignore[list-item]  # which the door makes a part of
    names = ", ".join(map(repr, list(fields)[:6])) or "nothing"
    raise InvalidEvent(f"nothing that is said can be told from a mapping with {names}; {_NOT_SAID}")


_ITEMS = ("function_call", "function_call_output", "custom_tool_call", "custom_tool_call_output", "message")


def _is_item(fields: dict[str, Any]) -> bool:
    """Whether it is an item of the Responses API, or a message."""
    kind = fields.get("type")
    return isinstance(fields.get("role"), str) or kind in _ITEMS or (kind == "reasoning" and "content" not in fields) or "summary" in fields


def _each(items: list[Any]) -> list[Said]:
    """The messages of a list of items, or of messages."""
    if any(each.get("type") in (*_ITEMS, "reasoning") for each in items):
        return openai_responses.said(items)
    return [said for each in items for said in messages(each)]
