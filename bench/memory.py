"""Memory of a replay, in a process of its own, for sessions of several sizes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from .measure import Area, Goal, Run
from .reading import SEALED_SIZE
from .start_up import ROOT
from .stores import session_of
from .workload import DESCRIPTION

_PEAK = """
def peak():  # of this program: what it was started from does not count
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM"))
"""
INTERPRETER = f"import msgspec{_PEAK}print(peak())"
REPLAY = f"""
import sys
from eventlog import EventLog
from projections import replay
class Count:
    name, version = "count", 1
    initial = staticmethod(lambda: 0)
    fold = staticmethod(lambda state, stored: state + 1)
with EventLog.open(sys.argv[1]) as log:
    assert replay(log.session("s").read(), Count) > 0
{_PEAK}
print(peak())
"""
VERIFY = f"""
import sys
from eventlog import EventLog
with EventLog.open(sys.argv[1]) as log:
    assert log.verify().ok
{_PEAK}
print(peak())
"""


def areas(run: Run) -> Iterator[Area]:
    sizes = (20_000, 200_000, 2_700_000) if not run.quick else (20_000, 100_000)
    area = Area(
        name="memory",
        title="Memory of a bounded replay",
        workload=f"{DESCRIPTION}; sessions of {', '.join(f'{size:,}' for size in sizes)} events, nothing kept",
        unit="kB",
    )
    if not Path("/proc/self/status").exists():
        area.left_out["memory"] = "this system has no /proc/self/status"
        yield area
        return
    base = _peak_of(INTERPRETER)
    area.value("the interpreter with msgspec", base / 1000, "MB")
    for size in sizes:
        for kind, segment_size in (("active", None), ("compressed", SEALED_SIZE)):
            store = session_of(run, size) if segment_size is None else session_of(run, size, segment_size=segment_size)
            above = (_peak_of(REPLAY, store) - base) / 1000
            goal = Goal(at_most=32) if size == sizes[-1] else None
            area.value(f"replay of {size:,} events, {kind}, above the interpreter with msgspec", above, "MB", goal)
            above = (_peak_of(VERIFY, store) - base) / 1000
            area.value(f"verify of {size:,} events, {kind}, above the interpreter with msgspec", above, "MB")
    yield area


def _peak_of(program: str, *arguments: Path) -> int:
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return int(subprocess.run(command, check=True, cwd=ROOT, capture_output=True, text=True).stdout)
