"""What a session cost where its log does not say: the same in its view, in the list and in the statistics."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from eventlog import EventLog, Session
from eventlog.events import Cost, Event, ModelChanged, SessionUpdated, UsageRecorded
from projections import Catalog, PricedView, SessionView, replay
from projections.catalog.cost import NO_PRICES, Tokens

from ..command_line import eventlog


class TenPerToken:
    """A price list with one model, which counts how often it is asked."""

    version = "list-7"

    def __init__(self) -> None:
        self.asked = 0

    def price(self, model: str | None, provider: str | None, tokens: Tokens, moment: datetime) -> int | None:
        self.asked += 1
        return 10_000_000 * tokens.billable if model == "known" else None


class Dearer(TenPerToken):
    version = "list-8"

    def price(self, model: str | None, provider: str | None, tokens: Tokens, moment: datetime) -> int | None:
        return 20_000_000 * tokens.billable


def session_of(log: EventLog, *events: Event) -> Session:
    session = log.start(id="s", model="known")
    for event in events:
        session.append(event)
    return session


def cost_of(view: SessionView) -> Any:
    return msgspec.to_builtins(view.usage.cost)


def used(**more: Any) -> UsageRecorded:
    return UsageRecorded(input_tokens=1, cache_read_tokens=1, **more)


RECORDED = Cost(amount=1.0, price_version="v0")
CASES: dict[str, tuple[list[Event], Any]] = {
    "priced": ([used(model="known")], {"amount": 0.02, "currency": "USD", "price_version": "list-7"}),
    "recorded": ([used(cost=RECORDED)], {"amount": 1.0, "currency": "USD", "price_version": "v0"}),
    "recorded without a list": ([used(cost=Cost(amount=1.0))], {"amount": 1.0, "currency": "USD"}),
    "both": ([used(cost=RECORDED), used(model="known")], {"amount": 1.02, "currency": "USD"}),
    "of the session's model": ([used()], {"amount": 0.02, "currency": "USD", "price_version": "list-7"}),
    "of the model that it was": ([ModelChanged(model="new"), used(), SessionUpdated(model="known")], None),
    "unknown": ([used(model="new")], None),
    "replaced by a recorded one": (
        [used(message_id="m"), used(message_id="m", cost=RECORDED)],
        {"amount": 1.0, "currency": "USD", "price_version": "v0"},
    ),
    "in place of a recorded one": (
        [used(message_id="m", cost=RECORDED), used(message_id="m")],
        {"amount": 0.02, "currency": "USD", "price_version": "list-7"},
    ),
    "too small for a float": (
        [used(cost=Cost(amount=0.1234567891)), used(cost=Cost(amount=0.1)), used(cost=Cost(amount=0.2))],
        {"amount": 0.423456789, "currency": "USD"},
    ),
}


@pytest.mark.parametrize(("events", "cost"), CASES.values(), ids=CASES)
def test_the_view_the_list_and_the_statistics_say_the_same(events: list[Event], cost: Any) -> None:
    with EventLog.memory() as log, Catalog.open(log, prices=TenPerToken()) as catalog:
        session = session_of(log, *events)
        assert cost_of(replay(session.read(), PricedView(TenPerToken()))) == cost
        assert msgspec.to_builtins(catalog.list().items[0].cost) == cost
        assert msgspec.to_builtins(catalog.statistics(session_id="s").usage.cost) == cost
        total = msgspec.to_builtins(catalog.statistics().usage.cost)
        assert total == (None if cost is None else {"amount": cost["amount"], "currency": "USD"})


def test_the_view_by_itself_is_of_the_events_alone() -> None:
    with EventLog.memory() as log:
        session = session_of(log, used())
        assert replay(session.read(), SessionView).usage.cost is None
        assert replay(session.read(), PricedView(NO_PRICES)).usage.cost is None


def test_the_version_names_the_list() -> None:
    assert PricedView(TenPerToken()).version == f"{SessionView.version}.list-7"
    assert PricedView(TenPerToken()).name == SessionView.name


def test_each_usage_is_priced_once_however_often_the_view_is_folded_on() -> None:
    with EventLog.memory() as log:
        session, prices = session_of(log, used(), used()), TenPerToken()
        projection = PricedView(prices)
        view = replay(session.read(), projection)
        session.append(used())
        for stored in session.read(after=3):
            view = projection.fold(view, stored)
        assert (prices.asked, cost_of(view)["amount"]) == (3, 0.06)
        shares = [(share.model, msgspec.to_builtins(share.cost)) for share in view.usage.by_model]
        assert shares == [(None, {"amount": 0.06, "currency": "USD", "price_version": "list-7"})]


def test_another_list_prices_everything_anew() -> None:
    with EventLog.memory() as log:
        session = session_of(log, used())
        view = replay(session.read(), PricedView(TenPerToken()))
        session.append(used())
        view = PricedView(Dearer()).fold_all(view, session.read(after=2))
        assert cost_of(view) == {"amount": 0.08, "currency": "USD", "price_version": "list-8"}


def test_the_commands_say_the_same(tmp_path: Path) -> None:
    pytest.importorskip("genai_prices")
    store = tmp_path / "store"
    with EventLog.open(store) as log:
        session = log.start(id="s", provider="anthropic")
        session.append(UsageRecorded(model="claude-sonnet-4-20250514", input_tokens=1_000, output_tokens=1_000))
    said: list[Any] = [eventlog(*command, "--store", str(store), "--json").json for command in (["show", "s"], ["list"], ["stats", "s"])]
    costs = [said[0]["usage"]["cost"], said[1]["items"][0]["cost"], said[2]["usage"]["cost"]]
    assert costs[0] == costs[1] == costs[2]
    assert costs[0]["amount"] == 0.018
    assert costs[0]["price_version"].startswith("genai-prices-")
