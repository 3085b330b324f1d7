"""The public names as a user's program meets them, with the types that it gets back.

Read by type checkers as it stands; run by tests/unit/test_typed.py."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, assert_type

from eventlog import EventLog, Report, Session, StoredEvent, aio
from eventlog.errors import Conflict
from eventlog.events import Event, MessageAdded, ToolCalled, ToolReturned, event_type
from eventlog.tail import CaughtUp
from projections import Catalog, SessionView, replay, to_messages, view_of


@event_type("shop.rated")
class Rated(Event, frozen=True):
    stars: int


class Stars:
    """A projection as a user writes one: the names of a fold's parameters are the user's own."""

    name = "stars"
    version = 1

    def initial(self) -> int:
        return 0

    def fold(self, sum_so_far: int, this: StoredEvent) -> int:
        return sum_so_far + (this.event.stars if isinstance(this.event, Rated) else 0)


class Kinds:
    """One whose state is a mapping, in static methods like those of `SessionView`."""

    name: ClassVar = "kinds"
    version: ClassVar = "1"

    @staticmethod
    def initial() -> dict[str, int]:
        return {}

    @staticmethod
    def fold(counts: dict[str, int], stored: StoredEvent) -> dict[str, int]:
        counts[stored.type] = counts.get(stored.type, 0) + 1
        return counts


def record(log: EventLog) -> Session:
    session = log.start(title="Debug login", user_id="u1", tags=["bug"])
    assert_type(session, Session)
    assert_type(session.append(MessageAdded(role="user", content="What changed?")), int)
    session.append(
        ToolCalled(name="git", call_id="c1", arguments={"args": ["log", "-1"]}),
        ToolReturned(call_id="c1", output="Fix the cookie"),
        expected=2,
    )
    session.append(Rated(stars=5), id="order-7", sync="never")
    try:
        session.append(Rated(stars=1), expected=2)
    except Conflict as conflict:
        assert_type(conflict.actual, int)
    return session


def read(log: EventLog, session: Session) -> Iterator[str]:
    for stored in session.read(after=1, types=["message.added", "shop.rated"]):
        assert_type(stored, StoredEvent)
        yield stored.type
    assert_type(session.last_seq, int)
    assert_type(log.verify(), Report)
    with log.tail(session, after="start") as events:
        assert_type(next(events), StoredEvent)
    with log.tail(after="start", marks=True) as tail:
        for stored_or_mark in tail:
            assert_type(stored_or_mark, StoredEvent | CaughtUp)
            if isinstance(stored_or_mark, CaughtUp):
                break
            yield stored_or_mark.type


def ask(log: EventLog, session: Session) -> int:
    view = replay(session.read(), SessionView)
    assert_type(view, SessionView)
    assert_type(view_of(session), SessionView)
    assert_type(view.title, str | None)
    assert_type(replay(session.read(), Stars()), int)
    assert_type(replay(session.read(), Kinds), dict[str, int])
    to_messages(view, provider="openai")
    with Catalog.open(log, projections=[Stars()]) as catalog:
        page = catalog.list(user_id="u1", tags=["bug"], status="active", limit=50)
        assert_type(page.total, int)
        assert_type(page.items[0].preview, str | None)
        return len(page.items) + len(catalog.search("changed").items) + len(catalog.tools(session_id=session.id).items)


async def wait(folder: Path) -> int:
    async with aio.EventLog.open(folder) as log, log.start(title="later") as session:
        assert_type(await session.append(MessageAdded(role="user", content="hi")), int)
        again = await log.session(session.id)
        assert_type(again, aio.Session)
        async for stored in again.read(after=1):
            assert_type(stored, StoredEvent)
        async with log.tail(after="start") as events:
            assert_type(await anext(events), StoredEvent)
        ids = [session_id async for session_id, _ in log.sessions()]
        assert_type(ids, list[str])
        assert_type(await log.verify(), Report)
        return await again.last_seq


def main(folder: Path) -> tuple[list[str], int, int]:
    with EventLog.open(folder) as log:
        session = record(log)
        return list(read(log, session)), ask(log, session), asyncio.run(wait(folder / "aio"))
