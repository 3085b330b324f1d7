"""What holds for every test."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def no_settings_of_this_machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test reads the settings, finds the store, or fits the terminal of the person who runs it."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ:
            if name.startswith("EVENTLOG_") or name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME"):
                patch.delenv(name)
        patch.setenv("HOME", str(home))
        patch.setenv("COLUMNS", "80")
        yield
