"""In the SDK's own tests, our store stands where they say InMemorySessionStore; tests that look into its dicts are left out.

A plugin of pytest, loaded before their modules are imported. The rule by which a test is left out reads its source, and is all of the rule.
"""

from __future__ import annotations

import inspect
import re
from typing import Any

import claude_agent_sdk
import pytest
from claude_agent_sdk._internal import session_store

from eventlog import EventLog
from projections.adapters.claude_agent_sdk import NAMESPACE, EventLogSessionStore

NOT_PORTABLE = re.compile(
    r"(store|self)\._(store|mtimes|summaries|next_mtime|last_mtime)\b|store\.clear\(\)"
    # these count the turns that an event loop gives to a store in memory, which waits for nothing:
    r"|def test_load_concurrency_is_bounded|def test_gap_fill_bounded_concurrency|def test_cancelled_after_mkdtemp"
    r"|def test_eager_flush_mode"
)


class InMemory(EventLogSessionStore):
    """With what their tests ask of InMemorySessionStore besides."""

    def __init__(self) -> None:
        super().__init__(EventLog.memory())

    def get_entries(self, key: Any) -> list[Any]:
        named = (NAMESPACE, key["project_key"], key["session_id"], *([key["subpath"]] if key.get("subpath") else []))
        return self._load(named) or []

    @property
    def size(self) -> int:
        states = [each for _, each in self._catalog.states("claude_agent_sdk")]
        return len([each for each in states if each.mtime and not each.deleted and each.subpath is None])


for module in (claude_agent_sdk, session_store):
    module.InMemorySessionStore = InMemory  # type: ignore[attr-defined,misc]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    sources = {item: inspect.getsource(item.function) for item in items if isinstance(item, pytest.Function)}
    left_out = [item for item, source in sources.items() if NOT_PORTABLE.search(source)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]
    print(f"\nleft out, as they look into the dicts or count turns: {len(left_out)}; run: {len(items)}")
