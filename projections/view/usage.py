"""Tokens and money of a session: added up, in all and per model.

Tokens have one meaning, whoever recorded them: input without what was read from and written to the cache, output with reasoning.
Usage that names a message counts once: the last record for it replaces the former ones. Money is added up exactly, in whole
billionths of a currency's unit; amounts of different currencies are never added.

The fold knows what was recorded. What a model cost that no record says is a question to a price list, which is not asked in the fold but
by `UsageTally.price`; the price version tells the one from the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, Literal, NamedTuple, Protocol

import msgspec

from eventlog.events import Cost, UsageRecorded
from eventlog.stored import StoredEvent

from .models import Seen

NANO: Final = 1_000_000_000
DOLLARS: Final = "USD"
_MOST_TOKENS: Final = 1 << 40  # of one event; what is beyond is no count but an accident


class Counted(NamedTuple):
    """Tokens of one model response. Those read from and written to the cache are not among ``input_tokens``; those of
    reasoning are among ``output_tokens``."""

    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int

    @property
    def billable(self) -> int:
        return self.input_tokens + self.output_tokens + self.cache_read_tokens + self.cache_write_tokens


class Prices(Protocol):
    """A price list. ``version`` changes whenever an answer may."""

    @property
    def version(self) -> str: ...

    def price(self, model: str | None, provider: str | None, tokens: Counted, moment: datetime) -> int | None:
        """Billionths of a US dollar, or None where the model is not known. A function of its arguments and the version."""
        ...


class Money(msgspec.Struct, omit_defaults=True, gc=False):
    """A sum in units of ``currency``. ``price_version`` names the price list where all of it was computed with the same one; it is not
    there where the amounts were recorded without one, or are of several."""

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

    __slots__ = ("_by_message", "_by_model", "_changed", "_models", "_priced_with", "_prices", "_unpriced")

    def __init__(self, models: Seen) -> None:
        self._models = models
        self._by_message: dict[str, UsageRecorded] = {}
        self._by_model: dict[str | None, _Share] = {}
        self._unpriced: list[tuple[UsageRecorded, str | None, str | None, datetime]] = []
        self._prices: list[int | None] = []  # of those, in their order, as far as they were asked for
        self._priced_with = ""
        self._changed = False

    def recorded(self, stored: StoredEvent, event: UsageRecorded, model: str | None, provider: str | None) -> None:
        """``model`` and ``provider`` are the session's: the usage is theirs where it names no model."""
        self._changed = True
        message_id, named = event.message_id, event.model
        share = self._by_model.get(named)
        if share is None:
            share = self._by_model[named] = _Share(named)
            self._models.saw_for_good(named, stored.seq)
        if message_id is not None:
            former = self._by_message.get(message_id)
            if former is not None:
                self._by_model[former.model].add(former, -1)
            self._by_message[message_id] = event
        if event.cost is None:
            self._unpriced.append((event, named or model, provider, stored.time))
        share.add(event, 1)

    @property
    def has_unpriced(self) -> bool:
        return bool(self._unpriced)

    def settle(self, usage: Usage) -> None:
        """Put the sums into ``usage``. Costs what the number of models does, and nothing where nothing was added."""
        if not self._changed:
            return
        self._changed = False
        self._show(usage)

    def price(self, usage: Usage, prices: Prices) -> None:
        """Put the sums into ``usage``, with what the records leave open priced. What was priced before is not priced again."""
        if self._priced_with != prices.version:
            self._priced_with = prices.version
            self._prices.clear()
        for share in self._by_model.values():
            share.priced = None
        for event, model, provider, moment in self._unpriced[len(self._prices) :]:
            self._prices.append(prices.price(model, provider, counted_tokens(event), moment))
        for nano, (event, *_) in zip(self._prices, self._unpriced, strict=True):
            is_replaced = event.message_id is not None and self._by_message[event.message_id] is not event
            if nano is not None and not is_replaced:
                share = self._by_model[event.model]
                share.priced = (share.priced or 0) + nano
        self._show(usage, prices.version)

    def _show(self, usage: Usage, version: str | None = None) -> None:
        shares = [share for share in self._by_model.values() if share.count]
        usage.by_model = [share.shown(version) for share in shares]
        usage.input_tokens = sum(share.input_tokens for share in shares)
        usage.output_tokens = sum(share.output_tokens for share in shares)
        usage.cache_read_tokens = sum(share.cache_read_tokens for share in shares)
        usage.cache_write_tokens = sum(share.cache_write_tokens for share in shares)
        usage.reasoning_tokens = sum(share.reasoning_tokens for share in shares)
        usage.costs = _per_currency(shares, version)
        usage.cost = usage.costs[0] if usage.costs else None


class _Share:
    """The sums of one model. ``costs``: how many amounts there are of each currency and price version, and billionths of them."""

    __slots__ = (
        "cache_read_tokens",
        "cache_write_tokens",
        "costs",
        "count",
        "input_tokens",
        "model",
        "output_tokens",
        "priced",
        "reasoning_tokens",
    )

    def __init__(self, model: str | None) -> None:
        self.model = model
        self.count = 0
        self.input_tokens = self.output_tokens = self.cache_read_tokens = self.cache_write_tokens = self.reasoning_tokens = 0
        self.costs: dict[tuple[str, str | None], tuple[int, int]] = {}
        self.priced: int | None = None

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
        count, nano = self.costs.get(key, (0, 0))
        if count + sign:
            self.costs[key] = count + sign, nano + sign * nano_of(cost.amount)
        else:
            del self.costs[key]

    def shown(self, version: str | None) -> ModelUsage:
        costs = _per_currency((self,), version)
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


def counted_tokens(usage: UsageRecorded) -> Counted:
    """The tokens of the usage, as far as they can be counts."""
    return Counted(*(min(max(getattr(usage, name), 0), _MOST_TOKENS) for name in Counted._fields))


def nano_of(amount: float) -> int:
    """Whole billionths, 0 for what is no amount: sums do not depend on their order, and fit a database."""
    return round(amount * NANO) if abs(amount) < NANO else 0


def _per_currency(shares: Sequence[_Share], version: str | None) -> list[Money]:
    sums: dict[str, int] = {}
    versions: dict[str, set[str | None]] = {}
    for share in shares:
        for (currency, recorded_with), (_, nano) in share.costs.items():
            sums[currency] = sums.get(currency, 0) + nano
            versions.setdefault(currency, set()).add(recorded_with)
    for share in shares:
        if share.priced is not None and version is not None:
            sums[DOLLARS] = sums.get(DOLLARS, 0) + share.priced
            versions.setdefault(DOLLARS, set()).add(version)
    return [Money(sums[currency] / NANO, currency, versions[currency].pop() if len(versions[currency]) == 1 else None) for currency in sums]
