"""Reads one session across its segments, from any position, while others write, seal, compress and join.

Which files there are is only a snapshot. When one of them has gone, or the last one has ended, the listing is made again and
reading goes on from the position reached: positions are the truth, files are where they happen to be.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import msgspec

from ..backend import Lines, OnDamage
from ..decoding import decoder
from ..errors import Damaged
from ..segments.segment import Closed, Opened, Sealed
from . import recovery, scan
from .layout import Layout, SegmentName
from .pieces import Bad, Own, last_seq_in


def read(layout: Layout, session_id: str, after: int, before: int | None, on_damage: OnDamage, max_append_bytes: int) -> Iterator[Lines]:
    """The proven lines with after < seq < before; the first and last chunk may hold more. See `Session.read`."""
    position = max(0, after)
    next_seq: int | None = None  # where the next segment begins, once one has been read to its end
    looked_again: SegmentName | None = None
    given_up: set[SegmentName] = set()  # they have no end, though others follow
    seen: _Seen | None = None
    while True:
        names = layout.segments(session_id)
        name = _choose(layout, [name for name in names if name not in given_up] if given_up else names, position, next_seq, seen)
        if name is None or (before is not None and name.first_seq >= before):
            return
        end: int | None = None
        try:
            seen = _see(layout, name)
            for piece in scan.scan_file(layout.path(name), name, after=position, max_append_bytes=max_append_bytes):
                if isinstance(piece, bytes):
                    last = last_seq_in(piece)
                    if last > position:
                        yield Lines(session_id, piece)
                        position = last
                        if before is not None and last >= before - 1:
                            return
                elif isinstance(piece, Own) and not isinstance(piece.record, Opened):
                    end = piece.record.next_seq
                elif on_damage == "raise":
                    wanted = position + 1 if next_seq is None else next_seq
                    _raise_if_bad(session_id, name, piece, wanted)
                elif isinstance(piece, Own) and piece.offset == 0 and foreign_to(name, piece.record):
                    break  # nothing in it is this session's
        except FileNotFoundError:
            continue  # compressed or joined since it was listed
        if end is not None:
            next_seq = end
        elif names[-1] == name:
            return
        elif looked_again == name:  # not an end that came after we looked: it has none
            given_up.add(name)
            next_seq = position + 1
        else:
            looked_again, next_seq = name, None


class _Seen(msgspec.Struct, frozen=True):
    """Which file was read, under which name: another one may have it by now."""

    name: SegmentName
    inode: int
    size: int


def _see(layout: Layout, name: SegmentName) -> _Seen:
    state = os.stat(layout.path(name))
    return _Seen(name, state.st_ino, state.st_size)


def _choose(layout: Layout, names: list[SegmentName], position: int, next_seq: int | None, seen: _Seen | None) -> SegmentName | None:
    """The segment to read from. One that begins below ``next_seq`` has been read already, unless segments have been joined to it."""
    if next_seq is None:
        before = [name for name in names if name.first_seq <= position + 1]
        return before[-1] if before else next(iter(names), None)
    following = next((name for name in names if name.first_seq >= next_seq), None)
    if following is not None and following.first_seq == next_seq:
        return following
    before = [name for name in names if name.first_seq < next_seq]
    try:
        if following is None and before and seen == _see(layout, before[-1]):
            return None
        return next((name for name in reversed(before) if _reaches_beyond(layout, name, next_seq)), following)
    except FileNotFoundError:
        return _choose(layout, layout.segments(names[0].session_id), position, next_seq, seen)


def _reaches_beyond(layout: Layout, name: SegmentName, next_seq: int) -> bool:
    try:
        return recovery.end_of(layout, name).next_seq > next_seq
    except Damaged:
        return False  # it has no end


def _raise_if_bad(session_id: str, name: SegmentName, piece: Own | Bad, wanted: int) -> None:
    if isinstance(piece, Bad):
        if piece.kind != "torn_tail" and not piece.harmless:
            raise Damaged(session_id, str(name), piece.offset, piece.length, piece.kind, piece.detail)
        return
    opened = piece.record
    if piece.offset or not isinstance(opened, Opened):
        return
    foreign = foreign_to(name, opened)
    if foreign:
        raise Damaged(session_id, str(name), 0, 0, "foreign", foreign)
    if opened.first_seq > wanted and not covers(opened.lost, wanted, opened.first_seq - 1):
        detail = f"events {wanted} to {opened.first_seq - 1} should stand before this segment; their segment is not in the store"
        raise Damaged(session_id, str(name), 0, 0, "missing", detail)


def foreign_to(name: SegmentName, opened: Opened | Sealed | Closed) -> str | None:
    """Why the header does not belong to a file of this name, if it does not."""
    if not isinstance(opened, Opened):
        return None
    if opened.session_id != name.session_id:
        return f"its header says that it belongs to session {opened.session_id!r}"
    if opened.first_seq != name.first_seq:
        return f"its header says that it begins with event {opened.first_seq}"
    return None


def covers(lost: tuple[int, int] | None, first: int, last: int) -> bool:
    return lost is not None and lost[0] <= first and last <= lost[1]


def standing(layout: Layout, session_id: str) -> list[SegmentName]:
    """The session's segments without those that a joined one covers. Costs a look at the end of each."""
    found: list[SegmentName] = []
    next_seq = 0
    for name in layout.segments(session_id):
        if name.first_seq < next_seq:
            continue
        found.append(name)
        try:
            next_seq = recovery.end_of(layout, name).next_seq
        except Damaged:
            pass  # it has no end (yet)
    return found


def exists(layout: Layout, session_id: str) -> bool:
    """Whether the session has an event: a segment of which only the name was made does not count."""
    names = layout.segments(session_id)
    if len(names) != 1 or names[0].compressed:
        return bool(names)
    try:
        return os.stat(layout.path(names[0])).st_size > 0
    except FileNotFoundError:
        return exists(layout, session_id)


def last_seq(layout: Layout, session_id: str) -> int:
    """The session's position now, without a lock: the last whole append, 0 where there is none."""
    while True:
        names = layout.segments(session_id)
        if not names:
            return 0
        try:
            if names[-1].compressed:
                return recovery.end_of(layout, names[-1]).next_seq - 1
            fd = os.open(layout.path(names[-1]), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        try:
            size = os.fstat(fd).st_size
            return recovery.look(fd, size, names[-1], None, 0, layout).seq
        finally:
            os.close(fd)


class LastLine(msgspec.Struct):
    """The last event of a session, as it stands there."""

    seq: int
    time: str
    type: str
    data: msgspec.Raw
    session_id: str = ""


def last_line(layout: Layout, session_id: str, max_append_bytes: int) -> LastLine | None:
    """The session's last event that can be proven, None where there is none."""
    last = b""
    for after in (last_seq(layout, session_id) - 1, 0):  # the last position may be one that damage took
        for chunk in read(layout, session_id, after, None, "skip", max_append_bytes):
            last = chunk.data[chunk.data.rfind(b"\n", 0, -1) + 1 :]
        if last:
            found: LastLine = decoder(LastLine).decode(last)
            found.data = msgspec.Raw(bytes(found.data))
            found.session_id = session_id
            return found
    return None
