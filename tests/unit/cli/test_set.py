"""``eventlog set``, ``pin`` and ``unpin``: one more event, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from eventlog import EventLog

from ...command_line import eventlog


@pytest.fixture
def store(tmp_path: Path) -> Path:
    with EventLog.open(tmp_path / "store") as log:
        log.start(id="s1", title="before")
        log.start(id="s2")
    return tmp_path / "store"


def last(store: Path, session: str = "s1") -> tuple[str, dict[str, Any]]:
    import msgspec

    line = msgspec.json.decode(eventlog("cat", session, "--store", store).out.splitlines()[-1])
    return line["type"], line["data"]


@pytest.mark.parametrize(
    ("arguments", "data"),
    [
        (["--title", "Login", "--description", "d", "--purpose", "p"], {"title": "Login", "description": "d", "purpose": "p"}),
        (["--user", "u1"], {"user_id": "u1"}),
        (["--title", ""], {"title": None}),
        (["--tag", "a", "--tag", "b", "--tag", "a", "--untag", "c"], {"add_tags": ["a", "b"], "remove_tags": ["c"]}),
        (
            ["--meta", "n=7", "--meta", "text=a=b", "--meta", 'list=["x"]', "--meta", "gone=", "--meta", "bad={x"],
            {"metadata": {"n": 7, "text": "a=b", "list": ["x"], "gone": None, "bad": "{x"}},
        ),
    ],
)
def test_each_option_is_a_field_of_one_event(store: Path, arguments: list[str], data: dict[str, Any]) -> None:
    assert eventlog("set", "s1", *arguments, "--store", store) == (0, "s1 is changed, as of event 2\n", "")
    assert last(store) == ("session.updated", data)


def test_status_ends_and_resumes_after_the_other_changes(store: Path) -> None:
    assert eventlog("set", "s1", "--status", "failed", "--title", "x", "--store", store, "--json").json == {
        "session_id": "s1",
        "last_seq": 3,
    }
    assert last(store) == ("session.ended", {"status": "failed"})
    assert eventlog("set", "s1", "--status", "active", "--store", store).code == 0
    assert last(store) == ("session.resumed", {})


def test_pin_and_unpin(store: Path) -> None:
    assert eventlog("pin", "s1", "--store", store).code == 0
    assert last(store) == ("session.updated", {"pinned": True})
    assert eventlog("unpin", "s1", "--store", store, "--json").json == {"session_id": "s1", "last_seq": 3}
    assert last(store) == ("session.updated", {"pinned": False})


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "nothing to set; give --title, --tag, --status or another"),
        (["--tag", ""], "a tag is not empty"),
        (["--tag", "a", "--untag", "a"], "'a' is to be added and removed at once"),
        (["--meta", "novalue"], "--meta takes KEY=VALUE, not 'novalue'"),
        (["--meta", "=v"], "--meta takes KEY=VALUE, not '=v'"),
        (["--status", "done"], "--status"),
        (["--title", "half \udce4 byte"], "the event cannot be written as JSON"),
    ],
)
def test_wrong_use_writes_nothing(store: Path, arguments: list[str], said: str) -> None:
    outcome = eventlog("set", "s1", *arguments, "--store", store)
    assert outcome.code == 2
    assert said in outcome.one_line_error()
    assert last(store)[0] == "session.started"


def test_the_beginning_of_an_id_is_enough_where_only_one_session_has_it(store: Path) -> None:
    outcome = eventlog("pin", "s", "--store", store)
    assert outcome.code == 1
    assert outcome.one_line_error() == "2 sessions begin with 's' (s1, s2, ...); give more of the id"
    with EventLog.open(store) as log:
        log.start(id="another")
    assert eventlog("pin", "an", "--store", store, "--json").json == {"session_id": "another", "last_seq": 2}
