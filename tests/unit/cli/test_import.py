"""``eventlog import``: the report for a program and for a person, and what is refused before a store is made."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from ...command_line import eventlog


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
    assert outcome.one_line_error().startswith("unknown format 'claude-coda', there are bundle, claude-code, jsonl, openai")
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
    assert (outcome.code, outcome.err) == (0, "")
    assert [Path(skipped["file"]).name for skipped in report["skipped"]] == ["two\nlines.jsonl", "\\xff.jsonl"]
    said = eventlog("import", format, folder, "--store", tmp_path / "store").err.splitlines()
    assert [line.startswith("eventlog: skipped ") for line in said] == [True, True]
