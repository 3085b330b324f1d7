"""Rebuilding: the same state by any number of processes, a kill that leaves what was there, and a check that finds what is wrong."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from eventlog import EventLog, StoredEvent
from eventlog.errors import InvalidInput
from eventlog.events import MessageAdded, MessageAmended, MessageRetracted, SessionStarted, ToolCalled, ToolReturned, UsageRecorded
from projections import Catalog
from projections.catalog.cost import installed_prices
from projections.catalog.search import Search
from projections.catalog.tally import Tally
from projections.index.building import attach, connect
from projections.index.database import Index
from projections.index.dump import dump
from projections.projection import ProjectionFailed
from projections.view.outline import OutlineProjection


class Lengths:
    """A projection of a program: how many events each session has."""

    name = "lengths"
    version = 1

    def initial(self) -> int:
        return 0

    def fold(self, state: int, stored: StoredEvent) -> int:
        return state + 1


def fill(log: EventLog, count: int = 120) -> None:
    for number in range(count):
        with log.session(f"s{number:03}", create=True) as session:
            session.append(
                SessionStarted(title=f"title {number}", tags=[f"t{number % 3}"]), MessageAdded(role="user", content=f"w{number}")
            )
            session.append(
                MessageAdded(role="assistant", content="before", message_id="m"),
                ToolCalled(name="Bash", call_id="c"),
                ToolReturned(call_id="c", output="x"),
                UsageRecorded(message_id="m", input_tokens=number),
            )
            session.append(MessageAmended(message_id="m", content="after") if number % 2 else MessageRetracted(message_id="m"))


def dumps(path: Path) -> dict[str, list[Any]]:
    found = {}
    for projection in (Tally(installed_prices()), Search(), OutlineProjection(), Lengths()):
        for file in (path / "projections").glob(f"{projection.name}.*.sqlite"):
            connection = connect()
            attach(connection, projection.name, str(file))
            found[projection.name] = list(dump(Index(connection, projection)))
            connection.close()
    return found


@pytest.mark.parametrize(("jobs", "events_per_part"), [(1, 25_000), (2, 25_000), (2, 1), (3, 400)])
def test_rebuilt_by_any_number_of_processes_the_dump_is_that_of_catching_up(
    tmp_path: Path, jobs: int, events_per_part: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("projections.index.rebuild.EVENTS_PER_PART", events_per_part)
    with EventLog.open(tmp_path, sync="never") as log, Catalog.open(log, projections=[Lengths()]) as catalog:
        fill(log, 10)
        assert (catalog.list().total, catalog.search("after").total, len(list(catalog.states("lengths")))) == (10, 5, 10)
        fill(log)
        assert (catalog.list().total, catalog.search("after").total, len(list(catalog.states("lengths")))) == (120, 60, 120)
        catalog.catch_up("outline")
        caught_up = dumps(tmp_path)
        assert sorted(caught_up) == ["catalog", "lengths", "outline", "search"]
        assert catalog.rebuild(jobs=jobs) == ("catalog", "search", "outline", "lengths")
        assert dumps(tmp_path) == caught_up
        assert (catalog.list().total, catalog.search("after").total, catalog.state("lengths", "s001")) == (120, 60, 14)
        log.session("s001").append(MessageAdded(role="user", content="later"))
        assert (catalog.search("later").total, catalog.state("lengths", "s001")) == (1, 15)
        assert list(catalog.check(jobs=jobs)) == []


def test_only_what_is_named_is_rebuilt(tmp_path: Path) -> None:
    with EventLog.open(tmp_path, sync="never") as log, Catalog.open(log) as catalog:
        fill(log, 3)
        catalog.list()
        catalog.search("x")
        before = {file.name for file in (tmp_path / "projections").glob("*.sqlite")}
        assert catalog.rebuild("search", jobs=1) == ("search",)
        after = {file.name for file in (tmp_path / "projections").glob("*.sqlite")}
        assert [name.split(".")[0] for name in before - after] == ["search"]
        with pytest.raises(InvalidInput, match="no projection 'serch'; there are catalog, search, outline"):
            catalog.rebuild("serch")


KILLED = """
import os, signal, sys
from eventlog import EventLog
from projections import Catalog
from projections.index import catch_up
catch_up.EVENTS_PER_TRANSACTION = 50
def progress(sessions, total, events):
    if events > 200:
        os.kill(os.getpid(), signal.SIGKILL)
with EventLog.open(sys.argv[1]) as log, Catalog.open(log) as catalog:
    catalog.rebuild(jobs=int(sys.argv[2]), progress=progress)
"""


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_kill_in_the_middle_leaves_the_old_state_serving(tmp_path: Path, jobs: int) -> None:
    with EventLog.open(tmp_path, sync="never") as log:
        fill(log)
        with Catalog.open(log) as catalog:
            catalog.list()
            catalog.search("x")
            catalog.catch_up("outline")
        before = dumps(tmp_path)
        files = sorted((tmp_path / "projections").glob("*.sqlite"))
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        died = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), str(jobs)], env=environment, check=False)
        assert died.returncode == -signal.SIGKILL
        assert sorted((tmp_path / "projections").glob("*.sqlite")) == files
        assert list((tmp_path / "projections").glob("*.building")) != []
        with Catalog.open(log) as catalog:
            assert (catalog.list().total, catalog.search("after").total) == (120, 60)
            assert dumps(tmp_path) == before
            catalog.rebuild(jobs=2)
            assert dumps(tmp_path) == before
        assert list((tmp_path / "projections").glob("*.building")) == []


def test_a_process_that_dies_fails_the_rebuild_and_nothing_else(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    from projections.index.rebuild import RebuildFailed

    with EventLog.open(tmp_path, sync="never") as log, Catalog.open(log, projections=[Mortal()]) as catalog:
        fill(log, 3)
        assert catalog.list().total == 3
        with pytest.raises(RebuildFailed, match="ended early"):
            catalog.rebuild("mortal", jobs=2)
        assert catalog.list().total == 3


class Mortal(Lengths):
    """Ends the process that folds it, unless it is the one that runs the tests."""

    name = "mortal"

    def fold(self, state: int, stored: StoredEvent) -> int:
        if "pytest" not in sys.modules or "projections.index.worker" in sys.modules["__main__"].__spec__.name:  # type: ignore[union-attr]
            os._exit(3)
        return state


class Failing(Lengths):
    """Prints, and fails at its fourth event."""

    name = "failing"

    def fold(self, state: int, stored: StoredEvent) -> int:
        print("folding")
        if state == 3 and stored.session_id == "s001":
            raise LookupError("no more")
        return state + 1


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_fold_that_fails_fails_the_rebuild_and_says_where(tmp_path: Path, jobs: int) -> None:
    with EventLog.open(tmp_path, sync="never") as log, Catalog.open(log, projections=[Failing()]) as catalog:
        fill(log, 3)
        assert catalog.list().total == 3
        files = sorted((tmp_path / "projections").glob("*.sqlite"))
        with pytest.raises(ProjectionFailed, match=r"'failing' failed at event 4 of session 's001' \(LookupError: no more\)"):
            catalog.rebuild(jobs=jobs)
        assert sorted((tmp_path / "projections").glob("*.sqlite")) == files
        assert (catalog.list().total, catalog.search("after").total) == (3, 1)
        catalog.rebuild("catalog", "search", jobs=jobs)
        assert list(catalog.check("catalog", "search", jobs=1)) == []


@pytest.mark.parametrize(
    ("statement", "table", "stored", "rebuilt"),
    [
        ("UPDATE session SET title = 'tampered' WHERE session_id = 's001'", "session", "tampered", "title 1"),
        ("DELETE FROM tool_call WHERE sid = (SELECT sid FROM checkpoint WHERE session_id = 's001')", "tool_call", None, "Bash"),
        ("INSERT INTO label SELECT sid, 'tag', 'extra' FROM checkpoint WHERE session_id = 's001'", "label", "[1]", None),
        (
            "UPDATE activity SET input_tokens = 99 WHERE sid = (SELECT sid FROM checkpoint WHERE session_id = 's001')",
            "activity",
            "99",
            None,
        ),
    ],
)
def test_a_check_finds_a_row_that_is_not_what_the_log_says(
    tmp_path: Path, statement: str, table: str, stored: str | None, rebuilt: str | None
) -> None:
    with EventLog.open(tmp_path, sync="never") as log, Catalog.open(log) as catalog:
        fill(log, 3)
        catalog.list()
        [file] = (tmp_path / "projections").glob("catalog.*.sqlite")
        connection = sqlite3.connect(file)
        with connection:
            connection.execute(statement)
        connection.close()
        [difference] = catalog.check("catalog", jobs=1)
        assert (difference.projection, difference.table, difference.session_id) == ("catalog", table, "s001")
        assert (difference.stored is None) == (stored is None)
        assert stored is None or stored in str(difference.stored)
        assert rebuilt is None or rebuilt in str(difference.rebuilt)
        catalog.rebuild("catalog", jobs=1)
        assert list(catalog.check("catalog", jobs=1)) == []


def test_a_check_finds_words_that_are_missing_from_the_full_text(tmp_path: Path) -> None:
    with EventLog.open(tmp_path, sync="never") as log, Catalog.open(log) as catalog:
        fill(log, 3)
        assert catalog.search("title").total == 3
        [file] = (tmp_path / "projections").glob("search.*.sqlite")
        connection = sqlite3.connect(file)
        with connection:
            connection.execute(
                "DELETE FROM passage_words_docsize WHERE id = (SELECT id FROM passage JOIN checkpoint USING (sid)"
                " WHERE session_id = 's000' AND passage.seq = 1)"
            )
        connection.close()
        [difference] = catalog.check("search", jobs=1)
        assert (difference.table, difference.session_id, difference.key) == ("passage", "s000", [1, 0])


def test_progress_counts_every_session_once(tmp_path: Path) -> None:
    with EventLog.open(tmp_path, sync="never") as log, Catalog.open(log) as catalog:
        fill(log)
        for jobs in (1, 2):
            told: list[tuple[int, int, int]] = []
            catalog.rebuild("catalog", jobs=jobs, progress=lambda *counts, told=told: told.append(counts))
            assert told[-1] == (120, 120, 840)
            assert told == sorted(told)


def test_in_memory_a_rebuild_folds_everything_again() -> None:
    with EventLog.memory() as log, Catalog.open(log) as catalog:
        fill(log, 3)
        assert catalog.list().total == 3
        catalog.rebuild()
        assert catalog.list().total == 3
        assert list(catalog.check()) == []


def test_a_process_that_cannot_be_started_fails_the_rebuild_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with EventLog.open(tmp_path, sync="never") as log, Catalog.open(log) as catalog:
        fill(log, 3)
        assert catalog.list().total == 3
        with monkeypatch.context() as patch:
            patch.setattr(sys, "executable", str(tmp_path / "nowhere"))
            with pytest.raises(FileNotFoundError):
                catalog.rebuild("catalog", jobs=2)
        assert catalog.list().total == 3
