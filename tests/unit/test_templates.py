"""Templates: where they stand, what a session that begins with one has, and what is said of a bad one."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from eventlog import EventLog, Settings
from eventlog.aio import EventLog as AsyncLog
from eventlog.errors import InvalidInput, InvalidTemplate, SessionExists
from eventlog.settings import load
from projections import SessionView, replay

from ..command_line import eventlog

BUG = """
title = "A bug"
tags = ["bug", "open"]
kind = "agent"
metadata = { team = "web", level = 1 }

[context]
project = "shop"
topics = ["cookies"]

[[messages]]
role = "system"
content = "Ask for the steps first."

[[messages]]
role = "user"
content = [{ type = "text", content = "Hi" }]
exclude_from_context = true
"""
HELLO = '{"type":"message.added","data":{"role":"user","content":"Hello"}}\n'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EVENTLOG_TEMPLATES_FOLDER", str(tmp_path / "templates"))
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "bug.toml").write_text(BUG)
    return tmp_path / "templates"


def view_of(log: EventLog, session_id: str) -> SessionView:
    return replay(log.session(session_id).read(), SessionView)


def test_a_session_begins_with_the_details_the_context_and_the_messages_in_one_append(folder: Path, tmp_path: Path) -> None:
    with EventLog.open(tmp_path / "store") as log:
        session = log.start(template="bug")
        view = view_of(log, session.id)
        assert (view.title, view.tags, view.kind, view.metadata) == ("A bug", ["bug", "open"], "agent", {"team": "web", "level": 1})
        assert view.context == {"project": "shop", "topics": ["cookies"]}
        assert [(message.role, message.parts[0]["content"]) for message in view.messages] == [
            ("system", "Ask for the steps first."),
            ("user", "Hi"),
        ]
        assert [message.exclude_from_context for message in view.messages] == [False, True]
        assert [stored.more for stored in session.read()] == [True, True, True, False]


def test_what_is_given_wins_tags_join_and_metadata_is_merged(folder: Path) -> None:
    with EventLog.memory(load()) as log:
        session = log.start(template="bug", title="Mine", tags=["late", "bug"], metadata={"level": 2, "team": None}, user_id="u1")
        view = view_of(log, session.id)
        assert (view.title, view.tags, view.user_id) == ("Mine", ["bug", "open", "late"], "u1")
        assert (view.metadata, view.kind) == ({"level": 2}, "agent")


def test_a_template_may_be_json(folder: Path) -> None:
    (folder / "chat.json").write_text(json.dumps({"title": "Chat", "messages": [{"role": "system", "content": "Be brief."}]}))
    with EventLog.memory(load()) as log:
        assert view_of(log, log.start(template="chat").id).messages[0].parts == [{"type": "text", "content": "Be brief."}]


def test_a_template_of_the_config_file_counts_before_one_of_the_folder(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config.toml").write_text('sync = "never"\n[templates.bug]\ntitle = "Of the config"\n[templates.other]\nkind = "voice"\n')
    monkeypatch.setenv("EVENTLOG_CONFIG", str(tmp_path / "config.toml"))
    with EventLog.memory(load()) as log:
        assert log.settings.sync == "never"
        assert view_of(log, log.start(template="bug").id).title == "Of the config"
        assert view_of(log, log.start(template="other").id).kind == "voice"


def test_a_relative_folder_in_the_config_file_is_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "x.toml").write_text('title = "X"\n')
    (tmp_path / "config.toml").write_text('templates_folder = "mine"\n')
    monkeypatch.setenv("EVENTLOG_CONFIG", str(tmp_path / "config.toml"))
    with EventLog.memory(load()) as log:
        assert view_of(log, log.start(template="x").id).title == "X"


def test_a_task_starts_with_a_template_too(folder: Path, tmp_path: Path) -> None:
    async def run() -> str:
        async with await AsyncLog.open(tmp_path / "store") as log:
            return (await log.start(template="bug")).id

    session_id = asyncio.run(run())
    with EventLog.open(tmp_path / "store") as log:
        assert view_of(log, session_id).title == "A bug"


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("x.toml", "title = ", "is not TOML"),
        ("x.toml", "\udcff", "is not TOML"),
        ("x.json", "{", "is not JSON"),
        ("x.json", "[" * 100_000, "is not JSON"),
        ("x.json", "[]", "another shape"),
        ("x.json", '{"titel":"x"}', "unknown field `titel`"),
        ("x.json", '{"messages":[{"role":"user"}]}', "required field `content`"),
        ("x.json", '{"messages":[{"role":"user","content":1}]}', r"\$.messages\[0\].content"),
        ("x.json", '{"context":{"projekt":"x"}}', "unknown field `projekt`"),
        ("x.json", '{"parent":{"session_id":"a"}}', "unknown field `parent`"),
        ("x.toml", 'title = "' + "x" * (4 * 1024 * 1024) + '"', "larger than"),
    ],
)
def test_a_bad_template_says_where_and_what_and_nothing_is_started(folder: Path, name: str, text: str, said: str) -> None:
    (folder / name).write_text(text, errors="surrogateescape")
    with EventLog.memory(load()) as log:
        with pytest.raises(InvalidTemplate, match=said) as error:
            log.start(id="s1", template="x")
        assert error.value.name == "x"
        assert isinstance(error.value, InvalidInput)
        assert list(log.session_ids()) == []


@pytest.mark.parametrize("name", ["", "../bug", "a/b", ".bug", "x" * 65, "bug\x00", "bug.toml/"])
def test_a_name_is_no_path(folder: Path, name: str) -> None:
    with EventLog.memory(load()) as log, pytest.raises(InvalidTemplate, match="name matches"):
        log.start(template=name)


def test_one_that_is_not_there_is_answered_with_those_that_are(folder: Path) -> None:
    (folder / "chat.json").write_text("{}")
    (folder / "notes.txt").write_text("")
    with EventLog.memory(load()) as log, pytest.raises(InvalidTemplate, match="there are: bug, chat"):
        log.start(template="feature")


def test_without_a_folder_there_are_none(tmp_path: Path) -> None:
    with EventLog.memory(Settings(templates_folder=tmp_path / "none")) as log, pytest.raises(InvalidTemplate, match="there are: none"):
        log.start(template="bug")


def test_templates_in_the_config_file_are_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config.toml").write_text("templates = 3\n")
    monkeypatch.setenv("EVENTLOG_CONFIG", str(tmp_path / "config.toml"))
    with EventLog.memory(load()) as log, pytest.raises(InvalidTemplate, match=r"write \[templates.NAME\]"):
        log.start(template="bug")


def test_a_wrong_detail_is_the_programs_mistake_as_without_a_template(folder: Path) -> None:
    with EventLog.memory(load()) as log, pytest.raises(TypeError, match="titel"):
        log.start(template="bug", titel="x")


def test_an_id_that_is_taken_is_said(folder: Path) -> None:
    with EventLog.memory(load()) as log:
        log.start(id="s1")
        with pytest.raises(SessionExists):
            log.start(id="s1", template="bug")


def test_append_begins_a_session_with_a_template_and_goes_on_with_one_that_is_there(folder: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    for last_seq in ("5\n", "6\n"):
        outcome = eventlog("append", "s1", "--create", "--template", "bug", "--store", store, stdin=HELLO)
        assert outcome == (0, last_seq, "")


def test_append_with_a_template_that_is_not_there_or_without_create_is_wrong_use(folder: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    outcome = eventlog("append", "s1", "--create", "--template", "none", "--store", store, stdin=HELLO)
    assert (outcome.code, outcome.out) == (2, "")
    assert "there is no such template; there are: bug" in outcome.err
    outcome = eventlog("append", "s1", "--template", "bug", "--store", store, stdin=HELLO)
    assert (outcome.code, outcome.out) == (2, "")
    assert "give --create, too" in outcome.err
