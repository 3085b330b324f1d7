"""The neutral words for a model call: what was asked (`Ask`), what came back (`Answer`), each message of them (`Said`) as events.

Tokens have one meaning, which every shape's ``usage`` converts to: input without what the cache gave or took, output with reasoning.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import msgspec

from ..events import ErrorLogged, Event, MessageAdded, Part, UsageRecorded


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """One message. ``role``: system, user, assistant, tool or the shape's own; ``id``: the provider's, if it has one; ``metadata``: what
    else its message said."""

    role: str
    parts: list[Part]
    id: str | None = None
    metadata: dict[str, Any] = {}
    finish_reason: str | None = None

    @property
    def content(self) -> str | list[Part]:
        """The parts as an event has them: one text alone is a string."""
        if len(self.parts) == 1:
            part = self.parts[0]
            if isinstance(part, Part) and part.type == "text" and isinstance(part.content, str) and part.metadata is msgspec.UNSET:
                return part.content
        return self.parts

    def event(self, **fields: Any) -> MessageAdded:
        """The message as an event; ``fields`` are further ones of it, ``metadata`` among them is added to its own."""
        metadata = self.metadata | fields.pop("metadata", {})
        said = {"role": self.role, "content": self.content, "metadata": metadata, "finish_reason": self.finish_reason}
        return MessageAdded(**(said | fields))


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """A request. ``instructions``: the system messages that it leads with; ``messages``: the conversation so far; ``settings``: everything
    else that it says (tools, temperature, ...), under the provider's names."""

    shape: str
    provider: str
    model: str | None = None
    instructions: list[Said] = []
    messages: list[Said] = []
    settings: dict[str, Any] = {}
    previous_response_id: str | None = None
    conversation_id: str | None = None
    is_streamed: bool = False


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A response. ``choices``: the answer, then its alternatives; none where there is only an error. ``usage``: None where the response
    states none, never zeros."""

    shape: str
    provider: str
    response_id: str | None = None
    model: str | None = None
    choices: list[Said] = []
    usage: UsageRecorded | None = None
    error: ErrorLogged | None = None
    metadata: dict[str, Any] = {}

    def events(self, message_id: str | None = None, **fields: Any) -> list[Event]:
        """The answer's message, its alternatives, its usage, its error, in this order. The calls are parts of the messages.

        ``message_id``: of the answer, default the response's id. ``fields``: further ones of the answer's message."""
        id = message_id or self.response_id
        made: list[Event] = []
        for number, said in enumerate(self.choices):
            more: dict[str, Any] = {"message_id": id, "model": self.model, "response_id": self.response_id} | fields
            more["metadata"] = self.metadata | fields.get("metadata", {})
            if number:
                more |= {"message_id": None if id is None else f"{id}.{number}", "alternative_to": id}
                more["metadata"] = more["metadata"] | {"choice": number}
                more["exclude_from_context"] = id is None  # what it is the alternative to has no name, so this must do
            made.append(said.event(**more))
        if self.usage is not None:
            made.append(msgspec.structs.replace(self.usage, message_id=id, model=self.usage.model or self.model))
        if self.error is not None:
            made.append(self.error)
        return made


class Exchange(msgspec.Struct, frozen=True, kw_only=True):
    """A call that is over, as somebody who saw it tells. ``answer`` and ``error``: None where there was none. ``details``: what it says of
    the session, if the call begins one."""

    ask: Ask
    answer: Answer | None = None
    error: ErrorLogged | None = None
    details: dict[str, Any] = {}


class Piece(NamedTuple):
    """What a chunk of a stream adds to the answer: ``kind`` text or reasoning, of which choice."""

    kind: str
    text: str
    choice: int = 0


class Streamed(Protocol):
    """Puts the chunks of a stream together to the response that it would have been without streaming."""

    @property
    def is_whole(self) -> bool:
        """Whether the stream has said that it is over."""
        ...

    def feed(self, chunk: Any) -> list[Piece]:
        """Take the next chunk, decoded. Never raises: what has another shape says nothing."""
        ...

    def finish(self) -> dict[str, Any]:
        """The response as far as it came, in the shape of one that was not streamed."""
        ...


def error_of(error: Any, kind: str = "provider") -> ErrorLogged | None:
    """What a response's ``error`` says; None where there is none."""
    if not error:
        return None
    fields = error if isinstance(error, dict) else {}
    message = next((fields[name] for name in ("message", "detail", "error", "type", "code") if isinstance(fields.get(name), str)), None)
    return ErrorLogged(message=message or (error if isinstance(error, str) else "the provider returned an error"), kind=kind, details=error)
