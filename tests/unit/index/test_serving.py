"""What can be wrong with the files of a projection, and that the answer is right all the same."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from eventlog import EventLog
from eventlog.events import MessageAdded, Parent, SessionStarted, SessionUpdated, UsageRecorded
from eventlog.files.disk import Disk
from projections import Catalog
from projections.catalog.cost import NO_PRICES, Tokens
from projections.index import building
from projections.index.folder import Folder


class Prices:
    def __init__(self, version: str, cents: int) -> None:
        self.version = version
        self.cents = cents

    def price(self, model: str | None, provider: str | None, tokens: Tokens, moment: datetime) -> int | None:
        return self.cents * 10_000_000


def fill(path: Path, count: int = 20) -> None:
    with EventLog.open(path, sync="never") as log:
        for number in range(count):
            session = log.session(f"s{number:03}", create=True)
            session.append(SessionStarted(title=f"title {number}"), MessageAdded(role="user", content=f"word{number} " * 40))
            session.append(UsageRecorded(model="m", input_tokens=number))


def files(path: Path, kind: str = "*.sqlite") -> list[Path]:
    return sorted((path / "projections").glob(kind))


def answers(catalog: Catalog) -> tuple[int, int, list[str]]:
    return catalog.list().total, catalog.statistics().usage.input_tokens, [hit.session_id for hit in catalog.search("word7").items]


RIGHT = (20, 190, ["s007"])


def ask(path: Path, disk: Disk | None = None) -> tuple[Any, list[str]]:
    notices: list[str] = []
    with EventLog.open(path) as log, Catalog.open(log, prices=NO_PRICES, notice=notices.append, disk=disk) as catalog:
        return answers(catalog), notices


DAMAGE = {
    "empty": lambda data: b"",
    "cut in the middle": lambda data: data[: len(data) // 2],
    "cut in the first page": lambda data: data[:100],
    "garbage": lambda data: b"garbage " * (len(data) // 8),
    "garbage in the middle": lambda data: data[: len(data) // 2] + os.urandom(8192) + data[len(data) // 2 + 8192 :],
    "zeros at the end": lambda data: data[:-8192] + bytes(8192),
    "another database": lambda data: b"SQLite format 3\x00" + bytes(len(data) - 16),
}


@pytest.mark.parametrize("what", DAMAGE)
@pytest.mark.parametrize("name", ["catalog", "search"])
def test_a_damaged_file_is_noticed_told_and_made_again(tmp_path: Path, what: str, name: str) -> None:
    fill(tmp_path)
    assert ask(tmp_path) == (RIGHT, [])
    [file] = files(tmp_path, f"{name}.*.sqlite")
    file.write_bytes(DAMAGE[what](file.read_bytes()))
    found, notices = ask(tmp_path)
    assert found == RIGHT
    assert len(notices) == 1
    assert notices[0].startswith(f"{file.name} is damaged (")
    assert notices[0].endswith("it is removed and built again from the log")
    assert ask(tmp_path) == (RIGHT, [])


def test_a_file_that_is_damaged_while_it_is_open_is_made_again(tmp_path: Path) -> None:
    fill(tmp_path)
    notices: list[str] = []
    with EventLog.open(tmp_path) as log, Catalog.open(log, prices=NO_PRICES, notice=notices.append) as catalog:
        assert answers(catalog) == RIGHT
        [file] = files(tmp_path, "catalog.*.sqlite")
        log.session("s001").append(MessageAdded(role="user", content="x"))
        with open(file, "r+b") as damaged:
            damaged.write(os.urandom(100))
        with Catalog.open(log, prices=NO_PRICES, notice=notices.append) as other:
            assert answers(other) == RIGHT
        assert answers(catalog) == RIGHT
        assert len(notices) == 1


def test_a_write_ahead_log_that_a_former_file_has_left_is_not_taken_for_the_new_one_s(tmp_path: Path) -> None:
    fill(tmp_path)
    assert ask(tmp_path) == (RIGHT, [])
    [file] = files(tmp_path, "catalog.*.sqlite")
    former = sqlite3.connect(file)
    former.execute("PRAGMA wal_autocheckpoint = 0")
    former.execute("UPDATE session SET title = 'of the former file', input_tokens = 99")
    former.commit()
    left = Path(f"{file}-wal").read_bytes()
    former.close()
    file.unlink()
    Path(f"{file}-wal").write_bytes(left)
    with EventLog.open(tmp_path) as log, Catalog.open(log, prices=NO_PRICES) as catalog:
        assert catalog.list(title="former").total == 0
        assert catalog.list(limit=1).items[0].title == "title 19"


@pytest.mark.parametrize("beside", ["-wal", "-shm", "-journal"])
def test_garbage_beside_a_file_does_not_matter(tmp_path: Path, beside: str) -> None:
    fill(tmp_path)
    assert ask(tmp_path) == (RIGHT, [])
    for file in files(tmp_path):
        Path(f"{file}{beside}").write_bytes(b"garbage" * 10_000)
    assert ask(tmp_path)[0] == RIGHT


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE session SET tags = '{'",
        "UPDATE session SET tags = 'no JSON', title = CAST(x'ff' AS TEXT)",
        "UPDATE session SET title = CAST(x'ff' AS TEXT)",
        "UPDATE checkpoint SET state = x'c1'",
        "UPDATE memory SET value = x'c1'",
        "UPDATE meta SET value = 'garbage' WHERE name = 'cursor'",
        "UPDATE meta SET value = 12 WHERE name = 'cursor'",
        "DROP TABLE label",
    ],
)
def test_content_that_no_fold_has_written_is_made_again(tmp_path: Path, statement: str) -> None:
    with EventLog.open(tmp_path) as log:
        log.start(id="s", title="t").append(MessageAdded(role="assistant", content="x", message_id="m"))
        with Catalog.open(log, prices=NO_PRICES) as catalog:
            catalog.list()
        [file] = files(tmp_path, "catalog.*.sqlite")
        damaging = sqlite3.connect(file)
        damaging.execute(statement)
        damaging.commit()
        damaging.close()
        log.session("s").append(MessageAdded(role="assistant", content="y", message_id="m"))
        with Catalog.open(log, prices=NO_PRICES, notice=lambda text: None) as catalog:
            [item] = catalog.list().items
            assert (item.title, item.tags, item.events, item.messages) == ("t", [], 3, 1)


def test_a_store_may_have_any_path(tmp_path: Path) -> None:
    place = tmp_path / "a b#c?d%20e'f;é"
    fill(place, 3)
    with EventLog.open(place) as log:
        with Catalog.open(log, prices=Prices("v1", 1)) as catalog:
            catalog.rebuild(jobs=1)
            assert (catalog.list().total, catalog.search("word2").total, list(catalog.check(jobs=1))) == (3, 1, [])
        with Folder(str(place / "projections"), Disk()).lock("catalog", wait=True), Catalog.open(log, prices=Prices("v2", 2)) as catalog:
            cost = catalog.statistics().usage.cost
            assert cost is not None
            assert cost.amount == 0.03  # what there is of the old version serves


def test_files_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    fill(tmp_path)
    ask(tmp_path)
    assert {oct(file.stat().st_mode & 0o777) for file in files(tmp_path)} == {"0o600"}
    assert oct((tmp_path / "projections").stat().st_mode & 0o777) == "0o700"


class ReadOnly(Disk):
    """A disk that refuses to write."""

    def open(self, path: str, *, create: bool = False) -> int:
        raise PermissionError(13, "Permission denied", path)

    def make_folder(self, path: str) -> None:
        raise PermissionError(13, "Permission denied", path)


def test_a_store_that_cannot_be_written_is_served_from_memory(tmp_path: Path) -> None:
    fill(tmp_path)
    found, notices = ask(tmp_path, ReadOnly())
    assert found == RIGHT
    assert all(notice.endswith("this answer is made in memory") for notice in notices)
    assert not (tmp_path / "projections").exists()


def test_in_memory_it_catches_up_too(tmp_path: Path) -> None:
    fill(tmp_path)
    (tmp_path / "projections").write_text("in the way")
    with EventLog.open(tmp_path) as log, Catalog.open(log, prices=NO_PRICES, notice=lambda text: None) as catalog:
        assert answers(catalog) == RIGHT
        log.session("new", create=True).append(SessionStarted())
        assert catalog.list().total == 21


def test_another_version_is_built_beside_and_takes_its_place(tmp_path: Path) -> None:
    fill(tmp_path, 3)
    with EventLog.open(tmp_path) as log:
        for version, cents, total in (("v1", 1, 0.03), ("v2", 2, 0.06), ("v1", 1, 0.03), ("v3", 3, 0.09)):
            with Catalog.open(log, prices=Prices(version, cents)) as catalog:
                cost = catalog.statistics().usage.cost
                assert cost is not None
                assert cost.amount == total
        assert len(files(tmp_path, "catalog.*.sqlite")) == 2  # the one in use and the one before it


def test_the_old_state_serves_while_another_builds_the_new_one(tmp_path: Path) -> None:
    fill(tmp_path, 3)
    with EventLog.open(tmp_path) as log:
        with Catalog.open(log, prices=Prices("v1", 1)) as catalog:
            catalog.list()
        with Folder(str(tmp_path / "projections"), Disk()).lock("catalog", wait=True), Catalog.open(log, prices=Prices("v2", 2)) as catalog:
            cost = catalog.statistics().usage.cost
            assert cost is not None
            assert cost.amount == 0.03
            new = cost
        with Catalog.open(log, prices=Prices("v2", 2)) as catalog:
            new = catalog.statistics().usage.cost
            assert new is not None
            assert new.amount == 0.06


def test_what_a_killed_build_left_is_cleared_away(tmp_path: Path) -> None:
    fill(tmp_path)
    (tmp_path / "projections").mkdir()
    for name in ("catalog.0a.building", "catalog.0a.building-journal", "catalog.0a-1.building", "search.0a.building"):
        (tmp_path / "projections" / name).write_bytes(b"half of it")
    assert ask(tmp_path) == (RIGHT, [])
    assert files(tmp_path, "*building*") == []


def test_threads_share_a_catalog_and_catalogs_share_a_store(tmp_path: Path) -> None:
    fill(tmp_path)
    found: list[Any] = []
    with EventLog.open(tmp_path) as log, Catalog.open(log, prices=NO_PRICES) as shared:

        def work(own: bool) -> None:
            if own:
                with Catalog.open(log, prices=NO_PRICES) as catalog:
                    found.append(answers(catalog))
            else:
                found.append(answers(shared))

        threads = [threading.Thread(target=work, args=(number % 2 == 0,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == [RIGHT] * 6


CATCH_UP = """
import sys
from eventlog import EventLog
from projections import Catalog
from projections.catalog.cost import NO_PRICES
with EventLog.open(sys.argv[1]) as log, Catalog.open(log, prices=NO_PRICES) as catalog:
    for line in sys.stdin:
        page = catalog.list(limit=10_000)
        print(page.total, sum(item.events for item in page.items), catalog.statistics().usage.input_tokens, flush=True)
"""


def test_several_processes_catch_up_at_once(tmp_path: Path) -> None:
    fill(tmp_path)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", CATCH_UP, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        for _ in range(3)
    ]
    try:
        with EventLog.open(tmp_path) as log:
            for turn in range(4):
                for process in processes:
                    assert process.stdin is not None
                    process.stdin.write("go\n")
                    process.stdin.flush()
                for process in processes:
                    assert process.stdout is not None
                    assert process.stdout.readline() == f"20 {60 + 20 * turn} {190 + 20 * turn}\n"
                for session_id in list(log.session_ids()):
                    log.session(session_id).append(UsageRecorded(input_tokens=1))
    finally:
        for process in processes:
            process.communicate()
    assert [process.returncode for process in processes] == [0, 0, 0]


def test_where_another_process_writes_for_too_long_the_answer_is_what_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path)
    assert ask(tmp_path) == (RIGHT, [])
    monkeypatch.setattr(building, "BUSY_TIMEOUT_S", 0.01)
    [file] = files(tmp_path, "catalog.*.sqlite")
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    notices: list[str] = []
    with EventLog.open(tmp_path) as log, Catalog.open(log, prices=NO_PRICES, notice=notices.append) as catalog:
        log.session("new", create=True).append(SessionStarted())
        assert catalog.list().total == 20
        assert notices == ["another process has been writing the projections for too long; this answer may lack the latest events"]
        other.execute("COMMIT")
        other.close()
        assert catalog.list().total == 21
        assert len(notices) == 1


def test_where_a_program_keeps_everybody_out_the_answer_is_made_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path)
    assert ask(tmp_path) == (RIGHT, [])
    monkeypatch.setattr(building, "BUSY_TIMEOUT_S", 0.01)
    before = files(tmp_path)
    others = [sqlite3.connect(file, isolation_level=None) for file in before]
    for other in others:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
    found, notices = ask(tmp_path)
    assert found == RIGHT
    for name, notice in zip(("catalog", "search"), notices, strict=True):
        assert notice.startswith(f"the projection {name} cannot be written (")
        assert notice.endswith("); this answer is made in memory")
    for other in others:
        other.close()
    assert files(tmp_path) == before  # nothing was taken for damaged
    assert ask(tmp_path) == (RIGHT, [])


def connections(catalog: Catalog) -> set[int]:
    """Those that this process asks through."""
    found: set[int] = set()

    def note(connection: sqlite3.Connection) -> None:
        found.add(id(connection))

    for names in (("catalog",), ("catalog", "search")):
        catalog._serving.ask(names, note)
    return found


def test_a_child_process_has_a_connection_of_its_own(tmp_path: Path) -> None:
    fill(tmp_path)
    with EventLog.open(tmp_path) as log, Catalog.open(log, prices=NO_PRICES) as catalog:
        assert answers(catalog) == RIGHT
        parent_s = connections(catalog)
        child = os.fork()
        if child == 0:
            os._exit(0 if answers(catalog) == RIGHT and not parent_s & connections(catalog) else 1)
        assert os.waitpid(child, 0)[1] == 0
        log.session("new", create=True).append(SessionStarted(), time=datetime.now(timezone.utc))
        assert catalog.list().total == 21


@pytest.mark.parametrize("number", [2**64, -(2**63) - 1, 2**70])
def test_numbers_beyond_64_bits_are_kept_like_others(number: int) -> None:
    """JSON may hold them, so an append takes them; one such event would otherwise keep the index of the whole store from going on."""
    with EventLog.memory() as log:
        log.start(id="s1", title="first", metadata={"n": number}, parent=Parent(session_id="s0", seq=number))
        log.session("s1").append(SessionUpdated(metadata={"n": [number], "other": 1}), MessageAdded(role="user", content="words"))
        with Catalog.open(log) as catalog:
            [item] = catalog.list(metadata={"other": 1}).items
            assert (item.title, item.parent) == ("first", Parent(session_id="s0", seq=number))
            log.session("s1").append(SessionUpdated(title="second", metadata={"n": None}))
            assert [item.title for item in catalog.list().items] == ["second"]
            assert catalog.search("words").total == 1
            assert list(catalog.check(jobs=1)) == []
