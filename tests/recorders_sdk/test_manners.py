"""What a program must not notice: its objects, its errors, the end of its streams. And what the log says of each of them."""

from __future__ import annotations

import asyncio
import copy
import gc
import pickle
from typing import Any

import httpx
import openai
import pytest

from eventlog import recorders
from eventlog.events import ErrorLogged, MessageAdded
from eventlog.recorders import installing

from .provider import Provider
from .recorded import Recorded, anthropic_client, async_openai_client, openai_client, said


def ask(address: str, text: str, **more: Any) -> Any:
    return openai_client(address).chat.completions.create(model="gpt-5", messages=[{"role": "user", "content": text}], **more)


def texts(stream: Any) -> list[str]:
    return [chunk.choices[0].delta.content for chunk in stream if chunk.choices and chunk.choices[0].delta.content]


@pytest.mark.parametrize("text", ["status 400", "status 401", "status 429", "status 500", "html", "cut json", "nothing"])
def test_what_goes_wrong_goes_wrong_as_without_us(text: str, provider: Provider, request: pytest.FixtureRequest) -> None:
    def outcome() -> tuple[str, str]:
        try:
            return type(made := ask(provider.address, text)).__name__, str(made)
        except Exception as error:
            return type(error).__name__, str(error)

    bare = outcome()
    installed = request.getfixturevalue("installed")
    assert outcome() == bare
    view = installed.view()
    assert said(view) == [("user", text)]
    assert len(installed.events(ErrorLogged.type)) == 1


def test_a_client_that_tries_again_is_one_question_with_its_errors(provider: Provider, installed: Recorded) -> None:
    client = openai_client(provider.address, max_retries=3)
    client.chat.completions.create(model="gpt-5", messages=[{"role": "user", "content": "flaky"}])
    assert [role for role, _ in said(installed.view())] == ["user", "assistant"]
    assert [error.details.get("retry") for error in installed.events(ErrorLogged.type)] == [0, 1]


def test_a_server_that_is_not_there(installed: Recorded) -> None:
    with pytest.raises(openai.APIConnectionError):
        ask("http://127.0.0.1:9", "q")
    (error,) = installed.events(ErrorLogged.type)
    assert error.kind == "ConnectError"


@pytest.mark.parametrize("how", ["comments", "crlf", "bytewise", "gzip"])
def test_the_chunks_are_those_of_the_bare_sdk(how: str, provider: Provider, request: pytest.FixtureRequest) -> None:
    bare = texts(ask(provider.address, how, stream=True))
    installed = request.getfixturevalue("installed")
    stream = ask(provider.address, how, stream=True)
    assert type(stream) is openai.Stream
    assert texts(stream) == bare
    assert said(installed.view())[-1] == ("assistant", "".join(bare))


def test_parallel_calls_whose_arguments_come_interleaved(provider: Provider, installed: Recorded) -> None:
    list(ask(provider.address, "tools", stream=True))
    calls = installed.view().tool_calls
    assert [(call.name, call.arguments) for call in calls] == [("weather", {"city": "city 0"}), ("weather", {"city": "city 1"})]


def test_a_stream_that_is_closed_early_is_a_partial_answer(provider: Provider, installed: Recorded) -> None:
    with ask(provider.address, "slow", stream=True) as stream:
        for _, chunk in zip(range(4), stream, strict=False):
            assert chunk
    answer = installed.events(MessageAdded.type)[-1]
    assert (answer.interrupted, bool(answer.content)) == ("closed", True)


def test_a_stream_that_is_dropped_is_a_partial_answer(provider: Provider, installed: Recorded) -> None:
    for number, _ in enumerate(ask(provider.address, "slow", stream=True)):
        if number == 3:
            break
    gc.collect()
    assert installed.events(MessageAdded.type)[-1].interrupted in ("closed", "dropped")


@pytest.mark.parametrize(("how", "interrupted"), [("cut", "error"), ("midway", "error")])
def test_a_stream_that_breaks(how: str, interrupted: str, provider: Provider, request: pytest.FixtureRequest) -> None:
    def outcome() -> tuple[str, str]:
        with pytest.raises(Exception) as caught:  # noqa: PT011
            texts(ask(provider.address, how, stream=True))
        return type(caught.value).__name__, str(caught.value)

    bare = outcome()
    installed = request.getfixturevalue("installed")
    assert outcome() == bare
    assert installed.events(MessageAdded.type)[-1].interrupted == interrupted
    assert len(installed.events(ErrorLogged.type)) == 1


def test_a_task_that_is_cancelled_keeps_what_came(provider: Provider, installed: Recorded) -> None:
    async def run() -> None:
        async with async_openai_client(provider.address) as client:

            async def read() -> None:
                messages: Any = [{"role": "user", "content": "stall"}]
                async for chunk in await client.chat.completions.create(model="gpt-5", messages=messages, stream=True):
                    if chunk.choices and chunk.choices[0].delta.content:
                        came.set()

            came = asyncio.Event()
            task = asyncio.create_task(read())
            await came.wait()
            await asyncio.sleep(0.05)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(run())
    answer = installed.events(MessageAdded.type)[-1]
    assert answer.interrupted in ("cancelled", "closed")
    assert answer.content


def test_a_response_that_nobody_reads_is_recorded_as_closed(provider: Provider, installed: Recorded) -> None:
    create = openai_client(provider.address).chat.completions.with_streaming_response.create
    with create(model="gpt-5", messages=[{"role": "user", "content": "q"}], stream=True):
        pass
    (error,) = installed.events(ErrorLogged.type)
    assert (error.kind, error.message) == ("closed", "the response was not read")


def test_a_streamed_response_is_printed_pickled_and_copied_as_what_it_is(provider: Provider, installed: Recorded) -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "q"}]}
    with httpx.Client() as client, client.stream("POST", f"{provider.address}/v1/chat/completions", json=body) as response:
        assert isinstance(response, httpx.Response)
        assert (type(response).__name__, repr(response)) == ("Response", "<Response [200 OK]>")
        response.read()
        for made in (pickle.loads(pickle.dumps(response)), copy.copy(response)):
            assert type(made) is httpx.Response
            assert made.content == response.content
    assert len(said(installed.view())) == 2


def test_our_header_names_the_session_and_is_not_sent(provider: Provider, installed: Recorded) -> None:
    for _ in range(2):
        ask(provider.address, "q", extra_headers={"x-eventlog-session": "given-by-header"})
    assert installed.view().session_id == "given-by-header"
    assert not [got for got in provider.requests if "x-eventlog-session" in got.headers]


def test_chat_services_are_not_models(provider: Provider, installed: Recorded) -> None:
    with httpx.Client() as client:
        answer = client.post(f"{provider.address}/channels/7/messages", json={"content": "hello", "model": "x"})
    assert answer.json()["content"] == "hello"
    assert installed.views() == []
    assert installed.recorder.stats == (0, 0, 0, None)


def test_no_header_and_no_query_is_recorded(provider: Provider, installed: Recorded) -> None:
    ask(provider.address, "q", extra_query={"key": "in-the-query"}, extra_headers={"x-mine": "in-a-header"})
    anthropic_client(provider.address).messages.create(model="c", max_tokens=1, messages=[{"role": "user", "content": "r"}])
    installed.views()
    for session_id in installed.log.session_ids():
        with installed.log.session(session_id) as session:
            raw = b"".join(stored.raw for stored in session.read())
        assert not [text for text in (b"in-the-query", b"in-a-header", b"secret-of-the-test") if text in raw]


def test_afterwards_the_attributes_are_the_originals(provider: Provider) -> None:
    before = [vars(cls)["send"] for cls in (httpx.Client, httpx.AsyncClient)]
    recorders.install()
    recorders.install()
    assert vars(httpx.Client)["send"] is not before[0]
    recorders.uninstall()
    assert [vars(cls)["send"] for cls in (httpx.Client, httpx.AsyncClient)] == before
    assert installing._put == []


def test_one_client_only(provider: Provider, installed: Recorded) -> None:
    recorders.uninstall()
    mine, other = openai_client(provider.address), openai_client(provider.address)
    with recorders.Recorder(installed.log) as recorder:
        assert recorders.record(mine, recorder) is mine
        for client in (mine, other):
            client.chat.completions.create(model="gpt-5", messages=[{"role": "user", "content": "q"}])
        assert recorder.flush(20)
        assert recorder.stats[:3] == (1, 0, 0)
    with pytest.raises(TypeError, match="no HTTP client"):
        recorders.record(object(), recorder)
    recorders.uninstall()


def test_no_response_is_kept_alive(provider: Provider, installed: Recorded) -> None:
    for number in range(30):
        stream = ask(provider.address, f"q{number}", stream=True)
        next(iter(stream))
        del stream
    gc.collect()
    assert installed.recorder.flush(20)
    alive = [each for each in gc.get_objects() if isinstance(each, httpx.Response) and "_eventlog_call" in each.__dict__]
    assert alive == []
    assert installed.recorder.stats.pending == 0
