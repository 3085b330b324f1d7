"""Who waits for whom: questions for a catch-up that began after them, never for each other, and never for what they do not ask."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from eventlog import EventLog
from eventlog.events import MessageAdded, SessionStarted
from eventlog.files.disk import Disk
from projections import Catalog
from projections.catalog.cost import NO_PRICES
from projections.index import catch_up as catching_up
from projections.index import keeping
from projections.index.folder import Folder

WAIT_S = 20


def fill(log: EventLog, count: int = 20) -> None:
    for number in range(count):
        log.session(f"s{number:03}", create=True).append(SessionStarted(title=f"title {number}"), MessageAdded(role="user", content="word"))


@pytest.fixture(params=["in files", "in memory", "cannot be written"])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[EventLog]:
    if request.param == "in memory":
        with EventLog.memory() as log:
            yield log
        return
    with EventLog.open(tmp_path / "store", sync="never") as log:
        if request.param == "cannot be written":
            (tmp_path / "store" / "projections").write_text("in the way")
        yield log


@pytest.fixture
def catalog(log: EventLog) -> Iterator[Catalog]:
    fill(log)
    with Catalog.open(log, prices=NO_PRICES, notice=lambda text: None) as catalog:
        yield catalog


class Held:
    """Catch-ups of one projection that wait, once they have begun, until they are let go; and how many there were."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.begun = threading.Semaphore(0)
        self.go = threading.Event()
        self.count = 0

    def __call__(self, log: EventLog, indexes: Sequence[Any], progress: Any = None) -> int:
        if indexes[0].name == self.name:
            self.count += 1
            self.begun.release()
            assert self.go.wait(WAIT_S)
        return catching_up.catch_up(log, indexes, progress)


@contextmanager
def held(monkeypatch: pytest.MonkeyPatch, name: str) -> Iterator[Held]:
    hold = Held(name)
    monkeypatch.setattr(keeping, "catch_up", hold)
    try:
        yield hold
    finally:
        hold.go.set()


def in_thread(work: Callable[[], Any]) -> tuple[threading.Thread, list[Any]]:
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(work()))
    thread.start()
    return thread, found


def test_a_question_is_answered_while_another_is_still_being_answered(catalog: Catalog) -> None:
    catalog.list()
    asked, answered = threading.Event(), threading.Event()

    def slow(connection: Any) -> int:
        connection.execute("SELECT count(*) FROM catalog.session").fetchone()
        asked.set()
        assert answered.wait(WAIT_S)
        return 1

    thread, found = in_thread(lambda: catalog._serving.ask(("catalog",), slow))
    assert asked.wait(WAIT_S)
    assert catalog.list().total == 20
    assert catalog.statistics().sessions.total == 20
    answered.set()
    thread.join()
    assert found == [1]


def test_in_files_a_question_sees_one_state_and_no_writer_waits_for_it(tmp_path: Path) -> None:
    with EventLog.open(tmp_path, sync="never") as log, Catalog.open(log, prices=NO_PRICES) as catalog:
        fill(log)
        catalog.list()

        def question(connection: Any) -> tuple[int, int]:
            (before,) = connection.execute("SELECT count(*) FROM catalog.session").fetchone()
            log.session("new", create=True).append(SessionStarted())
            assert catalog.list().total == 21
            (after,) = connection.execute("SELECT count(*) FROM catalog.session").fetchone()
            return before, after

        assert catalog._serving.ask(("catalog",), question) == (20, 20)


class CountedLock:
    """A lock that knows how many have come for it."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.came = 0

    def __enter__(self) -> None:
        self.came += 1
        self.lock.acquire()

    def __exit__(self, *error: object) -> None:
        self.lock.release()


def test_of_many_that_wait_for_a_catch_up_one_works_for_all(log: EventLog, catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog.list()
    lock = CountedLock()
    monkeypatch.setattr(catalog._serving._life().keeper("catalog"), "_mutex", lock)
    with held(monkeypatch, "catalog") as hold:
        first, _ = in_thread(lambda: catalog.list().total)
        assert hold.begun.acquire(timeout=WAIT_S)
        log.session("new", create=True).append(SessionStarted())  # the one that is at it need not have seen this
        threads = [in_thread(lambda: catalog.list().total) for _ in range(8)]
        while lock.came < 9:
            first.join(0.001)
        hold.go.set()
        for thread in (first, *(thread for thread, _ in threads)):
            thread.join()
        assert [found for _, found in threads] == [[21]] * 8
    assert hold.count == 2


def test_a_question_that_came_after_a_catch_up_began_does_not_take_its_word(
    log: EventLog, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog.list()
    real, looked, go = catching_up.catch_up, threading.Event(), threading.Event()

    def looks_and_waits(log: EventLog, indexes: Sequence[Any], progress: Any = None) -> int:
        folded = real(log, indexes, progress)
        if not looked.is_set():
            looked.set()
            assert go.wait(WAIT_S)
        return folded

    monkeypatch.setattr(keeping, "catch_up", looks_and_waits)
    first, _ = in_thread(lambda: catalog.list().total)
    assert looked.wait(WAIT_S)
    log.session("new", create=True).append(SessionStarted())
    second, found = in_thread(lambda: catalog.list().total)
    second.join(0.05)
    go.set()
    first.join()
    second.join()
    assert found == [21]


def test_the_list_does_not_wait_for_the_search_index(log: EventLog, catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    with held(monkeypatch, "search") as hold:
        thread, found = in_thread(lambda: catalog.search("word").total)
        assert hold.begun.acquire(timeout=WAIT_S)
        assert catalog.list().total == 20
        hold.go.set()
        thread.join()
    assert found == [20]


def test_a_search_that_does_not_wait_says_how_far_the_index_is(log: EventLog, catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    with held(monkeypatch, "search") as hold:
        page = catalog.search("word", wait=False)
        assert (page.complete, page.indexed, page.sessions, page.items) == (False, 0, 20, [])
        hold.go.set()
        assert catalog.search("word").total == 20
    page = catalog.search("word", wait=False)
    assert (page.complete, page.indexed, page.sessions, page.total) == (True, 20, 20, 20)


def test_what_is_indexed_is_found_while_the_rest_is_being_indexed(log: EventLog, catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    real, some, go = catching_up.fold_sessions, threading.Event(), threading.Event()

    def folds_some_and_waits(log: EventLog, indexes: Sequence[Any], sessions: Any, looking: Any = None) -> int:
        if indexes[0].name != "search":
            return real(log, indexes, sessions, looking)
        every = list(sessions)
        folded = real(log, indexes, every[:7], looking)
        some.set()
        assert go.wait(WAIT_S)
        return folded + real(log, indexes, every[7:], looking)

    monkeypatch.setattr(catching_up, "fold_sessions", folds_some_and_waits)
    catalog.catch_up("search", wait=False)
    assert some.wait(WAIT_S)
    page = catalog.search("word", wait=False)
    assert (page.complete, page.indexed, page.sessions, page.total) == (False, 7, 20, 7)
    go.set()
    assert catalog.search("word").total == 20


def test_closing_ends_a_catch_up_in_the_background_and_the_next_goes_on_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catching_up, "SESSIONS_PER_TRANSACTION", 1)
    with EventLog.open(tmp_path, sync="never") as log:
        fill(log)
        with Catalog.open(log, prices=NO_PRICES) as catalog:
            keeper = catalog._serving._life().keeper("search")
            real = keeping.Keeper._go_on
            folded = threading.Event()

            def go_on(self: keeping.Keeper, sessions: int, total: int, events: int) -> None:
                if events > 6:
                    folded.set()
                    while not self._stopping:
                        time.sleep(0.001)
                real(self, sessions, total, events)

            monkeypatch.setattr(keeping.Keeper, "_go_on", go_on)
            catalog.catch_up("search", wait=False)
            assert folded.wait(WAIT_S)
        assert keeper._thread is None
        monkeypatch.undo()
        with Catalog.open(log, prices=NO_PRICES) as catalog:
            seen: list[int] = []
            catalog._serving.progress = lambda sessions, total, events: seen.append(events)
            assert catalog.search("word").total == 20
            assert 0 < seen[-1] < 40  # not all of them again
            assert list(catalog.check(jobs=1)) == []


def test_closing_does_not_wait_for_another_process_that_builds_the_index(tmp_path: Path) -> None:
    with EventLog.open(tmp_path, sync="never") as log:
        fill(log)
        catalog = Catalog.open(log, prices=NO_PRICES)
        catalog.list()
        with Folder(str(tmp_path / "projections"), Disk()).lock("search", wait=True):
            assert catalog.search("word", wait=False).complete is False
            catalog.close()
        with Catalog.open(log, prices=NO_PRICES) as catalog:
            assert catalog.search("word").total == 20


def test_what_goes_wrong_in_the_background_is_told_to_who_asks(log: EventLog, catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(log: EventLog, indexes: Sequence[Any], progress: Any = None) -> int:
        if indexes[0].name == "search":
            raise OSError(5, "Input/output error")
        return catching_up.catch_up(log, indexes, progress)

    with monkeypatch.context() as patch:
        patch.setattr(keeping, "catch_up", fails)
        with pytest.raises(OSError, match="Input/output"):
            catalog.search("word", wait=False)
    assert catalog.search("word").total == 20


def test_questions_from_many_threads_while_sessions_are_written_and_rebuilt(log: EventLog, catalog: Catalog) -> None:
    failures: list[BaseException] = []
    done = threading.Event()

    def ask() -> None:
        try:
            while not done.is_set():
                total = catalog.list(limit=1).total
                assert catalog.statistics().sessions.total >= total
                assert catalog.search("word", wait=False).sessions >= total
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(20):
        log.session(f"t{number}", create=True).append(SessionStarted(), MessageAdded(role="user", content="word"))
        assert catalog.list(limit=1).total == 21 + number
        if number == 10:
            with suppress(NotADirectoryError):  # where there is no place for files
                catalog.rebuild(jobs=1)
    done.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert catalog.search("word").total == 40
    assert list(catalog.check(jobs=1)) == []
