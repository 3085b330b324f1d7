"""Every backend passes the suite that is published for them."""

from __future__ import annotations

from pathlib import Path

import pytest

from eventlog import EventLog, Settings
from eventlog.files.backend import FilesBackend
from eventlog.testing import BackendConformance


class TestMemory(BackendConformance):
    def open(self, settings: Settings) -> EventLog:
        return EventLog.memory(settings)


class TestFiles(BackendConformance):
    reopens = True

    @pytest.fixture(autouse=True)
    def _store(self, tmp_path: Path) -> None:
        self.store = tmp_path / "store"

    def open(self, settings: Settings) -> EventLog:
        settings = settings.replace(store=self.store, compress_after="0")
        return EventLog(FilesBackend.open(settings), settings)
