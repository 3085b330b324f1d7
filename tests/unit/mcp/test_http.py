"""Streamable HTTP: what `eventlog serve` has at ``/mcp`` is the same server, behind the guards of the whole."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from http.client import HTTPConnection
from pathlib import Path

import pytest

from ..http.serving import Served, served
from .client import ERAS, Era, HttpClient, Refused
from .golden_tools import FOLDER, texts
from .test_stories import a_story_of_ten_tools
from .test_tools import READING

TOKENS = "anna anna-may-write-here-1\nbert bert-may-only-read-1 read\n"


def client_of(server: Served, era: Era = "2025-11-25", token: str | None = None) -> HttpClient:
    return HttpClient(server.port, token or server.token, era=era)


@pytest.mark.parametrize("era", ERAS)
def test_all_tools_are_those_of_the_pipe_and_a_story_goes_through_them(tmp_path: Path, era: Era) -> None:
    with served(tmp_path / "store", tmp_path, "--mcp-write") as server:
        client = client_of(server, era)
        assert texts(client.ask("tools/list")["tools"]) == {path.name: path.read_text() for path in FOLDER.glob("*.json")}
        a_story_of_ten_tools(client, lambda: client_of(server, era))
        assert server.stop() == (0, b"")


@pytest.mark.parametrize("era", ERAS)
def test_without_mcp_write_only_what_reads_is_there(store: Path, tmp_path: Path, era: Era) -> None:
    with served(store, tmp_path) as server:
        client = client_of(server, era)
        assert {tool["name"] for tool in client.ask("tools/list")["tools"]} == READING
        assert "only reading is allowed" in client.call("start_session")["failed"]
        assert client.call("resume_session", session_id="s1")["resumed"] is False
        status, _ = server.ask("POST", "/api/v1/sessions", {"title": "by the API, which may"})
        assert status == 201


def test_each_token_may_what_it_may_and_names_whose_the_sessions_are(store: Path, tmp_path: Path) -> None:
    (tmp_path / "tokens").write_text(TOKENS)
    with served(store, tmp_path, "--mcp-write", "--tokens", str(tmp_path / "tokens")) as server:
        anna, bert = client_of(server, token="anna-may-write-here-1"), client_of(server, token="bert-may-only-read-1")
        made = anna.call("start_session", title="Hers")["session_id"]
        assert [item["session_id"] for item in bert.call("list_sessions", user_id="anna")["items"]] == [made]
        assert {tool["name"] for tool in bert.ask("tools/list")["tools"]} == READING
        assert "only reading is allowed" in bert.call("start_session")["failed"]
        bert.headers["Mcp-Session-Id"] = anna.headers["Mcp-Session-Id"]  # somebody else's connection gives no more rights
        assert "only reading is allowed" in bert.call("start_session")["failed"]


def test_a_server_that_only_reads_does_so_here_too(store: Path, tmp_path: Path) -> None:
    with served(store, tmp_path, "--read-only", "--mcp-write") as server:
        assert "only reading is allowed" in client_of(server).call("start_session")["failed"]


PING = {"jsonrpc": "2.0", "id": 1, "method": "ping", "params": {}}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Authorization": "Bearer nonsense"}, 401),
        ({"Host": "evil.example"}, 421),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec_Fetch_Site": "same-site"}, 403),
        ({"Content_Type": "text/plain"}, 415),
        ({"Accept": "text/html"}, 406),
    ],
)
def test_the_guards_of_the_server_are_before_it(store: Path, tmp_path: Path, headers: dict[str, str], status: int) -> None:
    with served(store, tmp_path) as server:
        client = client_of(server)
        assert client.post(PING)[0] == 200
        assert client.post(PING, **headers)[0] == status


def test_what_is_no_message_is_refused_and_the_server_goes_on(store: Path, tmp_path: Path) -> None:
    with served(store, tmp_path) as server:
        client = client_of(server)
        for body in (b"broken", b"[]", b"{}", b"\xff\xfe", b"[" * 100_000, b"null"):
            assert 400 <= client.post(body)[0] < 500
        assert client.post(b"", Content_Length=str((64 << 20) + 1))[0] == 413
        with pytest.raises(Refused) as refused:
            client.ask("no/such/method")
        assert refused.value.code == -32601
        assert client.call("list_sessions")["total"] == 2
        assert server.ask("GET", "/mcp/elsewhere")[0] == 404
        assert server.stop() == (0, b"")


def test_an_open_stream_does_not_keep_the_server_from_ending(store: Path, tmp_path: Path) -> None:
    with served(store, tmp_path) as server:
        client = client_of(server)
        connection = HTTPConnection("127.0.0.1", server.port, timeout=60)
        connection.request("GET", "/mcp", headers={**client.headers, "Accept": "text/event-stream"})
        with connection.getresponse() as stream:
            assert stream.status == 200
            assert server.stop() == (0, b"")
        connection.close()


def test_it_is_below_the_base_path(store: Path, tmp_path: Path) -> None:
    with served(store, tmp_path, "--base-path", "/sessions") as server:
        assert HttpClient(server.port, server.token, path="/sessions/mcp").call("list_sessions")["total"] == 2


def test_a_client_that_hangs_up_in_the_middle_does_no_harm(store: Path, tmp_path: Path) -> None:
    with served(store, tmp_path) as server:
        client = client_of(server)
        for _ in range(5):
            with socket.create_connection(("127.0.0.1", server.port)) as connection:
                head = "\r\n".join(f"{name}: {value}" for name, value in client.headers.items())
                connection.sendall(
                    f"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nContent-Length: 500\r\n{head}\r\n\r\n{{".encode()
                )
        assert client.call("list_sessions")["total"] == 2
        assert server.stop() == (0, b"")


def test_a_server_that_nobody_asks_this_does_not_load_the_package_of_the_protocol() -> None:
    code = "import sys, projections.cli.serve, projections.http.app, projections.mcp.http; print('mcp' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_where_the_package_is_missing_the_answer_says_what_to_install(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mcp.py").write_text("raise ModuleNotFoundError(name='mcp')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with served(store, tmp_path) as server:
        status, said = server.ask("POST", "/mcp", PING)
        assert (status, b"pip install 'session-eventlog[mcp]'" in said) == (501, True)
        assert server.ask("GET", "/api/v1/health")[0] == 200
        assert json.loads(server.ask("GET", "/api/v1/sessions")[1])["total"] == 2
