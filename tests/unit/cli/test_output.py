"""Where the output of commands goes: ``-o``, standard output, and a terminal, which must never be given orders."""

from __future__ import annotations

import io
import os
import re
import stat
import subprocess
import sys
import tarfile
import threading
from pathlib import Path

import msgspec
import pytest

from eventlog import EventLog
from eventlog.events import MessageAdded

from ...command_line import eventlog

EVIL = "red \x1b[31m and \x9b2J, \x07bell, \u202ereversed, \x7f"


@pytest.fixture
def store(tmp_path: Path) -> Path:
    with EventLog.open(tmp_path / "store") as log:
        log.start(id="s", title=EVIL).append(MessageAdded(role="user", content=EVIL), MessageAdded(role="assistant", content="an answer"))
        log.start(id="t").append(MessageAdded(role="user", content="another"))
    return tmp_path / "store"


def controls(text: str) -> list[str]:
    return [char for char in text if char in "\u202e" or (ord(char) < 32 and char not in "\n\t") or 127 <= ord(char) < 160]


@pytest.mark.parametrize(
    "arguments",
    [
        ["cat", "s"],
        ["show", "s"],
        ["show", "s", "--json"],
        ["list", "--json"],
        *(["export", "s", "--to", format] for format in ("markdown", "json", "jsonl", "html", "openai", "claude-code")),
    ],
)
def test_a_terminal_is_never_given_orders(store: Path, arguments: list[str]) -> None:
    outcome = eventlog(*arguments, "--store", store, terminal=True)
    assert outcome.code == 0
    assert controls(re.sub(r"\x1b\[(?!31m|2J)[0-9;]*m", "", outcome.out)) == []  # but our own colours


def test_json_on_a_terminal_is_the_same_json(store: Path) -> None:
    shown, piped = (eventlog("cat", "s", "--store", store, terminal=terminal).out for terminal in (True, False))
    assert "\\u009b2J" in shown
    assert "\x9b2J" in piped
    assert [msgspec.json.decode(line) for line in shown.splitlines()] == [msgspec.json.decode(line) for line in piped.split("\n")[:-1]]


def test_a_pipe_gets_a_document_as_it_was_said(store: Path) -> None:
    assert EVIL in eventlog("export", "s", "--to", "markdown", "--store", store).out


@pytest.mark.parametrize("arguments", [["export", "s", "--to", "json", "-o", "-"], ["export", "s", "t", "--to", "markdown", "-o", "-"]])
def test_a_dash_is_standard_output(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    outcome = eventlog(*arguments, "--store", store)
    assert outcome.code == 0
    assert outcome.out == eventlog(*arguments[:-2], "--store", store).out != ""
    assert list((tmp_path / "here").iterdir()) == []


def test_a_bundle_goes_to_standard_output_too_but_to_no_terminal(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    arguments = [sys.executable, "-m", "eventlog", "--store", str(store), "bundle", "s", "t", "-o", "-", "--json"]
    done = subprocess.run(
        arguments, capture_output=True, check=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    )
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        assert len(archive.getnames()) == 3
    assert msgspec.json.decode(done.stderr)["sessions"] == ["s", "t"]
    assert list((tmp_path / "here").iterdir()) == []
    refused = eventlog("bundle", "s", "-o", "-", "--store", store, terminal=True)
    assert (refused.code, refused.out) == (2, "")
    assert "a bundle is no text for a terminal" in refused.err


@pytest.mark.parametrize(
    "arguments",
    [["bundle", "s", "t"], ["export", "s", "t", "--to", "json"], ["export", "s", "--to", "markdown"], ["export", "s", "--to", "sharegpt"]],
)
def test_a_fifo_gets_what_is_written_and_stays_one(store: Path, tmp_path: Path, arguments: list[str]) -> None:
    fifo = tmp_path / "here" / "fifo"
    fifo.parent.mkdir()
    os.mkfifo(fifo)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(fifo.read_bytes()))
    reader.start()
    outcome = eventlog(*arguments, "-o", fifo, "--store", store)
    reader.join()
    assert outcome.code == 0
    assert len(got[0]) > 50
    assert stat.S_ISFIFO(fifo.stat().st_mode)
    assert list(fifo.parent.iterdir()) == [fifo]


def test_a_bundle_is_its_owners_alone_and_follows_links(store: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to("elsewhere/new.bundle")
    former = os.umask(0)
    try:
        assert eventlog("bundle", "s", "-o", tmp_path / "link", "--store", store).code == 0
    finally:
        os.umask(former)
    assert (tmp_path / "link").is_symlink()
    (made,) = (tmp_path / "elsewhere").iterdir()
    assert stat.S_IMODE(made.stat().st_mode) == 0o600
    assert tarfile.is_tarfile(made)


def test_a_folder_in_the_place_of_a_bundle_is_refused_in_a_line(store: Path, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    outcome = eventlog("bundle", "s", "-o", tmp_path / "folder", "--store", store)
    assert outcome.code == 1
    assert "Is a directory" in outcome.one_line_error()
    assert list((tmp_path / "folder").iterdir()) == []


def test_a_variable_that_is_no_setting_is_said_once_by_every_command(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVENTLOG_SYNK", "never")
    monkeypatch.setenv("EVENTLOG_TOKN", "x")
    monkeypatch.setenv("EVENTLOG_TOKEN", "x")
    monkeypatch.setenv("EVENTLOG_QQQ", "x")
    said = [
        "eventlog: EVENTLOG_SYNK is not a setting and is ignored; did you mean EVENTLOG_SYNC?",
        "eventlog: EVENTLOG_TOKN is not a setting and is ignored; did you mean EVENTLOG_TOKEN?",
        "eventlog: EVENTLOG_QQQ is not a setting and is ignored; `eventlog config` shows what there is",
    ]
    for arguments in (["list"], ["list", "--json"], ["cat", "s"], ["bundle", "s", "-o", store.parent / "b"], ["config"]):
        outcome = eventlog(*arguments, "--store", store)
        assert (outcome.code, sorted(outcome.err.splitlines())) == (0, sorted(said))
