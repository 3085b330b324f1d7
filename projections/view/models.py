"""The names that a session used (its models), in the order in which they were first seen.

What was taken back saw nothing: then the next that did counts.
"""

from __future__ import annotations

from collections.abc import Callable


class Seen:
    """``names`` is in order of first sight; ``known`` are these and None. A name is seen for good, or by what can be taken back."""

    __slots__ = ("_first", "_for_good", "known", "names")

    def __init__(self, names: list[str]) -> None:
        self.names = names
        self.known: set[str | None] = {None}
        self._first: dict[str, int] = {}
        self._for_good: dict[str, int] = {}

    def saw(self, name: str | None, seq: int) -> None:
        """An event that can be taken back names it."""
        if name is not None and name not in self._first:
            self._first[name] = seq
            self.known.add(name)
            self.names.append(name)

    def saw_for_good(self, name: str | None, seq: int) -> None:
        if name is not None and name not in self._for_good:
            self._for_good[name] = seq
            self.saw(name, seq)

    def take_back(self, gone: dict[str, int], next_sight: Callable[[str, int], int | None]) -> None:
        """Of each of these names an event at the seq was taken back, the first of several. ``next_sight`` finds the next event that can be
        taken back and names it."""
        changed = False
        for name, seq in gone.items():
            if self._first.get(name) != seq:
                continue
            changed = True
            sights = [sight for sight in (self._for_good.get(name), next_sight(name, seq)) if sight is not None]
            if sights:
                self._first[name] = min(sights)
            else:
                del self._first[name]
                self.known.discard(name)
        if changed:
            self.names[:] = sorted(self._first, key=lambda name: self._first[name])
