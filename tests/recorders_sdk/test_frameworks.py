"""Frameworks that call models over the SDKs' HTTP clients: recorded by `install()` alone; by their own callbacks; by both, once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from eventlog import EventLog, recorders
from eventlog.recorders import Recorder

from .frameworks import AGENT, WITHOUT_INSTRUCTIONS, ask_langchain, ask_litellm, ask_openai_agents, ask_pydantic_ai, outline
from .provider import Provider
from .recorded import Recorded, said

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::ResourceWarning")
REASON = "make recorders has it"


@pytest.fixture
def recorded(tmp_path: Path) -> Iterator[Recorded]:
    """A recorder that sees no wire."""
    with EventLog.open(tmp_path / "told", sync="never") as log, Recorder(log) as recorder:
        yield Recorded(log, recorder)


@pytest.fixture
def no_export(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The tracing of the Agents SDK, without what sends it away."""
    agents = pytest.importorskip("agents", reason=REASON)
    agents.set_trace_processors([])
    yield agents
    agents.set_trace_processors([])


def test_pydantic_ai(provider: Provider, installed: Recorded) -> None:
    pytest.importorskip("pydantic_ai", reason=REASON)
    ask_pydantic_ai(provider.address)
    assert outline(installed.view()) == AGENT


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("api", ["chat", "responses"])
def test_openai_agents(api: str, stream: bool, provider: Provider, installed: Recorded, no_export: Any) -> None:
    ask_openai_agents(provider.address, api=api, stream=stream)
    assert outline(installed.view()) == AGENT


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_langchain_openai(stream: bool, provider: Provider, installed: Recorded) -> None:
    pytest.importorskip("langchain_openai", reason=REASON)
    ask_langchain(provider.address, stream=stream)
    assert outline(installed.view()) == AGENT


MODELS = ["openai/gpt-5", "anthropic/claude-5", "gemini/gemini-x", "ollama_chat/llama"]


@pytest.mark.parametrize("as_task", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("model", MODELS)
def test_litellm(model: str, stream: bool, as_task: bool, provider: Provider, installed: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # else it asks the network for prices as it is imported
    pytest.importorskip("litellm", reason=REASON)
    assert ask_litellm(provider.address, model, stream=stream, as_task=as_task) == "hi"
    assert said(installed.view()) == [("user", "echo: hi"), ("assistant", "hi")]
    assert installed.recorder.stats[:3] == (1, 0, 0)


# --- their own callbacks -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("with_wire", [False, True], ids=["alone", "with the wire"])
@pytest.mark.parametrize(("api", "expected"), [("chat", AGENT), ("responses", WITHOUT_INSTRUCTIONS)])
def test_the_tracing_of_openai_agents(
    api: str, expected: list[str], with_wire: bool, provider: Provider, recorded: Recorded, no_export: Any
) -> None:
    no_export.add_trace_processor(recorders.openai_agents.Processor(recorded.recorder))
    if with_wire:
        recorders.install(recorded.recorder)
    try:
        ask_openai_agents(provider.address, api=api, workflow_name="The weather")
        view = recorded.view()
    finally:
        recorders.uninstall()
    assert outline(view) == (AGENT if with_wire else expected)
    assert (view.usage.input_tokens, view.usage.cache_read_tokens, view.usage.output_tokens) == (36, 24, 15)
    assert view.title == (None if with_wire else "The weather")


def test_a_group_of_traces_is_the_session(provider: Provider, recorded: Recorded, no_export: Any) -> None:
    no_export.add_trace_processor(recorders.openai_agents.Processor(recorded.recorder))
    ask_openai_agents(provider.address, api="chat", group_id="thread-7")
    assert recorded.view().session_id == "thread-7"


@pytest.mark.parametrize("with_wire", [False, True], ids=["alone", "with the wire"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_the_callbacks_of_langchain(stream: bool, with_wire: bool, provider: Provider, recorded: Recorded) -> None:
    pytest.importorskip("langchain_openai", reason=REASON)
    if with_wire:
        recorders.install(recorded.recorder)
    try:
        ask_langchain(provider.address, stream=stream, callbacks=[recorders.langchain.Handler(recorded.recorder)])
        view = recorded.view()
    finally:
        recorders.uninstall()
    assert outline(view) == AGENT
    assert (view.usage.input_tokens, view.usage.cache_read_tokens, view.usage.output_tokens) == (36, 24, 15)
    assert (view.model, view.provider) == ("gpt-5", "openai")


def test_a_thread_of_langgraphs_is_the_session(provider: Provider, recorded: Recorded) -> None:
    pytest.importorskip("langchain_openai", reason=REASON)
    handler = recorders.langchain.Handler(recorded.recorder)
    ask_langchain(provider.address, callbacks=[handler], metadata={"thread_id": "thread-7"})
    assert recorded.view().session_id == "thread-7"
    assert handler._runs == {}
