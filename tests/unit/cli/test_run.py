"""`eventlog run`: the program is what it would be without us. What it records, tests/recorders_sdk tells, with real SDKs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ...command_line import eventlog

RUN = [sys.executable, "-m", "eventlog", "run"]
MODULES = os.pathsep.join(filter(None, sys.path))


def run(*arguments: str, path: str = MODULES, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    given = {**os.environ, "PYTHONPATH": path, **environment}
    return subprocess.run([*RUN, *arguments], capture_output=True, text=True, input=stdin, env=given, timeout=120, check=False)


def test_arguments_streams_and_the_exit_code_are_the_programs() -> None:
    code = "import sys; print(sys.argv[1:], sys.stdin.read()); print('beside', file=sys.stderr); sys.exit(7)"
    for separator in ([], ["--"]):
        done = run(*separator, sys.executable, "-c", code, "--json", "--store", "x", "--", "-v", stdin="given")
        assert (done.stdout, done.stderr, done.returncode) == ("['--json', '--store', 'x', '--', '-v'] given\n", "beside\n", 7)


def test_a_signal_ends_the_program_as_it_does_without_us() -> None:
    done = run(sys.executable, "-c", "import os; os.kill(os.getpid(), 15)")
    assert done.returncode == -signal.SIGTERM


def test_the_program_gets_the_store_that_was_named(tmp_path: Path) -> None:
    code = "import os; print(os.environ['EVENTLOG_STORE'])"
    done = run("--store", "some/store", "--", sys.executable, "-c", code)
    assert done.stdout == f"{Path('some/store').absolute()}\n"


def test_a_program_that_imports_no_http_library_loads_nothing_of_ours() -> None:
    code = "import sys; print(sorted(name for name in sys.modules if name.startswith(('eventlog', 'msgspec'))))"
    assert run(sys.executable, "-c", code).stdout == "[]\n"


def test_another_sitecustomize_is_run_in_its_turn(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.theirs = 'run'; here = 1\n")
    code = "import sys, sitecustomize; print(sys.theirs, sitecustomize.here)"
    assert run(sys.executable, "-c", code, path=os.pathsep.join((str(tmp_path), MODULES))).stdout == "run 1\n"


def test_an_interpreter_that_has_not_our_package_runs_the_program_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "httpx.py").write_text("here = 1\n")
    (tmp_path / "eventlog.py").write_text("raise ModuleNotFoundError('No module named msgspec')\n")
    code = "import os, sys; sys.path.insert(0, os.environ['FIRST']); import httpx; print(httpx.here)"
    done = run(sys.executable, "-c", code, FIRST=str(tmp_path))
    assert (done.stdout, done.returncode) == ("1\n", 0)
    assert done.stderr.startswith("eventlog run: no model call is recorded (ModuleNotFoundError")
    assert done.stderr.count("\n") == 1
    assert done.stderr.endswith(f"install session-eventlog for {sys.executable}\n")


@pytest.mark.parametrize("arguments", [("run", "no-such-program-here"), ("run",), ("run", "--")])
def test_without_a_program_that_is_there_it_is_wrong_use(arguments: tuple[str, ...]) -> None:
    outcome = eventlog(*arguments)
    assert outcome.code == 2
    assert outcome.one_line_error()
