"""What a writer finds at the end of a segment when it takes the lock, and what it does about it.

`look` only reads: it proves the last lines (64 KiB, or what was added since the writer last looked) and says where the whole appends end,
what follows them, and whether the segment has ended. The others change the file, each so that a crash in the middle
leaves something that the next writer understands: a torn tail is durable in ``quarantine/`` before it is cut off; a damaged segment only
ever gets a last line; a suspect one is copied whole before anything is built on it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from hashlib import sha256
from itertools import chain
from typing import Literal

import msgspec

from .. import line as lines
from .. import stored
from ..errors import Damaged
from ..segments import segment
from ..segments.segment import FORMAT, Closed, Opened, Sealed, Walker
from . import compressed, scan
from .disk import Disk, copy_file, make_folder
from .layout import NOT_YET, Layout, SegmentName
from .opening import NotRegular, open_regular
from .pieces import count_lines, whole_appends

_WINDOW = 64 * 1024
_READ_SIZE = 1024 * 1024


class Ended(msgspec.Struct, frozen=True):
    """How a segment ended: what the next one has to say of it. ``suspect``: its last bytes were not confirmed by the disk. ``synced``: they
    were, to this process."""

    next_seq: int
    digest: str | None  # None where it cannot be known any more
    lost: tuple[int, int] | None = None
    suspect: bool = False
    synced: bool = False
    last_type: str = ""  # of the last event in it, where that was asked for


class Tail(msgspec.Struct):
    """The end of a segment as a writer knows it: position and running checksum after the last whole append."""

    seq: int
    running: int
    last_type: str = ""
    torn: int | None = None  # where a torn tail begins
    damage_next_seq: int | None = None  # the end is damaged; the first seq that no damaged event can have had
    ended: Ended | None = None
    after: Ended | None = None  # of an empty file: how the segment before it ended
    ids: dict[str, int] | None = None  # remembered idempotency keys, once somebody asked

    def opening(self, session_id: str) -> Opened:
        """The header of the segment that begins here. What is known to have been given out and is nowhere any more is ``lost``."""
        after = self.after
        lost = after.lost if after else None
        if after is not None and after.next_seq <= self.seq:
            lost = (lost[0] if lost else after.next_seq, self.seq)
        return Opened(
            format=FORMAT,
            min_reader=FORMAT,
            session_id=session_id,
            first_seq=self.seq + 1,
            previous=after.digest if after else None,
            lost=lost,
        )


def look(fd: int, size: int, name: SegmentName, known: Tail | None, known_size: int, layout: Layout) -> Tail:
    """The end of the segment, which has ``size`` bytes. ``known`` is what was true when it had ``known_size``. NULs at the end of the file
    cost nothing, however many they are."""
    size = min(size, scan.end_of_content(fd, known_size if known is not None else 0, size) + 2 * segment.SECTOR)
    if size == 0:
        return _empty(layout, name)
    if known is not None:
        data = os.pread(fd, size - known_size, known_size)
        found = _judge(data, known_size, known.running, Tail(known.seq, known.running, known.last_type, ids=known.ids))
    else:
        found = _look_from_the_end(fd, size, name, layout)
    if found.torn == 0:  # the opening line has to be written again
        return msgspec.structs.replace(_empty(layout, name), torn=0)
    return found


def _empty(layout: Layout, name: SegmentName) -> Tail:
    """The tail of a segment whose opening line is still to be written. That the session was deleted stands in the segment before."""
    if name.first_seq != NOT_YET:
        after, first_seq = end_before(layout, name), name.first_seq
    else:
        after = _end_of_all(layout, name)
        first_seq = after.next_seq if after else 1
    return Tail(first_seq - 1, 0, after.last_type if after else "", after=after)


def first_seq(layout: Layout, name: SegmentName) -> int:
    """Where a last segment begins that does not say so (any more): behind all others. Where nobody knows where these end, with the first
    event in it that can be proven, and never with a number that another segment has."""
    try:
        after = _end_of_all(layout, name)
        return after.next_seq if after is not None else 1
    except Damaged:
        pass  # a compressed one before it has lost its end
    pieces = scan.scan_file(layout.path(name), name, max_append_bytes=scan.ANY_SIZE)
    chunk = next((piece for piece in pieces if isinstance(piece, bytes)), None)
    proven = 1 if chunk is None else stored.position.decode(chunk[: chunk.find(b"\n")]).seq
    return max(proven, *(other.first_seq + 1 for other in _others(layout, name) if other.first_seq != NOT_YET), 1)


def _end_of_all(layout: Layout, name: SegmentName) -> Ended | None:
    """How everything ended that stands before a last segment which does not say where it begins; None where there is nothing. A segment
    whose end cannot be read is asked for what can be proven in it. Raises `Damaged` where that is not to be known: no seq is given
    twice."""
    while True:
        others = _others(layout, name)
        try:
            found = _furthest(layout, others, NOT_YET)
            for other in others:
                if other.first_seq >= (found[0].next_seq if found else 1):
                    ended = _end_by_content(layout, other)
                    if found is None or ended.next_seq > found[0].next_seq:
                        found = ended, other
            if found is None:
                return None
            ended, last = found
            return msgspec.structs.replace(ended, last_type=_last_type(layout, last, ended.next_seq - 1))
        except FileNotFoundError:
            continue  # compressed or joined since it was listed


def _others(layout: Layout, name: SegmentName) -> list[SegmentName]:
    others = [other for other in layout.segments(name.session_id) if other.first_seq != NOT_YET]
    last = None if name.compressed else layout.last_compressed(name.session_id)
    if last is not None and last.first_seq == NOT_YET:
        others.append(last)
    return [other for other in others if not scan.is_foreign(layout.path(other), other)]


def _end_by_content(layout: Layout, name: SegmentName) -> Ended:
    if name.compressed:
        return end_of(layout, name)
    fd = open_regular(layout.path(name))
    try:
        tail = look(fd, os.fstat(fd).st_size, name, None, 0, layout)
    finally:
        os.close(fd)
    return tail.ended or Ended(tail.damage_next_seq or tail.seq + 1, None)


def _look_from_the_end(fd: int, size: int, name: SegmentName, layout: Layout) -> Tail:
    window = _WINDOW
    while window < size:
        found = _look_at_window(fd, size, window)
        if found is not None:
            return found
        window *= 4
    return _judge(os.pread(fd, size, 0), 0, 0, Tail(name.first_seq - 1 if name.first_seq != NOT_YET else _empty(layout, name).seq, 0))


def _look_at_window(fd: int, size: int, window: int) -> Tail | None:
    """Judge the last ``window`` bytes, where the first whole line in them vouches for the rest; None where they are too few."""
    data = os.pread(fd, window, size - window)
    begin = data.find(b"\n") + 1
    end = data.find(b"\n", begin) + 1
    base = data[begin:end]
    running = lines.after(base)
    if not begin or not end or running is None or segment.is_own(base) or lines.ends_within_batch(base):
        return None
    try:
        position = stored.position.decode(base)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    found = _judge(data[end:], size - window + end, running, Tail(position.seq, running, position.type))
    return None if found.torn == size - window + end else found  # a torn tail as long as the window: look for where it begins


def _judge(data: bytes, offset: int, running: int, tail: Tail) -> Tail:
    """Complete ``tail``, which holds what is true before ``data``, the bytes from ``offset`` to the end of the file."""
    last = data[data.rfind(b"\n", 0, -1) + 1 :]
    record = segment.decode_own(last) if last.startswith(segment.CLOSED) and lines.prove(last, 0) is not None else None
    if isinstance(record, Closed):
        tail.seq = record.next_seq - 1
        tail.ended = Ended(record.next_seq, record.sha256, record.lost, record.reason == "sync_failed")
        return tail
    chunk = whole_appends(data)
    proven = lines.prove(chunk, running) if chunk else running
    if proven is None:
        chunk = scan.proven_appends(data, offset, running)
        proven = (lines.after(chunk) or 0) if chunk else running
    _take_in(tail, chunk, proven)
    rest = data[len(chunk) :]
    if rest:
        begin = offset + len(chunk)
        if segment.judge_tail(rest, begin, proven, tail.seq + 1) == "torn_tail":
            tail.torn = begin
        else:
            _count_the_lost(tail, rest, begin)
    return tail


def _take_in(tail: Tail, chunk: bytes, running: int) -> None:
    """Move the tail behind a proven chunk."""
    tail.running = running
    if not chunk:
        return
    last = chunk[chunk.rfind(b"\n", 0, -1) + 1 :]
    if segment.is_own(last):
        record = segment.decode_own(last)
        if isinstance(record, Sealed):
            tail.seq = record.last_seq
            tail.ended = Ended(record.next_seq, record.digest)
    else:
        position = stored.position.decode(last)
        tail.seq, tail.last_type = position.seq, position.type
    if tail.ids is not None:
        tail.ids.update(ids_in(chunk))


def _count_the_lost(tail: Tail, rest: bytes, offset: int) -> None:
    """Set the first seq that nothing in the damaged ``rest`` can have had."""
    walker = Walker(tail.running, offset)
    damage = segment.Bound()
    for span in chain(walker.walk(rest), walker.finish()):
        if span.proven and segment.is_own(span.line):
            continue
        position = stored.position.decode(span.line) if span.proven else None
        if position is not None and position.seq > tail.seq:
            tail.seq, tail.last_type, damage = position.seq, position.type, segment.Bound()
        else:  # lines from further up stand for what they were written over
            damage.add(span.line)
    tail.damage_next_seq = tail.seq + 1 + damage.lines


# --- what was there before -----------------------------------------------------------------------------------------------------


def end_before(layout: Layout, name: SegmentName) -> Ended | None:
    """How the segment before ``name`` ended; None where there is none, or where its end cannot be read. It reaches up to ``name``; where
    none does, the one that reaches furthest counts (after a crash, segments that a joined one covers may still be there)."""
    while name.first_seq > 1:
        before = [other for other in layout.segments(name.session_id) if other.first_seq < name.first_seq]
        try:
            found = _furthest(layout, before, name.first_seq)
            if found is None:
                return None
            ended, last = found
            return msgspec.structs.replace(ended, last_type=_last_type(layout, last, ended.next_seq - 1))
        except FileNotFoundError:
            continue  # compressed or joined since it was listed
    return None


def _furthest(layout: Layout, names: list[SegmentName], next_seq: int) -> tuple[Ended, SegmentName] | None:
    ends: list[tuple[int, Ended, SegmentName]] = []
    for name in reversed(names):
        try:
            if scan.is_foreign(layout.path(name), name):
                continue  # its seqs say nothing here
            ended = end_of(layout, name)
        except (Damaged, NotRegular):
            continue
        ends.append((ended.next_seq, ended, name))
        if ended.next_seq == next_seq:
            break
    if not ends:
        return None
    _, ended, name = max(ends, key=lambda end: end[0])
    return ended, name


def end_of(layout: Layout, name: SegmentName) -> Ended:
    """How a finished segment ended. Raises `FileNotFoundError` where it is gone, and `Damaged` where neither its end nor the table that
    names its last event can be read."""
    path = layout.path(name)
    last = scan.last_record(path, name)
    record = None if last is None else last.record
    if isinstance(record, Sealed):
        return Ended(record.next_seq, record.digest)
    if isinstance(record, Closed):
        return Ended(record.next_seq, record.sha256, record.lost, record.reason == "sync_failed")
    last_seq = compressed.last_seq(path) if name.compressed else None
    if last_seq is None:
        size = os.lstat(path).st_size
        raise Damaged(name.session_id, str(name), 0, size, "damaged", "its end cannot be read, so nobody knows which seq comes next")
    return Ended(last_seq + 1, None)


def _last_type(layout: Layout, name: SegmentName, last_seq: int) -> str:
    """The type of the last event of a finished segment."""
    found = ""
    for piece in scan.scan_file(layout.path(name), name, after=last_seq - 1, max_append_bytes=scan.ANY_SIZE):
        if isinstance(piece, bytes):
            found = stored.position.decode(piece[piece.rfind(b"\n", 0, -1) + 1 :]).type
    return found


def ids_of(layout: Layout, name: SegmentName, max_append_bytes: int) -> dict[str, int]:
    """The idempotency keys in a segment, each with the seq of the line that it stands on."""
    ids: dict[str, int] = {}
    for piece in scan.scan_file(layout.path(name), name, max_append_bytes=max_append_bytes):
        if isinstance(piece, bytes):
            ids.update(ids_in(piece))
    return ids


def ids_in(chunk: bytes) -> Iterator[tuple[str, int]]:
    """The keys in proven lines, each with the seq of its line: the last of its append, or one that has a key of its own."""
    if b'"id":"' not in chunk:
        return
    for line in chunk.splitlines():
        if b'"id":"' in line and not segment.is_own(line):
            position = stored.position.decode(line)
            if position.id is not None:
                yield position.id, position.seq


# --- changing the file ---------------------------------------------------------------------------------------------------------


def set_aside(disk: Disk, layout: Layout, name: SegmentName, fd: int, torn: int, size: int) -> None:
    """Copy a torn tail to ``quarantine/``, durably, then cut it off. Doing it again after a crash makes the same file."""
    keep(disk, layout, f"{name}.{torn}", fd, torn, size, "torn")
    disk.truncate(fd, torn)
    disk.sync(fd)


def keep(disk: Disk, layout: Layout, what: str, fd: int, start: int, end: int, why: str) -> None:
    """Copy bytes to ``quarantine/``, durably. Their digest is in the name, so that doing it again makes the same file."""
    content_end = scan.end_of_content(fd, start, end)
    digest, position = sha256(), start
    while position < content_end and (data := os.pread(fd, min(_READ_SIZE, content_end - position), position)):
        digest.update(data)
        position += len(data)
    path = os.path.join(layout.quarantine, f"{what}.{digest.hexdigest()[:16]}.{why}")
    if not os.path.isdir(layout.quarantine):
        make_folder(disk, layout.quarantine)
    copy_file(disk, fd, start, end, path, content_end=content_end)


def copy_anew(disk: Disk, path: str) -> None:
    """Replace a segment whose bytes were not confirmed by a copy that is: reading gives what the kernel holds, writing it anew makes
    it ask the disk again."""
    fd = open_regular(path)
    try:
        copy_file(disk, fd, 0, os.fstat(fd).st_size, path)
    finally:
        os.close(fd)


def footer(fd: int, tail: Tail) -> Sealed | None:
    """The footer for a segment that is to be sealed, after every byte of it has been proven once more; None where it does not hold."""
    digest, running, offset, count, size = sha256(), 0, 0, 0, _READ_SIZE
    ids = None if tail.ids is None else set(map(segment.id_hash, tail.ids))
    found: set[int] = set()
    while data := os.pread(fd, size, offset):
        chunk = data[: data.rfind(b"\n") + 1]
        if not chunk:
            if len(data) < size:
                return None
            size *= 2
            continue
        proven = lines.prove(chunk, running)
        if proven is None:
            return None
        digest.update(chunk)
        count += count_lines(chunk)
        if ids is None:
            found.update(segment.id_hash(key) for key, _ in ids_in(chunk))
        running, offset, size = proven, offset + len(chunk), _READ_SIZE
    if running != tail.running:
        return None
    packed = segment.pack_ids(found if ids is None else ids)
    return Sealed(count=count - 1, last_seq=tail.seq, sha256=digest.hexdigest(), ids=packed)


def closing(fd: int, tail: Tail, reason: Literal["damaged", "sync_failed"]) -> tuple[Closed, bytes]:
    """The line that ends a segment which has to be left, and the bytes to write for it: it always begins on a line of its own."""
    digest, offset, last = sha256(), 0, b"\n"
    while data := os.pread(fd, _READ_SIZE, offset):
        digest.update(data)
        offset += len(data)
        last = data[-1:]
    lead = b"" if last == b"\n" else b"\n"
    digest.update(lead)
    next_seq = tail.damage_next_seq or tail.seq + 1
    record = Closed(reason=reason, last_seq=tail.seq, next_seq=next_seq, sha256=digest.hexdigest())
    return record, lead + segment.encode_own(record, 0)[0]
