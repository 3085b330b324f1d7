"""Reads one session across its segments, from any position, while others write, seal, compress and join.

Which file comes next follows from what was read: a segment's end says where the next begins, and the last has the session's name. Only
where that leads nowhere (a segment in the middle is wanted, files were joined or have gone) is the folder listed. Which files there are
is a snapshot: when one has gone, or the last one has ended, they are looked for again and reading goes on from the position reached.
Positions are the truth, files are where they happen to be; a step that brings neither a new position nor a new end is not taken twice.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator

import msgspec

from ..backend import Lines, OnDamage
from ..decoding import decoder
from ..errors import Damaged, SessionLocked
from ..segments.segment import Opened
from . import recovery, scan
from .layout import NOT_YET, Layout, SegmentName, last_name
from .opening import NotRegular, open_regular
from .pieces import Bad, Own, last_seq_in

_File = tuple[int, int, int, str]  # device, inode, size, name
_MOST_LOOKS = 100  # at files that change places without anything new to read


def read(layout: Layout, session_id: str, after: int, before: int | None, on_damage: OnDamage, max_append_bytes: int) -> Iterator[Lines]:
    """The proven lines with after < seq < before; the first and last chunk may hold more. See `Session.read`."""
    position = max(0, after)
    next_seq: int | None = None  # where the next segment begins, once one has been read to its end
    finder = _Finder(layout, session_id)
    while (name := finder.find(position, next_seq)) is not None and (
        before is None or name.first_seq < before or name.first_seq == NOT_YET
    ):
        end: int | None = None
        foreign = False
        if finder.misplaced and on_damage == "raise":
            raise Damaged(session_id, str(last_name(session_id, 0)), 0, 0, "foreign", finder.misplaced)
        try:
            file = finder.file(name)
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
                else:
                    foreign |= isinstance(piece, Bad) and piece.kind == "foreign"
                    if on_damage == "raise":
                        _raise_if_bad(session_id, name, piece, position + 1 if next_seq is None else next_seq)
        except FileNotFoundError:
            finder.look_again()
            continue  # compressed, joined or finished since it was looked for
        if end is not None and end > (next_seq or 0):
            next_seq = end
            finder.finished.add(file)
        elif foreign or not name.unnumbered:
            finder.given_up.add(file)
            if not foreign:
                next_seq = position + 1
        elif finder.has(name, file):
            return
        else:
            finder.look_again()


class _Finder:
    """Which segment to read next. Each file is read to its end once: as long as there is another answer, there is something new to read."""

    def __init__(self, layout: Layout, session_id: str) -> None:
        self.finished: set[_File] = set()  # read to their ends
        self.given_up: set[_File] = set()  # read to where they stop: they have no end, or one that was known, or are not this session's
        self._layout = layout
        self._session_id = session_id
        self.misplaced = ""  # why the last segment cannot be that
        self._looks = 0
        self._listed: list[tuple[int, int]] | None = None  # the files of the last listing that did not have what was wanted

    def look_again(self) -> None:
        """Files have changed places. Raises `SessionLocked` where they never come to rest."""
        self._looks += 1
        if self._looks > _MOST_LOOKS:
            raise SessionLocked(self._session_id, 0)

    def file(self, name: SegmentName) -> _File:
        """What tells the file that has the name now from others and from what it was. Raises `FileNotFoundError`."""
        try:
            state = os.lstat(self._layout.path(name))
        except NotADirectoryError as error:
            raise FileNotFoundError(str(error)) from error
        return state.st_dev, state.st_ino, state.st_size, str(name)

    def has(self, name: SegmentName, file: _File) -> bool:
        """Whether the file still has the name; a last segment that has just got its number has not, and nothing else may have it yet."""
        try:
            return self.file(name)[:2] == file[:2]
        except FileNotFoundError:
            return False

    def find(self, position: int, next_seq: int | None) -> SegmentName | None:
        """The segment with the event behind ``position``, where that is known to be at ``next_seq``; None where there is no more."""
        wanted = position + 1 if next_seq is None else next_seq
        try:
            last = self._layout.last(self._session_id)
            finished = last is not None and self.file(last) in self.finished
            for name in self._layout.numbered(self._session_id, wanted):
                if self.file(name) not in self.given_up:
                    if finished and last is not None and self.file(last) in self.finished:  # still: it was not numbered in between
                        self.misplaced = f"it ends with event {wanted - 1}, but {name} follows it: files have changed places"
                    return name
            if finished:
                return None
            if last is not None and last.first_seq <= wanted and self.file(last) not in self.given_up:
                is_behind = next_seq is not None and last.first_seq < wanted  # it has been read, unless there is more in it now
                if self._reaches_beyond(last, wanted) if is_behind else not self._layout.is_older_copy(last):
                    return last
            return self._find_in_listing(wanted, known=next_seq is not None)
        except FileNotFoundError:
            self.look_again()
            return self.find(position, next_seq)

    def _find_in_listing(self, wanted: int, *, known: bool) -> SegmentName | None:
        """A segment that begins below the seq that is ``known`` to come next has been read already, unless segments have been joined to
        it."""
        names = [name for name in self._layout.segments(self._session_id) if self.file(name) not in self.given_up]
        before = [name for name in names if name.first_seq < wanted]
        behind = next((name for name in names if name.first_seq >= wanted), None)
        if behind is not None and behind.first_seq == wanted:
            return behind
        if not known and before:
            return before[-1]
        found = next((name for name in reversed(before) if self._reaches_beyond(name, wanted)), None) if known else None
        if found is None and not self._is_settled(names):
            raise FileNotFoundError(errno.ESTALE, "files changed places while they were listed")
        return found or behind

    def _is_settled(self, names: list[SegmentName]) -> bool:
        """Whether these were listed twice. A listing may have neither name of a file that gets another one meanwhile: that an event is in
        none of them is believed when two say so."""
        listed = [self.file(name)[:2] for name in names]
        before, self._listed = self._listed, listed
        return listed == before

    def _reaches_beyond(self, name: SegmentName, wanted: int) -> bool:
        try:
            return recovery.end_of(self._layout, name).next_seq > wanted
        except (Damaged, NotRegular):
            return name.unnumbered and not name.compressed and self.file(name) not in self.finished  # it is being written to


def _raise_if_bad(session_id: str, name: SegmentName, piece: Own | Bad, wanted: int) -> None:
    if isinstance(piece, Bad):
        if piece.kind != "torn_tail" and not piece.harmless:
            raise Damaged(session_id, str(name), piece.offset, piece.length, piece.kind, piece.detail)
        return
    opened = piece.record
    if piece.offset or not isinstance(opened, Opened):
        return
    if opened.first_seq > wanted and not covers(opened.lost, wanted, opened.first_seq - 1):
        detail = f"events {wanted} to {opened.first_seq - 1} should stand before this segment; their segment is not in the store"
        raise Damaged(session_id, str(name), 0, 0, "missing", detail)


def covers(lost: tuple[int, int] | None, first: int, last: int) -> bool:
    return lost is not None and lost[0] <= first and last <= lost[1]


def standing(layout: Layout, session_id: str) -> list[SegmentName]:
    """The session's segments without those that a joined one covers. Costs a look at the end of each."""
    found: list[SegmentName] = []
    next_seq = 0
    for name in layout.all_segments(session_id):
        if name.first_seq < next_seq:
            continue
        found.append(name)
        try:
            next_seq = recovery.end_of(layout, name).next_seq
        except (Damaged, NotRegular):
            pass  # it has no end (yet)
    return found


def exists(layout: Layout, session_id: str) -> bool:
    """Whether the session has an event: a segment of which only the name was made does not count. Lists the folder only where neither the
    session's own name nor its first segment is there."""
    return layout.has(session_id) or any(not name.unnumbered for name in layout.segments(session_id))


def last_seq(layout: Layout, session_id: str) -> int:
    """The session's position now, without a lock: the last whole append, 0 where there is none."""
    while True:
        name = layout.last(session_id) or next(reversed(layout.segments(session_id)), None)
        if name is None:
            return 0
        try:
            if name.compressed or not name.unnumbered:
                return recovery.end_of(layout, name).next_seq - 1
            fd = open_regular(layout.path(name))
        except FileNotFoundError:
            continue
        except NotRegular as error:
            raise Damaged(session_id, str(name), 0, 0, "foreign", str(error.strerror)) from error
        try:
            if scan.is_another(fd, name):
                continue  # it was finished since it was looked for
            return recovery.look(fd, os.fstat(fd).st_size, name, None, 0, layout).seq
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
