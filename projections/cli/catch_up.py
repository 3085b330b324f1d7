"""What a command that has written much ends with: both indexes are brought up to date, so that nobody waits for them later."""

from __future__ import annotations

from eventlog.cli.context import Context

from .filters import open_catalog


def catch_up(context: Context) -> None:
    """Have the catalog and the search index know everything that is in the log. Shows a bar where that takes long."""
    with open_catalog(context) as catalog:
        catalog.list(limit=1)
        catalog.search("sessions", limit=1)  # a question to both
