"""Tokens and money of a session: added up, in all and per model.

Usage that names a message counts once: the last record for it replaces the former ones. Money is added up exactly, in
decimal, per currency: amounts of different currencies are never added.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Context, Decimal
from typing import Literal

import msgspec

from eventlog.events import Cost, UsageRecorded
from eventlog.stored import StoredEvent

_EXACT = Context(prec=60)  # our own: the fold must not depend on the program's


class Money(msgspec.Struct, omit_defaults=True, gc=False):
    """A sum in units of ``currency``. ``price_version`` is there where all of it was computed with the same price list."""

    amount: float
    currency: str
    price_version: str | None = None


class Tokens(msgspec.Struct, gc=False, kw_only=True):
    """Sums of tokens and of money.

    ``cost`` is None where nothing carries one. ``costs`` has one entry per currency; ``cost`` is the first of them."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    cost: Money | None = None
    costs: list[Money] = []


class ModelUsage(Tokens, gc=False, kw_only=True):
    """The share of one model; ``model`` None holds what names none."""

    model: str | None = None


class Usage(Tokens, gc=False, kw_only=True):
    """The usage of a session. ``by_model`` is in order of first sight and adds up to the whole."""

    by_model: list[ModelUsage] = []


class UsageTally:
    """The usage of one session while it is folded. The sums come out of it with `settle`."""

    __slots__ = ("_by_message", "_by_model", "_changed", "_models")

    def __init__(self, models: list[str]) -> None:
        self._models = models
        self._by_message: dict[str, UsageRecorded] = {}
        self._by_model: dict[str | None, _Share] = {}
        self._changed = False

    def recorded(self, stored: StoredEvent, event: UsageRecorded) -> None:
        self._changed = True
        message_id, model = event.message_id, event.model
        if message_id is not None:
            former = self._by_message.get(message_id)
            if former is not None:
                self._by_model[former.model].add(former, -1)
            self._by_message[message_id] = event
        share = self._by_model.get(model)
        if share is None:
            share = self._by_model[model] = _Share(model)
            if model is not None and model not in self._models:
                self._models.append(model)
        share.add(event, 1)

    def settle(self, usage: Usage) -> None:
        """Put the sums into ``usage``. Costs what the number of models does, and nothing where nothing was added."""
        if not self._changed:
            return
        self._changed = False
        shares = [share for share in self._by_model.values() if share.count]
        usage.by_model = [share.shown() for share in shares]
        usage.input_tokens = sum(share.input_tokens for share in shares)
        usage.output_tokens = sum(share.output_tokens for share in shares)
        usage.cache_read_tokens = sum(share.cache_read_tokens for share in shares)
        usage.cache_write_tokens = sum(share.cache_write_tokens for share in shares)
        usage.reasoning_tokens = sum(share.reasoning_tokens for share in shares)
        usage.costs = _per_currency(shares)
        usage.cost = usage.costs[0] if usage.costs else None


class _Sum:
    """What was computed in one currency with one price list."""

    __slots__ = ("count", "exact")

    def __init__(self) -> None:
        self.count = 0
        self.exact = Decimal(0)


class _Share:
    """The sums of one model."""

    __slots__ = (
        "cache_read_tokens",
        "cache_write_tokens",
        "count",
        "input_tokens",
        "model",
        "output_tokens",
        "reasoning_tokens",
        "sums",
    )

    def __init__(self, model: str | None) -> None:
        self.model = model
        self.count = 0
        self.input_tokens = self.output_tokens = self.cache_read_tokens = self.cache_write_tokens = self.reasoning_tokens = 0
        self.sums: dict[tuple[str, str | None], _Sum] = {}

    def add(self, usage: UsageRecorded, sign: Literal[1, -1]) -> None:
        """Count the usage, or (-1) no longer, as another record has replaced it."""
        self.count += sign
        self.input_tokens += sign * usage.input_tokens
        self.output_tokens += sign * usage.output_tokens
        self.cache_read_tokens += sign * usage.cache_read_tokens
        self.cache_write_tokens += sign * usage.cache_write_tokens
        self.reasoning_tokens += sign * usage.reasoning_tokens
        if usage.cost is not None:
            self._add_cost(usage.cost, sign)

    def _add_cost(self, cost: Cost, sign: int) -> None:
        key = (cost.currency, cost.price_version)
        held = self.sums.get(key)
        if held is None:
            held = self.sums[key] = _Sum()
        held.count += sign
        held.exact = _EXACT.add(held.exact, _EXACT.multiply(_amount(cost), sign))
        if held.count == 0:
            del self.sums[key]

    def shown(self) -> ModelUsage:
        costs = _per_currency((self,))
        return ModelUsage(
            input_tokens=self.input_tokens,
            output_tokens=self.output_tokens,
            cache_read_tokens=self.cache_read_tokens,
            cache_write_tokens=self.cache_write_tokens,
            reasoning_tokens=self.reasoning_tokens,
            cost=costs[0] if costs else None,
            costs=costs,
            model=self.model,
        )


def _amount(cost: Cost) -> Decimal:
    """The amount as it was written: 0.1 is one tenth."""
    return _EXACT.create_decimal(repr(cost.amount))


def _per_currency(shares: Iterable[_Share]) -> list[Money]:
    exact: dict[str, Decimal] = {}
    versions: dict[str, set[str | None]] = {}
    for share in shares:
        for (currency, version), held in share.sums.items():
            exact[currency] = _EXACT.add(exact.get(currency, Decimal(0)), held.exact)
            versions.setdefault(currency, set()).add(version)
    return [
        Money(float(amount), currency, versions[currency].pop() if len(versions[currency]) == 1 else None)
        for currency, amount in exact.items()
    ]
