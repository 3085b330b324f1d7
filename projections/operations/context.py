"""Who asks, and what: the log, its catalog, the user, the clock and the zone. An operation knows nothing else of its surroundings."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone, tzinfo

import msgspec

from eventlog import EventLog

from ..catalog.facade import Catalog


def _now() -> datetime:
    return datetime.now(timezone.utc)


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """``user_id`` is the user of sessions that are started without naming one. ``zone`` (None: the machine's) is where days begin.
    ``waits``: a search waits for the whole index; without, it answers from what is indexed and says so.

    Safe to use from several threads, like its log and its catalog."""

    log: EventLog
    catalog: Catalog
    user_id: str | None = None
    may_write: bool = True
    waits: bool = True
    zone: tzinfo | None = None
    now: Callable[[], datetime] = _now
