"""Puts a session's messages together from their records, each of which holds one line of a message, or all of it.

- A line is known by its ``uuid``, a message by its id. The lines of one message need not follow each other.
- The same ``uuid`` again with other content replaces what that line said. A retracted line is taken out of its message.
- A block that its message already has (a copied line, a line with all blocks so far) is not added again.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from eventlog.events import Event, MessageAdded, MessageAmended, MessageRetracted, Part

from ..values import mapping_of, text_of
from .content import texts_of
from .titles import is_the_tools

SYNTHETIC = "<synthetic>"  # the model of messages that Claude Code wrote itself


_NOTICES = ("task-notification",)  # where a user's record comes from that nobody typed


class Line(msgspec.Struct, gc=False):
    """A record with a uuid. ``message_id``: the message that it is part of, else the one that it follows; ``parts``: what it gave its
    message, None where it is part of none; ``answered``: the calls whose results it holds."""

    content: bytes
    message_id: str | None
    parts: list[Part] | None = None
    answered: tuple[str | None, ...] = ()


class Messages:
    def __init__(self) -> None:
        self._lines: dict[str, Line] = {}
        self._uuids: dict[str, list[str]] = {}  # the lines of each message, in order
        self._in_sidechain: set[str] = set()

    def __contains__(self, message_id: str) -> bool:
        return message_id in self._uuids

    def is_in_sidechain(self, message_id: str) -> bool:
        return message_id in self._in_sidechain

    def line(self, uuid: str | None) -> Line | None:
        return self._lines.get(uuid) if uuid is not None else None

    def note(self, uuid: str, content: bytes, record: dict[str, Any], answered: Iterable[str | None]) -> None:
        """The record with this uuid has been taken, whatever it was."""
        line = self._lines.setdefault(uuid, Line(content, self.before(record)))
        line.content = content
        line.answered += tuple(answered)

    def before(self, record: dict[str, Any]) -> str | None:
        """The message that the record comes after: its parent, or the nearest above it that is a message."""
        line = self.line(text_of(record.get("parentUuid")))
        return line.message_id if line is not None else None

    def add(self, record: dict[str, Any], content: bytes, message_id: str, parts: list[Part], in_sidechain: bool) -> list[Event]:
        """Add the record's message or more of it, or amend what the same record said before."""
        uuid = text_of(record.get("uuid"))
        former = self.line(uuid)
        if uuid is not None and former is not None and former.parts is not None and former.message_id is not None:
            self._lines[uuid] = Line(content, former.message_id, parts, former.answered)
            return [] if parts == former.parts else [self._amended(former.message_id, "the record was written again")]
        is_new = message_id not in self._uuids
        uuids = self._uuids.setdefault(message_id, [])
        is_replaced = not is_new and not uuids
        added = parts if is_new else [part for part in parts if not self._has(uuids, part)]
        follows = self.before(record)
        uuid = uuid or f"{message_id} {content.hex()}"
        uuids.append(uuid)
        self._lines[uuid] = Line(content, message_id, added, former.answered if former is not None else ())
        if is_new and in_sidechain:
            self._in_sidechain.add(message_id)
        if is_replaced:
            return [self._amended(message_id, "superseded")]
        if not is_new and not added:
            return []
        message = record["message"]
        model = text_of(message.get("model"))
        whole = message.get("content") if is_new else None
        return [
            MessageAdded(
                role=text_of(message.get("role")) or record["type"],
                content=whole if isinstance(whole, str) else added,
                message_id=message_id,
                model=None if model == SYNTHETIC else model,
                reply_to=follows if is_new and follows != message_id else None,
                metadata=_marks(record, in_sidechain) if is_new else {},
                exclude_from_context=in_sidechain or record.get("isApiErrorMessage") is True or record.get("isCompactSummary") is True,
            )
        ]

    def retract(self, uuids: Any, reason: str, spare: str | None = None) -> list[Event]:
        """Take back the lines: what is left of their messages stands amended, a message without lines is retracted.

        ``spare``: a message that is about to get new lines."""
        events: list[Event] = []
        for uuid in uuids if isinstance(uuids, list) else ():
            line = self._lines.get(uuid) if isinstance(uuid, str) else None
            message_id = line.message_id if line is not None and line.parts is not None else None
            if message_id is None or uuid not in self._uuids.get(message_id, ()):
                continue
            left = self._uuids[message_id]
            left.remove(uuid)
            if left:
                events.append(self._amended(message_id, reason))
            elif message_id != spare:
                del self._uuids[message_id]
                events.append(MessageRetracted(message_id=message_id, reason=reason))
        return events

    def _amended(self, message_id: str, reason: str) -> Event:
        parts = [part for uuid in self._uuids.get(message_id, ()) for part in self._lines[uuid].parts or ()]
        return MessageAmended(message_id=message_id, content=parts, reason=reason)

    def _has(self, uuids: list[str], part: Part) -> bool:
        return any(part == other for uuid in uuids for other in self._lines[uuid].parts or ())


def _marks(record: dict[str, Any], in_sidechain: bool) -> dict[str, Any]:
    """What a reader of the message must know of its record. ``is_meta``: no person typed it, so that it is no session's first text."""
    marks = {"is_meta": "isMeta", "is_compact_summary": "isCompactSummary", "is_api_error": "isApiErrorMessage"}
    found: dict[str, Any] = {name: True for name, field in marks.items() if record.get(field) is True}
    texts = texts_of(record["message"].get("content")) if record.get("type") == "user" else []
    is_notice = text_of(mapping_of(record.get("origin")).get("kind")) in _NOTICES
    if is_notice or (texts and all(map(is_the_tools, texts))):
        found["is_meta"] = True
    if in_sidechain:
        found["is_sidechain"] = True
    return found
