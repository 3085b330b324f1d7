"""The process that ``eventlog demo`` kills: it records an agent session and is stopped with half of a line on the disk.

Run as ``python -m eventlog.cli.demo_writer STORE``. It reports each append as a JSON line on standard output, the last one as
``{"half_bytes": n}``; then it waits for the end.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import msgspec

from ..events import Event, MessageAdded, Part, ToolCalled, ToolReturned, UsageRecorded
from ..files.backend import FilesBackend
from ..files.disk import Disk
from ..log import EventLog
from ..settings import Settings

QUESTION = MessageAdded(role="user", content="Logging in sends me back to the login page. Can you find out why?", message_id="m1")
LOOKING = MessageAdded(
    role="assistant",
    message_id="m2",
    model="demo-model",
    content=[
        Part(type="reasoning", content="A redirect loop after login is often the session cookie."),
        Part(type="text", content="I will look at where the session cookie is set."),
    ],
)
RECORDED: list[Event] = [
    QUESTION,
    LOOKING,
    UsageRecorded(message_id="m2", model="demo-model", input_tokens=412, output_tokens=58),
    ToolCalled(call_id="c1", name="grep", arguments={"pattern": "set_cookie", "path": "app/"}, message_id="m2"),
    ToolReturned(
        call_id="c1", output='app/login.py:41: response.set_cookie("session", token, secure=True, domain="www.example.com")', duration_ms=38
    ),
]
CUT_OFF = MessageAdded(
    role="assistant", message_id="m3", model="demo-model", content="Found it: the cookie is bound to www.example.com, but the login runs on"
)


class HalfADisk(Disk):
    """A disk that takes half of the next write once it is told to, and then nothing any more."""

    stop_halfway = False

    def write(self, fd: int, data: bytes | bytearray | memoryview) -> int:
        if not self.stop_halfway:
            return super().write(fd, data)
        half = super().write(fd, bytes(data)[: len(data) // 2])
        _report(half_bytes=half)
        sys.stdin.read()  # the parent kills this process here; if it is gone itself, this returns
        raise SystemExit("nobody killed this process")


def main() -> None:
    settings = Settings(store=Path(sys.argv[1]))
    disk = HalfADisk()
    with EventLog(FilesBackend.open(settings, disk=disk), settings) as log:
        session = log.start(title="Login loop", purpose="debugging", user_id="demo", tags=["demo"], kind="agent", model="demo-model")
        _report(session_id=session.id, seq=1, type="session.started")
        for event in RECORDED:
            _report(seq=session.append(event), type=event.type)
        disk.stop_halfway = True
        session.append(CUT_OFF)


def _report(**what: Any) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(what) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
