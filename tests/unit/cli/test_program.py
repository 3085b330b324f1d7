"""The frame around the commands: help, options before and after, exit codes, and one clear line for everything that can go wrong."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

from eventlog import EventLog, __version__
from eventlog.cli.commands import COMMANDS, Command
from eventlog.cli.failures import explain, visible
from eventlog.events import MessageAdded

from ...command_line import eventlog

PROGRAM = [sys.executable, "-m", "eventlog"]
MODULES = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONUNBUFFERED": ""}  # ours, and buffered as usual
HELLO = '{"type":"message.added","data":{"role":"user","content":"Hello"}}\n'


@pytest.fixture
def store(tmp_path: Path) -> Path:
    with EventLog.open(tmp_path / "store") as log:
        log.start(id="s", title="Grüße")
    return tmp_path / "store"


# --- help ------------------------------------------------------------------------------------------------------------------------


def test_help_lists_every_command_with_its_line() -> None:
    for arguments in (["--help"], ["-h"], []):
        outcome = eventlog(*arguments)
        assert (outcome.code, outcome.err) == (0, "")
        for name, command in COMMANDS.items():
            assert any(line.split() == [name, *command.help.split()] for line in outcome.out.splitlines()), name


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_what_the_table_says(name: str) -> None:
    module, attribute = COMMANDS[name].target.split(":")
    command = getattr(importlib.import_module(module), attribute)
    assert isinstance(command, click.Command)
    assert command.name == name
    assert (command.help or "").split("\n\n")[0].replace("\n", " ") == COMMANDS[name].help
    assert {option for parameter in command.params for option in parameter.opts} >= {"--store", "--json"}
    outcome = eventlog(name, "--help")
    assert outcome.code == 0
    assert outcome.out.startswith(f"Usage: eventlog {name} ")


FILTERS = ["--user", "--status", "--tag", "--model", "--kind", "--project", "--title", "--since", "--until", "--deleted"]
FIXED = {  # other people's scripts rely on these: names and flags are only ever added
    "import": ["FORMAT", "PATHS", "--follow"],
    "run": ["PROGRAM"],
    "append": ["SESSION", "--create"],
    "set": ["SESSION", "--title", "--description", "--purpose", "--tag", "--untag", "--user", "--meta", "--status"],
    "pin": ["SESSION"],
    "unpin": ["SESSION"],
    "grep": ["PATTERN", "SESSIONS"],
    "cat": ["SESSION", "--all", "--after", "--before", "--type", "--skip-damaged"],
    "show": ["SESSION", "--last", "--seq", "--context", "--grep", "--no-tools"],
    "list": [*FILTERS, "--sort", "--limit", "--after", "--wide", "--fields", "--format"],
    "search": ["QUERY", *FILTERS],
    "stats": ["SESSION", "--since", "--until", "--user", "--project", "--by", "--plot", "--zone"],
    "tools": ["SESSION", "--name", "--open"],
    "rebuild": ["NAMES", "--check", "--jobs", "--full"],
    "verify": ["SESSIONS", "--digest", "--expect"],
    "repair": ["SESSIONS", "--apply"],
    "tail": ["SESSION", "--after", "--type"],
    "mcp": ["--write", "--their-names"],
    "serve": [
        "--listen",
        "--read-only",
        "--no-token",
        "--tokens",
        "--allow-host",
        "--allow-origin",
        "--mcp-write",
        "--otlp",
        "--base-path",
    ],
    "open": ["SESSION", "--print"],
    "fork": ["SESSION", "--at"],
    "merge": ["SESSIONS", "--into"],
    "resume": ["SESSION", "--with"],
    "export": ["SESSIONS", "--to", "-o", "--update", "--split"],
    "compact": ["SESSIONS", "--drop-deltas"],
    "delete": ["SESSIONS"],
    "restore": ["SESSIONS"],
    "cleanup": ["--older-than", "--keep", "--dry-run"],
    "purge": ["SESSIONS"],
    "redact": ["SESSIONS", "--all"],
    "maintain": ["--dry-run"],
    "watch": ["--once", "--unit"],
    "doctor": ["--deep"],
    "secrets": ["SESSIONS", "--redact"],
    "completion": ["SHELL"],
    "schema": ["NAME"],
    "backup": ["FOLDER"],
    "restore-backup": ["FOLDER", "SESSIONS"],
    "bundle": ["SESSIONS"],
    "config": ["ACTION", "NAME", "VALUE"],
    "hook": ["TOOL", "--import"],
    "demo": [],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_names_and_flags_that_scripts_rely_on(name: str) -> None:
    module, attribute = COMMANDS[name].target.split(":")
    parameters = getattr(importlib.import_module(module), attribute).params
    arguments = [(parameter.name or "").upper() for parameter in parameters if isinstance(parameter, click.Argument)]
    flags = {
        option for parameter in parameters if isinstance(parameter, click.Option) for option in (*parameter.opts, *parameter.secondary_opts)
    }
    assert arguments == [each for each in FIXED[name] if each.isupper()]
    assert flags >= {each for each in FIXED[name] if each.startswith("-")}


def test_version() -> None:
    assert eventlog("--version").out == f"eventlog {__version__}\n"


# --- the shared options -----------------------------------------------------------------------------------------------------------


def test_store_and_json_stand_before_or_after_the_command_and_the_last_store_wins(store: Path) -> None:
    expected = {"session_id": "s", "last_seq": 1}
    assert eventlog("--store", store, "--json", "append", "s").json == expected
    assert eventlog("append", "--store", store, "s", "--json").json == expected
    assert eventlog("--store", store.parent / "other", "append", "s", "--json", "--store", store).json == expected


def test_the_store_comes_from_the_environment_where_no_option_names_it(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVENTLOG_STORE", str(store))
    assert eventlog("append", "s", "--json").json == {"session_id": "s", "last_seq": 1}
    assert eventlog("append", "s", "--store", store.parent / "other").code == 1


@pytest.mark.parametrize(
    "arguments", [["cat", "s"], ["verify"], ["set", "s", "--title", "x"], ["pin", "s"], ["append", "s"], ["show", "s"]]
)
def test_only_import_and_create_make_a_store(tmp_path: Path, arguments: list[str]) -> None:
    outcome = eventlog(*arguments, "--store", tmp_path / "none")
    assert outcome.code == 1
    assert outcome.one_line_error().startswith(f"there is no store at {tmp_path / 'none'}; name one with --store or EVENTLOG_STORE")
    assert list(tmp_path.iterdir()) == []


def test_while_recording_is_off_writing_is_refused_and_reading_goes_on(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVENTLOG_RECORDING", "off")
    for arguments in (
        ["append", "s"],
        ["append", "t", "--create"],
        ["set", "s", "--title", "x"],
        ["pin", "s"],
        ["import", "claude-code", store],
    ):
        outcome = eventlog(*arguments, "--store", store, stdin=HELLO)
        assert outcome.code == 1
        assert outcome.one_line_error().startswith("recording is off (from the environment variable EVENTLOG_RECORDING)")
    assert eventlog("cat", "s", "--store", store).out.count("\n") == 1
    assert eventlog("verify", "--store", store).code == 0


# --- what can go wrong ----------------------------------------------------------------------------------------------------------------


def _file(folder: Path) -> Path:
    path = folder / "file"
    path.write_text("no store")
    return path


def _other_folder(folder: Path) -> Path:
    path = folder / "photos"
    path.mkdir()
    (path / "cat.jpg").write_text("no store")
    return path


def _newer(folder: Path) -> Path:
    path = folder / "store"
    text = (path / "store.json").read_text()
    (path / "store.json").write_text(text.replace('"min_reader":1', '"min_reader":99'))
    assert "99" in (path / "store.json").read_text()
    return path


def _not_json(folder: Path) -> Path:
    path = folder / "store"
    (path / "store.json").write_text("?")
    return path


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (_file, "is not an event log store"),
        (_other_folder, "is not an event log store"),
        (_newer, "upgrade session-eventlog"),
        (_not_json, "is not an event log store"),
        (lambda folder: _file(folder) / "below", "not an event log store|there is no store at|refused (Not a directory)"),
    ],
)
def test_a_store_that_cannot_be_used_is_exit_1_and_one_line(store: Path, make: Callable[[Path], Path], said: str) -> None:
    folder = make(store.parent)
    for arguments in (["cat", "s"], ["verify"], ["append", "s", "--create"], ["set", "s", "--title", "x"]):
        outcome = eventlog(*arguments, "--store", folder, stdin=HELLO)
        assert outcome.code == 1, arguments
        error = outcome.one_line_error()
        assert any(each in error for each in said.split("|")), error


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["cat", "nope"], 1, "no session 'nope' in this store; `eventlog list` shows what there is"),
        (["show", "nope"], 1, "no session 'nope'"),
        (["verify", "nope"], 1, "no session 'nope'"),
        (["pin", "nope"], 1, "no session 'nope'"),
        (["cat", "../x"], 2, "invalid session id '../x': a session id matches [A-Za-z0-9][A-Za-z0-9._-]{0,127}"),
        (["append", "../x", "--create"], 2, "invalid session id '../x'"),
        (["append", "S", "--create"], 2, "invalid session id 'S': it differs from the existing session 's' only in case"),
        (["append", "x" * 129, "--create"], 2, "invalid session id"),
        (["append", "", "--create"], 2, "invalid session id ''"),
        (["cat", "a\nb\x1b[2J"], 2, r"invalid session id 'a\nb\x1b[2J'"),
        (["cat", "half \udce4 byte"], 2, r"invalid session id 'half \udce4 byte'"),
        (["cat"], 2, "SESSION ... ; `eventlog cat --help` shows the usage"),
        (["cat", "s", "--after", "x"], 2, "--after ... ; `eventlog cat --help` shows the usage"),
        (["cat", "s", "--after", "-1"], 2, "--after ... ; `eventlog cat --help` shows the usage"),
        (["cat", "s", "surplus"], 2, "surplus ... ; `eventlog cat --help` shows the usage"),
        (["cat", "s", "--colour"], 2, "--colour ... ; `eventlog cat --help` shows the usage"),
        (["--colour", "cat"], 2, "--colour ... ; `eventlog --help` shows the usage"),
        (["cta"], 2, "no such command 'cta', did you mean 'cat'?; `eventlog --help` shows the usage"),
        (["zzzz"], 2, "no such command 'zzzz'; `eventlog --help` shows the usage"),
        (["import", "claude-code", "/no/such/path"], 2, "/no/such/path ... ; `eventlog import --help` shows the usage"),
    ],
)
def test_bad_input_gets_one_clear_line(store: Path, arguments: list[str], code: int, said: str) -> None:
    outcome = eventlog("--store", store, *arguments, stdin=HELLO)
    error = outcome.one_line_error()
    assert all(part in error for part in said.split(" ... ")), error  # between them stand the words of click
    assert outcome.code == code


def test_a_wrong_setting_is_wrong_use(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVENTLOG_SYNC", "maybe")
    outcome = eventlog("cat", "s", "--store", store)
    assert outcome.code == 2
    assert outcome.one_line_error().startswith("setting sync = 'maybe' (from the environment variable EVENTLOG_SYNC) is not usable")


def test_a_command_whose_package_is_not_there_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(COMMANDS, "gone", Command("projections.of_nothing:gone", "Gone."))
    outcome = eventlog("gone")
    assert outcome.code == 1
    assert "the command 'gone' needs 'projections.of_nothing', which is not installed" in outcome.one_line_error()


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (PermissionError(13, "Permission denied", "/x"), 1, "no permission: /x; change its owner or mode, or name another place"),
        (FileNotFoundError(2, "No such file", "/x"), 1, "no such file or folder: /x; check the path"),
        (
            OSError(28, "No space left on device"),
            1,
            "the operating system refused (No space left on device); check the disk and the path, then try again",
        ),
        (RecursionError("deep"), 2, "the JSON is nested too deeply; flatten it, or store it as text"),
        (MemoryError(), 1, "out of memory; give the command less at a time"),
        (
            ZeroDivisionError("oh\nno"),
            1,
            "unexpected ZeroDivisionError: oh no; this is a bug: set EVENTLOG_TRACEBACK=1, run it again and report what it prints",
        ),
    ],
)
def test_every_other_error_is_one_line_too(error: Exception, code: int, line: str) -> None:
    assert explain(error) == (code, line)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_store_without_permission_is_one_line(store: Path) -> None:
    store.chmod(0)
    try:
        outcome = eventlog("cat", "s", "--store", store)
    finally:
        store.chmod(0o700)
    assert outcome.code == 1
    assert "no permission" in outcome.one_line_error()


def test_control_characters_are_shown_and_not_obeyed() -> None:
    assert visible("a\x1b[2J\x07\u202eb\tc\nd\x9b") == "a\\x1b[2J\\x07\\u202eb\tc\nd\\x9b"


# --- the process ----------------------------------------------------------------------------------------------------------------------


def test_a_reader_that_has_enough_ends_the_output_quietly(store: Path) -> None:
    with EventLog.open(store) as log:
        log.session("s").append(*[MessageAdded(role="user", content="x" * 1000)] * 300)
    command = [*PROGRAM, "cat", "s", "--store", str(store)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, **MODULES}) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(10)
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


def test_a_reader_that_has_left_before_the_first_word_is_no_error(store: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [*PROGRAM, "verify", "--store", str(store)]
    with os.fdopen(writing) as stdout:
        done = subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, env={**os.environ, **MODULES}, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize(
    ("arguments", "closed", "code"),
    [
        (["append", "s"], "<&-", 0),
        (["list"], ">&-", 0),
        (["cat", "s"], ">&-", 0),
        (["show", "nobody"], "2>&-", 1),
        (["verify", "--json"], "<&- >&- 2>&-", 0),
    ],
)
def test_a_standard_stream_that_is_closed_is_an_empty_one(store: Path, arguments: list[str], closed: str, code: int) -> None:
    command = ["sh", "-c", f'exec "$@" {closed}', "sh", *PROGRAM, *arguments, "--store", str(store)]
    done = subprocess.run(command, capture_output=True, env={**os.environ, **MODULES}, check=False)
    assert (done.returncode, done.stderr) == (code, b"")


def test_an_interrupt_is_130_without_a_word(store: Path) -> None:
    command = [*PROGRAM, "append", "s", "--store", str(store)]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    pipes["preexec_fn"] = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)  # which a shell's background job has ignored
    with EventLog.open(store) as log, subprocess.Popen(command, env={**os.environ, **MODULES}, **pipes) as process:  # type: ignore[call-overload]
        process.stdin.write(HELLO.encode())
        process.stdin.flush()
        session = log.session("s")
        while session.last_seq < 2:
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.wait() == 130
        assert (process.stdout.read(), process.stderr.read()) == (b"", b"")


def test_a_locale_that_cannot_spell_a_title_gets_an_escape_and_json_stays_utf_8(store: Path) -> None:
    environment = {**os.environ, **MODULES, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}
    shown = subprocess.run([*PROGRAM, "cat", "s", "--store", str(store)], capture_output=True, env=environment, check=True)
    assert '"title":"Grüße"' in shown.stdout.decode()
    refused = subprocess.run([*PROGRAM, "cat", "ü", "--store", str(store)], capture_output=True, env=environment, check=False)
    assert refused.returncode == 2
    assert refused.stderr.isascii()
    assert refused.stderr.count(b"\n") == 1
