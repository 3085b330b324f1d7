"""What tests of tails share: waiting that only a failure makes long, and what is left open afterwards."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from eventlog.events import MessageAdded
from eventlog.stored import StoredEvent
from eventlog.tail import CaughtUp, Tail

PATIENCE_S = 60.0


def note(text: str = "x") -> MessageAdded:
    return MessageAdded(role="user", content=text)


def take(tail: Tail, count: int) -> list[StoredEvent | CaughtUp]:
    """The next ``count`` items."""
    items = []
    for _ in range(count):
        assert tail.wait(PATIENCE_S), f"only {len(items)} of {count} items came: {items}"
        items.append(next(tail))
    return items


def places(items: list[StoredEvent | CaughtUp]) -> list[tuple[str, int]]:
    """Session and seq of events."""
    assert all(isinstance(item, StoredEvent) for item in items), items
    return [(item.session_id, item.seq) for item in items if isinstance(item, StoredEvent)]


def rest(tail: Tail) -> list[StoredEvent | CaughtUp]:
    """Everything that is there now."""
    tail.finish()
    return list(tail)


@contextmanager
def leaving_nothing_open() -> Iterator[None]:
    """Descriptors and threads are the same before and after."""
    gc.collect()
    descriptors, threads = _descriptors(), set(threading.enumerate())
    yield
    gc.collect()
    assert set(threading.enumerate()) - threads == set()
    assert _descriptors().keys() - descriptors.keys() == set(), _descriptors()


def _descriptors() -> dict[int, str]:
    """What is open, by number. The one with which the folder itself is read is closed again."""
    found = {}
    for name in os.listdir("/dev/fd"):
        try:
            found[int(name)] = os.readlink(f"/dev/fd/{name}")
        except OSError:
            continue
    return found
