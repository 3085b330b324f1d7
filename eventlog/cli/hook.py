"""``eventlog hook``: for other tools' hooks. What a tool calls is answered by `spool` before this is loaded; here is the rest."""

from __future__ import annotations

import os
from pathlib import Path

import click

from ..log import EventLog
from ..spool import TOOLS, folder
from .context import Context, command
from .failures import Refused


@command("hook")
@click.argument("tool")
@click.option("--import", "import_now", is_flag=True, help="Import what waits; the hook starts this itself.")
def hook(context: Context, tool: str, import_now: bool) -> None:
    """Take a hook's input from another tool.

    TOOL is claude-code, which calls `eventlog hook claude-code` with its input on standard input: that is put on stable storage at once
    and imported by a process of its own. The exit code is 0, whatever happens, and nothing is printed: what goes wrong stands in
    errors.log in ~/.local/state/eventlog/hooks."""
    if tool not in TOOLS:  # not wrong use (2), with which a hook of Claude Code stops its user
        raise Refused(f"there is no hook for {tool!r}; there is {', '.join(TOOLS)}")
    if not import_now:
        raise Refused(f"this is for {tool} to call, with its input on standard input: name it in that tool's settings; see the README")
    from ..importers.hooks import take

    done = take(lambda store: _opened(context, store))
    if context.json:
        context.emit({"done": done, "spool": folder()})
    else:
        context.say(f"{done} hand-overs are imported; {folder()} is empty or says why not")


def _opened(context: Context, store: str | None) -> EventLog | None:
    """The store's log, made where it is not there. None while recording is off."""
    settings = context.loaded().settings
    if store is not None and context.store is None:
        settings = settings.replace(store=Path(os.path.abspath(store)))
    return EventLog.open(settings=settings) if settings.recording else None
