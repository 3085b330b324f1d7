"""Spans in the dialects that are spoken, as the calls that they are about. The present ones are tested with real SDKs, too."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventlog.events import Part
from eventlog.shapes.exchange import Exchange
from eventlog.shapes.otel import Span, exchange

CALLS = [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}]
ASKED = [
    ("system", [Part(type="text", content="be nice")]),
    ("user", [Part(type="text", content="hello")]),
    ("assistant", [Part(type="tool_call", id="c1", name="f", arguments={"a": 1})]),
    ("tool", [Part(type="tool_call_response", id="c1", response="42")]),
]
ABOUT = {"gen_ai.request.model": "gpt-5", "gen_ai.system": "openai", "gen_ai.usage.input_tokens": 20, "gen_ai.usage.output_tokens": 5}


def read(attributes: dict[str, Any], *events: tuple[str, dict[str, Any]], failure: str | None = None) -> Exchange:
    found = exchange(Span("chat gpt-5", attributes, events, failure))
    assert found is not None
    return found


def asked(found: Exchange) -> list[tuple[str, list[Part]]]:
    return [(each.role, each.parts) for each in [*found.ask.instructions, *found.ask.messages]]


def answered(found: Exchange) -> tuple[str, str | None]:
    assert found.answer is not None
    (choice,) = found.answer.choices
    return "".join(part.content for part in choice.parts), choice.finish_reason


PRESENT = {
    **ABOUT,
    "gen_ai.operation.name": "chat",
    "gen_ai.system_instructions": '[{"type":"text","content":"be nice"}]',
    "gen_ai.input.messages": json.dumps(
        [
            {"role": "user", "parts": [{"type": "text", "content": "hello"}]},
            {"role": "assistant", "parts": [{"type": "tool_call", "id": "c1", "name": "f", "arguments": {"a": 1}}]},
            {"role": "user", "parts": [{"type": "tool_call_response", "id": "c1", "name": "f", "result": "42"}]},
        ]
    ),
    "gen_ai.output.messages": '[{"role":"assistant","parts":[{"type":"text","content":"hi"}],"finish_reason":"stop"}]',
}
OPENLLMETRY = {
    **ABOUT,
    "llm.request.type": "chat",
    "gen_ai.prompt.0.role": "system",
    "gen_ai.prompt.0.content": "be nice",
    "gen_ai.prompt.1.role": "user",
    "gen_ai.prompt.1.content": "hello",
    "gen_ai.prompt.2.role": "assistant",
    "gen_ai.prompt.2.tool_calls.0.id": "c1",
    "gen_ai.prompt.2.tool_calls.0.name": "f",
    "gen_ai.prompt.2.tool_calls.0.arguments": '{"a":1}',
    "gen_ai.prompt.3.role": "tool",
    "gen_ai.prompt.3.tool_call_id": "c1",
    "gen_ai.prompt.3.content": "42",
    "gen_ai.completion.0.role": "assistant",
    "gen_ai.completion.0.content": "hi",
    "gen_ai.completion.0.finish_reason": "stop",
}
OPENINFERENCE = {
    "openinference.span.kind": "LLM",
    "llm.system": "openai",
    "llm.model_name": "gpt-5",
    "llm.token_count.prompt": 20,
    "llm.token_count.completion": 5,
    "input.value": '{"messages": [{"role": "system", "con',  # cut by a limit on attributes
    "llm.input_messages.0.message.role": "system",
    "llm.input_messages.0.message.content": "be nice",
    "llm.input_messages.1.message.role": "user",
    "llm.input_messages.1.message.contents.0.message_content.type": "text",
    "llm.input_messages.1.message.contents.0.message_content.text": "hello",
    "llm.input_messages.2.message.role": "assistant",
    "llm.input_messages.2.message.tool_calls.0.tool_call.id": "c1",
    "llm.input_messages.2.message.tool_calls.0.tool_call.function.name": "f",
    "llm.input_messages.2.message.tool_calls.0.tool_call.function.arguments": '{"a":1}',
    "llm.input_messages.3.message.role": "tool",
    "llm.input_messages.3.message.tool_call_id": "c1",
    "llm.input_messages.3.message.content": "42",
    "llm.output_messages.0.message.role": "assistant",
    "llm.output_messages.0.message.content": "hi",
    "gen_ai.response.finish_reasons": ("stop",),
}
MESSAGES = [
    {"role": "system", "content": "be nice"},
    {"role": "user", "content": "hello"},
    {"role": "assistant", "content": None, "tool_calls": CALLS},
    {"role": "tool", "tool_call_id": "c1", "content": "42"},
]
LOGFIRE = {
    **ABOUT,
    "request_data": json.dumps({"model": "gpt-5", "messages": MESSAGES}),
    "response_data": '{"message": {"role": "assistant", "content": "hi"}}',
    "gen_ai.response.finish_reasons": '["stop"]',
}
EVENTS = [
    ("gen_ai.system.message", {"content": "be nice"}),
    ("gen_ai.user.message", {"content": "hello"}),
    ("gen_ai.assistant.message", {"tool_calls": json.dumps(CALLS)}),
    ("gen_ai.tool.message", {"id": "c1", "content": "42"}),
    ("gen_ai.choice", {"index": 0, "finish_reason": "stop", "message": '{"role":"assistant","content":"hi"}'}),
]
DIALECTS: dict[str, tuple[dict[str, Any], list[tuple[str, dict[str, Any]]]]] = {
    "present": (PRESENT, []),
    "details in an event": (ABOUT, [("gen_ai.client.inference.operation.details", PRESENT)]),
    "openllmetry": (OPENLLMETRY, []),
    "openinference": (OPENINFERENCE, []),
    "logfire": (LOGFIRE, []),
    "events": (ABOUT, EVENTS),
    "events in an attribute": ({**ABOUT, "events": json.dumps([{"event.name": name, **fields} for name, fields in EVENTS])}, []),
}


@pytest.mark.parametrize(("attributes", "events"), DIALECTS.values(), ids=DIALECTS)
def test_every_dialect_tells_the_same_call(attributes: dict[str, Any], events: list[Any]) -> None:
    found = read(attributes, *events)
    assert [(role, [(part.type, part.content, part.id, part.name, part.response) for part in parts]) for role, parts in asked(found)] == [
        (role, [(part.type, part.content, part.id, part.name, part.response) for part in parts]) for role, parts in ASKED
    ]
    assert answered(found) == ("hi", "stop")
    assert (found.ask.model, found.ask.provider) == ("gpt-5", "openai")
    assert found.answer is not None
    assert found.answer.usage is not None
    assert (found.answer.usage.input_tokens, found.answer.usage.output_tokens) == (20, 5)


def test_what_the_cache_gave_is_taken_out_of_the_input() -> None:
    more = {"gen_ai.usage.cache_read.input_tokens": 8, "gen_ai.usage.cache_creation.input_tokens": 2, "gen_ai.usage.reasoning_tokens": 3}
    usage = read(PRESENT | more).answer.usage  # type: ignore[union-attr]
    assert usage is not None
    assert (usage.input_tokens, usage.cache_read_tokens, usage.cache_write_tokens, usage.reasoning_tokens) == (10, 8, 2, 3)


def test_a_body_that_is_there_whole_counts_before_what_is_told_of_it() -> None:
    body = {"model": "gpt-5", "messages": MESSAGES, "temperature": 0.5}
    response = {"id": "r1", "choices": [{"message": {"role": "assistant", "content": "from the body"}, "finish_reason": "stop"}]}
    found = read(OPENINFERENCE | {"input.value": json.dumps(body), "output.value": json.dumps(response)})
    assert found.ask.settings == {"temperature": 0.5}
    assert answered(found) == ("from the body", "stop")
    assert found.answer is not None
    assert found.answer.response_id == "r1"


def test_a_text_that_is_json_stays_a_text() -> None:
    found = read({**ABOUT, "gen_ai.prompt.0.role": "user", "gen_ai.prompt.0.content": '{"a": 1}'})
    assert asked(found) == [("user", [Part(type="text", content='{"a": 1}')])]


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"http.method": "POST"},
        {**ABOUT, "gen_ai.operation.name": "execute_tool"},
        {**ABOUT, "gen_ai.operation.name": "invoke_agent"},
        {**ABOUT, "gen_ai.operation.name": "embeddings"},
        {**OPENINFERENCE, "openinference.span.kind": "CHAIN"},
        {**ABOUT, "traceloop.span.kind": "workflow"},
        {**ABOUT, "llm.request.type": "rerank"},
    ],
)
def test_what_is_no_models_call_is_none(attributes: dict[str, Any]) -> None:
    assert exchange(Span("x", attributes)) is None


def test_a_failure_is_an_error_with_the_exceptions_name() -> None:
    raised = ("exception", {"exception.type": "openai.RateLimitError", "exception.message": "too fast"})
    found = read({**PRESENT, "gen_ai.output.messages": "[]"}, raised, failure="")
    assert found.error is not None
    assert (found.error.kind, found.error.message, found.answer) == ("RateLimitError", "too fast", None)
    told = read(ABOUT, failure="broken").error
    assert told is not None
    assert told.message == "broken"


def test_a_span_without_contents_is_its_usage() -> None:
    found = read(ABOUT | {"gen_ai.response.id": "r1"})
    assert (found.ask.messages, found.answer and found.answer.choices, found.answer and found.answer.response_id) == ([], [], "r1")


def test_the_session_and_the_user_are_those_that_the_span_names() -> None:
    found = read(PRESENT | {"session.id": "s1", "user.id": "u1"})
    assert (found.ask.conversation_id, found.details) == ("s1", {"user_id": "u1"})


NAMES = sorted(
    {*PRESENT, *OPENLLMETRY, *OPENINFERENCE, *LOGFIRE, "events", "gen_ai.tool.definitions", "llm.tools.0.tool.json_schema", "llm.0"}
)
FIELDS = ["role", "parts", "type", "content", "message", "tool_calls", "text", "id"]
JSON = st.recursive(
    st.text(max_size=5) | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=4),
    max_leaves=10,
)
PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20) | st.tuples(st.text(max_size=3))
VALUES = PLAIN | JSON.map(json.dumps)
FOUND = st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=12)
TOLD = st.tuples(st.sampled_from([name for name, _ in EVENTS]), st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=4))


@given(FOUND, st.lists(TOLD, max_size=3))
def test_attributes_of_any_type_say_something_or_nothing(attributes: dict[str, Any], events: list[Any]) -> None:
    exchange(Span("chat", {**attributes, "gen_ai.operation.name": "chat"}, events))
