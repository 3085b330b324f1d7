"""For any history: what was taken back was never there, wherever the events are now, and however they are folded."""

from __future__ import annotations

import os
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from eventlog import EventLog, StoredEvent
from eventlog.events import (
    ContextCompacted,
    ContextUpdated,
    HistoryCleared,
    HistoryRetracted,
    MessageAdded,
    MessageAmended,
    MessageDelta,
    MessageRetracted,
    Part,
    SessionEnded,
    ToolCalled,
    ToolReturned,
    UnknownEvent,
    UsageRecorded,
)
from eventlog.meaning.copies import Identity, as_meant, identity
from eventlog.meaning.history import ABOUT_THE_RECORD, can_be_taken_back, named
from projections import Catalog, SessionView, replay
from projections.catalog.cost import NO_PRICES
from projections.catalog.search import Search
from projections.catalog.tally import Tally
from projections.index import catch_up
from projections.index.building import attach, connect
from projections.index.database import Index
from projections.index.dump import dump
from projections.projection import Projection

from .test_session_view import contents, ids, maybe_ids, others, roles, stored_events, times, words

quick = settings(max_examples=20_000 if "TEST_BUDGET_S" in os.environ else 300)
seqs = st.integers(1, 25)
ranges = st.lists(st.tuples(seqs, st.integers(0, 3)).map(lambda pair: (pair[0], pair[0] + pair[1])), min_size=1, max_size=2)
takes_back = st.one_of(
    st.builds(HistoryRetracted, ranges=ranges),
    st.builds(HistoryRetracted, ranges=ranges),
    st.builds(HistoryRetracted, ranges=ranges),
    st.builds(HistoryCleared, up_to=st.none() | seqs),
)
call_parts = st.one_of(
    st.builds(Part, type=st.just("tool_call"), id=ids, name=ids, arguments=words),
    st.builds(Part, type=st.just("tool_call_response"), id=ids, response=words),
    st.builds(Part, type=st.just("canvas"), content=words),
)
with_ids: st.SearchStrategy[Any] = st.one_of(
    st.builds(ToolCalled, name=ids, call_id=ids, arguments=words, message_id=maybe_ids),
    st.builds(ToolReturned, call_id=ids, output=words, is_error=st.booleans()),
    st.builds(MessageAdded, role=roles, content=st.lists(call_parts, min_size=1, max_size=3), message_id=maybe_ids, model=maybe_ids),
    st.builds(MessageAdded, role=roles, content=contents, message_id=maybe_ids, alternative_to=maybe_ids, interrupted=maybe_ids),
    st.builds(MessageAmended, message_id=ids, content=st.lists(call_parts, max_size=2), exclude_from_context=st.booleans()),
    st.builds(MessageDelta, message_id=ids, content=words, role=roles),
    st.builds(MessageRetracted, message_id=ids),
    st.builds(ContextUpdated, intent=words),
    st.builds(ContextCompacted, summary=words, first_kept_seq=seqs),
    st.builds(SessionEnded, status=st.just("failed")),
    st.builds(UsageRecorded, message_id=maybe_ids, model=maybe_ids, output_tokens=st.integers(0, 9)),
    st.builds(UnknownEvent, type=st.just("shop.seen")),
)
plain = st.lists(st.tuples(st.one_of(with_ids, with_ids, takes_back), times), max_size=25)
anything = st.lists(st.tuples(st.one_of(with_ids, others, takes_back), times), max_size=25)
# Longer ones of few kinds, in which ids are used again and again.
calls = st.lists(
    st.tuples(
        st.one_of(
            st.builds(ToolCalled, name=st.just("git"), call_id=st.sampled_from(["a", "b"])),
            st.builds(ToolReturned, call_id=st.sampled_from(["a", "b"]), output=words),
            st.builds(MessageAdded, role=st.just("user"), content=st.just("go"), message_id=maybe_ids),
            st.builds(MessageAdded, role=st.just("assistant"), content=st.lists(call_parts, min_size=1, max_size=2), message_id=maybe_ids),
            takes_back,
        ),
        times,
    ),
    max_size=25,
)
histories = plain | anything | calls


def gone_of(stored: list[StoredEvent]) -> set[int]:
    """The seqs that were taken back."""
    gone = {seq for each in stored for first, last in named(each) for seq in range(first, last + 1)}
    return {each.seq for each in stored if each.seq in gone and can_be_taken_back(each.type)}


def shown(view: SessionView) -> dict[str, Any]:
    """Everything of the view but its times, which what was taken back has moved."""
    found: dict[str, Any] = msgspec.to_builtins(view)
    del found["started_at"], found["updated_at"]
    return found


@quick
@given(histories, st.integers(0, 25))
def test_the_view_is_that_of_the_session_without_what_was_taken_back(history: list[Any], cut: int) -> None:
    stored = stored_events(history)
    gone = gone_of(stored)
    at_once = replay(stored, SessionView)
    without = replay([each for each in stored if each.seq not in gone], SessionView)
    if without.session_id:  # not where nothing is left
        assert {**shown(at_once), "session_id": ""} == {**shown(without), "session_id": ""}
    worked = [each.time for each in stored if type(each.event) not in ABOUT_THE_RECORD]
    assert at_once.updated_at == max(worked, default=stored[0].time if stored else None)
    in_two = SessionView.fold_all(SessionView.fold_all(SessionView.initial(), stored[:cut]), stored[cut:])
    assert msgspec.json.encode(in_two) == msgspec.json.encode(at_once)
    one_by_one = SessionView.initial()
    for each in stored:
        one_by_one = SessionView.fold(one_by_one, each)
    assert msgspec.json.encode(one_by_one) == msgspec.json.encode(at_once)


def index_of(projection: Projection[Any]) -> Index:
    connection = connect()
    attach(connection, projection.name, ":memory:")
    index = Index(connection, projection)
    index.create()
    index.finish()
    return index


def first_text(view: SessionView) -> str | None:
    """The first text of a user that the model sees, of messages that are whole."""
    for message in view.messages:
        if message.role == "user" and not (message.partial or message.exclude_from_context or message.alternative_to):
            texts = [part["content"] for part in message.parts if part["type"] == "text" and part["content"]]
            if texts:
                return str(texts[0])
    return None


CALL = ["call_id", "name", "arguments", "output", "is_error", "duration_ms", "called_seq", "returned_seq", "message_id"]


@quick
@given(histories, st.sets(st.integers(0, 25)))
def test_the_catalog_says_what_the_view_says_and_caught_up_in_pieces_what_a_rebuild_says(history: list[Any], cuts: set[int]) -> None:
    with EventLog.memory() as log, Catalog.open(log, prices=NO_PRICES) as catalog:
        session = log.start(id="s", title="T")
        index = index_of(Tally(NO_PRICES))
        for number, (event, time) in enumerate(history):
            session.append(event, time=time)
            if number in cuts:
                catch_up.catch_up(log, [index])
        catch_up.catch_up(log, [index])
        rebuilt = index_of(Tally(NO_PRICES))
        catch_up.catch_up(log, [rebuilt])
        assert list(dump(index)) == list(dump(rebuilt))
        item, view = catalog.list().items[0], replay(session.read(), SessionView)
        for name in ("status", "model", "models", "provider", "started_at", "updated_at"):
            assert getattr(item, name) == getattr(view, name), name
        for name in view.counts.__struct_fields__:
            assert getattr(item, name) == getattr(view.counts, name), name
        assert item.preview == first_text(view)
        rows = catalog.tools(session_id="s").items
        assert [[getattr(row, name) for name in CALL] for row in rows] == [
            [getattr(call, name) for name in CALL] for call in view.tool_calls
        ]
        numbers = catalog.statistics()
        assert (numbers.events, sum(numbers.messages.values()), numbers.tool_calls) == (
            view.counts.events,
            view.counts.messages,
            view.counts.tool_calls,
        )
        index.connection.close()
        rebuilt.connection.close()


def live_texts(index: Index) -> list[Any]:
    rows = index.connection.execute("SELECT seq, part, kind, role, message_id, digest FROM search.passage WHERE live")
    return sorted(row for row in rows if row[2] != "partial")


@quick
@given(histories, st.sets(st.integers(0, 25)))
def test_the_search_finds_what_is_found_in_the_session_without_it(history: list[Any], cuts: set[int]) -> None:
    """But for the deltas of a message of which only what made it whole was taken back: their text is not held that long."""
    with EventLog.memory() as log:
        session = log.start(id="s")
        index = index_of(Search())
        for number, (event, time) in enumerate(history):
            session.append(event, time=time)
            if number in cuts:
                catch_up.catch_up(log, [index])
        catch_up.catch_up(log, [index])
        rebuilt = index_of(Search())
        catch_up.catch_up(log, [rebuilt])
        assert list(dump(index)) == list(dump(rebuilt))
        stored = list(session.read())
        gone, search = gone_of(stored), Search()
        state = search.initial()
        for each in stored:
            if each.seq not in gone:
                search.fold(state, each)
        names = ("seq", "part", "kind", "role", "message_id", "digest")
        rows = [row for row in state.rows.put_rows.get("passage", {}).values() if row["live"] and row["kind"] != "partial"]
        assert live_texts(index) == sorted(tuple(row[name] for name in names) for row in rows)
        index.connection.close()
        rebuilt.connection.close()


def append_all(log: EventLog, session_id: str, history: list[Any]) -> None:
    with log.session(session_id, create=True) as session:
        for event, time in history:
            session.append(event, time=time)


def taken_back_in(log: EventLog, session_id: str) -> set[Identity]:
    """Which events were taken back, by what they are wherever they were copied to."""
    stored = list(log.session(session_id).read())
    gone = gone_of(stored)
    return {identity(each) for each in stored if each.seq in gone}


@quick
@given(histories, histories, st.booleans())
def test_a_merge_takes_back_what_its_sources_did_and_nothing_else(first: list[Any], second: list[Any], into: bool) -> None:
    with EventLog.memory() as log:
        log.start(id="a"), log.start(id="b")
        append_all(log, "a", first)
        append_all(log, "b", second)
        wanted = taken_back_in(log, "a") | taken_back_in(log, "b")
        merged = log.merge(["b"], into="a") if into else log.merge(["a", "b"])
        assert taken_back_in(log, merged.id) == wanted
        stored = list(merged.read())
        gone = gone_of(stored)
        assert shown(replay(stored, SessionView)) == shown(replay([each for each in stored if each.seq not in gone], SessionView))
        again = log.merge([merged.id, log.start(id="c").id])  # a copy of a copy names them where they are now, too
        assert taken_back_in(log, again.id) == wanted


@quick
@given(histories, histories, seqs)
def test_a_fork_takes_back_what_its_source_did_and_a_merge_brings_back_what_the_fork_did(
    history: list[Any], more: list[Any], at: int
) -> None:
    with EventLog.memory() as log:
        source = log.start(id="a")
        append_all(log, "a", history)
        at = min(at, source.last_seq)
        log.fork("a", at, id="fork")
        before = list(source.read(before=at + 1))
        gone = gone_of(before)
        assert taken_back_in(log, "fork") == {identity(each) for each in before if each.seq in gone}
        append_all(log, "fork", more)
        wanted = taken_back_in(log, "a") | taken_back_in(log, "fork")
        assert taken_back_in(log, log.merge(["fork"], into="a").id) == wanted


@quick
@given(st.lists(st.tuples(st.builds(UsageRecorded, context=ranges), times), max_size=6), histories)
def test_what_a_model_saw_is_named_where_it_is_now(usage: list[Any], other: list[Any]) -> None:
    with EventLog.memory() as log:
        log.start(id="a"), log.start(id="b")
        append_all(log, "a", usage)
        append_all(log, "b", other)
        seen = {identity(each): identities_of(log, "a", each) for each in log.session("a").read(types=("usage.recorded",))}
        merged = log.merge(["a", "b"])
        copied = [as_meant(each) for each in merged.read(types=("usage.recorded",)) if identity(each) in seen]
        assert {identity(each): identities_of(log, merged.id, each) for each in copied} == seen


def identities_of(log: EventLog, session_id: str, usage: StoredEvent) -> set[Identity]:
    """The events before the usage that its context names."""
    named_here = {seq for first, last in usage.event.context for seq in range(first, last + 1)}
    return {identity(each) for each in log.session(session_id).read(before=usage.seq + 1) if each.seq in named_here}
