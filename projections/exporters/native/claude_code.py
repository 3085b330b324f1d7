"""A session as Claude Code's file: ``projects/<folder>/<uuid>.jsonl``, lines of ``user`` and ``assistant``, each after the one before.

``claude --resume <uuid>`` finds it in the folder of the cwd. Every call has its result; what was thought is there where it is signed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from ...view.to_messages import anthropic_messages
from .told import MODELS, Told, iso, line

_VERSION = "2.1.0"
_LONGEST_FOLDER = 200
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def file_name(id: str, began: datetime) -> str:
    return f"{id}.jsonl"


def folder(told: Told, home: Path) -> Path:
    return home / "projects" / project_of(told.cwd)


def compose(told: Told) -> Iterator[bytes]:
    common = {"isSidechain": False, "userType": "external", "cwd": told.cwd, "sessionId": told.id, "version": _VERSION, "gitBranch": ""}
    before: str | None = None
    for number, message in enumerate(anthropic_messages(told.turns)):
        uuid = told.name(number)
        said: dict[str, object] = {"role": message.role, "content": message.content}
        if message.role == "assistant":
            calls = any(block["type"] == "tool_use" for block in message.content)
            said = {
                "id": f"msg_{uuid.replace('-', '')[:24]}",
                "type": "message",
                "model": told.view.model if told.view.provider == "anthropic" and told.view.model else MODELS["anthropic"],
                **said,
                "stop_reason": "tool_use" if calls else "end_turn",
                "stop_sequence": None,
                "usage": {"input_tokens": 0, "output_tokens": 0, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0},
            }
        time = iso(told.time(message.seq))
        yield line({"parentUuid": before, **common, "type": message.role, "message": said, "uuid": uuid, "timestamp": time})
        before = uuid


def project_of(cwd: str) -> str:
    """The folder of a project: its path with ``-`` for all but letters and digits; a long one is cut and ends in a hash of the whole."""
    plain = re.sub(r"[^a-zA-Z0-9]", "-", cwd)
    return plain if len(plain) <= _LONGEST_FOLDER else f"{plain[:_LONGEST_FOLDER]}-{_hashed(cwd)}"


def _hashed(text: str) -> str:
    value = 0
    units = text.encode("utf-16-le", "surrogatepass")
    for index in range(0, len(units), 2):
        value = (value * 31 + int.from_bytes(units[index : index + 2], "little")) & 0xFFFFFFFF
    value = abs(value - (1 << 32) if value & 0x80000000 else value)
    digits = ""
    while value:
        value, digit = divmod(value, 36)
        digits = _DIGITS[digit] + digits
    return digits or "0"
