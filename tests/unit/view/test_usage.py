"""Usage counts once per message, adds up exactly, and never adds one currency to another."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import msgspec

from eventlog import StoredEvent
from eventlog.events import Cost, UsageRecorded
from projections import SessionView, replay

T0 = datetime(2026, 11, 21, tzinfo=timezone.utc)


def usage_of(*events: UsageRecorded) -> Any:
    view = replay([StoredEvent(seq=seq, time=T0, event=event) for seq, event in enumerate(events, 1)], SessionView)
    return msgspec.json.decode(msgspec.json.encode(view.usage))


def test_the_last_usage_of_a_message_replaces_the_former_and_those_without_a_message_add() -> None:
    usage = usage_of(
        UsageRecorded(message_id="a", input_tokens=10, output_tokens=1, cache_read_tokens=5, cache_write_tokens=2, reasoning_tokens=1),
        UsageRecorded(message_id="a", input_tokens=10, output_tokens=7, cache_read_tokens=6, cache_write_tokens=3, reasoning_tokens=2),
        UsageRecorded(message_id="b", input_tokens=1),
        UsageRecorded(input_tokens=100),
        UsageRecorded(input_tokens=1000),
    )
    assert {name: usage[name] for name in usage if name.endswith("_tokens")} == {
        "input_tokens": 1111,
        "output_tokens": 7,
        "cache_read_tokens": 6,
        "cache_write_tokens": 3,
        "reasoning_tokens": 2,
    }
    assert (usage["cost"], usage["costs"]) == (None, [])


def test_each_model_has_its_share() -> None:
    usage = usage_of(
        UsageRecorded(message_id="a", model="m1", input_tokens=1),
        UsageRecorded(model="m2", input_tokens=2, cost=Cost(amount=0.5)),
        UsageRecorded(input_tokens=4),
        UsageRecorded(message_id="a", model="m2", input_tokens=8),
    )
    assert [(share["model"], share["input_tokens"], share["cost"]) for share in usage["by_model"]] == [
        ("m2", 10, {"amount": 0.5, "currency": "USD"}),
        (None, 4, None),
    ]
    assert usage["input_tokens"] == 14


def test_money_adds_up_exactly_also_when_an_amount_is_replaced() -> None:
    tenths = [UsageRecorded(message_id=str(n), cost=Cost(amount=0.1, price_version="p1")) for n in range(3)]
    assert usage_of(*tenths)["cost"] == {"amount": 0.3, "currency": "USD", "price_version": "p1"}
    replaced = UsageRecorded(message_id="0", cost=Cost(amount=0.7, price_version="p1"))
    assert usage_of(*tenths, replaced)["cost"] == {"amount": 0.9, "currency": "USD", "price_version": "p1"}


def test_a_price_version_is_named_only_where_it_holds_for_all() -> None:
    old, new = Cost(amount=1.0, price_version="p1"), Cost(amount=2.0, price_version="p2")
    assert usage_of(UsageRecorded(message_id="a", cost=old), UsageRecorded(cost=new))["cost"] == {"amount": 3.0, "currency": "USD"}
    again = UsageRecorded(message_id="a", cost=new)
    assert usage_of(UsageRecorded(message_id="a", cost=old), UsageRecorded(cost=new), again)["cost"] == {
        "amount": 4.0,
        "currency": "USD",
        "price_version": "p2",
    }


def test_currencies_are_kept_apart_and_the_first_is_the_cost() -> None:
    usage = usage_of(
        UsageRecorded(model="m1", cost=Cost(amount=1.0, currency="EUR")),
        UsageRecorded(model="m2", cost=Cost(amount=2.0)),
        UsageRecorded(model="m2", cost=Cost(amount=4.0, currency="EUR")),
    )
    assert usage["cost"] == {"amount": 5.0, "currency": "EUR"}
    assert usage["costs"] == [{"amount": 5.0, "currency": "EUR"}, {"amount": 2.0, "currency": "USD"}]


def test_a_cost_that_was_replaced_by_none_is_gone() -> None:
    usage = usage_of(UsageRecorded(message_id="a", cost=Cost(amount=1.0)), UsageRecorded(message_id="a", input_tokens=1))
    assert (usage["cost"], usage["costs"]) == (None, [])
