"""Which shape a thing is, and what a program says with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from eventlog import EventLog, Session
from eventlog.errors import InvalidEvent
from eventlog.events import MessageAdded, Part, UsageRecorded
from eventlog.shapes import telling
from projections import SessionView, replay

from .test_anthropic import ANSWER as ANTHROPIC
from .test_gemini import ANSWER as GEMINI
from .test_openai_chat import ANSWER as CHAT
from .test_openai_responses import ANSWER as RESPONSES

OLLAMA = {"model": "llama", "message": {"role": "assistant", "content": "Hi"}, "done": True, "prompt_eval_count": 1, "eval_count": 2}
SHAPED: list[tuple[Any, str]] = [
    (CHAT, "openai-chat"),
    (RESPONSES, "openai-responses"),
    (ANTHROPIC, "anthropic"),
    (GEMINI, "gemini"),
    (OLLAMA, "ollama"),
]


class Model:
    """What pydantic's models have: an object that says of itself what it would send."""

    def __init__(self, value: dict[str, Any]) -> None:
        self._value = value

    def model_dump(self, *, mode: str = "", by_alias: bool = False, exclude_none: bool = False, warnings: bool = True) -> dict[str, Any]:
        assert (mode, by_alias, exclude_none, warnings) == ("json", True, True, False)
        return {name: Model(item) if isinstance(item, dict) else item for name, item in self._value.items()}


class OldModel:
    def __init__(self, value: dict[str, Any]) -> None:
        self._value = value

    def dict(self) -> dict[str, Any]:
        return self._value


@dataclass
class Said:
    role: str = "user"
    content: list[dict[str, Any]] = field(default_factory=lambda: [{"type": "text", "text": "Hi"}])


def session() -> Session:
    return EventLog.memory().start()


@pytest.mark.parametrize(("body", "shape"), SHAPED)
def test_an_answer_is_told_by_its_body(body: Any, shape: str) -> None:
    assert telling.of_answer(body) == shape


@pytest.mark.parametrize("body", [None, {}, {"id": 1}, {"choices": []}, {"choices": 3}, {"message": "sent", "ok": True}, {"output": []}])
def test_what_is_no_answer_is_told_apart(body: Any) -> None:
    assert telling.of_answer(body) is None
    assert telling.answer(body) is None


@pytest.mark.parametrize(
    ("path", "body", "shape"),
    [
        ("/v1/chat/completions", {"model": "m", "messages": []}, "openai-chat"),
        ("/openai/deployments/d/chat/completions?api-version=1", {"messages": []}, "openai-chat"),
        ("/v1/completions", {"model": "m", "prompt": "x"}, "openai-chat"),
        ("/v1/responses", {"model": "m", "input": "x"}, "openai-responses"),
        ("/v1/messages", {"model": "m", "messages": [], "max_tokens": 1}, "anthropic"),
        ("/v1beta/models/g:streamGenerateContent", {"contents": []}, "gemini"),
        ("/api/chat", {"model": "m", "messages": []}, "ollama"),
        ("/api/generate", {"model": "m", "prompt": "x"}, "ollama"),
        ("/channels/7/messages", {"content": "hello"}, None),
        ("/channels/7/messages", {"model": "m", "messages": "hello"}, None),
        ("/v1/responses", {"answer": "yes"}, None),
        ("/v1/embeddings", {"model": "m", "input": "x"}, None),
        ("/v1/messages", [1], None),
    ],
)
def test_a_request_is_told_by_its_path_and_its_body(path: str, body: Any, shape: str | None) -> None:
    assert telling.of_request(path, body) == shape


@pytest.mark.parametrize("wrap", [lambda body: body, Model, OldModel], ids=["mapping", "model", "old model"])
@pytest.mark.parametrize(("body", "shape"), SHAPED)
def test_a_response_is_its_message_its_calls_and_its_usage_in_one_append(body: Any, shape: str, wrap: Any) -> None:
    handle = session()
    assert handle.assistant(wrap(body)) == 2
    message, usage = list(handle.read(after=1))
    assert (message.more, usage.more) == (True, False)
    expected, counted = telling.SHAPES[shape].answer(body).events()
    assert isinstance(usage.event, UsageRecorded)
    assert usage.event == counted
    assert (message.event.message_id, message.event.finish_reason) == (expected.message_id, expected.finish_reason)
    view = replay(handle.read(), SessionView)
    assert [call.name for call in view.tool_calls][:1] == ([] if shape == "ollama" else ["git"])
    assert view.usage.output_tokens == counted.output_tokens


@pytest.mark.parametrize(
    ("said", "content"),
    [
        ("Hi", "Hi"),
        (["Hi", {"type": "text", "text": "there"}], [Part(type="text", content="Hi"), Part(type="text", content="there")]),
        (Part(type="text", content="Hi"), "Hi"),
        ({"type": "text", "text": "Hi"}, [Part(type="text", content="Hi")]),
        ({"text": "Hi"}, [Part(type="text", content="Hi")]),
        ({"role": "user", "content": "Hi"}, "Hi"),
        ({"role": "user", "content": [{"type": "input_text", "text": "Hi"}]}, "Hi"),
        ({"role": "user", "parts": [{"text": "Hi"}]}, "Hi"),
        (Said(), "Hi"),
        (Model({"role": "user", "content": "Hi"}), "Hi"),
        (
            {"role": "user", "content": "", "images": ["iVBORw"]},
            [Part(type="blob", modality="image", mime_type="image/png", content="iVBORw")],
        ),
    ],
)
def test_what_the_user_says_may_be_text_parts_or_a_message(said: Any, content: Any) -> None:
    handle = session()
    seq = handle.user(said, message_id="m1", metadata={"a": 1})
    (stored,) = handle.read(after=1)
    assert (stored.seq, stored.event) == (seq, MessageAdded(role="user", content=content, message_id="m1", metadata={"a": 1}))


def test_results_come_before_what_the_user_says_and_the_seq_is_the_user_s() -> None:
    handle = session()
    blocks = [{"type": "tool_result", "tool_use_id": "t1", "content": "out"}, {"type": "text", "text": "Go on"}]
    assert handle.user({"role": "user", "content": blocks}) == 3
    assert [stored.event.role for stored in handle.read(after=1)] == ["tool", "user"]
    assert handle.user({"role": "tool", "tool_call_id": "c1", "content": "out"}) == 4


@pytest.mark.parametrize(
    "said",
    [
        CHAT["choices"][0],
        CHAT["choices"][0]["message"],
        RESPONSES["output"],
        {"role": "assistant", "content": ANTHROPIC["content"]},
        GEMINI["candidates"][0],
        GEMINI["candidates"][0]["content"],
    ],
)
def test_what_the_assistant_says_may_be_a_choice_a_message_or_items(said: Any) -> None:
    handle = session()
    assert handle.assistant(said) == 2
    (stored,) = handle.read(after=1)
    assert stored.event.role == "assistant"
    assert next(part.name for part in stored.event.content if part.type == "tool_call") == "git"


@pytest.mark.parametrize("said", [3, None, object(), {}, {"a": 1}, int, b"x", [3]])
def test_what_says_nothing_is_refused_with_what_does(said: Any) -> None:
    handle = session()
    for say in (handle.user, handle.assistant):
        with pytest.raises(InvalidEvent, match=r"give text, a list of parts|is no part"):
            say(said)
    assert handle.last_seq == 1


def test_what_the_other_side_said_is_refused() -> None:
    handle = session()
    with pytest.raises(InvalidEvent, match=r"give it to session.assistant\(\)"):
        handle.user(CHAT)
    with pytest.raises(InvalidEvent, match=r"give it to session.assistant\(\)"):
        handle.user({"role": "assistant", "content": "x"})
    with pytest.raises(InvalidEvent, match=r"give it to session.user\(\)"):
        handle.assistant({"role": "user", "content": "x"})
    assert handle.last_seq == 1


def test_a_retry_with_the_same_id_gives_the_same_seq() -> None:
    handle = session()
    assert handle.assistant(CHAT, id="k") == handle.assistant(CHAT, id="k") == 2
    assert handle.last_seq == 3
