"""The journal of hints, where what has its name is not what was left there: hints may be lost, nothing hangs, nothing else is touched."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from eventlog import EventLog
from eventlog.events import MessageAdded
from projections import Catalog

NOTE = MessageAdded(role="user", content="x")


def journal(store: Path) -> Path:
    (found,) = (store / "changes").glob("*.journal")
    return found


@pytest.fixture
def store(tmp_path: Path) -> Path:
    with EventLog.open(tmp_path / "store") as log:
        log.session("s", create=True).append(NOTE)
    return tmp_path / "store"


def link_outside(path: Path) -> None:
    (path.parents[2] / "precious").write_text("precious\n")
    path.symlink_to(path.parents[2] / "precious")


SHAPES: list[Callable[[Path], object]] = [
    os.mkfifo,
    Path.mkdir,
    link_outside,
    lambda path: path.symlink_to("nowhere"),
    lambda path: path.symlink_to(path),
]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("suffix", [".journal", ".alive"])
def test_what_is_no_file_costs_hints_and_nothing_else(store: Path, shape: Callable[[Path], object], suffix: str) -> None:
    with EventLog.open(store) as writing, EventLog.open(store) as log:
        session = writing.session("s")
        session.append(NOTE)
        cursor = log.changed_since(None).cursor
        (path,) = (store / "changes").glob(f"*{suffix}")
        path.unlink()
        shape(path)
        session.append(NOTE)
        log.session("t", create=True).append(NOTE)
        changes = log.changed_since(cursor)
        assert changes.full or {"s", "t"} <= set(changes.sessions)
        with Catalog.open(log) as catalog:
            assert {item.session_id: item.events for item in catalog.list().items} == {"s": 3, "t": 1}
    if (store.parent / "precious").exists():
        assert (store.parent / "precious").read_text() == "precious\n"


def test_names_that_are_no_numbers_are_passed_over(store: Path) -> None:
    boot = journal(store).name.split(".")[0]
    (store / "changes" / f"{boot}.\u00b2.journal").write_bytes(b"x")
    with EventLog.open(store) as log:
        log.session("s").append(NOTE)
        assert not log.changed_since(log.changed_since(None).cursor).full


def test_a_store_that_was_moved_aside_and_restored_gets_the_hints_of_who_is_writing(store: Path) -> None:
    """Also of whoever reads on from a cursor of before."""
    with EventLog.open(store) as writing, EventLog.open(store) as log, Catalog.open(log) as catalog:
        session = writing.session("s")
        session.append(NOTE)
        assert [item.events for item in catalog.list().items] == [2]
        store.rename(store.with_name("aside"))
        shutil.copytree(store.with_name("aside"), store)
        before = {path: path.read_bytes() for path in store.with_name("aside").rglob("*") if path.is_file()}
        for number in range(3, 6):
            session.append(NOTE)
            assert [item.events for item in catalog.list().items] == [number]
        assert {path: path.read_bytes() for path in before if "/changes/" in str(path)} == {
            path: data for path, data in before.items() if "/changes/" in str(path)
        }


def test_closing_where_the_store_has_gone_says_nothing(store: Path) -> None:
    with EventLog.open(store) as log:
        log.session("s").append(NOTE)
        shutil.rmtree(store)
