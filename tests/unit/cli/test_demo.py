"""``eventlog demo``: the crash is real, and the session ends whole."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from eventlog import EventLog

from ...command_line import eventlog


def test_the_demo_kills_a_writer_and_ends_with_the_session_whole(tmp_path: Path) -> None:
    outcome = eventlog("demo", "--store", tmp_path / "store")
    assert (outcome.code, outcome.err) == (0, "")
    with EventLog.open(tmp_path / "store", create=False) as log:
        assert log.verify().ok
        (session_id,) = log.session_ids()
        types = [stored.type for stored in log.session(session_id).read()]
    assert types == [
        "session.started",
        "message.added",
        "message.added",
        "usage.recorded",
        "tool.called",
        "tool.returned",
        "message.added",
        "usage.recorded",
        "session.ended",
    ]
    (torn,) = [path for path in (tmp_path / "store" / "quarantine").rglob("*") if path.is_file()]
    assert torn.read_bytes().startswith(b'{"seq":7,')
    assert not torn.read_bytes().endswith(b"\n")
    for said in ("kill -9", "torn_tail of ", "6 of 6 acknowledged events are there", "verify: ok, 9 events", "Found it: the cookie"):
        assert said in outcome.out


def test_the_demo_answers_a_program(tmp_path: Path) -> None:
    found = eventlog("demo", "--json", "--store", tmp_path / "store").json
    assert isinstance(found, dict)
    assert {name: found[name] for name in ("ok", "acknowledged", "events")} == {"ok": True, "acknowledged": 6, "events": 9}
    assert found["torn_bytes"] > 50


def test_without_a_store_the_demo_takes_a_new_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVENTLOG_STORE", str(tmp_path / "mine"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    found = msgspec.json.decode(eventlog("demo", "--json").out)
    assert Path(found["store"]).parent == tmp_path
    assert not (tmp_path / "mine").exists()


@pytest.mark.parametrize("way", ["a path from here", "a path from the root", "the PATH", "python -m"])
def test_what_the_demo_says_to_type_next_runs_in_the_shell_that_ran_it(way: str, tmp_path: Path) -> None:
    bin = tmp_path / "an environment" / "bin"
    bin.mkdir(parents=True)
    script = bin / "eventlog"
    script.write_text(f'#!/bin/sh\n"exec" "{sys.executable}" "$0" "$@"\nimport sys\nfrom eventlog.cli import main\nsys.exit(main())\n')
    script.chmod(0o755)
    started, path = {
        "a path from here": ("'an environment/bin/eventlog'", os.defpath),
        "a path from the root": (f"'{script}'", os.defpath),
        "the PATH": ("eventlog", f"{bin}:{os.defpath}"),
        "python -m": (shlex.join([sys.executable, "-m", "eventlog"]), os.defpath),
    }[way]
    environment = {**os.environ, "PATH": path, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}

    def shell(line: str) -> str:
        found = subprocess.run(["/bin/sh", "-c", line], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert (found.returncode, found.stderr) == (0, ""), (line, found)
        return found.stdout

    said = shell(f"{started} demo --store 'the store'")
    _, _, after = said.partition("\nNext, with")
    lines = [line.strip() for line in after.splitlines() if line.startswith("   ")]
    assert [line.removeprefix(started).split()[0] for line in lines] == ["list", "search", "cat", "import"]
    for line in lines:
        assert shell(line)


def test_the_demo_points_to_the_sessions_that_are_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".claude" / "projects").mkdir(parents=True)
    out = eventlog("demo", "--store", tmp_path / "store").out
    assert out.endswith("   eventlog import claude-code ~/.claude/projects\n   eventlog list\n")
