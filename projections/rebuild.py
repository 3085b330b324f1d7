"""Rebuilding: projections made anew from the log, in several processes, beside what is there; and comparing the two.

Each process folds a share of the sessions into files of its own; these are joined, completed and installed. What was there serves
until then, and goes on serving where a rebuild is killed.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import islice
from queue import SimpleQueue
from typing import Any

import msgspec

from eventlog import EventLog
from eventlog.errors import EventLogError

from .building import attach, attach_existing, begin_file, build, connect, finish_file
from .catch_up import Progress, catch_up
from .dump import Difference, compare
from .folder import Folder, IndexFile
from .index import Index
from .projection import Projection, ProjectionFailed
from .worker import Answer, Job, Task, home_of

_SESSIONS_PER_BATCH = 50


class RebuildFailed(EventLogError):
    """A process of the rebuild ended before its work was done. What was there before is untouched."""


def rebuild(log: EventLog, folder: Folder, projections: Sequence[Projection[Any]], jobs: int, progress: Progress | None) -> list[IndexFile]:
    """Build the projections' files anew and install them; waits for other builds of the same.

    ``jobs`` processes fold, as long as the projections can be made in another process; else this one does.
    Raises `ProjectionFailed`, `RebuildFailed`, `OSError`, `sqlite3.Error`; what was there before then still is."""
    with _locked(folder, projections):
        _build(log, folder, projections, jobs, progress)
        return [folder.install(projection.name, projection.version) for projection in projections]


def check(
    log: EventLog, folder: Folder, projection: Projection[Any], file: IndexFile, jobs: int, progress: Progress | None
) -> Iterator[Difference]:
    """The differences between a projection's file and a rebuild of it, which is thrown away. What is written meanwhile is caught up in
    both; a session that is still being written then is left out."""
    name = projection.name
    with _locked(folder, [projection]):
        _build(log, folder, [projection], jobs, progress)
        connection = connect()
        try:
            connection.execute("PRAGMA temp_store = FILE")
            attach_existing(connection, "stored", folder.where(file))
            attach(connection, "rebuilt", folder.building(name))
            one, other = Index(connection, projection, "stored"), Index(connection, projection, "rebuilt")
            catch_up(log, [one, other])
            yield from compare(one, other)
        finally:
            connection.close()
            folder.clear(name)


@contextmanager
def _locked(folder: Folder, projections: Sequence[Projection[Any]]) -> Iterator[None]:
    folder.make()
    with ExitStack() as stack:
        for name in sorted(projection.name for projection in projections):
            stack.enter_context(folder.lock(name, wait=True))
            folder.clear(name)
        yield


def _build(log: EventLog, folder: Folder, projections: Sequence[Projection[Any]], jobs: int, progress: Progress | None) -> None:
    homes = [home_of(projection) for projection in projections]
    if jobs < 2 or None in homes or not sys.executable:
        build(log, folder, projections, progress)
    else:
        _Parallel(log, folder, projections, [home for home in homes if home], jobs, progress).run()


class _Parallel:
    """One rebuild by several processes. A thread per process feeds it and takes its answers."""

    def __init__(
        self,
        log: EventLog,
        folder: Folder,
        projections: Sequence[Projection[Any]],
        homes: Sequence[str],
        jobs: int,
        progress: Progress | None,
    ) -> None:
        assert log.path is not None
        self.folder = folder
        self.projections = projections
        self.log = log
        self.progress = progress
        self.parts = [[folder.begin(projection.name, f"-{number}") for projection in projections] for number in range(jobs)]
        self.jobs = [
            Job(
                log.path,
                [Task(home, str(projection.version), path) for home, projection, path in zip(homes, projections, paths, strict=True)],
            )
            for paths in self.parts
        ]
        self.cursor = log.changed_since(None).cursor  # taken first: what is written from now on is caught up afterwards
        self.total = sum(1 for _ in log.session_ids()) if progress is not None else 0
        self._sessions = log.stamps()
        self._sessions_mutex = threading.Lock()
        self._failed = False

    def run(self) -> None:
        done: SimpleQueue[tuple[int, int] | BaseException | None] = SimpleQueue()
        threads = [threading.Thread(target=self._serve, args=(job, done), name="eventlog-rebuild") for job in self.jobs]
        for thread in threads:
            thread.start()
        try:
            self._wait(len(threads), done)
        finally:
            self._failed = True  # whatever happened, no more is handed out
            for thread in threads:
                thread.join()
        self._join()

    def _wait(self, running: int, done: SimpleQueue[tuple[int, int] | BaseException | None]) -> None:
        sessions = events = 0
        while running:
            answer = done.get()
            if answer is None:
                running -= 1
            elif isinstance(answer, BaseException):
                raise answer
            else:
                sessions, events = sessions + answer[0], events + answer[1]
                if self.progress is not None:
                    self.progress(sessions, self.total, events)

    def _serve(self, job: Job, done: SimpleQueue[tuple[int, int] | BaseException | None]) -> None:
        """Run one process to its end; two batches are with it, so that it never waits."""
        process = subprocess.Popen(
            [sys.executable, "-m", "projections.worker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=_environment()
        )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(msgspec.json.encode(job) + b"\n")
            pending: list[int] = []
            while True:
                while len(pending) < 2 and (batch := self._batch()):
                    process.stdin.write(msgspec.json.encode(batch) + b"\n")
                    process.stdin.flush()
                    pending.append(len(batch))
                if not pending:
                    break
                answer = process.stdout.readline()
                if not answer:
                    raise BrokenPipeError
                said = msgspec.json.decode(answer, type=Answer)
                if said.failed is not None:
                    raise ProjectionFailed(*said.failed)
                done.put((pending.pop(0), said.events))
            process.stdin.close()
            if process.wait() != 0:
                raise BrokenPipeError
        except OSError:
            self._failed = True
            done.put(RebuildFailed("a process of the rebuild ended early (see above); run it again, or with --jobs 1"))
        except BaseException as error:
            self._failed = True
            done.put(error)
        finally:
            for pipe in (process.stdin, process.stdout):
                try:
                    pipe.close()
                except OSError:
                    pass  # it is gone already
            process.wait()
            done.put(None)

    def _batch(self) -> list[tuple[str, str]]:
        with self._sessions_mutex:
            return [] if self._failed else list(islice(self._sessions, _SESSIONS_PER_BATCH))

    def _join(self) -> None:
        """Put the parts together. The first one is gone on with, where that saves copying it."""
        connection = connect()
        try:
            for number, projection in enumerate(self.projections):
                paths = [parts[number] for parts in self.parts]
                whole = self.folder.building(projection.name)
                if any(table.words for table in getattr(projection, "tables", ())):
                    index = begin_file(connection, projection, self.folder.begin(projection.name))
                else:
                    self.folder.disk.rename(paths.pop(0), whole)
                    index = Index(connection, projection)
                    attach(connection, projection.name, whole)
                    _hurry(connection, projection.name)
                for path in paths:
                    attach(connection, "part", path)
                    connection.execute("BEGIN")
                    index.join("part")
                    connection.execute("COMMIT")
                    connection.execute("DETACH part")
                    self.folder.remove(path)
                connection.execute("BEGIN")
                index.set_meta("cursor", self.cursor)
                connection.execute("COMMIT")
                finish_file(index)
        finally:
            connection.close()


def _hurry(connection: sqlite3.Connection, schema: str) -> None:
    for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -32000"):
        connection.execute(f"PRAGMA {schema}.{pragma}").fetchall()


def _environment() -> dict[str, str]:
    """The process finds the modules that this one finds."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}
