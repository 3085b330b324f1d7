"""Tokens to money, by a maintained price list. What the log already says about cost wins; see `tally`.

The price list is the package ``genai-prices``. It is asked for its version when a catalog is opened and
loaded when the first usage without a cost is folded. An unknown model costs nothing and is listed as unknown.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from ..view.usage import NANO, Prices
from ..view.usage import Counted as Tokens

__all__ = ["NANO", "NO_PRICES", "ListedPrices", "NoPrices", "Prices", "Tokens", "installed_prices"]

_PACKAGE = "genai-prices"


class NoPrices:
    """Knows no model."""

    version = ""

    def price(self, model: str | None, provider: str | None, tokens: Tokens, moment: datetime) -> int | None:
        return None


NO_PRICES: Final = NoPrices()


class ListedPrices:
    """The price list that comes with ``genai-prices``, as installed; it is never updated over the network."""

    def __init__(self, version: str) -> None:
        self.version = f"genai-prices-{version}"
        self._unknown: set[tuple[str, str | None]] = set()

    def price(self, model: str | None, provider: str | None, tokens: Tokens, moment: datetime) -> int | None:
        from genai_prices import Usage, calc_price

        if not model or (model, provider) in self._unknown:
            return None
        usage = Usage(
            input_tokens=tokens.input_tokens + tokens.cache_read_tokens + tokens.cache_write_tokens,
            output_tokens=tokens.output_tokens,
            cache_read_tokens=tokens.cache_read_tokens,
            cache_write_tokens=tokens.cache_write_tokens,
        )
        for provider_id in (provider, None) if provider else (None,):
            try:
                answer = calc_price(usage, model, provider_id=provider_id, genai_request_timestamp=moment)
                return round(answer.total_price * NANO)
            except (LookupError, ValueError):
                continue  # a provider that the list calls otherwise: the model's name alone may do
        self._unknown.add((model, provider))
        return None


def installed_prices() -> Prices:
    """The price list of this environment; none where somebody took its package out."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return ListedPrices(version(_PACKAGE))
    except PackageNotFoundError:
        return NO_PRICES
