"""Starting: from nothing to the first durable append, as a process; the command line; opening a session."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from eventlog import EventLog
from eventlog.events import MessageAdded

from .measure import Area, Contender, Goal, Run

ROOT = Path(__file__).parents[1]
FIRST_APPEND = """
import sys
from eventlog import EventLog
from eventlog.events import MessageAdded
with EventLog.open(sys.argv[1]) as log:
    with log.start(title="first") as session:
        session.append(MessageAdded(role="user", content="Hello"))
"""


def areas(run: Run) -> Iterator[Area]:
    store = run.scratch("start-up") / "store"
    with EventLog.open(store) as log, log.start(id="known") as session:
        session.append(MessageAdded(role="user", content="Hello"))
    area = Area(
        name="start-up",
        title="Start of a process",
        workload="an existing store; a new session with a title and one message, both durable; modules in the page cache",
        unit="us per process",
    )
    programs = {
        "python -c pass": ["-c", "pass"],
        'python -c "import msgspec"': ["-c", "import msgspec"],
        "import eventlog": ["-c", "import eventlog"],
        "import eventlog, open, first append, exit": ["-c", FIRST_APPEND, str(store)],
        "eventlog --help": ["-m", "eventlog", "--help"],
        "eventlog show": ["-m", "eventlog", "show", "known", "--store", str(store)],
    }
    contenders = [
        Contender(name=name, role="limit" if number < 2 else "subject", units=1, round=Process(run, arguments).round)
        for number, (name, arguments) in enumerate(programs.items())
    ]
    area.measure(contenders, run.scale(40, 8))
    first = "import eventlog, open, first append, exit"
    area.absolute(first, first, Goal(at_most=100), "ms", 1000)
    area.ratio(f'{first}, to python -c "import msgspec"', first, 'python -c "import msgspec"', Goal(at_most=1.6))
    area.absolute("eventlog --help", "eventlog --help", None, "ms", 1000)
    yield area


class Process:
    """A Python program, run from its start to its end. The round that does not count has compiled its modules, as installing does."""

    def __init__(self, run: Run, arguments: list[str]) -> None:
        self.command = [sys.executable, *arguments]
        kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        self.environment = kept | {"PYTHONPYCACHEPREFIX": str(run.folder / "compiled")}

    def round(self) -> None:
        subprocess.run(self.command, check=True, cwd=ROOT, stdout=subprocess.DEVNULL, env=self.environment)
