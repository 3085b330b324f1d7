"""``list`` for eyes: one line a session at every width; as data: the same names as ``--json``."""

from __future__ import annotations

import csv
import io
import re
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import msgspec
import pytest

from eventlog import EventLog
from eventlog.cli.columns import cells_of
from eventlog.events import Cost, MessageAdded, Parent, SessionStarted, SessionUpdated, ToolCalled, ToolReturned, UsageRecorded

from ...command_line import eventlog

LONG = "修正ログインのクッキー " + "a title that goes on and on " * 10


@pytest.fixture
def store(tmp_path: Path) -> Path:
    now = datetime.now(timezone.utc)
    with EventLog.open(tmp_path / "store") as log:
        for number in range(3):
            session = log.session(f"0193ab42-0000-7000-8000-00000000000{number}", create=True)
            session.append(
                SessionStarted(title=LONG, kind="agent", tags=["bug"], metadata={"cwd": "/home/u/shop"}),
                time=now - timedelta(hours=4),
            )
            session.append(
                UsageRecorded(model="gpt-5", input_tokens=1_200_000, output_tokens=1, cost=Cost(amount=0.43)),
                time=now - timedelta(hours=3, minutes=1),
            )
        parent = log.session("0193ab43-0000-7000-8000-000000000000", create=True)
        parent.append(SessionStarted(title="the parent"), time=now - timedelta(days=2, minutes=1))
        for number in range(2):
            agent = log.session(f"{parent.id}.agent-{number}", create=True)
            agent.append(
                SessionStarted(title="an agent", parent=Parent(session_id=parent.id, relation="subagent")), time=now - timedelta(days=3)
            )
        parent.append(SessionUpdated(pinned=True), time=now)
    return tmp_path / "store"


def screen(monkeypatch: pytest.MonkeyPatch, store: Path, width: int, *arguments: object) -> list[str]:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("NO_COLOR", "1")
    outcome = eventlog("list", *arguments, "--quiet", "--store", store, terminal=True)  # a loaded machine shows a bar
    assert (outcome.code, outcome.err) == (0, "")
    return outcome.out.splitlines()


@pytest.mark.parametrize("width", [40, 60, 80, 120, 160, 200])
def test_no_line_is_wider_than_the_terminal_and_each_session_has_one(monkeypatch: pytest.MonkeyPatch, store: Path, width: int) -> None:
    lines = screen(monkeypatch, store, width)
    assert max(map(cells_of, lines)) <= width
    assert len(lines) == 1 + 4 + 1
    assert "title" in lines[0].split()


def test_at_forty_columns_id_age_cost_and_title_are_left(monkeypatch: pytest.MonkeyPatch, store: Path) -> None:
    lines = screen(monkeypatch, store, 40, "--title", "parent")
    assert lines[0].split() == ["@", "id", "age", "title", "msgs"]
    assert lines[1] == "1  0193ab43   2d  * the parent     0"


def test_a_wide_terminal_shows_what_the_sessions_have_and_no_empty_column(monkeypatch: pytest.MonkeyPatch, store: Path) -> None:
    lines = screen(monkeypatch, store, 200)
    assert lines[0].split() == ["@", "id", "age", "project", "kind", "title", "tags", "msgs", "tokens", "cost"]
    assert re.search(r" 3h  shop     agent  修正ログイン.* bug      0    1.2M  \$0.43$", lines[1])


def test_ids_are_as_short_as_they_may_be_given_back(monkeypatch: pytest.MonkeyPatch, store: Path) -> None:
    shown = [line.split()[1] for line in screen(monkeypatch, store, 200)[1:-1]]
    assert "0193ab43" in shown  # its subagents begin so, too
    assert max(map(len, shown)) == 36  # made within a millisecond: they differ in their last digit
    for short in shown:
        found = eventlog("show", short, "--store", store, "--json").json
        assert isinstance(found, dict)
        assert found["session_id"].startswith(short)


def test_where_ids_are_too_long_to_be_typed_the_number_of_the_row_stays(monkeypatch: pytest.MonkeyPatch, store: Path) -> None:
    assert screen(monkeypatch, store, 40)[0].split()[:2] == ["@", "age"]


def test_subagents_are_folded_for_eyes_and_are_there_in_a_pipe(monkeypatch: pytest.MonkeyPatch, store: Path) -> None:
    folded = "\n".join(screen(monkeypatch, store, 120))
    assert "* (+2) the parent" in folded
    assert "an agent" not in folded
    assert "an agent" in "\n".join(screen(monkeypatch, store, 120, "--wide"))
    piped = eventlog("list", "--store", store).out
    assert piped.count("an agent") == 2
    assert "0193ab43-0000-7000-8000-000000000000.agent-1" in piped


def test_a_subagent_whose_parent_is_not_on_the_page_has_a_line(monkeypatch: pytest.MonkeyPatch, store: Path) -> None:
    assert "↳ an agent" in "\n".join(screen(monkeypatch, store, 100, "--title", "agent"))


def test_fields_are_what_one_asks_for_in_that_order(store: Path) -> None:
    lines = eventlog("list", "--fields", "cost,session_id,tokens", "--limit", 1, "--store", store).out.splitlines()
    assert lines[0].split() == ["cost", "session_id", "tokens"]
    refused = eventlog("list", "--fields", "nothing", "--store", store)
    assert (refused.code, "there are session, title" in refused.one_line_error()) == (2, True)


def test_as_data_it_is_what_json_says(store: Path) -> None:
    page: Any = eventlog("list", "--store", store, "--json").json
    assert eventlog("list", "--store", store, "--format", "json").json == page
    lines = eventlog("list", "--store", store, "--format", "jsonl").out.splitlines()
    assert [msgspec.json.decode(line) for line in lines] == page["items"]
    rows = list(csv.DictReader(io.StringIO(eventlog("list", "--store", store, "--format", "csv").out)))
    assert [row["session_id"] for row in rows] == [item["session_id"] for item in page["items"]]
    assert rows[0]["title"] == LONG
    assert msgspec.json.decode(rows[0]["tags"]) == ["bug"]
    narrow: Any = eventlog("list", "--store", store, "--format", "json", "--fields", "title,events").json
    assert set(narrow["items"][0]) == {"title", "events"}
    assert (narrow["total"], narrow["next"]) == (page["total"], page["next"])


def test_a_tab_in_a_title_does_not_make_another_column_of_tsv(tmp_path: Path) -> None:
    with EventLog.open(tmp_path / "store") as log:
        log.start(id="s", title="a\tb\nc")
    assert eventlog("list", "--format", "tsv", "--fields", "session_id,title", "--store", tmp_path / "store").out.splitlines() == [
        "session_id\ttitle",
        "s\ta b c",
    ]


def test_json_and_another_format_contradict_each_other(store: Path) -> None:
    assert eventlog("list", "--json", "--format", "csv", "--store", store).code == 2


def test_colours_follow_the_option_then_the_environment(monkeypatch: pytest.MonkeyPatch, store: Path) -> None:
    assert "\x1b[" in eventlog("list", "--store", store, terminal=True).out
    assert "\x1b[" not in eventlog("list", "--store", store).out
    assert "\x1b[" in eventlog("list", "--color", "always", "--store", store).out
    assert "\x1b[" not in eventlog("list", "--color", "never", "--store", store, terminal=True).out
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[" not in eventlog("list", "--store", store, terminal=True).out


def test_a_message_is_no_title(tmp_path: Path) -> None:
    with EventLog.open(tmp_path / "store") as log:
        log.start(id="s").append(MessageAdded(role="user", content="first\nwords"))
    assert "first words" in eventlog("list", "--store", tmp_path / "store", terminal=True).out


def test_a_project_is_a_link_where_the_terminal_has_them(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert "\x1b]8;;" not in eventlog("list", "--store", store, terminal=True).out
    monkeypatch.setenv("TERM_PROGRAM", "WezTerm")
    assert "\x1b]8;;file:///home/u/shop\x1b\\" in eventlog("list", "--store", store, terminal=True).out
    assert "\x1b]8;;" not in eventlog("list", "--store", store).out


@pytest.mark.parametrize("width", [40, 80, 160])
def test_tool_calls_have_a_line_each_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    with EventLog.open(tmp_path / "store") as log:
        session = log.start(id="a-session-with-a-name")
        session.append(ToolCalled(name="Bash", call_id="1", arguments={"command": "echo " + "x" * 300}))
        session.append(ToolReturned(call_id="1", output="no", is_error=True, duration_ms=1500), ToolCalled(name="Read", call_id="2"))
    monkeypatch.setenv("COLUMNS", str(width))
    outcome = eventlog("tools", "--quiet", "--color", "never", "--store", tmp_path / "store", terminal=True)
    lines = outcome.out.splitlines()
    assert max(map(cells_of, lines)) <= width
    assert len(lines) == 4
    assert "failed" in lines[2]
    assert '{"command":"echo xx' in lines[2]
