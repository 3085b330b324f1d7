"""Qwen Code: ``~/.qwen/projects/<cwd>/chats/<id>.jsonl``, lines in an envelope like Claude Code's around Gemini's parts.

- Types: user, assistant, tool_result, system. A tree of ``uuid`` and ``parentUuid``, of which the last line's branch goes on.
- Several lines of the same ``uuid`` are pieces of one message. Objects may be glued on one line.
- ``promptTokenCount`` includes what was cached; whether the answer's count includes the thoughts is told by the total.
- Between the lines stand injected ones: what a user's line with only results or with a reminder says is not the user's.
"""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from eventlog.events import ContextCompacted, Event, Parent, Part, SessionStarted, SourceRecord, ToolReturned, UsageRecorded
from eventlog.ids import session_id_of
from eventlog.shapes import gemini
from eventlog.stored import StoredEvent

from .branches import Branches
from .declaration import Format, Lines, Location
from .facts import Facts
from .intake import Place, Source
from .records import Record
from .said import Said
from .values import count_of, list_of, mapping_of, text_of, time_of

NAME = "qwen-code"
_TYPES = frozenset(("user", "assistant", "tool_result", "system"))
_INJECTED = re.compile(r"\s*(<session_context>|<system-reminder>|<system_reminder>|System: Please continue|This is the Qwen Code)")

_NOTICES = ("notification", "cron", "mid_turn_user_message_context")


class Head(msgspec.Struct, gc=False):
    """The fields of a line that date and place it."""

    sessionId: Any = None  # noqa: N815 (the source's name)
    forkedFrom: Any = None  # noqa: N815
    timestamp: Any = None


def _is_record(record: dict[str, Any]) -> bool:
    if text_of(record.get("type")) not in _TYPES or not isinstance(record.get("sessionId"), str) or "uuid" not in record:
        return False
    message = record.get("message")
    return "parts" in message if isinstance(message, dict) else "systemPayload" in record or "toolCallResult" in record


def _session(path: Path, records: list[Record[Head]], last: bool) -> Place | None:
    for record in records:
        if record.head is not None and isinstance(record.head.sessionId, str) and record.head.sessionId:
            name = record.head.sessionId
            before = text_of(mapping_of(record.head.forkedFrom).get("sessionId"))
            parent = Parent(session_id=session_id_of(NAME, before), relation="fork") if before and before != name else None
            return Place(session_id_of(NAME, name), (name,), parent)
    return Place(session_id_of(NAME, path.stem), (path.stem,)) if last else None


class QwenMeaning:
    def __init__(self, place: Place) -> None:
        self._facts = Facts(NAME, place, kind="agent")
        self._said = Said()
        self._branches = Branches(self._said)
        self._parts: dict[str, list[Part]] = {}

    def observe(self, stored: StoredEvent) -> None:
        self._facts.observe(stored)

    def start(self) -> SessionStarted:
        return self._facts.start()

    def events(self, source: Source) -> list[Event]:
        record = source.record
        if not isinstance(record, dict):
            return []
        uuid = text_of(record.get("uuid")) or source.name
        kind = text_of(record.get("type"))
        cwd = text_of(record.get("cwd")) if kind != "system" else None
        events = self._facts.update(cwd=cwd, version=text_of(record.get("version")), git_branch=text_of(record.get("gitBranch")))
        events += self._branches.follow(uuid, text_of(record.get("parentUuid")), is_told="parentUuid" in record)
        if kind == "system":
            return (events + self._system(record)) or [SourceRecord(kind=f"system/{record.get('subtype')}")]
        parts = [gemini.part(part) for part in list_of(mapping_of(record.get("message")).get("parts"))]
        if kind == "assistant":
            return events + self._answer(uuid, record, parts)
        if kind not in ("user", "tool_result"):
            return events or [SourceRecord(kind=kind)]
        results = [part for part in parts if part.type == "tool_call_response"]
        if kind == "tool_result" or results:
            return events + self._results(record, results)
        text = next((part.content for part in parts if part.type == "text" and isinstance(part.content, str)), "")
        is_injected = _INJECTED.match(text) is not None or text_of(record.get("subtype")) in _NOTICES
        return events + self._said.message(uuid, "system" if is_injected else "user", self._joined(uuid, parts))

    def _joined(self, uuid: str, parts: list[Part]) -> list[Part]:
        """All pieces of the message so far."""
        self._parts[uuid] = [*self._parts.get(uuid, ()), *parts]
        return list(self._parts[uuid])

    def _answer(self, uuid: str, record: dict[str, Any], parts: list[Part]) -> list[Event]:
        model = text_of(record.get("model"))
        events = self._facts.uses(model)
        events += self._said.message(uuid, "assistant", self._joined(uuid, parts), model=model)
        usage = mapping_of(record.get("usageMetadata"))
        asked, read = count_of(usage.get("promptTokenCount")), count_of(usage.get("cachedContentTokenCount"))
        made, thoughts = count_of(usage.get("candidatesTokenCount")), count_of(usage.get("thoughtsTokenCount"))
        is_within = thoughts and count_of(usage.get("totalTokenCount")) == asked + made
        recorded = UsageRecorded(
            message_id=uuid,
            model=model,
            input_tokens=max(0, asked - read),
            output_tokens=made if is_within else made + thoughts,
            cache_read_tokens=read,
            reasoning_tokens=thoughts,
        )
        return events + (self._said.usage(recorded) if usage else [])

    def _results(self, record: dict[str, Any], results: list[Part]) -> list[Event]:
        stated = mapping_of(record.get("toolCallResult"))
        if not results:
            responses = stated.get("responseParts")
            items = responses if isinstance(responses, list) else [responses] if responses else []
            results = [part for part in map(gemini.part, items) if part.type == "tool_call_response"]
        call_id, error = text_of(stated.get("callId")), stated.get("error")
        failed = error not in (None, "", {}) or stated.get("status") in ("error", "cancelled")
        display = stated.get("resultDisplay")
        display = display if display not in (None, "") else None
        if not results and call_id:
            output = text_of(mapping_of(error).get("message")) or error
            return self._said.returned(ToolReturned(call_id=call_id, output=output, display=display, is_error=failed))
        events: list[Event] = []
        for result in results:
            id = text_of(result.id) or (call_id if len(results) == 1 else None)
            events += self._said.returned(
                ToolReturned(
                    call_id=id,
                    name=text_of(result.name),
                    output=result.response,
                    display=display if len(results) == 1 else None,
                    is_error=failed or result.is_error is True,
                ),
                id or f"{record.get('uuid')}",
            )
        return events

    def _system(self, record: dict[str, Any]) -> list[Event]:
        payload = mapping_of(record.get("systemPayload"))
        if record.get("subtype") == "chat_compression":
            info = mapping_of(payload.get("info"))
            before, after = count_of(info.get("originalTokenCount")) or None, count_of(info.get("newTokenCount")) or None
            return [ContextCompacted(tokens_before=before, tokens_after=after, trigger=text_of(payload.get("trigger")))]
        return self._facts.update(title=payload.get("customTitle") or payload.get("title"))


def _time(head: Head) -> datetime | None:
    return time_of(head.timestamp)


FORMAT = Format(
    name=NAME,
    tool="Qwen Code",
    meaning=QwenMeaning,
    names=("*.jsonl",),
    locations=(Location("~/.qwen", "projects/*/chats", "QWEN_HOME"), Location("~/.qwen", "tmp/*/chats", "QWEN_HOME")),
    lines=Lines(msgspec.json.Decoder(Head), _is_record, _session, _time),
    checked_on="its description",
)
