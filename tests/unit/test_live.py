"""`Live`: one session's state, caught up whenever it is asked for, whatever happens to the session meanwhile."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any

import msgspec
import pytest

from eventlog import EventLog, Session, StoredEvent
from eventlog.errors import SessionNotFound
from eventlog.events import MessageAdded, MessageAmended, MessageDelta, MessageRetracted, ToolCalled, ToolReturned
from projections import Live, SessionView, replay
from projections.catalog.cost import NO_PRICES
from projections.catalog.tally import Tally


class Contents:
    """A plain list as a state, which is changed in place; counts what it folds."""

    name, version = "contents", 1

    def __init__(self) -> None:
        self.folded = 0
        self.fails = True

    def initial(self) -> list[str]:
        return []

    def fold(self, state: list[str], stored: StoredEvent) -> list[str]:
        self.folded += 1
        if isinstance(stored.event, MessageAdded):
            if stored.event.content == "fail" and self.fails:
                state.append("half done")
                raise ZeroDivisionError
            state.append(str(stored.event.content))
        return state


def said(text: str, message_id: str | None = None) -> MessageAdded:
    return MessageAdded(role="user", content=text, message_id=message_id)


def check(live: Live[Any], session: Session) -> None:
    assert msgspec.json.encode(live.state) == msgspec.json.encode(replay(session.read(), SessionView))


def test_the_state_is_what_a_replay_gives_after_each_event() -> None:
    with EventLog.memory() as log:
        session = log.start(id="s1")
        live = Live(session, SessionView)
        check(live, session)
        events = [
            said("a", "m1"),
            MessageDelta(message_id="m2", content="he"),
            MessageDelta(message_id="m2", content="llo"),
            MessageAdded(role="assistant", content="hello", message_id="m2"),
            ToolCalled(name="git", call_id="c1", arguments={"n": 1}),
            MessageAmended(message_id="m1", content="b", metadata={"n": 1}),
            ToolReturned(call_id="c1", output={"n": [1]}),
            MessageAmended(message_id="m1", metadata={"n": True}),
            MessageRetracted(message_id="m2"),
        ]
        for event in events:
            session.append(event)
            check(live, session)


def test_only_what_is_new_is_folded_and_with_nothing_new_the_same_state_is_given() -> None:
    with EventLog.memory() as log:
        session = log.start()
        session.append(*[said(str(number)) for number in range(50)])
        contents = Contents()
        live = Live(session, contents)
        first = live.state
        assert (len(first), contents.folded) == (50, 51)
        assert live.state is first
        session.append(said("new"))
        assert (live.state[-1], contents.folded) == ("new", 52)
        assert len(first) == 50


def test_with_nothing_new_it_costs_one_look_at_the_files_state_and_nothing_else(tmp_path: Path) -> None:
    with EventLog.open(tmp_path) as log, EventLog.open(tmp_path) as other:
        session = other.start(id="s1")
        live = Live(log.session("s1"), SessionView)
        for _ in range(3):
            session.append(said("hi"))
            state = live.state
            assert live.state is state  # looked at again, since the file was still changing when it was folded
            calls: list[str] = []

            def note(frame: FrameType, kind: str, function: Any, calls: list[str] = calls) -> None:
                if kind == "c_call" and getattr(function, "__module__", "") == "posix":
                    calls.append(function.__name__)

            before = sys.getprofile()
            sys.setprofile(note)
            try:
                again = live.state
            finally:
                sys.setprofile(before)
            assert again is state
            assert calls == ["lstat"]


def test_a_reader_that_changes_its_state_breaks_nothing_for_the_next() -> None:
    with EventLog.memory() as log:
        session = log.start(tags=["a"])
        session.append(MessageAdded(role="user", content="hi", metadata={"a": {"b": 1}}))
        live = Live(session, SessionView)
        broken = live.state
        broken.messages[0].parts.clear()
        broken.messages[0].metadata["a"]["b"] = 2
        broken.tags.append("b")
        broken.messages.clear()
        session.append(said("more"))
        check(live, session)


def test_a_state_that_was_given_out_cannot_be_folded_on() -> None:
    with EventLog.memory() as log:
        session = log.start()
        session.append(said("hi"))
        view = Live(session, SessionView).state
        with pytest.raises(ValueError, match="cannot be folded on"):
            SessionView.fold(view, next(session.read()))


def test_a_session_that_is_not_there_yet_has_the_first_state_and_then_its_own() -> None:
    with EventLog.memory() as log:
        live = Live(log.session("s1", create=True), SessionView)
        assert live.state.counts.events == 0
        log.start(id="s1").append(said("hi"))
        assert live.state.counts.messages == 1


def test_a_session_that_has_gone_is_said(tmp_path: Path) -> None:
    with EventLog.open(tmp_path) as log:
        session = log.start(id="s1")
        other = log.session("s1")
        live = Live(other, SessionView)
        assert live.state.counts.events == 1
        session.close()
        for path in tmp_path.glob("sessions/*/s1*"):
            path.unlink()
        with pytest.raises(SessionNotFound):
            _ = live.state


def test_a_session_that_lost_its_end_and_went_on_otherwise_is_folded_anew(tmp_path: Path) -> None:
    for name, texts in (("one", ["a", "b"]), ("other", ["a", "c", "d"])):
        with EventLog.open(tmp_path / name) as log, log.start(id="s1") as session:
            for text in texts:
                session.append(said(text))
    with EventLog.open(tmp_path / "one") as log:
        live = Live(log.session("s1"), SessionView)
        assert [message.parts[0]["content"] for message in live.state.messages] == ["a", "b"]
        [path] = (tmp_path / "one").glob("sessions/*/s1*")
        path.write_bytes(next((tmp_path / "other").glob("sessions/*/s1*")).read_bytes())
        assert [message.parts[0]["content"] for message in live.state.messages] == ["a", "c", "d"]


def test_a_fold_that_raises_leaves_nothing_half_done_behind() -> None:
    with EventLog.memory() as log:
        session = log.start()
        contents = Contents()
        live = Live(session, contents)
        session.append(said("a"))
        assert live.state == ["a"]
        session.append(said("fail"))
        for _ in range(2):
            with pytest.raises(ZeroDivisionError):
                _ = live.state
        contents.fails = False
        assert live.state == ["a", "fail"]


def test_a_projection_with_tables_works_too() -> None:
    with EventLog.memory() as log:
        session = log.start(title="T")
        live = Live(session, Tally(NO_PRICES))
        first = live.state
        session.append(said("a"), said("b"))
        assert (first.kept.messages, live.state.kept.messages) == (0, 2)


def words(live: Live[SessionView]) -> str:
    return " ".join(message.text for message in live.state.messages)


def test_after_a_redaction_the_content_is_gone(tmp_path: Path) -> None:
    with EventLog.open(tmp_path) as log:
        session = log.start(id="s1")
        session.append(said("the secret", "m1"))
        session.append(said("later"))
        live = Live(session, SessionView)
        assert "secret" in words(live)
        log.redact("s1", pattern="secret", reason="test")
        assert "secret" not in words(live)
        check(live, session)


def test_one_that_asks_while_a_redaction_is_under_way_does_not_keep_what_it_saw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from eventlog.files.upkeep import erasing

    with EventLog.open(tmp_path) as log:
        session = log.start(id="s1")
        session.append(said("the secret", "m1"))
        lives = [Live(session, SessionView), Live(session, SessionView)]
        _ = lives[0].state
        seen: list[str] = []
        rewrite = erasing._rewrite

        def asked_before(*arguments: Any) -> None:
            seen.extend(words(live) for live in lives)  # it is announced, and not done
            rewrite(*arguments)

        monkeypatch.setattr(erasing, "_rewrite", asked_before)
        log.redact("s1", pattern="secret")
        assert all("secret" in state for state in seen)
        assert len(seen) == 2
        for live in lives:
            assert "secret" not in words(live)
            check(live, session)


def test_after_deltas_were_left_out_the_state_is_that_of_a_replay(tmp_path: Path) -> None:
    with EventLog.open(tmp_path) as log:
        session = log.start(id="s1")
        for piece in "hello":
            session.append(MessageDelta(message_id="m1", content=piece))
        session.append(MessageAdded(role="assistant", content="hello", message_id="m1"))
        live = Live(session, SessionView)
        assert live.state.counts.events == 7
        log.compact(["s1"], drop_deltas=True, idle_s=0)
        check(live, session)


def test_many_threads_each_see_a_state_that_once_was_while_others_append() -> None:
    with EventLog.memory() as log:
        session = log.start()
        live = Live(session, SessionView)
        wrong: list[object] = []
        done = threading.Event()

        def read() -> None:
            latest = 0
            while not done.is_set():
                view = live.state
                texts = [part["content"] for message in view.messages for part in message.parts]
                count = view.counts.messages
                if texts != [str(number) for number in range(count)] or count < latest or len(view.messages) != count:
                    wrong.append((count, latest, texts[-3:]))
                latest = count

        readers = [threading.Thread(target=read) for _ in range(4)]
        for reader in readers:
            reader.start()
        for number in range(300):
            session.append(said(str(number), f"m{number}"))
        done.set()
        for reader in readers:
            reader.join()
        assert wrong == []
        assert live.state.counts.messages == 300
