"""What a test asks about what was recorded, and the clients that it calls."""

from __future__ import annotations

from typing import Any, NamedTuple

from eventlog import EventLog
from eventlog.recorders import Recorder
from projections import SessionView, replay


class Recorded(NamedTuple):
    log: EventLog
    recorder: Recorder

    def views(self) -> list[SessionView]:
        assert self.recorder.flush(20)
        assert self.recorder.stats.last_error is None
        found = []
        for session_id in self.log.session_ids():
            with self.log.session(session_id) as session:
                found.append(replay(session.read(), SessionView))
        return sorted(found, key=lambda view: (view.started_at, view.session_id))

    def view(self) -> SessionView:
        (view,) = self.views()
        return view

    def events(self, *types: str) -> list[Any]:
        with self.log.session(self.view().session_id) as session:
            return [stored.event for stored in session.read(types=types or None)]


def said(view: SessionView) -> list[tuple[str, str]]:
    return [
        (message.role, "".join(part["content"] for part in message.parts if part["type"] == "text"))
        for message in view.messages
        if not message.exclude_from_context
    ]


_made: list[Any] = []


def close_clients() -> None:
    """Close what the test has made, so that no socket is left to the garbage collector."""
    while _made:
        _made.pop().close()


def openai_client(address: str, **more: Any) -> Any:
    import openai

    _made.append(openai.OpenAI(base_url=f"{address}/v1", api_key="sk-secret-of-the-test-0123456789", **({"max_retries": 0} | more)))
    return _made[-1]


def async_openai_client(address: str, **more: Any) -> Any:
    """To be used with ``async with``."""
    import openai

    return openai.AsyncOpenAI(base_url=f"{address}/v1", api_key="sk-secret-of-the-test-0123456789", **({"max_retries": 0} | more))


def anthropic_client(address: str, **more: Any) -> Any:
    import anthropic

    _made.append(anthropic.Anthropic(base_url=address, api_key="sk-ant-secret-of-the-test-01234", **({"max_retries": 0} | more)))
    return _made[-1]


def gemini_client(address: str) -> Any:
    from google import genai

    _made.append(genai.Client(api_key="AIza-secret-of-the-test", http_options={"base_url": address}))
    return _made[-1]


def ollama_client(address: str) -> Any:
    import ollama

    client = ollama.Client(host=address)
    _made.append(client._client)
    return client
