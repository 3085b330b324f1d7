"""A small life of a store, told step by step, and what must be true of it whatever happened on the way."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from eventlog import EventLog, EventLogError, Session, Settings
from eventlog.backend import OnDamage, Sync
from eventlog.errors import NotStored, OutcomeUnknown, WriterPoisoned
from eventlog.events import Event, MessageAdded, SessionEnded
from eventlog.files.backend import FilesBackend
from eventlog.files.disk import Disk
from eventlog.files.layout import Layout, shard
from eventlog.testing import Crash, CrashingDisk

SETTINGS = Settings(segment_size_bytes=6_000, frame_size_bytes=2_048, sync_interval_ms=60_000, lock_timeout_s=5, compress_after="0")
SESSIONS = ("s", "t")


class UnsyncedDisk(Disk):
    """The real disk without the waiting: to look at a store afterwards."""

    def sync(self, fd: int) -> None:
        pass

    def sync_directory(self, path: str) -> None:
        pass


class Step(NamedTuple):
    """One append. Its events' texts are its name, the attempt and their number, so that each event says what it belongs to."""

    name: str
    count: int = 1
    size: int = 20
    session: str = "s"
    sync: Sync = "always"
    ends: bool = False
    compacts: bool = False  # once it is acknowledged, everything is sealed, compressed and joined

    def events(self, attempt: int) -> list[Event]:
        texts = self.texts(attempt)
        events: list[Event] = [MessageAdded(role="user", content=text) for text in texts]
        return [*events[:-1], SessionEnded(reason=texts[-1])] if self.ends else events

    def texts(self, attempt: int) -> list[str]:
        return [f"{self.name}/{attempt}/{index}/{'.' * self.size}" for index in range(self.count)]


class Acknowledged(NamedTuple):
    step: Step
    attempt: int
    last_seq: int
    calls: int  # how many calls of the disk had been made

    @property
    def seqs(self) -> range:
        return range(self.last_seq - self.step.count + 1, self.last_seq + 1)


class Record(msgspec.Struct):
    """What a run was told. ``refused``: attempts of which nothing may ever be seen. ``lost``: what was damaged on purpose."""

    acknowledged: list[Acknowledged] = []
    refused: set[tuple[str, int]] = set()
    begun: dict[tuple[str, int], Step] = {}
    lost: set[int] = set()
    errors: int = 0

    def copy(self) -> Record:
        return Record(list(self.acknowledged), set(self.refused), dict(self.begun), set(self.lost), self.errors)


ROLLING = (
    Step("first"),
    Step("batch", count=3),
    Step("large", size=2_500),
    Step("fills the segment", count=4, size=900),
    Step("in the next"),
    Step("another session", session="t"),
    Step("ends", ends=True, count=2),
    Step("goes on"),
    Step("last", count=2, size=600),
)
COMPACTED = (
    Step("first"),
    Step("fills the segment", count=4, size=1_500),
    Step("in the next", compacts=True),
    Step("behind what was compressed", size=300),
    Step("another session", session="t"),
    Step("ends", ends=True, count=2, compacts=True),
    Step("goes on"),
)
LAZY = (
    Step("first"),
    Step("lazy", sync="never", size=300),
    Step("lazy batch", sync="interval", count=3),
    Step("kept"),
    Step("lazy again", sync="never"),
    Step("fills the segment", count=4, size=1_300, sync="never"),
    Step("lazy in the next", sync="never"),
    Step("last"),
)
BEFORE = (Step("before"), Step("batch before", count=3), Step("large before", size=1_000), Step("last before", size=100))
AFTER = (Step("after", size=300), Step("batch after", count=2), Step("end of it"))


class Workload(NamedTuple):
    """Steps on a store that ``prepare`` has made; it returns what was told to whoever made it."""

    name: str
    prepare: Callable[[Path], Record]
    steps: Sequence[Step]
    settings: Settings = SETTINGS
    damaged: bool = False
    exclusive: bool = False

    def run(self, folder: Path, disk: Disk, record: Record) -> Record:
        return run(folder, disk, self.steps, self.settings, exclusive=self.exclusive, record=record)


# --- stores to begin with ------------------------------------------------------------------------------------------------------


def open_log(folder: Path, disk: Disk | None = None, settings: Settings = SETTINGS) -> EventLog:
    settings = settings.replace(store=folder / "store")
    return EventLog(FilesBackend.open(settings, disk=disk or UnsyncedDisk()), settings)


def nothing(folder: Path) -> Record:
    """Not even a store."""
    folder.mkdir()
    return Record()


def empty(folder: Path) -> Record:
    """A store with no more folders than the sessions need: copying 256 of them a thousand times is slow."""
    folder.mkdir()
    open_log(folder).close()
    needed = {shard(session) for session in SESSIONS}
    for path in (folder / "store" / "sessions").iterdir():
        if path.name not in needed:
            path.rmdir()
    return Record()


def used(folder: Path) -> Record:
    empty(folder)
    return run(folder, UnsyncedDisk(), BEFORE)


def torn(folder: Path) -> Record:
    """The last append was never finished."""
    record = used(folder)
    gone = record.acknowledged.pop()
    path = active_segment(folder)
    os.truncate(path, path.stat().st_size - 40)
    record.begun[gone.step.name, gone.attempt] = gone.step
    return record


def torn_from_the_start(folder: Path) -> Record:
    """Not even the opening line is whole."""
    empty(folder)
    active_segment(folder).write_bytes(b'{"type":"segment.opened","data":{"form')
    return Record()


def damaged(folder: Path) -> Record:
    """The last append is whole, and one bit of it is wrong."""
    record = used(folder)
    record.lost.update(record.acknowledged.pop().seqs)
    path = active_segment(folder)
    data = bytearray(path.read_bytes())
    data[-80] ^= 1
    path.write_bytes(data)
    return record


def unconfirmed(folder: Path) -> Record:
    """A sync failed, the segment was closed, and nobody has copied it yet."""
    record = empty(folder)
    disk = CrashingDisk(folder)
    run(folder, disk, BEFORE[:-1], record=record)
    disk.fail(len(disk.operations), 5, lasting=True, calls=["sync"])
    return run(folder, disk, BEFORE[-1:], tries=1, record=record)


def active_segment(folder: Path, session: str = "s") -> Path:
    layout = Layout(folder / "store")
    names = layout.segments(session)
    return Path(layout.path(names[-1])) if names else Path(layout.folder(session)) / f"{session}.jsonl"


# --- living ----------------------------------------------------------------------------------------------------------------------


def run(  # noqa: C901 -- one loop with one exit for each thing that an append may say
    folder: Path,
    disk: Disk,
    steps: Iterable[Step],
    settings: Settings = SETTINGS,
    *,
    exclusive: bool = False,
    tries: int = 4,
    record: Record | None = None,
) -> Record:
    """Take the steps, each until it is acknowledged or has failed ``tries`` times, twice with one handle and then with a new one; stop
    where the process is killed."""
    record = record or Record()
    log: EventLog | None = None
    handles: dict[str, Session] = {}
    try:
        for step in steps:
            attempt, unknown = 0, False
            for trial in range(tries):
                try:
                    log = log or open_log(folder, disk, settings)
                    if trial == 2 and step.session in handles:
                        handles.pop(step.session).close()
                    if step.session not in handles:
                        handles[step.session] = log.session(step.session, create=True, exclusive=exclusive)
                    last = _take(handles[step.session], step, attempt, record)
                except NotStored:
                    if not unknown:
                        record.refused.add((step.name, attempt))
                        attempt += 1  # another text and another id: what was refused must never be seen
                except OutcomeUnknown:
                    unknown = True  # the same id once more: it must not be there twice
                except WriterPoisoned:
                    pass
                except OSError:
                    if handles:
                        raise  # only making a store, or taking a lock, may raise what the system says
                else:
                    record.acknowledged.append(Acknowledged(step, attempt, last, calls_of(disk)))
                    if step.compacts:
                        log.compact(idle_s=0)
                    break
                record.errors += 1
    except Crash:
        pass
    finally:
        if log is not None:
            with suppress(Crash, EventLogError):
                log.close()
    return record


def _take(session: Session, step: Step, attempt: int, record: Record) -> int:
    record.begun[step.name, attempt] = step
    return session.append(*step.events(attempt), id=f"{step.name}/{attempt}", sync=step.sync)


def calls_of(disk: Disk) -> int:
    return len(disk.operations) if isinstance(disk, CrashingDisk) else 0


# --- and what must be true afterwards ----------------------------------------------------------------------------------------------


def contents(log: EventLog, session: str, on_damage: OnDamage = "raise") -> dict[int, str]:
    """The text of every event by its seq."""
    with log.session(session, create=True) as handle:
        found = [(event.seq, text_of(event.event)) for event in handle.read(on_damage=on_damage)]
    seqs = [seq for seq, _ in found]
    assert seqs == sorted(set(seqs)), "not in order"
    return dict(found)


def text_of(event: Any) -> str:
    return str(event.reason if isinstance(event, SessionEnded) else event.content)


def check(folder: Path, record: Record, *, calls: int | None = None, only_synced: bool = False, damaged: bool = False) -> None:
    """Open what is left and hold the promises: what was acknowledged (before that many calls) is there, once, whole, in its place; nothing
    is there that was refused or never begun; the log goes on; verify finds nothing, unless there was damage to begin with."""
    promised = [
        told for told in record.acknowledged if (calls is None or told.calls <= calls) and (told.step.sync == "always" or not only_synced)
    ]
    with open_log(folder) as log:
        for session in SESSIONS:
            of_session = [told for told in promised if told.step.session == session]
            found = contents(log, session, "skip" if damaged else "raise")
            _check_events(found, record, of_session, dense=not damaged)
            _check_that_it_goes_on(log, session, found, record, of_session, damaged=damaged)
        report = log.verify(SESSIONS)
        assert report.ok or damaged, report.problems
        assert {problem.kind for problem in report.problems} <= {"damaged"}


def _check_events(found: dict[int, str], record: Record, promised: list[Acknowledged], *, dense: bool) -> None:
    assert not dense or list(found) == list(range(1, len(found) + 1)), "there is a hole"
    assert not record.lost & set(found), "a lost seq was given again"
    assert len(set(found.values())) == len(found), "an event is there twice"
    for told in promised:
        got = [found.get(seq) for seq in told.seqs]
        assert got == told.step.texts(told.attempt), f"{told.step.name} was acknowledged at {told.last_seq}"
    indexes: dict[tuple[str, int], list[str]] = {}
    for text in found.values():
        name, attempt, index, _ = text.split("/")
        indexes.setdefault((name, int(attempt)), []).append(index)
    for which, there in indexes.items():
        assert which in record.begun, f"{which} was never begun"
        assert which not in record.refused, f"{which} was refused"
        whole = [str(index) for index in range(record.begun[which].count)]
        assert there == whole or not dense, f"{which} is not whole"  # what is left of a damaged batch is given out to who asks for it


def _check_that_it_goes_on(
    log: EventLog, session: str, found: dict[int, str], record: Record, promised: list[Acknowledged], *, damaged: bool
) -> None:
    with log.session(session, create=True) as handle:
        if promised and not damaged:
            last = promised[-1]
            again = handle.append(*last.step.events(last.attempt), id=f"{last.step.name}/{last.attempt}")
            assert again == last.last_seq, "a retry was stored again"
        seq = handle.append(MessageAdded(role="user", content="afterwards/0/0/"))
    assert seq > max([0, *found, *(record.lost if session == "s" else ())])
    assert contents(log, session, "skip" if damaged else "raise") == {**found, seq: "afterwards/0/0/"}


def copy(template: Path, folder: Path) -> Path:
    shutil.copytree(template, folder)
    return folder
