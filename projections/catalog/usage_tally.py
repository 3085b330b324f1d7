"""How tokens and money count. A usage that names a message replaces the former one of that message."""

from __future__ import annotations

from eventlog import StoredEvent
from eventlog import events as e

from ..projection import State
from .cost import NANO, Prices, Tokens
from .summary import TOKENS, Cell, Summary, cell_of, count, see_model

_MOST_TOKENS = 1 << 40  # of one event; what is beyond is no count but an accident, and sums must fit the database


def count_usage(prices: Prices, state: State[Summary], stored: StoredEvent) -> None:
    event: e.UsageRecorded = stored.event
    kept = state.kept
    model = event.model or kept.model
    see_model(kept, event.model)
    tokens = Tokens(*(min(max(getattr(event, name), 0), _MOST_TOKENS) for name in TOKENS))
    amounts = {name: amount for name, amount in zip(TOKENS, tokens, strict=True) if amount}
    currency = "USD"
    if event.cost is not None:
        amounts |= {"costs": 1, "cost_nano": _nano(event.cost.amount)}
        currency = event.cost.currency
        _see_prices(kept, event.cost.price_version)
    else:
        priced = prices.price(model, kept.provider, tokens, stored.time)
        if priced is not None:
            amounts |= {"costs": 1, "cost_nano": priced}
            _see_prices(kept, prices.version)
        elif tokens.billable:
            amounts["unpriced_tokens"] = tokens.billable
    key = None if event.message_id is None else "usage " + event.message_id
    if key is not None:
        before = state.memory.find(key)
        if before is not None:
            *cell, old_currency, old = before
            _count_usage(state, tuple(cell), old_currency, {name: -amount for name, amount in old.items()})
    cell = cell_of(kept, model)
    _count_usage(state, cell, currency, amounts)
    if key is not None:
        state.memory.keep(key, (*cell, currency, amounts))


def _count_usage(state: State[Summary], cell: Cell, currency: str, amounts: dict[str, int]) -> None:
    if currency != "USD" and "cost_nano" in amounts:
        state.rows.add("foreign_cost", (*cell[:2], currency), {"cost_nano": amounts["cost_nano"]})
        amounts = {name: amount for name, amount in amounts.items() if name not in ("costs", "cost_nano")}
    count(state, cell, amounts)


def _see_prices(kept: Summary, version: str | None) -> None:
    if version not in kept.price_versions:
        kept.price_versions.append(version)


def _nano(amount: float) -> int:
    return round(amount * NANO) if abs(amount) < 1e9 else 0
