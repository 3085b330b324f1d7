"""What a session cost where its log does not say: the view with the prices of a list, as the catalog prices its rows.

`SessionView` asks no price list, so that it is a function of the events alone; who shows a session's cost folds it by `PricedView`, whose
version names the list. Recorded and priced amounts are told apart by their price version.
"""

from __future__ import annotations

from collections.abc import Iterable

from eventlog import StoredEvent

from .catalog.cost import Prices, installed_prices
from .view.session import SessionView


class PricedView:
    """The projection `SessionView` with what no record gives a cost priced by a list (default: the installed one): the cost of a session is
    then that of the catalog.

    >>> from eventlog import EventLog
    >>> from eventlog.events import UsageRecorded
    >>> from projections import PricedView, replay
    >>> session = EventLog.memory().start(provider="anthropic")
    >>> session.append(UsageRecorded(model="claude-sonnet-4-20250514", output_tokens=1_000))
    2
    >>> replay(session.read(), PricedView()).usage.cost.amount
    0.015
    """

    name = SessionView.name

    def __init__(self, prices: Prices | None = None) -> None:
        self.prices = installed_prices() if prices is None else prices

    @property
    def version(self) -> str:
        return f"{SessionView.version}.{self.prices.version}"

    def initial(self) -> SessionView:
        return SessionView.initial()

    def fold(self, view: SessionView, stored: StoredEvent) -> SessionView:
        return self.fold_all(view, (stored,))

    def fold_all(self, view: SessionView, events: Iterable[StoredEvent]) -> SessionView:
        """As `SessionView.fold_all`. An error of the reading passes through and leaves the view without the prices of what is new."""
        view = SessionView.fold_all(view, events)
        self._price(view)
        return view

    def _price(self, view: SessionView) -> None:
        """Costs one question to the list for each usage without a cost that was not priced before."""
        usage = view.__dict__["folding"].usage
        if usage.has_unpriced:
            usage.price(view.usage, self.prices)
