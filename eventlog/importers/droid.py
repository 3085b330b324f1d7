"""Droid (Factory): ``~/.factory/sessions/<cwd>/<id>.jsonl``, lines with Anthropic's blocks; ``<id>.settings.json`` beside it has the tokens
of the whole session. A stream that was recorded (``droid exec -o stream-json``, ``~/.factory/projects``) is another grammar, read too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from eventlog.events import Event, Part, SessionStarted, SourceRecord, ToolCalled, ToolReturned, UsageRecorded
from eventlog.ids import session_id_of
from eventlog.shapes import anthropic
from eventlog.stored import StoredEvent

from .branches import Branches
from .declaration import Format, Found, Lines, Location, beside
from .facts import Facts
from .intake import Place, Source
from .records import Record
from .said import Said
from .values import count_of, list_of, mapping_of, text_of, time_of

NAME = "droid"
_STREAM = frozenset(("system", "message", "tool_call", "tool_result", "completion"))
_INJECTED = re.compile(r"\s*<(system-reminder|system-notification|system_reminder)>.*?(?:</\1>\s*|$)", re.DOTALL)


class Head(msgspec.Struct, gc=False):
    """The fields of a line that date and place it."""

    type: Any = None
    id: Any = None
    sessionId: Any = None  # noqa: N815 (the source's name)
    session_id: Any = None
    timestamp: Any = None


def _is_record(record: dict[str, Any]) -> bool:
    kind = record.get("type")
    if kind == "session_start":
        return isinstance(record.get("id"), str) and ("title" in record or "cwd" in record or "sessionTitle" in record)
    if ("session_id" in record or "sessionId" in record) and text_of(kind) in _STREAM:
        return "uuid" not in record and any(name in record for name in ("tools", "text", "toolName", "toolId", "finalText"))
    message = mapping_of(record.get("message"))
    is_plain = not any(name in record for name in ("uuid", "sessionId", "payload"))
    return kind == "message" and is_plain and "id" in record and isinstance(message.get("content"), (list, str)) and len(message) == 2


def _session(path: Path, records: list[Record[Head]], last: bool) -> Place | None:
    for record in records:
        head = record.head
        name = None if head is None else head.id if head.type == "session_start" else head.sessionId or head.session_id
        if isinstance(name, str) and name:
            return Place(session_id_of(NAME, name), (name,))
    return Place(session_id_of(NAME, path.stem), (path.stem,)) if last else None


def _settings(path: Path) -> Path:
    return path.with_name(path.stem + ".settings.json")


def _beside(path: Path, place: Place) -> Iterator[Found]:
    return beside(_settings(path))


class DroidMeaning:
    def __init__(self, place: Place) -> None:
        self._facts = Facts(NAME, place, kind="agent")
        self._said = Said()
        self._branches = Branches(self._said)
        self._last_said: str | None = None

    def observe(self, stored: StoredEvent) -> None:
        self._facts.observe(stored)

    def start(self) -> SessionStarted:
        return self._facts.start()

    def events(self, source: Source) -> list[Event]:
        record = source.record
        if not isinstance(record, dict):
            return []
        kind = text_of(record.get("type"))
        if "file" in record:
            return self._settings(mapping_of(record.get("value")))
        if kind == "session_start":
            title = text_of(record.get("sessionTitle")) or text_of(record.get("title"))
            title = None if title == "New Session" else title
            return self._facts.update(title=title, cwd=text_of(record.get("cwd")), version=record.get("version"))
        if kind == "message" and isinstance(record.get("message"), dict):
            return self._message(record, source.name)
        if kind in _STREAM:
            return self._streamed(kind or "", record, source.name)
        return [SourceRecord(kind=kind)]

    def _settings(self, settings: dict[str, Any]) -> list[Event]:
        usage = mapping_of(settings.get("tokenUsage"))
        model = text_of(settings.get("model"))
        events = self._facts.uses(model) + self._facts.in_mode(settings.get("autonomyMode"))
        return events + self._said.usage(
            UsageRecorded(
                message_id=f"{NAME}-total",
                model=model,
                input_tokens=count_of(usage.get("inputTokens")),
                output_tokens=count_of(usage.get("outputTokens")),
                cache_read_tokens=count_of(usage.get("cacheReadTokens")),
                cache_write_tokens=count_of(usage.get("cacheCreationTokens")),
                reasoning_tokens=count_of(usage.get("thinkingTokens")),
            )
        )

    def _message(self, record: dict[str, Any], otherwise: str) -> list[Event]:
        name = text_of(record.get("id")) or otherwise
        events = self._branches.follow(name, text_of(record.get("parentId")), is_told="parentId" in record)
        message = record["message"]
        role = text_of(message.get("role")) or "user"
        blocks = [anthropic.part(block) for block in anthropic_blocks(message.get("content"))]
        results = [block for block in blocks if block.type == "tool_call_response"]
        for result in results:
            told = ToolReturned(call_id=text_of(result.id), output=result.response, is_error=result.is_error is True)
            events += self._said.returned(told, f"{name} {result.id}")
        others = [block for block in blocks if block.type != "tool_call_response"]
        if role != "user":
            model = self._facts.model if role == "assistant" else None
            return events + (self._said.message(name, role, others, model=model) if others or not results else [])
        return events + self._asked(name, others)

    def _asked(self, name: str, parts: list[Part]) -> list[Event]:
        """What a person wrote, and what the tool put before it."""
        injected: list[Part] = []
        written: list[Part] = []
        for part in parts:
            found = _INJECTED.match(part.content) if part.type == "text" and isinstance(part.content, str) else None
            if found is None or not isinstance(part.content, str):
                written.append(part)
                continue
            injected.append(Part(type="text", content=found[0].strip()))
            if part.content[found.end() :].strip():
                written.append(Part(type="text", content=part.content[found.end() :]))
        events = self._said.message(f"{name}-injected", "system", injected) if injected else []
        return events + (self._said.message(name, "user", written) if written else [])

    def _streamed(self, kind: str, record: dict[str, Any], otherwise: str) -> list[Event]:
        name = text_of(record.get("id")) or otherwise
        if kind == "message":
            parts = [Part(type="text", content=text_of(record.get("text")) or "")]
            role = text_of(record.get("role")) or "user"
            self._last_said = text_of(record.get("text")) if role == "assistant" else None
            return self._asked(name, parts) if role == "user" else self._said.message(name, role, parts)
        if kind == "tool_call":
            call_id = text_of(record.get("toolCallId")) or name
            return [ToolCalled(name=text_of(record.get("toolName")) or "unknown", arguments=record.get("parameters"), call_id=call_id)]
        if kind == "tool_result":
            answered = text_of(record.get("toolCallId")) or text_of(record.get("id"))
            failed = record.get("isError") is True
            return self._said.returned(ToolReturned(call_id=answered, output=record.get("value"), is_error=failed))
        if kind == "system":
            return self._facts.update(cwd=text_of(record.get("cwd"))) + self._facts.uses(record.get("model"))
        return self._completed(record, name)

    def _completed(self, record: dict[str, Any], name: str) -> list[Event]:
        """The end of a stream: the last answer, mostly once more, and the tokens of all."""
        text = text_of(record.get("finalText"))
        is_new = bool(text) and text != self._last_said
        events = (
            self._said.message(name, "assistant", [Part(type="text", content=text)], model=self._facts.model) if is_new and text else []
        )
        counted = anthropic.usage(record.get("usage"))
        if counted is not None:
            events += self._said.usage(msgspec.structs.replace(counted, message_id=f"{NAME}-total", model=self._facts.model))
        return events or [SourceRecord(kind="completion")]


def anthropic_blocks(content: Any) -> list[Any]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else list_of(content)


def _time(head: Head) -> datetime | None:
    return time_of(head.timestamp)


FORMAT = Format(
    name=NAME,
    tool="Droid (Factory)",
    meaning=DroidMeaning,
    names=("*.jsonl",),
    locations=(Location("~/.factory/sessions"), Location("~/.factory/projects")),
    lines=Lines(msgspec.json.Decoder(Head), _is_record, _session, _time, beside=_beside),
    side_file=_settings,
    beside=("*.settings.json",),
    checked_on="its description",
)
