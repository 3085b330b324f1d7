"""A signal handler runs in the main thread, between two steps of whatever that is doing, also in the middle of an append."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PATIENCE_S = 60

PROGRAM = """
import signal, sys
from pathlib import Path

from eventlog import EventLog, Settings
from eventlog.errors import EventLogError
from eventlog.events import MessageAdded
from eventlog.files.backend import FilesBackend
from eventlog.files.disk import Disk


class Interrupted(Disk):
    # The signal comes while the thread of the append is in the sync: Python runs the handler before the sync returns to its caller.
    due = False

    def sync(self, fd):
        super().sync(fd)
        if Interrupted.due:
            Interrupted.due = False
            signal.raise_signal(signal.SIGUSR1)


def note(text):
    return MessageAdded(role="user", content=text)


def handler(number, frame):
    try:
        outcomes.append(other.append(note("from the handler")))
    except (EventLogError, RuntimeError) as error:
        outcomes.append(type(error).__name__)


outcomes = []
settings = Settings(store=Path(sys.argv[1]))
with EventLog(FilesBackend.open(settings, disk=Interrupted()), settings) as log:
    session = log.session("a", create=True)
    session.append(note("1"))
    other = session if sys.argv[2] == "same session" else log.session("b", create=True)
    signal.signal(signal.SIGUSR1, handler)
    Interrupted.due = True
    seq = session.append(note("2"))
    assert len(outcomes) == 1, outcomes
    texts = [stored.event.content for handle in (session, other) for stored in handle.read()]
    assert (seq, "2" in texts) == (2, True), (seq, texts)
    assert ("from the handler" in texts) == isinstance(outcomes[0], int), (outcomes, texts)
    assert session.append(note("3")) == len(list(session.read()))
"""


@pytest.mark.parametrize("where", ["same session", "another session"])
def test_an_append_in_a_signal_handler_is_stored_or_refused_and_ends(tmp_path: Path, where: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "store"), where], capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert (ran.returncode, ran.stderr) == (0, "")
