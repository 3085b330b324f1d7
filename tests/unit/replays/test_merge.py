"""A merge brings events together, each once, and says where the sessions disagree."""

from __future__ import annotations

from typing import Any

import pytest

from eventlog import EventLog, Session
from eventlog.errors import InvalidInput, SessionDeleted, SessionNotFound
from eventlog.events import (
    ContextCompacted,
    ContextUpdated,
    HistoryCleared,
    HistoryRetracted,
    MessageAdded,
    MessageAmended,
    MessageRetracted,
    SessionEnded,
    SessionMerged,
    SessionRestored,
    SessionUpdated,
)
from eventlog.events import SessionDeleted as Deleted
from eventlog.meaning.copies import taken_from
from projections import SessionView, replay


def say(session: Session, text: str, second: int) -> None:
    session.append(MessageAdded(role="user", content=text), time=f"2026-01-02T00:00:{second:02}Z")


def texts(session: Session) -> list[str]:
    return [message.parts[0]["content"] for message in replay(session.read(), SessionView).messages]


def merges(session: Session) -> list[SessionMerged]:
    return [stored.event for stored in session.read() if stored.type == "session.merged" and taken_from(stored) is None]


def test_each_source_keeps_its_order_and_time_decides_between_them() -> None:
    with EventLog.memory() as log:
        a, b = log.session("a", create=True), log.session("b", create=True)
        for text, second in [("a1", 1), ("a2", 5), ("a3", 2), ("a4", 6)]:  # a's clock was set back
            say(a, text, second)
        for text, second in [("b1", 1), ("b2", 3), ("b3", 6)]:
            say(b, text, second)
        assert texts(log.merge(["b", "a"])) == ["a1", "b1", "b2", "a2", "a3", "a4", "b3"]


def test_the_id_follows_from_the_sources_in_any_order() -> None:
    with EventLog.memory() as log:
        for id in "abc":
            log.start(id=id)
        assert log.merge(["a", "b"]).id == log.merge(["b", "a", "b"]).id == "b353edef-2e8f-580f-bcf0-a12f25d271f6"
        assert log.merge(["a", "c"]).id != log.merge(["a", "b"]).id


def test_merging_again_adds_what_is_new_and_says_so() -> None:
    with EventLog.memory() as log:
        a, b = log.start(id="a"), log.start(id="b")
        say(a, "a1", 1)
        merged = log.merge(["a", "b"])
        say(b, "b1", 2)
        log.merge(["a", "b"])
        log.merge(["a", "b"])
        assert texts(merged) == ["a1", "b1"]
        said = [[(source.session_id, source.first_seq, source.last_seq) for source in event.sources] for event in merges(merged)]
        assert said == [[("a", 1, 2), ("b", 1, 1)], [("b", 2, 2)]]


def test_a_session_that_others_are_merged_into_keeps_what_it_says_and_gets_what_it_does_not() -> None:
    with EventLog.memory() as log:
        into = log.start(id="s", title="S", tags=["x"], metadata={"cwd": "/s", "deep": {"a": 1}})
        into.append(ContextUpdated(topics=["cookies"], preferences={"lang": "de"}, intent="fix"))
        other = log.start(id="o", title="O", purpose="to help", tags=["y", "x"], metadata={"cwd": "/o", "deep": {"b": 2}}, kind="chat")
        other.append(ContextUpdated(topics=["tokens"], preferences={"lang": "fr", "tone": "dry"}), SessionUpdated(title="O2", pinned=True))
        before = replay(into.read(), SessionView)
        assert log.merge(["o"], into="s").id == "s"
        view = replay(into.read(), SessionView)
        assert (view.title, view.purpose, view.kind, view.tags, view.pinned) == ("S", "to help", "chat", ["x", "y"], False)
        assert view.metadata == {"cwd": "/s", "deep": {"a": 1, "b": 2}}
        assert view.context == {"topics": ["cookies", "tokens"], "preferences": {"lang": "de", "tone": "dry"}, "intent": "fix"}
        assert view.started_at == before.started_at
        [event] = merges(into)
        assert event.conflicts == [
            {"name": "title", "values": {"s": "S", "o": "O2"}, "kept": "S"},
            {"name": "metadata.cwd", "values": {"s": "/s", "o": "/o"}, "kept": "/s"},
            {"name": "context.preferences.lang", "values": {"s": "de", "o": "fr"}, "kept": "de"},
        ]
        other.append(SessionUpdated(description="late"))
        log.merge(["o"], into="s")
        assert merges(into)[1].conflicts == []  # what was said once is not said again
        assert replay(into.read(), SessionView).title == "S"


def test_without_a_target_the_last_word_counts_and_no_parent_is_taken_over() -> None:
    with EventLog.memory() as log:
        a = log.start(id="a", title="A")
        log.start(id="p")
        log.fork("p", id="f")
        a.append(SessionUpdated(title="A2"))
        merged = log.merge(["a", "f"])
        view = replay(merged.read(), SessionView)
        assert (view.title, view.parent) == ("A2", None)


def test_of_a_fork_only_what_it_added_is_new_to_its_parent_and_the_other_way_round() -> None:
    with EventLog.memory() as log:
        parent = log.start(id="p", title="P")
        say(parent, "both", 1)
        fork = log.fork("p", id="f")
        say(fork, "fork", 2)
        say(parent, "parent", 3)
        assert texts(log.merge(["f"], into="p")) == ["both", "parent", "fork"]
        assert texts(log.merge(["p"], into="f")) == ["both", "fork", "parent"]
        assert replay(fork.read(), SessionView).parent == {"session_id": "p", "seq": 2, "relation": "fork"}


def test_a_tombstone_and_what_lifted_it_stay_together_and_a_deleted_session_is_refused() -> None:
    with EventLog.memory() as log:
        a, b = log.start(id="a"), log.start(id="b")
        a.append(Deleted(), time="2026-01-02T00:00:01Z")
        a.append(SessionRestored(), time="2026-01-02T00:00:09Z")
        say(b, "between", 5)
        merged = log.merge(["a", "b"])
        assert texts(merged) == ["between"]
        assert replay(merged.read(), SessionView).status == "active"
        b.append(Deleted())
        with pytest.raises(SessionDeleted):
            log.merge(["a", "b"])
        with pytest.raises(SessionDeleted):
            log.merge(["a"], into="b")


def test_the_first_kept_event_of_a_compaction_is_found_where_it_went() -> None:
    with EventLog.memory() as log:
        a, b = log.session("a", create=True), log.session("b", create=True)
        for number in range(1, 5):
            say(a, f"a{number}", number)
        say(b, "b1", 1)
        a.append(ContextCompacted(summary="a1 to a3", first_kept_seq=4), time="2026-01-02T00:00:08Z")
        merged = log.merge(["a", "b"])
        assert texts(merged) == ["a1", "b1", "a2", "a3", "a4"]
        for session in (merged, log.fork(merged.id)):
            [compaction] = replay(session.read(), SessionView).compactions
            assert (compaction.seq, compaction.first_kept_seq) == (6, 5)
        assert [stored.event.first_kept_seq for stored in merged.read(types=["context.compacted"])] == [4]
        c = log.start(id="c")
        again = log.merge([merged.id, c.id])
        [compaction] = replay(again.read(), SessionView).compactions
        assert replay(again.read(), SessionView).messages[-1].seq == compaction.first_kept_seq


def test_appends_stay_whole_and_an_end_ends_nothing() -> None:
    with EventLog.memory() as log:
        a, b = log.session("a", create=True), log.session("b", create=True)
        a.append(MessageAdded(role="user", content="a1"), SessionEnded(), time="2026-01-02T00:00:01Z")
        say(b, "b1", 2)
        merged = log.merge(["a", "b"])
        assert [(stored.type, stored.more) for stored in merged.read()][:2] == [("message.added", True), ("session.ended", False)]
        assert replay(merged.read(), SessionView).status == "active"


@pytest.mark.parametrize(("ids", "into"), [([], None), (["a"], None), (["a", "a"], None), (["a"], "a"), ([], "a")])
def test_one_session_is_nothing_to_merge(ids: list[str], into: Any) -> None:
    with EventLog.memory() as log:
        log.start(id="a")
        with pytest.raises(InvalidInput, match="at least two sessions"):
            log.merge(ids, into=into)


def test_a_session_that_is_not_there_is_said_before_anything_is_written() -> None:
    with EventLog.memory() as log:
        log.start(id="a")
        for ids, into in ([["a", "nobody"], None], [["a"], "nobody"]):
            with pytest.raises(SessionNotFound):
                log.merge(ids, into=into)  # type: ignore[arg-type]
        assert list(log.session_ids()) == ["a"]


def test_an_id_that_two_sessions_use_for_messages_of_their_own_names_two_messages() -> None:
    with EventLog.memory() as log:
        a, b = log.start(id="a"), log.start(id="b")
        for session, second in ((a, 1), (b, 2)):
            session.append(MessageAdded(role="user", content=session.id, message_id="m1"), time=f"2026-01-02T00:00:0{second}Z")
            session.append(MessageAdded(role="user", content="reply", message_id=f"{session.id}2", reply_to="m1"))
        fork = log.fork("a", id="f")
        fork.append(MessageAmended(message_id="m1", content="a, amended"))  # the same message: a fork is of the family
        merged = log.merge(["a", "b", "f"])
        expected = [("m1", "a, amended", None), ("b:m1", "b", None), ("a2", "reply", "m1"), ("b2", "reply", "b:m1")]
        for session in (merged, log.fork(merged.id)):
            view = replay(session.read(), SessionView)
            assert [(shown.message_id, shown.parts[0]["content"], shown.reply_to) for shown in view.messages] == expected
        assert [stored.event.message_id for stored in merged.read(types=["message.added"])] == ["m1", "m1", "a2", "b2"]
        b.append(MessageRetracted(message_id="m1"))
        again = log.merge(["a", "b", "f"])
        assert [shown.message_id for shown in replay(again.read(), SessionView).messages] == ["m1", "a2", "b2"]
        twice = log.merge([merged.id, log.start(id="c").id])
        assert [shown.message_id for shown in replay(twice.read(), SessionView).messages] == ["m1", "a2", "b2"]


def test_a_context_that_was_taken_back_is_not_brought_back_by_a_merge() -> None:
    with EventLog.memory() as log:
        one, two = log.start(id="one"), log.start(id="two")
        one.append(ContextUpdated(intent="wrong", project="/p"))
        one.append(ContextUpdated(topics=["x"]))
        one.append(HistoryRetracted(ranges=[(2, 2)]))
        two.append(ContextUpdated(intent="right"))
        assert replay(log.merge(["one", "two"]).read(), SessionView).context == {"intent": "right", "topics": ["x"]}
        assert replay(log.merge(["one"], into="two").read(), SessionView).context == {"intent": "right", "topics": ["x"]}


def test_a_copied_clearing_names_its_own_session_s_events_only_and_says_where_they_are() -> None:
    with EventLog.memory() as log:
        one, two = log.start(id="one"), log.start(id="two")
        for minute, session in enumerate((one, two, one, two)):
            session.append(MessageAdded(role="user", content=session.id), time=f"2030-01-01T00:0{minute}:00Z")
        one.append(HistoryCleared(), time="2030-01-01T00:05:00Z")
        merged = log.merge(["one", "two"])
        [cleared] = merged.read(types=["history.cleared"])
        assert cleared.origin is not None
        assert cleared.origin["ranges"] == [[1, 1], [3, 3], [5, 5]]
        view = replay(merged.read(), SessionView)
        assert [message.parts[0]["content"] for message in view.messages] == ["two", "two"]
