"""Every backend passes the suite that is published for them."""

from __future__ import annotations

from eventlog import EventLog, Settings
from eventlog.testing import BackendConformance


class TestMemory(BackendConformance):
    def open(self, settings: Settings) -> EventLog:
        return EventLog.memory(settings)
