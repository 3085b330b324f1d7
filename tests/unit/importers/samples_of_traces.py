"""Small sessions as evaluations, traces and SDKs keep them: for the suite that runs over all formats."""

from __future__ import annotations

import json
import sqlite3
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .samples import Sample, as_lines, at, document_in, growing, lines_in, ms, text_in

# --- openhands -------------------------------------------------------------------------------------------------------------------


def openhands_run() -> dict[str, Any]:
    call = {"id": "t1", "function": {"name": "execute_bash", "arguments": '{"command":"ls"}'}}
    response = {"id": "gen-1", "choices": [{"message": {"role": "assistant", "content": "Look", "tool_calls": [call]}}]}
    made = {"function_name": "execute_bash", "tool_call_id": "t1", "model_response": response}
    time = "2026-03-05T10:00:00.000001"
    history = [
        {"id": 0, "timestamp": time, "source": "agent", "action": "system", "args": {"content": "You are OpenHands"}},
        {"id": 1, "timestamp": time, "source": "user", "action": "message", "args": {"content": "Fix the till"}},
        {"id": 2, "timestamp": time, "source": "user", "action": "recall", "args": {"query": "Fix the till"}},
        {"id": 4, "timestamp": time, "source": "environment", "cause": 2, "observation": "recall", "content": "Added"},
        {"id": 5, "timestamp": time, "source": "agent", "action": "run", "args": {"command": "ls"}, "tool_call_metadata": made},
        {"id": 6, "timestamp": time, "source": "agent", "cause": 5, "observation": "run", "content": "a", "tool_call_metadata": made},
    ]
    used = {"prompt_tokens": 100, "completion_tokens": 9, "cache_read_tokens": 40, "cache_write_tokens": 0}
    return {
        "instance_id": "till-1",
        "metadata": {"agent_class": "CodeActAgent", "llm_config": {"model": "openai/x"}},
        "history": history,
        "metrics": {"accumulated_cost": 0.5, "accumulated_token_usage": used},
    }


def openhands_events() -> list[dict[str, Any]]:
    user = {"role": "user", "content": [{"type": "text", "text": "Fix the till"}]}
    call = {"id": "c1", "name": "terminal", "arguments": '{"command":"ls"}'}
    totals = {"prompt_tokens": 50, "completion_tokens": 5, "cache_read_tokens": 10}
    stats = {"usage_to_metrics": {"default": {"model_name": "x", "accumulated_cost": 0.25, "accumulated_token_usage": totals}}}
    observed = {"content": [{"type": "text", "text": "a"}], "is_error": True}
    events = [
        {"source": "user", "llm_message": user, "kind": "MessageEvent"},
        {
            "source": "agent",
            "thought": [{"type": "text", "text": "Look"}],
            "reasoning_content": "Hm",
            "action": {"command": "ls", "kind": "TerminalAction"},
            "tool_name": "terminal",
            "tool_call_id": "c1",
            "tool_call": call,
            "llm_response_id": "r1",
            "kind": "ActionEvent",
        },
        {"source": "environment", "tool_call_id": "c1", "observation": observed, "action_id": "e1", "kind": "ObservationEvent"},
        {"source": "environment", "key": "stats", "value": stats, "kind": "ConversationStateUpdateEvent"},
    ]
    return [{"id": f"e{number}", "timestamp": f"2026-03-05T10:0{number}:00.000001", **event} for number, event in enumerate(events)]


# --- langsmith, managed-agents ---------------------------------------------------------------------------------------------------


def langsmith() -> dict[str, Any]:
    order = {"trace_id": "trace-1", "dotted_order": "20260305T100000000000Ztrace-1"}
    asked = {"messages": [{"role": "user", "content": "What is a till?"}], "model": "gpt-x"}
    message = {"role": "assistant", "content": "A drawer."}
    usage = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}
    answer = {"id": "r", "object": "chat.completion", "model": "gpt-x", "choices": [{"index": 0, "message": message}], "usage": usage}
    first = {"id": "trace-1", **order, "start_time": at(0), "name": "Chat", "run_type": "llm", "inputs": asked, "outputs": {}}
    tool = {"id": "run-2", **order, "parent_run_id": "trace-1", "start_time": at(1), "end_time": at(2), "name": "look", "run_type": "tool"}
    return {
        "post": [first, {**tool, "inputs": {"q": "till"}, "outputs": {"output": "a drawer"}}],
        "patch": [{"id": "trace-1", **order, "end_time": at(3), "outputs": answer}],
    }


def managed_agents() -> list[Any]:
    agent = {"id": "agent_1", "name": "Coder", "model": {"id": "claude-x"}, "system": "Be brief", "type": "agent"}
    usage = {"input_tokens": 2, "output_tokens": 34, "cache_read_input_tokens": 70, "cache_creation_input_tokens": 5}
    events: list[dict[str, Any]] = [
        {"type": "session.status_running"},
        {"type": "user.message", "content": [{"type": "text", "text": "Which day?"}]},
        {"type": "agent.tool_use", "name": "bash", "input": {"command": "date"}},
        {"type": "agent.tool_result", "tool_use_id": "sevt_2", "content": [{"type": "text", "text": "Monday"}], "is_error": False},
        {"type": "agent.message", "content": [{"type": "text", "text": "Monday."}]},
        {"type": "span.model_request_end", "model_usage": usage},
    ]
    method = "client.beta.sessions"
    stream = [
        [f"{method}.events.stream", {"id": f"sevt_{number}", "processed_at": at(number), **event}] for number, event in enumerate(events)
    ]
    created = {"id": "sesn_1", "agent": agent, "created_at": at(0), "title": "Days"}
    return [[f"{method}.create", created], [f"{method}.events.send", ["sesn_1", {"events": []}]], *stream]


# --- sharegpt, specstory ---------------------------------------------------------------------------------------------------------


def sharegpt() -> list[dict[str, Any]]:
    turns = [
        {"from": "system", "value": "Be brief"},
        {"from": "human", "value": "What is a till?"},
        {"from": "function_call", "value": '{"name":"look","arguments":{"q":"till"}}'},
        {"from": "observation", "value": "a drawer"},
        {"from": "gpt", "value": "A drawer."},
    ]
    return [{"id": "identity_0", "conversations": turns, "tools": "[]"}, {"id": "identity_0", "conversations": turns[1:2] + turns[4:]}]


SPECSTORY = """<!-- Generated by SpecStory, Markdown v2.1.0 -->

# 2026-03-05 10:00:00Z

<!-- Claude Code Session 55555555-aaaa-bbbb-cccc-000000000001 (2026-03-05 10:00:00Z) -->

_**User (2026-03-05 10:00:00Z)**_

<command-name>/clear</command-name>

_**User (2026-03-05 10:01:00Z)**_

Show the status

---

_**Agent (claude-x 2026-03-05 10:02:00Z)**_

<think><details><summary>Thought Process</summary>
Hm.
</details></think>

<tool-use data-tool-type="shell" data-tool-name="shell_command"><details>
<summary>Tool use: **shell_command**</summary>

```bash
git status
```
</details></tool-use>

Clean.

---

_**User (2026-03-05 10:03:00Z)**_

Thanks
"""

# --- inspect ---------------------------------------------------------------------------------------------------------------------


def inspect_sample() -> dict[str, Any]:
    call = {"id": "i1", "function": "look", "arguments": {"q": "till"}, "type": "function"}
    return {
        "id": 1,
        "epoch": 1,
        "input": "What is a till?",
        "target": "drawer",
        "messages": [
            {"role": "system", "content": "attachment://abc"},
            {"role": "user", "content": "What is a till?", "source": "input"},
            {"role": "assistant", "content": [{"type": "reasoning", "reasoning": "Hm"}], "tool_calls": [call]},
            {"role": "tool", "content": "", "tool_call_id": "i1", "function": "look", "error": {"type": "timeout", "message": "late"}},
            {"role": "assistant", "content": "A drawer."},
        ],
        "output": {"model": "x", "choices": []},
        "scores": {"match": {"value": "C"}},
        "events": [{"timestamp": "2026-03-05T10:00:00+00:00", "event": "sample_init"}],
        "model_usage": {"m/x": {"input_tokens": 70, "output_tokens": 4, "total_tokens": 74, "input_tokens_cache_read": 30}},
        "attachments": {"abc": "Be brief"},
    }


def inspect_log() -> dict[str, Any]:
    ran = {"run_id": "run-1", "task": "tills", "created": "2026-03-05T10:00:00+00:00", "model": "m/x"}
    return {"version": 2, "status": "success", "eval": ran, "plan": {}, "stats": {}, "samples": [inspect_sample()]}


def inspect_archive(folder: Path) -> Path:
    path = folder / "tills.eval"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("header.json", json.dumps({name: value for name, value in inspect_log().items() if name != "samples"}))
        archive.writestr("samples/1_epoch_1.json", json.dumps(inspect_sample()))
        archive.writestr("samples/1_epoch_2.json", json.dumps({**inspect_sample(), "epoch": 2}))
    return path


# --- openai-agents, copilot-vscode, request logs -----------------------------------------------------------------------------------


def openai_agents(folder: Path, count: int = 5) -> Path:
    path = folder / "sessions.db"
    path.unlink(missing_ok=True)
    connection = sqlite3.connect(path)
    connection.executescript(
        "create table agent_sessions(session_id text primary key, created_at timestamp, updated_at timestamp);"
        "create table agent_messages(id integer primary key, session_id text, message_data text, created_at timestamp)"
    )
    connection.execute("insert into agent_sessions values ('oa-1', '2026-03-05 10:00:00', ?)", (f"2026-03-05 10:0{count}:00",))
    items: list[dict[str, Any]] = [
        {"role": "user", "content": "What is a till?"},
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm"}]},
        {"type": "function_call", "call_id": "c1", "name": "look", "arguments": '{"q":"till"}', "id": "fc_1"},
        {"type": "function_call_output", "call_id": "c1", "output": "a drawer"},
        {
            "type": "message",
            "id": "msg_1",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "A drawer.", "annotations": []}],
        },
    ]
    for number, item in enumerate(items[:count], 1):
        row = (number, "oa-1", json.dumps(item), f"2026-03-05 10:0{number}:00")
        connection.execute("insert into agent_messages values (?, ?, ?, ?)", row)
    connection.commit()
    connection.close()
    return path


def copilot_vscode() -> dict[str, Any]:
    tool = {"kind": "toolInvocationSerialized", "toolId": "copilot_readFile", "toolCallId": "v1", "isComplete": True}
    answer = [{"value": "Look"}, {"value": "ing. "}, {**tool, "invocationMessage": {"value": "Reading"}, "pastTenseMessage": "Read a"}]
    request = {"requestId": "request_1", "timestamp": ms(0), "modelId": "copilot/gpt-x", "message": {"text": "Look", "parts": []}}
    return {
        "version": 3,
        "sessionId": "vs-1",
        "creationDate": ms(0),
        "customTitle": "A look",
        "requesterUsername": "ada",
        "requests": [{**request, "response": answer}, {**request, "requestId": "request_2", "message": "Thanks", "response": []}],
    }


def copilot_journal() -> list[dict[str, Any]]:
    whole = copilot_vscode()
    first, second = whole["requests"]
    return [
        {"kind": 0, "v": {**whole, "sessionId": "vs-2", "customTitle": None, "requests": [{**first, "response": first["response"][:1]}]}},
        {"kind": 2, "k": ["requests", 0, "response"], "v": first["response"][1:]},
        {"kind": 1, "k": ["customTitle"], "v": "A look"},
        {"kind": 2, "k": ["requests"], "v": [second]},
    ]


def request_log() -> dict[str, Any]:
    message = {"role": "assistant", "content": "A drawer."}
    usage = {"prompt_tokens": 90, "completion_tokens": 3, "total_tokens": 93, "prompt_tokens_details": {"cached_tokens": 60}}
    response = {"id": "chatcmpl-1", "model": "gpt-x", "object": "chat.completion", "choices": [{"message": message}], "usage": usage}
    asked = [{"role": "user", "content": "What is a till?"}]
    return {"messages": asked, "tools": [], "response": response, "cost": 0.5, "timestamp": ms(0) / 1000, "latency_sec": 1.5}


def run_list() -> list[dict[str, Any]]:
    call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    traj = [
        {"role": "user", "content": "What is a till?"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "a drawer"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "a plant"},
    ]
    return [{"task_id": 0, "trial": 0, "reward": 1.0, "info": {"cost": 0.25}, "traj": traj}]


def _json_lines(name: str, values: list[Any]) -> Any:
    return text_in(name, as_lines(values).decode())


def _agents_states(folder: Path) -> Iterator[Path]:
    yield from (openai_agents(folder, count) for count in range(6))


_ANSWERED = {"user": 1, "assistant": 1, "calls": 1, "open": 0, "preview": "What is a till?"}
_EVALUATED = {**_ANSWERED, "assistant": 2, "failed": 1, "input": 40, "output": 4, "cache_read": 30, "model": "m/x"}
_LOOK = {"title": "A look", "user": 2, "assistant": 1, "calls": 1, "open": 0, "preview": "Look", "model": "copilot/gpt-x"}
SAMPLES = [
    Sample(
        "openhands",
        "openhands V0",
        _json_lines("output.jsonl", [openhands_run()]),
        7,
        {"?1": {"user": 1, "assistant": 1, "calls": 1, "open": 0, "input": 60, "output": 9, "cost": 0.5, "preview": "Fix the till"}},
        states=growing("output.jsonl", openhands_run, "history"),
        value=openhands_run,
    ),
    Sample(
        "openhands",
        "openhands V1",
        lines_in("till-2/events.jsonl", openhands_events),
        4,
        {"till-2": {"user": 1, "assistant": 1, "calls": 1, "open": 0, "failed": 1, "input": 40, "cost": 0.25, "preview": "Fix the till"}},
        openhands_events,
    ),
    Sample(
        "langsmith",
        "langsmith",
        document_in("runs.json", langsmith),
        3,
        {"trace-1": {**_ANSWERED, "title": "Chat", "input": 9, "output": 3, "model": "gpt-x"}},
        states=growing("runs.json", langsmith, "patch"),
        value=langsmith,
    ),
    Sample(
        "managed-agents",
        "managed-agents",
        _json_lines("stream.jsonl", managed_agents()),
        8,
        {"sesn_1": {"title": "Days", "user": 1, "assistant": 1, "calls": 1, "open": 0, "input": 2, "output": 34, "cache_read": 70}},
    ),
    Sample(
        "sharegpt", "sharegpt", document_in("chats.json", sharegpt), 2, {"?1": _ANSWERED | {"assistant": 2}, "?2": _ANSWERED | {"calls": 0}}
    ),
    Sample(
        "specstory",
        "specstory",
        text_in("2026-03-05_10-00-00Z-status.md", SPECSTORY),
        5,
        {
            "55555555-aaaa-bbbb-cccc-000000000001": {
                "title": None,
                "user": 2,
                "assistant": 1,
                "calls": 1,
                "open": 0,
                "preview": "Show the status",
                "model": "claude-x",
            }
        },
    ),
    Sample(
        "inspect",
        "inspect document",
        document_in("tills.json", inspect_log),
        6,
        {"?1": _EVALUATED},
        value=inspect_log,
    ),
    Sample("inspect", "inspect archive", inspect_archive, 12, {"?1": _EVALUATED, "?2": _EVALUATED}),
    Sample("openai-agents", "openai-agents", openai_agents, 6, {"oa-1": {**_ANSWERED, "assistant": 1}}, states=_agents_states),
    Sample(
        "copilot-vscode",
        "copilot-vscode document",
        document_in("vs-1.json", copilot_vscode),
        3,
        {"vs-1": _LOOK},
        states=growing("vs-1.json", copilot_vscode, "requests"),
        value=copilot_vscode,
    ),
    Sample("copilot-vscode", "copilot-vscode journal", lines_in("vs-2.jsonl", copilot_journal), 4, {"vs-2": _LOOK}, copilot_journal),
    Sample(
        "openai",
        "openai request log",
        document_in("log.json", request_log),
        1,
        {"?1": {**_ANSWERED, "calls": 0, "input": 30, "output": 3, "cache_read": 60, "cost": 0.5, "model": "gpt-x"}},
        value=request_log,
    ),
    Sample(
        "openai",
        "openai runs",
        document_in("runs.json", run_list),
        1,
        {"?1": {**_ANSWERED, "assistant": 2, "calls": 2, "cost": 0.25}},
        value=run_list,
    ),
]
