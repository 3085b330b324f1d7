"""Reads one segment file and says what stands in it (`pieces`); the raw ones here, the compressed ones in `compressed`.

The fast way proves a chunk of any number of lines with one checksum. Only a chunk that does not hold is walked line by line.
Chunks are whole appends; nothing that is still being written, and no torn tail, is given out. Memory is bounded by the chunk or
the largest append.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec

from .. import line as lines
from .. import stored
from ..errors import Damaged, SegmentTooNew
from ..line import MORE, TAIL_SIZE
from ..segments import segment
from ..segments.segment import Span, Walker
from . import compressed
from .layout import NOT_YET, SegmentName
from .opening import NotRegular, header, open_regular
from .pieces import Bad, Own, Piece, own, split_own, whole_appends

CHUNK_SIZE = 128 * 1024
FIRST_CHUNK_SIZE = 16 * 1024  # one event out of a session should not cost a whole chunk
ANY_SIZE = compressed.MOST_FRAME_BYTES  # for whoever reads no more than the end of a finished segment
_SEEK_WINDOW = 64 * 1024
_PROBES = (4 * 1024, _SEEK_WINDOW, 1024 * 1024)  # most lines and most appends are smaller than the first
_READ_SIZE = 1024 * 1024
_MOST_HOLES = 64
_OPENING_SIZE = 1024


class Start(msgspec.Struct, frozen=True):
    """Where reading a raw segment begins: a line boundary and the running checksum there."""

    offset: int = 0
    running: int = 0


def scan_file(path: str, name: SegmentName, *, after: int = 0, max_append_bytes: int) -> Iterator[Piece]:
    """The pieces of a segment file from somewhere at or before the first event with seq > ``after``, to its end as it is now.

    A file that is not this segment gives one piece, which says so. An append larger than ``max_append_bytes`` is read all the same: what is
    accepted is limited (and by another program perhaps less), what was acknowledged is no damage.

    Raises `FileNotFoundError` at once where the file has gone (one that goes later is read to its end), or where another one has come to be
    the session's last since it was looked for; `SegmentTooNew` where it asks for a later version."""
    try:
        fd = open_regular(path)
    except NotRegular as error:
        yield Bad(0, 0, "foreign", str(error.strerror))
        return
    try:
        size = os.fstat(fd).st_size
        judged_bytes = max_append_bytes  # a longer rest is damage without being looked at as a whole: nobody here has appended it
        max_append_bytes = max(max_append_bytes, ANY_SIZE if name.compressed else min(size, ANY_SIZE))
        foreign = _foreign(fd, name)
        if foreign is not None:
            yield Bad(0, size, "foreign", foreign)
        elif name.compressed:
            yield from compressed.scan(fd, after=after, max_append_bytes=max_append_bytes)
        else:
            start = find_start(fd, after, name.first_seq) if after >= name.first_seq else Start()
            if start.offset:
                yield from _opening(fd)
            yield from scan_raw(fd, start=start, first_seq=name.first_seq, max_append_bytes=max_append_bytes, judged_bytes=judged_bytes)
    finally:
        os.close(fd)


def is_foreign(path: str, name: SegmentName) -> bool:
    """Whether the file says that it is another segment than its name does. Raises `FileNotFoundError`, `NotRegular`, `SegmentTooNew`."""
    fd = open_regular(path)
    try:
        return _foreign(fd, name) is not None
    finally:
        os.close(fd)


def _foreign(fd: int, name: SegmentName) -> str | None:
    """Why the file does not belong under this name, if it does not. One whose header cannot be read is not foreign but damaged."""
    if name.compressed:
        owner = compressed.owner(fd)
    else:
        opened = header(fd)
        if opened is not None and opened.min_reader > segment.FORMAT:
            raise SegmentTooNew(name.session_id, str(name), opened.min_reader, segment.FORMAT)
        owner = None if opened is None else (opened.session_id, opened.first_seq)
    if owner is None:
        return None
    session_id, first_seq = owner
    if session_id != name.session_id:
        return f"its header says that it belongs to session {session_id!r}"
    if first_seq != name.first_seq:
        if name.unnumbered:
            raise FileNotFoundError(errno.ESTALE, "it is another segment now", str(name))
        return f"its header says that it begins with event {first_seq}"
    return None


def is_another(fd: int, name: SegmentName) -> bool:
    """Whether the session's name has come to be another segment's since ``name`` was looked for."""
    if not name.unnumbered:
        return False
    if name.compressed:
        owner = compressed.owner(fd)
        return owner is not None and owner[1] != name.first_seq
    opened = header(fd)
    return (NOT_YET if opened is None else opened.first_seq) != name.first_seq


def sound(pieces: Iterable[Piece], name: SegmentName) -> Iterator[bytes | Own]:
    """The pieces, none of which may be damaged. Raises `Damaged`."""
    for piece in pieces:
        if isinstance(piece, Bad):
            raise Damaged(name.session_id, str(name), piece.offset, piece.length, piece.kind, piece.detail)
        yield piece


def _opening(fd: int) -> Iterator[Piece]:
    """The opening line, which says whose segment this is, for a reader who begins behind it."""
    data = os.pread(fd, _OPENING_SIZE, 0)
    line = data[: data.find(b"\n") + 1]
    if lines.prove(line, 0) is not None:
        yield from split_own(line, 0)


def scan_raw(fd: int, *, start: Start, first_seq: int, max_append_bytes: int, judged_bytes: int) -> Iterator[Piece]:
    """The pieces of a raw segment from ``start`` to its end as it is now."""
    offset, running, size = start.offset, start.running, FIRST_CHUNK_SIZE
    read_again = True
    while True:
        data = os.pread(fd, size, offset)
        chunk = whole_appends(data)
        if not chunk:
            if len(data) == size and size <= max_append_bytes and b"\0" not in data:
                size *= 2
                continue
            break
        proven = lines.prove(chunk, running)
        if proven is None:
            own = chunk.rfind(b"\n", 0, -1) + 1
            if segment.starts_afresh(chunk[own:]) and own and (proven := lines.prove(chunk[:own], running)) is not None:
                chunk = chunk[:own]
        if proven is None:
            if read_again:  # a writer may have been cutting a torn tail between two of our reads
                read_again = False
                continue
            if start.offset and offset == start.offset:  # the line before the boundary did not vouch for it
                yield from scan_raw(fd, start=Start(), first_seq=first_seq, max_append_bytes=max_append_bytes, judged_bytes=judged_bytes)
                return
            break
        read_again = True
        yield from split_own(chunk, offset)
        offset += len(chunk)
        running = proven
        size = CHUNK_SIZE
    if os.fstat(fd).st_size > offset:
        yield from _scan_doubtful(fd, offset, running, first_seq, max_append_bytes, judged_bytes)


def _scan_doubtful(fd: int, offset: int, running: int, first_seq: int, max_append_bytes: int, judged_bytes: int) -> Iterator[Piece]:
    """From the first byte that is not a proven whole append: a torn tail, an append under way, or damage."""
    limit = judged_bytes + CHUNK_SIZE
    rest = read_rest(fd, offset, limit)
    proven = proven_appends(rest.data, offset, running)
    if proven:
        yield from split_own(proven, offset)
        offset, running = offset + len(proven), lines.after(proven) or 0
        rest = read_rest(fd, offset, limit)
    if not rest.size:
        return
    finished = rest.data.rfind(b"\n", 0, -1) + 1
    if rest.is_all and (not segment.starts_afresh(rest.data[finished:]) or lines.prove(rest.data[finished:], 0) is None):
        next_seq = last_seq_before(fd, offset, first_seq - 1) + 1
        if segment.judge_tail(rest.data, offset, running, next_seq) == "torn_tail":
            yield Bad(offset, rest.size, "torn_tail", "the beginning of an append that was never acknowledged")
            return
    yield from _scan_walking(fd, offset, running, max_append_bytes)


class Rest(NamedTuple):
    """What stands from an offset to the end of a file. ``data`` has ``size`` bytes, but for NULs at the end, of which two sectors say as
    much as any number; it is not ``is_all`` where that is too much to hold."""

    data: bytes
    size: int
    is_all: bool


def read_rest(fd: int, offset: int, limit: int) -> Rest:
    """The rest of the file, at most ``limit`` bytes of it; a file that the kernel extended and never wrote costs next to nothing."""
    size = max(0, os.fstat(fd).st_size - offset)
    end = end_of_content(fd, offset, offset + size)
    held = min(size, end - offset + 2 * segment.SECTOR)
    data = os.pread(fd, min(held, limit), offset)
    return Rest(data, size, len(data) == held)


def end_of_content(fd: int, start: int, end: int) -> int:
    """Where the NULs begin that reach to ``end``."""
    if end > start and os.pread(fd, 1, end - 1) != b"\0":
        return end
    end = min(end, _last_hole(fd, start, end))
    while end > start:
        size = min(_READ_SIZE, end - start)
        data = os.pread(fd, size, end - size).rstrip(b"\0")
        if data:
            return end - size + len(data)
        end -= size
    return end


def _last_hole(fd: int, start: int, end: int) -> int:
    """Where the hole begins that reaches to ``end``, if the file system can tell."""
    hole = end
    try:
        for _ in range(_MOST_HOLES):
            hole = os.lseek(fd, start, os.SEEK_HOLE)
            if hole >= end or (start := os.lseek(fd, hole, os.SEEK_DATA)) >= end:
                return hole
    except OSError as error:
        return hole if error.errno == errno.ENXIO else end  # no data behind it
    return end


def proven_appends(data: bytes, offset: int, running: int) -> bytes:
    """The whole appends before the first line that is not as it was written."""
    walker = Walker(running, offset)
    for span in walker.walk(data):
        if not span.intact:
            return whole_appends(data[: span.offset - offset])
    return whole_appends(data[: walker.offset - offset])


def _scan_walking(fd: int, offset: int, running: int, max_append_bytes: int) -> Iterator[Piece]:
    walker = Walker(running, offset)
    found = _Findings()
    position, size = offset, CHUNK_SIZE
    while data := os.pread(fd, size, position):
        end = data.rfind(b"\n") + 1
        if not end and len(data) == size and size <= max_append_bytes and b"\0" not in data:  # no line has one in it
            size *= 2
            continue
        whole = data[:end] if end else data
        size = CHUNK_SIZE
        for span in walker.walk(whole):
            yield from found.add(span)
        position += len(whole)
    for span in walker.finish():
        yield from found.add(span)
    yield from found.end()


class _Findings:
    """Turns verdicts on lines into pieces: damage is joined, and reported before what follows it; a batch without an end is no append."""

    def __init__(self) -> None:
        self._bad: _Damage | None = None
        self._batch: list[Span] = []

    def add(self, span: Span) -> Iterator[Piece]:
        if not span.intact:
            yield from (held.line for held in self._batch)
            self._batch.clear()
            self._bad = self._bad or _Damage(span.offset)
            self._bad.add(span)
            if not span.proven:
                return
        yield from self._end_of_damage()
        if segment.is_own(span.line):
            yield own(span.line, span.offset)
            return
        self._batch.append(span)
        if not lines.ends_within_batch(span.line):
            yield b"".join(held.line for held in self._batch)
            self._batch.clear()

    def _end_of_damage(self) -> Iterator[Piece]:
        if self._bad is not None:
            yield self._bad.piece()
            self._bad = None

    def end(self) -> Iterator[Piece]:
        yield from self._end_of_damage()
        if self._batch:
            length = sum(held.length for held in self._batch)
            yield Bad(self._batch[0].offset, length, "torn_tail", "a batch that was never completed")


class _Damage:
    """Adjoining lines that are not as they were written; of any length, so that they are not kept."""

    def __init__(self, offset: int) -> None:
        self._offset = offset
        self._length = 0
        self._all_proven = True
        self._bound = segment.Bound()

    def add(self, span: Span) -> None:
        self._length += span.length
        if not span.proven:
            self._all_proven = False
            self._bound.add(span.line)

    def piece(self) -> Bad:
        detail = "the bytes do not match their checksum"
        if self._all_proven:
            detail = "a checksum field or line end was hit; the event itself is proven by what follows"
        return Bad(self._offset, self._length, "damaged", detail, self._bound.lines)


def last_record(path: str, name: SegmentName) -> Own | None:
    """The segment's own line at its end, if that is what stands there and it is proven. Costs one read of a few KiB, or of the last line
    where that is longer."""
    if name.compressed:
        return compressed.last_record(path)
    fd = open_regular(path)
    try:
        size, window = os.fstat(fd).st_size, _SEEK_WINDOW
        data = os.pread(fd, window, max(0, size - window))
        while (begin := data.rfind(b"\n", 0, -1) + 1) < TAIL_SIZE and window < size:
            window *= 4
            data = os.pread(fd, window, max(0, size - window))
    finally:
        os.close(fd)
    last = data[begin:]
    if not segment.is_own(last):
        return None
    running = 0 if segment.starts_afresh(last) else lines.after(data[max(0, begin - TAIL_SIZE) : begin])
    if running is None or lines.prove(last, running) is None:
        return None
    record = segment.decode_own(last)
    return None if record is None else Own(record, last, size - len(last))


def last_seq_before(fd: int, offset: int, default: int) -> int:
    """The seq of the last event line that ends at or before ``offset``, read backwards from there."""
    window = 4096
    while offset > 0:
        start = max(0, offset - window)
        data = os.pread(fd, offset - start, start)
        line_start = data.rfind(b"\n", 0, len(data) - 1) + 1
        if line_start > 0 or start == 0:
            line = data[line_start:]
            if segment.is_own(line):
                return default
            try:
                return stored.position.decode(line).seq
            except (msgspec.DecodeError, UnicodeDecodeError):
                return default
        window *= 4
    return default


def find_start(fd: int, after: int, first_seq: int) -> Start:
    """A line boundary at or before the first event with seq > ``after``, so that what is not needed is not read. It is looked for where it
    would be if all events were as large as those before the last probe, by turns with halving, since they are not.

    The line before the boundary vouches for the checksum there; where it does not, reading finds a mismatch and begins at 0."""
    low, high = 0, os.fstat(fd).st_size
    best = Start()
    event_size = 0.0
    halves = True
    while high - low > FIRST_CHUNK_SIZE:
        middle = (low + high) // 2
        if not halves:
            guess = int(event_size * (after + 1 - first_seq)) - FIRST_CHUNK_SIZE // 2
            middle = max(low + FIRST_CHUNK_SIZE // 2, min(guess, high - FIRST_CHUNK_SIZE // 2))
        halves = not halves
        found = _append_end(fd, middle)
        if found is None:
            high = middle
            continue
        line, end, is_append_end = found
        try:
            seq = stored.position.decode(line).seq
        except (msgspec.DecodeError, UnicodeDecodeError):
            return Start()
        event_size = end / max(1, seq + 1 - first_seq)
        if seq > after:
            high = middle
            continue
        low = end
        if is_append_end:
            running = lines.after(line)
            if running is None:
                return Start()
            best = Start(low, running)
            if max(event_size, len(line)) * (after - seq) < FIRST_CHUNK_SIZE // 2:
                break  # it is in what is read first
    return best


def _append_end(fd: int, offset: int) -> tuple[bytes, int, bool] | None:
    """The first whole line behind ``offset`` that ends an append, where it ends, and that it does; of an append that goes on for longer
    than the last probe, a line. None where there is no line within the window."""
    for window in _PROBES:
        data = os.pread(fd, window, offset)
        begin = first = data.find(b"\n") + 1
        end = first_end = data.find(b"\n", begin) + 1
        if not begin or not end:
            if window >= _SEEK_WINDOW:
                return None
            continue
        while end and data.endswith(MORE, begin, end - TAIL_SIZE):
            begin, end = end, data.find(b"\n", end) + 1
        if end:
            return data[begin:end], offset + end, True
    return data[first:first_end], offset + first_end, False
