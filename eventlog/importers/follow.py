"""A live import: another tool's files, imported as they are written.

What is known of each file (its size, time and inode, and how far it has been read) decides what is imported; being told that
something has changed only decides when to look. Every few moments everything is looked at, should that be lost.

- What was added to a file is imported, not the file again. Half a line waits for its rest, and what later records decide about waits
  for them, so that the store ends as if the finished file had been imported. A file that is not changed for ``settle_s``, or the end of
  following, ends the waiting: what is there is taken as an ordinary import takes it.
- A file that became shorter, or is another one now, is read again from its start: records that the log holds are not added twice, and
  none is ever taken away.
- Memory is bounded: how far it was read is remembered for a limited number of files. Another one that grows is read once from its start.
"""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import closing
from datetime import datetime, timezone
from itertools import chain
from pathlib import Path

import msgspec

from eventlog.log import EventLog

from . import SourceFile, open_importer
from .growing_file import GrowingFile
from .report import Change, Deleted, Following, Imported, ImportReport, Replaced, Skipped, Truncated
from .sources import files_of

_REMEMBERED_FILES = 32
_POLLS_PER_LOOK = 4  # everything is looked at in every fourth poll interval
_LOOKING_SHARE = 0.02  # and looking at a large tree takes no more than this part of the time
_STEP_MS = 10  # how often watchfiles sees whether something has come, and how long it then waits for more
_DEBOUNCE_MS = 50
_WAKE_MS = 100  # how often it wakes at the least, to see whether it is time to look


class _Followed(msgspec.Struct):
    """A file, and what the report counts of it."""

    file: GrowingFile
    first_seen: float
    is_there: bool = True
    files: int = 0
    records: int = 0
    skipped: list[Skipped] = []
    refused: int = 0


class Follower:
    """Follows files and folders; of one thread, but `stop` may be called from any, also in a signal handler.

    ``now`` is the clock by which files are old (Unix time). ``settle_s``: a file that has not changed for so long is taken as it is.
    ``patience_s``: how long a new file waits for its description. Raises `InvalidInput` for an unknown format."""

    def __init__(
        self,
        log: EventLog,
        format: str,
        paths: Iterable[str | os.PathLike[str]],
        *,
        now: Callable[[], float] = time.time,
        settle_s: float = 60.0,
        patience_s: float = 1.0,
    ) -> None:
        self._importer = open_importer(log, format)
        self._roots = {path: os.path.realpath(path) for path in map(Path, paths)}
        self._own = _within(self._roots, log.path)
        self._poll_s = log.settings.poll_interval_ms / 1000 * _POLLS_PER_LOOK
        self._now = now
        self._settle_s = settle_s
        self._patience_s = patience_s
        self._files: dict[Path, _Followed] = {}
        self._sources: OrderedDict[Path, SourceFile] = OrderedDict()
        self._unreadable: dict[str, str] = {}
        self._unreadable_folders: dict[str, str] = {}
        self._unsaid: list[Skipped] = []
        self._stopped = threading.Event()

    @property
    def report(self) -> ImportReport:
        """What was done since the start, as an import of all that was there would say it."""
        done = self._importer.report
        report = ImportReport(sessions=done.sessions, events_added=done.events_added)
        report.skipped = [Skipped(path, None, reason) for path, reason in (self._unreadable_folders | self._unreadable).items()]
        report.records = len(report.skipped)
        for followed in self._files.values():
            report.files += followed.files
            report.records += followed.records
            report.skipped += followed.skipped
            report.refused += followed.refused
        return report

    # --- following -------------------------------------------------------------------------------------------------------------

    def changes(self, hints: Iterable[Collection[str]] | None = None) -> Iterator[Change | Skipped]:
        """Import what is there, then what comes, until `stop`; gives what happens as it happens.

        ``hints`` wakes it with absolute paths that may have changed, or with none to see whether it is time to look by itself; by default
        the operating system does. When it ends, the log is as after an import of what is there then (unless
        it was stopped before it had seen everything once). Raises what `import_paths` raises."""
        yield from self.look()
        if self._stopped.is_set():
            return
        report = self.report
        yield Following(report.files, report.sessions, report.events_added)
        yield from self._live(self._notifications() if hints is None else hints)
        yield from self.finish()

    def stop(self) -> None:
        """Make `changes` come to its end after the file at hand."""
        self._stopped.set()

    def _live(self, hints: Iterable[Collection[str]]) -> Iterator[Change | Skipped]:
        look_at = 0.0  # at once: what came before the notifications did was in neither
        for hinted in hints:
            if self._stopped.is_set():
                return
            began = time.monotonic()
            if began < look_at:
                yield from self.look(hinted)
                continue
            yield from self.look()
            ended = time.monotonic()
            look_at = ended + max(self._poll_s, (ended - began) / _LOOKING_SHARE)

    def _notifications(self) -> Iterator[Collection[str]]:
        """What the operating system says has changed; now and then nothing, so that the caller gets to look by itself."""
        import watchfiles

        wake_ms = max(1, min(_WAKE_MS, int(self._poll_s * 500)))
        try:
            with closing(
                watchfiles.watch(
                    *self._roots.values(),
                    watch_filter=None,
                    debounce=_DEBOUNCE_MS,
                    step=_STEP_MS,
                    rust_timeout=wake_ms,
                    yield_on_timeout=True,
                    stop_event=self._stopped,
                    ignore_permission_denied=True,
                )
            ) as notified:
                for changes in notified:
                    yield [path for _, path in changes]
        except (OSError, RuntimeError):
            pass  # this cannot be watched: looking by itself has to do
        while not self._stopped.wait(wake_ms / 1000):
            yield ()

    # --- looking ---------------------------------------------------------------------------------------------------------------

    def look(self, hinted: Collection[str] | None = None) -> Iterator[Change | Skipped]:
        """Import what has changed among the ``hinted`` absolute paths; None: wherever it has."""
        for path in self._everything() if hinted is None else self._meant_by(hinted):
            if self._stopped.is_set():
                return
            yield from self._look_at(path)
            source = self._sources.get(path)
            if source is not None and source.waits and hinted is None:
                followed = self._files[path]
                yield from self._take(followed, source, b"", is_end=self._now() - followed.file.changed_at >= self._settle_s)
        unsaid, self._unsaid = self._unsaid, []
        yield from unsaid

    def finish(self) -> Iterator[Change | Skipped]:
        """Import what has changed, and take what waits as it is: nothing is expected to follow."""
        self._stopped.clear()
        self._patience_s = 0
        yield from self.look()
        for path, source in list(self._sources.items()):
            if source.waits:
                yield from self._take(self._files[path], source, b"", is_end=True)

    def _look_at(self, path: Path) -> list[Change | Skipped]:
        followed = self._files.get(path)
        if followed is None or not followed.is_there:
            followed = _Followed(GrowingFile(path), self._now())
        source = self._sources.get(path)
        try:
            if self._waits_for_description(followed):
                return []
            news = followed.file.news(from_start=source is None)
        except (FileNotFoundError, NotADirectoryError):
            return self._gone(path)
        except OSError as error:
            self._cannot_read(self._unreadable, path, error)
            return []
        self._unreadable.pop(str(path), None)
        if news is None:
            return []
        self._files[path] = followed
        changes: list[Change | Skipped] = []
        if news.change == "truncated":
            changes.append(Truncated(str(path), news.size_before_bytes, followed.file.size_bytes))
        elif news.change == "replaced":
            changes.append(Replaced(str(path)))
        if source is not None and not news.from_start:
            return changes + self._take(followed, source, news.data)
        said, followed.skipped = followed.skipped, []
        followed.files = followed.records = followed.refused = 0
        taken = self._take(followed, self._importer.open_file(path), news.data)
        return changes + [change for change in taken if change not in said]

    def _take(self, followed: _Followed, source: SourceFile, data: bytes, *, is_end: bool = False) -> list[Change | Skipped]:
        """Give the bytes to the importer, and count what it did."""
        path = followed.file.path
        report = self._importer.report
        files, records, refused = report.files, report.records, report.refused
        added = source.take(data, datetime.fromtimestamp(followed.file.changed_at, timezone.utc), is_end=is_end)
        followed.files += report.files - files
        followed.records += report.records - records
        followed.refused += report.refused - refused
        skipped, report.skipped = report.skipped, []
        followed.skipped += skipped
        self._remember(path, source)
        return [*(Imported(str(path), session_id, events) for session_id, events in added.items() if events), *skipped]

    def _remember(self, path: Path, source: SourceFile) -> None:
        """Keep how far the file was read, and forget the one that was read longest ago, but for those that hold something that waits."""
        self._sources.pop(path, None)
        if source.goes_on:
            self._sources[path] = source
        if len(self._sources) > _REMEMBERED_FILES:
            oldest = next((path for path, source in self._sources.items() if not source.waits), None)
            if oldest is not None:
                del self._sources[oldest]

    def _waits_for_description(self, followed: _Followed) -> bool:
        """Whether nothing was read of the file yet and its description may still come."""
        path = followed.file.path
        description = None if followed.file.size_bytes else self._importer.description_of(path)
        if description is None or description.exists():
            return False
        since = min(followed.first_seen, os.stat(path).st_mtime)
        self._files[path] = followed
        return self._now() - since < self._patience_s

    def _gone(self, path: Path) -> list[Change | Skipped]:
        followed = self._files.get(path)
        if followed is None or not followed.is_there:
            return []
        followed.is_there = False
        source = self._sources.get(path)
        changes = self._take(followed, source, b"", is_end=True) if source is not None and source.waits else []
        self._sources.pop(path, None)
        self._unreadable.pop(str(path), None)
        return [*changes, Deleted(str(path))]

    # --- which files -------------------------------------------------------------------------------------------------------------

    def _everything(self) -> list[Path]:
        """All files that are there, in the order of an import, then those that were."""
        known, self._unreadable_folders = self._unreadable_folders, {}
        there = dict.fromkeys(chain.from_iterable(map(self._below, self._roots)))
        self._unsaid = [each for each in self._unsaid if known.get(each.file) != each.reason]
        return [*there, *(path for path, followed in self._files.items() if followed.is_there and path not in there)]

    def _meant_by(self, hinted: Collection[str]) -> list[Path]:
        """The files that the absolute paths stand for: themselves, those in a folder, those that were in one that has gone."""
        meant: dict[Path, None] = {}
        for hint in hinted:
            for root, real in self._roots.items():
                if hint != real and not hint.startswith(os.path.join(real, "")):
                    continue
                path = root if hint == real else root / os.path.relpath(hint, real)
                if path.is_dir():
                    meant |= dict.fromkeys(self._below(path))
                elif path == root or (self._importer.reads(path.name) and not self._is_own(path)):
                    meant[path] = None
                elif not os.path.lexists(path):
                    meant |= dict.fromkeys(known for known in self._files if path in known.parents)
        return list(meant)

    def _below(self, path: Path) -> list[Path]:
        """The files of a given path, or of a folder below it; none where it has gone."""
        try:
            found = list(files_of(path, self._importer.reads, self._cannot_list))
        except OSError as error:
            self._cannot_list(error)
            return []
        return [file for file in found if not self._is_own(file)] if self._own else found

    def _is_own(self, path: Path) -> bool:
        """Whether it is a file of the store itself, which may lie in a folder that is followed."""
        return any(own in path.parents for own in self._own)

    def _cannot_list(self, error: OSError) -> None:
        if not isinstance(error, (FileNotFoundError, NotADirectoryError)):
            self._cannot_read(self._unreadable_folders, error.filename, error)

    def _cannot_read(self, known: dict[str, str], path: str | Path, error: OSError) -> None:
        """Report it, once for each reason."""
        reason = error.strerror or str(error)
        if known.get(str(path)) != reason:
            known[str(path)] = reason
            self._unsaid.append(Skipped(str(path), None, reason))


def _within(roots: dict[Path, str], store: str | None) -> list[Path]:
    """The store as a path below each root that it lies in."""
    if store is None:
        return []
    real_store = os.path.realpath(store)
    return [root / os.path.relpath(real_store, real) for root, real in roots.items() if real_store.startswith(os.path.join(real, ""))]
