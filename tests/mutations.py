"""Row 17: mistakes that the suite must notice. `python -m tests.mutations [WORD...]` makes each in a copy and runs the tests that must go red.

Each mutation is a text that occurs once in a file and what is put in its place; WORDs choose by name."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
FAULTS = "tests/crash/test_faults.py"
DAMAGE = "tests/crash/test_damage.py"
SYNC = "tests/crash/test_failed_sync.py"
KERNEL = "tests/crash/test_kernel.py"
SEGMENT = "tests/unit/test_segment.py"
LIFE = "tests/crash/test_life.py"
CONFORMANCE = "tests/conformance/test_backends.py"


class Mutation(NamedTuple):
    name: str
    file: str
    old: str
    new: str
    tests: str  # as pytest takes them, separated by blanks


MUTATIONS = [
    # what durable means
    Mutation("skip the sync", "eventlog/writer.py", "            self._disk.sync(fd)\n            if not self", "            if not self", FAULTS),
    Mutation("acknowledge early", "eventlog/writer.py", "                self._sync_to(mark)\n            elif", "                pass\n            elif", FAULTS),
    Mutation(
        "skip the folder's sync",
        "eventlog/writer.py",
        "self._disk.sync_directory(self._host.layout.folder(self.session_id))",
        "pass",
        FAULTS,
    ),
    Mutation("replace without a sync", "eventlog/disk.py", "        disk.sync(fd)\n    finally", "    finally", FAULTS),
    Mutation("replace without the folder's sync", "eventlog/disk.py", "    disk.sync_directory(folder)\n", "", FAULTS),
    Mutation("seal without a sync", "eventlog/writer.py", "        with self._sync_mutex:\n            self._sync_now(self._written)\n        state", "        state", FAULTS),
    # what failed writes and syncs mean
    Mutation(
        "ignore a short write",
        "eventlog/writer.py",
        "if size != len(data):",
        "if size > len(data):",
        f"{FAULTS} {KERNEL}",
    ),
    Mutation("ignore a short footer", "eventlog/disk.py", "if disk.write(fd, data) != len(data):", "if disk.write(fd, data) < 0:", FAULTS),
    Mutation("leave what a short write left", "eventlog/writer.py", "            self._disk.truncate(self._fd, self._size)\n", "", FAULTS),
    Mutation(
        "sync once more after it failed",
        "eventlog/writer.py",
        "            failure = OutcomeUnknown(self.session_id, error)\n            self._fail(failure)",
        "            self._disk.sync(fd)\n            failure = OutcomeUnknown(self.session_id, error)\n            return",
        SYNC,
    ),
    Mutation("go on after a failed sync", "eventlog/writer.py", "self._failure = self._failure or failure", "pass", SYNC),
    Mutation("forget what could not be synced", "eventlog/writer.py", "        self._ready = None\n        self._host.suspects.add(self._name)\n", "        self._ready = None\n", SYNC),
    Mutation("build on what was not confirmed", "eventlog/writer.py", "if ended.suspect and not os.path.exists(path):", "if False:", SYNC),
    Mutation("tell nobody of a failed sync", "eventlog/writer.py", "if self._failure is not failure or self._fd < 0", "if True or self._fd < 0", SYNC),
    Mutation("waiters believe in the next sync", "eventlog/writer.py", "            if self._failure is not None:\n                raise OutcomeUnknown", "            if self._failure is None and False:\n                raise OutcomeUnknown", SYNC),
    Mutation(
        "go on behind damage that could not be closed",
        "eventlog/writer.py",
        "            self._tail, self._size, self._ready = None, -1, None  # nobody",
        "            pass  # nobody",
        FAULTS,
    ),
    # torn or damaged
    Mutation("cut on a bad checksum", "eventlog/segment.py", '        return "torn_tail"\n    return "damaged"\n', '        return "torn_tail"\n    return "torn_tail"\n', f"{SEGMENT} {DAMAGE}"),
    Mutation("cut without keeping", "eventlog/recovery.py", "    replace_file(disk, path, bytes(kept))\n", "", f"{FAULTS} {DAMAGE}"),
    Mutation("append behind a torn tail", "eventlog/writer.py", "            self._set_aside(state.torn, size)\n            size, state.torn = state.torn, None", "            state.torn = None", FAULTS),
    Mutation("give a lost seq again", "eventlog/recovery.py", "tail.damage_next_seq = tail.seq + 1 + segment.most_lines_in(damage)", "tail.damage_next_seq = tail.seq + 1", DAMAGE),
    Mutation("believe a copy of older lines", "eventlog/recovery.py", "if position is not None and position.seq > tail.seq:", "if position is not None:", DAMAGE),
    Mutation("a closing line proves the damage", "eventlog/segment.py", 'running if kind == "sealed" else 0', "running", SEGMENT),
    Mutation("compare checksums as numbers", "eventlog/line.py", "if chunk.endswith(tail) and", "if chunk[-TAIL_SIZE:].lower() == tail and", SEGMENT),
    Mutation("an opening line anywhere", "eventlog/segment.py", "(self._begins and line.startswith(OPENED))", "line.startswith(OPENED)", DAMAGE),
    Mutation("a batch in part", "eventlog/pieces.py", "    while chunk and lines.ends_within_batch(chunk):", "    while False:", f"{FAULTS} {DAMAGE}"),
    Mutation("a later append is no witness", "eventlog/segment.py", "_has_zero_sector(rest, offset) and not _a_later_append_follows(rest, offset)", "_has_zero_sector(rest, offset)", SEGMENT),
    Mutation("judge before what is proven is given out", "eventlog/scan.py", "    if proven:\n        yield from split_own(proven, offset)", "    if False:\n        yield from split_own(proven, offset)", f"{DAMAGE} {FAULTS}"),
    Mutation("read another session's segment", "eventlog/reader.py", "piece.offset == 0 and foreign_to(name, piece.record)", "False", DAMAGE),
    Mutation("a new header forgets the segment before", "eventlog/recovery.py", "if found.torn == 0:", "if False:", FAULTS),
    # several writers
    Mutation("skip the lock", "eventlog/writer.py", "fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)", "fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)", f"{KERNEL} {CONFORMANCE}"),
    Mutation("trust the position of before", "eventlog/writer.py", "if (size != self._size or self._tail is None) and", "if self._tail is None and", CONFORMANCE),
    Mutation("ignore expected", "eventlog/writer.py", "if expected is not None and expected != state.seq:", "if False:", CONFORMANCE),
    Mutation("forget the ids of before", "eventlog/recovery.py", "ids.update(ids_in(piece))", "pass", f"{CONFORMANCE} {FAULTS}"),
    Mutation("keep the lock for ever", "eventlog/writer.py", "                    if not self._held and self._fd >= 0:\n                        fcntl.flock(self._fd, fcntl.LOCK_UN)", "                    pass", CONFORMANCE),
    # compressing
    Mutation("remove the raw segment first", "eventlog/replacing.py", "        self._disk.rename(self._temporary, target)\n        self._written = False\n        self._disk.sync_directory(folder)\n", "        for name in self.names:\n            self._disk.unlink(self._layout.path(name))\n        self._disk.rename(self._temporary, target)\n        self._written = False\n        return True\n", FAULTS),
    Mutation("do not sync the compressed file", "eventlog/replacing.py", "            self._disk.sync(fd)\n", "", FAULTS),
    Mutation("do not sync its name", "eventlog/replacing.py", "        self._written = False\n        self._disk.sync_directory(folder)\n", "        self._written = False\n", FAULTS),
    # joining, rewriting, purging
    Mutation("put a file in place without looking", "eventlog/replacing.py", "        if not self.is_current():\n            return False\n        target", "        target", LIFE),
    Mutation("purge the oldest first", "eventlog/replacing.py", "for name in reversed(self.names):", "for name in self.names:", LIFE),
    Mutation("always remove an empty segment", "eventlog/writer.py", "before and recovery.end_of(layout, before[-1]).next_seq == self._name.first_seq", "before", LIFE),
    Mutation("rewrite before the event says so", "eventlog/erasing.py", "        if not stream.seal():\n            raise NotStored(session_id", "        if False:\n            raise NotStored(session_id", LIFE),
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


def first_failure(folder: Path, tests: list[str]) -> str | None:
    command = [sys.executable, "-B", "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--tb=no", *tests]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    except subprocess.TimeoutExpired:
        return "it never ends"
    if done.returncode == 0:
        return None
    failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return failed[0].split(" - ")[0] if failed else done.stdout[-200:]


def main(words: list[str]) -> int:
    chosen = [mutation for mutation in MUTATIONS if not words or any(word in mutation.name for word in words)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("eventlog", "projections", "tests"):
            shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", folder)
        broken = first_failure(folder, sorted({test for mutation in chosen for test in mutation.tests.split()}))
        if broken is not None:
            print(f"without any mutation: {broken}")
            return 1
        unnoticed = 0
        for mutation in chosen:
            begin = time.monotonic()
            failed = red(mutation, folder)
            unnoticed += failed is None
            print(
                f"{'red' if failed else 'GREEN':6}{mutation.name:46}{time.monotonic() - begin:5.0f} s  {failed or mutation.tests}",
                flush=True,
            )
    print(f"{len(chosen)} mutations, {unnoticed} not noticed")
    return 1 if unnoticed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
