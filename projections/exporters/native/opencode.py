"""A session as opencode's own exchange document, for ``opencode import <file>``: ``{info, messages: [{info, parts}]}``.

Ids have their prefixes and rise, since opencode sorts by them. An answer needs ``finish``, ``tokens``, ``modelID`` and ``providerID``.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from ...view.conversation import Call, Turn
from ...view.to_messages import as_one_text
from .told import MODELS, Told, images_in, line, ms, text_in, url_of

_VERSION = "1.16.0"
_TOKENS = {"input": 0, "output": 0, "reasoning": 0, "cache": {"read": 0, "write": 0}}


def session_id(id: str) -> str:
    return id if id.startswith("ses_") else f"ses_{id.replace('-', '')[:26]}"


def file_name(id: str, began: datetime) -> str:
    return f"{session_id(id)}.json"


def folder(told: Told, home: Path) -> Path:
    return home / "imported"


def compose(told: Told) -> Iterator[bytes]:
    id = session_id(told.id)
    times = {"created": ms(told.began), "updated": ms(told.ended)}
    info = {"id": id, "slug": "imported", "projectID": "global", "directory": told.cwd, "title": told.title, "version": _VERSION}
    writer = _Writer(told, id)
    yield line({"info": {**info, "time": times}, "messages": [writer.message(turn) for turn in told.turns]})


class _Writer:
    """Gives out ids that rise, and remembers the user's message that an answer is to."""

    def __init__(self, told: Told, session: str) -> None:
        self._told = told
        self._session = session
        self._number = 0
        self._asked = ""
        provider = told.view.provider if told.view.provider in MODELS else "anthropic"
        self._provider = provider or "anthropic"
        self._model = told.view.model if provider == told.view.provider and told.view.model else MODELS[self._provider]

    def message(self, turn: Turn) -> dict[str, Any]:
        told = self._told
        id = self._id("msg")
        created = ms(told.time(turn.seq))
        about: dict[str, Any] = {"id": id, "sessionID": self._session, "role": turn.role}
        text = text_in(turn)
        parts = [self._part(id, {"type": "text", "text": text})] if text else []
        parts += [self._part(id, _file(image)) for image in images_in(turn)]
        if turn.role == "user":
            self._asked = id
            model = {"providerID": self._provider, "modelID": self._model}
            return {"info": {**about, "time": {"created": created}, "agent": "build", "model": model}, "parts": parts}
        back = ms(told.time(turn.back_seq)) if turn.back_seq is not None else created
        parts += [self._part(id, _tool(call, created, max(created, back))) for call in turn.calls]
        about |= {"time": {"created": created, "completed": max(created, back)}, "parentID": self._asked or id, "modelID": self._model}
        about |= {"providerID": self._provider, "mode": "build", "agent": "build", "path": {"cwd": told.cwd, "root": told.cwd}, "cost": 0}
        return {"info": {**about, "tokens": _TOKENS, "finish": "tool-calls" if turn.calls else "stop"}, "parts": parts}

    def _part(self, message: str, part: dict[str, Any]) -> dict[str, Any]:
        return {"id": self._id("prt"), "sessionID": self._session, "messageID": message, **part}

    def _id(self, kind: str) -> str:
        self._number += 1
        return f"{kind}_{self._number:012x}{self._told.name(kind, self._number).replace('-', '')[:14]}"


def _file(image: dict[str, Any]) -> dict[str, Any]:
    return {"type": "file", "mime": image.get("mime_type") or "image/png", "url": url_of(image)}


def _tool(call: Call, start: int, end: int) -> dict[str, Any]:
    text = as_one_text(call.result or [])
    state: dict[str, Any] = {"status": "completed", "input": call.arguments, "output": text, "title": call.name, "metadata": {}}
    if call.is_error:
        state = {"status": "error", "input": call.arguments, "error": text}
    return {"type": "tool", "callID": call.id, "tool": call.name, "state": {**state, "time": {"start": start, "end": end}}}
