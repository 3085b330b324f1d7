"""Completion, schemas and examples: what a shell offers, what a program can rely on, what a help text ends with."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import jsonschema
import msgspec
import pytest

from eventlog import EventLog
from eventlog.cli.commands import COMMANDS
from eventlog.cli.examples import EXAMPLES
from eventlog.cli.manual import page
from eventlog.cli.program import Program, _program
from eventlog.events import MessageAdded, Parent, SessionStarted, ToolCalled, ToolReturned, UsageRecorded
from projections.cli.schema import ANSWERS, SILENT, of

from ...command_line import Outcome, eventlog


@pytest.fixture
def store(tmp_path: Path) -> Path:
    with EventLog.open(tmp_path / "store") as log:
        session = log.start(id="alpha", title="Debug login", tags=["bug"], user_id="u1", kind="agent", model="gpt-5")
        session.append(MessageAdded(role="user", content="the cookie"), ToolCalled(name="Bash", call_id="c"), ToolReturned(call_id="c"))
        session.append(UsageRecorded(model="gpt-5", input_tokens=1))
        log.session("alpha.agent-1", create=True).append(SessionStarted(parent=Parent(session_id="alpha", relation="subagent")))
        log.start(id="beta", title="Another")
    return tmp_path / "store"


# --- completion ---------------------------------------------------------------------------------------------------------------


def offered(store: Path, *words: str) -> list[str]:
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "EVENTLOG_STORE": str(store),
        "_EVENTLOG_COMPLETE": "bash_complete",
        "COMP_WORDS": shlex.join(("eventlog", *words)),
        "COMP_CWORD": str(len(words)),
    }
    done = subprocess.run([sys.executable, "-m", "eventlog"], env=environment, capture_output=True, check=False, text=True)
    assert done.stderr == ""
    return [line.partition(",")[2] for line in done.stdout.splitlines() if line]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["sho"], ["show"]),
        (["show", "al"], ["alpha", "alpha.agent-1"]),
        (["show", "la"], ["last"]),
        (["set", "b"], ["beta"]),
        (["list", "--tag", ""], ["bug"]),
        (["list", "--model", "g"], ["gpt-5"]),
        (["list", "--user", ""], ["u1"]),
        (["tools", "--name", "B"], ["Bash"]),
        (["list", "--sort", "to"], ["tokens"]),
        (["export", "--to", "mark"], ["markdown"]),
        (["import", "claude-c"], ["claude-code"]),
        (["cat", "--type", "message.a"], ["message.added", "message.amended"]),
        (["search", "x", "--session", "be"], ["beta"]),
    ],
)
def test_a_shell_is_offered_commands_sessions_and_values(store: Path, words: list[str], expected: list[str]) -> None:
    assert offered(store, *words) == expected


def test_without_a_store_nothing_is_offered_and_nothing_is_said_or_made(tmp_path: Path) -> None:
    assert offered(tmp_path / "none", "show", "a") == []
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_each_shell_asks_this_program(shell: str) -> None:
    script = eventlog("completion", shell).out
    assert f"_EVENTLOG_COMPLETE={shell}_complete" in script
    assert eventlog("completion", "csh").code == 2


# --- schemas ------------------------------------------------------------------------------------------------------------------


def test_every_command_has_a_schema_or_answers_nothing() -> None:
    assert set(ANSWERS) | set(SILENT) == set(COMMANDS)
    for name in ANSWERS:
        jsonschema.Draft202012Validator.check_schema(of(name))


LINES: list[tuple[str, list[object]]] = [
    ("append", ["append", "beta"]),
    ("backup", ["backup", "COPY"]),
    ("restore-backup", ["restore-backup", "COPY", "alpha"]),
    ("bundle", ["bundle", "alpha", "-o", "FILE"]),
    ("cat", ["cat", "alpha"]),
    ("cat", ["cat", "--all"]),
    ("cleanup", ["cleanup", "--older-than", "1d", "--dry-run"]),
    ("compact", ["compact", "--dry-run"]),
    ("completion", ["completion", "bash"]),
    ("config", ["config"]),
    ("config", ["config", "get", "sync"]),
    ("delete", ["delete", "beta", "--dry-run"]),
    ("delete", ["delete", "beta"]),
    ("restore", ["restore", "beta"]),
    ("doctor", ["doctor"]),
    ("export", ["export", "alpha", "--to", "markdown", "-o", "FILE.md"]),
    ("fork", ["fork", "alpha"]),
    ("grep", ["grep", "cookie"]),
    ("grep", ["grep", "-l", "cookie"]),
    ("import", ["import", "bundle", "FILE"]),
    ("import", ["import", "--all", "--dry-run"]),
    ("import", ["import"]),
    ("list", ["list"]),
    ("maintain", ["maintain", "--dry-run"]),
    ("merge", ["merge", "alpha", "beta"]),
    ("pin", ["pin", "alpha"]),
    ("unpin", ["unpin", "alpha"]),
    ("purge", ["purge", "--dry-run"]),
    ("rebuild", ["rebuild", "--check", "--jobs", 1]),
    ("redact", ["redact", "alpha", "--pattern", "nothing such"]),
    ("redact", ["redact", "--all", "--pattern", "cookie", "--dry-run"]),
    ("repair", ["repair"]),
    ("search", ["search", "cookie"]),
    ("set", ["set", "alpha", "--tag", "x"]),
    ("show", ["show", "alpha"]),
    ("show", ["show", "alpha", "--last", 1]),
    ("stats", ["stats"]),
    ("tools", ["tools"]),
    ("verify", ["verify"]),
]


def test_what_commands_answer_is_what_their_schemas_say(store: Path, tmp_path: Path) -> None:
    checked = set()
    for name, arguments in LINES:
        given = [tmp_path / str(each) if str(each).startswith(("COPY", "FILE")) else each for each in arguments]
        outcome = eventlog(*given, "--store", store, "--json")
        assert outcome.code == 0, (arguments, outcome.err)
        assert outcome.out, arguments
        for line in outcome.out.splitlines():
            jsonschema.validate(msgspec.json.decode(line), of(name))
        checked.add(name)
    elsewhere = {"hook", "resume"}  # in their own tests
    assert set(ANSWERS) - checked == {"demo", "open", "secrets", "serve", "tail"} | elsewhere


def test_a_schema_refuses_what_is_no_answer() -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"items": [{}], "total": 1}, of("list"))


def test_the_schema_command_prints_one_or_all(store: Path) -> None:
    one: Any = msgspec.json.decode(eventlog("schema", "list").out)
    everything: Any = eventlog("schema", "--json").json
    assert everything["list"] == one
    event = msgspec.json.decode(eventlog("cat", "alpha", "--store", store).out.splitlines()[1])
    jsonschema.validate(event, everything["events"])
    assert eventlog("schema", "nothing").code == 2


# --- help ---------------------------------------------------------------------------------------------------------------------


def test_every_command_has_examples_which_its_help_ends_with() -> None:
    assert set(EXAMPLES) == set(COMMANDS)
    for name, examples in EXAMPLES.items():
        assert eventlog(name, "--help").out.rstrip().endswith("\n".join(f"    {line}" for line in examples)), name


@pytest.mark.parametrize("line", [line for lines in EXAMPLES.values() for line in lines])
def test_every_example_is_a_line_that_the_program_takes(line: str) -> None:
    command = next(part for part in line.replace("||", "|").split(" | ") if "eventlog" in part).split(" > ")[0].split(" < ")[0]
    words = shlex.split(command)
    words = words[words.index("eventlog") + 1 :] if words[0] == "eventlog" else words[words.index("--") + 2 :]
    if words[0] == "import":
        words = [word for word in words if not word.startswith("~")]
    program = _program()
    assert isinstance(program, Program)
    made = program.get_command(click.Context(program), words[0])
    assert made is not None
    arguments = [word.replace("/mnt/disk/eventlog", os.curdir) for word in words[1:]]
    made.make_context(words[0], arguments, resilient_parsing=False)


def test_the_manual_page_is_what_the_help_says() -> None:
    """Where not: ``python -m eventlog.cli.manual > man/eventlog.1``."""
    stored = (Path(__file__).parents[3] / "man" / "eventlog.1").read_text()
    assert page() == stored
    for name in COMMANDS:
        assert f'.SS "{name.replace("-", chr(92) + "-")}' in stored


# --- what is said beside ------------------------------------------------------------------------------------------------------


def run(*arguments: object) -> Outcome:
    return eventlog(*arguments)


def test_quiet_leaves_out_hints_and_verbose_tells_more(store: Path) -> None:
    shown = ["show", "alpha", "--grep", "nothing such", "--store", store]
    assert run(*shown).err == "eventlog: nothing in the session is meant by that\n"
    assert run(*shown, "--quiet").err == ""
    assert "eventlog: looking at disk" in run("doctor", "--verbose", "--store", store).err


def test_a_log_file_gets_what_is_said_on_standard_error(store: Path, tmp_path: Path) -> None:
    file = tmp_path / "eventlog.log"
    run("show", "nobody", "--store", store, "--log-file", file)
    run("show", "alpha", "--grep", "nothing such", "--quiet", "--store", store, "--log-file", file)
    first, second = file.read_text().splitlines()
    assert " ERROR no session 'nobody' in this store" in first
    assert " INFO nothing in the session is meant by that" in second
