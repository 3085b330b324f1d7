from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pydantic_ai.conversation_store", reason="pydantic-ai 2.68 is not installed: make adapters has it")

from pydantic_ai import Agent
from pydantic_ai.conversation import Conversation
from pydantic_ai.conversation_store import ConversationConflict, InMemoryConversationStore
from pydantic_ai.exceptions import UserError
from pydantic_ai.messages import (
    BinaryContent,
    ImageUrl,
    ModelMessagesTypeAdapter,
    ModelRequest,
    ModelResponse,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    UserPromptPart,
)
from pydantic_ai.models.test import TestModel
from pydantic_ai.usage import RequestUsage

from eventlog import EventLog
from projections import Catalog
from projections.adapters.pydantic_ai import EventLogConversationStore

from .seen import HARD, counts, search, session_ids, texts, view


@pytest.fixture
def store(log: EventLog) -> Iterator[EventLogConversationStore]:
    made = EventLogConversationStore(log)
    yield made
    made.close()


def agent() -> Agent[None, str]:
    made: Agent[None, str] = Agent(TestModel(custom_output_text="Take the umbrella"))

    @made.tool_plain
    def weather(city: str) -> str:
        return f"rain in {city}"

    return made


async def say(store: Any, text: str, id: str = "c1", scope: str | None = None) -> Conversation:
    conversation = await store.load(id, scope=scope) or Conversation(conversation_id=id)
    result = await agent().run(text, conversation=conversation)
    await store.save(result, scope=scope)
    return result.conversation


def messages_of(found: Any) -> list[Any]:
    """What was said, without what differs from run to run."""
    return [[(part.part_kind, getattr(part, "content", None)) for part in message.parts] for message in found.messages]


def test_a_run_is_seen_by_everything_that_looks(log: EventLog, store: EventLogConversationStore) -> None:
    asyncio.run(say(store, "Do I need a coat?"))
    found = view(log)
    assert texts(found) == [
        ("user", "Do I need a coat?"),
        ("assistant", "[tool_call]"),
        ("tool", "[tool_call_response]"),
        ("assistant", "Take the umbrella"),
    ]
    (call,) = found.tool_calls
    assert (call.name, call.arguments, call.output) == ("weather", {"city": "a"}, "rain in a")
    assert search(log, "umbrella") == [found.session_id]
    counted = counts(log)
    assert (counted["messages"]["user"], counted["messages"]["assistant"], counted["tool_calls"]) == (1, 2, 1)
    usage = asyncio.run(store.load("c1")).usage  # type: ignore[union-attr]
    assert (counted["usage"]["input_tokens"], counted["usage"]["output_tokens"]) == (usage.input_tokens, usage.output_tokens)
    with Catalog.open(log) as catalog:
        assert catalog.find("pydantic-ai/c1").session_id == found.session_id


async def life(store: Any) -> list[Any]:
    """Every method, and what each gives, as far as it is the same in every run."""
    seen: list[Any] = []

    def note(name: str, value: Any) -> None:
        seen.append((name, value))

    note("unknown", await store.load("c1"))
    await say(store, "one", scope="me")
    await say(store, "two", scope="me")
    loaded = await store.load("c1")
    note("loaded", messages_of(loaded))
    note("usage", loaded.usage)
    note("window", messages_of(await store.load("c1", limit=2)))
    note("none of them", messages_of(await store.load("c1", limit=0)))
    note("other scope", await store.load("c1", scope="you"))
    entries = await store.load_entries("c1")
    note(
        "entries",
        [
            (each.parent_id is None, each.kind, each.message) == (index == 0, "message", loaded.messages[index])
            for index, each in enumerate(entries)
        ],
    )
    note("an entry", (await store.read_entry(entries[2].id)) == entries[2])
    note("history", [each.id for each in await store.read_history(entries[3].id, limit=2)] == [entries[2].id, entries[3].id])
    for wrong in (store.read_entry("none"), store.read_history("none")):
        try:
            await wrong
        except LookupError as error:
            note("missing", type(error).__name__)
    first = await store.load("c1")
    await say(store, "three", scope="me")
    try:
        await store.save(first)
    except ConversationConflict as error:
        note("stale", str(error))
    try:
        await store.save(Conversation(conversation_id="c1"))
    except ConversationConflict as error:
        note("already there", str(error))
    current = await store.load("c1")
    branched = await store.branch("c1", at=4, expected_revision=current.revision)
    note("branched", messages_of(branched))
    result = await agent().run("instead of two", conversation=branched)
    await store.save(result)
    record = await store.read_record("c1")
    note("branches", len(record.branches))
    note("after the branch", messages_of(await store.load("c1")))
    back = await store.branch("c1", from_entry=record.branches[0], expected_revision=record.revision)
    note("back", messages_of(back))
    forked = await store.fork("c1", at=4, new_conversation_id="c2", scope="you")
    note("forked", messages_of(forked))
    await say(store, "in the fork", id="c2")
    note("the fork", messages_of(await store.load("c2")))
    note("the source", messages_of(await store.load("c1")))
    try:
        await store.fork("c1", new_conversation_id="c2")
    except ConversationConflict as error:
        note("fork exists", str(error))
    note("lists", [[each.conversation_id for each in await store.list_conversations(scope=scope)] for scope in (None, "me", "you", "x")])
    note("limited", [each.conversation_id for each in await store.list_conversations(limit=1)])
    note("fork's record", ((await store.read_record("c2")).forked_from, (await store.read_record("c2")).scope))
    await store.delete("c1", scope="you")
    note("another's is not deleted", (await store.load("c1")) is not None)
    await store.delete("c1")
    await store.delete("c1")
    note("deleted", await store.load("c1"))
    note("the fork stays", messages_of(await store.load("c2")))
    try:
        await store.save(back)
    except ConversationConflict as error:
        note("deleted since", str(error))
    await say(store, "anew")
    note("anew", messages_of(await store.load("c1")))
    try:
        await store.load("c1", limit=-1)
    except UserError as error:
        note("wrong", str(error))
    return seen


def test_every_method_gives_what_the_store_in_memory_gives(store: EventLogConversationStore) -> None:
    ours, theirs = asyncio.run(life(store)), asyncio.run(life(InMemoryConversationStore()))
    for each, other in zip(ours, theirs, strict=True):
        assert each == other
    assert len(ours) == 30


def test_another_object_finds_what_one_has_saved(log: EventLog, store: EventLogConversationStore) -> None:
    asyncio.run(say(store, "one"))
    entries: Any = asyncio.run(store.load_entries("c1"))
    other = EventLogConversationStore(log)
    assert asyncio.run(other.read_entry(entries[1].id)) == entries[1]
    assert asyncio.run(other.read_history(entries[-1].id)) == entries
    other.close()


def test_what_was_given_comes_back(store: EventLogConversationStore) -> None:
    usage = RequestUsage(input_tokens=10, cache_read_tokens=4, output_tokens=2)
    asked = [HARD["nul"], HARD["half"], ImageUrl(url="https://a.test/b.png"), BinaryContent(data=b"\x00\xff\xfe", media_type="image/png")]
    call = ToolCallPart(tool_name="t", args={"big": HARD["big"], "nan": float("inf")}, tool_call_id="c")
    messages = [
        ModelRequest(parts=[UserPromptPart(content=asked)]),
        ModelResponse(parts=[ThinkingPart(content="hm", signature="s"), TextPart(content="x"), call], usage=usage, model_name="m"),
        ModelRequest(parts=[UserPromptPart(content=HARD["half"])]),
    ]

    async def there_and_back() -> Any:
        await store.save(Conversation(conversation_id="c", messages=list(messages)))
        return await store.load("c")

    found = asyncio.run(there_and_back()).messages
    for each, message in zip(found, messages, strict=True):
        assert ModelMessagesTypeAdapter.dump_python([each]) == ModelMessagesTypeAdapter.dump_python([message])


def test_the_session_shows_the_path_of_the_head(log: EventLog, store: EventLogConversationStore) -> None:
    async def branch() -> None:
        await say(store, "one")
        first = await say(store, "two")
        branched = await store.branch("c1", at=4, expected_revision=first.revision or "")
        await store.save(await agent().run("other", conversation=branched))

    asyncio.run(branch())
    assert [text for role, text in texts(view(log)) if role == "user"] == ["one", "other"]
    record: Any = asyncio.run(store.read_record("c1"))
    asyncio.run(store.branch("c1", from_entry=record.branches[0], expected_revision=record.revision))
    assert [text for role, text in texts(view(log)) if role == "user"] == ["one", "two"]
    spent = counts(log)["usage"]["output_tokens"]
    with log.session(session_ids(log)[0]) as session:
        ids = {each.event.message_id: each.event.output_tokens for each in session.read(types=("usage.recorded",))}  # type: ignore[union-attr]
    assert spent == sum(ids.values())


def test_a_fork_is_a_session_with_a_parent_and_its_copies_count_once(log: EventLog, store: EventLogConversationStore) -> None:
    asyncio.run(say(store, "one"))
    before = counts(log)
    asyncio.run(store.fork("c1", new_conversation_id="c2"))
    assert counts(log) == before
    with Catalog.open(log) as catalog:
        fork = catalog.find("pydantic-ai/c2")
        assert fork.parent is not None
        assert fork.parent.session_id == catalog.find("pydantic-ai/c1").session_id
    assert texts(view(log, fork.session_id))[-1] == ("assistant", "Take the umbrella")


WRITER = """
import asyncio, sys
from pydantic_ai.conversation import Conversation
from pydantic_ai.conversation_store import ConversationConflict
from pydantic_ai.messages import ModelRequest, UserPromptPart
from projections.adapters.pydantic_ai import EventLogConversationStore

async def main(path, name):
    store = EventLogConversationStore(path, sync="never")
    for n in range(10):
        while True:
            conversation = await store.load("c") or Conversation(conversation_id="c")
            conversation.messages.append(ModelRequest(parts=[UserPromptPart(content=f"{name} {n}")]))
            try:
                await store.save(conversation)
                break
            except ConversationConflict:
                pass

asyncio.run(main(*sys.argv[1:]))
"""


def test_three_processes_save_and_none_loses_what_another_saved(tmp_path: Path) -> None:
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path / "s"), name]) for name in "abc"]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    store = EventLogConversationStore(tmp_path / "s")
    found: Any = asyncio.run(store.load("c"))
    said = [message.parts[0].content for message in found.messages]
    assert sorted(said) == sorted(f"{name} {n}" for name in "abc" for n in range(10))
    store.close()
