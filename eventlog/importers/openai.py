"""The importer of conversations in OpenAI's shape: an object with ``messages``, or the bare array of them.

A file has one per line (fine-tuning files), one alone, or an array of objects. Each is a session, whose id follows from its content, so
that the same one is the same session wherever it is found. What ``eventlog export --to openai`` wrote comes back as it was.

- A message's ``tool_calls`` are parts of it, a ``tool`` message is a message with the result as its part. Arguments are kept as the
  object that their JSON text says, or as text where it says none.
- ``tools`` and ``parallel_tool_calls`` are settings of the session, ``weight`` and ``name`` metadata of their message.
- An object without ``messages`` (a preference pair, say), or with messages none of which has a role, is reported and not taken.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from eventlog.events import Event, MessageAdded, Part, SessionStarted, SourceRecord
from eventlog.ids import session_id_for
from eventlog.stored import StoredEvent

from .declaration import Conversation, Documents, Format, Found
from .intake import Place, Source
from .provenance import fingerprint
from .records import Record, document, read
from .values import arguments_of

NAME = "openai"
_LOOKED_AT = 100
_SETTINGS = ("tools", "parallel_tool_calls", "functions", "response_format")


class Head(msgspec.Struct, gc=False):
    """The fields that make an object a conversation, or a message of one."""

    messages: Any = None
    role: Any = None


_heads = msgspec.json.Decoder(Head)


def _is_document(value: Any) -> bool:
    if isinstance(value, list):
        return _has_roles(value) or any(isinstance(item, dict) and _is_document(item) for item in value[:_LOOKED_AT])
    return isinstance(value, dict) and isinstance(value.get("messages"), list) and (not value["messages"] or _has_roles(value["messages"]))


def _split(path: Path, data: bytes, value: Any) -> Iterator[Conversation]:
    for record in _records(data):
        problem = _problem_with(record)
        if problem is not None:
            yield Conversation(None, [Found(record.text, line=record.line, problem=problem)])
            continue
        session_id = session_id_for(NAME, fingerprint(record.text).hex())
        yield Conversation(Place(session_id, (session_id,)), [Found(record.text, line=record.line)])


def _records(data: bytes) -> list[Record[Head]]:
    """The conversations of the file: an array of objects, one value that takes several lines, or one per line."""
    objects = document(data, _heads, ()) if data.lstrip()[:1] == b"[" else None
    is_bare = objects is not None and all(found.head is not None and isinstance(found.head.role, str) for found in objects)
    if objects is not None and not is_bare:
        return objects
    try:
        whole = msgspec.json.format(data, indent=-1) if b"\n" in data.strip() else data
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        whole = data
    return list(read(whole, _heads))


def _problem_with(record: Record[Head]) -> str | None:
    """Why the record is no conversation; None where it is one."""
    if record.head is None:
        return None if record.text[:1] == b"[" and _has_roles(_array_in(record.text)) else record.problem
    if not isinstance(record.head.messages, list):
        return "no conversation: it has no list of messages"
    if record.head.messages and not _has_roles(record.head.messages):
        return "no conversation: none of its messages has a role"
    return None


def _has_roles(messages: list[Any]) -> bool:
    return any(isinstance(message, dict) and isinstance(message.get("role"), str) for message in messages)


def _array_in(text: bytes) -> list[Any]:
    """The array that the text is; an empty one where it is none."""
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return []
    return value if isinstance(value, list) else []


class OpenaiMeaning:
    """What one conversation means. Each is a session of its own, so that nothing need be remembered."""

    def __init__(self, place: Place) -> None:
        self._settings: dict[str, Any] = {}
        self._model: str | None = None

    def events(self, source: Source) -> list[Event]:
        record = source.record if isinstance(source.record, dict) else {"messages": source.record}
        if source.occurrence > 1:
            return [SourceRecord(kind="conversation", note="repeats an earlier one")]
        self._settings = {name: record[name] for name in _SETTINGS if record.get(name) is not None}
        model = record.get("model")
        self._model = model if isinstance(model, str) else None
        messages = [message for message in record["messages"] if isinstance(message, dict)]
        return [_message(message) for message in messages] or [SourceRecord(kind="conversation")]

    def observe(self, stored: StoredEvent) -> None:
        """Nothing that is recorded later changes what the conversation means."""

    def start(self) -> SessionStarted:
        return SessionStarted(kind="chat", model=self._model, settings=self._settings, metadata={"source": NAME})


def _message(message: dict[str, Any]) -> MessageAdded:
    role = message.get("role")
    content = message.get("content")
    metadata = {name: message[name] for name in ("weight", "name") if message.get(name) is not None}
    parts: list[Part]
    if role in ("tool", "function"):
        call_id = message.get("tool_call_id")
        parts = [Part(type="tool_call_response", id=call_id if isinstance(call_id, str) else None, response=content)]
        return MessageAdded(role="tool", content=parts, metadata=metadata)
    calls = message.get("tool_calls")
    parts = [_call(call) for call in calls if isinstance(call, dict)] if isinstance(calls, list) else []
    if isinstance(message.get("function_call"), dict):  # as it was before there were several
        parts.append(_call({"function": message["function_call"]}))
    if not parts and isinstance(content, str):
        return MessageAdded(role=role if isinstance(role, str) else "user", content=content, metadata=metadata)
    if isinstance(content, str) and content:
        parts.insert(0, Part(type="text", content=content))
    elif isinstance(content, list):
        parts = [_part(item) for item in content] + parts
    return MessageAdded(role=role if isinstance(role, str) else "user", content=parts, metadata=metadata)


def _call(call: dict[str, Any]) -> Part:
    function = call.get("function")
    function = function if isinstance(function, dict) else {}
    id, name = call.get("id"), function.get("name")
    return Part(
        type="tool_call",
        id=id if isinstance(id, str) else None,
        name=name if isinstance(name, str) else "unknown",
        arguments=arguments_of(function.get("arguments")),
    )


def _part(item: Any) -> Part:
    """A content part. Total: one of any shape becomes some part."""
    if isinstance(item, str):
        return Part(type="text", content=item)
    kind = item.get("type") if isinstance(item, dict) else None
    if kind in ("text", "input_text", "output_text", "refusal") and isinstance(item.get(kind, item.get("text")), str):
        return Part(type="text", content=item.get(kind, item.get("text")))
    if kind == "image_url":
        image = item.get("image_url")
        url = image.get("url") if isinstance(image, dict) else image
        if isinstance(url, str):
            return _image(url)
    if kind == "input_audio" and isinstance(item.get("input_audio"), dict) and isinstance(item["input_audio"].get("data"), str):
        audio = item["input_audio"]
        return Part(type="blob", modality="audio", mime_type=f"audio/{audio.get('format') or 'wav'}", content=audio["data"])
    return Part(type=kind if isinstance(kind, str) and kind else "unknown", metadata={"block": item})


def _image(url: str) -> Part:
    head, comma, data = url.partition(",")
    if comma and head.startswith("data:") and head.endswith(";base64"):
        return Part(type="blob", modality="image", mime_type=head[5:-7], content=data)
    return Part(type="uri", modality="image", uri=url)


FORMAT = Format(
    name=NAME,
    tool="OpenAI's message lists (fine-tuning files, exports)",
    meaning=OpenaiMeaning,
    names=("*.jsonl", "*.json"),
    not_names=("*.provenance.jsonl",),
    documents=Documents(_is_document, _split, each_line=True),
    writes_back=True,
)
