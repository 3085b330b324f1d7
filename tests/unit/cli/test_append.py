"""``eventlog append``: what is taken, what is refused with its line number, and what stays in the log."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from eventlog import EventLog
from eventlog.events import MessageAdded

from ...command_line import eventlog

HELLO = '{"type":"message.added","data":{"role":"user","content":"Hello"}}\n'


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


def lines(store: Path, session: str = "s") -> list[dict[str, object]]:
    return [msgspec.json.decode(line) for line in eventlog("cat", session, "--store", store).out.splitlines()]


def test_each_line_becomes_an_event_and_the_last_seq_is_printed(store: Path) -> None:
    assert eventlog("append", "s", "--create", "--store", store, stdin=HELLO + HELLO) == (0, "2\n", "")
    assert eventlog("append", "s", "--store", store, "--json", stdin=HELLO).json == {"session_id": "s", "last_seq": 3}
    assert [(line["seq"], line["type"], line["data"]) for line in lines(store)] == [
        (seq, "message.added", {"role": "user", "content": "Hello"}) for seq in (1, 2, 3)
    ]


def test_time_id_unknown_types_and_unknown_fields_are_kept(store: Path) -> None:
    given = (
        '{"type":"shop.rated","data":{"stars":5,"big":12345678901234567890},"time":"2026-11-21T01:44:01+01:00","id":"r1"}\n'
        '{"type":"message.added","data":{"role":"user","content":"Hi","mood":"good"},"id":"r2"}\n'
    )
    assert eventlog("append", "s", "--create", "--store", store, stdin=given).out == "2\n"
    first, second = lines(store)
    assert (first["time"], first["id"], first["data"]) == ("2026-11-21T00:44:01.000000Z", "r1", {"stars": 5, "big": 12345678901234567890})
    assert second["data"] == {"role": "user", "content": "Hi", "mood": "good"}
    assert eventlog("append", "s", "--store", store, stdin=given).out == "2\n"
    assert len(lines(store)) == 2


def test_blank_lines_and_a_missing_last_newline_are_fine(store: Path) -> None:
    assert eventlog("append", "s", "--create", "--store", store, stdin="\n  \n" + HELLO + "\r\n" + HELLO.strip()).out == "2\n"


def test_a_byte_order_mark_before_the_first_line_is_no_part_of_it(store: Path) -> None:
    assert eventlog("append", "s", "--create", "--store", store, stdin=b'\xef\xbb\xbf{"type":"a.b","data":{}}\r\n').code == 0


def test_nothing_to_append_prints_where_the_session_is(store: Path) -> None:
    assert eventlog("append", "s", "--create", "--store", store) == (0, "0\n", "")
    assert eventlog("cat", "s", "--store", store).code == 1


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"Hello", "it is not JSON"),
        (b'{"type":"a","data":{}', "it is not JSON"),
        (b"[]", "as its type asks for ("),
        (b'{"type":"a"}', "as its type asks for ("),
        (b'{"data":{}}', "as its type asks for ("),
        (b'{"type":7,"data":{}}', "as its type asks for ("),
        (b'{"type":"a","data":[]}', '"data" is not a JSON object'),
        (b'{"type":"a","data":{},"time":7}', "as its type asks for ("),
        (b'{"type":"a","data":{},"time":"yesterday"}', "'yesterday' is not a time"),
        (b'{"type":"a","data":{},"time":"2026-11-21T00:44:01"}', "has no time zone"),
        (b'{"type":"a","data":{},"id":7}', "as its type asks for ("),
        (b'{"type":"a","data":{},"seq":7}', "as its type asks for ("),
        (b'{"type":"segment.sealed","data":{}}', "belong to the format"),
        (b'{"type":"a b","data":{}}', "invalid event type 'a b'"),
        (b'{"type":"message.added","data":{"role":"user"}}', "content"),
        (b'{"type":"message.added","data":{"role":7,"content":"x"}}', "role: "),
        (rb'{"type":"a","data":{"x":"\ud800"}}', r"half of a surrogate pair, \ud800"),
        (rb'{"type":"a","data":{"x":"\udc00!"}}', r"half of a surrogate pair, \udc00"),
        (b'{"type":"a","data":{"x":"\xed\xa0\x80"}}', "it is not UTF-8"),
        (b'{"type":"a","data":{"x":"\xff"}}', "it is not UTF-8"),
        (b'{"type":"a","data":{"x":1e400}}', "it is not "),
        (b'{"type":"a","data":{"x":NaN}}', "it is not JSON"),
        (b'{"type":"a","data":{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}}", "nested too deeply"),
        (b'\x00{"type":"a","data":{}}', "it is not JSON"),
    ],
)
def test_the_first_bad_line_stops_with_its_number_and_the_ones_before_it_stay(store: Path, line: bytes, said: str) -> None:
    outcome = eventlog("append", "s", "--create", "--store", store, stdin=HELLO.encode() + b"\n" + line + b"\n" + HELLO.encode())
    error = outcome.one_line_error()
    assert outcome.code == 2
    assert error.startswith("line 3: ")
    assert said in error
    assert error.endswith("; the lines before it are in the log (last seq 1)")
    assert len(lines(store)) == 1


def test_a_line_longer_than_the_limit_is_refused_without_reading_it_whole(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVENTLOG_MAX_EVENT_BYTES", "1000")
    long = HELLO.replace("Hello", "x" * 5000)
    outcome = eventlog("append", "s", "--create", "--store", store, stdin=HELLO + long)
    assert outcome.code == 2
    assert "line 2: it is longer than the limit of 1,000 bytes" in outcome.one_line_error()


def test_a_refusal_of_the_log_names_the_line_too(store: Path) -> None:
    eventlog("append", "s", "--create", "--store", store, stdin=HELLO)
    outcome = eventlog("append", "s", "--store", store, stdin='{"type":"session.deleted","data":{}}\n' + HELLO)
    assert outcome.code == 1
    assert outcome.one_line_error().startswith("line 2: session 's' is deleted and takes no events; `eventlog restore s` brings it back")


def test_a_session_that_is_not_there_needs_create(store: Path) -> None:
    eventlog("append", "other", "--create", "--store", store, stdin=HELLO)
    outcome = eventlog("append", "s", "--store", store, stdin=HELLO)
    assert outcome.code == 1
    assert outcome.one_line_error() == "no session 's' in this store; --create begins it, `eventlog list` shows what there is"


def test_without_create_no_store_is_made(store: Path) -> None:
    assert eventlog("append", "s", "--store", store, stdin=HELLO).code == 1
    assert not store.exists()


def test_a_line_is_in_the_log_before_the_next_one_comes(store: Path) -> None:
    command = [sys.executable, "-m", "eventlog", "append", "s", "--create", "--store", str(store)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with EventLog.open(store) as log, subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        session = log.session("s", create=True)
        for seq in (1, 2):
            process.stdin.write(HELLO.encode())
            process.stdin.flush()
            while session.last_seq < seq:
                assert process.poll() is None
            assert [stored.event for stored in session.read()] == [MessageAdded(role="user", content="Hello")] * seq
        process.stdin.close()
        assert process.stdout.read() == b"2\n"


def test_a_person_at_a_terminal_is_told_what_to_type(store: Path) -> None:
    assert eventlog("append", "s", "--create", "--store", store, terminal=True).err.startswith("eventlog: reading JSON lines like {")
