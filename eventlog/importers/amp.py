"""Amp: ``~/.local/share/amp/threads/T-<uuid>.json``, and what ``amp threads export`` gives; since early 2026 the threads are on the server.

One document with Anthropic's messages; an answer has its ``usage``. Results are blocks of messages of role user, which may say what they
are in words of Amp's own (``toolUseID``, ``run``).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from eventlog.events import Event, UsageRecorded
from eventlog.ids import session_id_of
from eventlog.shapes import anthropic

from .declaration import Conversation, Documents, Format, Location
from .intake import Place
from .listed import ListedMeaning, Message, join_list, split_list
from .values import count_of, mapping_of, text_of, time_of

NAME = "amp"


def _is_document(value: Any) -> bool:
    if not isinstance(value, dict) or not isinstance(value.get("messages"), list) or not isinstance(value.get("id"), str):
        return False
    return "v" in value and (value["id"].startswith("T-") or "usageLedger" in value)


def _split(path: Path, data: bytes, value: dict[str, Any]) -> Iterator[Conversation]:
    place = Place(session_id_of(NAME, value["id"]), (value["id"],))
    yield split_list(place, data, value, "messages", time=time_of(value.get("created")), time_of_message=_time)


def _time(message: Message) -> datetime | None:
    return time_of(mapping_of(message.get("usage")).get("timestamp")) or time_of(mapping_of(message.get("meta")).get("sentAt"))


class AmpMeaning(ListedMeaning):
    NAME = NAME

    def rest(self, record: dict[str, Any]) -> list[Event]:
        return self.facts.update(title=record.get("title"))

    def message(self, record: Message, name: str) -> list[Event]:
        usage = mapping_of(record.get("usage"))
        model = text_of(usage.get("model"))
        content = record.get("content")
        blocks = [_block(block) for block in content] if isinstance(content, list) else content
        fields = {"role": record.get("role"), "content": blocks}
        events = self.facts.uses(model) + self.tell(name, anthropic.messages(fields), model=model)
        if not usage:
            return events
        return events + self.said.usage(
            UsageRecorded(
                message_id=name,
                model=model,
                input_tokens=count_of(usage.get("inputTokens")),
                output_tokens=count_of(usage.get("outputTokens")),
                cache_read_tokens=count_of(usage.get("cacheReadInputTokens")),
                cache_write_tokens=count_of(usage.get("cacheCreationInputTokens")),
            )
        )


def _block(block: Any) -> Any:
    """A block as Anthropic has it."""
    fields = mapping_of(block)
    run = mapping_of(fields.get("run"))
    if fields.get("type") != "tool_result" or "tool_use_id" in fields or "toolUseID" not in fields:
        return block
    output = run.get("result", mapping_of(run.get("error")).get("message", run.get("error")))
    said = output if isinstance(output, (str, list)) else None if output is None else msgspec.json.encode(output).decode()
    return {"type": "tool_result", "tool_use_id": fields["toolUseID"], "content": said, "is_error": run.get("status") in _FAILED}


_FAILED = ("error", "cancelled", "rejected-by-user")
FORMAT = Format(
    name=NAME,
    tool="Amp",
    meaning=AmpMeaning,
    names=("*.json",),
    locations=(Location("$DATA/amp", "threads", "AMP_DATA_DIR"),),
    documents=Documents(_is_document, _split, join=join_list("messages")),
    checked_on="its description",
)
