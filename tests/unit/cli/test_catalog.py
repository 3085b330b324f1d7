"""``list``, ``search``, ``stats``, ``tools`` and ``rebuild`` on the command line."""

from __future__ import annotations

import re
import shutil
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import msgspec
import pytest

from eventlog import EventLog
from eventlog.events import Cost, ErrorLogged, MessageAdded, SessionStarted, ToolCalled, ToolReturned, UsageRecorded
from tests.command_line import Outcome, eventlog

THEN = datetime(2026, 3, 2, 12, tzinfo=timezone.utc)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    with EventLog.open(tmp_path / "store") as log:
        with log.session("s1", create=True) as s1:
            s1.append(SessionStarted(title="Debug login", user_id="u1", tags=["bug", "web"], kind="chat", model="m1"), time=THEN)
            s1.append(MessageAdded(role="user", content="What\nchanged in the login page?"), time=THEN)
            s1.append(ToolCalled(name="Bash", arguments={"command": "git log"}, call_id="1"), time=THEN)
            s1.append(ToolReturned(call_id="1", output="Fix the cookie\nmore", duration_ms=1500), time=THEN)
            s1.append(ToolCalled(name="Read", call_id="2"), time=THEN)
            s1.append(UsageRecorded(model="m1", input_tokens=1000, output_tokens=20, cost=Cost(amount=0.25)), time=THEN)
            s1.append(ErrorLogged(message="no"), time=THEN)
        with log.session("s2", create=True) as s2:
            s2.append(SessionStarted(tags=["bug"], metadata={"cwd": "/p"}), time=THEN + timedelta(days=1))
            s2.append(MessageAdded(role="user", content="an untitled question"), time=THEN + timedelta(days=1))
    return tmp_path / "store"


def run(store: Path, *arguments: object) -> Outcome:
    outcome = eventlog("--store", store, *arguments)
    assert outcome.err == ""
    return outcome


def shown(store: Path, *arguments: object) -> Any:
    outcome = run(store, *arguments, "--json")
    assert outcome.code == 0
    return outcome.json


def ids(store: Path, *arguments: object) -> list[str]:
    return [item["session_id"] for item in shown(store, "list", *arguments)["items"]]


def test_list_says_what_there_is_the_latest_first(store: Path) -> None:
    found = shown(store, "list")
    assert (found["total"], found["next"]) == (2, None)
    assert [item["session_id"] for item in found["items"]] == ["s2", "s1"]
    assert found["items"][1]["cost"] == {"amount": 0.25, "currency": "USD"}
    lines = run(store, "list").out.splitlines()
    assert lines[0].split() == "session title status user tags messages tools tokens cost last activity".split()  # noqa: SIM905
    assert lines[1].startswith("s2       an untitled question  active")
    assert "Debug login" in lines[2]
    assert "1,020  0.25 USD" in lines[2]
    assert lines[-1] == "2 sessions"


def test_list_filters(store: Path) -> None:
    assert ids(store, "--user", "u1") == ["s1"]
    assert ids(store, "--tag", "bug", "--tag", "web") == ["s1"]
    assert ids(store, "--model", "m1", "--kind", "chat", "--status", "active") == ["s1"]
    assert ids(store, "--project", "/p") == ["s2"]
    assert ids(store, "--title", "LOGIN debug") == ["s1"]
    assert ids(store, "--since", "2026-03-03T00:00Z") == ["s2"]
    assert ids(store, "--until", "2026-03-03T00:00:00+00:00") == ["s1"]
    assert ids(store, "--until", "2026-03-02") in (["s1"], [])  # a local day
    assert ids(store, "--since", "1d") == []
    assert ids(store, "--deleted", "--sort", "tokens") == ["s1", "s2"]


def test_list_pages(store: Path) -> None:
    first = shown(store, "list", "--limit", 1)
    assert [item["session_id"] for item in first["items"]] == ["s2"]
    second = shown(store, "list", "--limit", 1, "--after", first["next"])
    assert ([item["session_id"] for item in second["items"]], second["next"]) == (["s1"], None)
    assert run(store, "list", "--limit", 1).out.splitlines()[-1] == f"1 of 2 sessions; more with --after {first['next']}"


def test_search_shows_where_the_words_are(store: Path) -> None:
    [title, message] = shown(store, "search", "login")["items"]
    assert (title["session_id"], title["seq"], title["kind"]) == ("s1", 1, "title")
    assert (message["seq"], message["snippet"]) == (2, "What changed in the **login** page?")
    assert shown(store, "search", "login", "page")["total"] == 1
    found = shown(store, "search", "login", "--status", "failed")
    assert (found["items"], found["total"], found["next"]) == ([], 0, None)
    lines = run(store, "search", "cookie").out.splitlines()
    assert re.fullmatch(r"s1  2026-03-0\d \d\d:\d\d  Debug login", lines[0])
    assert lines[1:] == ["  4  output     Fix the cookie more", "", "1 hits"]
    assert run(store, "search", "--", "-page", "login").out.splitlines()[-1] == "1 hits"


def test_stats_of_the_store_and_of_a_session(store: Path) -> None:
    found = shown(store, "stats")
    assert found["sessions"]["total"] == 2
    assert found["messages"] == {"user": 2}
    assert (found["tool_calls"], found["tools_used"], found["total_duration_ms"]) == (2, ["Bash", "Read"], 1500.0)
    assert found["usage"]["cost"] == {"amount": 0.25, "currency": "USD"}
    assert shown(store, "stats", "s2")["events"] == 2
    out = run(store, "stats").out
    for line in ("tool calls  2 of 2 tools, 1.5 s", "cost        0.2500 USD", "errors      1"):
        assert line in out.splitlines()
    for heading in ("day ", "model ", "user ", "project ", "tool "):
        assert f"\n{heading}" in out


def test_tools_of_the_store_of_a_session_and_of_a_tool(store: Path) -> None:
    assert [item["name"] for item in shown(store, "tools")["items"]] == ["Read", "Bash"]
    [bash, read] = shown(store, "tools", "s1")["items"]
    assert (bash["arguments"], bash["output"], bash["duration_ms"]) == ({"command": "git log"}, "Fix the cookie\nmore", 1500.0)
    assert read["returned_seq"] is None
    assert [item["name"] for item in shown(store, "tools", "--name", "Bash")["items"]] == ["Bash"]
    assert [item["name"] for item in shown(store, "tools", "--open")["items"]] == ["Read"]
    assert shown(store, "tools", "--failed")["total"] == 0
    lines = run(store, "tools", "s1").out.splitlines()
    assert lines[1].split()[:5] == ["s1", "3", "Bash", "returned", "1.50"]
    assert lines[1].endswith('{"command":"git log"}  Fix the cookie more')
    assert lines[-1] == "2 tool calls"


def test_rebuild_says_what_it_did_and_check_that_nothing_is_wrong(store: Path) -> None:
    found = shown(store, "rebuild", "--jobs", 1)
    names = ["catalog", "search", "outline"]
    assert found == {"rebuilt": names, "checked": False, "ok": True, "differences": [], "sessions": 2, "events": 9}
    assert run(store, "rebuild", "catalog", "--full").out.startswith("rebuilt catalog: 2 sessions, 9 events in ")
    checked = shown(store, "rebuild", "--check", "--jobs", 1)
    assert (checked["ok"], checked["rebuilt"], checked["differences"]) == (True, [], [])
    assert run(store, "rebuild", "--check", "--jobs", 1).out.startswith("the projections are what the log says: 2 sessions")


def test_a_check_that_finds_a_difference_is_bad_news(store: Path) -> None:
    import sqlite3

    run(store, "list")
    [file] = (store / "projections").glob("catalog.*.sqlite")
    connection = sqlite3.connect(file)
    with connection:
        connection.execute("UPDATE label SET value = 'other' WHERE value = 'web'")
    connection.close()
    outcome = run(store, "rebuild", "--check", "--jobs", 1, "--json")
    assert outcome.code == 1
    answer = msgspec.json.decode(outcome.out)
    assert [(found["table"], found["key"], found["session_id"]) for found in answer["differences"]] == [
        ("label", ["tag", "other"], "s1"),
        ("label", ["tag", "web"], "s1"),
    ]
    outcome = run(store, "rebuild", "--check", "--jobs", 1)
    assert outcome.code == 1
    assert outcome.out.splitlines()[0] == "catalog: label of s1, key ['tag', 'other']"
    assert outcome.out.splitlines()[-1] == "2 differences; `eventlog rebuild` puts them right"


def test_filters_that_join(store: Path) -> None:
    key = {"namespace": "slack", "key": ["C1"], "generation": 1}
    with EventLog.open(store) as log:
        log.session("slack-1", create=True).append(SessionStarted(metadata={"n": 3, "word": "x y", "key": key}), time=THEN)
    assert ids(store, "--meta", "n=3", "--meta", "word=x y") == ["slack-1"]
    assert ids(store, "--meta", 'n="3"') == []
    assert ids(store, "--namespace", "slack") == ["slack-1"]
    assert shown(store, "search", "login", "--meta", "n=3")["total"] == 0
    assert [hit["seq"] for hit in shown(store, "search", "login", "--session", "s1")["items"]] == [1, 2]
    assert [hit["seq"] for hit in shown(store, "search", "login", "--role", "user", "--role", "x")["items"]] == [2]
    assert [(item["session_id"], item["name"]) for item in shown(store, "tools", "--call", "2")["items"]] == [("s1", "Read")]


def test_search_says_that_it_has_looked_through_everything(store: Path) -> None:
    found = shown(store, "search", "login")
    assert (found["complete"], found["indexed"], found["sessions"]) == (True, 2, 2)


def test_stats_of_a_part_and_in_a_zone(store: Path) -> None:
    assert shown(store, "stats", "--user", "u1")["events"] == 7
    assert shown(store, "stats", "--project", "/p")["events"] == 2
    assert shown(store, "stats", "--since", "2026-03-03T00:00Z")["events"] == 2
    assert shown(store, "stats", "--until", "2026-03-02", "--zone", "UTC")["events"] == 7  # a day counts whole, and is the zone's
    assert shown(store, "stats", "--zone", "Pacific/Kiritimati", "--since", "2026-03-03", "--until", "2026-03-03")["events"] == 7
    far = shown(store, "stats", "--zone", "Pacific/Kiritimati")
    assert (far["zone"], [day["day"] for day in far["by_day"]]) == ("Pacific/Kiritimati", ["2026-03-03", "2026-03-04"])
    assert "days of     UTC" in run(store, "stats", "--zone", "utc").out
    assert shown(store, "stats", "s1", "--zone", "UTC")["events"] == 7


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["list", "--model", "M1"], "no session used the model 'M1'; there is m1"),
        (["list", "--user", "u9"], "no session is of the user 'u9'; there is u1"),
        (["list", "--tag", "bugs", "--tag", "web"], "no session has the tag 'bugs'; there is bug"),
        (["search", "login", "--kind", "cat"], "no session is of the kind 'cat'; there is chat"),
        (["search", "login", "--role", "usr"], "no message has the role 'usr'; there is user"),
        (["tools", "--name", "bash"], "no session used the tool 'bash'; there is Bash"),
        (["stats", "--user", "zzzzzz"], "no session is of the user 'zzzzzz'"),
        (["list", "--namespace", "x"], "no session has a key of the namespace 'x'"),
    ],
)
def test_a_name_that_never_occurred_is_an_empty_answer_and_the_nearest_are_told(store: Path, arguments: list[str], said: str) -> None:
    outcome = eventlog("--store", store, *arguments, "--json")
    assert (outcome.code, outcome.err) == (0, f"eventlog: {said}\n")
    assert outcome.out.count("\n") == 1
    assert eventlog("--store", store, "list", "--user", "u1", "--model", "m1", "--status", "failed").err == ""  # they do occur


def test_a_rebuild_on_a_disk_that_is_full_says_so_in_one_line(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from projections.index import building

    real = building.hurry

    def on_a_small_disk(connection: Any, schema: str) -> None:
        real(connection, schema)
        connection.execute(f"PRAGMA {schema}.max_page_count = 20").fetchone()

    run(store, "list")
    monkeypatch.setattr(building, "hurry", on_a_small_disk)
    outcome = eventlog("--store", store, "rebuild", "catalog", "--jobs", "1")
    assert outcome.code == 1
    assert outcome.one_line_error() == (
        "the rebuild failed, what was there before still is: database or disk is full; free space on the disk of the store,"
        " then run it again"
    )
    assert ids(store) == ["s2", "s1"]


def test_a_damaged_file_is_told_on_standard_error_and_the_answer_is_right(store: Path) -> None:
    run(store, "list")
    [file] = (store / "projections").glob("catalog.*.sqlite")
    file.write_bytes(b"garbage" * 1000)
    outcome = eventlog("--store", store, "list", "--json")
    assert outcome.code == 0
    assert msgspec.json.decode(outcome.out)["total"] == 2
    assert outcome.err.startswith(f"eventlog: {file.name} is damaged (")
    assert outcome.err.endswith("); it is removed and built again from the log\n")
    assert outcome.err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["list", "--limit", "0"], 2, "--limit"),
        (["list", "--limit", "10001"], 2, "--limit"),
        (["list", "--since", "soonish"], 2, "'soonish' is not a time"),
        (["list", "--since", "99999999999999999999d"], 2, "is not a time"),
        (["list", "--status", "foo"], 2, "--status"),
        (["list", "--meta", "n"], 2, "meta takes KEY=VALUE, not 'n'"),
        (["stats", "--zone", "Berlin"], 2, "no time zone 'Berlin'; do you mean Europe/Berlin?"),
        (["stats", "--zone", "../../etc/passwd"], 2, "no time zone"),
        (["stats", "--since", "soon"], 2, "'soon' is not a time"),
        (["search", "x", "--session", "nobody"], 1, "no session 'nobody'"),
        (["list", "--sort", "age"], 2, "--sort"),
        (["list", "--after", "nonsense"], 2, "'nonsense' is no cursor"),
        (["search", "!!!"], 2, "there is no word to look for"),
        (["search"], 2, "QUERY"),
        (["stats", "nobody"], 1, "no session 'nobody'"),
        (["tools", "../etc"], 2, "invalid session id"),
        (["show", "no such words"], 1, "no session 'no such words'"),
        (["show", "@7"], 1, "no session '@7'"),
        (["rebuild", "nothing"], 2, "no projection 'nothing'"),
        (["rebuild", "--jobs", "0"], 2, "--jobs"),
    ],
)
def test_wrong_use_is_one_clear_line(store: Path, arguments: list[str], code: int, message: str) -> None:
    outcome = eventlog("--store", store, *arguments)
    assert outcome.code == code
    assert message in outcome.one_line_error()


@pytest.mark.parametrize("command", [["list"], ["stats"], ["tools"], ["search", "x"], ["rebuild"]])
def test_a_command_that_reads_never_makes_a_store(tmp_path: Path, command: list[str]) -> None:
    outcome = eventlog("--store", tmp_path / "none", *command)
    assert (outcome.code, (tmp_path / "none").exists()) == (1, False)
    assert "there is no store at" in outcome.one_line_error()


def test_all_of_it_works_without_what_is_derived(store: Path) -> None:
    run(store, "list")
    shutil.rmtree(store / "projections")
    shutil.rmtree(store / "changes")
    assert ids(store) == ["s2", "s1"]


@pytest.mark.parametrize("command", [["list"], ["stats"], ["tools"], ["search", "login"]])
def test_a_person_at_a_terminal_gets_the_same_in_another_dress(store: Path, command: list[str]) -> None:
    outcome = eventlog("--store", store, "--quiet", *command, terminal=True)  # a loaded machine shows a bar
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out
