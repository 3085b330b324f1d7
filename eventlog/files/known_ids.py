"""Which idempotency keys a session holds, however many segments it has, in bounded memory.

A finished segment says it itself, in 4 bytes a key (`Sealed.ids`, and the table of a compressed file). These are gathered once, when a
writer first meets a key, into a map of bits: a key whose bit is not set is new, which is nearly always the answer. Only where it is set
are the segments asked one by one, and the one that says that it holds such a key is read.

The keys of the last segment are kept as they are (`Tail.ids`): it is never larger than a segment.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Final

from ..segments.segment import Sealed, id_hash, id_hashes
from . import compressed, scan
from .layout import Layout, SegmentName
from .recovery import ids_in

_BITS_PER_KEY: Final = 32
_MOST_BITS: Final = 1 << 28  # 32 MiB: from 8 million keys on, one lookup in 32 asks the segments in vain


class KnownIds:
    """The keys in the segments before the last one."""

    def __init__(self, layout: Layout, session_id: str, max_append_bytes: int) -> None:
        self._layout = layout
        self._session_id = session_id
        self._limit = max_append_bytes
        self._reached = 0  # everything before the segment that begins here has been taken in
        self._hashes = 0
        self._bits = bytearray(1 << 13)

    def find(self, key: str, before: int) -> int | None:
        """The seq of the event with the key, of those in the segments before the one that begins with ``before``. Raises `OSError`."""
        if before > self._reached:
            self._take_in(before)
        wanted = id_hash(key)
        if not self._has(wanted):
            return None
        while True:
            try:
                for name in reversed(self._layout.segments(self._session_id)):
                    if name.first_seq < before and _contains(self._hashes_of(name), wanted):
                        seq = self._look_in(name, key)
                        if seq is not None:
                            return seq
                return None
            except FileNotFoundError:
                continue  # compressed or joined since it was listed

    def _take_in(self, before: int) -> None:
        """Note what has been finished since the last time."""
        while True:
            try:
                found = [
                    self._hashes_of(name) for name in self._layout.segments(self._session_id) if self._reached <= name.first_seq < before
                ]
            except FileNotFoundError:
                continue  # compressed or joined since it was listed
            break
        self._hashes += sum(map(len, found))
        if self._hashes * _BITS_PER_KEY > len(self._bits) * 8 < _MOST_BITS:
            self._bits = bytearray(min(_MOST_BITS, 1 << (self._hashes * _BITS_PER_KEY).bit_length()) // 8)
            self._hashes = self._reached = 0  # a larger map is filled from the beginning
            self._take_in(before)
            return
        for hashes in found:
            for value in hashes:
                bit = value % (len(self._bits) * 8)
                self._bits[bit >> 3] |= 1 << (bit & 7)
        self._reached = before

    def _has(self, value: int) -> bool:
        bit = value % (len(self._bits) * 8)
        return bool(self._bits[bit >> 3] & (1 << (bit & 7)))

    def _hashes_of(self, name: SegmentName) -> list[int]:
        """What the segment says of the keys in it; where it does not (it was left, or is damaged), what stands in it."""
        path = self._layout.path(name)
        if name.compressed:
            stated = compressed.ids(path)
            if stated is not None:
                return id_hashes(stated)
        else:
            last = scan.last_record(path, name)
            if last is not None and isinstance(last.record, Sealed):
                return id_hashes(last.record.ids)
        found: set[int] = set()
        for piece in scan.scan_file(path, name, max_append_bytes=self._limit):
            if isinstance(piece, bytes):
                found.update(id_hash(key) for key, _ in ids_in(piece))
        return sorted(found)

    def _look_in(self, name: SegmentName, key: str) -> int | None:
        found: int | None = None
        for piece in scan.scan_file(self._layout.path(name), name, max_append_bytes=self._limit):
            if isinstance(piece, bytes):
                found = next((seq for other, seq in ids_in(piece) if other == key), found)
        return found


def _contains(hashes: list[int], wanted: int) -> bool:
    index = bisect_left(hashes, wanted)
    return index < len(hashes) and hashes[index] == wanted
