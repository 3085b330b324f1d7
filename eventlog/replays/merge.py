"""Merge: the events of several sessions in one, each event once.

- **Which event is which** is said by its identity (`copies`): an event and all its copies are one. So of a fork only what it added is
  new to its parent, and merging again adds what is new in the sources.
- **Order**: each source in its own; across sources by time, in which a source whose clock goes back stays where it was; then by id.
  What is new is appended: nothing that is there moves or changes. Appends stay whole.
- **Title, tags, metadata, context**: a merge into a session leaves what that one says, fills in what it does not, and joins tags and
  topics; a merge without a target has the first start and the last word of each, in the merged order. A parent is not taken over.
  Where two sources end up saying different things, the `SessionMerged` records what each said.
- **A `SessionMerged` ends each merge** and says up to which seq every source has been taken in. Copies behind the last one are of a merge
  that was interrupted; merging again finishes it.
- What an event's data names is the source's. Where a view goes by it, the copy's origin says what it is here: the event that a
  compaction kept first, those that a program took back, and a message whose id a session of another family uses too. A family is a
  session with its forks and theirs: they mean the same message by an id, others do not. The id belongs to the family that used it first.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from .. import copies, history
from ..algebra.ranges import Ranges
from ..backend import OnDamage
from ..errors import InvalidInput, SessionDeleted
from ..events import ContextCompacted, Event, HistoryCleared, HistoryRetracted, SessionCompacted, SessionMerged, Source, UsageRecorded
from ..events import SessionDeleted as DeletedEvent
from ..ids import session_id_for
from ..session import Session, draft
from ..stored import StoredEvent
from ..timestamps import now
from .details import TYPES, Details, conflicts
from .places import Lineage, Places, moved

if TYPE_CHECKING:
    from ..log import EventLog


def merge(log: EventLog, session_ids: Iterable[str], into: str | None, *, on_damage: OnDamage) -> str:
    """Write the merge; returns the id of the session that has everything. See `EventLog.merge`."""
    ids = sorted(set(session_ids) - {into})
    if len(ids) < (1 if into is not None else 2):
        raise InvalidInput("a merge needs at least two sessions, the one that others are merged into among them; name another")
    sources = [log.session(session_id) for session_id in ids]
    for source in sources:
        _check_not_deleted(source)
    target_id = session_id_for("merge", *ids) if into is None else into
    with log.session(target_id, create=into is None, exclusive=True) as target:
        _Merge(target, sources, is_into=into is not None, on_damage=on_damage).run()
    for source in sources:
        source.close()
    return target_id


def _check_not_deleted(source: Session) -> None:
    for stored in source.read(after=source.last_seq - 1, on_damage="skip"):
        if stored.type == DeletedEvent.type:
            raise SessionDeleted(source.id)


class _Merge:
    """One merge under way. ``places``: where in the target each identity is; ``taken``: up to where each source was taken in before."""

    def __init__(self, target: Session, sources: list[Session], *, is_into: bool, on_damage: OnDamage) -> None:
        self._target = target
        self._sources = sources
        self._is_into = is_into
        self._on_damage: OnDamage = on_damage
        self._places = Places()
        self._left_out = Ranges()  # of the target's own events: what a compaction did not keep is not brought back
        self._lineages: dict[str, Lineage] = {}
        self._families: dict[str, str] = {}
        self._owners: dict[str, str] = {}  # by message id, as it is meant here: the family that uses it
        self._taken: dict[str, int] = {}
        self._recorded: list[dict[str, Any]] = []
        self._before = Details()  # what the target says by itself
        self._now = Details()  # what it says with everything that is appended
        self._ended = 0  # where the target ended before them
        self._takes_back = False
        self._is_open = False  # it has copies that no `SessionMerged` has closed
        self._read_target()

    def run(self) -> None:
        ends = {source.id: source.last_seq for source in self._sources}
        runs = [self._run(index, source, ends[source.id]) for index, source in enumerate(self._sources)]
        for _, _, append in heapq.merge(*runs, key=lambda found: found[:2]):
            self._take([stored for stored in append if not self._has(stored)])
        if self._is_open or any(self._taken.get(session_id, 0) < end for session_id, end in ends.items()):
            self._close(ends)
        self._target.sync()

    def _read_target(self) -> None:
        for stored in self._target.read(on_damage="skip"):
            self._places.add(copies.identity(stored), stored.seq)
            meant = copies.as_meant(stored)
            for message_id in copies.message_ids(meant):
                self._owners.setdefault(message_id, self._family_of(stored))
            event = meant.event
            self._now.apply(event)
            taken_from = copies.taken_from(stored)
            if isinstance(event, SessionCompacted) and taken_from is None:
                self._left_out.add_all(event.left_out)
            if isinstance(event, SessionMerged) and taken_from is None:
                self._taken.update((source.session_id, source.last_seq) for source in event.sources)
                self._recorded += event.conflicts
                self._is_open = False
            is_of_a_merge = taken_from is not None and taken_from.seq != stored.seq  # a fork's copies have their seqs
            self._is_open = self._is_open or is_of_a_merge
            self._takes_back = self._takes_back or stored.type in history.TYPES
            if not self._is_open:
                self._before.apply(event)
                self._ended = stored.seq

    def _run(self, index: int, source: Session, end: int) -> Iterator[tuple[Any, int, list[StoredEvent]]]:
        """The appends of a source that have not been taken in before, each with its place among those of all sources."""
        latest = None
        held_back: list[StoredEvent] = []
        for append in copies.appends(source.read(after=self._taken.get(source.id, 0), before=end + 1, on_damage=self._on_damage)):
            append = held_back + append
            if append[-1].type == DeletedEvent.type and append[-1].seq < end:
                held_back = append  # nothing may come between a tombstone and what lifts it
                continue
            held_back = []
            latest = append[0].time if latest is None else max(latest, append[0].time)
            yield latest, index, append

    # --- taking over ---------------------------------------------------------------------------------------------------------

    def _has(self, stored: StoredEvent) -> bool:
        which = copies.identity(stored)
        return which in self._places or (which.session_id == self._target.id and which.seq in self._left_out)

    def _take(self, fresh: list[StoredEvent]) -> None:
        if not fresh:
            return
        for seq, stored in enumerate(fresh, self._target.last_seq + 1):  # nobody else writes
            self._places.add(copies.identity(stored), seq)
        batch = [copies.copy(stored, more=stored is not fresh[-1], said=self._moved(stored) + self._renamed(stored)) for stored in fresh]
        self._target.append_envelopes(batch, sync="never")
        self._is_open = True
        for stored in fresh:
            self._now.apply(stored.event)
            self._takes_back = self._takes_back or stored.type in history.TYPES

    def _moved(self, stored: StoredEvent) -> bytes:
        """Where the events now are that the event's data names by seq."""
        event = stored.event
        if isinstance(event, ContextCompacted):
            return self._first_kept(stored, event)
        if isinstance(event, (HistoryRetracted, HistoryCleared)):
            ranges: Iterable[tuple[int, int]] = history.named(stored)
        elif isinstance(event, UsageRecorded) and event.context:
            ranges = copies.ranges(stored, event.context)
        else:
            return b""
        return copies.saying_ranges(moved(ranges, stored.seq, self._lineage_of(stored), self._places))

    def _first_kept(self, stored: StoredEvent, event: ContextCompacted) -> bytes:
        kept = copies.first_kept_seq(stored, event.first_kept_seq)
        named = None if kept is None else next(self._source_of(stored).read(after=kept - 1, on_damage="skip"), None)
        if named is None:
            return b""
        which = copies.identity(named)
        here = next(self._places.of(which.session_id, which.seq, which.seq), None)
        return b"" if here is None else b',"first_kept_seq":%d' % here[0]

    def _lineage_of(self, stored: StoredEvent) -> Lineage:
        if stored.session_id not in self._lineages:
            self._lineages[stored.session_id] = Lineage(self._source_of(stored))
        return self._lineages[stored.session_id]

    def _source_of(self, stored: StoredEvent) -> Session:
        return next(source for source in self._sources if source.id == stored.session_id)

    def _renamed(self, stored: StoredEvent) -> bytes:
        """The names here of the messages whose ids another family uses already."""
        ids: dict[str, str] = {}
        is_said = True  # by the origin of what is copied
        family = self._family_of(stored)
        for stands, meant in zip(copies.message_ids(stored), copies.message_ids(copies.as_meant(stored)), strict=True):
            name = meant
            while self._owners.setdefault(name, family) != family:
                name = f"{family}:{name}"
            is_said = is_said and name == meant
            if name != stands:
                ids[stands] = name
        return b"" if is_said else b',"ids":' + msgspec.json.encode(ids)

    def _family_of(self, stored: StoredEvent) -> str:
        """The session at the root of all forks, for the session that the event is from."""
        whence = copies.taken_from(stored) if stored.session_id == self._target.id else None
        session_id = stored.session_id if whence is None else whence.session_id
        if session_id not in self._families:
            self._families[session_id] = self._root_of(session_id)
        return self._families[session_id]

    def _root_of(self, session_id: str) -> str:
        source = next((session for session in (self._target, *self._sources) if session.id == session_id), None)
        for first in source.read(before=2, on_damage="skip") if source is not None else ():
            if source is not self._target or self._is_into:
                return copies.identity(first).session_id
        return session_id

    # --- the end -------------------------------------------------------------------------------------------------------------

    def _close(self, ends: dict[str, int]) -> None:
        """Append what the merge says itself, in one append."""
        if self._takes_back:  # what was said, and then taken back, is not what is said now
            self._before = _details(self._target, self._ended)
            self._now = _details(self._target, self._target.last_seq)
        said = {source.id: _details(source, ends[source.id]) for source in self._sources}
        if self._is_into:
            wanted = self._before.filled(list(said.values()))
            said = {self._target.id: self._before, **said}
        else:
            wanted = self._now.without_parent()
        sources = [
            Source(session_id=session_id, first_seq=self._taken.get(session_id, 0) + 1, last_seq=end)
            for session_id, end in ends.items()
            if end > self._taken.get(session_id, 0)
        ]
        news = [conflict for conflict in conflicts(said, wanted) if conflict not in self._recorded]
        events: list[Event] = [*self._now.changes_to(wanted), SessionMerged(sources=sources, conflicts=news)]
        when = now()
        self._target.append_envelopes([draft(event, time=when, more=event is not events[-1]) for event in events], sync="never")


def _details(session: Session, end: int) -> Details:
    """What the session says up to ``end``, without what was taken back by then."""
    gone = history.taken_back(session.read(before=end + 1, types=history.TYPES, on_damage="skip"))
    found = Details()
    for stored in session.read(before=end + 1, types=TYPES, on_damage="skip"):
        if stored.seq not in gone or not history.can_be_taken_back(stored.type):
            found.apply(stored.event)
    return found
