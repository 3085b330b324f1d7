"""Chat Completions, and what compatible servers add to it."""

from __future__ import annotations

from typing import Any

import pytest

from eventlog.events import Cost, MessageAdded, Part, UsageRecorded
from eventlog.shapes import openai_chat
from eventlog.shapes.exchange import Piece

ANSWER: dict[str, Any] = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-5",
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": "Let me look.",
                "reasoning_content": "Hm.",
                "tool_calls": [
                    {"id": "c1", "type": "function", "function": {"name": "git", "arguments": '{"n":1}'}},
                    {"id": "c2", "type": "function", "function": {"name": "ls", "arguments": "not json"}},
                ],
                "refusal": None,
                "annotations": [],
            },
            "finish_reason": "tool_calls",
        }
    ],
    "usage": {
        "prompt_tokens": 100,
        "completion_tokens": 30,
        "total_tokens": 130,
        "prompt_tokens_details": {"cached_tokens": 64, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 12},
    },
    "system_fingerprint": "fp_1",
}
PARTS = [
    Part(type="reasoning", content="Hm."),
    Part(type="text", content="Let me look."),
    Part(type="tool_call", id="c1", name="git", arguments={"n": 1}),
    Part(type="tool_call", id="c2", name="ls", arguments="not json"),
]


def test_an_answer_is_its_message_with_the_calls_and_its_usage() -> None:
    message, usage = openai_chat.answer(ANSWER).events()
    assert message == MessageAdded(
        role="assistant",
        content=PARTS,
        message_id="chatcmpl-1",
        response_id="chatcmpl-1",
        model="gpt-5",
        finish_reason="tool_calls",
        metadata={"system_fingerprint": "fp_1"},
    )
    assert usage == UsageRecorded(
        message_id="chatcmpl-1", model="gpt-5", input_tokens=36, cache_read_tokens=64, output_tokens=30, reasoning_tokens=12
    )


def test_further_choices_are_alternatives_and_the_usage_counts_once() -> None:
    choices = [{"index": n, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"} for n, text in enumerate("ab")]
    first, second, usage = openai_chat.answer({**ANSWER, "choices": choices}).events()
    assert (first.content, first.alternative_to) == ("a", None)  # type: ignore[union-attr]
    assert (second.content, second.alternative_to, second.message_id) == ("b", "chatcmpl-1", "chatcmpl-1.1")  # type: ignore[union-attr]
    assert isinstance(usage, UsageRecorded)


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        (None, None),
        ({}, None),
        ({"prompt_tokens": 5, "completion_tokens": 2}, UsageRecorded(input_tokens=5, output_tokens=2)),
        # a server whose total says that reasoning is not among what was written
        (
            {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 10, "completion_tokens_details": {"reasoning_tokens": 3}},
            UsageRecorded(input_tokens=5, output_tokens=5, reasoning_tokens=3),
        ),
        (
            {"prompt_tokens": 5, "completion_tokens": 2, "prompt_cache_hit_tokens": 4, "prompt_cache_miss_tokens": 1},
            UsageRecorded(input_tokens=1, output_tokens=2, cache_read_tokens=4),
        ),
        (
            {"prompt_tokens": 9, "completion_tokens": 2, "cache_read_input_tokens": 4, "cache_creation_input_tokens": 3},
            UsageRecorded(input_tokens=2, output_tokens=2, cache_read_tokens=4, cache_write_tokens=3),
        ),
        (
            {"prompt_tokens": 1, "completion_tokens": 2, "cost": 0.25},
            UsageRecorded(input_tokens=1, output_tokens=2, cost=Cost(amount=0.25, price_version="provider")),
        ),
        ({"prompt_tokens": "x", "completion_tokens": -1, "cost": float("nan")}, UsageRecorded()),
    ],
)
def test_tokens_are_counted_in_one_way(stated: Any, expected: UsageRecorded | None) -> None:
    assert openai_chat.usage(stated) == expected


def test_a_request_leads_with_its_instructions() -> None:
    asked = openai_chat.ask(
        {
            "model": "gpt-5",
            "temperature": 0,
            "stream": True,
            "messages": [
                {"role": "developer", "content": "Be brief."},
                {
                    "role": "user",
                    "content": [{"type": "text", "text": "Look"}, {"type": "image_url", "image_url": {"url": "https://x/y.png"}}],
                },
                {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "out"}], "name": "git"},
            ],
        }
    )
    assert [(said.role, said.parts, said.metadata) for said in asked.instructions] == [
        ("system", [Part(type="text", content="Be brief.")], {"role": "developer"})
    ]
    user, tool = asked.messages
    assert user.parts == [Part(type="text", content="Look"), Part(type="uri", modality="image", uri="https://x/y.png")]
    assert tool.parts == [Part(type="tool_call_response", id="c1", response=[Part(type="text", content="out")])]
    assert (asked.model, asked.settings, asked.is_streamed, tool.metadata) == ("gpt-5", {"temperature": 0}, True, {"name": "git"})


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (
            {"type": "image_url", "image_url": "data:image/png;base64,AAAA"},
            Part(type="blob", modality="image", mime_type="image/png", content="AAAA"),
        ),
        (
            {"type": "image_url", "image_url": {"url": "https://x", "detail": "low"}},
            Part(type="uri", modality="image", uri="https://x", metadata={"detail": "low"}),
        ),
        (
            {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}},
            Part(type="blob", modality="audio", mime_type="audio/mp3", content="AAAA"),
        ),
        ({"type": "file", "file": {"file_id": "f1"}}, Part(type="file", file_id="f1", modality="document")),
        (
            {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"}},
            Part(type="blob", mime_type="application/pdf", modality="document", content="AAAA", metadata={"filename": "a.pdf"}),
        ),
        ({"type": "refusal", "refusal": "No."}, Part(type="text", content="No.", metadata={"refusal": True})),
        ({"type": "hologram", "x": [1]}, Part(type="hologram", metadata={"block": {"type": "hologram", "x": [1]}})),
        (7, Part(type="unknown", metadata={"block": 7})),
    ],
)
def test_a_part_of_any_kind_is_kept(item: Any, expected: Part) -> None:
    assert openai_chat.part(item) == expected


def chunks() -> list[dict[str, Any]]:
    """`ANSWER` as a server streams it, the arguments of two calls interleaved."""

    def chunk(delta: Any, finish_reason: str | None = None, **more: Any) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-5", "choices": [choice], **more}

    def call(index: int, arguments: str, **more: Any) -> dict[str, Any]:
        named = {"name": more.pop("name")} if "name" in more else {}
        return {"tool_calls": [{"index": index, **more, "function": {**named, "arguments": arguments}}]}

    return [
        {"choices": [], "prompt_filter_results": []},
        chunk({"role": "assistant", "content": None}, system_fingerprint="fp_1"),
        chunk({"reasoning_content": "H"}),
        chunk({"reasoning_content": "m."}),
        chunk({"content": "Let me "}),
        chunk({"content": "look."}),
        chunk(None),
        chunk(call(0, "", id="c1", type="function", name="git")),
        chunk(call(1, "not", id="c2", type="function", name="ls")),
        chunk(call(0, '{"n"')),
        chunk(call(1, " json")),
        chunk(call(0, ":1}")),
        chunk({}, "tool_calls"),
        {"id": "chatcmpl-1", "choices": [], "usage": ANSWER["usage"]},
    ]


def test_a_stream_is_the_answer_that_it_would_have_been() -> None:
    stream = openai_chat.Stream()
    pieces = [piece for chunk in chunks() for piece in stream.feed(chunk)]
    assert pieces == [Piece("reasoning", "H"), Piece("reasoning", "m."), Piece("text", "Let me "), Piece("text", "look.")]
    assert stream.is_whole
    assert openai_chat.answer(stream.finish()) == openai_chat.answer(ANSWER)


@pytest.mark.parametrize("count", range(len(chunks())))
def test_a_stream_that_is_cut_anywhere_is_an_answer_as_far_as_it_came(count: int) -> None:
    stream = openai_chat.Stream()
    said = "".join(piece.text for chunk in chunks()[:count] for piece in stream.feed(chunk) if piece.kind == "text")
    made = openai_chat.answer(stream.finish())
    assert "".join(part.content for choice in made.choices for part in choice.parts if part.type == "text") == said  # type: ignore[misc]
    assert stream.is_whole == (count >= 13)


def test_an_error_in_a_stream_is_an_error() -> None:
    stream = openai_chat.Stream()
    stream.feed({"choices": [{"index": 0, "delta": {"content": "Hal"}}]})
    stream.feed({"error": {"message": "overloaded", "type": "server_error"}})
    made = openai_chat.answer(stream.finish())
    assert made.error is not None
    assert (made.error.message, made.choices[0].content) == ("overloaded", "Hal")


def test_calls_of_a_server_that_does_not_count_them_are_told_apart_by_their_ids() -> None:
    stream = openai_chat.Stream()
    for piece in (
        {"id": "a", "function": {"name": "x", "arguments": "{"}},
        {"function": {"arguments": "}"}},
        {"id": "b", "function": {"name": "y", "arguments": "{}"}},
    ):
        stream.feed({"choices": [{"delta": {"tool_calls": [piece]}}]})
    (choice,) = openai_chat.answer(stream.finish()).choices
    assert [(part.id, part.name, part.arguments) for part in choice.parts] == [("a", "x", {}), ("b", "y", {})]


def test_the_older_completions_have_a_prompt_and_texts() -> None:
    assert [said.content for said in openai_chat.ask({"model": "m", "prompt": ["a", "b"]}).messages] == ["a", "b"]
    stream = openai_chat.Stream()
    for text in ("Hel", "lo"):
        stream.feed({"id": "cmpl-1", "object": "text_completion", "choices": [{"index": 0, "text": text}]})
    made = openai_chat.answer(stream.finish())
    assert (made.response_id, made.choices[0].content) == ("cmpl-1", "Hello")
