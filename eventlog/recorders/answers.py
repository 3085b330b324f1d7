"""From the pieces of a response to what the model said: as they come (for deltas), and at the end."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from ..errors import InvalidEvent
from ..events import ErrorLogged
from ..shapes import telling
from ..shapes.exchange import Answer, Piece
from ..shapes.framing import Frames
from ..verbatim import keep_text
from . import calls
from .calls import Call
from .redaction import Redact

_SHOWN = 4000  # characters of a body that is none of a model's


class Outcome(NamedTuple):
    """``interrupted``: why the answer is partial; None where it is whole. ``error``: what went wrong, if something did."""

    answer: Answer | None
    interrupted: str | None
    error: ErrorLogged | None


def decoded(body: bytes) -> Any:
    """What the JSON says, as an event can hold it; None where it is none."""
    try:
        return keep_text(body).value
    except InvalidEvent:
        return None


class Reading:
    """A response while it comes."""

    def __init__(self, shape: str) -> None:
        self.shape = shape
        self.texts: dict[str, list[str]] = {"text": [], "reasoning": []}
        self.stream = telling.stream(shape)
        self._frames = Frames()
        self._taken = 0

    def more(self, call: Call) -> None:
        """Take the pieces that have come since."""
        pieces = call.pieces
        while self._taken < len(pieces):
            piece = pieces[self._taken]
            self._taken += 1
            for chunk in self._frames.feed(piece):
                self._take(chunk)

    def _take(self, chunk: Any) -> None:
        piece: Piece
        for piece in self.stream.feed(chunk):
            if not piece.choice:
                self.texts[piece.kind].append(piece.text)

    def response_id(self) -> str | None:
        """The response's id, if it has come."""
        return telling.SHAPES[self.shape].answer(self.stream.finish()).response_id or None

    def outcome(self, call: Call, redact: Redact | None) -> Outcome:
        """What came of it. Raises what the redactor raises."""
        whole = b"".join(call.pieces)
        value = decoded(whole) if whole[:1] in b"{ \n" and whole else None
        details = self._details(call)
        if call.status is not None and call.status >= 400:
            return Outcome(None, None, _refused(call, redacted(_body(value, whole), redact), details))
        if isinstance(value, dict) and not (self.shape == "ollama" and call.is_stream):
            body, is_whole = value, True
        else:
            self.more(call)
            for chunk in self._frames.finish():
                self._take(chunk)
            body, is_whole = self.stream.finish(), self.stream.is_whole
        body = redacted(body, redact)
        answer: Answer = telling.SHAPES[self.shape].answer(body)
        error = _raised(call, details, redact) or _stated(answer, details)
        if not answer.choices and error is None:
            what = "the response was not read" if not whole else f"the response is no answer of {self.shape}"
            if call.outcome != calls.COMPLETE or value is None:
                error = ErrorLogged(
                    message=what,
                    kind="http" if call.outcome == calls.COMPLETE else str(call.outcome),
                    details=details | ({"body": _body(value, whole)} if whole else {}),
                )
        return Outcome(answer if answer.choices or answer.usage else None, self._interrupted(call, is_whole, error), error)

    def _interrupted(self, call: Call, is_whole: bool, error: ErrorLogged | None) -> str | None:
        if call.cut:
            return "cut"
        if is_whole and error is None:
            return None
        if error is not None and call.outcome != calls.CANCELLED:
            return "error"  # the response said so, whatever the SDK did then
        return "incomplete" if call.outcome == calls.COMPLETE else call.outcome

    def _details(self, call: Call) -> dict[str, Any]:
        known = {
            "status": call.status,
            "request_id": call.request_id,
            "retry": call.request.retry,
            "duration_ms": duration_ms(call),
        }
        return {name: value for name, value in known.items() if value is not None}


def duration_ms(call: Call) -> float:
    return round((call.ended - call.started) * 1000, 3)


def redacted(value: Any, redact: Redact | None) -> Any:
    return value if redact is None else redact(value)


def _body(value: Any, whole: bytes) -> Any:
    return value if value is not None else whole[: 4 * _SHOWN].decode("utf-8", "replace")[:_SHOWN]


def _refused(call: Call, body: Any, details: dict[str, Any]) -> ErrorLogged:
    """The server said no."""
    stated = body.get("error", body) if isinstance(body, dict) else body
    if isinstance(body, list) and body and isinstance(body[0], dict):
        stated = body[0].get("error", body[0])
    message = None
    if isinstance(stated, dict):
        message = next((stated[name] for name in ("message", "detail", "error", "type") if isinstance(stated.get(name), str)), None)
    elif isinstance(stated, str) and not stated.lstrip().startswith("<"):
        message = stated[:_SHOWN] or None
    return ErrorLogged(message=message or f"the server answered {call.status}", kind="http", details=details | {"body": body})


def _raised(call: Call, details: dict[str, Any], redact: Redact | None) -> ErrorLogged | None:
    """The caller got an exception."""
    if call.error is None or call.outcome in (calls.CLOSED, calls.DROPPED):
        return None
    kind, text = call.error if isinstance(call.error, tuple) else (type(call.error).__name__, str(call.error))
    return ErrorLogged(message=redacted(text, redact) or kind, kind=kind, details=details)


def _stated(answer: Answer, details: dict[str, Any]) -> ErrorLogged | None:
    """The response says so itself."""
    if answer.error is None:
        return None
    stated = answer.error.details
    return msgspec.structs.replace(answer.error, details=details | ({} if stated is None else {"body": stated}))
