"""The backend on a file system: a store's folder, one stream per session, and what they share.

Shared are the descriptors (bounded: a hundred thousand handles may be open) and the thread that syncs at intervals, which is started when
there is something to do and ends when there is nothing more.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime

from ..backend import Capabilities, Changes, Feed, Follower, Footprint, Lines, OnDamage, Watch, read_each
from ..errors import EventLogError
from ..reports import Progress, Report
from ..settings import Settings
from . import reader
from .changes import Journal, JournalFeed
from .disk import Disk
from .follower import FileFollower
from .layout import SHARDS, Layout, SegmentName
from .opening import stat_of
from .store import StoreFile, open_store
from .syncing import Writer
from .writer import SessionWriter

_backends: weakref.WeakSet[FilesBackend] = weakref.WeakSet()


class FileStream(SessionWriter):
    """One session of a store. All handles of a session in this process share one, but for the exclusive."""

    def __init__(self, backend: FilesBackend, session_id: str, *, exclusive: bool) -> None:
        super().__init__(backend, session_id, exclusive=exclusive)
        self._backend = backend
        self._layout = backend.layout
        self._news = (-1, -1, -1, -1, 0)  # the last segment when it was looked at, and the position then

    def read(self, after: int, before: int | None, on_damage: OnDamage) -> Iterator[Lines]:
        return reader.read(self._layout, self.session_id, after, before, on_damage, self._limit)

    def follow(self, after: int, on_damage: OnDamage, *, keep_open: bool) -> Follower:
        return FileFollower(self._layout, self.session_id, after, on_damage, self._limit, keep_open=keep_open)

    def watch(self) -> Watch:
        return self._backend.watch(self.session_id)

    def last_seq(self) -> int:
        known = self.position()
        return self._last_seen() if known is None else known

    def has_news(self, after: int) -> bool:
        return self._last_seen() > after

    def _last_seen(self) -> int:
        """The position. As long as the last segment is the file that it was, as large as it was and last written when it was (what was torn
        may be cut and made good to the same size), nothing was written."""
        found = stat_of(self._path)
        if found is None:
            return reader.last_seq(self._layout, self.session_id)
        seen = found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
        news = self._news
        if seen != news[:4]:
            self._news = news = *seen, reader.last_seq(self._layout, self.session_id)
        return news[4]

    def exists(self) -> bool:
        """Whoever may create the session asks names alone, which costs the same however many sessions there are."""
        return self._layout.has(self.session_id) or (not self.may_create and reader.exists(self._layout, self.session_id))

    def close(self) -> None:
        """Give up an exclusive lock. What is shared is given up with the last handle, or when descriptors run short."""
        if self._exclusive:
            self.let_go()


class FilesBackend:
    """A store on disk. ``disk`` is where its durable calls go; tests give another one."""

    def __init__(self, layout: Layout, store: StoreFile, settings: Settings, disk: Disk) -> None:
        self.layout = layout
        self.path: str | None = layout.root
        self.place = layout.root
        self.store = store
        self.settings = settings
        self.disk = disk
        self.suspects: set[SegmentName] = set()
        self._shared: weakref.WeakValueDictionary[str, FileStream] = weakref.WeakValueDictionary()
        self._exclusive: weakref.WeakValueDictionary[str, FileStream] = weakref.WeakValueDictionary()  # the last of each session
        self._streams: weakref.WeakSet[FileStream] = weakref.WeakSet()  # all, also the exclusive ones
        self.journal = Journal(disk, layout.changes)
        self._forget()
        _backends.add(self)

    @classmethod
    def open(cls, settings: Settings, *, create: bool = True, disk: Disk | None = None) -> FilesBackend:
        """Open or make the store at ``settings.store``; see `EventLog.open` for what it raises."""
        disk = disk or Disk()
        layout, store = open_store(settings.store, disk, create=create)
        return cls(layout, store, settings, disk)

    def _forget(self) -> None:
        self._mutex = threading.RLock()  # reentrant: a writer may be let go of (`__del__`) at any point
        self.watches: tuple[Watch, ...] = ()
        self._open: deque[weakref.ref[Writer]] = deque()
        self._dirty: set[Writer] = set()
        self._syncer: threading.Thread | None = None
        self._closing = threading.Event()

    # --- the port ------------------------------------------------------------------------------------------------------------

    def stream(self, session_id: str, *, create: bool, exclusive: bool = False, new: bool = False) -> FileStream:
        with self._mutex:
            stream = None if exclusive else self._shared.get(session_id)
            if stream is None or stream.failed or stream.is_gone:  # one that failed is not handed out again
                stream = FileStream(self, session_id, exclusive=exclusive)
                self._streams.add(stream)
                (self._exclusive if exclusive else self._shared)[session_id] = stream
            stream.may_create |= create
            stream.is_new |= new
        if exclusive:
            stream.hold()
        return stream

    @contextmanager
    def holding(self, session_id: str) -> Iterator[FileStream]:
        """The session's lock, for the moments in which its files change places. Raises `SessionLocked`."""
        stream = self.stream(session_id, create=False, exclusive=True)
        try:
            yield stream
        finally:
            stream.close()

    def session_ids(self, after: str | None = None) -> Iterator[str]:
        return self.layout.session_ids(after)

    def stamps(self) -> Iterator[tuple[str, str]]:
        return self.layout.stamps()

    def footprint(self, session_id: str) -> Footprint:
        states = [state for name in self.layout.segments(session_id) if (state := _state(self.layout.path(name))) is not None]
        written = max((state.st_mtime for state in states if state.st_size > 0), default=None)
        size_bytes = sum(state.st_size for state in states)
        return Footprint(len(states), size_bytes, None if written is None else datetime.fromtimestamp(written, UTC))

    @property
    def capabilities(self) -> Capabilities:
        from .upkeep import Upkeep

        upkeep = Upkeep(self)
        return Capabilities(seal=upkeep, rewrite=upkeep, erase=upkeep, snapshot=upkeep)

    def changed_since(self, cursor: str | None) -> Changes:
        return self.journal.since(cursor)

    def feed(self, cursor: str | None) -> Feed:
        return JournalFeed(self.journal, cursor)

    def watch(self, session_id: str | None = None) -> Watch:
        """What wakes a reader of one session, or of all."""
        from . import notify  # only those who wait pay for it

        folders = [self.layout.folder(session_id)] if session_id else [os.path.join(self.layout.sessions, shard) for shard in SHARDS]
        watch = notify.watch_files(folders, session_id, self._unwatch)
        with self._mutex:
            self.watches += (watch,)
        return watch

    def _unwatch(self, watch: Watch) -> None:
        with self._mutex:
            self.watches = tuple(other for other in self.watches if other is not watch)

    def read_many(self, after: Mapping[str, int], on_damage: OnDamage) -> Iterator[Lines]:
        return read_each(self, after, on_damage)

    def settle(self, session_id: str) -> None:
        for streams in (self._shared, self._exclusive):
            stream = streams.get(session_id)
            if stream is not None:
                stream.settle()

    def verify(self, session_ids: Iterable[str] | None = None, progress: Progress | None = None) -> Report:
        from . import verify

        return verify.verify(self.layout, session_ids, self.settings.max_event_bytes, progress)

    def close(self) -> None:
        """Wait for the background work, sync what waits for its interval, give up all descriptors."""
        self._closing.set()
        with self._mutex:
            syncer = self._syncer
        if syncer is not None:
            syncer.join()
        for reference in list(self._open):
            writer = reference()
            if writer is not None:
                writer.let_go()
        self.journal.close()

    # --- what writers need of their host -------------------------------------------------------------------------------------

    def opened(self, writer: Writer) -> None:
        """Remember who has a descriptor, and ask those who have not used theirs for longest to give it up (second chance)."""
        with self._mutex:
            self._open.append(weakref.ref(writer))
            for _ in range(2 * len(self._open)):
                if len(self._open) <= self.settings.max_open_files:
                    return
                reference = self._open.popleft()
                oldest = reference()
                if oldest is None or not oldest.has_descriptor:
                    continue
                if oldest is writer or oldest.recent:
                    oldest.recent = oldest is writer
                    self._open.append(reference)
                elif not oldest.give_up_descriptor():
                    self._open.append(reference)

    def unsynced(self, writer: Writer) -> None:
        with self._mutex:
            self._dirty.add(writer)
            if self._syncer is None and not self._closing.is_set():
                self._syncer = threading.Thread(target=self._sync_at_intervals, name="eventlog-sync", daemon=True)
                self._syncer.start()

    def changing(self, session_id: str, position: int) -> None:
        self.journal.opened(session_id, position)

    def changed(self, session_id: str) -> None:
        self.journal.closed(session_id)

    # --- background work -----------------------------------------------------------------------------------------------------

    def _sync_at_intervals(self) -> None:
        while True:
            closing = self._closing.wait(self.settings.sync_interval_ms / 1000)
            with self._mutex:
                writers, self._dirty = self._dirty, set()
                if not writers:
                    self._syncer = None
                    return
            for writer in writers:
                try:
                    writer.sync()
                except EventLogError:
                    pass  # the writer keeps it: its next append says so
            if closing and not self._dirty:
                return

    def after_fork(self) -> None:
        """In a child process: its locks and descriptors are the parent's, so nothing that is open may be used."""
        self._forget()
        self.journal.forget()
        for stream in list(self._streams):
            stream.after_fork()


def _state(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)
    except FileNotFoundError:
        return None  # compressed since it was listed


def _after_fork() -> None:
    for backend in list(_backends):
        backend.after_fork()


os.register_at_fork(after_in_child=_after_fork)
