from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("google.adk.sessions", reason="google-adk is not installed: make adapters has it")

from google.adk.agents import LlmAgent
from google.adk.errors.already_exists_error import AlreadyExistsError
from google.adk.errors.session_not_found_error import SessionNotFoundError
from google.adk.events.event import Event
from google.adk.events.event_actions import EventActions, EventCompaction
from google.adk.models.base_llm import BaseLlm
from google.adk.models.llm_request import LlmRequest
from google.adk.models.llm_response import LlmResponse
from google.adk.runners import Runner
from google.adk.sessions.base_session_service import GetSessionConfig
from google.adk.sessions.in_memory_session_service import InMemorySessionService
from google.genai import types

from eventlog import EventLog
from projections import Catalog, to_messages
from projections.adapters.google_adk import EventLogSessionService, StaleSessionError, register

from .seen import HARD, counts, search, session_ids, texts, view

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
WHO: Any = {"app_name": "app", "user_id": "u1"}


@pytest.fixture
def service(log: EventLog) -> Iterator[EventLogSessionService]:
    made = EventLogSessionService(log)
    yield made
    asyncio.run(made.close())


def said(text: str, author: str = "user", **more: Any) -> Event:
    content = types.Content(role="user" if author == "user" else "model", parts=[types.Part(text=text)])
    return Event(author=author, invocation_id=more.pop("invocation_id", "i1"), content=content, **more)


class Scripted(BaseLlm):
    """Calls the tool, then answers."""

    async def generate_content_async(self, llm_request: LlmRequest, stream: bool = False) -> AsyncGenerator[LlmResponse, None]:
        last = llm_request.contents[-1].parts[-1]  # type: ignore[index,union-attr]
        usage = types.GenerateContentResponseUsageMetadata(prompt_token_count=20, cached_content_token_count=5, candidates_token_count=3)
        if last.function_response is None:
            call = types.Part(function_call=types.FunctionCall(name="weather", args={"city": "Oslo"}))
            yield LlmResponse(content=types.Content(role="model", parts=[call]), usage_metadata=usage)
        else:
            yield LlmResponse(content=types.Content(role="model", parts=[types.Part(text="Take the umbrella")]), usage_metadata=usage)


def weather(city: str) -> dict[str, str]:
    """The weather of a city."""
    return {"result": f"rain in {city}"}


def run(service: Any) -> list[Event]:
    async def once() -> list[Event]:
        agent = LlmAgent(name="guide", model=Scripted(model="scripted"), tools=[weather], output_key="answer")
        runner = Runner(app_name="app", agent=agent, session_service=service)
        await service.create_session(**WHO, session_id="s1")
        content = types.Content(role="user", parts=[types.Part(text="Do I need a coat?")])
        return [event async for event in runner.run_async(user_id="u1", session_id="s1", new_message=content)]

    return asyncio.run(once())


def test_a_run_is_seen_by_everything_that_looks(log: EventLog, service: EventLogSessionService) -> None:
    run(service)
    found = view(log)
    assert texts(found) == [
        ("user", "Do I need a coat?"),
        ("assistant", "[tool_call]"),
        ("tool", "[tool_call_response]"),
        ("assistant", "Take the umbrella"),
    ]
    (call,) = found.tool_calls
    assert (call.name, call.arguments, call.output) == ("weather", {"city": "Oslo"}, "rain in Oslo")
    assert (found.user_id, found.kind, found.metadata["app_name"]) == ("u1", "agent", "app")
    assert search(log, "umbrella") == [found.session_id]
    counted = counts(log)
    assert (counted["messages"]["user"], counted["messages"]["assistant"], counted["tool_calls"]) == (1, 2, 1)
    assert (counted["usage"]["input_tokens"], counted["usage"]["cache_read_tokens"], counted["usage"]["output_tokens"]) == (30, 10, 6)
    with Catalog.open(log) as catalog:
        assert catalog.find("google-adk/app/u1/s1").session_id == found.session_id


def test_a_run_leaves_what_it_leaves_in_memory(service: EventLogSessionService) -> None:
    left = []
    for each in (service, InMemorySessionService()):
        run(each)
        session: Any = asyncio.run(each.get_session(**WHO, session_id="s1"))
        differs = {"id", "timestamp", "invocation_id", "content", "long_running_tool_ids"}
        left.append((session.state, [event.model_dump(exclude=differs) for event in session.events]))
    assert left[0] == left[1]
    assert left[0][0] == {"answer": "Take the umbrella"}


def test_what_was_given_comes_back(service: EventLogSessionService) -> None:
    parts = [types.Part(text=HARD["half"] + HARD["nul"]), types.Part.from_bytes(data=b"\x00\xff\xfe", mime_type="image/png"),
             types.Part(function_call=types.FunctionCall(id="c", name="f", args={"a": [HARD["big"], None, HARD["half"]]}))]  # fmt: skip
    event = Event(
        author="guide",
        invocation_id="i",
        content=types.Content(role="model", parts=parts),
        actions=EventActions(state_delta={"hard": HARD, "none": None}, artifact_delta={"file": 0}),
        custom_metadata={"x": HARD["half"]},
        error_code="E",
        error_message="went wrong",
    )

    async def there_and_back() -> tuple[Any, Any]:
        session = await service.create_session(**WHO, state={"first": HARD})
        await service.append_event(session, event)
        return session, await service.get_session(**WHO, session_id=session.id)

    session, found = asyncio.run(there_and_back())
    assert found == session
    assert found.events == [event]
    assert found.state == {"first": HARD, "hard": HARD, "none": None}


def test_not_a_number_comes_back_as_one(service: EventLogSessionService) -> None:
    async def there_and_back() -> Any:
        session = await service.create_session(**WHO, state={"nan": float("nan")})
        await service.append_event(
            session,
            Event(author="a", invocation_id="i", actions=EventActions(state_delta={"other": float("nan")}), avg_logprobs=float("-inf")),
        )
        return await service.get_session(**WHO, session_id=session.id)

    found = asyncio.run(there_and_back())
    assert found.state["nan"] != found.state["nan"]
    assert found.state["other"] != found.state["other"]
    assert found.events[0].avg_logprobs == float("-inf")


def test_an_older_session_object_is_refused(service: EventLogSessionService) -> None:
    async def race() -> None:
        session = await service.create_session(**WHO, session_id="s")
        older: Any = await service.get_session(**WHO, session_id="s")
        await service.append_event(session, said("one"))
        with pytest.raises(StaleSessionError):
            await service.append_event(older, said("two"))
        await service.append_event(session, said("three"))
        newer: Any = await service.get_session(**WHO, session_id="s")
        await service.append_event(newer, said("four"))
        found: Any = await service.get_session(**WHO, session_id="s")
        assert [event.content.parts[0].text for event in found.events] == ["one", "three", "four"]
        assert found == newer

    asyncio.run(race())


def test_an_event_that_is_there_is_not_stored_again(service: EventLogSessionService) -> None:
    async def twice() -> int:
        session = await service.create_session(**WHO, session_id="s")
        event = said("one")
        await service.append_event(session, event)
        await service.append_event(session, event)
        other: Any = await service.get_session(**WHO, session_id="s")
        return len(other.events)

    assert asyncio.run(twice()) == 1


def test_a_session_is_created_once_and_a_padded_id_is_the_id(service: EventLogSessionService) -> None:
    async def twice() -> None:
        await service.create_session(**WHO, session_id=" s ")
        with pytest.raises(AlreadyExistsError):
            await service.create_session(**WHO, session_id="s")
        session: Any = await service.get_session(**WHO, session_id=" s")
        assert session.id == "s"
        await service.create_session(app_name="app", user_id="u2", session_id="s")
        await service.delete_session(**WHO, session_id=" s")
        await service.delete_session(**WHO, session_id="never")
        with pytest.raises(SessionNotFoundError):
            await service.append_event(session, said("x"))
        assert [(each.user_id, each.id) for each in (await service.list_sessions(app_name="app")).sessions] == [("u2", "s")]

    asyncio.run(twice())


def test_shared_state_is_shared_and_temporary_state_is_not_kept(log: EventLog, service: EventLogSessionService) -> None:
    async def share() -> None:
        one = await service.create_session(**WHO, session_id="s1", state={"app:a": 1, "user:u": 1, "own": 1})
        event = Event(author="x", invocation_id="i", actions=EventActions(state_delta={"app:a": 2, "user:v": [2], "temp:t": 3, "own": 2}))
        await service.append_event(one, event)
        assert one.state == {"app:a": 2, "user:u": 1, "user:v": [2], "temp:t": 3, "own": 2}
        two = await service.create_session(**WHO, session_id="s2")
        assert two.state == {"app:a": 2, "user:u": 1, "user:v": [2]}
        other = await service.create_session(app_name="app", user_id="u2", session_id="s1")
        assert other.state == {"app:a": 2}
        assert await service.get_user_state(**WHO) == {"u": 1, "v": [2]}
        got: Any = await service.get_session(**WHO, session_id="s1")
        assert got.state == {"app:a": 2, "user:u": 1, "user:v": [2], "own": 2}
        assert "temp:t" not in got.events[0].actions.state_delta
        got.state["user:v"].append(9)
        assert (await service.get_user_state(**WHO))["v"] == [2]
        await service.delete_session(**WHO, session_id="s1")
        again = await service.create_session(**WHO, session_id="s1")
        assert again.state == {"app:a": 2, "user:u": 1, "user:v": [2]}

    asyncio.run(share())
    with Catalog.open(log) as catalog:
        assert len(catalog.list(namespace="google-adk").items) == 3


def test_shared_state_that_a_crash_kept_from_being_written_is_written_when_the_session_is_read(
    service: EventLogSessionService, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def crash() -> Any:
        session = await service.create_session(**WHO, session_id="s")
        with monkeypatch.context() as patch:
            patch.setattr(service, "_share", lambda *_: None)
            await service.append_event(session, Event(author="x", invocation_id="i", actions=EventActions(state_delta={"user:k": "v"})))
        assert await service.get_user_state(**WHO) == {}
        found: Any = await service.get_session(**WHO, session_id="s")
        return found.state, await service.get_user_state(**WHO)

    assert asyncio.run(crash()) == ({"user:k": "v"}, {"k": "v"})


CONFIGS = [
    {"num_recent_events": 0},
    {"num_recent_events": 2},
    {"after_timestamp": 1003.0},
    {"after_timestamp": 5000.0},
    {"num_recent_events": 3, "after_timestamp": 1004.0},
]


@pytest.mark.parametrize("config", CONFIGS)
def test_only_the_events_that_were_asked_for_come(config: Any, service: EventLogSessionService) -> None:
    found = []
    for each in (service, InMemorySessionService()):

        async def some(each: Any = each) -> Any:
            session = await each.create_session(**WHO, session_id="s")
            for n in range(6):
                await each.append_event(session, said(str(n), timestamp=1000.0 + n))
            got = await each.get_session(**WHO, session_id="s", config=GetSessionConfig(**config))
            return [event.timestamp for event in got.events], got.last_update_time

        found.append(asyncio.run(some()))
    assert found[0] == found[1]


def test_a_rewind_takes_back_what_it_names_and_they_have_it_all(log: EventLog, service: EventLogSessionService) -> None:
    async def rewind() -> int:
        session = await service.create_session(**WHO, session_id="s")
        for n in (1, 2, 3):
            await service.append_event(session, said(f"ask {n}", invocation_id=f"i{n}"))
            await service.append_event(session, said(f"answer {n}", "guide", invocation_id=f"i{n}"))
        rewound = Event(author="user", invocation_id="i4", actions=EventActions(rewind_before_invocation_id="i2"))
        await service.append_event(session, rewound)
        await service.append_event(session, said("and now", invocation_id="i5"))
        found: Any = await service.get_session(**WHO, session_id="s")
        return len(found.events)

    assert asyncio.run(rewind()) == 8
    assert texts(view(log)) == [("user", "ask 1"), ("assistant", "answer 1"), ("user", "and now")]


def test_a_compaction_shrinks_what_the_model_sees(log: EventLog, service: EventLogSessionService) -> None:
    async def compact() -> None:
        session = await service.create_session(**WHO, session_id="s")
        for n in range(4):
            await service.append_event(session, said(f"say {n}", timestamp=1000.0 + n))
        summary = types.Content(role="model", parts=[types.Part(text="They said things")])
        compaction = EventCompaction(start_timestamp=1000.0, end_timestamp=1002.0, compacted_content=summary)
        await service.append_event(session, Event(author="user", invocation_id="c", actions=EventActions(compaction=compaction)))

    asyncio.run(compact())
    assert len(view(log).messages) == 4
    assert [message["content"] for message in to_messages(view(log))][-1] == "say 3"
    assert "They said things" in str(to_messages(view(log))[0]["content"])


def test_a_deleted_session_begins_anew_under_the_same_key(log: EventLog, service: EventLogSessionService) -> None:
    async def again() -> None:
        for text in ("first", "second", "third"):
            session = await service.create_session(**WHO, session_id="s", state={"n": text})
            await service.append_event(session, said(text))
            found: Any = await service.get_session(**WHO, session_id="s")
            assert ([event.content.parts[0].text for event in found.events], found.state) == ([text], {"n": text})
            await service.delete_session(**WHO, session_id="s")
            assert await service.get_session(**WHO, session_id="s") is None

    asyncio.run(again())
    assert len(session_ids(log)) == 3


def test_the_scheme_gives_a_service(tmp_path: Path) -> None:
    from google.adk.cli.service_registry import get_service_registry

    register()
    service: Any = get_service_registry().create_session_service(f"eventlog://{tmp_path}/s", agents_dir="x")
    assert isinstance(service, EventLogSessionService)
    asyncio.run(service.create_session(**WHO, session_id="s"))
    asyncio.run(service.close())
    assert (tmp_path / "s" / "store.json").exists()


WRITER = """
import asyncio, sys, warnings
warnings.simplefilter("ignore")
from google.adk.events.event import Event
from google.adk.events.event_actions import EventActions
from projections.adapters.google_adk import EventLogSessionService, StaleSessionError

async def main(path, name):
    service = EventLogSessionService(path, sync="never")
    who = {"app_name": "app", "user_id": "u", "session_id": "s"}
    for n in range(12):
        while True:
            session = await service.get_session(**who)
            delta = {"count": session.state.get("count", 0) + 1, f"app:{name}": n}
            try:
                await service.append_event(session, Event(author=name, invocation_id=str(n), actions=EventActions(state_delta=delta)))
                break
            except StaleSessionError:
                pass

asyncio.run(main(*sys.argv[1:]))
"""


def test_three_processes_count_together(tmp_path: Path) -> None:
    """Each reads a number and adds one: none is lost only if every stale one was refused."""
    service = EventLogSessionService(tmp_path / "s", sync="never")
    asyncio.run(service.create_session(app_name="app", user_id="u", session_id="s"))
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path / "s"), name]) for name in "abc"]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    found: Any = asyncio.run(service.get_session(app_name="app", user_id="u", session_id="s"))
    assert (found.state["count"], len(found.events)) == (36, 36)
    assert {name: found.state[f"app:{name}"] for name in "abc"} == {"a": 11, "b": 11, "c": 11}
    asyncio.run(service.close())
