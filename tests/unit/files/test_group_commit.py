from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from eventlog import EventLog, Session, Settings
from eventlog.backend import PendingAppend
from eventlog.errors import Conflict
from eventlog.events import MessageAdded
from eventlog.files.backend import FilesBackend
from eventlog.files.group_commit import GroupCommit
from eventlog.testing import CountingDisk

PATIENCE_S = 30


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(store=tmp_path / "store")


def note(text: str) -> MessageAdded:
    return MessageAdded(role="user", content=text)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.0005)


class HeldDisk(CountingDisk):
    """Counts, and holds the next sync after `hold` until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.free = threading.Event()
        self.free.set()
        self.syncing = threading.Event()

    def hold(self) -> None:
        self.reset()
        self.syncing.clear()
        self.free.clear()

    def sync(self, fd: int) -> None:
        self.syncing.set()
        assert self.free.wait(PATIENCE_S)
        super().sync(fd)


@contextmanager
def held(settings: Settings) -> Iterator[tuple[Session, HeldDisk, GroupCommit, ThreadPoolExecutor]]:
    disk = HeldDisk()
    with EventLog(FilesBackend.open(settings, disk=disk), settings) as log, ThreadPoolExecutor(16) as pool:
        session = log.session("s", create=True)
        session.append(note("first"))
        yield session, disk, session._stream._group, pool  # type: ignore[attr-defined]


def waiting(group: GroupCommit) -> int:
    return len(group._queue) + (group._leader is not None)


def append_together(session: Session, disk: HeldDisk, group: GroupCommit, pool: ThreadPoolExecutor, text: str) -> list[int]:
    """One append, and eight more while its sync runs; returns their seqs, those of the eight sorted."""
    disk.hold()
    first = pool.submit(session.append, note(text))
    assert disk.syncing.wait(PATIENCE_S)
    others = [pool.submit(session.append, note(text)) for _ in range(8)]
    until(lambda: waiting(group) == 8)
    disk.free.set()
    return [first.result(PATIENCE_S), *sorted(other.result(PATIENCE_S) for other in others)]


def test_what_is_appended_while_a_sync_runs_shares_the_next_one(settings: Settings) -> None:
    with held(settings) as (session, disk, group, pool):
        assert append_together(session, disk, group, pool, "x") == list(range(2, 11))
        assert disk.count("write") == 9
        assert disk.count("sync") == 2


def test_in_a_group_each_append_has_its_own_outcome(settings: Settings) -> None:
    with held(settings) as (session, disk, group, pool):
        disk.hold()
        first = pool.submit(session.append, note("0"), id="k")
        assert disk.syncing.wait(PATIENCE_S)
        retried = pool.submit(session.append, note("0"), id="k")
        until(lambda: waiting(group) == 1)
        refused = pool.submit(session.append, note("1"), expected=9)
        until(lambda: waiting(group) == 2)
        taken = pool.submit(session.append, note("1"), note("2"), expected=2)
        until(lambda: waiting(group) == 3)
        disk.free.set()
        assert (first.result(PATIENCE_S), retried.result(PATIENCE_S), taken.result(PATIENCE_S)) == (2, 2, 4)
        assert isinstance(refused.exception(PATIENCE_S), Conflict)
        assert [stored.event.content for stored in session.read()] == ["first", "0", "1", "2"]


def test_a_group_goes_on_in_the_next_segment(settings: Settings) -> None:
    with held(settings.replace(segment_size_bytes=4_096)) as (session, disk, group, pool):
        assert append_together(session, disk, group, pool, "x" * 1_500) == list(range(2, 11))
        assert session.last_seq == 10
        assert [stored.seq for stored in session.read()] == list(range(1, 11))


def test_what_need_not_be_durable_does_not_wait_for_a_sync(settings: Settings) -> None:
    with held(settings) as (session, disk, _, pool):
        disk.hold()
        first = pool.submit(session.append, note("0"))
        assert disk.syncing.wait(PATIENCE_S)
        assert session.append(note("1"), sync="never") == 3
        disk.free.set()
        assert first.result(PATIENCE_S) == 2


def test_whoever_is_alone_again_does_not_wait_for_those_who_have_gone(settings: Settings) -> None:
    with held(settings) as (session, disk, group, pool):
        append_together(session, disk, group, pool, "x")
        disk.reset()
        assert [session.append(note("alone")), session.append(note("alone"))] == [11, 12]
        assert disk.count("sync") == 2
        assert group._last_size == 1


class Interrupted(BaseException):
    """Stands for Ctrl-C."""


def pending() -> PendingAppend:
    return PendingAppend((), None, None, "always", False)


def done(appends: list[PendingAppend]) -> None:
    for append in appends:
        append.begun = True
        append.outcome = 7


@contextmanager
def led(group: GroupCommit, pool: ThreadPoolExecutor, followers: int, begun: bool) -> Iterator[tuple[Future[object], list[Future[object]]]]:
    """A leader that is interrupted in its commit of itself and the followers."""
    entered, go_on = threading.Event(), threading.Event()

    def interrupted(appends: list[PendingAppend]) -> None:
        for append in appends:
            append.begun = begun
        raise Interrupted

    def held_commit(appends: list[PendingAppend]) -> None:
        entered.set()
        assert go_on.wait(PATIENCE_S)
        done(appends)

    first = pool.submit(group.append, pending(), held_commit)
    assert entered.wait(PATIENCE_S)
    leader = pool.submit(group.append, pending(), interrupted)
    until(lambda: waiting(group) == 2)
    others = [pool.submit(group.append, pending(), done) for _ in range(followers)]
    until(lambda: waiting(group) == 2 + followers)
    go_on.set()
    assert first.result(PATIENCE_S) == 7
    yield leader, others


def test_what_an_interrupted_leader_has_not_begun_is_taken_up_again() -> None:
    group = GroupCommit()
    with ThreadPoolExecutor(8) as pool, led(group, pool, 3, begun=False) as (leader, others):
        assert [other.result(PATIENCE_S) for other in others] == [7, 7, 7]
        assert isinstance(leader.exception(PATIENCE_S), Interrupted)
    assert waiting(group) == 0


def test_what_an_interrupted_leader_was_at_is_unknown_to_all_of_its_group() -> None:
    group = GroupCommit()
    with ThreadPoolExecutor(8) as pool, led(group, pool, 3, begun=True) as (leader, others):
        assert [other.result(PATIENCE_S) for other in others] == [None, None, None]
        assert isinstance(leader.exception(PATIENCE_S), Interrupted)
    assert group.append(pending(), done) == 7


def test_whoever_is_interrupted_while_it_waits_leaves_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    group = GroupCommit()
    assert group.enter()

    class Gate:
        """A lock whose second taking, which is the waiting, is interrupted."""

        def __init__(self) -> None:
            self.taken = 0

        def acquire(self) -> None:
            self.taken += 1
            if self.taken == 2:
                raise Interrupted

        def locked(self) -> bool:
            return True

        def release(self) -> None:
            raise AssertionError("nobody wakes it: it has gone")

    with monkeypatch.context() as patch:
        patch.setattr("eventlog.files.group_commit.threading.Lock", Gate)
        with pytest.raises(Interrupted):
            group.append(pending(), done)
    assert waiting(group) == 0
    group.leave()
    assert group.append(pending(), done) == 7


def test_only_the_thread_that_entered_leaves() -> None:
    group = GroupCommit()
    assert group.enter()
    with ThreadPoolExecutor(1) as other:
        other.submit(group.leave).result(PATIENCE_S)
        assert not other.submit(group.enter).result(PATIENCE_S)
        group.leave()
        assert other.submit(group.enter).result(PATIENCE_S)


def test_a_thread_that_was_interrupted_before_it_left_does_not_wait_for_itself() -> None:
    group = GroupCommit()
    assert group.enter()
    assert group.enter()
    group.leave()
    with ThreadPoolExecutor(1) as other:
        assert other.submit(group.enter).result(PATIENCE_S)


def test_a_leader_that_was_interrupted_before_it_stepped_down_does_not_wait_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    group = GroupCommit()
    with monkeypatch.context() as patch:
        patch.setattr(GroupCommit, "_step_down", lambda self, waiting: None)
        assert group.append(pending(), done) == 7
    assert group._leader is not None
    assert group.enter()
