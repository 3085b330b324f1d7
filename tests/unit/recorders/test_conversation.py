from __future__ import annotations

import json
from typing import Any

import pytest

from eventlog.events import ContextCompacted, ErrorLogged, MessageAdded, MessageAmended, ModelChanged, UsageRecorded
from eventlog.recorders import paused, recording

from .program import assistant, events, program, said, user


def test_a_growing_chat_is_one_session_with_each_message_once() -> None:
    with program() as it:
        history: list[dict[str, Any]] = []
        for turn in range(5):
            history.append(user(f"question {turn}"))
            it.chat(history, f"answer {turn}")
            history.append(assistant(f"answer {turn}"))
        view = it.view()
        assert said(view) == [(each["role"], each["content"]) for each in history]
        assert (view.usage.input_tokens, view.usage.output_tokens) == (50, 10)
        assert it.recorder.stats == (5, 0, 0, None)
        assert (view.kind, view.model, view.provider) == ("chat", "gpt-5", "openai")
        context = [event.context for event in events(it.log, view.session_id, UsageRecorded.type)]
        assert context[:2] == [[(2, 2)], [(2, 3), (5, 5)]]


@pytest.mark.parametrize(
    "echo",
    [
        {"role": "assistant", "content": "  yes\n", "refusal": None, "annotations": [], "audio": None, "function_call": None},
        {"role": "assistant", "content": [{"type": "text", "text": "yes"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "y"}, {"type": "text", "text": "es"}]},
        {"role": "assistant", "content": "yes", "reasoning_content": "hm"},
    ],
)
def test_an_answer_that_is_sent_back_in_another_form_is_the_answer(echo: dict[str, Any]) -> None:
    with program() as it:
        it.chat([user("a question")])
        it.chat([user("a question"), echo, user("more")], "no")
        assert said(it.view()) == [("user", "a question"), ("assistant", "yes"), ("user", "more"), ("assistant", "no")]


def test_two_chats_that_begin_alike_stay_two() -> None:
    with program() as it:
        it.chat([user("hi")], "hello")
        it.chat([user("hi")], "hello")
        it.chat([user("hi"), assistant("hello"), user("one")], "1")
        it.chat([user("hi"), assistant("hello"), user("two")], "2")
        assert sorted(said(view)[2:] for view in it.views()) == [
            [("user", "one"), ("assistant", "1")],
            [("user", "two"), ("assistant", "2")],
        ]


def test_chats_that_begin_with_the_same_examples_stay_two() -> None:
    examples = [user("1+1"), assistant("2")]
    with program() as it:
        it.chat([*examples, user("2+2")], "4")
        it.chat([*examples, user("3+3")], "6")
        first, second = it.views()
        assert (first.parent, second.parent) == (None, None)
        assert [said(first)[-1], said(second)[-1]] == [("assistant", "4"), ("assistant", "6")]


def test_a_call_that_fails_at_one_provider_and_succeeds_at_another_is_one_question_one_error_one_answer() -> None:
    with program() as it:
        it.raw_answer(it.begin([user("q")]), b'{"error":{"message":"overloaded","type":"x"}}', 529)
        call = it.begin([user("q")], "/v1/messages", "api.anthropic.com", model="claude-5", max_tokens=9)
        body = {"id": "m1", "type": "message", "role": "assistant", "model": "claude-5", "content": [{"type": "text", "text": "a"}]}
        it.raw_answer(call, json.dumps(body | {"stop_reason": "end_turn", "usage": {"input_tokens": 1, "output_tokens": 1}}).encode())
        view = it.view()
        assert said(view) == [("user", "q"), ("assistant", "a")]
        (error,) = events(it.log, view.session_id, ErrorLogged.type)
        assert (error.message, error.kind, error.details["status"]) == ("overloaded", "http", 529)
        assert (view.model, view.provider) == ("claude-5", "anthropic")


def test_a_retry_records_nothing_but_what_came_of_it() -> None:
    with program() as it:
        for _ in range(2):
            it.raw_answer(it.begin([user("q")]), b"", 503)
        it.chat([user("q")])
        view = it.view()
        assert said(view) == [("user", "q"), ("assistant", "yes")]
        assert view.counts.errors == 2


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ([assistant("half an answer")], [("user", "q"), ("assistant", "half an answer"), ("user", "on"), ("assistant", "yes")]),
        ([assistant("half")], [("user", "q"), ("assistant", "half an answer"), ("user", "on"), ("assistant", "yes")]),
        ([], [("user", "q"), ("user", "on"), ("assistant", "yes")]),
    ],
    ids=["whole", "cut", "left out"],
)
def test_after_an_answer_that_was_broken_off_the_session_goes_on(sent: list[dict[str, Any]], expected: list[tuple[str, str]]) -> None:
    with program() as it:
        it.broken(it.begin([user("q")], stream=True), "half ", "an answer")
        history = [user("q"), *sent, user("on")]
        it.chat(history)
        view = it.view()
        assert said(view) == expected
        added = [event for event in events(it.log, view.session_id, MessageAdded.type) if event.role == "assistant"]
        assert [event.interrupted for event in added] == ["closed", None]
        it.chat([*history, assistant("yes"), user("last")], "end")  # and is still found by what the caller calls it
        assert said(it.view()) == [*expected, ("user", "last"), ("assistant", "end")]
        assert not events(it.log, view.session_id, ContextCompacted.type)


def test_an_answer_that_broke_off_before_it_said_anything_is_an_error_and_no_message() -> None:
    with program() as it:
        it.broken(it.begin([user("q")], stream=True), outcome="error", error=TimeoutError("too slow"))
        view = it.view()
        assert said(view) == [("user", "q")]
        (error,) = events(it.log, view.session_id, ErrorLogged.type)
        assert (error.kind, error.message) == ("TimeoutError", "too slow")


def test_history_that_is_edited_makes_a_fork() -> None:
    with program() as it:
        it.chat([user("q")], "a")
        it.chat([user("q"), assistant("a"), user("first")], "1")
        it.chat([user("q"), assistant("a"), user("second")], "2")
        first, second = it.views()
        assert said(first) == [("user", "q"), ("assistant", "a"), ("user", "first"), ("assistant", "1")]
        assert said(second) == [("user", "q"), ("assistant", "a"), ("user", "second"), ("assistant", "2")]
        assert second.parent is not None
        assert second.parent["session_id"] == first.session_id


def test_in_a_named_session_what_was_left_behind_is_retracted() -> None:
    with program() as it, recording("chat-1"):
        it.chat([user("q")], "a")
        it.chat([user("q"), assistant("a"), user("first")], "1")
        it.chat([user("q"), assistant("a"), user("second")], "2")
        view = it.view()
        assert view.session_id == "chat-1"
        assert said(view) == [("user", "q"), ("assistant", "a"), ("user", "second"), ("assistant", "2")]
        assert len(view.retracted) == 2


def test_hedged_calls_are_one_question_with_an_alternative_which_the_caller_may_choose() -> None:
    with program() as it:
        it.chat([user("q")], "a")
        asked = [user("q"), assistant("a"), user("more")]
        one, two = it.begin(asked), it.begin(asked)
        it.answer(one, "first")
        it.answer(two, "second")
        view = it.view()
        added = events(it.log, view.session_id, MessageAdded.type)
        assert [(event.role, event.content) for event in added[2:]] == [("user", "more"), ("assistant", "first"), ("assistant", "second")]
        assert added[-1].alternative_to == added[-2].message_id
        it.chat([*asked, assistant("second"), user("go on")], "end")
        amended = events(it.log, it.view().session_id, MessageAmended.type)
        assert [(event.message_id, event.exclude_from_context) for event in amended] == [
            (added[-1].message_id, False),
            (added[-2].message_id, True),
        ]


def test_several_choices_are_one_answer_and_alternatives_with_one_usage() -> None:
    choices = [{"index": n, "message": assistant(f"choice {n}"), "finish_reason": "stop"} for n in range(3)]
    with program() as it:
        it.answer(it.begin([user("q")], n=3), choices=choices)
        view = it.view()
        added = events(it.log, view.session_id, MessageAdded.type)
        assert [event.alternative_to for event in added[1:]] == [None, added[1].message_id, added[1].message_id]
        assert len(events(it.log, view.session_id, UsageRecorded.type)) == 1


def test_calls_at_once_in_one_session_reply_to_their_own_questions() -> None:
    with program() as it, recording("s"):
        calls = [it.begin([user(f"q{n}")]) for n in range(5)]
        for n, call in reversed(list(enumerate(calls))):
            it.answer(call, f"a{n}")
        added = events(it.log, it.view().session_id, MessageAdded.type)
        asked = {event.message_id: event.content for event in added if event.role == "user"}
        assert {event.content: asked[event.reply_to] for event in added if event.role == "assistant"} == {
            f"a{n}": f"q{n}" for n in range(5)
        }


def test_calls_at_once_without_a_session_are_sessions_of_their_own() -> None:
    with program() as it:
        calls = [it.begin([user("the same")]) for _ in range(20)]
        for call in calls:
            it.answer(call)
        assert [said(view) for view in it.views()] == [[("user", "the same"), ("assistant", "yes")]] * 20


def test_a_sliding_window_stays_one_session() -> None:
    with program() as it:
        history: list[dict[str, Any]] = []
        for turn in range(6):
            history.append(user(f"question {turn}"))
            it.chat(history[-5:], f"answer {turn}")
            history.append(assistant(f"answer {turn}"))
        view = it.view()
        assert [text for _, text in said(view)] == [each["content"] for each in history]
        kept = [event.first_kept_seq for event in events(it.log, view.session_id, ContextCompacted.type)]
        assert kept == sorted(kept)
        assert len(kept) == 3


def test_a_summary_of_the_callers_is_a_compaction() -> None:
    with program() as it:
        history = [user("q1"), assistant("a1"), user("q2"), assistant("a2"), user("q3")]
        it.chat(history[:1], "a1")
        it.chat(history[:3], "a2")
        for _ in range(2):
            shorter = [user("summary: we said q1 and a1"), *history[2:]]
            it.chat(shorter, f"a{len(history)}")
            history += [assistant(f"a{len(history)}"), user("on")]
        view = it.view()
        (compacted,) = events(it.log, view.session_id, ContextCompacted.type)
        assert (compacted.summary, compacted.trigger) == ("summary: we said q1 and a1", "caller")


def test_instructions_with_a_clock_are_one_system_message_that_is_amended() -> None:
    with program() as it:
        history: list[dict[str, Any]] = []
        for turn in range(3):
            history.append(user(f"q{turn}"))
            it.chat([{"role": "system", "content": f"It is {turn} o'clock"}, *history], f"a{turn}")
            history.append(assistant(f"a{turn}"))
        view = it.view()
        assert said(view)[0] == ("system", "It is 2 o'clock")
        assert [role for role, _ in said(view)].count("system") == 1


def test_a_change_of_settings_is_recorded_as_what_changed() -> None:
    with program() as it:
        it.chat([user("q")], "a", temperature=1, top_p=0.5)
        it.chat([user("q"), assistant("a"), user("r")], "b", temperature=0.5, top_p=0.5, stream=True, stream_options={"x": 1})
        it.chat([user("q"), assistant("a"), user("r"), assistant("b"), user("s")], "c", top_p=0.5)
        view = it.view()
        changes = events(it.log, view.session_id, ModelChanged.type)
        assert [event.settings for event in changes] == [{"temperature": 0.5}, {"temperature": None}]
        assert view.settings == {"top_p": 0.5}


def test_a_catalogue_of_tools_is_in_full_once_in_a_session_and_its_digest_stands_for_it() -> None:
    tools = [{"type": "function", "function": {"name": f"tool_{n}", "description": "x" * 1000}} for n in range(30)]
    with program() as it:
        it.chat([user("q")], "a", tools=tools)
        it.chat([user("q"), assistant("a"), user("r")], "b", tools=tools)
        view = it.view()
        assert view.settings["tools"] == tools
        assert not events(it.log, view.session_id, ModelChanged.type)


def test_a_tool_loop_pairs_results_and_doubles_none() -> None:
    calls = [{"id": f"c{n}", "type": "function", "function": {"name": "f", "arguments": f'{{"n": {n}}}'}} for n in range(2)]
    asked = [user("q")]
    with program() as it:
        it.chat(asked, {"content": None, "tool_calls": calls})
        results = [{"role": "tool", "tool_call_id": f"c{n}", "content": f"r{n}"} for n in range(2)]
        asked = [*asked, {"role": "assistant", "content": None, "tool_calls": calls}, *results]
        it.chat(asked, "done")
        view = it.view()
        assert [(call.call_id, call.arguments, call.output) for call in view.tool_calls] == [("c0", {"n": 0}, "r0"), ("c1", {"n": 1}, "r1")]
        assert view.counts.messages == 5


def test_an_image_is_in_the_log_once() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 400_000}}
    with program() as it:
        history: list[dict[str, Any]] = [{"role": "user", "content": [{"type": "text", "text": "look"}, image]}]
        for turn in range(3):
            it.chat(history, f"a{turn}")
            history += [assistant(f"a{turn}"), user(f"q{turn}")]
        with it.log.session(it.view().session_id) as session:
            assert sum(stored.raw.count(b"A" * 400_000) for stored in session.read()) == 1


def test_responses_are_chained_by_their_ids() -> None:
    def call(it: Any, text: str, response_id: str, answer: str, after: str | None = None) -> None:
        asked = it.begin(None, "/v1/responses", input=text, previous_response_id=after)
        output = [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": answer}]}]
        body = {"id": response_id, "object": "response", "status": "completed", "model": "gpt-5", "output": output}
        it.raw_answer(asked, json.dumps(body).encode())

    with program() as it:
        call(it, "q1", "p1", "a1")
        call(it, "q2", "p2", "a2", "p1")
        call(it, "q3", "p3", "a3", "p2")
        call(it, "other", "p4", "b", "p1")
        call(it, "lost", "p5", "c", "never-seen")
        chain, branch, unknown = it.views()
        assert [text for _, text in said(chain)] == ["q1", "a1", "q2", "a2", "q3", "a3"]
        assert [text for _, text in said(branch)] == ["q1", "a1", "other", "b"]
        assert [text for _, text in said(unknown)] == ["lost", "c"]
        assert unknown.metadata["previous_response_id"] == "never-seen"


def test_a_recording_inside_another_is_its_child() -> None:
    with program() as it, recording("outer", title="The outer one", user_id="u", tags=["t"]):
        it.chat([user("q")])
        with recording(agent="inner") as inner:
            it.chat([user("inside")])
        it.chat([user("q"), assistant("yes"), user("r")])
        outer = next(view for view in it.views() if view.session_id == "outer")
        child = next(view for view in it.views() if view.session_id == inner)
        assert (outer.title, outer.user_id, outer.tags, len(outer.messages)) == ("The outer one", "u", ["t"], 4)
        assert child.parent is not None
        assert (child.parent["session_id"], child.parent["relation"], child.metadata["agent"]) == ("outer", "subagent", "inner")


def test_a_recording_under_any_text_is_the_session_of_that_text_and_never_raises() -> None:
    with program() as it:
        for _ in range(2):
            with recording("Über uns / 1"):
                it.chat([user("q")])
        with recording("\ud800"):
            it.chat([user("r")])
        first, _ = it.views()
        assert first.session_id.startswith("recording-")
        assert first.metadata["key"]["key"] == ["Über uns / 1"]


def test_the_same_response_id_again_makes_no_message_longer() -> None:
    with program() as it:
        it.answer(it.begin([user("q")]), "a", id="constant")
        it.answer(it.begin([user("q"), assistant("a"), user("r")]), "b", id="constant")
        assert said(it.view()) == [("user", "q"), ("assistant", "a"), ("user", "r"), ("assistant", "b")]


def test_paused_is_left_to_the_gate() -> None:
    from eventlog.recorders.gate import Gate

    with program() as it:
        gate = Gate()
        body = json.dumps({"model": "m", "messages": [user("q")]}).encode()
        with paused():
            assert gate.begun(it.recorder, "/v1/messages", "h", body, None, None) is None
        call = gate.begun(it.recorder, "/v1/messages", "h", body, None, "given")
        assert call is not None
        assert call.context.session_id == "given"
        it.answer(call)
