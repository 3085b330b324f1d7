"""A fork, a merge or an import that was interrupted at any step is finished by doing it again."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from eventlog import EventLog, EventLogError, Settings
from eventlog.errors import Damaged
from eventlog.events import Event, MessageAdded, SessionEnded, SessionMerged, SessionUpdated
from eventlog.files.backend import FilesBackend
from eventlog.importers import import_paths
from eventlog.meaning.copies import taken_from
from eventlog.testing import Crash, CrashingDisk
from projections.exporters import export
from tests.crash.faults import FAULTS, Fault
from tests.crash.workload import UnsyncedDisk

# A killed process runs no finalisers; here they run, and find a dead disk.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

Work = Callable[[EventLog], object]
Events = dict[str, list[Any]]


def settings(root: Path) -> Settings:
    return Settings(store=root / "store", segment_size_bytes=1_200, lock_timeout_s=1, compress_after="0")


def record(log: EventLog) -> None:
    """Two sessions that took turns, and a fork of the first that went its own way."""
    said: list[Event]
    a, b = log.start(id="a", title="A", tags=["a"]), log.start(id="b", title="B", tags=["b"])
    for number in range(6):
        for session in (a, b):
            said = [MessageAdded(role="user", content=f"{session.id} {number} {'.' * 40}"), MessageAdded(role="assistant", content="yes")]
            session.append(*said, time=f"2026-01-02T03:04:{number:02}Z")
    b.append(SessionUpdated(title="B, once more", metadata={"by": "b"}), SessionEnded())
    log.fork("a", at=5, id="f")
    log.session("f").append(MessageAdded(role="user", content="another way"))


WORKS = ["fork", "merge", "merge into", "import"]


def work_of(name: str, folder: Path) -> Work:
    """The work. An import reads a file with the sessions of the template, of which it adds one."""
    file = folder / "exported.jsonl"
    works: dict[str, Work] = {
        "fork": lambda log: log.fork("a", at=9, id="made"),
        "merge": lambda log: log.merge(["a", "b", "f"]),
        "merge into": lambda log: log.merge(["b", "f"], into="a"),
        "import": lambda log: import_paths(log, "jsonl", [file]),
    }
    if name == "import":
        shutil.copytree(folder / "template", folder / "source")
        with opened(folder / "source") as log:
            log.fork("b", id="made")
            export(log, ["made", "f"], "jsonl", file)
    return works[name]


def opened(root: Path, disk: Any = None) -> EventLog:
    return EventLog(FilesBackend.open(settings(root), disk=disk or UnsyncedDisk()), settings(root))


def events(log: EventLog) -> Events:
    """Everything but the checksums, which depend on where segments begin, and the times at which merges say what they did."""
    return {session_id: [_shown(stored) for stored in log.session(session_id).read()] for session_id in sorted(log.session_ids())}


def contents(log: EventLog, session_id: str) -> list[Any]:
    """The events of a session that can be read, without their seqs."""
    return [_shown(stored)[1:] for stored in log.session(session_id).read(on_damage="skip")]


def _shown(stored: Any) -> Any:
    return stored.seq, stored.type, None if _is_of_now(stored) else stored.time, stored.event, stored.origin, stored.more, stored.id


def _is_of_now(stored: Any) -> bool:
    return taken_from(stored) is None and isinstance(stored.event, (SessionMerged, SessionUpdated))


@pytest.fixture
def folder(memory_folder: Path) -> Path:
    return prepared(memory_folder)


def prepared(folder: Path) -> Path:
    """The folder, with a store in ``template``."""
    (folder / "template").mkdir()
    with opened(folder / "template") as log:
        record(log)
    return folder


@pytest.mark.parametrize("name", WORKS)
def test_after_a_power_loss_at_any_step_doing_it_again_ends_as_if_nothing_had_happened(name: str, folder: Path) -> None:
    work = work_of(name, folder)
    disk = CrashingDisk(folder / "template")
    with opened(folder / "template", disk) as log:
        before = events(log)
        work(log)
        whole = events(log)
    interrupted = damaged = 0
    for count, medium in disk.history():
        after = folder / f"after-{count}"
        medium.lose_power(str(after), count, (0.0, 0.5, 1.0)[count % 3])
        with opened(after) as log:
            try:
                left = events(log)
            except Damaged:  # appends that were not synced yet
                damaged += 1
                _check_damaged(name, log, work, before, whole)
                continue
            for session_id, held in before.items():
                assert left[session_id][: len(held)] == held
            interrupted += left not in (before, whole)
            work(log)
            assert events(log) == whole, count
            position = {session_id: log.session(session_id).last_seq for session_id in log.session_ids()}
            work(log)
            assert {session_id: log.session(session_id).last_seq for session_id in log.session_ids()} == position
            assert log.verify().ok
    assert interrupted > 3
    assert damaged < interrupted


def _check_damaged(name: str, log: EventLog, work: Work, before: Events, whole: Events) -> None:
    """What was there before is there, and the work can be done: a merge all the same, a fork under another id; an import says no."""
    if name == "import":
        report: Any = work(log)
        assert report.skipped
    elif name == "fork":
        with pytest.raises(Damaged):
            work(log)
        assert contents(log, log.fork("a", at=9).id) == [event[1:] for event in whole["made"]]
    else:
        work(log)
        [made] = whole.keys() - before.keys() or ["a"]
        found, wanted = contents(log, made), [event[1:] for event in whole[made]]  # of an append, the undamaged part may be there
        assert sorted(repr(event[:4]) for event in found) == sorted(repr(event[:4]) for event in wanted)
    for session_id, held in before.items():
        assert contents(log, session_id)[: len(held)] == [event[1:] for event in held]


@pytest.mark.parametrize("name", WORKS)
def test_a_process_that_is_killed_at_any_call_leaves_something_that_doing_it_again_finishes(name: str, folder: Path) -> None:
    work = work_of(name, folder)
    shutil.copytree(folder / "template", folder / "whole")
    with opened(folder / "whole") as log:
        work(log)
        whole = events(log)
    at = 0
    while True:
        root = folder / f"killed-{at}"
        shutil.copytree(folder / "template", root)
        disk = CrashingDisk(root)
        disk.crash(at, "within" if at % 2 else "before")
        with suppress(Crash, EventLogError), opened(root, disk) as log:
            work(log)
        if not disk.crashed:
            break
        with opened(root) as log:
            work(log)
            assert events(log) == whole, at
        at += 3
    assert at > 10


def failing_at(name: str, folder: Path, faults: list[Fault], *, every: int = 1, start: int = 0) -> Iterator[str]:
    """Each point that was tried: a call of the work fails, the work is done again, and everything is there once."""
    work = work_of(name, folder)
    shutil.copytree(folder / "template", folder / "whole")
    disk = CrashingDisk(folder / "whole")
    with opened(folder / "whole", disk) as log:
        work(log)
        calls = disk.operations
        whole = events(log)
    for call in range(start, len(calls), every):
        for fault in faults:
            if not fault.applies_to(calls[call]):
                continue
            root = folder / "run"
            shutil.copytree(folder / "template", root)
            failing = CrashingDisk(root)
            fault.set(failing, call)
            with suppress(Crash, EventLogError, OSError), opened(root, failing) as log:
                work(log)
            with opened(root) as log:
                work(log)
                assert events(log) == whole, f"{fault.name} at call {call} ({calls[call].call})"
                assert log.verify().ok
            shutil.rmtree(root)
            yield f"{name}: {fault.name} at call {call}"


@pytest.mark.parametrize("name", WORKS)
def test_whichever_call_fails_in_whichever_way_doing_it_again_finishes_it(name: str, folder: Path) -> None:
    points = list(failing_at(name, folder, FAULTS, every=6, start=WORKS.index(name)))
    print(f"{len(points)} faults")
    assert len(points) > 10
