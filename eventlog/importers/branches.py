"""Entries that name the one which they follow: what is on no way up from the last one is on a branch that was left.

One that names something else (the session, a call) follows the last one: some tools write that.
"""

from __future__ import annotations

from eventlog.events import Event

from .said import Said


class Branches:
    """The tree of one session's entries. What is left of it stays, outside of what the model sees."""

    def __init__(self, said: Said) -> None:
        self._said = said
        self._parents: dict[str, str | None] = {}
        self._leaf: str | None = None

    def follow(self, entry: str, parent: str | None, *, is_told: bool = True) -> list[Event]:
        """The next entry, before anything is said of it. ``is_told``: whether it says at all which one it follows."""
        former, self._leaf = self._leaf, entry
        if entry in self._parents:
            return []
        is_known = parent is None or parent in self._parents
        self._parents[entry] = parent if is_known and is_told else former
        if former is None or parent == former or not is_told or not is_known:
            return []
        path = self._above(entry)
        left = (message_id for message_id in self._said.ids if message_id in self._parents)
        return [event for message_id in left for event in self._said.hide(message_id, message_id not in path)]

    def _above(self, entry: str) -> set[str]:
        found: set[str] = set()
        at: str | None = entry
        while at is not None and at not in found:
            found.add(at)
            at = self._parents.get(at)
        return found
