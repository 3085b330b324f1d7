"""Which source records a session already holds.

The identity of a record is its content and which occurrence of it this is: the second of two equal lines of a file is
another record, the same line in a copy of the file is not. So a session needs to remember no more than how often it holds each
content, and an import counts within each file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable


class Held:
    """How often each content (its fingerprint, 16 bytes) is held by a session."""

    def __init__(self, contents: Iterable[bytes] = ()) -> None:
        self._counts: dict[bytes, int] = {}
        for content in contents:
            self._counts[content] = self._counts.get(content, 0) + 1

    def __len__(self) -> int:
        return sum(self._counts.values())

    def holds(self, content: bytes, occurrence: int) -> bool:
        return self._counts.get(content, 0) >= occurrence

    def add(self, content: bytes) -> None:
        self._counts[content] = self._counts.get(content, 0) + 1


class Occurrences:
    """Counts the occurrences of each content within one file."""

    def __init__(self) -> None:
        self._seen: Counter[bytes] = Counter()

    def next(self, content: bytes) -> int:
        """Which occurrence of this content this one is, from 1."""
        self._seen[content] += 1
        return self._seen[content]
