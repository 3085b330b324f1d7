"""Claude.ai's export: ``conversations.json``, alone or in its ZIP: a list of conversations with ``chat_messages``; single ones, too.

Records are the messages, and the rest with their ids in the place of the messages. ``text`` repeats the text blocks of ``content``, which
older exports do not have. A tool's call often has no id: its result is the next block. Newer ones are trees (``parent_message_uuid``).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import msgspec

from eventlog.events import Event, Part, SessionStarted, ToolReturned
from eventlog.ids import session_id_for, session_id_of
from eventlog.shapes import anthropic
from eventlog.stored import StoredEvent

from .chat_export import is_export, split_export
from .declaration import Conversation, Documents, Format, Found
from .facts import Facts
from .intake import Place, Source
from .provenance import fingerprint
from .records import element_texts, lenient_value, without
from .said import Said
from .values import list_of, mapping_of, text_of, time_of

NAME = "claude-ai"
_FIRST = datetime.min.replace(tzinfo=timezone.utc)
_NO_PARENT = "00000000-0000-4000-8000-000000000000"


def _is_conversation(value: Any) -> bool:
    if not isinstance(value, dict) or not isinstance(value.get("chat_messages"), list):
        return False
    return "uuid" in value or any(mapping_of(message).get("sender") in ("human", "assistant") for message in value["chat_messages"])


def _is_document(value: Any) -> bool:
    return is_export(value, _is_conversation)


def _split(path: Path, data: bytes, value: Any) -> Iterator[Conversation]:
    return split_export(data, value, _is_conversation, _conversation, "list of messages")


def _conversation(text: bytes, value: dict[str, Any]) -> Conversation:
    name = text_of(value.get("uuid"))
    session_id = session_id_of(NAME, name) if name else session_id_for(NAME, fingerprint(text).hex())
    messages = value["chat_messages"]
    tree = [[mapping_of(message).get(key) for key in ("uuid", "parent_message_uuid")] for message in messages]
    rest = Found(without(text, "chat_messages", msgspec.json.encode(tree)), time_of(value.get("created_at")))
    texts = element_texts(text, "chat_messages")
    records = [Found(text, time_of(mapping_of(message).get("created_at"))) for text, message in zip(texts, messages, strict=True)]
    return Conversation(Place(session_id, (name or session_id,)), [rest, *records])


def _join(records: list[bytes]) -> bytes | None:
    """The conversation: the messages that the last state of the rest names, each as it was last."""
    rest: bytes | None = None
    order: list[Any] = []
    messages: dict[str, bytes] = {}
    unnamed: list[bytes] = []
    for record in records:
        value = mapping_of(lenient_value(record))
        if isinstance(value.get("chat_messages"), list):
            rest, order = record, value["chat_messages"]
        elif (uuid := text_of(value.get("uuid"))) is not None:
            messages[uuid] = record
        else:
            unnamed.append(record)
    if rest is None:
        return None
    names = [pair[0] if isinstance(pair, list) and pair else None for pair in order]
    texts = [messages[name] if name in messages else unnamed.pop(0) for name in names if name in messages or (name is None and unnamed)]
    return without(rest, "chat_messages", b"[" + b",".join(texts) + b"]")


class ClaudeAiMeaning:
    def __init__(self, place: Place) -> None:
        self._facts = Facts(NAME, place, kind="chat", provider="anthropic")
        self._said = Said()
        self._updated = _FIRST
        self._path: set[str] | None = None

    def observe(self, stored: StoredEvent) -> None:
        self._facts.observe(stored)

    def start(self) -> SessionStarted:
        return self._facts.start()

    def events(self, source: Source) -> list[Event]:
        record = source.record
        if not isinstance(record, dict):
            return []
        return self._rest(record) if "chat_messages" in record else self._message(record, source.name)

    def _rest(self, record: dict[str, Any]) -> list[Event]:
        updated = time_of(record.get("updated_at")) or time_of(record.get("created_at")) or _FIRST
        if updated < self._updated:
            return []  # a state from before
        self._updated = updated
        tree = {pair[0]: pair[1] for pair in list_of(record.get("chat_messages")) if isinstance(pair, list) and len(pair) == 2}
        self._path = _path(tree, text_of(record.get("current_leaf_message_uuid")))
        events = self._facts.update(
            title=record.get("name"), description=text_of(record.get("summary")), project=mapping_of(record.get("project")).get("name")
        )
        for message_id in self._said.ids:
            events += self._said.hide(message_id, self._is_aside(message_id))
        return events + self._facts.uses(record.get("model"))

    def _is_aside(self, message_id: str) -> bool:
        return self._path is not None and message_id not in self._path

    def _message(self, record: dict[str, Any], otherwise: str) -> list[Event]:
        message_id = text_of(record.get("uuid")) or otherwise
        sender = text_of(record.get("sender")) or "human"
        parts: list[Part] = []
        results: list[ToolReturned] = []
        call_id: str | None = None
        for index, block in enumerate(list_of(record.get("content"))):
            fields = mapping_of(block)
            if fields.get("type") == "tool_use":
                call_id = text_of(fields.get("id")) or f"{message_id}-{index}"
                parts.append(anthropic.part({**fields, "id": call_id}))
            elif fields.get("type") == "tool_result":
                answered = text_of(fields.get("tool_use_id")) or call_id
                output = anthropic.output(fields.get("content"))
                results.append(ToolReturned(call_id=answered, output=output, is_error=fields.get("is_error") is True))
            elif fields.get("type") != "token_budget":
                parts.append(anthropic.part(block))
        text = text_of(record.get("text"))
        if text and not any(part.type == "text" and part.content for part in parts):
            parts.append(Part(type="text", content=text))
        parts += _attached(record)
        role = {"human": "user", "assistant": "assistant"}.get(sender, sender)
        parent = text_of(record.get("parent_message_uuid"))
        events = self._said.message(
            message_id,
            role,
            parts,
            reply_to=parent if parent is not None and parent in self._said else None,
            hidden=self._is_aside(message_id),
        )
        for number, result in enumerate(results):
            events += self._said.returned(result, f"{message_id} {number}")
        return events


def _attached(record: dict[str, Any]) -> list[Part]:
    """Files of a message: with their text, where the export has it."""
    found = []
    for file in [*list_of(record.get("attachments")), *list_of(record.get("files")), *list_of(record.get("files_v2"))]:
        fields = mapping_of(file)
        name = text_of(fields.get("file_name")) or text_of(fields.get("file_uuid"))
        content = fields.get("extracted_content")
        if isinstance(content, str) and content:
            found.append(Part(type="text", content=content, metadata={"file_name": name}))
        elif name:
            found.append(Part(type="file", file_id=text_of(fields.get("file_uuid")) or name, metadata={"file_name": name}))
    return list({msgspec.json.encode(part): part for part in found}.values())


def _path(tree: dict[Any, Any], leaf: str | None) -> set[str] | None:
    """The messages up from the leaf that is shown; None where the export has no tree, or does not say which one."""
    if leaf is None or leaf not in tree:
        return None
    path: set[str] = set()
    at: Any = leaf
    while at in tree and at not in path and at != _NO_PARENT:
        path.add(at)
        at = tree[at]
    return path


FORMAT = Format(
    name=NAME,
    tool="Claude.ai (data export)",
    meaning=ClaudeAiMeaning,
    names=("*.json", "*.zip"),
    not_names=("users.json", "projects.json", "memories.json"),
    documents=Documents(_is_document, _split, join=_join),
    checked_on="its description",
)
