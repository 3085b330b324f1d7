"""SESSION: what a person may call a session, one rule for reading and a strict one for what changes or removes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from eventlog import EventLog
from eventlog.events import MessageAdded, Parent, SessionStarted
from projections import Catalog

from ...command_line import Outcome, eventlog

THEN = datetime(2026, 3, 2, 12, tzinfo=timezone.utc)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    with EventLog.open(tmp_path / "store") as log:
        started = [
            ("aaa-1", SessionStarted(title="Debug login")),
            ("aab-2", SessionStarted(title="Debug the cart")),
            ("last-one", SessionStarted(title="Write the report")),
            ("last-one.agent-1", SessionStarted(title="look", parent=Parent(session_id="last-one", relation="subagent"))),
        ]
        for number, (session_id, event) in enumerate(started):
            session = log.session(session_id, create=True)
            session.append(event, time=THEN + timedelta(hours=number))
        keyed = log.keyed("slack", "C1", "T9")
        keyed.append(MessageAdded(role="user", content="hi"), time=THEN - timedelta(days=9))
    return tmp_path / "store"


def found(store: Path, given: str) -> Any:
    outcome = eventlog("show", given, "--store", store, "--json")
    return outcome.json["session_id"] if outcome.code == 0 else (outcome.code, outcome.err)  # type: ignore[index]


def test_what_reads_takes_a_prefix_the_latest_a_row_a_key_and_words(store: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert found(store, "aaa") == "aaa-1"
    assert found(store, "last-o") == "last-one"  # a parent wins over its subagents
    assert found(store, "LOGIN debug") == "aaa-1"
    assert found(store, "slack/C1/T9").startswith("slack-")
    with EventLog.open(store) as log, Catalog.open(log) as catalog:
        latest = catalog.find("last").session_id
    assert found(store, "last") == latest
    assert not list((tmp_path / "state").rglob("*"))


def test_a_row_is_one_of_the_last_list_in_this_terminal(store: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    listed: Any = eventlog("list", "--title", "debug", "--store", store, "--json").json
    assert found(store, "@2") == listed["items"][1]["session_id"] == "aaa-1"
    code, said = found(store, "@3")
    assert (code, said) == (1, "eventlog: there is no row @3: the last list here had 2; `eventlog list` shows them anew\n")
    assert not [path for path in store.rglob("*") if "list" in path.name]
    (tmp_path / "state" / "eventlog").chmod(0o500)


def test_an_exact_id_wins_over_every_other_meaning(store: Path) -> None:
    with EventLog.open(store) as log:
        log.start(id="last", title="called last")
    assert found(store, "last") == "last"


def test_of_several_nothing_is_done_and_the_candidates_are_named(store: Path) -> None:
    outcome = eventlog("show", "debug", "--store", store)
    assert outcome.code == 1
    said = outcome.one_line_error()
    assert "aaa-1 (Debug login)" in said
    assert "aab-2 (Debug the cart)" in said


def at_a_terminal(*arguments: object, stdin: str) -> Outcome:
    return eventlog(*arguments, stdin=stdin, terminal=True)


def test_of_several_a_person_chooses_by_number(store: Path) -> None:
    outcome = at_a_terminal("show", "debug", "--json", "--store", store, stdin="2\n")
    assert outcome.json["session_id"] == "aaa-1"  # type: ignore[index]
    assert "  1  aab-2  Debug the cart\n  2  aaa-1  Debug login\n" in outcome.err


@pytest.mark.parametrize(
    "command", [["set", "--title", "x"], ["pin"], ["delete"], ["redact", "--seq", "1"], ["compact"], ["purge", "--now"]]
)
@pytest.mark.parametrize("given", ["last", "@1", "Debug login", "slack/C1/T9"])
def test_what_changes_a_session_takes_no_guess(store: Path, command: list[str], given: str) -> None:
    if given == "last":
        with EventLog.open(store) as log:
            log.session("aaa-1").append(MessageAdded(role="user", content="hi"))
    before = sorted((path, path.read_bytes()) for path in store.glob("sessions/*/*"))
    outcome = eventlog(command[0], given, *command[1:], "--store", store)
    assert outcome.code == 2
    assert "what changes a session takes its id or the beginning of it" in outcome.one_line_error()
    assert sorted((path, path.read_bytes()) for path in store.glob("sessions/*/*")) == before


def test_what_changes_a_session_takes_the_beginning_of_one_id(store: Path) -> None:
    assert eventlog("pin", "aaa", "--store", store, "--json").json == {"session_id": "aaa-1", "last_seq": 2}
    assert eventlog("pin", "aa", "--store", store).code == 1
    assert eventlog("append", "aaa", "--store", store, "--json").json == {"session_id": "aaa-1", "last_seq": 2}
    assert eventlog("append", "aaa", "--create", "--store", store, "--json").json == {"session_id": "aaa", "last_seq": 0}


@pytest.mark.parametrize(("answer", "deleted"), [("y\n", True), ("n\n", False)])
def test_at_a_terminal_what_changes_a_session_shows_its_title_and_asks(store: Path, answer: str, deleted: bool) -> None:
    outcome = at_a_terminal("delete", "Debug login", "--store", store, stdin=answer)
    assert "Debug login (aaa-1)? [y/N]" in outcome.err
    with EventLog.open(store) as log:
        assert [each.session_id for each in log.deleted()] == (["aaa-1"] if deleted else [])


@pytest.mark.parametrize(
    ("run", "given"),
    [(lambda store: ["cat", store], "aaa"), (lambda store: ["stats", store], "Debug login"), (lambda store: ["tools", store], "@1")],
)
def test_every_command_that_reads_has_the_same_rule(store: Path, run: Callable[[Path], list[object]], given: str) -> None:
    command = run(store)[0]
    assert eventlog(command, given, "--store", store, "--json").code == 0


def test_words_that_fit_nothing_are_no_session_and_no_hint_for_programmers(store: Path) -> None:
    outcome = eventlog("show", "no such words", "--store", store)
    assert (outcome.code, outcome.one_line_error()) == (
        1,
        "no session 'no such words' in this store; `eventlog list` shows what there is",
    )
