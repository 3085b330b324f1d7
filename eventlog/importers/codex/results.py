"""A Codex tool's output -> `ToolReturned`. What ran in a shell says its exit code and duration in the text, or in JSON around it."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from eventlog.events import ToolReturned
from eventlog.shapes import openai_responses

from ..values import amount_of, mapping_of, text_of

_HEAD_CHARACTERS = 400
_EXIT = re.compile(r"(?:^|\n)(?:Process exited with code|Exit code:?) (-?\d+)")
_TOOK = re.compile(r"(?:^|\n)(?:Wall time|Duration): ([0-9.]+) seconds")


class End(msgspec.Struct):
    """What is known of a call's end beside its output."""

    is_error: bool = False
    duration_ms: float | None = None


def end_of(payload: dict[str, Any]) -> End:
    """What an end event says: of a command, a patch, an MCP call."""
    took = mapping_of(payload.get("duration"))
    seconds, nanoseconds = amount_of(took.get("secs")), amount_of(took.get("nanos"))
    exit_code = payload.get("exit_code")
    failed = isinstance(exit_code, int) and exit_code != 0
    result = mapping_of(payload.get("result"))
    failed = failed or payload.get("success") is False or "Err" in result or mapping_of(result.get("Ok")).get("is_error") is True
    return End(failed, None if seconds is None else seconds * 1000 + (nanoseconds or 0) / 1e6)


def returned(call_id: str | None, output: Any, end: End) -> ToolReturned:
    is_error, duration_ms = end.is_error, end.duration_ms
    if isinstance(output, str):
        wrapped = _wrapped(output)
        if wrapped is not None:
            output, metadata = wrapped["output"], mapping_of(wrapped.get("metadata"))
            exit_code, seconds = metadata.get("exit_code"), amount_of(metadata.get("duration_seconds"))
            is_error = is_error or (isinstance(exit_code, int) and exit_code != 0)
            duration_ms = duration_ms if duration_ms is not None or seconds is None else seconds * 1000
        elif isinstance(output, str):
            head = output[:_HEAD_CHARACTERS].partition("\nOutput:\n")[0]
            code, took = _EXIT.search(head), _TOOK.search(head)
            is_error = is_error or (code is not None and code[1] != "0")
            if duration_ms is None and took is not None:
                duration_ms = amount_of(_number(took[1]))
                duration_ms = None if duration_ms is None else duration_ms * 1000
    elif isinstance(output, list):
        output = openai_responses.parts(output)
    elif isinstance(output, dict):
        is_error = is_error or output.get("success") is False
        output = next((output[name] for name in ("content", "text") if text_of(output.get(name)) is not None), output)
    return ToolReturned(call_id=call_id, output=output, is_error=is_error, duration_ms=duration_ms)


def _wrapped(output: str) -> dict[str, Any] | None:
    """The JSON object that holds the output and what is known of it."""
    if not output.startswith('{"output":'):
        return None
    try:
        value = msgspec.json.decode(output)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return None
    return value if isinstance(value, dict) and isinstance(value.get("output"), str) else None


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
