"""Each SDK, as programs use it: what they get is what they get without us, and the log has it once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from .provider import Provider
from .recorded import Recorded, anthropic_client, async_openai_client, gemini_client, ollama_client, openai_client, said

TEXT = "Grüße, 世界!\u2028 The answer."
ASKED = [{"role": "user", "content": "hello"}]


def chat(address: str) -> str:
    return str(openai_client(address).chat.completions.create(model="gpt-5", messages=ASKED).choices[0].message.content)


def chat_streamed(address: str) -> str:
    stream = openai_client(address).chat.completions.create(
        model="gpt-5", messages=ASKED, stream=True, stream_options={"include_usage": True}
    )
    return "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)


def chat_async(address: str) -> str:
    async def run() -> str:
        async with async_openai_client(address) as client:
            made = await client.chat.completions.create(model="gpt-5", messages=ASKED)
            return str(made.choices[0].message.content)

    return asyncio.run(run())


def chat_async_streamed(address: str) -> str:
    async def run() -> str:
        async with async_openai_client(address) as client:
            options = {"include_usage": True}
            stream = await client.chat.completions.create(model="gpt-5", messages=ASKED, stream=True, stream_options=options)
            return "".join([chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices])

    return asyncio.run(run())


def chat_helper(address: str) -> str:
    with openai_client(address).chat.completions.stream(model="gpt-5", messages=ASKED, stream_options={"include_usage": True}) as stream:
        return str(stream.get_final_completion().choices[0].message.content)


def chat_raw(address: str) -> str:
    raw = openai_client(address).chat.completions.with_raw_response.create(model="gpt-5", messages=ASKED)
    assert raw.headers["x-request-id"]
    return str(raw.parse().choices[0].message.content)


def chat_streaming_response(address: str) -> str:
    import json

    create = openai_client(address).chat.completions.with_streaming_response.create
    with create(model="gpt-5", messages=ASKED) as response:
        return str(json.loads("".join(response.iter_lines()))["choices"][0]["message"]["content"])


def responses(address: str) -> str:
    return str(openai_client(address).responses.create(model="gpt-5", input="hello").output_text)


def responses_streamed(address: str) -> str:
    stream = openai_client(address).responses.create(model="gpt-5", input="hello", stream=True)
    return "".join(event.delta for event in stream if event.type == "response.output_text.delta")


def messages(address: str) -> str:
    return str(anthropic_client(address).messages.create(model="claude-5", max_tokens=9, messages=ASKED).content[0].text)


def messages_streamed(address: str) -> str:
    with anthropic_client(address).messages.stream(model="claude-5", max_tokens=9, messages=ASKED) as stream:
        return "".join(stream.text_stream)


def gemini(address: str) -> str:
    client = gemini_client(address)
    return str(client.models.generate_content(model="gemini-x", contents="hello").text)


def gemini_streamed(address: str) -> str:
    client = gemini_client(address)
    stream = client.models.generate_content_stream(model="gemini-x", contents="hello")
    return "".join(chunk.text or "" for chunk in stream)


def gemini_async(address: str) -> str:
    async def run() -> str:
        client = gemini_client(address)
        try:
            return str((await client.aio.models.generate_content(model="gemini-x", contents="hello")).text)
        finally:
            await client.aio.aclose()

    return asyncio.run(run())


def gemini_async_streamed(address: str) -> str:
    async def run() -> str:
        client = gemini_client(address)
        try:
            stream = await client.aio.models.generate_content_stream(model="gemini-x", contents="hello")
            return "".join([chunk.text or "" async for chunk in stream])
        finally:
            await client.aio.aclose()

    return asyncio.run(run())


def ollama(address: str) -> str:
    return str(ollama_client(address).chat(model="llama", messages=ASKED).message.content)


def ollama_streamed(address: str) -> str:
    return "".join(part.message.content or "" for part in ollama_client(address).chat(model="llama", messages=ASKED, stream=True))


WAYS: list[Any] = [
    *(chat, chat_streamed, chat_async, chat_async_streamed, chat_helper, chat_raw, chat_streaming_response),
    *(responses, responses_streamed, messages, messages_streamed, gemini, gemini_streamed, gemini_async, gemini_async_streamed),
    *(ollama, ollama_streamed),
]


@pytest.mark.parametrize("way", WAYS, ids=[way.__name__ for way in WAYS])
def test_every_way_to_ask_is_recorded_once_with_its_usage(way: Any, provider: Provider, installed: Recorded) -> None:
    assert way(provider.address) == TEXT
    view = installed.view()
    assert said(view) == [("user", "hello"), ("assistant", TEXT)]
    assert (view.usage.input_tokens, view.usage.output_tokens) == ((20, 5) if way.__name__.startswith("ollama") else (12, 5))
    assert installed.recorder.stats[:3] == (1, 0, 0)


@pytest.mark.parametrize("way", WAYS, ids=[way.__name__ for way in WAYS])
def test_what_goes_over_the_wire_is_the_same_with_and_without_us(way: Any, provider: Provider, request: pytest.FixtureRequest) -> None:
    way(provider.address)
    request.getfixturevalue("installed")
    way(provider.address)
    bare, recorded = provider.requests
    assert bare == recorded
