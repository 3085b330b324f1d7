"""Bare and recorded: the same script gives objects of the same types that say the same, the same errors, the same chunks. And what the
SDKs' ways of asking leave in the log.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pydantic
import pytest

from eventlog import EventLog, recorders
from eventlog.events import ErrorLogged, MessageAdded, UsageRecorded
from projections import SessionView, replay

from .provider import Provider
from .recorded import Recorded, anthropic_client, async_openai_client, gemini_client, ollama_client, openai_client, said

pytestmark = pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")
ASKED: Any = [{"role": "user", "content": "hello"}]
TEXT = "Grüße, 世界!\u2028 The answer."


class Animal(pydantic.BaseModel):
    name: str


def shown(value: Any) -> Any:
    """The type and what it says, without what differs from run to run."""
    said = repr(value)
    for each in ("chatcmpl-", "resp_", "msg_", "call_", "req-"):
        while (at := said.find(each)) >= 0:
            end = at + len(each)
            while end < len(said) and (said[end].isalnum() or said[end] == "_"):
                end += 1
            said = f"{said[:at]}<id>{said[end:]}"
    return type(value).__module__, type(value).__qualname__, said if "object at 0x" not in said else None


def openai_whole(address: str) -> list[Any]:
    client = openai_client(address)
    made = client.chat.completions.create(model="gpt-5", messages=ASKED)
    parsed = client.chat.completions.parse(
        model="gpt-5", messages=[{"role": "user", "content": 'echo: {"name": "cat"}'}], response_format=Animal
    )
    return [made, parsed, parsed.choices[0].message.parsed, client.responses.create(model="gpt-5", input="think")]


def openai_raw(address: str) -> list[Any]:
    client = openai_client(address)
    raw = client.chat.completions.with_raw_response.create(model="gpt-5", messages=ASKED)
    raw_stream = client.chat.completions.with_raw_response.create(model="gpt-5", messages=ASKED, stream=True)
    stream = raw_stream.parse()
    return [type(raw), raw.parse(), raw.status_code, type(raw_stream), type(stream), *stream]


def openai_streams(address: str) -> list[Any]:
    client = openai_client(address)
    stream = client.chat.completions.create(model="gpt-5", messages=ASKED, stream=True)
    found = [type(stream), type(stream.response).__name__, isinstance(stream.response, httpx.Response), *stream]
    with client.chat.completions.stream(model="gpt-5", messages=ASKED) as helper:
        found += [type(helper), *[event.type for event in helper], helper.get_final_completion()]
    with client.responses.stream(model="gpt-5", input="hello") as responses:
        found += [type(responses), *[event.type for event in responses], responses.get_final_response()]
    return found


def openai_async(address: str) -> list[Any]:
    async def run() -> list[Any]:
        async with async_openai_client(address) as client:
            stream = await client.chat.completions.create(model="gpt-5", messages=ASKED, stream=True)
            found = [type(stream), *[chunk async for chunk in stream]]
            async with client.chat.completions.stream(model="gpt-5", messages=ASKED) as helper:
                found += [type(helper), *[event.type async for event in helper], await helper.get_final_completion()]
            raw = await client.chat.completions.with_raw_response.create(model="gpt-5", messages=ASKED)
            async with client.chat.completions.with_streaming_response.create(model="gpt-5", messages=ASKED) as response:
                found += [type(raw), raw.parse(), type(response), [line async for line in response.iter_lines()]]
            return found

    return asyncio.run(run())


def anthropic_all(address: str) -> list[Any]:
    client = anthropic_client(address)
    asked: Any = {"model": "claude-5", "max_tokens": 9, "messages": ASKED}
    stream = client.messages.create(**asked, stream=True)
    found = [client.messages.create(**asked), type(stream), *stream]
    with client.messages.stream(**asked) as helper:
        found += [type(helper), *helper, helper.get_final_message()]
    return found


def gemini_all(address: str) -> list[Any]:
    client = gemini_client(address)
    asked: Any = {"model": "gemini-x", "contents": "hello"}
    made = client.models.generate_content(**asked)
    stream = client.models.generate_content_stream(**asked)
    return [type(made), made.text, made.usage_metadata, type(stream), *[chunk.text for chunk in stream]]


def ollama_all(address: str) -> list[Any]:
    client = ollama_client(address)
    stream = client.chat(model="llama", messages=ASKED, stream=True)
    return [client.chat(model="llama", messages=ASKED), type(stream), *stream]


def failing(address: str) -> list[Any]:
    found: list[Any] = []
    for text in ("status 400", "status 401", "status 404", "status 429", "status 500", "html", "cut json", "nothing", "cut", "midway"):
        for stream in (False, True):
            try:
                made: Any = openai_client(address).chat.completions.create(
                    model="gpt-5", messages=[{"role": "user", "content": text}], stream=stream
                )
                found.append([shown(each) for each in made] if stream else made)
            except Exception as error:
                found.append((type(error), str(error), getattr(error, "body", None), type(error.__cause__), type(error.__context__)))
    return found


SCRIPTS = [openai_whole, openai_raw, openai_streams, openai_async, anthropic_all, gemini_all, ollama_all, failing]


@pytest.mark.parametrize("script", SCRIPTS, ids=[script.__name__ for script in SCRIPTS])
def test_bare_and_recorded_are_the_same(script: Any, provider: Provider, request: pytest.FixtureRequest) -> None:
    bare = [shown(each) for each in script(provider.address)]
    count = len(provider.requests)
    installed = request.getfixturevalue("installed")
    assert [shown(each) for each in script(provider.address)] == bare
    assert provider.requests[:count] == provider.requests[count:]  # and the same bytes were sent, in the same order
    installed.views()
    assert installed.recorder.stats[:3] == (count, 0, 0)


@pytest.mark.parametrize("form", ["object", "model_dump", "text", "spaces", "parts"])
def test_an_answer_that_is_sent_back_in_any_form_is_the_answer(form: str, provider: Provider, installed: Recorded) -> None:
    client = openai_client(provider.address)
    made = client.chat.completions.create(model="gpt-5", messages=ASKED).choices[0].message
    back: Any = {
        "object": made,
        "model_dump": made.model_dump(),
        "text": {"role": "assistant", "content": made.content},
        "spaces": {"role": "assistant", "content": f"  {made.content}\n"},
        "parts": {"role": "assistant", "content": [{"type": "text", "text": made.content}]},
    }[form]
    client.chat.completions.create(model="gpt-5", messages=[*ASKED, back, {"role": "user", "content": "echo: end"}])
    assert said(installed.view()) == [("user", "hello"), ("assistant", TEXT), ("user", "echo: end"), ("assistant", "end")]


def test_a_stream_that_states_no_usage_has_none_and_nothing_is_asked_for_it(provider: Provider, installed: Recorded) -> None:
    client = openai_client(provider.address)
    for options in ({}, {"stream_options": {"include_usage": True}}):
        list(client.chat.completions.create(model="gpt-5", messages=ASKED, stream=True, **options))
    assert b"include_usage" not in provider.requests[0].body
    first, second = installed.views()
    assert (first.usage.output_tokens, second.usage.output_tokens) == (0, 5)
    with installed.log.session(first.session_id) as session:
        assert list(session.read(types=(UsageRecorded.type,))) == []


def test_a_structured_answer_has_its_schema_in_the_settings(provider: Provider, installed: Recorded) -> None:
    made = openai_client(provider.address).chat.completions.parse(
        model="gpt-5", messages=[{"role": "user", "content": 'echo: {"name": "cat"}'}], response_format=Animal
    )
    assert made.choices[0].message.parsed == Animal(name="cat")
    view = installed.view()
    assert view.settings["response_format"]["json_schema"]["name"] == "Animal"
    assert said(view)[-1] == ("assistant", '{"name": "cat"}')


def test_a_refusal_by_the_server_is_its_status_and_its_body_and_the_question_stays(provider: Provider, installed: Recorded) -> None:
    with pytest.raises(openai.RateLimitError):
        openai_client(provider.address).chat.completions.create(model="gpt-5", messages=[{"role": "user", "content": "status 429"}])
    assert said(installed.view()) == [("user", "status 429")]
    (error,) = installed.events(ErrorLogged.type)
    assert (error.kind, error.details["status"], error.details["body"]["error"]["type"]) == ("http", 429, "refused")


@pytest.fixture
def silent() -> Iterator[str]:
    """A server that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize(("scheme", "kind"), [("http", "ReadTimeout"), ("https", "ConnectError")])
def test_a_server_that_does_not_answer_is_an_error_of_the_exceptions_name(
    scheme: str, kind: str, provider: Provider, silent: str, installed: Recorded
) -> None:
    address = silent if scheme == "http" else provider.address.replace("http:", "https:")
    client = openai_client(address, timeout=httpx.Timeout(0.3, connect=10))
    with pytest.raises(openai.APIConnectionError):
        client.chat.completions.create(model="gpt-5", messages=ASKED)
    (error,) = installed.events(ErrorLogged.type)
    assert error.kind == kind
    assert said(installed.view()) == [("user", "hello")]


def test_a_client_that_was_made_before_is_recorded_too(provider: Provider, request: pytest.FixtureRequest) -> None:
    client = openai_client(provider.address)
    installed = request.getfixturevalue("installed")
    client.chat.completions.create(model="gpt-5", messages=ASKED)
    assert len(installed.view().messages) == 2


def test_what_programs_test_with_works_as_before_and_is_recorded(installed: Recorded) -> None:
    body = {"id": "r1", "object": "chat.completion", "created": 1, "model": "m", "choices": []}
    body["choices"] = [{"index": 0, "message": {"role": "assistant", "content": "mocked"}, "finish_reason": "stop"}]
    with httpx.Client(transport=httpx.MockTransport(lambda request: httpx.Response(200, json=body))) as http:
        client = openai.OpenAI(api_key="k", base_url="http://nowhere.test/v1", http_client=http)
        made = client.chat.completions.create(model="m", messages=ASKED)
    assert made.choices[0].message.content == "mocked"
    assert said(installed.view()) == [("user", "hello"), ("assistant", "mocked")]


def test_a_task_may_pause_while_another_is_recorded(provider: Provider, installed: Recorded) -> None:
    async def run() -> None:
        async with async_openai_client(provider.address) as client:

            async def ask(text: str) -> None:
                await client.chat.completions.create(model="gpt-5", messages=[{"role": "user", "content": text}])

            async def ask_unseen() -> None:
                with recorders.paused():
                    await ask("echo: unseen")

            await asyncio.gather(ask("echo: seen"), ask_unseen())

    asyncio.run(run())
    assert said(installed.view()) == [("user", "echo: seen"), ("assistant", "seen")]
    assert len(provider.requests) == 2


def test_a_stream_over_a_client_whose_transport_is_aiohttp_is_one_call(provider: Provider, installed: Recorded) -> None:
    pytest.importorskip("httpx_aiohttp", reason="openai[aiohttp] brings it")

    async def run() -> str:
        async with async_openai_client(provider.address, http_client=openai.DefaultAioHttpClient()) as client:
            stream = await client.chat.completions.create(model="gpt-5", messages=ASKED, stream=True)
            return "".join([chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices])

    assert asyncio.run(run()) == TEXT
    assert said(installed.view()) == [("user", "hello"), ("assistant", TEXT)]


STALLED = """
import os, sys, openai
from eventlog import EventLog, recorders
recorders.install(EventLog.open(sys.argv[1]), delta_interval_ms=1)
client = openai.OpenAI(base_url=sys.argv[2] + "/v1", api_key="k")
for chunk in client.chat.completions.create(model="gpt-5", messages=[{"role": "user", "content": "stall"}], stream=True):
    print("came", flush=True)
"""


def test_a_program_that_is_killed_in_a_stalled_stream_leaves_the_question_and_what_came(provider: Provider, tmp_path: Path) -> None:
    command = [sys.executable, "-W", "ignore", "-c", STALLED, str(tmp_path / "store"), provider.address]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=root, env={**os.environ, "PYTHONPATH": str(root)}) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == b"came\n"
        deadline = time.monotonic() + 30
        while b"message.delta" not in _stored(tmp_path / "store"):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        program.send_signal(signal.SIGKILL)
    with EventLog.open(tmp_path / "store", create=False) as log:
        (view,) = [replay(log.session(each).read(), SessionView) for each in log.session_ids()]
    assert [message.role for message in view.messages] == ["user", "assistant"]
    assert TEXT.startswith(view.messages[1].parts[0]["content"])
    assert view.messages[1].partial


def _stored(store: Path) -> bytes:
    return b"".join(path.read_bytes() for path in store.glob("sessions/*/*.jsonl"))


def test_nothing_is_printed_when_streams_are_dropped_in_a_cycle(
    provider: Provider, installed: Recorded, capfd: pytest.CaptureFixture[str]
) -> None:
    import gc

    for _ in range(5):
        stream = iter(openai_client(provider.address).chat.completions.create(model="gpt-5", messages=ASKED, stream=True))
        next(stream)
        cycle: list[Any] = [stream]
        cycle.append(cycle)
        del stream, cycle
        gc.collect()
    ended = [each.interrupted for view in installed.views() for each in _answers(installed, view)]
    assert len(ended) == 5
    assert set(ended) <= {"closed", "dropped"}
    assert capfd.readouterr().err == ""


def _answers(installed: Recorded, view: SessionView) -> list[Any]:
    with installed.log.session(view.session_id) as session:
        return [stored.event for stored in session.read(types=(MessageAdded.type,)) if stored.event.role == "assistant"]  # type: ignore[union-attr]
