"""``import openai``: an object with messages is a session."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from eventlog import EventLog
from eventlog.importers import import_paths
from eventlog.importers.provenance import Provenance
from projections import SessionView, replay
from projections.exporters import export

TOOLS = [{"type": "function", "function": {"name": "git", "parameters": {"type": "object"}}}]
CONVERSATION = {
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Look"}, {"type": "image_url", "image_url": {"url": "https://x/y.png"}}]},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "git", "arguments": '{"n":1}'}}],
            "weight": 0,
        },
        {"role": "tool", "tool_call_id": "c1", "content": "Fix the cookie"},
        {"role": "assistant", "content": "The cookie."},
    ],
    "tools": TOOLS,
    "parallel_tool_calls": False,
}


def write(path: Path, *values: Any) -> None:
    path.write_text("".join(json.dumps(value) + "\n" for value in values))


def views(log: EventLog) -> list[SessionView]:
    return [replay(log.session(id).read(), SessionView) for id in log.session_ids()]


def test_a_conversation_is_a_session_with_its_record(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", CONVERSATION)
    with EventLog.memory() as log:
        report = import_paths(log, "openai", [tmp_path])
        assert (report.files, report.sessions, report.records, report.events_added, report.skipped) == (1, 1, 1, 6, [])
        [view] = views(log)
        assert (view.kind, view.settings) == ("chat", {"tools": TOOLS, "parallel_tool_calls": False})
        assert [message.role for message in view.messages] == ["system", "user", "assistant", "tool", "assistant"]
        assert view.messages[1].parts == [
            {"type": "text", "content": "Look"},
            {"type": "uri", "modality": "image", "uri": "https://x/y.png"},
        ]
        assert view.messages[2].metadata == {"weight": 0}
        [call] = view.tool_calls
        assert (call.call_id, call.name, call.arguments, call.output) == ("c1", "git", {"n": 1}, "Fix the cookie")
        [session_id] = log.session_ids()
        first = next(iter(log.session(session_id).read()))
        assert json.loads(Provenance("openai").record(first) or b"") == CONVERSATION
        assert import_paths(log, "openai", [tmp_path]).events_added == 0


def test_what_export_writes_comes_back_as_it_was(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", CONVERSATION)
    with EventLog.memory() as log:
        import_paths(log, "openai", [tmp_path / "a.jsonl"])
        export(log, log.session_ids(), "openai", tmp_path / "b.jsonl")
    [exported] = [json.loads(line) for line in (tmp_path / "b.jsonl").read_text().splitlines()]
    assert exported == CONVERSATION
    with EventLog.memory() as log:
        assert import_paths(log, "openai", [tmp_path / "b.jsonl"]).skipped == []
        export(log, log.session_ids(), "openai", tmp_path / "c.jsonl")
    assert (tmp_path / "c.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes()


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("values", [[CONVERSATION], [CONVERSATION, {"messages": [{"role": "user", "content": "x"}]}]])
def test_documents_are_read_too(values: list[Any], indent: int | None, tmp_path: Path) -> None:
    (tmp_path / "list.json").write_text(json.dumps(values, indent=indent))
    (tmp_path / "one.json").write_text(json.dumps(values[0], indent=indent))
    with EventLog.memory() as log:
        report = import_paths(log, "openai", [tmp_path / "list.json"])
        assert (report.sessions, report.skipped) == (len(values), [])
        report = import_paths(log, "openai", [tmp_path / "one.json"])
        assert (report.sessions, report.skipped) == (1, [])


@pytest.mark.parametrize("indent", [None, 2])
def test_a_bare_array_of_messages_is_a_conversation(indent: int | None, tmp_path: Path) -> None:
    messages = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hi", "name": "a"}]
    (tmp_path / "a.json").write_text(json.dumps(messages, indent=indent))
    with EventLog.memory() as log:
        report = import_paths(log, "openai", [tmp_path])
        assert (report.sessions, report.records, report.skipped) == (1, 1, [])
        [view] = views(log)
        assert [(message.role, message.parts[0]["content"]) for message in view.messages] == [("user", "Hello"), ("assistant", "Hi")]
        first = next(iter(log.session(view.session_id).read()))
        assert json.loads(Provenance("openai").record(first) or b"") == messages
        assert import_paths(log, "openai", [tmp_path]).events_added == 0


def test_an_array_of_messages_on_each_line_is_a_conversation_each(tmp_path: Path) -> None:
    lines = [[{"role": "user", "content": text}, {"role": "assistant", "content": "Hi"}] for text in ("Hello", "Good day")]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    with EventLog.memory() as log:
        report = import_paths(log, "openai", [tmp_path])
        assert (report.sessions, report.records, report.skipped) == (2, 2, [])
        assert sorted(view.messages[0].parts[0]["content"] for view in views(log)) == ["Good day", "Hello"]


def test_messages_of_another_tool_s_shape_are_not_taken_for_the_user_s(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", {"messages": [{"type": "user", "content": "Hello"}, {"type": "model", "content": "Hi"}]})
    with EventLog.memory() as log:
        report = import_paths(log, "openai", [tmp_path])
        assert [skipped.reason for skipped in report.skipped] == ["no openai file"]
        assert list(log.session_ids()) == []


def test_the_former_way_to_call_a_function_is_a_tool_call(tmp_path: Path) -> None:
    call = {"role": "assistant", "content": None, "function_call": {"name": "weather", "arguments": '{"city":"Bern"}'}}
    write(tmp_path / "a.jsonl", {"messages": [call, {"role": "function", "name": "weather", "content": "sun"}]})
    with EventLog.memory() as log:
        import_paths(log, "openai", [tmp_path])
        [found] = views(log)[0].tool_calls
        assert (found.name, found.arguments, found.output) == ("weather", {"city": "Bern"}, "sun")


def test_what_is_no_conversation_is_reported(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"input":{}}\nnot json\n[1]\n{"messages":[]}\n')
    with EventLog.memory() as log:
        report = import_paths(log, "openai", [tmp_path])
        first, second, third = report.skipped
        assert (first.line, first.reason) == (1, "no conversation: it has no list of messages")
        assert (second.line, second.reason[:10]) == (2, "not JSON: ")
        assert (third.line, third.reason) == (3, "JSON, but not an object: list")
        assert (report.records, report.sessions) == (4, 1)


def test_messages_of_any_shape_become_some_message(tmp_path: Path) -> None:
    data_url = "data:image/png;base64,AAAA"
    messages = [
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": data_url}}, "plain", 7, {"type": "video", "x": 1}]},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]},
        {"role": 7, "content": None},
        {"role": "assistant", "tool_calls": [{"function": {"name": 5, "arguments": "not json"}}, 9]},
        {"role": "tool", "content": {"a": 1}},
        {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}}]},
        "no message",
    ]
    write(tmp_path / "a.jsonl", {"messages": messages})
    with EventLog.memory() as log:
        import_paths(log, "openai", [tmp_path])
        [view] = views(log)
        assert view.messages[0].parts == [
            {"type": "blob", "mime_type": "image/png", "modality": "image", "content": "AAAA"},
            {"type": "text", "content": "plain"},
            {"type": "unknown", "metadata": {"block": 7}},
            {"type": "video", "metadata": {"block": {"type": "video", "x": 1}}},
        ]
        assert view.messages[1].parts == [{"type": "text", "content": "No.", "metadata": {"refusal": True}}]
        assert [message.role for message in view.messages] == ["user", "assistant", "user", "assistant", "tool", "user"]
        [call] = view.tool_calls
        assert (call.name, call.arguments, call.output) == ("unknown", "not json", {"a": 1})


def test_equal_conversations_are_one_session(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", CONVERSATION, CONVERSATION)
    with EventLog.memory() as log:
        report = import_paths(log, "openai", [tmp_path])
        assert (report.sessions, report.records) == (1, 2)
        assert views(log)[0].counts.messages == 5
