"""Whole conversations in each provider's own shape, from the bytes on the wire to the session: what is particular to each, and what changes
from one to another within a session.
"""

from __future__ import annotations

import json
from typing import Any

from eventlog.events import ErrorLogged, MessageAdded, ModelChanged
from eventlog.recorders import recording
from projections import to_messages

from .program import Program, assistant, events, program, said, user

CLAUDE = "/v1/messages"
GEMINI = "/v1beta/models/gemini-x:generateContent"


def claude(it: Program, messages: list[dict[str, Any]], content: list[dict[str, Any]], id: str) -> None:
    usage = {"input_tokens": 12, "cache_read_input_tokens": 8, "cache_creation_input_tokens": 4, "output_tokens": 5}
    about = {"id": id, "type": "message", "role": "assistant", "model": "claude-5", "stop_reason": "end_turn", "usage": usage}
    call = it.begin(messages, CLAUDE, "api.anthropic.com", model="claude-5", max_tokens=9)
    it.raw_answer(call, json.dumps({**about, "content": content}).encode())


def test_anthropics_thinking_can_be_sent_on_and_a_cache_mark_that_moves_changes_nothing() -> None:
    thinking = {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}
    tool = {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}}
    marked = {"cache_control": {"type": "ephemeral"}}
    first = {"type": "text", "text": "q"}
    with program() as it:
        claude(it, [{"role": "user", "content": [first | marked]}], [thinking, tool], "m1")
        result = {"type": "tool_result", "tool_use_id": "t1", "content": "42"}
        asked = [
            {"role": "user", "content": [first]},
            {"role": "assistant", "content": [thinking, tool]},
            {"role": "user", "content": [result, {"type": "text", "text": "and now?"} | marked]},
        ]
        claude(it, asked, [{"type": "text", "text": "done"}], "m2")
        view = it.view()
    assert [message.role for message in view.messages] == ["user", "assistant", "tool", "user", "assistant"]
    assert (view.usage.input_tokens, view.usage.cache_read_tokens, view.usage.cache_write_tokens) == (24, 16, 8)
    assert [(call.arguments, call.output) for call in view.tool_calls] == [({"a": 1}, "42")]
    sent_on = to_messages(view, "anthropic")
    assert sent_on[1]["content"][0] == thinking


def gemini(it: Program, contents: list[dict[str, Any]], body: dict[str, Any]) -> None:
    call = it.begin(None, GEMINI, "generativelanguage.googleapis.com", contents=contents)
    it.raw_answer(call, json.dumps(body).encode())


def test_geminis_thoughts_and_calls_are_parts_and_a_blocked_prompt_is_an_error() -> None:
    asked = [{"role": "user", "parts": [{"text": "q"}]}]
    parts = [{"text": "Hm.", "thought": True}, {"functionCall": {"name": "f", "args": {"a": 1}}, "thoughtSignature": "c2ln"}]
    answered = {"role": "model", "parts": parts}
    returned = {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {"result": 42}}}]}
    with program() as it:
        gemini(it, asked, {"candidates": [{"content": answered, "finishReason": "STOP"}], "modelVersion": "gemini-x"})
        last = {"candidates": [{"content": {"role": "model", "parts": [{"text": "done"}]}, "finishReason": "STOP"}]}
        gemini(it, [*asked, answered, returned], last)
        gemini(it, [{"role": "user", "parts": [{"text": "bad"}]}], {"promptFeedback": {"blockReason": "SAFETY"}})
        conversation, blocked = it.views()
        assert [message.role for message in conversation.messages] == ["user", "assistant", "tool", "assistant"]
        assert [part["type"] for part in conversation.messages[1].parts] == ["reasoning", "tool_call"]
        assert [(call.name, call.arguments, call.output is not None) for call in conversation.tool_calls] == [("f", {"a": 1}, True)]
        assert conversation.provider == "gcp.gemini"
        assert said(blocked) == [("user", "bad")]
        (error,) = events(it.log, blocked.session_id, ErrorLogged.type)
        assert "SAFETY" in error.message


def test_ollamas_calls_without_ids_are_paired_with_their_results_by_their_order() -> None:
    calls = [{"function": {"name": "f", "arguments": {"n": n}}} for n in range(2)]
    asked = [user("q")]
    with program() as it:
        stream = it.begin(asked, "/api/chat", "localhost", model="llama")
        stream.status, stream.is_stream = 200, True
        for call in calls:
            stream.take(
                json.dumps({"model": "llama", "message": {"role": "assistant", "content": "", "tool_calls": [call]}}).encode() + b"\n"
            )
        stream.take(json.dumps({"model": "llama", "done": True, "done_reason": "stop", "eval_count": 5, "prompt_eval_count": 9}).encode())
        stream.end("complete")
        results = [{"role": "tool", "content": f"r{n}", "tool_name": "f"} for n in range(2)]
        back = [*asked, {"role": "assistant", "content": "", "tool_calls": calls}, *results]
        last = {"model": "llama", "message": {"role": "assistant", "content": "done"}, "done": True, "done_reason": "stop"}
        it.raw_answer(it.begin(back, "/api/chat", "localhost", model="llama", stream=False), json.dumps(last).encode())
        view = it.view()
    assert [(call.arguments, call.output) for call in view.tool_calls] == [({"n": 0}, "r0"), ({"n": 1}, "r1")]
    assert view.counts.messages == 5


def test_a_conversation_that_the_provider_keeps_is_the_session_of_its_id() -> None:
    def respond(it: Program, text: str, id: str) -> None:
        output = [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": f"to {text}"}]}]
        body = {"id": id, "object": "response", "status": "completed", "model": "gpt-5", "output": output}
        it.raw_answer(it.begin(None, "/v1/responses", input=text, conversation="conv_1"), json.dumps(body).encode())

    with program() as it:
        respond(it, "one", "r1")
        respond(it, "two", "r2")
        view = it.view()
        assert (view.session_id, view.metadata["conversation_id"]) == ("conv_1", "conv_1")
        assert [text for _, text in said(view)] == ["one", "to one", "two", "to two"]


def test_another_provider_goes_on_in_the_same_session() -> None:
    with program() as it:
        it.chat([user("q")], "a")
        claude(it, [user("q"), assistant("a"), user("r")], [{"type": "text", "text": "b"}], "m1")
        it.chat([user("q"), assistant("a"), user("r"), assistant("b"), user("s")], "c", tools=[{"type": "function"}])
        view = it.view()
        assert [text for _, text in said(view)] == ["q", "a", "r", "b", "s", "c"]
        changes = events(it.log, view.session_id, ModelChanged.type)
        assert [(each.provider, each.model, each.settings) for each in changes] == [
            ("anthropic", "claude-5", {"max_tokens": 9}),
            ("openai", "gpt-5", {"max_tokens": None, "tools": [{"type": "function"}]}),
        ]
        assert [each.model for each in events(it.log, view.session_id, MessageAdded.type) if each.role == "assistant"] == [
            *("gpt-5", "claude-5", "gpt-5"),
        ]


def test_what_no_version_knows_yet_is_kept_and_nothing_is_lost_of_the_rest() -> None:
    blocks = [{"type": "hologram", "payload": {"x": 1}}, {"type": "text", "text": "a", "aura": "blue"}]
    with program() as it:
        claude(it, [{"role": "user", "content": [{"type": "smell", "of": "roses"}]}], blocks, "m1")
        with recording("after"):
            it.chat([user("q")])
        it.flush()
        assert it.recorder.stats[:3] == (2, 0, 0)
        first, _ = it.views()
    assert first.messages[0].parts[0]["metadata"]["block"] == {"type": "smell", "of": "roses"}
    assert first.messages[1].parts[0]["metadata"]["block"] == blocks[0]
    assert first.messages[1].parts[1]["metadata"] == {"aura": "blue"}
