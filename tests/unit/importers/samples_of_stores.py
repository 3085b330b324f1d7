"""Small sessions as programs keep them in files and databases of their own: for the suite that runs over all formats."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .samples import Sample, as_lines, at, document_in, growing, ms

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
]
