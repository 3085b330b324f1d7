"""A program with OpenAI's SDK, whose calls come through the doors that it is given: ``STORE PROVIDER DOORS [streamed|failing] [SESSION]``.

In a process of its own, since some instrumentations cannot be taken out again. ``DOORS`` are joined by commas.
"""

from __future__ import annotations

import sys
from contextlib import ExitStack, nullcontext
from importlib import import_module
from typing import Any

import pytest

from eventlog import EventLog
from eventlog.recorders import Recorder, install, otel, recording

from .recorded import openai_client

SYSTEM = {"role": "system", "content": "be nice"}


def talk(address: str, *, stream: bool = False) -> None:
    """Three questions, with two tools in between. Everything that a chat says."""
    client = openai_client(address)
    more: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
    history: list[dict[str, Any]] = [SYSTEM]

    def ask(text: str | None) -> None:
        if text is not None:
            history.append({"role": "user", "content": text})
        made = client.chat.completions.create(model="gpt-5", messages=history, temperature=0.5, **more)
        history.append(_streamed(made) if stream else made.choices[0].message.model_dump(exclude_none=True))

    ask("echo: hello")
    ask("the weather, with tools")
    history.extend({"role": "tool", "tool_call_id": call["id"], "content": "sunny"} for call in history[-1]["tool_calls"])
    ask("echo: done")
    client.close()


def _streamed(stream: Any) -> dict[str, Any]:
    content, calls = "", {}
    for chunk in stream:
        for choice in chunk.choices:
            content += choice.delta.content or ""
            for piece in choice.delta.tool_calls or ():
                call = calls.setdefault(piece.index, {"id": piece.id, "type": "function", "function": {"name": "", "arguments": ""}})
                call["function"]["name"] += piece.function.name or ""
                call["function"]["arguments"] += piece.function.arguments or ""
    return {"role": "assistant", "content": content or None} | ({"tool_calls": list(calls.values())} if calls else {})


def instrument(dialect: str, processor: Any, stack: ExitStack) -> None:
    """OpenAI's SDK, instrumented by one of those that speak the dialects, with spans that go to the processor."""
    if dialect == "logfire":
        import logfire

        logfire.configure(send_to_logfire=False, console=False, additional_span_processors=[processor], inspect_arguments=False)
        stack.enter_context(logfire.instrument_openai())
        return
    from opentelemetry.sdk.trace import TracerProvider

    spans = TracerProvider()
    spans.add_span_processor(processor)
    module = {"openinference": "openinference.instrumentation.openai", "openllmetry": "opentelemetry.instrumentation.openai"}[dialect]
    import_module(module).OpenAIInstrumentor().instrument(tracer_provider=spans, skip_dep_check=True)


def fail(address: str) -> None:
    with openai_client(address) as client, pytest.raises(Exception, match="refused with 500"):
        client.chat.completions.create(model="gpt-5", messages=[{"role": "user", "content": "status 500"}])


def main(store: str, address: str, doors: str, *how: str) -> None:
    session = next((each for each in how if each not in ("streamed", "failing")), None)
    with EventLog.open(store, sync="never") as log, Recorder(log) as recorder, ExitStack() as stack:
        for door in doors.split(","):
            if door == "wire":
                install(recorder)
            elif door.startswith("http://"):
                from opentelemetry.exporter.otlp.proto.http import Compression
                from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
                from opentelemetry.sdk.trace.export import SimpleSpanProcessor

                for compression in (Compression.NoCompression, Compression.Gzip):  # twice the same spans: they are there once
                    instrument("openllmetry", SimpleSpanProcessor(OTLPSpanExporter(door, compression=compression)), stack)
            else:
                instrument(door, otel.SpanProcessor(recorder), stack)
        with recording(session, user_id="u1") if session else nullcontext():
            (fail if "failing" in how else lambda address: talk(address, stream="streamed" in how))(address)
        assert recorder.flush(20)
        print(*recorder.stats[:3])


if __name__ == "__main__":
    main(*sys.argv[1:])
