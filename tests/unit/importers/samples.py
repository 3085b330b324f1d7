"""One small session of each tool, made here, with what it must show: for the suite that runs over all formats (`test_formats`)."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

HOUR = "2026-03-05T10"


class Sample(NamedTuple):
    """``write`` puts the session's files below a folder and gives what to import. ``records``: how many it has. ``shows``: by session.
    ``states``: writes the states that its files went through, one after the other, and gives each."""

    format: str
    name: str
    write: Callable[[Path], Path]
    records: int
    shows: dict[str, dict[str, Any]]
    lines: Callable[[], list[dict[str, Any]]] | None = None  # of a format of lines
    states: Callable[[Path], Iterator[Path]] | None = None
    value: Callable[[], Any] | None = None  # of a document of its own
    is_timed: bool = True  # from its first record on


def at(minute: int, second: int = 0) -> str:
    return f"{HOUR}:{minute:02}:{second:02}.000Z"


def ms(minute: int) -> int:
    return 1_772_704_800_000 + minute * 60_000  # 2026-03-05T10:00Z


def as_lines(records: list[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def lines_in(name: str, records: Callable[[], list[dict[str, Any]]]) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(as_lines(records()))
        return path

    return write


def document_in(name: str, value: Callable[[], Any]) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(value(), indent=2))
        return path

    return write


def growing(name: str, value: Callable[[], dict[str, Any]], list_name: str) -> Callable[[Path], Iterator[Path]]:
    """The states of a document that gets one message after the other."""

    def states(folder: Path) -> Iterator[Path]:
        for count in range(len(value()[list_name]) + 1):
            whole = value()
            yield document_in(name, lambda whole=whole, count=count: {**whole, list_name: whole[list_name][:count]})(folder)

    return states


def growing_text(name: str, text: str) -> Callable[[Path], Iterator[Path]]:
    def states(folder: Path) -> Iterator[Path]:
        for count in range(0, len(text) + 1, 3):
            (folder / name).write_text(text[:count])
            yield folder / name
        (folder / name).write_text(text)
        yield folder / name

    return states


def text_in(name: str, text: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        (folder / name).write_text(text)
        return folder / name

    return write


# --- claude-code -----------------------------------------------------------------------------------------------------------------


def claude_code() -> list[dict[str, Any]]:
    common = {"sessionId": "cc-1", "cwd": "/work/shop", "version": "2.1.0", "isSidechain": False}
    usage = {"input_tokens": 10, "output_tokens": 5, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 7}
    call = {"type": "tool_use", "id": "t1", "name": "Bash", "input": {"command": "ls"}}
    answer = {"id": "m1", "type": "message", "role": "assistant", "model": "claude-x", "content": [call], "usage": usage}
    result = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "a.txt"}]}
    return [
        {**common, "type": "user", "uuid": "u1", "parentUuid": None, "timestamp": at(0), "message": {"role": "user", "content": "List it"}},
        {**common, "type": "assistant", "uuid": "u2", "parentUuid": "u1", "timestamp": at(1), "message": answer},
        {**common, "type": "user", "uuid": "u3", "parentUuid": "u2", "timestamp": at(2), "message": result},
        {"type": "custom-title", "customTitle": "A listing", "sessionId": "cc-1"},
    ]


# --- codex -----------------------------------------------------------------------------------------------------------------------


def _codex(kind: str, payload: dict[str, Any], minute: int) -> dict[str, Any]:
    return {"timestamp": at(minute), "type": kind, "payload": payload}


def _total(input: int, cached: int, output: int, reasoning: int) -> dict[str, int]:
    return {
        "input_tokens": input,
        "cached_input_tokens": cached,
        "output_tokens": output,
        "reasoning_output_tokens": reasoning,
        "total_tokens": input + output,
    }


def codex() -> list[dict[str, Any]]:
    meta = {"id": "0199-codex", "timestamp": at(0), "cwd": "/work/shop", "originator": "codex_exec", "cli_version": "0.140.0"}
    first, second = _total(1000, 400, 50, 20), _total(2500, 1400, 80, 30)
    output = "Exit code: 1\nWall time: 0.5 seconds\nOutput:\nno such file"
    return [
        _codex("session_meta", {**meta, "source": "cli", "model_provider": "openai", "git": {"branch": "main"}}, 0),
        _codex("response_item", _said("user", "<environment_context>\n<cwd>/work/shop</cwd></environment_context>"), 0),
        _codex("turn_context", {"cwd": "/work/shop", "model": "gpt-x", "approval_policy": "never", "sandbox_policy": {"mode": "off"}}, 0),
        _codex("response_item", _said("user", "Fix the till"), 1),
        _codex("event_msg", {"type": "user_message", "message": "Fix the till", "images": []}, 1),
        _codex("event_msg", {"type": "agent_reasoning", "text": "**Looking**"}, 2),
        _codex("response_item", {"type": "reasoning", "summary": [{"type": "summary_text", "text": "**Looking**"}], "content": None}, 2),
        _codex("response_item", {"type": "function_call", "name": "shell", "arguments": '{"command":["cat","till"]}', "call_id": "c1"}, 3),
        _codex("event_msg", {"type": "token_count", "info": {"total_token_usage": first, "last_token_usage": first}}, 3),
        _codex("event_msg", {"type": "token_count", "info": {"total_token_usage": first, "last_token_usage": first}}, 3),
        _codex("response_item", {"type": "function_call_output", "call_id": "c1", "output": output}, 4),
        _codex("event_msg", {"type": "agent_message", "message": "There is no till."}, 5),
        _codex("response_item", _said("assistant", "There is no till."), 5),
        _codex(
            "event_msg", {"type": "token_count", "info": {"total_token_usage": second, "last_token_usage": _total(1500, 1000, 30, 10)}}, 6
        ),
        _codex("event_msg", {"type": "thread_name_updated", "thread_id": "0199-codex", "thread_name": "The till"}, 6),
    ]


def _said(role: str, text: str) -> dict[str, Any]:
    return {"type": "message", "role": role, "content": [{"type": "output_text" if role == "assistant" else "input_text", "text": text}]}


# --- gemini-cli ------------------------------------------------------------------------------------------------------------------


def _gemini_messages() -> list[dict[str, Any]]:
    response = {"functionResponse": {"id": "g1", "name": "ls", "response": {"output": "a.txt"}}}
    call = {"id": "g1", "name": "ls", "args": {"path": "."}, "status": "success", "result": [response], "timestamp": at(2)}
    tokens = {"input": 900, "output": 40, "cached": 500, "thoughts": 25, "tool": 0, "total": 965}
    thought = {"subject": "Listing", "description": "the folder", "timestamp": at(2)}
    return [
        {"id": "g-0", "timestamp": at(0), "type": "user", "content": [{"text": "<session_context>\nfolders"}]},
        {"id": "g-1", "timestamp": at(1), "type": "user", "content": [{"text": "What is here?"}]},
        {
            "id": "g-2",
            "timestamp": at(2),
            "type": "gemini",
            "content": "One file.",
            "thoughts": [thought],
            "toolCalls": [call],
            "tokens": tokens,
            "model": "gemini-x",
        },
        {"id": "g-3", "timestamp": at(3), "type": "info", "content": "Request cancelled."},
    ]


def gemini_lines() -> list[dict[str, Any]]:
    head = {"sessionId": "gem-1", "projectHash": "ab" * 32, "startTime": at(0), "lastUpdated": at(0), "kind": "main"}
    user, prompt, answer, info = _gemini_messages()
    unfinished = {name: value for name, value in answer.items() if name != "toolCalls"}
    return [head, user, prompt, unfinished, {"$set": {"lastUpdated": at(2), "summary": "A look around"}}, answer, info]


def gemini_document() -> dict[str, Any]:
    head = {"sessionId": "gem-2", "projectHash": "ab" * 32, "startTime": at(0), "lastUpdated": at(3), "summary": "A look around"}
    return {**head, "messages": _gemini_messages()}


# --- chats -----------------------------------------------------------------------------------------------------------------------


def _node(id: str, parent: str | None, children: list[str], role: str, text: str, minute: int, **more: Any) -> dict[str, Any]:
    message = {
        "id": id,
        "author": {"role": role, "name": more.pop("name", None)},
        "create_time": ms(minute) / 1000,
        "content": more.pop("content", {"content_type": "text", "parts": [text]}),
        "recipient": more.pop("recipient", "all"),
        "weight": 1.0,
        "metadata": {"model_slug": "gpt-x"} if role == "assistant" else {},
    }
    return {"id": id, "message": message, "parent": parent, "children": children}


def chatgpt() -> list[dict[str, Any]]:
    nodes = [
        {"id": "root", "message": None, "parent": None, "children": ["q1", "q2"]},
        _node("q1", "root", ["a1"], "user", "What is a til?", 0),
        _node("a1", "q1", [], "assistant", "A plant?", 1),
        _node("q2", "root", ["c1"], "user", "What is a till?", 2),
        _node("c1", "q2", ["r1"], "assistant", "", 3, recipient="browser", content={"content_type": "code", "text": 'search("till")'}),
        _node("r1", "c1", ["a2"], "tool", "", 3, name="browser", content={"content_type": "tether_quote", "text": "a money drawer"}),
        _node("a2", "r1", [], "assistant", "A money drawer.", 4),
    ]
    conversation = {"id": "gpt-1", "title": "Tills", "create_time": ms(0) / 1000, "update_time": None, "current_node": "a2"}
    return [{**conversation, "mapping": {node["id"]: node for node in nodes}}]


def claude_ai() -> list[dict[str, Any]]:
    blocks = [
        {"type": "thinking", "thinking": "A drawer."},
        {"type": "tool_use", "name": "web_search", "input": {"query": "till"}},
        {"type": "tool_result", "name": "web_search", "content": [{"type": "text", "text": "a drawer"}], "is_error": False},
        {"type": "text", "text": "A money drawer."},
    ]
    file = {"file_name": "list.txt", "extracted_content": "one\ntwo"}
    messages = [
        {
            "uuid": "h1",
            "text": "What is a till?",
            "content": [],
            "sender": "human",
            "created_at": at(0),
            "attachments": [file],
            "files": [],
        },
        {"uuid": "b1", "text": "A money drawer.", "content": blocks, "sender": "assistant", "created_at": at(1), "attachments": []},
    ]
    return [
        {"uuid": "cai-1", "name": "Tills", "created_at": at(0), "updated_at": at(1), "account": {"uuid": "x"}, "chat_messages": messages}
    ]


# --- copilot-cli, pi -------------------------------------------------------------------------------------------------------------


def copilot() -> list[dict[str, Any]]:
    request = {"toolCallId": "k1", "name": "view", "arguments": {"path": "."}, "type": "function"}
    usage = {"inputTokens": 900, "outputTokens": 60, "cacheReadTokens": 300, "cacheWriteTokens": 100, "reasoningTokens": 10}
    events: list[tuple[str, dict[str, Any]]] = [
        ("session.start", {"sessionId": "cop-1", "copilotVersion": "1.0.34", "startTime": at(0), "context": {"cwd": "/work/shop"}}),
        ("session.model_change", {"newModel": "gpt-x"}),
        ("user.message", {"content": "Look", "transformedContent": "<now/>Look"}),
        ("assistant.message", {"messageId": "x1", "content": "", "toolRequests": [request], "outputTokens": 20}),
        ("tool.execution_start", {"toolCallId": "k1", "toolName": "view", "arguments": {"path": "."}}),
        ("tool.execution_complete", {"toolCallId": "k1", "success": True, "result": {"content": "a.txt"}}),
        ("assistant.message", {"messageId": "x2", "content": "One file.", "toolRequests": [], "outputTokens": 30}),
        ("user.message", {"content": "", "transformedContent": "You are not done."}),
        ("session.shutdown", {"modelMetrics": {"gpt-x": {"usage": usage}}}),
    ]
    return [
        {"type": kind, "data": data, "id": f"e{number}", "timestamp": at(number), "parentId": f"e{number - 1}" if number else None}
        for number, (kind, data) in enumerate(events)
    ]


def copilot_document() -> dict[str, Any]:
    call = {"id": "k1", "type": "function", "function": {"name": "view", "arguments": '{"path":"."}'}}
    messages = [
        {"role": "user", "content": "Look"},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "k1", "content": "a.txt"},
        {"role": "assistant", "content": "One file."},
    ]
    return {"sessionId": "cop-2", "startTime": at(0), "chatMessages": messages, "timeline": []}


def pi() -> list[dict[str, Any]]:
    usage = {"input": 30, "output": 12, "cacheRead": 200, "cacheWrite": 5, "cost": {"total": 0.25}}
    call = {"type": "toolCall", "id": "p1", "name": "read", "arguments": {"path": "a"}}
    answer = {"role": "assistant", "content": [call], "api": "x", "provider": "anthropic", "model": "claude-x", "usage": usage}
    result = {"role": "toolResult", "toolCallId": "p1", "toolName": "read", "content": [{"type": "text", "text": "one"}], "isError": False}
    other = {**answer, "content": [{"type": "text", "text": "Done."}], "usage": {"input": 1, "output": 2, "cost": {"total": 0.5}}}

    def entry(id: str, parent: str | None, minute: int, message: dict[str, Any]) -> dict[str, Any]:
        whole = {"id": id, "parentId": parent, "timestamp": at(minute), "message": {**message, "timestamp": ms(minute)}}
        return {"type": "message", **whole}

    return [
        {"type": "session", "version": 3, "id": "pi-1", "timestamp": at(1), "cwd": "/work/shop"},
        entry("i1", None, 0, {"role": "user", "content": [{"type": "text", "text": "Read a"}]}),
        entry("i2", "i1", 1, answer),
        entry("i3", "i2", 2, result),
        entry("i4", "i3", 3, {"role": "user", "content": "And b?"}),
        entry("i5", "i3", 4, {"role": "user", "content": "Thanks"}),
        entry("i6", "i5", 5, other),
        {"type": "session_info", "id": "i7", "parentId": "i6", "timestamp": at(6), "name": "Reading"},
    ]


# --- opencode --------------------------------------------------------------------------------------------------------------------

_TOOL = {
    "type": "tool",
    "callID": "o1",
    "tool": "bash",
    "state": {"status": "completed", "input": {"command": "ls"}, "output": "a.txt", "time": {"start": ms(1), "end": ms(1) + 250}},
}
_TOKENS = {"input": 70, "output": 20, "reasoning": 6, "total": 226, "cache": {"read": 100, "write": 30}}


def _answer(**more: Any) -> dict[str, Any]:
    return {"role": "assistant", "modelID": "claude-x", "providerID": "anthropic", "cost": 0.125, "tokens": _TOKENS, **more}


def opencode_database(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.executescript(
        "create table session(id text, project_id text, parent_id text, directory text, title text, version text,"
        " time_created integer, time_updated integer, time_archived integer);"
        "create table message(id text, session_id text, time_created integer, time_updated integer, data text);"
        "create table part(id text, message_id text, session_id text, time_created integer, time_updated integer, data text);"
        "create table session_message(id text, session_id text, type text, time_created integer, time_updated integer, data text)"
    )
    add_opencode_session(connection, "ses_1", "Listing", None)
    add_opencode_session(connection, "ses_2", "New session - 2026-03-05T10:00:00.000Z", "ses_1")
    connection.commit()
    connection.close()


def add_opencode_session(connection: sqlite3.Connection, id: str, title: str, parent: str | None) -> None:
    put(connection, "session", id, "global", parent, "/work/shop", title, "1.16.0", ms(0), ms(3), None)
    for number, data in enumerate([{"role": "user", "time": {"created": ms(0)}}, _answer(time={"created": ms(1)}, finish="stop")]):
        put(connection, "message", f"msg_{id}_{number}", id, ms(number), ms(number), json.dumps(data))
    parts: list[tuple[int, dict[str, Any]]] = [
        (0, {"type": "text", "text": "List it"}),
        (0, {"type": "text", "text": "You are in plan mode", "synthetic": True}),
        (1, {"type": "reasoning", "text": "Listing"}),
        (1, _TOOL),
        (1, {"type": "text", "text": "One file."}),
    ]
    for number, (message, data) in enumerate(parts):
        put(connection, "part", f"prt_{id}_{number}", f"msg_{id}_{message}", id, ms(number), ms(number), json.dumps(data))


def put(connection: sqlite3.Connection, table: str, *values: Any) -> None:
    connection.execute(f"insert into {table} values ({', '.join('?' * len(values))})", values)


def second_generation(path: Path) -> None:
    """The database of the first generation as a migration leaves it, with a session in the new tables, too."""
    opencode_database(path)
    connection = sqlite3.connect(path)
    connection.executescript(
        "drop table session_message;"
        "create table session_v2(id text, project_id text, parent_id text, directory text, title text, version text, time_created integer);"
        "create table session_message(id text, session_id text, type text, seq integer, time_created integer, data text)"
    )
    put(connection, "session_v2", "ses_1", "global", None, "/work/shop", "Listing", "2.0.3", ms(0))
    model = {"id": "claude-x", "providerID": "anthropic"}
    content = [{"type": "text", "text": "One file."}, {**_TOOL, "id": "o9"}]
    for seq, (kind, data) in enumerate(
        [("user", {"text": "List it"}), ("assistant", {"model": model, "content": content, "tokens": _TOKENS, "cost": 0.125}), ("idle", {})]
    ):
        put(connection, "session_message", f"m{seq}", "ses_1", kind, seq, ms(seq), json.dumps(data))
    connection.commit()
    connection.close()


def _database(make: Callable[[Path], None]) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        make(folder / "opencode.db")
        return folder / "opencode.db"

    return write


def opencode_storage(folder: Path) -> Path:
    files: dict[str, dict[str, Any]] = {
        "session/p/ses_9.json": {
            "id": "ses_9",
            "projectID": "p",
            "directory": "/work/shop",
            "title": "Listing",
            "time": {"created": ms(0)},
        },
        "message/ses_9/msg_1.json": {"id": "msg_1", "sessionID": "ses_9", "role": "user", "time": {"created": ms(0)}},
        "message/ses_9/msg_0.json": {"id": "msg_0", "sessionID": "ses_9", **_answer(time={"created": ms(1)})},
        "part/msg_1/prt_1.json": {"id": "prt_1", "messageID": "msg_1", "sessionID": "ses_9", "type": "text", "text": "List it"},
        "part/msg_0/prt_2.json": {"id": "prt_2", "messageID": "msg_0", "sessionID": "ses_9", **_TOOL},
        "part/msg_0/prt_3.json": {"id": "prt_3", "type": "text", "text": "One file.", "time": {"start": ms(1)}},
    }
    for name, value in files.items():
        path = folder / "storage" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(value, indent=1))
    return folder / "storage"


def opencode_export() -> dict[str, Any]:
    """What ``opencode export`` gives, and ``opencode import`` takes."""
    told: list[tuple[dict[str, Any], list[dict[str, Any]]]] = [
        ({"role": "user", "time": {"created": ms(0)}}, [{"type": "text", "text": "List it"}]),
        (_answer(time={"created": ms(1)}), [_TOOL, {"type": "text", "text": "One file."}]),
    ]
    messages = []
    for number, (info, parts) in enumerate(told):
        own = {"id": f"msg_{number}", "sessionID": "ses_8"}
        named = [{"id": f"prt_{number}{index}", "sessionID": "ses_8", "messageID": own["id"], **part} for index, part in enumerate(parts)]
        messages.append({"info": {**own, **info}, "parts": named})
    return {"info": {"id": "ses_8", "directory": "/work/shop", "title": "Listing", "time": {"created": ms(0)}}, "messages": messages}


_OPENCODE = {
    "title": "Listing",
    "user": 1,
    "assistant": 1,
    "calls": 1,
    "open": 0,
    "input": 70,
    "output": 26,
    "cache_read": 100,
    "cache_write": 30,
    "cost": 0.125,
    "preview": "List it",
    "model": "claude-x",
}
SAMPLES = [
    Sample(
        "claude-code",
        "claude-code",
        lines_in("cc-1.jsonl", claude_code),
        4,
        {
            "cc-1": {
                "title": "A listing",
                "user": 1,
                "assistant": 1,
                "calls": 1,
                "open": 0,
                "input": 10,
                "output": 5,
                "cache_read": 100,
                "cache_write": 7,
                "preview": "List it",
                "model": "claude-x",
            }
        },
        claude_code,
    ),
    Sample(
        "codex",
        "codex",
        lines_in("2026/03/05/rollout-2026-03-05T11-00-00-0199-codex.jsonl", codex),
        15,
        {
            "0199-codex": {
                "title": "The till",
                "user": 1,
                "assistant": 1,
                "calls": 1,
                "open": 0,
                "failed": 1,
                "input": 1100,
                "output": 80,
                "cache_read": 1400,
                "reasoning": 30,
                "preview": "Fix the till",
                "model": "gpt-x",
            }
        },
        codex,
    ),
    Sample(
        "gemini-cli",
        "gemini-cli lines",
        lines_in("p/chats/session-gem-1.jsonl", gemini_lines),
        7,
        {
            "gem-1": {
                "title": "A look around",
                "user": 1,
                "assistant": 1,
                "calls": 1,
                "open": 0,
                "input": 400,
                "output": 65,
                "cache_read": 500,
                "reasoning": 25,
                "preview": "What is here?",
                "model": "gemini-x",
            }
        },
        gemini_lines,
    ),
    Sample(
        "gemini-cli",
        "gemini-cli document",
        document_in("p/chats/session-gem-2.json", gemini_document),
        5,
        {
            "gem-2": {
                "title": "A look around",
                "user": 1,
                "assistant": 1,
                "calls": 1,
                "open": 0,
                "input": 400,
                "output": 65,
                "preview": "What is here?",
            }
        },
    ),
    Sample(
        "chatgpt",
        "chatgpt",
        document_in("conversations.json", chatgpt),
        8,
        {
            "gpt-1": {
                "title": "Tills",
                "user": 2,
                "assistant": 2,
                "calls": 1,
                "open": 0,
                "aside": 2,
                "preview": "What is a till?",
                "model": "gpt-x",
            }
        },
    ),
    Sample(
        "claude-ai",
        "claude-ai",
        document_in("conversations.json", claude_ai),
        3,
        {"cai-1": {"title": "Tills", "user": 1, "assistant": 1, "calls": 1, "open": 0, "preview": "What is a till?"}},
    ),
    Sample(
        "opencode",
        "opencode 1.x",
        _database(opencode_database),
        16,
        {"ses_1": _OPENCODE, "ses_2": {**_OPENCODE, "title": None, "parent": "ses_1"}},
    ),
    Sample("opencode", "opencode 2.x", _database(second_generation), 12, {"ses_1": _OPENCODE, "ses_2": {**_OPENCODE, "title": None}}),
    Sample("opencode", "opencode storage", opencode_storage, 6, {"ses_9": _OPENCODE}),
    Sample(
        "opencode",
        "opencode export",
        document_in("ses_8.json", opencode_export),
        3,
        {"ses_8": _OPENCODE},
        states=growing("ses_8.json", opencode_export, "messages"),
        value=opencode_export,
    ),
    Sample(
        "copilot-cli",
        "copilot-cli lines",
        lines_in("cop-1/events.jsonl", copilot),
        9,
        {
            "cop-1": {
                "title": None,
                "user": 1,
                "assistant": 2,
                "calls": 1,
                "open": 0,
                "input": 500,
                "output": 60,
                "cache_read": 300,
                "cache_write": 100,
                "preview": "Look",
                "model": "gpt-x",
            }
        },
        copilot,
    ),
    Sample(
        "copilot-cli",
        "copilot-cli document",
        document_in("cop-2.json", copilot_document),
        5,
        {"cop-2": {"user": 1, "assistant": 2, "calls": 1, "open": 0, "preview": "Look"}},
    ),
    Sample(
        "pi",
        "pi",
        lines_in("--work-shop--/x_pi-1.jsonl", pi),
        8,
        {
            "pi-1": {
                "title": "Reading",
                "user": 3,
                "assistant": 2,
                "calls": 1,
                "open": 0,
                "aside": 1,
                "input": 31,
                "output": 14,
                "cache_read": 200,
                "cache_write": 5,
                "cost": 0.75,
                "preview": "Read a",
                "model": "claude-x",
            }
        },
        pi,
    ),
]
