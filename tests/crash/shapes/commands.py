"""Every command of the command line, in this process and now and then in one of its own."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from eventlog.cli import main
from eventlog.cli.failures import explain

from .known import Broken
from .library import use

if TYPE_CHECKING:
    from .case import Case

_MOST_OUTPUT = 8 << 20
_PATIENCE_S = 60.0
_LISTED = ("list", "search", "stats", "tools")


class Answer:
    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


class _Bounded(io.BytesIO):
    """Takes so much and no more: an output without an end is a hang."""

    def write(self, data: Any) -> int:
        if self.tell() > _MOST_OUTPUT:
            raise _Endless
        return super().write(data)


class _Endless(BaseException):
    pass


def run(case: Case, *arguments: object, stdin: bytes = b"") -> Answer:
    """A command on the store; anything but an answer in a line or the output that was asked for breaks a promise."""
    words = ["--store", str(case.store), *map(str, arguments)]
    apart = case.random.random() < 0.02 and arguments[0] != "tail"  # which only an interrupt ends
    answer = _apart(words, stdin) if apart else _here(words, stdin)
    command = str(arguments[0])
    if answer.code not in (0, 1, 2, 130) or "Traceback" in answer.err or "this is a bug" in answer.err:
        raise Broken("not ours", f"{command} ended with {answer.code}: {answer.err[-600:]}")
    if answer.code not in (0, 130) and not answer.err and not answer.out:
        raise Broken("no answer", f"{command} ended with {answer.code} and said nothing")
    case.answers[f"{command} -> {answer.code}"] += 1
    return answer


def _here(words: list[str], stdin: bytes) -> Answer:
    """In this process, with the exception itself where it is none of ours."""
    streams = [io.TextIOWrapper(kind, "utf-8") for kind in (io.BytesIO(stdin), _Bounded(), _Bounded())]
    before = sys.stdin, sys.stdout, sys.stderr
    sys.stdin, sys.stdout, sys.stderr = streams
    os.environ["EVENTLOG_TRACEBACK"] = "1"
    err = ""
    try:
        code = main(words)
        for stream in streams[1:]:
            stream.flush()
    except _Endless:
        raise Broken("hang", f"{words[2]} writes without an end") from None
    except Exception as error:
        code, err = explain(error)
        if "this is a bug" in err or isinstance(error, RecursionError | MemoryError):
            raise
    finally:
        sys.stdin, sys.stdout, sys.stderr = before
        del os.environ["EVENTLOG_TRACEBACK"]
    out, said = (stream.buffer.getvalue().decode() for stream in streams[1:])  # type: ignore[attr-defined]
    return Answer(code, out, said + err)


def _apart(words: list[str], stdin: bytes) -> Answer:
    command = [sys.executable, "-m", "eventlog", *words]
    try:
        done = subprocess.run(command, input=stdin, capture_output=True, timeout=_PATIENCE_S, check=False)
    except subprocess.TimeoutExpired:
        raise Broken("hang", f"{words[2]} in a process of its own did not end") from None
    return Answer(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))


# --- reading ------------------------------------------------------------------------------------------------------------------


@use(8)
def command_cat(case: Case) -> None:
    session_id = case.id_for_a_command()
    more = case.random.choice(((), ("--skip-damaged",), ("--after", "3"), ("--skip-damaged", "--before", "9")))
    answer = run(case, "cat", session_id, *more)
    lines = answer.out.encode().split(b"\n")[:-1]
    case.known.check_lines(session_id, ((json.loads(line)["seq"], line) for line in lines))


@use(4)
def command_show(case: Case) -> None:
    session_id = case.id_for_a_command()
    answer = run(case, "show", session_id, "--skip-damaged", *case.random.choice(((), ("--json",))))
    case.known.check_marks(session_id, answer.out)


@use(8)
def command_that_lists(case: Case) -> None:
    command = case.random.choice(_LISTED)
    answer = run(case, command, *(("hello",) if command == "search" else ()), "--json")
    if answer.code == 0 and command in ("list", "search"):
        for item in json.loads(answer.out)["items"]:
            case.known.check_marks(item["session_id"], json.dumps(item))


@use(1)
def command_stats_of_a_session(case: Case) -> None:
    run(case, case.random.choice(("stats", "tools")), case.id_for_a_command())


@use(5)
def command_verify(case: Case) -> None:
    run(case, "verify", *case.random.choice(((), ("--json",), ("--digest",))))


@use(2)
def command_rebuild(case: Case) -> None:
    run(case, "rebuild", "--jobs", 1, *case.random.choice(((), ("--check",), ("--full",))))


@use(3)
def command_export(case: Case) -> None:
    case.count += 1
    session_id = case.id_for_a_command()
    kind = case.random.choice(("markdown", "json", "jsonl", "html", "openai", "claude-code"))
    more: tuple[object, ...] = () if case.random.random() < 0.5 else ("-o", case.out / f"export-{case.count}")
    answer = run(case, "export", session_id, "--to", kind, "--skip-damaged", *more)
    case.known.check_marks(session_id, answer.out)


@use(0.6)
def command_tail(case: Case) -> None:
    """Live until it is interrupted, which comes soon."""
    case.interrupt_soon()
    answer = run(case, "tail", case.id_for_a_command(), "--json", "--skip-damaged")
    assert answer.code in (1, 2, 130), answer.code


@use(0.5)
def command_config(case: Case) -> None:
    run(case, "config", "--json")


# --- writing ------------------------------------------------------------------------------------------------------------------


@use(8)
def command_append(case: Case) -> None:
    session_id = case.id_for_a_command()
    text = case.known.attempt(session_id)
    line = json.dumps({"type": "message.added", "data": {"role": "user", "content": f"by command {text}"}}).encode() + b"\n"
    answer = run(case, "append", session_id, "--json", *case.random.choice(((), ("--create",))), stdin=line)
    if answer.code == 0:
        case.known.acknowledged(session_id, json.loads(answer.out)["last_seq"], text)


@use(2)
def command_set(case: Case) -> None:
    session_id = case.id_for_a_command()
    run(case, *case.random.choice((("set", session_id, "--title", "another"), ("pin", session_id), ("unpin", session_id))))


@use(1)
def command_fork(case: Case) -> None:
    answer = run(case, "fork", case.id_for_a_command(), "--skip-damaged")
    if answer.code == 0:
        case.known.derived.add(answer.out.strip())
    else:
        case.adopt_new_sessions()


@use(1)
def command_merge(case: Case) -> None:
    first, second = case.random.sample(case.all_ids, 2)
    answer = run(case, "merge", first, second, "--skip-damaged")
    if answer.code == 0:
        case.known.derived.add(answer.out.strip().split()[0])
    else:
        case.adopt_new_sessions()


@use(2)
def command_compact(case: Case) -> None:
    run(case, "compact", "--idle", "0s", *case.random.choice(((), ("--dry-run",), ("--drop-deltas",))))


@use(3)
def command_repair(case: Case) -> None:
    run(case, "repair", *case.random.choice(((), ("--apply",), ("--apply",))))


@use(0.7)
def command_delete_and_restore(case: Case) -> None:
    session_id = case.id_for_a_command()
    run(case, "delete", session_id)
    if case.random.random() < 0.7:
        run(case, "restore", session_id)


@use(0.7)
def command_cleanup(case: Case) -> None:
    run(case, "cleanup", "--older-than", "1d", "--dry-run")


@use(1)
def command_purge(case: Case) -> None:
    if case.random.random() < 0.5:
        run(case, "purge", "--dry-run")
        return
    session_id = case.id_for_a_command()
    case.known.forget(session_id)
    case.known.derived.add(session_id)
    run(case, "purge", session_id, "--now")


@use(1)
def command_redact(case: Case) -> None:
    session_id = case.id_for_a_command()
    dry = case.random.random() < 0.5
    if not dry:
        case.known.redacted.add(session_id)
    run(case, "redact", session_id, "--seq", case.random.randrange(1, 6), *(("--dry-run",) if dry else ()))


@use(2)
def command_backup(case: Case) -> None:
    case.count += 1
    folder = case.out / f"backup-{case.count}"
    if run(case, "backup", folder).code == 0:
        run(case, "restore-backup", folder)


@use(2)
def command_bundle_and_import(case: Case) -> None:
    path = case.out / "template.bundle"
    if case.random.random() < 0.5:
        case.count += 1
        path = case.out / f"{case.count}.bundle"
        if run(case, "bundle", case.id_for_a_command(), "-o", path).code:
            return
    run(case, "import", "bundle", path)


@use(1)
def command_import_lines(case: Case) -> None:
    case.count += 1
    path = case.out / f"{case.count}.jsonl"
    if run(case, "export", case.id_for_a_command(), "--to", "jsonl", "-o", path).code == 0:
        run(case, "import", "jsonl", path)
