"""``eventlog resume``: what is still at its tool is resumed there, everything else in a new file, and nothing that is there is touched."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any, cast

import jsonschema
import pytest

from eventlog import EventLog
from eventlog.events import MessageAdded
from eventlog.importers import import_paths
from eventlog.importers.looking import recognise
from projections.cli.schema import of
from projections.exporters import MADE

from ...command_line import eventlog
from ..importers.test_formats import SAMPLES

tools = pytest.mark.parametrize("tool", MADE)
PLACES = {
    "claude-code": ".claude/projects",
    "codex": ".codex/sessions/2026/03/05",
    "gemini-cli": ".gemini/tmp/p/chats",
    "pi": ".pi/agent/sessions/--work-shop--",
}
NAMES = {"claude-code": "-work-shop/cc-1.jsonl", "codex": "rollout-2026-03-05T11-00-00-0199-codex.jsonl"}
NAMES |= {"gemini-cli": "session-x-gem-1.jsonl", "pi": "x_pi-1.jsonl"}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for variable in ("CLAUDE_CONFIG_DIR", "CODEX_HOME", "GEMINI_CLI_HOME", "PI_CODING_AGENT_DIR", "XDG_DATA_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("EVENTLOG_STORE", str(tmp_path / "store"))
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    folder = tmp_path / "a shop"
    folder.mkdir()
    return folder


def started(store: Path, cwd: str) -> str:
    with EventLog.open(store) as log:
        session = log.start(title="The till", kind="agent", metadata={"cwd": cwd})
        session.append(MessageAdded(role="user", content="Fix it; $(touch pwned)"), MessageAdded(role="assistant", content="Done."))
        return session.id


def resumed(*arguments: object) -> dict[str, Any]:
    outcome = eventlog("resume", *arguments, "--json")
    assert outcome.code == 0, outcome.err
    jsonschema.validate(outcome.json, of("resume"))
    return cast("dict[str, Any]", outcome.json)


def files_below(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@tools
def test_a_session_of_no_tool_goes_on_in_a_new_file_that_is_only_its_owners(tool: str, home: Path, shop: Path, tmp_path: Path) -> None:
    session_id = started(tmp_path / "store", str(shop))
    found = resumed(session_id, "--with", tool)
    path = Path(found["file"])
    assert path.is_relative_to(home)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert recognise(path) == tool
    assert (found["tool"], found["folder"]) == (tool, str(shop))
    assert found["session_id"] != session_id
    assert all("pwned" not in each and "till" not in each for each in found["command"])
    assert str(shop) in path.read_text() or tool == "gemini-cli"  # which names a project by a hash
    other = Path(resumed(session_id, "--with", tool)["file"])
    assert other != path
    assert path.exists()


@pytest.mark.parametrize("tool", PLACES)
def test_a_session_that_its_tool_still_has_is_resumed_there_and_nothing_is_written(tool: str, home: Path, tmp_path: Path) -> None:
    (sample,) = [each for each in SAMPLES if each.name in (tool, f"{tool} lines")]
    (tmp_path / "made").mkdir()
    path = home / PLACES[tool] / NAMES[tool]
    path.parent.mkdir(parents=True)
    sample.write(tmp_path / "made").rename(path)
    with EventLog.open(tmp_path / "store") as log:
        import_paths(log, tool, [path])
        (session_id,) = log.session_ids()
    before = files_below(home)
    found = resumed(session_id)
    assert (found["file"], found["gone_on"], found["session_id"]) == (None, 0, session_id)
    assert found["command"][0] in ("claude", "codex", "gemini", "pi")
    assert any(session_id in each for each in found["command"])
    with open(path, "ab") as file:
        file.write(path.read_bytes().splitlines(keepends=True)[-1].replace(b"2026", b"2027"))
    before[str(path.relative_to(home))] = path.read_bytes()
    assert resumed(session_id)["gone_on"] == 1
    said = eventlog("resume", session_id)
    assert "has gone on since it was imported, by 1 records" in said.err
    assert files_below(home) == before
    path.unlink()
    assert resumed(session_id)["file"] is not None


def test_a_session_of_opencode_is_resumed_in_its_database(home: Path, tmp_path: Path) -> None:
    (sample,) = [each for each in SAMPLES if each.name == "opencode 1.x"]
    folder = home / ".local/share/opencode"
    folder.mkdir(parents=True)
    with EventLog.open(tmp_path / "store") as log:
        import_paths(log, "opencode", [sample.write(folder)])
    before = files_below(home)
    assert resumed("ses_1")["command"] == ["opencode", "--session", "ses_1"]
    assert files_below(home) == before
    (folder / "opencode.db").unlink()
    found = resumed("ses_1")
    assert found["command"] == ["opencode", "import", found["file"]]
    assert found["session_id"].startswith("ses_")
    assert found["session_id"] != "ses_1"


@tools
@pytest.mark.parametrize("depth", [0, 1])
def test_no_link_is_followed_on_the_way_to_a_new_file(tool: str, depth: int, home: Path, shop: Path, tmp_path: Path) -> None:
    session_id = started(tmp_path / "store", str(shop))
    path = Path(resumed(session_id, "--with", tool)["file"])
    base = {"pi": home / ".pi/agent", "opencode": home / ".local/share/opencode"}.get(tool, home / path.relative_to(home).parts[0])
    turned = base if depth == 0 else base / path.relative_to(base).parts[0]
    turned.rename(tmp_path / "elsewhere")
    before = files_below(tmp_path / "elsewhere")
    turned.symlink_to(tmp_path / "elsewhere")
    outcome = eventlog("resume", session_id, "--with", tool)
    assert outcome.code == 2
    assert "is a link" in outcome.one_line_error()
    assert files_below(tmp_path / "elsewhere") == before


def test_what_was_recorded_is_in_no_command(home: Path, tmp_path: Path) -> None:
    line = {"type": "user", "uuid": "u", "sessionId": "x; rm -rf $HOME", "timestamp": "2026-03-05T10:00:00Z", "cwd": "/nowhere; $(id)"}
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({**line, "message": {"role": "user", "content": "hello"}}) + "\n")
    with EventLog.open(tmp_path / "store") as log:
        import_paths(log, "claude-code", [path])
        (session_id,) = log.session_ids()
    for tool in MADE:
        outcome = eventlog("resume", session_id, "--with", tool)
        assert outcome.code == 0
        assert not set(outcome.out.strip()) & set(";$&|`<>()\"'")


def test_a_tool_is_started_only_where_the_person_says_yes(home: Path, shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session_id = started(tmp_path / "store", str(shop))
    programs = tmp_path / "bin"
    programs.mkdir()
    program = programs / "claude"
    program.write_text(f'#!/bin/sh\npwd > "{tmp_path}/ran"\necho "$@" >> "{tmp_path}/ran"\nexit 7\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    outcome = eventlog("resume", session_id, "--with", "claude-code", stdin="no\n", terminal=True)
    assert (outcome.code, (tmp_path / "ran").exists()) == (0, False)
    assert "Run it in" in outcome.err
    outcome = eventlog("resume", session_id, "--with", "claude-code", stdin="y\n", terminal=True)
    assert outcome.code == 7
    where, given = (tmp_path / "ran").read_text().splitlines()
    assert where == str(shop)
    assert given.split()[0] == "--resume"
    (tmp_path / "ran").unlink()
    outcome = eventlog("resume", session_id, "--with", "claude-code", stdin="y\n")  # no terminal: only said
    assert (outcome.code, (tmp_path / "ran").exists(), outcome.out.split()[:2]) == (0, False, ["claude", "--resume"])


def test_a_folder_that_is_not_there_is_not_named(home: Path, tmp_path: Path) -> None:
    session_id = started(tmp_path / "store", "/nowhere/at/all")
    assert resumed(session_id, "--with", "codex")["folder"] is None


def test_what_cannot_be_resumed_says_what_can(home: Path, tmp_path: Path) -> None:
    session_id = started(tmp_path / "store", "/")
    assert "give one with --with: claude-code, codex, gemini-cli, pi, opencode" in eventlog("resume", session_id).one_line_error()
    outcome = eventlog("resume", session_id, "--with", "chatgpt")
    assert outcome.code == 2
    assert "'chatgpt' is no tool that goes on with a session" in outcome.err
    assert eventlog("resume", "nobody").code == 1
    with EventLog.open(tmp_path / "store") as log:
        empty = log.start().id
    assert "has nothing to go on with" in eventlog("resume", empty, "--with", "pi").one_line_error()
    assert not list(home.rglob("*"))
