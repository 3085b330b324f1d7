"""What is known of a session as a whole, on the write side: so that a merge can say where its sources disagree.

The rules are those of a view: the first `SessionStarted` counts and a later one fills what is empty; `SessionUpdated` and
`ContextUpdated` are merge patches, and so are the settings of `ModelChanged` and `ModeChanged`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import UNSET

from ..algebra.merge_patch import merge_patch
from ..events import ContextUpdated, Event, ModeChanged, ModelChanged, Parent, SessionStarted, SessionUpdated

TYPES: Final = frozenset(event.type for event in (SessionStarted, SessionUpdated, ModelChanged, ModeChanged, ContextUpdated))
_TEXTS: Final = ("title", "description", "purpose", "user_id", "kind", "model", "provider")
_MAPPINGS: Final = ("settings", "metadata", "context")


class Details(msgspec.Struct):
    """The details of one session so far."""

    title: str | None = None
    description: str | None = None
    purpose: str | None = None
    user_id: str | None = None
    kind: str | None = None
    model: str | None = None
    provider: str | None = None
    tags: list[str] = []
    settings: dict[str, Any] = {}
    metadata: dict[str, Any] = {}
    context: dict[str, Any] = {}
    parent: Parent | None = None
    pinned: bool = False

    def apply(self, event: object) -> None:
        """Take in the next event of the session."""
        if isinstance(event, SessionStarted):
            self._start(event)
        elif isinstance(event, SessionUpdated):
            self._update(event)
        elif isinstance(event, ModelChanged):
            self.model = event.model
            self.provider = self.provider if event.provider is None else event.provider
            self.settings = merge_patch(self.settings, event.settings)
        elif isinstance(event, ModeChanged):
            self.settings = merge_patch(self.settings, event.settings)
        elif isinstance(event, ContextUpdated):
            self.context = merge_patch(self.context, _given(event, event.__struct_fields__))

    def _start(self, event: SessionStarted) -> None:
        for name in (*_TEXTS, "parent"):
            if getattr(self, name) is None:
                setattr(self, name, getattr(event, name))
        self.tags = list(dict.fromkeys([*self.tags, *event.tags]))
        self.settings = {**event.settings, **self.settings}
        self.metadata = {**event.metadata, **self.metadata}

    def _update(self, event: SessionUpdated) -> None:
        for name, value in _given(event, (*_TEXTS, "parent", "pinned")).items():
            setattr(self, name, value)
        tags = self.tags if event.tags is UNSET else event.tags or []
        self.tags = [tag for tag in dict.fromkeys([*tags, *event.add_tags]) if tag not in event.remove_tags]
        for name, value in _given(event, ("settings", "metadata")).items():
            setattr(self, name, merge_patch(getattr(self, name), value) or {})

    def filled(self, others: Sequence[Details]) -> Details:
        """These details, with what is empty in them taken from the others: the first that has it. Tags and topics join, all
        mappings do by their names. Parent and pin are never taken over."""
        found = msgspec.structs.replace(self)
        for other in others:
            for name in _TEXTS:
                if getattr(found, name) is None:
                    setattr(found, name, getattr(other, name))
            found.tags = list(dict.fromkeys([*found.tags, *other.tags]))
            for name in _MAPPINGS:
                setattr(found, name, _joined(getattr(found, name), getattr(other, name)))
        return found

    def without_parent(self) -> Details:
        """What a merge of sessions says, where each event had its say: a parent is not taken over."""
        return msgspec.structs.replace(self, parent=None)

    def values(self) -> Iterator[tuple[str, Any]]:
        """Everything that one session can say otherwise than another: names, dotted within a mapping, with their values."""
        for name in _TEXTS:
            if getattr(self, name) is not None:
                yield name, getattr(self, name)
        for name in _MAPPINGS:
            yield from _leaves(name, getattr(self, name))

    def changes_to(self, wanted: Details) -> list[Event]:
        """The events that make these details the wanted ones; none where they are."""
        update: dict[str, Any] = {
            name: getattr(wanted, name) for name in (*_TEXTS, "tags", "parent", "pinned") if getattr(wanted, name) != getattr(self, name)
        }
        for name in ("settings", "metadata"):
            if patch := _patch(getattr(self, name), getattr(wanted, name)):
                update[name] = patch
        events: list[Event] = [SessionUpdated(**update)] if update else []
        if patch := _patch(self.context, wanted.context):
            events.append(ContextUpdated(**patch))
        return events


def conflicts(sources: Mapping[str, Details], kept: Details) -> Iterator[dict[str, Any]]:
    """Where sources say different things: the name, what each says, and what stands in the end. Lists join, so they never conflict."""
    said: dict[str, dict[str, Any]] = {}
    for session_id, details in sources.items():
        for name, value in details.values():
            if not isinstance(value, list):
                said.setdefault(name, {})[session_id] = value
    stands = dict(kept.values())
    for name, values in said.items():
        if len({msgspec.json.encode(value, order="deterministic") for value in values.values()}) > 1:
            yield {"name": name, "values": values, "kept": stands.get(name)}


def _given(event: Event, names: Sequence[str]) -> dict[str, Any]:
    return {name: getattr(event, name) for name in names if getattr(event, name) is not UNSET}


def _joined(first: Any, second: Any) -> Any:
    """Two values as one: mappings and lists join, of anything else the first counts."""
    if isinstance(first, dict) and isinstance(second, dict):
        return {**first, **{name: _joined(first[name], value) if name in first else value for name, value in second.items()}}
    if isinstance(first, list) and isinstance(second, list):
        return [*first, *(item for item in second if item not in first)]
    return first


def _leaves(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for inner, item in value.items():
            yield from _leaves(f"{name}.{inner}", item)
    else:
        yield name, value


def _patch(actual: dict[str, Any], wanted: dict[str, Any]) -> dict[str, Any]:
    """The merge patch that makes one mapping the other."""
    found: dict[str, Any] = {name: None for name in actual if name not in wanted}
    for name, value in wanted.items():
        held = actual.get(name)
        if isinstance(value, dict) and isinstance(held, dict):
            if inner := _patch(held, value):
                found[name] = inner
        elif name not in actual or held != value:
            found[name] = value
    return found
