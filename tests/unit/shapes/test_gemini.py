"""Gemini's generateContent."""

from __future__ import annotations

from typing import Any

import pytest

from eventlog.events import ErrorLogged, MessageAdded, Part, UsageRecorded
from eventlog.shapes import gemini
from eventlog.shapes.exchange import Piece

ANSWER: dict[str, Any] = {
    "responseId": "r1",
    "modelVersion": "gemini-3",
    "candidates": [
        {
            "index": 0,
            "content": {
                "role": "model",
                "parts": [
                    {"text": "Hm.", "thought": True},
                    {"text": "Let me look."},
                    {"functionCall": {"name": "git", "args": {"n": 1}}, "thoughtSignature": "c2ln"},
                ],
            },
            "finishReason": "STOP",
            "safetyRatings": [{"category": "X"}],
        }
    ],
    "usageMetadata": {
        "promptTokenCount": 100,
        "cachedContentTokenCount": 64,
        "candidatesTokenCount": 20,
        "thoughtsTokenCount": 10,
        "toolUsePromptTokenCount": 7,
        "totalTokenCount": 137,
    },
}
PARTS = [
    Part(type="reasoning", content="Hm."),
    Part(type="text", content="Let me look."),
    Part(type="tool_call", id=None, name="git", arguments={"n": 1}, metadata={"thought_signature": "c2ln"}),
]


def test_an_answer_is_its_message_with_the_calls_and_its_usage() -> None:
    assert gemini.answer(ANSWER).events() == [
        MessageAdded(
            role="assistant",
            content=PARTS,
            message_id="r1",
            response_id="r1",
            model="gemini-3",
            finish_reason="STOP",
            metadata={"safetyRatings": [{"category": "X"}]},
        ),
        UsageRecorded(message_id="r1", model="gemini-3", input_tokens=43, cache_read_tokens=64, output_tokens=30, reasoning_tokens=10),
    ]


def test_a_prompt_that_was_blocked_is_an_error() -> None:
    made = gemini.answer({"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 3}})
    assert made.events() == [
        UsageRecorded(input_tokens=3),
        ErrorLogged(message="the prompt was blocked: SAFETY", kind="blocked", details={"blockReason": "SAFETY"}),
    ]


def test_a_request_is_told_from_what_the_sdk_writes_with_underscores_too() -> None:
    asked = gemini.ask(
        {
            "contents": [
                {"role": "user", "parts": [{"text": "Hi"}, {"inline_data": {"mime_type": "image/png", "data": "-_8="}}]},
                ANSWER["candidates"][0]["content"],
                {"role": "user", "parts": [{"functionResponse": {"name": "git", "response": {"result": "done"}}}, {"text": "Go on"}]},
            ],
            "system_instruction": {"parts": [{"text": "Be brief."}]},
            "generationConfig": {"temperature": 0},
        },
        model="gemini-3",
    )
    assert [said.content for said in asked.instructions] == ["Be brief."]
    assert [(said.role, said.content) for said in asked.messages] == [
        ("user", [Part(type="text", content="Hi"), Part(type="blob", mime_type="image/png", modality="image", content="+/8=")]),
        ("assistant", PARTS),
        ("tool", [Part(type="tool_call_response", id=None, name="git", response="done")]),
        ("user", "Go on"),
    ]
    assert (asked.model, asked.settings) == ("gemini-3", {"generationConfig": {"temperature": 0}})


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ("Hi", Part(type="text", content="Hi")),
        (
            {"fileData": {"fileUri": "gs://b/a.pdf", "mimeType": "application/pdf"}},
            Part(type="uri", uri="gs://b/a.pdf", mime_type="application/pdf", modality="document"),
        ),
        (
            {"functionResponse": {"id": "1", "name": "f", "response": {"error": "no"}}},
            Part(type="tool_call_response", id="1", name="f", response="no", is_error=True),
        ),
        (
            {"executableCode": {"code": "1+1"}},
            Part(type="executableCode", metadata={"block": {"executableCode": {"code": "1+1"}}}),
        ),
        ({"hologram": 1}, Part(type="hologram", metadata={"block": {"hologram": 1}})),
        ({}, Part(type="unknown", metadata={"block": {}})),
    ],
)
def test_a_part_of_any_kind_is_kept(item: Any, expected: Part) -> None:
    assert gemini.part(item) == expected


def chunks() -> list[dict[str, Any]]:
    def chunk(*parts: dict[str, Any], **more: Any) -> dict[str, Any]:
        return {
            "responseId": "r1",
            "modelVersion": "gemini-3",
            "candidates": [{"content": {"role": "model", "parts": list(parts)}, **more}],
        }

    return [
        chunk({"text": "H", "thought": True}),
        chunk({"text": "m.", "thought": True}, {"text": "Let "}),
        chunk({"text": "me look."}),
        chunk(ANSWER["candidates"][0]["content"]["parts"][2], safetyRatings=[{"category": "X"}]),
        {**chunk({"text": ""}, finishReason="STOP"), "usageMetadata": ANSWER["usageMetadata"]},
    ]


def test_a_stream_is_the_answer_that_it_would_have_been() -> None:
    stream = gemini.Stream()
    pieces = [piece for chunk in chunks() for piece in stream.feed(chunk)]
    assert pieces == [Piece("reasoning", "H"), Piece("reasoning", "m."), Piece("text", "Let "), Piece("text", "me look.")]
    assert stream.is_whole
    assert gemini.answer(stream.finish()) == gemini.answer(ANSWER)


def test_a_stream_that_is_cut_anywhere_is_an_answer_as_far_as_it_came() -> None:
    for count in range(len(chunks())):
        stream = gemini.Stream()
        said = "".join(piece.text for chunk in chunks()[:count] for piece in stream.feed(chunk) if piece.kind == "text")
        made = gemini.answer(stream.finish())
        assert "".join(part.content for choice in made.choices for part in choice.parts if part.type == "text") == said  # type: ignore[misc]
        assert not stream.is_whole


def test_a_signature_that_comes_behind_its_text_ends_that_part() -> None:
    stream = gemini.Stream()
    for part in ({"text": "a"}, {"text": "", "thoughtSignature": "s"}, {"text": "b"}):
        stream.feed({"candidates": [{"content": {"parts": [part]}}]})
    assert gemini.answer(stream.finish()).choices[0].parts == [
        Part(type="text", content="a", metadata={"thought_signature": "s"}),
        Part(type="text", content="b"),
    ]
