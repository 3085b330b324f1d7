"""Where tools keep their sessions, on Linux and on macOS, with the variables that name another place."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from eventlog import EventLog
from eventlog.importers import FORMATS, OWN, ImportReport, declared
from eventlog.importers.places import Found, find, looked_for
from eventlog.importers.takeover import Takeover

from .samples import SAMPLES
from .test_formats import SAMPLES as ALL


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in FORMATS:
        for location in () if name in OWN else declared(name).locations:
            if location.variable:
                monkeypatch.delenv(location.variable, raising=False)
    for variable in ("XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(variable, raising=False)
    return tmp_path


def put(format: str, folder: Path) -> None:
    sample = next(sample for sample in SAMPLES if sample.format == format)
    folder.mkdir(parents=True)
    sample.write(folder)


def found() -> list[tuple[str, str, int]]:
    return [(spot.found.format, spot.found.path, spot.found.files) for spot in find()]


PLACES = {  # where each tool keeps a session, and which sample is one; {C} and {D} are the user's folders of the system
    "claude-code": (".claude/projects/-work-shop", "claude-code"),
    "codex": (".codex/sessions", "codex"),
    "gemini-cli": (".gemini/tmp", "gemini-cli lines"),
    "opencode": ("{D}/opencode", "opencode 1.x"),
    "copilot-cli": (".copilot/session-state", "copilot-cli lines"),
    "pi": (".pi/agent/sessions", "pi"),
    "copilot-vscode": ("{C}/Code/User/workspaceStorage/hash/chatSessions", "copilot-vscode document"),
    "llm": ("{C}/io.datasette.llm", "llm"),
    "cline": ("{C}/Code/User/globalStorage/saoudrizwan.claude-dev", "cline"),
    "roo-code": ("{C}/VSCodium/User/globalStorage", "roo-code"),
    "kilo-code": ("{C}/Cursor/User/globalStorage", "kilo-code"),
    "goose": ("{D}/goose/sessions", "goose"),
    "amp": ("{D}/amp/threads", "amp"),
    "crush": ("work/.crush", "crush"),
    "cursor": ("{C}/Cursor/User/globalStorage", "cursor app"),
    "continue": (".continue/sessions", "continue"),
    "qwen-code": (".qwen/projects/-work-shop", "qwen-code"),
    "kimi": (".kimi/sessions", "kimi-cli"),
    "droid": (".factory/sessions/-work-shop", "droid"),
    "openclaw": ("", "openclaw"),
    "grok": (".grok/sessions", "grok"),
    "hermes": (".hermes", "hermes"),
    "zed": ("{Z}/threads", "zed"),
    "antigravity": (".gemini/antigravity", "antigravity"),
}


def furnish(home: Path, system: str) -> None:
    """The folders of all tools, as on the system, each with a session."""
    config, zed = (
        (".config", ".local/share/zed") if system == "linux" else ("Library/Application Support", "Library/Application Support/Zed")
    )
    for place, name in PLACES.values():
        folder = home / place.format(C=config, D=".local/share", Z=zed)
        folder.mkdir(parents=True, exist_ok=True)
        next(sample for sample in ALL if sample.name == name).write(folder)
    projects = home / ".local/share/crush/projects.json"
    projects.parent.mkdir(parents=True)
    projects.write_text(json.dumps({"projects": [{"path": f"{home}/work", "data_dir": f"{home}/work/.crush"}, {"path": "/nowhere"}]}))


def test_every_format_with_a_place_is_among_the_places() -> None:
    assert set(PLACES) == {name for name in FORMATS if name not in OWN and declared(name).locations}


@pytest.mark.parametrize("system", ["linux", "darwin"])
def test_a_home_with_all_tools_is_found_and_taken_twice_the_same(system: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", system)
    furnish(home, system)
    assert {name for name, _, _ in found()} == set(PLACES)
    with EventLog.memory() as log:
        first = [taken(log), taken(log)]
    assert [report.skipped for report in first] == [[], []]
    assert first[0].sessions == first[1].sessions >= len(PLACES)
    assert (first[0].events_added > 0, first[1].events_added) == (True, 0)


def taken(log: EventLog) -> ImportReport:
    takeover = Takeover(log)
    for spot in find():
        for path in spot.paths:
            takeover.take(path, spot.found.format)
    assert all(report.events_added or report.sessions for report in takeover.formats.values())
    return takeover.report


def test_nothing_is_found_where_nothing_is_and_every_place_is_named(home: Path) -> None:
    assert find() == []
    places = looked_for()
    assert f"{home}/.codex/sessions" in places
    assert all(place.startswith(f"{home}/") for place in places)


@pytest.mark.parametrize(("system", "config"), [("linux", ".config"), ("darwin", "Library/Application Support")])
def test_the_users_folders_are_those_of_the_system(system: str, config: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", system)
    put("claude-code", home / config / "Claude" / "local-agent-mode-sessions" / "x" / "projects")
    put("opencode", home / ".local" / "share" / "opencode")
    assert found() == [
        ("claude-code", f"{home}/{config}/Claude/local-agent-mode-sessions", 1),
        ("opencode", f"{home}/.local/share/opencode", 1),
    ]


def test_the_folders_of_many_projects_are_one_place(home: Path) -> None:
    for name in ("one", "two"):
        put("gemini-cli", home / ".gemini" / "tmp" / name)  # below it: p/chats
    for name in ("one", "two"):
        (home / ".gemini" / "tmp" / name / "p" / "chats").rename(home / ".gemini" / "tmp" / name / "chats")
    (home / ".gemini" / "tmp" / "one" / "logs.json").write_text("[]")
    (spot,) = find()
    assert spot.found == Found("gemini-cli", f"{home}/.gemini/tmp", 2, spot.found.bytes)
    assert spot.paths == [home / ".gemini" / "tmp" / name / "chats" for name in ("one", "two")]


def test_a_variable_names_other_places_instead(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put("claude-code", home / ".claude" / "projects")
    for name in ("a", "b"):
        put("claude-code", home / name / "projects")
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", f"{home}/a, {home}/b")
    assert found() == [("claude-code", f"{home}/a/projects", 1), ("claude-code", f"{home}/b/projects", 1)]
    monkeypatch.setenv("XDG_DATA_HOME", str(home / "data"))
    put("opencode", home / "data" / "opencode")
    assert found()[-1] == ("opencode", f"{home}/data/opencode", 1)


def test_a_place_that_two_rules_name_is_read_once(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put("pi", home / ".pi" / "agent" / "sessions")
    monkeypatch.setenv("PI_CODING_AGENT_SESSION_DIR", str(home / ".pi" / "agent" / "sessions"))
    assert found() == [("pi", f"{home}/.pi/agent/sessions", 1)]
