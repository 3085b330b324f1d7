"""A row of the table of operations: its parts, and the JSON Schemas that follow from its structs.

- ``arguments`` is one struct per question: a field per argument, whose words of help stand at the field (`msgspec.Meta`). From it come
  the command line's options, the query parameters or the body, and the schemas.
- What a field is called elsewhere stands in its ``extra``: ``option`` (the command line), ``header`` and ``parameter`` (HTTP). A field
  whose name stands in braces in the row's path is taken from there.
- ``result`` is the type of the answer; every answer, encoded, is valid against its schema. A row that streams answers with a `Stream`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Literal

import msgspec

from .context import Context
from .failures import WritingRefused


class Arguments(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The base of all argument structs."""


class Stream(msgspec.Struct, frozen=True, kw_only=True):
    """An answer of bytes of any size. ``write_to`` is given a function that takes them piece by piece, and may be called once.

    What can be refused has been refused before there is a stream; what fails on the way is raised by ``write_to``."""

    media_type: str
    file_name: str
    write_to: Callable[[Callable[[bytes], object]], object]


class Tool(msgspec.Struct, frozen=True, kw_only=True):
    """What an MCP client sees of a row: another name, narrower arguments, and an answer that fits into a model's context.

    ``ask`` asks the row's question and bounds what it says. ``writes`` and ``destroys`` are the row's, but for a tool that is offered also
    where writing is not allowed and then only reads (`resume_session`). ``idempotent``: calling it again changes nothing more."""

    name: str
    summary: str
    ask: Callable[[Context, Any], Any]
    arguments: type[Arguments]
    result: type[msgspec.Struct]
    writes: bool = False
    destroys: bool = False
    idempotent: bool = False

    def __call__(self, context: Context, arguments: Arguments) -> Any:
        """The answer: an instance of ``result``, at most `bounds.MOST_CHARACTERS` characters of JSON. Raises like an `Operation`."""
        if self.writes and not context.may_write:
            raise WritingRefused(self.name)
        return self.ask(context, arguments)

    @property
    def input_schema(self) -> dict[str, Any]:
        return schema_of(self.arguments)

    @property
    def output_schema(self) -> dict[str, Any]:
        return schema_of(self.result)


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One question (``writes`` False) or command. ``creates``: a session is made; ``destroys``: something is hidden or removed."""

    name: str
    summary: str
    ask: Callable[[Context, Any], Any]
    arguments: type[Arguments]
    result: Any
    method: Literal["GET", "POST", "PATCH", "DELETE"]
    path: str
    writes: bool = False
    creates: bool = False
    destroys: bool = False
    tool: Tool | None = None

    def __call__(self, context: Context, arguments: Arguments) -> Any:
        """The answer: a value of the type ``result``. Raises `WritingRefused` where the context may not write, and what the row raises;
        `failures.failure_of` says of what kind that is."""
        if self.writes and not context.may_write:
            raise WritingRefused(self.name)
        return self.ask(context, arguments)

    @property
    def streams(self) -> bool:
        return self.result is Stream

    @property
    def input_schema(self) -> dict[str, Any]:
        return schema_of(self.arguments)

    @property
    def output_schema(self) -> dict[str, Any] | None:
        """None for a stream."""
        return None if self.streams else schema_of(self.result)


@cache
def schema_of(type: Any) -> dict[str, Any]:
    """The JSON Schema (2020-12) of a struct: an object at the top, what it refers to in ``$defs``. For reading only.

    The top is never a reference nor ``anyOf``, ``oneOf``, ``allOf``, which providers of models refuse."""
    found = msgspec.json.decode(msgspec.json.encode(msgspec.json.schema(type)))  # through JSON, where a tuple of defaults is an array
    definitions = found.pop("$defs", {})
    name = found.get("$ref", "").rpartition("/")[2]
    top: dict[str, Any] = definitions[name] if name else found
    text = msgspec.json.encode({key: value for key, value in definitions.items() if key != name}) + msgspec.json.encode(top)
    if f'"#/$defs/{name}"'.encode() not in text:
        definitions.pop(name, None)
    return {**top, **({"$defs": definitions} if definitions else {})}
