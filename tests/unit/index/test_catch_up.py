"""Catching up: it costs what changed, and it notices when a session is not the one that was folded."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from eventlog import EventLog, Session, Settings
from eventlog.backend import Lines, OnDamage
from eventlog.events import EventRedacted, MessageAdded, SessionCompacted, SessionStarted
from eventlog.files.backend import FilesBackend
from eventlog.files.layout import shard
from projections import Catalog
from projections.catalog.cost import NO_PRICES
from projections.index import catch_up, read_ahead
from projections.index.read_ahead import ReadAhead


class Watched(EventLog):
    """A log that remembers which sessions were asked for."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.looked_at: list[str] = []

    def session(self, session_id: str, *, create: bool = False, exclusive: bool = False) -> Session:
        self.looked_at.append(session_id)
        return super().session(session_id, create=create, exclusive=exclusive)


def fill(path: Path, count: int = 100) -> None:
    with EventLog.open(path, sync="never") as log:
        for number in range(count):
            log.session(f"s{number:03}", create=True).append(SessionStarted(title=f"t{number}"))


def looked_at(path: Path, ask: Callable[[Catalog], Any]) -> list[str]:
    with Watched.open(path, create=False) as log, Catalog.open(log, prices=NO_PRICES) as catalog:
        assert isinstance(log, Watched)
        ask(catalog)
        return sorted(set(log.looked_at))


def test_opening_a_catalog_looks_only_at_what_changed(tmp_path: Path) -> None:
    fill(tmp_path / "store")
    assert len(looked_at(tmp_path / "store", Catalog.list)) == 100
    assert looked_at(tmp_path / "store", Catalog.list) == []
    with EventLog.open(tmp_path / "store") as log:
        for name in ("s003", "s050", "new"):
            log.session(name, create=True).append(MessageAdded(role="user", content="x"))
    assert looked_at(tmp_path / "store", Catalog.list) == ["new", "s003", "s050"]
    assert looked_at(tmp_path / "store", Catalog.list) == []


OPENED = """
import os, sys
from eventlog import EventLog
from projections import Catalog
from projections.catalog.cost import NO_PRICES
files, sessions = [], os.path.join(sys.argv[1], "sessions")
sys.addaudithook(lambda event, arguments: files.append(arguments[0]) if event in ("open", "os.listdir", "os.scandir") else None)
with EventLog.open(sys.argv[1], create=False) as log, Catalog.open(log, prices=NO_PRICES) as catalog:
    assert catalog.list().total == 1000
segments = {os.path.basename(file) for file in files if isinstance(file, str) and file.startswith(sessions) and file.endswith(".jsonl")}
print(len(segments), sum(isinstance(file, str) and file.startswith(sessions) for file in files) <= 10 * len(segments))
"""


def test_of_a_thousand_sessions_of_which_ten_changed_ten_files_are_opened(tmp_path: Path) -> None:
    path = tmp_path / "store"
    fill(path, 1000)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    opened = []
    for changed in (0, 10, 0):
        with EventLog.open(path, sync="never") as log:
            for number in range(changed):
                log.session(f"s{97 * number:03}").append(MessageAdded(role="user", content="x"))
        found = subprocess.run([sys.executable, "-c", OPENED, str(path)], env=environment, check=True, capture_output=True, text=True)
        opened.append(found.stdout)
    assert opened == ["1000 True\n", "10 True\n", "0 True\n"]


def test_a_session_that_another_program_holds_open_is_looked_at_and_no_other(tmp_path: Path) -> None:
    fill(tmp_path / "store")
    with EventLog.open(tmp_path / "store") as other, other.session("s007") as session:
        session.append(MessageAdded(role="user", content="one"))
        with Watched.open(tmp_path / "store") as log, Catalog.open(log, prices=NO_PRICES) as catalog:
            assert isinstance(log, Watched)
            assert catalog.list(limit=1).items[0].events == 2
            log.looked_at.clear()
            session.append(MessageAdded(role="user", content="two"))
            assert catalog.list(limit=1).items[0].events == 3
            assert set(log.looked_at) == {"s007"}


def test_a_look_at_everything_passes_over_what_is_as_it_was(tmp_path: Path) -> None:
    fill(tmp_path / "store")
    with EventLog.open(tmp_path / "store") as log, Catalog.open(log, prices=NO_PRICES) as catalog:
        catalog.rebuild("catalog", jobs=2)
        log.session("s003").append(MessageAdded(role="user", content="x"))
        assert catalog.list(limit=1).items[0].events == 2
    shutil.rmtree(tmp_path / "store" / "changes")
    assert looked_at(tmp_path / "store", Catalog.list) == ["s003"]
    shutil.rmtree(tmp_path / "store" / "changes")
    assert looked_at(tmp_path / "store", Catalog.list) == []


def test_a_session_that_was_not_folded_to_its_end_is_gone_on_with_by_a_look_at_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Enough(Exception):
        pass

    def stop(sessions: int, total: int, events: int) -> None:
        if events >= 4:
            raise Enough

    fill(tmp_path / "store", 1)
    with EventLog.open(tmp_path / "store") as log:
        with Catalog.open(log, prices=NO_PRICES) as catalog:
            catalog.list()
        for _ in range(9):
            log.session("s000").append(MessageAdded(role="user", content="x"))
        shutil.rmtree(tmp_path / "store" / "changes")
        monkeypatch.setattr(catch_up, "EVENTS_PER_TRANSACTION", 2)
        with Catalog.open(log, prices=NO_PRICES, progress=stop) as catalog, pytest.raises(Enough):
            catalog.list()
        shutil.rmtree(tmp_path / "store" / "changes", ignore_errors=True)
        with Catalog.open(log, prices=NO_PRICES) as catalog:
            assert catalog.list().items[0].events == 10


@pytest.mark.parametrize("folder", ["changes", "projections"])
def test_deleting_what_is_derived_costs_nothing_but_time(tmp_path: Path, folder: str) -> None:
    fill(tmp_path / "store", 5)
    with EventLog.open(tmp_path / "store") as log, Catalog.open(log, prices=NO_PRICES) as catalog:
        before = catalog.list()
        shutil.rmtree(tmp_path / "store" / folder)
        assert catalog.list() == before
        assert (tmp_path / "store" / folder).is_dir()
        log.session("s001").append(MessageAdded(role="user", content="x"))
        shutil.rmtree(tmp_path / "store" / folder, ignore_errors=True)
        assert [(item.session_id, item.events) for item in catalog.list(limit=2).items] == [("s001", 2), ("s004", 1)]


def test_where_no_hints_can_be_left_everything_is_looked_at(tmp_path: Path) -> None:
    fill(tmp_path / "store", 5)
    shutil.rmtree(tmp_path / "store" / "changes")
    (tmp_path / "store" / "changes").write_text("in the way")
    with EventLog.open(tmp_path / "store") as log, Catalog.open(log, prices=NO_PRICES) as catalog:
        assert catalog.list().total == 5
        for name in ("s001", "new"):
            log.session(name, create=True).append(MessageAdded(role="user", content="x"))
            assert catalog.list().items[0].session_id == name
        with EventLog.open(tmp_path / "store") as other:
            other.session("s002").append(MessageAdded(role="user", content="x"))
        assert catalog.list().items[0].session_id == "s002"


def test_a_session_that_was_replaced_is_folded_anew(tmp_path: Path) -> None:
    path = tmp_path / "store"
    fill(path, 3)
    with EventLog.open(path) as log, Catalog.open(log, prices=NO_PRICES) as catalog:
        assert catalog.list(title="t1").total == 1
    segment = path / "sessions" / shard("s001") / "s001.jsonl"
    segment.unlink()
    with EventLog.open(path) as log, Catalog.open(log, prices=NO_PRICES) as catalog:
        log.session("s001", create=True).append(SessionStarted(title="other"), MessageAdded(role="user", content="hello"))
        [item] = catalog.list(title="other").items
        assert (item.session_id, item.events, item.messages) == ("s001", 2, 1)
        assert catalog.list(title="t1").total == 0


def test_a_session_that_is_gone_is_forgotten_at_the_next_full_look(tmp_path: Path) -> None:
    path = tmp_path / "store"
    fill(path, 3)
    with EventLog.open(path) as log, Catalog.open(log, prices=NO_PRICES) as catalog:
        assert catalog.list().total == 3
        (path / "sessions" / shard("s001") / "s001.jsonl").unlink()
        catalog.look_at_everything()
        assert [item.session_id for item in catalog.list().items] == ["s002", "s000"]
        assert catalog.search("t1").total == 0


@pytest.mark.parametrize("event", [EventRedacted(seqs=[1], what="a title"), SessionCompacted(left_out=[(2, 2)])])
def test_an_event_that_tells_of_a_rewrite_has_the_session_folded_from_its_beginning_once(event: Any) -> None:
    with Watched(EventLog.memory()._backend, EventLog.memory().settings) as log, Catalog.open(log, prices=NO_PRICES) as catalog:
        session = log.session("s", create=True)
        session.append(SessionStarted(title="secret"))
        assert catalog.list().items[0].title == "secret"
        held = log._backend._sessions["s"]  # type: ignore[attr-defined]
        held.lines[0] = held.lines[0].replace(b"secret", b"------")
        session.append(event)
        assert catalog.list().items[0].title == "------"
        held.lines[0] = held.lines[0].replace(b"------", b"ignored")
        session.append(MessageAdded(role="user", content="x"))
        assert catalog.list().items[0].title == "------"


def test_a_rewrite_in_a_session_that_takes_many_transactions_does_not_go_on_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catch_up, "EVENTS_PER_TRANSACTION", 2)
    with EventLog.memory() as log, Catalog.open(log, prices=NO_PRICES) as catalog:
        session = log.session("s", create=True)
        for number in range(9):
            session.append(EventRedacted(seqs=[number], what="x") if number % 4 == 3 else MessageAdded(role="user", content="y"))
        assert catalog.list().items[0].events == 9
        session.append(EventRedacted(seqs=[1], what="x"))
        assert catalog.list().items[0].events == 10


def test_what_damage_has_left_is_folded(tmp_path: Path) -> None:
    path = tmp_path / "store"
    with EventLog.open(path) as log:
        session = log.session("s", create=True)
        for word in ("one", "two", "three"):
            session.append(MessageAdded(role="user", content=word))
    segment = path / "sessions" / shard("s") / "s.jsonl"
    segment.write_bytes(segment.read_bytes().replace(b"two", b"tvo"))
    with EventLog.open(path) as log, Catalog.open(log, prices=NO_PRICES) as catalog:
        assert catalog.list().items[0].messages == 2
        log.session("s").append(MessageAdded(role="user", content="four"))
        assert catalog.list().items[0].messages == 3


def test_progress_is_told() -> None:
    with EventLog.memory() as log:
        for number in range(10):
            log.session(f"s{number}", create=True).append(SessionStarted())
        told: list[tuple[int, int, int]] = []
        with Catalog.open(log, progress=lambda *counts: told.append(counts)) as catalog:
            catalog.list()
        assert told[-1] == (10, 10, 10)


def test_a_session_that_one_listing_had_not_is_not_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, 3)
    with EventLog.open(tmp_path) as log, Catalog.open(log, prices=NO_PRICES) as catalog:
        assert catalog.list().total == 3
        stamps = log.stamps
        monkeypatch.setattr(log, "stamps", lambda: (pair for pair in stamps() if pair[0] != "s001"))
        catalog.look_at_everything()
        assert catalog.list().total == 3


# --- what is read ahead --------------------------------------------------------------------------------------------------------


class AskedBackend(FilesBackend):
    """Counts what is asked of it."""

    asked: list[dict[str, int]]

    def read_many(self, after: Mapping[str, int], on_damage: OnDamage) -> Iterator[Lines]:
        self.asked.append(dict(after))
        return super().read_many(after, on_damage)


@contextmanager
def opened_files() -> Iterator[list[str]]:
    """The session files that this thread opens within the block, by name."""
    found: list[str] = []

    def note(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open" and listening and str(arguments[0]).endswith(".jsonl"):
            found.append(Path(str(arguments[0])).name)

    listening = [True]
    sys.addaudithook(note)
    yield found
    listening.clear()


def test_sessions_that_changed_are_asked_for_in_one_request_and_opened_as_often_as_one_reading_does(tmp_path: Path) -> None:
    settings = Settings(store=tmp_path / "store", sync="never")
    backend = AskedBackend.open(settings)
    assert isinstance(backend, AskedBackend)
    backend.asked = []
    with EventLog.open(settings=settings) as other, EventLog(backend, settings) as log, Catalog.open(log) as catalog:
        sessions = [other.start(id=f"s{number}") for number in range(10)]
        assert len(catalog.list().items) == 10
        for session in sessions[:5]:
            session.append(MessageAdded(role="user", content="hi"))
        backend.asked.clear()
        with opened_files() as opened:
            assert sum(item.messages for item in catalog.list().items) == 5
        assert backend.asked == [{f"s{number}": 0 for number in range(10)}]
        with opened_files() as once:
            for session_id in ("s0", "s9"):
                with log.session(session_id) as session:
                    assert [stored.seq for stored in session.read()] == [1, 2][: 2 if session_id == "s0" else 1]
        assert sorted(opened) == sorted(name.replace("s0", f"s{number}") for name in once if "s0" in name for number in range(10))


def test_what_was_read_ahead_of_somebody_else_who_folded_it_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with EventLog.open(tmp_path / "store") as log, Catalog.open(log) as catalog, Catalog.open(log) as second:
        session = log.start(id="s")
        session.append(MessageAdded(role="user", content="1"))
        assert catalog.list().items[0].messages == 1
        session.append(MessageAdded(role="user", content="2"))
        end = ReadAhead.end
        overtaken: list[str] = []

        def overtake(ahead: ReadAhead, session_id: str) -> tuple[int, str] | None:
            if not overtaken:
                overtaken.append(session_id)
                assert second.list().items[0].messages == 2
                session.append(MessageAdded(role="user", content="3"))
            return end(ahead, session_id)

        monkeypatch.setattr(ReadAhead, "end", overtake)
        assert catalog.list().items[0].messages == 3
        assert catalog.list().items[0].messages == 3


@pytest.mark.parametrize("bound", [1, 700, 10_000_000])
def test_more_than_is_read_ahead_is_read_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bound: int) -> None:
    monkeypatch.setattr(read_ahead, "_MOST_BYTES", bound)
    with EventLog.open(tmp_path / "store") as log, Catalog.open(log) as catalog:
        sessions = [log.start(id=f"s{number}") for number in range(5)]
        assert len(catalog.list().items) == 5
        for count in (1, 2):
            for session in sessions:
                session.append(MessageAdded(role="user", content="x" * 100))
            assert [item.messages for item in catalog.list().items] == [count] * 5
