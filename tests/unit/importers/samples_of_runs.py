"""Small sessions of what runs agents and evaluates them, and of notes of chats: for the suite that runs over all formats."""

from __future__ import annotations

from typing import Any

from .samples import Sample, document_in, growing, growing_text, text_in

# --- aider -----------------------------------------------------------------------------------------------------------------------

AIDER = """
# aider chat started at 2026-03-05 10:00:00

> Aider v0.80
> Git repo: .git with 3 files

#### Fix the till
#### and the drawer

The till is broken.

```
#### inside a fence
```

> Applied edit to till.py

#### thanks

Welcome.

# aider chat started at 2026-03-05 11:00:00

> Aider v0.80
"""


# --- swe-agent, mini-swe-agent ---------------------------------------------------------------------------------------------------


def _call(id: str, name: str, arguments: str) -> dict[str, Any]:
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def swe_agent() -> dict[str, Any]:
    history = [
        {"role": "system", "content": "You are a programmer", "agent": "main", "message_type": "system_prompt"},
        {"role": "user", "content": "An example", "agent": "main", "is_demo": True, "message_type": "demonstration"},
        {"role": "user", "content": "Fix the till", "agent": "main", "message_type": "observation"},
        {"role": "assistant", "content": "Look.\n```\nls\n```", "thought": "Look.", "action": "ls\n", "agent": "main"},
        {"role": "user", "content": "till.py", "agent": "main", "message_type": "observation"},
        {"role": "assistant", "content": "Open it", "action": "open till.py", "tool_calls": [_call("s1", "open", '{"path":"till.py"}')]},
        {"role": "tool", "content": "print(1)", "agent": "main", "tool_call_ids": ["s1"]},
    ]
    stats = {"instance_cost": 0.25, "tokens_sent": 700, "tokens_received": 40, "api_calls": 2}
    steps = [{"action": "ls\n", "observation": "till.py", "response": "Look.", "thought": "Look.", "state": "{}"}]
    return {"environment": "main", "trajectory": steps, "history": history, "info": {"exit_status": "submitted", "model_stats": stats}}


def mini_swe_agent() -> dict[str, Any]:
    usage = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120, "prompt_tokens_details": {"cached_tokens": 60}}
    extra = {"timestamp": 1_772_704_800.5, "cost": 0.125, "response": {"model": "gpt-x", "usage": usage}, "actions": []}
    result = {"returncode": 1, "timestamp": 1_772_704_801.5, "raw_output": "no"}
    return {
        "info": {"mini_version": "2.2.7", "exit_status": "Submitted", "config": {"model": {"model_name": "gpt-x"}}},
        "messages": [
            {"role": "system", "content": "You are a helpful assistant"},
            {"role": "user", "content": "Fix the till"},
            {"role": "assistant", "content": "Look", "tool_calls": [_call("m1", "bash", '{"command":"ls"}')], "extra": extra},
            {"role": "tool", "tool_call_id": "m1", "content": "<returncode>1</returncode>", "extra": result},
            {"role": "assistant", "content": "Done", "tool_calls": [_call("m2", "bash", '{"command":"echo"}')], "extra": extra},
            {"role": "exit", "content": "diff", "extra": {"exit_status": "Submitted"}},
        ],
        "trajectory_format": "mini-swe-agent-1.1",
        "instance_id": "till-1",
    }


def mini_swe_agent_bare() -> list[dict[str, Any]]:
    return [
        {"role": "system", "content": "You are a helpful assistant"},
        {"role": "user", "content": "Fix the till"},
        {"role": "assistant", "content": "Look\n```bash\nls\n```"},
        {"role": "user", "content": "<returncode>0</returncode>\n<output>\ntill.py\n</output>"},
        {"role": "assistant", "content": "Done"},
    ]


SAMPLES: list[Sample] = []
SAMPLES += [
    Sample(
        "aider",
        "aider",
        text_in(".aider.chat.history.md", AIDER),
        11,
        {
            "?1": {"title": None, "user": 3, "assistant": 3, "calls": 0, "preview": "Fix the till\nand the drawer"},
            "?2": {"user": 0, "assistant": 0},
        },
        states=growing_text(".aider.chat.history.md", AIDER),
    ),
    Sample(
        "swe-agent",
        "swe-agent",
        document_in("run/till/till.traj", swe_agent),
        8,
        {
            "?1": {
                "user": 1,
                "assistant": 2,
                "calls": 2,
                "open": 0,
                "input": 700,
                "output": 40,
                "cost": 0.25,
                "preview": "Fix the till",
            }
        },
        states=growing("run/till/till.traj", swe_agent, "history"),
        value=swe_agent,
    ),
    Sample(
        "mini-swe-agent",
        "mini-swe-agent",
        document_in("run/till/till.traj.json", mini_swe_agent),
        7,
        {
            "?1": {
                "user": 1,
                "assistant": 2,
                "calls": 2,
                "open": 1,
                "failed": 1,
                "input": 80,
                "output": 40,
                "cache_read": 120,
                "cost": 0.25,
                "preview": "Fix the till",
                "model": "gpt-x",
            }
        },
        states=growing("run/till/till.traj.json", mini_swe_agent, "messages"),
        value=mini_swe_agent,
    ),
    Sample(
        "mini-swe-agent",
        "mini-swe-agent bare",
        document_in("run/till/till.traj.json", mini_swe_agent_bare),
        6,
        {"?1": {"user": 1, "assistant": 2, "calls": 0, "preview": "Fix the till"}},
    ),
]
