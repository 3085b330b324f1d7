"""Which lines of a chunk have to be decoded, found in its bytes: by position at the beginnings of lines, by type as its text.

What is chosen may hold more than was asked for, never less: whoever decodes looks again. It rests on the fields before ``data``, whose
order and spelling the format fixes (FORMAT.md, "Lines"). A chunk that is not spelled like that is decoded whole.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final

from .backend import Lines
from .line import seq_of

UNKNOWN: Final = "unknown"  # the type of a line that has none
_FEW: Final = 4  # to decode lines one at a time costs up to so many times what it costs within a chunk


def narrowed(lines: Lines, after: int, before: int | None, types: Collection[str] | None) -> tuple[Lines, int | None]:
    """The lines that may hold events with after < seq < before of these types, and the last seq of all; None where bytes do not tell."""
    data = lines.data
    last = data.rfind(b"\n", 0, -1) + 1
    try:
        first_seq, last_seq = seq_of(data), seq_of(data, last)
        begin = _line_behind(data, after, last) if after >= first_seq else 0
        end = _line_behind(data, before - 1, last) if before is not None and before <= last_seq else len(data)
    except ValueError:
        return lines, None
    if end <= begin:
        return Lines(lines.session_id, b""), last_seq
    if types is not None and UNKNOWN not in types:
        found = _of_types(data, begin, end, types)
        if found is not None:
            return Lines(lines.session_id, found), last_seq
    return (lines if end - begin == len(data) else Lines(lines.session_id, data[begin:end])), last_seq


def _line_behind(data: bytes, seq: int, last: int) -> int:
    """Where the first line with a greater seq begins; the end of the data where there is none. ``last``: where the last line begins."""
    low, high = 0, len(data)  # what begins before ``low`` is not behind it; what begins at ``high`` is
    if seq_of(data, last) <= seq:
        return high
    high = last
    while low < high:
        begin = data.rfind(b"\n", low, (low + high) // 2) + 1 or low
        if seq_of(data, begin) <= seq:
            low = data.index(b"\n", begin) + 1
        else:
            high = begin
    return high


def _of_types(data: bytes, begin: int, end: int, types: Collection[str]) -> bytes | None:
    """The lines that hold the text of one of these types; None where these are so many that all can as well be decoded."""
    spans: set[tuple[int, int]] = set()
    size = 0
    for name in (each for each in types if isinstance(each, str)):
        for span in _lines_with(data, b'"type":"%s"' % name.encode("utf-8", "replace"), begin, end):
            if span not in spans:
                spans.add(span)
                size += span[1] - span[0]
                if size * _FEW > end - begin:
                    return None
    return b"".join(data[start:stop] for start, stop in sorted(spans))


def _lines_with(data: bytes, text: bytes, begin: int, end: int) -> Iterator[tuple[int, int]]:
    at = data.find(text, begin, end)
    while at >= 0:
        stop = data.index(b"\n", at) + 1
        yield data.rfind(b"\n", begin, at) + 1 or begin, stop
        at = data.find(text, stop, end)
