"""What the records of a Claude Code session become, rule by rule. The view is what a reader sees of it."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from eventlog import EventLog
from eventlog.errors import InvalidInput
from eventlog.events import ContextCompacted, MessageAdded, SessionUpdated, SourceRecord
from eventlog.importers import FORMATS, ImportReport, Skipped, import_paths, open_importer
from eventlog.settings import Settings
from eventlog.stored import StoredEvent
from projections import Catalog, SessionView, replay

FIXTURES = Path(__file__).parents[2] / "fixtures" / "claude-code"
SESSION = "3f1c0e52-0000-4000-8000-000000000001"


def user(uuid: str, content: Any, at: int = 0, **fields: Any) -> dict[str, Any]:
    record = {"type": "user", "uuid": uuid, "sessionId": "s", "message": {"role": "user", "content": content}}
    return record | {"timestamp": f"2026-01-15T10:00:{at:02}.000Z"} | fields


def assistant(
    uuid: str, message_id: str, *blocks: Any, at: int = 0, output_tokens: int = 1, model: str = "m", **fields: Any
) -> dict[str, Any]:
    message = {"id": message_id, "role": "assistant", "model": model, "content": list(blocks)}
    message["usage"] = {"input_tokens": 10, "output_tokens": output_tokens}
    return {"type": "assistant", "uuid": uuid, "sessionId": "s", "message": message, "timestamp": f"2026-01-15T10:00:{at:02}.000Z"} | fields


def text(content: str) -> dict[str, Any]:
    return {"type": "text", "text": content}


def call(call_id: str, name: str = "Bash", **arguments: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": call_id, "name": name, "input": arguments}


def result(call_id: str, content: Any, **fields: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": call_id, "content": content} | fields


class Source:
    """A session file and the log that it is imported into."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "file.jsonl"
        self.log = EventLog.memory()

    def take(self, *records: Any) -> ImportReport:
        """Write the file anew with these records (a str is a line as it is) and import it."""
        lines = [record if isinstance(record, str) else json.dumps(record) for record in records]
        self.file.write_text("".join(line + "\n" for line in lines))
        return import_paths(self.log, "claude-code", [self.file])

    def events(self, session_id: str = "s") -> list[StoredEvent]:
        return list(self.log.session(session_id).read())

    def view(self, session_id: str = "s") -> SessionView:
        return replay(self.log.session(session_id).read(), SessionView)


@pytest.fixture
def source(tmp_path: Path) -> Source:
    return Source(tmp_path)


def texts(view: SessionView) -> list[list[Any]]:
    return [[part.get("content") for part in message.parts] for message in view.messages]


# --- the fixture: a session with a subagent -------------------------------------------------------------------------------------


def test_a_whole_session_with_its_subagent() -> None:
    log = EventLog.memory()
    report = import_paths(log, "claude-code", [FIXTURES])
    assert (report.files, report.sessions, report.records, report.skipped) == (2, 2, 13, [])
    assert report.events_added == sum(log.session(session_id).last_seq for session_id in log.session_ids())

    view = replay(log.session(SESSION).read(), SessionView)
    assert (view.title, view.kind, view.model, view.models, view.modes) == (
        "Failing login test",
        "agent",
        "claude-opus-4-6",
        ["claude-opus-4-6"],
        ["default"],
    )
    assert view.metadata == {
        "source": "claude-code",
        "cwd": "/home/me/project",
        "git_branch": "fix-login",
        "version": "2.1.7",
        "title_source": "summary",
    }
    assert [(m.role, m.message_id, m.reply_to) for m in view.messages] == [
        ("user", "u1", None),
        ("assistant", "msg_1", "u1"),
        ("assistant", "msg_2", "msg_1"),
        ("assistant", "msg_3", "msg_2"),
    ]
    assert view.messages[1].parts == [
        {"type": "reasoning", "content": "Look at the test first.", "metadata": {"signature": "c2ln"}},
        {"type": "text", "content": "I read the test."},
        {"type": "tool_call", "id": "toolu_1", "name": "Read", "arguments": {"file_path": "/home/me/project/test_login.py"}},
    ]
    read, task = view.tool_calls
    assert (read.output, [a.path for a in read.artifacts]) == ("assert user.ok", ["/home/me/project/test_login.py"])
    assert (task.output, task.duration_ms) == ([{"type": "text", "content": "Nobody does."}], 23000)
    assert [a.uri for a in task.artifacts] == [f"session:{SESSION}.agent-a1b2c3d"]
    usage = view.usage
    assert (usage.input_tokens, usage.output_tokens, usage.cache_read_tokens, usage.cache_write_tokens) == (60, 132, 4100, 500)
    assert str(view.started_at) == "2026-01-15 10:00:00+00:00"

    child = replay(log.session(f"{SESSION}.agent-a1b2c3d").read(), SessionView)
    assert child.parent == {"session_id": SESSION, "seq": None, "relation": "subagent"}
    assert (child.title, child.metadata["agent_type"], child.metadata["agent_id"]) == ("Search for user.ok", "Explore", "a1b2c3d")
    assert [(m.role, m.exclude_from_context) for m in child.messages] == [("user", False), ("assistant", False)]
    assert (child.usage.input_tokens, child.usage.output_tokens) == (5, 3)


def test_every_record_is_kept_verbatim_once_in_the_order_of_the_source() -> None:
    log = EventLog.memory()
    import_paths(log, "claude-code", [FIXTURES])
    for path, session_id in ((f"{SESSION}.jsonl", SESSION), (f"{SESSION}/subagents/agent-a1b2c3d.jsonl", f"{SESSION}.agent-a1b2c3d")):
        kept = [stored.raw for stored in log.session(session_id).read() if "record" in (stored.origin or {})]
        lines = (FIXTURES / path).read_bytes().replace(b"}{", b"}\n{").splitlines()
        assert len(kept) == len(lines)
        assert all(b'"origin":{"format":"claude-code","record":' + line + b"}" in raw for line, raw in zip(lines, kept, strict=True))


def test_importing_again_adds_nothing_from_wherever_the_copy_lies(tmp_path: Path) -> None:
    log = EventLog.memory()
    first = import_paths(log, "claude-code", [FIXTURES])
    shutil.copy(FIXTURES / f"{SESSION}.jsonl", tmp_path / "another-name.jsonl")
    again = import_paths(log, "claude-code", [FIXTURES, tmp_path])
    assert first.events_added > 0
    assert again.events_added == 0
    assert (again.files, again.sessions, again.records) == (3, 2, 13 + 11)


# --- identity and growth --------------------------------------------------------------------------------------------------------


def test_the_second_of_two_equal_lines_is_a_record_and_adds_nothing_to_the_view(source: Source) -> None:
    line = user("u1", "Hello")
    assert source.take(line, line).records == 2
    assert source.view().counts.messages == 1
    assert source.events()[-1].event == SourceRecord(kind="user", note="repeats an earlier record")
    assert source.take(line, line).events_added == 0
    assert source.take(line, line, line).events_added == 1


def test_two_equal_lines_without_a_uuid_are_two_messages(source: Source) -> None:
    line = {k: v for k, v in user("", "Again").items() if k != "uuid"}
    source.take(line, line)
    assert texts(source.view()) == [["Again"], ["Again"]]
    assert source.take(line, line).events_added == 0


def test_a_record_inserted_in_the_middle_is_added_alone(source: Source) -> None:
    first, last = user("u1", "Hello"), assistant("a1", "m1", text("Hi"), at=2)
    progress = {
        "type": "progress",
        "uuid": "p",
        "sessionId": "s",
        "data": {"type": "hook_progress"},
        "timestamp": "2026-01-15T10:00:01.000Z",
    }
    source.take(first, last)
    report = source.take(first, progress, last)
    assert (report.events_added, report.records) == (1, 3)
    assert source.events()[-1].event == SourceRecord(kind="progress/hook_progress")
    assert source.take(first, progress, last).events_added == 0


def test_what_a_late_record_sets_gives_way_to_the_records_after_it(source: Source) -> None:
    def title(name: str) -> dict[str, Any]:
        return {"type": "custom-title", "customTitle": name, "sessionId": "s"}

    early = [user("u1", "Hello", cwd="/one"), assistant("a1", "m1", text("Hi"), output_tokens=1, model="old")]
    late = [title("former"), assistant("a2", "m1", text("there"), output_tokens=5, model="old", cwd="/one")]
    end = [assistant("a3", "m1", text("!"), output_tokens=9, model="new", cwd="/two"), title("latter")]
    source.take(*early, *end)
    source.take(*early, *late, *end)
    view = source.view()
    assert (view.title, view.model, view.usage.output_tokens, view.metadata["cwd"]) == ("latter", "new", 9, "/two")
    assert sorted(map(str, view.messages[1].parts)) == sorted(str({"type": "text", "content": t}) for t in ("Hi", "there", "!"))


def test_states_of_a_growing_file_give_the_same_events_as_the_last_one_alone(tmp_path: Path) -> None:
    data = (FIXTURES / f"{SESSION}.jsonl").read_bytes()
    growing, at_once = Source(tmp_path), EventLog.memory()
    for size in [*range(0, len(data), 97), len(data)]:
        growing.file.write_bytes(data[:size])
        import_paths(growing.log, "claude-code", [growing.file])
    import_paths(at_once, "claude-code", [growing.file])
    assert list(growing.log.session_ids()) == [SESSION]
    raws = [stored.raw for stored in growing.events(SESSION)]
    assert raws == [stored.raw for stored in at_once.session(SESSION).read()]


def test_one_importer_follows_a_growing_file(source: Source) -> None:
    importer = open_importer(source.log, "claude-code")
    records = [user("u1", "Hello"), assistant("a1", "m1", text("Hi")), user("u2", "Bye")]
    for count in (1, 2, 3):
        source.file.write_text("".join(json.dumps(record) + "\n" for record in records[:count]))
        importer.import_path(source.file)
    assert texts(source.view()) == [["Hello"], ["Hi"], ["Bye"]]
    assert importer.report.events_added == len(source.events())


def test_an_importer_notices_what_another_one_has_taken(source: Source) -> None:
    importer = open_importer(source.log, "claude-code")
    source.file.write_text(json.dumps(user("u1", "Hello")) + "\n")
    importer.import_path(source.file)
    source.take(user("u1", "Hello"), user("u2", "Bye"))
    importer.import_path(source.file)
    assert texts(source.view()) == [["Hello"], ["Bye"]]


def test_a_user_s_own_title_and_events_stay(source: Source) -> None:
    source.take(user("u1", "Hello"))
    source.log.session("s").append(SessionUpdated(title="Mine"))
    source.take(user("u1", "Hello"), {"type": "custom-title", "customTitle": "Theirs", "sessionId": "s"})
    assert source.view().title == "Mine"


# --- where a record belongs -----------------------------------------------------------------------------------------------------


def test_a_record_belongs_to_the_session_it_names_and_one_without_to_the_first_named(source: Source) -> None:
    snapshot = {"type": "file-history-snapshot", "messageId": "x"}
    report = source.take(snapshot, user("u1", "One"), user("u2", "Two", sessionId="t"), snapshot | {"messageId": "y"})
    assert sorted(source.log.session_ids()) == ["s", "t"]
    assert (report.sessions, report.records) == (2, 4)
    records = [stored.origin["record"] for stored in source.events() if stored.origin and "record" in stored.origin]
    assert [record.get("messageId") or record["uuid"] for record in records] == ["x", "u1", "y"]


def test_a_subagent_s_subagent_has_it_as_its_parent(tmp_path: Path) -> None:
    (tmp_path / "agent-b.jsonl").write_text(json.dumps(user("u1", "Deeper", agentId="b", isSidechain=True)))
    (tmp_path / "agent-b.meta.json").write_text('{"agentType":"Explore","spawnDepth":2,"parentAgentId":"a"}')
    log = EventLog.memory()
    assert import_paths(log, "claude-code", [tmp_path]).records == 1
    view = replay(log.session("s.agent-b").read(), SessionView)
    assert view.parent == {"session_id": "s.agent-a", "seq": None, "relation": "subagent"}


def test_a_workflow_s_journal_speaks_of_agents_and_is_not_theirs(source: Source) -> None:
    source.take(user("u1", "Hello"), {"type": "started", "key": "k", "agentId": "a", "sessionId": "s"})
    assert list(source.log.session_ids()) == ["s"]


def test_a_session_id_that_our_rule_refuses_is_mapped_and_the_original_is_kept(source: Source) -> None:
    source.take(user("u1", "Hello", sessionId="../etc"), user("u2", "Sub", sessionId="../etc", agentId="a/1", isSidechain=True))
    first, child = sorted(source.log.session_ids(), key=lambda i: source.view(i).metadata.get("agent_id", ""))
    assert (first, source.view(first).metadata["source_session_id"]) == ("2d148813-733f-5cdc-9122-b37b3b97823c", "../etc")
    assert source.view(child).parent == {"session_id": first, "seq": None, "relation": "subagent"}
    assert source.view(child).metadata["agent_id"] == "a/1"
    assert source.take(user("u1", "Hello", sessionId="../etc")).events_added == 0


def test_a_session_id_that_differs_only_in_case_is_mapped(source: Source) -> None:
    source.take(user("u1", "Hello", sessionId="abc"))
    assert source.take(user("u2", "Hello", sessionId="ABC")).skipped == []
    assert len(list(source.log.session_ids())) == 2
    assert source.take(user("u2", "Hello", sessionId="ABC")).events_added == 0


def test_a_file_in_which_nothing_names_a_session_is_known_by_its_name_or_its_conversation(source: Source) -> None:
    nameless = {k: v for k, v in user("u1", "Hello").items() if k != "sessionId"}
    source.take(nameless)
    (by_content,) = source.log.session_ids()
    source.file = source.file.with_name("renamed.jsonl")
    assert source.take(nameless).events_added == 0
    source.file = source.file.with_name(f"{SESSION}.jsonl")
    source.take({"type": "summary", "summary": "Only a title", "leafUuid": "x"})
    assert sorted(source.log.session_ids()) == sorted([by_content, SESSION])
    assert source.view(SESSION).title == "Only a title"


def test_a_record_is_not_taken_before_the_file_says_which_session_it_is_of(source: Source) -> None:
    summary = {"type": "summary", "summary": "Title", "leafUuid": "u1"}
    report = source.take(summary)
    assert (report.records, report.events_added) == (1, 0)
    assert report.skipped == [Skipped(str(source.file), 1, "names no session, and nothing in the file says which conversation it is of")]
    source.take(summary, user("u1", "Hello"))
    assert (list(source.log.session_ids()), source.view().title) == (["s"], "Title")


# --- times ----------------------------------------------------------------------------------------------------------------------


def test_a_record_without_a_time_takes_the_one_before_it_and_a_leading_one_the_first_after(source: Source) -> None:
    mode = {"type": "mode", "mode": "plan", "sessionId": "s"}
    source.take(mode, user("u1", "Late", at=9), user("u2", "Early", at=3), mode | {"mode": "normal"}, user("u3", "x", timestamp="soon"))
    assert [stored.time.second for stored in source.events() if stored.origin and "record" in stored.origin] == [9, 9, 3, 3, 3]
    source.take(*(user(f"v{n}", "x", at=n, sessionId="t") | ({} if n % 2 else {"timestamp": None}) for n in (1, 2, 5, 4)))
    assert [stored.time.second for stored in source.events("t") if stored.origin and "record" in stored.origin] == [1, 1, 5, 5]


@pytest.mark.parametrize(
    ("timestamp", "expected"),
    [
        ("2026-01-15T10:00:00+02:00", "2026-01-15 08:00:00+00:00"),
        ("2026-01-15T10:00:00", "2026-01-15 10:00:00+00:00"),
        (1768471200000, "2026-01-15 10:00:00+00:00"),
        (1768471200, "2026-01-15 10:00:00+00:00"),
    ],
)
def test_a_time_may_have_another_zone_none_or_be_a_number(source: Source, timestamp: Any, expected: str) -> None:
    source.take(user("u1", "Hello", timestamp=timestamp))
    assert str(source.events()[0].time) == expected


def test_a_session_without_any_time_takes_the_file_s_and_starts_with_the_first_time_there_is(source: Source) -> None:
    title = {"type": "custom-title", "customTitle": "First", "sessionId": "s"}
    source.file.write_text(json.dumps(title) + "\n")
    os.utime(source.file, (1768471200, 1768471200))
    import_paths(source.log, "claude-code", [source.file])
    assert [(stored.type, str(stored.time)) for stored in source.events()] == [("session.updated", "2026-01-15 10:00:00+00:00")]
    source.take(title, title | {"customTitle": "Second"}, user("u1", "Hello", at=7))
    view = source.view()
    assert (view.title, view.kind, str(view.started_at)) == ("Second", "agent", "2026-01-15 10:00:07+00:00")


# --- messages -------------------------------------------------------------------------------------------------------------------


def test_the_lines_of_one_api_message_are_one_message_and_its_last_usage_counts(source: Source) -> None:
    source.take(
        assistant("a1", "m1", text("One"), output_tokens=1),
        assistant("a2", "m1", call("c1"), output_tokens=1),
        user("r1", [result("c1", "done")]),
        assistant("a3", "m1", call("c2"), output_tokens=70),
    )
    view = source.view()
    assert [part["type"] for part in view.messages[0].parts] == ["text", "tool_call", "tool_call"]
    assert (view.counts.messages, view.counts.user_messages, view.counts.tool_calls) == (1, 0, 2)
    assert (view.usage.input_tokens, view.usage.output_tokens) == (10, 70)
    assert sum(stored.type == "usage.recorded" for stored in source.events()) == 2


def test_a_block_that_its_message_has_already_is_not_added_again(source: Source) -> None:
    source.take(assistant("a1", "m1", text("One")), assistant("a2", "m1", text("One"), call("c1")), assistant("a3", "m1", call("c1")))
    assert [part["type"] for part in source.view().messages[0].parts] == ["text", "tool_call"]
    assert source.view().counts.tool_calls == 1


def test_the_same_uuid_with_other_content_amends_the_message(source: Source) -> None:
    source.take(user("u1", "Helo"), assistant("a1", "m1", text("Hi")), assistant("a2", "m1", text("ther")))
    source.take(user("u1", "Hello"), assistant("a2", "m1", text("there")))
    assert texts(source.view()) == [["Hello"], ["Hi", "there"]]


def test_the_same_uuid_that_was_no_message_before_becomes_one(source: Source) -> None:
    source.take(user("u0", "x") | {"message": "error"}, user("u1", None), user("u1", "Hello"))
    assert texts(source.view()) == [["Hello"]]
    assert [stored.event.kind for stored in source.events() if isinstance(stored.event, SourceRecord)] == ["user", "user"]


def test_a_result_that_is_written_again_under_its_uuid_does_not_return_twice(source: Source) -> None:
    source.take(assistant("a1", "m1", call("c1")), user("r1", [result("c1", "one")]), user("r1", [result("c1", "two")]))
    for again in ("Stop", "Stop it"):
        source.take(user("r1", [result("c1", "three"), text(again)]))
    view = source.view()
    assert (view.counts.tool_calls, view.tool_calls[0].output, texts(view)[1]) == (1, "one", ["Stop it"])


def test_lines_that_a_later_one_supersedes_are_taken_back(source: Source) -> None:
    source.take(
        assistant("a1", "m1", text("Partial")),
        assistant("a2", "m2", text("Kept")),
        assistant("a3", "m2", text("Gone")),
        assistant("a4", "m3", text("Draft")),
        assistant("a5", "m3", text("Whole"), supersedesUuids=["a1", "a3", "a4", "unknown"]),
    )
    view = source.view()
    assert texts(view) == [["Kept"], ["Whole"]]
    assert [retracted.message_id for retracted in view.retracted] == ["m1"]


def test_a_refusal_retracts_messages(source: Source) -> None:
    refusal = {"type": "system", "subtype": "api_refusal", "uuid": "x", "sessionId": "s", "retractedMessageUuids": ["a1"]}
    source.take(user("u1", "Hello"), assistant("a1", "m1", text("Hi")), refusal | {"refusedUserMessageUuid": "u1"})
    assert source.view().messages == []


def test_a_sidechain_inside_its_parent_s_file_is_marked_and_outside_the_context(source: Source) -> None:
    source.take(
        user("u1", "Task", isSidechain=True, cwd="/elsewhere"),
        assistant("a1", "m1", text("Main")),
        assistant("a2", "m2", text("Side"), isSidechain=True, model="small"),
        assistant("a3", "m1", text("Main"), isSidechain=True),
    )
    view = source.view()
    assert [(m.message_id, m.exclude_from_context, m.metadata) for m in view.messages] == [
        ("u1", True, {"is_sidechain": True}),
        ("m1", False, {}),
        ("m2", True, {"is_sidechain": True}),
    ]
    assert (view.title, view.model, view.metadata.get("cwd")) == (None, "m", None)


def test_meta_records_are_messages_but_no_title(source: Source) -> None:
    source.take(user("u1", "Caveat: ...", isMeta=True), user("u2", "<command-name>/init</command-name>"), user("u3", "Real\n prompt"))
    view = source.view()
    assert (view.title, view.messages[0].metadata, view.messages[0].exclude_from_context) == ("Real prompt", {"is_meta": True}, False)


def test_a_missing_parent_is_no_reply_and_a_parent_that_is_no_message_leads_to_the_one_above_it(source: Source) -> None:
    hook = {"type": "progress", "uuid": "p1", "parentUuid": "u1", "sessionId": "s", "data": {"type": "hook_progress"}}
    source.take(user("u1", "Hello", parentUuid="gone"), hook, assistant("a1", "m1", text("Hi"), parentUuid="p1"))
    assert [message.reply_to for message in source.view().messages] == [None, "u1"]


def test_blocks_of_every_kind_become_parts(source: Source) -> None:
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}}
    source.take(
        user(
            "u1",
            [
                image,
                {"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}},
                {"type": "document", "source": {"type": "file", "file_id": "f1"}},
                {"type": "document", "source": {"type": "text", "data": "plain"}},
                "a string",
                7,
                {"type": "fallback", "x": 1},
                {"type": "text"},
            ],
        ),
        assistant(
            "a1",
            "m1",
            {"type": "redacted_thinking", "data": "b3BhcXVl"},
            {"type": "server_tool_use", "id": "c1", "name": "web_search", "input": {"query": "x"}},
            {"type": "web_search_tool_result", "tool_use_id": "c1", "content": []},
        ),
        user("r1", [result("c2", [text("seen"), image])]),
    )
    view = source.view()
    assert view.messages[0].parts == [
        {"type": "blob", "mime_type": "image/png", "modality": "image", "content": "aGk="},
        {"type": "uri", "uri": "https://example.org/a.png", "mime_type": None, "modality": "image"},
        {"type": "file", "file_id": "f1", "mime_type": None, "modality": "document"},
        {"type": "text", "content": "plain"},
        {"type": "text", "content": "a string"},
        {"type": "unknown", "metadata": {"block": 7}},
        {"type": "fallback", "metadata": {"block": {"type": "fallback", "x": 1}}},
        {"type": "text", "metadata": {"block": {"type": "text"}}, "content": ""},
    ]
    assert [part["type"] for part in view.messages[1].parts] == ["reasoning", "tool_call", "tool_call_response"]
    assert [part.get("metadata") for part in view.messages[1].parts] == [{"data": "b3BhcXVl"}, {"run_by": "provider"}, None]
    assert view.orphan_results[0].output == [{"type": "text", "content": "seen"}, view.messages[0].parts[0]]


def test_a_result_and_text_in_one_record_are_a_result_and_a_message(source: Source) -> None:
    source.take(assistant("a1", "m1", call("c1")), user("u1", [result("c1", "no", is_error=True), text("Stop it")]))
    view = source.view()
    assert (view.tool_calls[0].output, view.tool_calls[0].is_error) == ("no", True)
    assert texts(view)[1] == ["Stop it"]


# --- the model, compactions, errors, titles -------------------------------------------------------------------------------------


def test_a_synthetic_message_is_no_model_and_no_usage_and_an_api_error_is_an_error(source: Source) -> None:
    source.take(
        assistant("a1", "m1", text("Hi"), model="one"),
        assistant("a2", "m2", text("API Error: 529"), model="<synthetic>", isApiErrorMessage=True, error="overloaded", output_tokens=0),
        {"type": "system", "subtype": "api_error", "uuid": "x", "sessionId": "s", "error": {"status": 529, "error": {"message": "busy"}}},
        assistant("a3", "m3", text("Hi"), model="two"),
    )
    view = source.view()
    assert (view.models, view.usage.input_tokens) == (["one", "two"], 20)
    assert [(e.message, e.kind) for e in view.errors] == [("API Error: 529", "api_error"), ("busy", "api_error")]
    assert (view.messages[1].exclude_from_context, view.messages[1].metadata) == (True, {"is_api_error": True})


def _boundary(uuid: str) -> dict[str, Any]:
    details = {"trigger": "auto", "preTokens": 170251}
    return {"type": "system", "subtype": "compact_boundary", "uuid": uuid, "sessionId": "s", "parentUuid": None, "compactMetadata": details}


def test_a_boundary_and_its_summary_are_one_compaction(source: Source) -> None:
    source.take(user("u1", "Hello"), _boundary("b1"), user("u2", "It was about hello.", isCompactSummary=True), user("u3", "Go on"))
    compacted = [stored.event for stored in source.events() if isinstance(stored.event, ContextCompacted)]
    assert compacted == [ContextCompacted(summary="It was about hello.", tokens_before=170251, trigger="auto")]
    view = source.view()
    assert [(m.message_id, m.exclude_from_context) for m in view.messages] == [("u1", False), ("u2", True), ("u3", False)]
    assert view.messages[1].metadata == {"is_compact_summary": True}


def test_a_boundary_without_a_summary_and_a_summary_without_a_boundary_are_compactions(source: Source) -> None:
    source.take(user("u1", "Hello"), _boundary("b1"), user("u2", "Go on"), user("u3", "A summary", isCompactSummary=True))
    assert [(c.summary, c.tokens_before) for c in source.view().compactions] == [(None, 170251), ("A summary", None)]


def test_titles_have_a_precedence_and_a_lower_one_that_comes_later_changes_nothing(source: Source) -> None:
    steps: list[tuple[dict[str, Any], str]] = [
        ({"type": "summary", "summary": "Of another conversation", "leafUuid": "elsewhere"}, "Of another conversation"),
        (user("u1", "First prompt"), "First prompt"),
        (user("u2", "Second prompt"), "First prompt"),
        ({"type": "summary", "summary": "Also of another", "leafUuid": "elsewhere"}, "First prompt"),
        ({"type": "summary", "summary": "Summary", "leafUuid": "u2"}, "Summary"),
        ({"type": "last-prompt", "lastPrompt": "Last prompt"}, "Last prompt"),
        ({"type": "summary", "summary": "Later summary", "leafUuid": "u2"}, "Last prompt"),
        ({"type": "ai-title", "aiTitle": "Generated"}, "Generated"),
        ({"type": "ai-title", "aiTitle": "Generated again"}, "Generated again"),
        ({"type": "custom-title", "customTitle": "Given\nby hand"}, "Given by hand"),
        ({"type": "ai-title", "aiTitle": "Too late"}, "Given by hand"),
        ({"type": "custom-title", "customTitle": "x" * 300}, "x" * 199 + "…"),
    ]
    records: list[dict[str, Any]] = []
    for record, title in steps:
        records.append({"sessionId": "s"} | record)
        source.take(*records)
        assert source.view().title == title
    assert source.view().metadata["title_source"] == "custom-title"


def test_the_surroundings_and_the_mode_are_updated_when_they_change(source: Source) -> None:
    source.take(
        user("u1", "Hello", cwd="/a", version="1", gitBranch="main", permissionMode="default"),
        user("u2", "Hello", cwd="/a", version="1", gitBranch="", permissionMode="default"),
        {"type": "permission-mode", "permissionMode": "plan", "sessionId": "s"},
        {"type": "relocated", "relocatedCwd": "/b", "sessionId": "s"},
        {"type": "pr-link", "prUrl": "https://example.org/pr/1", "sessionId": "s", "timestamp": "2026-01-15T10:00:01.000Z"},
        {"type": "tag", "tag": "bug", "sessionId": "s"},
        {"type": "tag", "tag": "login", "sessionId": "s"},
    )
    view = source.view()
    assert (view.metadata["cwd"], view.metadata["version"], view.metadata["git_branch"]) == ("/b", "1", "main")
    assert (view.metadata["pr_url"], view.modes, view.tags) == ("https://example.org/pr/1", ["default", "plan"], ["login"])
    source.take(user("u3", "Back", cwd="/a", version="1", gitBranch=""))
    assert source.view().metadata["cwd"] == "/a"


# --- bad input ------------------------------------------------------------------------------------------------------------------


def test_a_line_that_is_no_object_is_reported_and_kept_as_text(source: Source) -> None:
    report = source.take(user("u1", "Hello"), "not json", "[1]", user("u2", "Bye"))
    assert (report.records, [(s.file, s.line) for s in report.skipped]) == (4, [(str(source.file), 2), (str(source.file), 3)])
    kept = [stored.origin["record"] for stored in source.events() if isinstance(stored.event, SourceRecord)]  # type: ignore[index]
    assert kept == ["not json", "[1]"]
    again = source.take(user("u1", "Hello"), "not json", "[1]", user("u2", "Bye"))
    assert (again.events_added, again.records, again.skipped) == (0, 4, report.skipped)


def test_a_session_may_begin_with_a_line_that_is_no_object(source: Source) -> None:
    source.take("not json", user("u1", "Hello"))
    source.take("not json", user("u1", "Hello"), user("u2", "Bye"))
    assert [stored.type for stored in source.events()][:2] == ["source.record", "session.started"]
    assert texts(source.view()) == [["Hello"], ["Bye"]]


def test_bytes_that_are_not_utf8_are_kept_to_be_restored(source: Source) -> None:
    source.file.write_bytes(json.dumps(user("u1", "Hello")).encode() + b"\nbad \xff\n")
    import_paths(source.log, "claude-code", [source.file])
    assert source.events()[-1].origin == {"format": "claude-code", "record": "bad \ufffd", "bytes": "YmFkIP8="}
    assert import_paths(source.log, "claude-code", [source.file]).events_added == 0


def test_a_record_that_an_event_line_cannot_hold_as_json_is_kept_as_text(source: Source) -> None:
    line = json.dumps(user("u1", "a\ud800b"))
    assert source.take(line).skipped == []
    assert texts(source.view()) == [["a\ufffdb"]]
    assert source.events()[0].origin == {"format": "claude-code", "record": line}
    assert source.take(line).events_added == 0


def test_large_numbers_come_through(source: Source) -> None:
    source.take(assistant("a1", "m1", call("c1", number=2**70)))
    assert source.view().tool_calls[0].arguments == {"number": 2**70}


def test_a_line_that_is_still_being_written_waits_until_it_is_whole(source: Source) -> None:
    first, second = json.dumps(user("u1", "Hello")), json.dumps(user("u2", "Bye"))
    source.file.write_text(f"{first}\n{second[:-9]}")
    report = import_paths(source.log, "claude-code", [source.file])
    assert (report.records, report.skipped[0].line, report.skipped[0].reason) == (
        2,
        2,
        "the file ends within this line; it is taken once it is complete",
    )
    assert source.take(first, second).skipped == []
    assert texts(source.view()) == [["Hello"], ["Bye"]]


def test_a_record_near_the_size_limit_is_kept_alone_and_one_above_it_is_skipped(tmp_path: Path) -> None:
    source = Source(tmp_path)
    source.log = EventLog.memory(Settings(max_event_bytes=2000))
    records = [user("u1", "x" * 600), user("u2", "y" * 1500), user("u3", "z" * 2100), user("u4", "w" * 500)]
    report = source.take(*records)
    assert texts(source.view()) == [["x" * 600], ["w" * 500]]
    assert [stored.type for stored in source.events()] == ["session.started", "message.added", "source.record", "message.added"]
    assert [(s.line, s.reason) for s in report.skipped] == [
        (2, "kept as it is, without its events: the two together are larger than an append may be"),
        (3, "larger than the 2,000 bytes that an event may have; raise max_event_bytes to import it"),
    ]
    assert report.records == 4
    again = source.take(*records)
    assert (again.events_added, again.skipped) == (0, report.skipped)


def test_one_bad_file_never_stops_the_others(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\xff")
    (tmp_path / "b.json").write_text('{"name":"a package","version":1}')
    (tmp_path / "c.json").write_text("{ broken")
    (tmp_path / "d.jsonl").write_text("")
    (tmp_path / "e.txt").write_text("ignored")
    (tmp_path / "f.jsonl").symlink_to(tmp_path / "nowhere")
    (tmp_path / "g.jsonl").mkdir()
    (tmp_path / "h.jsonl").write_text("not json\n")
    (tmp_path / "i.jsonl").write_text(json.dumps(user("u1", "Hello")))
    log = EventLog.memory()
    report = import_paths(log, "claude-code", [tmp_path / "absent", tmp_path])
    assert list(log.session_ids()) == ["s"]
    assert [(Path(s.file).name, s.line, s.reason.split(": ")[0]) for s in report.skipped] == [
        ("absent", None, "No such file or directory"),
        ("a.jsonl", None, "no claude-code file"),
        ("b.json", None, "no claude-code file"),
        ("c.json", None, "no claude-code file"),
        ("f.jsonl", None, "No such file or directory"),
        ("h.jsonl", None, "no claude-code file"),
    ]
    assert (report.files, report.sessions, report.records, report.refused) == (1, 1, 7, 4)


def test_a_pipe_in_a_folder_is_no_file_and_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.jsonl")
    (tmp_path / "b.jsonl").write_text(json.dumps(user("u1", "Hello")))
    report = import_paths(EventLog.memory(), "claude-code", [tmp_path])
    assert (report.files, report.sessions, report.skipped) == (1, 1, [])


def test_a_folder_that_cannot_be_listed_is_reported_and_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "b.jsonl").write_text(json.dumps(user("u1", "Hello")))
    monkeypatch.chdir(tmp_path)
    for _ in range(20):  # its path becomes longer than the operating system takes
        os.mkdir("x" * 250)
        os.chdir("x" * 250)
    report = import_paths(EventLog.memory(), "claude-code", [tmp_path])
    assert (report.files, report.sessions, report.records) == (1, 1, 2)
    assert [skipped.reason for skipped in report.skipped] == ["File name too long"]


@pytest.mark.parametrize("odd", [None, True, -1, 2.5, "", [], {}, ["user"], {"user": 1}])
@pytest.mark.parametrize("name", ["file.jsonl", "file.json"])
def test_a_field_of_any_type_is_read_in_any_kind_of_file(odd: Any, name: str, tmp_path: Path) -> None:
    whole = assistant("u1", "m1", call("c1"), isSidechain=False, agentId="a", cwd="/x", permissionMode="plan")
    fields = [*whole, *(f"message.{field}" for field in whole["message"])]
    for field in fields:
        record = json.loads(json.dumps(whole))
        inside = record["message"] if field.startswith("message.") else record
        inside[field.removeprefix("message.")] = odd
        records = [record, user("u2", "Hello")]
        (tmp_path / name).write_text("\n".join(map(json.dumps, records)) if name.endswith("l") else json.dumps({"loglines": records}))
        log = EventLog.memory()
        report = import_paths(log, "claude-code", [tmp_path / name])
        assert (report.records, report.skipped) == (2, []), field
        kept = [
            stored.origin["record"]
            for id in log.session_ids()
            for stored in log.session(id).read()
            if stored.origin and "record" in stored.origin
        ]
        assert sorted(map(json.dumps, kept)) == sorted(map(json.dumps, records)), field


def test_a_deleted_session_stays_deleted(source: Source) -> None:
    from eventlog.events import SessionDeleted

    source.take(user("u1", "Hello"))
    source.log.session("s").append(SessionDeleted())
    report = source.take(user("u1", "Hello"), user("u2", "Bye"), user("u3", "Elsewhere", sessionId="t"))
    assert [(s.line, "is deleted" in s.reason) for s in report.skipped] == [(1, True), (2, True)]
    assert report.records == 3
    assert source.view("t").counts.messages == 1


def test_a_json_export_of_the_web_version_is_a_session(tmp_path: Path) -> None:
    records = [{k: v for k, v in user("", f"Message {n}", at=n).items() if k not in ("uuid", "sessionId")} for n in range(3)]
    (tmp_path / "export.json").write_text(json.dumps({"loglines": records}, indent=1))
    (tmp_path / "copy.json").write_text(json.dumps(records, indent=4))
    log = EventLog.memory()
    report = import_paths(log, "claude-code", [tmp_path])
    (session_id,) = log.session_ids()
    assert (report.records, report.skipped) == (6, [])
    assert texts(replay(log.session(session_id).read(), SessionView)) == [["Message 0"], ["Message 1"], ["Message 2"]]


def test_an_unknown_format_is_named_with_the_known_ones() -> None:
    with pytest.raises(InvalidInput, match="unknown import format 'x'; give one of: " + ", ".join(sorted(FORMATS))):
        import_paths(EventLog.memory(), "x", [])


def test_every_message_event_says_its_message() -> None:
    log = EventLog.memory()
    import_paths(log, "claude-code", [FIXTURES])
    assert all(s.event.message_id for i in log.session_ids() for s in log.session(i).read() if isinstance(s.event, MessageAdded))


def test_a_call_in_a_record_of_its_own_is_a_call(tmp_path: Path) -> None:
    common = {"sessionId": "s", "timestamp": "2026-03-05T10:00:00Z"}
    lines = [
        {**common, "type": "user", "uuid": "u1", "message": {"role": "user", "content": "Open it"}},
        {**common, "type": "tool_use", "uuid": "t1", "name": "bash", "input": {"command": "cat a"}},
        {**common, "type": "tool_result", "uuid": "r1", "name": "bash", "output": "one"},
        {
            **common,
            "type": "user",
            "uuid": "u2",
            "origin": {"kind": "task-notification"},
            "message": {"role": "user", "content": "It is done"},
        },
    ]
    path = tmp_path / "s.jsonl"
    path.write_text("".join(json.dumps(each) + "\n" for each in lines))
    with EventLog.memory() as log:
        import_paths(log, "claude-code", [path])
        assert import_paths(log, "claude-code", [path]).events_added == 0
        view = replay(log.session("s").read(), SessionView)
    assert [(call.name, call.arguments, call.output) for call in view.tool_calls] == [("bash", {"command": "cat a"}, "one")]
    assert [message.metadata.get("is_meta") for message in view.messages] == [None, True]


def test_what_no_person_typed_is_neither_the_title_nor_what_a_list_shows_first(tmp_path: Path) -> None:
    def line(number: int, content: Any, **more: Any) -> dict[str, Any]:
        common = {"type": "user", "uuid": f"u{number}", "parentUuid": None, "sessionId": "s", "timestamp": f"2026-03-05T10:0{number}:00Z"}
        return {**common, "message": {"role": "user", "content": content}, **more}

    opened = {"type": "text", "text": "<ide_opened_file>The user opened till.py</ide_opened_file>"}
    lines = [
        line(1, "Caveat: The messages below were generated by the user while running local commands.", isMeta=True),
        line(2, "<command-name>/clear</command-name>"),
        line(3, "<local-command-stdout></local-command-stdout>"),
        line(4, [opened, {"type": "text", "text": "Fix the till"}]),
    ]
    path = tmp_path / "s.jsonl"
    path.write_text("".join(json.dumps(each) + "\n" for each in lines))
    with EventLog.memory() as log:
        import_paths(log, "claude-code", [path])
        with Catalog.open(log) as catalog:
            (item,) = catalog.list().items
        assert (item.preview, item.title, item.user_messages) == ("Fix the till", "Fix the till", 4)
        view = replay(log.session("s").read(), SessionView)
        assert [message.metadata.get("is_meta") for message in view.messages] == [True, True, True, None]
