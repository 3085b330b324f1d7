"""Small sessions as programs keep them in files and databases of their own: for the suite that runs over all formats."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .samples import Sample, as_lines, at, document_in, growing, lines_in, ms

# --- session-json, session-folder --------------------------------------------------------------------------------------------------


def session_json() -> dict[str, Any]:
    call = {"id": "j1", "name": "look", "args": {"q": "till"}, "result": "a drawer"}
    messages = [
        {"role": "user", "content": "What is a till?", "timestamp": at(0), "metadata": {}},
        {"role": "assistant", "content": "A drawer.", "timestamp": at(1), "metadata": {"voice": True}, "toolCalls": [call]},
    ]
    stats = {"total_messages": 2}
    fields = {"session_id": "own-1", "user_name": "ada", "started_at": at(0), "last_updated": at(1), "title": "Tills", "tags": ["money"]}
    return {
        **fields,
        "messages": messages,
        "metadata": {"type": "voice"},
        "stats": stats,
        "errors": [{"message": "late", "timestamp": at(1)}],
    }


def session_folder(folder: Path, count: int = 3) -> Path:
    path = folder / ".sessions" / "own-2"
    path.mkdir(parents=True, exist_ok=True)
    metadata = {"session_id": "own-2", "purpose": "tills", "user": "ada", "tags": ["money"], "status": "active", "created_at": at(0)}
    messages = [
        {"role": "user", "content": "What is a till?", "timestamp": at(1)},
        {"role": "tool", "content": "a drawer", "tool_name": "look", "invocation_id": "f1", "timestamp": at(2)},
        {"role": "assistant", "content": "A drawer.", "timestamp": at(3)},
    ]
    calls = [{"id": "f1", "tool_name": "look", "folder": ".history/f1", "duration_ms": 5, "timestamp": at(2)}]
    (path / "metadata.json").write_text(json.dumps(metadata, indent=1))
    (path / "conversation.jsonl").write_bytes(as_lines(messages[:count]))
    (path / "invocations.json").write_text(json.dumps(calls if count > 1 else []))
    return path


# --- llm -----------------------------------------------------------------------------------------------------------------------------


def llm(folder: Path, count: int = 2) -> Path:
    path = folder / "logs.db"
    path.unlink(missing_ok=True)
    connection = sqlite3.connect(path)
    connection.executescript(
        "create table conversations(id text, name text, model text);"
        "create table responses(id text, model text, prompt text, system text, response text, conversation_id text, duration_ms integer,"
        " datetime_utc text, input_tokens integer, output_tokens integer);"
        "create table tool_calls(id integer primary key, response_id text, name text, arguments text, tool_call_id text);"
        "create table tool_results(id integer primary key, response_id text, name text, output text, tool_call_id text, exception text);"
        "create table threads(id text, name text, tip_message_hash text, datetime_utc text);"
        "create table turns(id text, thread_id text, tip_message_hash text, model text, input_tokens integer, output_tokens integer,"
        " datetime_utc text);"
        "create table messages(hash text, parent_hash text, role text);"
        "create table parts(message_hash text, position integer, type text, tool_name text, text text, payload text);"
        "insert into conversations values ('old-1', 'Tills', 'gpt-x');"
        "insert into tool_calls values (1, 'r1', 'look', '{\"q\":\"till\"}', 'c1');"
        "insert into threads values ('new-1', 'Tills', 'h2', '2026-03-05 10:00:00');"
        "insert into turns values ('t1', 'new-1', 'h2', 'gpt-x', 9, 3, '2026-03-05T10:01:00');"
        "insert into messages values ('h1', null, 'user'), ('h2', 'h1', 'assistant'), ('h3', 'h1', 'assistant');"
        "insert into parts values ('h1', 0, 'text', null, 'What is a till?', null), ('h2', 0, 'text', null, 'A drawer.', null);"
    )
    responses = [
        ("r1", "gpt-x", "What is a till?", "Be brief", "", "old-1", 1, "2026-03-05T10:00:00", 5, 1),
        ("r2", "gpt-x", "", "Be brief", "A drawer.", "old-1", 1, "2026-03-05T10:01:00", 4, 2),
    ]
    for row in responses[:count]:
        connection.execute(f"insert into responses values ({', '.join('?' * len(row))})", row)
    if count > 1:
        connection.execute("insert into tool_results values (1, 'r2', 'look', 'a drawer', 'c1', null)")
    connection.commit()
    connection.close()
    return path


# --- cline ---------------------------------------------------------------------------------------------------------------------------


def cline(folder: Path, count: int = 4) -> Path:
    path = folder / "tasks" / "1772704800000"
    path.mkdir(parents=True, exist_ok=True)

    def text(said: str) -> dict[str, str]:
        return {"type": "text", "text": said}

    around = text("<environment_details>\n# Time\n</environment_details>")
    call = text("Look.\n<read_file>\n<path>till.py</path>\n</read_file>")
    history = [
        {"role": "user", "content": [text("<task>\nFix the till\n</task>"), around]},
        {"role": "assistant", "content": [call], "modelInfo": {"modelId": "claude-x", "providerId": "anthropic"}},
        {"role": "user", "content": [text("[read_file for 'till.py'] Result:"), text("print(1)"), around]},
        {"role": "assistant", "content": [text("Done.")]},
    ]
    request = {"request": "...", "tokensIn": 9, "tokensOut": 3, "cacheReads": 70, "cost": 0.25}
    shown = [
        {"ts": ms(0), "type": "say", "say": "text", "text": "Fix the till"},
        {"ts": ms(1), "type": "say", "say": "api_req_started", "text": json.dumps(request)},
    ]
    (path / "api_conversation_history.json").write_text(json.dumps(history[:count]))
    (path / "ui_messages.json").write_text(json.dumps(shown))
    return path


# --- crush, goose, amp -----------------------------------------------------------------------------------------------------------------


def crush(folder: Path, count: int = 4) -> Path:
    path = folder / "crush.db"
    path.unlink(missing_ok=True)
    connection = sqlite3.connect(path)
    connection.executescript(
        "create table sessions(id text, parent_session_id text, title text, prompt_tokens integer, completion_tokens integer, cost real,"
        " created_at integer, updated_at integer);"
        "create table messages(id text, session_id text, role text, parts text, model text, provider text, created_at integer);"
    )
    connection.execute("insert into sessions values ('cr-1', null, 'Tills', ?, 3, 0.25, ?, ?)", (9 if count > 3 else 1, ms(0), ms(count)))
    messages: list[tuple[str, list[dict[str, Any]]]] = [
        ("user", [{"type": "text", "data": {"text": "What is a till?"}}]),
        ("assistant", [{"type": "tool_call", "data": {"id": "k1", "name": "look", "input": '{"q":"till"}', "finished": True}}]),
        ("tool", [{"type": "tool_result", "data": {"tool_call_id": "k1", "content": "a drawer", "is_error": False}}]),
        ("assistant", [{"type": "text", "data": {"text": "A drawer."}}, {"type": "finish", "data": {"reason": "end_turn"}}]),
    ]
    for number, (role, parts) in enumerate(messages[:count]):
        model = "claude-x" if role == "assistant" else None
        row = (f"m{number}", "cr-1", role, json.dumps(parts), model, "anthropic", ms(number))
        connection.execute("insert into messages values (?, ?, ?, ?, ?, ?, ?)", row)
    connection.commit()
    connection.close()
    return path


def _goose_messages() -> list[dict[str, Any]]:
    request = {"type": "toolRequest", "id": "g1", "toolCall": {"status": "success", "value": {"name": "look", "arguments": {"q": "till"}}}}
    answer = {"status": "success", "value": [{"type": "text", "text": "a drawer"}]}
    return [
        {"role": "user", "created": ms(0) // 1000, "content": [{"type": "text", "text": "What is a till?"}]},
        {"role": "assistant", "created": ms(1) // 1000, "content": [request]},
        {"role": "user", "created": ms(2) // 1000, "content": [{"type": "toolResponse", "id": "g1", "toolResult": answer}]},
        {"role": "assistant", "created": ms(3) // 1000, "content": [{"type": "text", "text": "A drawer."}]},
    ]


def goose(folder: Path, count: int = 4) -> Path:
    path = folder / "sessions.db"
    path.unlink(missing_ok=True)
    connection = sqlite3.connect(path)
    connection.executescript(
        "create table sessions(id text, name text, working_dir text, created_at text, input_tokens integer, output_tokens integer,"
        " accumulated_input_tokens integer, accumulated_output_tokens integer);"
        "create table messages(id integer primary key, session_id text, role text, content_json text, created_timestamp integer,"
        " timestamp text);"
        "insert into sessions values ('20260305_1', 'Tills', '/work/shop', '2026-03-05 10:00:00', 5, 1, 9, 3);"
    )
    for number, message in enumerate(_goose_messages()[:count]):
        row = (
            number + 10 * count,
            "20260305_1",
            message["role"],
            json.dumps(message["content"]),
            message["created"],
            f"2026-03-05 1{number}:00:00",
        )
        connection.execute("insert into messages values (?, ?, ?, ?, ?, ?)", row)
    connection.commit()
    connection.close()
    return path


def goose_document() -> dict[str, Any]:
    return {"id": "20260305_2", "working_dir": "/work/shop", "name": "Tills", "created_at": at(0), "conversation": _goose_messages()}


def amp() -> dict[str, Any]:
    usage = {"model": "claude-x", "inputTokens": 9, "outputTokens": 3, "cacheReadInputTokens": 70, "timestamp": at(1)}
    call = {"type": "tool_use", "id": "a1", "name": "look", "input": {"q": "till"}}
    result = {"type": "tool_result", "tool_use_id": "a1", "content": "a drawer"}
    messages = [
        {"role": "user", "content": [{"type": "text", "text": "What is a till?"}]},
        {"role": "assistant", "content": [call, {"type": "text", "text": "A drawer."}], "usage": usage},
        {"role": "user", "content": [result]},
    ]
    return {"v": 9, "id": "T-1", "created": ms(0), "title": "Tills", "messages": messages, "usageLedger": {"events": []}}


def _crush_states(folder: Path) -> Iterator[Path]:
    yield from (crush(folder, count) for count in range(5))


def _goose_states(folder: Path) -> Iterator[Path]:
    yield from (goose(folder, count) for count in range(5))


def goose_lines() -> list[dict[str, Any]]:
    call = {"status": "success", "value": {"name": "look", "arguments": {"q": "till"}}}
    told = {"status": "success", "value": [{"type": "text", "text": "a drawer"}]}
    created = ms(0) // 1000
    return [
        {"working_dir": "/work/shop", "description": "Tills", "message_count": 3, "input_tokens": 5, "output_tokens": 2},
        {"role": "user", "created": created, "content": [{"type": "text", "text": "What is a till?"}]},
        {"role": "assistant", "created": created + 1, "content": [{"type": "toolRequest", "id": "g1", "toolCall": call}]},
        {"role": "user", "created": created + 2, "content": [{"type": "toolResponse", "id": "g1", "toolResult": told}]},
    ]


def _cline_states(folder: Path) -> Iterator[Path]:
    yield from (cline(folder, count) for count in range(1, 5))


def _folder_states(folder: Path) -> Iterator[Path]:
    yield from (session_folder(folder, count) for count in range(4))


def _llm_states(folder: Path) -> Iterator[Path]:
    yield from (llm(folder, count) for count in range(3))


_ANSWERED = {"user": 1, "assistant": 1, "calls": 1, "open": 0, "preview": "What is a till?"}
SAMPLES = [
    Sample(
        "session-json",
        "session-json",
        document_in("own-1.json", session_json),
        3,
        {"own-1": {**_ANSWERED, "title": "Tills"}},
        states=growing("own-1.json", session_json, "messages"),
        value=session_json,
    ),
    Sample(
        "cline",
        "cline",
        cline,
        6,
        {"1772704800000": {**_ANSWERED, "assistant": 2, "input": 9, "cost": 0.25, "preview": "Fix the till", "model": "claude-x"}},
        states=_cline_states,
    ),
    Sample("session-folder", "session-folder", session_folder, 5, {"own-2": _ANSWERED}, states=_folder_states),
    Sample(
        "llm",
        "llm",
        llm,
        11,
        {
            "old-1": {**_ANSWERED, "title": "Tills", "assistant": 2, "input": 9, "output": 3, "model": "gpt-x"},
            "new-1": {**_ANSWERED, "title": "Tills", "calls": 0, "input": 9, "output": 3, "model": "gpt-x"},
        },
        states=_llm_states,
    ),
    Sample(
        "goose",
        "goose's older files",
        lines_in("20250305_100000.jsonl", goose_lines),
        4,
        {"20250305_100000": {**_ANSWERED, "title": "Tills", "input": 5, "output": 2}},
        goose_lines,
        is_timed=False,
    ),
    Sample(
        "crush",
        "crush",
        crush,
        5,
        {"cr-1": {**_ANSWERED, "title": "Tills", "assistant": 2, "input": 9, "output": 3, "cost": 0.25, "model": "claude-x"}},
        states=_crush_states,
    ),
    Sample(
        "goose",
        "goose",
        goose,
        5,
        {"20260305_1": {**_ANSWERED, "title": "Tills", "assistant": 2, "input": 9, "output": 3}},
        states=_goose_states,
    ),
    Sample(
        "goose",
        "goose document",
        document_in("goose.json", goose_document),
        5,
        {"20260305_2": {**_ANSWERED, "title": "Tills", "assistant": 2}},
        states=growing("goose.json", goose_document, "conversation"),
        value=goose_document,
    ),
    Sample(
        "amp",
        "amp",
        document_in("T-1.json", amp),
        4,
        {"T-1": {**_ANSWERED, "title": "Tills", "input": 9, "output": 3, "cache_read": 70, "model": "claude-x"}},
        states=growing("T-1.json", amp, "messages"),
        value=amp,
    ),
]
