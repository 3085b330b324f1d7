"""Whatever comes over a wire, the shapes make something of it that the log takes, and never raise."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from eventlog import EventLog
from eventlog.shapes import telling
from eventlog.shapes.exchange import Said

from .test_anthropic import ANSWER as ANTHROPIC
from .test_anthropic import events as anthropic_events
from .test_gemini import ANSWER as GEMINI
from .test_gemini import chunks as gemini_chunks
from .test_openai_chat import ANSWER as CHAT
from .test_openai_chat import chunks as chat_chunks
from .test_openai_responses import ANSWER as RESPONSES
from .test_openai_responses import events as response_events

OLLAMA: dict[str, Any] = {"model": "m", "message": {"role": "assistant", "content": "x", "images": ["y"]}, "done": True, "eval_count": 1}
BODIES: list[Any] = [CHAT, RESPONSES, ANTHROPIC, GEMINI, OLLAMA, *chat_chunks(), *response_events(), *anthropic_events(), *gemini_chunks()]
ASKS: list[Any] = [
    {
        "model": "m",
        "messages": [CHAT["choices"][0]["message"], {"role": "tool", "tool_call_id": "c", "content": [{"type": "text", "text": "x"}]}],
    },
    {"model": "m", "instructions": "x", "input": RESPONSES["output"], "conversation": {"id": "x"}},
    {"model": "m", "system": "x", "messages": [{"role": "assistant", "content": ANTHROPIC["content"]}]},
    {"contents": [GEMINI["candidates"][0]["content"]], "systemInstruction": {"parts": [{"text": "x"}]}},
    {"model": "m", "messages": [OLLAMA["message"]], "prompt": "x", "system": "y"},
]
odd = st.sampled_from(
    [None, True, 0, -1, 1.5, "", "x", [], ["x"], [None], [[]], {}, {"type": 3}, [{}], {"text": None}, [{"type": "text"}], 2**80]
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in the value."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for name, item in inside for found in places(item, (*path, name)))]


def replaced(value: Any, path: tuple[Any, ...], other: Any) -> Any:
    if not path:
        return other
    if isinstance(value, dict):
        return {name: replaced(item, path[1:], other) if name == path[0] else item for name, item in value.items()}
    return [replaced(item, path[1:], other) if index == path[0] else item for index, item in enumerate(value)]


@st.composite
def bent(draw: st.DrawFn, bodies: list[Any]) -> Any:
    """A body with something of another kind in one or two places."""
    body = draw(st.sampled_from(bodies))
    for _ in range(draw(st.integers(1, 2))):
        body = replaced(body, draw(st.sampled_from(places(body))), draw(odd))
    return body


def append_all(said: list[Said]) -> None:
    with EventLog.memory() as log, log.start() as session:
        for each in said:
            session.append(each.event())


@given(bent(BODIES))
@settings(max_examples=400, deadline=None)
def test_an_answer_of_any_shape_is_something_that_the_log_takes(body: Any) -> None:
    for shape in telling.SHAPES.values():
        events = shape.answer(body).events()
        if events:
            with EventLog.memory() as log, log.start() as session:
                session.append(*events)
                assert [stored.type for stored in session.read(after=1)] == [event.type for event in events]


@given(bent(ASKS))
@settings(max_examples=400, deadline=None)
def test_a_request_of_any_shape_is_something_that_the_log_takes(body: Any) -> None:
    for shape in telling.SHAPES.values():
        asked = shape.ask(body)
        append_all([*asked.instructions, *asked.messages])


@given(st.lists(bent(BODIES), max_size=6))
@settings(max_examples=300, deadline=None)
def test_a_stream_of_anything_is_something_that_the_log_takes(chunks: list[Any]) -> None:
    for name, shape in telling.SHAPES.items():
        stream = telling.stream(name)
        for chunk in chunks:
            stream.feed(chunk)
        append_all(shape.answer(stream.finish()).choices)
