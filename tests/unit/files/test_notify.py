from __future__ import annotations

import errno
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from eventlog import EventLog, Settings
from eventlog.backend import Watch
from eventlog.files.layout import SHARDS, Layout
from eventlog.files.notify import FileWatch, InotifyWatch, InProcessWatch, watch_files
from tests.tails import PATIENCE_S, leaving_nothing_open, note

linux = pytest.mark.skipif(sys.platform != "linux", reason="inotify is the Linux kernel's")


@pytest.fixture(autouse=True)
def _nothing_stays_open() -> Iterator[None]:
    with leaving_nothing_open():
        yield


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EventLog]:
    with EventLog.open(settings=Settings(store=tmp_path / "store")) as log:
        yield log


def _forget(watch: Watch) -> None:
    pass


def _folders(log: EventLog, session_id: str | None) -> list[str]:
    assert log.path is not None
    layout = Layout(log.path)
    return [layout.folder(session_id)] if session_id else [f"{layout.sessions}/{shard}" for shard in SHARDS]


def _wait_for(watch: Watch, session_id: str) -> None:
    """Return when the watch names the session; one that names others meanwhile is within its rights."""
    while True:
        changed = watch.wait(PATIENCE_S)
        assert changed is not None, "not a word"
        if session_id in changed:
            return


@linux
@pytest.mark.parametrize("session_id", ["a", None])
def test_the_kernel_names_the_session_that_was_written_to(log: EventLog, session_id: str | None) -> None:
    watch = InotifyWatch(_folders(log, session_id), session_id, _forget)
    session = log.session("a", create=True)
    for _ in range(3):
        session.append(note(), sync="never")
        assert watch.wait(PATIENCE_S) == {"a"}
        assert watch.wait(0) is None
    watch.close()


@linux
def test_another_session_in_the_same_folder_does_not_wake(log: EventLog) -> None:
    watch = InotifyWatch(_folders(log, "a"), "b", _forget)
    log.session("a", create=True).append(note())
    assert watch.wait(0) is None
    watch.close()


@linux
def test_a_kernel_that_lost_count_means_anything_may_have_changed(log: EventLog) -> None:
    watch = InotifyWatch(_folders(log, "a"), None, _forget)
    most = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    folder = Path(_folders(log, "a")[0])
    first, second = folder / "x.jsonl", folder / "y.jsonl"  # by turns: equal neighbours in the queue are one
    with first.open("ab", 0) as one, second.open("ab", 0) as two:
        for _ in range(most // 2 + 64):
            one.write(b"x")
            two.write(b"y")
    assert watch.wait(PATIENCE_S) is None
    assert watch.wait(0) is None
    first.unlink()
    second.unlink()
    watch.close()


def test_the_portable_watch_names_the_session_that_was_written_to(log: EventLog) -> None:
    watch = FileWatch(_folders(log, None), None, _forget)
    session = log.session("a", create=True)
    done = threading.Event()

    def write() -> None:  # again and again: it takes a moment until it listens
        while not done.wait(0.02):
            session.append(note(), sync="never")

    writer = threading.Thread(target=write)
    writer.start()
    _wait_for(watch, "a")
    done.set()
    writer.join()
    watch.close()


def test_this_process_wakes_directly() -> None:
    watch = InProcessWatch(None, _forget)
    watch.notify("a")
    watch.notify("b")
    assert watch.wait(0) == {"a", "b"}
    assert watch.wait(0) is None
    watch.notify_all()
    watch.notify("a")
    assert watch.wait(0) is None
    watch.close()


@pytest.mark.parametrize("kind", [InProcessWatch, pytest.param(InotifyWatch, marks=linux)])
def test_waking_ends_a_wait_in_another_thread(kind: type[InProcessWatch] | type[InotifyWatch], log: EventLog) -> None:
    watch = InProcessWatch(None, _forget) if kind is InProcessWatch else InotifyWatch(_folders(log, "a"), None, _forget)
    found: list[set[str] | None] = []
    waiting = threading.Thread(target=lambda: found.append(watch.wait(PATIENCE_S)))
    waiting.start()
    watch.wake()
    waiting.join(PATIENCE_S)
    assert found == [set()]
    watch.close()
    watch.wake()  # too late, and harmless


def test_closing_tells_who_handed_it_out() -> None:
    forgotten: list[Watch] = []
    watch = InProcessWatch("a", forgotten.append)
    watch.close()
    assert forgotten == [watch]


def test_a_log_hands_out_a_watch_for_as_long_as_it_is_open(log: EventLog) -> None:
    backend = log._backend
    watch = backend.watch()
    assert backend.watches == (watch,)  # type: ignore[attr-defined]
    watch.close()
    assert backend.watches == ()  # type: ignore[attr-defined]


@linux
def test_a_kernel_that_has_no_watch_to_give_leaves_the_slow_look(log: EventLog, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(folders: object) -> int:
        raise OSError(errno.EMFILE, "no more inotify instances")

    monkeypatch.setattr("eventlog.files.notify._inotify", refuse)
    watch = watch_files(_folders(log, "a"), "a", _forget)
    assert isinstance(watch, InProcessWatch)
    watch.close()
