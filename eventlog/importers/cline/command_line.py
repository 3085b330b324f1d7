"""The sessions of Cline's command line (version 3): ``<id>.messages.json`` has the messages, ``<id>.json`` beside it says what they are of.

Messages are Anthropic's, each answer with ``modelInfo`` and ``metrics``. An agent that was spawned has a session of its own. The path to
the messages that the manifest states is stale after a copy; the name is what counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from eventlog.events import Cost, Event, Parent, UsageRecorded
from eventlog.ids import session_id_of
from eventlog.shapes import anthropic

from ..declaration import Conversation, beside, named
from ..intake import Place, Source
from ..listed import ListedMeaning, Message, join_list, split_list
from ..records import lenient_value
from ..values import amount_of, count_of, mapping_of, text_of, time_of
from .tasks import is_injected, person_in

NAME = "cline"
ENTRYPOINT = "cli"
_SUFFIX = ".messages.json"


def is_document(value: Any) -> bool:
    if not isinstance(value, dict) or not isinstance(value.get("messages"), list):
        return False
    return isinstance(value.get("sessionId"), str) and "updated_at" in value and ("agent" in value or "system_prompt" in value)


def unit(path: Path) -> Path | None:
    """The messages stand for the session."""
    messages = path.with_name(path.stem + _SUFFIX)
    return messages if not path.name.endswith(_SUFFIX) and messages.is_file() else path


def split(path: Path, data: bytes, value: dict[str, Any]) -> Iterator[Conversation]:
    name = value["sessionId"]
    about = list(beside(path.with_name(path.name.removesuffix(_SUFFIX) + ".json"))) if path.name.endswith(_SUFFIX) else []
    manifest = mapping_of(mapping_of(lenient_value(about[0].text)).get("value")) if about else {}
    above = text_of(manifest.get("parent_session_id")) or text_of(manifest.get("parentSessionId"))
    parent = Parent(session_id=session_id_of(NAME, above), relation="subagent") if above and above != name else None
    place = Place(session_id_of(NAME, name), (name,), parent, metadata={"entrypoint": ENTRYPOINT})
    began = time_of(manifest.get("started_at")) or time_of(value.get("updated_at"))
    conversation = split_list(place, data, value, "messages", time=began, time_of_message=_time)
    yield Conversation(place, [*about, *conversation.records])


def files(records: list[bytes]) -> list[tuple[str, bytes]]:
    """The messages and the manifest; none where the records are a task's."""
    others = [found for record in records if (found := named(record)) is not None]
    document = join_list("messages")([record for record in records if named(record) is None])
    if document is None:
        return []
    name = text_of(mapping_of(lenient_value(document)).get("sessionId")) or "session"
    return [(f"{name}{_SUFFIX}", document), *dict(others).items()]


def _time(message: Message) -> datetime | None:
    return time_of(message.get("ts")) or time_of(message.get("timestamp"))


class CommandLineMeaning(ListedMeaning):
    NAME = NAME

    def events(self, source: Source) -> list[Event]:
        record = source.record
        if isinstance(record, dict) and "file" in record and "value" in record:
            return self._manifest(mapping_of(record["value"]))
        return super().events(source)

    def _manifest(self, manifest: dict[str, Any]) -> list[Event]:
        title = mapping_of(manifest.get("metadata")).get("title")
        cwd = text_of(manifest.get("cwd")) or text_of(manifest.get("workspace_root"))
        return self.facts.update(title=title, cwd=cwd) + self.facts.uses(manifest.get("model"), manifest.get("provider"))

    def rest(self, record: dict[str, Any]) -> list[Event]:
        prompt = text_of(record.get("system_prompt"))
        return self.tell_text(f"{NAME}-instructions", "system", prompt) if prompt else []

    def message(self, record: Message, name: str) -> list[Event]:
        model = text_of(mapping_of(record.get("modelInfo")).get("modelId")) or text_of(mapping_of(record.get("modelInfo")).get("id"))
        events = self.facts.uses(model, mapping_of(record.get("modelInfo")).get("providerId"))
        fields = {"role": record.get("role"), "content": record.get("content")}
        for number, spoken in enumerate(anthropic.messages(fields)):
            each = f"{name}-{number}" if number else name
            if spoken.role != "user":
                events += self.tell(each, spoken, model=model if spoken.role == "assistant" else None)
                continue
            written = [part for part in spoken.parts if not is_injected(part)]
            injected = [part for part in spoken.parts if is_injected(part)]
            if injected:
                events += self.tell(f"{each}-injected", type(spoken)(role="system", parts=injected))
            if written:
                events += self.tell(each, type(spoken)(role="user", parts=[person_in(part) for part in written]))
        stated = mapping_of(record.get("metrics"))
        cost = amount_of(stated.get("cost"))
        return events + self.said.usage(
            UsageRecorded(
                message_id=name,
                model=model,
                input_tokens=count_of(stated.get("inputTokens")),
                output_tokens=count_of(stated.get("outputTokens")),
                cache_read_tokens=count_of(stated.get("cacheReadTokens")),
                cache_write_tokens=count_of(stated.get("cacheWriteTokens")),
                cost=Cost(amount=cost) if cost else None,
            )
        )
