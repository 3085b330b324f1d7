"""Going on with a session in a tool: in its own, where it still is, untouched; else in a new file, made for the tool, under a new id.

What comes of it is a command, as a list of arguments. Nothing recorded is in it but an id of only letters, digits, ``-``, ``_`` and ``.``.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from uuid import uuid4

import msgspec

from eventlog import EventLog, Session
from eventlog.errors import InvalidInput
from eventlog.importers import declared, import_paths
from eventlog.importers.databases import opened
from eventlog.importers.opencode.meaning import NAME as OPENCODE
from eventlog.importers.provenance import Records

from ... import SessionView, replay
from .. import MADE
from . import Native, folder_of, module_of
from .homes import databases_of, file_at, home_of, is_safe, place

_COMMANDS = {
    "claude-code": ("claude", "--resume", "{id}"),
    "codex": ("codex", "resume", "{id}"),
    "gemini-cli": ("gemini", "--resume", "{id}"),
    "pi": ("pi", "--session", "{file}"),
    "opencode": ("opencode", "--session", "{id}"),
}
_NEW_COMMANDS = {"gemini-cli": ("gemini", "--session-file", "{file}"), "opencode": ("opencode", "import", "{file}")}
_NOTES = {
    "codex": "Codex lists sessions by a database of its own since 0.142; where it does not find this one, name the file",
    "opencode": "after the import: opencode --session {id}",
}


class Resumption(msgspec.Struct, kw_only=True):
    """``session_id``: the tool's name for the session. ``file``: what was written; None where the session is still at its tool.
    ``folder``: where it was, if that is still there. ``gone_on``: how many records the tool has of it that the log has not."""

    tool: str
    command: list[str]
    session_id: str
    file: str | None = None
    folder: str | None = None
    gone_on: int = 0
    note: str | None = None


def resume(session: Session, tool: str | None = None) -> Resumption:
    """What goes on with the session. Writes a new file at most. Raises `InvalidInput` for a tool that cannot, or that says nothing."""
    view = replay(session.read(on_damage="skip"), SessionView)
    source = view.metadata.get("source")
    chosen = tool or (source if isinstance(source, str) else None)
    if chosen not in MADE:
        came = f"it came from {chosen}, which" if chosen and tool is None else "no tool that" if tool is None else f"{tool}"
        reason = f"{came} does not go on with a file" if chosen else "it did not come from a tool"
        raise InvalidInput(f"session {session.id} cannot be resumed there: {reason}; give one with --with: {', '.join(MADE)}")
    cwd = folder_of(view)
    folder = cwd if cwd != "/" and Path(cwd).is_dir() else None
    name = view.metadata.get("source_session_id") or session.id
    if chosen == source and isinstance(name, str) and is_safe(name):
        is_an_agents = "agent_id" in view.metadata  # which has no file that its tool would go on with
        known = None if is_an_agents else _still_there(session, chosen, name)
        if known is not None:
            path, gone_on = known
            command = _filled(_COMMANDS[chosen], name, path)
            return Resumption(tool=chosen, command=command, session_id=name, folder=folder, gone_on=gone_on)
    return _anew(session, chosen, folder)


def _anew(session: Session, tool: str, folder: str | None) -> Resumption:
    """A new file of the session, in the tool's own folder."""
    native, module = Native(tool), module_of(tool)
    told, chunks = native.made(session, id=str(uuid4()), cwd=folder or str(Path.cwd()), on_damage="skip")
    data = b"".join(chunks)
    if not told.turns:
        raise InvalidInput(f"session {session.id} has nothing to go on with: no message that the model sees")
    home = home_of(tool)
    path = place(home, module.folder(told, home), module.file_name(told.id, told.began), data)
    id = module.session_id(told.id) if tool == OPENCODE else told.id
    note = _NOTES[tool].format(id=id) if tool in _NOTES else None
    command = _filled(_NEW_COMMANDS.get(tool, _COMMANDS[tool]), id, path)
    return Resumption(tool=tool, command=command, session_id=id, file=str(path), folder=folder, note=note)


def _filled(command: tuple[str, ...], id: str, file: Path | None) -> list[str]:
    return [each.format(id=id, file=file) for each in command]


def _still_there(session: Session, tool: str, name: str) -> tuple[Path | None, int] | None:
    """The tool's own file of the session, and how many of its records are new; None where it has none any more."""
    if tool == OPENCODE:
        return next(((None, 0) for path in databases_of(tool) if _holds(path, name)), None)
    path = file_at(tool, name)
    if path is None:
        return None
    with EventLog.memory() as other:
        import_paths(other, tool, [path])
        there = other.session(session.id) if session.id in set(other.session_ids()) else None
        count = 0 if there is None else _records_in(there, tool)
    return path, max(0, count - _records_in(session, tool))


def _records_in(session: Session, tool: str) -> int:
    side = declared(tool).is_beside
    return sum(record is None or side(record) is None for _, record in Records(session, tool).all())


def _holds(database: Path, name: str) -> bool:
    try:
        with opened(database) as connection:
            return connection.execute("select 1 from session where id = ?", (name,)).fetchone() is not None
    except sqlite3.Error:
        return False
