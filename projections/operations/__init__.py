"""One table of operations: every question and command that the faces offer, each asked and answered in one shape.

A face (HTTP, MCP, the command line) translates: it makes the argument struct of a row out of what it was given, calls the row with a
`Context`, and writes the answer out. What a row does, what it takes, what it gives, and whether it writes or destroys stands in
`table`; errors become one of a few kinds in `failures`. Nothing here knows HTTP, MCP or a terminal.

The parts are loaded when they are first used, so that a command that only needs an argument struct does not pay for the rest.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .context import Context
    from .failures import Failure, failure_of
    from .row import Arguments, Operation, Stream, Tool, schema_of
    from .table import TABLE, TOOLS, operation

__all__ = ["TABLE", "TOOLS", "Arguments", "Context", "Failure", "Operation", "Stream", "Tool", "failure_of", "operation", "schema_of"]

_HOMES = {
    "TABLE": "table",
    "TOOLS": "table",
    "operation": "table",
    "Context": "context",
    "Failure": "failures",
    "failure_of": "failures",
    "Arguments": "row",
    "Operation": "row",
    "Stream": "row",
    "Tool": "row",
    "schema_of": "row",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}")
    found = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = found
    return found
