"""Cursor: the app's database ``Cursor/User/globalStorage/state.vscdb``, the command line's ``~/.cursor/chats/<hash>/<id>/store.db``, and
the transcripts of its agents, ``~/.cursor/projects/<slug>/agent-transcripts/<id>/<id>.jsonl``.

- A database of the app is of several GB, most of it a cache (``agentKv``) that is of no session and is left out: only the keys of
  conversations and their messages are asked for. The app's settings in ``ItemTable`` hold secrets: one key of it is read.
- A transcript is the thin copy of a conversation: where the app's rows are there, it says nothing more (`meaning`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from eventlog.events import Parent
from eventlog.ids import session_id_of

from ..declaration import Format, Lines, Location, Rows
from ..intake import Place
from ..records import Record
from .databases import is_database, read
from .meaning import NAME, CursorMeaning

_BLOCKS = ("text", "thinking", "tool_use", "tool_result")


class Head(msgspec.Struct, gc=False):
    """A line of a transcript has no time, and no name of its session."""

    role: Any = None


def _is_record(record: dict[str, Any]) -> bool:
    message = record.get("message")
    if not isinstance(message, dict) or set(record) - {"role", "message"} or record.get("role") not in ("user", "assistant"):
        return False
    content = message.get("content")
    return isinstance(content, list) and all(isinstance(each, dict) and each.get("type") in _BLOCKS for each in content)


def _session(path: Path, records: list[Record[Head]], last: bool) -> Place | None:
    parent = None
    if path.parent.name == "subagents":
        parent = Parent(session_id=session_id_of(NAME, path.parent.parent.name), relation="subagent")
    return Place(session_id_of(NAME, path.stem), (path.stem,), parent)


FORMAT = Format(
    name=NAME,
    tool="Cursor",
    meaning=CursorMeaning,
    names=("state.vscdb", "store.db", "*.jsonl"),
    locations=(
        Location("$CONFIG/Cursor/User/globalStorage", "state.vscdb"),
        Location("$CONFIG/Cursor/User/workspaceStorage", "*/state.vscdb"),
        Location("~/.cursor/chats"),
        Location("~/.cursor/projects", "*/agent-transcripts"),
    ),
    lines=Lines(msgspec.json.Decoder(Head), _is_record, _session, lambda head: None, has_times=False),
    rows=Rows(is_database, read),
    beside=("meta.json",),
    checked_on="its description",
)
