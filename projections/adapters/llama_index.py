"""LlamaIndex (checked with llama-index-core 0.14): `EventLogChatStore`, a chat store for its memories.

    memory = ChatMemoryBuffer.from_defaults(chat_store=EventLogChatStore("my-store"), chat_store_key="user-7")

A key's messages are the log's session of the key ``llama-index/KEY``; a message's record is LlamaIndex's own JSON of it. Replacing the
messages of a key takes back only those that are others; deleting takes back, and the record keeps it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from llama_index.core.llms import ChatMessage
from llama_index.core.storage.chat_store.base import BaseChatStore
from pydantic import PrivateAttr

from eventlog import EventLog
from eventlog.backend import Sync
from eventlog.events import Event, MessageAdded, Part
from eventlog.shapes.fields import mapping, mappings, text

from ..catalog.facade import Catalog
from .keys import Keys, keys_of
from .message_list import MessageList
from .records import with_numbers
from .sessions import Sessions

FORMAT = "llama-index"
_ROLES = {"developer": "system", "function": "tool", "chatbot": "assistant", "model": "assistant"}


class EventLogChatStore(BaseChatStore):
    """``path_or_log``: a store's folder (made if it is not there), an open `EventLog`, or None for the configured store. ``sync``: how safe
    an append is when it returns, default the store's. Safe to use from several threads and processes."""

    _sessions: Sessions = PrivateAttr()
    _list: MessageList = PrivateAttr()
    _catalog: Catalog = PrivateAttr()

    def __init__(self, path_or_log: str | os.PathLike[str] | EventLog | None = None, *, sync: Sync | None = None) -> None:
        super().__init__()
        self._sessions = Sessions.of(path_or_log)
        self._list = MessageList(self._sessions, FORMAT, _meaning, sync)
        self._catalog = Catalog.open(self._sessions.log, projections=[Keys()])

    @classmethod
    def class_name(cls) -> str:
        return "EventLogChatStore"

    def set_messages(self, key: str, messages: list[ChatMessage]) -> None:
        self._list.replace([_record(message) for message in messages], key)

    def get_messages(self, key: str) -> list[ChatMessage]:
        return [ChatMessage.model_validate(record) for record in self._list.read(key)]

    def add_message(self, key: str, message: ChatMessage) -> None:
        self._list.add([_record(message)], key)

    def delete_messages(self, key: str) -> list[ChatMessage] | None:
        """Take all of them back and return them; None where there are none."""
        taken = self._list.clear(key)
        return [ChatMessage.model_validate(record) for record in taken] or None

    def delete_message(self, key: str, idx: int) -> ChatMessage | None:
        """Take one back and return it; None where there is none at this index."""
        taken = self._list.take(idx, key)
        return None if taken is None else ChatMessage.model_validate(taken)

    def delete_last_message(self, key: str) -> ChatMessage | None:
        return self.delete_message(key, -1)

    def get_keys(self) -> list[str]:
        """The keys that have messages."""
        return [key for (key,) in keys_of(self._catalog, FORMAT) if self._list.read(key)]

    def close(self) -> None:
        """Let go of the store. To be called once."""
        self._catalog.close()
        self._sessions.close()


def _record(message: ChatMessage) -> dict[str, Any]:
    found: dict[str, Any] = with_numbers(message.model_dump(mode="json"), message.model_dump())
    return found


def _meaning(record: Any, id: str) -> Sequence[Event]:
    fields = mapping(record)
    more = mapping(fields.get("additional_kwargs"))
    stated = str(fields.get("role") or "user")
    role = _ROLES.get(stated, stated)
    parts = [_part(block) for block in mappings(fields.get("blocks"))]
    if role == "tool" and not any(part.type == "tool_call_response" for part in parts):
        response: Any = parts[0].content if len(parts) == 1 and parts[0].type == "text" else parts
        parts = [Part(type="tool_call_response", id=text(more.get("tool_call_id")), response=response)]
    for call in mappings(more.get("tool_calls")):
        function = mapping(call.get("function"))
        name = text(function.get("name")) or text(call.get("tool_name")) or text(call.get("name")) or "unknown"
        arguments = function.get("arguments", call.get("tool_kwargs", call.get("input")))
        parts.append(Part(type="tool_call", id=text(call.get("id")) or text(call.get("tool_id")), name=name, arguments=arguments))
    content: Any = parts[0].content if len(parts) == 1 and parts[0].type == "text" else parts
    return [MessageAdded(role=role, content=content, message_id=id)]


def _part(block: dict[str, Any]) -> Part:
    kind = block.get("block_type")
    if kind == "text":
        return Part(type="text", content=str(block.get("text") or ""))
    if kind == "thinking":
        return Part(type="reasoning", content=str(block.get("content") or ""))
    if kind == "tool_call":
        id, name = text(block.get("tool_call_id")), text(block.get("tool_name")) or "unknown"
        return Part(type="tool_call", id=id, name=name, arguments=block.get("tool_kwargs"))
    mime_type = next((text(block.get(name)) for name in (f"{kind}_mimetype", "mimetype", "mime_type") if block.get(name)), None)
    modality = str(kind) if kind in ("image", "audio", "video") else "document"
    if isinstance(block.get("url"), str):
        return Part(type="uri", uri=block["url"], mime_type=mime_type, modality=modality)
    data = block.get(str(kind), block.get("data"))
    if isinstance(data, str) and data:
        return Part(type="blob", content=data, mime_type=mime_type, modality=modality)
    return Part(type=str(kind or "unknown"), metadata={"block": block})
