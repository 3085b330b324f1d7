"""One suite over all formats: each sample shows what it must, is taken once, by exactly its own importer, and however it came to be."""

from __future__ import annotations

import json
import random
import sqlite3
import zipfile
from pathlib import Path
from typing import Any

import msgspec
import pytest

from eventlog import EventLog
from eventlog.importers import FORMATS, OWN, declared, import_paths
from eventlog.importers.follow import Follower
from eventlog.importers.looking import Look, is_of, recognise
from eventlog.importers.provenance import Records
from projections import Catalog, SessionView, replay

from . import samples_of_agents, samples_of_runs, samples_of_stores, samples_of_traces
from .samples import SAMPLES as FIRST_SAMPLES
from .samples import Sample, add_opencode_session, as_lines, chatgpt, claude_ai, gemini_document

SAMPLES = [*FIRST_SAMPLES, *samples_of_runs.SAMPLES, *samples_of_traces.SAMPLES, *samples_of_stores.SAMPLES, *samples_of_agents.SAMPLES]

by_name = pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
of_lines = pytest.mark.parametrize("sample", [sample for sample in SAMPLES if sample.lines], ids=lambda sample: sample.name)
ODD = [None, True, -1, 2.5, "", "x", [], {}, ["user"], {"user": 1}, "\ud800", [[1]], 2**70]


def view(log: EventLog, session_id: str) -> SessionView:
    return replay(log.session(session_id).read(), SessionView)


def shown(log: EventLog, session_id: str) -> dict[str, Any]:
    found = view(log, session_id)
    with Catalog.open(log) as catalog:
        (item,) = [item for item in catalog.list(limit=1000).items if item.session_id == session_id]
    assert (item.user_messages, item.assistant_messages) == (found.counts.user_messages, found.counts.assistant_messages)
    assert (item.tool_calls, item.input_tokens, item.output_tokens) == (
        found.counts.tool_calls,
        found.usage.input_tokens,
        found.usage.output_tokens,
    )
    return {
        "title": found.title,
        "user": found.counts.user_messages,
        "assistant": found.counts.assistant_messages,
        "calls": found.counts.tool_calls,
        "open": sum(call.returned_seq is None for call in found.tool_calls) + len(found.orphan_results),
        "failed": sum(call.is_error for call in found.tool_calls),
        "aside": sum(message.exclude_from_context for message in found.messages),
        "input": found.usage.input_tokens,
        "output": found.usage.output_tokens,
        "cache_read": found.usage.cache_read_tokens,
        "cache_write": found.usage.cache_write_tokens,
        "reasoning": found.usage.reasoning_tokens,
        "cost": found.usage.cost.amount if found.usage.cost else None,
        "preview": item.preview,
        "model": found.model,
        "parent": found.parent["session_id"] if found.parent else None,
    }


def comparable(log: EventLog) -> dict[str, Any]:
    """Every view without what says in which order, and how often, its records came."""

    def strip(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: strip(item) for name, item in value.items() if not name.endswith("seq") and name not in ("events", "metadata")}
        return [strip(item) for item in value] if isinstance(value, list) else value

    return {session_id: strip(msgspec.to_builtins(view(log, session_id))) for session_id in sorted(log.session_ids())}


def records(log: EventLog, format: str) -> list[Any]:
    found = []
    for session_id in log.session_ids():
        for _, record in Records(log.session(session_id), format).all():
            assert record is not None
            found.append(json.loads(record))
    return found


@by_name
def test_a_session_shows_what_its_tool_says_of_it(sample: Sample, tmp_path: Path) -> None:
    with EventLog.memory() as log:
        report = import_paths(log, sample.format, [sample.write(tmp_path)])
        assert (report.skipped, report.records, report.sessions) == ([], sample.records, len(sample.shows))
        for session_id, expected in shows(sample, log).items():
            found = shown(log, session_id)
            assert {name: found[name] for name in expected} == expected


def shows(sample: Sample, log: EventLog) -> dict[str, dict[str, Any]]:
    """What each session must show; those whose ids are made (``?``) are told from one another by what they show."""
    if not any(name.startswith("?") for name in sample.shows):
        assert set(log.session_ids()) == set(sample.shows)
        return sample.shows
    expected = sorted(sample.shows.values(), key=lambda each: (each["user"], each.get("preview") or ""))
    ids = sorted(log.session_ids(), key=lambda each: (shown(log, each)["user"], shown(log, each)["preview"] or ""))
    return dict(zip(ids, expected, strict=True))


@pytest.mark.parametrize("sample", [sample for sample in SAMPLES if sample.states], ids=lambda sample: sample.name)
def test_what_grew_ends_as_its_last_state_alone(sample: Sample, tmp_path: Path) -> None:
    assert sample.states is not None
    with EventLog.memory() as growing, EventLog.memory() as whole:
        for path in sample.states(tmp_path):
            import_paths(growing, sample.format, [path])
        path = sample.write(tmp_path)
        assert import_paths(growing, sample.format, [path]).sessions == len(sample.shows)
        assert import_paths(growing, sample.format, [path]).events_added == 0
        import_paths(whole, sample.format, [path])
        assert untimed(comparable(growing)) == untimed(comparable(whole))


def untimed(value: Any) -> Any:
    """Without times, which are the file's where a source has none."""
    if isinstance(value, dict):
        return {name: untimed(item) for name, item in value.items() if not name.endswith(("time", "_at", "duration_ms"))}
    return [untimed(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("sample", [sample for sample in SAMPLES if sample.value], ids=lambda sample: sample.name)
def test_a_field_of_any_type_in_a_run_is_read(sample: Sample, tmp_path: Path) -> None:
    assert sample.value is not None
    path = sample.write(tmp_path)
    for changed in odd_forms(sample.value()):
        path.write_text(json.dumps(changed))
        with EventLog.memory() as log:
            report = import_paths(log, sample.format, [path])
            assert [each for each in report.skipped if "understood" in each.reason] == [], changed
            for session_id in log.session_ids():
                view(log, session_id)
            assert import_paths(log, sample.format, [path]).events_added == 0


@by_name
def test_importing_again_adds_nothing(sample: Sample, tmp_path: Path) -> None:
    with EventLog.memory() as log:
        path = sample.write(tmp_path)
        first = import_paths(log, sample.format, [path])
        again = import_paths(log, sample.format, [path])
        assert (first.events_added > 0, again.events_added, again.records) == (True, 0, first.records)


@by_name
def test_a_sample_is_taken_by_exactly_its_own_importer(sample: Sample, tmp_path: Path) -> None:
    path = sample.write(tmp_path)
    file = path if path.is_file() else next(each for kind in ("*.json", "*.jsonl") for each in path.rglob(kind) if _is_read(each, sample))
    assert [name for name in FORMATS if is_of(name, Look(file))] == [sample.format]
    for other in FORMATS:
        if other == sample.format or _may_be_either(other, sample.format, file):
            continue
        with EventLog.memory() as log:
            report = import_paths(log, other, [file])
            assert list(log.session_ids()) == []
            assert (report.files, [(skipped.file, skipped.line) for skipped in report.skipped]) == (0, [(str(file), None)])
            assert f"it looks like {sample.format}" in report.skipped[0].reason


def _is_read(path: Path, sample: Sample) -> bool:
    return declared(sample.format).reads(path.name)


def _may_be_either(one: str, other: str, file: Path) -> bool:
    """Whether two formats share a grammar, and the file lies in the place of neither tool: then whoever imports it says which it is."""
    return one not in OWN and other in declared(one).family and declared(one).owner(file) is None


@of_lines
def test_the_states_of_a_file_of_lines_end_as_the_last_one_alone(sample: Sample, tmp_path: Path) -> None:
    path = sample.write(tmp_path)
    data = path.read_bytes()
    cuts = sorted({*random.Random(sample.name).sample(range(len(data)), 25), *(i + 1 for i, byte in enumerate(data) if byte == 0x0A)})
    with EventLog.memory() as growing, EventLog.memory() as whole:
        for cut in [*cuts, len(data)]:
            path.write_bytes(data[:cut])
            import_paths(growing, sample.format, [path])
        import_paths(whole, sample.format, [path])
        (session_id,) = whole.session_ids()
        if sample.is_timed:
            assert [s.raw for s in growing.session(session_id).read()] == [s.raw for s in whole.session(session_id).read()]
        assert untimed(comparable(growing)) == untimed(comparable(whole))


@of_lines
def test_a_file_of_lines_that_is_followed_ends_as_the_whole(sample: Sample, tmp_path: Path) -> None:
    path = sample.write(tmp_path)
    lines = path.read_bytes().splitlines(keepends=True)
    with EventLog.memory() as written, EventLog.memory() as whole:
        follower = Follower(written, sample.format, [tmp_path])
        path.write_bytes(b"")
        for line in lines:
            for piece in (line[: len(line) // 2], line[len(line) // 2 :]):
                with open(path, "ab") as file:
                    file.write(piece)
                list(follower.look([str(path)]))
        list(follower.finish())
        report = import_paths(whole, sample.format, [path])
        assert follower.report == report
        for session_id in whole.session_ids():
            assert [s.raw for s in written.session(session_id).read()] == [s.raw for s in whole.session(session_id).read()]


@of_lines
def test_every_line_comes_back_in_its_order(sample: Sample, tmp_path: Path) -> None:
    assert sample.lines is not None
    with EventLog.memory() as log:
        import_paths(log, sample.format, [sample.write(tmp_path)])
        assert records(log, sample.format) == sample.lines()


@of_lines
def test_bad_lines_are_reported_with_their_number_and_stop_nothing(sample: Sample, tmp_path: Path) -> None:
    path = sample.write(tmp_path)
    lines = path.read_bytes().splitlines(keepends=True)
    glued = lines[1].rstrip(b"\n") + lines[2]
    path.write_bytes(b"".join([lines[0], b"garbage\n", glued, b"\0\0\0\n", *lines[3:], b'{"type":"new","timestamp":1}\n', b'{"half":']))
    with EventLog.memory() as log, EventLog.memory() as whole:
        report = import_paths(log, sample.format, [path])
        assert [skipped.line for skipped in report.skipped] == [len(lines) + 3, 2, 4]
        path.write_bytes(b"".join(lines))
        import_paths(whole, sample.format, [path])
        for session_id, expected in sample.shows.items():
            found = shown(log, session_id)
            assert {name: found[name] for name in expected} == expected


@of_lines
def test_a_field_of_any_type_is_read(sample: Sample, tmp_path: Path) -> None:
    assert sample.lines is not None
    path = sample.write(tmp_path)
    lines = sample.lines()
    for number, record in enumerate(lines):
        for changed in odd_forms(record):
            path.write_bytes(as_lines([*lines[:number], changed, *lines[number + 1 :]]))
            with EventLog.memory() as log:
                report = import_paths(log, sample.format, [path])
                assert report.skipped == [], changed
                assert len(records(log, sample.format)) == len(lines)
                for session_id in log.session_ids():
                    view(log, session_id)
                assert import_paths(log, sample.format, [path]).events_added == 0


def odd_forms(value: Any) -> list[Any]:
    """The value with one field, at any depth, of another type; the types take turns so that there are few."""
    found = []
    for number, path in enumerate(paths_in(value)):
        copy = json.loads(json.dumps(value))
        inside = copy
        for name in path[:-1]:
            inside = inside[name]
        inside[path[-1]] = ODD[(number * 5 + len(found)) % len(ODD)]
        found.append(copy)
    return found


def paths_in(value: Any) -> list[list[Any]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path for name, item in items for path in ([name], *([name, *below] for below in paths_in(item)))]


@pytest.mark.parametrize(("format", "document"), [("gemini-cli", gemini_document), ("chatgpt", chatgpt), ("claude-ai", claude_ai)])
def test_a_field_of_any_type_in_a_document_is_read(format: str, document: Any, tmp_path: Path) -> None:
    path = tmp_path / "document.json"
    for changed in odd_forms(document()):
        path.write_text(json.dumps(changed))
        with EventLog.memory() as log:
            report = import_paths(log, format, [path])
            assert [each for each in report.skipped if "understood" in each.reason] == [], changed
            for session_id in log.session_ids():
                view(log, session_id)
            assert import_paths(log, format, [path]).events_added == 0


def test_a_document_that_grows_ends_as_its_last_state_alone(tmp_path: Path) -> None:
    document = gemini_document()
    path = tmp_path / "session-1.json"
    with EventLog.memory() as growing, EventLog.memory() as whole:
        for count in range(len(document["messages"]) + 1):
            path.write_text(
                json.dumps({**document, "messages": document["messages"][:count], "lastUpdated": f"2026-03-05T10:0{count}:00Z"})
            )
            import_paths(growing, "gemini-cli", [path])
        assert import_paths(growing, "gemini-cli", [path]).events_added == 0
        import_paths(whole, "gemini-cli", [path])
        assert comparable(growing) == comparable(whole)


def test_a_message_that_a_document_has_no_longer_is_taken_back_but_not_by_an_older_state(tmp_path: Path) -> None:
    document = gemini_document()
    path = tmp_path / "session-1.json"
    with EventLog.memory() as log:
        for count, minute in ((4, 8), (2, 5), (3, 9)):
            path.write_text(
                json.dumps({**document, "messages": document["messages"][:count], "lastUpdated": f"2026-03-05T10:0{minute}:00Z"})
            )
            import_paths(log, "gemini-cli", [path])
            assert len(view(log, "gem-2").messages) == (3 if minute == 9 else 4)


def test_a_chat_that_goes_on_by_another_branch_ends_as_its_last_state_alone(tmp_path: Path) -> None:
    (conversation,) = chatgpt()
    mapping = conversation["mapping"]
    before = {**conversation, "mapping": {name: mapping[name] for name in ("root", "q1", "a1")}, "current_node": "a1"}
    path = tmp_path / "conversations.json"
    with EventLog.memory() as growing, EventLog.memory() as whole:
        for state in (before, conversation):
            path.write_text(json.dumps([state]))
            import_paths(growing, "chatgpt", [path])
        import_paths(whole, "chatgpt", [path])
        assert comparable(growing) == comparable(whole)
        path.write_text(json.dumps([{**before, "title": "The title that it had first"}]))
        import_paths(growing, "chatgpt", [path])  # an older export
        assert comparable(growing) == comparable(whole)


def test_the_rows_that_a_database_grows_by_end_as_its_last_state(tmp_path: Path) -> None:
    (sample,) = [sample for sample in SAMPLES if sample.name == "opencode 1.x"]
    path = sample.write(tmp_path)
    connection = sqlite3.connect(path)
    rows = {table: connection.execute(f"select rowid from {table} order by rowid").fetchall() for table in ("session", "message", "part")}
    kept = {table: connection.execute(f"select * from {table}").fetchall() for table in rows}
    for table in rows:
        connection.execute(f"delete from {table}")
    connection.execute("pragma journal_mode = wal")
    order = [("session", 0), ("session", 1), *((table, number) for table in ("message", "part") for number in range(len(kept[table])))]
    with EventLog.memory() as growing, EventLog.memory() as whole:
        for table, number in order:
            connection.execute(f"insert into {table} values ({', '.join('?' * len(kept[table][0]))})", kept[table][number])
            connection.commit()  # it stays in the WAL, and the connection stays open
            import_paths(growing, "opencode", [path])
        assert import_paths(growing, "opencode", [path]).events_added == 0
        import_paths(whole, "opencode", [path])
        connection.close()
        one, other = comparable(growing), comparable(whole)
        for each in (one, other):  # what the tool injected was told when nothing else was there yet
            for found in each.values():
                found["messages"] = [message for message in found["messages"] if message["role"] != "system"]
                found["counts"].pop("messages")
        assert one == other


def test_a_database_is_neither_changed_nor_locked(tmp_path: Path) -> None:
    (sample,) = [sample for sample in SAMPLES if sample.name == "opencode 1.x"]
    path = sample.write(tmp_path)
    writer = sqlite3.connect(path)
    before = path.read_bytes()
    writer.execute("begin immediate")
    with EventLog.memory() as log:
        assert import_paths(log, "opencode", [path]).sessions == 2
    add_opencode_session(writer, "ses_3", "Later", None)
    writer.rollback()
    writer.close()
    assert path.read_bytes() == before
    assert {each.name for each in tmp_path.iterdir()} <= {"opencode.db", "opencode.db-journal"}


def test_a_session_that_lies_plain_and_compressed_is_one(tmp_path: Path) -> None:
    import zstandard

    (sample,) = [sample for sample in SAMPLES if sample.name == "codex"]
    path = sample.write(tmp_path)
    archived = tmp_path / "archived" / (path.name + ".zst")
    archived.parent.mkdir()
    archived.write_bytes(zstandard.compress(path.read_bytes()))
    with EventLog.memory() as log:
        assert import_paths(log, "codex", [archived]).records == sample.records
        assert recognise(archived) == "codex"
        report = import_paths(log, "codex", [tmp_path])
        assert (report.files, report.sessions, report.events_added) == (2, 1, 0)


@pytest.mark.parametrize(("format", "document", "session"), [("chatgpt", chatgpt, "gpt-1"), ("claude-ai", claude_ai, "cai-1")])
def test_an_export_is_read_out_of_its_zip(format: str, document: Any, session: str, tmp_path: Path) -> None:
    path = tmp_path / "export.zip"
    (later,) = document()
    later = {**later, "uuid": "later", "id": "later"}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("user.json", "{}")
        archive.writestr("conversations-000.json", json.dumps(document()))
        archive.writestr("conversations-001.json", json.dumps([later]))
    assert [name for name in FORMATS if is_of(name, Look(path))] == [format]
    with EventLog.memory() as log:
        report = import_paths(log, format, [path])
        assert (report.files, report.sessions, report.skipped) == (1, 2, [])
        assert set(log.session_ids()) == {session, "later"}
        assert import_paths(log, format, [path]).events_added == 0
        other = {"chatgpt": "claude-ai", "claude-ai": "chatgpt"}[format]
        (skipped,) = import_paths(log, other, [path]).skipped
        assert (skipped.line, f"it looks like {format}" in skipped.reason) == (None, True)
        path.write_bytes(path.read_bytes()[:200])
        (skipped,) = import_paths(log, format, [path]).skipped
        assert skipped.reason.startswith("the archive cannot be read")


def test_every_declaration_says_what_the_table_needs() -> None:
    for name in FORMATS:
        if name in OWN:
            continue
        format = declared(name)
        assert format.name == name
        assert format.lines or format.documents or format.rows or format.texts
        assert format.names
