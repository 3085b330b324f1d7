"""In LangGraph's own tests, our saver and our store stand where they say InMemorySaver and InMemoryStore.

A plugin of pytest, loaded before their modules are imported. The rule by which a test is left out reads its source, and is all of the rule.
"""

from __future__ import annotations

import inspect
import re
from typing import Any

import langgraph.checkpoint.memory
import langgraph.store.memory
import pytest

from eventlog import EventLog
from projections.adapters.langgraph import EventLogSaver, EventLogStore

NOT_PORTABLE = re.compile(
    r"\._data\b|\._vectors\b|\.storage\b|\.blobs\b|store\.memory\._|_cosine|_check_numpy|PersistentDict|_handle"
    r"|_build_saver_with_chain|_build_mixed_thread"  # which fill the dicts
)


class Store(EventLogStore):
    def __init__(self, *, index: Any = None) -> None:
        super().__init__(EventLog.memory(), index=index)


class Saver(EventLogSaver):
    def __init__(self, *, serde: Any = None) -> None:
        super().__init__(EventLog.memory(), serde=serde)


langgraph.store.memory.InMemoryStore = Store  # type: ignore[misc]
langgraph.checkpoint.memory.InMemorySaver = Saver  # type: ignore[misc]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    sources = {item: inspect.getsource(item.function) for item in items if isinstance(item, pytest.Function)}
    left_out = [item for item, source in sources.items() if NOT_PORTABLE.search(source)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]
    print(f"\nleft out, as they look into the dicts: {len(left_out)}; run: {len(items)}")
