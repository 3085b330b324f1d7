from __future__ import annotations

from pathlib import Path

import pytest

from eventlog import EventLog
from eventlog.errors import Damaged, SessionNotFound
from eventlog.events import MessageAdded
from projections import SessionView, replay, view_of


def test_the_view_of_a_session_is_its_replay() -> None:
    with EventLog.memory() as log, log.start(id="s", title="T") as session:
        session.append(MessageAdded(role="user", content="Hello"))
        view = view_of(session)
        assert isinstance(view, SessionView)
        assert view == replay(session.read(), SessionView)
        assert (view.title, view.counts.messages) == ("T", 1)
        session.append(MessageAdded(role="user", content="again"))
        assert (view.counts.messages, view_of(session).counts.messages) == (1, 2)


def test_the_view_of_a_damaged_session_is_asked_for_or_refused(tmp_path: Path) -> None:
    with EventLog.open(tmp_path / "store") as log, log.start(id="s") as session:
        session.append(MessageAdded(role="user", content="Hello"))
        session.append(MessageAdded(role="user", content="whole"))
        (path,) = (tmp_path / "store" / "sessions").rglob("s*.jsonl")
        path.write_bytes(path.read_bytes().replace(b"Hello", b"Hallo"))
        with pytest.raises(Damaged):
            view_of(session)
        assert [message.parts for message in view_of(session, on_damage="skip").messages] == [[{"type": "text", "content": "whole"}]]
        with pytest.raises(SessionNotFound):
            view_of(log.session("nobody"))
