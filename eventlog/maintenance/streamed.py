"""Finds what a pattern matches in the text of a streamed message and in no single piece of it.

Views and the search put the deltas of a message together, so a secret that was streamed in pieces would come back in them after a
redaction that looked at each line for itself. Deltas join as they do in a view: those of one message and one kind, until it
is complete.

Memory is bounded: above `MOST_HELD` the message that began first is looked at, and only its end is kept, or nothing where it is short
and was never completed. So in such a session a match that spans very many other pieces can be missed.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from itertools import accumulate

import msgspec

from ..events import MessageAdded, MessageDelta
from ..meaning import copies

MOST_HELD = 8 << 20
OVERLAP = 64 << 10

_PIECE_COST = 100  # what a piece takes in memory beside its text
_HEAD_SIZE = 128  # seq, time and the beginning of the type stand within
_DELTA, _ADDED = (f'","type":"{event.type}"'.encode() for event in (MessageDelta, MessageAdded))


class _Data(msgspec.Struct, gc=False):
    message_id: str | None = None
    content: msgspec.Raw = msgspec.Raw()
    kind: str = "text"


class _Line(msgspec.Struct, gc=False):
    seq: int
    data: _Data
    origin: msgspec.Raw = msgspec.Raw()


_line = msgspec.json.Decoder(_Line)
_text = msgspec.json.Decoder(str)


class _Stream:
    """The pieces of one message so far, all of one kind."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.pieces: list[tuple[int, str]] = []
        self.cost = 0

    def add(self, seq: int, text: str) -> int:
        self.pieces.append((seq, text))
        self.cost += (cost := len(text) + _PIECE_COST)
        return cost

    def end(self) -> _Stream:
        """Its last pieces, no more than of `OVERLAP`."""
        found = _Stream(self.kind)
        for seq, text in reversed(self.pieces):
            if found.cost + len(text) + _PIECE_COST > OVERLAP:
                break
            found.add(seq, text)
        found.pieces.reverse()
        return found


class StreamedMatches:
    """Takes the lines of a session in order, and says which deltas have to become what. ``found`` gives each seq once."""

    def __init__(self, pattern: re.Pattern[str], replacement: str) -> None:
        self._pattern = pattern
        self._replacement = replacement
        self._open: dict[str, _Stream] = {}
        self._held = 0
        self._position = 0
        self._contents: dict[int, str] = {}
        self._fresh: set[int] = set()

    def content_of(self, seq: int) -> str | None:
        """What the delta is to hold; None where nothing in it is part of such a match."""
        return self._contents.get(seq)

    def found(self) -> list[int]:
        """The seqs that were not in an earlier answer, also of messages that are not complete yet."""
        for stream in self._open.values():
            self._look_at(stream)
        fresh = sorted(self._fresh)
        self._fresh.clear()
        return fresh

    def observe(self, chunk: bytes) -> None:
        """Take in whole lines. Those that were taken in before make no difference."""
        if _DELTA not in chunk and not self._open:
            return
        for line in chunk.split(b"\n"):
            head = line[:_HEAD_SIZE]
            if _DELTA in head or (self._open and _ADDED in head):
                try:
                    self._take(_line.decode(line), is_delta=_DELTA in head)
                except (msgspec.DecodeError, RecursionError):
                    continue  # of another shape than the vocabulary's: no view makes it part of a message

    def _take(self, line: _Line, *, is_delta: bool) -> None:
        if line.data.message_id is None or line.seq <= self._position:
            return
        text = _text.decode(line.data.content) if is_delta else ""
        self._position = line.seq
        name = _name_here(line)
        stream = self._open.get(name)
        if stream is not None and (not is_delta or stream.kind != line.data.kind):
            self._let_go(name)
            stream = None
        if is_delta:
            if stream is None:
                stream = self._open[name] = _Stream(line.data.kind)
            self._held += stream.add(line.seq, text)
            while self._held > MOST_HELD:
                oldest = next(iter(self._open))
                whole = self._let_go(oldest)
                end = whole.end()
                if end.cost < whole.cost:
                    self._open[oldest] = end
                    self._held += end.cost

    def _let_go(self, name: str) -> _Stream:
        stream = self._open.pop(name)
        self._held -= stream.cost
        self._look_at(stream)
        return stream

    def _look_at(self, stream: _Stream) -> None:
        for seq, content in _without_matches(stream.pieces, self._pattern, self._replacement):
            if self._contents.get(seq) != content:
                self._contents[seq] = content
                self._fresh.add(seq)


def _name_here(line: _Line) -> str:
    """The id of the message in this session: a merge may have had to change it (`copies.as_meant`)."""
    assert line.data.message_id is not None
    for link in copies.links(line.origin):
        if isinstance(link.ids, dict):
            return str(link.ids.get(line.data.message_id, line.data.message_id))
    return line.data.message_id


def _without_matches(pieces: list[tuple[int, str]], pattern: re.Pattern[str], replacement: str) -> Iterator[tuple[int, str]]:
    """The pieces that a match is spread over, without it: the replacement stands where it began."""
    if len(pieces) < 2:
        return
    texts = [text for _, text in pieces]
    starts = list(accumulate(map(len, texts), initial=0))
    changed: dict[int, str] = {}
    for match in reversed(list(pattern.finditer("".join(texts)))):  # from the end, so that what lies before keeps its place
        first, last = bisect_right(starts, match.start()) - 1, bisect_left(starts, match.end()) - 1
        if match[0] and first < last:
            for index in range(first, last + 1):
                text = changed.get(index, texts[index])
                begin, end = max(match.start() - starts[index], 0), min(match.end() - starts[index], len(texts[index]))
                changed[index] = text[:begin] + (replacement if index == first else "") + text[end:]
    for index in sorted(index for index, text in changed.items() if text != texts[index]):
        yield pieces[index][0], changed[index]
