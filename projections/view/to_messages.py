"""What to send to the model when a session goes on: its view as messages that the provider's API takes. Nothing in the log changes.

- After the last compaction: its summary, then what it kept. The instructions (system messages) stay.
- Without what the model does not see: excluded and retracted messages and alternatives, with their calls; results without a call.
- A tool call without a result is closed by a result that says so, because an API refuses a call that hangs. Results come right after
  their calls. Ids and names that the API would refuse are changed, in the call and its result alike.
- Reasoning goes back only where the API can check it: to Anthropic, with its signature, before what it led to. Text is never
  invented otherwise.

OpenAI: system messages are in the list. Anthropic: they are not; `system_prompt` has them. The roles alternate there, and the first is
the user's.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import msgspec

from .conversation import Call, Part, Turn, as_text, first_seq_after, summary_turn, text_of, turns_of

if TYPE_CHECKING:
    from .session import SessionView

Provider = Literal["openai", "anthropic"]

NO_RESULT = "[no result: the session stopped before this tool call came back]"
_NO_BEGINNING = "[the conversation begins with the assistant]"
_LONGEST_ID = 40
_LONGEST_NAME = 64
_THINKING = ("thinking", "redacted_thinking")
_NOT_IN_IDS = re.compile(r"[^A-Za-z0-9_-]")
_IMAGES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
_AUDIO = {"audio/wav": "wav", "audio/x-wav": "wav", "audio/mpeg": "mp3", "audio/mp3": "mp3"}


def to_messages(view: SessionView, provider: Provider = "openai") -> list[dict[str, Any]]:
    """The messages to resume the session with, as the provider's API takes them: append what is new, and send.

    >>> from eventlog import EventLog
    >>> from eventlog.events import MessageAdded, ToolCalled
    >>> from projections import SessionView, replay, to_messages
    >>> session = EventLog.memory().start()
    >>> session.append(MessageAdded(role="user", content="What changed?"), ToolCalled(name="git", call_id="c1", arguments={"n": 1}))
    3
    >>> for message in to_messages(replay(session.read(), SessionView), provider="anthropic"):
    ...     print(message["role"], message["content"][0]["type"])
    user text
    assistant tool_use
    user tool_result
    """
    turns = model_turns(view)
    if provider == "openai":
        return [message for turn in turns for message in openai_messages(turn)]
    if provider == "anthropic":
        return [{"role": message.role, "content": message.content} for message in anthropic_messages(turns)]
    raise ValueError(f'provider is "openai" or "anthropic", not {provider!r}')


def system_prompt(view: SessionView) -> str | None:
    """The instructions of the session, for an API that takes them beside the messages; None where there are none."""
    return "\n\n".join(text_of(turn.parts) for turn in model_turns(view) if turn.role == "system") or None


def model_turns(view: SessionView) -> list[Turn]:
    """The turns that the model sees now, with every call closed and every id and name as an API takes it."""
    turns = turns_of(view)
    if view.compactions:
        last = view.compactions[-1]
        first_seq = first_seq_after(last)
        instructions = [turn for turn in turns if turn.role == "system" and turn.seq < first_seq]
        summary = summary_turn(last)
        turns = [*instructions, *([summary] if summary is not None else []), *(turn for turn in turns if turn.seq >= first_seq)]
    accept_calls(turns)
    return turns


def accept_calls(turns: list[Turn]) -> None:
    """Close every call that hangs, and give all calls ids and names that APIs accept."""
    used: set[str] = set()
    for turn in turns:
        turn.calls = [_accepted_call(call, used) for call in turn.calls]


def _accepted_call(call: Call, used: set[str]) -> Call:
    result, is_error = call.result, call.is_error
    if result is None:
        result, is_error = [{"type": "text", "content": NO_RESULT}], True
    id, number = _accepted(call.id, _LONGEST_ID), 1
    while id in used:
        number += 1
        id = f"{_accepted(call.id, _LONGEST_ID - 8)}_{number}"
    used.add(id)
    return Call(id, _accepted(call.name, _LONGEST_NAME), call.arguments, result, is_error)


def _accepted(name: str, longest: int) -> str:
    """The name with only what APIs accept; a long one ends in a hash of the whole."""
    plain = _NOT_IN_IDS.sub("_", name)
    if len(plain) <= longest:
        return plain or "_"
    return f"{plain[: longest - 9]}_{hashlib.sha256(name.encode(errors='replace')).hexdigest()[:8]}"


# --- OpenAI ------------------------------------------------------------------------------------------------------------------


def openai_messages(turn: Turn) -> list[dict[str, Any]]:
    """A turn as Chat Completions has it: one message, and one for each result."""
    if turn.role == "assistant":
        text = "\n\n".join(as_text(part) for part in turn.parts if part["type"] != "reasoning")
        if not text and not turn.calls:
            return []
        message: dict[str, Any] = {"role": "assistant", "content": text or None}
        if turn.calls:
            message["tool_calls"] = [
                {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": _json(call.arguments)}}
                for call in turn.calls
            ]
        results = [{"role": "tool", "tool_call_id": call.id, "content": as_one_text(call.result or [])} for call in turn.calls]
        return [message, *results]
    parts = [part for part in turn.parts if part["type"] != "reasoning"]
    if turn.role == "user" and any(part["type"] != "text" for part in parts):
        return [{"role": "user", "content": [_openai_part(part) for part in parts]}]
    return [{"role": turn.role, "content": "\n\n".join(as_text(part) for part in parts)}] if parts else []


def _openai_part(part: Part) -> dict[str, Any]:
    kind, mime_type, content = part["type"], part.get("mime_type") or "", part.get("content")
    is_image = part.get("modality") == "image" or mime_type.startswith("image/")
    if kind == "uri" and is_image:
        return {"type": "image_url", "image_url": {"url": part.get("uri") or ""}}
    if kind == "blob" and is_image:
        return {"type": "image_url", "image_url": {"url": f"data:{mime_type or 'image/png'};base64,{content}"}}
    if kind == "blob" and mime_type in _AUDIO:
        return {"type": "input_audio", "input_audio": {"data": content, "format": _AUDIO[mime_type]}}
    if kind == "blob" and mime_type == "application/pdf":
        return {"type": "file", "file": {"filename": "document.pdf", "file_data": f"data:{mime_type};base64,{content}"}}
    if kind == "file" and part.get("file_id"):
        return {"type": "file", "file": {"file_id": part["file_id"]}}
    return {"type": "text", "text": as_text(part)}


def as_one_text(parts: list[Part]) -> str:
    """The parts as the one text that a tool's result is."""
    return "\n\n".join(as_text(part) for part in parts)


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


# --- Anthropic ---------------------------------------------------------------------------------------------------------------


class AnthropicMessage(NamedTuple):
    """A message as the Messages API has it. ``seq``: of the turn that it begins with."""

    seq: int
    role: str
    content: list[dict[str, Any]]


def anthropic_messages(turns: list[Turn]) -> list[AnthropicMessage]:
    """Alternating messages: turns of the same side become one, results begin the user's next."""
    messages: list[AnthropicMessage] = []
    results: list[dict[str, Any]] = []
    for turn in turns:
        if turn.role == "system":
            continue
        if turn.role == "assistant":
            _say(messages, turn.seq, "user", results)
            _say(messages, turn.seq, "assistant", _anthropic_blocks(turn))
            results = [_anthropic_result(call) for call in turn.calls]
        else:
            _say(messages, turn.seq, "user", results + [block for part in turn.parts for block in _anthropic_part(part)])
            results = []
    _say(messages, turns[-1].seq if turns else 0, "user", results)
    _end_answer(messages)
    if messages and messages[0].role == "assistant":
        messages.insert(0, AnthropicMessage(messages[0].seq, "user", [_text(_NO_BEGINNING)]))
    return messages


def _say(messages: list[AnthropicMessage], seq: int, role: str, blocks: list[dict[str, Any]]) -> None:
    if not blocks:
        return
    if role == "user":
        _end_answer(messages)
    if messages and messages[-1].role == role:
        messages[-1].content.extend(blocks)
    else:
        messages.append(AnthropicMessage(seq, role, blocks))


def _end_answer(messages: list[AnthropicMessage]) -> None:
    """An answer must not end with thinking: what was thought and never said (the session stopped there) is left out."""
    while messages and messages[-1].role == "assistant" and messages[-1].content[-1]["type"] in _THINKING:
        messages[-1].content.pop()
        if not messages[-1].content:
            messages.pop()


def _anthropic_blocks(turn: Turn) -> list[dict[str, Any]]:
    blocks = []
    for part in turn.parts:
        if part["type"] == "reasoning":
            proof = part.get("metadata", {})
            if isinstance(proof.get("signature"), str):
                blocks.append({"type": "thinking", "thinking": as_text(part), "signature": proof["signature"]})
            elif isinstance(proof.get("data"), str):
                blocks.append({"type": "redacted_thinking", "data": proof["data"]})
        elif as_text(part).strip():
            blocks.append(_text(as_text(part)))
    return blocks + [{"type": "tool_use", "id": call.id, "name": call.name, "input": call.arguments} for call in turn.calls]


def _anthropic_part(part: Part) -> list[dict[str, Any]]:
    kind, mime_type = part["type"], part.get("mime_type") or ""
    is_image = part.get("modality") == "image" or mime_type.startswith("image/")
    shape = "image" if is_image else "document"
    if kind == "blob" and (mime_type in _IMAGES or mime_type == "application/pdf"):
        return [{"type": shape, "source": {"type": "base64", "media_type": mime_type, "data": part.get("content") or ""}}]
    if kind == "uri" and str(part.get("uri")).startswith("https://") and (is_image or mime_type == "application/pdf"):
        return [{"type": shape, "source": {"type": "url", "url": part["uri"]}}]
    text = "" if kind == "reasoning" else as_text(part)
    return [_text(text)] if text.strip() else []


def _anthropic_result(call: Call) -> dict[str, Any]:
    block: dict[str, Any] = {"type": "tool_result", "tool_use_id": call.id}
    content = [made for part in call.result or [] for made in _anthropic_part(part)]
    if content:
        block["content"] = content
    if call.is_error:
        block["is_error"] = True
    return block


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}
