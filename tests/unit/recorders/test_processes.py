"""Ends of processes: what is in the log when a program exits right after a call, forks, or is killed in a stream."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from eventlog import EventLog
from projections import SessionView, replay

ROOT = Path(__file__).parents[3]
BEGIN = """
import json, os, sys, threading, time
from eventlog import EventLog
from eventlog.recorders import recording
from tests.unit.recorders.program import Program, user, assistant
log = EventLog.open(sys.argv[1], sync="never")
it = Program(log, delta_interval_ms=1)
"""


def run(folder: Path, code: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-c", BEGIN + code, str(folder)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


def views(folder: Path) -> list[SessionView]:
    with EventLog.open(folder, create=False) as log:
        found = []
        for session_id in log.session_ids():
            with log.session(session_id) as session:
                found.append(replay(session.read(), SessionView))
        return found


@pytest.mark.parametrize("end", ["", "sys.exit(3)", "raise RuntimeError('the end')"], ids=["end", "exit", "error"])
def test_calls_right_before_the_exit_are_in_the_log(end: str, tmp_path: Path) -> None:
    done = run(tmp_path / "s", f"for n in range(20): it.chat([user(f'q{{n}}')])\n{end}\n")
    assert [len(view.messages) for view in views(tmp_path / "s")] == [2] * 20
    assert done.stderr == "" or "the end" in done.stderr


def test_a_child_that_is_forked_records_what_it_calls_and_the_parent_what_it_called(tmp_path: Path) -> None:
    code = """
it.chat([user("before")])
child = os.fork()
it.chat([user("in the child" if child == 0 else "in the parent")])
it.flush()
if child == 0:
    os._exit(0)
os.waitpid(child, 0)
"""
    done = run(tmp_path / "s", code)
    assert done.stderr == ""
    assert sorted(view.messages[0].parts[0]["content"] for view in views(tmp_path / "s")) == ["before", "in the child", "in the parent"]


def test_a_program_that_is_killed_in_a_stream_leaves_the_question_and_what_came(tmp_path: Path) -> None:
    code = """
with recording("killed"):
    call = it.begin([user("q")], stream=True)
call.status, call.is_stream = 200, True
call.take(b'data: {"id":"r","choices":[{"index":0,"delta":{"content":"as far as it came "}}]}\\n\\n')
with log.session("killed", create=True) as session:
    for stored in session.tail("start"):
        if stored.type == "message.delta":
            os.kill(os.getpid(), 9)
"""
    done = run(tmp_path / "s", code)
    assert done.returncode == -signal.SIGKILL
    (view,) = views(tmp_path / "s")
    assert [message.role for message in view.messages] == ["user", "assistant"]
    assert view.messages[1].parts[0]["content"] == "as far as it came "
    assert os.listdir(tmp_path / "s" / "sessions")
