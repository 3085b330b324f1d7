"""Documents that are a list of messages with something around it: their records, and the meaning that goes with them.

Its records are the messages, and the rest with the names of the messages in their place: the own id of each, or what its content gives. So
the rest says which messages there are, and in which order; one that it has no longer was changed, or taken out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from eventlog.events import Cost, Event, Part, SessionStarted, UsageRecorded
from eventlog.ids import session_id_for
from eventlog.shapes.exchange import Said as Spoken
from eventlog.stored import StoredEvent

from .declaration import Conversation, Found
from .facts import Facts
from .intake import Place, Source
from .provenance import fingerprint
from .records import element_texts, lenient_value, without
from .said import Said
from .values import mapping_of, text_of

Message = dict[str, Any]


def _none(message: Message) -> None:
    return None


def split_list(
    place: Place,
    data: bytes,
    value: dict[str, Any],
    name: str,
    *,
    time: datetime | None = None,
    time_of_message: Callable[[Message], datetime | None] = _none,
    id_of: Callable[[Message], str | None] = _none,
) -> Conversation:
    """The conversation that a JSON object with messages under ``name`` is. ``time``: the rest's."""
    texts = element_texts(data, name)
    messages = [mapping_of(message) for message in value[name]]
    seen: Counter[bytes] = Counter()
    names = []
    for text, message in zip(texts, messages, strict=True):
        content = fingerprint(text)
        seen[content] += 1
        names.append(id_of(message) or Source(message, content, seen[content]).name)
    found = [Found(text, time_of_message(message)) for text, message in zip(texts, messages, strict=True)]
    return Conversation(place, [Found(without(data, name, msgspec.json.encode(names)), time), *found])


def join_list(name: str, id_of: Callable[[Message], str | None] = _none) -> Callable[[list[bytes]], bytes | None]:
    """What puts a document together again that `split_list` took apart, with the same ``name`` and ``id_of``."""

    def join(records: list[bytes]) -> bytes | None:
        rest: bytes | None = None
        names: list[Any] = []
        texts: dict[str, bytes] = {}
        seen: Counter[bytes] = Counter()
        for record in records:
            value = mapping_of(lenient_value(record))
            listed = value.get(name)
            if isinstance(listed, list) and all(isinstance(each, str) for each in listed):
                if rest is None or len(listed) >= len(names) or names[: len(listed)] != listed:
                    rest, names = record, listed
                continue
            content = fingerprint(record)
            seen[content] += 1
            texts[id_of(value) or Source(value, content, seen[content]).name] = record
        if rest is None:
            return None
        return without(rest, name, b"[" + b",".join(texts[each] for each in names if each in texts) + b"]")

    return join


def place_by_path(format: str, path: Path) -> Place:
    """Where a file says nothing of its session: the end of its path tells one from another, also where the folders were copied."""
    name = "/".join(path.absolute().parts[-3:])
    return Place(session_id_for(format, name), (name,))


class ListedMeaning:
    """What such a document's records mean. A format says what the rest says (`rest`) and what a message is (`message`)."""

    NAME = ""
    LIST = "messages"
    KIND = "agent"
    PROVIDER: str | None = None

    def __init__(self, place: Place) -> None:
        self.facts = Facts(self.NAME, place, kind=self.KIND, provider=self.PROVIDER)
        self.said = Said()
        self._listed: list[Any] = []
        self._ids_of: dict[str, set[str]] = {}

    def observe(self, stored: StoredEvent) -> None:
        self.facts.observe(stored)

    def start(self) -> SessionStarted:
        return self.facts.start()

    def events(self, source: Source) -> list[Event]:
        record = source.record
        if not isinstance(record, dict):
            return []
        names = record.get(self.LIST)
        if isinstance(names, list) and not any(isinstance(name, dict) for name in names):
            return self._rest(names, record)
        return self.message(record, source.name)

    def rest(self, record: dict[str, Any]) -> list[Event]:
        """What is said around the messages."""
        return []

    def message(self, record: Message, name: str) -> list[Event]:
        """What a message means; ``name`` is what the rest calls it, where it has no id."""
        raise NotImplementedError

    def tell(
        self,
        name: str,
        spoken: Spoken | list[Spoken],
        *,
        model: str | None = None,
        hidden: bool = False,
        role: str | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> list[Event]:
        """The message as it is now, under its name; several where it holds results, each of which is a message of its own."""
        events: list[Event] = []
        each = spoken if isinstance(spoken, list) else [spoken]
        for number, one in enumerate(each):
            message_id = name if number == len(each) - 1 else f"{name}-{number}"
            self._ids_of.setdefault(name, set()).add(message_id)
            more = one.metadata | (metadata or {})
            events += self.said.message(message_id, role or one.role, one.parts, model=model, hidden=hidden, metadata=more)
        return events

    def tell_text(self, name: str, role: str, text: Any, *, hidden: bool = False) -> list[Event]:
        parts = [Part(type="text", content=text)] if isinstance(text, str) and text else []
        return self.tell(name, Spoken(role=role, parts=parts), hidden=hidden) if parts else []

    def total(
        self,
        *,
        key: str | None = None,
        cost: float | None = None,
        model: str | None = None,
        input_tokens: int = 0,
        output_tokens: int = 0,
        cache_read_tokens: int = 0,
        cache_write_tokens: int = 0,
        reasoning_tokens: int = 0,
    ) -> list[Event]:
        """The tokens and the money of the whole session, where the source states only these: one sum, or one per model or ``key``."""
        return self.said.usage(
            UsageRecorded(
                message_id=f"{self.NAME}-total-{key or model or ''}",
                model=model,
                input_tokens=input_tokens,
                output_tokens=output_tokens,
                cache_read_tokens=cache_read_tokens,
                cache_write_tokens=cache_write_tokens,
                reasoning_tokens=reasoning_tokens,
                cost=Cost(amount=cost) if cost else None,
            )
        )

    def _rest(self, names: list[Any], record: dict[str, Any]) -> list[Event]:
        if len(names) < len(self._listed) and self._listed[: len(names)] == names:
            return self.rest(record)  # a state from before
        gone = set(filter(text_of, self._listed)) - set(filter(text_of, names))
        self._listed = names
        return self._retracted(gone) + self.rest(record)

    def _retracted(self, names: Collection[str]) -> list[Event]:
        there = [message_id for name in self._ids_of if name in names for message_id in self._ids_of[name]]
        return self.said.retract(sorted(there), "the source has it no longer") if there else []
