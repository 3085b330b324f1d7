"""Real files of every format but Claude Code's, against counts that are taken straight from their JSON by a few lines for each."""

from __future__ import annotations

import csv
import json
import random
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from eventlog import EventLog
from eventlog.importers import FORMATS, import_paths
from eventlog.importers.looking import recognise
from eventlog.importers.provenance import Records
from projections import Catalog, SessionView, replay

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the real session files are not here (../shared/data)")

FOLDERS = {
    "claude-code": ["claude-code"],
    "codex": ["codex"],
    "gemini-cli": ["gemini-cli"],
    "chatgpt": ["chatgpt-export"],
    "opencode": ["opencode"],
    "copilot-cli": ["copilot-cli", "copilot-chat"],
    "pi": ["pi"],
    "openai": ["openai-messages"],
}
LINES = ["codex", "gemini-cli", "copilot-cli", "pi"]
formats = pytest.mark.parametrize("format", FOLDERS)
Count = Counter[str]


def folders(format: str) -> list[Path]:
    return [DATA / name for name in FOLDERS[format]]


def files(format: str) -> list[Path]:
    return sorted(path for folder in folders(format) for path in folder.rglob("*") if path.suffix in (".json", ".jsonl"))


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def view(log: EventLog, session_id: str) -> SessionView:
    return replay(log.session(session_id).read(), SessionView)


# --- what the sources say: per session, in a few lines each ----------------------------------------------------------------------


def codex() -> dict[str, Count]:
    found: dict[str, list[dict[str, Any]]] = {}
    for path in files("codex"):
        session = lines(path)[0]["payload"]["id"]
        found[session] = max(found.get(session, []), lines(path), key=len)
    return {session: _codex(records) for session, records in found.items()}


def _codex(records: list[dict[str, Any]]) -> Count:
    count: Count = Counter()
    items = [record["payload"] for record in records if record["type"] == "response_item"]
    events = [record["payload"] for record in records if record["type"] == "event_msg"]
    count["user"] = sum(event["type"] == "user_message" for event in events)
    count["assistant"] = sum(item["type"] == "message" and item["role"] == "assistant" for item in items)
    count["calls"] = sum(item["type"].endswith("_call") for item in items)
    totals = [event["info"]["total_token_usage"] for event in events if event["type"] == "token_count" and event["info"]]
    if totals:
        count["input"] = totals[-1]["input_tokens"] - totals[-1]["cached_input_tokens"]
        count["output"], count["cache_read"] = totals[-1]["output_tokens"], totals[-1]["cached_input_tokens"]
    return count


def gemini() -> dict[str, Count]:
    found = {}
    for path in files("gemini-cli"):
        try:
            value = json.loads(path.read_text())
        except json.JSONDecodeError:
            records = lines(path)
            messages = list({record["id"]: record for record in records if "id" in record}.values())
            value = {"sessionId": records[0]["sessionId"], "messages": messages}
        if isinstance(value, dict):
            found[value["sessionId"]] = _gemini(value["messages"])
    return found


def _gemini(messages: list[dict[str, Any]]) -> Count:
    count: Count = Counter()
    for message in messages:
        tokens = message.get("tokens") or {}
        prompt = message["type"] == "user" and "Please continue" not in json.dumps(message["content"])
        count["user"] += prompt
        count["assistant"] += message["type"] == "gemini"
        count["calls"] += len(message.get("toolCalls") or ())
        count["input"] += tokens.get("input", 0) - tokens.get("cached", 0)
        count["output"] += tokens.get("output", 0) + tokens.get("thoughts", 0)
        count["cache_read"] += tokens.get("cached", 0)
    return count


def chatgpt() -> dict[str, Count]:
    found = {}
    for conversation in json.loads(files("chatgpt")[0].read_text()):
        count: Count = Counter()
        for node in conversation["mapping"].values():
            message = node["message"] or {"author": {"role": None}, "recipient": "all"}
            role, is_call = message["author"]["role"], message["recipient"] != "all"
            count["user"] += role == "user"
            count["assistant"] += role == "assistant" and not is_call
            count["calls"] += is_call
        found[conversation["id"]] = count
    return found


def opencode() -> dict[str, Count]:
    values = [json.loads(path.read_text()) for path in files("opencode")]
    session_of = {value["id"]: value["sessionID"] for value in values if "role" in value}
    found: dict[str, Count] = {value["id"]: Counter() for value in values if "role" not in value and "type" not in value}
    for value in values:
        if "role" in value:
            count, tokens = found[value["sessionID"]], value.get("tokens") or {}
            count[value["role"]] += 1
            count["input"] += tokens.get("input", 0)
            count["output"] += tokens.get("output", 0)
            count["cache_read"] += tokens.get("cache", {}).get("read", 0)
        elif value.get("type") == "tool":
            found[session_of[value["messageID"]]]["calls"] += 1
    return found


def copilot() -> dict[str, Count]:
    (events,), (document,) = [[path for path in files("copilot-cli") if path.suffix == suffix] for suffix in (".jsonl", ".json")]
    records = lines(events)
    kinds = Counter(record["type"] for record in records)
    usage = records[-1]["data"]["modelMetrics"]["claude-sonnet-4.6"]["usage"]
    first: Count = Counter(
        user=sum(record["type"] == "user.message" and bool(record["data"]["content"]) for record in records),
        assistant=kinds["assistant.message"],
        calls=kinds["tool.execution_start"],
        input=usage["inputTokens"] - usage["cacheReadTokens"],
        output=usage["outputTokens"],
        cache_read=usage["cacheReadTokens"],
    )
    chat = json.loads(document.read_text())
    roles = Counter(message["role"] for message in chat["chatMessages"])
    calls = sum(len(message.get("tool_calls") or ()) for message in chat["chatMessages"])
    second: Count = Counter(user=roles["user"], assistant=roles["assistant"], calls=calls)
    return {records[0]["data"]["sessionId"]: first, chat["sessionId"]: second}


def pi() -> dict[str, Count]:
    found = {}
    for path in files("pi"):
        count: Count = Counter()
        for record in lines(path):
            message = record.get("message") or {}
            role, usage = message.get("role"), message.get("usage") or {}
            count["user"] += role == "user"
            count["assistant"] += role == "assistant"
            count["calls"] += role == "bashExecution"
            count["calls"] += sum(block["type"] == "toolCall" for block in message["content"]) if role == "assistant" else 0
            count["input"] += usage.get("input", 0)
            count["output"] += usage.get("output", 0)
            count["cache_read"] += usage.get("cacheRead", 0)
        found[lines(path)[0]["id"]] = count
    return found


COUNTS: dict[str, Callable[[], dict[str, Count]]] = {
    "codex": codex,
    "gemini-cli": gemini,
    "chatgpt": chatgpt,
    "opencode": opencode,
    "copilot-cli": copilot,
    "pi": pi,
}


@pytest.mark.parametrize("format", COUNTS)
def test_show_and_list_agree_with_the_source(format: str) -> None:
    with EventLog.memory() as log, Catalog.open(log) as catalog:
        import_paths(log, format, folders(format))
        expected = COUNTS[format]()
        assert set(log.session_ids()) == set(expected)
        listed = {item.session_id: item for item in catalog.list(limit=1000).items}
        for session_id, counts in expected.items():
            found, item = view(log, session_id), listed[session_id]
            shown = (found.counts.user_messages, found.counts.assistant_messages, found.counts.tool_calls)
            assert shown == (counts["user"], counts["assistant"], counts["calls"]), session_id
            assert shown == (item.user_messages, item.assistant_messages, item.tool_calls)
            tokens = (found.usage.input_tokens, found.usage.output_tokens, found.usage.cache_read_tokens)
            assert tokens == (counts["input"], counts["output"], counts["cache_read"]), session_id
            assert found.orphan_results == []


@formats
def test_all_files_are_imported_and_the_second_time_adds_nothing(format: str, tmp_path: Path) -> None:
    with EventLog.open(tmp_path / "store", sync="never") as log:
        first = import_paths(log, format, folders(format))
        again = import_paths(log, format, folders(format))
        assert (again.events_added, again.records, again.sessions) == (0, first.records, first.sessions)
        assert first.events_added == sum(log.session(session_id).last_seq for session_id in log.session_ids())
        assert [skipped for skipped in first.skipped if "understood" in skipped.reason] == []
        assert log.verify().ok


@pytest.mark.parametrize("format", LINES)
def test_every_line_is_in_the_store_to_the_byte(format: str) -> None:
    for path in files(format):
        if path.suffix != ".jsonl":
            continue
        with EventLog.memory() as log:
            import_paths(log, format, [path])
            (session_id,) = log.session_ids()
            kept = [record for _, record in Records(log.session(session_id), format).all()]
            assert kept == [line for line in path.read_bytes().splitlines() if line.strip()], path.name


@pytest.mark.parametrize("format", ["gemini-cli", "chatgpt", "copilot-cli"])
def test_every_message_of_a_document_is_in_the_store(format: str) -> None:
    for path in files(format):
        value = json.loads(path.read_text()) if path.suffix == ".json" else None
        messages = list(_messages(value))
        with EventLog.memory() as log:
            import_paths(log, format, [path])
            kept = Counter(
                json.dumps(json.loads(record or b"null"), sort_keys=True)
                for session_id in log.session_ids()
                for _, record in Records(log.session(session_id), format).all()
            )
            assert not Counter(json.dumps(message, sort_keys=True) for message in messages) - kept


def _messages(value: Any) -> Iterator[Any]:
    if isinstance(value, list) and "mapping" in value[0]:
        yield from (node for conversation in value for node in conversation["mapping"].values())
    elif isinstance(value, dict):
        yield from value.get("messages", value.get("chatMessages", ()))


@pytest.mark.parametrize("format", LINES)
def test_the_states_of_a_growing_file_end_as_the_last_one_alone(format: str, tmp_path: Path) -> None:
    source = min((path for path in files(format) if path.suffix == ".jsonl"), key=lambda path: abs(path.stat().st_size - 150_000))
    data = source.read_bytes()
    cuts = sorted(random.Random(format).sample(range(len(data)), 15))
    file = tmp_path / source.name
    with EventLog.memory() as growing, EventLog.memory() as whole:
        for cut in [*cuts, len(data)]:
            file.write_bytes(data[:cut])
            import_paths(growing, format, [file])
        import_paths(whole, format, [source])
        (session_id,) = whole.session_ids()
        assert [s.raw for s in growing.session(session_id).read()] == [s.raw for s in whole.session(session_id).read()]


def test_two_states_of_one_session_in_any_order_are_one_session(tmp_path: Path) -> None:
    first, second = (next(path for path in files("codex") if path.name == name) for name in ("turn-1.jsonl", "turn-2.jsonl"))
    views = []
    for order in ((first, second), (second, first), (second,)):
        with EventLog.memory() as log:
            for path in order:
                shutil.copy(path, tmp_path / path.name)
                import_paths(log, "codex", [tmp_path / path.name])
            (session_id,) = log.session_ids()
            views.append(msgspec.to_builtins(view(log, session_id).counts) | {"events": 0})
    assert views[0] == views[1] == views[2]


def test_each_given_file_is_taken_by_exactly_its_own_importer() -> None:
    names = {
        "chatgpt-export": "chatgpt",
        "copilot-chat": "copilot-cli",
        "openai-messages": "openai",
        "inspect-eval": "inspect",
        "anthropic-managed-agents": "managed-agents",
    }
    for row in csv.DictReader((DATA / "MANIFEST.tsv").read_text().splitlines(), delimiter="\t"):
        own = names.get(row["format"], row["format"])
        if own in FORMATS and not row["local"].endswith(("logs.json", "/migration", "base_state.json")):
            assert recognise(DATA / row["local"]) == own, row["local"]
