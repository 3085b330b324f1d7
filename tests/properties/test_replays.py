"""For any history: what a replay makes of a session is the session, as far as it says so."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from eventlog import EventLog, Session, StoredEvent
from eventlog.events import ContextCompacted, Event, SessionMerged, SessionStarted, UnknownEvent
from eventlog.importers import import_paths
from eventlog.meaning.copies import identity, taken_from
from projections import SessionView, replay
from projections.exporters import export

from .test_session_view import others, times

compactions = st.builds(ContextCompacted, summary=st.just("so far"), first_kept_seq=st.integers(1, 9))
appends = st.lists(st.tuples(st.lists(st.one_of(others, compactions), min_size=1, max_size=3), times), max_size=10)
positions = st.integers(0, 30)
MARCH = datetime.fromisoformat("2026-03-01T00:00:00Z")
quick = settings(max_examples=5000 if "TEST_BUDGET_S" in os.environ else 40)


def record(log: EventLog, history: list[tuple[list[Event | UnknownEvent], datetime]], id: str, *, started: bool = True) -> Session:
    session = log.session(id, create=True)
    if started:
        session.append(SessionStarted(title=id, tags=[id], metadata={"of": id}), time="2026-06-01T00:00:00Z")
    for number, (batch, time) in enumerate(history):
        session.append(*batch, time=time, id=f"{id} {number}")
    return session


def view_of(stored: list[StoredEvent]) -> dict[str, Any]:
    view: dict[str, Any] = msgspec.to_builtins(replay(stored, SessionView))
    return view


def content(stored: StoredEvent) -> tuple[Any, ...]:
    line = msgspec.json.decode(stored.raw, type=dict[str, msgspec.Raw])
    return stored.type, stored.time, bytes(line["data"]), line.get("v")


@quick
@given(appends, positions)
def test_a_fork_shows_what_its_source_showed_at_that_point(history: list[Any], position: int) -> None:
    with EventLog.memory() as log:
        source = record(log, history, "source")
        at = 1 + position % source.last_seq
        before = list(source.read())
        fork = log.fork("source", at)
        found = list(fork.read())
        assert [(stored.seq, content(stored)) for stored in found[1:]] == [(stored.seq, content(stored)) for stored in before[1:at]]
        assert [taken_from(stored) for stored in found] == [("source", seq) for seq in range(1, at + 1)]
        assert [stored.more for stored in found[:-1]] == [stored.more for stored in before[: at - 1]]
        own, theirs = view_of(found), view_of(before[:at])
        assert own["parent"] == {"session_id": "source", "seq": at, "relation": "fork"}
        for view in (own, theirs):
            for name in ("session_id", "parent", "started_at"):
                del view[name]
        assert own == theirs
        assert [stored.raw for stored in source.read()] == [stored.raw for stored in before]


@quick
@given(appends, positions)
def test_a_fork_of_a_session_without_a_beginning_has_its_parent_behind(history: list[Any], position: int) -> None:
    with EventLog.memory() as log:
        source = record(log, [*history, ([UnknownEvent("shop.seen", {})], MARCH)], "s", started=False)
        at = 1 + position % source.last_seq
        fork = log.fork("s", at)
        copied, before = list(fork.read(before=at + 1)), list(source.read(before=at + 1))
        begins = before[0].type == "session.started"
        assert [stored.type for stored in fork.read(after=at)] == ([] if begins else ["session.updated"])
        assert [content(stored) for stored in copied[begins:]] == [content(stored) for stored in before[begins:]]
        assert replay(fork.read(), SessionView).parent == {"session_id": "s", "seq": at, "relation": "fork"}


@quick
@given(appends, appends, appends)
def test_a_merge_holds_every_event_of_both_once_and_in_order(first: list[Any], second: list[Any], more: list[Any]) -> None:
    with EventLog.memory() as log:
        a, b = record(log, first, "a"), record(log, second, "b")
        merged = log.merge(["b", "a"])
        _check_merge(merged, a, b)
        position = merged.last_seq
        assert log.merge(["a", "b"]).id == merged.id
        assert merged.last_seq == position
        held = [stored.raw for stored in merged.read()]
        for batch, time in more:
            a.append(*batch, time=time)
        log.merge(["a", "b"])
        assert [stored.raw for stored in merged.read(before=position + 1)] == held
        _check_merge(merged, a, b)


def leaves(value: Any, name: str = "") -> dict[str, Any]:
    """What a mapping says by itself: it may get more names at any depth. None is what a merge patch cannot say."""
    if not isinstance(value, dict):
        return {} if value is None else {name: value}
    return {path: leaf for key, item in value.items() for path, leaf in leaves(item, f"{name}.{key}").items()}


def _check_merge(merged: Session, *sources: Session) -> None:
    copies = [stored for stored in merged.read() if taken_from(stored) is not None]
    for source in sources:
        mine = [stored for stored in copies if taken_from(stored)[0] == source.id]  # type: ignore[index]
        theirs = list(source.read())
        assert [taken_from(stored) for stored in mine] == [(source.id, seq) for seq in range(1, source.last_seq + 1)]
        assert [content(stored) for stored in mine] == [content(stored) for stored in theirs]
        assert [stored.more for stored in mine] == [stored.more for stored in theirs]
    assert len(copies) == sum(source.last_seq for source in sources)
    view, views = replay(merged.read(), SessionView), [replay(source.read(), SessionView) for source in sources]
    assert view.counts.messages == sum(each.counts.messages for each in views)  # also where both use an id for a message of their own
    assert len(view.retracted) == sum(len(each.retracted) for each in views)
    assert view.usage.input_tokens == sum(each.usage.input_tokens for each in views)
    last = list(merged.read())[-1]
    assert isinstance(last.event, SessionMerged)


@quick
@given(appends, positions, appends, appends)
def test_merging_a_fork_into_its_parent_adds_what_the_fork_added(
    history: list[Any], position: int, mine: list[Any], theirs: list[Any]
) -> None:
    with EventLog.memory() as log:
        parent = record(log, history, "parent")
        at = 1 + position % parent.last_seq
        fork = log.fork("parent", at, id="fork")
        for batch, time in mine:
            parent.append(*batch, time=time)
        for batch, time in theirs:
            fork.append(*batch, time=time)
        before = list(parent.read())
        view = view_of(before)
        log.merge(["fork"], into="parent")
        found = list(parent.read())
        assert [stored.raw for stored in found[: len(before)]] == [stored.raw for stored in before]
        copies = [stored for stored in found[len(before) :] if taken_from(stored) is not None]
        assert [content(stored) for stored in copies] == [content(stored) for stored in fork.read(after=at)]
        position = parent.last_seq
        log.merge(["fork"], into="parent")
        assert parent.last_seq == position
        now = view_of(found)
        for name in ("title", "description", "user_id", "parent", "pinned"):
            assert now[name] == view[name] if view[name] is not None or name == "parent" else True
        assert leaves(now["metadata"]).items() >= leaves(view["metadata"]).items()
        assert now["tags"][: len(view["tags"])] == view["tags"]


@quick
@given(appends, positions, appends)
def test_two_forks_and_their_parent_merge_into_every_event_once(history: list[Any], position: int, more: list[Any]) -> None:
    with EventLog.memory() as log:
        parent = record(log, history, "parent")
        at = 1 + position % parent.last_seq
        one = log.fork("parent", at, id="one")
        log.fork("parent", id="two")
        for batch, time in more:
            one.append(*batch, time=time)
        fork_of_fork = log.fork("one")
        merged = log.merge(["one", "two", "parent", fork_of_fork.id])
        found = [identity(stored) for stored in merged.read() if taken_from(stored) is not None]
        assert len(found) == len(set(found))
        own = {("one", seq) for seq in range(at + 1, one.last_seq + 1)}
        assert set(found) == {("parent", seq) for seq in range(1, parent.last_seq + 1)} | own


@quick
@given(appends, appends, st.booleans())
def test_an_export_that_is_imported_is_the_session(history: list[Any], more: list[Any], started: bool) -> None:
    with TemporaryDirectory() as folder, EventLog.memory() as log, EventLog.memory() as other:
        if not history and not started:
            return
        session = record(log, history, "s", started=started)
        log.fork("s", id="fork")
        file = Path(folder) / "both.jsonl"
        export(log, ["s", "fork"], "jsonl", file)
        report = import_paths(other, "jsonl", [file])
        assert (report.sessions, report.skipped) == (2, [])
        _check_same(log, other)
        for batch, time in more:
            session.append(*batch, time=time)
        export(log, ["s", "fork"], "jsonl", file)
        report = import_paths(other, "jsonl", [file])
        assert report.events_added == sum(len(batch) for batch, _ in more)
        assert report.skipped == []
        _check_same(log, other)
        assert import_paths(other, "jsonl", [file]).events_added == 0


def _check_same(log: EventLog, other: EventLog) -> None:
    for session_id in ("s", "fork"):
        theirs = [stored.raw[:-18] for stored in log.session(session_id).read()]
        assert [stored.raw[:-18] for stored in other.session(session_id).read()] == theirs
