"""`eventlog serve --otlp`: spans come in behind the same guards, and only append."""

from __future__ import annotations

from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from eventlog import EventLog
from projections import view_of
from tests.unit.recorders.test_otlp import request, span

from .serving import served

PATH = "/v1/traces"


def post(url: str, token: str | None, body: bytes, **headers: str) -> int:
    at = urlsplit(url)
    connection = HTTPConnection(at.hostname or "", at.port, timeout=60)
    given = {"Content-Type": "application/json", **({} if token is None else {"Authorization": f"Bearer {token}"}), **headers}
    try:
        connection.request("POST", at.path.rstrip("/") + PATH, body, given)
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    path = tmp_path / "tokens"
    path.write_text("ada ada-has-a-long-token\nbob bob-only-reads-here read\n")
    return path


def test_a_span_is_recorded_for_the_person_whose_token_came_with_it(tmp_path: Path, tokens: Path) -> None:
    EventLog.open(tmp_path / "store").close()
    with served(tmp_path / "store", tmp_path / "config", "--otlp", "--tokens", str(tokens)) as server:
        assert post(server.url, "ada-has-a-long-token", request(span(text="hello"))) == 200
        assert server.stop() == (0, b"")  # what was taken is in the log when the server has ended
    with EventLog.open(tmp_path / "store") as log:
        [session_id] = log.session_ids()
        view = view_of(log.session(session_id))
    assert view.user_id == "ada"
    assert [message.text for message in view.messages] == ["hello", "hi"]


def test_nobody_else_may_send_any(tmp_path: Path, tokens: Path) -> None:
    EventLog.open(tmp_path / "store").close()
    with served(tmp_path / "store", tmp_path / "config", "--otlp", "--tokens", str(tokens)) as server:
        statuses = [
            post(server.url, None, request(span())),
            post(server.url, "nobody-has-this-token", request(span())),
            post(server.url, "bob-only-reads-here", request(span())),
            post(server.url, server.token, request(span()), Origin="https://elsewhere.example"),
            post(server.url, server.token, request(span()), Host="elsewhere.example"),
        ]
    assert statuses == [401, 401, 403, 403, 421]
    with EventLog.open(tmp_path / "store") as log:
        assert list(log.session_ids()) == []


def test_they_may_have_an_address_of_their_own(tmp_path: Path) -> None:
    EventLog.open(tmp_path / "store").close()
    with served(tmp_path / "store", tmp_path / "config", "--otlp", "127.0.0.1:0") as server:
        assert urlsplit(server.said["otlp"]).port != server.port
        assert post(server.said["otlp"], server.token, request(span())) == 200
        assert server.stop()[0] == 0
    with EventLog.open(tmp_path / "store") as log:
        assert len(list(log.session_ids())) == 1


def test_without_the_option_there_is_nothing_at_the_address(tmp_path: Path) -> None:
    EventLog.open(tmp_path / "store").close()
    with served(tmp_path / "store", tmp_path / "config") as server:
        assert post(server.url, server.token, request(span())) == 404
