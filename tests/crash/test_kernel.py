"""The stand-in for the disk tells the truth: the same through the real kernel."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.crash import kernel

ROOT = Path(__file__).parents[2]


def strace_works() -> bool:
    if shutil.which("strace") is None:
        return False
    return subprocess.run(["strace", "-qq", "-o", os.devnull, "true"], capture_output=True, check=False).returncode == 0


needs_strace = pytest.mark.skipif(not strace_works(), reason="strace is not there or may not trace; apt-get install strace")


@needs_strace
@pytest.mark.parametrize(("call", "injection"), kernel.INJECTIONS)
def test_a_system_call_fails_or_is_the_last(call: str, injection: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    torn = call in ("ftruncate", "/^rename")  # they happen in recovery
    found = kernel.disturb(tmp_path, call, injection, "1" if torn else "3", torn=torn)
    print(found)
    assert found["failures"] > 0 or "SIGKILL" in injection


@needs_strace
@pytest.mark.parametrize("call", ["write", "fdatasync", "openat"])
def test_a_system_call_fails_from_then_on(call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert kernel.disturb(tmp_path, call, "error=EIO", "4+")["failures"] > 4


def test_a_file_system_that_is_really_full_refuses_and_goes_on_after_space_is_freed(tmp_path: Path) -> None:
    try:
        with kernel.small_tmpfs(tmp_path) as folder:
            print(kernel.fill_up(folder, rounds=4))
    except PermissionError as error:
        pytest.skip(f"a tmpfs cannot be mounted here ({error.strerror}); run as root")


def module(name: str, *arguments: object) -> None:
    """Drivers that fork run in a process without threads."""
    done = subprocess.run(
        [sys.executable, "-m", name, *map(str, arguments)], capture_output=True, text=True, cwd=ROOT, timeout=300, check=False
    )
    print(done.stdout)
    assert done.returncode == 0, done.stderr


def test_killed_writers_lose_nothing_that_was_acknowledged(memory_folder: Path) -> None:
    module("tests.crash.kills", memory_folder / "kills", 100, 1)


def test_of_several_processes_one_wins_each_position_and_a_dead_one_holds_no_lock(memory_folder: Path) -> None:
    (memory_folder / "race").mkdir()
    module("tests.crash.races", memory_folder, 6, 150)
