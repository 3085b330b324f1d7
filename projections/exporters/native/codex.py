"""A session as Codex' rollout: ``sessions/Y/M/D/rollout-<local time>-<uuid>.jsonl``, for ``codex resume <uuid>``.

What was said stands there twice, as in its own files: as an item for the model, and as an event, by which the list of sessions finds it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from ...view.conversation import Turn
from ...view.to_messages import as_one_text
from .told import MODELS, Told, images_in, iso, line, text_in, url_of

_VERSION = "0.140.0"


def file_name(id: str, began: datetime) -> str:
    return f"rollout-{began.astimezone():%Y-%m-%dT%H-%M-%S}-{id}.jsonl"


def folder(told: Told, home: Path) -> Path:
    local = told.began.astimezone()
    return home / "sessions" / f"{local:%Y}" / f"{local:%m}" / f"{local:%d}"


def compose(told: Told) -> Iterator[bytes]:
    meta = {"id": told.id, "timestamp": iso(told.began), "cwd": told.cwd, "originator": "codex_cli_rs", "cli_version": _VERSION}
    yield _line("session_meta", {**meta, "source": "cli", "model_provider": "openai"}, told.began)
    model = told.view.model if told.view.provider == "openai" and told.view.model else MODELS["openai"]
    context = {"cwd": told.cwd, "approval_policy": "on-request", "sandbox_policy": {"type": "read-only"}, "model": model, "summary": "auto"}
    is_begun = False
    for turn in told.turns:
        time = told.time(turn.seq)
        if turn.role == "user" or not is_begun:
            yield _line("turn_context", context, time)
            is_begun = True
        yield from _said(turn, time)
        for call in turn.calls:
            arguments = msgspec.json.encode(call.arguments).decode()
            item = {"type": "function_call", "name": call.name, "arguments": arguments, "call_id": call.id}
            yield _line("response_item", item, time)
        back = told.time(turn.back_seq) if turn.back_seq is not None else time
        for call in turn.calls:
            output = as_one_text(call.result or [])
            yield _line("response_item", {"type": "function_call_output", "call_id": call.id, "output": output}, back)


def _said(turn: Turn, time: datetime) -> Iterator[bytes]:
    text = text_in(turn)
    images = [url_of(image) for image in images_in(turn)] if turn.role == "user" else []
    if not text and not images:
        return
    kind = "input_text" if turn.role == "user" else "output_text"
    content: list[dict[str, Any]] = [{"type": kind, "text": text}] if text else []
    content += [{"type": "input_image", "image_url": url} for url in images]
    yield _line("response_item", {"type": "message", "role": turn.role, "content": content}, time)
    if turn.role == "user":
        event = {"type": "user_message", "message": text, "images": images, "local_images": [], "text_elements": []}
    else:
        event = {"type": "agent_message", "message": text}
    yield _line("event_msg", event, time)


def _line(kind: str, payload: dict[str, Any], time: datetime) -> bytes:
    return line({"timestamp": iso(time), "type": kind, "payload": payload})
