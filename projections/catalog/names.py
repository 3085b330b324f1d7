"""The names that occur (models, users, tools, ...), and those that are nearest to one that does not."""

from __future__ import annotations

import difflib
import sqlite3
from typing import Final, Literal

What = Literal["model", "user", "tool", "tag", "kind", "project", "namespace", "role"]

_MOST: Final = 10_000  # are compared
_SHOWN: Final = 3
_LIKE: Final = 0.5
_WHERE: Final[dict[str, str]] = {
    "model": "SELECT DISTINCT value FROM catalog.label WHERE kind = 'model'",
    "tag": "SELECT DISTINCT value FROM catalog.label WHERE kind = 'tag'",
    "user": "SELECT DISTINCT user_id FROM catalog.session WHERE user_id IS NOT NULL",
    "tool": "SELECT DISTINCT tool FROM catalog.tool_call WHERE tool IS NOT NULL",
    "kind": "SELECT DISTINCT kind FROM catalog.session WHERE kind IS NOT NULL",
    "project": "SELECT DISTINCT project FROM catalog.session WHERE project IS NOT NULL",
    "namespace": "SELECT DISTINCT namespace FROM catalog.session WHERE namespace IS NOT NULL",
    "role": "SELECT DISTINCT role FROM catalog.role",
}


def nearest(connection: sqlite3.Connection, what: What, given: str) -> list[str] | None:
    """Up to three names that occur and are like this one, the likest first; None where it occurs itself."""
    names = [name for (name,) in connection.execute(f"{_WHERE[what]} LIMIT {_MOST}")]
    if given in names:
        return None
    folded: dict[str, str] = {}
    for name in names:
        folded.setdefault(name.casefold(), name)
    wanted = given.casefold()
    like = [name for key, name in folded.items() if wanted and wanted in key]
    like = sorted(like, key=len) + [folded[key] for key in difflib.get_close_matches(wanted, folded, _SHOWN, _LIKE)]
    return list(dict.fromkeys(like))[:_SHOWN]
