"""``eventlog demo``: a small real session is recorded, its writer killed in the middle of an append, and everything recovered."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import msgspec

from ..events import MessageAdded, UsageRecorded
from ..log import EventLog
from ..settings import Settings
from .context import Context, command
from .failures import Refused

_ANSWER = MessageAdded(
    role="assistant",
    message_id="m3",
    model="demo-model",
    content="Found it: the cookie is bound to www.example.com, but the login runs on example.com, so the browser never sends it back."
    " Dropping the domain argument in app/login.py line 41 fixes it.",
)
_USAGE = UsageRecorded(message_id="m3", model="demo-model", input_tokens=530, output_tokens=64)


@command("demo")
def demo(context: Context) -> None:
    """Record a small session, crash it, recover it and replay it.

    A process is really killed in the middle of an append. The session is recorded in a new folder, or in the store that --store
    names; your own sessions are not touched."""
    folder = context.store or Path(tempfile.mkdtemp(prefix="eventlog-demo-"))
    say = (lambda text="", style="": None) if context.json else context.say
    say("1. A program records an agent session. Each append returns when it is on the disk:", "bold")
    session_id, acknowledged, half_bytes = _record_and_kill(folder, say)

    settings = Settings(store=folder)
    with EventLog.open(settings=settings) as log:
        say("\n2. What the crash left, as `eventlog verify` sees it:", "bold")
        torn = log.verify([session_id]).problems
        for problem in torn:
            say(f"   {problem.kind} of {problem.length} bytes in {problem.segment}: {problem.detail}")
        with log.session(session_id) as session:
            kept = sum(1 for _ in session.read())
            say(f"   {kept} of {acknowledged} acknowledged events are there.")
            say("\n3. The next program goes on. It sets the torn bytes aside and appends what was lost:", "bold")
            say(f"   seq {session.append(_ANSWER)}  message.added, whole this time")
            say(f"   seq {session.append(_USAGE)}  usage.recorded")
            say(f"   seq {session.end()}  session.ended: completed")
            events = session.last_seq
        aside = sorted(str(path.relative_to(folder)) for path in folder.glob("quarantine/**/*") if path.is_file())
        say(f"   set aside, never deleted: {', '.join(aside)}")
        ok = log.verify([session_id]).ok and kept == acknowledged and bool(torn)
        say(f"   verify: {'ok' if ok else 'NOT OK'}, {events} events")
    if not ok:
        raise Refused(f"the demo did not recover its session; report this, and keep {folder}")
    if context.json:
        result = {"store": str(folder), "session_id": session_id, "acknowledged": acknowledged, "torn_bytes": half_bytes, "events": events}
        context.emit({**result, "ok": ok})
        return
    _show_and_point_on(context, folder, session_id)


def _record_and_kill(folder: Path, say: Any) -> tuple[str, int, int]:
    """Run the writer until half of a line is on the disk, and kill it there."""
    session_id, acknowledged, half_bytes = "", 0, 0
    arguments = [sys.executable, "-m", "eventlog.cli.demo_writer", str(folder)]
    same_modules = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=same_modules) as writer:
        assert writer.stdout is not None
        for line in writer.stdout:
            report = msgspec.json.decode(line)
            if "half_bytes" in report:
                half_bytes = report["half_bytes"]
                writer.send_signal(signal.SIGKILL)
                break
            session_id = report.get("session_id", session_id)
            acknowledged = report["seq"]
            say(f"   seq {acknowledged}  {report['type']}")
    if writer.returncode != -signal.SIGKILL:
        raise Refused(f"the demo's writer stopped by itself (exit code {writer.returncode}); what it said stands above")
    say(f"   seq {acknowledged + 1}  message.added: {half_bytes} bytes, half of its line, were written when kill -9 came")
    return session_id, acknowledged, half_bytes


def _show_and_point_on(context: Context, folder: Path, session_id: str) -> None:
    from . import main

    context.say("\n4. The session, replayed from its events:\n", "bold")
    context.exit_code = main(["show", session_id, "--store", str(folder)])
    program, store = _program(), shlex.quote(str(folder))
    context.say("\nNext, with this demo's session; its folder may be deleted:", "bold")
    context.say(f"   {program} list --store {store}")
    context.say(f"   {program} search cookie --store {store}")
    context.say(f"   {program} cat {session_id} --store {store}")
    context.say("\nWith your own sessions:", "bold")
    if Path("~/.claude/projects").expanduser().is_dir():
        context.say(f"   {program} import claude-code ~/.claude/projects")
        context.say(f"   {program} list")
    else:
        context.say(f"   {program} import --help")


def _program() -> str:
    """What the shell that started this program can type to start it again: `make demo` puts nothing on the PATH."""
    started = Path(sys.argv[0])
    if started == Path(__file__).parents[1] / "__main__.py":
        return shlex.join([sys.executable, "-m", "eventlog"])
    found = shutil.which("eventlog")
    if started.name != "eventlog" or not started.is_file() or (found is not None and started.samefile(found)):
        return "eventlog"
    return shlex.quote(os.path.join(started.parent, started.name) if started.parent != Path() else "./eventlog")
