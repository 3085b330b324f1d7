"""One session as the recorder writes it: what it knows of its present state, and the appends that wait, in their order.

An append never waits for another writer's lock: it is tried, and tried again later, so that a held session delays no other one. Whatever
fails for good is given back to whoever asked for it: the recorder's memory of the conversation must be what is stored.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import AppendFailed, Conflict, EventLogError, InvalidEvent, SessionLocked, SessionNotFound, StoreGone
from ..events import ErrorLogged, Event, MessageAdded, MessageDelta, ModelChanged, SessionStarted, SessionUpdated
from ..meaning.merge_patch import merge_patch

if TYPE_CHECKING:
    from ..log import EventLog
    from ..session import Session
    from ..stored import StoredEvent

_log = logging.getLogger("eventlog.recorders")
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.02, 1.0
STATE = (SessionStarted.type, SessionUpdated.type, ModelChanged.type)


class Job:
    """An append that waits. ``events`` is asked when it is its turn; ``stored`` gets their seqs, ``failed`` why there are none."""

    __slots__ = ("events", "failed", "stored", "time")

    def __init__(
        self,
        events: Callable[[], Sequence[Event]],
        time: str,
        stored: Callable[[list[int]], None],
        failed: Callable[[Exception], None],
    ) -> None:
        self.events = events
        self.time = time
        self.stored = stored
        self.failed = failed


class Recorded:
    """``is_muted``: nothing of it is written (sampling). ``seen``: up to which seq its events are known here."""

    def __init__(self, session_id: str, *, is_given: bool = False, is_muted: bool = False) -> None:
        self.id = session_id
        self.is_given = is_given  # its id was chosen by the program, not by the recorder
        self.is_muted = is_muted
        self.is_begun = False
        self.seen = 0
        self.model: str | None = None
        self.provider: str | None = None
        self.settings: dict[str, Any] = {}
        self.own: set[str] = set()  # settings that the program gave the session: a request that does not state them takes none back
        self.jobs: deque[Job] = deque()
        self.try_at = 0.0
        self._wait_s = _FIRST_WAIT_S
        self._handle: Session | None = None

    def look(self, log: EventLog) -> Iterator[StoredEvent]:
        """What happened in the session since it was last looked at. Raises what reading raises."""
        if self.is_muted:
            return
        if self._handle is None and not self.is_begun:
            try:
                self._handle = log.session(self.id)
            except SessionNotFound:
                return
        handle = self._open(log)
        if not handle.has_news(self.seen):
            return
        for stored in handle.read(after=self.seen, types=(*STATE, *_MESSAGES), on_damage="skip"):
            self.is_begun = True
            self.seen = max(self.seen, stored.seq)
            if stored.type in STATE:
                self._fold(stored.event)
            yield stored
        self.is_begun = True

    def _fold(self, event: Any) -> None:
        if isinstance(event, SessionStarted):
            self.model, self.provider = event.model or self.model, event.provider or self.provider
            self.settings = {**event.settings, **self.settings}
            self.own.update(() if event.metadata.get("source") == "recorder" else event.settings)
        elif isinstance(event, SessionUpdated) and isinstance(event.settings, dict):
            self.settings = merge_patch(self.settings, event.settings)
            self.own.update(event.settings)
        elif isinstance(event, ModelChanged):
            self.model, self.provider = event.model, event.provider or self.provider
            self.settings = merge_patch(self.settings, event.settings)

    def work(self, log: EventLog, now: float) -> None:
        """Do what waits, as far as it goes."""
        while self.jobs and self.try_at <= now:
            job = self.jobs[0]
            try:
                events = list(job.events())
                seqs = self._append(log, events, job.time) if events else []
            except SessionLocked:
                self.try_at = now + self._wait_s
                self._wait_s = min(self._wait_s * 2, _LONGEST_WAIT_S)
                return
            except Exception as error:
                if isinstance(error, (AppendFailed, StoreGone)):
                    self.forget_handle()
                self.jobs.popleft()
                job.failed(error)
                continue
            self._wait_s = _FIRST_WAIT_S
            self.jobs.popleft()
            job.stored(seqs)

    def give_up(self, error: Exception) -> None:
        """Nothing of what waits is written any more."""
        while self.jobs:
            self.jobs.popleft().failed(error)

    def _append(self, log: EventLog, events: list[Event], time: str) -> list[int]:
        if self.is_muted:
            return [0] * len(events)
        handle = self._open(log)
        expected = 0 if isinstance(events[0], SessionStarted) else None
        sync: Any = "never" if isinstance(events[-1], MessageDelta) else None
        try:
            last = handle.append(*events, time=time, timeout_s=0, expected=expected, sync=sync)
        except Conflict:  # another program has begun it
            if len(events) == 1:
                return [1]
            last = handle.append(*events[1:], time=time, timeout_s=0)
        except InvalidEvent as refusal:
            return self._one_by_one(handle, events, time, refusal)
        self.is_begun = True
        if last - len(events) <= self.seen:
            self.seen = last
        return list(range(last - len(events) + 1, last + 1))

    def _one_by_one(self, handle: Session, events: list[Event], time: str, refusal: InvalidEvent) -> list[int]:
        """Something in it cannot be stored: the rest is, and an error stands in its place."""
        seqs = []
        for event in events:
            try:
                seqs.append(handle.append(event, time=time))
            except InvalidEvent as why:
                details = {"type": event.type}
                if isinstance(event, MessageAdded):
                    details |= {"role": event.role, "message_id": str(event.message_id)}
                seqs.append(handle.append(ErrorLogged(message=f"not recorded: {why}"[:2000], kind="recorder", details=details), time=time))
        self.is_begun = True
        _log.warning("an event of session %s was refused, the others were recorded: %s", self.id, refusal)
        return seqs

    def _open(self, log: EventLog) -> Session:
        if self._handle is None:  # one that had events and is not there any more is not begun again: its seqs were given out
            self._handle = log.session(self.id, create=not self.seen)
        return self._handle

    def forget_handle(self) -> None:
        """The next append opens the session again."""
        handle, self._handle = self._handle, None
        if handle is not None:
            try:
                handle.close()
            except (EventLogError, OSError) as error:
                _log.debug("closing %s: %s", self.id, error)


_MESSAGES = ("message.added", "message.retracted", "message.amended", "history.retracted", "history.cleared")
