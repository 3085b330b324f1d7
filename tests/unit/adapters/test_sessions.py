"""What every adapter stands on. Needs no SDK."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from eventlog import EventLog, draft
from eventlog.events import HistoryCleared, MessageAdded
from eventlog.keyed import begin, find, keyed_id
from eventlog.line import Envelope
from projections.adapters.message_list import MessageList, Messages, MessagesFold
from projections.adapters.sessions import Sessions, finished

FOLD = MessagesFold("listed")


def listed(log: EventLog) -> MessageList:
    return MessageList(Sessions.of(log), "listed", lambda record, name: [MessageAdded(role="user", content=record, message_id=name)], None)


def test_what_is_decided_is_decided_again_where_another_writer_came_first(log: EventLog) -> None:
    messages = listed(log)
    messages.add(["one"], "k")
    seen: list[int] = []

    def decide(state: Messages) -> Sequence[Envelope]:
        seen.append(len(state.messages))
        if len(seen) == 1:
            with log.session(keyed_id("listed", "k")) as other:
                other.append(MessageAdded(role="user", content="between"), origin={"format": "listed", "record": "between"})
        return [draft(HistoryCleared())]

    Sessions.of(log).append(FOLD, ("listed", "k"), decide, exact=True)
    assert seen == [1, 2]
    assert messages.read("k") == []


def test_a_session_that_is_deleted_while_it_is_written_to_is_begun_anew(log: EventLog) -> None:
    messages = listed(log)
    messages.add(["one"], "k")
    seen: list[int] = []

    def decide(state: Messages) -> Sequence[Envelope]:
        seen.append(len(state.messages))
        if len(seen) == 1:
            log.delete(keyed_id("listed", "k"))
        return [draft(MessageAdded(role="user", content="two"), origin={"format": "listed", "record": '"two"'})]

    Sessions.of(log).append(FOLD, ("listed", "k"), decide)
    assert seen == [1, 0]
    assert messages.read("k") == ["two"]


def test_an_append_that_fails_is_told_and_the_next_one_works(log: EventLog) -> None:
    messages = listed(log)
    messages.add(["one"], "k")
    with pytest.raises(ValueError, match="broken"):
        Sessions.of(log).append(FOLD, ("listed", "k"), _broken)
    messages.add(["two"], "k")
    assert messages.read("k") == ["one", "two"]


def _broken(state: Messages) -> Sequence[Envelope]:
    raise ValueError("broken")


def test_asking_writes_nothing(log: EventLog) -> None:
    assert listed(log).read("nobody") == []
    assert listed(log).take(-1, "nobody") is None
    assert list(log.session_ids()) == []


def test_more_sessions_than_are_kept_are_all_there(log: EventLog) -> None:
    messages = listed(log)
    for number in range(150):
        messages.add([str(number)], str(number))
    assert [messages.read(str(number)) for number in range(150)] == [[str(number)] for number in range(150)]
    assert len(Sessions.of(log)._kept) <= 64  # a state each, so that memory is bounded


def test_a_store_is_opened_once_and_closed_with_its_last_user(tmp_path: Path) -> None:
    one, other = Sessions.of(tmp_path / "s"), Sessions.of(str(tmp_path / "x" / ".." / "s"))
    assert one is other
    one.close()
    assert not one.log.closed
    other.close()
    assert one.log.closed
    again = Sessions.of(tmp_path / "s")
    assert again is not one
    again.close()


def test_a_log_that_was_given_stays_open(log: EventLog) -> None:
    Sessions.of(log).close()
    assert not log.closed


def test_a_failure_reaches_whoever_waits_and_a_cancelled_one_is_told_so() -> None:
    async def fails() -> None:
        raise ValueError("no")

    async def cancelled() -> None:
        started = asyncio.Event()

        async def slow() -> str:
            started.set()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            done.append("whole")
            return "x"

        task = asyncio.create_task(finished(slow()))
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    done: list[str] = []
    with pytest.raises(ValueError, match="no"):
        asyncio.run(finished(fails()))
    asyncio.run(cancelled())
    assert done == ["whole"]


def test_a_key_is_found_only_while_its_session_is_there(log: EventLog) -> None:
    assert find(log, "n", "k") is None
    assert list(log.session_ids()) == []
    first, is_new = begin(
        log, "n", "k", details={"user_id": "u1", "metadata": {"a": 1}}, events=[draft(MessageAdded(role="user", content="hi"))]
    )
    assert is_new
    started, said = first.read()
    assert started.event.user_id == "u1"  # type: ignore[union-attr]
    assert started.event.metadata == {"a": 1, "key": {"namespace": "n", "key": ["k"], "generation": 1}}  # type: ignore[union-attr]
    assert started.more
    assert started.time == said.time
    again, is_new = begin(log, "n", "k", events=[draft(MessageAdded(role="user", content="not written"))])
    assert (again.id, again.last_seq, is_new) == (first.id, 2, False)
    log.delete(first.id)
    assert find(log, "n", "k") is None
    second, is_new = begin(log, "n", "k")
    assert (second.id, is_new) == (f"{first.id}.2", True)
