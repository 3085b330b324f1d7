"""What ``--json`` answers: the names that other people's scripts rely on. More may join them, none may go."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from eventlog import EventLog
from eventlog.events import Artifact, ContextCompacted, Cost, ErrorLogged, MessageAdded, Part, ToolCalled, ToolReturned, UsageRecorded

from ...command_line import eventlog


@pytest.fixture
def store(tmp_path: Path) -> Path:
    parts = [
        Part(type="text", content="Look"),
        Part(type="reasoning", content="hmm"),
        Part(type="tool_call", id="c1", name="read", arguments={"path": "a.py"}),
    ]
    with EventLog.open(tmp_path / "store") as log:
        session = log.start(id="s", title="All of it", user_id="u", tags=["t"], kind="agent", model="m")
        when = datetime(2026, 11, 21, tzinfo=timezone.utc)
        session.append(MessageAdded(role="user", content="What is there?"), time=when)
        session.append(MessageAdded(role="assistant", content=parts, message_id="m1", model="m"))
        result = Part(type="tool_call_response", id="c1", response="x = 1")
        session.append(MessageAdded(role="tool", content=[result, Part(type="uri", uri="file:///a.py")]))
        session.append(ToolCalled(name="run", call_id="c2", arguments={}))
        session.append(ToolReturned(call_id="c2", output="no", is_error=True, duration_ms=5, artifacts=[Artifact(path="a.py")]))
        usage = UsageRecorded(message_id="m1", model="m", input_tokens=1, output_tokens=2, cost=Cost(amount=0.5, price_version="p"))
        session.append(usage, ErrorLogged(message="oh"), ContextCompacted(summary="short"))
    return tmp_path / "store"


def answer(store: Path, *arguments: object) -> Any:
    outcome = eventlog(*arguments, "--store", store, "--json")
    assert (outcome.code, outcome.err, outcome.out.count("\n")) == (0, "", 1)
    return outcome.json


def has(names: str, *found: Any) -> None:
    assert found
    for each in found:
        assert set(each) >= set(names.split())


def of_type(messages: Iterable[Any], kind: str) -> list[Any]:
    return [part for message in messages for part in message["parts"] if part["type"] == kind]


def test_show(store: Path) -> None:
    view = answer(store, "show", "s")
    has(
        "session_id status title description purpose user_id tags kind model provider models modes started_at updated_at parent metadata"
        " context compactions messages tool_calls errors usage counts",
        view,
    )
    has("seq message_id role parts model time exclude_from_context", *view["messages"])
    has("content", *of_type(view["messages"], "text"), *of_type(view["messages"], "reasoning"))
    has("id name arguments", *of_type(view["messages"], "tool_call"))
    has("id response", *of_type(view["messages"], "tool_call_response"))
    has("uri", *of_type(view["messages"], "uri"))
    has("call_id name arguments output is_error duration_ms called_seq returned_seq message_id", *view["tool_calls"])
    has("input_tokens output_tokens cache_read_tokens cache_write_tokens reasoning_tokens cost", view["usage"])
    has("events messages user_messages assistant_messages tool_calls errors", view["counts"])
    assert [call["call_id"] for call in view["tool_calls"]] == ["c1", "c2"]
    assert view["messages"][0]["time"] == "2026-11-21T00:00:00Z"


def test_list(store: Path) -> None:
    page = answer(store, "list")
    has("items total next", page)
    has(
        "session_id title preview status user_id tags kind model parent started_at updated_at events messages user_messages"
        " assistant_messages tool_calls errors input_tokens output_tokens cost size_bytes",
        *page["items"],
    )
    assert page["items"][0]["size_bytes"] == len(eventlog("cat", "s", "--store", store).out.encode())


def test_search_and_tools(store: Path) -> None:
    found = answer(store, "search", "there")
    has("items total", found)
    has("session_id seq snippet", *found["items"])
    found = answer(store, "tools")
    has("items total", found)
    has("session_id call_id name arguments output is_error duration_ms called_seq returned_seq message_id", *found["items"])


@pytest.mark.parametrize("arguments", [[], ["s"]])
def test_stats(store: Path, arguments: list[str]) -> None:
    found = answer(store, "stats", *arguments)
    has("sessions messages tool_calls tools_used total_duration_ms errors usage by_day by_model by_tool by_user", found)
    has("total today this_week", found["sessions"])
    assert found["messages"] == {"assistant": 1, "tool": 1, "user": 1}
    has("input_tokens output_tokens cache_read_tokens cache_write_tokens reasoning_tokens cost", found["usage"])


def test_verify(store: Path) -> None:
    has("ok sessions segments events bytes rewrites problems", answer(store, "verify"))


def test_import(store: Path, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"messages": [{"role": "user", "content": "hi"}]}\n7\n')
    report = answer(store, "import", "openai", tmp_path / "a.jsonl")
    has("files sessions events_added records refused skipped", report)
    has("file line reason", *report["skipped"])
