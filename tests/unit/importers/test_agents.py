"""What real files of agents hold besides what their samples show: injected words in a prompt, calls without ids, parents that are none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from eventlog import EventLog
from eventlog.importers import import_paths
from projections import SessionView, replay

from .samples import as_lines, at, ms


def imported(path: Path, format: str, *records: dict[str, Any]) -> SessionView:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(as_lines(list(records)))
    with EventLog.memory() as log:
        assert import_paths(log, format, [path]).skipped == []
        (session_id,) = log.session_ids()
        assert import_paths(log, format, [path]).events_added == 0
        return replay(log.session(session_id).read(), SessionView)


def said(view: SessionView) -> list[tuple[str, str]]:
    return [(each.role, "".join(part.get("content", "") for part in each.parts)) for each in view.messages if each.role != "system"]


def calls(view: SessionView) -> list[tuple[str | None, Any, Any, bool]]:
    return [(call.name, call.arguments, call.output, call.is_error) for call in view.tool_calls]


# --- droid ---------------------------------------------------------------------------------------------------------------------------


def test_a_reminder_before_a_prompt_is_taken_from_its_text(tmp_path: Path) -> None:
    text = "<system-reminder>\nBe brief.\n</system-reminder>\n\nOpen the till"
    line = {"type": "message", "id": "m1", "timestamp": at(0), "message": {"role": "user", "content": [{"type": "text", "text": text}]}}
    assert said(imported(tmp_path / "d.jsonl", "droid", line)) == [("user", "Open the till")]


def test_a_stream_of_droid_tells_its_calls_by_their_ids_and_its_tokens_at_the_end(tmp_path: Path) -> None:
    def line(kind: str, minute: int, **more: Any) -> dict[str, Any]:
        return {"type": kind, "sessionId": "stream-1", "timestamp": ms(minute), **more}

    usage = {"input_tokens": 10, "output_tokens": 5, "cache_read_input_tokens": 2, "cache_creation_input_tokens": 1}
    view = imported(
        tmp_path / "s.jsonl",
        "droid",
        line("system", 0, subtype="init", model="droid-x", cwd="/work", tools=["Execute"], id="i"),
        line("message", 1, role="user", text="List them", id="m1"),
        line("tool_call", 2, id="c1", toolId="Execute", toolName="Execute", parameters={"command": "ls"}),
        line("tool_result", 3, id="c1", toolId="Execute", isError=True, value="none"),
        line("completion", 4, finalText="There are none", usage=usage, id="end"),
    )
    assert (view.session_id, said(view)) == ("stream-1", [("user", "List them"), ("assistant", "There are none")])
    assert calls(view) == [("Execute", {"command": "ls"}, "none", True)]
    assert (view.usage.input_tokens, view.usage.output_tokens, view.usage.cache_read_tokens) == (10, 5, 2)


def test_what_lies_beside_a_file_that_is_followed_is_read_again_as_it_grows(tmp_path: Path) -> None:
    from eventlog.importers.follow import Follower

    def line(number: int) -> dict[str, Any]:
        message = {"role": "user", "content": [{"type": "text", "text": f"Number {number}"}]}
        return {"type": "message", "id": f"m{number}", "timestamp": at(number), "message": message}

    path, settings = tmp_path / "d.jsonl", tmp_path / "d.settings.json"
    with EventLog.memory() as log:
        follower = Follower(log, "droid", [tmp_path])
        for number in (1, 2):
            settings.write_text(json.dumps({"model": "droid-x", "tokenUsage": {"inputTokens": number * 10}}))
            with open(path, "ab") as file:
                file.write(as_lines([line(number)]))
            list(follower.look([str(path)]))
        list(follower.finish())
        view = replay(log.session("d").read(), SessionView)
        assert (view.counts.user_messages, view.usage.input_tokens) == (2, 20)
        assert import_paths(log, "droid", [path]).events_added == 0


# --- grok, kimi ------------------------------------------------------------------------------------------------------------------------


def test_grok_names_its_session_in_the_summary_and_tells_what_the_provider_ran(tmp_path: Path) -> None:
    (tmp_path / "copied").mkdir()
    about = {"info": {"id": "grok-1", "cwd": "/work"}, "generated_title": "Tills", "current_model_id": "grok-x"}
    (tmp_path / "copied" / "summary.json").write_text(json.dumps(about))
    ran = {"tool_type": "web_search", "action": {"type": "search", "query": "till", "sources": ["x"]}, "id": "w1", "status": "completed"}
    image = {"type": "image", "url": "data:image/png;base64,AAAA"}
    view = imported(
        tmp_path / "copied" / "chat_history.jsonl",
        "grok",
        {"type": "user", "content": [image, {"type": "text", "text": "What is it?"}], "prompt_index": 0},
        {"type": "backend_tool_call", "kind": ran},
        {"type": "assistant", "content": "A till.", "tool_calls": [], "model_id": "grok-x"},
    )
    assert (view.session_id, view.title, view.metadata["cwd"]) == ("grok-1", "Tills", "/work")
    assert [part["type"] for part in view.messages[0].parts] == ["blob", "text"]
    assert [(name, output) for name, _, output, _ in calls(view)] == [("web_search", ["x"])]


def kimi(minute: int, **event: Any) -> dict[str, Any]:
    return {"type": "context.append_loop_event", "event": event, "time": ms(minute)}


def test_a_step_of_kimi_that_only_calls_is_no_message_and_an_alias_is_no_other_model(tmp_path: Path) -> None:
    prompt = {"role": "user", "content": [{"type": "text", "text": "List it"}], "toolCalls": [], "origin": {"kind": "user"}}
    usage = {"type": "usage.record", "model": "vendor/kimi-x", "usage": {"inputOther": 9, "output": 3}, "usageScope": "turn"}
    view = imported(
        tmp_path / "w.jsonl",
        "kimi",
        {"type": "metadata", "protocol_version": "1.4", "created_at": ms(0)},
        {"type": "turn.prompt", "input": [{"type": "text", "text": "List it"}], "origin": {"kind": "user"}, "time": ms(0)},
        {"type": "context.append_message", "message": prompt, "time": ms(0)},
        kimi(1, type="step.begin", uuid="s1"),
        {"type": "llm.request", "model": "kimi-x", "modelAlias": "vendor/kimi-x", "time": ms(1)},
        kimi(1, type="content.part", part={"type": "think", "think": "Listing"}),
        kimi(2, type="tool.call", toolCallId="Bash_0", name="Bash", args={"command": "ls"}),
        kimi(3, type="tool.result", toolCallId="Bash_0", result={"output": "none", "isError": True}),
        kimi(3, type="step.end", uuid="s1", usage={"inputOther": 9, "output": 3}),
        {**usage, "time": ms(3)},
        kimi(4, type="step.begin", uuid="s2"),
        kimi(4, type="content.part", part={"type": "text", "text": "Nothing "}),
        kimi(4, type="content.part", part={"type": "text", "text": "there."}),
        {**usage, "time": ms(4)},
    )
    assert said(view) == [("user", "List it"), ("reasoning", "Listing"), ("assistant", "Nothing there.")]
    assert calls(view) == [("Bash", {"command": "ls"}, "none", True)]
    assert (view.models, view.usage.input_tokens, view.counts.assistant_messages) == (["kimi-x"], 18, 1)


def test_a_call_of_kimi_cli_that_was_cut_off_is_told_as_far_as_it_came(tmp_path: Path) -> None:
    def wire(kind: str, **payload: Any) -> dict[str, Any]:
        return {"timestamp": ms(1) / 1000, "message": {"type": kind, "payload": payload}}

    call = wire("ToolCall", type="function", id="c1", function={"name": "look", "arguments": '{"q":'})
    view = imported(tmp_path / "w.jsonl", "kimi", wire("TurnBegin", user_input="Look"), call, wire("StepInterrupted"))
    assert calls(view) == [("look", '{"q":', None, False)]


def test_a_subagent_of_kimi_was_asked_by_the_one_that_called_it(tmp_path: Path) -> None:
    origin = {"kind": "system_trigger", "name": "subagent"}
    message = {"role": "user", "content": [{"type": "text", "text": "Count them"}], "toolCalls": [], "origin": origin}
    path = tmp_path / "s-1" / "agents" / "agent-0" / "wire.jsonl"
    view = imported(path, "kimi", {"type": "context.append_message", "message": message, "time": ms(0)})
    assert (said(view), view.parent and view.parent["session_id"]) == ([("user", "Count them")], "s-1")


# --- openclaw, qwen-code -----------------------------------------------------------------------------------------------------------------


def test_an_entry_whose_parent_is_no_entry_follows_the_last_one(tmp_path: Path) -> None:
    def entry(id: str, parent: str, role: str, content: Any, **more: Any) -> dict[str, Any]:
        return {"type": "message", "id": id, "parentId": parent, "timestamp": at(1), "message": {"role": role, "content": content, **more}}

    call = {"type": "toolCall", "id": "tc-1", "name": "run", "arguments": {}}
    view = imported(
        tmp_path / "o.jsonl",
        "openclaw",
        {"type": "session", "id": "oc-1", "version": 3, "timestamp": at(0), "cwd": "/work"},
        entry("m1", "oc-1", "user", [{"type": "text", "text": "Run it"}]),
        entry("m2", "m1", "assistant", [call]),
        entry("m3", "tc-1", "toolResult", "done", toolCallId="tc-1", toolName="run", isError=False),
        entry("m4", "m3", "assistant", [{"type": "text", "text": "Done"}]),
    )
    assert [message.exclude_from_context for message in view.messages] == [False, False, False]
    assert calls(view) == [("run", {}, "done", False)]


def test_qwen_rewinds_forks_and_tells_a_message_in_pieces(tmp_path: Path) -> None:
    def line(uuid: str, parent: str | None, kind: str, *parts: dict[str, Any], **more: Any) -> dict[str, Any]:
        common = {"uuid": uuid, "parentUuid": parent, "sessionId": "q-1", "timestamp": at(1), "type": kind, "cwd": "/work", **more}
        return {**common, "message": {"role": "user" if kind == "user" else "model", "parts": list(parts)}} if parts else common

    call = {"functionCall": {"id": "c1", "name": "read", "args": {"path": "a"}}}
    view = imported(
        tmp_path / "q.jsonl",
        "qwen-code",
        line("1", None, "user", {"text": "Begin"}, forkedFrom={"sessionId": "q-0", "messageUuid": "x"}, systemPayload={"displayText": "B"}),
        line("2", "1", "assistant", {"text": "A lost answer"}),
        line("3", "1", "system", subtype="rewind", systemPayload={"targetUuid": "1"}),
        line("4", "3", "user", {"text": "Go on"}),
        line("5", "4", "assistant", {"text": "Thinking", "thought": True}),
        line(
            "5",
            "4",
            "assistant",
            call,
            {"text": "The answer"},
            model="qwen-x",
            usageMetadata={"promptTokenCount": 12, "candidatesTokenCount": 4},
        ),
        line("6", "5", "system", subtype="session_artifact_snapshot", systemPayload={}, cwd="/elsewhere"),
        line("7", "6", "session_checkpoint", {"text": "nobody said this"}),
    )
    assert [(each.role, each.exclude_from_context, len(each.parts)) for each in view.messages] == [
        ("user", False, 1),
        ("assistant", True, 1),
        ("user", False, 1),
        ("assistant", False, 3),
    ]
    assert (view.parent, view.metadata["cwd"]) == ({"session_id": "q-0", "seq": None, "relation": "fork"}, "/work")
    assert (view.model, view.usage.input_tokens, view.usage.output_tokens) == ("qwen-x", 12, 4)


# --- antigravity, cursor -----------------------------------------------------------------------------------------------------------------


def test_antigravity_says_the_model_beside_the_prompt_and_its_arguments_as_json(tmp_path: Path) -> None:
    def step(number: int, source: str, kind: str, content: str, **more: Any) -> dict[str, Any]:
        return {
            "step_index": number,
            "source": source,
            "type": kind,
            "status": "DONE",
            "created_at": at(number),
            "content": content,
            **more,
        }

    chosen = "The user changed setting `Model Selection` from None to Gemini 9.5 Flash (Medium)."
    asked = f"<USER_REQUEST>\nList it.\n</USER_REQUEST>\n<USER_SETTINGS_CHANGE>\n{chosen}\n</USER_SETTINGS_CHANGE>"
    view = imported(
        tmp_path / "a.jsonl",
        "antigravity",
        step(0, "USER_EXPLICIT", "USER_INPUT", asked),
        step(1, "MODEL", "PLANNER_RESPONSE", "", tool_calls=[{"name": "list_dir", "args": {"DirectoryPath": '"/tmp"', "Depth": 1}}]),
        step(2, "MODEL", "LIST_DIRECTORY", "a.txt"),
        step(3, "MODEL", "VIEW_FILE", "hello"),
        step(4, "SYSTEM", "CHECKPOINT", "What was before"),
        step(5, "MODEL", "PLANNER_RESPONSE", "One file."),
    )
    assert (view.model, said(view)) == ("Gemini 9.5 Flash (Medium)", [("user", "List it."), ("assistant", ""), ("assistant", "One file.")])
    assert calls(view) == [("list_dir", {"DirectoryPath": "/tmp", "Depth": 1}, "a.txt", False), ("view_file", None, "hello", False)]
    assert [each.summary for each in view.compactions] == ["What was before"]


def test_calls_without_ids_in_a_transcript_are_answered_in_their_order(tmp_path: Path) -> None:
    def line(role: str, *blocks: dict[str, Any]) -> dict[str, Any]:
        return {"role": role, "message": {"content": list(blocks)}}

    view = imported(
        tmp_path / "c.jsonl",
        "cursor",
        line("user", {"type": "text", "text": "What is here?"}),
        line("assistant", {"type": "tool_use", "name": "Bash", "input": {"command": "ls"}}),
        line("user", {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "a.txt"}]}),
        line(
            "assistant", {"type": "tool_use", "name": "Read", "input": {"path": "a.txt"}}, {"type": "tool_use", "name": "Grep", "input": {}}
        ),
        line("user", {"type": "tool_result", "tool_use_id": "t2", "content": [{"type": "text", "text": "hello"}]}),
    )
    assert [(call.name, call.returned_seq is not None) for call in view.tool_calls] == [("Bash", True), ("Read", True), ("Grep", False)]
    assert (view.counts.user_messages, view.orphan_results) == (1, [])


def test_a_transcript_says_nothing_more_where_the_database_has_the_conversation(tmp_path: Path) -> None:
    from .samples_of_agents import cursor_app

    transcript = tmp_path / "cur-1" / "cur-1.jsonl"
    transcript.parent.mkdir()
    transcript.write_bytes(as_lines([{"role": "user", "message": {"content": [{"type": "text", "text": "What is a till?"}]}}]))
    database = cursor_app(tmp_path)
    for order in ([transcript, database], [database, transcript]):
        with EventLog.memory() as log:
            for path in order:
                assert import_paths(log, "cursor", [path]).skipped == []
            view = replay(log.session("cur-1").read(), SessionView)
            assert view.counts.user_messages == 1


def test_a_hermes_tool_that_failed_says_so_and_the_folder_is_in_its_config(tmp_path: Path) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "memory", "arguments": '{"q":1}'}}
    messages = [
        {"role": "user", "content": "Ask it"},
        {"role": "assistant", "content": "Calling.", "tool_calls": [call]},
        {"role": "tool", "content": "None.", "tool_call_id": "c1", "tool_name": "memory", "finish_reason": "error"},
    ]
    about = {"session_id": "h", "model": "m", "platform": "cli", "session_start": "2026-04-29T20:10:00", "model_config": {"cwd": "/work"}}
    path = tmp_path / "h.json"
    path.write_text(json.dumps({**about, "messages": messages}))
    with EventLog.memory() as log:
        assert import_paths(log, "hermes", [path]).skipped == []
        view = replay(log.session("h").read(), SessionView)
    assert (view.metadata["cwd"], calls(view)) == ("/work", [("memory", {"q": 1}, "None.", True)])


@pytest.mark.parametrize("format", ["roo-code", "kilo-code", "openclaw"])
def test_a_copied_file_of_a_family_is_of_whomever_it_is_imported_as(format: str, tmp_path: Path) -> None:
    from .samples_of_agents import pi_lines, roo

    if format == "openclaw":
        path = tmp_path / "a.jsonl"
        path.write_bytes(as_lines(pi_lines()))
    else:
        path = roo("copied")(tmp_path)
    with EventLog.memory() as log:
        assert import_paths(log, format, [path]).skipped == []
        (session_id,) = log.session_ids()
        assert replay(log.session(session_id).read(), SessionView).metadata["source"] == format
