"""What holds for every test."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

pytest.register_assert_rewrite("eventlog.testing.conformance", "tests.crash.workload")

# The quick form tries the same examples every time; a budget (see tests/crash/__main__.py) looks for new ones.
settings.register_profile("quick", derandomize=True, deadline=None)
settings.register_profile("long", max_examples=5000, deadline=None)
settings.load_profile("long" if "TEST_BUDGET_S" in os.environ else "quick")


@pytest.fixture(autouse=True)
def _threads_of_a_killed_process_die_in_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    from eventlog.testing import Crash

    report = threading.excepthook
    monkeypatch.setattr(threading, "excepthook", lambda died: None if died.exc_type is Crash else report(died))


@pytest.fixture
def memory_folder(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where the system has one: tests that make thousands of stores need no disk for it."""
    if not os.access("/dev/shm", os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder)


@pytest.fixture(scope="session", autouse=True)
def no_settings_of_this_machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test reads the settings, finds the store, or fits the terminal of the person who runs it."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ:
            if name.startswith("EVENTLOG_") or name in (
                "XDG_CONFIG_HOME",
                "XDG_DATA_HOME",
                "XDG_STATE_HOME",
                "NO_COLOR",
                "PAGER",
                "TERM_PROGRAM",
            ):
                patch.delenv(name)
        patch.setenv("HOME", str(home))
        patch.setenv("COLUMNS", "80")
        yield
