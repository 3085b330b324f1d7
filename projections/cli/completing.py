"""The candidates that the catalog knows, for `eventlog.cli.completing`: sessions that begin so, names that occur."""

from __future__ import annotations

from eventlog.cli.completing import SESSIONS
from eventlog.cli.context import Context

from .. import Catalog
from ..catalog.listing import SessionItem
from .finding import called

_MOST = 200
_OF_NAMES = {
    "tags": "tags",
    "untags": "tags",
    "model": "models",
    "user": "user_id",
    "user_id": "user_id",
    "kind": "kind",
    "project": "project",
}


def candidates(context: Context, what: str, incomplete: str) -> list[tuple[str, str | None]]:
    """Values with what is said beside them. Quick rather than complete: names are those of the latest sessions."""
    with context.open_log() as log, Catalog.open(log, notice=lambda said: None) as catalog:
        if what in SESSIONS:
            found: list[tuple[str, str | None]] = [(item.session_id, called(item)) for item in catalog.starting(incomplete, _MOST)]
            return [*found, ("last", "the latest activity")] if "last".startswith(incomplete) else found
        if what == "name":
            values = {name for name in catalog.statistics().tools_used if name.startswith(incomplete)}
        elif what == "roles":
            values = {role for role in ("user", "assistant", "system", "tool") if role.startswith(incomplete)}
        else:
            items = catalog.list(limit=1_000).items
            values = {name for item in items for name in _names(item, what) if name.startswith(incomplete)}
        return [(name, None) for name in sorted(values)[:_MOST]]


def _names(item: SessionItem, what: str) -> list[str]:
    value = getattr(item, _OF_NAMES[what], None) if what in _OF_NAMES else None
    return value if isinstance(value, list) else [value] if value else []
