"""OpenTelemetry spans of model calls, in the dialects that are spoken: the GenAI conventions (`gen_ai.input.messages` since 2025, events
and numbered attributes before), OpenInference, Traceloop's openllmetry, logfire, pydantic-ai.

- A dialect is read into what OpenAI's chat would say, or into messages with parts (whose names ours are), and mapped as these are.
- Where a span has the bodies themselves (OpenInference's ``input.value``), they count, as they say most.
- Tokens: all dialects count what the cache gave as input; it is taken out.
- Attributes may be missing, cut in the middle or of any type: what cannot be read says nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from msgspec import UNSET
from msgspec.structs import replace

from ..events import ErrorLogged, Part, UsageRecorded
from . import openai_chat, telling
from .exchange import Answer, Ask, Exchange, Said
from .fields import count, first, given, items, mapping, mappings, rest, text, value_of

SHAPE = "otel"
_CALLS = ("chat", "text_completion", "completion", "generate_content", "message", "messages")  # gen_ai.operation.name of a model call
_SESSIONS = (
    *("gen_ai.conversation.id", "session.id", "langfuse.session.id", "traceloop.association.properties.session_id"),
    *("ai.telemetry.metadata.sessionId", "langsmith.trace.session_id"),
)
_USERS = ("user.id", "enduser.id", "langfuse.user.id", "traceloop.association.properties.user_id")
_DETAILS_EVENT = "gen_ai.client.inference.operation.details"
AS_JSON = frozenset(  # the attributes that hold JSON as text; a message's own text may be JSON, too, and stays what it is
    (
        *("gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.system_instructions", "gen_ai.tool.definitions", "events"),
        *("input.value", "output.value", "llm.invocation_parameters", "request_data", "response_data"),
    )
)


class Span(NamedTuple):
    """``events``: (name, attributes). ``failure``: what the status says where it is an error, else None."""

    name: str
    attributes: Mapping[str, Any]
    events: Sequence[tuple[str, Mapping[str, Any]]] = ()
    failure: str | None = None


def exchange(span: Span) -> Exchange | None:
    """The model call that the span is about; None where it is about something else."""
    attributes = dict(span.attributes)
    for name, more in span.events:
        if name == _DETAILS_EVENT:
            attributes = {**more, **attributes}
    if not _is_call(attributes, span.events):
        return None
    stated = _bodies(attributes)
    asked, answered = stated if stated is not None else _told(attributes, span.events)
    model = text(first(attributes, "gen_ai.request.model", "llm.model_name", "llm.request.model"))
    provider = (text(first(attributes, "gen_ai.provider.name", "gen_ai.system", "llm.provider", "llm.system")) or asked.provider).lower()
    error = _error(span, attributes)
    return Exchange(
        ask=replace(
            asked,
            provider=provider,
            model=asked.model or model,
            settings=asked.settings or _settings(attributes),
            conversation_id=asked.conversation_id or text(first(attributes, *_SESSIONS)),
        ),
        answer=_answer(answered, attributes, provider, has_failed=error is not None),
        error=error,
        details={"user_id": user} if (user := text(first(attributes, *_USERS))) else {},
    )


def _is_call(attributes: Mapping[str, Any], events: Sequence[tuple[str, Mapping[str, Any]]]) -> bool:
    kind = text(attributes.get("openinference.span.kind"))
    if kind is not None:
        return kind.upper() == "LLM"
    operation = text(attributes.get("gen_ai.operation.name"))
    if operation is not None:
        return operation in _CALLS
    if text(attributes.get("traceloop.span.kind")) in ("workflow", "task", "agent", "tool"):
        return False
    if text(attributes.get("llm.request.type")) is not None:
        return attributes["llm.request.type"] in ("chat", "completion")
    return "gen_ai.request.model" in attributes or any(name.startswith(("gen_ai.user.", "gen_ai.choice")) for name, _ in events)


# --- what was asked and answered, dialect by dialect -------------------------------------------------------------------------------


def _bodies(attributes: Mapping[str, Any]) -> tuple[Ask, Answer | None] | None:
    """The request and the response themselves, where the span has both, or the request alone."""
    asked, answered = (mapping(value_of(attributes.get(name))) for name in ("input.value", "output.value"))
    shape = telling.of_answer(answered)
    if shape is None and "messages" in asked:
        shape = openai_chat.SHAPE
    if shape is None or not any(name in asked for name in ("messages", "input", "contents")):
        return None
    reader = telling.SHAPES[shape]
    return reader.ask(asked), reader.answer(answered) if answered else None


def _told(attributes: Mapping[str, Any], events: Sequence[tuple[str, Mapping[str, Any]]]) -> tuple[Ask, Answer | None]:
    asked = _messages(attributes.get("gen_ai.input.messages"))
    answered = _messages(attributes.get("gen_ai.output.messages"))
    system = [_part(each) for each in _list(attributes.get("gen_ai.system_instructions"))]
    if system:
        asked.insert(0, Said(role="system", parts=system))
    if not asked and not answered:
        request, response = _as_chat(attributes, events)
        asked = [openai_chat.message(each) for each in request]
        answered = [
            replace(openai_chat.message({"role": "assistant", **mapping(each.get("message"))}), finish_reason=_reason(each))
            for each in response
        ]
    leading = next((index for index, each in enumerate(asked) if each.role != "system"), len(asked))
    ask = Ask(shape=SHAPE, provider="unknown", instructions=asked[:leading], messages=asked[leading:])
    return ask, Answer(shape=SHAPE, provider="unknown", choices=answered)


def _as_chat(attributes: Mapping[str, Any], events: Iterable[tuple[str, Mapping[str, Any]]]) -> tuple[list[Any], list[Any]]:
    """The older dialects, as messages and choices of OpenAI's chat."""
    for read in (_of_openinference, _of_openllmetry, _of_logfire):
        request, response = read(attributes)
        if request or response:
            return request, response
    told = [(text(each.get("event.name")) or "", each) for each in mappings(_list(attributes.get("events")))]
    return _of_events([*told, *events])


def _of_openinference(attributes: Mapping[str, Any]) -> tuple[list[Any], list[Any]]:
    def message(fields: dict[str, Any]) -> dict[str, Any]:
        said = mapping(fields.get("message"))
        made = {"role": said.get("role"), "content": said.get("content"), "tool_call_id": said.get("tool_call_id")}
        contents = [mapping(each.get("message_content")) for each in mappings(_numbered(said.get("contents")))]
        if contents and made["content"] is None:
            made["content"] = [_content(each) for each in contents]
        made["tool_calls"] = [mapping(each.get("tool_call")) for each in mappings(_numbered(said.get("tool_calls")))]
        return made

    found = _nested(attributes, "llm.")
    request = [message(each) for each in mappings(_numbered(found.get("input_messages")))]
    response = [{"message": message(each)} for each in mappings(_numbered(found.get("output_messages")))]
    return request, response


def _content(item: dict[str, Any]) -> dict[str, Any]:
    url = mapping(mapping(item.get("image")).get("image")).get("url")
    return {"type": "image_url", "image_url": {"url": url}} if url else {"type": "text", "text": item.get("text")}


def _of_openllmetry(attributes: Mapping[str, Any]) -> tuple[list[Any], list[Any]]:
    def message(fields: dict[str, Any]) -> dict[str, Any]:
        calls = [
            {"id": each.get("id"), "function": {"name": each.get("name"), "arguments": each.get("arguments")}}
            for each in mappings(_numbered(fields.get("tool_calls")))
        ]
        content = fields.get("content")
        return {**fields, "content": value_of(content) if _is_parts(content) else content, "tool_calls": calls}

    found = _nested(attributes, "gen_ai.")
    request = [message(each) for each in mappings(_numbered(found.get("prompt")))]
    response = [
        {"message": message({name: value for name, value in each.items() if name != "finish_reason"}), **each}
        for each in mappings(_numbered(found.get("completion")))
    ]
    return request, response


def _is_parts(content: Any) -> bool:
    """Whether a text is a list of content parts that was written as JSON."""
    return isinstance(content, str) and content.startswith("[{") and all("type" in each for each in mappings(value_of(content)))


def _of_logfire(attributes: Mapping[str, Any]) -> tuple[list[Any], list[Any]]:
    request, response = (mapping(value_of(attributes.get(name))) for name in ("request_data", "response_data"))
    said = mapping(response.get("message"))
    if not said and isinstance(response.get("combined_chunk_content"), str):
        said = {"content": response["combined_chunk_content"]}
    return mappings(request.get("messages")), [{"message": said}] if said else []


def _of_events(events: Iterable[tuple[str, Mapping[str, Any]]]) -> tuple[list[Any], list[Any]]:
    request: list[Any] = []
    response: list[Any] = []
    for name, stated in events:
        fields = {each: value_of(value) if each in ("tool_calls", "message") else value for each, value in stated.items()}
        if name == "gen_ai.choice":
            said = mapping(fields.get("message")) or {each: fields[each] for each in ("content", "tool_calls") if each in fields}
            response.append({**fields, "message": said})
        elif name.startswith("gen_ai.") and name.endswith(".message"):
            role = name.removeprefix("gen_ai.").removesuffix(".message")
            kept = {each: fields.get(each) for each in ("content", "tool_calls")}
            request.append({"role": text(fields.get("role")) or role, "tool_call_id": fields.get("id") if role == "tool" else None, **kept})
        elif name in ("gen_ai.content.prompt", "gen_ai.content.completion"):
            stated_text = fields.get(f"gen_ai.{name.rpartition('.')[2]}")
            for each in mappings(value_of(stated_text)):
                (request if name.endswith("prompt") else response).append(each if name.endswith("prompt") else {"message": each})
    return request, response


# --- messages with parts -----------------------------------------------------------------------------------------------------------


def _messages(stated: Any) -> list[Said]:
    """Messages as the present conventions have them; a result in a message of another role is a message of its own."""
    found: list[Said] = []
    for fields in mappings(_list(stated)):
        said = [_part(each) for each in items(fields.get("parts"))]
        if isinstance(fields.get("content"), str) and not said:
            said = [Part(type="text", content=fields["content"])]
        results = [each for each in said if each.type == "tool_call_response"]
        role = {"model": "assistant", "developer": "system"}.get(text(fields.get("role")) or "", text(fields.get("role")) or "user")
        if role in ("user", "tool"):
            found += [Said(role="tool", parts=[each]) for each in results]
            said = [each for each in said if each.type != "tool_call_response"]
            if results and not said:
                continue
        said = [each for each in said if each.type != "text" or each.content] or said  # beside a call, a text that says nothing
        found.append(Said(role=role, parts=said, finish_reason=_reason(fields)))
    return found


def _part(item: Any) -> Part:
    """A part of a message. Total: what is not known is kept whole."""
    if isinstance(item, str):
        return Part(type="text", content=item)
    fields = mapping(item)
    kind = text(fields.get("type")) or "unknown"
    if kind in ("text", "reasoning", "thinking") and isinstance(fields.get("content"), str):
        more = rest(fields, ("type", "content"))
        return Part(type="text" if kind == "text" else "reasoning", content=fields["content"], metadata=given(more))
    if kind == "tool_call":
        more = rest(fields, ("type", "id", "name", "arguments"))
        arguments = openai_chat.arguments(fields.get("arguments"))
        return Part(
            type=kind, id=text(fields.get("id")), name=text(fields.get("name")) or "unknown", arguments=arguments, metadata=given(more)
        )
    if kind == "tool_call_response":
        more = rest(fields, ("type", "id", "response", "result"))
        return Part(type=kind, id=text(fields.get("id")), response=first(fields, "response", "result"), metadata=given(more))
    if kind == "blob" and isinstance(content := first(fields, "content", "data"), str):
        mime_type, modality = text(fields.get("mime_type")), text(fields.get("modality"))
        return Part(type=kind, content=content, mime_type=mime_type, modality=modality or UNSET)
    if kind == "uri" and isinstance(fields.get("uri"), str):
        return Part(type=kind, uri=fields["uri"], mime_type=text(fields.get("mime_type")), modality=text(fields.get("modality")) or UNSET)
    if kind == "file" and isinstance(fields.get("file_id"), str):
        return Part(type=kind, file_id=fields["file_id"], mime_type=text(fields.get("mime_type")))
    return Part(type=kind, metadata={"block": item})


# --- the rest ----------------------------------------------------------------------------------------------------------------------


def _answer(answered: Answer | None, attributes: Mapping[str, Any], provider: str, *, has_failed: bool) -> Answer | None:
    reasons = _list(attributes.get("gen_ai.response.finish_reasons"))
    choices = [
        each if each.finish_reason else replace(each, finish_reason=text(reason))
        for each, reason in zip(answered.choices, [*reasons, *[None] * len(answered.choices)], strict=False)
    ] if answered is not None else []  # fmt: skip
    usage = (answered.usage if answered is not None else None) or _usage(attributes)
    if not choices and (usage is None or has_failed):
        return None
    base = answered or Answer(shape=SHAPE, provider=provider)
    return replace(
        base,
        provider=provider,
        response_id=base.response_id or text(attributes.get("gen_ai.response.id")),
        model=base.model or text(attributes.get("gen_ai.response.model")),
        choices=choices,
        usage=usage,
        error=None,
    )


def _usage(attributes: Mapping[str, Any]) -> UsageRecorded | None:
    def number(*names: str) -> int:
        return count(first(attributes, *names))

    prompt = number("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "llm.usage.prompt_tokens", "llm.token_count.prompt")
    output = number("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens", "llm.token_count.completion")
    read = number(
        *("gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_read_input_tokens"),
        *("gen_ai.usage.details.cache_read_tokens", "llm.token_count.prompt_details.cache_read"),
    )
    write = number(
        *("gen_ai.usage.cache_creation.input_tokens", "gen_ai.usage.cache_creation_input_tokens"),
        *("gen_ai.usage.details.cache_write_tokens", "llm.token_count.prompt_details.cache_write"),
    )
    reasoning = number(
        *("gen_ai.usage.reasoning.output_tokens", "gen_ai.usage.reasoning_tokens", "gen_ai.usage.details.reasoning_tokens"),
        "llm.token_count.completion_details.reasoning",
    )
    if not prompt and not output:
        return None
    return UsageRecorded(
        input_tokens=max(prompt - read - write, 0),
        output_tokens=output,
        cache_read_tokens=read,
        cache_write_tokens=write,
        reasoning_tokens=reasoning,
    )


_ASKED = re.compile(r"gen_ai\.request\.(temperature|top_p|top_k|max_tokens|seed|frequency_penalty|presence_penalty|stop_sequences)")


def _settings(attributes: Mapping[str, Any]) -> dict[str, Any]:
    made = {found[1]: value for name, value in attributes.items() if (found := _ASKED.fullmatch(name)) and value is not None}
    made |= rest(mapping(value_of(attributes.get("llm.invocation_parameters"))), ("model", "stream", "messages"))
    tools = _list(attributes.get("gen_ai.tool.definitions"))
    if not tools:
        described = mappings(_numbered(_nested(attributes, "llm.").get("tools")))
        tools = [value_of(mapping(each.get("tool")).get("json_schema")) for each in described]
    made = {name: list(value) if isinstance(value, tuple) else value for name, value in made.items()}
    return made | ({"tools": tools} if tools else {})


def _error(span: Span, attributes: Mapping[str, Any]) -> ErrorLogged | None:
    raised = next((fields for name, fields in span.events if name == "exception"), {})
    kind = text(first(raised, "exception.type")) or text(first(attributes, "error.type", "exception.type"))
    if span.failure is None and kind is None:
        return None
    said = text(raised.get("exception.message")) or text(attributes.get("exception.message")) or span.failure
    name = (kind or "error").rpartition(".")[2]
    return ErrorLogged(message=said or name, kind=name)


def _reason(fields: dict[str, Any]) -> str | None:
    return text(fields.get("finish_reason")) or None


def _list(stated: Any) -> list[Any]:
    """A list, as it is or as its JSON."""
    if isinstance(stated, tuple):
        return list(stated)
    return items(value_of(stated))


def _nested(attributes: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """Attributes with dots in their names as mappings in mappings."""
    found: dict[str, Any] = {}
    for name, value in attributes.items():
        if not name.startswith(prefix):
            continue
        *path, last = name[len(prefix) :].split(".")
        inside = found
        for each in path:
            deeper = inside.setdefault(each, {})
            if not isinstance(deeper, dict):
                break
            inside = deeper
        else:
            inside[last] = value
    return found


def _numbered(fields: Any) -> list[Any]:
    """A mapping whose names are numbers, as a list in their order."""
    found = mapping(fields)
    numbers = sorted((int(name), name) for name in found if name.isdecimal())
    return [found[name] for _, name in numbers]
