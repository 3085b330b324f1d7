"""What misleads in a Codex rollout: everything twice, or only once; lines of the parent; bare lines of old versions; turns taken back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from eventlog import EventLog
from eventlog.importers import import_paths
from projections import SessionView, replay

from .samples import as_lines, at


def line(kind: str, minute: int, **payload: Any) -> dict[str, Any]:
    return {"timestamp": at(minute), "type": kind, "payload": payload}


def meta(id: str, minute: int = 0, **more: Any) -> dict[str, Any]:
    return line("session_meta", minute, id=id, timestamp=at(minute), cwd="/w", **more)


def item(role: str, text: str, minute: int) -> dict[str, Any]:
    return line("response_item", minute, type="message", role=role, content=[{"type": "input_text", "text": text}])


def event(kind: str, text: str, minute: int) -> dict[str, Any]:
    return line("event_msg", minute, type=kind, message=text)


def tokens(minute: int, input: int, output: int) -> dict[str, Any]:
    total = {"input_tokens": input, "cached_input_tokens": 0, "output_tokens": output}
    return line("event_msg", minute, type="token_count", info={"total_token_usage": total, "last_token_usage": total})


def imported(folder: Path, *records: dict[str, Any], by_states: bool = False) -> SessionView:
    """The view of the one session that the lines are; ``by_states``: the file is imported after every line."""
    path = folder / "rollout.jsonl"
    with EventLog.memory() as log:
        for count in range(1, len(records) + 1) if by_states else [len(records)]:
            path.write_bytes(as_lines(list(records[:count])))
            report = import_paths(log, "codex", [path])
            assert report.skipped == []
        (session_id,) = log.session_ids()
        return replay(log.session(session_id).read(), SessionView)


def said(view: SessionView) -> list[tuple[str, str]]:
    return [(message.role, message.parts[0]["content"]) for message in view.messages]


@pytest.mark.parametrize("by_states", [False, True])
def test_what_was_said_twice_by_a_person_is_told_from_what_stands_there_twice(by_states: bool, tmp_path: Path) -> None:
    view = imported(
        tmp_path,
        meta("s"),
        item("user", "Go on", 1),
        event("user_message", "Go on", 1),
        event("agent_message", "Done.", 2),
        item("assistant", "Done.", 2),
        event("user_message", "Go on", 3),
        event("agent_message", "Done.", 4),
        by_states=by_states,
    )
    assert said(view) == [("user", "Go on"), ("assistant", "Done."), ("user", "Go on"), ("assistant", "Done.")]


def test_a_session_of_events_only_shows_its_prompts(tmp_path: Path) -> None:
    assert said(imported(tmp_path, meta("s"), event("user_message", "Review it", 1))) == [("user", "Review it")]


def test_the_lines_of_a_parent_are_not_its_childs_tokens(tmp_path: Path) -> None:
    source = {"subagent": {"thread_spawn": {"parent_thread_id": "parent", "depth": 1}}}
    view = imported(
        tmp_path,
        meta("child", source=source, agent_role="explorer"),
        meta("parent"),
        item("user", "The parent's prompt", 0),
        tokens(0, 1000, 100),
        item("user", "Look around", 5),
        tokens(6, 1300, 150),
    )
    assert view.session_id == "child"
    assert view.parent is not None
    assert (view.parent["session_id"], view.parent["relation"]) == ("parent", "subagent")
    assert (view.usage.input_tokens, view.usage.output_tokens) == (300, 50)


def test_a_fork_names_the_session_that_it_goes_on_from(tmp_path: Path) -> None:
    view = imported(tmp_path, meta("new", forked_from_id="old"), item("user", "Hi", 1))
    assert view.parent is not None
    assert (view.parent["session_id"], view.parent["relation"]) == ("old", "fork")


def test_the_bare_lines_of_old_versions_are_read(tmp_path: Path) -> None:
    head = {"id": "old", "timestamp": at(0), "instructions": None, "git": {"branch": "main"}}
    call = {"type": "function_call", "name": "shell", "arguments": '{"command":["ls"]}', "call_id": "c"}
    output = {"type": "function_call_output", "call_id": "c", "output": '{"output":"a","metadata":{"exit_code":2,"duration_seconds":0.5}}'}
    text = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "List it"}]}
    view = imported(tmp_path, head, {"record_type": "state"}, text, call, output)
    assert said(view) == [("user", "List it")]
    (found,) = view.tool_calls
    assert (found.output, found.is_error, found.duration_ms) == ("a", True, 500.0)
    assert view.metadata["git_branch"] == "main"


def test_turns_that_were_rolled_back_are_kept_outside_of_what_the_model_sees(tmp_path: Path) -> None:
    view = imported(
        tmp_path,
        meta("s"),
        item("user", "One", 1),
        item("assistant", "1", 2),
        item("user", "Two", 3),
        item("assistant", "2", 4),
        line("event_msg", 5, type="thread_rolled_back", num_turns=1),
        item("user", "Three", 6),
    )
    assert [message.exclude_from_context for message in view.messages] == [False, False, True, True, False]


def test_the_end_of_a_call_that_comes_before_its_output_tells_how_it_went(tmp_path: Path) -> None:
    view = imported(
        tmp_path,
        meta("s"),
        line("response_item", 1, type="custom_tool_call", name="apply_patch", input="*** Begin", call_id="c", status="completed"),
        line("event_msg", 2, type="patch_apply_end", call_id="c", success=False, duration={"secs": 1, "nanos": 500_000_000}),
        line("response_item", 3, type="custom_tool_call_output", call_id="c", output="it does not apply"),
        line("response_item", 4, type="web_search_call", status="completed", action={"type": "search", "query": "till"}),
    )
    patch, search = view.tool_calls
    assert (patch.name, patch.arguments, patch.is_error, patch.duration_ms) == ("apply_patch", "*** Begin", True, 1500.0)
    assert (search.name, search.arguments["query"], search.returned_seq is None) == ("web_search", "till", False)


def test_counts_that_begin_anew_are_added(tmp_path: Path) -> None:
    view = imported(tmp_path, meta("s"), tokens(1, 1000, 100), tokens(2, 1500, 120), tokens(2, 1500, 120), tokens(3, 200, 10))
    assert (view.usage.input_tokens, view.usage.output_tokens) == (1700, 130)
    assert json.dumps(view.models) == "[]"


def completed(text: str, minute: int, kind: str = "UserMessage") -> dict[str, Any]:
    return line("event_msg", minute, type="item_completed", item={"type": kind, "content": [{"type": "text", "text": text}]})


@pytest.mark.parametrize("by_states", [False, True])
def test_what_a_completed_item_says_too_is_said_once(by_states: bool, tmp_path: Path) -> None:
    view = imported(
        tmp_path,
        meta("s"),
        item("user", "Fix it", 1),
        completed("Fix it", 1),
        event("user_message", "Fix it", 1),
        completed("Only here", 2),
        item("assistant", "Done", 3),
        completed("Done", 3, "AgentMessage"),
        completed("ls", 3, "CommandExecution"),
        item("user", "Fix it", 4),
        completed("Fix it", 4),
        by_states=by_states,
    )
    assert said(view) == [("user", "Fix it"), ("user", "Only here"), ("assistant", "Done"), ("user", "Fix it")]


def test_a_prompt_from_an_editor_is_told_from_what_the_editor_adds(tmp_path: Path) -> None:
    text = "# Context from my IDE setup:\n\n## Open tabs:\n- till.py\n\n## My request for Codex:\nFix the till\n"
    view = imported(tmp_path, meta("s"), item("user", text, 1), event("user_message", text, 1))
    assert said(view) == [("system", "# Context from my IDE setup:\n\n## Open tabs:\n- till.py"), ("user", "Fix the till")]


def test_a_session_is_called_what_the_list_of_sessions_calls_it_last(tmp_path: Path) -> None:
    folder = tmp_path / "sessions" / "2026"
    folder.mkdir(parents=True)
    entries = [{"id": "s", "thread_name": "Now", "updated_at": at(5)}, {"id": "s", "thread_name": "Then", "updated_at": at(1)}]
    (tmp_path / "session_index.jsonl").write_bytes(as_lines([*entries, {"id": "other", "thread_name": "No", "updated_at": at(9)}]))
    view = imported(folder, meta("s"), item("user", "Fix it", 1), by_states=True)
    assert view.title == "Now"


def test_an_old_file_says_its_folder_in_what_was_injected(tmp_path: Path) -> None:
    first = {"id": "s", "timestamp": at(0), "instructions": None, "git": {}}
    injected = "<environment_context>\n  <cwd>/work/shop</cwd>\n</environment_context>"
    message = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": injected}]}
    assert imported(tmp_path, first, message).metadata["cwd"] == "/work/shop"
