"""The table of operations over HTTP: what is asked, answered, refused and described."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
from openapi_spec_validator import validate

from eventlog import EventLog
from eventlog.errors import NotStored
from projections.operations import TABLE

from ...command_line import eventlog
from .client import Client
from .conftest import serving

API = "/api/v1"
NO_SESSION = "01999999-0000-7000-8000-000000000000"


@pytest.mark.parametrize(
    ("target", "command"),
    [
        ("/sessions", ["list"]),
        ("/sessions?tags=bug&sort=started", ["list", "--tag", "bug", "--sort", "started"]),
        ("/sessions/s1", ["show", "s1"]),
        ("/statistics?zone=UTC", ["stats", "--zone", "UTC"]),
        ("/tools?open=true", ["tools", "--open"]),
        ("/search?q=login", ["search", "login"]),
    ],
)
def test_an_answer_is_that_of_the_command_line(client: Client, log: EventLog, target: str, command: list[str]) -> None:
    client.get(API + "/search?q=login")
    wait_for_the_search_index(client)
    said = eventlog(*command, "--store", log.path, "--json").out
    assert without_progress(client.get(API + target).json) == without_progress(msgspec.json.decode(said))


def wait_for_the_search_index(client: Client) -> None:
    while client.get(API + "/search?q=login").json.get("complete") is False:
        pass


def without_progress(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name not in ("complete", "indexed", "sessions_indexed")}


def test_the_document_is_valid_and_has_every_row(client: Client) -> None:
    document = client.get(API + "/openapi.json").json
    validate(document)
    for row in TABLE:
        assert document["paths"][API + row.path][row.method.lower()]["operationId"] == row.name
    assert {f"/api/sessions/{name}" for name in ("start", "load", "list", "save", "delete", "export")} <= document["paths"].keys()


def test_answers_are_as_the_document_says(client: Client) -> None:
    document = client.get(API + "/openapi.json").json
    for row in TABLE:
        if row.method != "GET" or row.streams:
            continue
        target = API + row.path.replace("{session_id}", "s1") + {"search": "?q=login", "recall": "?query=login"}.get(row.name, "")
        answer = client.get(target)
        assert answer.status == 200, (row.name, answer.body)
        schema = document["paths"][API + row.path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        jsonschema.validate(answer.json, {**schema, "components": document["components"]}, cls=jsonschema.Draft202012Validator)


@pytest.mark.parametrize(
    "target",
    [
        "/sessions?limit=0",
        "/sessions?limit=many",
        "/sessions?limit=99999",
        "/sessions?limit=",
        "/sessions?limit=1&limit=2",
        "/sessions?bogus=1",
        "/sessions?after=nonsense",
        "/sessions?title=%ff%fe",
        "/sessions?status=unheard",
        "/sessions?since=soonish",
        "/sessions/s1/messages?after=1&before=3",
        "/sessions/s1/export?format=docx",
        "/search",
        "/sessions/..%2f..%2fetc",
        "/sessions/%2e%2e%2fetc",
        "/sessions/%00",
        "/sessions/" + "a" * 129,
        "/stream?shape=circle",
        "/stream?after=nonsense",
        "/stream?session_id=s1&after=99",
    ],
)
def test_a_question_that_cannot_be_meant_is_refused_in_one_sentence(client: Client, target: str) -> None:
    answer = client.get(API + target)
    assert (answer.status, answer.is_problem) == (400, True), answer.body
    assert "\n" not in answer.json["detail"]
    assert "/sessions/s" not in str(answer.json.get("path", ""))
    assert client.get(API + "/health").json == {"ok": True}


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b'"text"', b"\xff\xfe", b"[" * 100_000, b'{"a":' * 100_000, b'{"events": 1}', b'{"events": []}', b'{"bogus": 1}'],
)
def test_a_body_that_is_none_is_refused(client: Client, log: EventLog, body: bytes) -> None:
    answer = client.post(f"{API}/sessions/s1/events", body)
    assert (answer.status, answer.is_problem) == (400, True), answer.body
    assert log.session("s1").last_seq == 12


def test_what_is_not_there_is_said(client: Client) -> None:
    assert [client.get(API + path).status for path in (f"/sessions/{NO_SESSION}", "/nothing", "/sessions/s1/")] == [404, 404, 404]
    answer = client.ask("PUT", API + "/sessions/s1", {})
    assert (answer.status, answer.headers["allow"]) == (405, "DELETE, GET, PATCH")


def test_a_session_is_started_appended_to_changed_and_ended(client: Client, log: EventLog) -> None:
    made = client.post(API + "/sessions", {"title": "New", "tags": ["a"]})
    assert made.status == 201
    place = made.headers["location"]
    assert place == f"{API}/sessions/{made.json['session_id']}"
    event = {"type": "message.added", "data": {"role": "user", "content": "hi"}}
    assert client.post(place + "/events", {"events": [event, event]}).json == {"session_id": made.json["session_id"], "seq": 3}
    assert client.ask("PATCH", place, {"title": "Other"}, if_match='"3"').json["seq"] == 4
    assert client.post(place + "/end", {"status": "failed"}).json["seq"] == 5
    shown = client.get(place).json
    assert (shown["title"], shown["status"], shown["counts"]["messages"]) == ("Other", "failed", 2)
    assert client.ask("DELETE", place).status == 200
    assert client.post(place + "/restore", {}).status == 200
    assert client.post(place + "/fork", {"at": 2}).status == 201


def test_an_id_is_taken_once_and_in_one_spelling(client: Client) -> None:
    assert client.post(API + "/sessions", {"id": "Mine"}).status == 201
    assert client.post(API + "/sessions", {"id": "Mine"}).status == 409
    assert client.post(API + "/sessions", {"id": "mIne"}).status in (400, 409)


def test_a_retry_with_the_same_key_adds_nothing(client: Client, log: EventLog) -> None:
    body = {"events": [{"type": "message.added", "data": {"role": "user", "content": "once"}}]}
    answers = [client.post(f"{API}/sessions/s1/events", body, idempotency_key="k1") for _ in range(3)]
    assert [(each.status, each.json["seq"]) for each in answers] == [(201, 13)] * 3
    assert log.session("s1").last_seq == 13
    started = [client.post(API + "/sessions", {"title": "t"}, idempotency_key="k2").json for _ in range(2)]
    assert started[0] == started[1]


def test_what_another_writer_changed_first_is_said_with_the_position(client: Client) -> None:
    body = {"events": [{"type": "message.added", "data": {"role": "user", "content": "x"}}]}
    lost = client.post(f"{API}/sessions/s1/events", {**body, "expected": 3})
    assert (lost.status, lost.json["actual"]) == (409, 12)
    lost = client.ask("PATCH", API + "/sessions/s1", {"title": "x"}, if_match='"3"')
    assert (lost.status, lost.json["actual"]) == (412, 12)
    tag = client.get(API + "/sessions/s1").headers["etag"]
    assert client.ask("PATCH", API + "/sessions/s1", {"title": "x"}, if_match=tag).status == 200
    assert client.ask("DELETE", API + "/sessions/s1", if_match=tag).status == 400  # not silently without it


def test_an_answer_that_is_known_is_not_sent_again_until_another_process_writes(client: Client, log: EventLog) -> None:
    for target in ("/sessions", "/statistics", "/sessions/s1", "/sessions/s1/messages", "/tools"):
        tag = client.get(API + target).headers["etag"]
        again = client.get(API + target, if_none_match=tag)
        assert (again.status, again.body, again.headers["etag"]) == (304, b"", tag)
    tags = {
        target: client.get(API + target).headers["etag"] for target in ("/sessions", "/statistics", "/sessions/s1", "/sessions/s1/messages")
    }
    assert eventlog("set", "s1", "--title", "By another", "--store", log.path).code == 0
    for target, tag in tags.items():
        assert client.get(API + target, if_none_match=tag).status == 200


def test_pages_follow_each_other_while_somebody_writes(client: Client, log: EventLog) -> None:
    made = {log.start(title=str(number)).id for number in range(40)}
    found: list[str] = []
    after = ""
    while True:
        page = client.get(f"{API}/sessions?sort=started&limit=7{after}").json
        found += [item["session_id"] for item in page["items"]]
        log.start(title="later")
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    assert len(found) == len(set(found))
    assert made <= set(found)


def test_events_and_exports_are_streamed(client: Client, log: EventLog) -> None:
    events = client.get(API + "/sessions/s1/events?types=message.added")
    assert events.headers["content-type"].startswith("application/x-ndjson")
    assert [msgspec.json.decode(line)["type"] for line in events.body.splitlines()] == ["message.added"] * 3
    assert events.body == b"".join(bytes(stored.raw) + b"\n" for stored in log.session("s1").read(types=["message.added"]))
    page = client.get(API + "/sessions/s1/export?format=html")
    assert page.headers["content-security-policy"] == "sandbox"
    assert page.headers["content-disposition"] == "attachment; filename*=UTF-8''s1.html"


def test_a_server_that_only_reads_changes_nothing(log: EventLog) -> None:
    def stored() -> dict[str, bytes]:
        root = Path(str(log.path)) / "sessions"
        return {str(path): path.read_bytes() for path in root.rglob("*.jsonl")}

    before = stored()
    with serving(log, read_only=True) as client:
        for row in TABLE:
            if row.writes:
                answer = client.ask(row.method, API + row.path.replace("{session_id}", "s1"), ARGUMENTS.get(row.name, {}))
                assert (answer.status, answer.is_problem) == (403, True), (row.name, answer.body)
        for name in ("start", "save", "delete"):
            body = {"session_id": "s1", "session": {"session_id": "s1"}}
            assert client.post(f"/api/sessions/{name}", body).status == 403
    assert stored() == before


ARGUMENTS: dict[str, dict[str, Any]] = {
    "append": {"events": [{"type": "x.y", "data": {}}]},
    "add_message": {"role": "user", "content": "x"},
    "link_invocation": {"invocation_id": "i", "tool_name": "t"},
    "merge": {"sources": ["s1", "s2"]},
    "bulk": {"action": "pin", "ids": ["s1"]},
    "cleanup": {"older_than": "1d"},
}


def test_a_full_disk_is_said_and_then_it_works(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """The table's function fails here as the disk makes it fail (see the tests of the writer): what is tested is what HTTP makes of it."""
    from eventlog.session import Session

    def full(*_: object, **__: object) -> int:
        raise NotStored("s1", OSError(errno.ENOSPC, "No space left on device", "/secret/place"))

    with monkeypatch.context() as patch:
        patch.setattr(Session, "append", full)
        answer = client.post(API + "/sessions/s1/messages", {"role": "user", "content": "x"})
    assert (answer.status, answer.is_problem, b"/secret" in answer.body) == (507, True, False)
    assert client.post(API + "/sessions/s1/messages", {"role": "user", "content": "x"}).status == 201


def test_behind_a_path_everything_is_there(log: EventLog) -> None:
    with serving(log, base_path="/deep/er") as client:
        assert client.get("/deep/er/api/v1/sessions").status == 200
        assert b'<base href="/deep/er/">' in client.get("/deep/er/").body
        assert client.get("/api/v1/sessions").status == 404
        assert client.post("/deep/er/api/v1/sessions", {}).headers["location"].startswith("/deep/er/api/v1/sessions/")


@pytest.fixture(autouse=True)
def _no_user_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
