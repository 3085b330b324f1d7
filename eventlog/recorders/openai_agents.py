"""The OpenAI Agents SDK without the wire: its tracing tells of every model call.

    agents.add_trace_processor(recorders.openai_agents.Processor())

A trace's group is the session, its workflow the title. Spans of tools, turns and handoffs say nothing that the calls do not.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from agents.tracing import Span, Trace, TracingProcessor

from ..events import ErrorLogged
from ..log import EventLog
from ..shapes import openai_chat, openai_responses
from ..shapes.exchange import Answer, Ask, Exchange
from ..shapes.fields import mapping, plain, text
from .answers import redacted
from .context import NOWHERE, Context, current, named
from .installing import gate
from .recorder import Recorder, recorder_for
from .redaction import Redact


class Processor(TracingProcessor):
    """For ``agents.add_trace_processor``. ``log``: as in `install`; default: the recorder that is installed, else the configured store."""

    def __init__(self, log: EventLog | Recorder | None = None, **options: Any) -> None:
        self._recorder = recorder_for(log, **options)
        self._traces: dict[str, Context] = {}

    def on_trace_start(self, trace: Trace) -> None:
        gate.guarded(self._begin, trace)

    def _begin(self, trace: Trace) -> None:
        context = current()
        group = getattr(trace, "group_id", None)
        if context.session_id is None and isinstance(group, str) and group:
            context = named(group)._replace(is_paused=context.is_paused)
        self._traces[trace.trace_id] = context._replace(details={"title": trace.name, **context.details})

    def on_trace_end(self, trace: Trace) -> None:
        self._traces.pop(trace.trace_id, None)

    def on_span_start(self, span: Span[Any]) -> None:
        """It is told when it is over."""

    def on_span_end(self, span: Span[Any]) -> None:
        gate.guarded(self._end, span)

    def _end(self, span: Span[Any]) -> None:
        data = span.span_data
        reader = _READERS.get(data.type)
        if reader is None:
            return
        names = ("input", "output", "response", "model", "model_config", "usage")
        said = {name: plain(value) for name in names if (value := getattr(data, name, None)) is not None}
        said["error"] = plain(span.error)

        def told(redact: Redact | None) -> Exchange | None:
            return reader(redacted(said, redact))

        times = [datetime.fromisoformat(each).timestamp() for each in (span.started_at, span.ended_at) if each]
        if len(times) == 2:
            context = self._traces.get(span.trace_id, NOWHERE)
            self._recorder.told(told, context, started_at=times[0], ended_at=times[1], size=len(str(said.get("input", ""))))

    def shutdown(self) -> None:
        self.force_flush()

    def force_flush(self) -> None:
        self._recorder.flush()


def _of_response(said: dict[str, Any]) -> Exchange | None:
    response = mapping(said.get("response"))
    asked = {name: value for name, value in response.items() if name in _ASKED and value not in (None, [], {})}
    ask = openai_responses.ask({**asked, "input": said.get("input") or []})
    return _exchange(ask, openai_responses.answer(response) if response else None, said)


def _of_generation(said: dict[str, Any]) -> Exchange | None:
    settings = {name: value for name, value in mapping(said.get("model_config")).items() if value is not None and name != "base_url"}
    ask = openai_chat.ask({**settings, "model": said.get("model"), "messages": said.get("input") or []})
    choices = [{"message": each} for each in said.get("output") or ()]
    usage = mapping(said.get("usage"))
    tokens = {"prompt_tokens": usage.get("input_tokens"), "completion_tokens": usage.get("output_tokens")}
    more = {"prompt_tokens_details": usage.get("input_tokens_details"), "completion_tokens_details": usage.get("output_tokens_details")}
    answer = openai_chat.answer({"model": said.get("model"), "choices": choices, "usage": {**tokens, **more} if usage else None})
    return _exchange(ask, answer if choices else None, said)


_ASKED = ("model", "instructions", "tools", "temperature", "top_p", "max_output_tokens", "tool_choice", "reasoning", "previous_response_id")
_READERS: dict[str, Callable[[dict[str, Any]], Exchange | None]] = {"response": _of_response, "generation": _of_generation}


def _exchange(ask: Ask, answer: Answer | None, said: dict[str, Any]) -> Exchange | None:
    error = None
    if isinstance(said.get("error"), dict):
        stated = said["error"]
        error = ErrorLogged(message=text(stated.get("message")) or "the call failed", kind="agents", details=stated.get("data"))
    if not ask.messages and answer is None and error is None:
        return None
    return Exchange(ask=ask, answer=answer, error=error)
