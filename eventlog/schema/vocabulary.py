"""The vocabulary for those who do not read Python: a JSON Schema of the events, and the table in FORMAT.md. Both are made from `events`,
what the fields mean from the comments behind them that begin with ``#:``.

``python -m eventlog.schema.vocabulary`` prints the table, with ``--schema`` the schema; a test holds FORMAT.md and ``events.schema.json``
equal to them.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final

import msgspec
from msgspec import UNSET

from .. import events
from ..registry import Event, known_types

SCHEMA_FILE: Final = "events.schema.json"  # beside this file, in the package
_NAMES: Final = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "object": "object",
    "null": "null",
}
_REFERENCE: Final = "#/$defs/{name}"


def event_types() -> Mapping[str, type[Event]]:
    """The types of the vocabulary, by name, in the order of `events`; those of programs are not among them."""
    return {name: cls for name, cls in known_types().items() if cls.__module__ == events.__name__}


def json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of an event line, as far as the vocabulary says what its ``data`` is.

    A line of another type, of a higher version, or with fields that are not named here is valid, too.

    >>> json_schema()["$defs"]["MessageRetracted"]["required"]
    ['message_id']
    """
    types = event_types()
    _, definitions = msgspec.json.schema_components(types.values(), ref_template=_REFERENCE)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "An event of a session",
        "description": "One line of a segment (FORMAT.md): its type, and the data that this type has.",
        "type": "object",
        "required": ["type", "data"],
        "properties": {"type": {"type": "string"}, "data": {"type": "object"}, "v": {"type": "integer", "minimum": 1}},
        "allOf": [
            {
                "if": {"properties": {"type": {"const": name}, "v": {"const": cls.version}}},
                "then": {"properties": {"data": {"$ref": _REFERENCE.format(name=cls.__name__)}}},
            }
            for name, cls in types.items()
        ],
        "$defs": {name: _told(name, _null_last(definition)) for name, definition in sorted(definitions.items())},
    }


def markdown_table() -> str:
    """Every event type and structure with what it means, its fields, their types and defaults, as FORMAT.md has it."""
    lines = ["| type | field | holds | if absent | means |", "|---|---|---|---|---|"]
    for name, cls in event_types().items():
        lines += _rows(f"`{name}`", cls)
    for part in (events.Part, events.Parent, events.Cost, events.Artifact, events.Source):
        lines += _rows(part.__name__, part)
    return "\n".join(lines) + "\n"


def _rows(name: str, cls: type[msgspec.Struct]) -> Iterator[str]:
    yield f"| {name} | | | | {_text(cls)} |"
    for field in msgspec.structs.fields(cls):
        if field.required:
            default = "required"
        elif field.default is UNSET or field.default is None:
            default = ""
        else:
            value = field.default_factory() if field.default is msgspec.NODEFAULT else field.default
            default = f"`{msgspec.json.encode(value).decode()}`"
        kind, meaning = _kind(_null_last(msgspec.json.schema(field.type))), meanings()[cls.__name__][field.name]
        yield f"| | `{field.encode_name}` | {kind} | {default} | {meaning} |"


def _null_last(schema: Any) -> Any:
    """The same schema. In which order the alternatives stand is another one in each version of msgspec."""
    if isinstance(schema, list):
        return [_null_last(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: _null_last(value) for key, value in schema.items()}
    if "anyOf" in found:
        found["anyOf"].sort(key=lambda each: each.get("type") == "null")
    return found


def _kind(schema: Any) -> str:
    """A type in the words of JSON."""
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_kind(each) for each in schema["anyOf"]))
    if "$ref" in schema:
        return str(schema["$ref"]).rsplit("/", 1)[-1]
    kind = schema.get("type")
    if kind == "array" and "prefixItems" in schema:
        return "[" + ", ".join(_kind(each) for each in schema["prefixItems"]) + "]"
    if kind == "array":
        return f"list of {_kind(schema['items'])}" if "items" in schema else "list"
    return _NAMES.get(kind, "anything")


def _text(cls: type[msgspec.Struct]) -> str:
    """The docstring on one line, as Markdown."""
    return _plain(inspect.getdoc(cls) or "").replace("|", "\\|")


@cache
def meanings() -> Mapping[str, Mapping[str, str]]:
    """What each field of a class in `events` means, by the names of class and field."""
    source = inspect.getsource(events)
    lines = source.splitlines()
    found: dict[str, dict[str, str]] = {}
    for cls in ast.parse(source).body:
        if isinstance(cls, ast.ClassDef):
            fields = [line for line in cls.body if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name)]
            found[cls.name] = {ast.unparse(each.target): lines[(each.end_lineno or 0) - 1].partition("  #: ")[2] for each in fields}
    return found


def _told(name: str, definition: dict[str, Any]) -> dict[str, Any]:
    """A definition with its description on one line, and with those of its fields."""
    if "description" in definition:
        definition["description"] = _plain(definition["description"])
    for field, schema in definition.get("properties", {}).items():
        schema["description"] = meanings()[name][field]
    return definition


def _plain(text: str) -> str:
    """A docstring on one line, with the names that stand in a log instead of the classes'."""
    found = " ".join(text.split()).replace("``", "`")
    for name, cls in event_types().items():
        found = found.replace(f"`{cls.__name__}`", f"`{name}`")
    return found.replace("None removes", "null removes")


def main(arguments: list[str]) -> None:
    if arguments == ["--schema"]:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(json_schema()), indent=2).decode() + "\n")
    elif not arguments:
        sys.stdout.write(markdown_table())
    else:
        sys.exit("usage: python -m eventlog.schema.vocabulary [--schema]")


if __name__ == "__main__":
    main(sys.argv[1:])
