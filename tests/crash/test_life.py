"""Compaction, redaction, deletion, purge and backup: every call fails, the process dies at every call, the power goes after every call.

Whatever happens, what is left verifies and reads: the old events or the new ones, never neither. Asked again, the work is finished.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from eventlog import EventLog, EventLogError, Settings
from eventlog.events import MessageAdded, MessageDelta, SessionStarted
from eventlog.files.backend import FilesBackend
from eventlog.files.disk import Disk
from eventlog.files.layout import Layout
from eventlog.files.replacing import compress
from eventlog.testing import Crash, CrashingDisk
from tests.crash.faults import FAULTS, KILLS
from tests.crash.workload import UnsyncedDisk, empty, open_log
from tests.files_of import files_that_hold

# A killed process runs no finalisers; here they run, and find a dead disk.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

SETTINGS = Settings(segment_size_bytes=1_500, frame_size_bytes=600, lock_timeout_s=1, compress_after="0", compression_level=1)
MARKER = "the-secret"
Events = dict[int, tuple[str, Any]]


class Work(NamedTuple):
    """Something that is done to session s; ``allowed``: whether these events may be there, given those before; ``done``: afterwards."""

    name: str
    do: Callable[[EventLog], object]
    allowed: Callable[[Events, Events], bool]
    done: Callable[[Events, Events], bool]
    removes: bool = False
    deletes: bool = False
    clears_up: bool = True  # after crashes


def without_deltas(before: Events) -> Events:
    """But for those of the message that nothing completes."""
    return {seq: (kind, data) for seq, (kind, data) in before.items() if kind != "message.delta" or data["message_id"] == "open"}


def known(now: Events, before: Events) -> Events:
    """Those of the events now that were there before."""
    return {seq: event for seq, event in now.items() if seq in before}


def redacted(before: Events) -> Events:
    text = msgspec.json.encode(before).decode().replace(MARKER, "[redacted]")
    return {int(seq): (kind, data) for seq, (kind, data) in msgspec.json.decode(text).items()}


DELETED = ("session.deleted", {})


def backup_of(log: EventLog) -> Path:
    assert log.path is not None
    return Path(log.path).parent / "backup"


WORKS = [
    Work(
        "compact",
        lambda log: log.compact(idle_s=0),
        lambda now, before: now == before,
        lambda now, before: now == before,
    ),
    Work(
        "drop deltas",
        lambda log: log.compact(idle_s=0, drop_deltas=True),
        lambda now, before: without_deltas(known(now, before)) == without_deltas(before),
        lambda now, before: known(now, before) == without_deltas(before) and list(now.values())[-1][0] == "session.compacted",
    ),
    Work(
        "redact",
        lambda log: log.redact("s", pattern=MARKER),
        lambda now, before: (
            all(event in (before[seq], redacted(before)[seq]) for seq, event in known(now, before).items()) and set(before) <= set(now)
        ),
        lambda now, before: known(now, before) == redacted(before),
        removes=True,
    ),
    Work(
        "purge",
        lambda log: log.purge("s", now=True),
        lambda now, before: all(before[seq] == event for seq, event in known(now, before).items()),
        lambda now, before: list(now.values()) == [DELETED],
        removes=True,
        deletes=True,
    ),
    Work(
        "delete",
        lambda log: log.delete("s"),
        lambda now, before: known(now, before) == before and list(now.values())[len(before) :] in ([], [DELETED]),
        lambda now, before: known(now, before) == before and list(now.values())[len(before) :] == [DELETED],
        deletes=True,
        clears_up=False,
    ),
    Work(
        "backup",
        lambda log: log.backup(backup_of(log)),
        lambda now, before: now == before,
        lambda now, before: now == before,
        clears_up=False,
    ),
]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Events]:
    return make_template(tmp_path_factory.mktemp("life") / "template")


def make_template(folder: Path) -> tuple[Path, Events]:
    """A session of several small segments, one of them compressed, with deltas and markers, an active one behind them, leftovers, and a
    backup of its beginning."""
    empty(folder)
    with open_log(folder, UnsyncedDisk(), SETTINGS) as log, log.session("s", create=True) as session:
        session.append(SessionStarted(title=MARKER))
        log.backup(backup_of(log))
        for path in (backup_of(log) / "sessions").iterdir():
            if not (folder / "store" / "sessions" / path.name).exists():
                path.rmdir()  # few folders: they are copied a thousand times
        for number in range(6):
            deltas = [MessageDelta(message_id=f"m{number}", content=f"{number}/{index} {MARKER}") for index in range(4)]
            session.append(*deltas[:2], sync="never")
            session.append(*deltas[2:], MessageAdded(role="assistant", content=f"{MARKER} {number} " + "." * 100, message_id=f"m{number}"))
        session.append(MessageDelta(message_id="open", content="stays"))
        layout = Layout(folder / "store")
        names = layout.segments("s")
        assert compress(log._backend, UnsyncedDisk(), layout, names[1])  # type: ignore[arg-type]
        (Path(layout.folder("s")) / "s.jsonl.zst-0.999999999.tmp").write_bytes(f"half of {MARKER}".encode())
        (folder / "store" / "quarantine" / f"s.jsonl.200.{'a' * 16}.torn").write_bytes(b'{"seq":9 ' + MARKER.encode())
        before = events_of(log)
    assert len(names) >= 3
    return folder, before


def events_of(log: EventLog) -> Events:
    with log.session("s") as session:
        found = {stored.seq: (stored.type, msgspec.json.decode(stored.raw)["data"]) for stored in session.read()}
    assert list(found) == sorted(found)
    return found


def run(folder: Path, disk: Disk, work: Work) -> bool:
    """Do it, and let a failure or a death pass; returns whether it was said to be done."""
    log: EventLog | None = None
    try:
        settings = SETTINGS.replace(store=folder / "store", segment_size_bytes=20_000)
        log = EventLog(FilesBackend.open(settings, disk=disk), settings)
        work.do(log)
    except (EventLogError, OSError, Crash):
        return False
    finally:
        if log is not None:
            with suppress(Crash, EventLogError):
                log.close()
    return True


def check(folder: Path, work: Work, before: Events) -> None:
    """What is left is whole; appending goes on; done again, nothing is left to do."""
    settings = SETTINGS.replace(segment_size_bytes=20_000)
    with open_log(folder, UnsyncedDisk(), settings) as log:
        problems = log.verify().problems
        assert {problem.kind for problem in problems} <= {"torn_tail"}, problems  # of an append that was never acknowledged
        now = events_of(log)
        assert work.allowed(now, before), now
        last = max(now)
        for after in (0, last // 2, last - 1):  # from any position, as a tail would
            with log.session("s") as session:
                assert [stored.seq for stored in session.read(after=after)] == [seq for seq in now if seq > after]
        work.do(log)
        report = log.verify()
        assert report.ok, report.problems
        assert work.done(events_of(log), before), events_of(log)
        if work.clears_up:
            unfinished = [name for name in os.listdir(Layout(folder / "store").folder("s")) if name.endswith(".tmp")]
            assert [name for name in unfinished if f".{os.getpid()}." not in name] == []  # ours: the process that "died" is this one
        if work.removes:
            assert files_that_hold(folder / "store", MARKER) == []
        if work.name == "backup":
            _check_backup(backup_of(log), before)
        if not work.deletes:
            with log.session("s") as session:
                seq = session.append(MessageAdded(role="user", content="goes on"))
                assert seq == max(max(now), *[stored.seq for stored in session.read(before=seq)]) + 1
            assert log.verify().ok


def _check_backup(backup: Path, before: Events) -> None:
    settings = SETTINGS.replace(store=backup)
    with EventLog(FilesBackend.open(settings, create=False, disk=UnsyncedDisk()), settings) as copy:
        assert copy.verify().ok
        assert events_of(copy) == before


def undisturbed(template: Path, folder: Path, work: Work) -> CrashingDisk:
    disk = CrashingDisk(shutil.copytree(template, folder / "undisturbed"))
    run(folder / "undisturbed", disk, work)
    return disk


def failing_at(template: Path, folder: Path, work: Work, before: Events, *, every: int = 1, start: int = 0) -> Iterator[str]:
    calls = undisturbed(template, folder, work).operations
    for call in range(start, len(calls), every):
        for fault in FAULTS + KILLS:
            if not fault.applies_to(calls[call]):
                continue
            name = f"{work.name}: {fault.name}{' from' if fault.lasting else ' at'} call {call} of {len(calls)} ({calls[call].call})"
            place = shutil.copytree(template, folder / "run")
            disk = CrashingDisk(place)
            fault.set(disk, call)
            try:
                if run(place, disk, work) and work.removes:
                    assert files_that_hold(place / "store", MARKER) == []
                check(place, work, before)
            except BaseException as error:
                error.add_note(name)
                raise
            shutil.rmtree(place)
            yield name


def without_power(
    template: Path, folder: Path, work: Work, before: Events, *, shares: tuple[float, ...] = (0.0, 0.5, 1.0), seed: int = 0
) -> Iterator[str]:
    disk = undisturbed(template, folder, work)
    for call, medium in disk.history():
        for share in shares:
            name = f"{work.name}: power lost after {call} calls, {share:.0%} of the rest survives"
            medium.lose_power(str(folder / "lost"), seed=f"{seed}/{call}", share=share)
            try:
                check(folder / "lost", work, before)
            except BaseException as error:
                error.add_note(name)
                raise
            shutil.rmtree(folder / "lost")
            yield name


@pytest.mark.parametrize("work", WORKS, ids=lambda work: work.name)
def test_every_call_of_it_fails_in_every_way(work: Work, template: tuple[Path, Events], memory_folder: Path) -> None:
    points = list(failing_at(template[0], memory_folder, work, template[1], every=3, start=WORKS.index(work) % 3))
    print(f"{len(points)} faults")
    assert len(points) > 20


@pytest.mark.parametrize("work", WORKS, ids=lambda work: work.name)
def test_the_power_goes_after_every_call_of_it(work: Work, template: tuple[Path, Events], memory_folder: Path) -> None:
    points = list(without_power(template[0], memory_folder, work, template[1]))
    print(f"{len(points)} power losses")
    assert len(points) > 40


def test_a_redaction_that_a_full_disk_stops_half_way_is_not_said_to_be_done(template: tuple[Path, Events], memory_folder: Path) -> None:
    redact = next(work for work in WORKS if work.name == "redact")
    begun = shutil.copytree(template[0], memory_folder / "begun")
    with open_log(begun, UnsyncedDisk(), SETTINGS.replace(segment_size_bytes=20_000)) as log:
        log.session("s").append(MessageAdded(role="user", content=MARKER))  # also in the active segment
    calls = undisturbed(begun, memory_folder, redact).operations
    refused = 0
    for call in (number for number, operation in enumerate(calls) if operation.call == "write"):
        place = shutil.copytree(begun, memory_folder / "run")
        disk = CrashingDisk(place)
        disk.fail(call, errno.ENOSPC)
        done = run(place, disk, redact)
        assert not done or files_that_hold(place / "store", MARKER) == [], call
        refused += not done
        shutil.rmtree(place)
    assert refused > 3
