"""The rules of the formats that we write, as their consumers state them: each check raises `AssertionError`, and knows none of our code."""

from __future__ import annotations

import json
import re
from typing import Any

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def check_openai(messages: list[dict[str, Any]]) -> None:
    """Chat Completions: roles, content, every call answered right behind its message, in any order."""
    open_ids: set[str] = set()
    seen: set[str] = set()
    for message in messages:
        role, content = message["role"], message.get("content")
        assert set(message) <= {"role", "content", "tool_calls", "tool_call_id", "weight"}
        if role == "tool":
            assert message["tool_call_id"] in open_ids
            open_ids.remove(message["tool_call_id"])
            assert isinstance(content, str)
            continue
        assert not open_ids, f"calls without a result: {open_ids}"
        assert role in ("system", "user", "assistant")
        if role == "assistant":
            assert content is None or (isinstance(content, str) and content)
            assert content is not None or message.get("tool_calls")
            for call in message.get("tool_calls", ()):
                assert call["type"] == "function"
                assert _ID.fullmatch(call["id"])
                assert len(call["id"]) <= 40
                assert _ID.fullmatch(call["function"]["name"])
                assert isinstance(call["function"]["arguments"], str)
                assert isinstance(json.loads(call["function"]["arguments"]), dict)
                assert call["id"] not in seen
                seen.add(call["id"])
                open_ids.add(call["id"])
        else:
            assert "tool_calls" not in message
            if isinstance(content, list):
                assert role == "user"
                assert content
                for part in content:
                    assert part["type"] in ("text", "image_url", "input_audio", "file")
                    assert isinstance(part["text"], str) if part["type"] == "text" else part[part["type"]]
            else:
                assert isinstance(content, str)
    assert not open_ids, f"calls without a result: {open_ids}"


def check_anthropic(messages: list[dict[str, Any]]) -> None:
    """Messages API: the user begins, roles alternate, results come first in the message after their calls, no text is empty,
    no answer ends with thinking."""
    open_ids: set[str] = set()
    seen: set[str] = set()
    for index, message in enumerate(messages):
        role, content = message["role"], message["content"]
        assert role == ("user", "assistant")[index % 2]
        assert isinstance(content, list)
        assert content
        results = [block for block in content if block["type"] == "tool_result"]
        assert content[: len(results)] == results, "results come first"
        assert {block["tool_use_id"] for block in results} == open_ids
        assert len(results) == len(open_ids)
        open_ids = set()
        assert role == "user" or content[-1]["type"] not in ("thinking", "redacted_thinking"), "an answer does not end with thinking"
        for block in content:
            kind = block["type"]
            if role == "assistant":
                assert kind in ("text", "thinking", "redacted_thinking", "tool_use")
            else:
                assert kind in ("text", "image", "document", "tool_result")
            if kind == "text":
                assert block["text"].strip()
            elif kind == "thinking":
                assert isinstance(block["signature"], str)
            elif kind == "tool_use":
                assert isinstance(block["input"], dict)
                assert _ID.fullmatch(block["name"])
                assert _ID.fullmatch(block["id"])
                assert block["id"] not in seen
                seen.add(block["id"])
                open_ids.add(block["id"])
            elif kind == "tool_result":
                for inner in block.get("content", ()):
                    assert inner["type"] in ("text", "image", "document")
                    assert inner["type"] != "text" or inner["text"].strip()
    assert not open_ids, f"calls without a result: {open_ids}"


def check_openai_sample(row: dict[str, Any]) -> None:
    """Chat fine-tuning: nothing but these fields, ends with an answer that is learned, tools are defined."""
    assert set(row) <= {"messages", "tools", "parallel_tool_calls"}
    messages = row["messages"]
    check_openai(messages)
    assert messages[-1]["role"] == "assistant"
    assert any(message["role"] == "user" for message in messages)
    assert any(message["role"] == "assistant" and message.get("weight", 1) == 1 for message in messages)
    for message in messages:
        assert message.get("weight", 1) in (0, 1)
        assert "weight" not in message or message["role"] == "assistant"
    defined = set()
    for tool in row.get("tools", ()):
        assert tool["type"] == "function"
        assert isinstance(tool["function"].get("parameters", {}), dict)
        defined.add(tool["function"]["name"])
    assert {call["function"]["name"] for message in messages for call in message.get("tool_calls", ())} <= defined


def check_trl_sample(row: dict[str, Any]) -> None:
    """Conversational language modelling: text content, arguments as objects, results that name their tool."""
    called: list[str] = []
    for message in row["messages"]:
        assert message["role"] in ("system", "user", "assistant", "tool")
        assert isinstance(message["content"], str)
        if message["role"] == "tool":
            assert set(message) == {"role", "name", "content"}
            assert message["name"] == called.pop(0)
            continue
        assert called == []
        for call in message.get("tool_calls", ()):
            assert message["role"] == "assistant"
            assert call["type"] == "function"
            assert isinstance(call["function"]["arguments"], dict)
            called.append(call["function"]["name"])
    assert called == []
    assert row["messages"][-1]["role"] == "assistant"
    assert row["tools"] is None or all(tool["type"] == "function" for tool in row["tools"])


def check_sharegpt_sample(row: dict[str, Any]) -> None:
    """ShareGPT as LLaMA-Factory reads it: human and observation on odd places, gpt and function_call on even ones, an answer at the end."""
    turns = row["conversations"]
    assert turns
    assert len(turns) % 2 == 0
    for place, turn in enumerate(turns, 1):
        assert set(turn) == {"from", "value"}
        assert turn["from"] in (("human", "observation") if place % 2 else ("gpt", "function_call"))
        assert isinstance(turn["value"], str)
        if turn["from"] == "function_call":
            calls = json.loads(turn["value"])
            for call in calls if isinstance(calls, list) else [calls]:
                assert set(call) == {"name", "arguments"}
                assert isinstance(call["arguments"], dict)
            assert place == len(turns) or turns[place]["from"] == "observation"
        if turn["from"] == "observation":
            assert turns[place - 2]["from"] == "function_call"
    assert turns[0]["from"] == "human"
    assert turns[-1]["from"] == "gpt"
    assert isinstance(row.get("system", ""), str)
    assert isinstance(json.loads(row.get("tools", "[]")), list)
