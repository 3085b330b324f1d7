"""The OpenAPI 3.1 document, made of the table: a path for each row, its schemas from the structs."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from eventlog import __version__

from ..operations.row import Operation
from .answering import status_of
from .asking import parameters
from .problems import MEDIA_TYPE, ProblemDetails

_REFERENCE: Final = "#/components/schemas/{name}"
_PROBLEM: Final = {
    "description": "What went wrong, with the next step.",
    "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}},
}


def document(rows: tuple[Operation, ...], prefix: str, more: dict[str, Any]) -> dict[str, Any]:
    """All rows under ``prefix``; ``more`` are further paths that are no rows."""
    types = [row.arguments for row in rows] + [row.result for row in rows if not row.streams] + [ProblemDetails]
    schemas, components = msgspec.json.schema_components(types, ref_template=_REFERENCE)
    of_type = dict(zip(map(repr, types), schemas, strict=True))
    paths: dict[str, Any] = {}
    for row in rows:
        arguments = components[of_type[repr(row.arguments)]["$ref"].rpartition("/")[2]]
        paths.setdefault(prefix + row.path, {})[row.method.lower()] = _operation(row, arguments, of_type)
    used = {name: schema for name, schema in components.items() if not _only_arguments(name, rows, of_type)}
    made = {
        "openapi": "3.1.0",
        "info": {"title": "eventlog", "version": __version__, "description": "Sessions as facts: read, searched, appended to, live."},
        "paths": {**paths, **more},
        "components": {"schemas": used, "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
        "security": [{"token": []}],
    }
    found: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(made))  # through JSON, where a tuple of defaults is an array
    return found


def _only_arguments(name: str, rows: tuple[Operation, ...], of_type: dict[str, Any]) -> bool:
    """Whether the component is the arguments of rows, which stand in their operations field by field."""
    return any(of_type[repr(row.arguments)]["$ref"].rpartition("/")[2] == name for row in rows)


def _operation(row: Operation, arguments: dict[str, Any], of_type: dict[str, Any]) -> dict[str, Any]:
    properties, required = arguments.get("properties", {}), arguments.get("required", [])
    places = parameters(row)
    given = []
    for each in places:
        if each.place == "body":
            continue
        schema = dict(properties[each.name])
        about: dict[str, Any] = {"name": each.wire, "in": each.place, "description": schema.pop("description", "")}
        about["required"] = each.place == "path" or each.name in required
        if each.wire == "If-Match":
            schema = {"type": "string", "pattern": '^"[0-9]+"$'}
        given.append({**about, "schema": schema, **({"style": "form", "explode": True} if each.many else {})})
    made: dict[str, Any] = {"operationId": row.name, "summary": row.summary, "parameters": given, "responses": _responses(row, of_type)}
    in_body = [each.name for each in places if each.place == "body"]
    if row.method in ("POST", "PATCH"):
        body = {
            "type": "object",
            "properties": {name: properties[name] for name in in_body},
            "required": [name for name in in_body if name in required],
            "additionalProperties": False,
        }
        made["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    if row.name == "health":
        made["security"] = []
    return made


def _responses(row: Operation, of_type: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"default": _PROBLEM}
    if row.streams:
        media_type = "application/x-ndjson" if row.name == "events" else "application/octet-stream"
        found["200"] = {"description": "A stream.", "content": {media_type: {}, "*/*": {}}}
        return found
    answer = {"description": row.summary, "content": {"application/json": {"schema": of_type[repr(row.result)]}}}
    if row.creates:
        answer["headers"] = {"Location": {"schema": {"type": "string"}, "description": "The address of the session that was made."}}
    found[str(status_of(row))] = answer
    if row.method == "GET":
        found["304"] = {"description": "It is as it was when the client got the entity tag that it sends in If-None-Match."}
    return found
