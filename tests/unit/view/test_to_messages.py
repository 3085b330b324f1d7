"""What a model is given when a session goes on: everything that it may see, in a shape that its API takes."""

from __future__ import annotations

from typing import Any

import pytest

from eventlog import EventLog
from eventlog.events import (
    ContextCompacted,
    Event,
    MessageAdded,
    MessageDelta,
    MessageRetracted,
    Part,
    ToolCalled,
    ToolReturned,
)
from projections import SessionView, replay, to_messages
from projections.view.to_messages import NO_RESULT, system_prompt
from tests.api_rules import check_anthropic, check_openai


def view_of(*events: Event) -> SessionView:
    with EventLog.memory() as log:
        session = log.session("s", create=True)
        for event in events:
            session.append(event)
        return replay(session.read(), SessionView)


def both(*events: Event) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    view = view_of(*events)
    openai, anthropic = to_messages(view), to_messages(view, provider="anthropic")
    check_openai(openai)
    check_anthropic(anthropic)
    return openai, anthropic


def said(role: str, content: Any, **more: Any) -> MessageAdded:
    return MessageAdded(role=role, content=content, **more)


def text(value: str) -> dict[str, str]:
    return {"type": "text", "text": value}


def test_a_conversation_in_both_shapes() -> None:
    openai, anthropic = both(
        said("system", "Be brief."),
        said("user", "What changed?"),
        said("assistant", [Part(type="text", content="Looking."), Part(type="tool_call", id="c1", name="git", arguments={"n": 1})]),
        ToolReturned(call_id="c1", output="the cookie"),
        said("assistant", "The cookie."),
    )
    assert openai == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "What changed?"},
        {
            "role": "assistant",
            "content": "Looking.",
            "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "git", "arguments": '{"n":1}'}}],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "the cookie"},
        {"role": "assistant", "content": "The cookie."},
    ]
    assert anthropic == [
        {"role": "user", "content": [text("What changed?")]},
        {"role": "assistant", "content": [text("Looking."), {"type": "tool_use", "id": "c1", "name": "git", "input": {"n": 1}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "content": [text("the cookie")]}]},
        {"role": "assistant", "content": [text("The cookie.")]},
    ]


def test_the_instructions_for_an_api_that_takes_them_beside_the_messages() -> None:
    assert system_prompt(view_of(said("system", "Be brief."), said("user", "x"), said("developer", "Be kind."))) == "Be brief.\n\nBe kind."
    assert system_prompt(view_of(said("user", "x"))) is None


def test_a_call_that_hangs_is_closed_and_results_move_to_their_calls() -> None:
    openai, anthropic = both(
        said("user", "go"),
        ToolCalled(name="a", call_id="1"),
        ToolCalled(name="b", call_id="2"),
        said("user", "hurry"),
        ToolReturned(call_id="2", output={"ok": True}, is_error=True),
    )
    assert openai[1]["content"] is None
    assert openai[2:] == [
        {"role": "tool", "tool_call_id": "1", "content": NO_RESULT},
        {"role": "tool", "tool_call_id": "2", "content": '{"ok":true}'},
        {"role": "user", "content": "hurry"},
    ]
    assert anthropic[2]["content"] == [
        {"type": "tool_result", "tool_use_id": "1", "content": [text(NO_RESULT)], "is_error": True},
        {"type": "tool_result", "tool_use_id": "2", "content": [text('{"ok":true}')], "is_error": True},
        text("hurry"),
    ]


def test_calls_after_a_result_are_another_turn() -> None:
    openai, _ = both(
        said("user", "go"),
        said("assistant", "I call."),
        ToolCalled(name="a", call_id="1"),
        ToolReturned(call_id="1", output="x"),
        ToolCalled(name="b", call_id="2"),
        ToolReturned(call_id="2", output="y"),
        said("assistant", "Done."),
    )
    assert [(message["role"], message["content"]) for message in openai] == [
        ("user", "go"),
        ("assistant", "I call."),
        ("tool", "x"),
        ("assistant", None),
        ("tool", "y"),
        ("assistant", "Done."),
    ]


def test_after_a_compaction_the_summary_and_what_it_kept_with_the_instructions() -> None:
    history = [said("system", "Be brief."), said("user", "one"), said("assistant", "1"), said("user", "two"), said("assistant", "2")]
    openai, anthropic = both(*history, ContextCompacted(summary="They counted.", first_kept_seq=5), said("user", "three"))
    assert [message["content"] for message in openai] == ["Be brief.", "Summary of the conversation so far:\n\nThey counted.", "2", "three"]
    assert [message["role"] for message in anthropic] == ["user", "assistant", "user"]
    openai, _ = both(*history, ContextCompacted(summary="They counted."), said("user", "three"))
    assert [message["content"] for message in openai][1:] == ["Summary of the conversation so far:\n\nThey counted.", "three"]
    openai, _ = both(*history, ContextCompacted(), said("user", "three"))
    assert [message["content"] for message in openai] == ["Be brief.", "three"]


def test_what_the_model_does_not_see_is_not_there_and_neither_are_its_calls() -> None:
    call = Part(type="tool_call", id="c1", name="git", arguments={})
    openai, _ = both(
        said("user", "one", message_id="m1"),
        said("assistant", [call], message_id="m2", exclude_from_context=True),
        ToolReturned(call_id="c1", output="x"),
        said("assistant", [Part(type="tool_call", id="c2", name="git", arguments={})], message_id="m3"),
        MessageRetracted(message_id="m3"),
        said("assistant", [Part(type="tool_call", id="c3", name="git")], exclude_from_context=True),
        ToolReturned(call_id="nobody", output="orphan"),
        said("user", "two"),
    )
    assert [message["content"] for message in openai] == ["one", "two"]


def test_what_was_streamed_so_far_counts() -> None:
    openai, _ = both(said("user", "x"), MessageDelta(message_id="m", content="As far as"), MessageDelta(message_id="m", content=" this"))
    assert openai[-1] == {"role": "assistant", "content": "As far as this"}


def test_reasoning_goes_back_only_with_its_proof() -> None:
    openai, anthropic = both(
        said("user", "x"),
        said(
            "assistant",
            [
                Part(type="reasoning", content="hm", metadata={"signature": "s"}),
                Part(type="reasoning", content="", metadata={"data": "d"}),
                Part(type="reasoning", content="unsigned"),
                Part(type="text", content="y"),
            ],
        ),
        said("assistant", [Part(type="reasoning", content="only this")]),
    )
    assert anthropic[1]["content"] == [
        {"type": "thinking", "thinking": "hm", "signature": "s"},
        {"type": "redacted_thinking", "data": "d"},
        text("y"),
    ]
    assert openai[1:] == [{"role": "assistant", "content": "y"}]


def test_thoughts_that_nothing_follows_are_left_out_and_those_before_an_answer_stay() -> None:
    thought = Part(type="reasoning", content="hm", metadata={"signature": "s"})
    _, anthropic = both(
        said("user", "x"),
        said("assistant", [thought]),
        said("user", "and?"),
        said("assistant", [thought]),
        said("assistant", "y"),
        said("assistant", [thought]),
    )
    assert [message["role"] for message in anthropic] == ["user", "assistant"]
    assert anthropic[0]["content"] == [text("x"), text("and?")]
    assert anthropic[1]["content"] == [{"type": "thinking", "thinking": "hm", "signature": "s"}, text("y")]


def test_images_and_files() -> None:
    openai, anthropic = both(
        said(
            "user",
            [
                Part(type="text", content="see"),
                Part(type="blob", modality="image", mime_type="image/png", content="AAAA"),
                Part(type="uri", modality="image", uri="https://x/y.png"),
                Part(type="blob", mime_type="application/pdf", content="BBBB"),
                Part(type="blob", mime_type="audio/wav", content="CCCC"),
                Part(type="file", file_id="f1", modality="image"),
                Part(type="canvas", metadata={"a": 1}),
            ],
        ),
        said("assistant", [Part(type="blob", modality="image", mime_type="image/png", content="AAAA")]),
    )
    assert openai[0]["content"] == [
        text("see"),
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
        {"type": "image_url", "image_url": {"url": "https://x/y.png"}},
        {"type": "file", "file": {"filename": "document.pdf", "file_data": "data:application/pdf;base64,BBBB"}},
        {"type": "input_audio", "input_audio": {"data": "CCCC", "format": "wav"}},
        {"type": "file", "file": {"file_id": "f1"}},
        text("[canvas]"),
    ]
    assert openai[1] == {"role": "assistant", "content": "[image]"}
    assert anthropic[0]["content"] == [
        text("see"),
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
        {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}},
        {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "BBBB"}},
        text("[audio/wav]"),
        text("[image]"),
        text("[canvas]"),
    ]


def test_a_tool_that_returned_parts() -> None:
    parts = [{"type": "text", "content": "see"}, {"type": "blob", "modality": "image", "mime_type": "image/png", "content": "AAAA"}]
    openai, anthropic = both(said("user", "x"), ToolCalled(name="a", call_id="1"), ToolReturned(call_id="1", output=parts))
    assert openai[-1]["content"] == "see\n\n[image]"
    [result] = anthropic[-1]["content"]
    assert [block["type"] for block in result["content"]] == ["text", "image"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"a": 1}, {"a": 1}),
        ('{"a":1}', {"a": 1}),
        ("ls -l", {"input": "ls -l"}),
        (None, {}),
        ([1], {"input": [1]}),
        ("[1]", {"input": [1]}),
    ],
)
def test_arguments_are_an_object(arguments: Any, expected: dict[str, Any]) -> None:
    _, anthropic = both(said("user", "x"), ToolCalled(name="a", call_id="1", arguments=arguments))
    assert anthropic[1]["content"][0]["input"] == expected


def test_ids_and_names_are_made_such_that_an_api_accepts_them() -> None:
    openai, _ = both(
        said("user", "x"),
        ToolCalled(name="mcp.server/tool", call_id="a b"),
        ToolCalled(name="n" * 70, call_id="i" * 50),
        ToolCalled(name="a"),
        ToolCalled(name="a"),
        ToolCalled(name="a", call_id="a/b"),
        ToolCalled(name="a", call_id="a_b"),
    )
    calls = openai[1]["tool_calls"]
    assert [call["id"] for call in calls] == ["a_b", "i" * 31 + "_cff7aff1", "call_4", "call_5", "a_b_2", "a_b_3"]
    assert [call["function"]["name"] for call in calls][:2] == ["mcp_server_tool", "n" * 55 + "_85069ddf"]


def test_a_conversation_that_the_assistant_began() -> None:
    _, anthropic = both(said("assistant", "Hello, what can I do?"))
    assert [message["role"] for message in anthropic] == ["user", "assistant"]


def test_an_empty_session_and_an_unknown_provider() -> None:
    assert to_messages(view_of(said("user", ""))) == []
    assert to_messages(view_of(said("user", " ")), provider="anthropic") == []
    with pytest.raises(ValueError, match='provider is "openai" or "anthropic", not \'x\''):
        to_messages(view_of(said("user", "x")), provider="x")  # type: ignore[arg-type]
