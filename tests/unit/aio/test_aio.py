from __future__ import annotations

import asyncio
import errno
import gc
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from eventlog import EventLog, Settings, aio
from eventlog.errors import Conflict, InvalidEvent, OutcomeUnknown, SessionNotFound
from eventlog.events import MessageAdded, MessageDelta, UnknownEvent
from eventlog.files.backend import FilesBackend
from eventlog.stored import StoredEvent
from eventlog.tail import CaughtUp
from eventlog.testing import CountingDisk, CrashingDisk
from tests.tails import PATIENCE_S, leaving_nothing_open, note

Program = Callable[[aio.EventLog], Awaitable[None]]


@pytest.fixture(autouse=True)
def _nothing_stays_open() -> Iterator[None]:
    with leaving_nothing_open():
        yield


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(store=tmp_path / "store", poll_interval_ms=60_000)


def run(program: Program, log: EventLog) -> None:
    async def main() -> None:
        async with aio.EventLog(log) as wrapped:
            await asyncio.wait_for(program(wrapped), PATIENCE_S)

    asyncio.run(main())


def test_a_session_is_recorded_and_read(settings: Settings) -> None:
    async def main() -> None:
        async with await aio.EventLog.open(settings=settings) as log, await log.start(id="a", title="T") as session:
            assert await session.append(note("1"), note("2")) == 3
            assert await session.last_seq == 3
            assert await session.end() == 4
            assert [stored.seq async for stored in session.read(after=1)] == [2, 3, 4]
            with pytest.raises(SessionNotFound):
                await log.session("nobody")
            again = await log.session("a")
            assert [stored.type async for stored in again.read(types=["session.started"])] == ["session.started"]

    asyncio.run(main())


def test_a_long_session_is_read_whole() -> None:
    async def program(log: aio.EventLog) -> None:
        session = await log.session("a", create=True)
        await session.append(*(note("x" * 10_000) for _ in range(300)))
        assert [stored.seq async for stored in session.read()] == list(range(1, 301))

    run(program, EventLog.memory())


def test_what_many_tasks_append_at_once_shares_a_sync(settings: Settings) -> None:
    disk = CountingDisk()

    async def program(log: aio.EventLog) -> None:
        session = await log.session("a", create=True)
        await session.append(note("first"))
        disk.reset()
        seqs = await asyncio.gather(*(session.append(note(str(number))) for number in range(64)))
        assert seqs == list(range(2, 66))
        assert disk.count("write") == 64
        assert disk.count("sync") == 1

    run(program, EventLog(FilesBackend.open(settings, disk=disk), settings))


def test_no_sync_is_asked_for_where_nobody_asked(settings: Settings) -> None:
    disk = CountingDisk()

    async def program(log: aio.EventLog) -> None:
        session = await log.session("a", create=True)
        await session.append(note())
        disk.reset()
        await session.append(MessageDelta(message_id="m", content="x"))
        await session.append(note(), sync="never")
        assert disk.count("sync") == 0
        await session.sync()
        assert disk.count("sync") == 1

    run(program, EventLog(FilesBackend.open(settings, disk=disk), settings))


@pytest.mark.parametrize("kind", ["files", "memory"])
def test_each_append_gets_its_own_outcome(settings: Settings, kind: str) -> None:
    async def program(log: aio.EventLog) -> None:
        session = await log.session("a", create=True)
        outcomes = await asyncio.gather(
            session.append(note("1")),
            session.append(note("2"), expected=7),
            session.append(UnknownEvent("x", {"bad": {1, 2}, "worse": object()})),
            session.append(),
            session.append(note("3"), id="k"),
            session.append(note("3"), id="k"),
            return_exceptions=True,
        )
        first, conflict, invalid, empty, third, retried = outcomes
        assert (first, third, retried) == (1, 2, 2)
        assert isinstance(conflict, Conflict)
        assert conflict.actual == 1
        assert isinstance(invalid, InvalidEvent)
        assert isinstance(empty, ValueError)

    run(program, EventLog.memory() if kind == "memory" else EventLog.open(settings=settings))


def test_a_sync_that_fails_is_told_to_all_who_waited_for_it(tmp_path: Path) -> None:
    settings = Settings(store=tmp_path / "store")
    disk = CrashingDisk(tmp_path)

    async def program(log: aio.EventLog) -> None:
        session = await log.session("a", create=True)
        await session.append(note("first"))
        disk.fail(at=len(disk.operations), errno=errno.EIO, calls=["sync"])
        outcomes = await asyncio.gather(
            session.append(note("1")), session.append(note("2"), sync="never"), session.append(note("3")), return_exceptions=True
        )
        assert isinstance(outcomes[0], OutcomeUnknown)
        assert outcomes[1] == 3
        assert isinstance(outcomes[2], OutcomeUnknown)

    run(program, EventLog(FilesBackend.open(settings, disk=disk), settings))


def test_an_append_that_is_cancelled_holds_up_nobody() -> None:
    async def program(log: aio.EventLog) -> None:
        session = await log.session("a", create=True)
        cancelled = asyncio.ensure_future(session.append(note("1")))
        await asyncio.sleep(0)
        cancelled.cancel()
        assert await session.append(note("2")) in (1, 2)

    run(program, EventLog.memory())


def test_closing_waits_for_the_appends_on_their_way(settings: Settings) -> None:
    async def main() -> None:
        log = await aio.EventLog.open(settings=settings)
        session = await log.session("a", create=True)
        appends = [asyncio.ensure_future(session.append(note())) for _ in range(10)]
        await asyncio.sleep(0)
        await log.close()
        assert [append.result() for append in appends] == list(range(1, 11))
        with pytest.raises(ValueError, match="closed"):
            await session.append(note())

    asyncio.run(main())


@pytest.mark.parametrize("kind", ["files", "memory"])
def test_a_tail_catches_up_and_goes_on_live(settings: Settings, kind: str) -> None:
    async def program(log: aio.EventLog) -> None:
        session = await log.start(id="a")
        places: list[object] = []
        async with log.tail(marks=True) as tail:
            async for item in tail:
                if isinstance(item, CaughtUp):
                    places.append("caught up")
                    await session.append(note("1"), note("2"))
                else:
                    places.append(item.seq)
                if item == 3 or places[-1] == 3:
                    break
            cursor = tail.cursor
        assert places == [1, "caught up", 2, 3]
        await session.append(note("3"))
        async with log.tail(after=cursor) as tail:
            assert _seq(await anext(tail)) == 4
        async with session.tail("end") as tail:
            assert tail.cursor == "4"

    run(program, EventLog.memory(settings) if kind == "memory" else EventLog.open(settings=settings))


def _seq(item: StoredEvent | CaughtUp) -> int:
    assert isinstance(item, StoredEvent)
    return item.seq


def test_a_tail_is_opened_by_its_first_item_too() -> None:
    async def program(log: aio.EventLog) -> None:
        session = await log.start(id="a")
        tail = session.tail()
        assert tail.cursor == "0"
        async for item in tail:
            assert _seq(item) == 1
            break
        await tail.close()
        await tail.close()
        with pytest.raises(StopAsyncIteration):
            await anext(tail)

    run(program, EventLog.memory())


def test_a_task_that_is_cancelled_while_it_waits_loses_nothing(settings: Settings) -> None:
    async def program(log: aio.EventLog) -> None:
        session = await log.start(id="a")
        async with session.tail("end") as tail:
            for number in range(2, 6):
                with pytest.raises(asyncio.TimeoutError):
                    await asyncio.wait_for(anext(tail), 0.01)
                await session.append(note())
                assert _seq(await anext(tail)) == number

    run(program, EventLog.open(settings=settings))


def test_a_program_that_is_cancelled_in_a_tail_ends(settings: Settings) -> None:
    async def program(log: aio.EventLog) -> None:
        async def watch() -> None:
            async for _ in log.tail():
                pass

        watching = asyncio.ensure_future(watch())
        await log.start(id="a")
        watching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await watching

    run(program, EventLog.open(settings=settings))


def test_a_loop_over_a_tail_that_is_left_lets_go_of_everything(settings: Settings) -> None:
    async def program(log: aio.EventLog) -> None:
        await log.start(id="a")
        with leaving_nothing_open():  # the log stays open
            async for item in log.tail():
                assert _seq(item) == 1
                break
            gc.collect()
            while any(thread.name.startswith("eventlog-aio-tail") for thread in threading.enumerate()):
                await asyncio.sleep(0)

    run(program, EventLog.open(settings=settings))


def test_many_tasks_watch_while_many_append(settings: Settings) -> None:
    async def program(log: aio.EventLog) -> None:
        session = await log.start(id="a")

        async def watch(tail: aio.Tail) -> list[int]:
            seqs: list[int] = []
            async with tail:
                while len(seqs) < 50:
                    seqs.append(_seq(await anext(tail)))
            return seqs

        watching = [asyncio.ensure_future(watch(log.tail() if number % 2 else session.tail())) for number in range(20)]
        await asyncio.gather(*(session.append(note()) for _ in range(49)))
        assert await asyncio.gather(*watching) == [list(range(1, 51))] * 20

    run(program, EventLog.open(settings=settings))


def test_closing_a_tail_ends_the_iteration_of_another_task(settings: Settings) -> None:
    async def program(log: aio.EventLog) -> None:
        await log.start(id="a")
        tail = log.tail()
        seen: list[int] = []

        async def watch() -> None:
            async for item in tail:
                seen.append(_seq(item))  # noqa: PERF401  # each is to be seen as it comes

        watching = asyncio.ensure_future(watch())
        while not seen:
            await asyncio.sleep(0)
        await tail.close()
        await watching
        assert seen == [1]

    run(program, EventLog.open(settings=settings))


def test_a_cursor_that_is_none_is_refused() -> None:
    async def program(log: aio.EventLog) -> None:
        with pytest.raises(ValueError, match="is not a cursor"):
            async with log.tail(after="nonsense"):
                pass
        with pytest.raises(ValueError, match="is not a cursor"):
            await anext(log.tail(after="nonsense"))

    run(program, EventLog.memory())


def test_an_event_is_stamped_when_append_is_called() -> None:
    async def program(log: aio.EventLog) -> None:
        session = await log.session("a", create=True)
        await session.append(MessageAdded(role="user", content="x"), time="2026-11-21T00:44:01Z")
        (stored,) = [stored async for stored in session.read()]
        assert stored.time.isoformat() == "2026-11-21T00:44:01+00:00"

    run(program, EventLog.memory())


def test_what_the_user_and_the_assistant_say_may_be_what_an_sdk_gives() -> None:
    async def chat() -> list[StoredEvent]:
        async with aio.EventLog.memory() as log:
            session = await log.start()
            assert await session.user({"role": "user", "content": "Hi"}) == 2
            body = {"id": "r", "choices": [{"message": {"content": "Hello"}}], "usage": {"prompt_tokens": 1, "completion_tokens": 2}}
            assert await session.assistant(body, id="k") == await session.assistant(body, id="k") == 3
            return [stored async for stored in session.read(after=1)]

    assert [stored.type for stored in asyncio.run(chat())] == ["message.added", "message.added", "usage.recorded"]
