"""Segments to damage: real lines of mixed events, with the place of every line and append."""

from __future__ import annotations

from random import Random
from typing import Any, NamedTuple

from eventlog import line as lines
from eventlog.line import Envelope
from eventlog.segments.segment import Opened, encode_own


class Line(NamedTuple):
    offset: int
    text: bytes
    running: int  # the checksum before it
    seq: int  # 0 for the header


class Segment(NamedTuple):
    data: bytes
    lines: list[Line]
    appends: list[tuple[int, int]]  # (first, last) as indexes into lines; the header is one

    def append_at(self, offset: int) -> int:
        """The index of the append that the byte belongs to."""
        return next(index for index, (_, last) in enumerate(self.appends) if offset < self.lines[last].offset + len(self.lines[last].text))

    def start(self, append: int) -> Line:
        return self.lines[self.appends[append][0]]


WORDS = 'the log keeps every byte of a session and says which of them can be trusted Grüße 日本語 🙂 ,"crc":"9f2a11c0"} {"seq":7,"time":"'


def segment(size_bytes: int, seed: int = 1, session_id: str = "s", first_seq: int = 1) -> Segment:
    """An active segment of at least ``size_bytes``: short and long events, batches, ids, origins, text that looks like lines."""
    random = Random(seed)
    opened, running = encode_own(Opened(format=1, min_reader=1, session_id=session_id, first_seq=first_seq), 0)
    data, found, appends = bytearray(opened), [Line(0, opened, 0, 0)], [(0, 0)]
    seq = first_seq
    while len(data) < size_bytes:
        count = random.choice((1, 1, 1, 2, 5))
        appends.append((len(found), len(found) + count - 1))
        for index in range(count):
            envelope = Envelope(seq, "2026-11-21T00:44:01.123456Z", "message.added", _data(random))
            envelope.more = index < count - 1
            envelope.id = f"k{seq}" if not envelope.more and random.random() < 0.3 else None
            envelope.origin = {"source": "x"} if random.random() < 0.1 else None
            text, after = lines.encode(envelope, running)
            found.append(Line(len(data), text, running, seq))
            data += text
            running = after
            seq += 1
    return Segment(bytes(data), found, appends)


def _data(random: Random) -> Any:
    words = WORDS.split(" ")
    size = random.choice((0, 1, 3, 10, 40, 200))
    return random.choice(
        (
            {"role": "user", "content": " ".join(random.choice(words) for _ in range(size))},
            {"name": "Bash", "arguments": {"command": "ls -l", "n": random.randrange(10**6)}, "call_id": "c"},
            {},
        )
    )
