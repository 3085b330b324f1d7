"""OpenAI's Chat Completions, and the many servers that speak it (Azure, OpenRouter, DeepSeek, vLLM, litellm, ...): messages, requests,
answers, streams; with the older Completions, which have a prompt and texts.

- ``tool_calls`` are parts of their message. Arguments are the object that their JSON text says, or the text where it says none.
- ``reasoning_content``, ``reasoning`` and ``thinking_blocks`` are reasoning parts, before what they led to.
- A message with the role tool has its result as its part. ``developer`` is a system message.
- ``prompt_tokens`` include what the cache gave: taken out. ``completion_tokens`` include reasoning, but for servers whose total says that
  they do not: put in. What else a message or an answer says is its metadata.
"""

from __future__ import annotations

from typing import Any

from msgspec import UNSET

from ..events import Cost, Part, UsageRecorded
from . import anthropic
from .exchange import Answer, Ask, Piece, Said, error_of
from .fields import count, first, given, items, joined, mapping, mappings, plain, rest, text, value_of

SHAPE = "openai-chat"
PROVIDER = "openai"

# --- parts and messages ------------------------------------------------------------------------------------------------------------


def part(item: Any) -> Part:
    """A content part. Total: one of any shape becomes some part, and one that is not known is kept whole in ``metadata.block``."""
    if isinstance(item, str):
        return Part(type="text", content=item)
    fields = mapping(item)
    kind = fields.get("type")
    if kind in ("input_text", "output_text") and isinstance(fields.get("text"), str):  # the newer API's names, which files mix in
        return anthropic.part({**rest(fields, ("logprobs",)), "text": fields["text"], "type": "text"})
    if kind == "refusal" and isinstance(said := fields.get("refusal", fields.get("text")), str):
        return Part(type="text", content=said, metadata={"refusal": True})
    if kind in ("image_url", "video_url"):
        link = fields.get(kind)
        url = link.get("url") if isinstance(link, dict) else link
        if isinstance(url, str):
            more = rest(mapping(link), ("url",)) | rest(fields, ("type", kind, "cache_control"))
            return linked(url, "image" if kind == "image_url" else "video", more)
    if kind == "input_audio" and isinstance(data := mapping(fields.get("input_audio")).get("data"), str):
        mime_type = f"audio/{text(fields['input_audio'].get('format')) or 'wav'}"
        return Part(type="blob", modality="audio", mime_type=mime_type, content=data, metadata=given(rest(fields, ("type", "input_audio"))))
    if kind == "file" and isinstance(fields.get("file"), dict):
        return attached(fields["file"], rest(fields, ("type", "file", "cache_control")))
    return anthropic.part(item)  # text, and what servers that speak both take


def linked(url: str, modality: str, metadata: dict[str, Any]) -> Part:
    """An image (or the like) by its address, which may hold it."""
    head, comma, data = url.partition(",")
    if comma and head.startswith("data:") and head.endswith(";base64"):
        return Part(type="blob", modality=modality, mime_type=head[5:-7], content=data, metadata=given(metadata))
    return Part(type="uri", modality=modality, uri=url, metadata=given(metadata))


def attached(file: dict[str, Any], metadata: dict[str, Any]) -> Part:
    """A file by its id, its address or its content."""
    more = rest(file, ("file_id", "file_data", "file_url", "type", "cache_control")) | metadata
    if isinstance(data := file.get("file_data"), str):
        head, comma, content = data.partition(",")
        is_address = bool(comma) and head.startswith("data:")
        mime_type = head[5:].partition(";")[0] if is_address else None
        return Part(type="blob", mime_type=mime_type, modality="document", content=content if is_address else data, metadata=given(more))
    if isinstance(file.get("file_id"), str):
        return Part(type="file", file_id=file["file_id"], modality="document", metadata=given(more))
    if isinstance(file.get("file_url"), str):
        return Part(type="uri", uri=file["file_url"], modality="document", metadata=given(more))
    return Part(type="file", metadata={"block": file | metadata})


_SAID = (
    "role",
    "content",
    "refusal",
    "tool_calls",
    "function_call",
    "tool_call_id",
    "reasoning_content",
    "reasoning",
    "thinking_blocks",
    "reasoning_details",
    "audio",
    "images",
    "annotations",
    "cache_control",
)


def message(fields: dict[str, Any]) -> Said:
    """A message of a conversation, or of an answer."""
    role = text(fields.get("role")) or "user"
    metadata = rest(fields, _SAID)
    content = fields.get("content")
    if role in ("tool", "function"):
        result = Part(
            type="tool_call_response",
            id=text(fields.get("tool_call_id")),
            response=[part(item) for item in content] if isinstance(content, list) else content,
        )
        return Said(role="tool", parts=[result], metadata=metadata)
    if role == "developer":
        role, metadata = "system", metadata | {"role": "developer"}
    annotations = items(fields.get("annotations"))
    said = _reasoning(fields)
    if isinstance(content, str) and (content or annotations):
        said.append(Part(type="text", content=content, metadata=given({"annotations": annotations} if annotations else {})))
    elif isinstance(content, list):
        said += [part(item) for item in content]
    if isinstance(fields.get("refusal"), str):
        said.append(Part(type="text", content=fields["refusal"], metadata={"refusal": True}))
    said += [part(image) for image in items(fields.get("images"))]
    if isinstance(fields.get("audio"), dict):
        said.append(_audio(fields["audio"]))
    said += [call(each) for each in mappings(fields.get("tool_calls"))]
    if isinstance(fields.get("function_call"), dict):  # as it was before there were several
        said.append(call({"function": fields["function_call"]}))
    if not said and isinstance(content, str):
        said = [Part(type="text", content=content)]
    return Said(role=role, parts=said, metadata=metadata)


def call(fields: dict[str, Any]) -> Part:
    """One of ``tool_calls``."""
    kind = "custom" if isinstance(fields.get("custom"), dict) else "function"
    function = mapping(fields.get(kind))
    return Part(
        type="tool_call",
        id=text(fields.get("id")),
        name=text(function.get("name")) or "unknown",
        arguments=function.get("input") if kind == "custom" else arguments(function.get("arguments")),
        metadata=given(rest(fields, ("id", "type", "function", "custom", "index")) | rest(function, ("name", "arguments", "input"))),
    )


def arguments(stated: Any) -> Any:
    """The object that a call's text of JSON says; the text where it says none."""
    value = value_of(stated)
    return value if isinstance(value, dict) or not isinstance(stated, str) else stated


def _reasoning(fields: dict[str, Any]) -> list[Part]:
    blocks = mappings(fields.get("thinking_blocks"))
    if blocks:
        return [anthropic.part(block) for block in blocks]
    said = first(fields, "reasoning_content", "reasoning")
    details = items(fields.get("reasoning_details"))
    if not isinstance(said, str) or not (said or details):
        return [] if not details else [Part(type="reasoning", content="", metadata={"reasoning_details": details})]
    return [Part(type="reasoning", content=said, metadata=given({"reasoning_details": details} if details else {}))]


def _audio(audio: dict[str, Any]) -> Part:
    more = rest(audio, ("data",))
    if isinstance(audio.get("data"), str):
        mime_type = f"audio/{text(audio.get('format')) or 'wav'}"
        return Part(type="blob", modality="audio", mime_type=mime_type, content=audio["data"], metadata=given(more))
    file_id = text(audio.get("id"))
    return Part(type="file", modality="audio", file_id=UNSET if file_id is None else file_id, metadata=given(rest(audio, ("id", "data"))))


# --- requests and answers ----------------------------------------------------------------------------------------------------------

_ASKED = ("model", "messages", "prompt", "stream")


def ask(body: Any, model: str | None = None) -> Ask:
    """A request's body. The system messages that it leads with are its instructions."""
    fields = mapping(plain(body))
    said = [message(each) for each in mappings(fields.get("messages"))]
    if not said and fields.get("prompt") is not None:
        texts = [fields["prompt"]] if isinstance(fields["prompt"], str) else items(fields["prompt"])
        said = [Said(role="user", parts=[Part(type="text", content=each)]) for each in texts if isinstance(each, str)]
    leading = next((index for index, each in enumerate(said) if each.role != "system"), len(said))
    return Ask(
        shape=SHAPE,
        provider=PROVIDER,
        model=text(fields.get("model")) or model,
        instructions=said[:leading],
        messages=said[leading:],
        settings=rest(fields, _ASKED),
        is_streamed=fields.get("stream") is True,
    )


_ANSWERED = ("id", "object", "created", "model", "choices", "usage", "error", "request_id")


def answer(body: Any) -> Answer:
    """A response's body."""
    fields = mapping(plain(body))
    return Answer(
        shape=SHAPE,
        provider=PROVIDER,
        response_id=text(fields.get("id")) or None,
        model=text(fields.get("model")) or None,
        choices=[_choice(choice) for choice in mappings(fields.get("choices"))],
        usage=usage(fields.get("usage")),
        error=error_of(fields.get("error")),
        metadata=rest(fields, _ANSWERED),
    )


def _choice(choice: dict[str, Any]) -> Said:
    if isinstance(choice.get("message"), dict):
        said = message({"role": "assistant", **choice["message"]})
    else:
        said = Said(role="assistant", parts=[Part(type="text", content=text(choice.get("text")) or "")])
    return Said(
        role=said.role,
        parts=said.parts,
        metadata=said.metadata | rest(choice, ("index", "message", "text", "finish_reason", "delta")),
        finish_reason=text(choice.get("finish_reason")),
    )


def usage(stated: Any) -> UsageRecorded | None:
    """``usage`` of a response. None where it states none."""
    fields = mapping(stated)
    if fields.get("prompt_tokens") is None and fields.get("completion_tokens") is None and fields.get("total_tokens") is None:
        return None
    asked, made = mapping(fields.get("prompt_tokens_details")), mapping(fields.get("completion_tokens_details"))
    prompt, output = count(fields.get("prompt_tokens")), count(fields.get("completion_tokens"))
    read = count(first(asked, "cached_tokens") or first(fields, "cache_read_input_tokens", "prompt_cache_hit_tokens"))
    written = count(first(asked, "cache_write_tokens", "cache_creation_tokens") or fields.get("cache_creation_input_tokens"))
    reasoning = count(first(made, "reasoning_tokens") or fields.get("reasoning_tokens"))
    if reasoning and (reasoning > output or count(fields.get("total_tokens")) == prompt + output + reasoning):
        output += reasoning
    return UsageRecorded(
        input_tokens=max(0, prompt - read - written),
        output_tokens=output,
        cache_read_tokens=read,
        cache_write_tokens=written,
        reasoning_tokens=reasoning,
        cost=_cost(fields.get("cost")),
    )


def _cost(stated: Any) -> Cost | None:
    """The provider's own price, which some state, in dollars."""
    amount = stated.get("total_cost") if isinstance(stated, dict) else stated
    if not isinstance(amount, (int, float)) or isinstance(amount, bool) or not 0 <= amount < 1e12:
        return None
    return Cost(amount=float(amount), price_version="provider")


# --- streams -----------------------------------------------------------------------------------------------------------------------


class Stream:
    """Chunks -> the completion. Calls of one message may come interleaved: each piece says whose it is by its index."""

    def __init__(self) -> None:
        self._whole: dict[str, Any] = {"object": "chat.completion"}
        self._choices: dict[int, _Growing] = {}
        self._error: Any = None

    @property
    def is_whole(self) -> bool:
        """Every choice that began has said why it ended. (The usage may still come.)"""
        return bool(self._choices) and all(choice.more.get("finish_reason") for choice in self._choices.values())

    def feed(self, chunk: Any) -> list[Piece]:
        fields = mapping(plain(chunk))
        self._whole |= {name: value for name, value in rest(fields, ("choices", "object")).items() if name != "error"}
        self._error = fields.get("error") or self._error
        pieces: list[Piece] = []
        for choice in mappings(fields.get("choices")):
            index = count(choice.get("index"))
            growing = self._choices.setdefault(index, _Growing())
            growing.more |= rest(choice, ("index", "delta", "text", "logprobs"))
            growing.log(choice.get("logprobs"))
            delta = mapping(choice.get("delta")) or mapping(choice.get("message"))
            if isinstance(choice.get("text"), str):
                growing.is_text = True
                delta = {"content": choice["text"]}
            pieces += [Piece(kind, piece, index) for kind, piece in growing.grow(delta)]
        return pieces

    def finish(self) -> dict[str, Any]:
        made = self._whole | {"choices": [self._choices[index].made(index) for index in sorted(self._choices)]}
        return made if self._error is None else made | {"error": self._error}


_TEXTS = {"content": "text", "refusal": "text", "reasoning_content": "reasoning", "reasoning": "reasoning"}


class _Growing:
    """A choice as far as it came."""

    def __init__(self) -> None:
        self.more: dict[str, Any] = {}
        self.is_text = False
        self._texts: dict[str, list[str]] = {}
        self._message: dict[str, Any] = {"role": "assistant"}
        self._calls: dict[int, dict[str, Any]] = {}
        self._arguments: dict[int, list[str]] = {}
        self._logged: dict[str, list[Any]] = {}

    def grow(self, delta: dict[str, Any]) -> list[tuple[str, str]]:
        pieces = []
        for name, value in delta.items():
            if value is None:
                continue
            if name in _TEXTS and isinstance(value, str):
                self._texts.setdefault(name, []).append(value)
                if value and not (name == "reasoning" and isinstance(delta.get("reasoning_content"), str)):
                    pieces.append((_TEXTS[name], value))
            elif name == "tool_calls":
                for position, each in enumerate(mappings(value)):
                    self._call(position, each)
            elif name in ("function_call", "audio") and isinstance(value, dict):
                self._message[name] = _added(mapping(self._message.get(name)), value)
            elif isinstance(value, list):
                self._message[name] = [*items(self._message.get(name)), *value]
            else:
                self._message[name] = value
        return pieces

    def _call(self, position: int, piece: dict[str, Any]) -> None:
        index = piece.get("index")
        if not isinstance(index, int):
            # a server that does not count: a piece with an id begins a call, one without goes on with the last
            index = len(self._calls) if piece.get("id") or not self._calls else len(self._calls) - 1
        known = self._calls.setdefault(index, {})
        for name, value in piece.items():
            if name in ("function", "custom") and isinstance(value, dict):
                grown = known.setdefault(name, {})
                argument = "arguments" if name == "function" else "input"
                if isinstance(value.get(argument), str):
                    self._arguments.setdefault(index, []).append(value[argument])
                grown |= {key: item for key, item in rest(value, ()).items() if key != argument or not isinstance(item, str)}
            elif value is not None and name not in ("index", "function", "custom"):
                known[name] = value

    def log(self, logprobs: Any) -> None:
        for name, value in mapping(logprobs).items():
            if isinstance(value, list):
                self._logged.setdefault(name, []).extend(value)

    def made(self, index: int) -> dict[str, Any]:
        texts = {name: joined(pieces) for name, pieces in self._texts.items()}
        choice: dict[str, Any] = {"index": index, **self.more} | ({"logprobs": self._logged} if self._logged else {})
        if self.is_text:
            return choice | {"text": texts.get("content", "")}
        message = self._message | {"content": None} | texts
        calls = []
        for number in sorted(self._calls):
            made = {key: dict(value) if isinstance(value, dict) else value for key, value in self._calls[number].items()}
            kind = "custom" if "custom" in made else "function"
            if number in self._arguments:
                made.setdefault(kind, {})["input" if kind == "custom" else "arguments"] = joined(self._arguments[number])
            calls.append(made)
        return choice | {"message": message | ({"tool_calls": calls} if calls else {})}


def _added(known: dict[str, Any], piece: dict[str, Any]) -> dict[str, Any]:
    """Texts grow, anything else is set."""
    grown = dict(known)
    for name, value in piece.items():
        if isinstance(value, str) and isinstance(grown.get(name), str) and name not in ("id", "name"):
            grown[name] += value
        elif value is not None:
            grown[name] = value
    return grown
