"""OTLP's requests as they come, good and bad; and the application that a server mounts. With exporters: tests/recorders_sdk."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Iterator
from typing import Any

import pytest

from eventlog import EventLog
from eventlog.recorders import Recorder
from eventlog.recorders.otlp import Receiver
from projections import SessionView, replay

START = 1_790_000_000_000_000_000


def attribute(name: str, value: Any) -> dict[str, Any]:
    kind = "intValue" if isinstance(value, int) else "stringValue"
    return {"key": name, "value": {kind: str(value)}}


def span(text: str = "hello", answer: str = "hi", **fields: Any) -> dict[str, Any]:
    said = [{"role": "user", "parts": [{"type": "text", "content": text}]}]
    told = [{"role": "assistant", "parts": [{"type": "text", "content": answer}], "finish_reason": "stop"}]
    attributes = [
        attribute("gen_ai.operation.name", "chat"),
        attribute("gen_ai.request.model", "m"),
        attribute("gen_ai.input.messages", json.dumps(said)),
        attribute("gen_ai.output.messages", json.dumps(told)),
        attribute("gen_ai.usage.input_tokens", 10),
        attribute("gen_ai.usage.output_tokens", 2),
    ]
    return {"name": "chat", "startTimeUnixNano": str(START), "endTimeUnixNano": str(START + 10**9), "attributes": attributes, **fields}


def request(*spans: Any, service: str | None = None) -> bytes:
    resource = {"attributes": [attribute("service.name", service)] if service else []}
    return json.dumps({"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": list(spans)}]}]}).encode()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with EventLog.memory() as log, Recorder(log) as recorder:
        made = Receiver(recorder, max_body_bytes=100_000)
        made.log = log  # type: ignore[attr-defined]
        yield made


def views(receiver: Receiver) -> list[SessionView]:
    assert receiver.recorder.flush(20)
    log: EventLog = receiver.log  # type: ignore[attr-defined]
    return [replay(log.session(each).read(), SessionView) for each in sorted(log.session_ids())]


def test_a_span_is_a_session_at_the_time_when_it_was(receiver: Receiver) -> None:
    answer = receiver.take(request(span(), service="shop"), "application/json")
    assert answer == (200, "application/json", b"{}")
    (view,) = views(receiver)
    assert [(message.role, message.parts[0]["content"]) for message in view.messages] == [("user", "hello"), ("assistant", "hi")]
    assert (view.usage.input_tokens, view.usage.output_tokens, view.metadata["service"]) == (10, 2, "shop")
    assert view.started_at.timestamp() == START / 1e9
    assert view.messages[1].time.timestamp() == START / 1e9 + 1


def test_spans_out_of_order_and_sent_again_are_there_once(receiver: Receiver) -> None:
    first, second = span("one", "1"), span("two", "2", startTimeUnixNano=str(START + 5 * 10**9), endTimeUnixNano=str(START + 6 * 10**9))
    for _ in range(2):
        assert receiver.take(request(second, first), "application/json").status == 200
    assert sorted(message.parts[0]["content"] for view in views(receiver) for message in view.messages) == ["1", "2", "one", "two"]


def test_a_span_that_cannot_be_read_is_counted_and_the_others_are_taken(receiver: Receiver) -> None:
    bad = [span(startTimeUnixNano="soon"), span(endTimeUnixNano="1"), span(attributes=[{"key": "gen_ai.x", "value": {"intValue": "many"}}])]
    answer = receiver.take(request(*bad, span()), "application/json")
    assert answer.status == 200
    partial = json.loads(answer.body)["partialSuccess"]
    assert partial["rejectedSpans"] == "3"
    assert partial["errorMessage"]
    assert len(views(receiver)) == 1


@pytest.mark.parametrize(
    ("body", "kind", "encoding", "status"),
    [
        (b"{", "application/json", None, 400),
        (b'{"a":' * 100 + b"1" + b"}" * 100, "application/json", None, 400),
        (request(span()), "text/plain", None, 415),
        (request(span()), None, None, 415),
        (request(span()), "application/json", "br", 415),
        (request(span()), "application/json", "gzip", 400),
        (gzip.compress(request(span()))[:-9], "application/json", "gzip", 400),
        (b" " * 100_001, "application/json", None, 413),
        (gzip.compress(b" " * 200_000), "application/json", "gzip", 413),
        (gzip.compress(request(span())), "application/json", "gzip", 200),
        (b"[]", "application/json", None, 200),
        (b'{"resourceSpans":[7,{"scopeSpans":[{"spans":[null]}]}]}', "application/json", None, 200),
    ],
)
def test_every_request_has_an_answer(body: bytes, kind: str | None, encoding: str | None, status: int, receiver: Receiver) -> None:
    answer = receiver.take(body, kind, encoding)
    assert answer.status == status
    assert status == 200 or json.loads(answer.body)["message"]


def ask(receiver: Receiver, body: bytes, *, path: str = "/v1/traces", method: str = "POST", piece: int = 1000) -> int:
    sent: list[Any] = []
    pieces = [body[at : at + piece] for at in range(0, len(body), piece)]
    incoming = iter([{"type": "http.request", "body": each, "more_body": n < len(pieces) - 1} for n, each in enumerate(pieces)])

    async def run() -> None:
        async def receive() -> Any:
            return next(incoming, {"type": "http.disconnect"})

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {"type": "http", "path": path, "method": method, "headers": [(b"Content-Type", b"application/json")]}
        await receiver(scope, receive, send)

    asyncio.run(run())
    assert [each["type"] for each in sent] == ["http.response.start", "http.response.body"]
    return int(sent[0]["status"])


def test_as_an_application_it_takes_spans_at_one_address(receiver: Receiver) -> None:
    assert ask(receiver, request(span(), service="shop"), path="/otlp/v1/traces", piece=10) == 200
    assert len(views(receiver)) == 1
    assert ask(receiver, request(span()), path="/v1/logs") == 404
    assert ask(receiver, request(span()), method="GET") == 405
    assert ask(receiver, b" " * 200_000) == 413
    assert ask(receiver, b"") == 400
