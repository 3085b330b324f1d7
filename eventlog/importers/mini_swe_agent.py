"""mini-swe-agent: ``<instance>.traj.json``: the bare list of messages; since 1.1 an object with ``trajectory_format`` and ``info``.

- Commands stand in the text, and their results are user messages (``<returncode>``); newer ones declare a tool. Only the user message
  before the first answer is a person's.
- Role ``exit`` says how the run ended; the call before it has no result.
- ``extra`` of an answer has the provider's whole response, its cost and its time.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from eventlog.events import Cost, Event, Part, UsageRecorded
from eventlog.shapes import openai_chat
from eventlog.shapes.exchange import Said as Spoken

from .declaration import Conversation, Documents, Format
from .intake import Place
from .listed import ListedMeaning, Message, join_list, place_by_path, split_list
from .records import element_texts, lenient_value
from .values import amount_of, mapping_of, text_of, time_of

NAME = "mini-swe-agent"
_RESULT = "<returncode>"


def _is_document(value: Any) -> bool:
    return is_bare(value) or (
        isinstance(value, dict)
        and isinstance(value.get("messages"), list)
        and ((text_of(value.get("trajectory_format")) or "").startswith(NAME) or "mini_version" in mapping_of(value.get("info")))
    )


def is_bare(value: Any) -> bool:
    """Whether this is a run that is nothing but its messages."""
    if not isinstance(value, list) or len(value) < 4 or not all(isinstance(message, dict) for message in value):
        return False
    results = [message.get("content") for message in value[3:] if message.get("role") == "user"]
    return value[0].get("role") == "system" and any(isinstance(each, str) and each.lstrip().startswith(_RESULT) for each in results)


def _split(path: Path, data: bytes, value: Any) -> Iterator[Conversation]:
    if isinstance(value, list):
        data, value = b'{"messages":' + data.strip() + b"}", {"messages": value}
    yield split_list(place_by_path(NAME, path), data, value, "messages", time_of_message=_time)


def _join(records: list[bytes]) -> bytes | None:
    """The run; one that is nothing but its messages has nothing around them."""
    run = join_list("messages")(records)
    is_bare = run is not None and list(mapping_of(lenient_value(run))) == ["messages"]
    return b"[" + b",".join(element_texts(run, "messages")) + b"]" if run is not None and is_bare else run


def _time(message: Message) -> datetime | None:
    return time_of(mapping_of(message.get("extra")).get("timestamp")) or time_of(message.get("timestamp"))


class MiniSweAgentMeaning(ListedMeaning):
    NAME = NAME

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self._has_answered = False
        self._model: str | None = None

    def rest(self, record: dict[str, Any]) -> list[Event]:
        info = mapping_of(record.get("info"))
        self._model = text_of(mapping_of(mapping_of(info.get("config")).get("model")).get("model_name"))
        return self.facts.uses(self._model) + self.facts.update(
            instance_id=text_of(record.get("instance_id")),
            exit_status=text_of(info.get("exit_status")),
            submission=text_of(info.get("submission")),
            version=text_of(info.get("mini_version")),
        )

    def message(self, record: Message, name: str) -> list[Event]:
        role = text_of(record.get("role")) or "user"
        extra = mapping_of(record.get("extra"))
        content = record.get("content")
        if role == "exit":
            return self.tell(name, openai_chat.message({"role": "system", "content": content}), hidden=True)
        if role == "tool":
            result = openai_chat.message({"role": role, "content": content, "tool_call_id": record.get("tool_call_id")}).parts[0]
            failed = extra.get("returncode") not in (0, None)
            answer = Part(type="tool_call_response", id=result.id, response=result.response, is_error=True if failed else msgspec.UNSET)
            return self.tell(name, Spoken(role="tool", parts=[answer]))
        spoken = openai_chat.message({key: record[key] for key in ("role", "content", "tool_calls") if record.get(key) is not None})
        if role != "assistant":
            return self.tell(name, spoken, role="tool" if role == "user" and self._has_answered else None)
        self._has_answered = True
        return self.tell(name, spoken, model=self._model) + self._usage(name, extra)

    def _usage(self, name: str, extra: dict[str, Any]) -> list[Event]:
        stated = openai_chat.usage(mapping_of(extra.get("response")).get("usage"))
        cost = amount_of(extra.get("cost"))
        if stated is None and not cost:
            return []
        tokens = stated or UsageRecorded()
        return self.said.usage(
            UsageRecorded(
                message_id=name,
                model=self._model,
                input_tokens=tokens.input_tokens,
                output_tokens=tokens.output_tokens,
                cache_read_tokens=tokens.cache_read_tokens,
                cache_write_tokens=tokens.cache_write_tokens,
                reasoning_tokens=tokens.reasoning_tokens,
                cost=Cost(amount=cost) if cost else tokens.cost,
            )
        )


FORMAT = Format(
    name=NAME,
    tool="mini-swe-agent",
    meaning=MiniSweAgentMeaning,
    names=("*.traj.json",),
    documents=Documents(_is_document, _split, join=_join),
)
