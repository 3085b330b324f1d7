"""The pictures of README's tour: what the commands really print, as SVG.

``python -m tests.tour`` makes them anew in ``pictures/``; a test makes them, too, and compares: a picture that is not what the program
prints fails the suite. The store, its ids, the clock and the zone are fixed; the commands are the real ones, run in this process.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Final
from unittest import mock
from xml.etree import ElementTree

from eventlog import EventLog
from eventlog.cli.context import Context
from eventlog.events import Cost, Event, MessageAdded, Parent, SessionEnded, SessionStarted, ToolCalled, ToolReturned, UsageRecorded
from tests.command_line import eventlog

FOLDER: Final = Path(__file__).parents[1] / "pictures"
NOW: Final = datetime(2026, 11, 30, 9, 0, tzinfo=timezone.utc)
WIDTH: Final = 92
PICTURES: Final = {  # each with the command line of it
    "list": "eventlog list",
    "search": "eventlog search cookie domain",
    "show": "eventlog show 0193ab42 --seq 3 -C 2",
    "stats": "eventlog stats --since 2026-11",
}
_SECONDS: Final = timedelta(seconds=7)


def build(store: Path) -> None:
    """A few sessions as a month of work leaves them."""
    with EventLog.open(store) as log:
        _session(
            log,
            "0193ab42-7c10-7e21-9d55-6f0a1b2c3d4e",
            timedelta(hours=2),
            SessionStarted(title="Login loses the cookie", kind="agent", model="claude-opus-4-5", metadata={"cwd": "/home/mia/shop"}),
            MessageAdded(role="user", content="Users are logged out after a second. What changed in the login?"),
            MessageAdded(
                role="assistant",
                model="claude-opus-4-5",
                message_id="m1",
                content="I look at what touched **app/login.py** last:\n\n* when the cookie is set\n* which *domain* it is bound to",
            ),
            ToolCalled(name="Bash", call_id="c1", arguments={"command": "git log -3 --oneline app/login.py"}),
            ToolReturned(
                call_id="c1",
                output="a41f09c Bind the cookie to www\n7be1d02 Rename the handler\n19c0a77 First login page",
                duration_ms=140,
            ),
            MessageAdded(
                role="assistant",
                model="claude-opus-4-5",
                message_id="m2",
                content="The cookie is bound to the domain `www.example.com` since a41f09c, but the login runs on `example.com`.",
            ),
            _usage("claude-opus-4-5", 184_000, 2_900, 0.99),
            SessionEnded(status="completed"),
        )
        _session(
            log,
            "0193a9f0-1f00-7a3b-8c11-0a1b2c3d4e5f",
            timedelta(days=1, hours=3),
            SessionStarted(title="Import orders from the old shop", kind="agent", metadata={"cwd": "/home/mia/shop"}, tags=["migration"]),
            MessageAdded(role="user", content="Read orders.csv into the new tables; keep the old ids."),
            ToolCalled(name="Read", call_id="c1", arguments={"path": "orders.csv"}),
            ToolReturned(call_id="c1", output="id,customer,total", duration_ms=12),
            ToolCalled(name="Bash", call_id="c2", arguments={"command": "make import"}),
            ToolReturned(call_id="c2", output="duplicate key 41", is_error=True, duration_ms=5_200),
            _usage("gpt-5", 96_000, 4_100, 0.16),
        )
        _session(
            log,
            "0193a9f0-1f00-7a3b-8c11-0a1b2c3d4e5f.agent-1",
            timedelta(days=1, hours=3),
            SessionStarted(
                title="Look for duplicate ids",
                kind="agent",
                parent=Parent(session_id="0193a9f0-1f00-7a3b-8c11-0a1b2c3d4e5f", relation="subagent"),
            ),
            MessageAdded(role="user", content="Which ids are there twice?"),
            _usage("gpt-5", 8_000, 300, 0.02),
        )
        for number, (title, model, project, tokens, cost) in enumerate(_OTHERS, 1):
            _session(
                log,
                f"0193{9900 - 37 * number:04d}-0000-7000-8000-0000000000{number:02d}",
                timedelta(days=2 * number, hours=5 + number),
                SessionStarted(title=title, kind="agent", model=model, metadata={"cwd": f"/home/mia/{project}"}),
                *[MessageAdded(role="user", content=f"{title}, please.")] * (1 + 4 * number % 7),
                _usage(model, tokens, tokens // 40, cost),
            )


_OTHERS: Final = (
    ("Write the release notes", "claude-opus-4-5", "shop", 41_000, 0.31),
    ("Set-Cookie with a domain: what do browsers do?", "gpt-5", "notes", 6_200, 0.01),
    ("Move the tests to pytest", "claude-opus-4-5", "shop", 720_000, 3.9),
    ("Plan the talk about event logs", "gemini-2.5-pro", "talk", 58_000, 0.12),
    ("Why is the list slow at 100,000 rows?", "gpt-5", "shop", 310_000, 0.55),
)


def _usage(model: str, tokens_in: int, tokens_out: int, amount: float) -> UsageRecorded:
    return UsageRecorded(model=model, input_tokens=tokens_in, output_tokens=tokens_out, cost=Cost(amount=amount))


def _session(log: EventLog, session_id: str, ago: timedelta, *events: Event) -> None:
    session = log.session(session_id, create=True)
    for number, event in enumerate(events):
        session.append(event, time=NOW - ago + number * _SECONDS, sync="never")


@contextmanager
def surroundings(store: Path) -> Iterator[None]:
    """The terminal, the clock and the zone that the pictures are of."""
    settings = {
        "EVENTLOG_STORE": str(store),
        "COLUMNS": str(WIDTH),
        "TZ": "UTC",
        "TERM": "xterm-256color",
        "XDG_STATE_HOME": str(store) + "-state",
    }
    with mock.patch.dict(os.environ, settings), mock.patch.object(Context, "now", return_value=NOW):
        for name in ("NO_COLOR", "EVENTLOG_CONFIG"):
            os.environ.pop(name, None)
        time.tzset()
        try:
            yield
        finally:
            os.environ["TZ"] = "UTC"
    time.tzset()


def printed(command: str) -> str:
    """What a person at the terminal sees of a command, with its colours."""
    outcome = eventlog(*shlex.split(command)[1:], terminal=True)
    assert outcome.code == 0, outcome.err
    return outcome.out


def drawn(command: str) -> str:
    """The same as SVG. Nothing is loaded from elsewhere: rich's own template names fonts on a server."""
    import io

    from rich._export_format import CONSOLE_SVG_FORMAT
    from rich.console import Console
    from rich.text import Text

    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, color_system="truecolor", highlight=False)
    console.print(Text.assemble(("$ ", "green"), (command, "bold")))
    console.print(Text.from_ansi(printed(command)))
    template = re.sub(r"@font-face \{\{.*?\}\}|<!--.*?-->", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    svg = console.export_svg(title="eventlog", code_format=template, unique_id="eventlog")
    return "\n".join(line.rstrip() for line in svg.splitlines() if line.strip()) + "\n"


def words_of(svg: str) -> list[str]:
    """What stands in a picture, line by line: the same whatever release of rich drew it."""
    return [
        "".join(element.itertext()).replace("\xa0", " ") for element in ElementTree.fromstring(svg).iter() if element.tag.endswith("}text")
    ]


def all_drawn() -> dict[str, str]:
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "store"
        build(store)
        with surroundings(store):
            return {name: drawn(command) for name, command in PICTURES.items()}


def main(arguments: Any = None) -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, svg in all_drawn().items():
        (FOLDER / f"{name}.svg").write_text(svg, encoding="utf-8")
        print(f"pictures/{name}.svg: {len(svg):,} characters", file=sys.stderr)


if __name__ == "__main__":
    main()
