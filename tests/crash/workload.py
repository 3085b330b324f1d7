"""A small life of a store, told step by step, and what must be true of it whatever happened on the way."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import msgspec

from eventlog import EventLog, EventLogError, Report, Settings
from eventlog.backend import Sync
from eventlog.disk import Disk
from eventlog.errors import Damaged, NotStored, OutcomeUnknown, WriterPoisoned
from eventlog.events import Event, MessageAdded, SessionEnded
from eventlog.files import FilesBackend
from eventlog.layout import shard
from eventlog.testing import Crash, CrashingDisk

SETTINGS = Settings(segment_size_bytes=6_000, frame_size_bytes=2_048, sync_interval_ms=60_000, lock_timeout_s=5)


class UnsyncedDisk(Disk):
    """The real disk without the waiting: to look at a store afterwards."""

    def sync(self, fd: int) -> None:
        pass

    def sync_directory(self, path: str) -> None:
        pass


class Step(NamedTuple):
    """One append. Its events' texts are its name and their number, so that each event says what it belongs to."""

    name: str
    count: int = 1
    size: int = 20
    session: str = "s"
    sync: Sync = "always"
    ends: bool = False

    def events(self, attempt: int) -> list[Event]:
        texts = [f"{self.name}/{attempt}/{index}/{'.' * self.size}" for index in range(self.count)]
        events: list[Event] = [MessageAdded(role="user", content=text) for text in texts]
        return [*events[:-1], SessionEnded(reason=texts[-1])] if self.ends else events


class Acknowledged(NamedTuple):
    step: Step
    attempt: int
    last_seq: int
    calls: int  # how many calls of the disk had been made


class Record(msgspec.Struct):
    """What a run was told. ``refused``: attempts of which nothing may ever be seen."""

    acknowledged: list[Acknowledged] = []
    refused: set[tuple[str, int]] = set()
    begun: set[tuple[str, int]] = set()
    errors: int = 0


ROLLING = [
    Step("first"),
    Step("batch", count=3),
    Step("large", size=2_500),
    Step("lazy", sync="never"),
    Step("lazy too", sync="interval", count=2),
    Step("fills the segment", count=4, size=900),
    Step("in the next"),
    Step("another session", session="t"),
    Step("ends", ends=True, count=2),
    Step("goes on"),
    Step("last", count=2, size=600),
]
SHORT = [Step("after", size=300), Step("batch after", count=2), Step("end of it")]


def open_log(folder: Path, disk: Disk | None = None, settings: Settings = SETTINGS) -> EventLog:
    settings = settings.replace(store=folder / "store")
    return EventLog(FilesBackend.open(settings, disk=disk or UnsyncedDisk()), settings)


def make_template(folder: Path, sessions: Iterable[str] = ("s", "t")) -> Path:
    """An empty store with no more folders than these sessions need: copying 256 of them a thousand times is slow."""
    folder.mkdir()
    open_log(folder).close()
    needed = {shard(session) for session in sessions}
    for path in (folder / "store" / "sessions").iterdir():
        if path.name not in needed:
            path.rmdir()
    return folder


def run(folder: Path, disk: CrashingDisk, steps: Sequence[Step], settings: Settings = SETTINGS, tries: int = 3) -> Record:
    """Take the steps, each until it is acknowledged or has failed ``tries`` times; stop where the process is killed."""
    record = Record()
    log: EventLog | None = None
    try:
        for step in steps:
            attempt, unknown = 0, False
            for _ in range(tries):
                try:
                    if log is None:
                        log = open_log(folder, disk, settings)
                    session = log.session(step.session, create=True)
                    record.begun.add((step.name, attempt))
                    last = session.append(*step.events(attempt), id=f"{step.name}/{attempt}", sync=step.sync)
                except NotStored:
                    record.errors += 1
                    if not unknown:
                        record.refused.add((step.name, attempt))
                        attempt += 1  # another text and another id: what was refused must never be seen
                except OutcomeUnknown:
                    record.errors += 1
                    unknown = True  # the same id once more: it must not be there twice
                except WriterPoisoned:
                    record.errors += 1
                else:
                    record.acknowledged.append(Acknowledged(step, attempt, last, len(disk.operations)))
                    break
    except Crash:
        pass
    finally:
        if log is not None:
            with suppress(Crash, EventLogError):
                log.close()
    return record


def contents(log: EventLog, session: str, on_damage: str = "raise") -> list[tuple[int, str]]:
    """(seq, text) of every event."""
    with log.session(session, create=True) as handle:
        return [(event.seq, getattr(event.event, "content", None) or event.event.reason) for event in handle.read(on_damage=on_damage)]  # type: ignore[arg-type]


def check(folder: Path, record: Record, *, calls: int | None = None, only_synced: bool = False, damaged: bool = False) -> None:
    """Open what is left and hold the promises: what was acknowledged (before that many calls) is there, once, whole, in its place; nothing
    is there that was refused or never begun; the log goes on; verify finds nothing, unless there was damage to begin with."""
    promised = [
        ack
        for ack in record.acknowledged
        if (calls is None or ack.calls <= calls) and (ack.step.sync == "always" or not only_synced)
    ]
    with open_log(folder) as log:
        for session in ("s", "t"):
            found = contents(log, session, "skip" if damaged else "raise")
            _check_events(found, record, [ack for ack in promised if ack.step.session == session], dense=not damaged)
            before = found[-1][0] if found else 0
            with log.session(session, create=True) as handle:
                seq = handle.append(MessageAdded(role="user", content="afterwards/0/0/"))
                assert seq > before
                for ack in promised:
                    if ack.step.session == session and not damaged and ack is promised[-1]:
                        again = handle.append(*ack.step.events(0), id=f"{ack.step.name}/{ack.attempt}")
                        assert again == ack.last_seq, "a retry was stored again"
            assert contents(log, session, "skip" if damaged else "raise") == [*found, (seq, "afterwards/0/0/")]
        report = log.verify()
        if not damaged:
            assert report.ok, report.problems


def _check_events(found: list[tuple[int, str]], record: Record, promised: list[Acknowledged], *, dense: bool) -> None:
    seqs = [seq for seq, _ in found]
    assert seqs == sorted(set(seqs))
    if dense:
        assert seqs == list(range(1, len(seqs) + 1))
    texts = [text for _, text in found]
    assert len(set(texts)) == len(texts), "an event is there twice"
    by_seq = dict(found)
    for ack in promised:
        wanted = [getattr(event, "content", None) or getattr(event, "reason", None) for event in ack.step.events(ack.attempt)]
        got = [by_seq.get(seq) for seq in range(ack.last_seq - len(wanted) + 1, ack.last_seq + 1)]
        assert got == wanted, f"{ack.step.name} was acknowledged at {ack.last_seq}"
    parts: dict[tuple[str, int], list[str]] = {}
    for text in texts:
        name, attempt, index, _ = text.split("/")
        assert name == "before" or (name, int(attempt)) in record.begun, f"{name} was never begun"
        assert (name, int(attempt)) not in record.refused, f"{name} was refused"
        parts.setdefault((name, int(attempt)), []).append(index)
    for (name, _), indexes in parts.items():
        count = next((step.count for step in [*ROLLING, *SHORT] if step.name == name), len(indexes))
        assert indexes == [str(index) for index in range(count)], f"{name} is not whole"


def copy(template: Path, folder: Path) -> Path:
    shutil.copytree(template, folder)
    return folder
