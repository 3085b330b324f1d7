"""pi: ``~/.pi/agent/sessions/--<cwd>--/<time>_<id>.jsonl``; OMP, its fork, in ``~/.omp``. Appended; written anew when an old version is
migrated.

A header ``{"type":"session","id",...}``, then entries: of version 1 in their order, since version 2 a tree of ``id`` and ``parentId``, of
which the last entry's branch is the one that goes on. What misleads:

- Two clocks: ISO on the entry, milliseconds inside ``message``; the header may be later than the first messages.
- An assistant message without content was broken off. ``bashExecution`` is what the user ran himself.
- ``firstKeptEntryIndex`` of a compaction counts entries by their order, ``firstKeptEntryId`` names one.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from eventlog.events import (
    ContextCompacted,
    Cost,
    ErrorLogged,
    Event,
    Parent,
    Part,
    SessionStarted,
    ToolCalled,
    ToolReturned,
    UsageRecorded,
)
from eventlog.ids import session_id_for, session_id_of
from eventlog.shapes import anthropic
from eventlog.stored import StoredEvent

from .branches import Branches
from .declaration import Format, Lines, Location
from .facts import Facts
from .intake import Place, Source
from .provenance import fingerprint
from .records import Record
from .said import Said
from .values import amount_of, count_of, list_of, mapping_of, one_line, text_of, time_of

NAME = "pi"
_ENTRIES = frozenset(
    (
        "message",
        "model_change",
        "thinking_level_change",
        "compaction",
        "branch_summary",
        "custom",
        "custom_message",
        "label",
        "session_info",
    )
)
_ROLES = frozenset(("user", "assistant", "toolResult", "bashExecution", "hookMessage", "custom", "branchSummary", "compactionSummary"))


class Head(msgspec.Struct, gc=False):
    """The fields of an entry that date and place it."""

    type: Any = None
    id: Any = None
    timestamp: Any = None
    parentSession: Any = None  # noqa: N815 (the source's name)
    branchedFrom: Any = None  # noqa: N815

    @property
    def is_header(self) -> bool:
        return self.type == "session" and isinstance(self.id, str) and bool(self.id)


def is_record(record: dict[str, Any]) -> bool:
    kind = text_of(record.get("type"))
    if kind == "session":
        return isinstance(record.get("id"), str) and "timestamp" in record and ("cwd" in record or "version" in record)
    if kind == "message":
        message = mapping_of(record.get("message"))
        return message.get("role") in _ROLES and ("api" in message or "toolCallId" in message or "timestamp" in message)
    return kind in _ENTRIES and kind != "custom" and "timestamp" in record and "payload" not in record and "message" not in record


def session_of(format: str, path: Path, records: list[Record[Head]], last: bool) -> Place | None:
    """The session of a file in this grammar, for the format whose file it is."""
    for record in records:
        if record.head is not None and record.head.is_header:
            from_file = text_of(record.head.parentSession) or text_of(record.head.branchedFrom)
            before = Path(from_file).stem.rpartition("_")[2] if from_file else ""
            parent = Parent(session_id=session_id_of(format, before), relation="fork") if before and before != record.head.id else None
            return Place(session_id_of(format, record.head.id), (record.head.id,), parent)
    if not last:
        return None
    named = path.stem.rpartition("_")[2]
    first = next(record for record in records if record.head is not None)
    name = named if len(named) == 36 else session_id_for(format, fingerprint(first.text).hex())
    return Place(session_id_of(format, name), (name,))


def _session(path: Path, records: list[Record[Head]], last: bool) -> Place | None:
    return session_of(NAME, path, records, last)


def time_of_entry(head: Head) -> datetime | None:
    return time_of(head.timestamp)


class PiMeaning:
    NAME = NAME

    def __init__(self, place: Place) -> None:
        self._facts = Facts(self.NAME, place, kind="agent")
        self._said = Said()
        self._branches = Branches(self._said)

    def observe(self, stored: StoredEvent) -> None:
        self._facts.observe(stored)

    def start(self) -> SessionStarted:
        return self._facts.start()

    def events(self, source: Source) -> list[Event]:
        record = source.record
        if not isinstance(record, dict):
            return []
        events = self._branched(record)
        kind = text_of(record.get("type")) or ""
        if kind == "session":
            return events + self._header(record)
        if kind == "message":
            return events + self._message(text_of(record.get("id")) or source.name, mapping_of(record.get("message")))
        if kind == "model_change":
            return events + self._facts.uses(record.get("modelId"), record.get("provider"))
        if kind == "thinking_level_change":
            return events + self._facts.update(settings={"thinking_level": record.get("thinkingLevel")})
        if kind == "session_info":
            return events + self._facts.update(title=record.get("name"))
        if kind == "compaction":
            before = count_of(record.get("tokensBefore")) or None
            return [*events, ContextCompacted(summary=text_of(record.get("summary")), tokens_before=before)]
        if kind == "custom_message" and record.get("display") is not False:
            parts = _parts(record.get("content"))
            return events + self._said.message(text_of(record.get("id")) or source.name, "system", parts)
        return events

    def _header(self, record: dict[str, Any]) -> list[Event]:
        events = self._facts.update(
            settings={"thinking_level": record.get("thinkingLevel")},
            cwd=text_of(record.get("cwd")),
            source_version=record.get("version"),
            title=one_line(record.get("name")),
        )
        return events + self._facts.uses(record.get("modelId"), record.get("provider"))

    def _branched(self, record: dict[str, Any]) -> list[Event]:
        """An entry that does not follow the last one leaves what came after the one that it follows."""
        entry = text_of(record.get("id"))
        if entry is None or record.get("type") == "session":
            return []
        return self._branches.follow(entry, text_of(record.get("parentId")), is_told="parentId" in record)

    def _message(self, message_id: str, message: dict[str, Any]) -> list[Event]:
        role = text_of(message.get("role")) or "user"
        if role == "toolResult":
            details = message.get("details")
            return self._said.returned(
                ToolReturned(
                    call_id=text_of(message.get("toolCallId")),
                    name=text_of(message.get("toolName")),
                    output=_output(message.get("content")),
                    display=details if details not in (None, {}, "") else None,
                    is_error=message.get("isError") is True,
                ),
                message_id,
            )
        if role == "bashExecution":
            failed = message.get("cancelled") is True or message.get("exitCode") not in (0, None)
            call = ToolCalled(name="bash", arguments={"command": message.get("command")}, call_id=message_id)
            return [call, ToolReturned(call_id=message_id, output=message.get("output"), is_error=failed)]
        parts = _parts(message.get("content"))
        if role != "assistant":
            return self._said.message(message_id, role if role == "user" else "system", parts)
        model = text_of(message.get("model"))
        events = self._facts.uses(model, message.get("provider"))
        stop = text_of(message.get("stopReason"))
        events += self._said.message(message_id, "assistant", parts, model=model, metadata={"stop_reason": stop} if stop else {})
        if stop == "error" and isinstance(message.get("errorMessage"), str):
            events.append(ErrorLogged(message=message["errorMessage"], kind="error"))
        return events + self._tokens(message_id, mapping_of(message.get("usage")), model)

    def _tokens(self, message_id: str, usage: dict[str, Any], model: str | None) -> list[Event]:
        cost = usage.get("cost")
        amount = amount_of(mapping_of(cost).get("total") if isinstance(cost, dict) else usage.get("costUSD", cost))
        return self._said.usage(
            UsageRecorded(
                message_id=message_id,
                model=model,
                input_tokens=count_of(usage.get("input")),
                output_tokens=count_of(usage.get("output")),
                cache_read_tokens=count_of(usage.get("cacheRead")),
                cache_write_tokens=count_of(usage.get("cacheWrite")),
                reasoning_tokens=count_of(usage.get("reasoning")),
                cost=Cost(amount=amount) if amount else None,
            )
        )


def _parts(content: Any) -> list[Part]:
    if isinstance(content, str):
        return [Part(type="text", content=content)]
    return [_part(block) for block in list_of(content)]


def _part(block: Any) -> Part:
    fields = mapping_of(block)
    kind = fields.get("type")
    if kind == "toolCall":
        return Part(
            type="tool_call", id=text_of(fields.get("id")), name=text_of(fields.get("name")) or "unknown", arguments=fields.get("arguments")
        )
    if kind == "thinking":
        signature = fields.get("thinkingSignature")
        said = text_of(fields.get("thinking")) or ""
        return Part(type="reasoning", content=said, metadata={"signature": signature} if signature else msgspec.UNSET)
    if kind == "image" and isinstance(fields.get("data"), str):
        return Part(type="blob", modality="image", mime_type=text_of(fields.get("mimeType")), content=fields["data"])
    return anthropic.part(block)


def _output(content: Any) -> Any:
    """A tool's text as it is; anything else as parts."""
    parts = _parts(content)
    texts = [part.content for part in parts if part.type == "text" and isinstance(part.content, str)]
    return "\n".join(texts) if len(texts) == len(parts) else parts


FAMILY = {
    NAME: ("*/.pi/*", "*/.omp/*"),
    "openclaw": ("*/openclaw/*", *(f"*/.{name}/*" for name in ("openclaw", "clawdbot", "moltbot", "moldbot"))),
}
FORMAT = Format(
    name=NAME,
    tool="pi, OMP",
    meaning=PiMeaning,
    names=("*.jsonl",),
    locations=(
        Location("~/.pi/agent/sessions", variable="PI_CODING_AGENT_SESSION_DIR"),
        Location("~/.pi/agent", "sessions", "PI_CODING_AGENT_DIR"),
        Location("~/.omp/agent/sessions"),
    ),
    family=FAMILY,
    lines=Lines(head=msgspec.json.Decoder(Head), is_record=is_record, session=_session, time=time_of_entry),
)
