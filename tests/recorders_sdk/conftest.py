"""What the suite with real SDKs needs: the provider on loopback, clients that talk to it, a recorder that is installed for one test.

Without the SDKs the suite is skipped as a whole: `make recorders` has them.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pytest

from .provider import Provider

NEEDED = ("openai", "anthropic", "google.genai", "ollama", "aiohttp")


def _is_there(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


MISSING = [name for name in NEEDED if not _is_there(name)]
collect_ignore_glob = ["test_*.py"] if MISSING else []


def pytest_report_header() -> str | None:
    return f"tests/recorders_sdk is left out: {', '.join(MISSING)} not installed (make recorders has them)" if MISSING else None


@pytest.fixture
def provider() -> Iterator[Provider]:
    from .recorded import close_clients

    made = Provider()
    yield made
    close_clients()
    made.stop()


@pytest.fixture
def installed(tmp_path: Path) -> Iterator[object]:
    """A log in files, and a recorder for every client."""
    from eventlog import EventLog
    from eventlog.recorders import install, uninstall

    from .recorded import Recorded

    with EventLog.open(tmp_path / "store", sync="never") as log:
        recorder = install(log, delta_interval_ms=20)
        yield Recorded(log, recorder)
        uninstall()
