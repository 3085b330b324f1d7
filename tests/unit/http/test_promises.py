"""What the API promises under load, crashes and size: the numbers of faces.md section 8 that are no durations."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import pytest

from eventlog import EventLog
from eventlog.events import MessageAdded
from projections.catalog import statistics

from .client import Client
from .serving import Served, served

API = "/api/v1"


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EventLog]:
    with EventLog.open(tmp_path / "store", sync="never") as log:
        yield log


@pytest.fixture
def server(log: EventLog, tmp_path: Path) -> Iterator[Served]:
    with served(Path(str(log.path)), tmp_path / "config") as server:
        yield server


@pytest.mark.parametrize("count", [300, pytest.param(10_000, marks=pytest.mark.slow)])
def test_pages_name_each_session_once_while_a_writer_runs(server: Served, log: EventLog, count: int) -> None:
    made = {log.start(title=str(number)).id for number in range(count)}
    done = threading.Event()
    written = threading.Event()

    def write() -> None:
        ids = sorted(made)
        number = 0
        while not done.is_set():
            log.start(title="later")
            log.session(ids[number % count]).append(MessageAdded(role="user", content="x"))
            number += 1
            written.set()
            done.wait(0.02)  # a writer that never rests is not what is tested

    writer = threading.Thread(target=write)
    writer.start()
    try:
        written.wait()
        found: list[str] = []
        after = ""
        while True:
            page = json.loads(server.ask("GET", f"{API}/sessions?sort=started&limit={count // 40}{after}")[1])
            found += [item["session_id"] for item in page["items"]]
            if page["next"] is None:
                break
            after = f"&after={page['next']}"
    finally:
        done.set()
        writer.join()
    assert len(found) == len(set(found))
    assert made <= set(found)


def test_a_server_that_is_killed_between_writing_and_answering_writes_once(log: EventLog, tmp_path: Path) -> None:
    """The client never reads the answer, and the server is killed as soon as the event is in the log: whatever had been answered by then,
    the retry at another server gives the position of the one event."""
    session = log.start(id="s1")
    body = {"events": [{"type": "message.added", "data": {"role": "user", "content": "once"}}]}
    for round in range(3):
        before = session.last_seq
        with served(Path(str(log.path)), tmp_path / "config") as server:
            asking = threading.Thread(target=_ask_and_forget, args=(server, body, f"key-{round}"))
            asking.start()
            for stored in log.tail("s1", after=before):
                assert stored.seq == before + 1
                break
            server.process.send_signal(signal.SIGKILL)
            server.process.wait()
            asking.join()
        with served(Path(str(log.path)), tmp_path / "config") as server:
            for _ in range(2):
                status, answer = server.ask("POST", f"{API}/sessions/s1/events", body, **{"Idempotency-Key": f"key-{round}"})
                assert (status, json.loads(answer)) == (201, {"session_id": "s1", "seq": before + 1})
        assert session.last_seq == before + 1


def _ask_and_forget(server: Served, body: Any, key: str) -> None:
    try:
        server.ask("POST", f"{API}/sessions/s1/events", body, **{"Idempotency-Key": key})
    except (OSError, HTTPException):
        pass  # it was killed


def test_the_list_is_answered_while_statistics_are_being_made(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    client.get(API + "/statistics")
    begun, go_on = threading.Event(), threading.Event()
    compute = statistics.compute

    def waiting(*given: Any, **named: Any) -> Any:
        begun.set()
        assert go_on.wait(60)
        return compute(*given, **named)

    monkeypatch.setattr(statistics, "compute", waiting)
    answers: list[int] = []
    asking = threading.Thread(target=lambda: answers.append(client.get(API + "/statistics?user=ann").status))
    asking.start()
    try:
        assert begun.wait(60)
        assert [client.get(f"{API}/sessions?limit={number}").status for number in range(1, 20)] == [200] * 19
        assert answers == []
    finally:
        go_on.set()
        asking.join()
    assert answers == [200]


def test_a_large_session_is_exported_in_a_fixed_amount_of_memory(server: Served, log: EventLog) -> None:
    session = log.start(id="large")
    for _ in range(300):
        session.append(MessageAdded(role="user", content="x" * 1_000_000))
    for target, least in (("events", 300_000_000), ("export?format=jsonl", 300_000_000)):
        assert _read_all(server, f"{API}/sessions/large/{target}") > least
    peak = next(line for line in Path(f"/proc/{server.process.pid}/status").read_text().splitlines() if line.startswith("VmHWM"))
    assert int(peak.split()[1]) < 200 * 1024, peak


def _read_all(server: Served, target: str) -> int:
    connection = HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.request("GET", target, headers={"Authorization": f"Bearer {server.token}"})
    answer = connection.getresponse()
    size = 0
    while piece := answer.read(1 << 20):
        size += len(piece)
    connection.close()
    return size


def test_a_body_of_65_mib_is_refused_and_the_server_lives(server: Served) -> None:
    try:
        status, answer = server.ask("POST", f"{API}/sessions", {"title": "x" * (65 << 20)})
    except ConnectionError:
        pass  # it was closed while more was sent, as HTTP allows
    else:
        assert (status, json.loads(answer)["limit_bytes"]) == (413, 64 << 20)
    assert server.ask("GET", f"{API}/health") == (200, b'{"ok":true}')


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_lines_of_system_b_are_answered(server: Served) -> None:
    def curl(name: str, body: str) -> Any:
        headers = ["-H", "Content-Type: application/json", "-H", f"Authorization: Bearer {server.token}"]
        command = ["curl", "-sS", "-X", "POST", f"{server.url}api/sessions/{name}", *headers, "-d", body]
        return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)

    started = curl("start", '{"user_name": "Ann", "metadata": {"type": "voice"}}')
    assert (started["success"], started["session"]["user_name"]) == (True, "Ann")
    listed = curl("list", '{"limit": 10, "offset": 0}')
    assert [each["session_id"] for each in listed["sessions"]] == [started["session_id"]]
    assert curl("load", json.dumps({"session_id": started["session_id"]}))["session"]["metadata"] == {"type": "voice"}
