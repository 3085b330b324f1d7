"""Row 10: several processes on one session that all want the same position, and one that stands still with the lock in its hands.

The driver forks, so it runs in a process without threads: `python -m tests.crash.races FOLDER PROCESSES POSITIONS`.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from eventlog import EventLog, Settings
from eventlog.errors import Conflict, SessionLocked
from eventlog.events import MessageAdded
from tests.crash.workload import text_of

SETTINGS = Settings(segment_size_bytes=8_000, lock_timeout_s=30, compress_after="0", sync="never")
IMPATIENT = SETTINGS.replace(lock_timeout_s=0.05)


def fork(work: Callable[[], None]) -> int:
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        work()
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def ended_well(child: int) -> bool:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def race(folder: Path, processes: int, positions: int) -> dict[str, int]:
    """Every process tries to be the one who writes at each position."""
    start_read, start_write = os.pipe()

    def run(name: int) -> None:
        conflicts = 0
        with EventLog.open(folder / "store", settings=SETTINGS) as log, log.session("s", create=True) as session:
            os.close(start_write)
            os.read(start_read, 1)  # ends when all are there
            position = 0
            while position < positions:
                try:
                    assert session.append(MessageAdded(role="user", content=f"{name}"), expected=position) == position + 1
                    position += 1
                    time.sleep(0.0002)  # let others in, or the first one wins them all
                except Conflict as conflict:
                    if conflict.expected != position or conflict.actual <= position:
                        raise
                    position = conflict.actual
                    conflicts += 1
        (folder / f"conflicts-{name}").write_text(str(conflicts))

    EventLog.open(folder / "store", settings=SETTINGS).close()
    children = [fork(lambda name=name: run(name)) for name in range(processes)]  # type: ignore[misc]
    os.close(start_write)
    assert [ended_well(child) for child in children] == [True] * processes
    with EventLog.open(folder / "store", settings=SETTINGS) as log:
        winners = [(event.seq, text_of(event.event)) for event in log.session("s").read()]
        assert log.verify().ok
    assert [seq for seq, _ in winners] == list(range(1, positions + 1))
    conflicts = sum(int(path.read_text()) for path in folder.glob("conflicts-*"))
    return {"processes": processes, "positions": positions, "writers_that_won": len({name for _, name in winners}), "conflicts": conflicts}


def hold(folder: Path) -> dict[str, int]:
    """One process is stopped, then killed, while it holds the lock."""
    with EventLog.open(folder / "store", settings=IMPATIENT) as log:
        log.start(id="s").close()
        held_read, held_write = os.pipe()

        def run() -> None:
            with EventLog.open(folder / "store", settings=SETTINGS) as mine, mine.session("s", exclusive=True) as owner:
                owner.append(MessageAdded(role="user", content="held"))
                os.write(held_write, b"x")
                signal.pause()

        child = fork(run)
        os.read(held_read, 1)
        os.kill(child, signal.SIGSTOP)
        os.waitpid(child, os.WUNTRACED)
        refused = 0
        session = log.session("s")
        for attempt in (lambda: session.append(MessageAdded(role="user", content="no")), lambda: log.session("s", exclusive=True)):
            try:
                attempt()
            except SessionLocked:
                refused += 1
        assert refused == 2
        assert [event.seq for event in session.read()] == [1, 2], "a reader does not wait for a lock"
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        assert session.append(MessageAdded(role="user", content="free")) == 3
        assert log.verify().ok
    return {"refused": refused}


if __name__ == "__main__":
    place = Path(sys.argv[1])
    found = race(place / "race", int(sys.argv[2]), int(sys.argv[3]))
    (place / "hold").mkdir()
    print(json.dumps({**found, **hold(place / "hold")}))
