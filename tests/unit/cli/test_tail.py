from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from eventlog import EventLog
from eventlog.cli.tail_view import describe
from eventlog.events import (
    ErrorLogged,
    Event,
    MessageAdded,
    MessageDelta,
    Part,
    SessionEnded,
    SessionStarted,
    SourceRecord,
    ToolCalled,
    ToolReturned,
    UnknownEvent,
    UsageRecorded,
)
from tests.command_line import eventlog
from tests.tails import PATIENCE_S, note


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def log(store: Path) -> Iterator[EventLog]:
    with EventLog.open(store) as log:
        yield log


class Running:
    """``eventlog tail`` in a process of its own."""

    def __init__(self, store: Path, *arguments: object) -> None:
        command = [sys.executable, "-m", "eventlog", "tail", *map(str, arguments), "--store", str(store)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self._given_up = threading.Timer(PATIENCE_S, self.process.kill)
        self._given_up.start()

    def __enter__(self) -> Running:
        return self

    def __exit__(self, *error: object) -> None:
        self._given_up.cancel()
        self._given_up.join()
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().decode().rstrip("\n")

    def json(self) -> Any:
        return json.loads(self.line())

    def interrupt(self, number: int = signal.SIGINT) -> tuple[int, str, str]:
        """Ctrl-C: the exit code, the rest of standard output, standard error."""
        self.process.send_signal(number)
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        out, err = self.process.stdout.read(), self.process.stderr.read()  # what `line` has read ahead is in the first
        return self.process.wait(), out.decode(), err.decode()


def test_json_is_the_stored_line_with_its_session_first(log: EventLog, store: Path) -> None:
    session = log.start(id="a")
    with Running(store, "--json") as tail:
        line = tail.line()
        (stored,) = session.read()
        assert line == '{"session_id":"a",' + stored.raw.decode()[1:]
        mark = tail.json()
        assert mark.keys() == {"caught_up", "cursor"}
        assert mark["caught_up"] is True
        session.append(note("live"))
        assert tail.json()["data"]["content"] == "live"


def test_an_interrupt_says_how_to_go_on(log: EventLog, store: Path) -> None:
    session = log.start(id="a")
    with Running(store, "a", "--json") as tail:
        tail.json()
        assert tail.json() == {"caught_up": True, "cursor": "1"}
        session.append(note())
        assert tail.json()["seq"] == 2
        assert tail.interrupt() == (130, "", "eventlog: stopped; `eventlog tail a --after 2` goes on from here\n")
    session.append(note())
    with Running(store, "a", "--after", 2, "--json") as tail:
        assert tail.json()["seq"] == 3


def test_the_cursor_of_all_sessions_goes_on_without_a_gap_or_a_duplicate(log: EventLog, store: Path) -> None:
    session = log.start(id="a")
    log.start(id="b")
    with Running(store, "--json") as tail:
        assert {tail.json()["session_id"], tail.json()["session_id"]} == {"a", "b"}
        tail.json()
        code, rest, message = tail.interrupt()
        assert (code, rest) == (130, "")
    cursor = message.split("--after ")[1].split("`")[0]
    session.append(note())
    with Running(store, "--after", cursor, "--json") as tail:
        found = tail.json()
        assert (found["session_id"], found["seq"]) == ("a", 2)
        assert tail.json()["caught_up"] is True


def test_an_interrupt_while_it_catches_up_loses_nothing(log: EventLog, store: Path) -> None:
    session = log.session("a", create=True)
    for _ in range(200):
        session.append(*(note("x" * 1000) for _ in range(20)), sync="never")
    with Running(store, "a", "--json") as tail:
        first = tail.line()  # the pipe is full now, and it waits in the middle
        code, rest, message = tail.interrupt()
    assert code == 130
    seqs = [json.loads(line).get("seq") for line in [first, *rest.splitlines()]]
    printed = [seq for seq in seqs if seq is not None]
    assert printed == list(range(1, len(printed) + 1))
    assert message == f"eventlog: stopped; `eventlog tail a --after {len(printed)}` goes on from here\n"


def test_from_the_end_of_some_types_only(log: EventLog, store: Path) -> None:
    session = log.start(id="a")
    with Running(store, "--json", "--after", "end", "--type", "message.added") as tail:
        assert tail.json()["caught_up"] is True
        session.append(UsageRecorded(input_tokens=1))
        session.append(note())
        assert tail.json()["seq"] == 3


def test_a_reader_that_has_enough_ends_it_quietly_even_while_nothing_happens(log: EventLog, store: Path) -> None:
    log.start(id="a")
    with Running(store, "--json") as tail:
        tail.json()
        assert tail.json()["caught_up"] is True  # nothing more is to be written
        assert tail.process.stdout is not None
        assert tail.process.stderr is not None
        tail.process.stdout.close()
        tail.process.wait(PATIENCE_S)
        assert tail.process.stderr.read() == b""
        assert tail.process.returncode == 0


def test_a_person_sees_one_line_per_event_and_streamed_text_as_it_flows(log: EventLog, store: Path) -> None:
    session = log.session("a", create=True)
    time = "2026-11-21T00:44:01Z"
    session.append(SessionStarted(title="Debug \x1b[31mlogin"), time=time)
    session.append(note("What\nchanged?"), time=time)
    for piece in ("The ", "cook", "ie\nexpired"):
        session.append(MessageDelta(message_id="m", content=piece), time=time)
    session.append(MessageAdded(role="assistant", content="The cookie\nexpired", message_id="m"), time=time)
    session.append(ToolCalled(name="bash", arguments={"command": "ls"}), time=time)
    with Running(store) as tail:
        lines = [tail.line() for _ in range(6)]
        assert lines == [
            "2026-11-21 00:44:01Z  a  session    started: Debug \\x1b[31mlogin",
            "2026-11-21 00:44:01Z  a  user       What changed?",
            "2026-11-21 00:44:01Z  a  assistant  The cookie",
            "expired",
            '2026-11-21 00:44:01Z  a  tool       bash {"command":"ls"}',
            "--- live ---",
        ]
        session.append(MessageDelta(message_id="n", content="Hm"), time=time)
        assert tail.process.stdout is not None
        assert tail.process.stdout.read(len(lines[2]) - len("The cookie") + 2).endswith(b"assistant  Hm")  # before the line is over
    with Running(store, "a", "--after", 1) as tail:
        assert tail.line() == "2026-11-21 00:44:01Z  user       What changed?"


@pytest.mark.parametrize(
    ("event", "who", "text"),
    [
        (MessageAdded(role="user", content=[Part(type="text", content="Look"), Part(type="blob")]), "user", "Look [blob]"),
        (
            MessageAdded(role="assistant", content=[Part(type="reasoning", content="Hm"), Part(type="tool_call", name="ls", arguments={})]),
            "assistant",
            "[reasoning] Hm [calls ls] {}",
        ),
        (MessageAdded(role="tool", content=[Part(type="tool_call_response", response="x")]), "tool", "[tool result] x"),
        (MessageAdded(role="user", content="x" * 200), "user", "x" * 157 + "..."),
        (ToolReturned(output={"a": 1}, duration_ms=1500), "tool", 'returned in 1.50 s: {"a":1}'),
        (ToolReturned(output="no", is_error=True), "tool", "failed: no"),
        (UsageRecorded(input_tokens=1000, output_tokens=2), "usage", "1,000 tokens in, 2 out"),
        (ErrorLogged(message="it broke", kind="timeout"), "error", "timeout: it broke"),
        (SessionEnded(status="failed", reason="no more money"), "session", "ended, failed: no more money"),
        (UnknownEvent("shop.rated", {"stars": 5}), "shop", 'rated {"stars":5}'),
    ],
)
def test_who_and_what_of_an_event(event: Event | UnknownEvent, who: str, text: str) -> None:
    with EventLog.memory() as log, log.session("a", create=True) as session:
        session.append(event)
        (stored,) = session.read()
        assert describe(stored)[:2] == (who, text)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["nobody"], 1, "no session 'nobody' in this store"),
        (["--after", "nonsense"], 2, "'nonsense' is not a cursor of all sessions"),
        (["a", "--after", "nonsense"], 2, "'nonsense' is not a place in one session"),
        (["a", "--after", "-1"], 2, "'-1' is not a place in one session"),
        (["a", "--after", "2"], 2, "session 'a' ends at 1, so 2 is the place of another session"),
        (["--after", "7"], 2, "'7' is not a cursor of all sessions"),
    ],
)
def test_what_cannot_be_tailed_is_said_in_one_line(log: EventLog, store: Path, arguments: list[str], code: int, message: str) -> None:
    log.start(id="a")
    outcome = eventlog("--store", store, "tail", *arguments)
    assert outcome.code == code
    assert outcome.one_line_error().startswith(message)


def test_a_store_that_is_not_there_is_not_made(store: Path) -> None:
    assert eventlog("--store", store, "tail").code == 1
    assert not store.exists()


def test_sigterm_leaves_the_cursor_too(log: EventLog, store: Path) -> None:
    session = log.start(id="a")
    with Running(store, "--json") as tail:
        tail.line()
        assert tail.json()["caught_up"]
        code, _, err = tail.interrupt(signal.SIGTERM)
    assert code == 128 + signal.SIGTERM
    cursor = err.split("--after ")[1].split("`")[0]
    session.append(MessageAdded(role="user", content="later"))
    with Running(store, "--json", "--after", cursor) as tail:
        assert tail.json()["seq"] == 2


def test_a_person_is_spared_what_an_importer_only_kept(log: EventLog, store: Path) -> None:
    log.start(id="a").append(SourceRecord(), MessageAdded(role="user", content="hi"))
    with Running(store, "a") as tail:
        assert "started" in tail.line()
        assert "hi" in tail.line()
    with Running(store, "a", "--type", "source.record") as tail:
        assert "record" in tail.line()
    with Running(store, "a", "--json") as tail:
        assert [tail.json()["type"] for _ in range(2)] == ["session.started", "source.record"]
