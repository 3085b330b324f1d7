"""Codex (CLI, desktop, IDE): ``~/.codex/sessions/Y/M/D/rollout-<local time>-<uuid>.jsonl``, compressed to ``.jsonl.zst`` after some days.

A line is ``{timestamp, type, payload}``; until September 2025 it was the bare item, after a first line ``{id, timestamp, instructions,
git}``. What a line means is in `meaning`. What misleads:

- Forks and subagents begin with lines of their parent, with its ``session_meta``: the first one is the file's own.
- The name has local time, the lines UTC. The same session may lie in ``archived_sessions`` too, or be there plain and compressed.
- ``codex exec --json`` prints another grammar (``thread.started``), which is not this one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from eventlog.events import Parent
from eventlog.ids import session_id_for, session_id_of

from ..declaration import Format, Found, Lines, Location
from ..intake import Place
from ..provenance import fingerprint
from ..records import Record, lenient_value, load
from ..values import mapping_of, text_of, time_of
from .meaning import NAME, CodexMeaning, meta_of

_TYPES = frozenset(
    (
        "session_meta", "response_item", "event_msg", "turn_context", "compacted", "world_state", "inter_agent_message",
        "inter_agent_communication", "inter_agent_communication_metadata", "token_usage_record", "security_risk_score",
        "retained_context", "realtime_item",
    )
)  # fmt: skip
_INDEX = "session_index.jsonl"
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


class Head(msgspec.Struct, gc=False):
    """The fields of a line that date and place it."""

    type: Any = None
    timestamp: Any = None
    record_type: Any = None
    id: Any = None

    @property
    def may_begin(self) -> bool:
        return self.type == "session_meta" or (self.type is None and self.id is not None)


def _is_record(record: dict[str, Any]) -> bool:
    if record.get("type") in _TYPES if isinstance(record.get("type"), str) else False:
        return isinstance(record.get("payload"), dict)
    return meta_of(record) is not None or record.get("record_type") == "state"


def _session(path: Path, records: list[Record[Head]], last: bool) -> Place | None:
    for record in records:
        if record.head is not None and record.head.may_begin:
            meta = meta_of(load(record.text)[0])
            if meta is not None:
                return _place(meta)
    if not last:
        return None
    named = _UUID.search(path.stem)
    if named is not None:
        return Place(named[0], (named[0],))
    first = next(record for record in records if record.head is not None)
    session_id = session_id_for(NAME, fingerprint(first.text).hex())
    return Place(session_id, (session_id,))


def _place(meta: dict[str, Any]) -> Place:
    name = str(meta["id"])
    spawn = mapping_of(mapping_of(mapping_of(meta.get("source")).get("subagent")).get("thread_spawn"))
    caller = text_of(meta.get("parent_thread_id")) or text_of(spawn.get("parent_thread_id"))
    forked = text_of(meta.get("forked_from_id"))
    parent = None
    if caller and caller != name:
        parent = Parent(session_id=session_id_of(NAME, caller), relation="subagent")
    elif forked and forked != name:
        parent = Parent(session_id=session_id_of(NAME, forked), relation="fork")
    return Place(session_id_of(NAME, name), (name,), parent)


def _beside(path: Path, place: Place) -> Iterator[Found]:
    """The session's name: the newest entry that the tool's list of sessions has of it."""
    for folder in path.absolute().parents:
        if folder.name in ("sessions", "archived_sessions"):
            newest = _entry(folder.parent / _INDEX, place.source_names[0])
            if newest is not None:
                yield Found(b'{"file":' + msgspec.json.encode(_INDEX) + b',"value":' + newest + b"}")
            return


def _entry(index: Path, name: str) -> bytes | None:
    try:
        lines = [line for line in index.read_bytes().splitlines() if name.encode() in line]
    except OSError:
        return None
    entries = [(line, mapping_of(lenient_value(line))) for line in lines]
    own = [(text_of(entry.get("updated_at")) or "", line) for line, entry in entries if entry.get("id") == name and "thread_name" in entry]
    return max(own, default=("", None), key=lambda each: each[0])[1]


def _time(head: Head) -> datetime | None:
    return time_of(head.timestamp)


FORMAT = Format(
    name=NAME,
    tool="Codex (CLI, desktop, IDE)",
    meaning=CodexMeaning,
    names=("*.jsonl", "*.jsonl.zst"),
    not_names=("history.jsonl", "session_index.jsonl"),
    locations=(Location("~/.codex", "sessions", "CODEX_HOME"), Location("~/.codex", "archived_sessions", "CODEX_HOME")),
    lines=Lines(head=msgspec.json.Decoder(Head), is_record=_is_record, session=_session, time=_time, beside=_beside),
    beside=(_INDEX,),
)
