"""Ollama's chat and generate."""

from __future__ import annotations

from typing import Any

from eventlog.events import MessageAdded, Part, UsageRecorded
from eventlog.shapes import ollama
from eventlog.shapes.exchange import Piece

END: dict[str, Any] = {
    "model": "llama",
    "done": True,
    "done_reason": "stop",
    "total_duration": 5,
    "prompt_eval_count": 10,
    "eval_count": 20,
}
MESSAGE = {
    "role": "assistant",
    "content": "Let me look.",
    "thinking": "Hm.",
    "tool_calls": [{"function": {"name": "git", "arguments": {"n": 1}}}],
}


def test_an_answer_is_its_message_with_the_calls_and_its_usage() -> None:
    assert ollama.answer({**END, "message": MESSAGE}).events("m1") == [
        MessageAdded(
            role="assistant",
            content=[
                Part(type="reasoning", content="Hm."),
                Part(type="text", content="Let me look."),
                Part(type="tool_call", id=None, name="git", arguments={"n": 1}),
            ],
            message_id="m1",
            model="llama",
            finish_reason="stop",
            metadata={"total_duration": 5},
        ),
        UsageRecorded(message_id="m1", model="llama", input_tokens=10, output_tokens=20),
    ]


def test_a_request_is_streamed_unless_it_says_otherwise() -> None:
    asked = ollama.ask(
        {
            "model": "llama",
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "Look", "images": ["iVBORw0K", "????"]},
                {"role": "tool", "content": "done", "tool_name": "git"},
            ],
            "options": {"num_ctx": 5},
        }
    )
    assert [said.content for said in asked.instructions] == ["Be brief."]
    assert [(said.role, said.parts) for said in asked.messages] == [
        (
            "user",
            [
                Part(type="text", content="Look"),
                Part(type="blob", modality="image", mime_type="image/png", content="iVBORw0K"),
                Part(type="blob", modality="image", content="????"),
            ],
        ),
        ("tool", [Part(type="tool_call_response", id=None, name="git", response="done")]),
    ]
    assert (asked.is_streamed, asked.settings) == (True, {"options": {"num_ctx": 5}})
    assert not ollama.ask({"model": "llama", "prompt": "x", "stream": False}).is_streamed


def test_what_is_generated_from_a_prompt_is_an_answer_to_a_user() -> None:
    asked = ollama.ask({"model": "llama", "system": "S", "prompt": "P"})
    assert [said.content for said in [*asked.instructions, *asked.messages]] == ["S", "P"]
    made = ollama.answer({**END, "response": "R", "thinking": "T", "context": [1, 2]})
    assert made.choices[0].parts == [Part(type="reasoning", content="T"), Part(type="text", content="R")]


def test_a_stream_is_the_answer_that_it_would_have_been() -> None:
    stream = ollama.Stream()
    chunks: list[dict[str, Any]] = [
        {"model": "llama", "message": {"role": "assistant", "content": "", "thinking": "H"}, "done": False},
        {"model": "llama", "message": {"role": "assistant", "content": "", "thinking": "m."}, "done": False},
        {"model": "llama", "message": {"role": "assistant", "content": "Let me look."}, "done": False},
        {"model": "llama", "message": {"role": "assistant", "content": "", "tool_calls": MESSAGE["tool_calls"]}, "done": False},
        {**END, "message": {"role": "assistant", "content": ""}},
    ]
    pieces = [piece for chunk in chunks for piece in stream.feed(chunk)]
    assert pieces == [Piece("reasoning", "H"), Piece("reasoning", "m."), Piece("text", "Let me look.")]
    assert stream.is_whole
    assert ollama.answer(stream.finish()) == ollama.answer({**END, "message": MESSAGE})


def test_a_stream_of_what_is_generated_is_the_answer_that_it_would_have_been() -> None:
    stream = ollama.Stream()
    for chunk in (
        {"model": "llama", "response": "He", "done": False},
        {"model": "llama", "response": "llo", "done": False},
        {**END, "response": ""},
    ):
        stream.feed(chunk)
    assert ollama.answer(stream.finish()) == ollama.answer({**END, "response": "Hello"})
