"""Antigravity: ``~/.gemini/antigravity{,-cli,-ide}/brain/<id>/.system_generated/logs/transcript.jsonl``, a line for each step; some builds
write ``transcript_full.jsonl`` beside it, in which nothing is cut off. The conversations proper are Protobuf, which is not read.

``PLANNER_RESPONSE`` is what the model said, with its calls, whose arguments are JSON in texts; the steps after it (``RUN_COMMAND``, ...)
are their results, in order, and one too many is a call of its own. The prompt stands inside ``<USER_REQUEST>``, beside it which model was
chosen. A step may be written again; ``truncated_fields`` says that something was left out.
"""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from eventlog.events import ContextCompacted, ErrorLogged, Event, Part, SessionStarted, SourceRecord, ToolCalled, ToolReturned
from eventlog.ids import session_id_of
from eventlog.stored import StoredEvent

from .declaration import Format, Lines, Location
from .facts import Facts
from .intake import Place, Source
from .records import Record, lenient_value
from .said import Said
from .values import arguments_of, list_of, mapping_of, text_of, time_of

NAME = "antigravity"
_REQUEST = re.compile(r"<USER_REQUEST>\s*(.*?)\s*</USER_REQUEST>", re.DOTALL)
_MODEL = re.compile(r"`Model Selection` from .*? to (.+?)\.\s*(?:\n|<|$)")
_SAID = ("PLANNER_RESPONSE", "GENERATE_RESPONSE", "NOTIFY_USER")
_OWN = frozenset(("CHECKPOINT", "EPHEMERAL_MESSAGE", "CONVERSATION_HISTORY", "TASK_BOUNDARY", "SYSTEM_MESSAGE", "KNOWLEDGE_ARTIFACTS"))


class Head(msgspec.Struct, gc=False):
    """The field of a line that dates it."""

    created_at: Any = None


def _is_record(record: dict[str, Any]) -> bool:
    return "step_index" in record and isinstance(record.get("type"), str) and "source" in record


def _session(path: Path, records: list[Record[Head]], last: bool) -> Place | None:
    folders = path.absolute().parents
    is_there = len(folders) > 2 and folders[1].name == ".system_generated"
    name = folders[2].name if is_there else path.parent.name if path.name.startswith("transcript") else path.stem
    return Place(session_id_of(NAME, name), (name,))


class AntigravityMeaning:
    def __init__(self, place: Place) -> None:
        self._facts = Facts(NAME, place, kind="agent", provider="google")
        self._said = Said()
        self._open: list[str] = []
        self._answered: set[str] = set()
        self._whole: set[str] = set()  # the steps of which nothing was left out

    def observe(self, stored: StoredEvent) -> None:
        self._facts.observe(stored)

    def start(self) -> SessionStarted:
        return self._facts.start()

    def events(self, source: Source) -> list[Event]:
        record = source.record
        if not isinstance(record, dict):
            return []
        kind = text_of(record.get("type")) or "step"
        index = record.get("step_index")
        name = f"step-{index}" if isinstance(index, int) else source.name
        if record.get("truncated_fields"):
            if name in self._whole:
                return [SourceRecord(kind=kind, note="cut off here; told whole already")]
        else:
            self._whole.add(name)
        return self._step(kind, name, record) or [SourceRecord(kind=kind)]

    def _step(self, kind: str, name: str, record: dict[str, Any]) -> list[Event]:
        text = text_of(record.get("content")) or ""
        if kind == "USER_INPUT":
            return self._asked(name, text)
        if kind in _SAID:
            thought = text_of(record.get("thinking"))
            parts = [Part(type="reasoning", content=thought)] if thought else []
            parts += [Part(type="text", content=text)] if text else []
            calls = [_call(mapping_of(call), f"{name}-call-{number}") for number, call in enumerate(list_of(record.get("tool_calls")))]
            if name not in self._said:
                self._open += [call.id for call in calls if isinstance(call.id, str)]
            return self._said.message(name, "assistant", [*parts, *calls]) if parts or calls else []
        if kind == "CHECKPOINT" and name not in self._answered:
            self._answered.add(name)
            return [ContextCompacted(summary=text or None)]
        if kind == "ERROR_MESSAGE":
            return [] if name in self._said else [ErrorLogged(message=text or "an error", kind="error")]
        if kind in _OWN or record.get("source") in ("SYSTEM", "USER_IMPLICIT") or not (text or self._open):
            return self._said.message(name, "system", [Part(type="text", content=text)]) if text else []
        status = text_of(record.get("status")) or ""
        if status.endswith(("RUNNING", "PENDING", "WAITING")) or name in self._answered:
            return []
        self._answered.add(name)
        events: list[Event] = []
        if not self._open:
            self._open.append(name)
            events.append(ToolCalled(name=kind.lower(), call_id=name))
        failed = status.endswith(("ERROR", "CANCELED", "CANCELLED"))
        told = ToolReturned(call_id=self._open.pop(0), name=kind.lower(), output=text, is_error=failed)
        return events + self._said.returned(told, name)

    def _asked(self, name: str, text: str) -> list[Event]:
        written = "\n".join(_REQUEST.findall(text))
        around = _REQUEST.sub("", text).strip() if written else ""
        chosen = _MODEL.search(text)
        events = self._facts.uses(chosen[1]) if chosen is not None else []
        events += self._said.message(f"{name}-around", "system", [Part(type="text", content=around)]) if around else []
        return events + (self._said.message(name, "user", [Part(type="text", content=written or text)]) if written or text else [])


def _call(call: dict[str, Any], otherwise: str) -> Part:
    name = text_of(call.get("name")) or "unknown"
    given = arguments_of(call.get("args", call.get("arguments")))
    given = {key: _unquoted(value) for key, value in given.items()} if isinstance(given, dict) else given
    return Part(type="tool_call", id=text_of(call.get("id")) or otherwise, name=name, arguments=given)


def _unquoted(value: Any) -> Any:
    """What a text that is itself the JSON of a text says."""
    said = lenient_value(value.encode("utf-8", "replace")) if isinstance(value, str) and value.startswith('"') else None
    return said if isinstance(said, str) else value


def _time(head: Head) -> datetime | None:
    return time_of(head.created_at)


FORMAT = Format(
    name=NAME,
    tool="Antigravity",
    meaning=AntigravityMeaning,
    names=("transcript.jsonl", "transcript_full.jsonl"),
    locations=tuple(Location(f"~/.gemini/antigravity{kind}", "brain") for kind in ("", "-cli", "-ide")),
    lines=Lines(msgspec.json.Decoder(Head), _is_record, _session, _time),
    checked_on="its description",
)
