"""The adapters whose history is a list of messages: LangChain, LlamaIndex, Microsoft Agent Framework."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

from eventlog import EventLog

from .seen import HARD, counts, search, session_ids, texts, view

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")


# --- LangChain -------------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def langchain() -> Any:
    pytest.importorskip("langchain_core", reason="langchain-core is not installed: make adapters has it")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the interface is deprecated and not gone
        from projections.adapters import langchain

        return langchain


def test_a_history_of_langchain_is_kept_and_seen(log: EventLog, langchain: Any) -> None:
    from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage

    usage: Any = {"input_tokens": 9, "output_tokens": 2, "total_tokens": 11}
    said = [
        SystemMessage("Be brief"),
        HumanMessage([{"type": "text", "text": "Look at the walrus"}, {"type": "image_url", "image_url": {"url": "https://a.test/w.png"}}]),
        AIMessage("", tool_calls=[{"name": "look", "args": {"at": "it"}, "id": "c1"}]),
        ToolMessage("grey", tool_call_id="c1"),
        AIMessage("It is grey", usage_metadata=usage, additional_kwargs={"hard": HARD}, id="a1"),
        HumanMessage(HARD["half"]),
    ]
    history = langchain.EventLogChatMessageHistory("u1", log)
    history.add_messages(said)
    assert history.messages == said
    assert langchain.EventLogChatMessageHistory("u1", log).messages == said
    found = view(log)
    assert [role for role, _ in texts(found)] == ["system", "user", "assistant", "tool", "assistant", "user"]
    assert [(call.name, call.output) for call in found.tool_calls] == [("look", "grey")]
    assert search(log, "walrus") == [found.session_id]
    assert counts(log)["usage"]["output_tokens"] == 2
    history.clear()
    assert history.messages == []
    history.add_user_message("again")
    assert [message.content for message in asyncio.run(history.aget_messages())] == ["again"]
    log.delete(found.session_id)
    assert history.messages == []
    history.add_ai_message("anew")
    assert [message.content for message in history.messages] == ["anew"]
    history.close()


def test_a_chain_of_langchain_remembers(log: EventLog, langchain: Any) -> None:
    from langchain_core.language_models import FakeListChatModel
    from langchain_core.runnables.history import RunnableWithMessageHistory

    chat = RunnableWithMessageHistory(
        FakeListChatModel(responses=["one", "two"]), lambda key: langchain.EventLogChatMessageHistory(key, log)
    )
    for text in ("first", "second"):
        chat.invoke(text, config={"configurable": {"session_id": "u1"}})
    assert texts(view(log)) == [("user", "first"), ("assistant", "one"), ("user", "second"), ("assistant", "two")]


# --- LlamaIndex ------------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def llama() -> Any:
    pytest.importorskip("llama_index.core", reason="llama-index-core is not installed: make adapters has it")
    from projections.adapters import llama_index

    return llama_index


def test_a_chat_store_gives_what_the_simple_one_gives(log: EventLog, llama: Any) -> None:
    from llama_index.core.llms import ChatMessage, MessageRole
    from llama_index.core.storage.chat_store import SimpleChatStore

    def message(text: str, role: MessageRole = MessageRole.USER, **more: Any) -> ChatMessage:
        return ChatMessage(role=role, content=text, additional_kwargs=more)

    def life(store: Any) -> list[Any]:
        def told(key: str) -> list[Any]:
            return list(store.get_messages(key))  # theirs gives out its own list

        seen = [told("k"), store.delete_message("k", 3), store.delete_last_message("k")]
        for text in "abc":
            store.add_message("k", message(text, hard=HARD))
        seen += [told("k"), store.delete_message("k", 1), store.delete_message("k", 5), told("k")]
        store.set_messages("k", [*told("k"), message("d", MessageRole.ASSISTANT)])
        store.add_message("other", message(HARD["half"]))
        seen += [told("k"), sorted(store.get_keys()), store.delete_last_message("k"), told("other")]
        store.set_messages("k", [message("x"), message("y")])
        seen += [told("k"), store.delete_messages("k"), told("k"), store.get_keys()]
        return seen

    store = llama.EventLogChatStore(log)
    for ours, theirs in zip(life(store), life(SimpleChatStore()), strict=True):
        assert ours == theirs
    store.close()


def test_a_memory_of_llama_index_is_seen(log: EventLog, llama: Any) -> None:
    from llama_index.core.llms import ChatMessage, ImageBlock, MessageRole, TextBlock
    from llama_index.core.memory import ChatMemoryBuffer

    store = llama.EventLogChatStore(log)
    memory = ChatMemoryBuffer.from_defaults(chat_store=store, chat_store_key="u1", token_limit=1000)
    memory.put(
        ChatMessage(
            role=MessageRole.USER, blocks=[TextBlock(text="Look at the walrus"), ImageBlock(image=b"\x89PNG", image_mimetype="image/png")]
        )
    )
    calls = [{"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}]
    memory.put(ChatMessage(role=MessageRole.ASSISTANT, content="", additional_kwargs={"tool_calls": calls}))
    memory.put(ChatMessage(role=MessageRole.TOOL, content="grey", additional_kwargs={"tool_call_id": "c1"}))
    memory.put(ChatMessage(role=MessageRole.ASSISTANT, content="It is grey"))
    found = view(log)
    assert [role for role, _ in texts(found)] == ["user", "assistant", "tool", "assistant"]
    assert [part["type"] for part in found.messages[0].parts] == ["text", "blob"]
    assert [(call.name, call.output) for call in found.tool_calls] == [("look", "grey")]
    assert search(log, "walrus") == [found.session_id]
    store.close()


# --- Microsoft Agent Framework ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def framework() -> Any:
    pytest.importorskip("agent_framework", reason="agent-framework-core is not installed: make adapters has it")
    from projections.adapters import agent_framework

    return agent_framework


def test_a_history_of_the_agent_framework_is_kept_and_seen(log: EventLog, framework: Any) -> None:
    from agent_framework import Content, Message

    said = [
        Message(role="user", contents=["Look at the walrus", Content.from_uri("https://a.test/w.png", media_type="image/png")]),
        Message(role="assistant", contents=[Content.from_function_call("c1", "look", arguments={"at": "it"})], author_name="guide"),
        Message(role="tool", contents=[Content.from_function_result("c1", result="grey")]),
        Message(role="assistant", contents=["It is grey", Content.from_usage({"input_token_count": 9, "output_token_count": 2})]),
        Message(role="user", contents=[HARD["half"]], additional_properties={"hard": HARD}),
    ]

    async def there_and_back() -> list[Any]:
        provider = framework.EventLogHistoryProvider(log)
        await provider.save_messages("s1", said[:2])
        await provider.save_messages("s1", said[2:])
        await provider.save_messages(None, said)
        assert await provider.get_messages(None) == []
        found: list[Any] = await framework.EventLogHistoryProvider(log).get_messages("s1")
        return found

    assert [message.to_dict() for message in asyncio.run(there_and_back())] == [message.to_dict() for message in said]
    found = view(log)
    assert [role for role, _ in texts(found)] == ["user", "assistant", "tool", "assistant", "user"]
    assert [(call.name, call.arguments, call.output) for call in found.tool_calls] == [("look", {"at": "it"}, "grey")]
    assert search(log, "walrus") == [found.session_id]
    assert counts(log)["usage"]["output_tokens"] == 2


# --- all of them -----------------------------------------------------------------------------------------------------------------------

WRITER = """
import sys
from projections.adapters.message_list import MessageList
from projections.adapters.sessions import Sessions
from eventlog.events import MessageAdded

def meaning(record, id):
    return [MessageAdded(role="user", content=record, message_id=id)]

messages = MessageList(Sessions.of(sys.argv[1]), "listed", meaning, "never")
popped = []
for n in range(20):
    messages.add([f"{sys.argv[2]} {n} {half}" for half in "ab"], "k")
    if n % 4 == 0:
        popped.append(messages.take(-1, "k"))
print("\\n".join(popped))
"""


def test_three_processes_add_to_a_list_and_take_from_it(tmp_path: Path) -> None:
    from eventlog.events import MessageAdded
    from projections.adapters.message_list import MessageList
    from projections.adapters.sessions import Sessions

    command = [sys.executable, "-c", WRITER, str(tmp_path / "s")]
    writers = [subprocess.Popen([*command, name], stdout=subprocess.PIPE, text=True) for name in "xyz"]
    popped = [line for writer in writers for line in writer.communicate()[0].splitlines()]
    assert [writer.returncode for writer in writers] == [0, 0, 0]
    with EventLog.open(tmp_path / "s") as log:
        sessions = Sessions.of(log)
        listed = MessageList(sessions, "listed", lambda record, name: [MessageAdded(role="user", content=record, message_id=name)], None)
        left = listed.read("k")
        assert sorted(popped + left) == sorted(f"{name} {n} {half}" for name in "xyz" for n in range(20) for half in "ab")
        assert [text for _, text in texts(view(log))] == left
        assert len(session_ids(log)) == 1
        sessions.close()
