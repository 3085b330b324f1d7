"""Microsoft Agent Framework (checked with agent-framework-core 1.12): `EventLogHistoryProvider`, a history provider for its agents.

    agent = Agent(client, context_providers=[EventLogHistoryProvider("my-store")])

A session's messages are the log's session of the key ``agent-framework/SESSION``; a message's record is the framework's own dict of it. A
run without a session id has nothing to be found by, and is not stored.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from agent_framework import HistoryProvider, Message

from eventlog import EventLog
from eventlog.backend import Sync
from eventlog.events import Event, MessageAdded, Part, UsageRecorded
from eventlog.shapes.fields import count, mapping, mappings, text

from .message_list import MessageList
from .sessions import Sessions, in_thread, to_its_end

FORMAT = "agent-framework"


class EventLogHistoryProvider(HistoryProvider):
    """``path_or_log``: a store's folder (made if it is not there), an open `EventLog`, or None for the configured store. ``sync``: how safe
    an append is when it returns, default the store's; ``options`` are those of `HistoryProvider`. Safe to use from several tasks,
    threads, event loops and processes."""

    def __init__(
        self,
        path_or_log: str | os.PathLike[str] | EventLog | None = None,
        *,
        source_id: str = "eventlog",
        sync: Sync | None = None,
        **options: Any,
    ) -> None:
        super().__init__(source_id, **options)
        self._sessions = Sessions.of(path_or_log)
        self._list = MessageList(self._sessions, FORMAT, _meaning, sync)
        self._closed = False

    async def get_messages(self, session_id: str | None, *, state: dict[str, Any] | None = None, **kwargs: Any) -> list[Message]:
        if session_id is None:
            return []
        return [Message.from_dict(record) for record in await in_thread(lambda: self._list.read(session_id))]

    async def save_messages(
        self, session_id: str | None, messages: Sequence[Message], *, state: dict[str, Any] | None = None, **kwargs: Any
    ) -> None:
        """Add the messages, all or none. Raises `InvalidEvent` for one that is not JSON."""
        if session_id is not None:
            await to_its_end(lambda: self._list.add([message.to_dict() for message in messages], session_id))

    def close(self) -> None:
        """Let go of the store. Closing twice is fine."""
        if not self._closed:
            self._closed = True
            self._sessions.close()


def _meaning(record: Any, id: str) -> Sequence[Event]:
    fields = mapping(record)
    role = fields.get("role")
    role = str(mapping(role).get("value") if isinstance(role, dict) else role or "user")
    named = {"author": fields["author_name"]} if fields.get("author_name") else {}
    parts: list[Part] = []
    events: list[Event] = []
    for item in mappings(fields.get("contents")):
        if item.get("type") == "usage":
            events.append(_usage(mapping(item.get("usage_details", item.get("details"))), id))
        else:
            parts.append(_part(item))
    content: Any = parts[0].content if len(parts) == 1 and parts[0].type == "text" else parts
    return [MessageAdded(role=role, content=content, message_id=id, metadata=named), *events]


def _part(item: dict[str, Any]) -> Part:
    kind = item.get("type")
    if kind in ("text", "text_reasoning"):
        return Part(type="text" if kind == "text" else "reasoning", content=str(item.get("text") or ""))
    if kind == "function_call":
        return Part(
            type="tool_call", id=text(item.get("call_id")), name=text(item.get("name")) or "unknown", arguments=item.get("arguments")
        )
    if kind == "function_result":
        failed: dict[str, Any] = {"is_error": True} if item.get("exception") else {}
        return Part(type="tool_call_response", id=text(item.get("call_id")), response=item.get("result"), **failed)
    uri, mime_type = text(item.get("uri")), text(item.get("media_type"))
    if kind in ("uri", "data") and uri is not None:
        modality = next((name for name in ("image", "audio", "video") if (mime_type or "").startswith(name)), "document")
        if uri.startswith("data:"):
            return Part(type="blob", content=uri.partition(",")[2], mime_type=mime_type, modality=modality)
        return Part(type="uri", uri=uri, mime_type=mime_type, modality=modality)
    return Part(type=text(kind) or "unknown", metadata={"block": item})


def _usage(stated: dict[str, Any], id: str) -> UsageRecorded:
    read = count(stated.get("cached_input_token_count", stated.get("cache_read_input_token_count")))
    return UsageRecorded(
        message_id=id,
        input_tokens=max(0, count(stated.get("input_token_count")) - read),
        output_tokens=count(stated.get("output_token_count")),
        cache_read_tokens=read,
        reasoning_tokens=count(stated.get("reasoning_token_count")),
    )
