"""Anthropic's Messages API."""

from __future__ import annotations

from typing import Any

import pytest

from eventlog.events import MessageAdded, Part, UsageRecorded
from eventlog.shapes import anthropic
from eventlog.shapes.exchange import Piece

ANSWER: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-5",
    "content": [
        {"type": "thinking", "thinking": "Hm.", "signature": "sig"},
        {"type": "redacted_thinking", "data": "opaque"},
        {"type": "text", "text": "Let me look.", "citations": [{"type": "page_location"}]},
        {"type": "tool_use", "id": "t1", "name": "git", "input": {"n": 1}},
        {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "x"}},
        {"type": "web_search_tool_result", "tool_use_id": "s1", "content": [{"type": "web_search_result", "url": "https://x"}]},
    ],
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "usage": {
        "input_tokens": 10,
        "cache_creation_input_tokens": 20,
        "cache_read_input_tokens": 30,
        "output_tokens": 40,
        "service_tier": "standard",
    },
}
PARTS = [
    Part(type="reasoning", content="Hm.", metadata={"signature": "sig"}),
    Part(type="reasoning", content="", metadata={"data": "opaque"}),
    Part(type="text", content="Let me look.", metadata={"citations": [{"type": "page_location"}]}),
    Part(type="tool_call", id="t1", name="git", arguments={"n": 1}),
    Part(type="tool_call", id="s1", name="web_search", arguments={"query": "x"}, metadata={"run_by": "provider"}),
    Part(type="tool_call_response", id="s1", response=[{"type": "web_search_result", "url": "https://x"}]),
]
USAGE = UsageRecorded(message_id="msg_1", model="claude-5", input_tokens=10, cache_write_tokens=20, cache_read_tokens=30, output_tokens=40)


def test_an_answer_is_its_message_with_the_calls_and_its_usage() -> None:
    assert anthropic.answer(ANSWER).events() == [
        MessageAdded(role="assistant", content=PARTS, message_id="msg_1", response_id="msg_1", model="claude-5", finish_reason="tool_use"),
        USAGE,
    ]


def test_results_in_a_user_s_message_are_messages_of_their_own() -> None:
    asked = anthropic.ask(
        {
            "model": "claude-5",
            "max_tokens": 5,
            "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
            "messages": [
                {"role": "user", "content": "Hi"},
                {"role": "assistant", "content": ANSWER["content"]},
                {
                    "role": "user",
                    "content": [
                        {"type": "tool_result", "tool_use_id": "t1", "is_error": True, "content": [{"type": "text", "text": "no"}]},
                        {"type": "text", "text": "Go on", "cache_control": {"type": "ephemeral"}},
                    ],
                },
            ],
        }
    )
    assert [said.content for said in asked.instructions] == ["Be brief."]
    assert [(said.role, said.content) for said in asked.messages] == [
        ("user", "Hi"),
        ("assistant", PARTS),
        ("tool", [Part(type="tool_call_response", id="t1", is_error=True, response=[Part(type="text", content="no")])]),
        ("user", "Go on"),
    ]
    assert asked.settings == {"max_tokens": 5}


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        (
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
            Part(type="blob", mime_type="image/png", modality="image", content="AAAA"),
        ),
        (
            {"type": "image", "source": {"type": "url", "url": "https://x"}},
            Part(type="uri", uri="https://x", mime_type=None, modality="image"),
        ),
        (
            {"type": "document", "title": "T", "source": {"type": "text", "media_type": "text/plain", "data": "words"}},
            Part(type="text", content="words", metadata={"title": "T"}),
        ),
        (
            {"type": "document", "source": {"type": "file", "file_id": "f1"}},
            Part(type="file", file_id="f1", mime_type=None, modality="document"),
        ),
        ({"type": "image", "source": 3}, Part(type="image", metadata={"block": {"type": "image", "source": 3}})),
        ({"type": "hologram", "x": 1}, Part(type="hologram", metadata={"block": {"type": "hologram", "x": 1}})),
        ({"no": "type"}, Part(type="unknown", metadata={"block": {"no": "type"}})),
    ],
)
def test_a_block_of_any_kind_is_kept(block: Any, expected: Part) -> None:
    assert anthropic.part(block) == expected


def events() -> list[dict[str, Any]]:
    """`ANSWER` as a server streams it."""
    whole = [
        {
            "type": "message_start",
            "message": {**ANSWER, "content": [], "stop_reason": None, "usage": {**ANSWER["usage"], "output_tokens": 1}},
        }
    ]
    grows = {"thinking": ("thinking_delta", "thinking"), "text": ("text_delta", "text")}
    for index, block in enumerate(ANSWER["content"]):
        kind = block["type"]
        empty = {**block, "input": {}} if "input" in block else {"type": kind, grows[kind][1]: ""} if kind in grows else block
        whole.append({"type": "content_block_start", "index": index, "content_block": empty})
        deltas: list[dict[str, Any]] = []
        if kind in grows:
            name, field = grows[kind]
            deltas = [{"type": name, field: piece} for piece in (block[field][:2], block[field][2:])]
        if "signature" in block:
            deltas.append({"type": "signature_delta", "signature": block["signature"]})
        deltas += [{"type": "citations_delta", "citation": each} for each in block.get("citations", ())]
        if block.get("input") == {"n": 1}:
            deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in ("", '{"n"', ":1}")]
        if block.get("input") == {"query": "x"}:
            deltas = [{"type": "input_json_delta", "partial_json": '{"query":"x"}'}]
        whole += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        whole.append({"type": "content_block_stop", "index": index})
        whole.append({"type": "ping"})
    whole.append({"type": "message_delta", "delta": {"stop_reason": "tool_use", "stop_sequence": None}, "usage": {"output_tokens": 40}})
    whole.append({"type": "message_stop"})
    return whole


def test_a_stream_is_the_answer_that_it_would_have_been() -> None:
    stream = anthropic.Stream()
    pieces = [piece for event in events() for piece in stream.feed(event)]
    assert pieces == [Piece("reasoning", "Hm"), Piece("reasoning", "."), Piece("text", "Le"), Piece("text", "t me look.")]
    assert stream.is_whole
    assert anthropic.answer(stream.finish()) == anthropic.answer(ANSWER)


@pytest.mark.parametrize("count", range(len(events())))
def test_a_stream_that_is_cut_anywhere_is_an_answer_as_far_as_it_came(count: int) -> None:
    stream = anthropic.Stream()
    said = "".join(piece.text for event in events()[:count] for piece in stream.feed(event) if piece.kind == "text")
    made = anthropic.answer(stream.finish())
    assert "".join(part.content for choice in made.choices for part in choice.parts if part.type == "text") == said  # type: ignore[misc]
    assert not stream.is_whole


def test_arguments_that_were_cut_are_kept_as_the_text_that_came() -> None:
    stream = anthropic.Stream()
    stream.feed({"type": "content_block_start", "index": 0, "content_block": {"type": "tool_use", "id": "t", "name": "n", "input": {}}})
    stream.feed({"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": '{"a": "b'}})
    (part,) = anthropic.answer(stream.finish()).choices[0].parts
    assert part.arguments == '{"a": "b'


def test_an_error_in_a_stream_is_an_error_beside_what_came() -> None:
    stream = anthropic.Stream()
    stream.feed({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hal"}})
    stream.feed({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}})
    made = anthropic.answer(stream.finish())
    assert made.error is not None
    assert (made.error.message, made.choices[0].content) == ("Overloaded", "Hal")


def test_an_answer_without_usage_has_none() -> None:
    assert anthropic.answer({**ANSWER, "usage": None}).usage is None
