"""A program that calls models, without a network: it hands the recorder what a hook would."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from eventlog import EventLog
from eventlog.recorders import Recorder
from eventlog.recorders.calls import COMPLETE, Call, Request
from eventlog.recorders.context import current
from projections import SessionView, replay


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def assistant(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": text}


class Program:
    """Calls are OpenAI's chat unless a path says otherwise."""

    def __init__(self, log: EventLog, **options: Any) -> None:
        self.log = log
        self.recorder = Recorder(log, **options)
        self._count = 0

    def begin(
        self, messages: list[dict[str, Any]] | None, path: str = "/v1/chat/completions", host: str = "api.openai.com", **body: Any
    ) -> Call:
        asked = {"model": "gpt-5", "messages": messages} | body
        made = self.recorder.begun(Request(path, host, json.dumps({k: v for k, v in asked.items() if v is not None}).encode()), current())
        assert made is not None
        return made

    def answer(self, call: Call, text: str | dict[str, Any] = "yes", **more: Any) -> None:
        self._count += 1
        message = assistant(text) if isinstance(text, str) else {"role": "assistant", **text}
        body = {
            "id": f"r{self._count}",
            "object": "chat.completion",
            "model": "gpt-5",
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 10, "completion_tokens": 2},
        } | more
        self.raw_answer(call, json.dumps(body).encode())

    def raw_answer(self, call: Call, body: bytes, status: int = 200) -> None:
        call.status = status
        call.take(body)
        call.end(COMPLETE)

    def broken(self, call: Call, *pieces: str, outcome: str = "closed", error: BaseException | None = None) -> None:
        """The stream says this much, then it ends."""
        self._count += 1
        call.status, call.is_stream = 200, True
        for piece in pieces:
            chunk = {"id": f"r{self._count}", "object": "chat.completion.chunk", "model": "gpt-5"}
            chunk["choices"] = [{"index": 0, "delta": {"content": piece}}]
            call.take(b"data: " + json.dumps(chunk).encode() + b"\n\n")
        call.end(outcome, error)

    def chat(self, messages: list[dict[str, Any]], text: str | dict[str, Any] = "yes", **body: Any) -> None:
        self.answer(self.begin(messages, **body), text)

    def flush(self) -> None:
        assert self.recorder.flush(20)

    def views(self) -> list[SessionView]:
        """The sessions, in the order in which they began."""
        self.flush()
        found = []
        for session_id in self.log.session_ids():
            with self.log.session(session_id) as session:
                found.append(replay(session.read(), SessionView))
        return sorted(found, key=lambda view: (view.started_at, view.session_id))

    def view(self) -> SessionView:
        (view,) = self.views()
        return view


@contextmanager
def program(log: EventLog | None = None, **options: Any) -> Iterator[Program]:
    made = Program(log or EventLog.memory(), **options)
    try:
        yield made
    finally:
        made.recorder.close()


def said(view: SessionView) -> list[tuple[str, str]]:
    """What each message says, as (role, text), those that the model does not see left out."""
    return [
        (message.role, "".join(part["content"] for part in message.parts if part["type"] == "text"))
        for message in view.messages
        if not message.exclude_from_context
    ]


def events(log: EventLog, session_id: str, *types: str) -> list[Any]:
    with log.session(session_id) as session:
        return [stored.event for stored in session.read(types=types or None)]
