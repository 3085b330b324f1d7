"""Every row and every tool, asked: `EXAMPLES` and `TOOL_EXAMPLES` have a question for each, and one that is missing there fails.

The answers are proven against the rows' schemas by the one who asks (see conftest)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from eventlog import EventLog
from eventlog.errors import (
    Conflict,
    InvalidCursor,
    InvalidEvent,
    InvalidInput,
    InvalidSessionId,
    NotDeleted,
    SessionDeleted,
    SessionExists,
    SessionNotFound,
)
from eventlog.events import MessageAdded, MessageDelta, Part, ToolCalled, ToolReturned
from projections import SessionView, replay
from projections.operations import TABLE, TOOLS, operation
from projections.operations.failures import AnswerTooLarge, WritingRefused

from .conftest import Asker

HI = {"type": "message.added", "data": {"role": "user", "content": "hi"}}
EXAMPLES: dict[str, dict[str, Any]] = {
    "list": {"limit": 1},
    "search": {"query": "login"},
    "recall": {"query": "login"},
    "tools": {},
    "stats": {"zone": "Europe/Berlin"},
    "picture": {"of": "tools"},
    "table": {"of": "tools"},
    "show": {"session_id": "s1"},
    "messages": {"session_id": "s1", "max_chars": 3, "retracted": True},
    "outline": {"session_id": "s1"},
    "events": {"session_id": "s1", "after": 2, "limit": 2},
    "session_tools": {"session_id": "s1"},
    "session_stats": {"session_id": "s1"},
    "children": {"session_id": "s1"},
    "to_messages": {"session_id": "s1", "provider": "anthropic"},
    "export": {"session_id": "s1", "format": "markdown"},
    "start": {"title": "New", "metadata": {"a": [1]}, "parent": {"session_id": "s1", "relation": "subagent"}},
    "append": {"session_id": "s1", "events": [HI]},
    "add_message": {"session_id": "s1", "role": "user", "content": [{"type": "text", "content": "hi"}]},
    "link_invocation": {"session_id": "s1", "invocation_id": "i1", "tool_name": "lint", "output": {"ok": True}, "duration_ms": 3},
    "update": {"session_id": "s1", "title": None, "add_tags": ["late"], "pinned": True},
    "resume": {"session_id": "s1"},
    "end": {"session_id": "s1", "status": "failed"},
    "delete": {"session_id": "s1"},
    "restore": {"session_id": "s2"},
    "fork": {"session_id": "s1", "at": 2},
    "merge": {"sources": ["s2"], "into": "s1"},
    "bulk": {"action": "tag", "ids": ["s1", "s2"], "tag": "both"},
    "cleanup": {"older_than": "30d"},
    "verify": {},
    "health": {},
    "version": {},
}
TOOL_EXAMPLES: dict[str, dict[str, Any]] = {
    "list_sessions": {},
    "search_sessions": {"query": "login"},
    "recall": {"query": "login"},
    "get_session": {"session_id": "s1", "include": ["header", "context", "usage", "tools"]},
    "get_messages": {"session_id": "s1"},
    "get_tool_calls": {"session_id": "s1"},
    "get_statistics": {},
    "resume_session": {"session_id": "s1", "user_id": "u1"},
    "export_session": {"session_id": "s1"},
    "start_session": {"title": "New"},
    "add_message": {"session_id": "s1", "role": "user", "content": "hi", "tool_name": "lint"},
    "link_invocation": {"session_id": "s1", "invocation_id": "i1", "tool_name": "lint"},
    "update_session": {"session_id": "s1", "title": "Named", "untag": ["bug"]},
    "end_session": {"session_id": "s1"},
    "merge_sessions": {"primary_id": "s1", "secondary_id": "s2"},
    "delete_session": {"session_id": "s1", "confirm_title": "Debug login"},
    "cleanup_sessions": {},
}


@pytest.mark.parametrize("name", [row.name for row in TABLE])
def test_every_row_answers(ask: Asker, log: EventLog, name: str) -> None:
    if name == "restore":
        log.delete("s2")
    assert ask(name, **EXAMPLES[name])


@pytest.mark.parametrize("name", TOOLS)
def test_every_tool_answers(ask: Asker, name: str) -> None:
    assert ask.tool(name, **TOOL_EXAMPLES[name])


@pytest.mark.parametrize("name", [row.name for row in TABLE if row.writes])
def test_who_may_only_read_is_refused_by_every_row_that_writes(reading: Asker, log: EventLog, name: str) -> None:
    before = {each: log.session(each).last_seq for each in log.session_ids()}
    with pytest.raises(WritingRefused):
        reading(name, **EXAMPLES[name])
    assert {each: log.session(each).last_seq for each in log.session_ids()} == before


@pytest.mark.parametrize("name", [name for name, tool in TOOLS.items() if tool.writes])
def test_who_may_only_read_is_refused_by_every_tool_that_writes(reading: Asker, name: str) -> None:
    with pytest.raises(WritingRefused):
        reading.tool(name, **TOOL_EXAMPLES[name])


# --- questions -------------------------------------------------------------------------------------------------------------------


def test_the_answers_are_those_of_the_catalog_and_the_view(ask: Asker, log: EventLog) -> None:
    catalog = ask.context.catalog

    def as_json(value: Any) -> Any:
        return msgspec.json.decode(msgspec.json.encode(value))

    assert ask("list", tags=["bug"]) == as_json(catalog.list(tags=["bug"]))
    assert ask("search", query="cookie") == as_json(catalog.search("cookie"))
    assert ask("tools", name="git") == as_json(catalog.tools(name="git"))
    assert ask("show", session_id="s1") == as_json(replay(log.session("s1").read(), SessionView))
    assert ask("messages", session_id="s1", before=5) == as_json(catalog.messages("s1", before=5))


def test_a_header_has_everything_but_what_happened(ask: Asker) -> None:
    header = ask("show", session_id="s1", parts="header")
    assert (header["title"], header["counts"]["messages"], header["context"]["topics"]) == ("Debug login", 2, ["login"])
    assert header["messages"] == header["tool_calls"] == header["errors"] == header["compactions"] == []


def test_a_session_that_is_too_large_to_show_is_said_with_the_way_to_read_it(
    ask: Asker, log: EventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("projections.operations.transcripts.MOST_SHOWN_BYTES", 1_000)
    with pytest.raises(AnswerTooLarge, match="its header and its messages"):
        ask("show", session_id="s1")
    assert ask("show", session_id="s1", parts="header")["counts"]["messages"] == 2
    assert ask("show", session_id="s2")["title"] == "Other"


def test_events_are_the_stored_lines_as_they_are(ask: Asker, log: EventLog) -> None:
    lines = [stored.raw for stored in log.session("s1").read()]
    assert ask("events", session_id="s1").splitlines() == lines
    assert ask("events", session_id="s1", after=2, before=6).splitlines() == lines[2:5]
    assert ask("events", session_id="s1", types=["message.added"], limit=2).splitlines() == [lines[1], lines[2]]
    assert ask("events", session_id="s2", after=1) == b""


def test_times_may_be_days_and_how_long_ago(ask: Asker) -> None:
    assert ask("list", since="1d")["total"] == ask("list", since="today")["total"] == 2
    assert ask("list", until="yesterday")["total"] == 0
    assert ask("list", until="2020-01-01")["total"] == 0
    assert ask("list", since="2020-01-01T00:00Z", zone="Asia/Tokyo")["total"] == 2
    with pytest.raises(InvalidInput, match="is not a time"):
        ask("list", since="soonish")
    with pytest.raises(InvalidInput, match="no time zone"):
        ask("list", zone="Nowhere/City")


def test_children_are_the_sessions_that_come_from_one(ask: Asker) -> None:
    fork = ask("fork", session_id="s1")["session_id"]
    started = ask("start", title="Sub", parent={"session_id": "s1", "relation": "subagent"})["session_id"]
    assert {item["session_id"] for item in ask("children", session_id="s1")["items"]} == {fork, started}
    assert ask("children", session_id="s2")["total"] == 0


@pytest.mark.parametrize("name", [row.name for row in TABLE if "session_id" in row.arguments.__struct_fields__])
def test_a_session_that_is_not_there_is_said_by_every_row_that_is_about_one(ask: Asker, name: str) -> None:
    with pytest.raises(SessionNotFound):
        ask(name, **{**EXAMPLES[name], "session_id": "none"})


@pytest.mark.parametrize("name", [row.name for row in TABLE if "session_id" in row.arguments.__struct_fields__])
@pytest.mark.parametrize("session_id", ["", "../../etc/passwd", "a/b", "x" * 129, "a\x00"])
def test_an_id_that_cannot_be_one_is_refused_by_every_row(ask: Asker, name: str, session_id: str) -> None:
    with pytest.raises((InvalidSessionId, SessionNotFound)):
        ask(name, **{**EXAMPLES[name], "session_id": session_id})


def test_a_bad_cursor_is_said(ask: Asker) -> None:
    for name in ("list", "tools"):
        with pytest.raises(InvalidCursor):
            ask(name, after="nonsense")


@pytest.mark.parametrize("given", [{"limit": 0}, {"limit": 10_001}, {"limit": "many"}, {"bogus": 1}, {"status": "gone"}, {"sort": "x"}])
def test_arguments_out_of_bounds_do_not_become_a_question(given: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(given, type=operation("list").arguments)


@pytest.mark.parametrize("format", ["markdown", "json", "jsonl", "html", "openai", "trl", "sharegpt", "claude-code"])
def test_every_export_is_a_stream(ask: Asker, format: str) -> None:
    assert isinstance(ask("export", session_id="s1", format=format), bytes)
    with pytest.raises(InvalidInput, match="unknown export format"):
        ask("export", session_id="s1", format="pdf")


def test_a_session_is_exported_for_a_tool_where_that_is_known_before_the_stream_begins(ask: Asker) -> None:
    assert b'"type":"session_meta"' in ask("export", session_id="s1", format="codex")
    with pytest.raises(InvalidInput, match=r"session s1 did not come from chatgpt"):
        ask("export", session_id="s1", format="chatgpt")


# --- commands --------------------------------------------------------------------------------------------------------------------


def test_a_session_that_is_started_is_the_actors_unless_it_says_otherwise(ask: Asker) -> None:
    mine, other = ask("start", id="mine"), ask("start", user_id="u2")
    assert mine == {"session_id": "mine", "seq": 1}
    assert ask("show", session_id="mine")["user_id"] == "the-actor"
    assert ask("show", session_id=other["session_id"])["user_id"] == "u2"
    with pytest.raises(SessionExists):
        ask("start", id="mine")


def test_starting_again_with_the_same_key_gives_the_same_session(ask: Asker, log: EventLog) -> None:
    first = ask("start", title="A", idempotency_key="k1")
    assert ask("start", title="A", idempotency_key="k1") == first
    assert ask("start", title="A", idempotency_key="k2") != first
    assert ask("start", id="named", idempotency_key="k3") == ask("start", id="named", idempotency_key="k3")
    with pytest.raises(SessionExists):
        ask("start", id="named", idempotency_key="k4")
    assert len(list(log.session_ids())) == 5


def test_events_of_one_request_are_one_append(ask: Asker, log: EventLog) -> None:
    before = log.session("s1").last_seq
    events = [HI, {**HI, "time": "2026-01-02T03:04:05Z"}, {"type": "test_answers.rated", "data": {"stars": 5, "more": {"deep": [1]}}}]
    assert ask("append", session_id="s1", events=events, expected=before, idempotency_key="k") == {"session_id": "s1", "seq": before + 3}
    assert ask("append", session_id="s1", events=events, idempotency_key="k")["seq"] == before + 3
    stored = list(log.session("s1").read(after=before))
    assert [each.more for each in stored] == [True, True, False]
    assert (stored[1].time.year, stored[2].event.data) == (2026, {"stars": 5, "more": {"deep": [1]}})
    with pytest.raises(Conflict) as conflict:
        ask("append", session_id="s1", events=[HI], expected=before)
    assert conflict.value.actual == before + 3


@pytest.mark.parametrize(
    ("event", "said"),
    [
        ({"type": "message.added", "data": {"role": "user"}}, "event 2 .* required field `content`"),
        ({"type": "segment.sealed", "data": {}}, "event 2 .* belong to the format"),
        ({"type": "no type", "data": {}}, "event 2 .* a type matches"),
    ],
)
def test_one_bad_event_and_nothing_is_stored(ask: Asker, log: EventLog, event: dict[str, Any], said: str) -> None:
    before = log.session("s1").last_seq
    with pytest.raises(InvalidEvent, match=said):
        ask("append", session_id="s1", events=[HI, event])
    with pytest.raises(InvalidInput):
        ask("append", session_id="s1", events=[{**HI, "time": "tomorrow"}])
    assert log.session("s1").last_seq == before


def test_linking_an_invocation_again_adds_nothing(ask: Asker) -> None:
    given = {"session_id": "s2", "invocation_id": "i1", "tool_name": "lint", "output": "ok", "artifacts": [{"path": "/tmp/i1"}]}
    first = ask("link_invocation", **given)
    assert ask("link_invocation", **given) == first
    [call] = ask("session_tools", session_id="s2")["items"]
    assert (call["call_id"], call["output"], call["called_seq"], call["returned_seq"]) == (
        "i1",
        "ok",
        first["called_seq"],
        first["returned_seq"],
    )


def test_an_update_is_a_merge_patch(ask: Asker) -> None:
    ask("update", session_id="s1", title=None, tags=["a", "b"], metadata={"n": None, "m": 2})
    ask("update", session_id="s1", add_tags=["c"], remove_tags=["a"], kind="chat")
    view = ask("show", session_id="s1")
    assert (view["title"], view["tags"], view["kind"]) == (None, ["b", "c"], "chat")
    assert view["metadata"] == {"cwd": "/home/u1/shop", "m": 2}
    with pytest.raises(InvalidEvent, match="nothing to change"):
        ask("update", session_id="s1")
    with pytest.raises(InvalidEvent, match="added and removed"):
        ask("update", session_id="s1", add_tags=["a"], remove_tags=["a"])


def test_who_resumes_gets_what_must_be_known(ask: Asker, log: EventLog) -> None:
    found = ask("resume", session_id="s1", reason="again")
    assert (found["resumed"], found["context"], found["summary"]) == (
        True,
        {"preferences": {"tone": "brief"}, "topics": ["login"]},
        "We look at the login.",
    )
    assert [said["text"] for said in found["messages"]] == ["What changed in the login page?", "I look."]
    assert [call["call_id"] for call in found["open_tool_calls"]] == ["c2"]
    assert log.session("s1").last_seq == found["seq"]


def test_the_last_messages_fit_the_budget(ask: Asker) -> None:
    for number in range(30):
        ask("add_message", session_id="s2", role="user", content=f"{number:02} " + "x" * 97)
    said = ask("resume", session_id="s2", max_tokens=200)["messages"]
    assert [each["text"][:2] for each in said] == [f"{number:02}" for number in range(22, 30)]
    ask("add_message", session_id="s2", role="user", content="y" * 5_000)
    [last] = ask("resume", session_id="s2", max_tokens=200)["messages"]
    assert (last["text"], last["truncated"]) == ("y" * 800, True)


def test_what_is_left_out_of_the_last_messages_is_read_on_from_where_they_begin(ask: Asker) -> None:
    for number in range(30):
        ask("add_message", session_id="s2", role="user", content=f"{number:02} " + "x\n" * 1_000)
    for found in (ask("resume", session_id="s2"), ask.tool("resume_session", session_id="s2", max_tokens=100_000)):
        seen = [said["text"][:2] for said in found["messages"]]
        assert 0 < len(seen) < 30
        before = ask("messages", session_id="s2", before=found["previous"])["items"]
        assert [message["parts"][0]["content"][:2] for message in before] + seen == [f"{number:02}" for number in range(30)]
    assert ask("resume", session_id="s1")["previous"] is None


def test_deleted_and_brought_back(ask: Asker) -> None:
    deleted = ask("delete", session_id="s1", reason="old")
    assert ask("delete", session_id="s1") == deleted
    assert ask("list")["total"] == 1
    with pytest.raises(SessionDeleted):
        ask("append", session_id="s1", events=[HI])
    ask("restore", session_id="s1")
    with pytest.raises(NotDeleted):
        ask("restore", session_id="s1")
    assert ask("list")["total"] == 2


def test_many_at_once_each_by_itself(ask: Asker, log: EventLog) -> None:
    dry = ask("bulk", action="delete", ids=["s1", "none", "s1"], dry_run=True)
    assert [(item["session_id"], item["seq"]) for item in dry["items"]] == [("s1", None), ("none", None)]
    assert ask("list")["total"] == 2
    done = ask("bulk", action="delete", ids=["s1", "none", "a/b"])
    assert [item["failure"] and item["failure"]["kind"] for item in done["items"]] == [None, "not_found", "invalid"]
    assert (done["failed"], ask("list")["total"]) == (2, 1)
    ask("bulk", action="restore", ids=["s1"])
    ask("bulk", action="tag", filter={"title": "login"}, tag="t")
    assert [item["session_id"] for item in ask("list", tags=["t"])["items"]] == ["s1"]
    ask("bulk", action="untag", ids=["s1"], tag="t")
    ask("bulk", action="pin", ids=["s1"])
    view = ask("show", session_id="s1")
    assert (view["tags"], view["pinned"]) == (["bug"], True)
    ask("bulk", action="unpin", ids=["s1"])


@pytest.mark.parametrize(
    "given",
    [
        {"action": "delete"},
        {"action": "delete", "ids": ["s1"], "filter": {"kind": "x"}},
        {"action": "delete", "filter": {}},
        {"action": "tag", "ids": ["s1"]},
        {"action": "delete", "ids": ["s1"], "tag": "t"},
    ],
)
def test_a_bulk_command_that_does_not_say_what_is_meant_does_nothing(ask: Asker, given: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        ask("bulk", **given)
    assert ask("list")["total"] == 2


def test_a_merge_says_what_it_added_and_again_that_it_was_there(ask: Asker) -> None:
    fork = ask("fork", session_id="s1", at=3)["session_id"]
    ask("add_message", session_id=fork, role="user", content="Of the fork")
    first = ask("merge", sources=[fork], into="s1")
    assert (first["added"] >= 1, first["duplicates"]) == (True, 3)
    assert ask("merge", sources=[fork], into="s1")["added"] == 0
    joined = ask("merge", sources=["s1", "s2"])
    assert joined["duplicates"] == 0
    assert ask("merge", sources=["s1", "s2"])["added"] == 0


def test_a_clean_up_only_says_what_would_go_until_it_is_applied(ask: Asker, log: EventLog) -> None:
    log.start(id="old").close()
    said = ask("cleanup", older_than="0s")
    assert (said["dry_run"], len(said["sessions"]), ask("list")["total"]) == (True, 3, 3)
    ask("cleanup", older_than="0s", keep=1, apply=True)
    assert ask("list")["total"] == 1
    with pytest.raises(InvalidInput, match="is not a duration"):
        ask("cleanup", older_than="30")


def test_verify_says_that_all_is_well(ask: Asker) -> None:
    found = ask("verify", session_ids=["s1"])
    assert (found["ok"], found["sessions"], found["problems"]) == (True, 1, [])
    with pytest.raises(SessionNotFound):
        ask("verify", session_ids=["none"])


# --- tools: what a model sees ------------------------------------------------------------------------------------------------------

HUGE = "\x01\u00e9😀 " * 60_000


@pytest.fixture
def huge(log: EventLog) -> EventLog:
    """Everything in it is larger than any answer may be."""
    for number in range(120):
        session = log.start(
            id=f"h{number:03}",
            title=f"{number} {HUGE}" if number < 3 else f"title {number}",
            user_id=HUGE if number == 0 else "u",
            tags=[HUGE, *(f"tag{n}" for n in range(60))] if number < 2 else [],
            metadata={HUGE[:2000]: HUGE} if number == 0 else {},
        )
        session.close()
    session = log.session("h000")
    for number in range(60):
        session.append(
            MessageAdded(role="user" if number % 2 else "assistant", content=f"needle {number} " + HUGE[: 900 * number]),
            *[ToolCalled(name=HUGE[:300], call_id=f"c{number}-{each}", arguments={"text": HUGE[:5000]}) for each in range(30)],
            ToolReturned(call_id=f"c{number}-0", output=[HUGE[:30_000]]),
        )
    for number in range(200):
        session.append(ToolCalled(name=f"tool {number} {HUGE[:1000]}", call_id=f"t{number}", arguments=HUGE[:1000]))
    session.close()
    return log


def pages(ask: Asker, name: str, **given: Any) -> list[Any]:
    found = [ask.tool(name, **given)]
    while found[-1]["next"] is not None:
        found.append(ask.tool(name, after=found[-1]["next"], **given))
    return found


def test_no_answer_is_larger_than_a_model_can_take_and_next_gives_each_item_once(ask: Asker, huge: EventLog) -> None:
    listed = [item["session_id"] for page in pages(ask, "list_sessions", limit=100) for item in page["items"]]
    assert sorted(listed) == sorted(huge.session_ids())
    assert len(listed) == len(set(listed)) == 122
    hits = [(item["session_id"], item["seq"]) for page in pages(ask, "search_sessions", query="needle", limit=50) for item in page["items"]]
    assert len(hits) == len(set(hits)) == 60
    windows = pages(ask, "get_messages", session_id="h000", limit=100, max_chars_per_message=10_000)
    seqs = [item["seq"] for page in windows for item in page["items"]]
    assert len(seqs) == len(set(seqs)) == windows[0]["total"] == 60
    calls = [
        item["call_id"] for page in pages(ask, "get_tool_calls", session_id="h000", limit=100, max_chars=5_000) for item in page["items"]
    ]
    assert len(calls) == len(set(calls)) == 60 * 30 + 200


def test_one_huge_session_has_small_answers(ask: Asker, huge: EventLog) -> None:
    session = ask.tool("get_session", session_id="h000", include=["header", "context", "usage", "tools"])
    assert len(session["header"]["title"]) <= 200
    assert session["header"]["title"].endswith("…")
    assert ask.tool("resume_session", session_id="h000")["messages"]
    assert ask.tool("get_statistics")["truncated"] is True
    exported = ask.tool("export_session", session_id="h000")
    assert (exported["text"], exported["uri"]) == (None, "session://h000/export/markdown")
    assert ask.tool("export_session", session_id="h100")["text"].startswith("#")
    assert ask.tool("delete_session", session_id="h000")["deleted"] is False
    assert ask.tool("cleanup_sessions", older_than="0s")["count"] == 122


def test_messages_are_read_backwards_too(ask: Asker) -> None:
    for number in range(9):
        ask("add_message", session_id="s2", role="user", content=str(number))
    window = ask.tool("get_messages", session_id="s2", before=1 << 40, limit=4)
    assert [item["text"] for item in window["items"]] == ["5", "6", "7", "8"]
    window = ask.tool("get_messages", session_id="s2", before=window["previous"], limit=4)
    assert [item["text"] for item in window["items"]] == ["1", "2", "3", "4"]


def test_each_message_comes_with_the_calls_that_follow_it(ask: Asker) -> None:
    window = ask.tool("get_messages", session_id="s1")
    assert [[call["call_id"] for call in item["tool_calls"]] for item in window["items"]] == [[], ["c1", "c2"]]


def test_resuming_where_writing_is_not_allowed_notes_nothing(reading: Asker, log: EventLog) -> None:
    before = log.session("s1").last_seq
    found = reading.tool("resume_session", session_id="s1")
    assert (found["resumed"], found["seq"], log.session("s1").last_seq) == (False, before, before)
    with pytest.raises(InvalidInput, match="another user's"):
        reading.tool("resume_session", session_id="s1", user_id="u2")


def test_a_session_is_deleted_only_by_who_knows_its_title(ask: Asker) -> None:
    assert ask.tool("delete_session", session_id="s1") == {
        "session_id": "s1",
        "deleted": False,
        "title": "Debug login",
        "restorable_until": None,
    }
    with pytest.raises(InvalidInput, match="is called 'Debug login'"):
        ask.tool("delete_session", session_id="s1", confirm_title="Other")
    assert ask("list")["total"] == 2
    assert ask.tool("delete_session", session_id="s1", confirm_title="Debug login")["restorable_until"]
    assert ask("list")["total"] == 1


def test_adding_the_same_message_again_adds_nothing(ask: Asker) -> None:
    given = {"session_id": "s2", "role": "user", "content": "hi", "id": "k"}
    assert ask.tool("add_message", **given) == ask.tool("add_message", **given)


def test_a_merge_by_a_model_is_idempotent(ask: Asker) -> None:
    assert ask.tool("merge_sessions", primary_id="s1", secondary_id="s2")["added"] == 1
    assert ask.tool("merge_sessions", primary_id="s1", secondary_id="s2") == {"session_id": "s1", "added": 0, "duplicates": 1}


def test_deltas_and_what_is_cut_say_so(ask: Asker, log: EventLog) -> None:
    with log.session("s2") as session:
        session.append(MessageDelta(message_id="m", content="streaming " * 10))
        session.append(MessageAdded(role="user", content=[Part(type="tool_call_response", id="x", response={"a": "b" * 50})]))
    window = ask("messages", session_id="s2", max_chars=7)
    assert [(item["partial"], item["truncated"]) for item in window["items"]] == [(True, True), (False, True)]
    assert window["items"][0]["parts"] == [{"type": "text", "content": "streami", "truncated": True, "chars": 100}]
    assert window["items"][1]["parts"][0]["response"] == '{"a":"b'
