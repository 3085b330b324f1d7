"""The program that strace disturbs: some appends, each tried again after a failure. `python -m tests.crash.program STORE TOLD`.

What it is told it writes to TOLD with a call that is not disturbed; started again, it goes on from there."""

from __future__ import annotations

import os
import sys

from eventlog import EventLog, Settings
from eventlog.errors import AppendFailed
from eventlog.events import MessageAdded

SETTINGS = Settings(segment_size_bytes=3_000, compress_after="0")
APPENDS = 12


def main(store: str, told: str) -> None:
    output = os.open(told, os.O_RDWR | os.O_CREAT | os.O_APPEND)
    with EventLog.open(store, settings=SETTINGS) as log:
        known = [line.split()[1] for line in os.pread(output, 1_000_000, 0).splitlines() if line.startswith(b"told")]
        for number in range(len(known), APPENDS):
            for attempt in range(4):
                texts = [f"{number}/{index}/{'.' * 200}" for index in range(1 + number % 3)]
                try:
                    last = log.session("s", create=True).append(
                        *[MessageAdded(role="user", content=text) for text in texts], id=str(number)
                    )
                except AppendFailed as failure:
                    os.writev(output, [f"failed {number} {attempt} {type(failure).__name__}\n".encode()])
                else:
                    os.writev(output, [f"told {number} {len(texts)} {last}\n".encode()])
                    break


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
