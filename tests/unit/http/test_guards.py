"""Who is refused, and how that is said."""

from __future__ import annotations

import pytest

from eventlog import EventLog
from projections.http.guards.safe_headers import PAGE_POLICY
from projections.http.guards.tokens import Caller
from projections.operations import TABLE

from .client import HOST, TOKEN, Client
from .conftest import serving

LIST = "/api/v1/sessions"


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil", "localhost:9", "127.0.0.1", "127.0.0.1:8765.evil", "", None, "[::2]:8765"]
)
@pytest.mark.parametrize("target", [LIST, "/", "/s/s1", "/api/v1/health", "/api/sessions/start"])
def test_another_host_is_refused_everywhere(client: Client, log: EventLog, host: str | None, target: str) -> None:
    before = log.session("s1").last_seq, len(list(log.session_ids()))
    answer = client.ask("POST" if "start" in target else "GET", target, {} if "start" in target else None, host=host)
    assert (answer.status, answer.is_problem) == (421, True)
    assert "--allow-host" in answer.json["detail"]
    assert (log.session("s1").last_seq, len(list(log.session_ids()))) == before


@pytest.mark.parametrize("host", [HOST, "LOCALHOST:8765", "[::1]:8765"])
def test_the_own_names_are_answered(client: Client, host: str) -> None:
    assert client.get(LIST, host=host).status == 200


def test_a_name_that_is_allowed_may_have_any_port(log: EventLog) -> None:
    with serving(log, any_port=["proxy.example"]) as client:
        assert [client.get(LIST, host=host).status for host in ("proxy.example", "proxy.example:443", "x.proxy.example")] == [200, 200, 421]


@pytest.mark.parametrize("origin", ["http://127.0.0.1:9", "null", "http://evil.example", "file://", "http://127.0.0.1:8765.evil"])
def test_a_page_of_another_origin_is_refused_but_may_link_here(client: Client, origin: str) -> None:
    answer = client.get(LIST, origin=origin)
    assert (answer.status, "--allow-origin" in answer.json["detail"]) == (403, True)
    assert client.post("/api/sessions/list", {}, origin=origin).status == 403
    assert client.get("/s/s1", origin=origin).status == 200
    assert client.get(LIST, origin=f"http://{HOST}").status == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_what_a_browser_says_is_for_another_site_is_refused(client: Client, site: str) -> None:
    assert client.get(LIST, sec_fetch_site=site).status == 403
    assert client.get("/", sec_fetch_site=site).status == 200
    assert client.ask("POST", "/", {}, sec_fetch_site=site).status == 403
    assert client.get(LIST, sec_fetch_site="same-origin").status == 200


def test_an_origin_that_is_allowed_is_told_so_and_no_other(log: EventLog) -> None:
    with serving(log, origins=["https://app.example"]) as client:
        answer = client.get(LIST, origin="https://app.example", sec_fetch_site="cross-site")
        assert (answer.status, answer.headers["access-control-allow-origin"]) == (200, "https://app.example")
        asked = client.ask("OPTIONS", LIST, origin="https://app.example", access_control_request_method="POST", authorization=None)
        assert (asked.status, "authorization" in asked.headers["access-control-allow-headers"]) == (204, True)
        assert client.get(LIST, origin="https://other.example").status == 403
        assert "access-control-allow-origin" not in client.get(LIST).headers


@pytest.mark.parametrize(
    "given", [None, "", "Bearer", "Bearer x", f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN}x", f"Basic {TOKEN}", TOKEN, "Bearer \u00e4"]
)
def test_without_the_token_nothing_is_told(client: Client, given: str | None) -> None:
    for row in TABLE:
        answer = client.ask(
            row.method, "/api/v1" + row.path.replace("{session_id}", "s1"), None if row.method == "GET" else {}, authorization=given
        )
        if row.name == "health":
            assert answer.json == {"ok": True}
            continue
        assert (answer.status, answer.is_problem, answer.headers["www-authenticate"]) == (401, True, "Bearer")
    assert client.get("/api/v1/stream", authorization=given).status == 401
    assert client.get("/api/v1/openapi.json", authorization=given).status == 401
    assert client.post("/api/sessions/list", {}, authorization=given).status == 401
    assert client.get("/", authorization=given).status == 200


def test_a_token_of_somebody_says_who_writes_and_whether_they_may(log: EventLog) -> None:
    with serving(log, tokens={"of-ann": Caller(name="ann"), "of-bob": Caller(name="bob", may_write=False)}) as client:
        made = client.post(LIST, {"title": "x"}, authorization="Bearer of-ann").json
        assert client.get(f"{LIST}/{made['session_id']}", authorization="Bearer of-bob").json["user_id"] == "ann"
        assert client.post(LIST, {"title": "x"}, authorization="Bearer of-bob").status == 403


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/jsonx", None]
)
def test_only_json_is_taken_on_every_path_that_writes(client: Client, kind: str | None) -> None:
    targets = [(row.method, "/api/v1" + row.path.replace("{session_id}", "s1")) for row in TABLE if row.method != "GET"]
    for method, target in [
        *targets,
        *(("POST", f"/api/sessions/{name}") for name in ("start", "load", "list", "save", "delete", "export")),
    ]:
        assert client.ask(method, target, b"{}", content_type=kind).status == 415, (method, target)
    assert client.post(LIST, {}, content_type="application/json; charset=utf-8").status == 201


def test_a_body_that_is_too_large_is_refused_also_where_its_length_is_not_said(log: EventLog) -> None:
    with serving(log, most_bytes=100_000) as client:
        body = b'{"title":"' + b"x" * 100_000 + b'"}'
        for length in (str(len(body)), None):
            answer = client.post(LIST, body, content_length=length, **({} if length else {"transfer_encoding": "chunked"}))
            assert (answer.status, answer.is_problem, answer.json["limit_bytes"]) == (413, True, 100_000)
        assert client.get(LIST).status == 200


def test_no_cookie_and_every_header_that_keeps_a_browser_in(client: Client) -> None:
    for target in (LIST, "/", "/nothing", "/api/v1/openapi.json", "/api/v1/sessions/s1/export?format=html"):
        answer = client.get(target)
        assert "set-cookie" not in answer.headers
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert "content-security-policy" in answer.headers
        assert "server" not in answer.headers


def test_the_page_may_do_nothing_but_what_it_needs(client: Client) -> None:
    policy = client.get("/").headers["content-security-policy"]
    assert policy == PAGE_POLICY
    assert "default-src 'none'" in policy
    assert "trusted-types 'none'" in policy
    assert "unsafe-" not in policy
