"""Row 17: mistakes that the suite must notice. `python -m tests.mutations [WORD...]` makes each in a copy and runs the tests that must go red.

Each mutation is a text that occurs once in a file and what is put in its place; WORDs choose by name."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from queue import Queue
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
FAULTS = "tests/crash/test_faults.py"
DAMAGE = "tests/crash/test_damage.py"
SYNC = "tests/crash/test_failed_sync.py"
KERNEL = "tests/crash/test_kernel.py"
SEGMENT = "tests/unit/segments/test_segment.py"
LIFE = "tests/crash/test_life.py"
HOLES = "tests/crash/test_holes.py"
FRAMES = "tests/unit/segments/test_frames.py"
CHAIN = "tests/unit/files/test_chain.py"
NAMES = "tests/unit/files/test_names.py"
LOCKING = "tests/unit/files/test_locking.py"
REPAIR = "tests/unit/files/test_repair.py"
INTERRUPTED = "tests/crash/test_interrupted.py"
TAIL = "tests/unit/test_tail.py"
TAILS = f"{TAIL} tests/properties/test_tail.py"
SHARING = "tests/unit/tails/test_sharing.py"
SUBSCRIPTION = "tests/unit/tails/test_subscription.py"
AIO = "tests/unit/aio/test_aio.py"
AIO_HANDLES = "tests/unit/aio/test_handles.py"
GROUP = "tests/unit/files/test_group_commit.py"
NOTIFY = "tests/unit/files/test_notify.py"
COMMAND = "tests/unit/cli/test_tail.py"
CONFORMANCE = "tests/conformance/test_backends.py"


class Mutation(NamedTuple):
    name: str
    file: str
    old: str
    new: str
    tests: str  # as pytest takes them, separated by blanks


MUTATIONS = [
    # what durable means
    Mutation("skip the sync", "eventlog/files/syncing.py", "                self._disk.sync(fd)\n                if not self", "                if not self", FAULTS),
    Mutation("acknowledge early", "eventlog/files/writer.py", 'if sync == "always":\n                self._sync_to', 'if sync == "later":\n                self._sync_to', FAULTS),
    Mutation(
        "skip the folder's sync",
        "eventlog/files/syncing.py",
        "self._disk.sync_directory(self._host.layout.folder(self.session_id))",
        "pass",
        FAULTS,
    ),
    Mutation("replace without a sync", "eventlog/files/disk.py", "        disk.sync(fd)\n    finally", "    finally", FAULTS),
    Mutation("replace without the folder's sync", "eventlog/files/disk.py", "    disk.sync_directory(folder)\n", "", FAULTS),
    Mutation("seal without a sync", "eventlog/files/ending.py", "        with self._sync_mutex:\n            self._sync_now(self._written)\n        state", "        state", FAULTS),
    # what failed writes and syncs mean
    Mutation(
        "ignore a short write",
        "eventlog/files/writer.py",
        "if size != len(data):",
        "if size > len(data):",
        f"{FAULTS} {KERNEL}",
    ),
    Mutation("ignore a short footer", "eventlog/files/disk.py", "if disk.write(fd, data) != len(data):", "if disk.write(fd, data) < 0:", FAULTS),
    Mutation("leave what a short write left", "eventlog/files/ending.py", "            self._disk.truncate(self._fd, self._size)\n", "", FAULTS),
    Mutation(
        "sync once more after it failed",
        "eventlog/files/syncing.py",
        "            failure = OutcomeUnknown(self.session_id, error)\n            self._fail(failure)",
        "            self._disk.sync(fd)\n            failure = OutcomeUnknown(self.session_id, error)\n            return",
        SYNC,
    ),
    Mutation("go on after a failed sync", "eventlog/files/syncing.py", "self._failure = self._failure or failure", "pass", SYNC),
    Mutation("forget what could not be synced", "eventlog/files/syncing.py", "        self._ready = None\n        self._host.suspects.add(self._name)\n", "        self._ready = None\n", SYNC),
    Mutation("build on what was not confirmed", "eventlog/files/locking.py", "if ended.suspect or self._name in self._host.suspects:", "if False:", SYNC),
    Mutation("tell nobody of a failed sync", "eventlog/files/locking.py", "if self._failure is not failure or self._fd < 0", "if True or self._fd < 0", SYNC),
    Mutation("waiters believe in the next sync", "eventlog/files/syncing.py", "            if self._failure is not None:\n                raise OutcomeUnknown", "            if self._failure is None and False:\n                raise OutcomeUnknown", SYNC),
    Mutation(
        "go on behind damage that could not be closed",
        "eventlog/files/ending.py",
        "            self._tail, self._size, self._ready = None, -1, None  # nobody",
        "            pass  # nobody",
        FAULTS,
    ),
    Mutation("build on what a dead process had not synced", "eventlog/files/locking.py", "        elif not ended.synced:", "        elif False:", FAULTS),
    # torn or damaged
    Mutation("cut on a bad checksum", "eventlog/segments/segment.py", '        return "torn_tail"\n    return "damaged"\n', '        return "torn_tail"\n    return "torn_tail"\n', f"{SEGMENT} {DAMAGE}"),
    Mutation("cut without keeping", "eventlog/files/recovery.py", '    keep(disk, layout, f"{name}.{torn}", fd, torn, size, "torn")\n', "", f"{FAULTS} {DAMAGE}"),
    Mutation("append behind a torn tail", "eventlog/files/locking.py", "            self._set_aside(state.torn, size)\n            size, state.torn = state.torn, None", "            state.torn = None", FAULTS),
    Mutation("give a lost seq again", "eventlog/files/recovery.py", "tail.damage_next_seq = tail.seq + 1 + damage.lines", "tail.damage_next_seq = tail.seq + 1", DAMAGE),
    Mutation("believe a copy of older lines", "eventlog/files/recovery.py", "if position is not None and position.seq > tail.seq:", "if position is not None:", DAMAGE),
    Mutation("a closing line proves the damage", "eventlog/segments/segment.py", 'running if kind == "sealed" else 0', "running", SEGMENT),
    Mutation("compare checksums as numbers", "eventlog/line.py", "if chunk.endswith(tail) and", "if chunk[-TAIL_SIZE:].lower() == tail and", SEGMENT),
    Mutation("an opening line anywhere", "eventlog/segments/segment.py", "(self._begins and line.startswith(OPENED))", "line.startswith(OPENED)", DAMAGE),
    Mutation("a batch in part", "eventlog/files/pieces.py", "    while chunk and lines.ends_within_batch(chunk):", "    while False:", f"{FAULTS} {DAMAGE}"),
    Mutation("a later append is no witness", "eventlog/segments/segment.py", "_has_zero_sector(rest, offset) and not _a_later_append_follows(rest, offset)", "_has_zero_sector(rest, offset)", SEGMENT),
    Mutation("judge before what is proven is given out", "eventlog/files/scan.py", "    if proven:\n        yield from split_own(proven, offset)", "    if False:\n        yield from split_own(proven, offset)", f"{DAMAGE} {FAULTS}"),
    Mutation("read another session's segment", "eventlog/files/scan.py", "if session_id != name.session_id:", "if False:", DAMAGE),
    Mutation("a new header forgets the segment before", "eventlog/files/recovery.py", "if found.torn == 0:", "if False:", FAULTS),
    # several writers
    Mutation("skip the lock", "eventlog/files/locking.py", "_LOCK_NOW: Final = fcntl.LOCK_EX | fcntl.LOCK_NB", "_LOCK_NOW: Final = fcntl.LOCK_SH | fcntl.LOCK_NB", f"{KERNEL} {CONFORMANCE}"),
    Mutation("trust the position of before", "eventlog/files/locking.py", "changed = size != self._size or self._tail is None", "changed = self._tail is None", CONFORMANCE),
    Mutation("ignore expected", "eventlog/files/writer.py", "if expected is not None and expected != state.seq:", "if False:", CONFORMANCE),
    Mutation("forget the ids of before", "eventlog/files/recovery.py", "ids.update(ids_in(piece))", "pass", f"{CONFORMANCE} {FAULTS}"),
    Mutation("keep the lock for ever", "eventlog/files/locking.py", "            fcntl.flock(self._fd, fcntl.LOCK_UN)\n            if self.is_gone", "            if self.is_gone", CONFORMANCE),
    Mutation("forget the ids of a joined segment", "eventlog/segments/frames.py", "                ids.update(segment.id_hashes(record.ids))\n", "                pass\n", f"{HOLES} {CONFORMANCE}"),
    Mutation("trust what was known before an interruption", "eventlog/files/writer.py", "        self._tail = self._ready = None\n\n    def _state", "\n    def _state", INTERRUPTED),
    # the name of the last segment
    Mutation("believe a descriptor without its name", "eventlog/files/naming.py", "        self._named_at = time.monotonic()\n        if self._has_its_name():", "        self._named_at = time.monotonic()\n        if True:", f"{NAMES} {KERNEL}"),
    Mutation("take an empty file for the one that was looked for", "eventlog/files/locking.py", "last_name(self.session_id, NOT_YET) if self._is_another(name, fd) else name", "name", LOCKING),
    Mutation("a number without the folder's sync", "eventlog/files/naming.py", "        self._disk.rename(path, target)\n        self._disk.sync_directory(self._host.layout.folder(self.session_id))\n", "        self._disk.rename(path, target)\n", FAULTS),
    Mutation("begin anew behind a number", "eventlog/files/naming.py", "            any(layout.numbered(self.session_id, 1)) or ((self._position", "            False or ((self._position", LOCKING),
    Mutation("a compressed one keeps the name", "eventlog/files/writer.py", "                self._number_the_one_before()\n", "                pass\n", LIFE),
    Mutation("a snapshot believes the name", "eventlog/files/upkeep/snapshot.py", "            if scan.is_another(fd, name):", "            if False:", LOCKING),
    Mutation("the last seq of another segment", "eventlog/files/reader.py", "            if scan.is_another(fd, name):", "            if False:", LOCKING),
    # compressing
    Mutation("remove the raw segment first", "eventlog/files/replacing.py", "        self._disk.rename(self._temporary, target)\n        self._written = False\n        self._disk.sync_directory(folder)\n", "        for name in self.names:\n            self._disk.unlink(self._layout.path(name))\n        self._disk.rename(self._temporary, target)\n        self._written = False\n        return True\n", FAULTS),
    Mutation("do not sync the compressed file", "eventlog/files/replacing.py", "            self._disk.sync(fd)\n", "", FAULTS),
    Mutation("do not sync its name", "eventlog/files/replacing.py", "        self._written = False\n        self._disk.sync_directory(folder)\n", "        self._written = False\n", FAULTS),
    Mutation("leave a lock with a forked child", "eventlog/files/replacing.py", "            fcntl.flock(fd, fcntl.LOCK_UN)  # closing", "            pass  # closing", HOLES),
    Mutation("take what is above the limit for damage", "eventlog/files/scan.py", "        max_append_bytes = max(max_append_bytes, ANY_SIZE if name.compressed else min(size, ANY_SIZE))\n", "", HOLES),
    Mutation("verify: believe the footer", "eventlog/files/verify.py", "if content != sealed.sha256:", "if False:", CHAIN),
    Mutation("verify: forget the chain", "eventlog/files/verify.py", "elif self.ended and opened.previous != self.digest and not is_purged(opened):", "elif False:", CHAIN),
    Mutation("verify: a guess covers what comes next", "eventlog/files/verify.py", "        self.reaches = name.first_seq  #", "        self.reaches = 1 << 62  #", REPAIR),
    Mutation("verify: torn in the middle", "eventlog/files/verify.py", 'if bad.kind == "torn_tail" and not self._last:', "if False:", REPAIR),
    Mutation("repair: keep nothing", "eventlog/files/upkeep/repair.py", '            _keep(backend, path, "damaged")\n', "", REPAIR),
    Mutation("a file without its table is whole", "eventlog/files/compressed.py", "is_whole = explained and found.size > 0", "is_whole = True", REPAIR),
    Mutation("believe the compressed bytes", "eventlog/segments/frames.py", "if crc32(data) != frame.crc or", "if", FRAMES),
    Mutation("compress without looking back", "eventlog/files/replacing.py", "        if not _holds(self._temporary, digest.digest()):", "        if False:", HOLES),
    Mutation("a claim of a retry is not synced", "eventlog/files/writer.py", "            self._synced = min(self._synced, self._written - 1)  # whoever wrote it", "            pass  # whoever wrote it", HOLES),
    # joining, rewriting, purging
    Mutation("put a file in place without looking", "eventlog/files/replacing.py", "        if not self.is_current():\n            return False\n        target", "        target", HOLES),
    Mutation("purge the oldest first", "eventlog/files/replacing.py", "for name in reversed(self.names):", "for name in self.names:", LIFE),
    Mutation("remove a segment that holds something", "eventlog/files/locking.py", "if self._held and self._size == 0:", "if self._held:", f"{LIFE} {NAMES}"),
    Mutation("rewrite before the event says so", "eventlog/files/upkeep/erasing.py", "        if not stream.seal():\n            raise NotStored(session_id", "        if False:\n            raise NotStored(session_id", LIFE),
    # what a tail means
    Mutation("tail: forget who was not read to its end", "eventlog/tails/following.py", " - changes.sessions.keys() - self.behind - stay", " - changes.sessions.keys() - stay", TAILS),
    Mutation("tail: forget who is noted as open", "eventlog/tails/following.py", " - changes.sessions.keys() - self.behind - stay", " - self.behind - stay", TAILS),
    Mutation("tail: begin a noted session at its start", "eventlog/tails/following.py", "            if self.is_ahead(session_id):\n                position = 0", "            if True:\n                position = 0", TAILS),
    Mutation("tail: forget who is open at the end", "eventlog/tails/following.py", "                self._begin_at_the_end()\n", "                pass\n", TAILS),
    Mutation("tail: leave out who is still ahead", "eventlog/tails/following.py", "                position = 0\n", "                pass\n", TAILS),
    Mutation("tail: no look without a notification", "eventlog/tail.py", "if now >= self._look_at or (changed is None and now < due):", "if changed is None and now < due:", TAILS),
    Mutation("tail: the cursor runs ahead", "eventlog/tail.py", "        self._events, self._index = events, 0\n", "        self._events, self._index = events, 0\n        self._place.positions[lines.session_id] = self._reached\n", TAILS),
    Mutation("tail: the cursor stays behind", "eventlog/tail.py", "event.seq if self._index < len(self._events) else self._reached", "self._place.positions[self._session_id]", TAILS),
    Mutation("tail: give out what was given out", "eventlog/tail.py", "stored.events(lines, position, None, self._types)", "stored.events(lines, 0, None, self._types)", TAILS),
    Mutation("tail: caught up at every look", "eventlog/tail.py", "            self._caught_up = True\n", "", TAILS),
    Mutation("tail: forget what was read beyond the head", "eventlog/tails/sharing.py", "self._stay if self._number < self._stay_until else frozenset()", "frozenset()", SHARING),
    Mutation("tail: take a place that others have gone on with", "eventlog/tails/sharing.py", "            where = own.where.copy()  # before others may go on with it\n            self._head = self._tails.lead(self._key, own)\n", "            self._head = self._tails.lead(self._key, own)\n            where = own.where.copy()\n", SHARING),
    Mutation("tail: decode for each", "eventlog/tails/sharing.py", "            if not self._decoded:\n", "            if True:\n", SHARING),
    Mutation("tail: give out what was read long ago", "eventlog/tails/sharing.py", "self.has_failed or made_at < time.monotonic() - _KEPT_S:", "self.has_failed:", SHARING),
    Mutation("aio: forget who was looked after for nothing", "eventlog/aio/waking.py", "            self._waiting.update(self._at_work)\n", "", SHARING),
    Mutation("tail: a gap instead of an error", "eventlog/tails/following.py", "            elif position < 0:\n", "            elif position < -1:\n", TAILS),
    Mutation("tail: a lost journal is no reason", "eventlog/tails/following.py", "        if changes.full:\n            raise", "        if False:\n            raise", TAILS),
    Mutation("tail: list the session at every look", "eventlog/files/follower.py", "            if self._name is not None:\n                return\n", "", TAILS),
    Mutation("tail: a cut segment is not noticed", "eventlog/files/follower.py", "        self._leave()\n        return 0\n", "        return 0\n", TAILS),
    Mutation("tail: growth is believed", "eventlog/files/follower.py", "            if proven is None:  #", "            proven = proven or 1\n            if proven is None:  #", TAILS),
    Mutation("tail: leave a descriptor open", "eventlog/files/follower.py", "    def close(self) -> None:\n        self._leave()", "    def close(self) -> None:\n        self._name = None", TAILS),
    Mutation("journal: do not end a deleted file", "eventlog/files/changes.py", "            if self._fd < 0 and not self._open(number):", "            if not self._open(number):", TAILS),
    Mutation("journal: do not note again", "eventlog/files/changes.py", "            deleted |= not has_name\n", "", TAILS),
    Mutation("journal: a deleted lock is a dead writer", "eventlog/files/changes.py", "        except OSError:\n            return False\n        try:\n            fcntl", "        except OSError:\n            return True\n        try:\n            fcntl", TAILS),
    Mutation("journal: one writer of two closes for both", "eventlog/files/changes.py", "            if self._open[session_id] <= 0:", "            if True:", TAILS),
    Mutation("journal: a lost note hides", "eventlog/files/changes.py", "            if found.name != name or found.size < offset:\n                return self._everything()\n", "", TAILS),
    Mutation("journal: a note in a deleted file counts", "eventlog/files/changes.py", "noted = _has_name(self._fd, self._path(self._number))", "noted = True", HOLES),
    Mutation("journal: wait for a stopped process for ever", "eventlog/files/changes.py", "            fcntl.flock(fd, kind | fcntl.LOCK_NB)\n", "            fcntl.flock(fd, kind)\n", HOLES),
    Mutation("let go: keep a descriptor that nobody will close", "eventlog/files/locking.py", "            if self.is_gone:", "            if False:", TAILS),
    Mutation("subscription: tell before it is acknowledged", "eventlog/tails/subscription.py", "                self._settle(event.session_id)\n", "", SUBSCRIPTION),
    Mutation("subscription: an error ends it", "eventlog/tails/subscription.py", "            self._callback(event)\n        except Exception as error:", "            self._callback(event)\n        except ArithmeticError as error:", SUBSCRIPTION),
    Mutation("subscription: leave what is not delivered", "eventlog/tails/subscription.py", "self._tail.finish()", "self._tail.stop()", SUBSCRIPTION),
    Mutation("aio: a sync for each append", "eventlog/aio/session.py", "            loop.call_soon(self._store_waiting, loop)", "            self._store_waiting(loop)", AIO),
    Mutation("aio: an end overtakes appends", "eventlog/aio/session.py", "return await self.append(ended(status, reason))", "return await self._work.run(lambda: self.sync_session.end(status, reason))", AIO_HANDLES),
    Mutation("aio: keep a lock that nobody waits for", "eventlog/aio/work.py", "        opening.add_done_callback(_close_unwanted)\n", "", AIO_HANDLES),
    Mutation("aio: complain of a tail's end", "eventlog/aio/handles.py", "        task.add_done_callback(lambda done: done.cancelled() or done.exception())", "        pass", AIO_HANDLES),
    Mutation("aio: do not wait for a callback", "eventlog/aio/handles.py", "                await found\n", "                asyncio.ensure_future(found)\n", AIO_HANDLES),
    Mutation("aio: forget to sync", "eventlog/files/writer.py", "            if durable:\n                self._sync_to(mark)\n        except", "            pass\n        except", AIO),
    Mutation("aio: one failure for all", "eventlog/files/writer.py", "                        append.outcome = error\n", "                        raise\n", AIO),
    Mutation("group: a failed sync is not told", "eventlog/files/writer.py", "            if failure is not None and append.sync", "            if False and append.sync", SYNC),
    Mutation("group: leave a place to one that has gone", "eventlog/files/group_commit.py", "            if waiting in self._queue:\n                self._queue.remove(waiting)\n", "", GROUP),
    Mutation("group: an interrupted leader leads for ever", "eventlog/files/group_commit.py", "                self._leader = None\n                self._choose()\n", "                pass\n", GROUP),
    Mutation("group: everybody by itself", "eventlog/files/group_commit.py", "(self._alone or self._leader is not None or self._last_size > 1):", "False:", GROUP),
    Mutation("notify: the kernel did not lose count", "eventlog/files/notify.py", "                if mask & _IN_Q_OVERFLOW:\n                    return None\n", "", NOTIFY),
    Mutation("notify: names another session", "eventlog/files/notify.py", "session_id is not None and self._session_id in (None, session_id):\n                    changed", "session_id is not None:\n                    changed", NOTIFY),
    Mutation("command: interrupted anywhere", "eventlog/cli/tail.py", "        tail.stop()\n", "        raise KeyboardInterrupt\n", COMMAND),
    Mutation("command: nobody reads, and it goes on", "eventlog/cli/tail.py", "                _check_that_somebody_reads()\n", "", COMMAND),
]  # fmt: skip


def red(mutation: Mutation, folder: Path) -> str | None:
    """The first test that notices, None where none does."""
    path = folder / mutation.file
    original = path.read_text()
    if original.count(mutation.old) != 1:
        raise ValueError(f"{mutation.name}: the text occurs {original.count(mutation.old)} times in {mutation.file}; mend the table")
    path.write_text(original.replace(mutation.old, mutation.new))
    try:
        return first_failure(folder, mutation.tests.split())
    finally:
        path.write_text(original)


def first_failure(folder: Path, tests: list[str], timeout_s: float = 600) -> str | None:
    command = [sys.executable, "-B", "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--tb=no", *tests]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=timeout_s, check=False)
    except subprocess.TimeoutExpired:
        return "it never ends"
    if done.returncode == 0:
        return None
    failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return failed[0].split(" - ")[0] if failed else done.stdout[-200:]


class Copies:
    """Copies of the code to make mistakes in, each for one thread at a time."""

    def __init__(self, folder: Path, count: int) -> None:
        self._free: Queue[Path] = Queue()
        for number in range(count):
            place = folder / str(number)
            for part in ("eventlog", "projections", "tests"):
                shutil.copytree(ROOT / part, place / part, ignore=shutil.ignore_patterns("__pycache__"))
            shutil.copy(ROOT / "pyproject.toml", place)
            self._free.put(place)

    @contextmanager
    def one(self) -> Iterator[Path]:
        place = self._free.get()
        try:
            yield place
        finally:
            self._free.put(place)


def unmutated_is_red(copies: Copies, tests: str) -> bool:
    with copies.one() as folder:
        failed = first_failure(folder, [tests])
    if failed is not None:
        print(f"without any mutation {tests} is red: {failed}", flush=True)
    return failed is not None


def is_unnoticed(copies: Copies, mutation: Mutation) -> bool:
    begin = time.monotonic()
    with copies.one() as folder:
        failed = red(mutation, folder)
    print(f"{'red' if failed else 'GREEN':6}{mutation.name:46}{time.monotonic() - begin:5.0f} s  {failed or mutation.tests}", flush=True)
    return failed is None


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutations", description=__doc__)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="how many at the same time")
    parser.add_argument("words", nargs="*", metavar="WORD")
    options = parser.parse_args(arguments)
    chosen = [mutation for mutation in MUTATIONS if not options.words or any(word in mutation.name for word in options.words)]
    with tempfile.TemporaryDirectory() as name, ThreadPoolExecutor(options.jobs) as pool:
        copies = Copies(Path(name), options.jobs)
        unnoticed = pool.map(partial(is_unnoticed, copies), chosen)
        meaningless = pool.map(partial(unmutated_is_red, copies), sorted({test for each in chosen for test in each.tests.split()}))
        missed, broken = sum(unnoticed), sum(meaningless)
    print(f"{len(chosen)} mutations, {missed} not noticed; without any, {broken} test files are red")
    return 1 if missed or broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
