"""The wire: whatever comes in, the server goes on or ends with 0; what goes out is JSON lines and nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("mcp", reason="`eventlog mcp` needs the extra mcp; `make mcp` has it")

from eventlog import EventLog
from projections.mcp.stdio import Lines

from .client import ERAS, ME, Client, Era, Refused

BROKEN = [
    *(b"broken", b"{", b"[1]", b"[]", b"null", b"1", b'"x"', b"{}", b'{"id":5}', b"\xff\xfe", b"\x00", b'"\\ud800"'),
    *(b"[" * 100_000, b'{"a":' * 50_000, b'{"jsonrpc":"1.0","id":1,"method":"ping"}', b'{"jsonrpc":"2.0","id":1,"method":7}'),
    *(b'{"jsonrpc":"2.0","id":1.5,"method":"ping"}', b'{"jsonrpc":"2.0","id":{},"method":"ping"}'),
    b'{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}',
]


@pytest.mark.parametrize("line", BROKEN, ids=range(len(BROKEN)))
def test_a_line_that_is_no_message_is_answered_with_an_error_and_the_next_one_is_read(asked: Client, line: bytes) -> None:
    asked.send_line(line)
    answer = asked.receive()
    assert answer["error"]["code"] in (-32700, -32600, -32602)
    assert asked.call("list_sessions")["total"] == 2


def test_blank_lines_are_nothing(asked: Client) -> None:
    asked.send_line(b"\n  \r\n")
    assert asked.call("list_sessions")["total"] == 2


def test_unknown_methods_answers_and_notifications_do_no_harm(asked: Client) -> None:
    with pytest.raises(Refused) as refused:
        asked.ask("no/such/method")
    assert refused.value.code == -32601
    asked.send({"jsonrpc": "2.0", "method": "notifications/nonsense", "params": {"x": [1]}})
    asked.send({"jsonrpc": "2.0", "id": 12345, "result": {}})
    asked.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 999}})
    assert asked.call("list_sessions")["total"] == 2


def test_a_request_of_64_mib_is_answered(client: Client) -> None:
    answer = client.call("add_message", session_id="s1", role="user", content="x" * (64 << 20))
    assert "failed" in answer or answer["seq"] > 0
    assert client.call("list_sessions")["total"] == 2


def test_a_line_longer_than_any_request_is_refused_and_not_kept(store: Path) -> None:
    with Client(store) as client:
        piece = b"x" * (1 << 20)
        assert client.process.stdin is not None
        for _ in range(90):
            client.process.stdin.write(piece)
        client.send_line(b"")
        assert client.receive()["error"]["code"] == -32700
        assert client.call("list_sessions")["total"] == 2


@pytest.mark.parametrize("era", ERAS)
def test_what_was_asked_before_the_input_ended_is_answered(store: Path, era: Era) -> None:
    client = Client(store, "--write", era=era)
    ids = [
        client.request("tools/call", name="add_message", arguments={"session_id": "s2", "role": "user", "content": str(n)})
        for n in range(20)
    ]
    assert client.process.stdin is not None
    client.process.stdin.close()
    assert sorted(client.receive()["id"] for _ in ids) == ids
    assert client.close() == (0, "")


def test_an_input_that_is_empty_or_closed_ends_the_server_with_0(store: Path) -> None:
    for how in ("</dev/null", "<&-"):
        run = subprocess.run(
            ["sh", "-c", f'exec "$0" -m eventlog --store "$1" mcp {how}', sys.executable, str(store)],
            capture_output=True,
            check=False,
            timeout=60,
        )
        assert (run.returncode, run.stdout, run.stderr) == (0, b"", b"")


def test_a_reader_that_is_gone_ends_the_server_with_0_though_its_input_stays_open(store: Path) -> None:
    client = Client(store)
    assert client.process.stdout is not None
    client.process.stdout.close()
    client.request("tools/list")
    assert client.ended() == (0, "")
    assert client.process.stdin is not None
    client.process.stdin.close()


def test_what_others_print_does_not_reach_the_wire(store: Path) -> None:
    code = (
        "import sys, os\n"
        "from projections.mcp import stdio\n"
        "class Server:\n"
        "    def create_initialization_options(self): return None\n"
        "    async def run(self, requests, answers, options):\n"
        "        print('printed'); os.write(1, b'written\\n'); os.system('echo by a child')\n"
        "        async with requests, answers: pass\n"
        "stdio.serve(Server())\n"
    )
    run = subprocess.run([sys.executable, "-c", code], input=b"", capture_output=True, check=False, timeout=60)
    assert (run.returncode, run.stdout) == (0, b"")
    assert {b"printed", b"written", b"by a child"} <= set(run.stderr.split(b"\n"))


def test_the_first_request_decides_the_era_and_the_other_one_is_refused(store: Path) -> None:
    with Client(store, era="2026-07-28") as client, pytest.raises(Refused):
        client.ask("initialize", protocolVersion="2025-11-25", capabilities={}, clientInfo=ME)


def test_a_store_that_is_not_there_is_said_in_one_line_on_stderr(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "eventlog", "--store", str(tmp_path / "none"), "mcp"],
        input=b"",
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert run.stdout == b""
    assert run.stderr.count(b"\n") <= 1


def test_two_clients_and_the_command_line_write_to_one_session_and_nothing_is_lost(store: Path) -> None:
    count = 30
    with Client(store, "--write", era="2025-11-25") as one, Client(store, "--write", era="2026-07-28") as two:
        line = json.dumps({"type": "message.added", "data": {"role": "user", "content": "by the command line"}})
        appending = subprocess.Popen(
            [sys.executable, "-m", "eventlog", "--store", str(store), "append", "s2"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
        )
        assert appending.stdin is not None
        for number in range(count):
            for client in (one, two):
                client.request("tools/call", name="add_message", arguments={"session_id": "s2", "role": "user", "content": str(number)})
            appending.stdin.write(line.encode() + b"\n")
            appending.stdin.flush()
        appending.stdin.close()
        seqs = [client.receive()["result"]["structuredContent"]["seq"] for client in (one, two) for _ in range(count)]
        assert appending.wait(60) == 0
        assert len(set(seqs)) == 2 * count
        assert one.call("get_messages", session_id="s2", limit=1)["total"] == 3 * count
    with EventLog.open(store) as log, log.session("s2") as session:
        assert [stored.seq for stored in session.read()] == list(range(1, session.last_seq + 1))


@given(st.lists(st.sampled_from([b"a", b"bc" * 3, b"\n", b"\n\n", b" "])), st.integers(1, 7))
def test_lines_are_the_same_however_they_are_cut(pieces: list[bytes], size: int) -> None:
    data = b"".join(pieces) + b"\n"
    lines = Lines(most=5)
    found = [line for start in range(0, len(data), size) for line in lines.take(data[start : start + size])]
    assert found == [line if len(line) <= 5 else b"!" for line in data.split(b"\n") if line.strip() or len(line) > 5]


def test_the_command_says_what_to_install_where_the_package_is_missing(store: Path, tmp_path: Path) -> None:
    (tmp_path / "mcp.py").write_text("raise ModuleNotFoundError(name='mcp')")
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    run = subprocess.run(
        [sys.executable, "-m", "eventlog", "--store", str(store), "mcp"], input=b"", capture_output=True, check=False, timeout=60, env=env
    )
    assert run.returncode == 1
    assert b"pip install 'session-eventlog[mcp]'" in run.stderr
