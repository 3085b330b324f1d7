"""Tools: the rows of the table as the protocol lists them, and a call of one of them as the protocol answers it.

What a model can mend (wrong arguments, a session that is not there, a refusal) is a result that says so; only a tool that does not
exist is an error of the protocol. Structured content and text are the same JSON, each within the bound of the table.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeAlias

import anyio
import anyio.to_thread
import mcp_types as types
import msgspec
from mcp.shared.exceptions import MCPError

from ..operations import TABLE, Context, Tool, failure_of
from ..operations.bounds import MOST_CHARACTERS

_log: Final = logging.getLogger(__name__)
_ALWAYS_WRITES: Final = {row.tool.name for row in TABLE if row.tool is not None and row.writes}


Progress: TypeAlias = Callable[[float, None, str], Awaitable[None]]
"""Takes how far it is, of how much (not known), and that in words."""


class Tools:
    """The tools of one server. ``offered`` are all that there are; the context that asks decides which of them may be used."""

    def __init__(self, offered: Mapping[str, Tool], *, beat_s: float = 1.0) -> None:
        self._offered = offered
        self._beat_s = beat_s

    def listed(self, context: Context) -> list[types.Tool]:
        """Without permission to write only those that read."""
        return [self._described(tool, context) for tool in self._offered.values() if context.may_write or not tool.writes]

    def _described(self, tool: Tool, context: Context) -> types.Tool:
        reads = not tool.writes and not (tool.name in _ALWAYS_WRITES and context.may_write)
        return types.Tool(
            name=tool.name,
            title=tool.name.replace("_", " ").capitalize(),
            description=tool.summary,
            input_schema=tool.input_schema,
            output_schema=tool.output_schema,
            annotations=types.ToolAnnotations(
                read_only_hint=reads, destructive_hint=tool.destroys, idempotent_hint=tool.idempotent or reads, open_world_hint=False
            ),
        )

    async def call(self, context: Context, name: str, arguments: Mapping[str, object] | None, progress: Progress) -> types.CallToolResult:
        """The answer, or why there is none. Raises `MCPError` for a tool that does not exist.

        While it takes long, ``progress`` is told every ``beat_s`` seconds: how long is all that can be known of every tool, and it keeps a
        client from giving up."""
        tool = self._offered.get(name)
        if tool is None:
            names = ", ".join(tool.name for tool in self.listed(context))
            raise MCPError(types.INVALID_PARAMS, f"there is no tool {name[:80]!r}; there are {names}")
        try:
            asked = msgspec.convert(dict(arguments or {}), type=tool.arguments)
        except (msgspec.ValidationError, RecursionError) as error:
            return _failed(f"the arguments of {name} are not as it takes them ({error}); mend them by its input schema")
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self._beat, progress)
                # Whoever cancels does not wait; what was begun is ended all the same.
                answer = await anyio.to_thread.run_sync(_outcome, tool, context, asked, abandon_on_cancel=True)
                group.cancel_scope.cancel()
            if isinstance(answer, Exception):
                raise answer
        except Exception as error:
            failure = failure_of(error)
            if failure.kind == "internal":
                _log.exception("the tool %s failed", name)
            return _failed(failure.message)
        return _answered(answer)

    async def _beat(self, progress: Progress) -> None:
        begun = anyio.current_time()
        while True:
            await anyio.sleep(self._beat_s)
            elapsed_s = anyio.current_time() - begun
            await progress(elapsed_s, None, f"at work for {elapsed_s:.0f} s")


def _outcome(tool: Tool, context: Context, asked: Any) -> object:
    """The answer, or what was raised: a task group would wrap that."""
    try:
        return tool(context, asked)
    except Exception as error:
        return error


def _answered(answer: object) -> types.CallToolResult:
    text = msgspec.json.encode(answer).decode()
    structured = msgspec.json.decode(text)
    content: list[types.ContentBlock] = [types.TextContent(text=text)]
    if isinstance(structured, dict) and isinstance(structured.get("uri"), str):
        uri = structured["uri"]
        content.append(types.ResourceLink(uri=uri, name=uri, mime_type=structured.get("media_type")))
    return types.CallToolResult(content=content, structured_content=structured)


def _failed(message: str) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(text=message[:MOST_CHARACTERS])], is_error=True)
