"""What an operation costs in calls and in bytes read: these gate, durations never do (``python -m bench`` reports those)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle, islice
from pathlib import Path
from random import Random
from typing import Any

import pytest

from eventlog import EventLog, Settings
from eventlog.errors import InvalidSessionId
from eventlog.events import MessageAdded
from eventlog.files.backend import FilesBackend
from eventlog.files.disk import Disk
from eventlog.files.layout import Layout
from eventlog.testing import CountingDisk
from projections import Catalog

MESSAGES = [MessageAdded(role="user", content=Random(number).randbytes(200).hex()) for number in range(64)]
MESSAGE = MESSAGES[0]
KIB = 1024

pytestmark = pytest.mark.skipif(not os.path.exists("/proc/self/io"), reason="this system does not count what a process reads")


class Read:
    size = 0


@contextmanager
def counted_reads() -> Iterator[Read]:
    """How many bytes this process has read from files within the block."""
    found = Read()
    before = _read_so_far()
    yield found
    found.size = _read_so_far() - before


def _read_so_far() -> int:
    with open("/proc/self/io", "rb") as file:
        return int(file.readline().split()[1])


@contextmanager
def session_of(folder: Path, events: int, **settings: object) -> Iterator[tuple[EventLog, CountingDisk, int]]:
    """A log with a session ``s`` of so many events, as another process finds it, and how large its lines are."""
    chosen = Settings(store=folder / "store", **settings)  # type: ignore[arg-type]
    with EventLog.open(folder / "store", sync="never", settings=chosen) as log, log.session("s", create=True, exclusive=True) as session:
        for message in islice(cycle(MESSAGES), events):
            session.append(message)
        size = sum(stored.size_bytes for stored in session.read())
        if chosen.segment_size_bytes < size:
            session.end()
    disk = CountingDisk()
    with EventLog(FilesBackend.open(chosen, disk=disk), chosen) as log:
        yield log, disk, size


def test_64_events_in_one_append_are_one_write_and_one_sync(tmp_path: Path) -> None:
    with session_of(tmp_path, 1) as (log, disk, _), log.session("s") as session:
        session.append(MESSAGE)
        disk.reset()
        session.append(*[MESSAGE] * 64)
        assert disk.counts == {"write": 1, "sync": 1}


def test_a_further_append_reads_nothing(tmp_path: Path) -> None:
    with session_of(tmp_path, 100) as (log, _, _), log.session("s") as session:
        session.append(MESSAGE)
        with counted_reads() as read:
            for _ in range(100):
                session.append(MESSAGE, sync="never")
        assert read.size < 4 * KIB


@pytest.mark.parametrize("events", [400, 4_000])
def test_the_first_append_to_a_session_reads_its_end_whatever_its_size(tmp_path: Path, events: int) -> None:
    with session_of(tmp_path, events) as (log, disk, _), log.session("s") as session:
        disk.reset()
        with counted_reads() as read:
            session.append(MESSAGE, sync="never")
        assert read.size < 72 * KIB
        assert disk.count("open") == 3  # the segment, and the hint: its journal and the sign that this process lives


class ListedLayout(Layout):
    listings = 0

    def names(self, session_id: str) -> list[str]:
        self.listings += 1
        return super().names(session_id)

    def sessions_in(self, shard_name: str) -> dict[str, list[str]]:
        self.listings += 1
        return super().sessions_in(shard_name)


@contextmanager
def listed_log(folder: Path, **changes: Any) -> Iterator[tuple[EventLog, ListedLayout]]:
    """A log that counts how often a folder is listed."""
    settings = Settings(store=folder / "store", sync="never", compress_after="0", **changes)
    backend = FilesBackend.open(settings)
    backend.layout = layout = ListedLayout(folder / "store")
    with EventLog(backend, settings) as log:
        yield log, layout


def test_a_session_starts_without_looking_through_the_store(tmp_path: Path) -> None:
    with listed_log(tmp_path) as (log, layout):
        with log.start() as session:
            session.append(MESSAGE)
        log.start(id="given").close()
        log.start(id="Given-In-Mixed-Case").close()
        with log.session("created", create=True) as session:
            session.append(MESSAGE)
        assert layout.listings == 0
        with pytest.raises(InvalidSessionId):
            log.start(id="GIVEN-in-mixed-case")
        assert layout.listings == 1  # only to say which it is


@pytest.mark.parametrize("kept", ["active", "ended", "compressed", "compressed and gone on with"])
def test_a_session_that_is_there_is_touched_without_looking_through_the_store(kept: str, tmp_path: Path) -> None:
    with listed_log(tmp_path) as (log, layout), log.session("s", create=True) as session:
        session.append(*[MESSAGE] * 5)
        if kept != "active":
            session.end()
        if kept.startswith("compressed"):
            log.compact()
        if kept.endswith("gone on with"):
            session.append(MESSAGE)
        layout.listings = 0
        backend = FilesBackend(layout, FilesBackend.open(log.settings).store, log.settings, Disk())
        with EventLog(backend, log.settings) as other, other.session("s") as again:
            first = again.last_seq
            assert [stored.seq for stored in again.read()] == list(range(1, first + 1))
            assert [stored.seq for stored in again.read(after=first - 1)] == [first]
            assert layout.listings == 0
            assert again.append(MESSAGE) == first + 1
            assert [stored.seq for stored in again.read(after=first)] == [first + 1]
            assert layout.listings <= 1  # behind a compressed one the end of that is looked for, once


def test_a_segment_that_is_full_costs_no_listing_to_whoever_goes_on_reading(tmp_path: Path) -> None:
    with listed_log(tmp_path, segment_size_bytes=32 * KIB) as (log, layout), log.session("s", create=True) as session:
        for _ in range(40):
            session.append(*[MESSAGE] * 20)
        layout.listings = 0
        assert len(list(session.read())) == 800
        assert layout.listings == 0


@pytest.mark.parametrize("events", [400, 4_000])
def test_the_position_of_a_session_is_found_at_its_end(tmp_path: Path, events: int) -> None:
    with session_of(tmp_path, events) as (log, disk, _), log.session("s") as session:
        with counted_reads() as read:
            assert session.last_seq == events
        assert read.size < 72 * KIB
        assert disk.counts == {}


def test_reading_a_session_reads_every_byte_once(tmp_path: Path) -> None:
    with session_of(tmp_path, 4_000) as (log, disk, size), log.session("s") as session:
        with counted_reads() as read:
            assert sum(1 for _ in session.read()) == 4_000
        assert size <= read.size < 1.02 * size
        assert disk.counts == {}


def test_one_event_of_an_active_session_is_found_by_halving(tmp_path: Path) -> None:
    with session_of(tmp_path, 8_000) as (log, _, size), log.session("s") as session:
        assert size > 4_000 * KIB
        with counted_reads() as read:
            assert [stored.seq for stored in session.read(after=4_999, before=5_001)] == [5_000]
        assert read.size < 8 * 64 * KIB + 128 * KIB


def test_one_event_of_a_compressed_session_costs_a_table_and_a_frame(tmp_path: Path) -> None:
    with session_of(tmp_path, 4_000, segment_size_bytes=256 * KIB, frame_size_bytes=16 * KIB) as (log, _, _):
        assert log.compact(idle_s=0).compressed > 5
        files = list((tmp_path / "store" / "sessions").rglob("*.zst"))
        assert len(files) > 5
        with counted_reads() as read:
            assert [stored.seq for stored in log.session("s").read(after=1_999, before=2_001)] == [2_000]
        assert read.size < max(file.stat().st_size for file in files) / 2


def test_a_page_of_the_list_reads_no_session(tmp_path: Path) -> None:
    with session_of(tmp_path, 4_000) as (log, _, size), Catalog.open(log) as catalog:
        assert catalog.list().total == 1
        with counted_reads() as read:
            assert catalog.list().total == 1
        assert read.size < 64 * KIB < size


def test_catching_up_with_one_more_event_reads_the_end_of_its_session(tmp_path: Path) -> None:
    with session_of(tmp_path, 8_000) as (log, _, size), Catalog.open(log) as catalog, log.session("s") as session:
        catalog.list()
        session.append(MESSAGE, sync="never")
        with counted_reads() as read:
            assert catalog.list().items[0].events == 8_001
        assert read.size < size / 4
