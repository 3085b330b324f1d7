"""Rebuilding: projections made anew from the log, in several processes, beside what is there; and comparing the two.

Each process folds a share of the sessions into files of its own, one set after the other; these are joined as they are finished, and in the
end completed and installed. What was there serves until then, and goes on serving where a rebuild is killed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from itertools import count, islice
from queue import SimpleQueue
from typing import Any, NamedTuple

import msgspec

from eventlog import EventLog
from eventlog.errors import EventLogError

from ..projection import Projection, ProjectionFailed
from .building import attach, attach_existing, build, connect
from .catch_up import Progress, catch_up
from .database import Index
from .dump import Difference, compare
from .folder import Folder, IndexFile
from .joining import Whole
from .worker import Answer, Job, Task, home_of

EVENTS_PER_PART = 25_000  # small enough that little is left to join when the last one is folded
_SESSIONS_PER_BATCH = 50


class _Part(NamedTuple):
    """Some sessions, folded: a file for each projection."""

    paths: list[str]


class _Folded(NamedTuple):
    sessions: int
    events: int


class RebuildFailed(EventLogError):
    """The rebuild ended before its work was done, for the ``reason``. What was there before is untouched."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"the rebuild failed, what was there before still is: {reason}")


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
    """One rebuild by several processes. A thread per process feeds it and takes its answers, one more joins the parts that are finished."""

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
        self.store = log.path
        self.folder = folder
        self.projections = projections
        self.homes = homes
        self.jobs = jobs
        self.progress = progress
        self.cursor = log.changed_since(None).cursor  # taken first: what is written from now on is caught up afterwards
        self.total = sum(1 for _ in log.session_ids()) if progress is not None else 0
        self._parts = count()
        self._done: SimpleQueue[_Folded | _Part | BaseException | None] = SimpleQueue()  # None: a process has ended
        self._sessions = log.stamps()
        self._sessions_mutex = threading.Lock()
        self._failed = False

    def run(self) -> None:
        threads = [threading.Thread(target=self._serve, name="eventlog-rebuild") for _ in range(self.jobs)]
        with ExitStack() as stack:
            wholes = [stack.enter_context(closing(Whole(self.folder, projection))) for projection in self.projections]
            joiner = stack.enter_context(ThreadPoolExecutor(1, "eventlog-rebuild"))
            for thread in threads:
                thread.start()
            try:
                self._wait(wholes, joiner)
            finally:
                self._failed = True  # whatever happened, no more is handed out
                for thread in threads:
                    thread.join()
                joiner.shutdown(cancel_futures=True)
            for whole in wholes:
                whole.finish(self.cursor)

    def _wait(self, wholes: Sequence[Whole], joiner: ThreadPoolExecutor) -> None:
        """Until all processes have ended and all parts are joined."""
        running = self.jobs
        joins: list[Future[None]] = []
        sessions = events = 0
        while running:
            said = self._done.get()
            if said is None:
                running -= 1
            elif isinstance(said, BaseException):
                raise said
            elif isinstance(said, _Part):
                joins.append(joiner.submit(self._join, wholes, said))
            else:
                sessions, events = sessions + said.sessions, events + said.events
                if self.progress is not None:
                    self.progress(sessions, self.total, events)
        for join in joins:
            join.result()

    def _join(self, wholes: Sequence[Whole], part: _Part) -> None:
        try:
            for whole, path in zip(wholes, part.paths, strict=True):
                whole.join(path)
        except BaseException as error:
            self._done.put(error)  # now, not when all is folded
            raise

    def _serve(self) -> None:
        """Run one process to its end."""
        command = [sys.executable, "-m", "projections.index.worker"]
        try:
            with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=_environment()) as process:
                try:
                    self._feed(process)
                except BrokenPipeError:
                    assert process.stdout is not None
                    for line in process.stdout:  # it may have said why before it ended
                        said = msgspec.json.decode(line, type=Answer)
                        if said.broken is not None:
                            raise RebuildFailed(said.broken) from None
                    raise
        except BrokenPipeError:
            self._failed = True
            self._done.put(RebuildFailed("one of its processes ended early (see above); run it again, or with --jobs 1"))
        except BaseException as error:
            self._failed = True
            self._done.put(error)
        finally:
            self._done.put(None)

    def _feed(self, process: subprocess.Popen[bytes]) -> None:
        """Give it work and take its answers; two batches are with it, so that it never waits."""
        stdin, stdout = process.stdin, process.stdout
        assert stdin is not None
        assert stdout is not None

        def say(what: Job | list[tuple[str, str]]) -> None:
            stdin.write(msgspec.json.encode(what) + b"\n")
            stdin.flush()

        part, job = self._begin()
        say(job)
        pending: list[int | _Part] = [0]  # what has no answer yet: so many sessions, or the part that the next one finishes
        events = 0
        while pending:
            while len(pending) < 2:
                if events >= EVENTS_PER_PART:
                    pending.append(part)
                    part, job = self._begin()
                    say(job)
                    events = 0
                elif batch := self._batch():
                    pending.append(len(batch))
                    say(batch)
                else:
                    break
            answer = stdout.readline()
            if not answer:
                raise BrokenPipeError
            said = msgspec.json.decode(answer, type=Answer)
            if said.failed is not None:
                raise ProjectionFailed(*said.failed)
            if said.broken is not None:
                raise RebuildFailed(said.broken)
            answered = pending.pop(0)
            if isinstance(answered, _Part):
                self._done.put(answered)
            else:
                self._done.put(_Folded(answered, said.events))
                events += said.events
        stdin.close()
        if process.wait() != 0:
            raise BrokenPipeError
        self._done.put(part)

    def _begin(self) -> tuple[_Part, Job]:
        """The next part, as empty files."""
        number = next(self._parts)
        part = _Part([self.folder.begin(projection.name, f"-{number}") for projection in self.projections])
        tasks = [
            Task(home, str(projection.version), path)
            for home, projection, path in zip(self.homes, self.projections, part.paths, strict=True)
        ]
        return part, Job(self.store, tasks)

    def _batch(self) -> list[tuple[str, str]]:
        with self._sessions_mutex:
            return [] if self._failed else list(islice(self._sessions, _SESSIONS_PER_BATCH))


def _environment() -> dict[str, str]:
    """The process finds the modules that this one finds."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}
