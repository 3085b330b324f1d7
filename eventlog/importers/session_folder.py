"""A folder that is a session: ``.sessions/<id>/`` with ``metadata.json``, ``conversation.jsonl`` and ``invocations.json``.

A session is taken whole, whichever of its files is named; ``metadata.json`` stands for all. A record is ``{"file":...,"value":...}``: the
metadata, a line of the conversation, or an invocation. A message of a tool names the invocation whose result it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from eventlog.events import Event, Part, SessionEnded, SessionUpdated, ToolCalled, ToolReturned
from eventlog.ids import session_id_of
from eventlog.shapes.exchange import Said as Spoken

from .declaration import Conversation, Documents, Format, Found, named
from .intake import Place, Source
from .listed import ListedMeaning
from .records import element_texts, lenient_value, on_one_line
from .values import amount_of, list_of, mapping_of, text_of, time_of

NAME = "session-folder"
_METADATA, _CONVERSATION, _INVOCATIONS = "metadata.json", "conversation.jsonl", "invocations.json"
_ENDED = ("completed", "failed", "abandoned")
_TIMES = ("timestamp", "time", "created_at", "started_at", "createdAt")


def _is_document(value: Any) -> bool:
    if isinstance(value, list):
        return bool(value) and all("tool_name" in mapping_of(each) and ("id" in each or "invocation_id" in each) for each in value)
    if (
        not isinstance(value, dict)
        or "messages" in value
        or not any(text_of(value.get(name)) for name in ("session_id", "sessionId", "id"))
    ):
        return False
    return "purpose" in value or ("status" in value and ("tags" in value or "user" in value or "user_id" in value))


def _unit(path: Path) -> Path | None:
    has_others = any((path.parent / name).is_file() for name in (_CONVERSATION, _INVOCATIONS))
    return path.parent / _METADATA if has_others and (path.parent / _METADATA).is_file() else path if path.name == _METADATA else None


def _split(path: Path, data: bytes, value: Any) -> Iterator[Conversation]:
    if not isinstance(value, dict):
        yield Conversation(None, [Found(data, problem="invocations without the metadata of their session")])
        return
    name = text_of(value.get("session_id")) or text_of(value.get("sessionId")) or text_of(value.get("id")) or path.parent.name
    found = [_found(_METADATA, on_one_line(data.strip()), value)]
    for line in _read(path.parent / _CONVERSATION).split(b"\n"):
        message = lenient_value(line) if line.strip() else msgspec.UNSET
        if message is not msgspec.UNSET:
            found.append(_found(_CONVERSATION, line.strip(), message))
        elif line.strip():
            found.append(Found(line, problem="not JSON, or the file ends within it"))
    called = _read(path.parent / _INVOCATIONS)
    invocations = lenient_value(called)
    if isinstance(invocations, dict) and isinstance(invocations.get("invocations"), list):
        texts, values = element_texts(called, "invocations"), invocations["invocations"]
    elif isinstance(invocations, list):
        texts, values = element_texts(called), invocations
    else:
        texts, values = [], []
    found += [_found(_INVOCATIONS, text, invocation) for text, invocation in zip(texts, values, strict=True)]
    yield Conversation(Place(session_id_of(NAME, name), (name,)), found)


def _files(records: list[bytes]) -> list[tuple[str, bytes]]:
    """The files of the folder: of what is written anew, the last state."""
    found = [each for record in records if (each := named(record)) is not None]
    said = [value for name, value in found if name == _CONVERSATION]
    called = {text_of(mapping_of(lenient_value(value)).get("id")) or value: value for name, value in found if name == _INVOCATIONS}
    about = next((value for name, value in reversed(found) if name == _METADATA), b"{}")
    files = [(_METADATA, about), (_CONVERSATION, b"".join(each + b"\n" for each in said))]
    return [*files, *([(_INVOCATIONS, b"[" + b",".join(called.values()) + b"]")] if called else [])]


def _found(file: str, text: bytes, value: Any) -> Found:
    record = b'{"file":' + msgspec.json.encode(file) + b',"value":' + text + b"}"
    return Found(record, _time(mapping_of(value)))


def _time(value: dict[str, Any]) -> datetime | None:
    return next((time_of(value[name]) for name in _TIMES if time_of(value.get(name))), None)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


class SessionFolderMeaning(ListedMeaning):
    NAME = NAME

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self._called: set[str] = set()
        self._user: str | None = None
        self._ended = False

    def events(self, source: Source) -> list[Event]:
        record = mapping_of(source.record)
        value = mapping_of(record.get("value"))
        if record.get("file") == _METADATA:
            return self._metadata(value)
        if record.get("file") == _INVOCATIONS:
            return self._invocation(value, source.name)
        return self._message(value, source.name)

    def _metadata(self, value: dict[str, Any]) -> list[Event]:
        events = self.facts.update(title=value.get("title"), custom=value.get("metadata", value.get("custom_metadata")))
        user, purpose = text_of(value.get("user")) or text_of(value.get("user_id")), text_of(value.get("purpose"))
        if (user and user != self._user) or purpose:
            self._user = user
            events.append(SessionUpdated(user_id=user or msgspec.UNSET, purpose=purpose or msgspec.UNSET))
        for tag in list_of(value.get("tags")):
            events += self.facts.tag(tag, on=True) if isinstance(tag, str) else []
        status = value.get("status")
        if status in _ENDED and not self._ended:
            self._ended = True
            events.append(SessionEnded(status=status))
        return events

    def _message(self, value: dict[str, Any], name: str) -> list[Event]:
        role, content = text_of(value.get("role")) or "user", value.get("content")
        id = text_of(value.get("invocation_id")) or text_of(value.get("tool_invocation_id"))
        if role == "tool" and id is not None:
            return self._call(id, value, None) + self.said.returned(ToolReturned(call_id=id, output=content), id)
        parts = [Part(type="text", content=content)] if isinstance(content, str) else [Part(type="unknown", metadata={"part": content})]
        return self.tell(text_of(value.get("id")) or name, Spoken(role=role, parts=parts))

    def _call(self, id: str, value: dict[str, Any], arguments: Any) -> list[Event]:
        if id in self._called:
            return []
        self._called.add(id)
        return [
            ToolCalled(name=text_of(value.get("tool_name")) or text_of(value.get("tool")) or "unknown", arguments=arguments, call_id=id)
        ]

    def _invocation(self, value: dict[str, Any], name: str) -> list[Event]:
        id = text_of(value.get("invocation_id")) or text_of(value.get("id")) or name
        events = self._call(id, value, value.get("arguments", value.get("input")))
        seconds, milliseconds = amount_of(value.get("duration")), amount_of(value.get("duration_ms"))
        duration = milliseconds if milliseconds is not None else None if seconds is None else seconds * 1000
        output = value.get("result", value.get("output"))
        if output is not None or duration is not None or value.get("status") in ("error", "failed", "success", "completed"):
            failed = value.get("status") in ("error", "failed") or bool(value.get("error"))
            result = ToolReturned(call_id=id, output=value.get("error") if failed else output, is_error=failed, duration_ms=duration)
            events += self.said.returned(result, id)
        return events


FORMAT = Format(
    name=NAME,
    tool="Folders of one session each (`.sessions/ID`)",
    meaning=SessionFolderMeaning,
    names=(_METADATA, _CONVERSATION, _INVOCATIONS),
    documents=Documents(_is_document, _split, _unit),
    files=_files,
    checked_on="its description",
)
