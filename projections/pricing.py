"""What a session cost where its log does not say: the view with the prices of a list, as the catalog prices its rows.

A fold asks no price list, so that a view is a function of the events alone; who shows one prices it. Recorded and priced amounts are told
apart by their price version.
"""

from __future__ import annotations

from .catalog.cost import Prices, installed_prices
from .view.session import SessionView


def priced(view: SessionView, prices: Prices | None = None) -> SessionView:
    """The same view, its ``usage`` with the cost of what no record gives one, by the installed price list or the given one.

    Costs one question to the list for each usage without a cost, and nothing for what was priced before; folding the view on leaves
    the prices out again until the next call. A view that was decoded or copied stays as it is."""
    folding = view.__dict__.get("folding")
    if folding is not None and folding.usage.has_unpriced:
        folding.usage.price(view.usage, installed_prices() if prices is None else prices)
    return view
