"""Which file a writer has open: the one with the session's name, looked for, made, and given its number when it is no longer the last.

The name alone shows that a file was replaced (by an editor, a restored copy, a store that was moved away) or has been finished by another
writer: a descriptor goes on working then, and what is written through it is in no file that anybody will ever read.
"""

from __future__ import annotations

import errno
import os
import time

from ..errors import Damaged, InvalidSessionId, NotStored, SessionGone, SessionNotFound, StoreGone
from . import recovery
from .disk import make_folder
from .ending import EndingSegment
from .layout import NOT_YET, SegmentName, finished_name, last_name
from .opening import NotRegular, header, open_regular, stat_of
from .syncing import Host


class NamedSegment(EndingSegment):
    """``_path`` is where the session's last segment is, ``_identity`` the file that was opened there."""

    def __init__(self, host: Host, session_id: str) -> None:
        super().__init__(host, session_id)
        self.may_create = False  # a handle asked for the session whether it exists or not
        self.is_new = False  # its id was made just now: until its first segment is there, nobody else has it and nothing need be looked for
        self._interval_s = host.settings.sync_interval_ms / 1000

    def _forget(self) -> None:
        super()._forget()
        self._position = 0  # the last seq that this writer knows to have been given out
        self._named_at = 0.0  # when the name was last looked at

    # --- the name ------------------------------------------------------------------------------------------------------------

    def _has_its_name(self) -> bool:
        """Whether the file that is open is the one that has the session's name."""
        found = stat_of(self._path)
        return found is not None and (found.st_dev, found.st_ino) == self._identity

    def _name_is_old(self) -> bool:
        return time.monotonic() - self._named_at > self._interval_s

    def _is_named(self) -> bool:
        """Make sure, under the lock, that the file still has the session's name. False where it was let go of: another file has it."""
        self._named_at = time.monotonic()
        if self._has_its_name():
            self.is_new = False
            return True
        self._drop_descriptor()
        return False

    def _check_name(self) -> bool:
        """The same where the lock is kept: nobody who knows of locks can have taken the name or written to the file, but others can."""
        if self._has_its_name() and os.fstat(self._fd).st_size == self._size:
            self._named_at = time.monotonic()
            return True
        with self._sync_mutex:
            self._drop_descriptor()
        self._tail = None
        return False

    def _is_another(self, name: SegmentName, fd: int) -> bool:
        """Whether a file without a header may be another segment than the one that was looked for: the name changed hands in between. A
        number is given before the name is used again, so what is there now tells."""
        if self.is_new or name.first_seq == NOT_YET or header(fd) is not None:
            return False
        layout = self._host.layout
        return name.first_seq > 1 or any(layout.numbered(self.session_id, 1)) or layout.last_compressed(self.session_id) is not None

    def _name_of_next(self, last: SegmentName | None) -> SegmentName:
        """The name of a last segment that is to be made: the session's first, or one behind those that are there. Raises what says that it
        may not be made."""
        layout = self._host.layout
        if last is not None:
            return last_name(self.session_id, NOT_YET)
        self._check_store()
        if not self.is_new and (
            any(layout.numbered(self.session_id, 1)) or ((self._position or not self.may_create) and self._has_numbers())
        ):
            return last_name(self.session_id, NOT_YET)  # a writer died between finishing the one before and making this one
        if self._position:
            raise SessionGone(self.session_id, self._position)
        if not self.may_create:
            raise SessionNotFound(self.session_id)
        if not self.is_new or self.session_id != self.session_id.lower():
            other = layout.session_id_like(self.session_id)
            if other is not None:
                raise InvalidSessionId(self.session_id, other)
            self._mark_case()
        return last_name(self.session_id, 1)

    def _has_numbers(self) -> bool:
        """Whether there is a finished segment, whichever: lists the folder."""
        return bool(self._host.layout.segments(self.session_id))

    def _mark_case(self) -> None:
        """Say that there is an id with upper-case letters, so that one that differs only in case need not be looked for in a listing."""
        if self.session_id != self.session_id.lower():
            try:
                self._disk.close(self._disk.open(self._host.layout.case_mark(self.session_id), create=True))
            except FileNotFoundError:
                self._make_folder()
                self._mark_case()

    def _check_store(self) -> None:
        if not os.path.lexists(self._host.layout.store_file):
            raise StoreGone(self._host.settings.store)

    def _make_folder(self) -> None:
        """Make the session's folder, which is gone where a store was copied without its empty folders. Raises `OSError`, also where that is
        not what was missing."""
        folder = self._host.layout.folder(self.session_id)
        if os.path.isdir(folder):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), folder)
        self._check_store()
        make_folder(self._disk, folder)

    # --- the number ----------------------------------------------------------------------------------------------------------

    def _number_the_one_before(self) -> None:
        """Where the segment before this one was compressed under the session's name, it gets its number now that it is not the last: when
        the first append here is about to be written, as one that is refused changes no name. Raises `NotStored`."""
        layout = self._host.layout
        try:
            before = None if self._name.first_seq == 1 else layout.last_compressed(self.session_id)
            if before is not None:
                path = layout.path(before)
                if before.first_seq == NOT_YET:
                    before = finished_name(self.session_id, recovery.first_seq(layout, before), compressed=True)
                    self._give_number(path, before)
                elif layout.is_older_copy(before):
                    self._put_away(path)
                    self._disk.unlink(path)
                else:
                    self._give_number(path, finished_name(self.session_id, before.first_seq, compressed=True))
        except OSError as error:
            raise NotStored(self.session_id, error) from error

    def _give_number(self, path: str, name: SegmentName) -> None:
        """Rename, durably. What has the number already is not this session's: it is kept, but not there."""
        target = self._host.layout.path(name)
        if os.path.lexists(target):
            self._put_away(target)
        self._disk.rename(path, target)
        self._disk.sync_directory(self._host.layout.folder(self.session_id))

    def _put_away(self, path: str) -> None:
        """Keep a file in quarantine that stands where one of the session's has to."""
        try:
            fd = open_regular(path)
        except NotRegular as error:
            raise Damaged(self.session_id, os.path.basename(path), 0, 0, "foreign", str(error.strerror)) from error
        try:
            recovery.keep(self._disk, self._host.layout, os.path.basename(path), fd, 0, os.fstat(fd).st_size, "foreign")
        finally:
            os.close(fd)
