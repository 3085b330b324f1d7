"""``eventlog import``: the report for a program and for a person, and what is refused before a store is made."""

from __future__ import annotations

import json
import os
import sqlite3
from datetime import datetime, timezone
from pathlib import Path

import msgspec
import pytest

from eventlog import EventLog

from ...command_line import eventlog
from ..importers.samples import SAMPLES


@pytest.fixture
def source(tmp_path: Path) -> Path:
    record = {
        "type": "user",
        "uuid": "u-1",
        "sessionId": "s-1",
        "timestamp": "2026-11-21T00:00:00.000Z",
        "message": {"role": "user", "content": "Hello"},
    }
    path = tmp_path / "session.jsonl"
    path.write_bytes(msgspec.json.encode(record) + b"\n" + b"7\n" * 12)
    return path


def test_the_report_is_what_a_program_gets(tmp_path: Path, source: Path) -> None:
    outcome = eventlog("import", "claude-code", source, "--store", tmp_path / "store", "--json")
    assert (outcome.code, outcome.err) == (0, "")
    report = outcome.json
    assert isinstance(report, dict)
    assert (report["files"], report["records"], len(report["skipped"])) == (1, 13, 12)
    assert report["events_added"] >= 1
    assert {"file": str(source), "line": 2}.items() <= report["skipped"][0].items()
    again = eventlog("import", "claude-code", source, "--store", tmp_path / "store", "--json").json
    assert isinstance(again, dict)
    assert (again["events_added"], again["records"]) == (0, 13)


def test_a_person_sees_the_first_skipped_records_with_their_place(tmp_path: Path, source: Path) -> None:
    outcome = eventlog("import", "claude-code", source, "--store", tmp_path / "store")
    assert outcome.code == 0
    assert "13 records held or skipped" in outcome.out
    assert outcome.err.splitlines()[0].startswith(f"eventlog: skipped {source}:2: ")
    assert len(outcome.err.splitlines()) == 11
    assert outcome.err.endswith("eventlog: and 2 more; --json lists all\n")


def test_an_unknown_format_is_refused_before_a_store_is_made(tmp_path: Path, source: Path) -> None:
    outcome = eventlog("import", "claude-coda", source, "--store", tmp_path / "store")
    assert outcome.code == 2
    assert outcome.one_line_error().startswith(
        "unknown format 'claude-coda', did you mean 'claude-code'? There are aider, amp, antigravity, bundle, chatgpt,"
    )
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("format", ["claude-code", "jsonl", "openai"])
def test_a_file_with_a_strange_name_is_reported_in_json_and_on_one_line(format: str, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    try:
        Path(os.fsdecode(os.fsencode(folder) + b"/\xff.jsonl")).write_text("garbage\n")
    except OSError:
        pytest.skip("this file system takes only names that are UTF-8")
    (folder / "two\nlines.jsonl").write_text("garbage\n")
    outcome = eventlog("import", format, folder, "--store", tmp_path / "store", "--json")
    report = outcome.json
    assert isinstance(report, dict)
    assert (outcome.code, outcome.err.count("\n")) == (2, 1)
    assert [Path(skipped["file"]).name for skipped in report["skipped"]] == ["two\nlines.jsonl", "\\xff.jsonl"]
    said = eventlog("import", format, folder, "--store", tmp_path / "store").one_line_error()
    assert said.startswith(f"nothing is imported of {tmp_path}/folder/two lines.jsonl and 1 other files: ")
    assert not (tmp_path / "store").exists()


# --- formats, places -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home of somebody who uses none of the tools."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("EVENTLOG_STORE", str(tmp_path / "store"))
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "CODEX_HOME", "CLAUDE_CONFIG_DIR", "GEMINI_CLI_HOME", "OPENCODE_DB"):
        monkeypatch.delenv(name, raising=False)
    return home


def at_home(home: Path) -> dict[str, str]:
    """Put each sample where its tool keeps it; returns the places by format."""
    places = {
        "claude-code": ".claude/projects",
        "codex": ".codex/sessions",
        "gemini-cli": ".gemini/tmp",
        "copilot-cli": ".copilot/session-state",
        "pi": ".pi/agent/sessions",
        "opencode": ".local/share/opencode",
    }
    for sample in SAMPLES:
        if sample.format in places and sample.name not in ("opencode 2.x", "opencode storage", "copilot-cli document"):
            (home / places[sample.format]).mkdir(parents=True, exist_ok=True)
            sample.write(home / places[sample.format])
    return {format: str(home / place) for format, place in places.items()}


def test_a_wrong_format_is_refused_with_the_right_one_named(tmp_path: Path, source: Path) -> None:
    outcome = eventlog("import", "codex", source, "--store", tmp_path / "store", "--json")
    report = outcome.json
    assert isinstance(report, dict)
    assert (outcome.code, report["files"], report["sessions"], report["events_added"]) == (2, 0, 0, 0)
    [skipped] = report["skipped"]
    assert (skipped["file"], skipped["line"]) == (str(source), None)
    assert f"it looks like claude-code: eventlog import claude-code {source}" in skipped["reason"]
    assert not (tmp_path / "store").exists()


def test_the_format_is_told_from_what_is_in_the_files(tmp_path: Path, source: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    for sample in SAMPLES:
        (folder / sample.name).mkdir()
        sample.write(folder / sample.name)
    (folder / "notes.txt").write_text("Milk, bread")
    outcome = eventlog("import", folder, source, "--store", tmp_path / "store", "--json")
    report = outcome.json
    assert isinstance(report, dict)
    assert (outcome.code, outcome.err) == (0, "")
    with EventLog.open(tmp_path / "store", create=False) as log:
        assert set(log.session_ids()) == {session_id for sample in SAMPLES for session_id in sample.shows} | {"s-1"}
    assert [skipped["line"] for skipped in report["skipped"]] == list(range(2, 14))
    assert "1 other files there are of no format" in eventlog("import", folder, "--store", tmp_path / "store").out


def test_a_file_of_no_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("Milk, bread")
    outcome = eventlog("import", tmp_path / "notes.txt", "--store", tmp_path / "store")
    assert outcome.code == 2
    assert "of no format that is known" in outcome.one_line_error()
    assert not (tmp_path / "store").exists()


def test_what_every_tool_has_left_is_found_said_and_taken_and_twice_the_same(home: Path, tmp_path: Path) -> None:
    places = at_home(home)
    (home / ".codex/history.jsonl").write_text('{"session_id":"x","ts":1,"text":"y"}\n')
    found = eventlog("import", "--all", "--dry-run", "--json").json
    assert isinstance(found, dict)
    assert {each["format"]: each["path"] for each in found["found"]} == places
    assert all(each["files"] == 1 and each["bytes"] > 100 for each in found["found"] if each["format"] != "gemini-cli")
    assert not (tmp_path / "store").exists()
    first, again = eventlog("import", "--json"), eventlog("import", "--all", "--json")
    assert (first.code, first.err) == (again.code, again.err) == (0, "")
    one, other = first.json, again.json
    assert isinstance(one, dict)
    assert isinstance(other, dict)
    assert {each["format"] for each in one["formats"]} == set(places)
    for name in ("files", "sessions", "events_added", "records"):
        assert one[name] == sum(each[name] for each in one["formats"])
    assert (one["skipped"], other["events_added"], other["records"]) == ([], 0, one["records"])
    said = eventlog("import")
    assert all(place in said.out for place in places.values())


def test_what_was_imported_is_sealed_and_both_indexes_know_it(home: Path, tmp_path: Path, source: Path) -> None:
    at_home(home)
    assert eventlog("import").code == 0
    source.write_bytes(source.read_bytes().replace(b"2026-11-21T00:00:00.000Z", datetime.now(timezone.utc).isoformat().encode()))
    assert eventlog("import", source).code == 0
    assert [path.suffix for path in (tmp_path / "store" / "sessions").glob("*/s-1*")] == [".jsonl"]  # plain: it is not old
    with EventLog.open(tmp_path / "store", create=False) as log:
        for session_id in log.session_ids():
            [*_, footer] = [json.loads(line) for line in whole_lines(tmp_path / "store", session_id)]
            assert footer["type"] == "segment.sealed", session_id
    indexes = [each.name.split(".")[0] for each in (tmp_path / "store" / "projections").glob("*.sqlite")]
    assert sorted(indexes) == ["catalog", "search"]
    database = next((tmp_path / "store" / "projections").glob("search*.sqlite"))
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    assert connection.execute("select count(*) from checkpoint").fetchone()[0] >= 8
    connection.close()


def test_a_home_without_tools_is_no_error_and_makes_no_store(home: Path, tmp_path: Path) -> None:
    outcome = eventlog("import", "--all", "--dry-run", "--json")
    assert (outcome.code, outcome.json) == (0, {"found": []})
    assert outcome.err.startswith("eventlog: found no sessions; looked for ")
    for place in (".claude/projects", ".codex/sessions", ".gemini/tmp", ".copilot/session-state", ".local/share/opencode"):
        assert str(home / place) in outcome.err
    report = eventlog("import", "--json").json
    assert isinstance(report, dict)
    assert (report["files"], report["formats"], report["found"]) == (0, [], [])
    assert not (tmp_path / "store").exists()


def test_a_format_without_a_path_takes_its_own_place_and_its_own_variable_names_another(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_home(home)
    report = eventlog("import", "codex", "--json").json
    assert isinstance(report, dict)
    assert (report["sessions"], [each["format"] for each in report["formats"]]) == (1, ["codex"])
    monkeypatch.setenv("CODEX_HOME", str(tmp_path / "elsewhere"))
    assert eventlog("import", "codex", "--dry-run", "--json").json == {"found": []}
    (home / ".codex").rename(tmp_path / "elsewhere")
    found = eventlog("import", "codex", "--dry-run", "--json").json
    assert isinstance(found, dict)
    assert [each["path"] for each in found["found"]] == [str(tmp_path / "elsewhere" / "sessions")]


def test_a_folder_that_is_called_like_a_format_is_named_as_a_path(tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "codex"
    folder.mkdir()
    source.rename(folder / source.name)
    monkeypatch.chdir(tmp_path)
    report = eventlog("import", "./codex", "--store", tmp_path / "store", "--json").json
    assert isinstance(report, dict)
    assert (report["files"], report["sessions"]) == (1, 1)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--all", "codex"], "--all takes everything"),
        (["--follow"], "--follow needs the FORMAT"),
        (["opencode", "--follow"], "cannot be followed; import it again instead"),
        (["codex", ".", "--dry-run"], "--dry-run says what is found without a PATH"),
        (["no/such/path"], "path 'no/such/path' does not exist"),
    ],
)
def test_what_does_not_go_together_is_wrong_use(arguments: list[str], said: str, home: Path) -> None:
    outcome = eventlog("import", *arguments)
    assert outcome.code == 2
    assert said in outcome.one_line_error()


def whole_lines(store: Path, session_id: str) -> list[bytes]:
    """All lines of a session's files, its own ones included."""
    import zstandard

    lines: list[bytes] = []
    for path in sorted([*(store / "sessions").glob(f"*/{session_id}+*"), *(store / "sessions").glob(f"*/{session_id}.jsonl*")]):
        with open(path, "rb") as file:
            if path.suffix == ".zst":
                with zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True) as stream:
                    lines += stream.read().splitlines()
            else:
                lines += file.read().splitlines()
    return [line for line in lines if line]
