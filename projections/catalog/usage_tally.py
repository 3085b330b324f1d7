"""How tokens and money count. A usage that names a message replaces the former one of that message."""

from __future__ import annotations

from eventlog import StoredEvent
from eventlog import events as e

from ..projection import State
from ..view.usage import DOLLARS, counted_tokens, nano_of
from .cost import Prices, Tokens
from .journal import Cell
from .summary import Summary, cell_of, count, saw_model


def count_usage(prices: Prices, state: State[Summary], stored: StoredEvent) -> None:
    event: e.UsageRecorded = stored.event
    kept = state.kept
    model = event.model or kept.model
    saw_model(kept, event.model, stored.seq, for_good=True)
    tokens = counted_tokens(event)
    amounts = {name: amount for name, amount in zip(Tokens._fields, tokens, strict=True) if amount}
    currency, version = DOLLARS, None
    if event.cost is not None:
        amounts |= {"costs": 1, "cost_nano": nano_of(event.cost.amount)}
        currency, version = event.cost.currency, event.cost.price_version
    else:
        priced = prices.price(model, kept.provider, tokens, stored.time)
        if priced is not None:
            amounts |= {"costs": 1, "cost_nano": priced}
            version = prices.version
        elif tokens.billable:
            amounts["unpriced_tokens"] = tokens.billable
    key = None if event.message_id is None else "usage " + event.message_id
    if key is not None:
        before = state.memory.find(key)
        if before is not None:
            *cell, old_currency, old_version, old = before
            _count_usage(state, tuple(cell), old_currency, old_version, {name: -amount for name, amount in old.items()})
    cell = cell_of(kept, model)
    _count_usage(state, cell, currency, version, amounts)
    if key is not None:
        state.memory.keep(key, (*cell, currency, version, amounts))


def _count_usage(state: State[Summary], cell: Cell, currency: str, version: str | None, amounts: dict[str, int]) -> None:
    if "cost_nano" in amounts:
        if currency == DOLLARS:
            _see_prices(state.kept, version, amounts["costs"])
        else:
            state.rows.add("foreign_cost", (*cell[:2], currency), {"cost_nano": amounts["cost_nano"]})
            amounts = {name: amount for name, amount in amounts.items() if name not in ("costs", "cost_nano")}
    count(state, cell, amounts)


def _see_prices(kept: Summary, version: str | None, amount: int) -> None:
    versions = dict(kept.price_versions)
    versions[version] = versions.get(version, 0) + amount
    kept.price_versions = [(version, amount) for version, amount in versions.items() if amount]
