from __future__ import annotations

import os
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventlog import EventLog, ids
from eventlog.errors import InvalidSessionId
from eventlog.ids import in_id_order, new_session_id
from tests.tails import leaving_nothing_open

SESSION_IDS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True)


@given(st.dictionaries(SESSION_IDS, st.text()), st.integers(1, 5))
def test_sessions_come_in_the_order_of_their_ids_however_many_are_held(stamps: dict[str, str], held: int) -> None:
    by_shard = sorted(stamps.items(), key=lambda pair: ids.order(pair[0]))
    assert list(in_id_order(by_shard, held)) == sorted(stamps.items())


def test_what_is_not_held_lies_in_files_that_go_with_the_iterator() -> None:
    with leaving_nothing_open():
        pairs = in_id_order(((str(number), "") for number in range(100)), held=10)
        assert next(pairs) == ("0", "")
        pairs.close()  # type: ignore[attr-defined]

        def failing() -> Iterator[tuple[str, str]]:
            yield from ((str(number), "") for number in range(50))
            raise OSError("the disk")

        with pytest.raises(OSError, match="the disk"):
            next(in_id_order(failing(), held=10))


def test_memory_does_not_grow_with_the_number_of_sessions() -> None:
    def peak(count: int) -> int:
        tracemalloc.start()
        assert (
            sum(1 for _ in in_id_order(((f"{number * 7919 % count:036}", "0123456789abcdef") for number in range(count)), held=1000))
            == count
        )
        reached = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return reached

    peak(100)
    held = peak(1000)
    assert peak(40_000) < 4 * held, "forty times as many: their files' buffers, and no more"


def test_generated_ids_are_told_in_the_order_of_their_creation_and_one_can_go_on_behind_any() -> None:
    with EventLog.memory() as log:
        made = sorted(log.start(id=new_session_id()).id for _ in range(20))
        log.delete(made[3])
        assert [session_id for session_id, _ in log.sessions()] == made
        for index, session_id in enumerate(made):
            assert [found for found, _ in log.sessions(session_id)] == made[index + 1 :]


def test_a_store_is_looked_through_once_for_all_sessions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with EventLog.open(tmp_path) as log:
        for number in range(300):
            log.start(id=f"s{number}")
        looked: list[str] = []
        real = os.scandir
        monkeypatch.setattr(os, "scandir", lambda path: (looked.append(str(path)), real(path))[1])
        assert len(list(log.sessions())) == 300
        assert len(looked) == len(set(looked)) == 256


@pytest.mark.parametrize("bad", ["", "\0", "../x", "a/b", ".hidden", "x" * 300, "\ud800"])
@pytest.mark.parametrize("method", ["verify", "repair", "compact", "bundle", "restore_backup", "delete", "purge", "fork"])
def test_whatever_takes_an_id_refuses_what_is_none(tmp_path: Path, bad: str, method: str) -> None:
    with EventLog.open(tmp_path / "store") as log:
        log.start(id="ok")
        log.backup(tmp_path / "backup")
        calls: dict[str, Callable[[], object]] = {
            "bundle": lambda: log.bundle([bad], tmp_path / "bundle"),
            "restore_backup": lambda: log.restore_backup(tmp_path / "backup", session_ids=[bad]),
            **{name: lambda name=name: getattr(log, name)([bad]) for name in ("verify", "repair", "compact")},  # type: ignore[misc]
            **{name: lambda name=name: getattr(log, name)(bad) for name in ("delete", "purge", "fork")},  # type: ignore[misc]
        }
        with pytest.raises(InvalidSessionId):
            calls[method]()
