"""For any history: the windows of a session's messages, taken together, are the lists of its view, and the outline has a row for each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventlog import EventLog
from eventlog.events import ContextCompacted, HistoryCleared, HistoryRetracted, MessageDelta
from projections import Catalog, SessionView, replay
from projections.catalog.cost import NO_PRICES
from projections.catalog.windows import Window
from projections.index import catch_up
from projections.view.outline import OutlineProjection

from .test_projections import append, dumps, index_in_memory
from .test_session_view import events, ids, times, words

CATCH_UP = None
compactions = st.builds(ContextCompacted, summary=st.none() | words, first_kept_seq=st.none() | st.integers(1, 9))
deltas = st.builds(MessageDelta, message_id=ids, content=words)
takes_back = st.builds(HistoryRetracted, ranges=st.lists(st.tuples(st.integers(1, 12), st.integers(1, 14)), min_size=1, max_size=2))
takes_back |= st.builds(HistoryCleared, up_to=st.none() | st.integers(1, 12))
talk = events | compactions | deltas | takes_back
replayed = st.tuples(st.sampled_from(["fork", "merge"]), st.integers(1, 9))
steps = st.lists(st.none() | st.tuples(st.sampled_from(["s1", "s2"]), talk, times) | replayed, max_size=30)
CALL = ["call_id", "name", "arguments", "output", "is_error", "duration_ms", "called_seq", "returned_seq", "message_id"]
Walk = Callable[[Catalog, str, dict[str, Any]], list[Window]]


def live(log: EventLog, history: list[Any], at_each_pause: Callable[[], object]) -> None:
    """Do what the history says; forks and merges that cannot be done are left out."""
    for step in history:
        if step is CATCH_UP:
            at_each_pause()
        elif step[0] == "merge":
            if len(list(log.session_ids())) > 1 and not list(log.deleted()):
                log.merge(sorted(log.session_ids())[:2]).close()
        elif step[0] == "fork":
            known = sorted(set(log.session_ids()) - {deleted.session_id for deleted in log.deleted()})
            if known:
                with log.session(known[0]) as session:
                    at = min(step[1], session.last_seq)
                log.fork(known[0], at).close()
        else:
            append(log, *step)


def forward(catalog: Catalog, session_id: str, asked: dict[str, Any]) -> list[Window]:
    found = [catalog.messages(session_id, **asked)]
    while found[-1].next is not None:
        found.append(catalog.messages(session_id, after=found[-1].next, **asked))
    return found


def backward(catalog: Catalog, session_id: str, asked: dict[str, Any]) -> list[Window]:
    found = [catalog.messages(session_id, before=1 << 62, **asked)]
    while found[-1].previous is not None:
        found.append(catalog.messages(session_id, before=found[-1].previous, **asked))
    return found[::-1]


def outward(catalog: Catalog, session_id: str, asked: dict[str, Any]) -> list[Window]:
    middle = catalog.messages(session_id, around=7, **asked)
    before, after = [middle], [middle]
    while before[-1].previous is not None:
        before.append(catalog.messages(session_id, before=before[-1].previous, **asked))
    while after[-1].next is not None:
        after.append(catalog.messages(session_id, after=after[-1].next, **asked))
    return [*before[:0:-1], *after]


def as_json(values: Any) -> Any:
    return msgspec.json.decode(msgspec.json.encode(values))


@settings(max_examples=80)
@given(steps, st.integers(1, 5), st.sampled_from([forward, backward, outward]), st.sampled_from([None, ["user"], ["assistant", "tool"]]))
def test_all_windows_together_give_each_list_of_the_view_once(history: list[Any], limit: int, walk: Walk, roles: list[str] | None) -> None:
    with EventLog.memory() as log, Catalog.open(log, prices=NO_PRICES) as catalog:
        live(log, history, lambda: [catalog.messages(session_id) for session_id in log.session_ids()])
        for session_id in log.session_ids():
            view = replay(log.session(session_id).read(), SessionView)
            windows = walk(catalog, session_id, {"limit": limit, "roles": roles})
            wanted = [message for message in view.messages if roles is None or message.role in roles]
            shown = [message for window in windows for message in window.items]
            amended = {"amended": False}, {"amended": True}  # which of them, other tests say
            for each, found in zip(as_json(wanted), as_json(shown), strict=True):
                assert found in [{**each, "truncated": False, "retracted": False, **flag} for flag in amended]
            assert as_json([error for window in windows for error in window.errors]) == as_json(view.errors)
            assert as_json([each for window in windows for each in window.compactions]) == as_json(view.compactions)
            calls = [[getattr(call, name) for name in CALL] for window in windows for call in window.tool_calls]
            assert calls == [[getattr(call, name) for name in CALL] for call in view.tool_calls]
            ends = (wanted[0].seq, wanted[-1].seq) if wanted else (None, None)
            assert {(window.total, window.first_seq, window.last_seq) for window in windows} == {(len(wanted), *ends)}
            assert all(len(window.items) <= limit for window in windows)


@settings(max_examples=60)
@given(steps)
def test_the_outline_has_a_row_for_each_message_error_and_compaction(history: list[Any]) -> None:
    with EventLog.memory() as log, Catalog.open(log, prices=NO_PRICES) as catalog:
        live(log, history, lambda: [catalog.outline(session_id) for session_id in log.session_ids()])
        for session_id in log.session_ids():
            view = replay(log.session(session_id).read(), SessionView)
            wanted = [(message.seq, message.role) for message in view.messages]
            wanted += [(error.seq, "error") for error in view.errors] + [(each.seq, "compaction") for each in view.compactions]
            outline = catalog.outline(session_id)
            assert [(seq, kind) for seq, kind, _, _ in outline.items] == sorted(wanted)
            flags = {seq: flags for seq, _, _, flags in outline.items}
            chars = {seq: chars for seq, _, chars, _ in outline.items}
            for message in view.messages:
                assert bool(flags[message.seq] & outline.flags_of["partial"]) == message.partial
                assert bool(flags[message.seq] & outline.flags_of["excluded"]) == message.exclude_from_context
                if all(part["type"] in ("text", "reasoning", "canvas") for part in message.parts):
                    assert chars[message.seq] == sum(len(part["content"]) for part in message.parts)


@settings(max_examples=60)
@given(steps)
def test_asked_for_retracted_messages_they_stand_where_they_stood(history: list[Any]) -> None:
    with EventLog.memory() as log, Catalog.open(log, prices=NO_PRICES) as catalog:
        live(log, history, lambda: None)
        for session_id in log.session_ids():
            view = replay(log.session(session_id).read(), SessionView)
            window = catalog.messages(session_id, retracted=True)
            assert window.total == len(window.items) == len(view.messages) + len(view.retracted)
            gone = {message.seq: message.message_id for message in window.items if message.retracted}
            assert gone == {message.seq: message.message_id for message in view.retracted}


@settings(max_examples=80)
@given(steps, st.sampled_from([1, 3, 20_000]))
def test_caught_up_in_any_pieces_the_outline_is_that_of_a_rebuild(history: list[Any], room: int) -> None:
    with EventLog.memory() as log, pytest.MonkeyPatch.context() as patch:
        patch.setattr(catch_up, "EVENTS_PER_TRANSACTION", room)
        index = index_in_memory(OutlineProjection())
        live(log, history, lambda: catch_up.catch_up(log, [index]))
        incremental = dumps(log, index)
        patch.undo()
        rebuilt = index_in_memory(OutlineProjection())
        assert incremental == dumps(log, rebuilt)
        index.connection.close()
        rebuilt.connection.close()
