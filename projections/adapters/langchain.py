"""LangChain (checked with langchain-core 1.8): `EventLogChatMessageHistory`, a chat's history, as `RunnableWithMessageHistory` takes it.

    history = EventLogChatMessageHistory("user-7", "my-store")
    chat = RunnableWithMessageHistory(model, lambda session_id: EventLogChatMessageHistory(session_id, "my-store"))

A history is the log's session of the key ``langchain/SESSION``; a message's record is LangChain's own dict of it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from langchain_core.chat_history import BaseChatMessageHistory
from langchain_core.messages import BaseMessage, message_to_dict, messages_from_dict

from eventlog import EventLog
from eventlog.backend import Sync
from eventlog.events import Event

from . import langchain_messages
from .message_list import MessageList
from .sessions import Sessions, in_thread, to_its_end

FORMAT = "langchain"


class EventLogChatMessageHistory(BaseChatMessageHistory):
    """``path_or_log``: a store's folder (made if it is not there), an open `EventLog`, or None for the configured store. ``sync``: how safe
    an append is when it returns, default the store's. Safe to use from several tasks, threads and processes."""

    def __init__(self, session_id: str, path_or_log: str | os.PathLike[str] | EventLog | None = None, *, sync: Sync | None = None) -> None:
        self.session_id = session_id
        self._sessions = Sessions.of(path_or_log)
        self._list = MessageList(self._sessions, FORMAT, _meaning, sync)
        self._closed = False

    @property
    def messages(self) -> list[BaseMessage]:
        """The messages so far, made anew each time. (A message that is appended to this list is not stored: `add_messages`.)"""
        return list(messages_from_dict(self._list.read(self.session_id)))

    def add_messages(self, messages: Sequence[BaseMessage]) -> None:
        """Add the messages, all or none. Raises `InvalidEvent` for one that is not JSON."""
        self._list.add([message_to_dict(message) for message in messages], self.session_id)

    def clear(self) -> None:
        """Take everything back. The record keeps it."""
        self._list.clear(self.session_id)

    async def aget_messages(self) -> list[BaseMessage]:
        return await in_thread(lambda: self.messages)

    async def aadd_messages(self, messages: Sequence[BaseMessage]) -> None:
        await to_its_end(lambda: self.add_messages(messages))

    async def aclear(self) -> None:
        await to_its_end(self.clear)

    def close(self) -> None:
        """Let go of the store. Closing twice is fine."""
        if not self._closed:
            self._closed = True
            self._sessions.close()


def _meaning(record: Any, id: str) -> Sequence[Event]:
    (message,) = messages_from_dict([record])
    return langchain_messages.events_of(message, id)
