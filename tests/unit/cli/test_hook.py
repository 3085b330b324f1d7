"""`eventlog hook`: what a tool calls is on stable storage at once, never stops the tool's user, and loads nothing that takes time."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import jsonschema
import pytest

from eventlog import EventLog, spool
from projections.cli.schema import of

from ...command_line import eventlog

MODULES = os.pathsep.join(filter(None, sys.path))
PROMPT = b'{"hook_event_name":"UserPromptSubmit","session_id":"abc","prompt":"hello"}'


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


def hook(*arguments: str, said: bytes = PROMPT, **environment: str) -> subprocess.CompletedProcess[bytes]:
    given = {**os.environ, "PYTHONPATH": MODULES, **environment}
    command = [sys.executable, "-m", "eventlog", "hook", *arguments]
    return subprocess.run(command, input=said, capture_output=True, env=given, timeout=60, check=False)


def eventually(is_so: object) -> None:
    deadline = time.monotonic() + 60
    while not is_so():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.05)


def prompts(store: Path) -> list[str]:
    if not store.is_dir():
        return []
    with EventLog.open(store, create=False) as log:
        return [stored.event.content for id in log.session_ids() for stored in log.session(id).read()]  # type: ignore[union-attr]


def test_a_prompt_is_answered_with_nothing_and_is_in_the_log_by_a_process_of_its_own(tmp_path: Path) -> None:
    done = hook("claude-code", "--store", str(tmp_path / "store"))
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    eventually(lambda: not [name for name in os.listdir(spool.folder()) if name.endswith(".claude-code")])
    assert prompts(tmp_path / "store") == ["hello"]


def test_what_answers_loads_neither_msgspec_nor_click_nor_json() -> None:
    code = "import sys; from eventlog.cli import main; code = main(sys.argv[1:]); print(code, sorted(sys.modules.keys() & set(HEAVY)))"
    heavy = ["msgspec", "click", "json", "asyncio", "subprocess", "typing", "eventlog.log", "eventlog.errors"]
    command = [sys.executable, "-I", "-S", "-c", f"import sys; sys.path[:0] = {sys.path!r}; HEAVY = {heavy}; {code}", "hook", "claude-code"]
    done = subprocess.run(command, input=b"{}", capture_output=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == (b"0 []\n", b"")


@pytest.mark.parametrize("said", [b"", b"{", b"\xff\xfe", b'{"hook_event_name":"PreToolUse"}'])
def test_whatever_it_is_given_the_answer_is_0(said: bytes, tmp_path: Path) -> None:
    done = hook("claude-code", f"--store={tmp_path / 'store'}", said=said)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert not os.path.isdir(spool.folder())


def test_where_nothing_can_be_written_the_answer_is_0(tmp_path: Path, state: Path) -> None:
    state.write_text("a file where a folder should be")
    assert hook("claude-code").returncode == 0


def test_with_recording_off_nothing_is_kept() -> None:
    assert hook("claude-code", EVENTLOG_RECORDING="off").returncode == 0
    assert not os.path.exists(spool.folder())


def test_a_tool_that_is_not_known_is_no_wrong_use_which_would_stop_the_user() -> None:
    outcome = eventlog("hook", "claude-cod")
    assert outcome.code == 1
    assert "claude-code" in outcome.one_line_error()


def test_what_waits_can_be_imported_by_hand(tmp_path: Path) -> None:
    spool.hand_over("claude-code", str(tmp_path / "a\nstrange store"), PROMPT)
    outcome = eventlog("hook", "claude-code", "--import", "--json")
    assert outcome.json == {"done": 1, "spool": spool.folder()}
    jsonschema.validate(outcome.json, of("hook"))
    assert prompts(tmp_path / "a\nstrange store") == ["hello"]
