"""The object of a chat program: its current session, what the next one begins with, who is told; and that nothing of it stops the chat."""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from eventlog import EventLog
from eventlog.errors import SessionNotFound
from eventlog.recorders import Chat, ChatEvent, recording, uninstall
from projections import SessionView, replay, to_messages

from .program import Program, assistant, said, user


class Told:
    def __init__(self) -> None:
        self.events: list[ChatEvent] = []
        self._came = threading.Condition()

    def __call__(self, event: ChatEvent) -> None:
        with self._came:
            self.events.append(event)
            self._came.notify_all()

    def wait_for(self, *types: str) -> list[ChatEvent]:
        with self._came:
            assert self._came.wait_for(lambda: [each.type for each in self.events] == list(types), 20), self.events
            return self.events


class Talk:
    """A program whose calls are recorded, with its chat."""

    def __init__(self, log: EventLog, **details: Any) -> None:
        self.program = Program(log)
        self.chat = Chat(self.program.recorder, **details)

    def view(self, session_id: str | None = None) -> SessionView:
        self.program.flush()
        with self.program.log.session(session_id or self.chat.session_id) as session:
            return replay(session.read(), SessionView)


@pytest.fixture
def talk(tmp_path: Path) -> Iterator[Talk]:
    with EventLog.open(tmp_path / "store", sync="never") as log:
        made = Talk(log, model="gpt-5", provider="openai", user_id="u1", terminal="xterm")
        yield made
        made.chat.close()
        made.program.recorder.close()


def test_calls_go_into_the_current_session_and_a_swap_or_new_begins_another(talk: Talk) -> None:
    first = talk.chat.new_session(title="The first")
    talk.program.chat([user("q")], "a")
    assert talk.chat.swap_model("gpt-5") == first
    second = talk.chat.swap_model("claude-5", provider="anthropic")
    assert (second != first, talk.chat.session_id, talk.chat.model) == (True, second, "claude-5")
    talk.program.chat([user("q"), assistant("a"), user("r")], "b", model="claude-5")
    third = talk.chat.new_session()
    assert [talk.view(each).model for each in (first, second, third)] == ["gpt-5", "claude-5", "claude-5"]
    assert said(talk.view(first)) == [("user", "q"), ("assistant", "a")]
    assert said(talk.view(second)) == [("user", "q"), ("assistant", "a"), ("user", "r"), ("assistant", "b")]
    view = talk.view(first)
    assert (view.title, view.user_id, view.kind, view.metadata["terminal"]) == ("The first", "u1", "chat", "xterm")


def test_a_chat_that_begins_nothing_itself_is_begun_by_its_first_call(talk: Talk) -> None:
    talk.program.chat([user("q")], "a")
    view = talk.view()
    assert (said(view), view.user_id) == ([("user", "q"), ("assistant", "a")], "u1")


def test_pending_settings_are_used_by_the_next_session_alone_and_no_call_takes_them_back(talk: Talk) -> None:
    talk.chat.set_pending(context_size=8192, mirostat=2)
    talk.chat.set_pending(mirostat=None)
    assert talk.chat.pending == {"context_size": 8192}
    first = talk.chat.new_session()
    talk.program.chat([user("q")], "a", temperature=1)
    talk.program.chat([user("q"), assistant("a"), user("r")], "b")
    assert talk.chat.pending == {}
    second = talk.chat.new_session()
    assert talk.view(first).settings == {"context_size": 8192}
    assert talk.view(second).settings == {}


def test_who_asked_is_told_of_each_session_and_not_any_more_when_it_is_unregistered(talk: Talk) -> None:
    told: list[tuple[str, str | None, str | None]] = []
    unregister = talk.chat.on_session_change(lambda *what: told.append(what))
    first = talk.chat.new_session()
    unregister()
    unregister()
    talk.chat.new_session()
    assert told == [(first, "gpt-5", talk.chat._path_of(first))]
    assert '"type":"session.started"' in Path(told[0][2] or "").read_text()


def test_a_user_interface_is_told_what_began_and_what_is_saved(talk: Talk) -> None:
    told = Told()
    unregister = talk.chat.on_event(told)
    session_id = talk.chat.new_session()
    with recording("another"):
        talk.program.chat([user("elsewhere")])
    talk.program.chat([user("q")], "a")
    events = told.wait_for("session_start", "session_saved", "session_saved")
    assert {(each.session_id, each.model, each.path) for each in events} == {(session_id, "gpt-5", talk.chat.path)}
    assert [each.seq for each in events] == [1, 2, 3]
    unregister()
    talk.chat.new_session()
    assert len(told.events) == 3


def test_a_system_message_about_the_session_is_shown_and_not_sent(talk: Talk) -> None:
    talk.chat.new_session(notice="You talk to gpt-5 now.")
    talk.program.chat([user("q")], "a")
    talk.program.flush()
    assert talk.chat.notice("The connection is slow.") == 6  # begun, notice, question, answer, usage
    view = talk.view()
    assert [message.role for message in view.messages] == ["system", "user", "assistant", "system"]
    assert [message["role"] for message in to_messages(view)] == ["user", "assistant"]
    talk.program.chat([user("q"), assistant("a"), user("r")], "b")
    assert said(talk.view()) == [("user", "q"), ("assistant", "a"), ("user", "r"), ("assistant", "b")]


def test_a_session_that_is_there_can_be_gone_on_with(talk: Talk) -> None:
    first = talk.chat.new_session()
    talk.program.chat([user("q")], "a")
    talk.chat.swap_model("other")
    assert talk.chat.resume(first) == first
    assert (talk.chat.session_id, talk.chat.model) == (first, "gpt-5")
    talk.program.chat([user("q"), assistant("a"), user("r")], "b")
    assert len(talk.view().messages) == 4
    with pytest.raises(SessionNotFound):
        talk.chat.resume("never-begun")
    assert talk.chat.session_id == first


def test_what_cannot_be_stored_and_what_a_callback_raises_stop_no_conversation(
    talk: Talk, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    told = Told()
    talk.chat.on_session_change(lambda *what: 1 / 0)
    talk.chat.on_event(told)
    shutil.rmtree(tmp_path / "store")
    with caplog.at_level(logging.WARNING):
        session_id = talk.chat.new_session()
        assert talk.chat.notice("nobody keeps this") == 0
    assert talk.chat.session_id == session_id
    assert [(each.type, each.seq) for each in told.wait_for("session_start")] == [("session_start", 0)]
    assert "ZeroDivisionError" in caplog.text
    assert "the conversation goes on" in caplog.text


def test_a_session_whose_beginning_was_not_stored_is_begun_by_its_first_call_with_all_that_it_was_given(
    talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full() -> EventLog:
        raise OSError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(talk.program.recorder, "open", full)
        talk.chat.set_pending(context_size=8192)
        talk.chat.new_session(title="Begun late")
    talk.program.chat([user("q")], "a", temperature=1)
    talk.program.chat([user("q"), assistant("a"), user("r")], "b")
    view = talk.view()
    assert (view.title, view.settings, len(view.messages)) == ("Begun late", {"context_size": 8192}, 4)


def test_the_process_has_one_chat_until_it_is_reset() -> None:
    with pytest.raises(LookupError, match="initialise"):
        Chat.get()
    with EventLog.memory() as log:
        try:
            chat = Chat.initialise(log, model="m")
            assert Chat.get() is chat
            assert (chat.path, chat.model) == (None, "m")
            assert Chat.initialise(log) is Chat.get()
            assert Chat.get() is not chat
            Chat.reset()
            Chat.reset()
            with pytest.raises(LookupError):
                Chat.get()
        finally:
            Chat.reset()
            uninstall()
