"""Claude Code: ``~/.claude/projects/<folder>/<uuid>.jsonl``, lines that are appended, now and then inserted; the web version's JSON export.

What a record means is in `meaning`, to which session it belongs in `places`. Subagents have files of their own with the parent's session id
in them, and a description beside them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from ..declaration import Format, Lines, Location
from ..intake import Place
from ..records import Record, document
from ..values import mapping_of, text_of
from .meaning import ClaudeCodeMeaning, sets
from .places import Head, first_named_place, main_place, place_of, subagent

_DESCRIPTION = ".meta.json"
_LISTS = ("loglines",)
_TREE = frozenset(("user", "assistant", "system", "attachment", "progress"))
_MARKS = ("uuid", "sessionId", "session_id", "message", "isSidechain")
_OTHERS = frozenset(
    (
        "summary", "file-history-snapshot", "file-history-delta", "queue-operation", "custom-title", "ai-title", "tag", "agent-name",
        "agent-setting", "last-prompt", "mode", "permission-mode", "pr-link", "bridge-session", "relocated", "worktree-state", "frame-link",
        "content-replacement", "started", "result",
    )
)  # fmt: skip
_heads = msgspec.json.Decoder(Head)


def _is_record(record: dict[str, Any]) -> bool:
    kind = text_of(record.get("type"))
    message = record.get("message")
    is_entry = "uuid" in record or isinstance(message, dict)
    if kind is None:
        return is_entry and "sessionId" in record
    if kind in _TREE:
        is_qwens = "parts" in mapping_of(message) or "systemPayload" in record
        return is_entry and any(name in record for name in _MARKS) and not is_qwens
    return kind in _OTHERS and "payload" not in record


def _session(path: Path, records: list[Record[Head]], last: bool) -> Place | None:
    main = main_place(records, path.stem) if last else first_named_place(records)
    return None if main is None else _described(path, main)


def _described(path: Path, place: Place) -> Place:
    """The place with what the file's ``.meta.json`` says of a subagent, if there is one."""
    if len(place.source_names) < 2:
        return place
    try:
        described = msgspec.json.decode(path.with_suffix(_DESCRIPTION).read_bytes(), type=dict[str, Any])
    except (OSError, ValueError, RecursionError):
        return place
    agent_type = text_of(described.get("agentType"))
    session_name, agent_name = place.source_names
    return subagent(
        session_name,
        agent_name,
        parent_agent=text_of(described.get("parentAgentId")),
        title=text_of(described.get("description")),
        metadata={"agent_type": agent_type} if agent_type else {},
    )


def _description_of(path: Path) -> Path | None:
    """A subagent's description stands beside its file."""
    return path.with_suffix(_DESCRIPTION) if path.name.startswith("agent-") and path.suffix == ".jsonl" else None


def _document(data: bytes) -> list[Record[Head]] | None:
    return document(data, _heads, _LISTS)


def _is_document(value: Any) -> bool:
    records = value if isinstance(value, list) else mapping_of(value).get("loglines")
    return isinstance(records, list) and any(isinstance(record, dict) and _is_record(record) for record in records)


FORMAT = Format(
    name="claude-code",
    tool="Claude Code",
    meaning=ClaudeCodeMeaning,
    sets=sets,
    names=("*.jsonl", "*.json"),
    not_names=("*" + _DESCRIPTION,),
    locations=(
        Location("~/.claude", "projects", "CLAUDE_CONFIG_DIR"),
        Location("~/.config/claude", "projects"),
        Location("$CONFIG/Claude/local-agent-mode-sessions"),
    ),
    lines=Lines(
        head=_heads,
        is_record=_is_record,
        session=_session,
        time=lambda head: head.time,
        place=place_of,
        document=_document,
        is_document=_is_document,
    ),
    side_file=_description_of,
)
