"""Model calls from OpenTelemetry's spans: for whatever is instrumented and does not go over an HTTP library that we see.

    provider.add_span_processor(recorders.otel.SpanProcessor())

The processor has the SDK's methods and imports nothing of it. What a span says is read by `shapes.otel`, in the recorder's thread. A call
that the wire has seen, or another instrumentation, is recorded once (`doors`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..log import EventLog
from ..shapes import otel
from ..shapes.exchange import Exchange
from ..shapes.fields import value_of
from .answers import redacted
from .context import NOWHERE, Context, current
from .installing import gate
from .recorder import Recorder, recorder_for
from .redaction import Redact

_MOST = 10_000  # spans that have begun in a `recording` and are not over


class SpanProcessor:
    """For ``TracerProvider.add_span_processor``. ``log``: as in `install`; default: the recorder that is installed, else the configured
    store. Never raises, never waits."""

    def __init__(self, log: EventLog | Recorder | None = None, **options: Any) -> None:
        self._recorder = recorder_for(log, **options)
        self._contexts: dict[Any, Context] = {}

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        gate.guarded(self._begin, span)

    def _begin(self, span: Any) -> None:
        context = current()
        if context is not NOWHERE and len(self._contexts) < _MOST:
            self._contexts[span.context.span_id] = context

    def _on_ending(self, span: Any) -> None:
        """The SDK's hook before the end."""

    def on_end(self, span: Any) -> None:
        gate.guarded(self._end, span)

    def _end(self, span: Any) -> None:
        context = self._contexts.pop(span.context.span_id, NOWHERE)
        attributes = span.attributes or {}
        status = span.status
        failure = (status.description or "") if status is not None and status.status_code.name == "ERROR" else None
        events = [(event.name, dict(event.attributes or {})) for event in span.events or ()]
        tell(
            self._recorder,
            otel.Span(span.name, dict(attributes), events, failure),
            context,
            started_at=(span.start_time or 0) / 1e9,
            ended_at=(span.end_time or span.start_time or 0) / 1e9,
        )

    def shutdown(self) -> None:
        self.force_flush()

    def force_flush(self, timeout_millis: int = 5000) -> bool:
        """Whether everything that is over is in the log."""
        return self._recorder.flush(timeout_millis / 1000)


def tell(recorder: Recorder, span: otel.Span, context: Context, *, started_at: float, ended_at: float) -> bool:
    """Hand a span to the recorder, unless it is about nothing that a model's call could be. Whether it was handed over."""
    if not _may_be_a_call(span):
        return False

    def told(redact: Redact | None) -> Exchange | None:
        return otel.exchange(_without_secrets(span, redact))

    recorder.told(told, context, started_at=started_at, ended_at=ended_at, size=_size(span.attributes) + 1000)
    return True


_SIGNS = ("gen_ai.", "llm.", "openinference.span.kind")


def _may_be_a_call(span: otel.Span) -> bool:
    return any(name.startswith(_SIGNS) for name in span.attributes) or any(name.startswith("gen_ai.") for name, _ in span.events)


def _size(attributes: Mapping[str, Any]) -> int:
    return sum(len(value) for value in attributes.values() if isinstance(value, str))


def _without_secrets(span: otel.Span, redact: Redact | None) -> otel.Span:
    """A redactor gets values: what an attribute says as JSON, it gets decoded."""
    if redact is None:
        return span
    events: Sequence[tuple[str, Mapping[str, Any]]] = [(name, redacted(_plain(fields), redact)) for name, fields in span.events]
    failure = None if span.failure is None else redacted(span.failure, redact)
    return otel.Span(span.name, redacted(_plain(span.attributes), redact), events, failure)


def _plain(attributes: Mapping[str, Any]) -> dict[str, Any]:
    made = {name: list(value) if isinstance(value, tuple) else value for name, value in attributes.items()}
    return made | {name: value_of(made[name]) for name in otel.AS_JSON & made.keys()}
