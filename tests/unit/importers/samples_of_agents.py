"""Small sessions of agents whose files were not at hand, made from their description: for the suite that runs over all formats."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import zstandard

from .samples import Sample, as_lines, at, document_in, growing, lines_in, ms
from .samples import pi as pi_lines

_ASKED = "What is a till?"
_SHOWN = {"user": 1, "assistant": 1, "calls": 1, "open": 0, "preview": _ASKED}


# --- cursor ----------------------------------------------------------------------------------------------------------------------------


def cursor_app(folder: Path, count: int = 5) -> Path:
    path = folder / "state.vscdb"
    path.unlink(missing_ok=True)
    connection = sqlite3.connect(path)
    connection.executescript(
        "create table ItemTable(key text unique on conflict replace, value blob);"
        "create table cursorDiskKV(key text unique on conflict replace, value blob);"
    )
    tool = {"tool": 5, "name": "look", "toolCallId": "c1", "params": '{"q":"till"}', "status": "completed", "result": "a drawer"}
    bubbles: list[dict[str, Any]] = [
        {"type": 1, "text": _ASKED},
        {"type": 2, "text": "", "thinking": {"text": "A drawer?", "signature": "x"}},
        {"type": 2, "text": "", "toolFormerData": tool},
        {"type": 2, "text": "A drawer.", "tokenCount": {"inputTokens": 9, "outputTokens": 3}, "modelInfo": {"modelName": "claude-x"}},
    ]
    order = [3, 1, 2, 0]  # the rows are in no order of their own
    headers = [{"bubbleId": f"b{number}", "type": bubble["type"]} for number, bubble in enumerate(bubbles[: count - 1])]
    composer = {"_v": 3, "composerId": "cur-1", "name": "Tills", "createdAt": ms(0), "fullConversationHeadersOnly": headers}
    composer |= {"modelConfig": {"modelName": "default"}, "unifiedMode": "agent", "subComposerIds": ["cur-2"]}
    child = {"_v": 3, "composerId": "cur-2", "createdAt": ms(1), "conversation": [{"type": 1, "bubbleId": "b9", "text": "Look"}]}
    rows: list[tuple[str, Any]] = [("composerData:cur-1", composer), ("composerData:cur-2", child)]
    told = [number for number in order if number < count - 1]
    rows += [
        (f"bubbleId:cur-1:b{number}", {"_v": 3, "bubbleId": f"b{number}", **bubbles[number], "createdAt": at(number)}) for number in told
    ]
    if count > 4:
        rows.append(("bubbleId:cur-1:b8", {"_v": 3, "type": 2, "bubbleId": "b8", "text": "Something else", "createdAt": at(0)}))
    rows += [("agentKv:blob:ff", {"role": "user", "content": "another session's"}), ("composerData:gone", None)]
    for key, value in rows:
        connection.execute("insert into cursorDiskKV values (?, ?)", (key, None if value is None else json.dumps(value)))
    index = {"allComposers": [{"composerId": "cur-2", "name": "A look", "workspaceIdentifier": {"uri": {"fsPath": "/work/shop"}}}]}
    connection.execute("insert into ItemTable values ('composer.composerHeaders', ?)", (json.dumps(index),))
    connection.commit()
    connection.close()
    return path


def cursor_cli(folder: Path, count: int = 5) -> Path:
    path = folder / "chats" / "hash" / "cur-3" / "store.db"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    connection = sqlite3.connect(path)
    connection.executescript("create table blobs(id text primary key, data blob); create table meta(key text primary key, value text)")
    about = {"agentId": "cur-3", "name": "Tills", "createdAt": ms(0), "lastUsedModel": "claude-x"}
    connection.execute("insert into meta values ('0', ?)", (json.dumps(about).encode().hex(),))
    call = {"type": "tool-call", "toolCallId": "c1", "toolName": "look", "args": {"q": "till"}}
    messages: list[Any] = [
        b"\x0a\x04root",
        {"role": "user", "content": "<user_info>\nOS: linux\n</user_info>"},
        {"role": "user", "content": [{"type": "text", "text": f"<user_query>\n{_ASKED}\n</user_query>"}]},
        {"role": "assistant", "content": [{"type": "reasoning", "text": "Hm"}, {"type": "text", "text": "A drawer."}, call]},
        {"role": "tool", "content": [{"type": "tool-result", "toolCallId": "c1", "toolName": "look", "result": "a drawer"}]},
    ]
    for number, message in enumerate(messages[:count]):
        data = message if isinstance(message, bytes) else json.dumps(message).encode()
        connection.execute("insert into blobs values (?, ?)", (f"{number:064x}", data))
    connection.commit()
    connection.close()
    (path.parent / "meta.json").write_text(json.dumps({"title": "About tills"}))
    return path


def cursor_transcript() -> list[dict[str, Any]]:
    def said(role: str, *blocks: dict[str, Any]) -> dict[str, Any]:
        return {"role": role, "message": {"content": list(blocks)}}

    return [
        said("user", {"type": "text", "text": f"<user_query>\n{_ASKED}\n</user_query>"}),
        said("assistant", {"type": "text", "text": "A drawer."}, {"type": "tool_use", "name": "look", "input": {"q": "till"}}),
        {"type": "turn_ended"},
        said("assistant", {"type": "text", "text": "Yes."}),
    ]


# --- continue --------------------------------------------------------------------------------------------------------------------------


def continue_session() -> dict[str, Any]:
    call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"q":"till"}'}}
    state = {"toolCallId": "c1", "toolCall": call, "status": "done", "output": [{"name": "look", "content": "a drawer"}]}
    history = [
        {"message": {"role": "user", "content": [{"type": "text", "text": _ASKED}]}, "contextItems": [], "editorState": {"type": "doc"}},
        {"message": {"role": "thinking", "content": "A drawer?"}, "contextItems": []},
        {"message": {"role": "assistant", "content": "A drawer.", "toolCalls": [call]}, "contextItems": [], "toolCallStates": [state]},
        {"message": {"role": "tool", "content": "a drawer", "toolCallId": "c1"}, "contextItems": []},
    ]
    usage = {"promptTokens": 30, "completionTokens": 3, "promptTokensDetails": {"cachedTokens": 20}, "totalCost": 0.25}
    about = {
        "sessionId": "con-1",
        "title": "Tills",
        "workspaceDirectory": "file:///work/shop",
        "mode": "agent",
        "chatModelTitle": "claude-x",
    }
    return {**about, "history": history, "usage": usage}


# --- qwen-code -------------------------------------------------------------------------------------------------------------------------


def qwen() -> list[dict[str, Any]]:
    def line(number: int, parent: str | None, kind: str, **more: Any) -> dict[str, Any]:
        common = {"uuid": f"q{number}", "parentUuid": parent, "sessionId": "qw-1", "timestamp": at(number), "type": kind}
        return {**common, "cwd": "/work/shop", "version": "0.6.0", "gitBranch": "main", **more}

    def said(role: str, *parts: dict[str, Any]) -> dict[str, Any]:
        return {"role": role, "parts": list(parts)}

    call = {"functionCall": {"id": "c1", "name": "look", "args": {"q": "till"}}}
    response = {"functionResponse": {"id": "c1", "name": "look", "response": {"output": "a drawer"}}}
    apart = {
        "promptTokenCount": 50,
        "candidatesTokenCount": 4,
        "thoughtsTokenCount": 6,
        "cachedContentTokenCount": 30,
        "totalTokenCount": 60,
    }
    within = {"promptTokenCount": 70, "candidatesTokenCount": 9, "thoughtsTokenCount": 5, "totalTokenCount": 79}
    return [
        line(1, None, "user", message=said("user", {"text": _ASKED})),
        line(2, "q1", "assistant", model="qwen-x", message=said("model", {"text": "Hm", "thought": True}, call), usageMetadata=apart),
        line(3, "q2", "tool_result", message=said("user", response), toolCallResult={"callId": "c1", "status": "success"}),
        line(4, "q3", "assistant", model="qwen-x", message=said("model", {"text": "A lost answer."})),
        line(5, "q3", "assistant", model="qwen-x", message=said("model", {"text": "A drawer."}), usageMetadata=within),
        line(6, "q5", "system", subtype="chat_compression", systemPayload={"info": {"originalTokenCount": 900, "newTokenCount": 90}}),
        line(7, "q6", "system", subtype="custom_title", systemPayload={"customTitle": "Tills"}),
    ]


# --- kimi ------------------------------------------------------------------------------------------------------------------------------


def kimi_cli() -> list[dict[str, Any]]:
    def wire(number: int, kind: str, **payload: Any) -> dict[str, Any]:
        return {"timestamp": ms(number) / 1000, "message": {"type": kind, "payload": payload}}

    usage = {"input_other": 9, "output": 3, "input_cache_read": 70, "input_cache_creation": 5}
    return [
        {"type": "metadata", "protocol_version": "1.2"},
        wire(0, "TurnBegin", user_input=_ASKED),
        wire(1, "StepBegin", n=1),
        wire(1, "ContentPart", type="think", think="A drawer?"),
        wire(1, "ContentPart", type="text", text="A "),
        wire(2, "ContentPart", type="text", text="drawer."),
        wire(2, "ToolCall", type="function", id="c1", function={"name": "look", "arguments": '{"q":'}),
        wire(2, "ToolCallPart", arguments_part='"till"}'),
        wire(3, "StatusUpdate", message_id="k1", token_usage=usage),
        wire(3, "ToolResult", tool_call_id="c1", return_value={"is_error": False, "output": "a drawer", "message": ""}),
        wire(4, "TurnEnd"),
    ]


def kimi_code() -> list[dict[str, Any]]:
    def loop(number: int, **event: Any) -> dict[str, Any]:
        return {"type": "context.append_loop_event", "event": event, "time": ms(number)}

    def asked(text: str, origin: str) -> dict[str, Any]:
        message = {"role": "user", "content": [{"type": "text", "text": text}], "toolCalls": [], "origin": {"kind": origin}}
        return {"type": "context.append_message", "message": message, "time": ms(0)}

    usage = {"inputOther": 9, "output": 3, "inputCacheRead": 70, "inputCacheCreation": 5}
    return [
        {"type": "metadata", "protocol_version": "1.4", "created_at": ms(0)},
        asked("You are in plan mode", "injection"),
        asked(_ASKED, "user"),
        {"type": "llm.request", "model": "kimi-x", "time": ms(1)},
        loop(1, type="step.begin", uuid="s1", turnId="t1", step=0),
        loop(1, type="content.part", uuid="p1", stepUuid="s1", part={"type": "think", "think": "A drawer?"}),
        loop(2, type="content.part", uuid="p2", stepUuid="s1", part={"type": "text", "text": "A drawer."}),
        loop(2, type="tool.call", uuid="p3", stepUuid="s1", toolCallId="c1", name="look", args={"q": "till"}),
        loop(3, type="tool.result", toolCallId="c1", result={"output": "a drawer", "isError": False}),
        loop(3, type="step.end", uuid="s1"),
        {"type": "usage.record", "model": "kimi-x", "usage": usage, "time": ms(3)},
    ]


def _with(write: Callable[[Path], Path], name: str, value: Any, *, up: int = 0) -> Callable[[Path], Path]:
    """The same, with a JSON file beside it, or some folders above."""

    def both(folder: Path) -> Path:
        path = write(folder)
        (path.parents[up] / name).write_text(json.dumps(value))
        return path

    return both


# --- droid, grok, antigravity ------------------------------------------------------------------------------------------------------------


def droid() -> list[dict[str, Any]]:
    def message(number: int, role: str, *blocks: dict[str, Any]) -> dict[str, Any]:
        parent = f"d{number - 1}" if number else None
        return {
            "type": "message",
            "id": f"d{number}",
            "parentId": parent,
            "timestamp": at(number),
            "message": {"role": role, "content": list(blocks)},
        }

    reminder = {"type": "text", "text": "<system-reminder>Today is Monday</system-reminder>"}
    call = {"type": "tool_use", "id": "c1", "name": "look", "input": {"q": "till"}}
    return [
        {"type": "session_start", "id": "dr-1", "title": "Tills", "cwd": "/work/shop", "owner": "ada", "version": 2},
        message(0, "user", reminder, {"type": "text", "text": _ASKED}),
        message(1, "assistant", {"type": "text", "text": "A drawer."}, call),
        message(2, "user", {"type": "tool_result", "tool_use_id": "c1", "content": "a drawer"}),
    ]


_DROID = {"model": "claude-x", "tokenUsage": {"inputTokens": 9, "outputTokens": 3, "cacheReadTokens": 70, "cacheCreationTokens": 5}}


def grok() -> list[dict[str, Any]]:
    call = {"id": "c1", "name": "look", "arguments": '{"q":"till"}'}
    return [
        {"type": "system", "content": "Be brief"},
        {"type": "user", "content": [{"type": "text", "text": "<system-reminder/>"}], "synthetic_reason": "system_reminder"},
        {"type": "user", "content": [{"type": "text", "text": f"<user_query>\n{_ASKED}\n</user_query>"}], "prompt_index": 0},
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "A drawer?"}], "encrypted_content": "x"},
        {"type": "assistant", "content": "A drawer.", "tool_calls": [call], "model_id": "grok-x"},
        {"type": "tool_result", "tool_call_id": "c1", "content": "a drawer"},
    ]


def grok_folder(folder: Path) -> Path:
    path = folder / "%2Fwork%2Fshop" / "gr-2"
    path.mkdir(parents=True, exist_ok=True)
    usage = {"input_tokens": 79, "output_tokens": 3, "cached_read_tokens": 70}
    update = {"sessionUpdate": "turn_completed", "prompt_id": "p1", "usage": usage}
    chunk = {"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": "A drawer."}}
    stream = [{"timestamp": ms(1), "method": "session/update", "params": {"sessionId": "gr-2", "update": each}} for each in (chunk, update)]
    (path / "chat_history.jsonl").write_bytes(as_lines(grok()))
    (path / "updates.jsonl").write_bytes(as_lines(stream))
    (path / "summary.json").write_text(json.dumps({"generated_title": "Tills", "current_model_id": "grok-x"}))
    return path


def antigravity() -> list[dict[str, Any]]:
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

    asked = f"<USER_REQUEST>\n{_ASKED}\n</USER_REQUEST>\n<ADDITIONAL_METADATA>\nnow\n</ADDITIONAL_METADATA>"
    call = {"name": "run_command", "args": {"CommandLine": "look till"}}
    return [
        step(0, "USER_EXPLICIT", "USER_INPUT", asked),
        step(1, "SYSTEM", "CONVERSATION_HISTORY", "before"),
        step(2, "MODEL", "PLANNER_RESPONSE", "A drawer.", thinking="A drawer?", tool_calls=[call]),
        step(3, "MODEL", "RUN_COMMAND", "a drawer"),
    ]


# --- hermes, zed -------------------------------------------------------------------------------------------------------------------------


def hermes(folder: Path, count: int = 3) -> Path:
    path = folder / "state.db"
    path.unlink(missing_ok=True)
    connection = sqlite3.connect(path)
    connection.executescript(
        "create table sessions(id text, source text, model text, title text, parent_session_id text, started_at real, input_tokens integer,"
        " output_tokens integer, cache_read_tokens integer, cache_write_tokens integer, reasoning_tokens integer, estimated_cost_usd real,"
        " actual_cost_usd real);"
        "create table messages(id integer primary key, session_id text, role text, content text, tool_call_id text, tool_calls text,"
        " tool_name text, timestamp real, reasoning text);"
    )
    made = 3 if count > 2 else 1
    values = ("her-1", "cli", "hermes-x", "Tills", None, ms(0) / 1000, 9, made, 70, 5, 1, 0.25, None)
    connection.execute(f"insert into sessions values ({', '.join('?' * len(values))})", values)
    call = json.dumps([{"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"q":"till"}'}}])
    messages = [
        (1, "her-1", "user", _ASKED, None, None, None, ms(0) / 1000, None),
        (2, "her-1", "assistant", "A drawer.", None, call, None, ms(1) / 1000, "A drawer?"),
        (3, "her-1", "tool", "a drawer", "c1", None, "look", ms(2) / 1000, None),
    ]
    for row in messages[:count]:
        connection.execute(f"insert into messages values ({', '.join('?' * len(row))})", row)
    connection.commit()
    connection.close()
    return path


def hermes_document() -> dict[str, Any]:
    call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"q":"till"}'}}
    messages = [
        {"role": "user", "content": _ASKED, "timestamp": at(0)},
        {"role": "assistant", "content": "A drawer.", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "a drawer"},
    ]
    return {"session_id": "her-2", "model": "hermes-x", "platform": "cli", "session_start": at(0), "messages": messages}


def zed_thread(count: int = 2) -> dict[str, Any]:
    use = {"ToolUse": {"id": "c1", "name": "look", "raw_input": '{"q":"till"}', "input": {"q": "till"}, "is_input_complete": True}}
    result = {"tool_use_id": "c1", "tool_name": "look", "is_error": False, "content": {"Text": "a drawer"}, "output": None}
    content = [{"Thinking": {"text": "A drawer?", "signature": "x"}}, {"Text": "A drawer."}, use]
    messages: list[Any] = [
        {"User": {"id": "u1", "content": [{"Text": _ASKED}]}},
        {"Agent": {"content": content, "tool_results": {"c1": result}}},
        "Resume",
    ]
    usage = {"input_tokens": 9, "output_tokens": 3, "cache_read_input_tokens": 70, "cache_creation_input_tokens": 5}
    about = {"version": "0.3.0", "title": "Tills", "updated_at": at(count), "model": {"provider": "anthropic", "model": "claude-x"}}
    requests = {"u1": {"input_tokens": 3, "output_tokens": 1}}
    return {**about, "messages": messages[: count + 1], "cumulative_token_usage": usage, "request_token_usage": requests}


def zed(folder: Path, count: int = 2) -> Path:
    path = folder / "threads.db"
    path.unlink(missing_ok=True)
    connection = sqlite3.connect(path)
    connection.execute(
        "create table threads(id text primary key, summary text, updated_at text, data_type text, data blob, parent_id text)"
    )
    packed = zstandard.compress(json.dumps(zed_thread(count)).encode())
    older = {
        "version": "0.2.0",
        "summary": "Tills before",
        "updated_at": at(0),
        "messages": [
            {"id": 0, "role": "user", "segments": [{"type": "text", "text": _ASKED}], "tool_uses": [], "tool_results": []},
            {
                "id": 1,
                "role": "assistant",
                "segments": [{"type": "text", "text": "A drawer."}],
                "tool_uses": [{"id": "c1", "name": "look", "input": {}}],
                "tool_results": [{"tool_use_id": "c1", "is_error": True, "content": "gone"}],
            },
        ],
    }
    connection.execute("insert into threads values ('zed-1', 'Tills', ?, 'zstd', ?, null)", (at(count), packed))
    connection.execute("insert into threads values ('zed-2', 'Tills before', ?, 'json', ?, 'zed-1')", (at(0), json.dumps(older)))
    connection.commit()
    connection.close()
    return path


# --- the family of cline -----------------------------------------------------------------------------------------------------------------


def roo(place: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        path = folder / place / "tasks" / "roo-1"
        path.mkdir(parents=True, exist_ok=True)

        def text(said: str) -> dict[str, str]:
            return {"type": "text", "text": said}

        history = [
            {
                "role": "user",
                "ts": ms(0),
                "content": [text(f"<task>\n{_ASKED}\n</task>"), text("<environment_details>x</environment_details>")],
            },
            {
                "role": "assistant",
                "ts": ms(1),
                "content": [{"type": "tool_use", "id": "c1", "name": "look", "input": {}}],
                "condenseParent": "k",
            },
            {"role": "user", "ts": ms(2), "content": [{"type": "tool_result", "tool_use_id": "c1", "content": "a drawer"}]},
            {"role": "user", "ts": ms(3), "content": [text("A till was asked about.")], "isSummary": True, "condenseId": "k"},
        ]
        request = {"tokensIn": 9, "tokensOut": 3, "cacheReads": 70, "cost": 0.25}
        shown = [{"ts": ms(1), "type": "say", "say": "api_req_started", "text": json.dumps(request)}]
        (path / "api_conversation_history.json").write_text(json.dumps(history))
        (path / "ui_messages.json").write_text(json.dumps(shown))
        (path / "history_item.json").write_text(json.dumps({"id": "roo-1", "parentTaskId": "roo-0", "workspace": "/work/shop"}))
        return path

    return write


def cline_session() -> dict[str, Any]:
    call = {"type": "tool_use", "id": "c1", "name": "look", "input": {"q": "till"}}
    metrics = {"inputTokens": 9, "outputTokens": 3, "cacheReadTokens": 70, "cost": 0.25}
    messages = [
        {"role": "user", "content": [{"type": "text", "text": _ASKED}]},
        {
            "role": "assistant",
            "content": [{"type": "text", "text": "A drawer."}, call],
            "modelInfo": {"id": "claude-x"},
            "metrics": metrics,
        },
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "content": "a drawer"}]},
    ]
    about = {"version": 1, "updated_at": at(2), "agent": "main", "sessionId": "cli-1", "system_prompt": "Be brief"}
    return {**about, "messages": messages}


_MANIFEST = {"version": 1, "session_id": "cli-1", "started_at": at(0), "cwd": "/work/shop", "metadata": {"title": "Tills"}}


def _states(make: Callable[[Path, int], Path], last: int) -> Callable[[Path], Iterator[Path]]:
    def states(folder: Path) -> Iterator[Path]:
        yield from (make(folder, count) for count in range(1, last + 1))

    return states


_USED = {"input": 9, "output": 3, "cache_read": 70, "cache_write": 5}
_ROO = {**_SHOWN, "input": 9, "output": 3, "cost": 0.25, "parent": "roo-0", "aside": 1}
SAMPLES = [
    Sample(
        "cursor",
        "cursor app",
        cursor_app,
        7,
        {
            "cur-1": {**_SHOWN, "title": "Tills", "assistant": 2, "aside": 2, "input": 9, "output": 3, "model": "claude-x"},
            "cur-2": {"title": "A look", "user": 1, "preview": "Look", "parent": "cur-1"},
        },
        states=_states(cursor_app, 5),
    ),
    Sample(
        "cursor",
        "cursor command line",
        cursor_cli,
        7,
        {"cur-3": {**_SHOWN, "title": "Tills", "model": "claude-x"}},
        states=_states(cursor_cli, 5),
    ),
    Sample(
        "cursor",
        "cursor transcript",
        lines_in("agent-transcripts/cur-4/cur-4.jsonl", cursor_transcript),
        4,
        {"cur-4": {**_SHOWN, "assistant": 2, "open": 1}},
        cursor_transcript,
        is_timed=False,
    ),
    Sample(
        "continue",
        "continue",
        document_in("con-1.json", continue_session),
        5,
        {"con-1": {**_SHOWN, "title": "Tills", "input": 10, "output": 3, "cache_read": 20, "cost": 0.25, "model": "claude-x"}},
        states=growing("con-1.json", continue_session, "history"),
        value=continue_session,
    ),
    Sample(
        "qwen-code",
        "qwen-code",
        lines_in("chats/qw-1.jsonl", qwen),
        7,
        {
            "qw-1": {
                **_SHOWN,
                "title": "Tills",
                "assistant": 3,
                "aside": 1,
                "input": 90,
                "output": 19,
                "cache_read": 30,
                "reasoning": 11,
                "model": "qwen-x",
            }
        },
        qwen,
    ),
    Sample(
        "kimi",
        "kimi-cli",
        lines_in("hash/kim-1/wire.jsonl", kimi_cli),
        11,
        {"kim-1": {**_SHOWN, **_USED, "aside": 1}},
        kimi_cli,
        is_timed=False,
    ),
    Sample(
        "kimi",
        "kimi-code",
        lines_in("wd_shop/kim-2/agents/main/wire.jsonl", kimi_code),
        11,
        {"kim-2": {**_SHOWN, **_USED, "model": "kimi-x"}},
        kimi_code,
    ),
    Sample(
        "kimi",
        "kimi-code with its state",
        _with(lines_in("wd_shop/kim-3/agents/main/wire.jsonl", kimi_code), "state.json", {"title": "Tills"}, up=2),
        12,
        {"kim-3": {**_SHOWN, "title": "Tills"}},
    ),
    Sample(
        "kimi",
        "kimi-code's subagent",
        lines_in("wd_shop/kim-4/agents/agent-1/wire.jsonl", kimi_code),
        11,
        {"kim-4.agent-agent-1": {**_SHOWN, "parent": "kim-4"}},
    ),
    Sample("droid", "droid", lines_in("dr-1.jsonl", droid), 4, {"dr-1": {**_SHOWN, "title": "Tills"}}, droid, is_timed=False),
    Sample(
        "droid",
        "droid with its settings",
        _with(lines_in("dr-1.jsonl", droid), "dr-1.settings.json", _DROID),
        5,
        {"dr-1": {**_SHOWN, **_USED, "model": "claude-x"}},
    ),
    Sample(
        "grok",
        "grok",
        lines_in("%2Fwork%2Fshop/gr-1/chat_history.jsonl", grok),
        6,
        {"gr-1": {**_SHOWN, "model": "grok-x"}},
        grok,
        is_timed=False,
    ),
    Sample("grok", "grok's folder", grok_folder, 9, {"gr-2": {**_SHOWN, "title": "Tills", "input": 9, "output": 3, "cache_read": 70}}),
    Sample(
        "antigravity",
        "antigravity",
        lines_in("brain/ant-1/.system_generated/logs/transcript.jsonl", antigravity),
        4,
        {"ant-1": _SHOWN},
        antigravity,
    ),
    Sample(
        "openclaw",
        "openclaw",
        lines_in(".openclaw/agents/main/sessions/pi-1.jsonl", pi_lines),
        8,
        {"pi-1": {"title": "Reading", "user": 3, "assistant": 2, "calls": 1, "cost": 0.75}},
        pi_lines,
    ),
    Sample(
        "hermes",
        "hermes",
        hermes,
        4,
        {"her-1": {**_SHOWN, **_USED, "title": "Tills", "reasoning": 1, "cost": 0.25, "model": "hermes-x"}},
        states=_states(hermes, 3),
    ),
    Sample(
        "hermes",
        "hermes document",
        document_in("her-2.json", hermes_document),
        4,
        {"her-2": {**_SHOWN, "model": "hermes-x"}},
        states=growing("her-2.json", hermes_document, "messages"),
        value=hermes_document,
    ),
    Sample(
        "zed",
        "zed",
        zed,
        2,
        {
            "zed-1": {**_SHOWN, **_USED, "title": "Tills", "model": "claude-x"},
            "zed-2": {**_SHOWN, "title": "Tills before", "failed": 1, "parent": "zed-1"},
        },
        states=_states(zed, 2),
    ),
    Sample("zed", "zed's thread alone", document_in("zed-3.json", zed_thread), 1, {"zed-3": {**_SHOWN, **_USED}}, value=zed_thread),
    Sample("roo-code", "roo-code", roo("rooveterinaryinc.roo-cline"), 6, {"roo-1": _ROO}),
    Sample("kilo-code", "kilo-code", roo("kilocode.kilo-code"), 6, {"roo-1": _ROO}),
    Sample(
        "cline",
        "cline's command line",
        document_in("cli-1.messages.json", cline_session),
        4,
        {"cli-1": {**_SHOWN, "input": 9, "output": 3, "cache_read": 70, "cost": 0.25, "model": "claude-x"}},
        states=growing("cli-1.messages.json", cline_session, "messages"),
        value=cline_session,
    ),
    Sample(
        "cline",
        "cline's command line with its manifest",
        _with(document_in("cli-1.messages.json", cline_session), "cli-1.json", _MANIFEST),
        5,
        {"cli-1": {**_SHOWN, "title": "Tills"}},
    ),
]
