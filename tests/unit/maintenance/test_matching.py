"""A pattern has a limit on the time that it takes, whatever it is, and does what it would do without."""

from __future__ import annotations

import io
import os
import re
import signal
from pathlib import Path

import pytest

from eventlog import EventLog, errors
from eventlog.backend import rewriting
from eventlog.events import MessageAdded, MessageDelta
from eventlog.maintenance import matching
from eventlog.maintenance.matching import Limited, limited
from eventlog.maintenance.redaction import Pattern
from eventlog.registry import Event, event_type

ENDLESS = "(a+)+$"
LONG = "a" * 60 + "!"


def chunk_of(log: EventLog, session_id: str) -> bytes:
    """The events' lines, as they stand in the only segment."""
    (path,) = (Path(str(log.path)) / "sessions").rglob(f"{session_id}*.jsonl")
    return path.read_bytes().partition(b"\n")[2]


@pytest.fixture
def log(tmp_path: Path) -> EventLog:
    log = EventLog.open(tmp_path / "store")
    session = log.session("s", create=True)
    session.append(MessageAdded(role="user", content=f"the key is sk-17 {LONG}"))
    session.append(MessageAdded(role="user", content="nothing"))
    session.append(MessageDelta(message_id="m", content="sk-"))
    session.append(MessageDelta(message_id="m", content="23"))
    return log


def test_what_is_asked_of_it_is_answered_as_the_pattern_itself_would(log: EventLog) -> None:
    chunk = chunk_of(log, "s")
    lines = [line + b"\n" for line in chunk.split(b"\n")[:-1]]
    here = Pattern(r"SK-\d+")
    for pattern in (r"sk-\d+", re.compile(r"SK-\d+", re.IGNORECASE), "nothing that is there"):
        here = Pattern(pattern)
        here.observe(chunk)
        across = here.found_across()
        with limited(pattern) as there:
            assert isinstance(there, Limited)
            there.observe(chunk)
            assert there.found_across() == across
            assert there.touches(chunk) is any(map(here.matches, lines))
            assert [there.matches(line) for line in lines] == [here.matches(line) for line in lines]
            assert [there.apply(line) for line in lines] == [here.apply(line) for line in lines]
            for text in ("sk-1", "SK-1", "x"):
                assert there.found_in(text) is here.found_in(text)
                assert there.found_in_bytes(text.encode()) is here.found_in_bytes(text.encode())


@event_type("tests.matching")
class Local(Event, frozen=True):
    only_here: str = ""


def test_names_of_fields_that_only_this_program_knows_are_left_as_they_are(log: EventLog) -> None:
    log.session("t", create=True).append(Local(only_here="only_here"))
    with limited("only_here") as there:
        assert there.touches(chunk_of(log, "t"))
        assert b'"only_here":"[redacted]"' in there.apply(chunk_of(log, "t"))


def test_a_pattern_that_does_not_end_is_given_up_and_the_store_is_as_it_was(log: EventLog) -> None:
    before = chunk_of(log, "s")
    with limited(ENDLESS, limit_s=0.2) as pattern, pytest.raises(errors.PatternTooSlow) as raised:
        rewriting(log._live, "redact").redact("s", pattern, reason=None, dry_run=False)
    assert (raised.value.pattern, raised.value.limit_s) == (ENDLESS, 0.2)
    assert "'(a+)+$' takes more than 0.2 s" in str(raised.value)
    assert chunk_of(log, "s") == before
    assert log.verify().rewrites == []


def test_so_is_one_that_does_not_end_in_what_was_streamed(tmp_path: Path) -> None:
    with EventLog.open(tmp_path / "store") as log, log.session("s", create=True) as session:
        for piece in (LONG[:20], LONG[20:]):
            session.append(MessageDelta(message_id="m", content=piece))
        with limited("(aa+)+b|^(aa|a)+$", limit_s=0.2) as pattern, pytest.raises(errors.PatternTooSlow):
            rewriting(log._live, "redact").redact("s", pattern, reason=None, dry_run=True)


def test_the_library_gives_every_pattern_a_limit(log: EventLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matching.limited.__wrapped__, "__defaults__", (0.2,))  # type: ignore[attr-defined]
    with pytest.raises(errors.PatternTooSlow):
        log.redact("s", pattern=ENDLESS)
    assert log.redact("s", pattern=r"sk-\d+").seqs == [1, 3, 4]


def test_lines_that_were_got_through_once_have_more_time_to_be_changed(log: EventLog, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[float] = []
    monkeypatch.setattr(signal, "setitimer", lambda which, seconds: given.append(seconds))
    chunk = chunk_of(log, "s")
    first, rest = chunk.split(b"\n", 1)
    requests, answers = io.BytesIO(), io.BytesIO()
    begin = ["begin", ["x", 0, [], 2.0]]
    for request in (begin, ["changed", first + b"\n"], ["changed", rest], ["changed", first + b"\n"], ["found_in", "x"]):
        matching._send(requests, request)
    requests.seek(0)
    matching.serve(requests, answers)
    assert given == [2.0, 0, 2.0, 0, 20.0, 0, 2.0, 0]


def test_it_ends_with_the_program_that_asks_and_by_no_signal_meant_for_that(log: EventLog) -> None:
    former = signal.signal(signal.SIGPROF, signal.SIG_IGN)
    try:
        with limited(ENDLESS, limit_s=0.2) as there, pytest.raises(errors.PatternTooSlow):
            there.found_in(LONG)
    finally:
        signal.signal(signal.SIGPROF, former)
    with limited("x") as there:
        assert isinstance(there, Limited)
        child = there._process.pid
        assert os.getpgid(child) != os.getpgid(0)
    assert there._process.returncode is not None


def test_a_process_that_cannot_be_started_again_has_no_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "")
    with limited("x") as there:
        assert isinstance(there, Pattern)


def test_a_process_that_ends_says_so(log: EventLog) -> None:
    with limited("x") as there:
        assert isinstance(there, Limited)
        there._process.kill()
        with pytest.raises(errors.EventLogError, match="ended with -9"):
            there.found_in("x")
