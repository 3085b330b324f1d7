"""The way back: what was imported comes back as its source had it, and any session becomes a file that another tool goes on with."""

from __future__ import annotations

import json
import re
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from eventlog import EventLog, Session
from eventlog.errors import InvalidInput
from eventlog.events import ContextCompacted, MessageAdded, Part, ToolCalled, ToolReturned
from eventlog.importers import FORMATS, OWN, import_paths
from eventlog.importers.looking import recognise
from projections import SessionView, replay, to_messages
from projections.exporters import FORMATS as EXPORTED
from projections.exporters import MADE, export
from projections.exporters.native.claude_code import project_of

from ..importers.samples import Sample
from ..importers.test_formats import SAMPLES

_TRAINS = ("openai", "sharegpt")  # whose exports are samples to train with
samples = pytest.mark.parametrize("sample", [each for each in SAMPLES if each.format not in _TRAINS], ids=lambda each: each.name)
tools = pytest.mark.parametrize("tool", MADE)


def exported(log: EventLog, session_id: str, format: str) -> bytes:
    pieces: list[bytes] = []
    export(log, [session_id], format, pieces.append)
    return b"".join(pieces)


def values(data: bytes) -> list[Any]:
    """What a document says, or each line."""
    try:
        return [json.loads(data)]
    except ValueError:
        return [json.loads(line) for line in data.splitlines()]


def rows_of(path: Path) -> set[str]:
    connection = sqlite3.connect(path)
    tables = [name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")]
    found = set()
    for table in tables:
        for row in connection.execute(f"select * from {table}"):
            found |= {repr((table, cell)) for cell in row if isinstance(cell, str)}
    connection.close()
    return found


def test_every_format_that_is_read_is_written() -> None:
    assert set(FORMATS) - set(OWN) <= set(EXPORTED)


@samples
def test_an_imported_session_comes_back_as_its_source_had_it(sample: Sample, tmp_path: Path) -> None:
    path = sample.write(tmp_path / "source") if (tmp_path / "source").mkdir() is None else tmp_path
    with EventLog.memory() as log:
        import_paths(log, sample.format, [path])
        given = {session_id: exported(log, session_id, sample.format) for session_id in log.session_ids()}
    if sample.lines is not None:
        assert [value for data in given.values() for value in values(data)] == sample.lines()
    elif path.is_file() and path.suffix in (".db", ".vscdb"):
        there = rows_of(path)
        for data in given.values():
            cells = {repr((each["table"], cell)) for each in values(data) for cell in each["row"].values() if isinstance(cell, str)}
            assert cells
            assert cells <= there
    elif path.is_file() and path.suffix == ".md":
        assert all(data in path.read_bytes() for data in given.values())
        assert sum(map(len, given.values())) == len(path.read_bytes().lstrip())
    elif path.is_file() and path.suffix != ".eval":
        source = values(path.read_bytes())
        one = source[0].get("samples", ()) if isinstance(source[0], dict) else source[0]
        assert len(given) in (1, len(one))
        for data in given.values():
            assert values(data) == source or all(value in one for value in values(data))


@pytest.mark.parametrize(
    "name", ["cline", "session-folder", "grok's folder", "opencode storage", "roo-code", "cline's command line with its manifest"]
)
def test_the_files_of_a_folder_come_back_under_their_names(name: str, tmp_path: Path) -> None:
    (sample,) = [sample for sample in SAMPLES if sample.name == name]
    (tmp_path / "source").mkdir()
    path = sample.write(tmp_path / "source")
    folder = path if path.is_dir() else path.parent
    with EventLog.memory() as log:
        import_paths(log, sample.format, [path])
        (tmp_path / "back").mkdir()
        export(log, list(log.session_ids()), sample.format, tmp_path / "back")
    files = {file.relative_to(folder).as_posix(): file for file in folder.rglob("*") if file.is_file()}
    (back,) = (tmp_path / "back").iterdir()
    assert {file.relative_to(back).as_posix() for file in back.rglob("*") if file.is_file()} == set(files)
    for relative, file in files.items():
        assert values((back / relative).read_bytes()) == values(file.read_bytes())


def test_a_file_beside_a_session_comes_back_beside_it(tmp_path: Path) -> None:
    (sample,) = [sample for sample in SAMPLES if sample.name == "droid with its settings"]
    path = sample.write(tmp_path)
    with EventLog.memory() as log:
        import_paths(log, "droid", [path])
        (tmp_path / "back").mkdir()
        report = export(log, list(log.session_ids()), "droid", tmp_path / "back")
    assert [Path(each).name for each in report.written] == ["dr-1.jsonl", "dr-1.settings.json"]
    for name in ("dr-1.jsonl", "dr-1.settings.json"):
        assert values((tmp_path / "back" / name).read_bytes()) == values((tmp_path / name).read_bytes())


def test_a_name_in_a_record_never_leads_out_of_the_folder(tmp_path: Path) -> None:
    path = tmp_path / "dr-2.jsonl"
    lines = [{"type": "session_start", "id": "dr-2", "title": "x", "cwd": "/"}, {"file": "../../dr-2.settings.json", "value": {}}]
    path.write_text("".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines))
    with EventLog.memory() as log:
        import_paths(log, "droid", [path])
        (tmp_path / "back").mkdir()
        export(log, ["dr-2"], "droid", tmp_path / "back")
    assert [file.name for file in (tmp_path / "back").rglob("*")] == ["dr-2.jsonl"]
    assert values((tmp_path / "back" / "dr-2.jsonl").read_bytes()) == lines


# --- made for another tool -----------------------------------------------------------------------------------------------------------


def told(log: EventLog) -> Session:
    """A session with all that a file of another tool has to say in another way."""
    session = log.start(title="The till", kind="agent", model="some-model", provider="elsewhere", metadata={"cwd": "/work/shop"})
    session.append(MessageAdded(role="system", content="You are another agent"))
    session.append(MessageAdded(role="user", content="Fix the till", message_id="u1"))
    thought = Part(type="reasoning", content="A drawer?")
    session.append(MessageAdded(role="assistant", content=[thought, Part(type="text", content="I look.")], message_id="a1"))
    session.append(ToolCalled(name="my tool/x", arguments='{"path": "till"}', call_id="call one"))
    session.append(ToolReturned(call_id="call one", output="no such file", is_error=True))
    session.append(ToolCalled(name="read", arguments="plain text", call_id="call two"))
    session.append(MessageAdded(role="assistant", content="It is gone.", message_id="a2"))
    session.append(MessageAdded(role="user", content="A branch that was left", exclude_from_context=True))
    session.append(MessageAdded(role="user", content="Why? \u2603", message_id="u2"))
    return session


def again(tool: str, data: bytes, folder: Path) -> SessionView:
    """The file as our own importer reads it, in another store."""
    path = folder / ("session.json" if tool == "opencode" else "session.jsonl")
    path.write_bytes(data)
    assert recognise(path) == tool
    with EventLog.memory() as other:
        report = import_paths(other, tool, [path])
        assert (report.skipped, report.sessions) == ([], 1)
        (session_id,) = other.session_ids()
        return replay(other.session(session_id).read(), SessionView)


@tools
def test_any_session_is_told_in_the_grammar_of_the_tool(tool: str, tmp_path: Path) -> None:
    with EventLog.memory() as log:
        session = told(log)
        data = exported(log, session.id, tool)
        assert exported(log, session.id, tool) == data
        before = to_messages(replay(session.read(), SessionView))
    view = again(tool, data, tmp_path)
    assert [(each["role"], each.get("content")) for each in to_messages(view) if each["role"] != "tool" and each.get("content")] == [
        (each["role"], each.get("content")) for each in before if each["role"] not in ("tool", "system") and each.get("content")
    ]
    assert [(call.name, call.arguments, call.is_error) for call in view.tool_calls if call.name != "x"] == [
        ("my_tool_x", {"path": "till"}, tool not in ("codex",)),
        ("read", {"input": "plain text"}, tool not in ("codex",)),
    ]
    assert all(call.returned_seq is not None for call in view.tool_calls)
    assert "no such file" in str(view.tool_calls[0].output)
    assert b"You are another agent" not in data
    assert b"A branch that was left" not in data
    assert view.metadata["cwd" if tool != "gemini-cli" else "project_hash"]


@tools
def test_an_image_is_told_as_the_tool_takes_it(tool: str, tmp_path: Path) -> None:
    image = Part(type="blob", modality="image", mime_type="image/png", content="AAAA")
    with EventLog.memory() as log:
        session = log.start()
        session.append(MessageAdded(role="user", content=[Part(type="text", content="What is it?"), image]))
        view = again(tool, exported(log, session.id, tool), tmp_path)
    (message,) = view.messages
    assert [(part["type"], part.get("content")) for part in message.parts] == [("text", "What is it?"), ("blob", "AAAA")]


@tools
def test_a_session_goes_on_behind_its_last_compaction(tool: str, tmp_path: Path) -> None:
    with EventLog.memory() as log:
        session = log.start()
        session.append(MessageAdded(role="user", content="Long ago"), ContextCompacted(summary="They spoke."))
        session.append(MessageAdded(role="user", content="And now?"), MessageAdded(role="assistant", content="Now."))
        data = exported(log, session.id, tool)
    assert b"Long ago" not in data
    assert b"They spoke." in data
    assert again(tool, data, tmp_path).counts.assistant_messages == 1


@tools
def test_a_session_that_begins_with_the_assistant_or_has_nothing_is_written_too(tool: str, tmp_path: Path) -> None:
    with EventLog.memory() as log:
        session = log.start()
        assert isinstance(exported(log, session.id, tool), bytes)
        session.append(MessageAdded(role="assistant", content="Hello"))
        assert b"Hello" in exported(log, session.id, tool)


@pytest.mark.parametrize(
    "sample", [each for each in SAMPLES if each.name in ("codex", "gemini-cli lines", "pi", "opencode 1.x")], ids=lambda each: each.name
)
@tools
def test_a_session_of_one_tool_becomes_one_of_another(tool: str, sample: Sample, tmp_path: Path) -> None:
    if tool == sample.format:
        pytest.skip("it is one of this tool already")
    (tmp_path / "source").mkdir()
    with EventLog.memory() as log:
        import_paths(log, sample.format, [sample.write(tmp_path / "source")])
        session_id = sorted(log.session_ids())[0]
        before = replay(log.session(session_id).read(), SessionView)
        view = again(tool, exported(log, session_id, tool), tmp_path)
    model = [(each["role"], each["content"]) for each in to_messages(before) if each["role"] in ("user", "assistant") and each["content"]]
    assert [
        (each["role"], each["content"]) for each in to_messages(view) if each["role"] in ("user", "assistant") and each["content"]
    ] == model
    assert len(view.tool_calls) == len(list(before.tool_calls))


def test_a_format_that_cannot_be_made_says_which_can(tmp_path: Path) -> None:
    with EventLog.memory() as log:
        session = told(log)
        with pytest.raises(InvalidInput, match=r"did not come from chatgpt.*claude-code, codex, gemini-cli, pi, opencode"):
            exported(log, session.id, "chatgpt")


@tools
def test_a_file_lies_under_the_name_that_the_tool_gives(tool: str, tmp_path: Path) -> None:
    with EventLog.memory() as log:
        session = told(log)
        report = export(log, [session.id], tool, tmp_path)
    name = {
        "claude-code": r"[0-9a-f-]{36}\.jsonl",
        "codex": r"rollout-\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d-[0-9a-f-]{36}\.jsonl",
        "gemini-cli": r"session-\d{4}-\d\d-\d\dT\d\d-\d\d-[0-9a-f]{8}\.jsonl",
        "pi": r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d-\d{3}Z_[0-9a-f-]{36}\.jsonl",
        "opencode": r"ses_[0-9a-f]{26}\.json",
    }[tool]
    (written,) = report.written
    assert re.fullmatch(name, Path(written).name)


# --- what each tool asks of a file (source-formats.md, 3.11) ----------------------------------------------------------------------------


def lines_for(tool: str) -> list[dict[str, Any]]:
    with EventLog.memory() as log:
        return values(exported(log, told(log).id, tool))


def test_claude_code_finds_a_chain_whose_calls_all_have_results() -> None:
    lines = lines_for("claude-code")
    assert {line["type"] for line in lines} == {"user", "assistant"}
    assert [line["parentUuid"] for line in lines] == [None, *(line["uuid"] for line in lines[:-1])]
    assert len({line["sessionId"] for line in lines}) == 1
    for line in lines:
        assert (line["isSidechain"], line["userType"], line["cwd"]) == (False, "external", "/work/shop")
    used = [block for line in lines for block in line["message"]["content"] if block["type"] == "tool_use"]
    answered = [block for line in lines for block in line["message"]["content"] if block["type"] == "tool_result"]
    assert [block["id"] for block in used] == [block["tool_use_id"] for block in answered]
    assert all(isinstance(block["input"], dict) for block in used)
    assert all(isinstance(block.get("content", ""), (str, list)) for block in answered)
    assert not [block for line in lines for block in line["message"]["content"] if block["type"] == "thinking"]


def test_a_long_project_path_has_the_folder_that_claude_code_gives_it() -> None:
    assert project_of("/work/shop_1") == "-work-shop-1"
    assert project_of("/" + "a" * 300).startswith("-" + "a" * 199 + "-")


def test_codex_finds_a_prompt_near_the_start_and_a_provider() -> None:
    lines = lines_for("codex")
    meta = lines[0]["payload"]
    assert (lines[0]["type"], meta["source"], meta["model_provider"], meta["cwd"]) == ("session_meta", "cli", "openai", "/work/shop")
    assert [line["payload"]["type"] for line in lines[:5] if line["type"] == "event_msg"] == ["user_message"]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["timestamp"]) for line in lines)
    names = [line["payload"]["name"] for line in lines if line["payload"].get("type") == "function_call"]
    assert all(re.fullmatch(r"[A-Za-z0-9_-]+", name) for name in names)


def test_gemini_cli_gets_messages_with_ids_and_a_name_that_ends_in_the_id() -> None:
    head, *messages = lines_for("gemini-cli")
    assert head["kind"] == "main"
    assert {message["type"] for message in messages} == {"user", "gemini"}
    assert len({message["id"] for message in messages}) == len(messages)


def test_pi_gets_a_chain_of_entries_whose_answers_say_by_what_they_were_made() -> None:
    head, *entries = lines_for("pi")
    assert (head["type"], head["version"], head["cwd"]) == ("session", 3, "/work/shop")
    assert [entry["parentId"] for entry in entries] == [None, *(entry["id"] for entry in entries[:-1])]
    assert all(len(entry["id"]) == 8 for entry in entries)
    answers = [entry["message"] for entry in entries if entry.get("message", {}).get("role") == "assistant"]
    assert answers
    assert all({"provider", "model", "api", "usage", "stopReason"} <= set(answer) for answer in answers)


def test_opencode_gets_ids_with_their_prefixes_that_rise() -> None:
    (document,) = lines_for("opencode")
    assert document["info"]["id"].startswith("ses_")
    ids = [message["info"]["id"] for message in document["messages"]]
    assert ids == sorted(ids)
    assert all(id.startswith("msg_") for id in ids)
    parts = [part["id"] for message in document["messages"] for part in message["parts"]]
    assert parts == sorted(parts)
    assert all(id.startswith("prt_") for id in parts)
    for message in document["messages"]:
        if message["info"]["role"] == "assistant":
            assert {"finish", "tokens", "modelID", "providerID"} <= set(message["info"])
