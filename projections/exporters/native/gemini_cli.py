"""A session as Gemini CLI's chat: ``tmp/<project>/chats/session-<time>-<first 8 characters of the id>.jsonl``, or any path with
``gemini --session-file``. A call stands in its message with its result.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ...view.conversation import Call
from ...view.to_messages import as_one_text
from .told import MODELS, Told, images_in, iso, line, text_in


def file_name(id: str, began: datetime) -> str:
    return f"session-{began.astimezone(timezone.utc):%Y-%m-%dT%H-%M}-{id[:8]}.jsonl"


def folder(told: Told, home: Path) -> Path:
    return home / "tmp" / _project(told.cwd) / "chats"


def compose(told: Told) -> Iterator[bytes]:
    head = {"sessionId": told.id, "projectHash": _project(told.cwd), "startTime": iso(told.began), "lastUpdated": iso(told.ended)}
    yield line({**head, "kind": "main", **({"summary": told.view.title} if told.view.title else {})})
    model = told.view.model if told.view.provider == "google" and told.view.model else MODELS["google"]
    for number, turn in enumerate(told.turns):
        time = iso(told.time(turn.seq))
        message: dict[str, Any] = {"id": told.name(number), "timestamp": time}
        if turn.role == "user":
            text = text_in(turn)
            content = [*([{"text": text}] if text else []), *map(_image, images_in(turn))]
            yield line({**message, "type": "user", "content": content or [{"text": ""}]})
            continue
        calls = [_call(call, time) for call in turn.calls]
        message |= {"type": "gemini", "content": text_in(turn), "thoughts": [], "model": model}
        yield line({**message, **({"toolCalls": calls} if calls else {})})


def _call(call: Call, time: str) -> dict[str, Any]:
    text = as_one_text(call.result or [])
    response = {"id": call.id, "name": call.name, "response": {"error" if call.is_error else "output": text}}
    status = "error" if call.is_error else "success"
    made = {"id": call.id, "name": call.name, "args": call.arguments, "result": [{"functionResponse": response}], "status": status}
    return {**made, "timestamp": time, "resultDisplay": text, "displayName": call.name, "description": "", "renderOutputAsMarkdown": False}


def _image(image: dict[str, Any]) -> dict[str, Any]:
    mime_type = image.get("mime_type") or "image/png"
    if image["type"] == "uri":
        return {"fileData": {"fileUri": image["uri"], "mimeType": mime_type}}
    return {"inlineData": {"data": image["content"], "mimeType": mime_type}}


def _project(cwd: str) -> str:
    return hashlib.sha256(cwd.encode("utf-8", "surrogatepass")).hexdigest()
