"""One JSON object that is a session: ``messages`` and its id (``session_id``, ``sessionId`` or ``id``), as many programs write it.

A message has ``role`` and ``content`` or ``parts``, often ``timestamp`` and ``metadata``, and may have ``toolCalls`` (``id, name, args,
result``). Beside them stand ``title``, ``tags``, ``errors``, ``metadata``, ``user_name``, ``started_at``. Written anew at each change.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, TypeGuard

import msgspec

from eventlog.events import ErrorLogged, Event, Part, SessionUpdated, ToolReturned
from eventlog.ids import session_id_of
from eventlog.shapes import telling
from eventlog.shapes.exchange import Said as Spoken

from .declaration import Conversation, Documents, Format
from .intake import Place
from .listed import ListedMeaning, Message, join_list, split_list
from .provenance import fingerprint
from .values import arguments_of, list_of, mapping_of, text_of, time_of

NAME = "session-json"
_IDS = ("session_id", "sessionId", "id")
_TIMES = ("timestamp", "time", "created_at", "createdAt", "created")
_BEGAN = ("started_at", "startedAt", "startTime", "start_time", "session_start", "created_at", "createdAt", "created", "last_updated")
_MARKS = ("timestamp", "parts", "toolCalls", "metadata")
_OTHERS = ("projectHash", "trajectory_format", "mailbox", "model_usage", "epoch", "v")
_TOGETHER = (("agent", "system_prompt", "updated_at"), ("platform", "session_start"))  # Cline's command line, Hermes
_ROLES = {"human": "user", "ai": "assistant", "bot": "assistant", "model": "assistant"}


def is_session(value: Any) -> TypeGuard[dict[str, Any]]:
    """Whether this is such an object, and no other format's that has messages, too."""
    if not isinstance(value, dict) or not isinstance(value.get("messages"), list) or any(name in value for name in _OTHERS):
        return False
    if any(all(name in value for name in names) for names in _TOGETHER):
        return False
    messages = [mapping_of(message) for message in value["messages"]]
    if not all(isinstance(message.get("role"), str) for message in messages) or _name(value) is None:
        return False
    return any(text_of(value.get(name)) for name in _IDS[:2]) or any(mark in message for message in messages for mark in _MARKS)


def _name(value: dict[str, Any]) -> str | None:
    return next((text_of(value.get(name)) for name in _IDS if text_of(value.get(name))), None)


def _split(path: Path, data: bytes, value: dict[str, Any]) -> Iterator[Conversation]:
    name = _name(value) or path.stem
    time = next((time_of(value[each]) for each in _BEGAN if time_of(value.get(each))), None)
    place = Place(session_id_of(NAME, name), (name,))
    yield split_list(place, data, value, "messages", time=time, time_of_message=_time, id_of=lambda message: text_of(message.get("id")))


def _time(message: Message) -> datetime | None:
    return next((time_of(message[name]) for name in _TIMES if time_of(message.get(name))), None)


class SessionJsonMeaning(ListedMeaning):
    NAME = NAME
    KIND = "chat"

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self._errors: set[bytes] = set()
        self._user: str | None = None

    def rest(self, record: dict[str, Any]) -> list[Event]:
        metadata = mapping_of(record.get("metadata"))
        events = self.facts.update(title=record.get("title", record.get("name")), metadata=metadata)
        events += self.facts.uses(record.get("model", metadata.get("model")))
        user = text_of(record.get("user_name")) or text_of(record.get("user_id"))
        if user and user != self._user:
            self._user = user
            events.append(SessionUpdated(user_id=user))
        for tag in list_of(record.get("tags")):
            events += self.facts.tag(tag, on=True) if isinstance(tag, str) else []
        for error in list_of(record.get("errors")):
            content = fingerprint(msgspec.json.encode(error))
            if content not in self._errors:
                self._errors.add(content)
                fields = mapping_of(error)
                message = text_of(error) or text_of(fields.get("message")) or text_of(fields.get("error")) or "an error"
                events.append(ErrorLogged(message=message, kind=text_of(fields.get("type")), details=fields or None))
        return events

    def message(self, record: Message, name: str) -> list[Event]:
        name = text_of(record.get("id")) or name
        named = text_of(record.get("role")) or "user"
        role = _ROLES.get(named, named)
        content = record.get("content", record.get("parts", record.get("text")))
        fields = {key: record[key] for key in ("tool_calls", "tool_call_id") if record.get(key) is not None}
        spoken = telling.messages({"role": role, "content": content, **fields}) or [Spoken(role=role, parts=[])]
        calls = [mapping_of(call) for call in list_of(record.get("toolCalls"))]
        made = [_call(call, f"{name}-{number}") for number, call in enumerate(calls)]
        spoken[-1] = Spoken(role=spoken[-1].role, parts=[*spoken[-1].parts, *made], metadata=mapping_of(record.get("metadata")))
        events = self.tell(name, spoken, model=text_of(record.get("model")))
        for call, part in zip(calls, made, strict=True):
            failed = call.get("status") == "error" or bool(call.get("error"))
            output = call.get("result", call.get("output")) if not failed else call.get("error", call.get("result"))
            if output is not None:
                display = call.get("resultDisplay")
                id = part.id if isinstance(part.id, str) else None
                events += self.said.returned(
                    ToolReturned(call_id=id, name=part.name or None, output=output, display=display, is_error=failed)
                )
        return events


def _call(call: dict[str, Any], otherwise: str) -> Part:
    arguments = arguments_of(call.get("args", call.get("arguments")))
    return Part(type="tool_call", id=text_of(call.get("id")) or otherwise, name=text_of(call.get("name")) or "unknown", arguments=arguments)


FORMAT = Format(
    name=NAME,
    tool="JSON files of one session each",
    meaning=SessionJsonMeaning,
    names=("*.json",),
    documents=Documents(is_session, _split, join=join_list("messages", lambda message: text_of(message.get("id")))),
    checked_on="its description",
)
