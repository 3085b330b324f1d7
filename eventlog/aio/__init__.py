"""The log for async programs: the same names, signatures and properties, so that no disk is waited for on the event loop.

    async with aio.EventLog.open("my-store") as log, log.start(title="Debug login") as session:
        await session.append(MessageAdded(role="user", content="What changed?"))
        async for stored in session.read(): ...
        async for stored in log.tail(after="end"): ...

What is called there is awaited here; what is an iterator or a context manager there is an async one. What opens a handle (`open`, `start`,
`session`, `fork`, `merge`) can be awaited, or entered with ``async with``, which closes the handle, too. What is known without looking
(`id`, `closed`, `path`, `settings`, a tail's `cursor`) is the same plain property; `Session.last_seq` is a property that is awaited.
A log and its handles belong to one event loop.
"""

from __future__ import annotations

from .handles import Bundle, Opening, Subscription, Tail
from .log import EventLog
from .session import Session

__all__ = ["Bundle", "EventLog", "Opening", "Session", "Subscription", "Tail"]
