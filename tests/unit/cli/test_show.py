"""``eventlog show``: the transcript for a person, the whole view for a program."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from eventlog import EventLog
from eventlog.events import (
    ContextCompacted,
    Cost,
    ErrorLogged,
    MessageAdded,
    MessageDelta,
    Part,
    SessionStarted,
    ToolCalled,
    ToolReturned,
    UsageRecorded,
)
from projections import SessionView, replay

from ...command_line import eventlog

EXPECTED = """\
Debug login
session   s
status    active
kind      agent
user      u1
tags      bug, web
models    m-1
started   2026-11-21 00:00:00Z
updated   2026-11-21 00:00:10Z
metadata  {"cwd":"/app"}

2  user  2026-11-21 00:00:01Z
What changed?
[image/png, 3 B: eventlog show s --seq 2 --save FOLDER]

3  assistant  2026-11-21 00:00:02Z  m-1
Thinking.
Looking.

3  tool  grep  returned in 1.00 s
{"pattern":"x"}
one
two

5  tool  bash  failed in 0.25 s
{"command":"make"}
1
2
3
4
5
6
7
8
9
10
11
12 ... (6 more characters)

7  tool  fetch  open

8  context compacted: 900 to 100 tokens
Short.

9  error  rate_limit
Too many requests

11  assistant  2026-11-21 00:00:10Z  not finished
And now

tool   calls  failed  open  seconds
bash       1       1     0     0.25
fetch      1       0     1     0.00
grep       1       0     0     1.00

totals  11 events, 4 messages (2 user, 2 assistant), 3 tool calls, 1 errors
tokens  1,200 in, 34 out, 5 of them reasoning
cache   7 read, 8 written
cost    0.0125 USD
"""


@pytest.fixture
def store(tmp_path: Path) -> Path:
    clock = iter(range(100))

    def at() -> str:
        return f"2026-11-21T00:00:{next(clock):02}Z"

    with EventLog.open(tmp_path / "store") as log, log.session("s", create=True) as session:
        for event in [
            SessionStarted(title="Debug login", user_id="u1", tags=["bug", "web"], kind="agent", metadata={"cwd": "/app"}),
            MessageAdded(
                role="user",
                content=[Part(type="text", content="What changed?"), Part(type="blob", mime_type="image/png", content="AAAA")],
            ),
            MessageAdded(
                role="assistant",
                model="m-1",
                message_id="a",
                content=[
                    Part(type="reasoning", content="Thinking."),
                    Part(type="text", content="Looking."),
                    Part(type="tool_call", id="c1", name="grep", arguments={"pattern": "x"}),
                ],
            ),
            MessageAdded(role="user", content=[Part(type="tool_call_response", id="c1", response="one\ntwo")]),
            ToolCalled(call_id="c2", name="bash", arguments={"command": "make"}),
            ToolReturned(call_id="c2", output="\n".join(map(str, range(1, 15))), is_error=True, duration_ms=250),
            ToolCalled(call_id="c3", name="fetch"),
            ContextCompacted(summary="Short.", tokens_before=900, tokens_after=100),
            ErrorLogged(message="Too many requests", kind="rate_limit"),
            UsageRecorded(
                input_tokens=1200,
                output_tokens=34,
                reasoning_tokens=5,
                cache_read_tokens=7,
                cache_write_tokens=8,
                cost=Cost(amount=0.0125),
            ),
            MessageDelta(message_id="d", content="And now"),
        ]:
            session.append(event, time=at())
    return tmp_path / "store"


def test_a_person_reads_the_session_in_order(store: Path) -> None:
    outcome = eventlog("show", "s", "--store", store)
    assert outcome == (0, EXPECTED, "")


def test_a_program_gets_the_whole_view(store: Path) -> None:
    outcome = eventlog("show", "s", "--store", store, "--json")
    with EventLog.open(store) as log:
        view = replay(log.session("s").read(), SessionView)
    assert outcome.out.encode() == msgspec.json.encode(view) + b"\n"
    found = outcome.json
    assert isinstance(found, dict)
    fixed = (
        "session_id status title description purpose user_id tags kind model provider models modes started_at updated_at parent metadata"
        " context compactions messages tool_calls errors usage counts"
    )
    assert set(found) >= set(fixed.split())
    assert found["started_at"] == "2026-11-21T00:00:00Z"


def test_a_terminal_sees_the_same_words_in_colour(store: Path) -> None:
    out = eventlog("show", "s", "--store", store, terminal=True).out
    for words in ("Debug login", "What changed?", "Too many requests"):
        assert words in out


def test_stored_escape_sequences_reach_no_terminal(tmp_path: Path) -> None:
    with EventLog.open(tmp_path / "store") as log, log.start(id="s", title="\x1b]0;pwned\x07") as session:
        session.append(MessageAdded(role="us\x1ber", content="\x1b[2Jgone [bold]kept[/bold]"))
        session.append(ToolCalled(name="\x1b[31m", arguments={"x": "\x9b"}), ToolReturned(output="\x1b[0m", is_error=True))
    plain = eventlog("show", "s", "--store", tmp_path / "store").out
    assert "\x1b" not in plain
    assert "\\x1b[2Jgone [bold]kept[/bold]" in plain
    coloured = eventlog("show", "s", "--store", tmp_path / "store", terminal=True).out
    assert "\x1b[2J" not in coloured
    assert "\x1b]0" not in coloured
    assert "[bold]kept[/bold]" in coloured


def test_damage_is_bad_news_and_can_be_left_out(store: Path) -> None:
    segment = next(store.glob("sessions/*/s.jsonl"))
    segment.write_bytes(segment.read_bytes().replace(b"What changed?", b"What chanted?"))
    outcome = eventlog("show", "s", "--store", store)
    assert outcome.code == 1
    assert "--skip-damaged" in outcome.one_line_error()
    shown = eventlog("show", "s", "--skip-damaged", "--store", store, "--json").json
    assert isinstance(shown, dict)
    assert shown["counts"]["messages"] == 3


# --- what of it -----------------------------------------------------------------------------------------------------------------


def headings(store: Path, *arguments: object) -> list[str]:
    outcome = eventlog("show", "s", *arguments, "--store", store)
    assert outcome.code == 0
    lines = [line.split() for line in outcome.out.splitlines() if line[:1].isdigit() and "  " in line]
    return [" ".join(words[: 3 if words[1] == "tool" else 2]) for words in lines]


def test_the_last_messages_with_what_happened_between_them(store: Path) -> None:
    assert headings(store, "--last", 2) == [
        "3 assistant",
        "3 tool grep",
        "5 tool bash",
        "7 tool fetch",
        "8 context",
        "9 error",
        "11 assistant",
    ]
    assert headings(store, "--last", 1) == ["11 assistant"]
    assert headings(store, "--last", 99, "--no-tools") == ["2 user", "3 assistant", "8 context", "9 error", "11 assistant"]


def test_one_event_and_what_is_around_it(store: Path) -> None:
    assert headings(store, "--seq", 5) == ["5 tool bash"]
    assert headings(store, "--seq", 3) == ["3 assistant", "3 tool grep"]
    assert headings(store, "--seq", 4) == ["5 tool bash"]  # the result of the call that began before
    assert headings(store, "--seq", 8, "-C", 1) == ["7 tool fetch", "8 context", "9 error"]
    outcome = eventlog("show", "s", "--seq", 99, "--store", store)
    assert (outcome.code, "the last one is 11" in outcome.one_line_error()) == (2, True)


def test_grep_shows_what_matches_with_the_lines_that_were_meant(store: Path) -> None:
    outcome = eventlog("show", "s", "--grep", "14", "--store", store)
    assert outcome.out.splitlines() == ["Debug login", "", "5  tool  bash  failed in 0.25 s", '{"command":"make"}', "14"]
    assert headings(store, "--grep", "too many") == ["9 error"]
    assert headings(store, "--grep", "Looking") == ["3 assistant"]
    nothing = eventlog("show", "s", "--grep", "nothing such", "--store", store)
    assert (nothing.code, nothing.err) == (0, "eventlog: nothing in the session is meant by that\n")
    assert eventlog("show", "s", "--grep", "(", "--store", store).code == 2


def test_tools_shows_all_that_they_said(store: Path) -> None:
    whole = eventlog("show", "s", "--tools", "--store", store).out
    assert "\n13\n14\n" in whole
    assert "more characters" not in whole


def test_a_program_gets_the_same_choice_with_the_totals_of_the_whole(store: Path) -> None:
    shown = eventlog("show", "s", "--last", 1, "--store", store, "--json").json
    assert isinstance(shown, dict)
    assert [message["seq"] for message in shown["messages"]] == [11]
    assert (shown["tool_calls"], shown["errors"], shown["compactions"], shown["counts"]["messages"]) == ([], [], [], 4)


def test_images_are_named_with_the_command_that_writes_them(store: Path, tmp_path: Path) -> None:
    outcome = eventlog("show", "s", "--seq", 2, "--save", tmp_path / "images", "--store", store)
    assert outcome.out == f"{tmp_path / 'images' / '2-1.png'}\n"
    assert (tmp_path / "images" / "2-1.png").read_bytes() == b"\0\0\0"
    assert "--seq 2 --save FOLDER" in eventlog("show", "s", "--store", store).out


def test_markdown_is_rendered_on_a_terminal_and_itself_in_a_pipe(tmp_path: Path) -> None:
    with EventLog.open(tmp_path / "store") as log:
        log.start(id="s").append(MessageAdded(role="assistant", content="# Head\n\n* an item, **bold**, [x](http://evil)"))
    assert "* an item, **bold**, [x](http://evil)" in eventlog("show", "s", "--store", tmp_path / "store").out
    shown = eventlog("show", "s", "--store", tmp_path / "store", "--color", "never", terminal=True).out
    assert "• an item, bold, x (http://evil)" in shown


@pytest.mark.parametrize("pager", ["cat", "less"])
def test_a_real_terminal_gets_it_through_the_pager(store: Path, pager: str, tmp_path: Path) -> None:
    """In a pseudo-terminal, whose size makes a page."""
    import os
    import pty
    import shutil
    import sys

    if shutil.which(pager) is None:
        pytest.skip(f"{pager} is not installed")
    called = tmp_path / "called"
    script = tmp_path / "pager"
    script.write_text(f"#!/bin/sh\ntouch {called}\nexec {shutil.which(pager)} {'-FX' if pager == 'less' else ''}\n")
    script.chmod(0o700)
    environment = {**os.environ, "PAGER": str(script), "TERM": "xterm", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-m", "eventlog", "show", "s", "--last", "1", "--store", str(store)]
    child, terminal = pty.fork()
    if child == 0:  # pragma: no cover
        os.execve(command[0], command, environment)
    said = b""
    try:
        while piece := os.read(terminal, 65536):
            said += piece
    except OSError:
        pass  # the end of a pseudo-terminal
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert called.exists()
    assert b"And now" in said
