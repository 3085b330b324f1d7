"""What `import eventlog` gives, and where it says no."""

from __future__ import annotations

import subprocess
import sys

import pytest

import eventlog
import projections


def test_the_public_names_of_the_packages() -> None:
    assert eventlog.__all__ == ["EventLog", "EventLogError", "Report", "Session", "Settings", "StoredEvent", "draft"]
    assert projections.__all__ == ["Catalog", "Live", "PricedView", "SessionView", "replay", "to_messages", "view_of"]
    for package in (eventlog, projections):
        assert [name for name in package.__all__ if not hasattr(package, name)] == []


@pytest.mark.parametrize(
    "statement", ["import eventlog", "import eventlog.aio", "from eventlog.cli import main", "from projections import SessionView"]
)
def test_on_windows_the_import_says_where_it_runs(statement: str) -> None:
    code = f"""
import builtins, sys
sys.platform = "win32"
real = builtins.__import__
def without_fcntl(name, *rest, **more):
    if name == "fcntl":
        raise ModuleNotFoundError("No module named 'fcntl'")
    return real(name, *rest, **more)
builtins.__import__ = without_fcntl
try:
    {statement}
except ImportError as error:
    print(type(error).__name__, error)
"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said == (
        "ImportError eventlog runs on Linux and macOS, whose file locks it needs, and not on Windows itself; install it inside WSL, the"
        " Windows Subsystem for Linux (wsl --install), and keep the store on WSL's own file system\n"
    )
