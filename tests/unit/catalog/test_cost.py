"""Money: what the log says wins, what it does not say is computed, and an unknown model is told."""

from __future__ import annotations

from datetime import datetime

from eventlog import EventLog
from eventlog.events import Cost, SessionStarted, UsageRecorded
from projections import Catalog
from projections.catalog.cost import NO_PRICES, Tokens, installed_prices
from projections.catalog.listing import Money
from projections.catalog.tally import Tally


class TenPerToken:
    """A price list with one model."""

    version = "list-7"

    def price(self, model: str | None, provider: str | None, tokens: Tokens, moment: datetime) -> int | None:
        return 10_000_000 * tokens.billable if model == "known" else None


def test_a_cost_in_the_log_wins_and_others_are_computed_with_the_version_of_the_list() -> None:
    with EventLog.memory() as log, Catalog.open(log, prices=TenPerToken()) as catalog:
        stated, computed, unknown, mixed = (log.start(id=name) for name in ("stated", "computed", "unknown", "mixed"))
        for session in (stated, mixed):
            session.append(UsageRecorded(model="known", input_tokens=9, cost=Cost(amount=5, price_version="v0")))
        for session in (computed, mixed):
            session.append(UsageRecorded(model="known", input_tokens=1, output_tokens=2, cache_read_tokens=3, cache_write_tokens=4))
        unknown.append(UsageRecorded(model="new", input_tokens=1))
        costs = {item.session_id: item.cost for item in catalog.list().items}
        assert costs == {
            "stated": Money(5.0, "USD", "v0"),
            "computed": Money(0.1, "USD", "list-7"),
            "mixed": Money(5.1, "USD", None),
            "unknown": None,
        }
        assert catalog.statistics().unknown_models == ["new"]


def test_a_usage_without_a_model_is_priced_as_the_session_s() -> None:
    with EventLog.memory() as log, Catalog.open(log, prices=TenPerToken()) as catalog:
        log.start(model="known").append(UsageRecorded(input_tokens=1))
        assert catalog.list().items[0].cost == Money(0.01, "USD", "list-7")


def test_the_version_of_the_list_is_part_of_the_projection_s() -> None:
    assert Tally(TenPerToken()).version != Tally(NO_PRICES).version


def test_the_installed_list_knows_well_known_models() -> None:
    prices = installed_prices()
    moment = datetime.fromisoformat("2026-01-01T00:00:00+00:00")
    million = Tokens(1_000_000, 0, 0, 0, 0)
    assert prices.price("claude-sonnet-4-20250514", "anthropic", million, moment) == 3_000_000_000
    cached = Tokens(0, 0, 1_000_000, 0, 0)
    assert prices.price("claude-sonnet-4-20250514", None, cached, moment) == 300_000_000
    assert prices.price("claude-sonnet-4-20250514", "a provider of my own", million, moment) == 3_000_000_000
    assert prices.price("no-such-model", None, million, moment) is None
    assert prices.price(None, None, million, moment) is None
    assert prices.version.startswith("genai-prices-")


def test_a_session_without_usage_has_no_cost() -> None:
    with EventLog.memory() as log, Catalog.open(log, prices=TenPerToken()) as catalog:
        log.session("s", create=True).append(SessionStarted())
        assert catalog.list().items[0].cost is None
