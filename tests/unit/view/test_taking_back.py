"""A view without what was taken back, and what that costs."""

from __future__ import annotations

import sys
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from eventlog import EventLog
from eventlog.events import (
    ContextCompacted,
    ContextUpdated,
    Event,
    HistoryCleared,
    HistoryRetracted,
    MessageAdded,
    MessageAmended,
    MessageRetracted,
    Part,
    SessionDeleted,
    SessionEnded,
    SessionUpdated,
    ToolCalled,
    ToolReturned,
    UnknownEvent,
    UsageRecorded,
)
from projections import SessionView, replay, to_messages

NOON = datetime(2026, 3, 2, 12, tzinfo=timezone.utc)


def said(text: str, id: str | None = None, **more: Any) -> MessageAdded:
    return MessageAdded(role="user", content=text, message_id=id, **more)


def view_of(*events: Event | UnknownEvent) -> SessionView:
    with EventLog.memory() as log:
        session = log.session("s", create=True)
        for number, event in enumerate(events):
            session.append(event, time=NOON + timedelta(minutes=number))
        return replay(session.read(), SessionView)


def gone(*seqs: int) -> HistoryRetracted:
    return HistoryRetracted(ranges=[(seq, seq) for seq in seqs])


def texts(view: SessionView) -> list[Any]:
    return [part["content"] for message in view.messages for part in message.parts]


def test_a_message_that_was_taken_back_is_neither_shown_nor_counted() -> None:
    view = view_of(said("a"), said("b"), said("c"), gone(2))
    assert texts(view) == ["a", "c"]
    assert (view.counts.events, view.counts.messages, view.counts.user_messages) == (3, 2, 2)
    assert view.retracted == []


def test_clearing_leaves_what_comes_after() -> None:
    assert texts(view_of(said("a"), said("b"), HistoryCleared(), said("c"))) == ["c"]
    assert texts(view_of(said("a"), said("b"), HistoryCleared(up_to=1), said("c"))) == ["b", "c"]


def test_a_taken_back_amendment_gives_the_former_text_again() -> None:
    amended = MessageAmended(message_id="m", content="b", metadata={"x": 1})
    again = MessageAmended(message_id="m", content="c")
    assert texts(view_of(said("a", "m"), amended, again)) == ["c"]
    view = view_of(said("a", "m"), amended, again, gone(2))
    assert (texts(view), view.messages[0].metadata) == (["c"], {})
    assert texts(view_of(said("a", "m"), amended, again, gone(3))) == ["b"]
    assert texts(view_of(said("a", "m"), amended, again, gone(2, 3))) == ["a"]


def test_a_taken_back_retraction_shows_the_message_again() -> None:
    view = view_of(said("a", "m"), said("b"), MessageRetracted(message_id="m"), gone(3))
    assert (texts(view), view.retracted, view.counts.messages) == (["a", "b"], [], 2)


def test_a_taken_back_result_opens_its_call_again() -> None:
    call, result = ToolCalled(name="git", call_id="c"), ToolReturned(call_id="c", output="done")
    view = view_of(call, result, gone(2))
    assert (view.tool_calls[0].output, view.tool_calls[0].returned_seq, view.counts.tool_calls) == (None, None, 1)
    view = view_of(call, result, gone(1))
    assert (view.tool_calls, [each.output for each in view.orphan_results], view.counts.tool_calls) == ([], ["done"], 0)


def test_a_result_goes_to_the_call_that_it_would_have_had_without_the_other() -> None:
    calls = [ToolCalled(name="a", call_id="c"), said("x"), ToolCalled(name="b", call_id="c"), ToolReturned(call_id="c", output=1)]
    assert [call.output for call in view_of(*calls).tool_calls] == [None, 1]
    assert [(call.name, call.output) for call in view_of(*calls, gone(3)).tool_calls] == [("a", 1)]
    assert [call.output for call in view_of(*calls, gone(2)).tool_calls] == [1, None]  # now both are of one turn


def test_results_without_an_id_move_up() -> None:
    calls = [ToolCalled(name="a", arguments=1), ToolCalled(name="a", arguments=2), ToolReturned(name="a", output="x")]
    assert [(call.arguments, call.output) for call in view_of(*calls, gone(1)).tool_calls] == [(2, "x")]


def test_the_calls_of_a_message_go_with_it() -> None:
    message = MessageAdded(role="assistant", content=[Part(type="tool_call", id="c", name="git")])
    view = view_of(message, ToolReturned(call_id="c", output=1), gone(1))
    assert (view.tool_calls, len(view.orphan_results)) == ([], 1)


def test_context_and_compactions_are_as_they_were() -> None:
    view = view_of(ContextUpdated(intent="a", topics=["x"]), ContextUpdated(intent="b"), ContextCompacted(summary="so"), gone(2, 3))
    assert (view.context, view.compactions) == ({"intent": "a", "topics": ["x"]}, [])


def test_money_that_was_spent_stays_spent() -> None:
    view = view_of(said("a", "m"), UsageRecorded(message_id="m", model="M", input_tokens=5), HistoryCleared())
    assert (view.usage.input_tokens, view.models, texts(view)) == (5, ["M"], [])


def test_a_model_that_only_a_taken_back_message_named_was_never_used() -> None:
    view = view_of(said("a", model="M"), said("b", model="N"), said("c", model="M"), gone(1))
    assert view.models == ["N", "M"]
    assert view_of(said("a", model="M"), gone(1)).models == []


def test_a_program_s_own_events_count_no_more() -> None:
    assert view_of(UnknownEvent("shop.seen"), gone(1)).counts.events == 1


def test_nothing_takes_back_what_takes_back() -> None:
    assert texts(view_of(said("a"), gone(1), gone(2))) == []


def test_a_session_that_only_a_taken_back_event_had_made_active_has_ended() -> None:
    assert view_of(SessionEnded(status="failed"), said("a"), gone(2)).status == "failed"
    assert view_of(SessionEnded(status="failed"), said("a"), UsageRecorded(), gone(2)).status == "active"


def test_what_is_said_of_the_record_does_not_move_the_time_of_the_last_work() -> None:
    about = [SessionUpdated(title="T"), gone(1), HistoryCleared(), SessionDeleted()]
    view = view_of(said("a"), said("b"), *about)
    assert (view.started_at, view.updated_at) == (NOON, NOON + timedelta(minutes=1))
    assert view_of(SessionUpdated(title="T"), SessionUpdated(title="U")).updated_at == NOON  # nothing else is known


# --- alternatives ------------------------------------------------------------------------------------------------------------


def test_an_alternative_is_shown_and_neither_counted_nor_sent_on_and_its_usage_counts() -> None:
    call = Part(type="tool_call", id="c", name="git")
    other = MessageAdded(
        role="assistant", content=[Part(type="text", content="no"), call], message_id="m2", alternative_to="m1", interrupted="stopped"
    )
    answer = MessageAdded(role="assistant", content="yes", message_id="m1")
    view = view_of(said("go"), other, answer, UsageRecorded(message_id="m2", output_tokens=3))
    assert [message.alternative_to for message in view.messages] == [None, "m1", None]
    assert view.messages[1].interrupted == "stopped"
    assert (view.counts.messages, view.counts.assistant_messages, view.counts.tool_calls) == (2, 1, 0)
    assert view.usage.output_tokens == 3
    assert [message["content"] for message in to_messages(view)] == ["go", "yes"]


def test_a_call_of_an_alternative_that_was_made_all_the_same_counts() -> None:
    other = MessageAdded(role="assistant", content=[Part(type="tool_call", id="c", name="git")], alternative_to="m1")
    view = view_of(other, ToolCalled(call_id="c", name="git"), ToolReturned(call_id="c", output=1))
    assert (view.counts.tool_calls, len(view.tool_calls)) == (1, 1)


def test_a_message_is_an_alternative_from_when_it_is_said() -> None:
    view = view_of(said("a", "m"), said("b", "m", alternative_to="x"))
    assert (view.counts.messages, texts(view)) == (0, ["a", "b"])
    assert view_of(said("a", "m"), said("b", "m", alternative_to="x"), gone(2)).counts.messages == 1
    calls = MessageAdded(role="assistant", content=[Part(type="tool_call", id="c", name="git")], message_id="m")
    assert view_of(calls, said("b", "m")).counts.tool_calls == 1
    assert view_of(calls, said("b", "m", alternative_to="x")).counts.tool_calls == 0


def test_how_an_answer_ended_is_shown_and_the_last_event_of_it_says_so() -> None:
    first = MessageAdded(role="assistant", content="a", message_id="m", response_id="r1", first_chunk_ms=5.0)
    second = MessageAdded(role="assistant", content="b", message_id="m", response_id="r2", finish_reason="stop", duration_ms=9.0)
    message = view_of(first, second).messages[0]
    assert (message.response_id, message.first_chunk_ms, message.finish_reason, message.duration_ms) == ("r1", 5.0, "stop", 9.0)


# --- what it costs -----------------------------------------------------------------------------------------------------------


def calls_to_take_back(size: int, event: Event) -> int:
    """How many functions of ours are called while the last event of a session is folded."""
    with EventLog.memory() as log:
        session = log.session("s", create=True)
        for number in range(size):
            session.append(
                said("a", f"m{number}", model="M"),
                MessageAdded(role="assistant", content=[Part(type="tool_call", id=f"c{number}", name="git")]),
                ToolReturned(call_id=f"c{number}", output=1),
                ContextCompacted(summary="s"),
            )
        view = replay(session.read(), SessionView)
        session.append(event)
        stored = list(session.read(after=4 * size))
        count = 0

        def profile(frame: Any, event: str, argument: Any) -> None:
            nonlocal count
            count += event in ("call", "c_call")

        sys.setprofile(profile)
        try:
            SessionView.fold(view, stored[0])
        finally:
            sys.setprofile(None)
        return count


@pytest.mark.parametrize(
    "event", [gone(5), gone(6), gone(7), gone(8), gone(5, 6, 7, 8)], ids=["message", "call", "result", "summary", "all"]
)
def test_taking_one_event_back_costs_the_same_in_a_session_of_any_length(event: Event) -> None:
    assert calls_to_take_back(400, event) <= calls_to_take_back(20, event) + 20
