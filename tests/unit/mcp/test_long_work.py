"""What takes long: progress for whoever asks for it, an end for whoever cancels, and pages that go on."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import anyio
import mcp_types as types
import msgspec
import pytest
from mcp import Client as SdkClient
from mcp.server.lowlevel import Server

from eventlog import EventLog
from projections import Catalog
from projections.mcp.server import server_for
from projections.mcp.tools import Tools
from projections.operations import TOOLS, Context, Tool
from projections.operations.questions import List

from .client import ERAS, Client, Era


class Slow(msgspec.Struct, frozen=True, kw_only=True):
    done: bool


def slow_tool(begun: threading.Event, go_on: threading.Event) -> Tool:
    def ask(context: Context, asked: Any) -> Slow:
        begun.set()
        assert go_on.wait(60)
        return Slow(done=True)

    return Tool(name="slow", summary="Waits.", ask=ask, arguments=List, result=Slow)


def test_progress_is_told_until_the_answer_is_there() -> None:
    begun, go_on = threading.Event(), threading.Event()
    told: list[float] = []

    async def progress(done: float, total: None, message: str) -> None:
        assert message.startswith("at work for")
        told.append(done)
        if len(told) == 3:
            go_on.set()

    async def run() -> types.CallToolResult:
        with EventLog.memory() as log, Catalog.open(log) as catalog:
            tools = Tools({"slow": slow_tool(begun, go_on)}, beat_s=0.001)
            return await tools.call(Context(log=log, catalog=catalog), "slow", {}, progress)

    result = asyncio.run(run())
    assert result.structured_content == {"done": True}
    assert told == sorted(set(told))
    assert len(told) >= 3


def test_a_client_that_asks_for_it_gets_progress_over_the_wire(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on = threading.Event(), threading.Event()
    monkeypatch.setitem(TOOLS, "slow", slow_tool(begun, go_on))
    told: list[float] = []

    async def progress(done: float, total: float | None, message: str | None) -> None:
        told.append(done)
        go_on.set()

    async def run() -> Any:
        with EventLog.memory() as log, Catalog.open(log) as catalog:
            server: Server[Any] = server_for(Context(log=log, catalog=catalog))
            async with SdkClient(server) as client:
                return await client.call_tool("slow", {}, progress_callback=progress)

    assert asyncio.run(run()).structured_content == {"done": True}
    assert told


def test_whoever_cancels_gets_no_answer_and_others_go_on_getting_theirs(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on = threading.Event(), threading.Event()
    monkeypatch.setitem(TOOLS, "slow", slow_tool(begun, go_on))

    async def run() -> Any:
        with EventLog.memory() as log, Catalog.open(log) as catalog:
            async with SdkClient(server_for(Context(log=log, catalog=catalog))) as client:
                asked = asyncio.ensure_future(client.call_tool("slow", {}))
                await anyio.to_thread.run_sync(begun.wait)
                asked.cancel()
                await asyncio.wait([asked])
                assert asked.cancelled()
                found = (await client.call_tool("list_sessions", {})).structured_content
                go_on.set()
                return found

    assert asyncio.run(run())["total"] == 0


@pytest.mark.parametrize("era", ERAS)
def test_a_request_that_is_cancelled_on_the_wire_leaves_the_server_well(store: Path, era: Era) -> None:
    with Client(store, era=era) as client:
        for _ in range(20):
            id = client.request("tools/call", name="get_statistics", arguments={})
            client.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id, "reason": "enough"}})
        assert client.call("list_sessions")["total"] == 2


@pytest.mark.parametrize("era", ERAS)
def test_all_pages_of_messages_sessions_calls_and_hits_give_each_once_and_none_is_too_large(tmp_path: Path, era: Era) -> None:
    with EventLog.open(tmp_path / "store") as log:
        for number in range(25):
            log.start(id=f"n{number:02}", title="word " * 60).close()
        with log.session("n00") as session:
            for number in range(130):
                session.user(f"word {number} " + 'é\n"' * 400)
    with Client(tmp_path / "store", era=era) as client:

        def pages(name: str, **given: Any) -> list[Any]:
            found, after = [], None
            while True:  # `call` holds every answer to its bound
                page = client.call(name, **given, **({} if after is None else {"after": after}))
                found += page["items"]
                after = page["next"]
                if after is None:
                    assert len(found) == page["total"]
                    return found

        assert len({item["session_id"] for item in pages("list_sessions", limit=7)}) == 25
        assert len({item["seq"] for item in pages("get_messages", session_id="n00", limit=100)}) == 130
        while not client.call("search_sessions", query="word")["complete"]:
            pass
        hits = pages("search_sessions", query="word", session_id="n00", limit=50)
        assert len({hit["seq"] for hit in hits}) == 131


@pytest.mark.parametrize("era", ERAS)
def test_recall_stays_within_its_tokens_and_each_passage_is_found_where_it_is_cited(tmp_path: Path, era: Era) -> None:
    with EventLog.open(tmp_path / "store") as log:
        for number in range(30):
            with log.start(id=f"n{number:02}") as session:
                session.user(f"Why is the harbour of town {number} closed? " + f"word{number} " * 300)
                session.assistant("Because of the ferry.")
    with Client(tmp_path / "store", era=era) as client:
        while not client.call("search_sessions", query="harbour")["complete"]:
            pass
        for most in (200, 2_000, 8_000):
            found = client.call("recall", query="Which harbour is closed?", max_tokens=most)
            assert found["passages"]
            assert found["complete"] is True
            assert found["used_tokens"] <= most
            assert sum(len(each["text"]) for each in found["passages"]) <= 4 * most
            assert len({(each["session_id"], each["seq"]) for each in found["passages"]}) == len(found["passages"])
            for each in found["passages"][:5]:
                asked = {"session_id": each["session_id"], "around": each["seq"], "limit": 1, "max_chars_per_message": 10_000}
                (there,) = client.call("get_messages", **asked)["items"]
                assert there["seq"] == each["seq"]
                assert each["text"].strip("…") in there["text"]
