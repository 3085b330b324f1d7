"""The backend behind ``recording = false``: appends are checked and thrown away, and the program runs on.

* An event that a real log would refuse (not JSON, too large) is refused here too; what depends on other writers (a conflict, a
  deleted session, a lock) never comes up, so that switching recording off cannot stop a program.
* Every session that is asked for is there. What was recorded before stays readable; nothing on disk is made or changed.
* The seq that an append returns counts on from what is stored, for this handle.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from . import line as codec
from .backend import (
    Backend,
    Capabilities,
    Changes,
    Feed,
    Follower,
    Footprint,
    Lines,
    NewOnes,
    OnDamage,
    PendingAppend,
    Stream,
    Sync,
    Watch,
    append_each,
    read_each,
)
from .errors import SessionNotFound, StoreNotFound
from .line import Envelope
from .memory import MemoryFeed
from .reports import Progress, Report
from .settings import Settings


class DiscardStream:
    def __init__(self, session_id: str, recorded: Stream | None, max_event_bytes: int, *, create: bool) -> None:
        self.session_id = session_id
        self._recorded = recorded if recorded is not None and recorded.exists() else None
        self._max_event_bytes = max_event_bytes
        self._create = create
        self._mutex = threading.Lock()
        self._position = self._recorded.last_seq() if self._recorded else 0

    def append(
        self,
        envelopes: Sequence[Envelope],
        expected: int | None,
        key: str | None,
        sync: Sync,
        seal: bool = False,
        timeout_s: float | None = None,
    ) -> int:
        with self._mutex:
            position = self._position if expected is None else expected
            running = size_bytes = 0
            for seq, envelope in enumerate(envelopes, position + 1):
                envelope.seq = seq
                line, running = codec.encode(envelope, running)
                codec.check_size(len(line), self._max_event_bytes)
                size_bytes += len(line)
            if len(envelopes) > 1:
                codec.check_size(size_bytes, self._max_event_bytes, "batch")
            self._position = position + len(envelopes)
            return self._position

    def append_new(self, envelopes: Sequence[Envelope], sync: Sync) -> list[int]:
        new = NewOnes(envelopes, lambda key: None)
        self.append(new.fresh, None, None, sync)
        return new.seqs

    def append_all(self, appends: Sequence[PendingAppend]) -> None:
        append_each(self, appends)

    def read(self, after: int, before: int | None, on_damage: OnDamage) -> Iterator[Lines]:
        return iter(()) if self._recorded is None else self._recorded.read(after, before, on_damage)

    def follow(self, after: int, on_damage: OnDamage, *, keep_open: bool) -> Follower:
        return _Nothing() if self._recorded is None else self._recorded.follow(after, on_damage, keep_open=keep_open)

    def watch(self) -> Watch:
        return _no_watch(self.session_id) if self._recorded is None else self._recorded.watch()

    def last_seq(self) -> int:
        return self._position

    def has_news(self, after: int) -> bool:
        return self._position > after

    def exists(self) -> bool:
        return self._recorded is not None or not self._create

    def sync(self) -> None:
        """Nothing to do: nothing was kept."""

    def close(self) -> None:
        if self._recorded is not None:
            self._recorded.close()


class _Nothing:
    """Follows a session that nothing is ever added to."""

    def more(self) -> Iterator[Lines]:
        return iter(())

    def is_at_end(self) -> bool:
        return True

    def go_back(self, position: int) -> None:
        """There is nothing to read again."""

    def close(self) -> None:
        """Nothing is held."""


def _no_watch(session_id: str | None) -> Watch:
    from .tails.watch import InProcessWatch

    return InProcessWatch(session_id, lambda watch: None)


class DiscardBackend:
    """``recorded`` is what was recorded before, where there is anything. Of what may change it or copy it, nothing is done."""

    place = "recording is off"
    capabilities = Capabilities()

    def __init__(self, settings: Settings, recorded: Backend | None = None) -> None:
        self.path: str | None = None
        self._max_event_bytes = settings.max_event_bytes
        self._recorded = recorded

    @classmethod
    def over(cls, recorded: Callable[[], Backend], settings: Settings) -> DiscardBackend:
        """Over the store that ``recorded`` opens, where there is one."""
        try:
            return cls(settings, recorded())
        except StoreNotFound:
            return cls(settings)

    def stream(self, session_id: str, *, create: bool, exclusive: bool = False, new: bool = False) -> DiscardStream:
        recorded = None if self._recorded is None else self._recorded.stream(session_id, create=False)
        return DiscardStream(session_id, recorded, self._max_event_bytes, create=create)

    def session_ids(self, after: str | None = None) -> Iterator[str]:
        return iter(()) if self._recorded is None else self._recorded.session_ids(after)

    def stamps(self) -> Iterator[tuple[str, str]]:
        return iter(()) if self._recorded is None else self._recorded.stamps()

    def footprint(self, session_id: str) -> Footprint:
        return Footprint(0, 0, None) if self._recorded is None else self._recorded.footprint(session_id)

    def changed_since(self, cursor: str | None) -> Changes:
        return MemoryFeed([], None).next() if self._recorded is None else self._recorded.changed_since(cursor)

    def feed(self, cursor: str | None) -> Feed:
        return MemoryFeed([], cursor) if self._recorded is None else self._recorded.feed(cursor)

    def watch(self) -> Watch:
        return _no_watch(None) if self._recorded is None else self._recorded.watch()

    def read_many(self, after: Mapping[str, int], on_damage: OnDamage) -> Iterator[Lines]:
        return read_each(self, after, on_damage)

    def settle(self, session_id: str) -> None:
        """Nothing is promised."""

    def verify(self, session_ids: Iterable[str] | None = None, progress: Progress | None = None) -> Report:
        if self._recorded is not None:
            return self._recorded.verify(session_ids, progress)
        for session_id in session_ids or ():
            raise SessionNotFound(session_id)
        return Report()

    def close(self) -> None:
        if self._recorded is not None:
            self._recorded.close()
