"""Where tools keep their sessions, on Linux and on macOS, with the variables that name another place."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from eventlog.importers import FORMATS, OWN, declared
from eventlog.importers.places import Found, find, looked_for

from .samples import SAMPLES


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
