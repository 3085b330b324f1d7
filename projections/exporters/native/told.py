"""A session as every native file of another tool is made of it: its turns, closed as an API takes them, with their times and new ids.

Only what the model sees now is told: what stands on branches that were left, or before a compaction, is none of it. Foreign instructions
and reasoning that only their own provider can check stay out.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import msgspec

from eventlog.ids import session_id_for

from ...view.conversation import Turn, as_text
from ...view.session import SessionView
from ...view.to_messages import model_turns

MODELS = {"anthropic": "claude-sonnet-4-5", "openai": "gpt-5.1-codex", "google": "gemini-2.5-pro"}
"""What the answers of a model that a tool does not know are shown under, by provider."""

_EPOCH = datetime(2020, 1, 1, tzinfo=timezone.utc)


class Told:
    """``id`` is the new session's, a UUID. ``model`` and ``provider`` are what the session used last, or what stands for it."""

    def __init__(self, view: SessionView, native_id: str, cwd: str) -> None:
        self.view = view
        self.id = native_id
        self.cwd = cwd
        self.turns = [turn for turn in model_turns(view) if turn.role != "system"]
        self.began = view.started_at or _EPOCH
        self.ended = view.updated_at or self.began
        self._times: dict[int, datetime] = {message.seq: message.time for message in view.messages}
        for call in view.tool_calls:
            if call.called_seq is not None and call.called_at is not None:
                self._times.setdefault(call.called_seq, call.called_at)
            if call.returned_seq is not None and call.returned_at is not None:
                self._times.setdefault(call.returned_seq, call.returned_at)

    @property
    def title(self) -> str:
        """What the session is called; else what it begins with."""
        if self.view.title:
            return self.view.title
        first = next((text_in(turn) for turn in self.turns if turn.role == "user" and text_in(turn)), "A session")
        return " ".join(first.split())[:80]

    def time(self, seq: int | None) -> datetime:
        """When what stands at this seq was; for one that has no time of its own, when the session began."""
        return self._times.get(seq or 0, self.began)

    def name(self, *what: object) -> str:
        """A UUID that follows from the session's id and these words."""
        return session_id_for("native", self.id, *map(str, what))


def text_in(turn: Turn) -> str:
    """What a turn says, without what was thought and what was shown."""
    return "\n\n".join(as_text(part) for part in turn.parts if part["type"] != "reasoning" and not is_image(part)).strip()


def is_image(part: dict[str, Any]) -> bool:
    """Whether the part is an image that is there, or that has an address."""
    is_one = part.get("modality") == "image" or str(part.get("mime_type")).startswith("image/")
    return is_one and ((part["type"] == "blob" and bool(part.get("content"))) or (part["type"] == "uri" and bool(part.get("uri"))))


def images_in(turn: Turn) -> list[dict[str, Any]]:
    return [part for part in turn.parts if is_image(part)]


def url_of(image: dict[str, Any]) -> str:
    """An image's address; for one that is there, with all of it."""
    return str(image.get("uri") or f"data:{image.get('mime_type') or 'image/png'};base64,{image['content']}")


def iso(time: datetime) -> str:
    """A time as these tools write it: UTC with milliseconds."""
    return time.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.") + f"{time.microsecond // 1000:03}Z"


def ms(time: datetime) -> int:
    return int(time.timestamp() * 1000)


def line(value: Any) -> bytes:
    return msgspec.json.encode(value) + b"\n"
