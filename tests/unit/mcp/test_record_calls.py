"""`recorders.mcp.record_calls` on real servers of the package, low-level and not: the tools run as they would, and each call is linked."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("mcp", reason="this needs the extra mcp; `make mcp` has it")

import mcp_types as types
from mcp import Client
from mcp.server import MCPServer
from mcp.server.lowlevel import Server

from eventlog import EventLog, recorders
from eventlog.recorders import mcp as recording_mcp
from projections import SessionView, replay

Asked = Callable[[Any], Awaitable[Any]]
seen: list[Any] = []


def low_level() -> Server[Any]:
    schema = {"type": "object", "properties": {"x": {"type": "integer"}}, "additionalProperties": False}
    own = {"type": "object", "properties": {"session_id": {"type": "string"}}}

    async def list_tools(ctx: Any, params: Any) -> types.ListToolsResult:
        return types.ListToolsResult(
            tools=[types.Tool(name=name, input_schema=own if name == "own" else schema) for name in ("double", "fail", "own", "wait")]
        )

    async def call_tool(ctx: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
        seen.append((params.name, params.arguments, recording_mcp.invocation_id()))
        if params.name == "fail":
            raise ValueError("the disk is full of x")
        if params.name == "wait":
            await asyncio.Event().wait()
        value = (params.arguments or {}).get("x", 0) * 2
        return types.CallToolResult(content=[types.TextContent(text=str(value))], structured_content={"value": value})

    return Server("low", on_list_tools=list_tools, on_call_tool=call_tool)


def high_level() -> MCPServer:
    server = MCPServer("high")

    @server.tool()
    def double(x: int) -> str:
        seen.append(("double", {"x": x}, recording_mcp.invocation_id()))
        return str(x * 2)

    @server.tool()
    def fail(x: int = 0) -> str:
        raise ValueError("the disk is full of x")

    return server


SERVERS = [low_level, high_level]


@pytest.fixture
def log() -> EventLog:
    seen.clear()
    return EventLog.memory()


def with_client(server: Any, use: Asked) -> Any:
    async def run() -> Any:
        async with Client(server) as client:
            return await use(client)

    return asyncio.run(run())


def view_of(log: EventLog, session_id: str) -> SessionView:
    with log.session(session_id) as session:
        return replay(session.read(), SessionView)


@pytest.mark.parametrize("make", SERVERS)
def test_every_tool_gets_an_optional_argument_and_a_tool_that_has_it_keeps_its_own(make: Any, log: EventLog) -> None:
    async def listed(client: Client) -> dict[str, Any]:
        return {tool.name: tool.input_schema for tool in (await client.list_tools()).tools}

    before = with_client(make(), listed)
    after = with_client(recorders.mcp.record_calls(make(), log), listed)
    for name, schema in after.items():
        added = schema["properties"].pop("session_id")
        assert added["type"] == "string"
        if name != "own":
            assert schema == before[name]
    assert "session_id" not in after["double"].get("required", [])


@pytest.mark.parametrize("make", SERVERS)
def test_a_call_is_linked_with_arguments_result_duration_and_folder_and_the_tool_knows_nothing(
    make: Any, log: EventLog, tmp_path: Path
) -> None:
    log.start(id="chat").close()
    server = recorders.mcp.record_calls(make(), log, folder_of=lambda name, invocation: str(tmp_path / name / invocation))

    async def called(client: Client) -> Any:
        return await client.call_tool("double", {"x": 21, "session_id": "chat"})

    result = with_client(server, called)
    assert result.content[0].text == "42"
    assert [(name, given) for name, given, _ in seen] == [("double", {"x": 21})]
    (call,) = view_of(log, "chat").tool_calls
    assert (call.name, call.arguments, call.is_error, call.call_id) == ("double", {"x": 21}, False, seen[0][2])
    assert call.output == {"value": 42} if make is low_level else {"result": "42"}
    assert call.duration_ms is not None
    assert call.duration_ms >= 0
    assert call.artifacts[0].path == str(tmp_path / "double" / str(call.call_id))


@pytest.mark.parametrize("make", SERVERS)
def test_a_call_that_names_no_session_is_as_it_was_and_nothing_is_written(make: Any, log: EventLog) -> None:
    async def called(client: Client) -> Any:
        return await client.call_tool("double", {"x": 2})

    assert with_client(recorders.mcp.record_calls(make(), log), called).content[0].text == "4"
    assert list(log.session_ids()) == []
    assert seen[0][2] is None


@pytest.mark.parametrize("make", SERVERS)
def test_a_failure_is_the_caller_s_as_it_was_and_recorded_as_one(make: Any, log: EventLog) -> None:
    async def called(client: Client) -> Any:
        try:
            return (await client.call_tool("fail", {"session_id": "chat"})).is_error
        except Exception as error:
            return type(error).__name__

    async def bare(client: Client) -> Any:
        try:
            return (await client.call_tool("fail", {})).is_error
        except Exception as error:
            return type(error).__name__

    assert with_client(recorders.mcp.record_calls(make(), log), called) == with_client(make(), bare)
    (call,) = view_of(log, "chat").tool_calls
    assert (call.name, call.is_error) == ("fail", True)
    if make is low_level:
        assert "the disk is full of x" in str(call.output)


def test_a_tool_s_own_argument_reaches_it_also_where_nobody_listed_the_tools(log: EventLog) -> None:
    async def called(client: Client) -> Any:
        return await client.session.send_request(
            types.CallToolRequest(params=types.CallToolRequestParams(name="own", arguments={"session_id": "theirs"})), types.CallToolResult
        )

    with_client(recorders.mcp.record_calls(low_level(), log), called)
    assert [(name, given) for name, given, _ in seen] == [("own", {"session_id": "theirs"})]
    assert list(log.session_ids()) == []


def test_inside_recording_every_call_is_of_that_session(log: EventLog) -> None:
    async def called(client: Client) -> Any:
        return await client.call_tool("double", {"x": 1})

    with recorders.recording("run 7", user_id="u1") as session_id:
        with_client(recorders.mcp.record_calls(low_level(), log), called)
    view = view_of(log, session_id)
    assert (view.user_id, view.kind, [call.name for call in view.tool_calls]) == ("u1", "agent", ["double"])


def test_a_text_that_is_no_id_is_a_session_of_its_own(log: EventLog) -> None:
    async def called(client: Client) -> Any:
        for _ in range(2):
            await client.call_tool("double", {"x": 1, "session_id": "our chat / 7"})

    with_client(recorders.mcp.record_calls(low_level(), log), called)
    (session_id,) = log.session_ids()
    view = view_of(log, session_id)
    assert view.metadata["key"]["key"] == ["our chat / 7"]
    assert len(view.tool_calls) == 2


def test_a_log_that_fails_reaches_neither_tool_nor_caller(log: EventLog, caplog: pytest.LogCaptureFixture) -> None:
    log.start(id="gone").close()
    log.delete("gone")

    async def called(client: Client) -> Any:
        return [(await client.call_tool("double", {"x": 3, "session_id": "gone"})).content[0].text for _ in range(2)]

    with caplog.at_level(logging.ERROR):
        assert with_client(recorders.mcp.record_calls(low_level(), log), called) == ["6", "6"]
    assert "was not recorded" in caplog.text


def test_a_call_that_is_cancelled_is_recorded_as_one_that_failed(log: EventLog) -> None:
    async def called(client: Client) -> Any:
        task = asyncio.ensure_future(client.call_tool("wait", {"session_id": "chat"}))
        while not seen:
            await asyncio.sleep(0.001)
        task.cancel()
        await asyncio.wait([task])
        while "chat" not in set(log.session_ids()) or len(view_of(log, "chat").tool_calls) != 1:
            await asyncio.sleep(0.001)

    with_client(recorders.mcp.record_calls(low_level(), log), called)
    (call,) = view_of(log, "chat").tool_calls
    assert (call.is_error, call.output) == (True, {"error": "cancelled"})


def test_what_is_too_large_for_an_event_is_kept_in_its_beginning(log: EventLog) -> None:
    async def called(client: Client) -> Any:
        return await client.call_tool("double", {"x": 10**18, "y": "é" * (60 << 20), "session_id": "chat"})

    with_client(recorders.mcp.record_calls(low_level(), log), called)
    (call,) = view_of(log, "chat").tool_calls
    assert isinstance(call.arguments, str)
    assert len(call.arguments) < 101_000
    assert call.output == {"value": 2 * 10**18}


def test_something_that_has_no_middleware_is_refused(log: EventLog) -> None:
    with pytest.raises(TypeError, match="middleware"):
        recorders.mcp.record_calls(object(), log)  # type: ignore[type-var]
