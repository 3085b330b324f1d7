"""Takes the records of a file into the sessions that they belong to: what is new is appended, each record whole.

Neutral to the format: a format says which records a file has and to which session each belongs (`Entry`), and what a record
means to its session (`Meaning`). Here are the rules that hold for every format:

- A record that its session holds already adds nothing (`held`).
- A record's events are one append, all or none. The first carries the record verbatim (`provenance`); long strings that the session holds
  already are named in it, not repeated (`repeated`).
- What a record means depends on the records that its session took before it, and on nothing else. So a meaning is rebuilt by
  going through the held records again, and importing the states of a growing file one by one writes the same events as
  importing only the last.
- What is no record is kept as text in a `SourceRecord` that says why, and means nothing.
- A record without a time takes the last time before it in its session, a leading one the first time after it. A session with no
  time at all takes the file's, and gets its ``session.started`` with the first record that has one.
- A record that stands before one that is already held was inserted, or its file grew in the middle. It is appended like
  any other, but what a held record after it sets stays set (`Format.sets`).
- Appends are not synced one by one; when `take` returns, all of them are on stable storage.
- A file may be taken piece by piece while it grows. A `Reading` remembers what its next piece depends on, and a record whose time
  only a later one will tell waits there, so that the pieces end as the whole file would.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable
from datetime import datetime
from itertools import pairwise
from typing import Any, Protocol

import msgspec

from eventlog.errors import InvalidEvent, InvalidSessionId, SessionDeleted, SessionLocked
from eventlog.events import Event, Parent, SessionStarted, SessionUpdated, SourceRecord
from eventlog.ids import session_id_for
from eventlog.log import EventLog
from eventlog.session import Session, draft
from eventlog.stored import StoredEvent

from .held import Held, Occurrences
from .provenance import Provenance, Records, fingerprint
from .records import load
from .repeated import SHORTEST, LongStrings
from .report import ImportReport, Skipped

_REMEMBERED_SESSIONS = 16
_UNREAD = "kept as it is, without its events: the two together are larger than an append may be"
_SURPRISES = (AttributeError, IndexError, KeyError, RecursionError, TypeError, ValueError)
_NOT_UNDERSTOOD = "kept as it is: it could not be understood"


class Place(msgspec.Struct, frozen=True):
    """A session that records belong to: our id, the source's own names for it, where it comes from, and what is known of it
    from outside its records."""

    session_id: str
    source_names: tuple[str, ...]
    parent: Parent | None = None
    title: str | None = None
    metadata: dict[str, Any] = {}


class Entry(msgspec.Struct, gc=False):
    """A record of a file in its place. ``time`` is its own time (UTC), if it has one. ``problem``: why it means nothing."""

    line: int
    text: bytes
    place: Place
    time: datetime | None = None
    problem: str | None = None
    content: bytes = b""
    occurrence: int = 1


class Reading:
    """How far one file has been taken: what its next records are counted from, and those that wait."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.waiting: dict[str, list[Entry]] = {}  # by session
        self.last_times: dict[str, datetime] = {}  # by session: the last time that a record of this file said
        self._occurrences: dict[str, Occurrences] = {}

    def group(self, entries: Iterable[Entry]) -> dict[str, list[Entry]]:
        """The entries by session, each with its identity, behind those that waited."""
        groups, self.waiting = self.waiting, {}
        for entry in entries:
            session_id = entry.place.session_id
            entry.content = fingerprint(entry.text)
            entry.occurrence = self._occurrences.setdefault(session_id, Occurrences()).next(entry.content)
            groups.setdefault(session_id, []).append(entry)
        return groups


class Source(msgspec.Struct, gc=False):
    """A record as it is given to a meaning: what its JSON says, and its identity. ``overruled``: the names of what records further down,
    already held, have set (`Format.sets`)."""

    record: Any
    content: bytes
    occurrence: int = 1
    overruled: Collection[str] = ()

    @property
    def name(self) -> str:
        """A message id for a record that has none."""
        return f"record-{self.content.hex()}" + (f"-{self.occurrence}" if self.occurrence > 1 else "")


class Meaning(Protocol):
    """What the records of one session mean, given those before."""

    def events(self, source: Source) -> list[Event]:
        """The events of a record; none where it means nothing."""
        ...

    def observe(self, stored: StoredEvent) -> None:
        """Take note of an event of the session that is not from this format's records: the user's own title, for example."""
        ...

    def start(self) -> SessionStarted:
        """How the session begins, with all that the records so far have set."""
        ...


class _Known(msgspec.Struct):
    """What is known of a session at a position. ``unread``: the contents that are held without their events, and why."""

    last_seq: int
    held: Held
    meaning: Meaning | None
    started: bool
    unread: dict[bytes, str]
    strings: LongStrings


class Intake:
    """``place -> meaning`` is the format's, and so is ``sets``. The report grows with each file; ``grown`` are the sessions with new
    events."""

    def __init__(
        self,
        log: EventLog,
        format: str,
        meaning_of: Callable[[Place], Meaning],
        sets: Callable[[dict[str, Any]], Collection[str]] = lambda record: (),
    ) -> None:
        self.report = ImportReport()
        self.grown: set[str] = set()
        self._log = log
        self._format = format
        self._meaning_of = meaning_of
        self._sets = sets
        self._provenance = Provenance(format)
        self._sessions: set[str] = set()
        self._known: OrderedDict[str, _Known] = OrderedDict()

    def skip(self, file: str, line: int | None, reason: str) -> None:
        """Report input that is not taken."""
        self.report.skipped.append(Skipped(file, line, reason))
        self.report.records += 1

    def take(self, reading: Reading, entries: Iterable[Entry], file_time: datetime | None) -> dict[str, int]:
        """Take the next records of a file, in file order; returns how many events each session got.

        ``file_time`` is for a session in which no record has a time; None while the file may go on: then such records wait, and so do
        those of a session that another writer holds."""
        added: dict[str, int] = {}
        for session_id, group in reading.group(entries).items():
            if file_time is None and session_id not in reading.last_times and all(entry.time is None for entry in group):
                reading.waiting[session_id] = group
                continue
            before = self.report.events_added
            try:
                taken_as = self._take_session(reading, group, file_time)
            except (SessionDeleted, SessionLocked) as error:
                if file_time is None and isinstance(error, SessionLocked):
                    reading.waiting[session_id] = group
                    continue
                for entry in group:
                    self.skip(reading.file, entry.line, str(error))
            else:
                added[taken_as] = self.report.events_added - before
                if added[taken_as]:
                    self.grown.add(taken_as)
        return added

    def _take_session(self, reading: Reading, entries: list[Entry], file_time: datetime | None) -> str:
        place = entries[0].place
        with self._open(place) as session:
            known = self._what_is_known(session)
            times = _times(entries, reading.last_times.get(place.session_id), session, file_time)
            is_new = [not known.held.holds(entry.content, entry.occurrence) for entry in entries]
            if any(is_new):
                meaning = known.meaning = known.meaning or self._replay(session, place)
                overruled = self._overruled(entries, is_new)
                for index, entry in enumerate(entries):
                    if not is_new[index]:
                        continue
                    if self._append(session, known, meaning, entry, times[index], overruled.get(index, ())):
                        known.held.add(entry.content)
                    else:
                        limit = self._log.settings.max_event_bytes
                        entry.problem = f"larger than the {limit:,} bytes that an event may have; raise max_event_bytes to import it"
                session.sync()
                known.last_seq = session.last_seq
            last_time, is_real = times[-1]
            if is_real:
                reading.last_times[place.session_id] = last_time
            for entry in entries:
                entry.problem = known.unread.get(entry.content, entry.problem)
            self.report.records += len(entries)
            self.report.skipped += (Skipped(reading.file, entry.line, entry.problem) for entry in entries if entry.problem is not None)
            self._sessions.add(session.id)
            self.report.sessions = len(self._sessions)
            self._remember(session.id, known)
            return session.id

    def _open(self, place: Place) -> Session:
        try:
            return self._log.session(place.session_id, create=True, exclusive=True)
        except InvalidSessionId:
            # an existing id differs only in case
            return self._log.session(session_id_for(self._format, *place.source_names), create=True, exclusive=True)

    def _what_is_known(self, session: Session) -> _Known:
        known = self._known.pop(session.id, None)
        last_seq = session.last_seq
        if known is not None and known.last_seq == last_seq:
            return known
        held = Held()
        started = False
        unread: dict[bytes, str] = {}
        strings = LongStrings()
        for stored in session.read(on_damage="skip"):
            started = started or stored.type == SessionStarted.type
            content = self._provenance.identity(stored)
            if content is not None:
                held.add(content)
                if _means_nothing(stored) and (stored.event.note or "").startswith((_UNREAD, _NOT_UNDERSTOOD)):
                    unread[content] = stored.event.note or ""
            if len(bytes(stored.origin_raw)) >= SHORTEST:
                strings.learn(self._provenance.record(stored) or b"", stored.seq)
        return _Known(last_seq, held, None, started, unread, strings)

    def _remember(self, session_id: str, known: _Known) -> None:
        self._known[session_id] = known
        while len(self._known) > _REMEMBERED_SESSIONS:
            self._known.popitem(last=False)

    def _replay(self, session: Session, place: Place) -> Meaning:
        """The meaning after everything that the session holds."""
        meaning = self._meaning_of(place)
        occurrences = Occurrences()
        records = Records(session, self._format)
        for stored in session.read(on_damage="skip"):
            record = self._provenance.record(stored)
            if record is not None:
                if not _means_nothing(stored):
                    content = self._provenance.identity(stored) or fingerprint(record)
                    whole = records.of(stored) or record
                    meaning.events(Source(load(whole)[0], content, occurrences.next(content)))
            elif not self._provenance.is_ours(stored):
                meaning.observe(stored)
        return meaning

    def _overruled(self, entries: list[Entry], is_new: list[bool]) -> dict[int, set[str]]:
        """For each new entry that stands before a held one: what the held ones after it have set."""
        found: dict[int, set[str]] = {}
        if not any(new and not later for new, later in pairwise(is_new)):
            return found
        later_sets: set[str] = set()
        for index in range(len(entries) - 1, -1, -1):
            if entries[index].problem is not None:
                continue
            if not is_new[index]:
                later_sets.update(self._sets(load(entries[index].text)[0]))
            elif later_sets:
                found[index] = set(later_sets)
        return found

    def _append(
        self, session: Session, known: _Known, meaning: Meaning, entry: Entry, time: tuple[datetime, bool], overruled: Collection[str]
    ) -> bool:
        """Append the record's events; False where even the record alone is too large."""
        events: list[Event]
        if entry.problem is not None:
            events = [SourceRecord(note=entry.problem)]
            is_json = False
        else:
            record, is_json = load(entry.text)
            try:
                events = meaning.events(Source(record, entry.content, entry.occurrence, overruled)) or [SourceRecord(kind=kind_of(record))]
            except _SURPRISES as error:  # one record of a shape that nobody has seen stops no other
                known.unread[entry.content] = f"{_NOT_UNDERSTOOD} ({type(error).__name__}: {error})"
                events = [SourceRecord(note=known.unread[entry.content])]
        when, is_real = time
        starts = is_real and not known.started and entry.problem is None
        if starts:
            # the start says what the record has set; where events came before it, it must be said again
            kept = events if known.last_seq else [event for event in events if not isinstance(event, SessionUpdated)]
            events = [meaning.start(), *kept]
        shortened = known.strings.shorten(entry.text) if is_json else entry.text
        is_short = shortened is not entry.text
        for batch in (events, [SourceRecord(note=_UNREAD)]):
            first = self._provenance.of(entry.text, is_json=is_json, shortened=shortened if is_short else None)
            origins = [first] + [self._provenance.rest] * (len(batch) - 1)
            drafts = [
                draft(event, time=when, origin=origin, more=index < len(batch))
                for index, (event, origin) in enumerate(zip(batch, origins, strict=True), 1)
            ]
            try:
                last = session.append_envelopes(drafts, sync="never")
            except InvalidEvent:
                continue
            if is_json and len(shortened) >= SHORTEST:
                known.strings.learn(shortened, last - len(batch) + 1)
            known.started = known.started or any(isinstance(event, SessionStarted) for event in batch)
            if batch is not events:
                known.unread[entry.content] = _UNREAD
            self.report.events_added += len(batch)
            return True
        return False


def _times(entries: list[Entry], last_time: datetime | None, session: Session, file_time: datetime | None) -> list[tuple[datetime, bool]]:
    """Each entry's time, and whether the source says it. ``last_time``: of the file's records before these."""
    last = last_time or next((entry.time for entry in entries if entry.time is not None), None)
    if last is None:
        assert file_time is not None  # else they wait
        otherwise = file_time
        for stored in session.read(after=session.last_seq - 1):
            otherwise = stored.time
        return [(otherwise, False)] * len(entries)
    times: list[tuple[datetime, bool]] = []
    for entry in entries:
        last = entry.time or last
        times.append((last, True))
    return times


def _means_nothing(stored: StoredEvent) -> bool:
    """Whether the event holds a record that was kept without asking what it means: it has a note, and no kind."""
    return isinstance(stored.event, SourceRecord) and stored.event.note is not None and stored.event.kind is None


def kind_of(record: Any) -> str | None:
    """What a record calls itself, for a `SourceRecord`: its ``type``."""
    kind = record.get("type") if isinstance(record, dict) else None
    return kind if isinstance(kind, str) else None
