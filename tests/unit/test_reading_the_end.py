"""`Session.read(last=)`, `has_news`, `append_new` and `append(timeout_s=0)`."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventlog import EventLog, Settings
from eventlog.errors import Damaged, SessionLocked
from eventlog.events import ContextUpdated, MessageAdded
from eventlog.session import draft

SMALL = Settings(segment_size_bytes=1_500, sync="never", compress_after="0", lock_timeout_s=5)
WHEN = "2026-11-30T00:00:00Z"


def note(text: str) -> MessageAdded:
    return MessageAdded(role="user", content=text)


@pytest.fixture(params=["files", "memory"])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[EventLog]:
    with EventLog.memory(SMALL) if request.param == "memory" else EventLog.open(tmp_path / "store", settings=SMALL) as opened:
        yield opened


@pytest.mark.parametrize("last", [0, 1, 2, 7, 60, 1_000])
@pytest.mark.parametrize("types", [None, ["context.updated"], ["message.added"], ["nothing.such"]])
def test_the_last_of_what_is_asked_for_come_in_the_order_of_seq(log: EventLog, last: int, types: list[str] | None) -> None:
    session = log.session("s", create=True)
    for number in range(60):
        session.append(ContextUpdated(intent="x") if number % 17 == 3 else note(f"{number} " * 10))
    everything = [stored.seq for stored in session.read(types=types)]
    assert [stored.seq for stored in session.read(types=types, last=last)] == everything[len(everything) - min(last, len(everything)) :]
    within = [seq for seq in everything if 5 < seq < 31]
    assert [stored.seq for stored in session.read(5, 31, types, last=last)] == within[len(within) - min(last, len(within)) :]


def test_damage_before_the_last_is_not_looked_at_and_damage_among_them_is_told(tmp_path: Path) -> None:
    with (
        EventLog.open(tmp_path / "store", settings=SMALL.replace(segment_size_bytes=1 << 20)) as log,
        log.session("s", create=True) as session,
    ):
        session.append(note("x"))
        for number in range(30):
            session.append(note(f"number-{number:02}"))
        path = next((tmp_path / "store").rglob("s.jsonl"))
        path.write_bytes(path.read_bytes().replace(b"number-10", b"damage-10"))
        assert [stored.seq for stored in session.read(last=10)] == list(range(22, 32))
        with pytest.raises(Damaged):
            list(session.read(last=25))
        assert [stored.seq for stored in session.read(last=25, on_damage="skip")] == [*range(6, 12), *range(13, 32)]


def test_news_are_what_came_behind_a_position_whoever_wrote_it(log: EventLog, tmp_path: Path) -> None:
    session = log.session("s", create=True)
    assert not session.has_news(0)
    for seq in range(1, 40):
        session.append(note("x" * 100))
        assert session.has_news(seq - 1)
        assert not session.has_news(seq)
    if log.path is not None:
        with EventLog.open(log.path, settings=SMALL) as other:
            other.session("s").append(note("x"))
        assert session.has_news(39)
        log.compact()
        assert session.has_news(39)
        assert not session.has_news(40)


# --- each once -------------------------------------------------------------------------------------------------------------------


@given(st.lists(st.lists(st.integers(0, 12), min_size=1, max_size=6), max_size=12), st.lists(st.integers(0, 2), min_size=13, max_size=13))
def test_each_key_is_stored_once_with_what_belongs_to_it_whatever_batches_it_comes_in(
    batches: list[list[int]], followers: list[int]
) -> None:
    with EventLog.memory(SMALL) as log, log.session("s", create=True) as session:
        place: dict[tuple[int, int], int] = {}
        for batch in batches:
            before = session.last_seq
            group = [(key, index) for key in batch for index in range(followers[key] + 1)]
            seqs = session.append_new([draft(note("x"), time=WHEN, id=None if index else f"k{key}") for key, index in group])
            for each, seq in zip(group, seqs, strict=True):
                assert place.setdefault(each, seq) == seq
            assert sorted(seq for seq in set(seqs) if seq > before) == list(range(before + 1, session.last_seq + 1))
        assert sorted(place.values()) == [stored.seq for stored in session.read()]


def store_batches(path: str, first: int) -> None:
    with EventLog.open(path, settings=SMALL) as log, log.session("s", create=True) as session:
        for number in range(150):
            session.append_new([draft(note(f"event {key}"), time=WHEN, id=f"k{key}") for key in range(number, number + 4)])


def test_two_processes_with_the_same_overlapping_batches_store_each_event_once(tmp_path: Path) -> None:
    path = str(tmp_path / "store")
    EventLog.open(path).close()
    processes = [multiprocessing.get_context("spawn").Process(target=store_batches, args=(path, first)) for first in (0, 1)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(100)
        assert process.exitcode == 0
    with EventLog.open(path, settings=SMALL) as log:
        session = log.session("s")
        assert [stored.id for stored in session.read()] == [f"k{key}" for key in range(153)]
        assert len(list(Path(path).rglob("s+*"))) >= 5  # segments that were finished meanwhile
        log.compact()
    with EventLog.open(path, settings=SMALL) as log:
        session = log.session("s")
        assert session.append_new([draft(note(f"event {key}"), time=WHEN, id=f"k{key}") for key in range(4)]) == [1, 2, 3, 4]
        assert session.append(note("event 7"), id="k7") == 8
        assert session.last_seq == 153


def test_a_key_counts_after_a_redaction_a_repair_and_dropped_deltas(tmp_path: Path) -> None:
    with EventLog.open(tmp_path / "store", settings=SMALL) as log, log.session("s", create=True) as session:
        for number in range(40):
            session.append(note(f"event {number} secret"), id=f"k{number}")
        log.redact("s", pattern="secret")
        files = sorted((tmp_path / "store").rglob("s[+.]*"))
        with files[1].open("r+b") as file:
            file.seek(100)
            file.write(b"?")
        log.repair(apply=True)
    with EventLog.open(tmp_path / "store", settings=SMALL) as log, log.session("s") as session:
        kept = {stored.id: stored.seq for stored in session.read() if stored.id}
        assert len(kept) >= 20
        assert {key: session.append(note("again"), id=key) for key in kept} == kept


def test_what_cannot_have_the_lock_at_once_says_so(tmp_path: Path) -> None:
    with EventLog.open(tmp_path / "store", settings=SMALL) as log, log.session("s", create=True, exclusive=True) as holder:
        holder.append(note("x"))
        with EventLog.open(tmp_path / "store", settings=SMALL) as other, pytest.raises(SessionLocked) as caught:
            other.session("s").append(note("y"), timeout_s=0)
        assert caught.value.waited_s == 0
