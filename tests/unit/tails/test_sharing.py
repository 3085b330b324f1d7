"""What many tails of a log cost together, and that each still gets every event once, in order, whoever read it."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from eventlog import EventLog, Settings, aio
from eventlog.errors import Damaged
from eventlog.files.layout import Layout, last_name
from eventlog.stored import StoredEvent
from eventlog.tails import sharing
from eventlog.tails.sharing import Head, Tails
from tests.tails import PATIENCE_S, leaving_nothing_open, note, places, rest, take

READING = {"open", "pread", "preadv", "decode_lines"}


@pytest.fixture(autouse=True)
def _nothing_stays_open() -> Iterator[None]:
    with leaving_nothing_open():
        yield


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(store=tmp_path / "store", sync="never", poll_interval_ms=60_000)


@pytest.fixture
def log(settings: Settings) -> Iterator[EventLog]:
    with EventLog.open(settings=settings) as log:
        yield log


@contextmanager
def counted() -> Iterator[Counter[str]]:
    """How often this thread opens, reads and decodes within the block."""
    counts: Counter[str] = Counter()

    def count(frame: FrameType, kind: str, function: Any) -> None:
        if kind == "c_call" and function.__name__ in READING:
            counts[function.__name__] += 1

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        yield counts
    finally:
        sys.setprofile(before)


@pytest.mark.parametrize("session_id", ["a", None])
def test_what_an_event_costs_to_read_does_not_grow_with_the_number_of_tails(log: EventLog, session_id: str | None) -> None:
    session = log.start(id="a")
    found = []
    for count in (1, 8):
        tails = [log.tail(session_id, after="end") for _ in range(count)]
        for tail in tails:
            assert not tail.wait(0)
        for _ in range(3):  # the first may be the first of the session that the head reads
            session.append(note())
            with counted() as counts:
                given = [take(tail, 1) for tail in tails]
                assert not any(tail.wait(0) for tail in tails)
        assert len({id(items[0]) for items in given}) == 1
        found.append(counts)
        for tail in tails:
            tail.close()
    assert found[0] == found[1]
    assert found[0]["decode_lines"] == 1


@pytest.mark.parametrize("session_id", ["a", None])
def test_many_async_tails_have_no_thread_and_no_descriptors_of_their_own(settings: Settings, session_id: str | None) -> None:
    async def cost(log: aio.EventLog, count: int) -> tuple[int, int, int]:
        async with log.session("a") as session:
            tails = [log.tail(session_id, after="end") for _ in range(count)]
            await asyncio.gather(*(tail.__aenter__() for tail in tails))
            waiting = [asyncio.create_task(anext(tail)) for tail in tails]
            for _ in range(10):
                await asyncio.sleep(0)
            threads = sum(not thread.name.startswith("eventlog-aio_") for thread in threading.enumerate())  # but the log's
            descriptors = len(os.listdir("/dev/fd"))
            decoded = Counter[str]()
            decode = sharing.stored.decode
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(sharing.stored, "decode", lambda lines: (decoded.update(["decoded"]), decode(lines))[1])
                seq = await session.append(note())
                items = await asyncio.gather(*waiting)
            assert {item.seq for item in items if isinstance(item, StoredEvent)} == {seq}
            for tail in tails:
                await tail.close()
            return threads, descriptors, decoded["decoded"]

    async def main() -> None:
        async with aio.EventLog.open(settings=settings) as log:
            await (await log.start(id="a")).append(note())
            await asyncio.gather(*(log.start() for _ in range(32)))  # so that the log's threads are there
            many, one = await cost(log, 64), await cost(log, 1)
            assert many[0] <= one[0] + 1
            assert many[1] <= one[1] + 3
            assert many[2] == one[2] == 1

    asyncio.run(asyncio.wait_for(main(), PATIENCE_S))


@pytest.mark.parametrize("session_id", ["a", None])
def test_a_wait_that_is_cancelled_again_and_again_loses_nothing(settings: Settings, session_id: str | None) -> None:
    async def main() -> None:
        async with aio.EventLog.open(settings=settings) as log, log.start(id="a") as session, log.tail(session_id) as tail:
            seen: list[int] = []

            async def watch() -> None:
                while len(seen) < 200:
                    waiting = asyncio.ensure_future(anext(tail))
                    for _ in range(len(seen) % 7):
                        await asyncio.sleep(0)
                    if len(seen) % 3:
                        waiting.cancel()
                    try:
                        item = await waiting
                    except asyncio.CancelledError:
                        item = await anext(tail)
                    assert isinstance(item, StoredEvent)
                    seen.append(item.seq)

            watching = asyncio.create_task(watch())
            for _ in range(199):
                await session.append(note())
            await watching
            assert seen == list(range(1, 201))

    asyncio.run(asyncio.wait_for(main(), PATIENCE_S))


@pytest.mark.parametrize("session_id", ["a", None])
@pytest.mark.parametrize("bound", ["_MOST_STEPS", "_MOST_BYTES", "_KEPT_S"])
def test_a_tail_that_is_slow_costs_no_memory_and_finds_on_disk_what_it_did_not_come_for(
    log: EventLog, session_id: str | None, bound: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sharing, bound, 0)
    session = log.start(id="a")
    with log.tail(session_id, after="end") as fast, log.tail(session_id, after="end") as slow:
        assert not fast.wait(0)
        assert not slow.wait(0)
        for seq in range(2, 50):
            session.append(note())
            assert places(take(fast, 1)) == [("a", seq)]
            assert not fast.wait(0)
            assert fast.head is not None
            assert len(fast.head._steps) <= 1
        assert places(rest(slow)) == [("a", seq) for seq in range(2, 50)]
        assert slow.head is fast.head


def test_what_was_taken_out_is_not_given_out_from_what_was_read_before(log: EventLog, monkeypatch: pytest.MonkeyPatch) -> None:
    session = log.start(id="a")
    with session.tail(after="end") as fast, session.tail(after="end") as slow:
        assert [fast.wait(0), slow.wait(0)] == [False, False]
        session.append(note("the secret"))
        assert "secret" in str(take(fast, 1))
        log.redact("a", pattern="secret")
        monkeypatch.setattr(sharing, "_KEPT_S", 0)  # a second later
        assert "secret" not in str(rest(slow))


def test_who_begins_with_what_one_tail_has_read_gets_what_others_read_on_with_it_meanwhile(
    log: EventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = log.start(id="a")
    lead = Tails.lead

    def outrun(tails: Tails, *arguments: Any) -> Head | None:
        head = lead(tails, *arguments)
        assert head is not None
        session.append(note())
        head.hint(None)
        while head.go_on(head.number):
            pass
        return head

    monkeypatch.setattr(Tails, "lead", outrun)
    with log.tail() as tail:
        assert places(take(tail, 2)) == [("a", 1), ("a", 2)]


@pytest.mark.parametrize("asks", ["before it joins", "after it has joined"])
def test_a_session_that_was_closed_while_a_tail_joins_comes_once(log: EventLog, settings: Settings, asks: str) -> None:
    """The head asks who has written, then somebody writes and is done, then the one who joins asks and reads it, then the head does."""
    log.start(id="b").close()
    at_its_end = Head.at_its_end

    def write() -> None:
        with EventLog.open(settings=settings) as other:
            other.session("b").append(note())

    def overtaken(head: Head) -> Any:
        found = at_its_end(head)
        head.hint(None)
        while asks == "before it joins" and head.go_on(head.number):
            pass
        write()
        return found

    with log.tail(after="end") as first:
        assert not first.wait(0)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Head, "at_its_end", overtaken)
            with log.tail() as second:
                given = take(second, 2)
                assert not second.wait(0)
                assert second.head is first.head
                assert places(take(first, 1)) == [("b", 2)]
                write()
                assert places(take(first, 1)) == [("b", 3)]
                assert places(given + rest(second)) == [("b", 1), ("b", 2), ("b", 3)]


@pytest.mark.parametrize("session_id", ["a", None])
def test_damage_is_told_to_every_tail_that_comes_to_it(log: EventLog, settings: Settings, session_id: str | None) -> None:
    session = log.start(id="a")
    tails = [log.tail(session_id) for _ in range(3)]
    for tail in tails:
        take(tail, 1)
    session.append(note())
    with open(Layout(settings.store).path(last_name("a", 1)), "ab") as file:
        file.write(b"this is no event\n" * 50)
    for tail in tails:
        assert places(take(tail, 1)) == [("a", 2)]
        for _ in range(2):
            with pytest.raises(Damaged):
                rest(tail)
        assert tail.head is None
        tail.close()


def test_a_head_ends_with_the_last_tail_that_follows_it(log: EventLog) -> None:
    session = log.start(id="a")
    for _ in range(2):
        with leaving_nothing_open(), session.tail(after="end") as one, session.tail(after="end") as two:
            assert [one.wait(0), two.wait(0)] == [False, False]
            assert one.head is two.head is not None
            one.close()
            session.append(note())
            assert places(take(two, 1)) == [("a", session.last_seq)]
            assert not two.wait(0)
            assert two.head is not None
