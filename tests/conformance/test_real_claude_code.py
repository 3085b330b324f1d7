"""The importer on real Claude Code files, against counts taken straight from their JSON by a script that knows nothing of it."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from eventlog import EventLog
from eventlog.importers import import_paths
from eventlog.importers.follow import Follower
from eventlog.importers.provenance import Records
from projections import SessionView, replay

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "claude-code"

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the real session files are not here (../shared/data/claude-code)")


def _files() -> list[Path]:
    return sorted([*DATA.rglob("*.jsonl"), *DATA.rglob("*.json")])


def _records(path: Path) -> Iterator[Any]:
    """Every JSON value of the file."""
    if path.suffix == ".json":
        yield from json.loads(path.read_text())["loglines"]
        return
    for line in path.read_text().splitlines():
        yield json.loads(line)


def _by_session() -> dict[str, list[dict[str, Any]]]:
    """The different records of each session, in order. A record without a session belongs to the first that its file names."""
    sessions: dict[str, dict[str, dict[str, Any]]] = {}
    for path in _files():
        records = [record for record in _records(path) if isinstance(record, dict)]
        names = [
            record["sessionId"] + (f".agent-{record['agentId']}" if "agentId" in record else "") if "sessionId" in record else None
            for record in records
        ]
        main = next((name for name in names if name), "web export")
        for name, record in zip(names, records, strict=True):
            sessions.setdefault(name or main, {})[json.dumps(record)] = record
    return {name: list(records.values()) for name, records in sessions.items()}


def _counts(records: list[dict[str, Any]]) -> dict[str, int]:
    """Messages: one per assistant message id, each user record of more than tool results. Tokens: a message's last line."""
    usage: dict[str, dict[str, int]] = {}
    calls: dict[str, int] = {}
    users = set()
    for number, record in enumerate(records):
        message = record.get("message")
        if not isinstance(message, dict) or "content" not in message:
            continue
        blocks = message["content"] if isinstance(message["content"], list) else [{"type": "text"}]
        types = [block.get("type") if isinstance(block, dict) else "text" for block in blocks]
        uuid = record.get("uuid", str(number))
        if record["type"] == "assistant":
            usage[message.get("id", uuid)] = message.get("usage", {})
            calls[uuid] = types.count("tool_use")
        elif set(types) - {"tool_result"}:
            users.add(uuid)
    return {
        "messages": len(usage) + len(users),
        "user_messages": len(users),
        "assistant_messages": len(usage),
        "tool_calls": sum(calls.values()),
        "input_tokens": sum(u.get("input_tokens", 0) for u in usage.values()),
        "output_tokens": sum(u.get("output_tokens", 0) for u in usage.values()),
        "cache_read_tokens": sum(u.get("cache_read_input_tokens", 0) for u in usage.values()),
        "cache_write_tokens": sum(u.get("cache_creation_input_tokens", 0) for u in usage.values()),
    }


def _view(log: EventLog, session_id: str) -> SessionView:
    return replay(log.session(session_id).read(), SessionView)


def _comparable(log: EventLog) -> dict[str, Any]:
    """Every view without the positions of its events, which say in which order the records came, and the records themselves."""

    def strip(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: strip(item) for name, item in value.items() if not name.endswith("seq")}
        return [strip(item) for item in value] if isinstance(value, list) else value

    return {
        session_id: (strip(msgspec.to_builtins(_view(log, session_id))), sorted(_kept(log, session_id))) for session_id in log.session_ids()
    }


def _kept(log: EventLog, session_id: str) -> list[str]:
    return [json.dumps(json.loads(record or b"null")) for _, record in Records(log.session(session_id), "claude-code").all()]


def test_all_files_are_imported_and_the_second_time_adds_nothing(tmp_path: Path) -> None:
    with EventLog.open(tmp_path / "store") as log:
        first = import_paths(log, "claude-code", [DATA])
        assert (first.files, first.sessions) == (29, 24)
        assert first.events_added == sum(log.session(session_id).last_seq for session_id in log.session_ids())
        second = import_paths(log, "claude-code", [DATA])
        assert (second.files, second.sessions, second.events_added) == (29, 24, 0)
        assert log.verify().ok
    read = [(path, value) for path in _files() for value in _records(path)]
    assert first.records == second.records == len(read)
    assert first.skipped == second.skipped
    assert [(Path(s.file).name, s.line) for s in first.skipped] == [
        ("edge_cases.jsonl", 13),
        ("edge_cases.jsonl", 15),
        ("edge_cases.jsonl", 16),
    ]


def test_views_agree_with_the_source_on_messages_tool_calls_and_tokens() -> None:
    log = EventLog.memory()
    import_paths(log, "claude-code", [DATA])
    expected = _by_session()
    (export,) = set(log.session_ids()) - set(expected)
    expected[export] = expected.pop("web export")
    assert sorted(expected) == sorted(log.session_ids())
    for session_id, records in expected.items():
        view = _view(log, session_id)
        found = msgspec.to_builtins(view.counts) | msgspec.to_builtins(view.usage)
        wanted = _counts(records)
        assert {name: found[name] for name in wanted} == wanted, session_id


def test_every_record_of_a_file_comes_back_in_its_order() -> None:
    for path in _files():
        log = EventLog.memory()
        import_paths(log, "claude-code", [path])
        records = [value for value in _records(path) if isinstance(value, dict)]
        if len(list(log.session_ids())) > 1:
            continue
        (session_id,) = log.session_ids()
        assert _kept(log, session_id) == [json.dumps(record) for record in records], path.name


@pytest.mark.parametrize("name", ["turn-1.jsonl", "tool_heavy.jsonl", "short.jsonl", "todowrite_examples.jsonl", "sample_session.jsonl"])
def test_the_states_of_a_growing_file_end_as_the_last_one_alone(name: str, tmp_path: Path) -> None:
    source = next(path for path in _files() if path.name == name)
    data = source.read_bytes()
    ends = [index + 1 for index, byte in enumerate(data) if byte == 0x0A]
    cuts = sorted({*ends, *random.Random(name).sample(range(len(data)), 20)})
    file = tmp_path / "growing.jsonl"
    growing, at_once = EventLog.memory(), EventLog.memory()
    for cut in [*cuts, len(data)]:
        file.write_bytes(data[:cut])
        import_paths(growing, "claude-code", [file])
    import_paths(at_once, "claude-code", [source])
    assert _comparable(growing) == _comparable(at_once)


@pytest.mark.parametrize("name", ["turn-2.jsonl", "tool_heavy.jsonl", "short.jsonl", "sample_session.jsonl", "sample_session.json"])
def test_a_file_that_is_followed_line_by_line_and_byte_by_byte_ends_as_the_finished_one(name: str, tmp_path: Path) -> None:
    source = next(path for path in _files() if path.name == name)
    lines = source.read_bytes().splitlines(keepends=True)
    in_bytes = set(random.Random(name).sample(range(len(lines)), 2)) | {0}
    file = tmp_path / "followed" / name
    file.parent.mkdir()
    written, at_once = EventLog.memory(), EventLog.memory()
    follower = Follower(written, "claude-code", [file.parent])
    with open(file, "wb", buffering=0) as out:
        for number, line in enumerate(lines):
            pieces = [line[:-2000], *(bytes([byte]) for byte in line[-2000:])] if number in in_bytes else [line]
            for piece in pieces:
                out.write(piece)
                list(follower.look([str(file)]))
    list(follower.finish())
    report = import_paths(at_once, "claude-code", [file.parent])
    assert follower.report == report
    for session_id in at_once.session_ids():
        assert [s.raw for s in written.session(session_id).read()] == [s.raw for s in at_once.session(session_id).read()]
    assert _comparable(written) == _comparable(at_once)


def test_a_session_that_grew_and_had_a_record_inserted_ends_as_its_last_state_alone(tmp_path: Path) -> None:
    pair = next(path.parent for path in _files() if path.parent.name == "incremental-subagents" and path.name == "turn-1.jsonl")
    growing, at_once = EventLog.memory(), EventLog.memory()
    for turn, log in (("turn-1", growing), ("turn-2", growing), ("turn-2", at_once)):
        shutil.rmtree(tmp_path / "now", ignore_errors=True)
        shutil.copytree(pair / turn, tmp_path / "now")
        shutil.copy(pair / f"{turn}.jsonl", tmp_path / "now")
        report = import_paths(log, "claude-code", [tmp_path / "now"])
    assert report.records == 95
    assert _comparable(growing) == _comparable(at_once)
