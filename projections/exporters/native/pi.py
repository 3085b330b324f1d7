"""A session as pi's file (version 3): a header, then entries that each name the one before. ``pi --session <path>`` takes it anywhere.

An assistant's message needs ``provider``, ``model``, ``api``, ``usage`` and ``stopReason``; results are messages of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from ...view.conversation import Call, Turn
from ...view.to_messages import as_one_text
from .told import MODELS, Told, images_in, iso, line, ms, text_in

_APIS = {"anthropic": "anthropic-messages", "openai": "openai-responses", "google": "google-generative-ai"}
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]")  # pi itself replaces less; the path is named to it
_LONGEST_NAME = 100
_COSTS = ("input", "output", "cacheRead", "cacheWrite", "total")
_USAGE = {"input": 0, "output": 0, "cacheRead": 0, "cacheWrite": 0, "totalTokens": 0, "cost": dict.fromkeys(_COSTS, 0)}


def file_name(id: str, began: datetime) -> str:
    return f"{iso(began).replace(':', '-').replace('.', '-')}_{id}.jsonl"


def folder(told: Told, home: Path) -> Path:
    return home / "sessions" / f"--{_NOT_IN_NAMES.sub('-', told.cwd.strip('/'))[:_LONGEST_NAME]}--"


def compose(told: Told) -> Iterator[bytes]:
    yield line({"type": "session", "version": 3, "id": told.id, "timestamp": iso(told.began), "cwd": told.cwd})
    before: str | None = None
    number = 0
    for turn in told.turns:
        for time, message in _messages(told, turn):
            entry = told.name(number)[:8]
            number += 1
            yield line({"type": "message", "id": entry, "parentId": before, "timestamp": iso(time), "message": message})
            before = entry
    if told.view.title:
        name = {"type": "session_info", "id": told.name(number)[:8], "parentId": before, "timestamp": iso(told.ended)}
        yield line({**name, "name": told.view.title})


def _messages(told: Told, turn: Turn) -> Iterator[tuple[datetime, dict[str, Any]]]:
    time = told.time(turn.seq)
    text = text_in(turn)
    content: list[dict[str, Any]] = [{"type": "text", "text": text}] if text else []
    if turn.role == "user":
        content += [_image(image) for image in images_in(turn)]
        yield time, {"role": "user", "content": content, "timestamp": ms(time)}
        return
    content += [{"type": "toolCall", "id": call.id, "name": call.name, "arguments": call.arguments} for call in turn.calls]
    provider = told.view.provider if told.view.provider in _APIS else "anthropic"
    model = told.view.model if provider == told.view.provider and told.view.model else MODELS[provider or "anthropic"]
    by = {"api": _APIS[provider or "anthropic"], "provider": provider, "model": model, "usage": _USAGE}
    stop = "toolUse" if turn.calls else "stop"
    yield time, {"role": "assistant", "content": content, **by, "stopReason": stop, "timestamp": ms(time)}
    back = told.time(turn.back_seq) if turn.back_seq is not None else time
    for call in turn.calls:
        yield back, _result(call, back)


def _result(call: Call, time: datetime) -> dict[str, Any]:
    content = [{"type": "text", "text": as_one_text(call.result or [])}]
    made = {"role": "toolResult", "toolCallId": call.id, "toolName": call.name, "content": content}
    return {**made, "isError": call.is_error, "timestamp": ms(time)}


def _image(part: dict[str, Any]) -> dict[str, Any]:
    if part["type"] == "uri":
        return {"type": "text", "text": f"[image: {part['uri']}]"}
    return {"type": "image", "data": part["content"], "mimeType": part.get("mime_type") or "image/png"}
