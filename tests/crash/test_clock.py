"""Row 13: the clock is set back, forward, stands still. Order is by seq, and nothing depends on the time of day."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from eventlog import EventLog, Settings
from eventlog.ids import new_session_id

LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
# Without compression in the background nobody waits for a lock: libfaketime answers the sleeps of such a wait with EINVAL or for ever.
PROGRAM = """
import sys
from eventlog import EventLog, Settings
from eventlog.events import MessageAdded
with EventLog.open(sys.argv[1], settings=Settings(segment_size_bytes=1500, compress_after="0", sync_interval_ms=20)) as log:
    session = log.session("s", create=True)
    for _ in range(6):
        print(session.append(MessageAdded(role="user", content="x" * 200), sync="interval"))
    print(*[log.start().id for _ in range(5)])
"""


@pytest.mark.skipif(not LIBRARIES, reason="libfaketime is not there; apt-get install libfaketime")
def test_a_clock_that_jumps_or_stands_still_changes_no_order(memory_folder: Path) -> None:
    seqs: list[int] = []
    ids: list[str] = []
    for clock in ("+0y", "-20y", "+30y", "2026-11-21 00:00:00", "2026-11-21 00:00:00", "-1d"):
        environment = {**os.environ, "LD_PRELOAD": str(LIBRARIES[0]), "FAKETIME": clock, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        command = [sys.executable, "-c", PROGRAM, str(memory_folder / "store")]
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=60, check=True, cwd=Path(__file__).parents[2]
        )
        *numbers, names = done.stdout.splitlines()
        seqs += map(int, numbers)
        ids += names.split()
    assert seqs == list(range(1, 37))
    assert len(set(ids)) == 30
    with EventLog.open(memory_folder / "store", settings=Settings()) as log:
        events = list(log.session("s").read())
        assert [event.seq for event in events] == seqs
        years = [event.time.year for event in events]
        assert years != sorted(years), "the clock was not changed"
        assert log.verify().ok


def test_ids_made_in_the_same_millisecond_or_before_it_are_new(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    ids = []
    for moment in (1_800_000_000_000_000_000, 1_700_000_000_000_000_000, 0):
        monkeypatch.setattr(time, "time_ns", lambda moment=moment: moment)
        ids += [new_session_id() for _ in range(1_000)]
    assert len(set(ids)) == 3_000
    assert json.dumps(ids[0]).startswith('"01a3185c-5000-7')
