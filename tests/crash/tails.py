"""Row 12 with real processes: tails run, stop and go on, while writers are killed, the journal rolls and maintenance works on the sessions.

`python -m tests.crash.tails FOLDER SEED SECONDS [--delete-hints]` starts the writers and the maintenance as processes of their own; the
tails are threads of this one, each with a log of its own. Every event that is stored in the end must have come to each tail once, as it is
stored, each session in its order. Hints are deleted where nobody is killed: what a writer appends between a deletion and its own next note
is told by that note, which one that is killed never makes. What maintenance took out may or may not have come before that.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count, takewhile
from pathlib import Path
from random import Random

from eventlog import EventLog, Settings
from eventlog.errors import CursorExpired, EventLogError
from eventlog.events import MessageAdded, MessageDelta, SessionEnded
from eventlog.files import changes
from eventlog.stored import StoredEvent
from eventlog.tail import CaughtUp

SESSIONS = tuple(f"s{number}" for number in range(12))
WRITERS = 3
ROLL_SIZE = 2_000  # of the journal: it rolls after some thirty notes,
KEPT = 1_000_000  # and no file of it is removed, so that no cursor may expire, but for runs in which it is deleted anyway
_USUALLY_KEPT = changes._KEPT
SETTINGS = Settings(segment_size_bytes=2_500, frame_size_bytes=900, max_open_files=3, poll_interval_ms=20, lock_timeout_s=60)


# --- what happens to the sessions ------------------------------------------------------------------------------------------------


def write(store: Path, name: str, random: Random) -> None:
    """Append until it is stopped: batches, streamed messages, ends, new sessions; let go of handles and of the log now and then."""
    number = 0
    while not _is_stopped(store):
        with EventLog.open(store, settings=SETTINGS) as log:
            for _ in range(random.randrange(60)):
                number += 1
                session_id = f"{name}-{number}" if random.random() < 0.05 else random.choice(SESSIONS)
                with log.session(session_id, create=True) as session:
                    for _ in range(random.choice((1, 1, 1, 4))):
                        append(session.append, f"{name}/{number}", random)
            if random.random() < 0.2:
                time.sleep(random.random() / 20)


def append(append: Callable[..., int], text: str, random: Random) -> None:
    choice = random.random()
    sync = random.choice(("always", "interval", "never", "never"))
    if choice < 0.05:
        append(SessionEnded(reason=text), sync=sync)
    elif choice < 0.15:
        for piece in range(3):
            append(MessageDelta(message_id=text, content=str(piece)))
        append(MessageAdded(role="assistant", content=text, message_id=text), sync=sync)
    else:
        padding = "." * random.choice((5, 50, 800))
        append(*(MessageAdded(role="user", content=f"{text}/{index}/{padding}") for index in range(random.choice((1, 1, 2, 6)))), sync=sync)


def maintain(store: Path, name: str, random: Random) -> None:
    """Compact, drop deltas, redact, fork, merge, delete, purge, until it is stopped."""
    with EventLog.open(store, settings=SETTINGS) as log:
        for number in takewhile(lambda _: not _is_stopped(store), count()):
            session_id = random.choice(SESSIONS)
            try:
                match random.randrange(8):
                    case 0:
                        log.compact(idle_s=0)
                    case 1 | 2:
                        log.compact([session_id], drop_deltas=True, idle_s=0)
                    case 3:
                        log.redact(session_id, seqs=[1 + random.randrange(log.session(session_id).last_seq)], reason="tried")
                    case 4:
                        log.fork(session_id, id=f"{name}-fork-{number}")
                    case 5:
                        log.merge(random.sample(SESSIONS, 2), into=session_id if random.random() < 0.5 else None)
                    case 6:
                        log.repair(apply=True)
                    case 7:
                        gone = f"{name}-gone-{number}"
                        log.start(id=gone).append(MessageAdded(role="user", content="soon gone"))
                        log.delete(gone)
                        if random.random() < 0.5:
                            log.purge(gone, now=True)
            except (EventLogError, OSError):
                pass  # for other tests to judge: a lock, a session that was purged, a segment that was compressed meanwhile (call again)
            time.sleep(random.random() / 10)


def _is_stopped(store: Path) -> bool:
    return (store.parent / "stop").exists()


class Disturbers:
    """Processes that write and maintain; they can be killed and are started again, or stopped."""

    def __init__(self, store: Path, seed: int, kept: int) -> None:
        self._store = store
        self._seed = seed
        self._kept = kept
        self._count = 0
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self.kills = 0
        self.failures: list[str] = []

    def start(self, role: str, place: int) -> None:
        self._count += 1
        name = f"{role[0]}{place}x{self._count}"
        command = [sys.executable, "-m", "tests.crash.tails", "--role", role, name, "--kept", str(self._kept)]
        self._running[f"{role} {place}"] = subprocess.Popen([*command, str(self._store), str(self._seed)])

    def kill_one(self, random: Random) -> None:
        which = random.choice(list(self._running))
        self._kill(which)
        role, place = which.split()
        self.start(role, int(place))

    def _kill(self, which: str) -> None:
        process = self._running.pop(which)
        process.kill()
        code = process.wait()
        if code != -signal.SIGKILL:
            self.failures.append(f"{which} ended by itself with code {code}; see its output")
        self.kills += 1

    def stop_all(self) -> None:
        (self._store.parent / "stop").touch()
        for which, process in self._running.items():
            if code := process.wait():
                self.failures.append(f"{which} ended with code {code}; see its output")
        self._running.clear()

    def kill_all(self) -> None:
        for which in list(self._running):
            self._kill(which)


# --- those who watch -------------------------------------------------------------------------------------------------------------


class Watcher(threading.Thread):
    """One tail after another, each from the cursor of the one before. ``stays``: only one, as long as it lives."""

    def __init__(self, store: Path, session_id: str | None, random: Random, *, stays: bool, may_expire: bool) -> None:
        super().__init__()
        self.session_id = session_id
        self.seen: dict[str, dict[int, bytes]] = defaultdict(dict)
        self.written = threading.Event()
        self.failure: BaseException | None = None
        self.tails = self.expired = self.longest_cursor = 0
        self._store = store
        self._random = random
        self._stays = stays
        self._may_expire = may_expire
        self._last: dict[str, int] = defaultdict(int)

    def run(self) -> None:
        try:
            with EventLog.open(self._store, settings=SETTINGS) as log:
                cursor = "start"
                while not self.written.is_set():
                    cursor = self._watch(log, cursor, 1 << 60 if self._stays else self._random.randrange(300))
                self._watch(log, cursor, 1 << 60)
        except BaseException as error:
            self.failure = error

    def _watch(self, log: EventLog, cursor: str, most: int) -> str:
        marks = 0
        self.tails += 1
        try:
            with log.tail(self.session_id, after=cursor, marks=True) as tail:
                if self.written.is_set():
                    tail.finish()
                for _ in range(most):
                    while not tail.wait(0.05) and not tail.is_over:
                        if self.written.is_set():
                            tail.finish()
                    if tail.is_over:
                        assert marks == 1, f"{marks} marks"
                        break
                    item = next(tail)
                    if isinstance(item, CaughtUp):
                        marks += 1
                    else:
                        self._take(item)
                        if self._random.random() < 0.0005:
                            time.sleep(self._random.random() / 2)  # falls behind
                self.longest_cursor = max(self.longest_cursor, len(tail.cursor))
                return tail.cursor
        except CursorExpired:
            if not self._may_expire:
                raise
            self.expired += 1
            self._last.clear()
            return "start"

    def _take(self, event: StoredEvent) -> None:
        assert event.seq > self._last[event.session_id], f"{event.session_id} {event.seq} came after {self._last[event.session_id]}"
        self._last[event.session_id] = event.seq
        self.seen[event.session_id][event.seq] = event.raw


def run(folder: Path, seed: int, seconds: float, *, delete_hints: bool = False) -> dict[str, int]:
    """Let it all happen for so long, then compare. Returns the sizes."""
    random = Random(seed)
    store = folder / "store"
    with EventLog.open(store, settings=SETTINGS) as log:
        for session_id in SESSIONS:
            log.start(id=session_id)
    kept = _USUALLY_KEPT if delete_hints else KEPT
    disturbers = Disturbers(store, seed, kept)
    watchers = [
        Watcher(store, session_id, Random(f"{seed} {number}"), stays=number < 2, may_expire=delete_hints)
        for number, session_id in enumerate((None, SESSIONS[0], None, None, SESSIONS[1]))
    ]
    with _small_journal(kept):
        for watcher in watchers:
            watcher.start()
        for place in range(WRITERS):
            disturbers.start("write", place)
        disturbers.start("maintain", 0)
        try:
            until = time.monotonic() + seconds
            while time.monotonic() < until and not disturbers.failures and all(watcher.is_alive() for watcher in watchers):
                time.sleep(random.random())
                if not delete_hints and random.random() < 0.5:
                    disturbers.kill_one(random)
                if delete_hints and random.random() < 0.2:
                    _delete_hints(store / "changes")
            if delete_hints:
                disturbers.stop_all()
        finally:
            disturbers.kill_all()
            for watcher in watchers:
                watcher.written.set()
            for watcher in watchers:
                watcher.join()
        assert not disturbers.failures, disturbers.failures
        found = compare(store, watchers)
    return {"kills": disturbers.kills, "tails": sum(watcher.tails for watcher in watchers), **found}


def _delete_hints(folder: Path) -> None:
    """Once: what is begun anew meanwhile stays, as with ``rm -r``. A tail cannot know of what came and went between two of its looks."""
    for path in sorted(folder.iterdir(), key=lambda path: (path.suffix, path.name)):  # locks first, then the files of the journal
        path.unlink(missing_ok=True)


def compare(store: Path, watchers: list[Watcher]) -> dict[str, int]:
    stored: dict[str, dict[int, bytes]] = {}
    with EventLog.open(store, settings=SETTINGS) as log:
        for session_id in log.session_ids():
            stored[session_id] = {event.seq: event.raw for event in log.session(session_id).read()}
        rewritten = {rewrite.session_id for rewrite in log.verify().rewrites}
    for watcher in watchers:
        if watcher.failure is not None:
            raise watcher.failure
        for session_id in stored if watcher.session_id is None else [watcher.session_id]:
            came = watcher.seen[session_id]
            missing = sorted(stored[session_id].keys() - came.keys())
            assert not missing, f"{missing} of {session_id} did not come to {watcher.name}"
            differs = [seq for seq, raw in stored[session_id].items() if came[seq] != raw]
            assert not differs or session_id in rewritten, f"{differs} of {session_id} came otherwise than they are stored"
    return {
        "sessions": len(stored),
        "events": sum(map(len, stored.values())),
        "expired": sum(watcher.expired for watcher in watchers),
        "longest_cursor": max(watcher.longest_cursor for watcher in watchers),
        "journal_files": max((int(name.split(".")[-2]) for name in os.listdir(store / "changes") if name.endswith(".journal")), default=0),
        "lost": 0,
    }


@contextmanager
def _small_journal(kept: int) -> Iterator[None]:
    usual = changes._ROLL_SIZE, changes._KEPT
    changes._ROLL_SIZE, changes._KEPT = ROLL_SIZE, kept
    try:
        yield
    finally:
        changes._ROLL_SIZE, changes._KEPT = usual


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--role", nargs=2)
    parser.add_argument("--kept", type=int)
    parser.add_argument("--delete-hints", action="store_true")
    parser.add_argument("folder", type=Path)
    parser.add_argument("seed", type=int)
    parser.add_argument("seconds", type=float, nargs="?")
    options = parser.parse_args(arguments)
    if options.role:
        role, name = options.role
        with _small_journal(options.kept):
            {"write": write, "maintain": maintain}[role](options.folder, name, Random(f"{options.seed} {name}"))
    else:
        print(json.dumps(run(options.folder, options.seed, options.seconds, delete_hints=options.delete_hints)))


if __name__ == "__main__":
    main(sys.argv[1:])
