"""The messages, results and tokens of a session whose source writes them again as they grow: only what is new becomes an event.

A message that comes again with more at its end gets that added, with other content it is amended, without a change it is not said again. A
result is told once for each call, the tokens of a message whenever they differ.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import msgspec

from eventlog.events import Event, MessageAdded, MessageAmended, MessageRetracted, Part, ToolReturned, UsageRecorded


class _Message(msgspec.Struct, gc=False):
    role: str
    parts: list[Part]
    hidden: bool
    model: str | None
    is_gone: bool = False


class Said:
    def __init__(self) -> None:
        self._messages: dict[str, _Message] = {}
        self._usage: dict[str, UsageRecorded] = {}
        self._answered: set[str] = set()

    def __contains__(self, message_id: str) -> bool:
        return message_id in self._messages

    @property
    def ids(self) -> list[str]:
        """The messages that are there, in the order in which they came."""
        return [message_id for message_id, message in self._messages.items() if not message.is_gone]

    def message(
        self,
        message_id: str,
        role: str,
        parts: list[Part],
        *,
        model: str | None = None,
        reply_to: str | None = None,
        hidden: bool = False,
        metadata: dict[str, Any] | None = None,
    ) -> list[Event]:
        """The message as its source has it now. ``hidden``: the model does not see it."""
        known = self._messages.get(message_id)
        if known is None:
            self._messages[message_id] = _Message(role, parts, hidden, model)
            content = parts[0].content if len(parts) == 1 and parts[0] == Part(type="text", content=parts[0].content) else parts
            return [
                MessageAdded(
                    role=role,
                    content=content if isinstance(content, str) else parts,
                    message_id=message_id,
                    model=model,
                    reply_to=reply_to,
                    metadata=metadata or {},
                    exclude_from_context=hidden,
                )
            ]
        events: list[Event] = []
        if known.parts != parts or (model is not None and known.model is None):
            count = len(known.parts)
            if parts[:count] == known.parts:
                events.append(MessageAdded(role=known.role, content=parts[count:], message_id=message_id, model=model))
            else:
                events.append(MessageAmended(message_id=message_id, content=parts, reason="the source wrote it again"))
            known.parts, known.model = parts, known.model or model
        return events + self.hide(message_id, hidden)

    def hide(self, message_id: str, hidden: bool) -> list[Event]:
        """Whether the model sees the message now."""
        known = self._messages.get(message_id)
        if known is None or known.hidden == hidden:
            return []
        known.hidden = hidden
        return [MessageAmended(message_id=message_id, exclude_from_context=hidden)]

    def retract(self, message_ids: Collection[str], reason: str) -> list[Event]:
        """The source has these no longer."""
        events: list[Event] = []
        for message_id in message_ids:
            known = self._messages.get(message_id)
            if known is not None and not known.is_gone:
                known.is_gone = True
                events.append(MessageRetracted(message_id=message_id, reason=reason))
        return events

    def usage(self, recorded: UsageRecorded) -> list[Event]:
        """The tokens of a message; none where they are as before, or all 0 for the first time."""
        key = recorded.message_id or ""
        former = self._usage.get(key)
        if former == recorded or (former is None and _is_empty(recorded)):
            return []
        self._usage[key] = recorded
        return [recorded]

    def returned(self, result: ToolReturned, key: str | None = None) -> list[Event]:
        """A call's result, which counts once. ``key``: what tells this call from others of its id."""
        key = key or result.call_id or ""
        if key in self._answered:
            return []
        self._answered.add(key)
        return [result]


def _is_empty(recorded: UsageRecorded) -> bool:
    counts = (recorded.input_tokens, recorded.output_tokens, recorded.cache_read_tokens, recorded.cache_write_tokens)
    return not any(counts) and recorded.cost is None
