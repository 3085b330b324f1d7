"""Google's Gemini (generateContent, also on Vertex): parts, contents, requests, answers, streams.

- The names are those of the wire; what the SDK writes with underscores is read as well. ``model`` is the assistant.
- ``thought`` parts are reasoning; a ``thoughtSignature`` is metadata of the part that has it, so that it can be sent back.
- Calls have no id unless the server gives one: a result is found by its name and its place.
- ``promptTokenCount`` includes what the cache gave: taken out. What tools gave the model is input. Thoughts are output, and are added.
"""

from __future__ import annotations

from typing import Any

from msgspec import UNSET

from ..events import ErrorLogged, Part, UsageRecorded
from .exchange import Answer, Ask, Piece, Said, error_of
from .fields import count, first, given, items, mapping, mappings, plain, rest, text

SHAPE = "gemini"
PROVIDER = "gcp.gemini"
_TO_STANDARD = str.maketrans("-_", "+/")  # the SDK writes base64 in the form for addresses
_ABOUT_A_PART = ("thought", "thoughtSignature", "thought_signature")
KINDS = (
    "text",
    "functionCall",
    "function_call",
    "functionResponse",
    "function_response",
    "inlineData",
    "inline_data",
    "fileData",
    "file_data",
    "executableCode",
    "executable_code",
    "codeExecutionResult",
    "code_execution_result",
)
"""The names of which a part has one, which says what it is."""

# --- parts and contents ------------------------------------------------------------------------------------------------------------


def part(item: Any) -> Part:
    """A part. Total: one of any shape becomes some part, and one that is not known is kept whole in ``metadata.block``."""
    if isinstance(item, str):
        return Part(type="text", content=item)
    fields = {name: value for name, value in mapping(item).items() if value is not None}
    signature = first(fields, "thoughtSignature", "thought_signature")
    proof = {"thought_signature": signature} if isinstance(signature, str) and signature else {}
    if isinstance(fields.get("text"), str):
        kind = "reasoning" if fields.get("thought") is True else "text"
        return Part(type=kind, content=fields["text"], metadata=given(proof | rest(fields, ("text", *_ABOUT_A_PART))))
    called = first(fields, "functionCall", "function_call")
    if isinstance(called, dict):
        return Part(
            type="tool_call",
            id=text(called.get("id")),
            name=text(called.get("name")) or "unknown",
            arguments=called.get("args"),
            metadata=given(proof | rest(called, ("id", "name", "args"))),
        )
    returned = first(fields, "functionResponse", "function_response")
    if isinstance(returned, dict):
        return _result(returned)
    data = first(fields, "inlineData", "inline_data")
    if isinstance(data, dict) and isinstance(data.get("data"), str):
        mime_type = text(first(data, "mimeType", "mime_type"))
        more = proof | rest(data, ("data", "mimeType", "mime_type"))
        return Part(
            type="blob",
            mime_type=mime_type,
            modality=_modality(mime_type),
            content=data["data"].translate(_TO_STANDARD),
            metadata=given(more | rest(fields, ("inlineData", "inline_data", *_ABOUT_A_PART))),
        )
    file = first(fields, "fileData", "file_data")
    uri = text(first(mapping(file), "fileUri", "file_uri"))
    if uri is not None:
        mime_type = text(first(mapping(file), "mimeType", "mime_type"))
        more = proof | rest(mapping(file), ("fileUri", "file_uri", "mimeType", "mime_type"))
        more |= rest(fields, ("fileData", "file_data", *_ABOUT_A_PART))
        return Part(type="uri", uri=uri, mime_type=mime_type, modality=_modality(mime_type), metadata=given(more))
    kind = next((name for name in fields if name in KINDS), None) or next((name for name in fields if name not in _ABOUT_A_PART), "unknown")
    return Part(type=kind, metadata={"block": item})


def _result(returned: dict[str, Any]) -> Part:
    response = returned.get("response")
    says = mapping(response)
    only = next(iter(says)) if len(says) == 1 else None
    failed = only == "error"
    if only in ("result", "output", "error"):
        response = says[only]
    return Part(
        type="tool_call_response",
        id=text(returned.get("id")),
        name=text(returned.get("name")) or UNSET,
        response=response,
        is_error=True if failed else UNSET,
        metadata=given(rest(returned, ("id", "name", "response"))),
    )


def _modality(mime_type: str | None) -> Any:
    kind = (mime_type or "").partition("/")[0]
    return kind if kind in ("image", "audio", "video") else "document" if mime_type else UNSET


def contents(given_contents: Any) -> list[Said]:
    """``contents``: a text, one content, or a list of them. A function's response is a message of its own."""
    if isinstance(given_contents, (str, dict)):
        given_contents = [given_contents]
    found: list[Said] = []
    for content in items(given_contents):
        if isinstance(content, str) or "parts" not in mapping(content):
            said = part(content)
            if found and found[-1].role == "user":
                found[-1].parts.append(said)
            else:
                found.append(Said(role="user", parts=[said]))
            continue
        made = [part(each) for each in _parts(content)]
        role = {"model": "assistant", "function": "tool"}.get(text(content.get("role")) or "user", text(content.get("role")) or "user")
        results = [each for each in made if each.type == "tool_call_response"]
        found += [Said(role="tool", parts=[each]) for each in results]
        others = [each for each in made if each.type != "tool_call_response"]
        if others or not results:
            found.append(Said(role=role, parts=others, metadata=rest(content, ("role", "parts"))))
    return found


def _parts(content: Any) -> list[Any]:
    stated = mapping(content).get("parts")
    return [stated] if isinstance(stated, (str, dict)) else items(stated)


# --- requests and answers ------------------------------------------------------------------------------------------------------------

_ASKED = ("model", "contents", "systemInstruction", "system_instruction")


def ask(body: Any, model: str | None = None) -> Ask:
    """A request's body. The model's name stands in the address: ``model``."""
    fields = mapping(plain(body))
    system = first(fields, "systemInstruction", "system_instruction")
    instructions = [part(each) for each in (_parts(system) if "parts" in mapping(system) else [] if system is None else [system])]
    return Ask(
        shape=SHAPE,
        provider=PROVIDER,
        model=text(fields.get("model")) or model,
        instructions=[Said(role="system", parts=instructions)] if instructions else [],
        messages=contents(fields.get("contents")),
        settings=rest(fields, _ASKED),
    )


def answer(body: Any) -> Answer:
    """A response's body. One without candidates says why its prompt was blocked."""
    fields = mapping(plain(body))
    feedback = mapping(first(fields, "promptFeedback", "prompt_feedback"))
    blocked = first(feedback, "blockReason", "block_reason")
    candidates = mappings(fields.get("candidates"))
    error = error_of(fields.get("error"))
    if error is None and not candidates and blocked is not None:
        error = ErrorLogged(message=f"the prompt was blocked: {blocked}", kind="blocked", details=feedback)
    return Answer(
        shape=SHAPE,
        provider=PROVIDER,
        response_id=text(first(fields, "responseId", "response_id")),
        model=text(first(fields, "modelVersion", "model_version")),
        choices=[_choice(candidate) for candidate in candidates],
        usage=usage(first(fields, "usageMetadata", "usage_metadata")),
        error=error,
        metadata={"prompt_feedback": feedback} if candidates and rest(feedback, ()) else {},
    )


_CHOSEN = ("content", "finishReason", "finish_reason", "index")


def _choice(candidate: dict[str, Any]) -> Said:
    reason = first(candidate, "finishReason", "finish_reason")
    return Said(
        role="assistant",
        parts=[part(each) for each in _parts(candidate.get("content"))],
        metadata=rest(candidate, _CHOSEN),
        finish_reason=text(reason),
    )


def usage(stated: Any) -> UsageRecorded | None:
    """``usageMetadata`` of a response. None where it states none."""
    fields = mapping(stated)

    def tokens(camel: str, snake: str) -> int:
        return count(first(fields, camel, snake))

    if not any(name.lower().replace("_", "").endswith("tokencount") and value is not None for name, value in fields.items()):
        return None
    read, thoughts = tokens("cachedContentTokenCount", "cached_content_token_count"), tokens("thoughtsTokenCount", "thoughts_token_count")
    made = tokens("candidatesTokenCount", "candidates_token_count") or tokens("responseTokenCount", "response_token_count")
    asked = tokens("promptTokenCount", "prompt_token_count")
    by_tools = tokens("toolUsePromptTokenCount", "tool_use_prompt_token_count")
    return UsageRecorded(
        input_tokens=max(0, asked - read) + by_tools, output_tokens=made + thoughts, cache_read_tokens=read, reasoning_tokens=thoughts
    )


# --- streams ---------------------------------------------------------------------------------------------------------------------------


class Stream:
    """Chunks, each a response of its own -> the response. Texts of a kind that follow each other grow into one part."""

    def __init__(self) -> None:
        self._whole: dict[str, Any] = {}
        self._candidates: dict[int, dict[str, Any]] = {}
        self._texts: dict[int, list[list[str]]] = {}  # of each candidate: the pieces of each of its parts

    @property
    def is_whole(self) -> bool:
        return bool(self._candidates) and all(first(each, "finishReason", "finish_reason") for each in self._candidates.values())

    def feed(self, chunk: Any) -> list[Piece]:
        fields = mapping(plain(chunk))
        self._whole |= rest(fields, ("candidates",))
        pieces: list[Piece] = []
        for candidate in mappings(fields.get("candidates")):
            index = count(candidate.get("index"))
            known = self._candidates.setdefault(index, {"index": index, "content": {"role": "model", "parts": []}})
            known |= rest(candidate, ("content", "index"))
            for each in _parts(candidate.get("content")):
                pieces += self._add(index, known["content"]["parts"], each)
        return pieces

    def _add(self, index: int, parts: list[Any], item: Any) -> list[Piece]:
        texts = self._texts.setdefault(index, [])
        fields = {name: value for name, value in mapping(item).items() if value is not None}
        said = fields.get("text")
        if not isinstance(said, str):
            parts.append(item)
            texts.append([])
            return []
        about = {name: value for name, value in fields.items() if name != "text"}
        is_thought = about.get("thought") is True
        if not said and not about:
            return []
        signed = {name: value for name, value in about.items() if name in _ABOUT_A_PART[1:]}
        goes_on = bool(parts) and isinstance(mapping(parts[-1]).get("text"), str) and (parts[-1].get("thought") is True) == is_thought
        if goes_on and not _is_signed(parts[-1]) and about.keys() <= set(_ABOUT_A_PART):
            texts[-1].append(said)
            parts[-1] |= signed
        else:
            parts.append({"text": "", **about})
            texts.append([said])
        return [Piece("reasoning" if is_thought else "text", said, index)] if said else []

    def finish(self) -> dict[str, Any]:
        candidates = []
        for index in sorted(self._candidates):
            known = self._candidates[index]
            grown = zip(known["content"]["parts"], self._texts.get(index, []), strict=True)
            parts = [each | {"text": "".join(pieces)} if pieces else each for each, pieces in grown]
            candidates.append(known | {"content": {"role": "model", "parts": parts}})
        return self._whole | ({"candidates": candidates} if candidates else {})


def _is_signed(item: dict[str, Any]) -> bool:
    return first(item, "thoughtSignature", "thought_signature") is not None
