from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("agents", reason="openai-agents is not installed: make adapters has it")

from agents import Agent, RunConfig, Runner, function_tool
from agents.items import ItemHelpers
from agents.testing import ScriptedModel, assistant_message, function_call

from eventlog import EventLog
from eventlog.errors import InvalidEvent
from eventlog.events import ContextCompacted
from projections import Catalog, to_messages
from projections.adapters.openai_agents import EventLogSession

from .seen import HARD, counts, search, session_ids, texts, view

QUIET = RunConfig(tracing_disabled=True)


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def said(text: str, id: str) -> dict[str, Any]:
    return {"type": "message", "id": id, "role": "assistant", "status": "completed", "content": [{"type": "output_text", "text": text}]}


@pytest.fixture
def session(log: EventLog) -> Iterator[EventLogSession]:
    made = EventLogSession("user-7", log)
    yield made
    made.close()


@function_tool
def weather(city: str) -> str:
    return f"rain in {city}"


def run(log: EventLog, session: EventLogSession) -> Any:
    model = ScriptedModel([[function_call("weather", {"city": "Oslo"}, call_id="call-1")], [assistant_message("Take the umbrella")]])
    agent = Agent(name="guide", model=model, tools=[weather])
    return asyncio.run(Runner.run(agent, "Do I need a coat?", session=session, run_config=QUIET))


def test_a_run_is_seen_by_everything_that_looks(log: EventLog, session: EventLogSession) -> None:
    result = run(log, session)
    assert result.final_output == "Take the umbrella"
    found = view(log)
    assert [role for role, _ in texts(found)] == ["user", "assistant", "tool", "assistant"]
    assert texts(found)[0] == ("user", "Do I need a coat?")
    assert texts(found)[3] == ("assistant", "Take the umbrella")
    (call,) = found.tool_calls
    assert (call.call_id, call.name, call.arguments, call.output) == ("call-1", "weather", {"city": "Oslo"}, "rain in Oslo")
    assert search(log, "umbrella") == [found.session_id]
    assert search(log, "Oslo")[0] == found.session_id
    assert counts(log)["messages"]["user"] == 1
    assert counts(log)["messages"]["assistant"] == 2
    assert counts(log)["tool_calls"] == 1
    assert [message["role"] for message in to_messages(found)] == ["user", "assistant", "tool", "assistant"]


def test_the_items_come_back_as_they_were_given(session: EventLogSession) -> None:
    items = [user("one"), said("two", "m"), {"type": "invented", "what": HARD}, {"role": "user", "content": HARD["half"]}, HARD]
    asyncio.run(session.add_items(items))
    found = asyncio.run(session.get_items())
    assert found == items
    found[0]["content"] = "changed"
    assert asyncio.run(session.get_items()) == items


def test_not_a_number_comes_back_as_one(session: EventLogSession) -> None:
    asyncio.run(session.add_items([{"role": "user", "content": "x", "score": float("nan")}]))
    (item,) = asyncio.run(session.get_items())
    assert item["score"] != item["score"]


def test_what_is_no_json_is_refused_before_anything_is_written(log: EventLog, session: EventLogSession) -> None:
    with pytest.raises(InvalidEvent, match="not JSON serializable"):
        asyncio.run(session.add_items([user("fine"), {"role": "user", "content": object()}]))
    assert session_ids(log) == []


def test_an_answer_in_several_items_is_one_message(log: EventLog, session: EventLogSession) -> None:
    thought = {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}]}
    called = {"type": "function_call", "call_id": "c1", "name": "look", "arguments": "{}"}
    asyncio.run(session.add_items([user("hi"), thought, said("Looking", "m1"), called]))
    found = view(log)
    assert [(message.role, [part["type"] for part in message.parts]) for message in found.messages] == [
        ("user", ["text"]),
        ("assistant", ["reasoning", "text", "tool_call"]),
    ]
    assert found.messages[1].message_id == "m1"


def test_ids_that_are_given_twice_are_two_messages(log: EventLog, session: EventLogSession) -> None:
    asyncio.run(session.add_items([user("a"), said("first", "1")]))
    asyncio.run(session.add_items([user("b"), said("second", "1")]))
    assert texts(view(log)) == [("user", "a"), ("assistant", "first"), ("user", "b"), ("assistant", "second")]


def test_what_is_popped_or_cleared_is_taken_back_and_stays_in_the_record(log: EventLog, session: EventLogSession) -> None:
    asyncio.run(session.add_items([user("a"), said("b", "m1"), user("c")]))
    assert asyncio.run(session.pop_item()) == user("c")
    assert texts(view(log)) == [("user", "a"), ("assistant", "b")]
    asyncio.run(session.clear_session())
    assert asyncio.run(session.get_items()) == []
    assert asyncio.run(session.pop_item()) is None
    asyncio.run(session.add_items([user("again")]))
    assert asyncio.run(session.get_items()) == [user("again")]
    assert texts(view(log)) == [("user", "again")]
    with log.session(session_ids(log)[0]) as stored:
        assert [each.type for each in stored.read()].count("message.added") == 4


def test_a_deleted_session_begins_anew_under_the_same_key(log: EventLog, session: EventLogSession) -> None:
    for text in ("first", "second"):
        asyncio.run(session.add_items([user(text)]))
        assert asyncio.run(session.get_items()) == [user(text)]
        with Catalog.open(log) as catalog:
            current = catalog.find("openai-agents/user-7").session_id
        log.delete(current)
        assert asyncio.run(session.get_items()) == []
    assert len(session_ids(log)) == 2


def test_several_objects_and_loops_share_one_session(tmp_path: Path) -> None:
    one, other = EventLogSession("x", tmp_path / "s"), EventLogSession("x", str(tmp_path / "s"))
    asyncio.run(one.add_items([user("a")]))
    assert asyncio.run(other.get_items()) == [user("a")]
    asyncio.run(other.add_items([user("b")]))
    one.close()
    one.close()
    assert asyncio.run(other.get_items()) == [user("a"), user("b")]
    other.close()
    with pytest.raises(RuntimeError, match="closed"):
        asyncio.run(other.get_items())


def test_a_cancelled_append_is_finished(log: EventLog, session: EventLogSession) -> None:
    async def cancelled() -> None:
        task = asyncio.create_task(session.add_items([user("a")] * 50))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert len(await session.get_items()) == 50  # and not later

    asyncio.run(cancelled())


WRITER = """
import asyncio, sys
from projections.adapters.openai_agents import EventLogSession

async def main(path, name):
    session = EventLogSession("shared", path)
    popped = []
    for n in range(20):
        await session.add_items([{"role": "user", "content": f"{name} {n} {half}"} for half in "ab"])
        if n % 4 == 0:
            popped.append((await session.pop_item())["content"])
    print("\\n".join(popped))

asyncio.run(main(*sys.argv[1:]))
"""


def test_three_processes_add_and_pop(tmp_path: Path) -> None:
    log = EventLog.open(tmp_path / "s")
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path / "s"), name], stdout=subprocess.PIPE, text=True) for name in "xyz"
    ]
    popped = [line for writer in writers for line in writer.communicate()[0].splitlines()]
    assert [writer.returncode for writer in writers] == [0, 0, 0]
    session = EventLogSession("shared", log)
    left = [item["content"] for item in asyncio.run(session.get_items())]
    assert len(popped) == 15
    assert sorted(popped + left) == sorted(f"{name} {n} {half}" for name in "xyz" for n in range(20) for half in "ab")
    for name in "xyz":  # each writer's order is kept
        own = [text for text in left if text.startswith(name)]
        assert own == sorted(own, key=lambda text: (int(text.split()[1]), text[-1]))
    session.close()
    log.close()


def test_threads_that_pop_get_different_items(session: EventLogSession) -> None:
    asyncio.run(session.add_items([user(str(n)) for n in range(40)]))
    popped: list[str] = []

    def pop() -> None:
        popped.extend(asyncio.run(session.pop_item())["content"] for _ in range(10))

    threads = [threading.Thread(target=pop) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(popped, key=int) == [str(n) for n in range(40)]


def test_a_branch_is_a_fork_and_the_main_conversation_stays(log: EventLog, session: EventLogSession) -> None:
    async def branched() -> None:
        await session.add_items([user("one"), said("1", "m1")])
        await session.add_items([user("two"), said("2", "m2")])
        assert [turn["content"] for turn in await session.get_conversation_turns()] == ["one", "two"]
        assert await session.create_branch_from_turn(2, "other") == "other"
        assert await session.get_items() == [user("one"), said("1", "m1")]
        await session.add_items([user("zwei")])
        assert [item["content"] for item in await session.get_items(branch_id="main") if item["role"] == "user"] == ["one", "two"]
        found = {
            each["branch_id"]: (each["message_count"], each["user_turns"], each["is_current"]) for each in await session.list_branches()
        }
        assert found == {"main": (4, 2, False), "other": (3, 2, True)}
        with pytest.raises(ValueError, match="used before"):
            await session.create_branch_from_turn(1, "other")
        with pytest.raises(ValueError, match="force"):
            await session.delete_branch("other")
        await session.switch_to_branch("main")
        assert await session.create_branch_from_content("TWO") == "branch_from_turn_2"
        await session.delete_branch("branch_from_turn_2", force=True)
        await session.switch_to_branch("other")
        with pytest.raises(ValueError, match="does not exist"):
            await session.switch_to_branch("branch_from_turn_2")

    asyncio.run(branched())
    with Catalog.open(log) as catalog:
        forks = [item for item in catalog.list().items if item.parent is not None]
        assert [texts(view(log, fork.session_id)) for fork in forks] == [[("user", "one"), ("assistant", "1"), ("user", "zwei")]]
        assert catalog.find("openai-agents/user-7").parent is None


def test_a_branch_before_everything_is_empty(session: EventLogSession) -> None:
    async def branched() -> None:
        await session.add_items([user("one"), said("1", "m1")])
        await session.create_branch_from_turn(1, "anew")
        assert await session.get_items() == []
        await session.clear_session()
        assert await session.get_items() == []
        assert [each["branch_id"] for each in await session.list_branches()] == ["main"]
        await session.add_items([user("after")])
        await session.create_branch_from_turn(1, "anew")
        await session.add_items([user("again")])
        assert await session.get_items() == [user("again")]

    asyncio.run(branched())


def test_what_a_run_used_is_counted(log: EventLog, session: EventLogSession) -> None:
    result = run(log, session)
    usage = result.context_wrapper.usage
    usage.requests, usage.input_tokens, usage.output_tokens, usage.total_tokens = 2, 30, 7, 37
    usage.input_tokens_details.cached_tokens = 10
    asyncio.run(session.store_run_usage(result))
    asyncio.run(session.store_run_usage(result))  # again: once
    counted = counts(log)["usage"]
    assert (counted["input_tokens"], counted["cache_read_tokens"], counted["output_tokens"]) == (20, 10, 7)
    of_turn: Any = asyncio.run(session.get_turn_usage(1))
    assert (of_turn["requests"], of_turn["input_tokens"], of_turn["total_tokens"]) == (2, 30, 37)
    assert asyncio.run(session.get_session_usage()) == {
        "requests": 2,
        "input_tokens": 30,
        "output_tokens": 7,
        "total_tokens": 37,
        "total_turns": 1,
    }
    assert asyncio.run(session.get_tool_usage()) == [("weather", 1, 1)]


def test_a_compaction_is_one_append_and_the_messages_stay_in_view(log: EventLog, session: EventLogSession) -> None:
    async def compacted() -> list[Any]:
        await session.add_items([user("a"), said("b", "m1"), user("c")])
        snapshot = await session._get_compaction_snapshot(10)
        assert snapshot.complete
        assert await snapshot.replace_suffix(0, [user("short")])
        assert not await snapshot.replace_suffix(0, [user("stale")])
        await session.add_items([user("d")])
        return await session.get_items()

    assert asyncio.run(compacted()) == [user("short"), user("d")]
    found = view(log)
    assert texts(found) == [("user", "a"), ("assistant", "b"), ("user", "c"), ("user", "short"), ("user", "d")]
    assert [message["content"] for message in to_messages(found)] == ["short", "d"]
    with log.session(found.session_id) as stored:
        (event,) = (each for each in stored.read() if isinstance(each.event, ContextCompacted))
        assert event.more


def test_a_partial_compaction_takes_back_only_the_suffix(session: EventLogSession) -> None:
    async def compacted() -> list[Any]:
        await session.add_items([user(text) for text in "abcd"])
        snapshot = await session._get_compaction_snapshot(2)
        assert not snapshot.complete
        assert await snapshot.replace_suffix(1, [user("short")])
        return await session.get_items()

    assert asyncio.run(compacted()) == [user("a"), user("b"), user("c"), user("short")]


def test_their_helpers_read_what_comes_back(session: EventLogSession) -> None:
    asyncio.run(session.add_items([said("hello", "m")]))
    (item,) = asyncio.run(session.get_items())
    assert ItemHelpers.input_to_new_input_list([item])[0]["content"][0]["text"] == "hello"
