"""OTLP over HTTP: spans of other processes and languages, as JSON or protobuf (the extra `otlp`), into the recorder.

`Receiver.take` is one request, without I/O; the receiver itself is an ASGI application of one address, ``/v1/traces``, to be mounted.
A span that cannot be read is counted in the answer (``partial_success``), and the others are taken: the sender must not send all again.
"""

from __future__ import annotations

import zlib
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from typing import Any, NamedTuple

import msgspec

from ..limits import is_deeper
from ..log import EventLog
from ..shapes import otel
from ..shapes.fields import items, mapping, mappings, text
from .context import NOWHERE
from .otel import tell
from .recorder import Recorder, recorder_for

PATH = "/v1/traces"
MAX_BODY_BYTES = 64 << 20  # of a request, before and after it is decompressed
_JSON, _PROTOBUF = "application/json", "application/x-protobuf"
_DEEPEST = 64

Message = MutableMapping[str, Any]


class Answer(NamedTuple):
    status: int
    content_type: str
    body: bytes


class Receiver:
    """``log``: as in `install`; default: the recorder that is installed, else the configured store."""

    def __init__(self, log: EventLog | Recorder | None = None, *, max_body_bytes: int = MAX_BODY_BYTES, **options: Any) -> None:
        self.recorder = recorder_for(log, **options)
        self._max_bytes = max_body_bytes

    def take(self, body: bytes, content_type: str | None, content_encoding: str | None = None, *, user_id: str | None = None) -> Answer:
        """Take one export request; sessions that it begins are the user's.

        The answer: 200 with how many spans were rejected; 400 for what cannot be read, 413 for what is too large, 415 for another type or
        encoding, 501 for protobuf without the extra. Never raises for what it is given."""
        kind = (content_type or "").partition(";")[0].strip().lower()
        if kind not in (_JSON, _PROTOBUF):
            return _refused(415, f"give {_JSON} or {_PROTOBUF}, not {kind or 'no content type'}")
        try:
            request = _decoded(self._unpacked(body, content_encoding), kind)
        except _TooLarge:
            return _refused(413, f"a request has at most {self._max_bytes} bytes; export smaller batches")
        except ModuleNotFoundError:
            return _refused(501, "protobuf needs opentelemetry-proto: pip install 'session-eventlog[otlp]', or export http/json")
        except (ValueError, RecursionError, OSError, EOFError, zlib.error) as error:
            return _refused(415 if isinstance(error, _UnknownEncoding) else 400, str(error)[:500] or type(error).__name__)
        rejected, reason = 0, ""
        for service, span in _spans(request):
            try:
                self._take(service, span, user_id)
            except (ValueError, TypeError, OverflowError) as error:
                rejected, reason = rejected + 1, f"{type(error).__name__}: {error}"
        return _accepted(kind, rejected, reason)

    def _take(self, service: str | None, span: dict[str, Any], user_id: str | None) -> None:
        status = mapping(span.get("status"))
        is_error = status.get("code") in (2, "STATUS_CODE_ERROR")
        events = [(text(each.get("name")) or "", _attributes(each.get("attributes"))) for each in mappings(span.get("events"))]
        began, ended = (int(span.get(name) or 0) / 1e9 for name in ("startTimeUnixNano", "endTimeUnixNano"))
        if not 0 < began < 1e11 or not ended >= began:
            raise ValueError("a span begins after 1970 and ends when it has begun")
        read = otel.Span(
            text(span.get("name")) or "",
            _attributes(span.get("attributes")),
            events,
            (text(status.get("message")) or "") if is_error else None,
        )
        details: dict[str, Any] = {"metadata": {"service": service}} if service else {}
        if user_id is not None:
            details["user_id"] = user_id
        tell(self.recorder, read, NOWHERE._replace(details=details), started_at=began, ended_at=ended)

    def _unpacked(self, body: bytes, encoding: str | None) -> bytes:
        if len(body) > self._max_bytes:
            raise _TooLarge
        if not encoding or encoding.strip().lower() == "identity":
            return body
        if encoding.strip().lower() != "gzip":
            raise _UnknownEncoding(f"the encoding {encoding!r} is not known; use gzip or none")
        unpacking = zlib.decompressobj(wbits=31)
        data = unpacking.decompress(body, self._max_bytes + 1)
        if len(data) > self._max_bytes:
            raise _TooLarge
        if not unpacking.eof:
            raise ValueError("the compressed body ends too early")
        return data

    # --- as an application ---------------------------------------------------------------------------------------------------------

    async def __call__(self, scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]) -> None:
        if scope["type"] != "http":
            return
        answer = await self._answer(scope, receive)
        headers = [(b"content-type", answer.content_type.encode()), (b"content-length", str(len(answer.body)).encode())]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})

    async def _answer(self, scope: Message, receive: Callable[[], Awaitable[Message]]) -> Answer:
        if not scope["path"].rstrip("/").endswith(PATH):
            return _refused(404, f"spans are taken at {PATH}; logs and metrics are not recorded")
        if scope["method"] != "POST":
            return _refused(405, "export with POST")
        pieces, size, more = [], 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return _refused(400, "the request was broken off")
            pieces.append(message.get("body", b""))
            size += len(pieces[-1])
            more = message.get("more_body", False)
            if size > self._max_bytes:
                return _refused(413, f"a request has at most {self._max_bytes} bytes; export smaller batches")
        given = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
        user_id = scope.get("eventlog.user_id")  # who asks, where somebody before this has found out
        return self.take(b"".join(pieces), given.get(b"content-type"), given.get(b"content-encoding"), user_id=user_id)


class _TooLarge(ValueError):
    pass


class _UnknownEncoding(ValueError):
    pass


def _decoded(body: bytes, kind: str) -> dict[str, Any]:
    """The request in the shape of OTLP's JSON."""
    if kind == _JSON:
        if is_deeper(body, _DEEPEST):
            raise ValueError(f"the JSON is more than {_DEEPEST} levels deep")
        return mapping(msgspec.json.decode(body))
    from google.protobuf.json_format import MessageToDict
    from google.protobuf.message import DecodeError
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    request = ExportTraceServiceRequest()
    try:
        request.ParseFromString(body)
    except DecodeError as error:
        raise ValueError(f"the body is no ExportTraceServiceRequest: {error}") from None
    found: dict[str, Any] = MessageToDict(request)
    return found


def _spans(request: dict[str, Any]) -> Iterator[tuple[str | None, dict[str, Any]]]:
    """Every span, with the service that it is of."""
    for resource in mappings(request.get("resourceSpans")):
        service = text(_attributes(mapping(resource.get("resource")).get("attributes")).get("service.name"))
        for scope in mappings(resource.get("scopeSpans")):
            for span in mappings(scope.get("spans")):
                yield service, span


def _attributes(stated: Any) -> dict[str, Any]:
    return {each["key"]: _value(each.get("value")) for each in mappings(stated) if isinstance(each.get("key"), str)}


def _value(stated: Any) -> Any:
    fields = mapping(stated)
    for name, read in _VALUES.items():
        if name in fields:
            return read(fields[name])
    return None


def _number(stated: Any) -> int:
    return int(stated)  # a text, since JSON's numbers are not all integers


_VALUES: dict[str, Callable[[Any], Any]] = {
    "stringValue": lambda value: value,
    "boolValue": lambda value: value,
    "intValue": _number,
    "doubleValue": lambda value: value,
    "bytesValue": lambda value: value,
    "arrayValue": lambda value: [_value(each) for each in items(mapping(value).get("values"))],
    "kvlistValue": lambda value: _attributes(mapping(value).get("values")),
}


def _accepted(kind: str, rejected: int, reason: str) -> Answer:
    if kind == _JSON:
        partial = {"partialSuccess": {"rejectedSpans": str(rejected), "errorMessage": reason}} if rejected else {}
        return Answer(200, _JSON, msgspec.json.encode(partial))
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

    response = ExportTraceServiceResponse()
    if rejected:
        response.partial_success.rejected_spans = rejected
        response.partial_success.error_message = reason
    return Answer(200, _PROTOBUF, response.SerializeToString())


def _refused(status: int, why: str) -> Answer:
    return Answer(status, _JSON, msgspec.json.encode({"message": why}))
