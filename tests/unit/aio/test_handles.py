from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from eventlog import Settings, aio
from eventlog.aio.work import opened
from eventlog.errors import Damaged, InvalidCursor, SessionLocked, SessionNotFound, Unsupported
from eventlog.events import MessageAdded, SessionResumed
from eventlog.session import draft
from eventlog.stored import StoredEvent
from tests.tails import PATIENCE_S, leaving_nothing_open, note


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(store=tmp_path / "store", poll_interval_ms=60_000)


def run(program: Callable[[aio.EventLog], Awaitable[None]], settings: Settings | None = None) -> list[dict[str, Any]]:
    """What the event loop was told of errors that nobody took."""
    told: list[dict[str, Any]] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context))
        log = aio.EventLog.memory() if settings is None else await aio.EventLog.open(settings=settings)
        async with log:
            await asyncio.wait_for(program(log), PATIENCE_S)
        gc.collect()

    with leaving_nothing_open():
        asyncio.run(main())
        gc.collect()
    return told


# --- handles on their way ------------------------------------------------------------------------------------------------------


def test_what_opens_a_handle_is_entered_or_awaited(settings: Settings) -> None:
    async def main() -> None:
        async with aio.EventLog.open(settings=settings) as log, log.start(id="a", title="T") as session:
            assert (session.id, session.closed, log.closed, log.path) == ("a", False, False, str(settings.store))
            assert await session.append(note("1")) == 2
            async with log.session("a") as again, log.fork("a", 1, id="f") as fork, log.merge(["a", "f"]) as merged:
                assert (await again.last_seq, await fork.last_seq) == (2, 1)
                assert [stored.event.content async for stored in merged.read(types=["message.added"])] == ["1"]
            assert again.closed
            other = await log.session("a")
            await other.close()
            assert repr(other) == "<aio.Session a closed>"
        assert log.closed
        assert repr(log) == f"<aio.EventLog {settings.store} closed>"

    asyncio.run(main())


def test_whatever_takes_a_coroutine_takes_a_handle_on_its_way(settings: Settings) -> None:
    with asyncio.Runner() as runner:
        log = runner.run(aio.EventLog.open(settings=settings))

        async def program() -> None:
            session, other = await asyncio.gather(log.start(id="a"), asyncio.create_task(log.session("b", create=True)))
            assert (session.id, other.id) == ("a", "b")
            with pytest.raises(SessionNotFound):
                await asyncio.wait_for(log.session("nobody"), PATIENCE_S)
            with pytest.raises(SessionNotFound):
                async with log.session("nobody"):
                    pass

        runner.run(program())
        runner.run(log.close())


def test_a_handle_that_comes_after_nobody_waits_for_it_is_closed() -> None:
    class Handle:
        closed = False

        def close(self) -> None:
            self.closed = True

    async def main() -> None:
        handle, may_open = Handle(), threading.Event()

        def make() -> Handle:
            may_open.wait(PATIENCE_S)
            return handle

        opening = asyncio.ensure_future(opened(None, make))
        await asyncio.sleep(0)
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        may_open.set()
        while not handle.closed:
            await asyncio.sleep(0)

    asyncio.run(asyncio.wait_for(main(), PATIENCE_S))


def test_a_lock_that_nobody_waits_for_any_more_is_given_up(settings: Settings) -> None:
    async def program(log: aio.EventLog) -> None:
        holder = await log.session("a", create=True, exclusive=True)
        await holder.append(note("0"))
        waiting = asyncio.create_task(log.session("a", exclusive=True))
        await asyncio.sleep(0.01)  # so that its thread is at it; held up or not, the outcome is the same
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await holder.append(note("1"))
        await holder.close()
        async with log.session("a", exclusive=True) as session:
            assert await session.append(note("2")) == 3

    assert run(program, settings) == []


def test_a_position_is_asked_for_each_time_it_is_awaited() -> None:
    async def program(log: aio.EventLog) -> None:
        session = await log.start(id="a")
        position = session.last_seq
        assert await position == 1
        await session.append(note())
        assert (await position, await session.last_seq) == (2, 2)

    assert run(program) == []


# --- order ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["files", "memory"])
def test_what_a_handle_does_is_done_in_the_order_of_the_calls(settings: Settings, kind: str) -> None:
    async def program(log: aio.EventLog) -> None:
        session = await log.start(id="a")
        calls = [asyncio.ensure_future(call) for call in (session.append(note("1")), session.end(), session.resume("again"))]
        calls.append(asyncio.ensure_future(session.append_envelopes([draft(note("2"), id="k", time="2026-01-02T03:04:05Z")])))
        assert await asyncio.gather(*calls) == [2, 3, 4, 5]
        assert [stored.type async for stored in session.read(after=2)] == ["session.ended", "session.resumed", "message.added"]
        assert [stored.event async for stored in session.read(types=["session.resumed"])] == [SessionResumed(reason="again")]
        with pytest.raises(ValueError, match="completed, failed or abandoned"):
            await session.end("over")

    assert run(program, settings if kind == "files" else None) == []


def test_what_is_said_is_appended_like_anywhere_else() -> None:
    async def program(log: aio.EventLog) -> None:
        session = await log.start(id="a")
        assert await asyncio.gather(session.user("What changed?", message_id="m"), session.assistant("Nothing.", id="k")) == [2, 3]
        assert await session.assistant("Nothing.", id="k") == 3
        messages = [stored.event async for stored in session.read(types=["message.added"])]
        assert [(message.role, message.content, message.message_id) for message in messages] == [
            ("user", "What changed?", "m"),
            ("assistant", "Nothing.", None),
        ]

    assert run(program) == []


def test_what_is_not_there_yet_is_appended_in_its_turn(settings: Settings) -> None:
    async def program(log: aio.EventLog) -> None:
        session = await log.start(id="a")
        drafts = [draft(note(str(number)), id=f"k{number}") for number in range(3)]
        found = await asyncio.gather(session.append(note("0")), session.append_new(drafts[:2]), session.append(note("1")))
        assert found == [2, [3, 4], 5]
        again = [draft(note(str(number)), id=f"k{number}") for number in range(3)]
        assert await session.append_new(again) == [3, 4, 6]
        assert await session.append_new([]) == []
        assert (await session.has_news(5), await session.has_news(6)) == (True, False)
        assert [stored.seq async for stored in session.read(last=2)] == [5, 6]

    assert run(program, settings) == []


def test_an_append_that_does_not_get_the_lock_in_time_says_so(settings: Settings) -> None:
    async def program(log: aio.EventLog) -> None:
        async with log.session("a", create=True) as session, log.session("a", create=True, exclusive=True) as holder:
            await holder.append(note("1"))
            with pytest.raises(SessionLocked):
                await session.append(note("no"), timeout_s=0)
            waiting = asyncio.ensure_future(session.append(note("2")))
            await asyncio.sleep(0.01)
            with pytest.raises(SessionLocked):  # behind one that waits, it does not come to its turn
                await session.append(note("no"), timeout_s=0.01)
            await holder.close()
            assert await waiting == 2
            assert await session.append(note("3"), timeout_s=PATIENCE_S) == 3

    assert run(program, settings) == []


def test_closing_a_handle_finishes_its_appends_first(settings: Settings) -> None:
    async def program(log: aio.EventLog) -> None:
        session = await log.session("a", create=True, exclusive=True)
        appends = [asyncio.ensure_future(session.append(note())) for _ in range(5)]
        await asyncio.sleep(0)
        await session.close()
        await session.close()
        assert [append.result() for append in appends] == [1, 2, 3, 4, 5]
        with pytest.raises(ValueError, match="is closed"):
            await session.append(note())
        async with log.session("a", exclusive=True) as again:
            assert await again.append(note()) == 6

    assert run(program, settings) == []


def test_sync_covers_the_appends_that_are_on_their_way(settings: Settings) -> None:
    async def program(log: aio.EventLog) -> None:
        session = await log.session("a", create=True)
        appends = [asyncio.ensure_future(session.append(note(), sync="never")) for _ in range(5)]
        await asyncio.sleep(0)
        await session.sync()
        assert all(append.done() for append in appends)

    assert run(program, settings) == []


# --- iterators and the life of a store -----------------------------------------------------------------------------------------


def test_what_is_an_iterator_is_an_async_one() -> None:
    async def program(log: aio.EventLog) -> None:
        ids = sorted(f"s{number}" for number in range(150))
        for session_id in reversed(ids):
            await log.start(id=session_id)
        assert sorted([session_id async for session_id in log.session_ids()]) == ids
        stamps = dict([pair async for pair in log.stamps()])
        assert [pair async for pair in log.sessions()] == [(session_id, stamps[session_id]) for session_id in ids]
        assert [session_id async for session_id, _ in log.sessions(after="s97")] == ["s98", "s99"]
        await log.delete("s5")
        assert [found.session_id async for found in log.deleted()] == ["s5"]
        async for _ in log.session_ids():
            break
        changes = await log.changed_since()
        assert (changes.full, (await log.changed_since(changes.cursor)).sessions) == (True, {})

    assert run(program) == []


def test_the_life_of_a_store_is_awaited(settings: Settings, tmp_path: Path) -> None:
    async def program(log: aio.EventLog) -> None:
        async with log.start(id="a", title="swordfish") as session:
            await session.append(*(note("x") for _ in range(3)))
        assert (await log.compact(idle_s=0)).sealed == 1
        assert (await log.redact("a", pattern="swordfish")).seqs == [1]
        assert (await log.verify()).ok
        assert (await log.repair()).actions == []
        assert (await log.backup(tmp_path / "backup")).changed == 1
        await log.bundle(["a"], tmp_path / "a.bundle")
        assert await log.delete("a", "over") == 6
        assert await log.restore("a") == 7
        assert [each.session_id for each in (await log.cleanup(0)).sessions] == ["a"]
        assert (await log.purge("a", now=True)).files >= 1
        elsewhere = settings.replace(store=tmp_path / "elsewhere")
        assert (await aio.EventLog.restore_backup(tmp_path / "backup", settings=elsewhere)).changed == 1
        async with aio.EventLog.open(tmp_path / "third") as third, third.open_bundle(tmp_path / "a.bundle") as bundle:
            assert (bundle.path, bundle.session_ids) == (tmp_path / "a.bundle", ["a"])
            assert b"".join([lines.data async for lines in bundle.read("a")]).count(b"\n") == 5
            assert await bundle.install("a")
            assert not await bundle.install("a")
            assert await (await third.session("a")).last_seq == 5

    assert run(program, settings) == []


def test_what_a_log_in_memory_cannot_is_said_here_too() -> None:
    async def program(log: aio.EventLog) -> None:
        with pytest.raises(Unsupported, match="compact needs a log that can"):
            await log.compact()
        with pytest.raises(Unsupported):
            async with log.open_bundle("x"):
                pass

    assert run(program) == []


# --- subscriptions -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["files", "memory"])
def test_callbacks_run_on_the_event_loop_one_at_a_time(settings: Settings, kind: str) -> None:
    async def program(log: aio.EventLog) -> None:
        home, seen, running = threading.get_ident(), [], 0
        states: set[tuple[int, int]] = set()

        async def callback(event: StoredEvent) -> None:
            nonlocal running
            running += 1
            await asyncio.sleep(0.001)
            states.add((threading.get_ident(), running))
            seen.append(event.seq)
            running -= 1

        session = await log.session("a", create=True)
        end = await log.subscribe(callback, session=session)
        also: list[str] = []
        end_also = await log.subscribe(lambda event: also.append(event.type), types=["session.ended"])
        await asyncio.gather(*(session.append(note()) for _ in range(20)))
        await session.end()
        await end()
        await end()
        await end_also()
        assert (seen, also, states) == (list(range(1, 22)), ["session.ended"], {(home, 1)})
        await session.append(note())
        assert len(seen) == 21

    assert run(program, settings if kind == "files" else None) == []


def test_a_callback_may_append_and_end_its_own_subscription() -> None:
    async def program(log: aio.EventLog) -> None:
        done = asyncio.Event()

        async def callback(event: StoredEvent) -> None:
            await session.append(MessageAdded(role="system", content=f"seen {event.seq}"))
            await end()
            done.set()

        session = await log.start(id="a")
        end = await log.subscribe(callback, types=["session.resumed"])
        await session.resume()
        await done.wait()
        await end()
        assert await session.last_seq == 3

    assert run(program) == []


def test_a_callback_that_fails_is_told_and_called_again() -> None:
    async def program(log: aio.EventLog) -> None:
        failed: list[tuple[str, int]] = []

        async def callback(event: StoredEvent) -> None:
            raise RuntimeError(f"at {event.seq}")

        async def on_error(error: Exception, event: StoredEvent | None) -> None:
            assert event is not None
            failed.append((str(error), event.seq))

        end = await log.subscribe(callback, on_error=on_error)
        session = await log.start(id="a")
        await session.append(note())
        await end()
        assert failed == [("at 1", 1), ("at 2", 2)]

    assert run(program) == []


def test_closing_the_log_delivers_what_was_acknowledged(settings: Settings) -> None:
    seen: list[int] = []

    async def program(log: aio.EventLog) -> None:
        await log.subscribe(lambda event: seen.append(event.seq))
        session = await log.start(id="a")
        await session.append(note(), note())

    assert run(program, settings) == []
    assert seen == [1, 2, 3]


# --- tails that end ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["close", "close the log", "cancel"])
@pytest.mark.parametrize("wrap", [asyncio.ensure_future, asyncio.create_task])
def test_a_wait_for_the_next_item_that_ends_with_the_tail_leaves_no_complaint(
    settings: Settings, how: str, wrap: Callable[[Any], asyncio.Task[StoredEvent]]
) -> None:
    async def program(log: aio.EventLog) -> None:
        await log.start(id="a")
        tail = log.tail(after="end")
        waiting = wrap(anext(tail))
        await asyncio.sleep(0.01)
        if how == "cancel":
            waiting.cancel()
        await (log.close() if how == "close the log" else tail.close())
        while not waiting.done():
            await asyncio.sleep(0)

    assert run(program, settings) == []


@pytest.mark.parametrize("cancelled", [False, True])
def test_a_tail_that_fails_while_nobody_waits_leaves_no_complaint(settings: Settings, cancelled: bool) -> None:
    async def program(log: aio.EventLog) -> None:
        session = await log.start(id="a")
        await session.append(note("whole"))
        (path,) = (settings.store / "sessions").rglob("a*.jsonl")
        data = bytearray(path.read_bytes())
        data[data.index(b"whole")] ^= 1
        path.write_bytes(data)
        tail = log.tail("a", after=1)
        waiting = asyncio.ensure_future(anext(tail))
        if cancelled:
            await asyncio.sleep(0)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
        else:
            with pytest.raises(Damaged):
                await waiting
        await tail.close()

    assert run(program, settings) == []


def test_a_tail_that_cannot_be_opened_says_so_and_leaves_nothing() -> None:
    async def program(log: aio.EventLog) -> None:
        tail = log.tail(after="nonsense")
        with pytest.raises(InvalidCursor):
            async with tail:
                pass
        with pytest.raises(StopAsyncIteration):
            await anext(tail)

    assert run(program) == []


def test_a_tail_whose_opening_is_cancelled_lets_go_of_everything(settings: Settings) -> None:
    async def program(log: aio.EventLog) -> None:
        await log.start()
        pool = log._work.threads
        barrier = threading.Barrier(pool._max_workers)  # so that all of the log's threads are there
        await asyncio.gather(*(asyncio.get_running_loop().run_in_executor(pool, barrier.wait) for _ in range(barrier.parties)))
        with leaving_nothing_open():  # the log stays open, and the tails are held
            tails = [log.tail() for _ in range(4)]
            for turns, tail in enumerate(tails):
                opening = asyncio.ensure_future(tail.__aenter__())
                for _ in range(turns):
                    await asyncio.sleep(0)
                opening.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await opening
            while any(thread.name == "eventlog-aio-tails" for thread in threading.enumerate()):
                await asyncio.sleep(0)

    assert run(program, settings) == []
