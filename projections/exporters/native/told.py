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
    """What a turn says, without what was thought."""
    return "\n\n".join(as_text(part) for part in turn.parts if part["type"] != "reasoning").strip()


def iso(time: datetime) -> str:
    """A time as these tools write it: UTC with milliseconds."""
    return time.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.") + f"{time.microsecond // 1000:03}Z"


def ms(time: datetime) -> int:
    return int(time.timestamp() * 1000)


def line(value: Any) -> bytes:
    return msgspec.json.encode(value) + b"\n"
