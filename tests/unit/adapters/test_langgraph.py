from __future__ import annotations

import asyncio
import operator
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, TypedDict

import pytest

pytest.importorskip("langgraph.graph", reason="langgraph is not installed: make adapters has it")

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, RemoveMessage, ToolMessage
from langgraph.checkpoint.base import empty_checkpoint
from langgraph.checkpoint.conformance import checkpointer_test, validate
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.encrypted import EncryptedSerializer
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages

from eventlog import EventLog
from projections import Catalog, to_messages
from projections.adapters.langgraph import EventLogSaver, EventLogStore

from .seen import HARD, counts, search, session_ids, texts, view


class Chat(TypedDict):
    messages: Annotated[list[AnyMessage], add_messages]
    steps: Annotated[list[str], operator.add]


def graph_of(saver: Any, answers: Any = None) -> Any:
    """Answers each message in capitals, with a call of a tool where it is asked for one."""

    def answer(state: Chat) -> dict[str, Any]:
        said = state["messages"][-1]
        usage: Any = {"input_tokens": 30, "output_tokens": 4, "total_tokens": 34, "input_token_details": {"cache_read": 10}}
        if "tool" in str(said.content):
            call = {"name": "look", "args": {"at": "sea"}, "id": f"call-{len(state['messages'])}"}
            return {"messages": [AIMessage("", tool_calls=[call])], "steps": ["call"]}
        return {"messages": [AIMessage(str(said.content).upper(), usage_metadata=usage)], "steps": ["answer"]}

    def look(state: Chat) -> dict[str, Any]:
        call = state["messages"][-1].tool_calls[0]  # type: ignore[union-attr]
        return {"messages": [ToolMessage("waves", tool_call_id=call["id"])], "steps": ["look"]}

    def after(state: Chat) -> str:
        return "look" if getattr(state["messages"][-1], "tool_calls", None) else END

    builder = StateGraph(Chat)
    builder.add_node("answer", answer)
    builder.add_node("look", look)
    builder.add_edge(START, "answer")
    builder.add_conditional_edges("answer", after)
    builder.add_edge("look", "answer")
    return builder.compile(checkpointer=saver)


def config(thread: str = "t", **more: Any) -> Any:
    return {"configurable": {"thread_id": thread, **more}}


@pytest.fixture
def saver(log: EventLog) -> Iterator[EventLogSaver]:
    made = EventLogSaver(log)
    yield made
    made.close()


def say(graph: Any, text: str, **more: Any) -> Any:
    return graph.invoke({"messages": [HumanMessage(text)]}, config(**more))


def test_every_capability_of_the_conformance_suite_is_there(tmp_path: Path) -> None:
    numbers = iter(range(1000))

    @checkpointer_test(name="EventLogSaver")
    async def made() -> Any:
        with EventLogSaver.from_path(tmp_path / str(next(numbers)), sync="never") as saver:
            yield saver

    report = asyncio.run(validate(made))
    assert report.passed_all()
    assert {name for name, result in report.results.items() if result.passed} >= {"copy_thread", "delete_for_runs", "prune", "put", "list"}


def test_a_thread_is_seen_by_everything_that_looks(log: EventLog, saver: EventLogSaver) -> None:
    graph = graph_of(saver)
    say(graph, "hello walrus")
    say(graph, "use the tool")
    found = view(log)
    assert texts(found) == [
        ("user", "hello walrus"),
        ("assistant", "HELLO WALRUS"),
        ("user", "use the tool"),
        ("assistant", "[tool_call]"),
        ("tool", "[tool_call_response]"),
        ("assistant", "WAVES"),
    ]
    (call,) = found.tool_calls
    assert (call.name, call.arguments, call.output) == ("look", {"at": "sea"}, "waves")
    assert search(log, "walrus")[0] == found.session_id
    counted = counts(log)
    assert (counted["messages"]["user"], counted["messages"]["assistant"], counted["tool_calls"]) == (2, 3, 1)
    assert (counted["usage"]["input_tokens"], counted["usage"]["cache_read_tokens"], counted["usage"]["output_tokens"]) == (40, 20, 8)
    with Catalog.open(log) as catalog:
        assert catalog.find("langgraph/t").session_id == found.session_id


def test_it_holds_what_the_saver_in_memory_holds(log: EventLog, saver: EventLogSaver) -> None:
    histories = []
    for each in (saver, InMemorySaver()):
        graph = graph_of(each)
        for n in range(4):
            graph.invoke({"messages": [HumanMessage(f"say {n}", id=f"h{n}")]}, config())
        states = [state for state in graph.get_state_history(config()) if "messages" in state.values]
        said = [[message.content for message in state.values["messages"]] for state in states]
        histories.append((said, [(state.values["steps"], state.next, state.metadata["step"]) for state in states]))
    assert histories[0] == histories[1]
    assert len(histories[0][0]) > 8


def test_another_path_takes_the_place_of_the_one_that_was_left(log: EventLog, saver: EventLogSaver) -> None:
    graph = graph_of(saver)
    say(graph, "one")
    before = graph.get_state(config()).config
    say(graph, "two")
    graph.invoke({"messages": [HumanMessage("other")]}, before)
    assert texts(view(log)) == [("user", "one"), ("assistant", "ONE"), ("user", "other"), ("assistant", "OTHER")]
    with log.session(session_ids(log)[0]) as session:
        said = [each.event.content for each in session.read(types=("message.added",))]
    assert "TWO" in said  # the record keeps it


def test_a_message_that_is_removed_from_the_state_is_hidden_from_the_model(log: EventLog, saver: EventLogSaver) -> None:
    graph = graph_of(saver)
    graph.invoke({"messages": [HumanMessage("secret", id="h1")]}, config())
    graph.update_state(config(), {"messages": [RemoveMessage("h1")]}, as_node="answer")
    say(graph, "next")
    found = view(log)
    assert texts(found) == [("user", "secret"), ("assistant", "SECRET"), ("user", "next"), ("assistant", "NEXT")]
    assert [message["content"] for message in to_messages(found)] == ["SECRET", "next", "NEXT"]


def test_a_message_that_is_edited_stands_there_once(log: EventLog, saver: EventLogSaver) -> None:
    graph = graph_of(saver)
    graph.invoke({"messages": [HumanMessage("draft", id="h1")]}, config())
    graph.update_state(config(), {"messages": [HumanMessage("final", id="h1")]}, as_node="answer")
    assert texts(view(log)) == [("user", "final"), ("assistant", "DRAFT")]


def put(saver: EventLogSaver, values: dict[str, Any], step: int, parent: Any = None, thread: str = "t") -> Any:
    checkpoint = empty_checkpoint()
    version = f"{step:032}.0"
    checkpoint["channel_values"] = values
    checkpoint["channel_versions"] = dict.fromkeys(values, version)
    place = parent or config(thread, checkpoint_ns="")
    return saver.put(place, checkpoint, {"source": "loop", "step": step}, dict.fromkeys(values, version))


def size_of(folder: Path) -> int:
    return sum(file.stat().st_size for file in (folder / "sessions").rglob("*.jsonl"))


@pytest.mark.parametrize("window", [None, 20])
def test_a_list_that_grows_is_stored_as_what_is_new(window: int | None, tmp_path: Path) -> None:
    """By bytes: the second hundred steps cost what the first hundred cost, and every state of the list comes back."""
    sizes, states, place = [], {}, None
    with EventLogSaver.from_path(tmp_path / "s", sync="never") as saver:
        items: list[Any] = []
        for step in range(200):
            items = [*items, {"n": step, "text": "x" * 200}]
            items = items[-window:] if window else items
            place = put(saver, {"history": items}, step, place)
            saver.put_writes(place, [("history", items)], f"task-{step}")
            states[place["configurable"]["checkpoint_id"]] = items
            if step in (0, 99, 199):
                sizes.append(size_of(tmp_path / "s"))
    assert sizes[2] - sizes[1] < 1.1 * (sizes[1] - sizes[0])
    assert sizes[2] < 200 * 1_400  # an element, its checkpoint and its write; whole lists would be 200 times 20,000
    with EventLogSaver.from_path(tmp_path / "s") as saver:
        for id, expected in states.items():
            found = saver.get_tuple(config(checkpoint_ns="", checkpoint_id=id))
            assert found is not None
            assert found.checkpoint["channel_values"]["history"] == expected
            assert [value for _, _, value in found.pending_writes or []] == [expected]


def test_values_come_back_as_they_were_given(saver: EventLogSaver) -> None:
    values: dict[str, Any] = {"hard": HARD, "list": [HARD, HARD["half"], 2**70], "half": "\udc00", "bytes": b"\x00\xff", "pair": (1, 2)}
    values |= {"none": None, "set": {1, 2}, "numbers": {1: "a"}, "message": HumanMessage("\ud83d half", id="x")}
    values |= {"messages": [HumanMessage("\ud83d", id="y")]}
    put(saver, values, 1)
    found = saver.get_tuple(config())
    assert found is not None
    got = found.checkpoint["channel_values"]
    assert got["pair"] in ((1, 2), [1, 2])  # their serializer gives a list
    assert {**got, "pair": (1, 2)} == values
    put(saver, {"nan": [float("nan"), {"a": float("nan")}]}, 2)
    nan = saver.get_tuple(config()).checkpoint["channel_values"]["nan"]  # type: ignore[union-attr]
    assert nan[0] != nan[0]
    assert nan[1]["a"] != nan[1]["a"]


def test_what_the_serializer_refuses_is_refused_before_anything_is_written(log: EventLog, saver: EventLogSaver) -> None:
    with pytest.raises(TypeError):
        put(saver, {"lambda": lambda: None}, 1)
    assert session_ids(log) == []


def test_with_a_serializer_that_encrypts_nothing_can_be_read(log: EventLog, tmp_path: Path) -> None:
    pytest.importorskip("Crypto", reason="pycryptodome is not installed: make adapters has it")
    saver = EventLogSaver(log, serde=EncryptedSerializer.from_pycryptodome_aes(key=b"0" * 16))
    graph = graph_of(saver)
    say(graph, "walrus")
    assert [message.content for message in graph.get_state(config()).values["messages"]] == ["walrus", "WALRUS"]
    saver.close()
    stored = b"".join(file.read_bytes() for file in (tmp_path / "store" / "sessions").rglob("*.jsonl"))
    assert b"walrus" not in stored.lower()


def test_pruning_and_compacting_keep_what_stays(tmp_path: Path) -> None:
    with EventLog.open(tmp_path / "s", sync="never") as log:
        saver = EventLogSaver(log)
        graph = graph_of(saver)
        for n in range(12):
            say(graph, f"say {n}")
        before = graph.get_state(config())
        size = size_of(tmp_path / "s")
        saver.prune(["t"])
        assert [each.values for each in graph.get_state_history(config())] == [before.values]
        log.compact(drop_retracted=True, idle_s=0)
        with EventLog.open(tmp_path / "s") as again:
            other = EventLogSaver(again)
            assert graph_of(other).get_state(config()).values == before.values
            other.close()
        stored = b"".join(each.raw for each in _events(log))
        assert len(stored) < size / 2
        say(graph, "and on")
        assert [message.content for message in graph.get_state(config()).values["messages"]][-2:] == ["and on", "AND ON"]
        saver.close()


def _events(log: EventLog) -> Iterator[Any]:
    for id in session_ids(log):
        with log.session(id) as session:
            yield from session.read()


def test_what_stands_on_a_removed_run_is_written_again(saver: EventLogSaver) -> None:
    place = None
    items: list[str] = []
    for step in range(6):
        items = [*items, f"item {step}"]
        place = put(
            saver, {"history": items}, step, None if place is None else {"configurable": {**place["configurable"], "run_id": f"r{step}"}}
        )
    saver.put_writes(place, [("history", [*items, "more"])], "task")
    saver.delete_for_runs(["r2", "r3"])
    found = list(saver.list(config()))
    assert [len(each.checkpoint["channel_values"]["history"]) for each in found] == [6, 5, 2, 1]
    assert found[0].checkpoint["channel_values"]["history"] == items
    assert [value for _, _, value in found[0].pending_writes or []] == [[*items, "more"]]


def test_a_deleted_thread_begins_anew_under_the_same_key(log: EventLog, saver: EventLogSaver) -> None:
    graph = graph_of(saver)
    for text in ("first", "second"):
        assert [message.content for message in say(graph, text)["messages"]] == [text, text.upper()]
        saver.delete_thread("t")
        assert saver.get_tuple(config()) is None
        assert list(saver.list(None)) == []
    assert len(session_ids(log)) == 2


def test_a_copied_thread_goes_on_by_itself(log: EventLog, saver: EventLogSaver) -> None:
    graph = graph_of(saver)
    say(graph, "one")
    saver.copy_thread("t", "u")
    say(graph, "two", thread="u")
    assert [message.content for message in graph.get_state(config()).values["messages"]] == ["one", "ONE"]
    assert [message.content for message in graph.get_state(config("u")).values["messages"]] == ["one", "ONE", "two", "TWO"]
    with Catalog.open(log) as catalog:
        assert texts(view(log, catalog.find("langgraph/u").session_id))[-1] == ("assistant", "TWO")
    assert {each.config["configurable"]["thread_id"] for each in saver.list(None)} == {"t", "u"}


def test_an_async_graph_finds_what_a_sync_one_left(saver: EventLogSaver) -> None:
    graph = graph_of(saver)
    say(graph, "one")

    async def more() -> Any:
        await graph.ainvoke({"messages": [HumanMessage("two")]}, config())
        return [each async for each in graph.aget_state_history(config())]

    assert [message.content for message in asyncio.run(more())[0].values["messages"]] == ["one", "ONE", "two", "TWO"]


WRITER = """
import sys
from projections.adapters.langgraph import EventLogSaver
from langgraph.checkpoint.base import empty_checkpoint

saver = EventLogSaver(sys.argv[1], sync="never")
name = sys.argv[2]
items, place = [], {"configurable": {"thread_id": "t", "checkpoint_ns": name}}
for n in range(15):
    items = [*items, {"by": name, "n": n}]
    checkpoint = empty_checkpoint()
    checkpoint["channel_values"], checkpoint["channel_versions"] = {"x": items}, {"x": f"{n:032}.0"}
    place = saver.put(place, checkpoint, {"step": n}, {"x": f"{n:032}.0"})
    saver.put_writes(place, [("x", items)], f"{name}-{n}")
"""


def test_three_processes_write_to_one_thread(tmp_path: Path) -> None:
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path / "s"), name]) for name in "abc"]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    with EventLogSaver.from_path(tmp_path / "s") as saver:
        for name in "abc":
            found = list(saver.list(config(checkpoint_ns=name)))
            assert [len(each.checkpoint["channel_values"]["x"]) for each in found] == list(range(15, 0, -1))
            assert [[len(value) for _, _, value in each.pending_writes or []] for each in found] == [[n] for n in range(15, 0, -1)]


# --- the store of memories ---------------------------------------------------------------------------------------------------------


def test_memories_are_kept_found_and_shown(log: EventLog, tmp_path: Path) -> None:
    with EventLogStore(log) as store:
        store.put(("users", "u1"), "likes", {"food": "herring", "hard": HARD})
        store.put(("users", "u2"), "likes", {"food": "kelp"})
        store.put(("users", "u1"), "likes", {"food": "squid", "hard": HARD})
        store.delete(("users", "u2"), "likes")
    with EventLogStore(log) as store:
        found = store.get(("users", "u1"), "likes")
        assert found is not None
        assert found.value == {"food": "squid", "hard": HARD}
        assert found.created_at < found.updated_at
        found.value["food"] = "changed"
        assert [item.value["food"] for item in store.search(("users",), filter={"food": "squid"})] == ["squid"]
        assert store.get(("users", "u2"), "likes") is None
        assert store.list_namespaces(prefix=("users",)) == [("users", "u1")]
    assert view(log).context["metadata"]["users/u1/likes"]["food"] == "squid"
    assert "users/u2/likes" not in view(log).context["metadata"]


def test_a_memory_is_embedded_once(log: EventLog) -> None:
    embedded: list[str] = []

    def embed(texts: list[str]) -> list[list[float]]:
        embedded.extend(texts)
        return [[float(text.count("a")), float(text.count("b")), 1.0] for text in texts]

    index: Any = {"dims": 3, "embed": embed, "fields": ["text"]}
    with EventLogStore(log, index=index) as store:
        store.put(("d",), "one", {"text": "aaa"})
        store.put(("d",), "two", {"text": "bbb"})
    with EventLogStore(log, index=dict(index)) as store:
        assert [item.key for item in store.search(("d",), query="bb")] == ["two", "one"]
    assert embedded == ["aaa", "bbb", "bb"]


def test_an_async_store_gives_what_a_sync_one_was_given(log: EventLog) -> None:
    async def run() -> Any:
        async with EventLogStore(log) as store:
            await store.aput(("a",), "k", {"v": 1})
            return await store.aget(("a",), "k"), await store.asearch(("a",))

    item, found = asyncio.run(run())
    assert (item.value, [each.value for each in found]) == ({"v": 1}, [{"v": 1}])


def test_a_store_that_was_cleared_by_hand_is_empty(log: EventLog) -> None:
    with EventLogStore(log) as store:
        store.put(("a",), "k", {"v": 1})
        log.delete(session_ids(log)[0])
        assert store.get(("a",), "k") is None
        store.put(("a",), "k", {"v": 2})
        assert [item.value for item in store.search(("a",))] == [{"v": 2}]
