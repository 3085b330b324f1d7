"""The same conversation through every door: the wire, spans in each dialect, OTLP, tracing of frameworks. It is the same session; through
several doors at once it is there once.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from eventlog import EventLog
from eventlog.events import ErrorLogged
from eventlog.recorders import Recorder, install, otel, uninstall
from eventlog.recorders.otlp import Receiver

from .frameworks import AGENT, ask_pydantic_ai, outline
from .provider import Provider
from .recorded import Recorded, said

pytest.importorskip("opentelemetry.sdk", reason="make recorders has it")
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:Instrumentation format versions")
ROOT = Path(__file__).parents[2]


def told(recorded: Recorded) -> Any:
    """What the one session that was recorded says."""
    view = recorded.view()
    return (
        [(message.role, [_part(part) for part in message.parts]) for message in view.messages],
        [(call.call_id.partition("_")[0] if call.call_id else None, call.name, call.arguments, call.output) for call in view.tool_calls],
        (view.usage.input_tokens, view.usage.cache_read_tokens, view.usage.output_tokens),
        (view.model, view.provider, view.settings.get("temperature")),
    )


def _part(part: dict[str, Any]) -> Any:
    return {name: part[name] for name in ("type", "content", "name", "arguments", "response") if name in part}


@pytest.fixture
def recorded(tmp_path: Path) -> Iterator[Recorded]:
    """A recorder that sees no wire."""
    with EventLog.open(tmp_path / "spans", sync="never") as log, Recorder(log) as recorder:
        yield Recorded(log, recorder)


def run(provider: Provider, store: Path, doors: str, *how: str) -> str:
    """The program, in a process of its own; returns how many calls it recorded, lost and left."""
    command = [sys.executable, "-W", "ignore", "-m", "tests.recorders_sdk.instrumented", str(store), provider.address, doors, *how]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@contextmanager
def reading(store: Path) -> Iterator[Recorded]:
    with EventLog.open(store, create=False) as log, Recorder(log) as recorder:
        yield Recorded(log, recorder)


def told_by(provider: Provider, store: Path, doors: str, *how: str) -> Any:
    run(provider, store, doors, *how)
    with reading(store) as recorded:
        return told(recorded)


DIALECTS = ["openinference", "openllmetry", "logfire"]
HOW = pytest.mark.parametrize("how", [(), ("streamed",)], ids=["whole", "streamed"])


@HOW
@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_conversation_told_by_spans_is_the_one_on_the_wire(dialect: str, how: Any, provider: Provider, tmp_path: Path) -> None:
    assert told_by(provider, tmp_path / "spans", dialect, *how) == told_by(provider, tmp_path / "wire", "wire", *how)


@HOW
@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_wire_and_an_instrumentation_together_give_it_once(dialect: str, how: Any, provider: Provider, tmp_path: Path) -> None:
    assert run(provider, tmp_path / "both", f"wire,{dialect}", *how) == "3 0 0"
    assert run(provider, tmp_path / "both", f"{dialect},wire", "failing") == "1 0 0"
    with reading(tmp_path / "both") as recorded:
        conversation, failure = recorded.views()
    assert [message.role for message in conversation.messages] == [
        *("system", "user", "assistant", "user", "assistant", "tool", "tool", "user", "assistant"),
    ]
    assert (conversation.usage.output_tokens, conversation.counts.errors, failure.counts.errors) == (15, 0, 1)


def test_two_instrumentations_without_the_wire_give_it_once(provider: Provider, tmp_path: Path) -> None:
    assert run(provider, tmp_path / "two", "openllmetry,openinference") == "3 0 0"
    with reading(tmp_path / "two") as recorded:
        assert (recorded.view().usage.output_tokens, len(recorded.view().messages)) == (15, 9)


def test_spans_go_into_the_session_that_the_program_names(provider: Provider, tmp_path: Path) -> None:
    run(provider, tmp_path / "named", "openllmetry", "chat-1")
    with reading(tmp_path / "named") as recorded:
        assert (recorded.view().session_id, recorded.view().user_id) == ("chat-1", "u1")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_failed_call_is_a_question_and_an_error(dialect: str, provider: Provider, tmp_path: Path) -> None:
    run(provider, tmp_path / "failed", dialect, "failing")
    with reading(tmp_path / "failed") as recorded:
        assert said(recorded.view()) == [("user", "status 500")]
        (error,) = recorded.events(ErrorLogged.type)
    assert (error.kind, "refused with 500" in error.message) == ("InternalServerError", True)


@pytest.mark.parametrize("version", [2, 3, 5, 6])
@pytest.mark.parametrize("with_wire", [False, True], ids=["spans alone", "with the wire"])
def test_pydantic_ai_in_each_of_its_formats(version: int, with_wire: bool, provider: Provider, recorded: Recorded) -> None:
    pytest.importorskip("pydantic_ai", reason="make recorders has it")
    from pydantic_ai import Agent
    from pydantic_ai.models.instrumented import InstrumentationSettings

    spans = TracerProvider()
    spans.add_span_processor(otel.SpanProcessor(recorded.recorder))
    if with_wire:
        install(recorded.recorder)
    try:
        Agent.instrument_all(InstrumentationSettings(tracer_provider=spans, version=version))
        ask_pydantic_ai(provider.address)
    finally:
        Agent.instrument_all(False)
        if with_wire:
            recorded.recorder.flush(20)
            uninstall()
    assert outline(recorded.view()) == AGENT
    assert recorded.view().usage.output_tokens == 15


# --- OTLP --------------------------------------------------------------------------------------------------------------------------


class Collector(ThreadingHTTPServer):
    """A server that takes what exporters send."""

    daemon_threads = True

    def __init__(self, receiver: Receiver) -> None:
        self.receiver = receiver
        self.statuses: list[int] = []
        super().__init__(("127.0.0.1", 0), _Taking)
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()


class _Taking(BaseHTTPRequestHandler):
    server: Collector

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing on stderr."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        answer = self.server.receiver.take(body, self.headers["content-type"], self.headers.get("content-encoding"))
        self.server.statuses.append(answer.status)
        self.send_response(answer.status)
        self.send_header("content-type", answer.content_type)
        self.send_header("content-length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)


def test_a_conversation_exported_by_otlp_is_the_one_on_the_wire(provider: Provider, recorded: Recorded, tmp_path: Path) -> None:
    collector = Collector(Receiver(recorded.recorder))
    run(provider, tmp_path / "nothing", f"http://127.0.0.1:{collector.server_address[1]}/v1/traces")
    collector.shutdown()
    collector.server_close()
    assert collector.statuses
    assert set(collector.statuses) == {200}
    assert told(recorded) == told_by(provider, tmp_path / "wire", "wire")


def test_protobuf_and_json_say_the_same(provider: Provider, recorded: Recorded, tmp_path: Path) -> None:
    from google.protobuf.json_format import MessageToJson
    from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
    from pydantic_ai import Agent
    from pydantic_ai.models.instrumented import InstrumentationSettings

    kept = InMemorySpanExporter()
    spans = TracerProvider()
    spans.add_span_processor(SimpleSpanProcessor(kept))
    try:
        Agent.instrument_all(InstrumentationSettings(tracer_provider=spans, version=5))
        ask_pydantic_ai(provider.address)
    finally:
        Agent.instrument_all(False)
    request = encode_spans(kept.get_finished_spans())
    receiver = Receiver(recorded.recorder)
    assert receiver.take(request.SerializeToString(), "application/x-protobuf").status == 200
    by_protobuf = told(recorded)
    assert outline(recorded.view()) == AGENT
    assert receiver.take(MessageToJson(request).encode(), "application/json; charset=utf-8") == (200, "application/json", b"{}")
    assert told(recorded) == by_protobuf  # and again: once
    with EventLog.open(tmp_path / "json", sync="never") as log, Recorder(log) as recorder:
        Receiver(recorder).take(MessageToJson(request).encode(), "application/json")
        assert told(Recorded(log, recorder)) == by_protobuf
