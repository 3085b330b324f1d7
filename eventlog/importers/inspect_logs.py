"""Inspect: logs of evaluations, ``.eval`` (a ZIP: ``header.json``, ``samples/<id>_epoch_<n>.json``, ``_journal/``) or one JSON document
with ``samples``. A sample in an epoch is a session.

- ``messages`` are the conversation; ``events`` (older: ``transcript``) tell it again, with times. They stay in the rest's record.
- Large texts are ``attachment://<hash>``, found under ``attachments``. A tool call's ``function`` is its name.
- ``input_tokens`` may include the cache: the total tells.
- A log of a running evaluation has no header yet, only ``_journal/start.json``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from eventlog.events import ErrorLogged, Event, Part
from eventlog.ids import session_id_for, session_id_of
from eventlog.shapes import openai_chat
from eventlog.shapes.exchange import Said as Spoken

from .archives import members
from .declaration import Conversation, Documents, Format
from .intake import Place
from .listed import ListedMeaning, Message, join_list, split_list
from .records import element_texts, lenient_value
from .values import count_of, list_of, mapping_of, text_of, time_of

NAME = "inspect"
SAMPLE = re.compile(r"_epoch_\d+\.json$")  # a member of an archive
_HEADERS = ("header.json", "start.json")


def _is_sample(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("messages"), list) and "epoch" in value and "input" in value


def _is_document(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    return _is_sample(value) or (isinstance(value.get("eval"), dict) and "status" in value and isinstance(value.get("samples"), list))


def _split(path: Path, data: bytes, value: dict[str, Any]) -> Iterator[Conversation]:
    if _is_sample(value):
        archive = path.parent.parent
        yield _sample(data, value, _header(str(archive)) if archive.is_file() else {})
        return
    for text, sample in zip(element_texts(data, "samples"), value["samples"], strict=True):
        if _is_sample(sample):
            yield _sample(text, sample, value)


@lru_cache(maxsize=2)
def _header(archive: str) -> dict[str, Any]:
    """What an archive says of the whole evaluation."""
    try:
        found = {Path(name).name: data for name, data in members(Path(archive), _HEADERS.__contains__)}
    except (OSError, ValueError):
        return {}
    return mapping_of(next((lenient_value(found[name]) for name in _HEADERS if name in found), None))


def _sample(text: bytes, sample: dict[str, Any], log: dict[str, Any]) -> Conversation:
    ran = mapping_of(log.get("eval"))
    names = [text_of(ran.get("run_id")) or text_of(ran.get("created")) or "", text_of(ran.get("task")) or ""]
    names += [str(sample.get("id")), str(sample.get("epoch"))]
    uuid = text_of(sample.get("uuid"))
    session_id = session_id_of(NAME, uuid) if uuid else session_id_for(NAME, *names)
    known = {name: ran[name] for name in ("task", "run_id", "model") if text_of(ran.get(name))}
    place = Place(session_id, (uuid or "/".join(names),), metadata=known | {"sample": sample.get("id"), "epoch": sample.get("epoch")})
    events = list_of(sample.get("events")) or list_of(mapping_of(sample.get("transcript")).get("events"))
    time = time_of(mapping_of(events[0]).get("timestamp")) if events else None
    time = (
        time or time_of(sample.get("started_at")) or time_of(mapping_of(log.get("stats")).get("started_at")) or time_of(ran.get("created"))
    )
    return split_list(place, text, sample, "messages", time=time, id_of=_id)


def _id(message: Message) -> str | None:
    return text_of(message.get("id"))


class InspectMeaning(ListedMeaning):
    NAME = NAME

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self._attachments: dict[str, Any] = {}
        self._model = text_of(place.metadata.get("model"))

    def rest(self, record: dict[str, Any]) -> list[Event]:
        self._attachments |= mapping_of(record.get("attachments"))
        scores = {name: mapping_of(score).get("value") for name, score in mapping_of(record.get("scores")).items()}
        events = self.facts.uses(self._model) + self.facts.update(scores=scores, target=record.get("target"))
        error = mapping_of(record.get("error"))
        if error:
            events.append(ErrorLogged(message=text_of(error.get("message")) or "an error", kind="error", details=error))
        output = mapping_of(record.get("output"))
        used = mapping_of(record.get("model_usage")) or {text_of(output.get("model")) or self._model or "": output.get("usage")}
        return events + [event for model, usage in used.items() for event in self._stated(model, mapping_of(usage))]

    def _stated(self, model: str, usage: dict[str, Any]) -> list[Event]:
        read, write = count_of(usage.get("input_tokens_cache_read")), count_of(usage.get("input_tokens_cache_write"))
        given, made = count_of(usage.get("input_tokens")), count_of(usage.get("output_tokens"))
        is_within = count_of(usage.get("total_tokens")) == given + made
        return self.total(
            model=model,
            input_tokens=max(0, given - read - write) if is_within else given,
            output_tokens=made,
            cache_read_tokens=read,
            cache_write_tokens=write,
            reasoning_tokens=count_of(usage.get("reasoning_tokens")),
        )

    def message(self, record: Message, name: str) -> list[Event]:
        record = mapping_of(self._whole(record))
        name = _id(record) or name
        role = text_of(record.get("role")) or "user"
        content = [_part(item) for item in list_of(record.get("content"))] or record.get("content")
        if role == "tool":
            error = mapping_of(record.get("error"))
            output = content if content not in (None, "", []) or not error else error.get("message")
            id = text_of(record.get("tool_call_id"))
            result = Part(type="tool_call_response", id=id, response=output, is_error=True if error else msgspec.UNSET)
            return self.tell(name, Spoken(role="tool", parts=[result]))
        parts = (
            content if isinstance(content, list) else [Part(type="text", content=content)] if isinstance(content, str) and content else []
        )
        reasoning = text_of(record.get("reasoning"))
        parts = [
            *([Part(type="reasoning", content=reasoning)] if reasoning else []),
            *parts,
            *map(_call, list_of(record.get("tool_calls"))),
        ]
        model = text_of(record.get("model")) or self._model if role == "assistant" else None
        return self.tell(name, Spoken(role=role, parts=parts), model=model)

    def _whole(self, value: Any) -> Any:
        """The value with what is attached in its place."""
        if isinstance(value, str) and value.startswith("attachment://"):
            return self._attachments.get(value.removeprefix("attachment://"), value)
        if isinstance(value, dict):
            return {name: self._whole(item) for name, item in value.items()}
        return [self._whole(item) for item in value] if isinstance(value, list) else value


def _part(item: Any) -> Part:
    fields = mapping_of(item)
    if fields.get("type") == "reasoning":
        return Part(type="reasoning", content=text_of(fields.get("reasoning")) or "")
    if fields.get("type") == "image" and isinstance(fields.get("image"), str):
        return openai_chat.linked(fields["image"], "image", {})
    return openai_chat.part(item)


def _call(call: Any) -> Part:
    fields = mapping_of(call)
    named = fields.get("function")
    name = text_of(named) or text_of(mapping_of(named).get("name")) or "unknown"
    return Part(type="tool_call", id=text_of(fields.get("id")), name=name, arguments=fields.get("arguments"))


FORMAT = Format(
    name=NAME,
    tool="Inspect (evaluation logs)",
    meaning=InspectMeaning,
    names=("*.eval", "*.json"),
    documents=Documents(_is_document, _split, join=join_list("messages", _id)),
)
