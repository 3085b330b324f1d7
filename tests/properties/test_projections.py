"""For any history: what a projection says does not depend on when it was caught up, in how many pieces, or by how many processes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventlog import EventLog
from eventlog.errors import SessionDeleted
from eventlog.events import MessageAmended
from projections import Catalog, SessionView, replay
from projections.catalog.cost import NO_PRICES
from projections.catalog.search import Search
from projections.catalog.tally import Tally
from projections.index import catch_up
from projections.index.building import attach, connect
from projections.index.database import Index
from projections.index.dump import dump, wrong_rollups
from projections.projection import Projection

from .test_session_view import events, times

CATCH_UP = None
steps = st.lists(st.none() | st.tuples(st.sampled_from(["s1", "s2", "s3"]), events, times), max_size=40)


def index_in_memory(projection: Projection[Any]) -> Index:
    connection = connect()
    attach(connection, projection.name, ":memory:")
    index = Index(connection, projection)
    index.create()
    index.finish()
    return index


def dumps(log: EventLog, index: Index) -> list[Any]:
    catch_up.catch_up(log, [index])
    assert list(wrong_rollups(index)) == []
    return list(dump(index))


def append(log: EventLog, session_id: str, event: Any, time: datetime) -> None:
    try:
        log.session(session_id, create=True).append(event, time=time)
    except SessionDeleted:
        pass  # refused, as it should be


@settings(max_examples=200)
@given(steps, st.sampled_from([1, 3, 20_000]))
def test_caught_up_in_any_pieces_the_dump_is_that_of_a_rebuild(history: list[Any], room: int) -> None:
    for projection in (Tally(NO_PRICES), Search()):
        with EventLog.memory() as log, pytest.MonkeyPatch.context() as patch:
            patch.setattr(catch_up, "EVENTS_PER_TRANSACTION", room)
            index = index_in_memory(projection)
            for step in history:
                if step is CATCH_UP:
                    catch_up.catch_up(log, [index])
                else:
                    append(log, *step)
            incremental = dumps(log, index)
            patch.undo()
            rebuilt = index_in_memory(projection)
            assert incremental == dumps(log, rebuilt)
            index.connection.close()
            rebuilt.connection.close()


@settings(max_examples=200)
@given(steps)
def test_the_catalog_says_of_each_session_what_its_view_says(history: list[Any]) -> None:
    with EventLog.memory() as log, Catalog.open(log, prices=NO_PRICES) as catalog:
        for step in history:
            if step is CATCH_UP:
                catalog.list()
            else:
                append(log, *step)
        items = catalog.list(deleted=True).items
        assert sorted(item.session_id for item in items) == sorted(log.session_ids())
        for item in items:
            view = replay(log.session(item.session_id).read(), SessionView)
            names = ["session_id", "title", "status", "user_id", "tags", "kind", "model", "models", "provider", "pinned"]
            assert [getattr(item, name) for name in names] == [getattr(view, name) for name in names]
            assert (item.started_at, item.updated_at) == (view.started_at, view.updated_at)
            counts = {name: getattr(item, name) for name in view.counts.__struct_fields__}
            assert counts == msgspec.structs.asdict(view.counts)
            assert item.input_tokens == view.usage.input_tokens
            dollars = [money.amount for money in view.usage.costs if money.currency == "USD"]
            assert ([] if item.cost is None else [item.cost.amount]) == dollars
            fields = ["call_id", "name", "arguments", "output", "is_error", "duration_ms", "called_seq", "returned_seq", "message_id"]
            calls = [[getattr(call, field) for field in fields] for call in view.tool_calls]
            rows = catalog.tools(session_id=item.session_id).items
            assert [[getattr(row, field) for field in fields] for row in rows] == calls


def texts_of(log: EventLog, session_id: str, word: str) -> set[int]:
    """The seqs of the events that have the word in them, wherever."""
    return {stored.seq for stored in log.session(session_id).read() if word in stored.raw.decode()}


@settings(max_examples=60)
@given(steps)
def test_every_word_of_a_message_that_is_shown_finds_it(history: list[Any]) -> None:
    with EventLog.memory() as log, Catalog.open(log, prices=NO_PRICES) as catalog:
        for step in history:
            if step is CATCH_UP:
                catalog.search("x")
            else:
                append(log, *step)
        for session_id in log.session_ids():
            view = replay(log.session(session_id).read(), SessionView)
            for message in view.messages:
                if message.partial and any(isinstance(step[1], MessageAmended) for step in history if step):
                    continue  # its words may be put together from an amendment and deltas
                for part in message.parts:
                    for word in part["content"].split() if part["type"] == "text" else ():
                        hits = catalog.search(word, deleted=True, limit=1000)
                        assert session_id in [hit.session_id for hit in hits.items]
                        whole = {hit.seq for hit in hits.items if hit.session_id == session_id and hit.kind != "partial"}
                        assert whole <= texts_of(log, session_id, word)
                        assert all(f"**{word}**" in hit.snippet for hit in hits.items)
