"""What users of two other session managers do with their tools, in their order, over a restart."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from projections.operations import TOOLS

from .client import ERAS, Asker, Client, Era


def a_story_of_ten_tools(client: Asker, again: Callable[[], Asker]) -> None:
    """Start, add, link, update, statistics; resume after a restart, merge, export, end, clean up (which is not done yet)."""
    for session_id in ("first", "second"):
        assert client.call("start_session", session_id=session_id, user_id="u1", title=f"The {session_id}") == {"session_id": session_id}
        said = client.call("add_message", session_id=session_id, role="user", content=f"Words of the {session_id}", id="m1")
        assert client.call("add_message", session_id=session_id, role="user", content=f"Words of the {session_id}", id="m1") == said
    linked = client.call("link_invocation", session_id="first", invocation_id="i1", tool_name="grep", output="found", duration_ms=150.5)
    assert linked["returned_seq"] > linked["called_seq"] > said["seq"]
    assert client.call("update_session", session_id="first", tags=["bug"], metadata={"ticket": 7})["seq"] > linked["returned_seq"]
    numbers = client.call("get_statistics", session_id="first")
    assert (numbers["tool_calls"], numbers["tools_used"], numbers["total_duration_ms"]) == (1, ["grep"], 150.5)
    client = again()
    resumed = client.call("resume_session", session_id="first", user_id="u1")
    assert (resumed["resumed"], [each["text"] for each in resumed["messages"]]) == (True, ["Words of the first"])
    merged = client.call("merge_sessions", primary_id="first", secondary_id="second")
    assert (merged["session_id"], merged["added"] > 0) == ("first", True)
    exported = client.call("export_session", session_id="first")["text"]
    assert all(f"Words of the {session_id}" in exported for session_id in ("first", "second"))
    client.call("end_session", session_id="first", status="failed", reason="Out of ideas")
    assert client.call("list_sessions", status="failed", tags=["bug"])["items"][0]["session_id"] == "first"
    would_go = client.call("cleanup_sessions", older_than="0s")
    assert (would_go["dry_run"], would_go["count"]) == (True, 2)
    assert client.call("list_sessions")["total"] == 2


@pytest.mark.parametrize("era", ERAS)
def test_ten_tools_in_a_story_over_a_restart(tmp_path: Path, era: Era) -> None:
    with Client(tmp_path / "store", "--write", era=era) as client, Client(tmp_path / "store", "--write", era=era) as another:
        a_story_of_ten_tools(client, lambda: another)


def test_cross_tool_sessions_under_their_names(tmp_path: Path) -> None:
    with Client(tmp_path / "store", "--write", "--their-names") as client:
        made = client.call("create_session", session_id="c1", purpose="Find the bug", user_id="u1", tags=["bug"])
        assert made == {"session_id": "c1"}
        client.call(
            "add_conversation_message", session_id="c1", role="user", content="Look at the log", tool_name="grep", invocation_id="i1"
        )
        linked = client.call(
            "link_invocation", session_id="c1", invocation_id="i1", tool_name="grep", invocation_dir="runs/i1", duration_ms=150.5
        )
        assert (
            client.call(
                "link_invocation", session_id="c1", invocation_id="i1", tool_name="grep", invocation_dir="runs/i1", duration_ms=150.5
            )
            == linked
        )
        client.call("update_session_metadata", session_id="c1", tags=["urgent"], custom_metadata={"ticket": 7})
        (call,) = client.call("get_tool_calls", call_id="i1")["items"]
        assert (call["session_id"], call["name"], call["duration_ms"]) == ("c1", "grep", 150.5)
        numbers = client.call("get_session_statistics", session_id="c1")
        assert (numbers["tool_calls"], numbers["tools_used"]) == (1, ["grep"])
        client.call("complete_session", session_id="c1", status="COMPLETED")
        (item,) = client.call("list_sessions", user_id="u1", status="completed", tags=["bug", "urgent"])["items"]
        assert item["session_id"] == "c1"
        header = client.call("get_session", session_id="c1")["header"]
        assert (header["purpose"], header["metadata"]) == ("Find the bug", {"ticket": 7})
        assert client.call("cleanup_old_sessions", max_age_days=0)["dry_run"] is True
        assert client.call("delete_session", session_id="c1", confirm_title="c1")["deleted"] is True
        assert client.call("list_sessions")["items"] == []


def test_conversations_that_go_on_in_a_new_process(tmp_path: Path) -> None:
    store = tmp_path / "store"
    with Client(store, "--write") as client:
        for session_id in ("e1", "e2"):
            client.call("start_session", session_id=session_id, user_id="u1", title=f"About {session_id}")
            client.call("add_message", session_id=session_id, role="user", content=f"I like {session_id}")
    with Client(store, "--write", era="2026-07-28") as client:
        resumed = client.call("resume_session", session_id="e1", user_id="u1")
        assert (resumed["resumed"], [said["text"] for said in resumed["messages"]]) == (True, ["I like e1"])
        assert "failed" in client.call("resume_session", session_id="e1", user_id="u2")
        assert {item["session_id"] for item in client.call("list_sessions", user_id="u1")["items"]} == {"e1", "e2"}
        assert client.call("list_sessions", user_id="u2")["items"] == []
        merged = client.call("merge_sessions", primary_id="e1", secondary_id="e2")
        assert (merged["session_id"], merged["added"] > 0) == ("e1", True)
        assert client.call("merge_sessions", primary_id="e1", secondary_id="e2")["added"] == 0
        text = client.call("export_session", session_id="e1")["text"]
        assert "I like e1" in text
        assert "I like e2" in text
        assert client.call("end_session", session_id="e1")["seq"] > 0
        assert client.call("cleanup_sessions")["count"] == 0


def test_their_names_are_there_only_when_asked_for_and_read_only_without_write(tmp_path: Path) -> None:
    with Client(tmp_path / "store", "--write") as client:
        assert "create_session" not in {tool["name"] for tool in client.ask("tools/list")["tools"]}
    with Client(tmp_path / "store", "--their-names") as client:
        names = {tool["name"] for tool in client.ask("tools/list")["tools"]}
        assert "get_session_statistics" in names
        assert "create_session" not in names
        assert "only reading is allowed" in client.call("create_session")["failed"]


THEIRS = {
    "create_session",
    "complete_session",
    "add_conversation_message",
    "update_session_metadata",
    "get_session_statistics",
    "cleanup_old_sessions",
}


@pytest.mark.parametrize("era", ERAS)
def test_each_of_their_names_is_described_like_ours_and_says_which_argument_is_wrong(tmp_path: Path, era: Era) -> None:
    with Client(tmp_path / "store", "--write", "--their-names", era=era) as client:
        tools = {tool["name"]: tool for tool in client.ask("tools/list")["tools"]}
        assert set(tools) == {*TOOLS, *THEIRS}
        for name in (*THEIRS, "link_invocation"):
            for schema in (tools[name]["inputSchema"], tools[name]["outputSchema"]):
                assert schema["type"] == "object"
                assert not {"anyOf", "oneOf", "allOf", "$ref"} & set(schema)
            assert "colour" in client.call(name, colour="red")["failed"]
        assert "invocation_dir" in tools["link_invocation"]["inputSchema"]["properties"]
