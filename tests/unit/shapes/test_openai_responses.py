"""The Responses API."""

from __future__ import annotations

from typing import Any

import pytest

from eventlog.events import MessageAdded, Part, UsageRecorded
from eventlog.shapes import openai_responses
from eventlog.shapes.exchange import Piece

OUTPUT: list[dict[str, Any]] = [
    {
        "id": "rs_1",
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": "I look."}],
        "encrypted_content": "xyz",
        "status": None,
    },
    {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "status": "completed",
        "content": [{"type": "output_text", "text": "Look:", "annotations": [], "logprobs": []}],
    },
    {"id": "fc_1", "type": "function_call", "call_id": "c1", "name": "git", "arguments": '{"n":1}', "status": "completed"},
    {"id": "ws_1", "type": "web_search_call", "status": "completed", "action": {"query": "x"}},
    {"id": "mcp_1", "type": "mcp_call", "name": "roll", "arguments": "{}", "server_label": "dice", "output": "4", "error": None},
]
ANSWER: dict[str, Any] = {
    "id": "resp_1",
    "object": "response",
    "status": "completed",
    "model": "gpt-5",
    "output": OUTPUT,
    "usage": {
        "input_tokens": 100,
        "input_tokens_details": {"cached_tokens": 64},
        "output_tokens": 30,
        "output_tokens_details": {"reasoning_tokens": 12},
        "total_tokens": 130,
    },
    "error": None,
    "incomplete_details": None,
}


def test_an_answer_is_one_message_of_all_its_items() -> None:
    message, usage = openai_responses.answer(ANSWER).events()
    assert message == MessageAdded(
        role="assistant",
        message_id="resp_1",
        response_id="resp_1",
        model="gpt-5",
        finish_reason="completed",
        content=[
            Part(type="reasoning", content="I look.", metadata={"id": "rs_1", "encrypted_content": "xyz"}),
            Part(type="text", content="Look:"),
            Part(type="tool_call", id="c1", name="git", arguments={"n": 1}, metadata={"id": "fc_1"}),
            Part(type="web_search_call", metadata={"block": OUTPUT[3]}),
            Part(type="tool_call", id="mcp_1", name="roll", arguments={}, metadata={"run_by": "provider", "server_label": "dice"}),
            Part(type="tool_call_response", id="mcp_1", response="4"),
        ],
    )
    assert usage == UsageRecorded(
        message_id="resp_1", model="gpt-5", input_tokens=36, cache_read_tokens=64, output_tokens=30, reasoning_tokens=12
    )


def test_what_is_sent_back_is_the_same_message_again() -> None:
    asked = openai_responses.ask(
        {
            "model": "gpt-5",
            "instructions": "Be brief.",
            "input": [
                {"role": "developer", "content": "And kind."},
                {
                    "role": "user",
                    "content": [{"type": "input_text", "text": "Hi"}, {"type": "input_image", "image_url": "https://x/y.png"}],
                },
                *OUTPUT[:3],
                {"type": "function_call_output", "call_id": "c1", "output": "done"},
            ],
            "previous_response_id": "resp_0",
            "conversation": {"id": "conv_1"},
            "tools": [],
            "max_output_tokens": 5,
        }
    )
    assert [said.content for said in asked.instructions] == ["Be brief.", "And kind."]
    user, answer, result = asked.messages
    assert user.parts == [Part(type="text", content="Hi"), Part(type="uri", modality="image", uri="https://x/y.png")]
    assert answer.parts == openai_responses.answer(ANSWER).choices[0].parts[:3]
    assert (result.role, result.parts) == ("tool", [Part(type="tool_call_response", id="c1", response="done")])
    assert (asked.previous_response_id, asked.conversation_id, asked.settings) == ("resp_0", "conv_1", {"max_output_tokens": 5})


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (
            {"type": "input_image", "file_id": "f1", "detail": "auto"},
            Part(type="file", file_id="f1", modality="image", metadata={"detail": "auto"}),
        ),
        ({"type": "input_file", "file_id": "f1"}, Part(type="file", file_id="f1", modality="document")),
        ({"type": "input_file", "file_url": "https://x/a.pdf"}, Part(type="uri", uri="https://x/a.pdf", modality="document")),
        ({"type": "refusal", "refusal": "No."}, Part(type="text", content="No.", metadata={"refusal": True})),
        (
            {"type": "custom_tool_call", "id": "x", "call_id": "c", "name": "sql", "input": "select 1"},
            Part(type="tool_call", id="c", name="sql", arguments="select 1", metadata={"id": "x"}),
        ),
        (
            {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_text", "text": "a"}]},
            Part(type="tool_call_response", id="c", response=[Part(type="text", content="a")]),
        ),
        ({"type": "item_reference", "id": "i"}, Part(type="item_reference", metadata={"block": {"type": "item_reference", "id": "i"}})),
    ],
)
def test_an_item_of_any_kind_is_kept(item: dict[str, Any], expected: Part) -> None:
    assert openai_responses.part(item) == expected


def test_why_an_answer_is_not_complete_is_its_finish_reason() -> None:
    made = openai_responses.answer({**ANSWER, "status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}})
    assert made.choices[0].finish_reason == "max_output_tokens"
    failed = openai_responses.answer(
        {"object": "response", "id": "r", "status": "failed", "output": [], "error": {"code": "x", "message": "bad"}}
    )
    assert (failed.choices, failed.error and failed.error.message) == ([], "bad")


def events() -> list[dict[str, Any]]:
    return [
        {"type": "response.created", "response": {**ANSWER, "status": "in_progress", "output": [], "usage": None}},
        {"type": "response.output_item.added", "output_index": 0, "item": {"id": "rs_1", "type": "reasoning", "summary": []}},
        {"type": "response.reasoning_summary_text.delta", "output_index": 0, "summary_index": 0, "delta": "I look."},
        {"type": "response.output_item.done", "output_index": 0, "item": OUTPUT[0]},
        {"type": "response.output_item.added", "output_index": 1, "item": {**OUTPUT[1], "content": []}},
        {"type": "response.output_text.delta", "output_index": 1, "content_index": 0, "delta": "Lo"},
        {"type": "response.output_text.delta", "output_index": 1, "content_index": 0, "delta": "ok:"},
        {"type": "response.output_item.done", "output_index": 1, "item": OUTPUT[1]},
        {"type": "response.output_item.added", "output_index": 2, "item": {**OUTPUT[2], "arguments": ""}},
        {"type": "response.function_call_arguments.delta", "output_index": 2, "delta": '{"n"'},
        {"type": "response.function_call_arguments.delta", "output_index": 2, "delta": ":1}"},
        {"type": "response.completed", "response": ANSWER},
    ]


def test_a_stream_is_the_answer_that_it_would_have_been() -> None:
    stream = openai_responses.Stream()
    pieces = [piece for event in events() for piece in stream.feed(event)]
    assert pieces == [Piece("reasoning", "I look."), Piece("text", "Lo"), Piece("text", "ok:")]
    assert stream.is_whole
    assert openai_responses.answer(stream.finish()) == openai_responses.answer(ANSWER)


def test_a_stream_without_its_end_is_an_answer_as_far_as_it_came() -> None:
    for count in range(len(events())):
        stream = openai_responses.Stream()
        said = "".join(piece.text for event in events()[:count] for piece in stream.feed(event) if piece.kind == "text")
        made = openai_responses.answer(stream.finish())
        assert "".join(part.content for choice in made.choices for part in choice.parts if part.type == "text") == said  # type: ignore[misc]
        assert not stream.is_whole
    assert made.choices[0].parts == openai_responses.answer(ANSWER).choices[0].parts[:3]
    assert made.choices[0].finish_reason is None


def test_a_stream_that_ends_with_an_error_says_so() -> None:
    stream = openai_responses.Stream()
    stream.feed({"type": "error", "code": "x", "message": "too much", "sequence_number": 1})
    made = openai_responses.answer(stream.finish())
    assert made.error is not None
    assert made.error.message == "too much"
