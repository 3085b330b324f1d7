"""For any history: the view is a function of the events, however they are folded, and its parts agree with each other."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from eventlog import EventLog, StoredEvent
from eventlog.events import (
    ContextUpdated,
    Cost,
    ErrorLogged,
    Event,
    MessageAdded,
    MessageAmended,
    MessageDelta,
    MessageRetracted,
    ModelChanged,
    Part,
    SessionDeleted,
    SessionEnded,
    SessionRestored,
    SessionStarted,
    SessionUpdated,
    ToolCalled,
    ToolReturned,
    UnknownEvent,
    UsageRecorded,
)
from projections import SessionView, replay

FIXED = {
    *["session_id", "status", "title", "description", "purpose", "user_id", "tags", "kind", "model", "provider", "models", "modes"],
    *["started_at", "updated_at", "parent", "metadata", "context", "compactions", "messages", "tool_calls", "errors", "usage", "counts"],
}

ids = st.sampled_from(["a", "b", "c"])
maybe_ids = st.none() | ids
roles = st.sampled_from(["user", "assistant", "tool"])
words = st.text("xyz", max_size=3)
mappings = st.dictionaries(ids, st.none() | st.integers(0, 9) | st.dictionaries(ids, st.none() | words, max_size=2), max_size=2)
times = st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31), timezones=st.just(timezone.utc))
parts = st.one_of(
    st.builds(Part, type=st.sampled_from(["text", "reasoning", "canvas"]), content=words),
    st.builds(Part, type=st.just("tool_call"), id=maybe_ids, name=ids, arguments=mappings),
    st.builds(Part, type=st.just("tool_call_response"), id=maybe_ids, response=words),
)
contents = words | st.lists(parts, max_size=3)
costs = st.none() | st.builds(Cost, amount=st.integers(0, 99).map(lambda cents: cents / 100), currency=st.sampled_from(["USD", "EUR"]))
others: st.SearchStrategy[Any] = st.one_of(
    st.builds(SessionStarted, title=words, tags=st.lists(ids, max_size=2), metadata=mappings),
    st.builds(SessionUpdated, add_tags=st.lists(ids, max_size=2), remove_tags=st.lists(ids, max_size=1), metadata=mappings),
    st.builds(SessionEnded, status=st.sampled_from(["completed", "failed"])),
    st.builds(ModelChanged, model=ids),
    st.builds(ContextUpdated, preferences=mappings),
    st.builds(MessageAdded, role=roles, content=contents, message_id=maybe_ids, model=maybe_ids, metadata=mappings),
    st.builds(MessageDelta, message_id=ids, content=words, role=roles, kind=st.sampled_from(["text", "reasoning"])),
    st.builds(MessageAmended, message_id=ids, content=contents, metadata=mappings),
    st.builds(MessageRetracted, message_id=ids),
    st.builds(ToolCalled, name=ids, call_id=maybe_ids, arguments=mappings),
    st.builds(ToolReturned, call_id=maybe_ids, output=words, name=maybe_ids),
    st.builds(UsageRecorded, message_id=maybe_ids, model=maybe_ids, input_tokens=st.integers(0, 9), cost=costs),
    st.builds(ErrorLogged, message=words),
    st.builds(UnknownEvent, type=st.just("shop.seen"), data=mappings),
)
events = st.one_of(others, st.builds(SessionDeleted), st.builds(SessionRestored))
histories = st.lists(st.tuples(events, times), max_size=25)


def stored_events(history: list[tuple[Event | UnknownEvent, datetime]]) -> list[StoredEvent]:
    """The history as it comes back from the lines of a log (a tombstone does not stop it: a merge may bring such a thing)."""
    with EventLog.memory() as log:
        found = []
        for seq, (event, time) in enumerate(history, 1):
            session = log.session(f"s{seq}", create=True)
            session.append(event, time=time)
            [stored] = session.read()
            stored.seq = seq
            found.append(stored)
        return found


@given(histories, st.integers(0, 25))
def test_folded_one_by_one_in_two_parts_or_at_once_the_view_is_the_same(history: list[Any], cut: int) -> None:
    stored = stored_events(history)
    at_once = msgspec.json.encode(replay(stored, SessionView))
    in_two = SessionView.fold_all(SessionView.fold_all(SessionView.initial(), stored[:cut]), stored[cut:])
    one_by_one = SessionView.initial()
    for seq, event in enumerate(stored, 1):
        one_by_one = SessionView.fold(one_by_one, event)
        assert msgspec.json.encode(one_by_one) == msgspec.json.encode(replay(stored[:seq], SessionView))
    assert msgspec.json.encode(in_two) == at_once
    assert msgspec.json.encode(one_by_one) == at_once


@given(histories)
def test_the_parts_of_a_view_agree_with_each_other(history: list[Any]) -> None:
    view = replay(stored_events(history), SessionView)
    roles_shown = [message.role for message in view.messages]
    assert view.counts.events == len(history)
    assert view.counts.messages == len(view.messages)
    assert view.counts.user_messages == roles_shown.count("user")
    assert view.counts.assistant_messages == roles_shown.count("assistant")
    assert view.counts.tool_calls == len(view.tool_calls)
    assert view.counts.errors == len(view.errors)
    seqs = [message.seq for message in view.messages]
    assert seqs == sorted(set(seqs))
    shown = {message.message_id for message in view.messages if message.message_id is not None}
    assert shown.isdisjoint(gone.message_id for gone in view.retracted)
    assert len(shown) == sum(message.message_id is not None for message in view.messages)
    assert all(call.called_seq is not None or call.returned_seq is not None for call in view.tool_calls)
    assert all(call.returned_seq is None or call.called_seq is None or call.called_seq <= call.returned_seq for call in view.tool_calls)
    assert len(view.tags) == len(set(view.tags))
    assert len(view.models) == len(set(view.models))
    assert view.usage.input_tokens == sum(share.input_tokens for share in view.usage.by_model)


@given(histories)
def test_usage_is_that_of_the_last_record_of_each_message(history: list[Any]) -> None:
    recorded = [event for event, _ in history if isinstance(event, UsageRecorded)]
    counted = [event for event in recorded if event.message_id is None]
    counted += {event.message_id: event for event in recorded if event.message_id is not None}.values()
    usage = replay(stored_events(history), SessionView).usage
    assert usage.input_tokens == sum(event.input_tokens for event in counted)
    cents: dict[str, int] = {}
    for event in counted:
        if event.cost is not None:
            cents[event.cost.currency] = cents.get(event.cost.currency, 0) + round(event.cost.amount * 100)
    assert {money.currency: money.amount for money in usage.costs} == {currency: amount / 100 for currency, amount in cents.items()}


@given(histories)
def test_the_json_has_every_fixed_name_and_decodes_to_the_same_view(history: list[Any]) -> None:
    view = replay(stored_events(history), SessionView)
    text = msgspec.json.encode(view)
    assert set(msgspec.json.decode(text)) >= FIXED
    assert msgspec.json.encode(msgspec.json.decode(text, type=SessionView)) == text
