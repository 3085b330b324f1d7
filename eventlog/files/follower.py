"""Reads one session of a store on disk as it grows, at the cost of one read per look.

Between two looks it remembers the active segment, the offset behind the last whole append in it and the running checksum there. What
was added is proven from there. Whatever is not simple growth (the segment ended, was replaced, does not hold) is left to `reader`, which
lists the segments and goes on from the position; then the new end is remembered.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

from .. import line as lines
from ..backend import Lines, OnDamage
from ..segments.segment import Opened
from . import reader, scan
from .layout import Layout, SegmentName
from .opening import NotRegular, open_regular
from .pieces import Own, last_seq_in, split_own, whole_appends

_SETTLED_NS = 2_000_000_000  # a folder that was changed longer ago than this shows its next change in its time


class FileFollower:
    """``keep_open``: the segment's descriptor is kept between looks, else opened where the file has grown."""

    def __init__(self, layout: Layout, session_id: str, after: int, on_damage: OnDamage, max_append_bytes: int, *, keep_open: bool) -> None:
        self._layout = layout
        self._session_id = session_id
        self._position = max(0, after)
        self._on_damage: OnDamage = on_damage
        self._max_append_bytes = max_append_bytes
        self._keep_open = keep_open
        self._name: SegmentName | None = None  # the active segment; None where the session has to be listed
        self._path = ""
        self._inode = -1
        self._fd = -1
        self._offset = 0
        self._running = 0
        self._listed_ns = 0  # the folder's time when nothing was left to read in it; 0: it has to be listed

    def more(self) -> Iterator[Lines]:
        if self._name is not None:
            try:
                yield from self._growth()
            finally:
                if not self._keep_open:
                    self._close_descriptor()
            if self._name is not None:
                return
        changed_ns = self._folder_changed_ns()
        if changed_ns and changed_ns == self._listed_ns:
            return
        self._listed_ns = 0
        for found in reader.read(self._layout, self._session_id, self._position, None, self._on_damage, self._max_append_bytes):
            self._position = last_seq_in(found.data)
            yield found
        self._remember_end(changed_ns)

    def is_at_end(self) -> bool:
        if self._name is None or self._fd >= 0:
            return False
        try:
            found = os.lstat(self._path)
        except (FileNotFoundError, NotADirectoryError):
            return False
        return found.st_size == self._offset and found.st_ino == self._inode

    def go_back(self, position: int) -> None:
        self._leave()
        self._position, self._listed_ns = max(0, position), 0

    def close(self) -> None:
        self._leave()

    # --- the active segment ----------------------------------------------------------------------------------------------------

    def _growth(self) -> Iterator[Lines]:
        """What was added to the active segment; leaves it where it is more than an addition."""
        size = scan.CHUNK_SIZE
        while added := self._open_if_grown():
            data = os.pread(self._fd, min(size, added), self._offset)
            chunk = whole_appends(data)
            if not chunk:
                if len(data) < size or size > self._max_append_bytes:
                    return  # an append is under way, or it was torn
                size *= 2
                continue
            size = scan.CHUNK_SIZE
            proven = lines.prove(chunk, self._running)
            if proven is None:  # damage, or a closing line, whose checksum starts afresh
                self._leave()
                return
            pieces = list(split_own(chunk, self._offset))
            self._offset += len(chunk)
            self._running = proven
            for piece in pieces:
                if isinstance(piece, bytes):
                    last = last_seq_in(piece)
                    if last > self._position:
                        self._position = last
                        yield Lines(self._session_id, piece)
                elif not self._opens_here(piece):
                    self._leave()
                    return

    def _open_if_grown(self) -> int:
        """How many bytes there are behind the offset, with the descriptor open; leaves a segment that has gone or was cut."""
        if self._name is None:
            return 0
        try:
            found = os.lstat(self._path)  # by its name: a descriptor goes on where the file has been finished or replaced
            added = found.st_size - self._offset
            if found.st_ino == self._inode and added >= 0:
                if added == 0 or self._fd >= 0:
                    return added
                self._fd = open_regular(self._path)
                if os.fstat(self._fd).st_ino == self._inode:
                    return added
        except (FileNotFoundError, NotADirectoryError, NotRegular):
            pass
        self._leave()
        return 0

    def _opens_here(self, piece: object) -> bool:
        """Whether it is this segment's header, and its first event may follow the position."""
        if not isinstance(piece, Own) or not isinstance(piece.record, Opened) or self._name is None:
            return False
        return piece.record.session_id == self._session_id and piece.record.first_seq <= self._position + 1

    def _leave(self) -> None:
        self._name = None
        self._close_descriptor()

    def _close_descriptor(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    # --- where reading ended -----------------------------------------------------------------------------------------------------

    def _remember_end(self, changed_ns: int) -> None:
        """Find the position in the active segment; where there is none, remember the folder as it was before it was looked at."""
        name = self._layout.last(self._session_id)
        try:
            last = None if name is None or name.compressed else scan.last_record(self._layout.path(name), name)
            ended = last is not None and not isinstance(last.record, Opened)
            if name is None or name.compressed or ended:
                all_read = last is None or isinstance(last.record, Opened) or last.record.last_seq <= self._position
                self._listed_ns = changed_ns if all_read and time.time_ns() - changed_ns > _SETTLED_NS else 0
                return
            path = self._layout.path(name)
            fd = open_regular(path)
        except (FileNotFoundError, NotRegular):
            return  # finished or replaced meanwhile: it is looked for again at the next look
        try:
            start = scan.find_start(fd, self._position, name.first_seq)
            inode = os.fstat(fd).st_ino
        except BaseException:
            os.close(fd)
            raise
        self._name, self._path, self._inode, self._fd = name, path, inode, fd
        self._offset, self._running = start.offset, start.running
        if not self._keep_open:
            self._close_descriptor()

    def _folder_changed_ns(self) -> int:
        try:
            return os.stat(self._layout.folder(self._session_id)).st_mtime_ns
        except (FileNotFoundError, NotADirectoryError):
            return 0
