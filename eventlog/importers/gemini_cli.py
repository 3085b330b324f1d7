"""Gemini CLI: ``~/.gemini/tmp/<project>/chats/session-*``, one JSON document until April 2026, since then lines; subagents one folder
deeper.

- A message is written again whole whenever it changes: the last state of an id counts. A document is rewritten at every turn.
- Lines also say ``{"$set":{...}}`` (with ``messages``: these replace all) and ``{"$rewindTo":id}`` (that message and all after it are
  gone).
- A line may be a whole document of the old kind. ``logs.json`` beside the chats is a list of prompts and no session.
- ``input`` includes ``cached``, ``output`` excludes ``thoughts``.
- The first user message may be injected (``<session_context>``), and so is a continue nudge.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from eventlog.events import ErrorLogged, Event, Parent, Part, SessionStarted, SourceRecord, ToolReturned, UsageRecorded
from eventlog.ids import session_id_of
from eventlog.stored import StoredEvent

from .declaration import Conversation, Documents, Format, Found, Lines, Location
from .facts import Facts
from .intake import Place, Source
from .records import Record, element_texts, lenient_value, without
from .said import Said
from .values import count_of, list_of, mapping_of, text_of, time_of

NAME = "gemini-cli"
_TYPES = frozenset(("user", "gemini", "info", "error", "warning"))
_INJECTED = re.compile(
    r"\s*(<session_context>|System: Please continue\.|\[SYSTEM\]|<system_reminder>|This is the Gemini CLI\. We are setting up)"
)
_OUTPUT_ITEM = ("output", "error", "content", "result")


class Head(msgspec.Struct, gc=False):
    """What places a record: its id or the session's, and its time."""

    sessionId: Any = None  # noqa: N815 (the source's name)
    timestamp: Any = None
    startTime: Any = None  # noqa: N815
    lastUpdated: Any = None  # noqa: N815
    kind: Any = None
    set: Any = msgspec.field(default=None, name="$set")


_heads = msgspec.json.Decoder(Head)


def _time(head: Head) -> datetime | None:
    changed = mapping_of(head.set).get("lastUpdated")
    return time_of(head.timestamp) or time_of(changed) or time_of(head.startTime) or time_of(head.lastUpdated)


def _is_record(record: dict[str, Any]) -> bool:
    if "sessionId" in record and ("projectHash" in record or _is_document(record)):
        return True
    if isinstance(record.get("$set"), dict) or "$rewindTo" in record:
        return True
    return isinstance(record.get("id"), str) and record.get("type") == "gemini" and ("content" in record or "tokens" in record)


def _is_document(value: Any) -> bool:
    if not isinstance(value, dict) or not isinstance(value.get("sessionId"), str) or not isinstance(value.get("messages"), list):
        return False
    messages = value["messages"]
    return "projectHash" in value or any(isinstance(each, dict) and each.get("type") == "gemini" for each in messages)


def _session(path: Path, records: list[Record[Head]], last: bool) -> Place | None:
    for record in records:
        if record.head is not None and isinstance(record.head.sessionId, str) and record.head.sessionId:
            return _place(path, record.head.sessionId, record.head.kind)
    return _place(path, path.stem, None) if last else None


def _place(path: Path, name: str, kind: Any) -> Place:
    """A subagent's chat lies in a folder that is named after its parent."""
    parent = Parent(session_id=session_id_of(NAME, path.parent.name), relation="subagent") if kind == "subagent" else None
    project = path.parent.parent if kind != "subagent" else path.parent.parent.parent
    return Place(session_id_of(NAME, name), (name,), parent, metadata=_project(project))


def _project(folder: Path) -> dict[str, Any]:
    """The path of the project, which the folder of its chats names."""
    try:
        root = (folder / ".project_root").read_text().strip()
    except (OSError, UnicodeDecodeError):
        root = ""
    if not root and folder.parent.name == "tmp":
        try:
            listed = mapping_of(lenient_value((folder.parent.parent / "projects.json").read_bytes()))
        except OSError:
            return {}
        projects = mapping_of(listed.get("projects")) or listed
        root = next((path for path, slug in projects.items() if slug == folder.name), "")
    return {"cwd": root} if root else {}


def _split(path: Path, data: bytes, value: dict[str, Any]) -> Iterator[Conversation]:
    rest = Found(without(data, "messages", _ids(value["messages"])), time_of(value.get("startTime")) or time_of(value.get("lastUpdated")))
    texts = element_texts(data, "messages")
    times = [time_of(mapping_of(message).get("timestamp")) for message in value["messages"]]
    messages = [Found(text, time) for text, time in zip(texts, times, strict=True)]
    yield Conversation(_place(path, value["sessionId"], value.get("kind")), [rest, *messages])


def _join(records: list[bytes]) -> bytes | None:
    """The document: the messages that its last state names, each as it was last; None where the records are lines."""
    rest: bytes | None = None
    names: list[Any] = []
    updated = ""
    messages: dict[str, bytes] = {}
    unnamed: list[bytes] = []
    for record in records:
        value = mapping_of(lenient_value(record))
        listed = value.get("messages")
        if isinstance(value.get("sessionId"), str) and isinstance(listed, list):
            changed = text_of(value.get("lastUpdated")) or ""
            if not any(isinstance(each, dict) for each in listed) and (rest is None or changed >= updated):
                rest, names, updated = record, listed, changed
        elif (id := text_of(value.get("id"))) is not None:
            messages[id] = record
        else:
            unnamed.append(record)
    if rest is None:
        return None
    texts = [messages[name] if name in messages else unnamed.pop(0) for name in names if name in messages or (name is None and unnamed)]
    return without(rest, "messages", b"[" + b",".join(texts) + b"]")


def _ids(messages: list[Any]) -> bytes:
    """What stands for the messages in the rest of a document: the id of each, in order."""
    return msgspec.json.encode([mapping_of(message).get("id") for message in messages])


class GeminiMeaning:
    def __init__(self, place: Place) -> None:
        self._facts = Facts(NAME, place, kind="agent", provider="google")
        self._said = Said()
        self._updated: datetime | None = None

    def observe(self, stored: StoredEvent) -> None:
        self._facts.observe(stored)

    def start(self) -> SessionStarted:
        return self._facts.start()

    def events(self, source: Source) -> list[Event]:
        record = source.record
        if not isinstance(record, dict):
            return []
        if "$rewindTo" in record:
            return self._rewound(record["$rewindTo"])
        if isinstance(record.get("$set"), dict):
            return self._changed(record["$set"])
        if "sessionId" in record:
            return self._changed(record)
        return self._message(record, source.name)

    def _changed(self, fields: dict[str, Any]) -> list[Event]:
        """What is said of the session, and the messages that are all there are: whole, or by their ids."""
        events = self._facts.update(
            title=fields.get("summary"), project_hash=fields.get("projectHash"), directories=fields.get("directories")
        )
        updated = time_of(fields.get("lastUpdated"))
        is_latest = self._updated is None or (updated is not None and updated >= self._updated)
        if updated is not None and is_latest:
            self._updated = updated
        messages = fields.get("messages")
        if not isinstance(messages, list):
            return events
        whole = [message for message in messages if isinstance(message, dict)]
        for index, message in enumerate(whole):
            events += self._message(message, f"{self._facts.place.source_names[0]}-{index}")
        if is_latest:
            there = {text_of(mapping_of(message).get("id") if isinstance(message, dict) else message) for message in messages}
            events += self._said.retract([each for each in self._said.ids if each not in there], "the tool has it no longer")
        return events

    def _rewound(self, to: Any) -> list[Event]:
        ids = self._said.ids
        return self._said.retract(ids[ids.index(to) :] if to in ids else ids, "rewound")

    def _message(self, record: dict[str, Any], otherwise: str) -> list[Event]:
        kind = record.get("type")
        message_id = text_of(record.get("id")) or otherwise
        if kind == "user":
            return self._user(record, message_id)
        if kind in ("gemini", "model"):
            return self._answer(record, message_id)
        if kind in ("info", "warning", "error"):
            parts = _parts(record.get("content"))
            if kind == "error" and message_id not in self._said:
                text = " ".join(part.content for part in parts if isinstance(part.content, str))
                return [ErrorLogged(message=text or "an error", kind="error"), *self._said.message(message_id, kind, parts, hidden=True)]
            return self._said.message(message_id, kind, parts, hidden=True)
        return [SourceRecord(kind=text_of(kind))]

    def _user(self, record: dict[str, Any], message_id: str) -> list[Event]:
        parts = _parts(_content_of(record))
        first = next((part.content for part in parts if part.type == "text"), "")
        is_injected = isinstance(first, str) and _INJECTED.match(first) is not None
        is_result = bool(parts) and all(part.type == "tool_call_response" for part in parts)
        return self._said.message(message_id, "system" if is_injected else "tool" if is_result else "user", parts)

    def _answer(self, record: dict[str, Any], message_id: str) -> list[Event]:
        model = text_of(record.get("model"))
        events = self._facts.uses(model)
        calls = [call for call in list_of(record.get("toolCalls")) if isinstance(call, dict)]
        parts = [*_thoughts(record.get("thoughts")), *_parts(_content_of(record)), *map(_call, calls)]
        events += self._said.message(message_id, "assistant", parts, model=model)
        for index, call in enumerate(calls):
            result = _result(call)
            if result is not None:
                events += self._said.returned(result, f"{message_id} {index}")
        return events + self._tokens(mapping_of(record.get("tokens")), message_id, model)

    def _tokens(self, tokens: dict[str, Any], message_id: str, model: str | None) -> list[Event]:
        cached, thoughts = count_of(tokens.get("cached")), count_of(tokens.get("thoughts"))
        return self._said.usage(
            UsageRecorded(
                message_id=message_id,
                model=model,
                input_tokens=max(0, count_of(tokens.get("input")) - cached),
                output_tokens=count_of(tokens.get("output")) + thoughts,
                cache_read_tokens=cached,
                reasoning_tokens=thoughts,
            )
        )


def _thoughts(thoughts: Any) -> list[Part]:
    found = []
    for thought in list_of(thoughts):
        lines = [text_of(mapping_of(thought).get(name)) for name in ("subject", "description")]
        text = "\n".join(line for line in lines if line)
        if text:
            found.append(Part(type="reasoning", content=text))
    return found


def _content_of(record: dict[str, Any]) -> Any:
    """What a message says; some old ones have it as the API does."""
    return record["content"] if "content" in record else record.get("parts")


def _parts(content: Any) -> list[Part]:
    """A text, a part or a list of either."""
    items = content if isinstance(content, list) else [content]
    return [_part(item) for item in items if item not in (None, "")]


def _part(item: Any) -> Part:
    if isinstance(item, str):
        return Part(type="text", content=item)
    if isinstance(item, dict):
        if isinstance(item.get("text"), str):
            return Part(type="reasoning" if item.get("thought") is True else "text", content=item["text"])
        blob = mapping_of(item.get("inlineData"))
        if isinstance(blob.get("data"), str):
            mime_type = text_of(blob.get("mimeType"))
            return Part(type="blob", mime_type=mime_type, modality=(mime_type or "file").split("/")[0], content=blob["data"])
        file = mapping_of(item.get("fileData"))
        if isinstance(file.get("fileUri"), str):
            return Part(type="uri", uri=file["fileUri"], mime_type=text_of(file.get("mimeType")))
        response = mapping_of(item.get("functionResponse"))
        if response:
            return Part(type="tool_call_response", id=text_of(response.get("id")), response=response.get("response"))
    return Part(type="unknown", metadata={"part": item})


def _call(call: dict[str, Any]) -> Part:
    return Part(type="tool_call", id=text_of(call.get("id")), name=text_of(call.get("name")) or "unknown", arguments=call.get("args"))


def _result(call: dict[str, Any]) -> ToolReturned | None:
    """None while the call is open."""
    status = call.get("status")
    result = call.get("result")
    if result in (None, []) and status not in ("success", "error", "cancelled"):
        return None
    responses = [mapping_of(mapping_of(each).get("functionResponse")).get("response") for each in list_of(result)]
    responses = [response for response in responses if response is not None]
    output: Any = [_output(response) for response in responses] if responses else result
    display = call.get("resultDisplay")
    return ToolReturned(
        call_id=text_of(call.get("id")),
        name=text_of(call.get("name")),
        output=output[0] if isinstance(output, list) and len(output) == 1 else output,
        display=display if display not in (None, "") else None,
        is_error=status in ("error", "cancelled") or any(isinstance(each, dict) and "error" in each for each in responses),
    )


def _output(response: Any) -> Any:
    """What the tool said, where that is all that the response has."""
    if isinstance(response, dict) and len(response) == 1 and next(iter(response)) in _OUTPUT_ITEM:
        return next(iter(response.values()))
    return response


FORMAT = Format(
    name=NAME,
    tool="Gemini CLI",
    meaning=GeminiMeaning,
    names=("*.json", "*.jsonl"),
    not_names=("logs.json", "*-logs.json", "projects.json", "settings.json"),
    locations=(Location("~", ".gemini/tmp/*/chats", "GEMINI_CLI_HOME"),),
    lines=Lines(head=_heads, is_record=_is_record, session=_session, time=_time),
    documents=Documents(_is_document, _split, join=_join),
)
