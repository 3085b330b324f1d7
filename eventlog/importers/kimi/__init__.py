"""Kimi: kimi-cli (``~/.kimi/sessions/<hash of cwd>/<id>/wire.jsonl``) and its successor Kimi Code
(``~/.kimi-code/sessions/wd_*/<id>/agents/<agent>/wire.jsonl``), lines that are appended.

The folder is the session, and in Kimi Code the main agent and its subagents share it: each of the others is a session of its own. Titles
stand in ``state.json`` of the session's folder. ``context.jsonl`` beside an old one is what the model got, told by ``wire.jsonl`` already.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from eventlog.events import Parent
from eventlog.ids import session_id_for, session_id_of

from ..declaration import Format, Found, Lines, Location, beside
from ..intake import Place
from ..records import Record
from ..values import mapping_of, text_of, time_of
from .meaning import NAME, KimiMeaning

_FAMILIES = ("context", "turn", "usage", "llm", "tools", "config", "permission", "plan_mode", "full_compaction", "mcp", "goal", "cron")
_OLD = frozenset(
    (
        "TurnBegin", "SteerInput", "TurnEnd", "StepBegin", "StepInterrupted", "StepRetry", "ContentPart", "ToolCall", "ToolCallPart",
        "ToolResult", "ApprovalRequest", "ApprovalResponse", "StatusUpdate", "CompactionBegin", "CompactionEnd", "SubagentEvent",
        "Notification", "ApprovalRequestResolved",
    )
)  # fmt: skip


class Head(msgspec.Struct, gc=False):
    """The fields of a line that date it."""

    timestamp: Any = None
    time: Any = None
    created_at: Any = None


def _is_record(record: dict[str, Any]) -> bool:
    kind = text_of(record.get("type"))
    if kind == "metadata":
        return "protocol_version" in record
    if kind is None:
        message = mapping_of(record.get("message"))
        return message.get("type") in _OLD and "payload" in message
    return kind.partition(".")[0] in _FAMILIES and "." in kind and ("time" in record or "event" in record or "message" in record)


def _folder(path: Path) -> tuple[Path, str | None]:
    """The session's folder, and the agent whose file this is, where it is not the main one."""
    agent = path.parent
    if agent.parent.name in ("agents", "subagents"):
        return agent.parent.parent, None if agent.name == "main" else agent.name
    return agent, None


def _session(path: Path, records: list[Record[Head]], last: bool) -> Place | None:
    folder, agent = _folder(path.absolute())
    name = folder.name if path.name == "wire.jsonl" else path.stem
    session_id = session_id_of(NAME, name)
    if agent is None:
        return Place(session_id, (name,))
    own = f"{session_id}.agent-{agent}"
    allowed = session_id_of(NAME, own) if len(own) <= 128 else session_id_for(NAME, name, agent)
    return Place(allowed, (name, agent), Parent(session_id=session_id, relation="subagent"))


def _beside(path: Path, place: Place) -> Iterator[Found]:
    folder, agent = _folder(path.absolute())
    return beside(folder / "state.json") if agent is None else iter(())


def _time(head: Head) -> datetime | None:
    return time_of(head.timestamp) or time_of(head.time) or time_of(head.created_at)


FORMAT = Format(
    name=NAME,
    tool="Kimi Code, kimi-cli",
    meaning=KimiMeaning,
    names=("wire.jsonl",),
    locations=(Location("~/.kimi", "sessions", "KIMI_SHARE_DIR"), Location("~/.kimi-code", "sessions", "KIMI_CODE_HOME")),
    lines=Lines(msgspec.json.Decoder(Head), _is_record, _session, _time, beside=_beside),
    side_file=lambda path: _folder(path.absolute())[0] / "state.json",
    beside=("state.json",),
    checked_on="its description",
)
