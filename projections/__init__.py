"""What the facts of an `eventlog` mean: every view here is a fold over events, and can be deleted and made again.

The views are loaded when they are first used: a program that wants one session pays neither for the catalog nor for its
database. `replay` and `to_messages` are not: their modules have their names, and whichever was imported first would win.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .replay import replay, view_of
from .view.to_messages import to_messages

if TYPE_CHECKING:
    from .catalog.facade import Catalog
    from .live import Live
    from .pricing import PricedView
    from .view.session import SessionView

__all__ = ["Catalog", "Live", "PricedView", "SessionView", "replay", "to_messages", "view_of"]

_HOMES = {
    "Catalog": "projections.catalog.facade",
    "Live": "projections.live",
    "SessionView": "projections.view.session",
    "PricedView": "projections.pricing",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}")
    found = getattr(import_module(home), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
