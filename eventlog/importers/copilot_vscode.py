"""VS Code's Copilot Chat: ``workspaceStorage/<hash>/chatSessions/<id>.json``, or a journal of what changed in it (``.jsonl``).

A journal's line is ``{kind,k,v}``: 0 the whole object, 1 sets what is at path ``k``, 2 appends to the array there (at ``i``, where that is
given). A request has the question and the answer in pieces: Markdown, tool calls with their results, thoughts. Few or no tokens.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from eventlog.events import Event, Part, ToolReturned
from eventlog.ids import session_id_of
from eventlog.shapes.exchange import Said as Spoken

from .declaration import Conversation, Documents, Format, Lines, Location
from .intake import Place, Source
from .listed import ListedMeaning, Message, join_list, split_list
from .records import Record, load
from .values import list_of, mapping_of, text_of, time_of

NAME = "copilot-vscode"
_APPS = ("Code", "Code - Insiders", "VSCodium", "Cursor", "Windsurf", "Kiro", "Antigravity")
_WITHIN = ("workspaceStorage/*/chatSessions", "globalStorage/emptyWindowChatSessions")


class Head(msgspec.Struct, gc=False):
    """What a line of the journal is, and what it writes."""

    kind: Any = None
    v: Any = None


def _is_line(record: dict[str, Any]) -> bool:
    kind = record.get("kind")
    if kind == 0 and kind is not False:
        return _is_document(record.get("v"))
    return kind in (1, 2) and isinstance(record.get("k"), list) and "v" in record


def _is_document(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("requests"), list) and ("sessionId" in value or "requesterUsername" in value)


def _session(path: Path, records: list[Record[Head]], last: bool) -> Place | None:
    for record in records:
        if record.head is not None and record.head.kind == 0:
            return _place(path, mapping_of(load(record.text)[0].get("v")))
    return _place(path, {}) if last else None


def _time(head: Head) -> datetime | None:
    """A line has none of its own: that of the session which it begins, or of the request which it adds."""
    written = list_of(head.v)[-1] if list_of(head.v) else head.v
    return time_of(mapping_of(written).get("timestamp")) or time_of(mapping_of(written).get("creationDate"))


def _place(path: Path, value: dict[str, Any]) -> Place:
    name = text_of(value.get("sessionId")) or path.stem
    return Place(session_id_of(NAME, name), (name,))


def _split(path: Path, data: bytes, value: dict[str, Any]) -> Iterator[Conversation]:
    yield split_list(
        _place(path, value),
        data,
        value,
        "requests",
        time=time_of(value.get("creationDate")),
        time_of_message=lambda request: time_of(request.get("timestamp")),
        id_of=lambda request: text_of(request.get("requestId")),
    )


class CopilotVscodeMeaning(ListedMeaning):
    NAME = NAME
    LIST = "requests"
    KIND = "chat"
    PROVIDER = "github"

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self._state: dict[str, Any] = {}
        self._told: dict[str, Any] = {}

    def events(self, source: Source) -> list[Event]:
        record = source.record
        if not isinstance(record, dict) or "kind" not in record or "requestId" in record:
            return super().events(source)
        self._apply(record)
        requests = [request for request in list_of(self._state.get("requests")) if isinstance(request, dict)]
        events = self.rest(self._state)
        for number, request in enumerate(requests):
            name = text_of(request.get("requestId")) or f"request-{number}"
            if self._told.get(name) != request:
                self._told[name] = copy.deepcopy(request)
                events += self.message(request, name)
        return events

    def _apply(self, record: dict[str, Any]) -> None:
        kind, path, value = record.get("kind"), list_of(record.get("k")), copy.deepcopy(record.get("v"))
        if kind == 0:
            self._state = mapping_of(value)
            return
        at: Any = self._state
        for name in path[:-1]:
            at = _within(at, name)
        if not path or at is None:
            return
        if kind == 2:
            items = _within(at, path[-1])
            if isinstance(items, list):
                index = record.get("i")
                start = index if isinstance(index, int) and 0 <= index <= len(items) else len(items)
                items[start:] = list_of(value) if isinstance(value, list) else [value]
            elif isinstance(at, dict) and isinstance(path[-1], str):
                at[path[-1]] = list_of(value)
        elif isinstance(at, dict) and isinstance(path[-1], str):
            at[path[-1]] = value
        elif isinstance(at, list) and isinstance(path[-1], int) and 0 <= path[-1] <= len(at):
            at[path[-1] : path[-1] + 1] = [value]

    def rest(self, record: dict[str, Any]) -> list[Event]:
        return self.facts.update(title=record.get("customTitle"), requester=text_of(record.get("requesterUsername")))

    def message(self, record: Message, name: str) -> list[Event]:
        name = text_of(record.get("requestId")) or name
        asked = record.get("message")
        text = asked if isinstance(asked, str) else text_of(mapping_of(asked).get("text"))
        events = self.tell(name, Spoken(role="user", parts=[Part(type="text", content=text)])) if text else []
        model = text_of(record.get("modelId"))
        pieces = [mapping_of(piece) if isinstance(piece, dict) else {"value": piece} for piece in list_of(record.get("response"))]
        parts = _parts(pieces, name)
        if not parts:
            return events
        events += self.facts.uses(model)
        events += self.tell(f"{name}-answer", Spoken(role="assistant", parts=parts), model=model)
        self._ids_of.setdefault(name, set()).add(f"{name}-answer")
        return events + [event for each in _results(pieces, name) for event in self.said.returned(each, each.call_id)]


def _within(at: Any, name: Any) -> Any:
    if isinstance(at, dict) and isinstance(name, str):
        return at.get(name)
    return at[name] if isinstance(at, list) and isinstance(name, int) and not isinstance(name, bool) and -1 < name < len(at) else None


def _parts(pieces: list[dict[str, Any]], name: str) -> list[Part]:
    """The pieces of an answer; Markdown that was streamed is one text."""
    parts: list[Part] = []
    for number, piece in enumerate(pieces):
        kind = piece.get("kind")
        if kind == "toolInvocationSerialized":
            told = _shown(piece.get("invocationMessage"))
            tool = text_of(piece.get("toolId")) or "unknown"
            arguments = mapping_of(piece.get("toolSpecificData")) or ({"message": told} if told else {})
            parts.append(Part(type="tool_call", id=_call_id(piece, name, number), name=tool, arguments=arguments))
            continue
        text = _shown(piece.get("value")) if kind in (None, "markdownContent", "thinking") else None
        text = text or (_shown(piece.get("content")) if kind == "markdownContent" else None)
        text = text or (text_of(piece.get("name")) if kind == "inlineReference" else None)
        if not text:
            continue
        type = "reasoning" if kind == "thinking" else "text"
        if parts and parts[-1].type == type and isinstance(parts[-1].content, str):
            parts[-1] = Part(type=type, content=parts[-1].content + text)
        else:
            parts.append(Part(type=type, content=text))
    return parts


def _results(pieces: list[dict[str, Any]], name: str) -> Iterator[ToolReturned]:
    for number, piece in enumerate(pieces):
        if piece.get("kind") == "toolInvocationSerialized" and piece.get("isComplete") is True:
            output = piece.get("resultDetails") or _shown(piece.get("pastTenseMessage"))
            yield ToolReturned(call_id=_call_id(piece, name, number), name=text_of(piece.get("toolId")), output=output)


def _call_id(piece: dict[str, Any], name: str, number: int) -> str:
    return text_of(piece.get("toolCallId")) or f"{name}-call-{number}"


def _shown(value: Any) -> str | None:
    """A text, or Markdown with one in it."""
    return text_of(value) if isinstance(value, str) else text_of(mapping_of(value).get("value"))


FORMAT = Format(
    name=NAME,
    tool="VS Code Copilot Chat",
    meaning=CopilotVscodeMeaning,
    names=("*.json", "*.jsonl"),
    locations=(
        *(Location(f"$CONFIG/{app}/User", within) for app in _APPS for within in _WITHIN),
        *(Location("~/.vscode-server/data/User", within) for within in _WITHIN),
    ),
    lines=Lines(msgspec.json.Decoder(Head), _is_line, _session, _time),
    documents=Documents(_is_document, _split, join=join_list("requests", lambda request: text_of(request.get("requestId")))),
    checked_on="its description",
)
