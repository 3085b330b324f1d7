"""What a session says of itself, kept while its records are taken: only what changes becomes an event.

A title is the tool's own name for the session, never a text that it sent or that somebody wrote as a message. The user's own, given in the
log, stands above it.
"""

from __future__ import annotations

from typing import Any

from eventlog.events import Event, ModeChanged, ModelChanged, SessionStarted, SessionUpdated
from eventlog.stored import StoredEvent

from .intake import Place
from .values import one_line


class Facts:
    """``source`` is the format's name. ``kind``: chat or agent. What the place knows stands from the start."""

    def __init__(self, source: str, place: Place, *, kind: str, provider: str | None = None) -> None:
        self.place = place
        self.title = one_line(place.title)
        self.model: str | None = None
        self.mode: str | None = None
        self.provider = provider
        self._kind = kind
        self._is_titled_by_user = False
        self._metadata: dict[str, Any] = {"source": source}
        if place.session_id != place.source_names[0]:
            self._metadata["source_session_id"] = place.source_names[0]
        self._metadata |= place.metadata
        self._settings: dict[str, Any] = {}
        self._tags: list[str] = []

    def observe(self, stored: StoredEvent) -> None:
        event = stored.event
        if isinstance(event, (SessionStarted, SessionUpdated)) and isinstance(event.title, str):
            self._is_titled_by_user = True

    def start(self) -> SessionStarted:
        return SessionStarted(
            title=None if self._is_titled_by_user else self.title,
            kind=self._kind,
            model=self.model,
            provider=self.provider,
            tags=list(self._tags),
            settings=dict(self._settings),
            metadata=dict(self._metadata),
            parent=self.place.parent,
        )

    def update(self, *, title: Any = None, settings: dict[str, Any] | None = None, **metadata: Any) -> list[Event]:
        """The event that says what is new among these; values that are None or empty say nothing."""
        changes: dict[str, Any] = {}
        named = one_line(title)
        if named is not None and named != self.title:
            self.title = named
            if not self._is_titled_by_user:
                changes["title"] = named
        for known, given, name in ((self._metadata, metadata, "metadata"), (self._settings, settings or {}, "settings")):
            new = {key: value for key, value in given.items() if value not in (None, "", [], {}) and known.get(key) != value}
            if new:
                known.update(new)
                changes[name] = new
        return [SessionUpdated(**changes)] if changes else []

    def tag(self, name: str, *, on: bool) -> list[Event]:
        if on == (name in self._tags):
            return []
        if on:
            self._tags.append(name)
            return [SessionUpdated(add_tags=[name])]
        self._tags.remove(name)
        return [SessionUpdated(remove_tags=[name])]

    def uses(self, model: Any, provider: Any = None) -> list[Event]:
        """The model of what follows."""
        provider = provider if isinstance(provider, str) and provider else self.provider
        if not isinstance(model, str) or not model or (model, provider) == (self.model, self.provider):
            return []
        self.model, self.provider = model, provider
        return [ModelChanged(model=model, provider=provider)]

    def in_mode(self, mode: Any) -> list[Event]:
        if not isinstance(mode, str) or not mode or mode == self.mode:
            return []
        self.mode = mode
        return [ModeChanged(mode=mode)]
